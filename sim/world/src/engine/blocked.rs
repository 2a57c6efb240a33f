//! A thread that waits for the disk: it holds its place in its pool, and no core.
//!
//! Dirty pages that are too many hold up whoever appends, cold data whoever reads, and an fsync after every so many
//! records (`flush.messages`) whoever appends: a request handler or a replica fetcher fsyncs within the append, one
//! partition after the other, and meanwhile takes nothing else in hand (`UnifiedLog.append`, `ReplicaManager.appendToLocalLog`).
//! It does so under the log's lock: who appends to the same log meanwhile waits for it, and fsyncs after it.
//! An fsync that a sealed segment or a checkpoint gets is the scheduler's, and nobody waits for it.

use super::Engine;
use super::lanes::{Lanes, SECOND};
use super::service::Stage;
use crate::costs::Threads;
use crate::disk::partition_of;
use klab_machine::{Effect, File, FlushId, Machine};
use klab_wire::{Span, Time};
use std::collections::{BTreeMap, VecDeque};

/// What a thread has to wait for before it takes anything else in hand.
#[derive(Clone, Debug, Default)]
pub(super) struct Blocking {
    /// For so long, because of dirty pages or cold data.
    pub(super) wait: Span,
    /// And then for these fsyncs, one after the other.
    pub(super) syncs: VecDeque<(File, FlushId)>,
}

/// A thread in an fsync.
#[derive(Clone, Debug)]
pub(super) struct Syncing {
    lane: u32,
    since: Time,
    awaits: FlushId,
    then: Blocking,
}

/// The locks of logs whose appends are being fsynced.
#[derive(Clone, Debug, Default)]
pub(super) struct LogLocks {
    /// The fsyncs that are not done, in the order of their appends.
    fsyncs: BTreeMap<FlushId, File>,
    /// Threads that wait for a log, and since when.
    waiting: Vec<(u32, Time, Blocking)>,
}

impl LogLocks {
    /// An append to a log is to be fsynced.
    pub(super) fn lock(&mut self, file: File, flush: FlushId) {
        self.fsyncs.insert(flush, file);
    }

    /// Whether no earlier append to the same log is still to be fsynced.
    fn is_next(&self, file: File, flush: FlushId) -> bool {
        let log = partition_of(file);
        self.fsyncs.range(..flush).all(|(_, earlier)| partition_of(*earlier) != log)
    }

    pub(super) fn clear(&mut self) {
        (self.fsyncs.clear(), self.waiting.clear());
    }
}

impl Blocking {
    pub(super) fn is_any(&self) -> bool {
        self.wait > Span::ZERO || !self.syncs.is_empty()
    }
}

impl Lanes {
    /// Whether a thread of this lane fsyncs what it appends itself: request handlers and replica fetchers do.
    pub(super) fn wait_for_fsyncs(&self, lane: u32) -> bool {
        matches!(self.threads, Threads::Broker { .. }) && lane != SECOND
    }
}

impl<M: Machine> Engine<M> {
    /// A thread, which has left its core, waits for what there is left to wait for, or goes on.
    pub(super) fn block(&mut self, machine: u32, lane: u32, mut then: Blocking) {
        let now = self.timeline.now();
        let wait = std::mem::take(&mut then.wait);
        let hosted = &mut self.machines[machine as usize];
        if wait > Span::ZERO {
            hosted.lanes.get(lane).busy += wait;
            self.stage(machine, now + wait, Stage::Blocked { lane, then });
        } else if let Some((file, awaits)) = then.syncs.front().copied() {
            if !hosted.log_locks.is_next(file, awaits) {
                return hosted.log_locks.waiting.push((lane, now, then));
            }
            then.syncs.pop_front();
            hosted.syncing.push(Syncing { lane, since: now, awaits, then });
            self.carry_out_one(machine, Effect::Flush { file, then: awaits });
        } else {
            hosted.lanes.get(lane).release();
            self.go_on(machine, lane);
        }
    }

    /// An fsync is done that a thread may be in.
    pub(super) fn synced(&mut self, machine: u32, flush: FlushId) {
        let hosted = &mut self.machines[machine as usize];
        let Some(place) = hosted.syncing.iter().position(|syncing| syncing.awaits == flush) else {
            return;
        };
        let Syncing { lane, since, then, .. } = hosted.syncing.swap_remove(place);
        hosted.log_locks.fsyncs.remove(&flush);
        let waiting = std::mem::take(&mut hosted.log_locks.waiting);
        let blocked = std::iter::once((lane, since, then)).chain(waiting);
        for (lane, since, then) in blocked {
            let now = self.timeline.now();
            self.machines[machine as usize].lanes.get(lane).busy += now.since(since);
            self.block(machine, lane, then);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use klab_wire::{Offset, PartitionId, TopicId, TopicIdPartition};

    #[test]
    fn appends_to_one_log_are_fsynced_in_their_order_whichever_segment_they_are_in() {
        let segment = |partition, base| {
            let topic = TopicIdPartition { topic: TopicId(7), partition: PartitionId(partition) };
            File::Segment(topic, Offset(base))
        };
        let mut locks = LogLocks::default();
        let appends = [(1, segment(0, 0)), (2, segment(1, 0)), (3, segment(0, 90))];
        appends.iter().for_each(|(flush, file)| locks.lock(*file, FlushId(*flush)));
        let free = |locks: &LogLocks| appends.map(|(id, file)| locks.is_next(file, FlushId(id)));
        assert_eq!(free(&locks), [true, true, false]);
        locks.fsyncs.remove(&FlushId(1));
        assert_eq!(free(&locks), [true, true, true]);
    }
}
