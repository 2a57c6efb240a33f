//! What clients saw of one partition: acknowledgements, and what each consumer's polls returned.

use super::anomaly::Anomaly;
use super::faults::Faults;
use super::nonmonotonic_poll;
use super::nonmonotonic_send::Latest;
use super::reads::{Conflict, Reads};
use crate::findings::Findings;
use crate::settings::Setting;
use crate::verdict::{Moment, Witness};
use klab_machine::Value;
use klab_machine::operation::RecordRange;
use klab_wire::{NodeId, Offset, TopicPartition};

/// What happened to one partition.
#[derive(Clone, Debug, Default)]
pub(super) struct PartitionHistory {
    pub(super) acks: Vec<Ack>,
    pub(super) reads: Reads,
    /// In the order of their nodes.
    readers: Vec<Reader>,
    /// Offsets that a reader passed over.
    pub(super) gaps: Vec<Gap>,
    pub(super) conflicts: Vec<Conflict>,
    /// What stood somewhere, or may have stood there, although nobody is sure to have read it.
    pub(super) glimpses: Vec<Glimpse>,
    /// What was below was deleted in order, by retention or on request.
    pub(super) deleted_below: Offset,
    /// Neighbouring sends of one operation that are not neighbours in the log.
    pub(super) apart: Vec<[Ack; 2]>,
    /// The sends whose order is judged already.
    pub(super) latest: Latest,
}

/// An acknowledged send.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ack {
    pub(super) offset: Offset,
    pub(super) first_value: u64,
    pub(super) count: u32,
    /// Which send of its client it was.
    pub(super) order: u32,
    /// It had to wait for memory or metadata: calls after it need not have waited for it.
    pub(super) waited: bool,
    /// It is not the first send of its operation.
    pub(super) continues: bool,
    /// Its place in the order of sends is judged already.
    pub(super) settled: bool,
    /// When its client, the moment's node, was told.
    pub(super) at: Moment,
}

/// A consumer of a partition.
#[derive(Clone, Debug)]
struct Reader {
    node: NodeId,
    /// The offset that it must see next; none after a seek or reset.
    next: Option<Offset>,
    polls: Vec<Poll>,
}

/// What one poll returned of a partition: nothing outside of these offsets.
#[derive(Clone, Copy, Debug)]
struct Poll {
    at: Moment,
    from: Offset,
    to: Offset,
}

/// Offsets that a reader passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gap {
    pub(super) at: Moment,
    /// The reader's poll before, which may be the same.
    pub(super) before: Option<Moment>,
    pub(super) from: Offset,
    pub(super) to: Offset,
    /// How many other readers, or the same again, did so too.
    pub(super) again: u64,
}

/// Evidence that is no reading: a poll or a send whose operation did not end well.
#[derive(Clone, Copy, Debug)]
pub(super) struct Glimpse {
    pub(super) at: Moment,
    pub(super) range: RecordRange,
    /// A poll returned it; otherwise a send claims it, and only somebody who reads the value can confirm it.
    pub(super) polled: bool,
}

impl PartitionHistory {
    /// A poll that ended well returned these records.
    pub(super) fn read(
        &mut self,
        at: Moment,
        name: &TopicPartition,
        range: &RecordRange,
        permitted_by: Option<Setting>,
        (faults, findings): (&Faults, &mut Findings),
    ) {
        let to = range.offset.plus(u64::from(range.count));
        let reader = self.reader(at.node);
        let expected = reader.next.replace(to);
        let before = reader.polls.last().map(|poll| poll.at);
        reader.note(at, range.offset, to);
        self.conflicts.extend(self.reads.see(at, range));
        let Some(expected) = expected else { return };
        if range.offset > expected {
            self.pass_over(Gap { at, before, from: expected, to: range.offset, again: 0 });
        }
        let step = nonmonotonic_poll::Step { name, at, before, expected, range };
        nonmonotonic_poll::judge(&step, permitted_by, faults, findings);
    }

