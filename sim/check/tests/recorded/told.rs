//! A history as it is told: sends that begin and end, polls that return records.

use klab_check::{
    Anomaly, Event, HistoryJudge, HistoryVerdict, Micro, Moment, RecordedSettings, Settings,
    Status, Type,
};
use klab_machine::operation::{OperationId, PolledRecords, RecordRange};
use klab_wire::{NodeId, Offset, Time, TopicPartition};

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// A producer begins to send a value.
    Begins { producer: u16, value: u64 },
    /// The send of a value has ended: at this offset of this partition, or nobody knows, or it failed.
    Ends { producer: u16, value: u64, how: How },
    /// A consumer's poll returns these pairs of offset and value.
    Polls { consumer: u16, partition: u32, records: Vec<(u64, u64)> },
}

/// How a send ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    Acked { partition: u32, offset: u64 },
    Unknown,
    Failed,
}

/// Judges what is told; consumers have read to the end.
pub fn judged(history: &[Told]) -> HistoryVerdict {
    let recorded = RecordedSettings { final_polls: true, ..RecordedSettings::default() };
    let mut judge = HistoryJudge::new(Settings::default(), recorded);
    for (told, line) in history.iter().zip(1..) {
        judge.watch(told.event(line)).expect("what is told goes together");
    }
    judge.finish().expect("every value is sent once")
}

/// What was found against the settings.
pub fn violated(verdict: &HistoryVerdict) -> Vec<Anomaly> {
    let violated = verdict.anomalies.iter().filter(|one| one.status == Status::Violated);
    violated.map(|one| one.anomaly).collect()
}

impl Told {
    fn event(&self, line: u64) -> Event {
        let (node, kind, id, micro) = match self {
            Told::Begins { producer, value } => {
                (NodeId::producer(*producer), Type::Invoke, *value, send(0, *value, None))
            }
            Told::Ends { producer, value, how } => {
                let (kind, micro) = match how {
                    How::Acked { partition, offset } => {
                        (Type::Ok, send(*partition, *value, Some(Offset(*offset))))
                    }
                    How::Unknown => (Type::Info, send(0, *value, None)),
                    How::Failed => (Type::Fail, send(0, *value, None)),
                };
                (NodeId::producer(*producer), kind, *value, micro)
            }
            Told::Polls { consumer, partition, records } => {
                let records = polled(*partition, records);
                (NodeId::consumer(*consumer), Type::Ok, 0, Micro::Poll(vec![records]))
            }
        };
        Event {
            at: Moment { step: line, time: Time(line), node },
            id: Some(OperationId(id)).filter(|_| !matches!(self, Told::Polls { .. })),
            kind,
            waited: false,
            micros: vec![micro],
            rebalanced: Vec::new(),
        }
    }
}

fn send(partition: u32, first_value: u64, offset: Option<Offset>) -> Micro {
    let partition = TopicPartition::new("orders", partition);
    Micro::Send { partition, first_value, count: 1, offset }
}

fn polled(partition: u32, records: &[(u64, u64)]) -> PolledRecords {
    let range = |(offset, value): &(u64, u64)| RecordRange {
        offset: Offset(*offset),
        first_value: *value,
        count: 1,
    };
    let partition = TopicPartition::new("orders", partition);
    PolledRecords { partition, ranges: records.iter().map(range).collect() }
}
