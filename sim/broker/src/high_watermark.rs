//! The high watermark: below it every record is on enough replicas to survive any clean election, so
//! consumers may see it and `acks=all` producers are told so (`Partition.maybeIncrementLeaderHW`).
//!
//! Four rules, each with a loss behind it:
//!
//! - It is the least log end of the *maximal* ISR: the committed one and whoever the leader has asked
//!   the controller to let in (KIP-497). The controller may already count the newcomer, and elect it.
//! - A follower that is caught up and may join the ISR holds it back too, or it would run after the
//!   high watermark for ever and never get in.
//! - While the ISR is smaller than `min.insync.replicas` it stands still (KIP-966): the eligible leader
//!   replicas are those that have everything below it.
//! - It never moves back on one leader.
//!
//! Fact: `HighWatermarkAdvanced`.

use klab_machine::Mutant;
use klab_wire::Offset;

/// A follower in the eyes of this rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FollowerProgress {
    /// Where its log ends, as far as the leader knows: below any offset until it has fetched.
    pub log_end_offset: Option<Offset>,
    /// It is in the maximal ISR, or caught up and eligible to join.
    pub must_have: bool,
}

/// Where the high watermark moves to, if it moves.
#[doc(alias = "HW")]
pub fn high_watermark(
    current: Offset,
    own_log_end_offset: Offset,
    is_under_min_isr: bool,
    followers: impl IntoIterator<Item = FollowerProgress>,
) -> Option<Offset> {
    if is_under_min_isr || own_log_end_offset <= current {
        return None;
    }
    let counts =
        |follower: &FollowerProgress| follower.must_have && !Mutant::CommitsAtLeaderEnd.lives();
    followers.into_iter().filter(counts).try_fold(
        own_log_end_offset,
        // Whoever has no more than what is committed holds everything back.
        |least, follower| Some(least.min(follower.log_end_offset.filter(|end| *end > current)?)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const IN: bool = true;
    const OUT: bool = false;

    fn follower((end, must_have): (i64, bool)) -> FollowerProgress {
        FollowerProgress { log_end_offset: u64::try_from(end).ok().map(Offset), must_have }
    }

    #[test]
    fn it_is_the_least_end_of_all_that_must_have_the_records() {
        // Current, own end, followers (−1: has not fetched), where to.
        type Case = (u64, u64, &'static [(i64, bool)], Option<u64>);
        let cases: [Case; 9] = [
            (3, 9, &[], Some(9)),
            (3, 9, &[(9, IN), (7, IN)], Some(7)),
            (3, 9, &[(9, IN), (7, OUT)], Some(9)),
            (3, 9, &[(4, OUT), (2, OUT)], Some(9)),
            (3, 9, &[(9, IN), (-1, IN)], None),
            (3, 9, &[(9, IN), (-1, OUT)], Some(9)),
            (3, 9, &[(3, IN)], None),
            (3, 9, &[(2, IN)], None),
            (9, 9, &[(9, IN)], None),
        ];
        for (current, own, followers, expected) in cases {
            let followers = followers.iter().copied().map(follower);
            let moved = high_watermark(Offset(current), Offset(own), false, followers);
            assert_eq!(moved, expected.map(Offset));
        }
    }

    #[test]
    fn kip_966_it_stands_still_under_min_isr() {
        assert_eq!(high_watermark(Offset(3), Offset(9), true, [follower((9, IN))]), None);
    }
}
