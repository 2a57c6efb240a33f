//! Which partitions a broker's fate touches (`BrokersToIsrs`, `BrokersToElrs`).
//!
//! A broker that dies changes the partitions that it was in sync for, and no others: the active
//! controller finds them here, and never walks all partitions.

use crate::topic_name::collision_name;
use klab_metadata::Image;
use klab_wire::{NodeId, PartitionId, PartitionRegistration, TopicId, TopicIdPartition, TopicName};
use std::collections::BTreeSet;

const NOBODY: &[NodeId] = &[];

/// Partitions by what can happen to them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PartitionIndex {
    isr_members: BTreeSet<(NodeId, TopicIdPartition)>,
    elr_members: BTreeSet<(NodeId, TopicIdPartition)>,
    leaders: BTreeSet<(NodeId, TopicIdPartition)>,
    leaderless: BTreeSet<TopicIdPartition>,
    imbalanced: BTreeSet<TopicIdPartition>,
    reassigning: BTreeSet<TopicIdPartition>,
    /// Topics whose names metrics would change, by what metrics would call them.
    collisions: BTreeSet<(String, TopicName)>,
}

impl PartitionIndex {
    /// The index of everything in an image.
    pub(crate) fn of(image: &Image) -> Self {
        let mut index = PartitionIndex::default();
        for topic in image.topics.topics() {
            index.topic_created(&topic.name);
            for (partition, state) in topic.partitions() {
                index.update(TopicIdPartition { topic: topic.id, partition }, None, Some(state));
            }
        }
        index
    }

    /// The partitions that have this broker in their ISR.
    pub(crate) fn in_isr_of(&self, broker: NodeId) -> Vec<TopicIdPartition> {
        partitions_of(&self.isr_members, broker).collect()
    }

    /// The partitions that have this broker among their eligible leader replicas.
    pub(crate) fn in_elr_of(&self, broker: NodeId) -> Vec<TopicIdPartition> {
        partitions_of(&self.elr_members, broker).collect()
    }

    /// This broker leads something.
    pub(crate) fn leads(&self, broker: NodeId) -> bool {
        partitions_of(&self.leaders, broker).next().is_some()
    }

    /// The partitions without a leader.
    pub(crate) fn leaderless(&self) -> &BTreeSet<TopicIdPartition> {
        &self.leaderless
    }

    /// The partitions that their preferred replica does not lead.
    pub(crate) fn imbalanced(&self) -> &BTreeSet<TopicIdPartition> {
        &self.imbalanced
    }

    /// The partitions that are moving.
    pub(crate) fn reassigning(&self) -> &BTreeSet<TopicIdPartition> {
        &self.reassigning
    }

    /// A topic that metrics could not tell from one of this name.
    pub(crate) fn colliding_with(&self, name: &TopicName) -> Option<&TopicName> {
        let called = collision_name(name)?;
        let first = (called.clone(), TopicName::from(""));
        let (other, topic) = self.collisions.range(first..).next()?;
        (*other == called).then_some(topic)
    }

    pub(crate) fn topic_created(&mut self, name: &TopicName) {
        if let Some(called) = collision_name(name) {
            self.collisions.insert((called, name.clone()));
        }
    }

    pub(crate) fn topic_deleted(&mut self, name: &TopicName) {
        if let Some(called) = collision_name(name) {
            self.collisions.remove(&(called, name.clone()));
        }
    }

    /// A partition came, changed or went.
    pub(crate) fn update<'a>(
        &mut self,
        partition: TopicIdPartition,
        before: Option<&'a PartitionRegistration>,
        after: Option<&'a PartitionRegistration>,
    ) {
        let isr = |state: Option<&'a PartitionRegistration>| state.map_or(NOBODY, |s| &*s.isr);
        let elr = |state: Option<&'a PartitionRegistration>| state.map_or(NOBODY, |s| &*s.elr);
        let leader = |state: Option<&'a PartitionRegistration>| {
            state.map_or(NOBODY, |state| state.leader.as_slice())
        };
        replace(&mut self.isr_members, partition, isr(before), isr(after));
        replace(&mut self.elr_members, partition, elr(before), elr(after));
        replace(&mut self.leaders, partition, leader(before), leader(after));
        keep(&mut self.leaderless, partition, after.is_some_and(|state| state.leader.is_none()));
        keep(&mut self.imbalanced, partition, after.is_some_and(|s| !s.has_preferred_leader()));
        keep(&mut self.reassigning, partition, after.is_some_and(|s| s.is_reassigning()));
    }
}

fn partitions_of(
    set: &BTreeSet<(NodeId, TopicIdPartition)>,
    broker: NodeId,
) -> impl Iterator<Item = TopicIdPartition> + '_ {
    let first = TopicIdPartition { topic: TopicId(0), partition: PartitionId(0) };
    let last = TopicIdPartition { topic: TopicId(u64::MAX), partition: PartitionId(u32::MAX) };
    set.range((broker, first)..=(broker, last)).map(|(_, partition)| *partition)
}

fn replace(
    set: &mut BTreeSet<(NodeId, TopicIdPartition)>,
    partition: TopicIdPartition,
    before: &[NodeId],
    after: &[NodeId],
) {
    if before == after {
        return;
    }
    for node in before {
        set.remove(&(*node, partition));
    }
    set.extend(after.iter().map(|node| (*node, partition)));
}

fn keep(set: &mut BTreeSet<TopicIdPartition>, partition: TopicIdPartition, belongs: bool) {
    match belongs {
        true => set.insert(partition),
        false => set.remove(&partition),
    };
}
