//! What the producers saw: how many records, how long they took.

use crate::calls::Calls;
use klab_machine::fact::ClientFact;
use klab_machine::operation::{Call, Operation, OperationId, Outcome};
use klab_machine::trace::Entry;
use klab_wire::{NodeId, Time};
use serde::Serialize;
use std::collections::BTreeMap;

/// What the producers saw. Latency is from the call to the acknowledgement, exact to the microsecond, by
/// nearest rank over records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Sends {
    /// Records acknowledged.
    pub acked: u64,
    /// Records of `acks=0`, which nobody confirmed.
    pub unconfirmed: u64,
    /// Records that certainly failed.
    pub failed: u64,
    /// Records of which nobody knows.
    pub unknown: u64,
    /// Records whose send had not ended when the run did.
    pub pending: u64,
    /// Batches that were queued to be sent again.
    pub retried_batches: u64,
    /// Records in them: Kafka's metric `record-retry-total`.
    pub retried_records: u64,
    /// Half of the acknowledged records took no longer.
    pub p50_micros: u64,
    /// 99 of 100 acknowledged records took no longer.
    pub p99_micros: u64,
    /// No acknowledged record took longer.
    pub max_micros: u64,
}

/// The calls that have not ended, and how long the others took.
#[derive(Clone, Debug, Default)]
pub(super) struct Latencies {
    pending: BTreeMap<NodeId, Calls<(Time, u32)>>,
    /// Microseconds, and how many records took that long.
    taken: Vec<(u32, u32)>,
}

impl Sends {
    pub(super) fn watch(&mut self, fact: &ClientFact) {
        if let ClientFact::BatchRetried { records, .. } = fact {
            self.retried_batches += 1;
            self.retried_records += u64::from(*records);
        }
    }
}

impl Latencies {
    /// Counts a call's end; gives back how many records it polled.
    pub(super) fn watch(&mut self, entry: &Entry, operation: &Operation, sends: &mut Sends) -> u64 {
        match operation {
            Operation::Began { id, call: Call::Send { count, .. } } => {
                let calls = self.pending.entry(entry.node).or_default();
                calls.begin(*id, (entry.time, *count));
                0
            }
            Operation::Began { .. } => 0,
            Operation::Ended { outcome: Outcome::Polled(polled), .. } => {
                let ranges = polled.iter().flat_map(|records| &records.ranges);
                ranges.map(|range| u64::from(range.count)).sum()
            }
            Operation::Ended { id, outcome } => {
                self.end(entry, *id, outcome, sends);
                0
            }
        }
    }

    fn end(&mut self, entry: &Entry, id: OperationId, outcome: &Outcome, sends: &mut Sends) {
        let calls = self.pending.get_mut(&entry.node);
        let Some((began, count)) = calls.and_then(|calls| calls.end(id)) else { return };
        let records = u64::from(count);
        match outcome {
            Outcome::Sent { offset: Some(_), .. } => {
                let micros = u32::try_from(entry.time.since(began).as_micros());
                self.taken.push((micros.unwrap_or(u32::MAX), count));
                sends.acked += records;
            }
            Outcome::Sent { offset: None, .. } => sends.unconfirmed += records,
            Outcome::Failed(_) => sends.failed += records,
            Outcome::Unknown(_) => sends.unknown += records,
            Outcome::Polled(_) | Outcome::Done | Outcome::ZooKeeper(_) => {}
        }
    }

    pub(super) fn finish(&mut self, sends: &mut Sends) {
        let pending = self.pending.values().flat_map(Calls::iter);
        sends.pending = pending.map(|(_, (_, count))| u64::from(*count)).sum();
        self.taken.sort_unstable();
        sends.p50_micros = self.percentile(50);
        sends.p99_micros = self.percentile(99);
        sends.max_micros = self.percentile(100);
    }

    /// The nearest rank: the smallest time that at least so many in a hundred records did not exceed.
    fn percentile(&self, percent: u64) -> u64 {
        let total: u64 = self.taken.iter().map(|(_, count)| u64::from(*count)).sum();
        let rank = (total * percent).div_ceil(100);
        let mut below = 0;
        let found = self.taken.iter().find(|(_, count)| {
            below += u64::from(*count);
            below >= rank
        });
        found.map_or(0, |(micros, _)| u64::from(*micros))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_a_time_that_some_record_took() {
        let taken: Vec<(u32, u32)> = (1..=100).map(|micros| (micros, 1)).collect();
        let latencies = Latencies { taken, ..Latencies::default() };
        assert_eq!(latencies.percentile(50), 50);
        assert_eq!(latencies.percentile(99), 99);
        assert_eq!(latencies.percentile(100), 100);
        let heavy = Latencies { taken: vec![(5, 98), (900, 2)], ..Latencies::default() };
        assert_eq!([heavy.percentile(50), heavy.percentile(99)], [5, 900]);
        assert_eq!(Latencies::default().percentile(99), 0);
    }
}
