//! What this broker knows of the cluster, and tells clients: its own image of the metadata log, which may
//! be stale (`KRaftMetadataCache`). In ZooKeeper mode the controller tells it, broker by broker
//! (`ZkMetadataCache`).
//!
//! Facts: `MetadataApplied`.

use crate::metadata_source::Mode;
use klab_machine::random::Stream;
use klab_metadata::{Image, TopicImage, Updated};
use klab_wire::{
    ClusterId, DescribeClusterResponse, ErrorCode, MetadataBroker, MetadataPartition,
    MetadataResponse, MetadataTopic, NodeId, PartitionId, PartitionRegistration, TopicId,
    TopicName, UpdateMetadataRequest,
};

/// A broker's image of the metadata log.
#[derive(Clone, Debug)]
pub struct MetadataCache {
    image: Image,
    cluster: ClusterId,
    choice: Stream,
    mode: Mode,
    /// ZooKeeper mode: the sender of the last UpdateMetadata.
    controller: Option<NodeId>,
}

impl MetadataCache {
    /// Nothing is known yet.
    pub fn new(cluster: ClusterId, choice: Stream, mode: Mode) -> Self {
        MetadataCache { image: Image::default(), cluster, choice, mode, controller: None }
    }

    /// ZooKeeper mode: takes in what the controller says, which says with it that it is the controller
    /// (`ZkMetadataCache.updateMetadata`).
    pub fn update(&mut self, request: &UpdateMetadataRequest) -> Updated {
        self.controller = Some(request.controller);
        self.image.update(request)
    }

    /// ZooKeeper mode: the controller, if its broker is known to be alive (`MetadataCacheControllerNodeProvider`).
    pub fn controller(&self) -> Option<NodeId> {
        self.controller.filter(|controller| self.image.cluster.broker(*controller).is_some())
    }

    /// The image.
    pub fn image(&self) -> &Image {
        &self.image
    }

    /// The image, to apply more of the log.
    pub fn image_mut(&mut self) -> &mut Image {
        &mut self.image
    }

    /// Everything that the image says about topics; none for all of them. Topics that do not exist are
    /// answered with `unknown`.
    pub fn metadata(
        &mut self,
        topics: Option<&[TopicName]>,
        unknown: impl Fn(&TopicName) -> ErrorCode,
    ) -> MetadataResponse {
        let described = match topics {
            None => self.image.topics.topics().map(|topic| self.topic(topic)).collect(),
            Some(names) => names.iter().map(|name| self.topic_named(name, &unknown)).collect(),
        };
        MetadataResponse {
            cluster: self.cluster.clone(),
            controller: self.named_controller(),
            brokers: self.alive_brokers(),
            topics: described,
        }
    }

    /// The cluster as a whole.
    pub fn describe_cluster(&mut self) -> DescribeClusterResponse {
        DescribeClusterResponse {
            error: ErrorCode::None,
            cluster: self.cluster.clone(),
            controller: self.named_controller(),
            brokers: self.alive_brokers(),
        }
    }

    /// Whom to name as the controller: in ZooKeeper mode the one that is.
    fn named_controller(&mut self) -> Option<NodeId> {
        match self.mode {
            Mode::Quorum => self.random_alive_broker(),
            Mode::ZooKeeper => self.controller(),
        }
    }

    /// Whom to name as the controller: in KRaft mode any broker forwards what a controller has to do, so
    /// clients are spread over all of them (`getRandomAliveBroker`).
    fn random_alive_broker(&mut self) -> Option<NodeId> {
        let alive = || self.image.cluster.brokers().filter(|(_, broker)| !broker.fenced);
        let count = alive().count() as u64;
        let chosen = (count > 0).then(|| self.choice.below(count))?;
        alive().nth(chosen as usize).map(|(broker, _)| broker)
    }

    fn alive_brokers(&self) -> Vec<MetadataBroker> {
        let alive = self.image.cluster.brokers().filter(|(_, broker)| !broker.fenced);
        alive.map(|(node, broker)| MetadataBroker { node, rack: broker.rack().cloned() }).collect()
    }

    fn topic_named(
        &self,
        name: &TopicName,
        unknown: &impl Fn(&TopicName) -> ErrorCode,
    ) -> MetadataTopic {
        match self.image.topics.named(name) {
            Some(topic) => self.topic(topic),
            None => MetadataTopic {
                error: unknown(name),
                name: name.clone(),
                id: TopicId::default(),
                partitions: Vec::new(),
            },
        }
    }

    fn topic(&self, topic: &TopicImage) -> MetadataTopic {
        MetadataTopic {
            error: ErrorCode::None,
            name: topic.name.clone(),
            id: topic.id,
            partitions: topic.partitions().map(|(index, p)| self.partition(index, p)).collect(),
        }
    }

    /// A leader that is not registered is no leader to a client.
    fn partition(&self, index: PartitionId, state: &PartitionRegistration) -> MetadataPartition {
        let leader = state.leader.filter(|leader| self.image.cluster.broker(*leader).is_some());
        let is_offline = |replica: &NodeId| !self.image.cluster.is_unfenced(*replica);
        MetadataPartition {
            error: if leader.is_some() { ErrorCode::None } else { ErrorCode::LeaderNotAvailable },
            partition: index,
            leader,
            leader_epoch: state.leader_epoch,
            replicas: state.replicas.clone(),
            isr: state.isr.clone(),
            offline_replicas: state.replicas.iter().copied().filter(is_offline).collect(),
        }
    }
}

/// A name that a topic may have (`Topic.isValid`).
pub fn is_valid_topic_name(name: &TopicName) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let name = &*name.0;
    !matches!(name, "" | "." | "..") && name.len() <= 249 && name.chars().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topics_name_has_letters_digits_dots_underscores_and_dashes() {
        for good in ["orders", "a.b_c-9", "..."] {
            assert!(is_valid_topic_name(&good.into()), "{good}");
        }
        for bad in ["", ".", "..", "a b", "ä", &"x".repeat(250)] {
            assert!(!is_valid_topic_name(&TopicName::from(bad)), "{bad}");
        }
    }
}
