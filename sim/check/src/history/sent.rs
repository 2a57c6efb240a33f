//! Which values were sent to a topic, by whom, and which of them certainly failed.

use crate::verdict::Moment;
use klab_machine::operation::RecordRange;
use klab_wire::{NodeId, TopicPartition};
use std::collections::BTreeMap;

/// All that was sent so far. Consecutive values of one client are one run.
#[derive(Clone, Debug, Default)]
pub(super) struct Sent {
    runs: BTreeMap<NodeId, Vec<Run>>,
    /// The same of all clients, without overlaps, in the order of values.
    values: Vec<Run>,
    failed: Vec<Failed>,
    /// Values that were read before anybody had sent them.
    early: Vec<Early>,
}

/// Values that were read before anybody had sent them, and where.
#[derive(Clone, Debug)]
pub(super) struct Early {
    pub(super) at: Moment,
    pub(super) name: TopicPartition,
    pub(super) range: RecordRange,
}

#[derive(Clone, Copy, Debug)]
struct Run {
    first: u64,
    end: u64,
}

/// Values whose send certainly failed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Failed {
    pub(super) first: u64,
    pub(super) end: u64,
    pub(super) at: Moment,
}

/// The same in the order of values.
#[derive(Clone, Debug)]
pub(super) struct Writers {
    runs: Vec<(Run, NodeId)>,
    pub(super) failed: Vec<Failed>,
}

impl Sent {
    pub(super) fn send(&mut self, client: NodeId, first: u64, count: u32) {
        let runs = self.runs.entry(client).or_default();
        let end = first + u64::from(count);
        match runs.last_mut() {
            Some(last) if last.end == first => last.end = end,
            _ => runs.push(Run { first, end }),
        }
        self.note(first, end);
    }

    fn note(&mut self, first: u64, end: u64) {
        let place = self.values.partition_point(|run| run.end < first);
        match self.values.get_mut(place) {
            Some(run) if run.end == first => run.end = end,
            _ => self.values.insert(place, Run { first, end }),
        }
        let next = self.values.get(place + 1).copied();
        if let Some(next) = next.filter(|next| next.first <= end) {
            self.values[place].end = next.end.max(end);
            self.values.remove(place + 1);
        }
    }

    /// Values are read. Those that nobody has sent are remembered.
    pub(super) fn read(&mut self, at: Moment, name: &TopicPartition, range: &RecordRange) {
        let (first, end) = (range.first_value, range.first_value + u64::from(range.count));
        let place = self.values.partition_point(|run| run.end <= first);
        let run = self.values.get(place);
        if run.is_none_or(|run| first < run.first || run.end < end) {
            self.early.push(Early { at, name: name.clone(), range: *range });
        }
    }

    /// Whoever read these values before now, when they begin to be sent: those were not sent before.
    pub(super) fn early(&self, first: u64, count: u32) -> impl Iterator<Item = (&Early, u64)> {
        let end = first + u64::from(count);
        self.early.iter().filter_map(move |early| {
            let RecordRange { first_value, count, .. } = early.range;
            let (first, end) = (first.max(first_value), end.min(first_value + u64::from(count)));
            (first < end).then_some((early, first))
        })
    }

    pub(super) fn fail(&mut self, at: Moment, first: u64, count: u32) {
        self.failed.push(Failed { first, end: first + u64::from(count), at });
    }

    /// Of each client the first value that it sent, and the end of the last.
    pub(super) fn extents(&self) -> impl Iterator<Item = (NodeId, (u64, u64))> {
        self.runs.iter().filter_map(|(client, runs)| {
            let first = runs.iter().map(|run| run.first).min()?;
            Some((*client, (first, runs.iter().map(|run| run.end).max()?)))
        })
    }

    /// Sorted, and no longer here.
    pub(super) fn take_writers(&mut self) -> Writers {
        let sent = std::mem::take(self);
        let mut runs = Vec::with_capacity(sent.runs.values().map(Vec::len).sum());
        for (client, its) in sent.runs {
            runs.extend(its.into_iter().map(|run| (run, client)));
        }
        runs.sort_unstable_by_key(|(run, _)| run.first);
        let mut failed = sent.failed;
        failed.sort_unstable_by_key(|failed| failed.first);
        Writers { runs, failed }
    }
}