    /// Holes of a sparse log are passed over by everyone: they are kept once.
    fn pass_over(&mut self, gap: Gap) {
        let same = self.gaps.iter_mut().rev().take(4);
        match same.into_iter().find(|one| (one.from, one.to) == (gap.from, gap.to)) {
            Some(one) => one.again += 1,
            None => self.gaps.push(gap),
        }
    }

    /// From now on a reader goes on from here, or from where it likes.
    pub(super) fn reposition(&mut self, node: NodeId, next: Option<Offset>) {
        self.reader(node).next = next;
    }

    /// The same, if it has read this partition at all.
    pub(super) fn reposition_known(&mut self, node: NodeId) {
        if let Ok(index) = self.readers.binary_search_by_key(&node, |reader| reader.node) {
            self.readers[index].next = None;
        }
    }

    fn reader(&mut self, node: NodeId) -> &mut Reader {
        let index = match self.readers.binary_search_by_key(&node, |reader| reader.node) {
            Ok(index) => index,
            Err(index) => {
                self.readers.insert(index, Reader { node, next: None, polls: Vec::new() });
                index
            }
        };
        &mut self.readers[index]
    }

    /// The operation that saw this offset, for a proof: a poll, or the acknowledgement of a send.
    pub(super) fn witness(&self, offset: Offset, value: u64) -> Option<Witness> {
        self.poll_of(offset).or_else(|| self.ack_of(offset, value))
    }

    /// The first poll that reached over this offset.
    pub(super) fn poll_of(&self, offset: Offset) -> Option<Witness> {
        let polls = self.readers.iter().flat_map(|reader| &reader.polls);
        let polls = polls.filter(|poll| poll.from <= offset && offset < poll.to);
        polls.min_by_key(|poll| poll.at).map(Poll::witness)
    }

    fn ack_of(&self, offset: Offset, value: u64) -> Option<Witness> {
        let has = |ack: &&Ack| {
            ack.offset <= offset && offset < ack.end() && ack.value_at(offset) == value
        };
        self.acks.iter().find(has).map(Ack::witness)
    }
}

impl Reader {
    fn note(&mut self, at: Moment, from: Offset, to: Offset) {
        match self.polls.last_mut() {
            Some(poll) if poll.at == at => {
                (poll.from, poll.to) = (poll.from.min(from), poll.to.max(to));
            }
            _ => self.polls.push(Poll { at, from, to }),
        }
    }
}

impl Poll {
    fn witness(&self) -> Witness {
        let (first, last) = (self.from, self.to.0 - 1);
        let what = match first.0 == last {
            true => format!("polls offset {first}"),
            false => format!("polls offsets {first}..{last}"),
        };
        Witness { at: self.at, what }
    }
}

impl Gap {
    /// The two polls between which it lies, or the one.
    pub(super) fn witnesses(&self) -> Vec<Witness> {
        let what = format!("polls on from {}, after {} was next", self.to, self.from);
        let passed = Witness { at: self.at, what };
        let before = self.before.filter(|_| !self.is_internal());
        let before =
            before.map(|at| Witness { at, what: format!("has polled up to {}", self.from) });
        before.into_iter().chain([passed]).collect()
    }

    /// Within one poll.
    pub(super) fn is_internal(&self) -> bool {
        self.before == Some(self.at)
    }

    pub(super) fn anomaly(&self) -> Anomaly {
        match self.is_internal() {
            true => Anomaly::IntPollSkip,
            false => Anomaly::PollSkip,
        }
    }
}

impl Ack {
    pub(super) fn end(&self) -> Offset {
        self.offset.plus(u64::from(self.count))
    }

    pub(super) fn value_at(&self, offset: Offset) -> u64 {
        self.first_value + offset.since(self.offset)
    }

    pub(super) fn offset_of(&self, value: u64) -> Offset {
        self.offset.plus(value - self.first_value)
    }

    pub(super) fn witness(&self) -> Witness {
        let (value, offset) = (Value(self.first_value), self.offset);
        let what = match self.count {
            1 => format!("is told that its value {value} is at offset {offset}"),
            count => format!("is told that its {count} values from {value} are at offset {offset}"),
        };
        Witness { at: self.at, what }
    }
}
