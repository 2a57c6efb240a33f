//! OffsetForLeaderEpoch (key 23): where an epoch ends in the leader's log (KIP-101, KIP-279, KIP-320).

use crate::{ErrorCode, LeaderEpoch, NodeId, Offset, TopicPartition};

/// Epochs to look up.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OffsetForLeaderEpochRequest {
    /// The follower that asks; none for a consumer.
    pub replica: Option<NodeId>,
    /// What is asked.
    pub partitions: Vec<OffsetForLeaderPartition>,
}

/// One question.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OffsetForLeaderPartition {
    /// The partition.
    pub partition: TopicPartition,
    /// The epoch that the sender believes the leader has.
    pub current_leader_epoch: Option<LeaderEpoch>,
    /// The epoch to look up.
    pub leader_epoch: LeaderEpoch,
}

/// One answer per question.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OffsetForLeaderEpochResponse {
    /// The answers.
    pub partitions: Vec<EndOffsetForEpoch>,
}

/// The largest epoch at or below the one asked for, and where it ends; neither if the leader knows none.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EndOffsetForEpoch {
    /// The partition.
    pub partition: TopicPartition,
    /// What went wrong.
    pub error: ErrorCode,
    /// That epoch.
    pub leader_epoch: Option<LeaderEpoch>,
    /// The offset after its last record.
    pub end_offset: Option<Offset>,
}