impl Writers {
    pub(super) fn writer_of(&self, value: u64) -> Option<NodeId> {
        let index = self.runs.partition_point(|(run, _)| run.end <= value);
        self.runs.get(index).filter(|(run, _)| run.first <= value).map(|(_, client)| *client)
    }

    /// A value that was sent twice: then nothing that depends on values can be judged.
    pub(super) fn sent_twice(&self) -> Option<u64> {
        let mut pairs = self.runs.windows(2);
        let twice = pairs.find(|pair| pair[1].0.first < pair[0].0.end);
        twice.map(|pair| pair[1].0.first)
    }

    /// Of the values from `first` to `end` those that nobody sent, as ranges. `place` remembers where to look:
    /// whoever asks in the order of values never looks twice.
    pub(super) fn unsent(&self, first: u64, end: u64, place: &mut usize) -> Vec<(u64, u64)> {
        let mut unsent = Vec::new();
        let mut value = first;
        while self.runs.get(*place).is_some_and(|(run, _)| run.end <= value) {
            *place += 1;
        }
        let mut index = *place;
        while value < end {
            let next = self.runs.get(index).map(|(run, _)| *run).filter(|run| run.first < end);
            let begin = next.map_or(end, |run| run.first);
            if begin > value {
                unsent.push((value, begin));
            }
            value = next.map_or(end, |run| run.end.max(value));
            index += 1;
        }
        unsent
    }

    /// The failed sends that have some of these values, asked in the same way.
    pub(super) fn failed(
        &self,
        first: u64,
        end: u64,
        place: &mut usize,
    ) -> impl Iterator<Item = &Failed> {
        while self.failed.get(*place).is_some_and(|failed| failed.end <= first) {
            *place += 1;
        }
        self.failed[*place..].iter().take_while(move |failed| failed.first < end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_known_by_their_writers_and_what_nobody_sent_is_found() {
        let [p1, p2] = [1, 2].map(NodeId::producer);
        let mut sent = Sent::default();
        for (client, first, count) in [(p1, 10, 5), (p2, 30, 2), (p1, 15, 5), (p1, 40, 1)] {
            sent.send(client, first, count);
        }
        assert_eq!(sent.extents().collect::<Vec<_>>(), [(p1, (10, 41)), (p2, (30, 32))]);
        let writers = sent.take_writers();
        assert_eq!(writers.sent_twice(), None);
        let found = [9, 10, 19, 20, 31, 40].map(|value| writers.writer_of(value));
        assert_eq!(found, [None, Some(p1), Some(p1), None, Some(p2), Some(p1)]);
        let mut place = 0;
        assert_eq!(writers.unsent(5, 12, &mut place), [(5, 10)]);
        assert_eq!(writers.unsent(12, 20, &mut place), []);
        assert_eq!(writers.unsent(18, 42, &mut place), [(20, 30), (32, 40), (41, 42)]);
    }

    #[test]
    fn what_is_read_before_it_is_sent_is_remembered() {
        let name = TopicPartition::new("orders", 0);
        let at = Moment { step: 1, time: klab_wire::Time(1), node: NodeId::consumer(1) };
        let mut sent = Sent::default();
        for first in [20, 10, 14] {
            sent.send(NodeId::producer(1), first, 4);
        }
        let offset = klab_wire::Offset(0);
        for (first_value, count) in [(10, 8), (21, 3), (17, 3)] {
            sent.read(at, &name, &RecordRange { offset, first_value, count });
        }
        let early = |first, count| sent.early(first, count).map(|(_, value)| value).next();
        assert_eq!([early(18, 2), early(12, 2), early(5, 90)], [Some(18), None, Some(17)]);
    }

    #[test]
    fn a_value_that_was_sent_twice_is_noticed() {
        let mut sent = Sent::default();
        sent.send(NodeId::producer(1), 10, 5);
        sent.send(NodeId::producer(2), 14, 1);
        assert_eq!(sent.take_writers().sent_twice(), Some(14));
    }
}
