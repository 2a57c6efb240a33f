//! The in-sync replicas of a partition, and how a leader has them changed
//! (`kafka.cluster.PartitionState`, KIP-497).
//!
//! Only the controller changes an ISR. A leader asks for it (AlterPartition) and must be safe while it
//! does not know the outcome: until then it counts a replica that may have been let in as a member
//! ([`PartitionState::maximal_isr`]), and a replica that may have been dropped as a member too.
//!
//! Facts: `IsrExpandRequested`, `IsrShrinkRequested`, `IsrExpanded`, `IsrShrunk`, `IsrChangeRejected`.

use crate::replica::{FetchRegistration, Replica};
use klab_machine::Mutant;
use klab_wire::config::switches::{IneligibleReplicas, IsrAdmission, MaximalIsr};
use klab_wire::{
    BrokerEpoch, ErrorCode, IsrMember, LeaderEpoch, LeaderRecoveryState, NodeId, Offset,
    PartitionEpoch, Span, Timestamp,
};
use std::sync::Arc;

/// The ISR as its leader knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PartitionState {
    /// The controller's last word.
    Committed(CommittedState),
    /// Asked to let a replica in.
    PendingExpandIsr {
        /// The replica.
        new_in_sync_replica: NodeId,
        /// What was asked.
        sent: SentIsr,
        /// The controller's last word.
        last_committed: CommittedState,
    },
    /// Asked to drop replicas.
    PendingShrinkIsr {
        /// The replicas.
        out_of_sync_replicas: Vec<NodeId>,
        /// What was asked.
        sent: SentIsr,
        /// The controller's last word.
        last_committed: CommittedState,
    },
}

/// What the controller has decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommittedState {
    /// The in-sync replicas.
    pub isr: Arc<[NodeId]>,
    /// Whether the leader has recovered from an unclean election.
    pub leader_recovery_state: LeaderRecoveryState,
}

/// A change that was asked for (`LeaderAndIsr` as it is sent).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentIsr {
    /// The whole new ISR.
    pub isr: Vec<IsrMember>,
    /// The leader's epoch.
    pub leader_epoch: LeaderEpoch,
    /// The state that the change builds on.
    pub partition_epoch: PartitionEpoch,
}

impl PartitionState {
    /// The controller's last word.
    pub fn committed(&self) -> &CommittedState {
        match self {
            PartitionState::Committed(state) => state,
            PartitionState::PendingExpandIsr { last_committed, .. }
            | PartitionState::PendingShrinkIsr { last_committed, .. } => last_committed,
        }
    }

    /// The committed ISR.
    pub fn isr(&self) -> &Arc<[NodeId]> {
        &self.committed().isr
    }

    /// Everybody who may be a member by the controller's word, known or still under way.
    pub fn maximal_isr(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.isr().iter().copied().chain(self.joining())
    }

    /// How many those are.
    pub fn maximal_isr_size(&self) -> u32 {
        self.isr().len() as u32 + u32::from(self.joining().is_some())
    }

    /// Whether the high watermark waits for this replica: it is one of those. Without the maximal ISR one
    /// that may have been let in by now does not count, and may be elected all the same.
    pub fn counts(&self, replica: NodeId, rule: MaximalIsr) -> bool {
        let may_be_in = rule == MaximalIsr::On && self.joining() == Some(replica);
        let has_left =
            Mutant::DropsBeforeTheController.lives() && self.leaving().contains(&replica);
        self.isr().contains(&replica) && !has_left || may_be_in
    }

    /// The answer to a change is awaited.
    pub fn is_in_flight(&self) -> bool {
        !matches!(self, PartitionState::Committed(_))
    }

    /// What was asked and is not answered yet.
    pub fn sent(&self) -> Option<&SentIsr> {
        match self {
            PartitionState::Committed(_) => None,
            PartitionState::PendingExpandIsr { sent, .. }
            | PartitionState::PendingShrinkIsr { sent, .. } => Some(sent),
        }
    }

    fn leaving(&self) -> &[NodeId] {
        match self {
            PartitionState::PendingShrinkIsr { out_of_sync_replicas, .. } => out_of_sync_replicas,
            PartitionState::Committed(_) | PartitionState::PendingExpandIsr { .. } => &[],
        }
    }

    fn joining(&self) -> Option<NodeId> {
        match self {
            PartitionState::PendingExpandIsr { new_in_sync_replica, .. } => {
                Some(*new_in_sync_replica)
            }
            PartitionState::Committed(_) | PartitionState::PendingShrinkIsr { .. } => None,
        }
    }
}

