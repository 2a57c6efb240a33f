//! What Kafka keeps in ZooKeeper: the paths of its znodes, and their payloads in Kafka's own JSON
//! (`kafka.zk.ZkData`).
//!
//! Brokers and the controller know nothing of each other but this and the requests between them. Each payload has
//! `encode` and `decode`; what `decode` makes of data that nobody could have written is said there.

mod admin;
mod broker;
mod changes;
mod config;
mod controller;
pub mod path;
mod producer_ids;
mod state;
mod topic;

pub use admin::ReassignPartitionsZNode;
pub use broker::BrokerIdZNode;
pub use changes::{ConfigChangeNotification, PartitionsZNode};
pub use config::ConfigEntityZNode;
pub use controller::{ClusterIdZNode, ControllerEpochZNode, ControllerZNode};
pub use producer_ids::ProducerIdBlockZNode;
pub use state::{LeaderAndIsr, LeaderIsrAndControllerEpoch, TopicPartitionStateZNode};
pub use topic::{ReplicaAssignment, TopicZNode};

use crate::zookeeper::Data;
use crate::{ControllerEpoch, NodeId};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;

/// The initial epoch of a controller: `/controller_epoch` is created with it, and the first controller counts it
/// up (`KafkaController.InitialControllerEpoch`).
pub const INITIAL_CONTROLLER_EPOCH: ControllerEpoch = ControllerEpoch(0);

/// A payload as Kafka's JSON, fields in Kafka's order.
fn json(payload: &impl Serialize) -> Data {
    Data::from(serde_json::to_string(payload).expect("numbers, names and lists have their JSON"))
}

/// A payload back from its JSON; none if it is not of the kind.
fn parsed<T: DeserializeOwned>(data: &Data) -> Option<T> {
    serde_json::from_str(&data.0).ok()
}

fn brokers(numbers: &[u16]) -> Arc<[NodeId]> {
    numbers.iter().copied().map(NodeId::broker).collect()
}

fn numbers(brokers: &[NodeId]) -> Vec<u16> {
    brokers.iter().map(|broker| broker.number).collect()
}
