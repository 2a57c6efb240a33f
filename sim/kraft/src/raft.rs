//! The one door of a replica of the metadata log: inputs in, effects and events out.

use crate::RaftSetup;
use klab_machine::{DiskImage, Identity, Input, Outbox};
use klab_wire::{
    DescribeQuorumResponse, ErrorCode, LeaderEpoch, MetadataRecord, NodeId, Now, Offset,
    OffsetAndEpoch, RecordBatch, ReplicaKey,
};
use std::collections::VecDeque;
use std::sync::Arc;

/// What the embedding machine learns (`RaftClient.Listener`).
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
    /// its state is the newest there is, and [`Raft::append`] may be called.
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

/// What to show of a replica.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RaftView {
    /// The role by Kafka's name: `Leader`, `Follower`, `Candidate`, ...
    pub role: &'static str,
    /// One of the voters, or else an observer.
    pub is_voter: bool,
    /// The leader that it knows.
    pub leader: Option<NodeId>,
    /// Its epoch.
    pub epoch: LeaderEpoch,
    /// Whom it voted for in that epoch.
    pub voted: Option<ReplicaKey>,
    /// Where the log starts.
    pub log_start: Offset,
    /// Where the log ends.
    pub log_end: Offset,
    /// The high watermark, once it knows one.
    pub high_watermark: Option<Offset>,
    /// The newest snapshot.
    pub snapshot: Option<OffsetAndEpoch>,
    /// On the leader: how far each voter is.
    pub voters: Vec<VoterView>,
}

/// How far a voter is, as the leader knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VoterView {
    /// The voter.
    pub voter: NodeId,
    /// The end of its log; none until it has fetched in this epoch.
    pub end: Option<Offset>,
}

/// A replica of the metadata log.
#[derive(Clone, Debug)]
pub struct Raft {
    events: VecDeque<RaftEvent>,
}

impl Raft {
    /// Starts a replica, or starts it again from what it stored.
    pub fn boot(
        setup: RaftSetup,
        identity: &Identity,
        disk: &DiskImage,
        now: Now,
        out: &mut Outbox,
    ) -> Self {
        let _ = (setup, identity, disk, now, out);
        Raft { events: VecDeque::new() }
    }

    /// Whether an input is this replica's to handle: its connections' responses and ends, its timers and
    /// flushes, and on a voter the requests Vote, BeginQuorumEpoch, EndQuorumEpoch, FetchSnapshot,
    /// DescribeQuorum and Fetch of the metadata log.
    pub fn owns(&self, input: &Input) -> bool {
        let _ = input;
        false
    }

    /// Handles an input that this replica [owns](Self::owns). Look at [`next_event`](Self::next_event)
    /// afterwards.
    pub fn handle(&mut self, now: Now, input: Input, out: &mut Outbox) {
        let _ = (now, input, out);
    }

    /// The next thing to learn. Take them all out after every call that takes an outbox.
    pub fn next_event(&mut self) -> Option<RaftEvent> {
        self.events.pop_front()
    }

    /// Appends records as one atomic batch, and returns the offset of the last one
    /// (`prepareAppend` and `schedulePreparedAppend`).
    ///
    /// It is a promise of an offset, not of a commit: wait for `Committed`. Fails with
    /// `NOT_LEADER_OR_FOLLOWER` unless this replica leads in `epoch`, and with `RECORD_LIST_TOO_LARGE`
    /// when the records do not fit into one batch.
    pub fn append(
        &mut self,
        now: Now,
        epoch: LeaderEpoch,
        records: Vec<MetadataRecord>,
        out: &mut Outbox,
    ) -> Result<Offset, ErrorCode> {
        let _ = (now, epoch, records, out);
        Err(ErrorCode::NotLeaderOrFollower)
    }

    /// The offset that the next appended record will have: a broker's epoch is the offset of its
    /// registration record, and has to be known when the record is written.
    pub fn next_append_offset(&self) -> Offset {
        Offset(0)
    }

    /// Gives up leadership of this epoch, and asks the voter with the longest log to stand
    /// (`RaftClient.resign`). Does nothing if this replica does not lead in `epoch`.
    pub fn resign(&mut self, now: Now, epoch: LeaderEpoch, out: &mut Outbox) {
        let _ = (now, epoch, out);
    }

    /// Goes in order: a leader resigns and waits until another one is elected, others go at once.
    pub fn shut_down(&mut self, now: Now, out: &mut Outbox) {
        let _ = (now, out);
    }

    /// The shutdown is complete: nothing more is to be done before the process may end.
    pub fn is_shut_down(&self) -> bool {
        false
    }

    /// Writes a snapshot of everything below `end`, which must be committed; then the log before it may
    /// go, as the retention limits say (`RaftClient.createSnapshot`, KIP-630).
    ///
    /// Does nothing if there is a snapshot at `end` or after it already.
    pub fn write_snapshot(
        &mut self,
        now: Now,
        end: Offset,
        records: Vec<MetadataRecord>,
        out: &mut Outbox,
    ) {
        let _ = (now, end, records, out);
    }

    /// The leader that this replica knows.
    pub fn leader(&self) -> Option<NodeId> {
        None
    }

    /// The epoch that this replica is in.
    pub fn epoch(&self) -> LeaderEpoch {
        LeaderEpoch(0)
    }

    /// This replica leads.
    pub fn is_leader(&self) -> bool {
        false
    }

    /// Below this offset the log is committed, as far as this replica knows.
    pub fn high_watermark(&self) -> Option<Offset> {
        None
    }

    /// Where the log ends.
    pub fn log_end(&self) -> Offset {
        Offset(0)
    }

    /// Where the log starts.
    pub fn log_start(&self) -> Offset {
        Offset(0)
    }

    /// Bytes of metadata records that were delivered since the newest snapshot
    /// (`metadata.log.max.record.bytes.between.snapshots`).
    pub fn bytes_since_snapshot(&self) -> u64 {
        0
    }

    /// What a leader answers to DescribeQuorum; for a host that got it in an Envelope.
    pub fn describe_quorum(&self, now: Now) -> DescribeQuorumResponse {
        let _ = now;
        DescribeQuorumResponse {
            error: ErrorCode::NotLeaderOrFollower,
            leader: None,
            leader_epoch: LeaderEpoch(0),
            high_watermark: None,
            current_voters: Vec::new(),
            observers: Vec::new(),
        }
    }

    /// What to show of it.
    pub fn view(&self) -> RaftView {
        RaftView {
            role: "Unattached",
            is_voter: false,
            leader: None,
            epoch: LeaderEpoch(0),
            voted: None,
            log_start: Offset(0),
            log_end: Offset(0),
            high_watermark: None,
            snapshot: None,
            voters: Vec::new(),
        }
    }
}
