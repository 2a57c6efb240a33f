//! Vote (key 52): a candidate asks for a vote in the metadata quorum (KIP-595), or asks whether it would get one (KIP-996).

use super::ReplicaKey;
use crate::{ClusterId, ErrorCode, LeaderEpoch, NodeId, OffsetAndEpoch};

/// Who asks, and how long its log is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct VoteRequest {
    /// The cluster.
    pub cluster: ClusterId,
    /// The voter that is asked.
    pub voter: ReplicaKey,
    /// Who asks.
    pub candidate: ReplicaKey,
    /// The epoch that the candidate stands for; its current one in a pre-vote.
    pub candidate_epoch: LeaderEpoch,
    /// The end of the candidate's log.
    pub last: OffsetAndEpoch,
    /// Only whether the vote would be granted.
    pub pre_vote: bool,
}

/// The vote.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct VoteResponse {
    /// What went wrong.
    pub error: ErrorCode,
    /// The leader that the voter knows.
    pub leader: Option<NodeId>,
    /// The voter's epoch.
    pub leader_epoch: LeaderEpoch,
    /// Whether the candidate has the vote.
    pub vote_granted: bool,
}
