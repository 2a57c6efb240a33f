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
