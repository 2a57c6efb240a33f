//! Where copies differ: batches that claim the same offsets.

use super::Copies;
use super::replica::Replica;
use crate::picture::Batch;
use klab_wire::{NodeId, Offset};

/// Two replicas have different batches at an offset.
#[derive(Clone, Debug)]
pub(crate) struct Disagreement {
    pub(crate) offset: Offset,
    pub(crate) nodes: [NodeId; 2],
    pub(crate) batches: [Batch; 2],
}

/// The offsets among which different batches claim the same ones, and more than one of them is held.
#[derive(Clone, Copy, Debug)]
pub(super) struct Contested {
    /// No contested batch begins below.
    from: Offset,
    /// None begins at or above.
    to: Offset,
}

impl Copies {
    /// Whether a batch that belongs at this index overlaps another one. Asked of its neighbours; only
    /// where logs have diverged does a batch further back reach as far.
    pub(super) fn overlaps(&self, index: usize, batch: &Batch) -> bool {
        let after = self.batches.get(index).is_some_and(|other| other.overlaps(batch));
        let reaching = |other: &&Batch| other.base.0 + self.widest > batch.base.0;
        let before = self.batches.range(..index).rev().take_while(reaching);
        let before = before.take(if self.tangled { index } else { 1 });
        after || before.into_iter().any(|other| other.overlaps(batch))
    }

    /// Notes that different batches are held where this one lies.
    pub(super) fn contest(&mut self, base: Offset, last: Offset) {
        let from = Offset(base.0.saturating_sub(self.widest));
        let to = last.next();
        self.contested = Some(match self.contested {
            None => Contested { from, to },
            Some(known) => Contested { from: known.from.min(from), to: known.to.max(to) },
        });
    }

    /// Whether this replica and another have different batches below both their high watermarks.
    pub(crate) fn disagreement(&mut self, node: NodeId) -> Option<Disagreement> {
        let Contested { from, to } = self.contested?;
        let slot = self.find(node)?;
        let begin = self.first_at(from);
        let mut is_contested = false;
        let claims = self.batches.range(begin..).take_while(|batch| batch.base < to);
        for (index, batch) in (begin..).zip(claims) {
            let after = self.batches.range(index + 1..);
            let rivals = after.take_while(|rival| rival.base <= batch.last);
            for rival in rivals.filter(|rival| batch.holders != 0 && rival.holders != 0) {
                is_contested = true;
                if let Some(found) = self.compare(slot, batch, rival) {
                    return Some(found);
                }
            }
        }
        if !is_contested {
            self.contested = None;
        }
        None
    }

    /// Where a replica that has just appended the batch at `base` has another batch below it than a replica
    /// that has that batch too. Nothing is looked at as long as no logs diverge.
    pub(crate) fn parting(&self, node: NodeId, base: Offset) -> Option<Disagreement> {
        self.contested?;
        let slot = self.find(node)?;
        let below = Offset(base.0.checked_sub(1)?);
        let held = |batch: &&Batch| batch.is_held_by(slot);
        let joint = self.claimants(base).find(held)?;
        let mine = self.claimants(below).find(held).filter(|batch| !batch.deleted)?;
        let others =
            self.claimants(below).filter(|batch| !batch.is_held_by(slot) && !batch.deleted);
        let has_both = |index: &usize, theirs: &Batch| {
            let index = *index as u8;
            theirs.is_held_by(index) && joint.is_held_by(index)
        };
        others.into_iter().find_map(|theirs| {
            let mut peers = (0..self.replicas.len()).filter(|index| has_both(index, theirs));
            let peer = &self.replicas[peers.next()?];
            let nodes = [node, peer.node];
            let batches = [mine.clone(), theirs.clone()];
            (peer.start <= below).then_some(Disagreement { offset: below, nodes, batches })
        })
    }

    /// Below its leader's log start a follower may keep for a while what it would have to cut off: nobody reads
    /// it, and the leader's epochs do not reach back to where the logs part.
    fn compare(&self, slot: u8, one: &Batch, other: &Batch) -> Option<Disagreement> {
        if one.deleted || other.deleted {
            return None;
        }
        let offset = one.base.max(other.base);
        let [mine, theirs] = match (one.is_held_by(slot), other.is_held_by(slot)) {
            (true, false) => [one, other],
            (false, true) => [other, one],
            (true, true) | (false, false) => return None,
        };
        let me = &self.replicas[usize::from(slot)];
        let committed = |replica: &&Replica| replica.high_watermark > offset;
        let holds = |(index, _): &(usize, &Replica)| theirs.is_held_by(*index as u8);
        let they = self.replicas.iter().enumerate().filter(holds).map(|(_, replica)| replica);
        let peer = they.filter(committed).find(|_| committed(&me))?;
        Some(Disagreement {
            offset,
            nodes: [me.node, peer.node],
            batches: [mine.clone(), theirs.clone()],
        })
    }
}
