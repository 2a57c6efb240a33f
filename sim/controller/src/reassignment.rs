//! Moving replicas: which come, which go, and when it is done
//! (`PartitionReassignmentReplicas`, `PartitionReassignmentRevert`, KIP-455).
//!
//! While a partition moves it has all replicas, the old and the new. It has arrived when the ISR holds
//! every replica that stays; then those on their way out are dropped.

use klab_wire::{NodeId, PartitionRegistration};
use std::collections::BTreeSet;
use std::sync::Arc;

/// A partition's replicas while it moves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReassignmentReplicas {
    /// Those on their way out.
    pub removing: Arc<[NodeId]>,
    /// Those on their way in.
    pub adding: Arc<[NodeId]>,
    /// All of them: the target's first, in its order.
    pub replicas: Arc<[NodeId]>,
}

/// A partition that has arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompletedReassignment {
    /// The replicas that stay.
    pub replicas: Arc<[NodeId]>,
    /// The ISR without those that go.
    pub isr: Arc<[NodeId]>,
}

/// What a partition goes back to when its reassignment is cancelled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevertedReassignment {
    /// The replicas of before.
    pub replicas: Arc<[NodeId]>,
    /// The ISR without those that were on their way in.
    pub isr: Arc<[NodeId]>,
    /// Only new replicas are in sync: an old one has to lead, and may lack records.
    pub unclean: bool,
}

impl ReassignmentReplicas {
    /// The way from the present replicas to the target's.
    pub fn toward(current: &[NodeId], target: &[NodeId]) -> Self {
        let removing = difference(current, target);
        let replicas = target.iter().chain(removing.iter()).copied().collect();
        ReassignmentReplicas { adding: difference(target, current), removing, replicas }
    }

    /// No way to go: these are the replicas.
    pub fn none(replicas: Arc<[NodeId]>) -> Self {
        ReassignmentReplicas { removing: Arc::default(), adding: Arc::default(), replicas }
    }

    /// What a partition's state says of its way.
    pub fn of(partition: &PartitionRegistration) -> Self {
        ReassignmentReplicas {
            removing: partition.removing_replicas.clone(),
            adding: partition.adding_replicas.clone(),
            replicas: partition.replicas.clone(),
        }
    }

    /// There is a way to go.
    pub fn is_in_progress(&self) -> bool {
        !self.removing.is_empty() || !self.adding.is_empty()
    }

    /// The end of the way, if this ISR is enough: it holds every replica that stays
    /// (`maybeCompleteReassignment`).
    pub fn completed(&self, isr: &[NodeId]) -> Option<CompletedReassignment> {
        if !self.is_in_progress() {
            return None;
        }
        let isr = without(isr, &self.removing);
        let replicas = without(&self.replicas, &self.removing);
        let has_arrived = replicas.iter().all(|replica| isr.contains(replica));
        (has_arrived && !isr.is_empty() && !replicas.is_empty())
            .then_some(CompletedReassignment { replicas, isr })
    }

    /// The way back: the new replicas go, the old ones stay. None if there were no old ones.
    pub fn reverted(&self, isr: &[NodeId]) -> Option<RevertedReassignment> {
        let replicas = without(&self.replicas, &self.adding);
        let isr = without(isr, &self.adding);
        if !isr.is_empty() {
            return Some(RevertedReassignment { replicas, isr, unclean: false });
        }
        let isr = [*replicas.first()?].into();
        Some(RevertedReassignment { replicas, isr, unclean: true })
    }
}

/// The members of `list` that are not in `others`, in the order of `list`.
pub fn without(list: &[NodeId], others: &[NodeId]) -> Arc<[NodeId]> {
    list.iter().filter(|node| !others.contains(node)).copied().collect()
}

/// The members of `list` that are not in `others`, in ascending order.
fn difference(list: &[NodeId], others: &[NodeId]) -> Arc<[NodeId]> {
    let difference: BTreeSet<NodeId> = without(list, others).iter().copied().collect();
    difference.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::nodes;

    #[test]
    fn a_moving_partition_has_the_target_s_replicas_first_and_then_those_that_go() {
        let moving = ReassignmentReplicas::toward(&nodes([1, 2, 3]), &nodes([3, 5, 4]));
        assert_eq!(moving.replicas, nodes([3, 5, 4, 1, 2]));
        assert_eq!(moving.adding, nodes([4, 5]));
        assert_eq!(moving.removing, nodes([1, 2]));
    }

    #[test]
    fn a_mere_change_of_order_is_no_way_to_go() {
        let moving = ReassignmentReplicas::toward(&nodes([1, 2, 3]), &nodes([3, 2, 1]));
        assert!(!moving.is_in_progress());
        assert_eq!(moving.completed(&nodes([1, 2, 3])), None);
    }

    #[test]
    fn a_reassignment_is_complete_when_every_replica_that_stays_is_in_sync() {
        // From [1, 2, 3] to [3, 4]: the replicas are [3, 4, 1, 2].
        let moving = ReassignmentReplicas::toward(&nodes([1, 2, 3]), &nodes([3, 4]));
        let cases: [(&[u16], Option<&[u16]>); 5] = [
            (&[1, 2, 3], None), // The new one is not in sync.
            (&[1, 2, 3, 4], Some(&[3, 4])),
            (&[4, 3], Some(&[4, 3])), // Those that go need not be in sync.
            (&[1, 2, 4], None),       // One that stays is not in sync.
            (&[1, 2], None),
        ];
        for (isr, end) in cases {
            let completed = moving.completed(&nodes(isr.iter().copied()));
            assert_eq!(
                completed.as_ref().map(|c| c.isr.clone()),
                end.map(|isr| nodes(isr.iter().copied())),
                "{isr:?}"
            );
            assert!(completed.is_none_or(|c| c.replicas == nodes([3, 4])));
        }
    }

    #[test]
    fn a_cancelled_reassignment_gives_the_old_replicas_back() {
        let moving = ReassignmentReplicas::toward(&nodes([1, 2]), &nodes([3, 4]));
        let back = moving.reverted(&nodes([1, 3])).unwrap();
        assert_eq!(back.replicas, nodes([1, 2]));
        assert_eq!((back.isr, back.unclean), (nodes([1]), false));
    }

    #[test]
    fn going_back_is_unclean_when_only_new_replicas_are_in_sync() {
        let moving = ReassignmentReplicas::toward(&nodes([1, 2]), &nodes([3, 4]));
        let back = moving.reverted(&nodes([3])).unwrap();
        assert_eq!((back.isr, back.unclean), (nodes([1]), true));
        let all_new =
            ReassignmentReplicas { adding: nodes([3]), removing: nodes([]), replicas: nodes([3]) };
        assert_eq!(all_new.reverted(&nodes([3])), None);
    }
}
