//! The application that produces: what it sends, and when.

use crate::accumulator::Append;
use crate::batch::Content;
use crate::keys::KeySource;
use crate::values::Numbers;
use crate::{Partitioning, ProducerSetup, ProducerWorkload};
use klab_machine::random::{Stream, stream};
use klab_machine::{Identity, OperationId};
use klab_wire::{BATCH_OVERHEAD, Now, Payload, Span, Time, record_size};
use std::collections::BTreeMap;

/// A producing application.
#[derive(Clone, Debug)]
pub(crate) struct Workload {
    spec: ProducerWorkload,
    keys: KeySource,
    stream: Stream,
    numbers: Numbers,
    next_topic: u32,
    sent: u64,
    stops_at: Time,
    largest_count: u32,
    /// When the next burst is due, and what is left of one that was held up; of that, what is left of this step.
    due: Time,
    left: u32,
    piece: u32,
    /// The partition whose turn it is, and the numbers kept for each, by topic.
    turn: u32,
    numbers_of: BTreeMap<(u32, u32), Numbers>,
}

/// Numbers that a partition gets at a time, so that the records of its batches are numbered one after the other.
const NUMBERS_AT_A_TIME: u32 = 1 << 20;

impl Workload {
    pub(crate) fn new(identity: &Identity, setup: &ProducerSetup, now: Now) -> Self {
        let spec = setup.workload.clone();
        Workload {
            keys: KeySource::new(spec.keys),
            stream: stream(identity.seed, "keys", [identity.incarnation.0]),
            numbers: Numbers::of(identity),
            next_topic: 0,
            sent: 0,
            stops_at: spec.stop.map_or(Time::MAX, |stop| now.time + stop),
            largest_count: largest_count(setup.config.batch_size as u32, spec.value_size),
            due: now.time + spec.start,
            left: 0,
            piece: 0,
            turn: 0,
            numbers_of: BTreeMap::new(),
            spec,
        }
    }

    /// When the first burst comes, if one does.
    pub(crate) fn first_burst(&self) -> Option<Span> {
        let has_something = !self.spec.topics.is_empty() && self.spec.burst > 0;
        let has_time = self.spec.stop.is_none_or(|stop| self.spec.start < stop);
        (has_something && has_time && self.remaining() > 0).then_some(self.spec.start)
    }

    /// When the next burst comes after one that was sent now, if one does.
    pub(crate) fn next_burst(&self, now: Now) -> Option<Span> {
        let next = now.time + self.spec.interval;
        (next < self.stops_at && self.remaining() > 0).then_some(self.spec.interval)
    }

    /// The calls of a burst. The iterator lends the workload: each call is made when it is taken.
    pub(crate) fn next_call(&mut self, left: &mut u32) -> Option<Append> {
        if *left == 0 || self.remaining() == 0 {
            return None;
        }
        let topic = self.next_topic;
        self.next_topic = (topic + 1) % self.spec.topics.len() as u32;
        let count = if self.spec.counted { (*left).min(self.largest_count) } else { 1 };
        let count = u64::from(count).min(self.remaining()) as u32;
        *left -= count;
        self.sent += u64::from(count);
        let first_value = self.numbers.take(count);
        let content = self.content(first_value, count);
        Some(Append { topic, content, operation: OperationId(first_value), partition: None })
    }

    /// Whether one thread sends, and waits while it blocks.
    pub(crate) fn is_in_turn(&self) -> bool {
        self.spec.in_turn
    }

    /// The next call of a thread that sends in turn, to a topic of so many partitions (0 while nobody knows). `room`
    /// tells how many counted records the last batch of a partition takes; the thread's records fill it first.
    pub(crate) fn next_in_turn(
        &mut self,
        partitions: impl Fn(u32) -> u32,
        room: impl Fn(u32, Option<u32>, u32) -> Option<u32>,
    ) -> Option<Append> {
        if !self.spec.counted {
            let mut piece = self.piece;
            let append = self.next_call(&mut piece);
            self.left -= self.piece - piece;
            self.piece = piece;
            return append;
        }
        if self.piece == 0 || self.remaining() == 0 {
            return None;
        }
        let (topic, size) = (self.next_topic, self.spec.value_size);
        let partition = self.partition_in_turn(partitions(topic));
        let most = room(topic, partition, size).unwrap_or(self.largest_count);
        let count = u64::from(self.piece.min(most)).min(self.remaining()) as u32;
        self.next_topic = (topic + 1) % self.spec.topics.len() as u32;
        self.left -= count;
        self.piece -= count;
        self.sent += u64::from(count);
        // Calls are numbered in their order, whatever numbers their values have.
        let (operation, first_value) = match partition {
            Some(partition) => {
                (self.numbers.operation(), self.number_of((topic, partition), count))
            }
            None => {
                let first_value = self.numbers.take(count);
                (OperationId(first_value), first_value)
            }
        };
        let content = self.content(first_value, count);
        Some(Append { topic, content, operation, partition })
    }

