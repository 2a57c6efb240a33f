//! Who may be in sync: what a leader may ask the controller for
//! (`ReplicationControlManager.validateAlterPartitionData`, KIP-497).
//!
//! The order of the checks matters: a controller that is itself behind must not fence a leader that is
//! ahead of it (KAFKA-14154), so "you know more than I do" is asked first.

use klab_machine::Mutant;
use klab_wire::{
    BrokerEpoch, ErrorCode, IsrMember, LeaderEpoch, LeaderRecoveryState, NodeId, PartitionEpoch,
    PartitionRegistration,
};

/// An ISR that a broker, which believes to lead, asks for.
#[derive(Clone, Copy, Debug)]
pub struct IsrProposal<'a> {
    /// Who asks.
    pub sender: NodeId,
    /// The leader epoch that it leads in.
    pub leader_epoch: LeaderEpoch,
    /// The version of the state that it changes.
    pub partition_epoch: PartitionEpoch,
    /// The ISR.
    pub isr: &'a [IsrMember],
    /// Whether it has recovered from an unclean election.
    pub leader_recovery_state: LeaderRecoveryState,
}

/// What is known of a broker that shall be in an ISR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// It is neither fenced nor on its way out; or nobody asks (before KIP-841).
    pub is_active: bool,
    /// Its registration.
    pub epoch: BrokerEpoch,
}

/// Whether a partition's ISR may become what its leader asks for.
pub fn validate(
    partition: &PartitionRegistration,
    proposal: &IsrProposal<'_>,
    candidate: impl Fn(NodeId) -> Option<Candidate>,
) -> Result<(), ErrorCode> {
    let is_old = proposal.partition_epoch < partition.partition_epoch
        && !Mutant::IgnoresPartitionEpochs.lives();
    let checks = [
        (sender_is_ahead(partition, proposal), ErrorCode::NotController),
        (proposal.leader_epoch < partition.leader_epoch, ErrorCode::FencedLeaderEpoch),
        (Some(proposal.sender) != partition.leader, ErrorCode::InvalidRequest),
        (is_old, ErrorCode::InvalidUpdateVersion),
        (!is_sound(partition, proposal), ErrorCode::InvalidRequest),
        (!recovers(partition, proposal), ErrorCode::InvalidRequest),
        (!proposal.isr.iter().all(|m| is_eligible(m, &candidate)), ErrorCode::IneligibleReplica),
    ];
    match checks.into_iter().find(|(is_wrong, _)| *is_wrong) {
        Some((_, error)) => Err(error),
        None => Ok(()),
    }
}

/// It has seen a later state than this controller, which then is the active one no more.
fn sender_is_ahead(partition: &PartitionRegistration, proposal: &IsrProposal<'_>) -> bool {
    proposal.leader_epoch > partition.leader_epoch
        || proposal.partition_epoch > partition.partition_epoch
}

/// Replicas of the partition, each once, the leader among them.
fn is_sound(partition: &PartitionRegistration, proposal: &IsrProposal<'_>) -> bool {
    let mut members = proposal.isr.iter().enumerate();
    let has_leader = proposal.isr.iter().any(|member| member.broker == proposal.sender);
    has_leader
        && members.all(|(place, member)| {
            let is_new = !proposal.isr[..place].iter().any(|m| m.broker == member.broker);
            is_new && partition.replicas.contains(&member.broker)
        })
}

/// A leader that has not recovered is in sync alone, and recovery is not undone (KIP-704).
fn recovers(partition: &PartitionRegistration, proposal: &IsrProposal<'_>) -> bool {
    match (partition.leader_recovery_state, proposal.leader_recovery_state) {
        (_, LeaderRecoveryState::Recovered) => true,
        (LeaderRecoveryState::Recovered, LeaderRecoveryState::Recovering) => false,
        (LeaderRecoveryState::Recovering, LeaderRecoveryState::Recovering) => {
            proposal.isr.len() <= 1
        }
    }
}

