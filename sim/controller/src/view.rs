//! What a reader of the lab is shown of a controller.

use crate::Controller;
use crate::active::Active;
use klab_kraft::RaftView;
use klab_metadata::{BrokerRegistration, Image};
use klab_wire::{
    BrokerEpoch, LeaderEpoch, NodeId, Offset, PartitionEpoch, PartitionRegistration, TopicPartition,
};
use std::sync::Arc;

/// A controller, in Kafka's own words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControllerView {
    /// It is the active one (`QuorumController.isActive`).
    pub is_active: bool,
    /// The epoch in which it is active, or else the one that its replica is in.
    pub epoch: LeaderEpoch,
    /// Up to where the metadata log is committed and applied here.
    pub metadata_end: Offset,
    /// The registered brokers.
    pub brokers: Vec<BrokerRegistrationView>,
    /// The partitions: decided, though perhaps not committed yet, on the active controller.
    pub partitions: Vec<(TopicPartition, Arc<PartitionRegistration>)>,
    /// Requests whose records are not committed yet.
    pub deferred: u32,
    /// Its replica of the metadata log.
    pub raft: RaftView,
}

/// One broker, as a controller sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerRegistrationView {
    /// The broker.
    pub broker: NodeId,
    /// Its registration.
    pub epoch: BrokerEpoch,
    /// `Fenced`, `Unfenced` or `ControlledShutdown`.
    pub state: &'static str,
}

impl ControllerView {
    /// A partition's state.
    pub fn partition(&self, partition: &TopicPartition) -> Option<&PartitionRegistration> {
        let found = self.partitions.iter().find(|(named, _)| named == partition);
        found.map(|(_, registration)| registration.as_ref())
    }

    /// The version of a partition's state; none if there is no such partition.
    pub fn partition_epoch(&self, partition: &TopicPartition) -> Option<PartitionEpoch> {
        self.partition(partition).map(|registration| registration.partition_epoch)
    }
}

pub(crate) fn of(controller: &Controller) -> ControllerView {
    let active = controller.active();
    let image = controller.image();
    let brokers = image.cluster.brokers();
    ControllerView {
        is_active: active.is_some(),
        epoch: active.map_or(controller.raft().epoch(), |active| active.epoch),
        metadata_end: controller.committed().next_offset,
        brokers: brokers.map(|(broker, known)| registration(broker, known)).collect(),
        partitions: partitions(image),
        deferred: active.map_or(0, |active: &Active| active.purgatory.len()),
        raft: controller.raft().view(),
    }
}

fn registration(broker: NodeId, known: &BrokerRegistration) -> BrokerRegistrationView {
    let state = match (known.fenced, known.in_controlled_shutdown) {
        (true, _) => "Fenced",
        (false, true) => "ControlledShutdown",
        (false, false) => "Unfenced",
    };
    BrokerRegistrationView { broker, epoch: known.epoch(), state }
}

fn partitions(image: &Image) -> Vec<(TopicPartition, Arc<PartitionRegistration>)> {
    let named = image.topics.names().filter_map(|(_, id)| image.topics.topic(id));
    let of_topic = |topic: &klab_metadata::TopicImage| {
        let name = topic.name.clone();
        let states = topic.partitions.clone();
        states
            .into_iter()
            .zip(0..)
            .map(move |(state, index)| (TopicPartition::new(name.clone(), index), state))
    };
    named.flat_map(of_topic).collect()
}
