//! Where a follower cuts its log when it diverges from its leader's
//! (`AbstractFetcherThread.getOffsetTruncationState`, KIP-101, KIP-279).
//!
//! A leader that sees the follower's last epoch end earlier in its own log answers with the largest epoch
//! that it knows at or below it, and where that ends. If the follower knows that epoch too, the two logs
//! agree up to the nearer of its two ends. If not, the follower can only rule out everything above the
//! epoch below it, and has to ask again.
//!
//! Since KIP-595 the question rides on the fetch (`lastFetchedEpoch`) and the answer is its
//! `divergingEpoch`; the decision is the same.
//!
//! Fact: `DivergenceResolved`.

use klab_wire::{EpochEndOffset, Offset};

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

#[cfg(test)]
mod tests {
    use super::*;
    use klab_wire::LeaderEpoch;

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
}
