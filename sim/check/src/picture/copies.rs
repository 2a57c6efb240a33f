//! All copies of one log: every batch once, with the replicas that hold it.
//!
//! That costs one entry per batch however many replicas there are, makes "do two replicas agree?" a
//! question about entries that overlap, and "who still has it?" a look at one number.

use super::batch::{Batch, CutCause};
use crate::verdict::{Moment, Witness};
use klab_wire::{LeaderEpoch, NodeId, Offset, ProducerEpoch, ProducerId, Sequence};
use std::collections::{BTreeMap, VecDeque};

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
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Leading {
    pub(crate) epoch: LeaderEpoch,
    /// How many replicas it knows to be in sync.
    pub(crate) in_sync: u32,
    /// The last batch of each producer in its log, of those that it appended itself.
    pub(crate) producers: BTreeMap<ProducerId, ProducerTail>,
}

/// Where a producer's sequences have got to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ProducerTail {
    pub(crate) epoch: ProducerEpoch,
    /// The sequence that must come next.
    pub(crate) next: Sequence,
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
    pub(crate) fn append(&mut self, node: NodeId, batch: Batch) -> Option<Offset> {
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
    fn hold(&mut self, slot: u8, batch: Batch) {
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
            return;
        }
        self.insert(begin, Batch { holders: 1 << slot, ..batch });
    }

    /// Puts a new batch in its place, and notes whether others claim the same offsets.
    fn insert(&mut self, begin: usize, batch: Batch) {
        self.widest = self.widest.max(batch.last.0 + 1 - batch.base.0);
        if self.overlaps(begin, &batch) {
            self.tangled = true;
            self.contest(batch.base);
        }
        self.batches.insert(begin, batch);
    }

    /// Whether a batch that belongs at this index overlaps another one.
    fn overlaps(&self, index: usize, batch: &Batch) -> bool {
        let after = self.batches.get(index).is_some_and(|other| other.overlaps(batch));
        let reaching = |other: &&Batch| other.base.0 + self.widest > batch.base.0;
        let mut before = self.batches.range(..index).rev().take_while(reaching);
        after || before.any(|other| other.overlaps(batch))
    }

    /// Notes that different batches may be held from about this offset on.
    fn contest(&mut self, base: Offset) {
        let lowest = Offset(base.0.saturating_sub(self.widest));
        self.contested_from = Some(self.contested_from.map_or(lowest, |from| from.min(lowest)));
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
                if batch.last < flushed || !cut.cause.loses_data() {
                    lost.kept_from = Some(batch.base);
                }
            }
            if cut.cause.loses_data() && batch.last >= flushed {
                batch.lost_by |= 1 << slot;
            }
        }
        lost
    }

    /// A replica's host lost its power: what it had not flushed counts as lost until its log is opened and
    /// shows what had reached the platter all the same. Others may elect a leader before that.
    pub(crate) fn endanger(&mut self, node: NodeId) {
        let Some(slot) = self.find(node) else { return };
        for batch in self.unflushed_by(slot) {
            batch.lost_by |= 1 << slot;
        }
    }

    /// A replica's log is open: what it holds was not lost.
    pub(crate) fn spare(&mut self, node: NodeId) {
        let Some(slot) = self.find(node) else { return };
        for batch in self.unflushed_by(slot) {
            batch.lost_by &= !(1 << slot);
        }
    }

    fn unflushed_by(&mut self, slot: u8) -> impl Iterator<Item = &mut Batch> {
        let flushed = self.replicas[usize::from(slot)].flushed;
        let tangled = self.tangled;
        let latest = self.batches.iter_mut().rev();
        let unflushed = latest.take_while(move |batch| batch.last >= flushed || tangled);
        unflushed.filter(move |batch| batch.last >= flushed && batch.is_held_by(slot))
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

    /// All batches that ever claimed an offset, as far as they are remembered.
    pub(crate) fn claimants(&self, offset: Offset) -> impl Iterator<Item = &Batch> {
        let from = self.first_at(Offset(offset.0.saturating_sub(self.widest)));
        let begun = self.batches.range(from..).take_while(move |batch| batch.base <= offset);
        begun.filter(move |batch| batch.contains(offset))
    }

    /// Whether the batch of this epoch that ends here is committed.
    pub(crate) fn is_committed(&self, last: Offset, epoch: LeaderEpoch) -> bool {
        let mut claimants = self.claimants(last);
        claimants.any(|batch| batch.epoch == epoch && batch.committed)
    }

    /// The nodes whose replicas have stated anything.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = NodeId> {
        self.replicas.iter().map(|replica| replica.node)
    }

    /// The batches that claim an offset. `from` is where to begin to look: an index that an earlier call, for
    /// a lower offset, left there.
    pub(crate) fn at(&self, offset: Offset, from: &mut usize) -> impl Iterator<Item = &Batch> {
        let reaches = |batch: &Batch| batch.base.0 + self.widest > offset.0;
        while self.batches.get(*from).is_some_and(|batch| !reaches(batch)) {
            *from += 1;
        }
        let begun = self.batches.range(*from..).take_while(move |batch| batch.base <= offset);
        begun.filter(move |batch| batch.contains(offset))
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

    /// Its log is not what it was when it noted what producers had appended.
    fn forget_producers(&mut self) {
        if let Some(leading) = &mut self.leading {
            leading.producers.clear();
        }
    }
}

impl Leading {
    pub(crate) const fn new(epoch: LeaderEpoch, in_sync: u32) -> Self {
        Leading { epoch, in_sync, producers: BTreeMap::new() }
    }
}

