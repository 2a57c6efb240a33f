//! What happened within one interval of simulated time, and how the intervals are cut.

use super::latency::Percentiles;
use klab_wire::{Span, Time};

/// What happened within one interval. Gauges are read at its end.
#[derive(Clone, Debug, Default)]
#[allow(missing_docs, reason = "`metric.rs` says what each of them is")]
pub struct Row {
    /// When it begins.
    pub at: Time,
    pub called: u64,
    pub appended: u64,
    pub committed: u64,
    pub acked: u64,
    pub acked_bytes: u64,
    pub failed: u64,
    pub unknown: u64,
    pub retried: u64,
    pub polled: u64,
    pub polled_bytes: u64,
    pub batches: u64,
    pub batched: u64,
    pub blocked: u64,
    pub produce_requests: u64,
    pub produce_bytes: u64,
    pub consumer_fetches: u64,
    pub consumer_bytes: u64,
    pub follower_fetches: u64,
    pub follower_bytes: u64,
    pub messages: u64,
    pub message_bytes: u64,
    pub under_replicated: u64,
    pub max_lag: u64,
    pub produce_purgatory: u64,
    pub delayed_fetches: u64,
    pub fetch_purgatory: u64,
    pub publish: Option<Percentiles>,
    pub end_to_end: Option<Percentiles>,
}

/// The lengths that an interval may have, in milliseconds: numbers that a reader adds up easily.
const LENGTHS: [u64; 9] = [10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000];
/// A run has about so many intervals.
const INTERVALS: u64 = 250;

/// How long the intervals of a run are: the shortest of a few round lengths that cuts it into no more than 250.
pub fn interval(run_for: Span) -> Span {
    let lengths = LENGTHS.map(Span::from_millis).into_iter();
    let fitting = lengths.clone().find(|length| length.times(INTERVALS) >= run_for);
    fitting.or(lengths.last()).expect("there are lengths")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_round_and_not_too_many() {
        let cases = [(1, 10), (5, 25), (10, 50), (20, 100), (60, 250), (3_600, 5_000)];
        for (seconds, millis) in cases {
            assert_eq!(
                interval(Span::from_secs(seconds)),
                Span::from_millis(millis),
                "{seconds} s"
            );
        }
    }
}
