//! Acknowledged sends, cut where batches end: each piece is where its producer was told, or lost.
//!
//! Which batch was acknowledged is plain as long as one batch only ever had the offset; after a divergence it is
//! the one whose values fit. Of a history that was recorded elsewhere no batch is known, and a send is one piece.

use super::partition::{Ack, PartitionHistory};
use super::sent::Writers;
use crate::picture::{Batch, Partition};
use klab_wire::{NodeId, Offset};

/// What became of a piece of an acknowledged send: the part of it that lies in one batch.
#[derive(Clone, Debug)]
pub(super) struct Piece<'a> {
    pub(super) ack: Ack,
    pub(super) from: Offset,
    pub(super) to: Offset,
    pub(super) fate: Fate<'a>,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Fate<'a> {
    /// It is where it should be, or nobody can ask the logs.
    Kept,
    /// It was in this batch, or in none that any fact tells of.
    Lost(Option<&'a Batch>),
}

/// The logs of one partition at the end of a run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Logs<'a> {
    pub(super) picture: Option<&'a Partition>,
    pub(super) leader: Option<NodeId>,
}

/// Every acknowledged send as one piece, in the order of offsets: there are no logs to ask.
pub(super) fn unasked(history: &mut PartitionHistory) -> Vec<Piece<'static>> {
    history.acks.sort_unstable_by_key(|ack| (ack.offset, ack.at));
    let whole = |ack: &Ack| Piece { ack: *ack, from: ack.offset, to: ack.end(), fate: Fate::Kept };
    history.acks.iter().map(whole).collect()
}

impl<'a> Logs<'a> {
    pub(super) fn new(picture: Option<&'a Partition>) -> Self {
        Logs { picture, leader: picture.and_then(final_leader) }
    }

    /// Every acknowledged send, cut where batches end, in the order of offsets.
    pub(super) fn pieces(
        &self,
        history: &mut PartitionHistory,
        writers: &Writers,
    ) -> Vec<Piece<'a>> {
        history.acks.sort_by_key(|ack| (ack.offset, ack.order));
        let mut pieces = Vec::with_capacity(history.acks.len());
        let mut place = 0;
        for ack in &history.acks {
            let mut from = ack.offset;
            while from < ack.end() {
                // Acknowledgements may overlap after a loss, batches at one offset never go far back.
                let mut start = place;
                let batch = self.acknowledged(ack, from, &mut start, &history.acks, writers);
                let to = batch.map_or(ack.end(), |batch| batch.last.next().min(ack.end()));
                pieces.push(Piece { ack: *ack, from, to, fate: self.fate(from, batch) });
                if from == ack.offset {
                    place = start;
                }
                from = to;
            }
        }
        pieces
    }

    /// The batch at this offset that was acknowledged: of several, the one whose first value fits.
    fn acknowledged(
        &self,
        ack: &Ack,
        offset: Offset,
        place: &mut usize,
        acks: &[Ack],
        writers: &Writers,
    ) -> Option<&'a Batch> {
        let value = ack.value_at(offset);
        let copies = &self.picture?.copies;
        let mut claimants = copies.at(offset, place).chain(copies.remembered(offset));
        let (first, second) = (claimants.next()?, claimants.next());
        let Some(second) = second else {
            let begins_with_another =
                first.base == offset && first.first_value.is_some_and(|first| first != value);
            return Some(first).filter(|_| !begins_with_another);
        };
        let mut all: Vec<&'a Batch> = [first, second].into_iter().chain(claimants).collect();
        if !all.iter().all(|batch| is_elsewhere(batch, ack, offset, acks)) {
            all.retain(|batch| !is_elsewhere(batch, ack, offset, acks));
        }
        let exact = |batch: &&'a Batch| {
            let ahead = offset.since(batch.base);
            batch.first_value.is_some_and(|first| first + ahead == value)
        };
        // In a batch of one client the values grow, so that no record is below its batch's first.
        let before = |batch: &&&'a Batch| {
            let first = batch.first_value.filter(|first| *first <= value);
            first.is_some_and(|first| writers.writer_of(first) == Some(ack.at.node))
        };
        // A late copy of a request may have made a zombie append the same at the same place.
        let likely = |batch: &&'a Batch| (self.is_kept(offset, Some(batch)), batch.committed);
        let nearest = |batch: &&&'a Batch| (batch.first_value, likely(batch));
        let nearest = || all.iter().filter(before).max_by_key(nearest).copied();
        let exact = all.iter().copied().filter(exact).max_by_key(likely);
        exact.or_else(nearest).or_else(|| all.first().copied())
    }

    fn fate(&self, offset: Offset, batch: Option<&'a Batch>) -> Fate<'a> {
        if self.is_kept(offset, batch) { Fate::Kept } else { Fate::Lost(batch) }
    }

    /// Whether what this batch has at this offset is there, or was deleted in order.
    fn is_kept(&self, offset: Offset, batch: Option<&Batch>) -> bool {
        let Some(picture) = self.picture else { return false };
        let copies = &picture.copies;
        let leader = self.leader.and_then(|leader| copies.replica(leader));
        let is_below = leader.is_some_and(|leader| offset < leader.start);
        match (batch, self.leader) {
            (None, _) => is_below || copies.was_deleted(offset),
            (Some(batch), _) if batch.deleted => true,
            (Some(batch), Some(leader)) if !is_below => {
                copies.find(leader).is_some_and(|slot| batch.is_held_by(slot))
            }
            (Some(batch), _) => batch.holders != 0,
        }
    }
}

/// Whether the client was told another offset for the first value of this batch: then the batch is a copy of the one
/// that was acknowledged, which was cut off and written again a few offsets on. Values of several clients have
/// gaps, so that a later value may fit such a copy.
fn is_elsewhere(batch: &Batch, ack: &Ack, offset: Offset, acks: &[Ack]) -> bool {
    let Some(value) = batch.first_value else { return false };
    let earliest = Offset(offset.0.saturating_sub(batch.last.since(batch.base)));
    let first = acks.partition_point(|other| other.end() <= earliest);
    let mut near = acks[first..].iter().take_while(|other| other.offset <= offset);
    near.any(|other| {
        let has_value =
            (other.first_value..other.first_value + u64::from(other.count)).contains(&value);
        other.at.node == ack.at.node && has_value && other.offset_of(value) != batch.base
    })
}

/// Who leads a partition at the end: as the controller decided, or as a broker learned last.
fn final_leader(partition: &Partition) -> Option<NodeId> {
    match partition.newest_leader() {
        Some((epoch, leader)) if epoch > partition.leader_epoch => Some(leader),
        _ => partition.leader,
    }
}

impl<'a> Piece<'a> {
    /// The piece with the batch it was in, if it is lost.
    pub(super) fn lost(&self) -> Option<(&Self, Option<&'a Batch>)> {
        match self.fate {
            Fate::Lost(batch) => Some((self, batch)),
            Fate::Kept => None,
        }
    }

    /// The batch that it was in, if it is lost.
    pub(super) fn lost_batch(&self) -> Option<&'a Batch> {
        self.lost()?.1
    }

    /// Whether it is where its producer was told it is.
    pub(super) const fn is_kept(&self) -> bool {
        matches!(self.fate, Fate::Kept)
    }

    /// Who was told.
    pub(super) const fn client(&self) -> NodeId {
        self.ack.at.node
    }

    pub(super) fn place(&self) -> (Offset, u64, u64) {
        (self.from, self.ack.value_at(self.from), self.to.since(self.from))
    }
}