/// Alive, and still in the life in which it caught up (KIP-841, KIP-903).
fn is_eligible(member: &IsrMember, candidate: &impl Fn(NodeId) -> Option<Candidate>) -> bool {
    candidate(member.broker).is_some_and(|candidate| {
        let is_same = |epoch| epoch == candidate.epoch || Mutant::IgnoresBrokerEpochs.lives();
        candidate.is_active && member.epoch.is_none_or(is_same)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::partition;
    use ErrorCode::{
        FencedLeaderEpoch, IneligibleReplica, InvalidRequest, InvalidUpdateVersion, NotController,
    };

    /// Registered are 1, 2 and 3 in their epochs 10, 20 and 30, and 4, which is not active.
    fn candidate(node: NodeId) -> Option<Candidate> {
        let epoch = BrokerEpoch(u64::from(node.number) * 10);
        (node.number <= 4).then_some(Candidate { is_active: node.number != 4, epoch })
    }

    fn members(isr: &[(u16, u64)]) -> Vec<IsrMember> {
        let member = |(broker, epoch): &(u16, u64)| IsrMember {
            broker: NodeId::broker(*broker),
            epoch: Some(BrokerEpoch(*epoch)),
        };
        isr.iter().map(member).collect()
    }

    /// Asks as `sender` in these epochs, of a partition that 1 leads in leader epoch 5 and partition
    /// epoch 9.
    fn asked(sender: u16, epochs: (u32, u32), isr: &[(u16, u64)]) -> Result<(), ErrorCode> {
        let proposal = IsrProposal {
            sender: NodeId::broker(sender),
            leader_epoch: LeaderEpoch(epochs.0),
            partition_epoch: PartitionEpoch(epochs.1),
            isr: &members(isr),
            leader_recovery_state: LeaderRecoveryState::Recovered,
        };
        validate(&partition([1, 2, 3, 4], [1, 2]), &proposal, candidate)
    }

    const SOUND: [(u16, u64); 2] = [(1, 10), (3, 30)];

    #[test]
    fn every_check_comes_in_its_turn() {
        type Case = (u16, (u32, u32), &'static [(u16, u64)], Result<(), ErrorCode>);
        let cases: [Case; 12] = [
            (1, (5, 9), &SOUND, Ok(())),
            // Everything else is wrong as well, but the sender is ahead.
            (2, (6, 0), &[(9, 9)], Err(NotController)),
            (2, (4, 10), &[(9, 9)], Err(NotController)),
            // Behind in its leader epoch: not even asked whether it leads.
            (2, (4, 8), &[(9, 9)], Err(FencedLeaderEpoch)),
            (2, (5, 8), &[(9, 9)], Err(InvalidRequest)),
            (1, (5, 8), &[(9, 9)], Err(InvalidUpdateVersion)),
            // No replica, no leader, one twice, nobody.
            (1, (5, 9), &[(1, 10), (9, 90)], Err(InvalidRequest)),
            (1, (5, 9), &[(3, 30)], Err(InvalidRequest)),
            (1, (5, 9), &[(1, 10), (3, 30), (3, 30)], Err(InvalidRequest)),
            (1, (5, 9), &[], Err(InvalidRequest)),
            // Not alive; alive in another life.
            (1, (5, 9), &[(1, 10), (4, 40)], Err(IneligibleReplica)),
            (1, (5, 9), &[(1, 10), (3, 29)], Err(IneligibleReplica)),
        ];
        for (sender, epochs, isr, answer) in cases {
            assert_eq!(asked(sender, epochs, isr), answer, "{sender} {epochs:?} {isr:?}");
        }
    }

    #[test]
    fn kip_903_a_member_without_an_epoch_is_taken_by_its_id_alone() {
        let isr = [IsrMember { broker: NodeId::broker(1), epoch: None }];
        let proposal = IsrProposal {
            sender: NodeId::broker(1),
            leader_epoch: LeaderEpoch(5),
            partition_epoch: PartitionEpoch(9),
            isr: &isr,
            leader_recovery_state: LeaderRecoveryState::Recovered,
        };
        assert_eq!(validate(&partition([1, 2], [1, 2]), &proposal, candidate), Ok(()));
    }

    #[test]
    fn kip_704_recovery_comes_first_and_is_not_undone() {
        use LeaderRecoveryState::{Recovered, Recovering};
        // The state known, the state told, the size of the ISR.
        let cases = [
            (Recovering, Recovered, 2, Ok(())),
            (Recovering, Recovering, 1, Ok(())),
            (Recovering, Recovering, 2, Err(InvalidRequest)),
            (Recovered, Recovering, 1, Err(InvalidRequest)),
        ];
        for (known, told, size, answer) in cases {
            let proposal = IsrProposal {
                sender: NodeId::broker(1),
                leader_epoch: LeaderEpoch(5),
                partition_epoch: PartitionEpoch(9),
                isr: &members(&SOUND[..size]),
                leader_recovery_state: told,
            };
            let known =
                PartitionRegistration { leader_recovery_state: known, ..partition([1, 3], [1]) };
            assert_eq!(validate(&known, &proposal, candidate), answer);
        }
    }
}
