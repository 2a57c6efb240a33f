//! `one-leader-per-epoch`, `one-quorum-leader-per-epoch` and `one-active-controller-per-epoch`.
//!
//! Raft's election safety, restated over all epochs: a check that remembers only the highest one does not
//! see a second leader of an older epoch.

use crate::findings::{Breach, Finding};
use klab_wire::{LeaderEpoch, NodeId};
use std::collections::BTreeMap;

/// A node leads in an epoch; notes it, and says whether another one did.
pub(crate) fn lead(
    leaders: &mut BTreeMap<LeaderEpoch, NodeId>,
    epoch: LeaderEpoch,
    node: NodeId,
) -> Finding {
    match *leaders.entry(epoch).or_insert(node) {
        known if known == node => Ok(()),
        known => Err(Breach::of(format!("both {known} and {node} lead in epoch {epoch}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_leader_of_an_older_epoch_is_seen() {
        let mut leaders = BTreeMap::new();
        let [one, other] = [NodeId::broker(1), NodeId::broker(2)];
        assert!(lead(&mut leaders, LeaderEpoch(1), one).is_ok());
        assert!(lead(&mut leaders, LeaderEpoch(2), other).is_ok());
        assert!(lead(&mut leaders, LeaderEpoch(1), one).is_ok());
        assert!(lead(&mut leaders, LeaderEpoch(1), other).is_err());
    }
}
