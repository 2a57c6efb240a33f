//! Who leads, as a controller of ZooKeeper mode decides it (`Election`, `PartitionLeaderElectionAlgorithms`).
//!
//! Where KRaft has one rule that looks at everything, ZooKeeper mode has one for each occasion: a partition is
//! offline, its replicas have moved, the preferred replica shall lead, the leader is on its way out. Each
//! takes the first of the replicas that is alive and in sync; only the first one may go further.

use crate::election::first_valid;
use klab_wire::znodes::LeaderAndIsr;
use klab_wire::{LeaderRecoveryState, NodeId};
use std::sync::Arc;

/// On which occasion somebody is elected (`PartitionLeaderElectionStrategy`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// The partition is offline, or new. Whether an unclean leader may be taken though the topic's configs do
    /// not say so: an operator asks for it.
    Offline {
        /// They may.
        allow_unclean: bool,
    },
    /// A reassignment is complete, and the leader is not among the replicas any more.
    Reassign,
    /// The first replica shall lead.
    Preferred,
    /// The leader is on its way out.
    ControlledShutdown,
}

/// What an election is held with.
#[derive(Clone, Copy, Debug)]
pub struct Candidates<'a> {
    /// The state that the partition has.
    pub state: &'a LeaderAndIsr,
    /// The replicas among which to elect, the preferred leader first.
    pub replicas: &'a [NodeId],
    /// Whether somebody outside of the ISR may lead.
    pub unclean: bool,
    /// Such a leader is marked (KIP-704).
    pub marks_recovery: bool,
}

/// A partition is offline: the first replica that is alive and in sync leads, the dead ones leave the ISR. If
/// there is none and that is allowed, any replica that is alive leads, alone.
pub fn for_offline(
    candidates: Candidates<'_>,
    is_online: impl Fn(NodeId) -> bool,
) -> Option<LeaderAndIsr> {
    let Candidates { state, replicas, unclean, marks_recovery } = candidates;
    if let Some(leader) = first_valid(replicas.iter().copied(), &state.isr, &[], &is_online) {
        return Some(state.next(Some(leader), only(&state.isr, &is_online)));
    }
    let mut alive = replicas.iter().copied().filter(|replica| is_online(*replica));
    let leader = alive.next().filter(|_| unclean)?;
    let mut elected = state.next(Some(leader), [leader].into());
    if marks_recovery {
        elected.leader_recovery_state = LeaderRecoveryState::Recovering;
    }
    Some(elected)
}

/// A reassignment is complete: the first of the target replicas that is alive and in sync leads.
pub fn for_reassignment(
    state: &LeaderAndIsr,
    target: &[NodeId],
    is_online: impl Fn(NodeId) -> bool,
) -> Option<LeaderAndIsr> {
    let leader = first_valid(target.iter().copied(), &state.isr, &[], is_online)?;
    Some(state.next(Some(leader), state.isr.clone()))
}

/// The preferred replica leads, if it is alive and in sync; else nobody is elected.
pub fn for_preferred(
    state: &LeaderAndIsr,
    replicas: &[NodeId],
    is_online: impl Fn(NodeId) -> bool,
) -> Option<LeaderAndIsr> {
    for_reassignment(state, replicas.get(..1)?, is_online)
}

/// The leader is on its way out: the first replica that is alive, in sync and not on its way out leads, and who is
/// on its way out leaves the ISR.
pub fn for_controlled_shutdown(
    state: &LeaderAndIsr,
    replicas: &[NodeId],
    is_online: impl Fn(NodeId) -> bool,
    is_shutting_down: impl Fn(NodeId) -> bool,
) -> Option<LeaderAndIsr> {
    let stays = |replica| is_online(replica) && !is_shutting_down(replica);
    let leader = first_valid(replicas.iter().copied(), &state.isr, &[], stays)?;
    Some(state.next(Some(leader), only(&state.isr, |replica| !is_shutting_down(replica))))
}

/// A replica leaves the ISR, unless it is the last one; if it leads, nobody does
/// (`ReplicaStateMachine.doRemoveReplicasFromIsr`).
pub fn without_replica(state: &LeaderAndIsr, replica: NodeId) -> LeaderAndIsr {
    let leader = state.leader.filter(|leader| *leader != replica);
    let isr = match state.isr.len() {
        1 => state.isr.clone(),
        _ => only(&state.isr, |member| member != replica),
    };
    state.next(leader, isr)
}

