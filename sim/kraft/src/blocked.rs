//! The fsyncs that the thread waits for: until one is done, everything else waits in line.
//!
//! `KafkaRaftClient` calls fsync on its one thread. Here an fsync is an effect whose end is an input; what
//! the thread does next is kept aside until then. So a vote, an epoch or a candidacy is never told
//! before it is on the platter, and neither is a follower's acknowledgement; and a slow disk makes a
//! replica as deaf here as it does there.

use crate::raft::{Raft, Work};
use crate::role::Role;
use crate::snapshot::Snapshot;
use klab_machine::disk::QuorumState;
use klab_machine::{FlushId, Mutant, Outbox};
use klab_wire::{Now, Offset, OffsetAndEpoch};

/// What the thread waits for, and what it does then.
#[derive(Clone, Debug)]
pub(crate) enum Blocked {
    /// `quorum-state` is written: then the replica is in this role.
    Storing {
        /// The fsync.
        flush: FlushId,
        /// What is written.
        quorum: QuorumState,
        /// The role.
        role: Box<Role>,
        /// What brought it about, to be looked at again from there.
        replay: Option<Work>,
    },
    /// The log is flushed.
    FlushingLog(AfterFlush),
    /// A snapshot that was fetched is written: then the log starts after it.
    StoringSnapshot {
        /// The fsync.
        flush: FlushId,
        /// The snapshot's name.
        id: OffsetAndEpoch,
        /// The snapshot.
        snapshot: Snapshot,
    },
}

/// Why the log is flushed.
#[derive(Clone, Debug)]
pub(crate) enum AfterFlush {
    /// The replica has started: what it found may be in the page cache only, and others must not take
    /// it for durable. Then it goes into its first role.
    Start {
        /// Its election state.
        quorum: QuorumState,
        /// That role.
        role: Box<Role>,
    },
    /// A leader has appended: then its own log end counts.
    LeaderAppended,
    /// A voter has appended what it fetched: then its next fetch acknowledges it.
    FollowerAppended {
        /// The high watermark that came with it.
        high_watermark: Offset,
    },
}

impl Raft {
    /// Whether this replica has asked for this fsync.
    pub(crate) fn waits_for(&self, done: FlushId) -> bool {
        let blocks = match &self.blocked {
            Some(Blocked::Storing { flush, .. } | Blocked::StoringSnapshot { flush, .. }) => {
                *flush == done
            }
            Some(Blocked::FlushingLog(_)) | None => false,
        };
        blocks
            || self.log.is_flushing(done)
            || self.writing_snapshot.as_ref().is_some_and(|writing| writing.flush == done)
    }

    /// An fsync is done.
    pub(crate) fn flushed(&mut self, now: Now, done: FlushId, out: &mut Outbox) {
        if self.log.is_flushing(done) {
            self.log.flushed(done, out);
        } else if self.writing_snapshot.as_ref().is_some_and(|writing| writing.flush == done) {
            return self.snapshot_written(out);
        }
        if let Some(blocked) =
            self.blocked.take_if(|blocked| blocked.is_over(done, self.log.is_flushed()))
        {
            self.inbox.push_front(Work::Look);
            self.go_on(now, blocked, out);
        }
    }

    /// Flushes the log, and goes on when that is done: at once if there is nothing to flush.
    pub(crate) fn flush_log(&mut self, now: Now, then: AfterFlush, out: &mut Outbox) {
        self.log.flush(now, out);
        match self.log.is_flushed() || Mutant::CommitsUnflushedMetadata.lives() {
            true => self.log_flushed(now, then, out),
            false => self.blocked = Some(Blocked::FlushingLog(then)),
        }
    }

    /// The election state is being written: this replica is about to change its role.
    pub(crate) fn is_moving_on(&self) -> bool {
        matches!(self.blocked, Some(Blocked::Storing { .. }))
    }

    fn go_on(&mut self, now: Now, blocked: Blocked, out: &mut Outbox) {
        match blocked {
            Blocked::Storing { quorum, role, replay, .. } => {
                self.quorum_state_stored(now, quorum, *role, replay, out);
            }
            Blocked::FlushingLog(then) => self.log_flushed(now, then, out),
            Blocked::StoringSnapshot { id, snapshot, .. } => {
                self.fetched_snapshot_stored(now, id, snapshot, out);
            }
        }
    }

    fn log_flushed(&mut self, now: Now, then: AfterFlush, out: &mut Outbox) {
        match then {
            AfterFlush::Start { quorum, role } => self.transition(now, quorum, *role, None, out),
            AfterFlush::LeaderAppended => self.leader_flushed(now, out),
            AfterFlush::FollowerAppended { high_watermark } => {
                self.fetched_records_are_safe(now, high_watermark, out);
            }
        }
    }
}

impl Blocked {
    fn is_over(&self, done: FlushId, is_log_flushed: bool) -> bool {
        match self {
            Blocked::Storing { flush, .. } | Blocked::StoringSnapshot { flush, .. } => {
                *flush == done
            }
            Blocked::FlushingLog(_) => is_log_flushed,
        }
    }
}
