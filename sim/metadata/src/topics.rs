//! Topics and partitions (`TopicsImage`, `TopicImage`, `PartitionRegistration.merge`).

use crate::Delta;
use klab_wire::{
    NodeId, PartitionChangeRecord, PartitionId, PartitionRecord, PartitionRegistration, TopicId,
    TopicIdPartition, TopicName, TopicPartition,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Every topic, by id and by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopicsImage {
    by_id: BTreeMap<TopicId, Arc<TopicImage>>,
    by_name: BTreeMap<TopicName, TopicId>,
}

/// One topic and its partitions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicImage {
    /// Its name.
    pub name: TopicName,
    /// Its identity.
    pub id: TopicId,
    /// Its partitions: the one with index n stands at place n.
    pub partitions: Vec<Arc<PartitionRegistration>>,
}

impl TopicImage {
    /// The partitions with their indices, in order. In ZooKeeper mode there may be gaps: partitions of which the
    /// controller has not told yet have no replicas.
    pub fn partitions(&self) -> impl Iterator<Item = (PartitionId, &PartitionRegistration)> + '_ {
        let all = (0..).map(PartitionId).zip(self.partitions.iter().map(Arc::as_ref));
        all.filter(|(_, state)| !state.replicas.is_empty())
    }

    /// One partition's state.
    pub fn partition(&self, partition: PartitionId) -> Option<&PartitionRegistration> {
        let state = self.partitions.get(partition.0 as usize).map(Arc::as_ref);
        state.filter(|state| !state.replicas.is_empty())
    }
}

impl TopicsImage {
    /// A topic by its identity.
    pub fn topic(&self, id: TopicId) -> Option<&TopicImage> {
        self.by_id.get(&id).map(Arc::as_ref)
    }

    /// A topic by its name.
    pub fn named(&self, name: &TopicName) -> Option<&TopicImage> {
        self.topic(*self.by_name.get(name)?)
    }

    /// The identity of the topic that has this name now.
    pub fn id_of(&self, name: &TopicName) -> Option<TopicId> {
        self.by_name.get(name).copied()
    }

    /// Every topic, in the order of identities.
    pub fn topics(&self) -> impl Iterator<Item = &TopicImage> + '_ {
        self.by_id.values().map(Arc::as_ref)
    }

    /// Every topic's name and identity, in the order of names.
    pub fn names(&self) -> impl Iterator<Item = (&TopicName, TopicId)> + '_ {
        self.by_name.iter().map(|(name, id)| (name, *id))
    }

    /// A partition's state.
    pub fn partition(&self, partition: TopicIdPartition) -> Option<&PartitionRegistration> {
        self.topic(partition.topic)?.partition(partition.partition)
    }

    /// The state of a partition that is called by its topic's name.
    pub fn partition_named(&self, partition: &TopicPartition) -> Option<&PartitionRegistration> {
        self.named(&partition.topic)?.partition(partition.partition)
    }

    /// A partition by its topic's identity, if there is such a partition.
    pub fn identified(&self, partition: &TopicPartition) -> Option<TopicIdPartition> {
        let topic = self.named(&partition.topic)?;
        topic.partition(partition.partition)?;
        Some(TopicIdPartition { topic: topic.id, partition: partition.partition })
    }

    /// A partition by its topic's name, if there is such a topic.
    pub fn called(&self, partition: TopicIdPartition) -> Option<TopicPartition> {
        let topic = self.topic(partition.topic)?;
        Some(TopicPartition { topic: topic.name.clone(), partition: partition.partition })
    }

    pub(crate) fn create(&mut self, name: &TopicName, id: TopicId, delta: &mut Delta) {
        let topic = TopicImage { name: name.clone(), id, partitions: Vec::new() };
        self.by_id.insert(id, Arc::new(topic));
        self.by_name.insert(name.clone(), id);
        delta.topics_created.push(id);
    }

    pub(crate) fn remove(&mut self, id: TopicId) -> Arc<TopicImage> {
        let topic = self.by_id.remove(&id).expect("only a known topic is removed");
        self.by_name.remove(&topic.name);
        topic
    }

    pub(crate) fn put(&mut self, record: &PartitionRecord, delta: &mut Delta) {
        let partitions = &mut self.topic_mut(record.topic).partitions;
        let registration = record.registration.clone();
        match partitions.get_mut(record.partition.0 as usize) {
            Some(known) => *known = registration,
            None => {
                assert_eq!(partitions.len(), record.partition.0 as usize, "indices leave no gap");
                partitions.push(registration);
            }
        }
        delta.partitions.insert(record.id());
    }

    /// Puts a state in its place, and fills the gap before it, if there is one.
    pub(crate) fn place(&mut self, id: TopicIdPartition, state: Arc<PartitionRegistration>) {
        let partitions = &mut self.topic_mut(id.topic).partitions;
        let place = id.partition.0 as usize;
        if partitions.len() <= place {
            partitions.resize_with(place + 1, || Arc::new(crate::update::untold()));
        }
        partitions[place] = state;
    }

    pub(crate) fn change(&mut self, record: &PartitionChangeRecord, delta: &mut Delta) {
        let partitions = &mut self.topic_mut(record.topic).partitions;
        let known = &mut partitions[record.partition.0 as usize];
        *known = Arc::new(merge(known, record));
        delta.partitions.insert(record.id());
    }

    /// The topic, apart from every clone of this image.
    fn topic_mut(&mut self, id: TopicId) -> &mut TopicImage {
        Arc::make_mut(self.by_id.get_mut(&id).expect("partitions are of a known topic"))
    }
}

/// A partition's state after a change (`PartitionRegistration.merge`).
///
/// Every change counts the partition epoch up by one. A change that names a leader counts the leader
/// epoch up by one, even if it names the leader of before.
pub fn merge(
    before: &PartitionRegistration,
    change: &PartitionChangeRecord,
) -> PartitionRegistration {
    let list =
        |new: &Option<Arc<[NodeId]>>, old: &Arc<[NodeId]>| new.as_ref().unwrap_or(old).clone();
    PartitionRegistration {
        replicas: list(&change.replicas, &before.replicas),
        isr: list(&change.isr, &before.isr),
        removing_replicas: list(&change.removing_replicas, &before.removing_replicas),
        adding_replicas: list(&change.adding_replicas, &before.adding_replicas),
        leader: change.leader.unwrap_or(before.leader),
        leader_recovery_state: change.leader_recovery_state.unwrap_or(before.leader_recovery_state),
        leader_epoch: match change.leader {
            Some(_) => before.leader_epoch.next(),
            None => before.leader_epoch,
        },
        partition_epoch: before.partition_epoch.next(),
        elr: list(&change.elr, &before.elr),
        last_known_elr: list(&change.last_known_elr, &before.last_known_elr),
    }
}
