//! Topics that were deleted, and what is left of them on brokers that do not know it yet.
//!
//! A deletion is in force when it is committed; each broker gives its replicas up when it learns of it, one
//! that is down after its next start. Until then it goes on stating facts about partitions that are no more,
//! and another topic may have the same name by then.

use super::partition::Partition;
use klab_wire::{NodeId, TopicName, TopicPartition};
use std::collections::BTreeSet;

/// Topics that were deleted.
#[derive(Clone, Debug, Default)]
pub(crate) struct DeletedTopics {
    /// All that ever were.
    ever: BTreeSet<TopicName>,
    /// Those whose name nobody has now.
    gone: BTreeSet<TopicName>,
    /// Replicas that their nodes have not given up yet.
    remains: BTreeSet<(NodeId, TopicPartition)>,
}

impl DeletedTopics {
    pub(crate) fn there_are_some(&self) -> bool {
        !self.ever.is_empty()
    }

    pub(crate) fn delete(&mut self, topic: &TopicName, partitions: &[Partition]) {
        self.ever.insert(topic.clone());
        self.gone.insert(topic.clone());
        for partition in partitions {
            let nodes = partition.copies.nodes();
            self.remains.extend(nodes.map(|node| (node, partition.name.clone())));
        }
    }

    /// A topic was created; it may have the name of a deleted one.
    pub(crate) fn create(&mut self, topic: &TopicName) {
        self.gone.remove(topic);
    }

    /// A node has given up its replica. Tells whether that one was of a deleted topic.
    pub(crate) fn give_up(&mut self, node: NodeId, partition: &TopicPartition) -> bool {
        !self.remains.is_empty() && self.remains.remove(&(node, partition.clone()))
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
        let lost = self.remains.iter().filter(|remains| !is_left(remains));
        let topics = lost.map(|(_, partition)| partition.topic.clone()).collect();
        self.remains.retain(is_left);
        topics
    }

    /// Whether what this node says of this partition is about one that is no more.
    pub(crate) fn concerns(&self, node: NodeId, partition: &TopicPartition) -> bool {
        self.gone.contains(&partition.topic) || self.remains.contains(&(node, partition.clone()))
    }

    /// Whether a topic of this name exists and nothing is left of an earlier one.
    pub(crate) fn is_settled(&self, topic: &TopicName) -> bool {
        let is_left = || self.remains.iter().any(|(_, partition)| partition.topic == *topic);
        !self.gone.contains(topic) && !is_left()
    }

    /// Whether a topic of this name was deleted at some time.
    pub(crate) fn were_ever(&self, topic: &TopicName) -> bool {
        self.ever.contains(topic)
    }
}
