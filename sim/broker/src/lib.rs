//! The Kafka broker: replicas, in-sync replicas, high watermarks, fetches, and what clients ask.
//!
//! [`Broker`] is one [`Machine`](klab_machine::Machine). Its door is `requests.rs`.

#[macro_use]
mod broker;
mod alter_partition;
mod controller_channel;
mod controller_link;
mod delete_records;
mod fetch;
mod fetch_session;
mod fetcher;
mod high_watermark;
mod isr;
mod lifecycle;
mod list_offsets;
mod metadata_cache;
mod partition;
mod partition_isr;
mod produce;
mod producer_ids;
mod publisher;
mod purgatory;
mod replica;
mod replica_fetchers;
mod replica_selector;
mod replicas;
mod requests;
mod setup;
mod storage;
mod throttle;
mod topic_metadata;
mod topic_settings;
mod truncation;
mod view;

pub use broker::Broker;
pub use lifecycle::BrokerState;
pub use setup::{BrokerSetup, RAFT_NETWORK_CLIENT};
pub use view::{BrokerView, PartitionView, RoleView};

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
