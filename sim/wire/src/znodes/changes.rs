//! Znodes that tell of changes elsewhere: partitions whose ISR has changed or that shall elect, configs that have
//! changed.

use super::{json, parsed};
use crate::zookeeper::Data;
use crate::{ConfigResource, PartitionId, TopicPartition};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// A list of partitions: `/isr_change_notification/isr_change_N` (`IsrChangeNotificationSequenceZNode`) and
/// `/admin/preferred_replica_election` (`PreferredReplicaElectionZNode`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PartitionsZNode(pub BTreeSet<TopicPartition>);

#[derive(Serialize, Deserialize)]
struct Partitions {
    #[serde(default)]
    version: u8,
    partitions: Vec<One>,
}

#[derive(Serialize, Deserialize)]
struct One {
    topic: String,
    partition: u32,
}

impl PartitionsZNode {
    /// As Kafka writes it.
    pub fn encode(&self) -> Data {
        let one = |partition: &TopicPartition| One {
            topic: partition.topic.to_string(),
            partition: partition.partition.0,
        };
        json(&Partitions { version: 1, partitions: self.0.iter().map(one).collect() })
    }

    /// Data that is not of this kind names no partition, as in Kafka.
    pub fn decode(data: &Data) -> Self {
        let one = |one: One| TopicPartition {
            topic: one.topic.into(),
            partition: PartitionId(one.partition),
        };
        let read = parsed::<Partitions>(data).map(|read| read.partitions).unwrap_or_default();
        PartitionsZNode(read.into_iter().map(one).collect())
    }
}

/// `/config/changes/config_change_N`: whose configs have changed
/// (`ConfigEntityChangeNotificationSequenceZNode`, version 2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigChangeNotification(pub ConfigResource);

#[derive(Serialize, Deserialize)]
struct Entity {
    version: u8,
    entity_path: String,
}

impl ConfigChangeNotification {
    /// As Kafka writes it.
    pub fn encode(&self) -> Data {
        json(&Entity { version: 2, entity_path: super::path::config_entity(&self.0) })
    }

    /// None if it is not of this kind, or about what klab has not: the broker that reads it goes on
    /// (`ZkNodeChangeNotificationListener` logs and goes on).
    pub fn decode(data: &Data) -> Option<Self> {
        let read: Entity = parsed(data)?;
        super::path::config_resource(&read.entity_path).map(ConfigChangeNotification)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_are_written_as_kafka_writes_them() {
        let znode = PartitionsZNode([TopicPartition::new("orders", 3)].into());
        let text = r#"{"version":1,"partitions":[{"topic":"orders","partition":3}]}"#;
        assert_eq!(&*znode.encode().0, text);
        assert_eq!(PartitionsZNode::decode(&znode.encode()), znode);
        assert_eq!(PartitionsZNode::decode(&"".into()), PartitionsZNode::default());
    }

    #[test]
    fn a_config_change_is_written_as_kafka_writes_it() {
        let change = ConfigChangeNotification(ConfigResource::Topic("orders".into()));
        assert_eq!(&*change.encode().0, r#"{"version":2,"entity_path":"topics/orders"}"#);
        assert_eq!(ConfigChangeNotification::decode(&change.encode()), Some(change));
        assert_eq!(ConfigChangeNotification::decode(&"".into()), None);
    }
}
