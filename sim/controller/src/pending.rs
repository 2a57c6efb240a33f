//! What the active controller goes by: everything it has decided, committed or not.
//!
//! Kafka keeps one state and rolls it back to a snapshot of its timeline when leadership is lost. Here
//! the committed image is kept beside this one, and this one is dropped.

use crate::facts;
use crate::partition_index::PartitionIndex;
use klab_machine::Outbox;
use klab_metadata::{Delta, Image};
use klab_wire::{MetadataRecord, PartitionRegistration, TopicId, TopicIdPartition};
use std::sync::Arc;

/// The metadata after every decision, with an index of its partitions.
#[derive(Clone, Debug)]
pub(crate) struct Pending {
    pub(crate) image: Image,
    pub(crate) index: PartitionIndex,
}

impl Pending {
    /// Everything committed, and nothing decided yet.
    pub(crate) fn of(committed: &Image) -> Self {
        Pending { index: PartitionIndex::of(committed), image: committed.clone() }
    }

    /// Carries out a decision and states the facts that follow from it.
    pub(crate) fn replay(&mut self, record: &MetadataRecord, out: &mut Outbox) {
        facts::state_record(&self.image, record, out);
        match record {
            MetadataRecord::Partition(partition) => {
                self.replay_partition(partition.id(), record, out)
            }
            MetadataRecord::PartitionChange(change) => {
                self.replay_partition(change.id(), record, out)
            }
            MetadataRecord::RemoveTopic { id } => self.replay_deletion(*id, record),
            MetadataRecord::Topic { name, .. } => {
                self.index.topic_created(name);
                self.apply(record);
            }
            _ => self.apply(record),
        }
    }

    fn replay_partition(
        &mut self,
        partition: TopicIdPartition,
        record: &MetadataRecord,
        out: &mut Outbox,
    ) {
        let before = self.shared(partition);
        self.apply(record);
        let after = self.shared(partition).expect("a record was replayed for this partition");
        self.index.update(partition, before.as_deref(), Some(&after));
        match before {
            None => facts::state_new_partition(&self.image, partition, &after, out),
            Some(before) => {
                let named = self.image.topics.called(partition).expect("its topic is known");
                facts::state_partition_change(&named, &before, &after, out);
            }
        }
    }

    fn replay_deletion(&mut self, id: TopicId, record: &MetadataRecord) {
        if let Some(topic) = self.image.topics.topic(id) {
            self.index.topic_deleted(&topic.name);
            for (partition, state) in topic.partitions() {
                self.index.update(TopicIdPartition { topic: id, partition }, Some(state), None);
            }
        }
        self.apply(record);
    }

    fn apply(&mut self, record: &MetadataRecord) {
        self.image.replay(record, &mut Delta::default());
    }

    fn shared(&self, partition: TopicIdPartition) -> Option<Arc<PartitionRegistration>> {
        let topic = self.image.topics.topic(partition.topic)?;
        topic.partitions.get(partition.partition.0 as usize).cloned()
    }
}
