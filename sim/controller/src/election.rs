//! Who leads: the change of a partition's state that follows from who is alive and in sync
//! (`PartitionChangeBuilder`).
//!
//! A leader comes from the ISR. When the ISR is empty it comes from the eligible leader replicas, which
//! are known to have everything committed (KIP-966); when these are gone too it is the last known
//! leader, if it is back. An unclean election takes anybody alive, and may lose records.

use crate::reassignment::{ReassignmentReplicas, without};
use klab_machine::Mutant;
use klab_wire::config::switches::LastKnownLeader;
use klab_wire::{
    LeaderRecoveryState, NodeId, PartitionChangeRecord, PartitionRegistration, TopicIdPartition,
};
use std::collections::BTreeSet;
use std::sync::Arc;

/// How far an election may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Election {
    /// The first replica shall lead, if it is in sync; else as [`Online`](Election::Online).
    Preferred,
    /// The present leader stays, if it may; else the first replica that is in sync.
    Online,
    /// As [`Online`](Election::Online), and in the last resort any replica that is alive.
    Unclean,
}

/// What the cluster's feature levels and configs say about elections in a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ElectionRules {
    /// The partition's effective `min.insync.replicas`.
    pub min_isr: u32,
    /// Replicas that leave the ISR below its minimum stay eligible (KIP-966).
    pub eligible_leader_replicas: bool,
    /// An unclean leader is marked until it says that it has recovered (KIP-704, from 3.2).
    pub leader_recovery_state: bool,
    /// Whether the last known leader must be alive to be elected (KAFKA-19522).
    pub last_known_leader: LastKnownLeader,
    /// A shrinking ISR counts the leader epoch up: before 3.6 the brokers needed it (KAFKA-15021).
    pub isr_shrink_bumps_leader_epoch: bool,
}

/// A change to a partition in the making: what it is now, and what is aimed at.
#[derive(Clone, Debug)]
pub struct PartitionChange<'a> {
    before: &'a PartitionRegistration,
    rules: ElectionRules,
    /// How far the election may go.
    pub election: Election,
    /// The ISR aimed at.
    pub isr: Arc<[NodeId]>,
    /// The replicas aimed at, and those among them that come and go.
    pub reassignment: ReassignmentReplicas,
    /// The recovery state aimed at.
    pub leader_recovery_state: LeaderRecoveryState,
    /// A broker that has come back without having shut down in order: it may have lost its log's tail,
    /// and is not eligible any more (KIP-966).
    pub unclean_shutdown: Option<NodeId>,
    elr: Arc<[NodeId]>,
}

/// The outcome of an election.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Elected {
    leader: Option<NodeId>,
    unclean: bool,
}

impl Elected {
    const NOBODY: Elected = Elected { leader: None, unclean: false };

    fn cleanly(leader: NodeId) -> Self {
        Elected { leader: Some(leader), unclean: false }
    }

    fn uncleanly(leader: NodeId) -> Self {
        Elected { leader: Some(leader), unclean: true }
    }
}

impl<'a> PartitionChange<'a> {
    /// A change that aims at what the partition is already.
    pub fn of(before: &'a PartitionRegistration, rules: ElectionRules) -> Self {
        PartitionChange {
            before,
            rules,
            election: Election::Online,
            isr: before.isr.clone(),
            reassignment: ReassignmentReplicas::of(before),
            leader_recovery_state: before.leader_recovery_state,
            unclean_shutdown: None,
            elr: before.elr.clone(),
        }
    }

    /// The record that carries the change out, or none if nothing is to change.
    ///
    /// `may_lead` says which brokers are alive enough to lead.
    pub fn build(
        mut self,
        partition: TopicIdPartition,
        may_lead: impl Fn(NodeId) -> bool,
    ) -> Option<PartitionChangeRecord> {
        let mut record = PartitionChangeRecord::of(partition.topic, partition.partition);
        self.complete_reassignment();
        self.keep_eligible_leader_replicas();
        self.elect(&mut record, &may_lead);
        self.bump_leader_epoch_for_a_removed_replica(&mut record);
        self.change_eligible_leader_replicas(&mut record);
        self.change_isr(&mut record);
        self.bump_leader_epoch_for_a_shrunk_isr(&mut record);
        self.change_last_known_leader(&mut record);
        self.change_replicas(&mut record);
        self.change_recovery_state(&mut record);
        (!record.is_noop()).then_some(record)
    }

