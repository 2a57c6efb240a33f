//! AlterPartition (key 56): a leader asks the controller to change the ISR (KIP-497, KIP-704, KIP-903).

use crate::{
    BrokerEpoch, ErrorCode, LeaderEpoch, LeaderRecoveryState, NodeId, PartitionEpoch,
    TopicIdPartition,
};

/// The changes that one broker asks for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AlterPartitionRequest {
    /// The leader that asks.
    pub broker: NodeId,
    /// Its registration.
    pub broker_epoch: BrokerEpoch,
    /// The changes.
    pub partitions: Vec<AlterPartitionData>,
}

/// One partition's change.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AlterPartitionData {
    /// The partition.
    pub partition: TopicIdPartition,
    /// The leader's epoch.
    pub leader_epoch: LeaderEpoch,
    /// The whole new ISR.
    pub new_isr: Vec<IsrMember>,
    /// Whether the leader has recovered from an unclean election.
    pub leader_recovery_state: LeaderRecoveryState,
    /// The version of the state that this change builds on.
    pub partition_epoch: PartitionEpoch,
}

/// A member of the new ISR (`BrokerState`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct IsrMember {
    /// The broker.
    pub broker: NodeId,
    /// The registration under which it caught up; a later one is refused (KIP-903).
    pub epoch: Option<BrokerEpoch>,
}

/// One answer per partition.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AlterPartitionResponse {
    /// What went wrong.
    pub error: ErrorCode,
    /// The answers.
    pub partitions: Vec<AlteredPartition>,
}

/// One partition's state after the change.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AlteredPartition {
    /// The partition.
    pub partition: TopicIdPartition,
    /// What went wrong.
    pub error: ErrorCode,
    /// The leader.
    pub leader: Option<NodeId>,
    /// The leader epoch.
    pub leader_epoch: LeaderEpoch,
    /// The ISR.
    pub isr: Vec<NodeId>,
    /// The recovery state.
    pub leader_recovery_state: LeaderRecoveryState,
    /// The version of this state.
    pub partition_epoch: PartitionEpoch,
}