/// What the leader's own metadata says of a broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BrokerStanding {
    /// Its registration; none if it has none.
    pub epoch: Option<BrokerEpoch>,
    /// It is fenced.
    pub fenced: bool,
    /// It is on its way out.
    pub in_controlled_shutdown: bool,
}

/// A broker may join the ISR: it is alive, stays, and is still the one that caught up
/// (`isReplicaIsrEligible`, KIP-841, KIP-903).
///
/// A broker that lost its disk and came back has a later registration than the one under which it
/// fetched what it no longer has.
pub fn is_eligible(
    broker: BrokerStanding,
    fetched_under: FetchRegistration,
    rule: IneligibleReplicas,
) -> bool {
    let same_life = match fetched_under {
        FetchRegistration::Unknown => false,
        FetchRegistration::Unspecified => broker.epoch.is_some(),
        FetchRegistration::Epoch(epoch) => broker.epoch == Some(epoch),
    };
    let stays = !broker.fenced && !broker.in_controlled_shutdown;
    same_life && (stays || rule == IneligibleReplicas::Admitted)
}

/// A follower has what it takes to be in sync (`isFollowerInSync`, the fourth rule of `Kip320.tla`).
///
/// The high watermark is not enough: right after an election it lags behind what earlier leaders have
/// committed, all of which lies below the start of the leader's epoch.
pub fn is_in_sync(
    follower_end: Option<Offset>,
    high_watermark: Offset,
    leader_epoch_start: Offset,
    rule: IsrAdmission,
) -> bool {
    if Mutant::AdmitsOneRecordEarly.lives() {
        return follower_end.map(Offset::next) >= Some(high_watermark);
    }
    let has_earlier_epochs = follower_end >= Some(leader_epoch_start);
    follower_end >= Some(high_watermark)
        && (has_earlier_epochs || rule == IsrAdmission::HighWatermark)
}

/// Who has to leave the ISR: members that have not had everything for too long
/// (`getOutOfSyncReplicas`).
pub fn out_of_sync(
    state: &PartitionState,
    local: NodeId,
    replicas: &[Replica],
    leader_end: Offset,
    now: Timestamp,
    max_lag: Span,
) -> Vec<NodeId> {
    if state.is_in_flight() {
        return Vec::new();
    }
    let lags = |member: &NodeId| {
        let replica = replicas.iter().find(|replica| replica.broker == *member);
        replica.is_none_or(|replica| !replica.is_caught_up(leader_end, now, max_lag))
    };
    state.isr().iter().filter(|member| **member != local).filter(|m| lags(m)).copied().collect()
}

/// What a leader does about an AlterPartition that was refused (`handleAlterPartitionError`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reaction {
    /// The controller says that the state it builds on is right and that nothing was changed: go back
    /// to it.
    BackToCommitted,
    /// The controller knows more than this leader: stay as it is until the metadata says more.
    AwaitMetadata,
    /// Ask again.
    Retry,
}