impl Cut {
    pub(crate) fn witness(&self) -> Witness {
        let what = format!("{}: log end from {} to {}", self.cause.words(), self.from, self.to);
        Witness { at: self.at, what }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use klab_wire::Time;
    use proptest::prelude::*;

    const AT: Moment = Moment { step: 0, time: Time::ZERO, node: NodeId::broker(1) };

    fn batch(base: u64, count: u64, epoch: u32) -> Batch {
        Batch {
            base: Offset(base),
            last: Offset(base + count - 1),
            epoch: LeaderEpoch(epoch),
            digest: u64::from(epoch),
            first_value: None,
            producer: None,
            appended: AT,
            holders: 0,
            lost_by: 0,
            committed: false,
            lost_by_last_in_sync: false,
            reported: false,
            cut: None,
        }
    }

    fn cut(from: u64, to: u64, cause: CutCause) -> Cut {
        Cut { at: AT, from: Offset(from), to: Offset(to), cause, elections: 0 }
    }

    /// What one of three replicas does: append a batch of its epoch, or lose its end.
    #[derive(Clone, Copy, Debug)]
    enum Act {
        Append { replica: usize, count: u64, epoch: u32 },
        Cut { replica: usize, back: u64 },
    }

    fn acts() -> impl Strategy<Value = Vec<Act>> {
        let append = (0..3_usize, 1..4_u64, 0..3_u32)
            .prop_map(|(replica, count, epoch)| Act::Append { replica, count, epoch });
        let cut = (0..3_usize, 0..9_u64).prop_map(|(replica, back)| Act::Cut { replica, back });
        proptest::collection::vec(prop_oneof![4 => append, 1 => cut], 0..60)
    }

    /// Three logs kept the plain way: each a list of (base, last, epoch).
    type Logs = [Vec<(u64, u64, u32)>; 3];

    fn end_of(log: &[(u64, u64, u32)]) -> u64 {
        log.last().map_or(0, |(_, last, _)| last + 1)
    }

    fn act(copies: &mut Copies, logs: &mut Logs, act: Act) {
        match act {
            Act::Append { replica, count, epoch } => {
                let base = end_of(&logs[replica]);
                logs[replica].push((base, base + count - 1, epoch * 10 + count as u32));
                let told = batch(base, count, epoch * 10 + count as u32);
                copies.append(NodeId::broker(replica as u16 + 1), told);
            }
            Act::Cut { replica, back } => {
                let log = &mut logs[replica];
                let keep = log.len().saturating_sub(back as usize);
                let (from, to) = (end_of(log), end_of(&log[..keep]));
                log.truncate(keep);
                let node = NodeId::broker(replica as u16 + 1);
                copies.cut(node, cut(from, to, CutCause::Truncated));
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn all_copies_together_say_what_each_log_says(acts in acts()) {
            let (mut copies, mut logs) = (Copies::default(), Logs::default());
            acts.into_iter().for_each(|one| act(&mut copies, &mut logs, one));
            for (log, number) in logs.iter().zip(1..) {
                let Some(slot) = copies.find(NodeId::broker(number)) else {
                    prop_assert!(log.is_empty());
                    continue;
                };
                let held = copies.batches.iter().filter(|batch| batch.is_held_by(slot));
                let held: Vec<_> = held.map(|b| (b.base.0, b.last.0, b.epoch.0)).collect();
                prop_assert_eq!(&held, log);
                let mut from = 0;
                for (base, last, epoch) in log {
                    let mut there = copies.at(Offset((base + last) / 2), &mut from);
                    prop_assert!(there.any(|b| b.is_held_by(slot) && b.epoch.0 == *epoch));
                }
            }
        }

        #[test]
        fn replicas_disagree_exactly_where_their_logs_differ(acts in acts()) {
            let (mut copies, mut logs) = (Copies::default(), Logs::default());
            acts.into_iter().for_each(|one| act(&mut copies, &mut logs, one));
            for replica in &mut copies.replicas {
                replica.high_watermark = replica.end.unwrap_or_default();
            }
            let differs = |one: &[(u64, u64, u32)], other: &[(u64, u64, u32)]| {
                one.iter().zip(other).any(|(a, b)| a != b)
            };
            let plain = differs(&logs[0], &logs[1]) || differs(&logs[0], &logs[2]);
            prop_assert_eq!(copies.disagreement(NodeId::broker(1)).is_some(), plain);
        }
    }

    #[test]
    fn what_was_flushed_is_not_counted_as_lost_with_the_page_cache() {
        let node = NodeId::broker(1);
        let mut copies = Copies::default();
        for base in [0, 1, 2] {
            copies.append(node, batch(base, 1, 0));
        }
        copies.commit(node, Offset(0), Offset(2));
        copies.replica_mut(node).expect("it has a slot").flushed = Offset(1);
        let lost = copies.cut(node, cut(3, 0, CutCause::Reloaded));
        assert_eq!(lost.committed_from, Some(Offset(0)));
        let lossy: Vec<_> = copies.batches.iter().map(|batch| batch.lost_by).collect();
        assert_eq!(lossy, [0, 1, 1]);
    }

    #[test]
    fn what_every_replica_has_deleted_is_forgotten() {
        let mut copies = Copies::default();
        for node in [NodeId::broker(1), NodeId::broker(2)] {
            copies.append(node, batch(0, 3, 0));
            copies.append(node, batch(3, 3, 0));
        }
        copies.start_at(NodeId::broker(1), Offset(3));
        assert_eq!(copies.batches.len(), 2);
        copies.start_at(NodeId::broker(2), Offset(3));
        assert_eq!(copies.batches.len(), 1);
    }
}
