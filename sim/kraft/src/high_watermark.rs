//! The high watermark of the metadata log: what a majority of the voters has on its platters
//! (`LeaderState.maybeUpdateHighWatermark`, Raft §5.4.2).

use klab_machine::Mutant;
use klab_wire::Offset;
use klab_wire::config::switches::QuorumCommit;

/// The new high watermark of a leader, if it moves.
///
/// `ends` has the log end of every voter, the leader's own included; none has not fetched yet. An
/// offset at or below `epoch_start` does not count: a leader may commit the records of earlier epochs
/// only together with one of its own, for otherwise a later leader could still undo them (Raft
/// §5.4.2). KAFKA-12619 was to let the start itself count, before any record of the epoch. And what was committed once stays so, whatever a voter says later.
#[doc(alias = "HW")]
pub(crate) fn advanced(
    current: Option<Offset>,
    epoch_start: Offset,
    rule: QuorumCommit,
    ends: impl Iterator<Item = Option<Offset>>,
) -> Option<Offset> {
    let reached = reached_by_majority(ends)?;
    let counts = match rule {
        QuorumCommit::AtEpochStart => reached >= epoch_start,
        QuorumCommit::BeyondEpochStart => reached > epoch_start,
    };
    (counts && current.is_none_or(|current| reached > current)).then_some(reached)
}

/// The largest offset that a majority has reached: with n voters, the one at n/2 in descending order.
fn reached_by_majority(ends: impl Iterator<Item = Option<Offset>>) -> Option<Offset> {
    let mut ends: Vec<Option<Offset>> = ends.collect();
    // None is less than any offset, so it comes last.
    ends.sort_unstable_by(|a, b| b.cmp(a));
    let too_few = usize::from(ends.len() > 1 && Mutant::CommitsWithoutAMajority.lives());
    ends[ends.len() / 2 - too_few]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reached(ends: &[Option<u64>]) -> Option<u64> {
        reached_by_majority(ends.iter().map(|end| end.map(Offset))).map(|offset| offset.0)
    }

    #[test]
    fn the_high_watermark_is_what_a_majority_of_the_voters_has() {
        for (ends, expected) in [
            (vec![Some(7)], Some(7)),
            (vec![Some(7), Some(3)], Some(3)),
            (vec![Some(7), Some(3), Some(5)], Some(5)),
            (vec![Some(7), None, Some(5)], Some(5)),
            (vec![Some(7), None, None], None),
            (vec![Some(9), Some(8), Some(4), Some(1)], Some(4)),
            (vec![Some(9), Some(8), Some(4), Some(1), Some(1)], Some(4)),
        ] {
            assert_eq!(reached(&ends), expected, "{ends:?}");
        }
    }

    #[test]
    fn raft_5_4_2_a_leader_commits_earlier_epochs_only_with_a_record_of_its_own() {
        let ends = |a, b, c| [a, b, c].into_iter().map(|end| Some(Offset(end)));
        let start = Offset(10);
        let (at_start, beyond) = (QuorumCommit::AtEpochStart, QuorumCommit::BeyondEpochStart);
        assert_eq!(advanced(None, start, beyond, ends(11, 10, 10)), None);
        assert_eq!(advanced(None, start, beyond, ends(11, 11, 10)), Some(Offset(11)));
        // KAFKA-12619: with the switch back, and nothing of its own.
        assert_eq!(advanced(None, start, at_start, ends(11, 10, 10)), Some(start));
        assert_eq!(advanced(None, start, at_start, ends(11, 9, 9)), None);
    }

    #[test]
    fn the_high_watermark_never_goes_back() {
        let ends = || [9, 6, 2].into_iter().map(|end| Some(Offset(end)));
        let advanced = |current| {
            advanced(Some(Offset(current)), Offset(0), QuorumCommit::BeyondEpochStart, ends())
        };
        assert_eq!(advanced(5), Some(Offset(6)));
        assert_eq!(advanced(6), None);
        assert_eq!(advanced(8), None);
    }
}
