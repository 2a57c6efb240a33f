//! The replicas on this broker, and which of them a request may use (`ReplicaManager`).

use crate::Broker;
use crate::metadata_cache::MetadataCache;
use crate::partition::Partition;
use crate::slots::{Slot, Slots};
use klab_wire::{ErrorCode, LeaderIdAndEpoch, TopicIdPartition, TopicPartition};

/// The replicas on this broker.
#[derive(Clone, Debug)]
pub struct Replicas {
    partitions: Slots<TopicIdPartition, Partition>,
}

impl Replicas {
    /// None yet.
    pub fn new() -> Self {
        Replicas { partitions: Slots::new() }
    }

    /// A replica.
    pub fn get(&self, id: TopicIdPartition) -> Option<&Partition> {
        self.partitions.get(id)
    }

    /// A replica, to change it.
    pub fn get_mut(&mut self, id: TopicIdPartition) -> Option<&mut Partition> {
        self.partitions.get_mut(id)
    }

    /// A replica that was in this slot.
    pub fn recall(&self, slot: Slot, id: TopicIdPartition) -> Option<&Partition> {
        self.partitions.recall(slot, id)
    }

    /// A replica that was in this slot, to change it.
    pub fn recall_mut(&mut self, slot: &mut Slot, id: TopicIdPartition) -> Option<&mut Partition> {
        self.partitions.recall_mut(slot, id)
    }

    /// There is another one.
    pub fn insert(&mut self, partition: Partition) {
        self.partitions.insert(partition.id(), partition);
    }

    /// One is given up.
    pub fn remove(&mut self, id: TopicIdPartition) -> Option<Partition> {
        self.partitions.remove(id)
    }

    /// How many there are.
    pub fn len(&self) -> u32 {
        self.partitions.len()
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Partition> + '_ {
        self.partitions.iter()
    }

    /// All of them, to change them.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Partition> + '_ {
        self.partitions.iter_mut()
    }
}

impl Broker {
    /// A partition by its topic's present identity, as far as this broker knows.
    pub(crate) fn identified(
        &self,
        partition: &TopicPartition,
    ) -> Result<TopicIdPartition, ErrorCode> {
        let topics = &self.metadata.image().topics;
        topics.identified(partition).ok_or(ErrorCode::UnknownTopicOrPartition)
    }

    /// The replica that a request is for (`getPartitionOrException`): a partition that exists, but not
    /// here, is another broker's.
    pub(crate) fn hosted(&self, id: TopicIdPartition) -> Result<&Partition, ErrorCode> {
        self.replicas.get(id).ok_or_else(|| why_not_hosted(&self.metadata, id))
    }

    /// Who leads a partition, as far as this broker knows (KIP-951).
    pub(crate) fn leader_of(&self, id: TopicIdPartition) -> Option<LeaderIdAndEpoch> {
        let hosted = self.replicas.get(id).map(|p| p.leader_id_and_epoch(self.identity.node));
        hosted.or_else(|| {
            let known = self.metadata.image().topics.partition(id)?;
            Some(LeaderIdAndEpoch { leader: known.leader, epoch: known.leader_epoch })
        })
    }
}

/// Why a partition is not here: one that exists is another broker's.
pub(crate) fn why_not_hosted(metadata: &MetadataCache, id: TopicIdPartition) -> ErrorCode {
    match metadata.image().topics.topic(id.topic) {
        None => ErrorCode::UnknownTopicId,
        Some(topic) if topic.partition(id.partition).is_none() => {
            ErrorCode::UnknownTopicOrPartition
        }
        Some(_) => ErrorCode::NotLeaderOrFollower,
    }
}
