//! What was deleted in order (retention, DeleteRecords, a snapshot), and what had been lost before.

use super::Copies;
use crate::picture::Batch;
use klab_wire::{NodeId, Offset};

/// What is remembered of batches that no log reaches back to any more.
#[derive(Clone, Debug, Default)]
pub(super) struct Deletion {
    /// No log has begun below at some time.
    below: Offset,
    /// What had been lost before it could be deleted, and what took its place.
    remembered: Vec<Batch>,
}

impl Copies {
    /// The replica's log starts here now: what it held below is deleted in order. What no log reaches back to
    /// is forgotten.
    pub(crate) fn start_at(&mut self, node: NodeId, start: Offset) {
        let Some(slot) = self.slot(node) else { return };
        let replica = &mut self.replicas[usize::from(slot)];
        let before = std::mem::replace(&mut replica.start, start);
        replica.high_watermark = replica.high_watermark.max(start);
        self.delete(slot, before, start);
        self.forget_deleted();
    }

    fn delete(&mut self, slot: u8, from: Offset, to: Offset) {
        // One batch back: it may begin below and end above.
        let begin = self.first_at(from).saturating_sub(1);
        let below = self.batches.range_mut(begin..).take_while(|batch| batch.base < to);
        for batch in below.filter(|batch| batch.last < to && batch.is_held_by(slot)) {
            batch.deleted = true;
        }
    }

    fn forget_deleted(&mut self) {
        let kept = self.replicas.iter().filter(|replica| replica.end.is_some());
        let lowest = kept.map(|replica| replica.start).min().unwrap_or_default();
        self.deletion.below = self.deletion.below.max(lowest);
        let ended = self.batches.iter().take_while(|batch| self.is_over(batch, lowest)).count();
        let over: Vec<Batch> = self.batches.drain(..ended).collect();
        for batch in &over {
            if !batch.deleted || self.tangled && self.has_lost_rival(batch, &over) {
                self.deletion.remembered.push(batch.clone());
            }
        }
    }

    /// Whether something else was at an offset of this batch, and was lost. Without both nobody could tell which
    /// of them was acknowledged: a late copy of a request makes a zombie append what its successor has.
    fn has_lost_rival(&self, batch: &Batch, over: &[Batch]) -> bool {
        let left = self.batches.iter().take_while(|other| other.base <= batch.last);
        let all = over.iter().chain(&self.deletion.remembered).chain(left);
        all.into_iter().any(|other| !other.deleted && other.overlaps(batch))
    }

    /// Whether nothing can happen to a batch any more. A log that was deleted before it was flushed is one of
    /// those that a power cut takes as a whole.
    fn is_over(&self, batch: &Batch, lowest: Offset) -> bool {
        let holders = self.replicas.iter().zip(0..).filter(|(_, slot)| batch.is_held_by(*slot));
        batch.last < lowest && holders.into_iter().all(|(holder, _)| holder.flushed > batch.last)
    }

    /// Whether no log has reached back to this offset at some time. One that crashes before its log start is
    /// written down does again.
    pub(crate) fn was_deleted(&self, offset: Offset) -> bool {
        offset < self.deletion.below
    }

    /// The batches that claimed an offset before it was deleted, if one of them was lost.
    pub(crate) fn remembered(&self, offset: Offset) -> impl Iterator<Item = &Batch> {
        self.deletion.remembered.iter().filter(move |batch| batch.contains(offset))
    }
}
