//! UpdateMetadata (key 6): the controller of ZooKeeper mode tells a broker about the cluster.

use crate::{
    BrokerEpoch, ControllerEpoch, ErrorCode, LeaderEpoch, MetadataBroker, NodeId, PartitionEpoch,
    TopicIdPartition, TopicPartition,
};
use std::sync::Arc;

/// Which brokers are alive, and how some partitions stand (version 8).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UpdateMetadataRequest {
    /// The controller.
    pub controller: NodeId,
    /// Its epoch: an older one than the broker has heard of is refused.
    pub controller_epoch: ControllerEpoch,
    /// The registration of the broker that is spoken to; none before version 5 (KIP-380).
    pub broker_epoch: Option<BrokerEpoch>,
    /// Every broker that is alive.
    pub live_brokers: Vec<MetadataBroker>,
    /// Partitions that are new or changed.
    pub partitions: Vec<UpdateMetadataPartitionState>,
}

/// How one partition stands.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UpdateMetadataPartitionState {
    /// The partition, by identity.
    pub id: TopicIdPartition,
    /// The partition, by name.
    pub partition: TopicPartition,
    /// The epoch of the controller that wrote this state.
    pub controller_epoch: ControllerEpoch,
    /// The leader, if there is one.
    pub leader: Option<NodeId>,
    /// It is being deleted: the leader is −2 in Kafka (`LeaderAndIsr.LEADER_DURING_DELETE`).
    pub is_being_deleted: bool,
    /// The leader epoch.
    pub leader_epoch: LeaderEpoch,
    /// The in-sync replicas.
    pub isr: Arc<[NodeId]>,
    /// The version of the state's znode.
    pub zk_version: PartitionEpoch,
    /// The replicas, the preferred leader first.
    pub replicas: Arc<[NodeId]>,
    /// Those of them that are not online.
    pub offline_replicas: Arc<[NodeId]>,
}

/// What the broker made of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UpdateMetadataResponse {
    /// What went wrong.
    pub error: ErrorCode,
}
