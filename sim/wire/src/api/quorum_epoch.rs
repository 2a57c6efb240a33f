//! BeginQuorumEpoch (key 53) and EndQuorumEpoch (key 54): a leader of the metadata quorum comes and goes (KIP-595).

use super::ReplicaKey;
use crate::{ClusterId, ErrorCode, LeaderEpoch, NodeId};

/// A new leader tells a voter.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BeginQuorumEpochRequest {
    /// The cluster.
    pub cluster: ClusterId,
    /// The voter that is told.
    pub voter: ReplicaKey,
    /// The leader.
    pub leader: NodeId,
    /// Its epoch.
    pub leader_epoch: LeaderEpoch,
}

/// A leader resigns.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EndQuorumEpochRequest {
    /// The cluster.
    pub cluster: ClusterId,
    /// The leader that goes.
    pub leader: NodeId,
    /// Its epoch.
    pub leader_epoch: LeaderEpoch,
    /// Who should stand first: the voters with the longest logs.
    pub preferred_candidates: Vec<ReplicaKey>,
}

/// Both are answered with what the voter knows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct QuorumEpochResponse {
    /// What went wrong.
    pub error: ErrorCode,
    /// The leader that the voter knows.
    pub leader: Option<NodeId>,
    /// The voter's epoch.
    pub leader_epoch: LeaderEpoch,
}
