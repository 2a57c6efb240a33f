//! All copies of one log: every batch once, with the replicas that hold it.
//!
//! That costs one entry per batch however many replicas there are, makes "do two replicas agree?" a
//! question about entries that overlap, and "who still has it?" a look at one number.

mod cut;
mod deletion;
mod divergence;
mod replica;
#[cfg(test)]
mod tests;

pub(crate) use cut::{Cut, CutCause};
pub(crate) use divergence::Disagreement;
pub(crate) use replica::{Leading, ProducerTail, Replica};

use super::batch::Batch;
use deletion::Deletion;
use divergence::Contested;
use klab_wire::{LeaderEpoch, NodeId, Offset};
use std::collections::VecDeque;

/// How many replicas of one log are told apart; further ones are not followed.
const SLOTS: usize = 64;

/// All copies of one log.
#[derive(Clone, Debug, Default)]
pub(crate) struct Copies {
    /// By base offset; several at one offset where logs diverged.
    batches: VecDeque<Batch>,
    replicas: Vec<Replica>,
    cuts: Vec<Cut>,
    deletion: Deletion,
    /// Where copies differ, as far as more than one side is held.
    contested: Option<Contested>,
    /// Batches have overlapped at some time: their last offsets need not be in order.
    tangled: bool,
    /// How many offsets the largest batch covers: how far back one that contains an offset can begin.
    widest: u64,
}

/// What a commit promises. Of the metadata log nothing but what its own promises say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Promised {
    /// How many replicas have it (`min.insync.replicas`).
    pub(crate) replicas: u32,
    /// Every replica in sync has flushed it (`flush.messages=1`).
    pub(crate) flushed: bool,
}

impl Copies {
    /// The slot of a node's replica; it gets one if there is one left.
    pub(crate) fn slot(&mut self, node: NodeId) -> Option<u8> {
        if let Some(slot) = self.find(node) {
            return Some(slot);
        }
        if self.replicas.len() == SLOTS {
            return None;
        }
        self.replicas.push(Replica::new(node));
        Some(self.replicas.len() as u8 - 1)
    }

    pub(crate) fn find(&self, node: NodeId) -> Option<u8> {
        self.replicas.iter().position(|replica| replica.node == node).map(|slot| slot as u8)
    }

    pub(crate) fn replica(&self, node: NodeId) -> Option<&Replica> {
        self.replicas.iter().find(|replica| replica.node == node)
    }

    /// The replica of a node, if it has stated anything.
    pub(crate) fn known_mut(&mut self, node: NodeId) -> Option<&mut Replica> {
        self.replicas.iter_mut().find(|replica| replica.node == node)
    }

    pub(crate) fn replica_mut(&mut self, node: NodeId) -> Option<&mut Replica> {
        let slot = self.slot(node)?;
        Some(&mut self.replicas[usize::from(slot)])
    }

    pub(crate) fn end(&self, node: NodeId) -> Option<Offset> {
        self.replica(node)?.end
    }

    pub(crate) fn cuts(&self) -> &[Cut] {
        &self.cuts
    }

    pub(crate) fn batches(&self) -> &VecDeque<Batch> {
        &self.batches
    }

    /// A replica appends. Gives back where its log ended before, if that is known.
    pub(crate) fn append(&mut self, node: NodeId, batch: &Batch) -> Option<Offset> {
        let slot = self.slot(node)?;
        let replica = &mut self.replicas[usize::from(slot)];
        let end = replica.end.replace(batch.last.next());
        if end.is_none() {
            replica.start = batch.base;
        }
        self.hold(slot, batch);
        end
    }

    /// Notes that a replica holds a batch: one that others have, or a new one.
    fn hold(&mut self, slot: u8, batch: &Batch) {
        let begin = self.first_at(batch.base);
        let mut place = begin;
        while let Some(known) = self.batches.get_mut(place)
            && known.base == batch.base
        {
            if known.is(batch.base, batch.epoch, batch.digest) {
                let revived = known.holders == 0;
                known.holders |= 1 << slot;
                known.lost_by &= !(1 << slot);
                known.cut_off_by_leave &= !(1 << slot);
                if revived && self.tangled {
                    self.contest(batch.base, batch.last);
                }
                return;
            }
            place += 1;
        }
        self.insert(begin, Batch { holders: 1 << slot, ..batch.clone() });
    }

