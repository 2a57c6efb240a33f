//! Waiting longer after every failure, with jitter (`ExponentialBackoff.java`, KIP-144, KIP-580).

use klab_machine::random::Stream;
use klab_wire::Span;

/// A back-off that doubles from `initial` to `max`, each draw 20 % up or down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExponentialBackoff {
    /// The first wait.
    pub initial: Span,
    /// The longest wait, before jitter.
    pub max: Span,
}

/// `CommonClientConfigs.RETRY_BACKOFF_JITTER`, in percent.
const JITTER_PERCENT: u64 = 20;
/// `CommonClientConfigs.RETRY_BACKOFF_EXP_BASE`.
const BASE: u64 = 2;

impl ExponentialBackoff {
    /// How long to wait after so many failures in a row; 0 failures give the first wait.
    pub fn after(&self, failures: u32, stream: &mut Stream) -> Span {
        let doubled = self.initial.times(BASE.saturating_pow(failures.min(40)));
        let nanos = doubled.min(self.max).0;
        let jitter = nanos / 100 * JITTER_PERCENT;
        Span(nanos - jitter + stream.between(0, 2 * jitter))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use klab_machine::random::stream;

    #[test]
    fn the_wait_doubles_up_to_its_maximum_within_its_jitter() {
        let backoff =
            ExponentialBackoff { initial: Span::from_millis(100), max: Span::from_secs(1) };
        let mut stream = stream(1, "backoff", []);
        for (failures, millis) in [(0, 100), (1, 200), (2, 400), (3, 800), (4, 1000), (99, 1000)] {
            let wait = backoff.after(failures, &mut stream).as_millis();
            assert!((millis * 80 / 100..=millis * 120 / 100).contains(&wait), "{failures}: {wait}");
        }
    }
}
