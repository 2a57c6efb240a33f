//! An image written down as records (`MetadataImage.write`).

use crate::{ClusterImage, Image};
use klab_wire::{BrokerEpoch, MetadataRecord, NodeId, PartitionId, PartitionRecord, ProducerId};

impl Image {
    /// The records from which [`of_snapshot`](Image::of_snapshot) makes this image again: features
    /// first, because they gate the meaning of the rest.
    pub fn records(&self) -> Vec<MetadataRecord> {
        let mut records = self.feature_records();
        records.extend(self.broker_records());
        self.topic_records(&mut records);
        records.extend(self.config_records());
        records.extend(self.producer_id_record());
        records
    }

    fn feature_records(&self) -> Vec<MetadataRecord> {
        let record = |(name, level): (&std::sync::Arc<str>, u16)| MetadataRecord::FeatureLevel {
            name: name.clone(),
            level,
        };
        self.features.levels().map(record).collect()
    }

    fn broker_records(&self) -> impl Iterator<Item = MetadataRecord> + '_ {
        let registrations = self.cluster.brokers().map(|(_, registration)| registration);
        registrations.map(ClusterImage::record_of).map(MetadataRecord::RegisterBroker)
    }

    fn topic_records(&self, records: &mut Vec<MetadataRecord>) {
        for topic in self.topics.topics() {
            records.push(MetadataRecord::Topic { name: topic.name.clone(), id: topic.id });
            for (index, registration) in topic.partitions.iter().enumerate() {
                records.push(MetadataRecord::Partition(PartitionRecord {
                    topic: topic.id,
                    partition: PartitionId(index as u32),
                    registration: registration.clone(),
                }));
            }
        }
    }

    fn config_records(&self) -> impl Iterator<Item = MetadataRecord> + '_ {
        self.configs.resources().flat_map(|(resource, values)| {
            values.iter().map(|(name, value)| MetadataRecord::Config {
                resource: resource.clone(),
                name: name.clone(),
                value: Some(value.clone()),
            })
        })
    }

    /// Who was given the last block is not in the image, as in Kafka's (`ProducerIdsImage.write`).
    fn producer_id_record(&self) -> Option<MetadataRecord> {
        (self.next_producer_id > ProducerId(0)).then(|| MetadataRecord::ProducerIds {
            broker: NodeId::broker(0),
            epoch: BrokerEpoch(0),
            next: self.next_producer_id,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Delta;
    use klab_wire::*;
    use proptest::prelude::*;
    use std::sync::Arc;

    const SNAPSHOT: OffsetAndEpoch = OffsetAndEpoch { offset: Offset(40), epoch: LeaderEpoch(3) };
    const BROKERS: u16 = 3;
    const TOPICS: u64 = 3;

    /// Three numbers from which a record is made that may follow in the log of an image.
    type Draw = (u8, u16, u64);

    fn record(image: &Image, (kind, which, number): Draw) -> MetadataRecord {
        let broker = NodeId::broker(which % BROKERS + 1);
        let topic = TopicId(u64::from(which) % TOPICS + 1);
        let record = match kind {
            0 => Some(registration(broker, number)),
            1 => registration_change(image, broker, number),
            2 => unregistration(image, broker),
            3 => Some(topic_or_partition(image, topic, number)),
            4 => partition_change(image, topic, number),
            5 => image.topics.topic(topic).map(|_| MetadataRecord::RemoveTopic { id: topic }),
            6 => Some(config(image, topic, broker, number)),
            7 => Some(MetadataRecord::FeatureLevel {
                name: ["metadata.version", "eligible.leader.replicas.version"][which as usize % 2]
                    .into(),
                level: (number % 3) as u16,
            }),
            8 => Some(MetadataRecord::ProducerIds {
                broker,
                epoch: BrokerEpoch(number),
                next: ProducerId(image.next_producer_id.0 + 1_000),
            }),
            _ => None,
        };
        record.unwrap_or(MetadataRecord::NoOp)
    }

    fn registration(broker: NodeId, number: u64) -> MetadataRecord {
        MetadataRecord::RegisterBroker(Arc::new(RegisterBrokerRecord {
            broker,
            incarnation: IncarnationId(number),
            epoch: BrokerEpoch(number),
            rack: (number.is_multiple_of(2)).then(|| "a".into()),
            fenced: !number.is_multiple_of(3),
            in_controlled_shutdown: number.is_multiple_of(5),
            log_dirs: (0..number % 3).map(DirectoryId).collect(),
            features: crate::supported_features().into(),
        }))
    }

    fn registration_change(image: &Image, broker: NodeId, number: u64) -> Option<MetadataRecord> {
        let known = image.cluster.broker(broker)?;
        Some(MetadataRecord::BrokerRegistrationChange {
            broker,
            epoch: known.epoch(),
            fenced: [None, Some(false), Some(true)][number as usize % 3],
            in_controlled_shutdown: [None, Some(true)][number as usize % 2],
        })
    }

    fn unregistration(image: &Image, broker: NodeId) -> Option<MetadataRecord> {
        let epoch = image.cluster.broker(broker)?.epoch();
        Some(MetadataRecord::UnregisterBroker { broker, epoch })
    }

    fn name_of(topic: TopicId) -> TopicName {
        format!("topic-{}", topic.0).as_str().into()
    }

    fn topic_or_partition(image: &Image, id: TopicId, number: u64) -> MetadataRecord {
        let Some(topic) = image.topics.topic(id) else {
            return MetadataRecord::Topic { name: name_of(id), id };
        };
        let replicas: Arc<[NodeId]> = (1..=BROKERS).map(NodeId::broker).collect();
        let none: Arc<[NodeId]> = [].into();
        MetadataRecord::Partition(PartitionRecord {
            topic: id,
            partition: PartitionId(topic.partitions.len() as u32),
            registration: Arc::new(PartitionRegistration {
                isr: replicas.clone(),
                leader: Some(replicas[number as usize % 3]),
                replicas,
                removing_replicas: none.clone(),
                adding_replicas: none.clone(),
                leader_recovery_state: LeaderRecoveryState::Recovered,
                leader_epoch: LeaderEpoch(0),
                partition_epoch: PartitionEpoch(0),
                elr: none.clone(),
                last_known_elr: none,
            }),
        })
    }

    fn partition_change(image: &Image, id: TopicId, number: u64) -> Option<MetadataRecord> {
        let count = image.topics.topic(id)?.partitions.len() as u64;
        let partition = PartitionId(number.checked_rem(count)? as u32);
        let some = |modulus| Some([NodeId::broker((number % modulus) as u16 + 1)].into());
        let mut change = PartitionChangeRecord::of(id, partition);
        match number % 4 {
            0 => (change.isr, change.elr) = (some(2), some(3)),
            1 => (change.adding_replicas, change.removing_replicas) = (some(2), some(3)),
            2 => (change.leader, change.last_known_elr) = (Some(None), some(3)),
            _ => change.leader_recovery_state = Some(LeaderRecoveryState::Recovering),
        }
        Some(MetadataRecord::PartitionChange(change))
    }

    fn config(image: &Image, topic: TopicId, broker: NodeId, number: u64) -> MetadataRecord {
        let resource = match image.topics.topic(topic) {
            Some(topic) => ConfigResource::Topic(topic.name.clone()),
            None => ConfigResource::Broker((number.is_multiple_of(2)).then_some(broker)),
        };
        let value = (!number.is_multiple_of(3)).then(|| number.to_string().as_str().into());
        MetadataRecord::Config { resource, name: "retention.ms".into(), value }
    }

    /// What a snapshot of the image holds, which is taken after the log's first 40 records.
    fn read_back(image: &mut Image) -> Image {
        (image.next_offset, image.epoch) = (SNAPSHOT.offset, SNAPSHOT.epoch);
        let batch = |records: &[_]| RecordBatch::of_metadata(records.to_vec(), Timestamp::START);
        let batches: Vec<RecordBatch> = image.records().chunks(7).map(batch).collect();
        Image::of_snapshot(SNAPSHOT, &batches)
    }

    proptest! {
        #[test]
        fn whatever_the_log_says_a_snapshot_says_the_same(
            draws in prop::collection::vec((0u8..10, 0u16..6, 0u64..60), 0..60),
        ) {
            let mut image = Image::default();
            for draw in draws {
                image.replay(&record(&image, draw), &mut Delta::default());
            }
            let loaded = read_back(&mut image);
            prop_assert!(Delta::between(&image, &loaded).is_empty());
            prop_assert_eq!(loaded, image);
        }
    }

    #[test]
    fn a_broker_that_was_unfenced_since_it_registered_reads_back_as_the_same() {
        let broker = NodeId::broker(1);
        let mut image = Image::default();
        image.replay(&registration(broker, 4), &mut Delta::default());
        let unfence = registration_change(&image, broker, 4).expect("it is registered");
        image.replay(&unfence, &mut Delta::default());
        assert!(image.cluster.is_active(broker));
        assert_eq!(read_back(&mut image), image);
    }
}