    /// A reassignment whose ISR has everybody who stays is complete with this change.
    fn complete_reassignment(&mut self) {
        if let Some(completed) = self.reassignment.completed(&self.isr) {
            self.isr = completed.isr;
            self.reassignment = ReassignmentReplicas::none(completed.replicas);
        }
    }

    /// Below its minimum, the ISR's former members stay eligible; from the minimum on nobody needs to be
    /// (`maybePopulateTargetElr`).
    ///
    /// Unlike in Kafka's own code, a replica that a reassignment has taken away does not stay: were it
    /// given back, it would be eligible without the records of the meantime.
    fn keep_eligible_leader_replicas(&mut self) {
        if !self.rules.eligible_leader_replicas {
            return;
        }
        if self.isr.len() >= self.rules.min_isr as usize {
            self.elr = Arc::default();
            return;
        }
        let candidates: BTreeSet<NodeId> =
            self.elr.iter().chain(self.before.isr.iter()).copied().collect();
        let stays = |node: &NodeId| {
            let is_replica = self.reassignment.replicas.contains(node);
            is_replica && !self.isr.contains(node) && self.unclean_shutdown != Some(*node)
        };
        self.elr = candidates.into_iter().filter(stays).collect();
    }

    /// `tryElection`.
    fn elect(&mut self, record: &mut PartitionChangeRecord, may_lead: &impl Fn(NodeId) -> bool) {
        let elected = match self.election {
            Election::Preferred => self.preferred_leader(may_lead),
            Election::Online | Election::Unclean => self.any_leader(may_lead),
        };
        if elected.leader == self.before.leader {
            return;
        }
        record.leader = Some(elected.leader);
        let Some(leader) = elected.leader else { return };
        if self.elr.contains(&leader) {
            self.isr = [leader].into();
            self.elr = without(&self.elr, &[leader]);
        }
        if elected.unclean {
            record.isr = Some([leader].into());
            let is_marked = self.before.leader_recovery_state == LeaderRecoveryState::Recovering;
            if self.rules.leader_recovery_state && !is_marked {
                record.leader_recovery_state = Some(LeaderRecoveryState::Recovering);
            }
        }
    }

    fn preferred_leader(&self, may_lead: &impl Fn(NodeId) -> bool) -> Elected {
        let replicas = &self.reassignment.replicas;
        let preferred = replicas.first().copied();
        let in_turn =
            preferred.into_iter().chain(self.before.leader).chain(replicas.iter().copied());
        self.first_valid(in_turn, may_lead)
            .or_else(|| self.last_known_leader(may_lead))
            .unwrap_or(Elected::NOBODY)
    }

    fn any_leader(&self, may_lead: &impl Fn(NodeId) -> bool) -> Elected {
        let replicas = &self.reassignment.replicas;
        let in_turn = self.before.leader.into_iter().chain(replicas.iter().copied());
        self.first_valid(in_turn, may_lead)
            .or_else(|| self.last_known_leader(may_lead))
            .or_else(|| self.unclean_leader(may_lead))
            .unwrap_or(Elected::NOBODY)
    }

    fn first_valid(
        &self,
        in_turn: impl Iterator<Item = NodeId>,
        may_lead: &impl Fn(NodeId) -> bool,
    ) -> Option<Elected> {
        first_valid(in_turn, &self.isr, &self.elr, may_lead).map(Elected::cleanly)
    }

    /// With neither ISR nor eligible replicas the last leader may come back, if it is alive: that it be
    /// alive is what KAFKA-19522 mended (`canElectLastKnownLeader`).
    fn last_known_leader(&self, may_lead: &impl Fn(NodeId) -> bool) -> Option<Elected> {
        let is_last_resort =
            self.rules.eligible_leader_replicas && self.isr.is_empty() && self.elr.is_empty();
        let is_acceptable = |last| match self.rules.last_known_leader {
            LastKnownLeader::Unchecked => true,
            LastKnownLeader::Checked => may_lead(last),
        };
        match &*self.before.last_known_elr {
            [last] if is_last_resort && is_acceptable(*last) => Some(Elected::uncleanly(*last)),
            _ => None,
        }
    }

    fn unclean_leader(&self, may_lead: &impl Fn(NodeId) -> bool) -> Option<Elected> {
        let mut replicas = self.reassignment.replicas.iter().copied();
        let alive = (self.election == Election::Unclean).then(|| replicas.find(|n| may_lead(*n)));
        alive.flatten().map(Elected::uncleanly)
    }

