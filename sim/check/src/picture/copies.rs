//! All copies of one log: every batch once, with the replicas that hold it.
//!
//! That costs one entry per batch however many replicas there are, makes "do two replicas agree?" a
//! question about entries that overlap, and "who still has it?" a look at one number.

use super::batch::{Batch, CutCause};
use crate::verdict::{Moment, Witness};
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
    /// From here on different batches claim the same offsets, and more than one is held.
    contested_from: Option<Offset>,
    /// Batches have overlapped at some time: their last offsets need not be in order.
    tangled: bool,
    /// How many offsets the largest batch covers: how far back one that contains an offset can begin.
    widest: u64,
}

/// One replica's copy.
#[derive(Clone, Debug)]
pub(crate) struct Replica {
    pub(crate) node: NodeId,
    pub(crate) start: Offset,
    /// The log end; none until a fact has told it.
    pub(crate) end: Option<Offset>,
    pub(crate) high_watermark: Offset,
    /// Everything below this has reached the platter.
    pub(crate) flushed: Offset,
    /// It lost data and has not been admitted to an ISR since.
    pub(crate) lossy: bool,
    /// What it leads, if it believes that it leads.
    pub(crate) leading: Option<Leading>,
}

/// A leadership as the leader sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Leading {
    pub(crate) epoch: LeaderEpoch,
    /// How many replicas it knows to be in sync, once a change has told it.
    pub(crate) in_sync: Option<u32>,
}

/// A replica's log lost its end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cut {
    pub(crate) at: Moment,
    pub(crate) from: Offset,
    pub(crate) to: Offset,
    pub(crate) cause: CutCause,
    /// How many elections of the partition came before.
    pub(crate) elections: u32,
}

/// What an append did to the picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Appended {
    /// Where the replica's log ended before, if that was known.
    pub(crate) end: Option<Offset>,
    /// Nobody had the batch yet.
    pub(crate) is_new: bool,
}

/// Two replicas have different batches at an offset.
#[derive(Clone, Debug)]
pub(crate) struct Disagreement {
    pub(crate) offset: Offset,
    pub(crate) nodes: [NodeId; 2],
    pub(crate) batches: [Batch; 2],
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

    /// A replica appends; `batch.holders` and the like are filled in here.
    pub(crate) fn append(&mut self, node: NodeId, batch: Batch) -> Option<Appended> {
        let slot = self.slot(node)?;
        let replica = &mut self.replicas[usize::from(slot)];
        let end = replica.end.replace(batch.last.next());
        if end.is_none() {
            replica.start = batch.base;
        }
        Some(Appended { end, is_new: self.hold(slot, batch) })
    }

    fn hold(&mut self, slot: u8, batch: Batch) -> bool {
        let begin = self.first_at(batch.base);
        let same = self.batches.range(begin..).take_while(|other| other.base == batch.base);
        let known = same.enumerate().find(|(_, o)| o.is(batch.base, batch.epoch, batch.digest));
        if let Some((offset, _)) = known {
            let known = &mut self.batches[begin + offset];
            let revived = known.holders == 0;
            known.holders |= 1 << slot;
            if revived && self.tangled {
                self.contest(batch.base);
            }
            return false;
        }
        self.insert(begin, Batch { holders: 1 << slot, ..batch });
        true
    }

    /// Puts a new batch in its place, and notes whether others claim the same offsets.
    fn insert(&mut self, begin: usize, batch: Batch) {
        self.widest = self.widest.max(batch.last.0 + 1 - batch.base.0);
        let next = self.batches.get(begin).is_some_and(|other| other.overlaps(&batch));
        if next || self.at(batch.base).next().is_some() {
            self.tangled = true;
            self.contest(batch.base);
        }
        self.batches.insert(begin, batch);
    }

    /// Notes that different batches may be held from about this offset on.
    fn contest(&mut self, base: Offset) {
        let lowest = Offset(base.0.saturating_sub(self.widest));
        self.contested_from = Some(self.contested_from.map_or(lowest, |from| from.min(lowest)));
    }

    /// The index of the first batch that begins at or after an offset.
    fn first_at(&self, offset: Offset) -> usize {
        // Appends go to the end, so that is where to look first.
        match self.batches.back() {
            Some(last) if last.base >= offset => {
                self.batches.partition_point(|batch| batch.base < offset)
            }
            _ => self.batches.len(),
        }
    }

