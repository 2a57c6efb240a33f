//! How a replica's log gets shorter, and what it loses by that.

use super::Copies;
use crate::picture::Batch;
use crate::verdict::{Moment, Witness};
use klab_wire::{NodeId, Offset};

/// A replica's log lost its end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cut {
    pub(crate) at: Moment,
    pub(crate) from: Offset,
    pub(crate) to: Offset,
    pub(crate) cause: CutCause,
    /// Its disk was damaged: what it had flushed may be gone, too.
    pub(crate) damaged: bool,
    /// How many elections of the partition came before.
    pub(crate) elections: u32,
}

/// Why a replica's log got shorter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CutCause {
    /// It followed its leader.
    Truncated,
    /// It was opened after a stop, with less than it had: what was not flushed is gone.
    Reloaded,
    /// It was opened after a stop, and the end of one of its segments is gone, which was not flushed.
    LeftAGap,
    /// It was emptied to start where its leader's log starts.
    StartedAfresh,
    /// The replica was deleted, because it is none any more.
    Deleted,
    /// Its disk was replaced.
    DiskLost,
}

/// What a replica lost by a cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lost {
    /// It lost anything at all.
    pub(crate) any: bool,
    /// It lost committed batches from here on.
    pub(crate) committed_from: Option<Offset>,
    /// It lost committed batches from here on although it had flushed them, or by its own decision.
    pub(crate) kept_from: Option<Offset>,
}

impl Copies {
    /// A replica's log ends at `cut.to` from now on. Gives back what the replica lost by that.
    pub(crate) fn cut(&mut self, node: NodeId, cut: Cut) -> Lost {
        let Some(slot) = self.slot(node) else { return Lost::default() };
        let replica = &mut self.replicas[usize::from(slot)];
        replica.end = Some(cut.to).filter(|_| cut.cause.keeps_a_log());
        replica.start = replica.start.min(cut.to);
        replica.high_watermark = replica.high_watermark.min(cut.to);
        replica.forget_producers();
        let flushed = match cut.cause {
            CutCause::Reloaded => replica.flushed,
            _ => Offset(0),
        };
        replica.flushed = replica.flushed.min(cut.to);
        replica.opened = replica.opened.min(cut.to);
        let lost = self.take(slot, &cut, Offset(u64::MAX), flushed);
        if lost.any {
            self.replicas[usize::from(slot)].lossy |= cut.cause.loses_data();
            self.cuts.push(cut);
        }
        lost
    }

    /// A replica has nothing between the ends of this cut, and goes on behind them.
    pub(crate) fn lose_within(&mut self, node: NodeId, cut: Cut) -> Lost {
        let Some(slot) = self.find(node) else { return Lost::default() };
        let flushed = self.replicas[usize::from(slot)].flushed;
        let lost = self.take(slot, &cut, cut.from, flushed);
        if lost.any {
            self.replicas[usize::from(slot)].lossy = true;
            self.cuts.push(cut);
        }
        lost
    }

    /// Takes what a replica holds from the end of a cut on, and below the other offset.
    fn take(&mut self, slot: u8, cut: &Cut, below: Offset, flushed: Offset) -> Lost {
        let index = self.cuts.len() as u32;
        let mut lost = Lost::default();
        for batch in self.held_from(slot, cut.to).filter(|batch| batch.base < below) {
            batch.holders &= !(1 << slot);
            batch.cut = Some(index);
            lost.any = true;
            if batch.committed {
                lost.committed_from = Some(batch.base);
                if batch.last < flushed || !cut.cause.loses_data() {
                    lost.kept_from = Some(batch.base);
                }
            }
            let unflushed = batch.last >= flushed && !batch.flushed;
            if cut.cause.loses_data() && (unflushed || cut.loses_media()) {
                batch.lost_by |= 1 << slot;
            }
        }
        lost
    }

