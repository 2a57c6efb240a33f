//! Replication quotas: how many bytes a second a broker may send or receive for throttled replicas
//! (`ReplicationQuotaManager`, KIP-73).
//!
//! A reassignment must not drown the clients. Only replicas outside of the ISR are held back: a quota
//! never drives a member out.
//!
//! The rate is Kafka's `SimpleRate`: what the last samples hold, over the time since the oldest of them
//! began, which is taken for one window at least.

use klab_wire::{Span, Timestamp};

/// The bytes of one window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sample {
    since: Timestamp,
    bytes: u64,
}

/// One direction's quota, with what was used of it lately.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicationQuota {
    bytes_per_second: u64,
    window: Span,
    samples: Vec<Sample>,
    current: u32,
    max_samples: u32,
}

impl ReplicationQuota {
    /// A quota averaged over so many windows (`replication.quota.window.num` and `.size.seconds`).
    pub fn new(bytes_per_second: u64, windows: u32, window: Span) -> Self {
        ReplicationQuota {
            bytes_per_second,
            window,
            samples: Vec::new(),
            current: 0,
            max_samples: windows.max(1),
        }
    }

    /// The quota was configured anew; what was used stays used.
    pub fn set_limit(&mut self, bytes_per_second: u64) {
        self.bytes_per_second = bytes_per_second;
    }

    /// So many bytes were sent or received (`SampledStat.record`).
    pub fn record(&mut self, bytes: u64, now: Timestamp) {
        let fresh = Sample { since: now, bytes: 0 };
        match self.samples.get(self.current as usize) {
            None => self.samples.push(fresh),
            Some(sample) if now.since(sample.since) >= self.window => self.advance(fresh),
            Some(_) => {}
        }
        self.samples[self.current as usize].bytes += bytes;
    }

    /// More was used than is allowed.
    pub fn is_exceeded(&mut self, now: Timestamp) -> bool {
        if self.samples.is_empty() {
            return false;
        }
        self.purge(now);
        let used: u64 = self.samples.iter().map(|sample| sample.bytes).sum();
        let oldest = self.samples.iter().map(|sample| sample.since).min().unwrap_or(now);
        let millis = now.since(oldest).max(self.window).as_millis();
        u128::from(used) * 1_000 > u128::from(self.bytes_per_second) * u128::from(millis)
    }

    fn advance(&mut self, fresh: Sample) {
        self.current = (self.current + 1) % self.max_samples;
        match self.samples.get_mut(self.current as usize) {
            Some(oldest) => *oldest = fresh,
            None => self.samples.push(fresh),
        }
    }

    /// Samples older than all windows together count no more (`purgeObsoleteSamples`).
    fn purge(&mut self, now: Timestamp) {
        let age = self.window.times(u64::from(self.max_samples));
        for sample in self.samples.iter_mut().filter(|sample| now.since(sample.since) >= age) {
            *sample = Sample { since: now, bytes: 0 };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kip_73_the_rate_is_averaged_over_the_windows() {
        // Bytes recorded at times in ms; is 1000 bytes/s over 3 windows of 1 s exceeded at that time?
        type Case = (&'static [(i64, u64)], i64, bool);
        let cases: [Case; 6] = [
            (&[], 0, false),
            (&[(0, 1_000)], 0, false),
            (&[(0, 1_001)], 0, true),
            (&[(0, 1_001)], 1_100, false),
            (&[(0, 1_500), (1_000, 1_500)], 1_500, true),
            (&[(0, 9_000)], 3_000, false),
        ];
        for (records, at, expected) in cases {
            let mut quota = ReplicationQuota::new(1_000, 3, Span::from_secs(1));
            records.iter().for_each(|(time, bytes)| quota.record(*bytes, Timestamp(*time)));
            assert_eq!(quota.is_exceeded(Timestamp(at)), expected, "{records:?} at {at}");
        }
    }

    #[test]
    fn windows_are_used_again_in_turn() {
        let mut quota = ReplicationQuota::new(1_000, 2, Span::from_secs(1));
        for second in 0..10 {
            quota.record(900, Timestamp(second * 1_000));
        }
        assert_eq!(quota.samples.len(), 2);
        assert!(!quota.is_exceeded(Timestamp(10_000)));
    }
}
