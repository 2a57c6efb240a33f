//! `high-watermark-is-monotonic` and `follower-high-watermark-is-behind`.
//!
//! A replica's own high watermark may fall when it changes its role: a new leader starts from what it
//! had learned as a follower (KIP-101's second case). What never falls is the high watermark within one
//! leadership, and what a leader once committed: the true high watermark.

use crate::findings::{Breach, Finding};
use klab_wire::Offset;

/// A leader moved its high watermark; `known` is where it was, `end` is its log end.
pub(crate) fn advances(known: Offset, end: Option<Offset>, from: Offset, to: Offset) -> Finding {
    if from < known || to <= from {
        let what = format!("the high watermark went from {known} back to {}", from.min(to));
        return Err(Breach::of(what));
    }
    match end {
        Some(end) if to > end => Err(Breach::of(format!(
            "the high watermark went to {to}, but the leader's log ends at {end}"
        ))),
        _ => Ok(()),
    }
}

/// A follower moved its high watermark; `committed` is the highest that any leader had.
pub(crate) fn follows(committed: Offset, to: Offset) -> Finding {
    match to <= committed {
        true => Ok(()),
        false => Err(Breach::of(format!(
            "a follower's high watermark went to {to}, but leaders have committed only up to {committed}"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_high_watermark_grows_within_the_log() {
        let cases = [
            ((5, 9, 5, 9), true),
            ((5, 9, 6, 7), true),
            ((5, 9, 4, 9), false),
            ((5, 9, 5, 5), false),
            ((5, 9, 5, 10), false),
        ];
        for ((known, end, from, to), kept) in cases {
            let found = advances(Offset(known), Some(Offset(end)), Offset(from), Offset(to));
            assert_eq!(found.is_ok(), kept, "known {known} end {end} from {from} to {to}");
        }
    }

    #[test]
    fn a_follower_learns_of_no_more_than_was_committed() {
        assert!(follows(Offset(9), Offset(9)).is_ok());
        assert!(follows(Offset(9), Offset(10)).is_err());
    }
}
