//! The KRaft controller: who leads, who is in the ISR, who is alive (`QuorumController`, KIP-631).

mod controller;
mod setup;
mod view;

pub use controller::Controller;
pub use setup::{ControllerSetup, RAFT_NETWORK_CLIENT, bootstrap_records};
pub use view::{BrokerRegistrationView, ControllerView};

pub mod election;
pub mod isr;
pub mod placement;
pub mod reassignment;
#[cfg(test)]
mod testing;
pub mod topic_name;
