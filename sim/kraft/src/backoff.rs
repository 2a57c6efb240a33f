//! How long a voter waits before it stands for election again (`KafkaRaftClient`, KIP-595).

use klab_machine::random::Stream;
use klab_wire::Span;

/// `KafkaRaftClient.RETRY_BACKOFF_BASE_MS`.
const BACKOFF_BASE_MS: u64 = 100;

/// The time a voter waits for a leader or for votes: between `timeout` and twice that, each nanosecond
/// equally likely, so that voters rarely stand at the same moment (`randomElectionTimeoutMs`).
pub(crate) fn election_timeout(timeout: Span, random: &mut Stream) -> Span {
    Span(timeout.0 + random.below(timeout.0.max(1)))
}

/// After so many lost elections in a row, from 1: a random wait whose bound doubles each time
/// (`binaryExponentialElectionBackoffMs`).
pub(crate) fn binary_exponential(retries: u32, max: Span, random: &mut Stream) -> Span {
    let slots = 2 << retries.saturating_sub(1).min(20);
    Span::from_millis(BACKOFF_BASE_MS * random.below(slots)).min(max)
}

/// After a leader has resigned: the successor that it prefers stands at once, the next ones wait twice
/// as long each; a voter outside the list waits longest (`strictExponentialElectionBackoffMs`).
pub(crate) fn strict_exponential(position: usize, successors: usize, max: Span) -> Span {
    match position {
        0 => Span::ZERO,
        _ if position >= successors => max,
        _ => {
            let base = max.as_millis() >> (successors - 1).min(63);
            Span::from_millis(base << (position - 1)).min(max)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use klab_machine::random::stream;

    const MAX: Span = Span::from_secs(1);

    #[test]
    fn an_election_timeout_lies_between_once_and_twice_its_setting() {
        let mut random = stream(1, "test", []);
        let drawn: Vec<Span> = (0..500).map(|_| election_timeout(MAX, &mut random)).collect();
        assert!(drawn.iter().all(|wait| (MAX..MAX.times(2)).contains(wait)));
        assert!(drawn.iter().any(|wait| *wait < Span::from_millis(1_100)));
        assert!(drawn.iter().any(|wait| *wait > Span::from_millis(1_900)));
    }

    #[test]
    fn the_bound_of_the_wait_after_a_lost_election_doubles_up_to_the_maximum() {
        let mut random = stream(1, "test", []);
        for (retries, most) in [(1, 100), (2, 300), (3, 700), (4, 1_000), (99, 1_000)] {
            let longest =
                (0..500).map(|_| binary_exponential(retries, MAX, &mut random).as_millis()).max();
            assert_eq!(longest, Some(most), "{retries}");
        }
    }

    #[test]
    fn kip_595_successors_stand_in_the_order_of_their_positions() {
        // Position among so many successors, and the wait in ms of a maximum of 1000.
        for (position, successors, wait) in [
            (0, 1, 0),
            (0, 4, 0),
            (1, 4, 125),
            (2, 4, 250),
            (3, 4, 500),
            (4, 4, 1_000),
            (1, 2, 500),
            // A leader that was restarted prefers nobody, and everybody stands.
            (0, 0, 0),
        ] {
            let found = strict_exponential(position, successors, MAX).as_millis();
            assert_eq!(found, wait, "position {position} of {successors}");
        }
    }
}
