//! The way of a record: from `send()` to its acknowledgement, and to every reader.
//!
//! A record is known by its value, which no other has. What is kept is in flight: a call of `send()`, with the
//! thousand records that it may stand for, is one entry until its call has ended and every application that reads its
//! partition has got all of them.

use super::Counted;
use klab_machine::operation::KeeperOutcome;
use klab_machine::{Call, Operation, OperationId, Outcome};
use klab_scenario::{Assignment, Scenario};
use klab_wire::{NodeId, Span, Time, TopicPartition};
use std::collections::BTreeMap;

/// The calls that are under way.
#[derive(Clone, Debug, Default)]
pub(super) struct Passage {
    /// By the number of the first value.
    calls: BTreeMap<u64, Sent>,
    first_values: BTreeMap<(NodeId, OperationId), u64>,
    /// The operations on an ensemble that are counted, and when each began.
    operations: BTreeMap<(NodeId, OperationId), Time>,
    counted: Counted,
    /// How many bytes a record of each producer has.
    sizes: BTreeMap<NodeId, u64>,
    readers: Readers,
}

/// The applications that read: each `[[consumer]]` is one, however many processes share its partitions.
#[derive(Clone, Debug, Default)]
struct Readers(Vec<Assignment>);

#[derive(Clone, Copy, Debug)]
struct Sent {
    at: Time,
    count: u32,
    /// Bytes of one record.
    size: u64,
    /// Records that a reader got, over all readers.
    delivered: u64,
    /// Records that readers will get in all; not known before the partition is.
    wanted: Option<u64>,
}

/// What an entry of the trace says of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Passed {
    /// An application called `send()`.
    Called {
        records: u64,
    },
    /// A call was acknowledged.
    Acked {
        records: u64,
        bytes: u64,
        took: Span,
    },
    /// A call failed, or nobody knows.
    Failed {
        records: u64,
    },
    Unknown {
        records: u64,
    },
    /// A reader got records of one call.
    Polled {
        records: u64,
        bytes: u64,
        took: Span,
    },
    /// A reader got records of which the call is not known any more: again, or after their call had failed.
    PolledAgain {
        records: u64,
    },
}

impl Readers {
    fn of(&self, partition: &TopicPartition) -> u64 {
        let reads = |assignment: &&Assignment| match assignment {
            Assignment::Topics(topics) => topics.contains(&partition.topic),
            Assignment::Partitions(partitions) => partitions.contains(partition),
        };
        self.0.iter().filter(reads).count() as u64
    }
}

impl Sent {
    fn is_over(&self) -> bool {
        self.wanted.is_some_and(|wanted| self.delivered >= wanted)
    }
}

impl Passage {
    pub(super) fn new(scenario: &Scenario) -> Self {
        let sizes = scenario.producer_nodes().map(|(node, producer)| (node, producer.record_size));
        let readers = scenario.consumers.iter().map(|consumer| consumer.assignment.clone());
        Passage {
            sizes: sizes.collect(),
            readers: Readers(readers.collect()),
            counted: Counted::in_a_run_of(scenario),
            ..Passage::default()
        }
    }

    /// Follows an operation, and tells what it says of records.
    pub(super) fn watch(
        &mut self,
        node: NodeId,
        at: Time,
        operation: &Operation,
        tell: &mut impl FnMut(Passed),
    ) {
        match operation {
            Operation::Began { id, call: Call::Send { first_value, count, .. } } => {
                let size = self.sizes.get(&node).copied().unwrap_or(0);
                let sent = Sent { at, count: *count, size, delivered: 0, wanted: None };
                self.calls.insert(*first_value, sent);
                self.first_values.insert((node, *id), *first_value);
                tell(Passed::Called { records: u64::from(*count) });
            }
            Operation::Began { id, call: Call::ZooKeeper(_) } => {
                if self.counted == Counted::Operations {
                    self.operations.insert((node, *id), at);
                    tell(Passed::Called { records: 1 });
                }
            }
            Operation::Began { .. } => {}
            Operation::Ended { outcome: Outcome::Polled(polled), .. } => {
                let ranges = polled.iter().flat_map(|records| &records.ranges);
                ranges.for_each(|range| self.polled(at, range.first_value, range.count, tell));
            }
            Operation::Ended { id, outcome: Outcome::ZooKeeper(outcome) } => {
                if let Some(began) = self.operations.remove(&(node, *id)) {
                    tell(answered(outcome, at.since(began)));
                }
            }
            Operation::Ended { id, outcome } => self.ended(node, at, *id, outcome, tell),
        }
    }

    fn ended(
        &mut self,
        node: NodeId,
        at: Time,
        id: OperationId,
        outcome: &Outcome,
        tell: &mut impl FnMut(Passed),
    ) {
        let Some(first_value) = self.first_values.remove(&(node, id)) else { return };
        let Some(sent) = self.calls.get_mut(&first_value) else { return };
        let records = u64::from(sent.count);
        sent.wanted = match outcome {
            Outcome::Sent { partition, .. } => Some(records * self.readers.of(partition)),
            _ => Some(0),
        };
        let Sent { at: began, size, .. } = *sent;
        if sent.is_over() {
            self.calls.remove(&first_value);
        }
        match outcome {
            Outcome::Failed(_) => tell(Passed::Failed { records }),
            Outcome::Unknown(_) => tell(Passed::Unknown { records }),
            _ => tell(Passed::Acked { records, bytes: records * size, took: at.since(began) }),
        }
    }

