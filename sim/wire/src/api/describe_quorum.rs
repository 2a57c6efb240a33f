//! DescribeQuorum (key 55): how far each replica of the metadata log is.

use super::ReplicaKey;
use crate::{ErrorCode, LeaderEpoch, NodeId, Offset, Timestamp};

/// Nothing to say: there is one quorum.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DescribeQuorumRequest {}

/// The leader's view of its followers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DescribeQuorumResponse {
    /// What went wrong.
    pub error: ErrorCode,
    /// The leader.
    pub leader: Option<NodeId>,
    /// Its epoch.
    pub leader_epoch: LeaderEpoch,
    /// The high watermark, once this leader knows it.
    pub high_watermark: Option<Offset>,
    /// The voters.
    pub current_voters: Vec<QuorumReplica>,
    /// The observers.
    pub observers: Vec<QuorumReplica>,
}

/// One replica of the metadata log.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct QuorumReplica {
    /// Which.
    pub replica: ReplicaKey,
    /// The end of its log, if it has fetched.
    pub log_end_offset: Option<Offset>,
    /// When it last fetched.
    pub last_fetch: Option<Timestamp>,
    /// When it last had everything.
    pub last_caught_up: Option<Timestamp>,
}