    /// A replica's log ends at `cut.to` from now on. Gives back what the replica lost by that.
    pub(crate) fn cut(&mut self, node: NodeId, cut: Cut) -> Lost {
        let Some(slot) = self.slot(node) else { return Lost::default() };
        let replica = &mut self.replicas[usize::from(slot)];
        replica.end = Some(cut.to).filter(|_| cut.cause.keeps_a_log());
        replica.start = replica.start.min(cut.to);
        replica.high_watermark = replica.high_watermark.min(cut.to);
        let flushed = match cut.cause {
            CutCause::Reloaded => replica.flushed,
            _ => Offset(0),
        };
        replica.flushed = replica.flushed.min(cut.to);
        let lost = self.take_from(slot, &cut, flushed);
        if lost.any {
            self.replicas[usize::from(slot)].lossy |= cut.cause.loses_data();
            self.cuts.push(cut);
        }
        lost
    }

    fn take_from(&mut self, slot: u8, cut: &Cut, flushed: Offset) -> Lost {
        let index = self.cuts.len() as u32;
        let mut lost = Lost::default();
        for batch in self.batches.iter_mut().rev() {
            if batch.last < cut.to && !self.tangled {
                break;
            }
            if batch.last < cut.to || !batch.is_held_by(slot) {
                continue;
            }
            batch.holders &= !(1 << slot);
            batch.cut = Some(index);
            lost.any = true;
            if batch.committed {
                lost.committed_from = Some(batch.base);
            }
            if cut.cause.loses_data() && batch.last >= flushed {
                batch.lost_by |= 1 << slot;
            }
        }
        lost
    }

    /// Marks what a replica lost in its latest cut as lost by the last member of the ISR.
    pub(crate) fn blame_last_in_sync(&mut self) {
        let Some(latest) = self.cuts.len().checked_sub(1).map(|index| index as u32) else { return };
        let lost = self.batches.iter_mut().filter(|batch| batch.cut == Some(latest));
        lost.for_each(|batch| batch.lost_by_last_in_sync = true);
    }

    /// A leader's high watermark moved: what it holds in between is committed.
    pub(crate) fn commit(&mut self, node: NodeId, from: Offset, to: Offset) {
        let Some(slot) = self.find(node) else { return };
        // One batch back: it may begin below and end above.
        let begin = self.first_at(from).saturating_sub(1);
        let passed = self.batches.range_mut(begin..).take_while(|batch| batch.base < to);
        for batch in passed.filter(|batch| batch.last < to && batch.is_held_by(slot)) {
            batch.committed = true;
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

    /// Whether this replica and another have different batches below both their high watermarks.
    pub(crate) fn disagreement(&mut self, node: NodeId) -> Option<Disagreement> {
        let from = self.contested_from?;
        let slot = self.find(node)?;
        let begin = self.first_at(from);
        let mut contested = false;
        for index in begin..self.batches.len() {
            let batch = &self.batches[index];
            let rivals =
                self.batches.range(index + 1..).take_while(|rival| rival.base <= batch.last);
            for rival in rivals.filter(|rival| batch.holders != 0 && rival.holders != 0) {
                contested = true;
                if let Some(found) = self.compare(slot, batch, rival) {
                    return Some(found);
                }
            }
        }
        if !contested {
            self.contested_from = None;
        }
        None
    }

    fn compare(&self, slot: u8, one: &Batch, other: &Batch) -> Option<Disagreement> {
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

    /// The replica's log starts here now; what nobody has any more is forgotten.
    pub(crate) fn start_at(&mut self, node: NodeId, start: Offset) {
        let Some(replica) = self.replica_mut(node) else { return };
        replica.start = start;
        replica.high_watermark = replica.high_watermark.max(start);
        let kept = self.replicas.iter().filter(|replica| replica.end.is_some());
        let lowest = kept.map(|replica| replica.start).min().unwrap_or_default();
        while self.batches.front().is_some_and(|batch| batch.last < lowest) {
            self.batches.pop_front();
        }
    }

    /// The batches that claim an offset.
    pub(crate) fn at(&self, offset: Offset) -> impl Iterator<Item = &Batch> {
        let end = self.batches.partition_point(|batch| batch.base <= offset);
        let begin = self.batches.partition_point(|batch| batch.base.0 + self.widest <= offset.0);
        self.batches.range(begin..end).filter(move |batch| batch.contains(offset))
    }
}

/// What a replica lost by a cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lost {
    /// It lost anything at all.
    pub(crate) any: bool,
    /// It lost committed batches from here on.
    pub(crate) committed_from: Option<Offset>,
}

impl Replica {
    const fn new(node: NodeId) -> Self {
        Replica {
            node,
            start: Offset(0),
            end: None,
            high_watermark: Offset(0),
            flushed: Offset(0),
            lossy: false,
            leading: None,
        }
    }
}

impl Cut {
    pub(crate) fn witness(&self) -> Witness {
        let what = format!("log end from {} to {}: {}", self.from, self.to, self.cause.words());
        Witness { at: self.at, what }
    }
}
