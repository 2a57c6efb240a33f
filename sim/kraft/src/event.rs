//! What the host of a replica learns (`RaftClient.Listener`).

use klab_wire::{LeaderEpoch, NodeId, OffsetAndEpoch, RecordBatch};
use std::sync::Arc;

/// What the host of a replica learns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RaftEvent {
    /// The quorum has another leader, none, or the same in another epoch (`handleLeaderChange`).
    ///
    /// To the leader itself this comes with its election; it may act only from `BecameWritable` on.
    LeaderChanged {
        /// The leader, if this replica knows it.
        leader: Option<NodeId>,
        /// Its epoch.
        epoch: LeaderEpoch,
    },
    /// This replica leads, and everything below the start of its epoch is committed and delivered:
    /// its state is the newest there is, and [`Raft::append`](crate::Raft::append) may be called.
    BecameWritable {
        /// Its epoch.
        epoch: LeaderEpoch,
    },
    /// This replica does not lead any more. What it appended and did not see committed may be lost.
    Resigned {
        /// The epoch that it led.
        epoch: LeaderEpoch,
    },
    /// A batch of metadata records is committed; these come in the order of the log, each once
    /// (`handleCommit`). Control batches are left out, so offsets may have gaps.
    Committed(Arc<RecordBatch>),
    /// Forget all state and load this snapshot: the log before it is gone (`handleLoadSnapshot`).
    SnapshotLoaded {
        /// The snapshot: it contains everything below its offset.
        id: OffsetAndEpoch,
        /// The metadata batches of the snapshot.
        batches: Vec<Arc<RecordBatch>>,
    },
}
