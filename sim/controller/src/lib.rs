//! The KRaft controller: who leads, who is in the ISR, who is alive (`QuorumController`, KIP-631).

mod active;
mod alter_partition;
mod assignment;
mod broker_change;
mod broker_control;
mod configs;
mod controller;
mod create_partitions;
mod create_topics;
mod decision;
mod delete_topics;
mod describe_cluster;
mod describe_configs;
#[cfg(test)]
mod desk;
mod elect_leaders;
pub mod election;
mod facts;
mod features;
mod heartbeats;
pub mod isr;
mod partition_index;
mod pending;
pub mod placement;
mod producer_ids;
mod purgatory;
pub mod reassignment;
mod reassignments;
mod registration;
mod schedule;
mod setup;
#[cfg(test)]
mod testing;
pub mod topic_name;
mod view;

pub use controller::Controller;
pub use setup::{ControllerSetup, RAFT_NETWORK_CLIENT, bootstrap_records};
pub use view::{BrokerRegistrationView, ControllerView};
