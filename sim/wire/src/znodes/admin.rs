//! What administrators of before 2.4 write to move replicas (`ReassignPartitionsZNode`).

use super::{brokers, json, numbers, parsed};
use crate::zookeeper::Data;
use crate::{NodeId, PartitionId, TopicPartition};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// `/admin/reassign_partitions`: the target replicas of partitions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReassignPartitionsZNode(pub BTreeMap<TopicPartition, Arc<[NodeId]>>);

#[derive(Serialize, Deserialize)]
struct Fields {
    version: u8,
    partitions: Vec<One>,
}

#[derive(Serialize, Deserialize)]
struct One {
    topic: String,
    partition: u32,
    replicas: Vec<u16>,
}

impl ReassignPartitionsZNode {
    /// As Kafka writes it.
    pub fn encode(&self) -> Data {
        let one = |(partition, replicas): (&TopicPartition, &Arc<[NodeId]>)| One {
            topic: partition.topic.to_string(),
            partition: partition.partition.0,
            replicas: numbers(replicas),
        };
        json(&Fields { version: 1, partitions: self.0.iter().map(one).collect() })
    }

    /// None if it is not of this kind: the controller deletes it then
    /// (`KafkaZkClient.getPartitionReassignment` logs, and gives nothing).
    pub fn decode(data: &Data) -> Option<Self> {
        let entry = |one: One| {
            let partition =
                TopicPartition { topic: one.topic.into(), partition: PartitionId(one.partition) };
            (partition, brokers(&one.replicas))
        };
        let read: Fields = parsed(data)?;
        Some(ReassignPartitionsZNode(read.partitions.into_iter().map(entry).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reassignment_is_written_as_kafka_writes_it() {
        let znode =
            ReassignPartitionsZNode([(TopicPartition::new("orders", 0), brokers(&[2, 3]))].into());
        let text =
            r#"{"version":1,"partitions":[{"topic":"orders","partition":0,"replicas":[2,3]}]}"#;
        assert_eq!(&*znode.encode().0, text);
        assert_eq!(ReassignPartitionsZNode::decode(&znode.encode()), Some(znode));
        assert_eq!(ReassignPartitionsZNode::decode(&"".into()), None);
    }
}
