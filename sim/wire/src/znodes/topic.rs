//! A topic: its identity, and who holds the replicas of its partitions (`TopicZNode`, version 3: KIP-516).

use super::{brokers, json, numbers, parsed};
use crate::zookeeper::Data;
use crate::{NodeId, PartitionId, TopicId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Who holds a partition's replicas, and who of them comes and goes (`ReplicaAssignment`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReplicaAssignment {
    /// The replicas, the preferred leader first.
    pub replicas: Arc<[NodeId]>,
    /// Those on their way in.
    pub adding_replicas: Arc<[NodeId]>,
    /// Those on their way out.
    pub removing_replicas: Arc<[NodeId]>,
}

/// `/brokers/topics/T`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopicZNode {
    /// Its identity; none if a release without topic ids created it.
    pub id: Option<TopicId>,
    /// Its partitions.
    pub assignment: BTreeMap<PartitionId, ReplicaAssignment>,
}

type Lists = BTreeMap<String, Vec<u16>>;

#[derive(Serialize, Deserialize)]
struct Fields {
    #[serde(default)]
    version: u8,
    #[serde(default)]
    partitions: Lists,
    #[serde(default)]
    adding_replicas: Lists,
    #[serde(default)]
    removing_replicas: Lists,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    topic_id: Option<String>,
}

impl ReplicaAssignment {
    /// These, and nobody comes or goes.
    pub fn settled(replicas: Arc<[NodeId]>) -> Self {
        ReplicaAssignment { replicas, ..ReplicaAssignment::default() }
    }

    /// Replicas are on their way in or out.
    pub fn is_being_reassigned(&self) -> bool {
        !self.adding_replicas.is_empty() || !self.removing_replicas.is_empty()
    }

    /// The replicas before the reassignment.
    pub fn origin_replicas(&self) -> Arc<[NodeId]> {
        self.without(&self.adding_replicas)
    }

    /// The replicas after it.
    pub fn target_replicas(&self) -> Arc<[NodeId]> {
        self.without(&self.removing_replicas)
    }

    fn without(&self, others: &[NodeId]) -> Arc<[NodeId]> {
        match others {
            [] => self.replicas.clone(),
            _ => self.replicas.iter().copied().filter(|node| !others.contains(node)).collect(),
        }
    }

    /// Begins a reassignment to these replicas, or turns the present one around (`reassignTo`).
    pub fn reassign_to(&self, target: &[NodeId]) -> Self {
        let origin = self.origin_replicas();
        let beyond = |a: &[NodeId], b: &[NodeId]| -> Arc<[NodeId]> {
            a.iter().copied().filter(|node| !b.contains(node)).collect()
        };
        let kept = origin.iter().filter(|node| !target.contains(node));
        ReplicaAssignment {
            replicas: target.iter().chain(kept).copied().collect(),
            adding_replicas: beyond(target, &origin),
            removing_replicas: beyond(&origin, target),
        }
    }
}

impl TopicZNode {
    /// As Kafka writes it.
    pub fn encode(&self) -> Data {
        let lists = |pick: fn(&ReplicaAssignment) -> &Arc<[NodeId]>, also_empty: bool| -> Lists {
            let entries = self.assignment.iter().map(|(partition, one)| (partition, pick(one)));
            let wanted = entries.filter(|(_, list)| also_empty || !list.is_empty());
            wanted.map(|(partition, list)| (partition.to_string(), numbers(list))).collect()
        };
        json(&Fields {
            version: 3,
            partitions: lists(|one| &one.replicas, true),
            adding_replicas: lists(|one| &one.adding_replicas, false),
            removing_replicas: lists(|one| &one.removing_replicas, false),
            topic_id: self.id.map(|id| id.to_string()),
        })
    }

    /// Data that is not of this kind is a topic without partitions, as in Kafka.
    pub fn decode(data: &Data) -> Self {
        parsed::<Fields>(data).map(TopicZNode::of).unwrap_or_default()
    }

    fn of(fields: Fields) -> Self {
        let list = |lists: &Lists, name: &str| {
            lists.get(name).map_or_else(Arc::default, |list| brokers(list))
        };
        let entry = |(name, replicas): (&String, &Vec<u16>)| {
            let assignment = ReplicaAssignment {
                replicas: brokers(replicas),
                adding_replicas: list(&fields.adding_replicas, name),
                removing_replicas: list(&fields.removing_replicas, name),
            };
            Some((PartitionId(name.parse().ok()?), assignment))
        };
        TopicZNode {
            id: fields.topic_id.as_ref().and_then(|id| id.parse().ok()).map(TopicId),
            assignment: fields.partitions.iter().filter_map(entry).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes(numbers: &[u16]) -> Arc<[NodeId]> {
        brokers(numbers)
    }

    #[test]
    fn a_topic_is_written_as_kafka_writes_it() {
        let moving = ReplicaAssignment {
            replicas: nodes(&[3, 1]),
            adding_replicas: nodes(&[3]),
            removing_replicas: nodes(&[1]),
        };
        let settled = ReplicaAssignment::settled(nodes(&[1, 2]));
        let topic = TopicZNode {
            id: Some(TopicId(77)),
            assignment: BTreeMap::from([(PartitionId(0), settled), (PartitionId(1), moving)]),
        };
        let text = r#"{"version":3,"partitions":{"0":[1,2],"1":[3,1]},"adding_replicas":{"1":[3]},"removing_replicas":{"1":[1]},"topic_id":"77"}"#;
        assert_eq!(&*topic.encode().0, text);
        assert_eq!(TopicZNode::decode(&topic.encode()), topic);
        let old = TopicZNode::decode(&r#"{"version":1,"partitions":{"0":[1]}}"#.into());
        assert_eq!((old.id, old.assignment.len()), (None, 1));
        assert_eq!(TopicZNode::decode(&"nonsense".into()), TopicZNode::default());
    }

    #[test]
    fn a_reassignment_may_be_turned_around() {
        let settled = ReplicaAssignment::settled(nodes(&[1, 2]));
        let moving = settled.reassign_to(&nodes(&[3, 1]));
        assert_eq!(moving.replicas, nodes(&[3, 1, 2]));
        assert_eq!(
            (&moving.adding_replicas, &moving.removing_replicas),
            (&nodes(&[3]), &nodes(&[2]))
        );
        let elsewhere = moving.reassign_to(&nodes(&[4, 1]));
        assert_eq!(elsewhere.replicas, nodes(&[4, 1, 2]));
        let back = moving.reassign_to(&moving.origin_replicas());
        assert_eq!(back.target_replicas(), nodes(&[1, 2]));
        assert!(!back.is_being_reassigned());
    }
}
