//! The image: what the metadata log says, and up to which of its records (`MetadataImage`).

use crate::{ClusterImage, ConfigsImage, Delta, FeaturesImage, TopicsImage};
use klab_wire::{
    ConfigResource, LeaderEpoch, MetadataRecord, Offset, OffsetAndEpoch, ProducerId, RecordBatch,
};

/// What the metadata log says after its first [`next_offset`](Image::next_offset) records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Image {
    /// The registered brokers.
    pub cluster: ClusterImage,
    /// The topics and their partitions.
    pub topics: TopicsImage,
    /// The dynamic configs.
    pub configs: ConfigsImage,
    /// The finalised features.
    pub features: FeaturesImage,
    /// The first producer id that no broker has been given.
    pub next_producer_id: ProducerId,
    /// The offset of the first record that this image does not contain (`MetadataProvenance`).
    pub next_offset: Offset,
    /// The epoch of the last record that it contains.
    pub epoch: LeaderEpoch,
}

impl Image {
    /// What a snapshot holds, under the name by which it was taken.
    pub fn of_snapshot<'a>(
        id: OffsetAndEpoch,
        batches: impl IntoIterator<Item = &'a RecordBatch>,
    ) -> Image {
        let mut image = Image::default();
        let mut delta = Delta::default();
        for record in batches.into_iter().flat_map(RecordBatch::metadata) {
            image.replay(record, &mut delta);
        }
        image.next_offset = id.offset;
        image.epoch = id.epoch;
        image
    }

    /// Takes in the next batch of the log and notes in `delta` what it touches.
    ///
    /// Control batches count like any other: they occupy offsets.
    pub fn apply(&mut self, batch: &RecordBatch, delta: &mut Delta) {
        assert!(
            batch.base_offset >= self.next_offset,
            "the batch at {} was applied already: the image is at {}",
            batch.base_offset,
            self.next_offset
        );
        for record in batch.metadata() {
            self.replay(record, delta);
        }
        self.next_offset = batch.next_offset();
        self.epoch = batch.partition_leader_epoch;
    }

    /// Takes in one record without moving on in the log: the active controller does so with records
    /// whose batch is not committed yet.
    pub fn replay(&mut self, record: &MetadataRecord, delta: &mut Delta) {
        match record {
            MetadataRecord::RegisterBroker(record) => self.cluster.register(record, delta),
            MetadataRecord::UnregisterBroker { broker, .. } => {
                self.cluster.unregister(*broker, delta);
            }
            MetadataRecord::BrokerRegistrationChange {
                broker,
                epoch,
                fenced,
                in_controlled_shutdown,
            } => self.cluster.change(*broker, *epoch, *fenced, *in_controlled_shutdown, delta),
            MetadataRecord::Topic { name, id } => self.topics.create(name, *id, delta),
            MetadataRecord::RemoveTopic { id } => self.remove_topic(*id, delta),
            MetadataRecord::Partition(record) => self.topics.put(record, delta),
            MetadataRecord::PartitionChange(record) => self.topics.change(record, delta),
            MetadataRecord::Config { resource, name, value } => {
                self.configs.set(resource, name, value.as_ref(), delta);
            }
            MetadataRecord::FeatureLevel { name, level } => self.features.set(name, *level, delta),
            MetadataRecord::ProducerIds { next, .. } => self.next_producer_id = *next,
            MetadataRecord::NoOp => {}
        }
    }

    /// A topic takes its configs with it (`ReplicationControlManager.replay(RemoveTopicRecord)`).
    fn remove_topic(&mut self, id: klab_wire::TopicId, delta: &mut Delta) {
        let topic = self.topics.remove(id);
        self.configs.remove(&ConfigResource::Topic(topic.name.clone()));
        delta.topic_deleted(topic);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use klab_wire::*;
    use std::sync::Arc;

    const TOPIC: TopicId = TopicId(7);

    fn nodes(numbers: &[u16]) -> Arc<[NodeId]> {
        numbers.iter().map(|n| NodeId::broker(*n)).collect()
    }

    fn partition(index: u32) -> MetadataRecord {
        MetadataRecord::Partition(PartitionRecord {
            topic: TOPIC,
            partition: PartitionId(index),
            registration: Arc::new(PartitionRegistration {
                replicas: nodes(&[1, 2, 3]),
                isr: nodes(&[1, 2, 3]),
                removing_replicas: nodes(&[]),
                adding_replicas: nodes(&[]),
                leader: Some(NodeId::broker(1)),
                leader_recovery_state: LeaderRecoveryState::Recovered,
                leader_epoch: LeaderEpoch(0),
                partition_epoch: PartitionEpoch(0),
                elr: nodes(&[]),
                last_known_elr: nodes(&[]),
            }),
        })
    }

    fn register(broker: u16, epoch: u64) -> MetadataRecord {
        MetadataRecord::RegisterBroker(Arc::new(RegisterBrokerRecord {
            broker: NodeId::broker(broker),
            incarnation: IncarnationId(epoch),
            epoch: BrokerEpoch(epoch),
            rack: Some("a".into()),
            fenced: true,
            in_controlled_shutdown: false,
            log_dirs: [DirectoryId(9)].into(),
            features: [].into(),
        }))
    }

    fn topic() -> MetadataRecord {
        MetadataRecord::Topic { name: "orders".into(), id: TOPIC }
    }

    fn config(value: Option<&str>) -> MetadataRecord {
        MetadataRecord::Config {
            resource: ConfigResource::Topic("orders".into()),
            name: "min.insync.replicas".into(),
            value: value.map(Arc::from),
        }
    }

    fn replayed(records: &[MetadataRecord]) -> (Image, Delta) {
        let (mut image, mut delta) = (Image::default(), Delta::default());
        records.iter().for_each(|record| image.replay(record, &mut delta));
        (image, delta)
    }

    fn state(image: &Image, index: u32) -> &PartitionRegistration {
        image
            .topics
            .partition(TopicIdPartition { topic: TOPIC, partition: PartitionId(index) })
            .unwrap()
    }

    #[test]
    fn a_batch_moves_the_image_on_by_its_records_and_takes_its_epoch() {
        let (mut image, mut delta) = (Image::default(), Delta::default());
        let batch = RecordBatch::of_metadata(vec![topic(), partition(0)], Timestamp::START);
        image.apply(&batch.assigned(Offset(3), LeaderEpoch(2)), &mut delta);
        assert_eq!((image.next_offset, image.epoch), (Offset(5), LeaderEpoch(2)));
        assert_eq!(delta.topics_created, [TOPIC]);
        assert_eq!(delta.partitions.len(), 1);
    }

    #[test]
    fn every_change_counts_the_partition_epoch_and_a_named_leader_the_leader_epoch() {
        let (mut image, _) = replayed(&[topic(), partition(0), partition(1)]);
        let mut delta = Delta::default();
        let mut change = PartitionChangeRecord::of(TOPIC, PartitionId(1));
        change.isr = Some(nodes(&[1, 2]));
        image.replay(&MetadataRecord::PartitionChange(change.clone()), &mut delta);
        assert_eq!(state(&image, 1).leader_epoch, LeaderEpoch(0));
        assert_eq!(state(&image, 1).partition_epoch, PartitionEpoch(1));

        // The same leader once more: its epoch grows all the same.
        change.leader = Some(Some(NodeId::broker(1)));
        image.replay(&MetadataRecord::PartitionChange(change), &mut delta);
        assert_eq!(state(&image, 1).leader_epoch, LeaderEpoch(1));
        assert_eq!(state(&image, 1).partition_epoch, PartitionEpoch(2));
        assert_eq!(state(&image, 0).partition_epoch, PartitionEpoch(0));
        assert_eq!(delta.partitions.len(), 1, "only what changed is touched");
    }

    #[test]
    fn a_deleted_topic_takes_its_partitions_and_configs_with_it() {
        let (image, delta) = replayed(&[
            topic(),
            partition(0),
            config(Some("2")),
            MetadataRecord::RemoveTopic { id: TOPIC },
        ]);
        assert!(image.topics.named(&"orders".into()).is_none());
        assert_eq!(image, Image::default());
        assert!(delta.partitions.is_empty() && delta.topics_created.is_empty());
        assert!(delta.topics_deleted.is_empty(), "it came and went within this delta");
    }

    #[test]
    fn a_broker_is_fenced_until_its_registration_says_otherwise() {
        let (mut image, mut delta) = replayed(&[register(1, 4)]);
        assert!(image.cluster.broker(NodeId::broker(1)).unwrap().fenced);
        let unfence = MetadataRecord::BrokerRegistrationChange {
            broker: NodeId::broker(1),
            epoch: BrokerEpoch(4),
            fenced: Some(false),
            in_controlled_shutdown: None,
        };
        image.replay(&unfence, &mut delta);
        assert!(image.cluster.is_active(NodeId::broker(1)));
        image.replay(&register(1, 9), &mut delta);
        assert!(image.cluster.broker(NodeId::broker(1)).unwrap().fenced, "registered anew");
    }

    #[test]
    fn a_snapshot_is_read_back_as_the_image_it_was_taken_of() {
        let (mut image, _) = replayed(&[
            MetadataRecord::FeatureLevel { name: "metadata.version".into(), level: 25 },
            register(1, 4),
            register(2, 5),
            topic(),
            partition(0),
            partition(1),
            config(Some("2")),
            MetadataRecord::ProducerIds {
                broker: NodeId::broker(1),
                epoch: BrokerEpoch(4),
                next: ProducerId(1000),
            },
        ]);
        (image.next_offset, image.epoch) = (Offset(40), LeaderEpoch(3));
        let batches: Vec<RecordBatch> = image
            .records()
            .chunks(3)
            .map(|records| RecordBatch::of_metadata(records.to_vec(), Timestamp::START))
            .collect();
        let id = OffsetAndEpoch { offset: Offset(40), epoch: LeaderEpoch(3) };
        assert_eq!(Image::of_snapshot(id, &batches), image);
    }

    #[test]
    fn the_difference_of_two_images_is_what_the_records_between_them_touched() {
        let before = [topic(), partition(0), partition(1), register(1, 4)];
        let (old, _) = replayed(&before);
        let mut change = PartitionChangeRecord::of(TOPIC, PartitionId(1));
        change.isr = Some(nodes(&[1]));
        let (mut new, mut delta) = (old.clone(), Delta::default());
        for record in [
            MetadataRecord::PartitionChange(change),
            config(Some("2")),
            register(2, 5),
            MetadataRecord::Topic { name: "other".into(), id: TopicId(8) },
        ] {
            new.replay(&record, &mut delta);
        }
        assert_eq!(Delta::between(&old, &new), delta);
        let back = Delta::between(&new, &old);
        assert_eq!(back.topics_deleted[0].id, TopicId(8));
        assert_eq!(back.brokers, delta.brokers);
    }
}
