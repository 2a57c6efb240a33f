//! `quorum-epoch-is-monotonic` and `votes-once-per-epoch`: what a voter may write into its quorum-state.
//!
//! Both hold over all lives of a node, because the file survives them; a replaced disk ends that.

use crate::findings::{Breach, Finding};
use klab_wire::{LeaderEpoch, NodeId};

/// A node wrote down an epoch after another.
pub(crate) fn epoch(known: LeaderEpoch, new: LeaderEpoch) -> Finding {
    match new >= known {
        true => Ok(()),
        false => Err(Breach::of(format!("epoch {new} was written down after {known}"))),
    }
}

/// A node wrote down a vote, or told a candidate of it, after another.
pub(crate) fn vote(
    known: Option<(LeaderEpoch, NodeId)>,
    epoch: LeaderEpoch,
    candidate: NodeId,
) -> Finding {
    match known {
        Some((voted_in, voted)) if voted_in == epoch && voted != candidate => {
            Err(Breach::of(format!("in epoch {epoch} it voted for {voted} and for {candidate}")))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_never_falls_and_has_one_vote() {
        let [one, other] = [NodeId::voter(1), NodeId::voter(2)];
        assert!(epoch(LeaderEpoch(3), LeaderEpoch(3)).is_ok());
        assert!(epoch(LeaderEpoch(3), LeaderEpoch(2)).is_err());
        let known = Some((LeaderEpoch(3), one));
        assert!(vote(known, LeaderEpoch(3), one).is_ok());
        assert!(vote(known, LeaderEpoch(4), other).is_ok());
        assert!(vote(known, LeaderEpoch(3), other).is_err());
    }
}
