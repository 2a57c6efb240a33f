//! LeaderAndIsr (key 4): the controller of ZooKeeper mode tells a broker what its replicas are.

use crate::{
    BrokerEpoch, ControllerEpoch, ErrorCode, LeaderEpoch, LeaderRecoveryState, NodeId,
    PartitionEpoch, TopicIdPartition, TopicPartition,
};
use std::sync::Arc;

/// What some replicas of one broker are from now on (version 7). Where the leaders are reached (`LiveLeaders`) is
/// left out: everybody knows all addresses.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LeaderAndIsrRequest {
    /// The controller.
    pub controller: NodeId,
    /// Its epoch: an older one than the broker has heard of is refused.
    pub controller_epoch: ControllerEpoch,
    /// The registration of the broker that is spoken to; none before version 2 (KIP-380).
    pub broker_epoch: Option<BrokerEpoch>,
    /// Whether this names every replica that the broker has.
    pub kind: LeaderAndIsrKind,
    /// The replicas.
    pub partitions: Vec<LeaderAndIsrPartitionState>,
}

/// Whether a request names every replica that a broker has (`AbstractControlRequest.Type`, KIP-516).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum LeaderAndIsrKind {
    /// It does not say, before version 5.
    #[default]
    Unknown,
    /// Some of them.
    Incremental,
    /// All of them: what else is on the disk is a stray.
    Full,
}

/// What one replica is from now on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LeaderAndIsrPartitionState {
    /// The partition, by identity.
    pub id: TopicIdPartition,
    /// The partition, by name.
    pub partition: TopicPartition,
    /// The epoch of the controller that wrote this state.
    pub controller_epoch: ControllerEpoch,
    /// The leader, if there is one.
    pub leader: Option<NodeId>,
    /// Its epoch.
    pub leader_epoch: LeaderEpoch,
    /// The in-sync replicas.
    pub isr: Arc<[NodeId]>,
    /// The version of the state: of its znode (`zkVersion`).
    pub partition_epoch: PartitionEpoch,
    /// The replicas, the preferred leader first.
    pub replicas: Arc<[NodeId]>,
    /// Replicas on their way in (reassignment).
    pub adding_replicas: Arc<[NodeId]>,
    /// Replicas on their way out (reassignment).
    pub removing_replicas: Arc<[NodeId]>,
    /// The broker may not have this replica yet.
    pub is_new: bool,
    /// Whether the leader may have lost records in an unclean election (KIP-704).
    pub leader_recovery_state: LeaderRecoveryState,
}

/// What the broker made of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LeaderAndIsrResponse {
    /// What went wrong with all of it.
    pub error: ErrorCode,
    /// One answer per replica.
    pub partitions: Vec<LeaderAndIsrPartitionError>,
}

/// What the broker made of one replica's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LeaderAndIsrPartitionError {
    /// The partition.
    pub id: TopicIdPartition,
    /// What went wrong.
    pub error: ErrorCode,
}
