//! FetchSnapshot (key 59): a replica of the metadata log that is too far behind reads a snapshot (KIP-630).

use super::{FetchingReplica, LeaderIdAndEpoch};
use crate::{ClusterId, ErrorCode, LeaderEpoch, OffsetAndEpoch, RecordBatch};
use std::sync::Arc;

/// The next piece of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FetchSnapshotRequest {
    /// The cluster.
    pub cluster: ClusterId,
    /// Who reads.
    pub replica: FetchingReplica,
    /// How many bytes to return at the most (the first batch always fits).
    pub max_bytes: u32,
    /// The epoch that the sender believes the leader has.
    pub current_leader_epoch: LeaderEpoch,
    /// Which snapshot.
    pub snapshot: OffsetAndEpoch,
    /// The byte to read from: a batch starts there.
    pub position: u64,
}

/// Whole batches from the position on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FetchSnapshotResponse {
    /// What went wrong.
    pub error: ErrorCode,
    /// Which snapshot.
    pub snapshot: OffsetAndEpoch,
    /// Who leads, for a sender that asked the wrong voter.
    pub current_leader: Option<LeaderIdAndEpoch>,
    /// The bytes of the whole snapshot.
    pub size: u64,
    /// Where the batches start.
    pub position: u64,
    /// The batches.
    pub batches: Vec<Arc<RecordBatch>>,
}
