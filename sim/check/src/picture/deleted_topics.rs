//! Topics that were deleted, and what is left of them on brokers that do not know it yet.
//!
//! A deletion is in force when it is committed; each broker gives its replicas up when it learns of it, one
//! that is down after its next start. Until then it goes on stating facts about partitions that are no more,
//! and another topic may have the same name by then.

use super::partition::Partition;
use klab_wire::{NodeId, Offset, TopicName, TopicPartition};
use std::collections::{BTreeMap, BTreeSet};

/// Topics that were deleted.
#[derive(Clone, Debug, Default)]
pub(crate) struct DeletedTopics {
    /// There was one at some time.
    any: bool,
    /// Those whose name nobody has now.
    gone: BTreeSet<TopicName>,
    /// Replicas that their nodes have not given up yet, and where the metadata log says that they must.
    remains: BTreeMap<(NodeId, TopicPartition), Offset>,
}

impl DeletedTopics {
    pub(crate) fn there_are_some(&self) -> bool {
        self.any
    }

    pub(crate) fn delete(&mut self, topic: &TopicName, partitions: &[Partition], last: Offset) {
        self.any = true;
        self.gone.insert(topic.clone());
        for partition in partitions {
            let nodes = partition.copies.nodes();
            self.remains.extend(nodes.map(|node| ((node, partition.name.clone()), last)));
        }
    }

    /// A topic was created; it may have the name of a deleted one.
    pub(crate) fn create(&mut self, topic: &TopicName) {
        self.gone.remove(topic);
    }

    /// A node has given up its replica. Tells whether that one was of a deleted topic.
    pub(crate) fn give_up(&mut self, node: NodeId, partition: &TopicPartition) -> bool {
        !self.remains.is_empty() && self.remains.remove(&(node, partition.clone())).is_some()
    }

    /// A node takes up a role in a partition, and has applied the metadata up to here. If that says that a
    /// partition of this name is no more, it had no replica to give up, and speaks of another one.
    pub(crate) fn take_up(&mut self, node: NodeId, partition: &TopicPartition, applied: Offset) {
        let key = (node, partition.clone());
        if self.remains.get(&key).is_some_and(|last| *last < applied) {
            self.remains.remove(&key);
        }
    }

    /// A node has started and opened these logs: of others nothing is left. Gives back their topics.
    pub(crate) fn start(
        &mut self,
        node: NodeId,
        opened: &BTreeSet<TopicPartition>,
    ) -> Vec<TopicName> {
        let is_left = |(other, partition): &(NodeId, TopicPartition)| {
            *other != node || opened.contains(partition)
        };
        let lost = self.remains.keys().filter(|remains| !is_left(remains));
        let topics = lost.map(|(_, partition)| partition.topic.clone()).collect();
        self.remains.retain(|remains, _| is_left(remains));
        topics
    }

    /// Whether what this node says of this partition is about one that is no more.
    pub(crate) fn concerns(&self, node: NodeId, partition: &TopicPartition) -> bool {
        self.gone.contains(&partition.topic)
            || self.remains.contains_key(&(node, partition.clone()))
    }

    /// Whether a topic of this name exists and nothing is left of an earlier one.
    pub(crate) fn is_settled(&self, topic: &TopicName) -> bool {
        let is_left = || self.remains.keys().any(|(_, partition)| partition.topic == *topic);
        !self.gone.contains(topic) && !is_left()
    }
}
