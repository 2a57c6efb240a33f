//! What clients saw over time: `metrics.csv`.
//!
//! One row per interval of simulated time. Latencies are those of the sends that ended within the
//! interval, by nearest rank.

use klab_machine::trace::{Entry, Outcome as FateOutcome, What};
use klab_machine::{Call, Operation, OperationId, Outcome};
use klab_wire::{NodeId, Span, Time};
use std::collections::BTreeMap;
use std::fmt::Write;

/// Counts per interval.
#[derive(Debug)]
pub struct Metrics {
    interval: Span,
    rows: Vec<Row>,
    open: BTreeMap<(NodeId, OperationId), (Time, u64)>,
}

/// What happened within one interval.
#[derive(Clone, Debug, Default)]
pub struct Row {
    /// Records that applications handed to `send`.
    pub sent: u64,
    /// Records acknowledged.
    pub acked: u64,
    /// Records that were certainly not written.
    pub failed: u64,
    /// Records of which nobody knows.
    pub unknown: u64,
    /// Records that polls returned.
    pub polled: u64,
    /// Messages that reached their receiver.
    pub messages: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Microseconds from send to acknowledgement, one per acknowledged call.
    pub latencies: Vec<u64>,
}

impl Metrics {
    /// Counts by `interval` for a run of this length.
    pub fn new(interval: Span, run_for: Span) -> Self {
        let rows = run_for.0.div_ceil(interval.0) as usize;
        Metrics { interval, rows: vec![Row::default(); rows.max(1)], open: BTreeMap::new() }
    }

    /// Takes note of an entry of the trace.
    pub fn watch(&mut self, entry: &Entry) {
        match &entry.what {
            What::Operation(Operation::Began { id, call }) => self.began(entry, *id, call),
            What::Operation(Operation::Ended { id, outcome }) => self.ended(entry, *id, outcome),
            What::Fate(fate) if fate.fate == FateOutcome::Delivered => {
                let bytes = fate.message.map_or(0, |message| u64::from(message.bytes));
                let row = self.row(entry.time);
                row.messages += 1;
                row.bytes += bytes;
            }
            _ => {}
        }
    }

    /// The rows, each with the time at which its interval begins.
    pub fn rows(&self) -> impl Iterator<Item = (Time, &Row)> {
        (0..).zip(&self.rows).map(|(index, row)| (Time::ZERO + self.interval.times(index), row))
    }

    /// How long an interval is.
    pub fn interval(&self) -> Span {
        self.interval
    }

    /// The table as comma-separated values, with units in the header.
    pub fn csv(&self) -> String {
        let mut csv = String::from(
            "time_s,sent_records,acked_records,failed_records,unknown_records,polled_records,\
             delivered_messages,delivered_bytes,ack_latency_p50_us,ack_latency_p99_us,ack_latency_max_us\n",
        );
        for (time, row) in self.rows() {
            let Row { sent, acked, failed, unknown, polled, messages, bytes, .. } = row;
            let [p50, p99, max] = [500, 990, 1000].map(|permille| row.latency(permille));
            writeln!(
                csv,
                "{time},{sent},{acked},{failed},{unknown},{polled},{messages},{bytes},{p50},{p99},{max}"
            )
            .expect("a string takes everything");
        }
        csv
    }

    fn began(&mut self, entry: &Entry, id: OperationId, call: &Call) {
        if let Call::Send { count, .. } = call {
            self.row(entry.time).sent += u64::from(*count);
            self.open.insert((entry.node, id), (entry.time, u64::from(*count)));
        }
    }

    fn ended(&mut self, entry: &Entry, id: OperationId, outcome: &Outcome) {
        if let Outcome::Polled(polled) = outcome {
            let ranges = polled.iter().flat_map(|records| &records.ranges);
            self.row(entry.time).polled += ranges.map(|range| u64::from(range.count)).sum::<u64>();
            return;
        }
        let Some((began, records)) = self.open.remove(&(entry.node, id)) else { return };
        let row = self.row(entry.time);
        match outcome {
            Outcome::Failed(_) => row.failed += records,
            Outcome::Unknown(_) => row.unknown += records,
            _ => {
                row.acked += records;
                row.latencies.push(entry.time.since(began).as_micros());
            }
        }
    }

    fn row(&mut self, time: Time) -> &mut Row {
        let last = self.rows.len() - 1;
        &mut self.rows[((time.0 / self.interval.0) as usize).min(last)]
    }
}

impl Row {
    /// The latency in microseconds below which `permille` of the acknowledged calls stayed; empty text
    /// if there were none.
    fn latency(&self, permille: usize) -> String {
        self.latency_at(permille).map_or(String::new(), |micros| micros.to_string())
    }

    /// The same as a number.
    pub fn latency_at(&self, permille: usize) -> Option<u64> {
        let mut sorted = self.latencies.clone();
        sorted.sort_unstable();
        let rank = (sorted.len() * permille).div_ceil(1000).max(1);
        sorted.get(rank - 1).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use klab_wire::{ErrorCode, TopicName};

    fn entry(millis: u64, operation: Operation) -> Entry {
        let what = What::Operation(operation);
        Entry { step: 0, time: Time(millis * 1_000_000), node: NodeId::producer(1), what }
    }

    #[test]
    fn a_send_counts_where_it_begins_and_its_end_where_it_ends() {
        let mut metrics = Metrics::new(Span::from_millis(100), Span::from_millis(200));
        let topic = TopicName::from("orders");
        let call =
            |first_value| Call::Send { topic: topic.clone(), key: None, first_value, count: 1 };
        for id in [1, 2] {
            let began = Operation::Began { id: OperationId(id), call: call(id) };
            metrics.watch(&entry(90, began));
        }
        let ok = Operation::Ended { id: OperationId(1), outcome: Outcome::Done };
        let lost = Outcome::Unknown(ErrorCode::RequestTimedOut);
        metrics.watch(&entry(110, ok));
        metrics.watch(&entry(120, Operation::Ended { id: OperationId(2), outcome: lost }));
        let lines: Vec<String> = metrics.csv().lines().skip(1).map(String::from).collect();
        assert_eq!(
            lines,
            ["0.000000,2,0,0,0,0,0,0,,,", "0.100000,0,1,0,1,0,0,0,20000,20000,20000"]
        );
    }
}
