//! How long records took, as a histogram: a thousand records that took the same time are one entry of weight a
//! thousand.

use hdrhistogram::Histogram;
use klab_wire::Span;
use serde::Serialize;

/// Three significant digits: a value is off by a thousandth at most.
const DIGITS: u8 = 3;

/// A histogram of times, in microseconds.
#[derive(Clone, Debug)]
pub struct Latencies {
    histogram: Histogram<u64>,
    /// The exact sum, for the mean.
    micros: u128,
}

/// What a histogram says of most records, in microseconds. `p99` is the time that 99 of 100 records did not
/// exceed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[allow(missing_docs, reason = "the type's sentence says what each of them is")]
pub struct Percentiles {
    pub records: u64,
    pub mean: u64,
    pub p50: u64,
    pub p75: u64,
    pub p95: u64,
    pub p99: u64,
    pub p999: u64,
    pub p9999: u64,
    pub max: u64,
}

impl Default for Latencies {
    fn default() -> Self {
        let histogram = Histogram::new(DIGITS).expect("three digits are legal");
        Latencies { histogram, micros: 0 }
    }
}

impl Latencies {
    /// So many records took so long.
    pub fn record(&mut self, took: Span, records: u64) {
        let micros = took.as_micros();
        self.micros += u128::from(micros) * u128::from(records);
        self.histogram.record_n(micros, records).expect("the histogram grows with its values");
    }

    /// Takes the other's records as well.
    pub fn add(&mut self, other: &Self) {
        self.micros += other.micros;
        self.histogram.add(&other.histogram).expect("the histogram grows with its values");
    }

    /// Forgets all, and keeps the room.
    pub fn clear(&mut self) {
        self.histogram.clear();
        self.micros = 0;
    }

    /// The mean in microseconds, if there was a record at all.
    pub fn mean(&self) -> Option<u64> {
        let mean = self.micros.checked_div(u128::from(self.histogram.len()))?;
        Some(mean as u64)
    }

    /// What it says, if there was a record at all.
    pub fn percentiles(&self) -> Option<Percentiles> {
        let mean = self.mean()?;
        let [p50, p75, p95, p99, p999, p9999] = [0.5, 0.75, 0.95, 0.99, 0.999, 0.999_9]
            .map(|share| self.histogram.value_at_quantile(share));
        let (records, max) = (self.histogram.len(), self.histogram.max());
        Some(Percentiles { records, mean, p50, p75, p95, p99, p999, p9999, max })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_weighs_what_it_holds() {
        let mut latencies = Latencies::default();
        assert_eq!(latencies.percentiles(), None);
        latencies.record(Span::from_micros(100), 980);
        latencies.record(Span::from_micros(900), 20);
        let found = latencies.percentiles().expect("a thousand records");
        let wanted = Percentiles {
            records: 1_000,
            mean: 116,
            p50: 100,
            p75: 100,
            p95: 100,
            p99: 900,
            p999: 900,
            p9999: 900,
            max: 900,
        };
        assert_eq!(found, wanted);
    }

    #[test]
    fn a_long_time_is_off_by_a_thousandth_at_most() {
        let mut latencies = Latencies::default();
        latencies.record(Span::from_secs(3_600), 1);
        let p50 = latencies.percentiles().expect("one record").p50;
        assert!(p50.abs_diff(3_600_000_000) <= 3_600_000, "{p50}");
    }
}
