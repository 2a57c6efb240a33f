//! A thread that waits for the disk: it holds its place in its pool, and no core.
//!
//! Dirty pages that are too many hold up whoever appends, cold data whoever reads, and an fsync after every so many
//! records (`flush.messages`) whoever appends: a request handler or a replica fetcher fsyncs within the append, one
//! partition after the other, and meanwhile takes nothing else in hand (`UnifiedLog.append`, `ReplicaManager.appendToLocalLog`).
//! An fsync that a sealed segment or a checkpoint gets is the scheduler's, and nobody waits for it.

use super::Engine;
use super::lanes::{Lanes, SECOND};
use super::service::Stage;
use crate::costs::Threads;
use klab_machine::{Effect, File, FlushId, Machine};
use klab_wire::{Span, Time};
use std::collections::VecDeque;

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
        } else if let Some((file, awaits)) = then.syncs.pop_front() {
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
        hosted.lanes.get(lane).busy += self.timeline.now().since(since);
        self.block(machine, lane, then);
    }
}