    /// Puts a new batch in its place, and notes whether others claim the same offsets.
    fn insert(&mut self, begin: usize, batch: Batch) {
        self.widest = self.widest.max(batch.last.0 + 1 - batch.base.0);
        if self.overlaps(begin, &batch) {
            self.tangled = true;
            self.contest(batch.base, batch.last);
        }
        match begin == self.batches.len() {
            true => self.batches.push_back(batch),
            false => self.batches.insert(begin, batch),
        }
    }

    /// The index of the first batch that begins at or after an offset.
    fn first_at(&self, offset: Offset) -> usize {
        self.first_not(|batch| batch.base < offset)
    }

    /// The index of the first batch of which this does not hold, looked for from the end in growing steps:
    /// nearly everything happens at the end of a log.
    fn first_not(&self, holds: impl Fn(&Batch) -> bool) -> usize {
        let (mut end, mut step) = (self.batches.len(), 1);
        while end > 0 && !holds(&self.batches[end - 1]) {
            let begin = end.saturating_sub(step);
            if begin == 0 || holds(&self.batches[begin - 1]) {
                return partition_point(&self.batches, begin, end, holds);
            }
            (end, step) = (begin, step * 2);
        }
        end
    }

    /// A leader's high watermark moved: what it holds in between is committed, and this is promised of it.
    pub(crate) fn commit(&mut self, node: NodeId, from: Offset, to: Offset, promised: Promised) {
        let Some(slot) = self.find(node) else { return };
        let Promised { replicas, flushed } = promised;
        // One batch back: it may begin below and end above.
        let begin = self.first_at(from).saturating_sub(1);
        let passed = self.batches.range_mut(begin..).take_while(|batch| batch.base < to);
        let passed = passed.filter(|batch| batch.last < to && batch.is_held_by(slot));
        for batch in passed.filter(|batch| !batch.committed) {
            (batch.committed, batch.promised, batch.flushed) = (true, replicas, flushed);
        }
    }

    /// The committed batches at the end of the log that a replica does not hold, latest first. Each is
    /// given out once.
    pub(crate) fn missing(&mut self, node: NodeId) -> Vec<Batch> {
        let Some(slot) = self.find(node) else { return Vec::new() };
        let start = self.replicas[usize::from(slot)].start;
        let committed = self.batches.iter_mut().rev().filter(|batch| batch.committed);
        let missing = committed.take_while(|batch| !batch.is_held_by(slot) && batch.base >= start);
        let unreported = missing.filter(|batch| !batch.reported);
        unreported
            .map(|batch| {
                batch.reported = true;
                batch.clone()
            })
            .collect()
    }

    /// The batches that claim an offset, or did.
    pub(crate) fn claimants(&self, offset: Offset) -> impl Iterator<Item = &Batch> {
        let from = self.first_not(|batch| !self.may_reach(batch, offset));
        let begun = self.batches.range(from..).take_while(move |batch| batch.base <= offset);
        begun.filter(move |batch| batch.contains(offset))
    }

    /// Whether the batch of this epoch that ends here is committed.
    pub(crate) fn is_committed(&self, last: Offset, epoch: LeaderEpoch) -> bool {
        let mut claimants = self.claimants(last);
        claimants.any(|batch| batch.epoch == epoch && batch.committed)
    }

    /// The nodes that have a copy.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = NodeId> {
        let having = self.replicas.iter().filter(|replica| replica.end.is_some());
        having.map(|replica| replica.node)
    }

    /// The batches that claim an offset. `from` is where to begin to look: an index that an earlier call, for
    /// a lower offset, left there.
    pub(crate) fn at(&self, offset: Offset, from: &mut usize) -> impl Iterator<Item = &Batch> {
        while self.batches.get(*from).is_some_and(|batch| !self.may_reach(batch, offset)) {
            *from += 1;
        }
        let begun = self.batches.range(*from..).take_while(move |batch| batch.base <= offset);
        begun.filter(move |batch| batch.contains(offset))
    }

    /// Whether this batch, or one after it, can contain an offset. Where batches have never overlapped they end
    /// in the order in which they begin.
    fn may_reach(&self, batch: &Batch, offset: Offset) -> bool {
        match self.tangled {
            false => batch.last >= offset,
            true => batch.base.0 + self.widest > offset.0,
        }
    }
}

/// `VecDeque::partition_point` of a part.
fn partition_point(
    batches: &VecDeque<Batch>,
    mut begin: usize,
    mut end: usize,
    holds: impl Fn(&Batch) -> bool,
) -> usize {
    while begin < end {
        let middle = begin + (end - begin) / 2;
        match holds(&batches[middle]) {
            true => begin = middle + 1,
            false => end = middle,
        }
    }
    begin
}