    /// Round robin goes from call to call: a counted call stands for records that would have gone to all.
    fn partition_in_turn(&mut self, partitions: u32) -> Option<u32> {
        match self.spec.partitioning {
            Partitioning::RoundRobin if partitions > 0 => {
                self.turn = (self.turn + 1) % partitions;
                Some(self.turn)
            }
            Partitioning::Explicit(partition) => Some(partition),
            _ => None,
        }
    }

    fn number_of(&mut self, slot: (u32, u32), count: u32) -> u64 {
        let kept = self.numbers_of.get_mut(&slot).and_then(|numbers| numbers.take_of_kept(count));
        kept.unwrap_or_else(|| {
            let mut numbers = self.numbers.keep(NUMBERS_AT_A_TIME);
            let first = numbers.take(count);
            self.numbers_of.insert(slot, numbers);
            first
        })
    }

    /// A burst of a thread that sends in turn begins, unless the last one has not ended or the thread's time is over: it
    /// may have been held up until then.
    pub(crate) fn begin_in_turn(&mut self, now: Now) {
        if self.left == 0 && now.time < self.stops_at {
            self.left = self.spec.burst;
        }
        self.go_on_in_turn();
    }

    /// A step of such a thread begins: it sends so many records of its burst at the most.
    pub(crate) fn go_on_in_turn(&mut self) {
        self.piece = self.left.min(self.spec.at_a_time);
    }

    /// When the thread goes on, if it does: with what is left of its burst at once, and so with a burst that is late.
    pub(crate) fn next_in_time(&mut self, now: Now) -> Option<Span> {
        if self.left > 0 && self.remaining() > 0 {
            return Some(Span::ZERO);
        }
        self.due = match self.spec.interval {
            Span::ZERO => now.time,
            interval => self.due + interval,
        };
        let goes_on = self.due.max(now.time) < self.stops_at && self.remaining() > 0;
        goes_on.then(|| self.due.since(now.time))
    }

    /// How many records a burst has.
    pub(crate) fn burst(&self) -> u32 {
        self.spec.burst
    }

    fn remaining(&self) -> u64 {
        self.spec.records.map_or(u64::MAX, |records| records - self.sent)
    }

    fn content(&mut self, number: u64, count: u32) -> Content {
        let size = self.spec.value_size;
        match self.spec.counted {
            true => Content::Counted { first_value: number, count, value_size: size },
            false => Content::Record {
                key: self.keys.draw(&mut self.stream),
                value: Some(Payload::Number { number, size }),
            },
        }
    }
}

/// How many records of this size a batch holds: a counted call never needs more than one batch.
fn largest_count(batch_size: u32, value_size: u32) -> u32 {
    let room = batch_size.saturating_sub(BATCH_OVERHEAD);
    let most = room / record_size(0, 0, None, Some(value_size));
    let record = record_size(most, 0, None, Some(value_size));
    (room / record).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workload(spec: ProducerWorkload) -> Workload {
        let identity = crate::testing::identity(klab_wire::NodeId::producer(1));
        let config = klab_wire::config::ProducerConfig::default();
        let setup = ProducerSetup { config, bootstrap: Vec::new(), workload: spec };
        Workload::new(&identity, &setup, START)
    }

    const START: Now = Now { time: Time(5), wall: klab_wire::Timestamp(0) };

    #[test]
    fn bursts_end_with_the_records_or_at_the_stop() {
        let spec = ProducerWorkload { topics: vec!["t".into()], burst: 2, ..Default::default() };
        let mut counted = workload(ProducerWorkload { records: Some(3), ..spec.clone() });
        assert_eq!(counted.first_burst(), Some(Span::ZERO));
        let burst = |workload: &mut Workload| {
            let mut left = workload.burst();
            std::iter::from_fn(|| workload.next_call(&mut left)).count()
        };
        assert_eq!((burst(&mut counted), counted.next_burst(START)), (2, Some(spec.interval)));
        assert_eq!((burst(&mut counted), counted.next_burst(START)), (1, None));

        let stopping = workload(ProducerWorkload { stop: Some(spec.interval), ..spec.clone() });
        assert_eq!(stopping.next_burst(START), None);
        let stopped = workload(ProducerWorkload { stop: Some(Span::ZERO), ..spec });
        assert_eq!(stopped.first_burst(), None);
    }

    #[test]
    fn topics_are_written_to_in_turn() {
        let topics = vec!["a".into(), "b".into()];
        let mut workload = workload(ProducerWorkload { topics, burst: 3, ..Default::default() });
        let mut left = 3;
        let turns: Vec<u32> =
            std::iter::from_fn(|| workload.next_call(&mut left)).map(|call| call.topic).collect();
        assert_eq!(turns, [0, 1, 0]);
    }

    #[test]
    fn a_counted_call_fits_into_a_batch() {
        for (batch_size, value_size) in [(16_384, 100), (16_384, 1), (1_000_000, 10), (0, 100)] {
            let count = largest_count(batch_size, value_size);
            let content = Content::Counted { first_value: 0, count, value_size };
            assert!(
                count == 1 || content.size_upper_bound() <= batch_size,
                "{count} of {value_size}"
            );
        }
        assert_eq!(largest_count(16_384, 100), 148);
    }
}