/// The table of `handleAlterPartitionError`.
pub fn reaction_to(error: ErrorCode) -> Reaction {
    match error {
        ErrorCode::OperationNotAttempted | ErrorCode::IneligibleReplica => {
            Reaction::BackToCommitted
        }
        ErrorCode::UnknownTopicOrPartition
        | ErrorCode::UnknownTopicId
        | ErrorCode::FencedLeaderEpoch
        | ErrorCode::InvalidUpdateVersion
        | ErrorCode::InvalidRequest
        | ErrorCode::NewLeaderElected => Reaction::AwaitMetadata,
        _ => Reaction::Retry,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const B1: NodeId = NodeId::broker(1);
    const B2: NodeId = NodeId::broker(2);
    const B3: NodeId = NodeId::broker(3);

    fn committed(isr: &[NodeId]) -> CommittedState {
        CommittedState { isr: isr.into(), leader_recovery_state: LeaderRecoveryState::Recovered }
    }

    fn sent() -> SentIsr {
        SentIsr { isr: vec![], leader_epoch: LeaderEpoch(1), partition_epoch: PartitionEpoch(4) }
    }

    #[test]
    fn kip_497_the_maximal_isr_counts_who_may_be_in_and_whoever_may_still_be() {
        let expanding = PartitionState::PendingExpandIsr {
            new_in_sync_replica: B3,
            sent: sent(),
            last_committed: committed(&[B1, B2]),
        };
        let shrinking = PartitionState::PendingShrinkIsr {
            out_of_sync_replicas: vec![B2],
            sent: sent(),
            last_committed: committed(&[B1, B2]),
        };
        for (state, members) in [
            (PartitionState::Committed(committed(&[B1, B2])), vec![B1, B2]),
            (expanding, vec![B1, B2, B3]),
            (shrinking, vec![B1, B2]),
        ] {
            assert_eq!(state.maximal_isr().collect::<Vec<_>>(), members);
            assert_eq!(state.maximal_isr_size(), members.len() as u32);
            for (rule, counting) in [(MaximalIsr::On, &members[..]), (MaximalIsr::Off, &[B1, B2])] {
                assert!(
                    [B1, B2, B3].iter().all(|b| state.counts(*b, rule) == counting.contains(b))
                );
            }
            assert_eq!(state.isr().as_ref(), [B1, B2], "only the controller's word is committed");
        }
    }

    #[test]
    fn kip_841_and_kip_903_only_a_live_broker_in_its_present_life_is_eligible() {
        let (e7, e9) = (Some(BrokerEpoch(7)), Some(BrokerEpoch(9)));
        let fetched = FetchRegistration::Epoch(BrokerEpoch(7));
        let unsaid = FetchRegistration::Unspecified;
        // Registration, fenced, shutting down; fetched under; eligible.
        let cases = [
            (e7, false, false, fetched, true),
            (e7, true, false, fetched, false),
            (e7, false, true, fetched, false),
            (e9, false, false, fetched, false),
            (None, false, false, fetched, false),
            (e9, false, false, unsaid, true),
            (None, false, false, unsaid, false),
            (e7, false, false, FetchRegistration::Unknown, false),
        ];
        for (epoch, fenced, in_controlled_shutdown, under, expected) in cases {
            let broker = BrokerStanding { epoch, fenced, in_controlled_shutdown };
            let is_eligible = |rule| is_eligible(broker, under, rule);
            assert_eq!(is_eligible(IneligibleReplicas::Refused), expected, "{broker:?} {under:?}");
            // Before KIP-841 nobody asked whether it is alive.
            let admitted = expected || epoch == e7 && under == fetched;
            assert_eq!(is_eligible(IneligibleReplicas::Admitted), admitted, "{broker:?} {under:?}");
        }
    }

    #[test]
    fn kip_320_a_follower_joins_only_above_the_high_watermark_and_the_epochs_start() {
        // Follower's end, high watermark, start of the epoch.
        for (end, high_watermark, start, expected) in [
            (Some(9), 5, 9, true),
            (Some(8), 5, 9, false),
            (Some(9), 10, 9, false),
            (None, 0, 0, false),
            (Some(0), 0, 0, true),
        ] {
            let is_in_sync =
                |rule| is_in_sync(end.map(Offset), Offset(high_watermark), Offset(start), rule);
            assert_eq!(is_in_sync(IsrAdmission::LeaderEpochStart), expected);
            // Before KAFKA-7128 the start of the epoch did not count.
            let has_committed = end.is_some_and(|end| end >= high_watermark);
            assert_eq!(is_in_sync(IsrAdmission::HighWatermark), has_committed);
        }
    }

    #[test]
    fn members_leave_when_they_lag_and_nobody_leaves_while_an_answer_is_awaited() {
        let mut slow = Replica::new(B2);
        slow.log_end_offset = Some(Offset(4));
        let state = PartitionState::Committed(committed(&[B1, B2, B3]));
        let lag = Span::from_millis(100);
        let leave = |state: &PartitionState, now| {
            out_of_sync(state, B1, std::slice::from_ref(&slow), Offset(5), Timestamp(now), lag)
        };
        assert_eq!(leave(&state, 100), [B3], "a member that is no replica cannot be in sync");
        assert_eq!(leave(&state, 101), [B2, B3]);
        let pending = PartitionState::PendingShrinkIsr {
            out_of_sync_replicas: vec![B2],
            sent: sent(),
            last_committed: committed(&[B1, B2, B3]),
        };
        assert_eq!(leave(&pending, 101), []);
    }

    #[test]
    fn a_refusal_is_answered_by_the_table() {
        use ErrorCode::*;
        for error in [OperationNotAttempted, IneligibleReplica] {
            assert_eq!(reaction_to(error), Reaction::BackToCommitted);
        }
        for error in [
            UnknownTopicOrPartition,
            UnknownTopicId,
            FencedLeaderEpoch,
            InvalidUpdateVersion,
            InvalidRequest,
            NewLeaderElected,
        ] {
            assert_eq!(reaction_to(error), Reaction::AwaitMetadata);
        }
        for error in [RequestTimedOut, UnknownServerError, NetworkException] {
            assert_eq!(reaction_to(error), Reaction::Retry);
        }
    }
}
