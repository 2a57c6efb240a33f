//! The Kafka broker: replicas, in-sync replicas, high watermarks, fetches, and what clients ask.
//!
//! [`Broker`] is one [`Machine`](klab_machine::Machine). Its door is `requests.rs`.

mod broker;
pub mod fetch_session;
pub mod high_watermark;
pub mod isr;
pub mod lifecycle;
pub mod replica;
mod setup;
mod view;

pub use broker::Broker;
pub use setup::{BrokerSetup, RAFT_NETWORK_CLIENT};
pub use view::{BrokerView, PartitionView, RoleView};