    /// The committed batches that the latest cut took from this replica.
    pub(crate) fn just_cut(&mut self, node: NodeId) -> impl Iterator<Item = (u8, &mut Batch)> {
        let (slot, index) = (self.find(node), self.cuts.len().checked_sub(1));
        let cut = self.batches.iter_mut().rev().filter(move |batch| {
            batch.committed && batch.cut.is_some() && batch.cut == index.map(|index| index as u32)
        });
        cut.filter_map(move |batch| slot.map(|slot| (slot, batch)))
    }

    /// A replica's host lost its power: what it had not flushed counts as lost until its log is opened and
    /// shows what had reached the platter all the same. Others may elect a leader before that.
    pub(crate) fn endanger(&mut self, node: NodeId) {
        let Some(slot) = self.find(node) else { return };
        self.replicas[usize::from(slot)].in_danger = true;
        for batch in self.unflushed_by(slot).filter(|batch| !batch.flushed) {
            batch.lost_by |= 1 << slot;
        }
    }

    /// A replica's log is open up to here: what it holds was not lost.
    pub(crate) fn open(&mut self, node: NodeId, end: Offset) {
        let Some(slot) = self.find(node) else { return };
        let replica = &mut self.replicas[usize::from(slot)];
        (replica.in_danger, replica.opened) = (false, end);
        for batch in self.unflushed_by(slot) {
            batch.lost_by &= !(1 << slot);
        }
    }

    fn unflushed_by(&mut self, slot: u8) -> impl Iterator<Item = &mut Batch> {
        let flushed = self.replicas[usize::from(slot)].flushed;
        self.held_from(slot, flushed)
    }

    /// What a replica holds that reaches up to this offset or beyond, latest first.
    fn held_from(&mut self, slot: u8, offset: Offset) -> impl Iterator<Item = &mut Batch> {
        let widest = self.widest;
        let latest = self.batches.iter_mut().rev();
        let reaching = latest.take_while(move |batch| batch.base.0 + widest > offset.0);
        reaching.filter(move |batch| batch.last >= offset && batch.is_held_by(slot))
    }

    /// Marks what this replica lost, or is in danger to lose, as lost by the last member of the ISR.
    pub(crate) fn blame_last_in_sync(&mut self, node: NodeId) {
        let Some(slot) = self.find(node) else { return };
        let lost = self.batches.iter_mut().filter(|batch| batch.lost_by & (1 << slot) != 0);
        lost.for_each(|batch| batch.lost_by_last_in_sync = true);
    }

    /// The committed batches that replicas lost without being asked to.
    pub(crate) fn committed_and_lost(&self) -> impl Iterator<Item = &Batch> {
        self.batches.iter().rev().filter(|batch| batch.committed && batch.lost_by != 0)
    }
}

impl Cut {
    /// Whether it takes what was flushed, too.
    fn loses_media(&self) -> bool {
        self.damaged || self.cause == CutCause::DiskLost
    }

    pub(crate) fn witness(&self) -> Witness {
        let (cause, from, to) = (self.cause.words(), self.from, self.to);
        let what = match self.cause {
            CutCause::LeftAGap => format!("{cause}: nothing from {to} to {from}"),
            _ => format!("{cause}: log end from {from} to {to}"),
        };
        Witness { at: self.at, what }
    }
}

impl CutCause {
    /// Whether data is gone that the replica had stored, rather than thrown away on purpose.
    pub(crate) const fn loses_data(self) -> bool {
        matches!(self, CutCause::Reloaded | CutCause::LeftAGap | CutCause::DiskLost)
    }

    /// Whether the replica still has a log, if a shorter one.
    const fn keeps_a_log(self) -> bool {
        !matches!(self, CutCause::Deleted | CutCause::DiskLost)
    }

    const fn words(self) -> &'static str {
        match self {
            CutCause::Truncated => "truncated",
            CutCause::Reloaded => "opened without its unflushed end",
            CutCause::LeftAGap => "opened without the unflushed end of a segment",
            CutCause::StartedAfresh => "emptied to start afresh",
            CutCause::Deleted => "deleted with its replica",
            CutCause::DiskLost => "lost with its disk",
        }
    }
}
