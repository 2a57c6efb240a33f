//! What a part of the metadata log touched (`MetadataDelta`).

use crate::{Image, TopicImage};
use klab_wire::{ConfigResource, NodeId, PartitionId, TopicId, TopicIdPartition};
use std::collections::BTreeSet;
use std::sync::Arc;

/// What some batches touched; what it became stands in the image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delta {
    /// Topics that are new, in the order of their creation.
    pub topics_created: Vec<TopicId>,
    /// Topics that are gone, as they were last.
    pub topics_deleted: Vec<DeletedTopic>,
    /// Partitions that are new or changed, and not gone.
    pub partitions: BTreeSet<TopicIdPartition>,
    /// Brokers whose registration came, changed or went.
    pub brokers: BTreeSet<NodeId>,
    /// Resources whose configs changed.
    pub configs: BTreeSet<ConfigResource>,
    /// A feature's level changed.
    pub features_changed: bool,
}

/// A topic that is gone, as it was last.
pub type DeletedTopic = Arc<TopicImage>;

impl Delta {
    /// Nothing was touched.
    pub fn is_empty(&self) -> bool {
        *self == Delta::default()
    }

    /// What leads from one image to another, for whoever loads a snapshot over what it had.
    ///
    /// Walks all partitions of both; those that share their state are told apart at no cost.
    pub fn between(old: &Image, new: &Image) -> Delta {
        let mut delta = Delta::default();
        delta.compare_topics(old, new);
        delta.compare_brokers(old, new);
        delta.compare_configs(old, new);
        delta.features_changed = old.features != new.features;
        delta
    }

    pub(crate) fn topic_deleted(&mut self, topic: DeletedTopic) {
        let of_topic = |index| TopicIdPartition { topic: topic.id, partition: PartitionId(index) };
        for index in 0..topic.partitions.len() as u32 {
            self.partitions.remove(&of_topic(index));
        }
        match self.topics_created.iter().position(|id| *id == topic.id) {
            // Created and deleted between two looks: whoever applies this never knew it.
            Some(place) => drop(self.topics_created.remove(place)),
            None => self.topics_deleted.push(topic),
        }
    }

    fn compare_topics(&mut self, old: &Image, new: &Image) {
        for topic in old.topics.topics().filter(|topic| new.topics.topic(topic.id).is_none()) {
            self.topics_deleted.push(Arc::new(topic.clone()));
        }
        for topic in new.topics.topics() {
            let known = old.topics.topic(topic.id);
            if known.is_none() {
                self.topics_created.push(topic.id);
            }
            self.compare_partitions(known, topic);
        }
    }

    fn compare_partitions(&mut self, old: Option<&TopicImage>, new: &TopicImage) {
        for (index, state) in new.partitions.iter().enumerate() {
            let known = old.and_then(|old| old.partitions.get(index));
            if !known.is_some_and(|known| Arc::ptr_eq(known, state) || known == state) {
                let partition = PartitionId(index as u32);
                self.partitions.insert(TopicIdPartition { topic: new.id, partition });
            }
        }
    }

    fn compare_brokers(&mut self, old: &Image, new: &Image) {
        let both = old.cluster.brokers().chain(new.cluster.brokers()).map(|(broker, _)| broker);
        let changed = both.filter(|b| old.cluster.broker(*b) != new.cluster.broker(*b));
        self.brokers.extend(changed);
    }

    fn compare_configs(&mut self, old: &Image, new: &Image) {
        let both = old.configs.resources().chain(new.configs.resources());
        for (resource, _) in both {
            let gone_with_its_topic = matches!(
                resource, ConfigResource::Topic(name) if new.topics.named(name).is_none()
            );
            if !gone_with_its_topic && !old.configs.of(resource).eq(new.configs.of(resource)) {
                self.configs.insert(resource.clone());
            }
        }
    }
}
