//! Where a follower cuts its log when it diverges from its leader's
//! (`AbstractFetcherThread.getOffsetTruncationState`, KIP-101, KIP-279).
//!
//! A leader that sees the follower's last epoch end earlier in its own log answers with the largest epoch
//! that it knows at or below it, and where that ends. If the follower knows that epoch too, the two logs
//! agree up to the nearer of its two ends. If not, the follower can only rule out everything above the
//! epoch below it, and has to ask again.
//!
//! KIP-101 came first: its leader named no epoch, and answered for one that it never had with the start
//! of the next one, so that a follower kept what no leader of that epoch had (KIP-279). Before that a
//! follower cut its log at its own high watermark, which travels one fetch behind. The switch
//! `truncation` brings these back ([`Truncation`]).
//!
//! Since KIP-595 the question rides on the fetch (`lastFetchedEpoch`) and the answer is its
//! `divergingEpoch`; the decision is the same.
//!
//! Fact: `DivergenceResolved`.

use klab_log::Log;
use klab_wire::config::switches::Truncation;
use klab_wire::{EpochEndOffset, LeaderEpoch, Offset};

/// Where to cut (`OffsetTruncationState`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OffsetTruncationState {
    /// The new log end.
    pub offset: Offset,
    /// The logs agree from here on down; else ask again.
    pub truncation_completed: bool,
}

/// Where to cut, given the leader's answer, the follower's log end, and where the follower's log ends
/// the largest epoch at or below the leader's (none if it knows no epochs at all).
pub fn offset_truncation_state(
    leader: EpochEndOffset,
    local: Option<EpochEndOffset>,
    log_end: Offset,
) -> OffsetTruncationState {
    match local {
        Some(local) if local.epoch != leader.epoch => OffsetTruncationState {
            offset: local.end_offset.min(log_end),
            truncation_completed: false,
        },
        Some(local) => OffsetTruncationState {
            offset: local.end_offset.min(leader.end_offset).min(log_end),
            truncation_completed: true,
        },
        None => OffsetTruncationState {
            offset: leader.end_offset.min(log_end),
            truncation_completed: true,
        },
    }
}

/// What a leader answers when it is asked where an epoch ends.
pub fn epoch_end_offset(rule: Truncation, log: &Log, epoch: LeaderEpoch) -> Option<EpochEndOffset> {
    match rule {
        Truncation::HighWatermark | Truncation::Kip101 => {
            let end_offset = kip_101_end_offset(log.epochs().entries(), log.log_end(), epoch)?;
            Some(EpochEndOffset { epoch, end_offset })
        }
        Truncation::Kip279 | Truncation::Kip320 => log.end_offset_for_epoch(epoch),
    }
}

/// The start of the first later epoch, whether or not this log has the one asked for
/// (`LeaderEpochFileCache.endOffsetFor` of 0.11).
fn kip_101_end_offset(
    entries: &[(LeaderEpoch, Offset)],
    log_end: Offset,
    epoch: LeaderEpoch,
) -> Option<Offset> {
    let ((earliest, _), (latest, _)) = (*entries.first()?, *entries.last()?);
    if epoch == latest {
        return Some(log_end);
    }
    let later = entries.iter().find(|(other, _)| *other > epoch);
    later.filter(|_| epoch >= earliest).map(|(_, start)| *start)
}

/// Where a follower cuts before its first fetch. A leader that cannot tell leaves it the high watermark.
pub fn truncation_of(
    rule: Truncation,
    leader: Option<EpochEndOffset>,
    local: Option<EpochEndOffset>,
    log_end: Offset,
    high_watermark: Offset,
) -> OffsetTruncationState {
    let to = |offset| OffsetTruncationState { offset, truncation_completed: true };
    match (rule, leader) {
        (_, None) | (Truncation::HighWatermark, _) => to(high_watermark),
        (Truncation::Kip101, Some(leader)) => to(leader.end_offset.min(log_end)),
        (_, Some(leader)) => offset_truncation_state(leader, local, log_end),
    }
}

/// The leader's epoch as a follower's requests name it: not at all before KIP-320, so that a leader
/// answers whoever asks, whatever epoch it has cut its log for.
pub fn claimed_epoch(rule: Truncation, epoch: LeaderEpoch) -> Option<LeaderEpoch> {
    (rule == Truncation::Kip320).then_some(epoch)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end((epoch, offset): (u32, u64)) -> EpochEndOffset {
        EpochEndOffset { epoch: LeaderEpoch(epoch), end_offset: Offset(offset) }
    }

    #[test]
    fn kip_101_and_kip_279_the_log_is_cut_where_the_epochs_agree() {
        // The leader's answer, the local floor of that epoch, the log end; where to cut, done.
        let cases = [
            ((2, 20), Some((2, 25)), 30, 20, true),
            ((2, 20), Some((2, 15)), 30, 15, true),
            ((2, 20), Some((2, 25)), 18, 18, true),
            ((2, 20), Some((1, 10)), 30, 10, false),
            ((2, 20), Some((1, 40)), 30, 30, false),
            ((2, 20), None, 30, 20, true),
            ((2, 40), None, 30, 30, true),
        ];
        for (leader, local, log_end, offset, truncation_completed) in cases {
            let state = offset_truncation_state(end(leader), local.map(end), Offset(log_end));
            let expected = OffsetTruncationState { offset: Offset(offset), truncation_completed };
            assert_eq!(state, expected, "{leader:?} {local:?}");
        }
    }

    #[test]
    fn kip_101_a_leader_answers_for_epochs_that_it_never_had() {
        let entries: Vec<_> = [(2, 0), (4, 40)].map(|(e, o)| (LeaderEpoch(e), Offset(o))).into();
        let cases = [(4, Some(60)), (2, Some(40)), (3, Some(40)), (1, None), (5, None)];
        for (epoch, expected) in cases {
            let end = kip_101_end_offset(&entries, Offset(60), LeaderEpoch(epoch));
            assert_eq!(end, expected.map(Offset), "{epoch}");
        }
        assert_eq!(kip_101_end_offset(&[], Offset(0), LeaderEpoch(0)), None);
    }

    #[test]
    fn each_rule_cuts_where_its_release_did() {
        use Truncation::{HighWatermark, Kip101, Kip279};
        // The follower has records of epoch 1 up to 11 and of epoch 2 up to 21, and knows 8 committed. The
        // leader never had epoch 2: in its log epoch 1 ends at 21, where epoch 3 starts.
        let local = Some(end((1, 11)));
        let cut = |rule, leader: Option<(u32, u64)>| {
            let cut = truncation_of(rule, leader.map(end), local, Offset(21), Offset(8));
            (cut.offset.0, cut.truncation_completed)
        };
        assert_eq!(cut(HighWatermark, Some((2, 21))), (8, true));
        assert_eq!(cut(Kip101, Some((2, 21))), (21, true), "nothing is cut: KAFKA-6361");
        assert_eq!(cut(Kip279, Some((1, 21))), (11, true));
        assert_eq!(cut(Kip279, None), (8, true));
    }
}
