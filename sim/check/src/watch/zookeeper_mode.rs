//! Facts of a controller in ZooKeeper mode.
//!
//! Here a decision is stated when it has been written, and not at all if the controller falls before it learns that:
//! what the picture lacks the leaders tell ([`learn_election`](Judge::learn_election)). So decisions are looked at one
//! by one, and not when they are all in force.
//!
//! Nobody is fenced: a broker is registered or it is gone, and each controller learns that by itself, before it can
//! have written what follows from it. So what a controller decides is held against those that are gone *in its own
//! eyes*; of the time in between nothing is promised. Of its replicas a partition's ISR is a subset only in what is
//! added to it: a reassignment takes a replica from the topic's znode first, and from the ISR afterwards.

use super::controller::{Nodes, Unsettled};
use crate::invariant::{isr_rules, leader_in_isr, leader_is_alive, no_fenced_broker_in_isr};
use crate::judge::Judge;
use crate::picture::{Decision, Moving};
use crate::promise::Promise;
use crate::verdict::Moment;
use klab_machine::fact::ControllerFact;
use klab_wire::{LeaderEpoch, NodeId, Offset, PartitionEpoch, TopicPartition};
use std::sync::Arc;

/// What a decision says, and what was so before.
struct Decided<'a> {
    leader: Option<NodeId>,
    isr: &'a Nodes,
    before: Nodes,
    /// Somebody was elected.
    is_election: bool,
}

impl Judge {
    /// A decision is in force.
    pub(super) fn enforce_at_once(&mut self, at: Moment, fact: &ControllerFact) {
        match fact {
            ControllerFact::BrokerFenced { broker } => {
                self.cluster.gone.entry(at.node).or_default().insert(*broker);
            }
            ControllerFact::BrokerUnfenced { broker } => {
                self.cluster.gone.entry(at.node).or_default().remove(broker);
            }
            fact if self.is_told_late(at, fact) => {}
            ControllerFact::BrokerRegistered { broker, .. } => {
                self.cluster.begin_with_nothing(*broker);
            }
            fact => {
                let known = fact.partition().and_then(|name| self.cluster.partition(name));
                let before = known.map_or_else(|| Arc::new([]) as Nodes, |known| known.isr.clone());
                let decision = Decision { at, fact: fact.clone(), last: Offset(0) };
                self.enforce_one(&decision, &mut Unsettled::default());
                self.follow_reassignment(fact);
                self.examine_alone(at, fact, before);
            }
        }
    }

    /// What one decision says by itself.
    fn examine_alone(&mut self, at: Moment, fact: &ControllerFact, before: Nodes) {
        use ControllerFact as F;
        let (leader, isr, is_election) = match fact {
            F::LeaderElected { leader, isr, .. } => (Some(*leader), isr, true),
            F::PartitionCreated { leader, isr, .. } => (*leader, isr, true),
            F::PartitionWentOffline { isr, .. } | F::IsrChanged { isr, .. } => (None, isr, false),
            F::LeaderElectedUncleanly { leader, .. } => {
                return self.examine_whether_alive(at, fact.partition(), *leader);
            }
            _ => return,
        };
        let name = fact.partition().expect("they all are about one");
        if let Some(leader) = leader {
            let finding = leader_in_isr::check(Some(leader), isr);
            self.findings.note(Promise::LeaderInIsr, at, Some(name), finding);
            self.examine_whether_alive(at, Some(name), leader);
        }
        let finding = isr_rules::is_not_empty(isr, false);
        self.findings.note(Promise::IsrNeverEmpty, at, Some(name), finding);
        self.examine_members(at, name, &Decided { leader, isr, before, is_election });
    }

    /// Who is elected is there, in the eyes of who elects.
    fn examine_whether_alive(&mut self, at: Moment, name: Option<&TopicPartition>, leader: NodeId) {
        let is_gone = |broker| self.cluster.is_gone_to(at.node, broker);
        let finding = leader_is_alive::check(Some(leader), is_gone);
        self.findings.note(Promise::LeaderIsAlive, at, name, finding);
    }