fn only(isr: &Arc<[NodeId]>, stays: impl Fn(NodeId) -> bool) -> Arc<[NodeId]> {
    match isr.iter().all(|member| stays(*member)) {
        true => isr.clone(),
        false => isr.iter().copied().filter(|member| stays(*member)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::nodes;
    use klab_wire::LeaderEpoch;

    fn state<const N: usize>(isr: [u16; N]) -> LeaderAndIsr {
        LeaderAndIsr::new(NodeId::broker(1), nodes(isr))
    }

    fn shown(elected: Option<LeaderAndIsr>) -> Option<(u16, Vec<u16>)> {
        let elected = elected?;
        assert_eq!(elected.leader_epoch, LeaderEpoch(1));
        let isr = elected.isr.iter().map(|member| member.number).collect();
        Some((elected.leader?.number, isr))
    }

    #[test]
    fn an_offline_partition_gets_the_first_live_replica_of_its_isr() {
        // Who is alive, the ISR, whether an unclean leader is allowed; the leader and the ISR then.
        type Elected = Option<(u16, Vec<u16>)>;
        let cases: [(&[u16], &[u16], bool, Elected); 5] = [
            (&[2, 3], &[1, 2, 3], false, Some((2, vec![2, 3]))),
            (&[3], &[1, 3], false, Some((3, vec![3]))),
            (&[2, 3], &[1], false, None),
            (&[2, 3], &[1], true, Some((2, vec![2]))),
            (&[], &[1], true, None),
        ];
        for (alive, isr, unclean, expected) in cases {
            let state = LeaderAndIsr::new(NodeId::broker(1), nodes(isr.iter().copied()));
            let replicas = nodes([1, 2, 3]);
            let candidates =
                Candidates { state: &state, replicas: &replicas, unclean, marks_recovery: true };
            let elected = for_offline(candidates, |node| alive.contains(&node.number));
            let is_marked = elected.as_ref().is_some_and(|elected| {
                elected.leader_recovery_state == LeaderRecoveryState::Recovering
            });
            assert_eq!(is_marked, unclean && expected.is_some());
            assert_eq!(shown(elected), expected, "{alive:?} of {isr:?}");
        }
    }

    #[test]
    fn a_preferred_election_takes_the_first_replica_or_nobody() {
        let replicas = nodes([2, 1]);
        assert_eq!(
            shown(for_preferred(&state([1, 2]), &replicas, |_| true)),
            Some((2, vec![1, 2]))
        );
        assert_eq!(shown(for_preferred(&state([1]), &replicas, |_| true)), None);
        assert_eq!(shown(for_preferred(&state([1, 2]), &replicas, |n| n.number == 1)), None);
    }

    #[test]
    fn a_leader_on_its_way_out_is_followed_by_one_that_stays_and_leaves_the_isr() {
        let replicas = nodes([1, 2, 3]);
        let elect = |isr, leaving: &'static [u16]| {
            let is_leaving = |node: NodeId| leaving.contains(&node.number);
            shown(for_controlled_shutdown(&isr, &replicas, |_| true, is_leaving))
        };
        assert_eq!(elect(state([1, 2, 3]), &[1]), Some((2, vec![2, 3])));
        assert_eq!(elect(state([1, 2, 3]), &[1, 2]), Some((3, vec![3])));
        assert_eq!(elect(state([1]), &[1]), None);
    }

    #[test]
    fn the_last_of_an_isr_stays_in_it_and_leads_no_more() {
        let gone = without_replica(&state([1, 2]), NodeId::broker(1));
        assert_eq!((gone.leader, gone.isr), (None, nodes([2])));
        let last = without_replica(&state([1]), NodeId::broker(1));
        assert_eq!((last.leader, last.isr), (None, nodes([1])));
        let follower = without_replica(&state([1, 2]), NodeId::broker(2));
        assert_eq!((follower.leader, follower.isr), (Some(NodeId::broker(1)), nodes([1])));
    }
}