    /// A replica that is taken away may not go on acknowledging in the old epoch
    /// (`triggerLeaderEpochBumpForReplicaReassignmentIfNeeded`).
    fn bump_leader_epoch_for_a_removed_replica(&self, record: &mut PartitionChangeRecord) {
        let replicas = &self.reassignment.replicas;
        let all_stay = self.before.replicas.iter().all(|replica| replicas.contains(replica));
        if record.leader.is_none() && !all_stay {
            record.leader = Some(self.before.leader);
        }
    }

    /// `triggerLeaderEpochBumpForIsrShrinkIfNeeded`.
    fn bump_leader_epoch_for_a_shrunk_isr(&self, record: &mut PartitionChangeRecord) {
        let Some(isr) = &record.isr else { return };
        let all_stay = self.before.isr.iter().all(|member| isr.contains(member));
        if self.rules.isr_shrink_bumps_leader_epoch && record.leader.is_none() && !all_stay {
            record.leader = Some(self.before.leader);
        }
    }

    /// An unclean election voids what was known about who is eligible (`maybeUpdateRecordElr`).
    fn change_eligible_leader_replicas(&mut self, record: &mut PartitionChangeRecord) {
        let was_clean = record.isr.is_none();
        if !was_clean || !self.rules.eligible_leader_replicas {
            self.elr = Arc::default();
        }
        if *self.elr != *self.before.elr {
            record.elr = Some(self.elr.clone());
        }
    }

    /// Without eligible leader replicas the last member of an ISR stays in it for ever: only it is known
    /// to have everything.
    fn change_isr(&self, record: &mut PartitionChangeRecord) {
        let may_be_so = !self.isr.is_empty() || self.rules.eligible_leader_replicas;
        if record.isr.is_none() && may_be_so && *self.isr != *self.before.isr {
            record.isr = Some(self.isr.clone());
        }
    }

    /// Remembers the leader that goes with the last of the ISR, and forgets it once somebody leads
    /// (`maybeUpdateLastKnownLeader`).
    fn change_last_known_leader(&self, record: &mut PartitionChangeRecord) {
        if !self.rules.eligible_leader_replicas {
            return;
        }
        let known = &*self.before.last_known_elr;
        let leader = self.before.leader;
        let isr_is_gone = record.isr.as_ref().is_some_and(|isr| isr.is_empty());
        if isr_is_gone && leader.is_some() && known != leader.as_slice() {
            record.last_known_elr = Some(leader.as_slice().into());
        } else if record.leader.unwrap_or(leader).is_some() && !known.is_empty() {
            record.last_known_elr = Some(Arc::default());
        }
    }

    /// `setAssignmentChanges`.
    fn change_replicas(&self, record: &mut PartitionChangeRecord) {
        let ReassignmentReplicas { removing, adding, replicas } = &self.reassignment;
        let changed = |new: &Arc<[NodeId]>, old: &[NodeId]| (**new != *old).then(|| new.clone());
        if !replicas.is_empty() {
            record.replicas = changed(replicas, &self.before.replicas);
        }
        record.removing_replicas = changed(removing, &self.before.removing_replicas);
        record.adding_replicas = changed(adding, &self.before.adding_replicas);
    }

    fn change_recovery_state(&self, record: &mut PartitionChangeRecord) {
        if self.leader_recovery_state != self.before.leader_recovery_state {
            record.leader_recovery_state = Some(self.leader_recovery_state);
        }
    }
}

/// The first that may lead and is in the ISR, or among the eligible when there is no ISR (`isValidNewLeader`;
/// `PartitionLeaderElectionAlgorithms` in ZooKeeper mode, where nobody is eligible besides).
pub fn first_valid(
    mut in_turn: impl Iterator<Item = NodeId>,
    isr: &[NodeId],
    elr: &[NodeId],
    may_lead: impl Fn(NodeId) -> bool,
) -> Option<NodeId> {
    let is_eligible = |node: NodeId| match isr.is_empty() {
        _ if Mutant::ElectsOutsideTheIsr.lives() => true,
        true => elr.contains(&node),
        false => isr.contains(&node),
    };
    in_turn.find(|node| is_eligible(*node) && may_lead(*node))
}

#[cfg(test)]
mod tests;