    /// Who enters an ISR is a replica, and nobody gets in or is left in by an election who is gone in the eyes of
    /// the controller. Whoever goes leaves the ISRs one by one, so that one that only shrinks may have others in it
    /// that are gone as well.
    fn examine_members(&mut self, at: Moment, name: &TopicPartition, decided: &Decided<'_>) {
        let Decided { isr, before, .. } = decided;
        let Some(partition) = self.cluster.partition(name) else { return };
        let new: Vec<NodeId> = isr.iter().filter(|one| !before.contains(one)).copied().collect();
        let subset = isr_rules::is_subset(&new, &partition.replicas);
        let is_gone = |broker| self.cluster.is_gone_to(at.node, broker);
        let grows = before.iter().all(|member| isr.contains(member)) && !new.is_empty();
        let is_asked = decided.is_election && decided.leader.is_some() || grows;
        let fenced = is_asked.then(|| no_fenced_broker_in_isr::check(isr, is_gone));
        self.findings.note(Promise::IsrIsSubsetOfReplicas, at, Some(name), subset);
        if let Some(finding) = fenced {
            self.findings.note(Promise::NoFencedBrokerInIsr, at, Some(name), finding);
        }
    }

    /// A leader is told in two steps that replicas are to go: they are no replicas, and then, they have left the ISR
    /// (`onPartitionReassignment`, steps B3 and B4). From the first one on it does not wait for them; that comes when
    /// all who stay are in sync, with a new leader epoch.
    fn follow_reassignment(&mut self, fact: &ControllerFact) {
        use ControllerFact as F;
        let Some(name) = fact.partition() else { return };
        let partition = self.cluster.partition_mut(name);
        match fact {
            F::ReassignmentStarted { adding, removing, .. }
            | F::ReassignmentResumed { adding, removing, .. } => {
                partition.moving.begin(&partition.replicas, adding, removing);
            }
            F::ReassignmentCompleted { .. } | F::ReassignmentCancelled { .. } => {
                partition.moving = Moving::default();
            }
            F::LeaderElected { .. } | F::LeaderEpochBumped { .. } => {
                partition.moving.tell_leader(&partition.isr);
            }
            _ => {}
        }
    }

    /// A broker leads in an epoch of which no controller has told: the election is news, and so is the ISR.
    pub(super) fn learn_election(
        &mut self,
        at: Moment,
        name: &TopicPartition,
        epoch: LeaderEpoch,
        isr: &Nodes,
    ) {
        if !self.cluster.settings.zookeeper_mode {
            return;
        }
        let partition = self.cluster.partition_mut(name);
        let (known, leader) = (partition.leader_epoch, partition.leader);
        if known < epoch {
            let may_be_unclean = self.cluster.topic(&name.topic).unclean_leader_election;
            let clean = !may_be_unclean || isr.len() > 1;
            self.elect(at, name, at.node, epoch, isr.clone(), clean);
        } else if known == epoch && leader == Some(at.node) {
            // It has been away for so short a time that nobody else was elected.
            self.put_in_sync(name, isr);
        }
    }

    /// A leader has learned an ISR of which no controller has told.
    pub(super) fn learn_change(
        &mut self,
        at: Moment,
        name: &TopicPartition,
        isr: &[NodeId],
        epoch: PartitionEpoch,
    ) {
        let is_news = self.cluster.partition_mut(name).partition_epoch < epoch;
        if self.cluster.settings.zookeeper_mode && is_news {
            self.change_isr(at, name, &isr.into(), epoch);
        }
    }

    /// A controller that is no more may learn only now that it has written something, on top of which its successor
    /// has decided since.
    fn is_told_late(&self, at: Moment, fact: &ControllerFact) -> bool {
        use ControllerFact as F;
        let newest = self.cluster.reigns.last_key_value();
        let is_deposed = newest.is_some_and(|(_, controller)| *controller != at.node);
        let Some(known) = fact.partition().and_then(|name| self.cluster.partition(name)) else {
            return false;
        };
        is_deposed
            && match fact {
                F::IsrChanged { partition_epoch, .. } => *partition_epoch < known.partition_epoch,
                F::LeaderElected { epoch, .. }
                | F::LeaderElectedUncleanly { epoch, .. }
                | F::LeaderEpochBumped { epoch, .. }
                | F::PartitionWentOffline { epoch, .. } => *epoch < known.leader_epoch,
                F::PartitionCreated { .. } => known.leader_epoch > LeaderEpoch(0),
                _ => false,
            }
    }
}