    /// Splits a range of values by the calls that they came from.
    fn polled(&mut self, at: Time, first: u64, count: u32, tell: &mut impl FnMut(Passed)) {
        let end = first + u64::from(count);
        let mut next = first;
        while next < end {
            let call = self.calls.range_mut(..=next).next_back();
            let call = call.filter(|(value, sent)| next < **value + u64::from(sent.count));
            let Some((value, sent)) = call else {
                let known = self.calls.range(next..end).next().map_or(end, |(value, _)| *value);
                tell(Passed::PolledAgain { records: known - next });
                next = known;
                continue;
            };
            let value = *value;
            let records = end.min(value + u64::from(sent.count)) - next;
            sent.delivered += records;
            let (took, bytes) = (at.since(sent.at), records * sent.size);
            if sent.is_over() {
                self.calls.remove(&value);
            }
            tell(Passed::Polled { records, bytes, took });
            next += records;
        }
    }

    /// How many calls are in flight.
    #[cfg(test)]
    pub(super) fn in_flight(&self) -> usize {
        self.calls.len()
    }
}

/// What became of an operation.
fn answered(outcome: &KeeperOutcome, took: Span) -> Passed {
    match outcome {
        KeeperOutcome::Answered(..) => Passed::Acked { records: 1, bytes: 0, took },
        KeeperOutcome::Refused(..) => Passed::Failed { records: 1 },
        KeeperOutcome::Unknown(..) => Passed::Unknown { records: 1 },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use klab_machine::operation::{PolledRecords, RecordRange};
    use klab_wire::{ErrorCode, Offset, TopicName};

    fn passage(readers: usize) -> Passage {
        let assignment = Assignment::Topics(vec![TopicName::from("orders")]);
        Passage {
            sizes: [(NodeId::producer(1), 100)].into(),
            readers: Readers(vec![assignment; readers]),
            ..Passage::default()
        }
    }

    fn told(
        passage: &mut Passage,
        node: NodeId,
        millis: u64,
        operation: &Operation,
    ) -> Vec<Passed> {
        let mut told = Vec::new();
        let at = Time(millis * 1_000_000);
        passage.watch(node, at, operation, &mut |passed| told.push(passed));
        told
    }

    fn call(id: u64, first_value: u64, count: u32) -> Operation {
        let call = Call::Send { topic: "orders".into(), key: None, first_value, count };
        Operation::Began { id: OperationId(id), call }
    }

    fn acked(id: u64) -> Operation {
        let partition = TopicPartition::new("orders", 0);
        let outcome = Outcome::Sent { partition, offset: Some(Offset(0)) };
        Operation::Ended { id: OperationId(id), outcome }
    }

    fn polled(first_value: u64, count: u32) -> Operation {
        let ranges = [RecordRange { offset: Offset(0), first_value, count }].into_iter().collect();
        let partition = TopicPartition::new("orders", 0);
        let outcome = Outcome::Polled(vec![PolledRecords { partition, ranges }]);
        Operation::Ended { id: OperationId(99), outcome }
    }

    const P1: NodeId = NodeId::producer(1);
    const C1: NodeId = NodeId::consumer(1);

    #[test]
    fn a_thousand_records_of_one_call_are_one_entry_until_everybody_has_read_them() {
        let mut passage = passage(2);
        assert_eq!(
            told(&mut passage, P1, 1, &call(1, 10, 1_000)),
            [Passed::Called { records: 1_000 }]
        );
        let took = Span::from_millis(4);
        let ack = Passed::Acked { records: 1_000, bytes: 100_000, took };
        assert_eq!(told(&mut passage, P1, 5, &acked(1)), [ack]);
        let got = |records, millis| Passed::Polled {
            records,
            bytes: records * 100,
            took: Span::from_millis(millis),
        };
        assert_eq!(told(&mut passage, C1, 7, &polled(10, 400)), [got(400, 6)]);
        assert_eq!(told(&mut passage, C1, 8, &polled(410, 600)), [got(600, 7)]);
        assert_eq!(passage.in_flight(), 1, "the other application has read nothing yet");
        assert_eq!(told(&mut passage, C1, 9, &polled(10, 1_000)), [got(1_000, 8)]);
        assert_eq!(passage.in_flight(), 0);
        assert_eq!(told(&mut passage, C1, 9, &polled(10, 3)), [Passed::PolledAgain { records: 3 }]);
    }

    #[test]
    fn one_poll_may_bring_records_of_several_calls() {
        let mut passage = passage(1);
        for (id, first) in [(1, 10), (2, 15)] {
            told(&mut passage, P1, id, &call(id, first, 5));
        }
        let found = told(&mut passage, C1, 9, &polled(12, 10));
        let records: Vec<u64> = found
            .iter()
            .map(|passed| match passed {
                Passed::Polled { records, .. } | Passed::PolledAgain { records } => *records,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(records, [3, 5, 2]);
        assert_eq!(found[2], Passed::PolledAgain { records: 2 });
    }

    #[test]
    fn what_failed_is_not_waited_for() {
        let mut passage = passage(1);
        told(&mut passage, P1, 1, &call(1, 10, 5));
        let outcome = Outcome::Failed(ErrorCode::MessageTooLarge);
        let end = Operation::Ended { id: OperationId(1), outcome };
        assert_eq!(told(&mut passage, P1, 2, &end), [Passed::Failed { records: 5 }]);
        assert_eq!(passage.in_flight(), 0);
    }
}
