//! Facts of the controller: elections, ISRs, fencing.
//!
//! A decision counts from when it is committed; until then it waits in [`Decisions`](crate::picture). What
//! one batch brings into force together (a broker is fenced, leaves an ISR, another one leads) must fit
//! together when all of it is in force.

use crate::invariant::{
    epochs_are_monotonic, isr_member_has_committed_records, isr_rules, leader_in_isr,
    leader_is_alive, no_fenced_broker_in_isr, one_leader_per_epoch,
};
use crate::judge::Judge;
use crate::picture::{Decision, Election, Replica};
use crate::promise::Promise;
use crate::settings::Setting;
use crate::verdict::Moment;
use klab_machine::fact::ControllerFact;
use klab_wire::{ElectionType, LeaderEpoch, NodeId, Offset, PartitionEpoch, TopicPartition};
use std::sync::Arc;

pub(super) type Nodes = Arc<[NodeId]>;

/// What came into force together and is still to be held together.
#[derive(Clone, Debug, Default)]
pub(super) struct Unsettled {
    partitions: Vec<(Moment, TopicPartition)>,
    /// A broker was fenced, which concerns every partition.
    fencing: Option<Moment>,
}

impl Judge {
    pub(super) fn watch_controller(&mut self, at: Moment, fact: &ControllerFact) {
        match fact {
            ControllerFact::ControllerActivated { epoch } => self.activate(at, *epoch),
            ControllerFact::ControllerResigned { .. } => self.decisions.abandon(at.node),
            ControllerFact::ElectionRequested { partition, election: ElectionType::Unclean } => {
                self.cluster.unclean_requested.insert(partition.clone());
            }
            decision if self.cluster.settings.zookeeper_mode => self.enforce_at_once(at, decision),
            decision => self.decisions.make(at, decision),
        }
    }

    /// The quorum has committed everything below this offset, and with it decisions.
    pub(super) fn enforce(&mut self, to: Offset) {
        let mut unsettled = Unsettled::default();
        for decision in self.decisions.take_committed(&self.quorum.copies, to) {
            self.enforce_one(&decision, &mut unsettled);
        }
        self.settle(unsettled);
    }

    pub(super) fn enforce_one(&mut self, decision: &Decision, unsettled: &mut Unsettled) {
        use ControllerFact as F;
        let Decision { at, ref fact, last } = *decision;
        match fact {
            F::BrokerFenced { broker } => self.fence(at, *broker, unsettled),
            F::BrokerRegistered { broker, .. } => self.register_anew(at, *broker, unsettled),
            F::BrokerUnfenced { broker } | F::BrokerUnregistered { broker } => {
                self.cluster.fenced.remove(broker);
            }
            F::TopicDeleted { topic, .. } | F::TopicDeletionBegan { topic } => {
                self.cluster.forget(topic, last);
                self.history.forget(topic);
            }
            F::PartitionCreated { partition, leader, replicas, isr } => {
                self.create(at, partition, *leader, replicas, isr);
            }
            F::LeaderElected { partition, leader, epoch, isr } => {
                self.elect(at, partition, *leader, *epoch, isr.clone(), true);
            }
            F::LeaderElectedUncleanly { partition, leader, epoch } => {
                self.elect(at, partition, *leader, *epoch, Arc::new([*leader]), false);
            }
            F::LeaderEpochBumped { partition, leader, epoch } => {
                self.follow_leader_epoch(at, partition, *epoch, Some(*leader));
            }
            F::PartitionWentOffline { partition, epoch, isr } => {
                self.lose_leader(at, partition, *epoch, isr);
            }
            F::IsrChanged { partition, isr, partition_epoch } => {
                self.change_isr(at, partition, isr, *partition_epoch);
            }
            F::ReassignmentStarted { partition, adding, .. }
            | F::ReassignmentResumed { partition, adding, .. } => {
                self.add(partition, adding, last);
            }
            F::ReassignmentCompleted { partition, replicas }
            | F::ReassignmentCancelled { partition, replicas } => {
                self.cluster.assign(partition, replicas.clone(), last);
            }
            F::ConfigChanged { resource, name, value } => {
                self.cluster.configure(resource, name, value.as_deref(), last);
            }
            _ => {}
        }
        unsettled.partitions.extend(fact.partition().map(|partition| (at, partition.clone())));
    }

    fn activate(&mut self, at: Moment, epoch: LeaderEpoch) {
        self.cluster.gone.remove(&at.node);
        let finding = one_leader_per_epoch::lead(&mut self.cluster.reigns, epoch, at.node);
        self.findings.note(Promise::OneActiveControllerPerEpoch, at, None, finding);
    }

    fn fence(&mut self, at: Moment, broker: NodeId, unsettled: &mut Unsettled) {
        self.cluster.fenced.insert(broker);
        unsettled.fencing = Some(at);
    }

    /// A new life of a broker is fenced until it has caught up; one that only registers again is not.
    fn register_anew(&mut self, at: Moment, broker: NodeId, unsettled: &mut Unsettled) {
        self.cluster.begin_with_nothing(broker);
        if self.cluster.restarted.get(&broker).is_some_and(|started| *started < at) {
            self.cluster.restarted.remove(&broker);
            self.fence(at, broker, unsettled);
        }
    }

    fn create(
        &mut self,
        at: Moment,
        name: &TopicPartition,
        leader: Option<NodeId>,
        replicas: &Nodes,
        isr: &Nodes,
    ) {
        self.cluster.deleted.create(&name.topic);
        self.begin_afresh(at, &name.topic);
        let partition = self.cluster.partition_mut(name);
        partition.leader = leader;
        partition.leader_epoch = LeaderEpoch(0);
        partition.partition_epoch = PartitionEpoch(0);
        partition.replicas = replicas.clone();
        partition.isr = isr.clone();
    }

    pub(super) fn elect(
        &mut self,
        at: Moment,
        name: &TopicPartition,
        leader: NodeId,
        epoch: LeaderEpoch,
        isr: Nodes,
        clean: bool,
    ) {
        let unclean_by = (!clean).then(|| self.uncleanly_permitted(name)).flatten();
        self.follow_leader_epoch(at, name, epoch, Some(leader));
        if clean {
            self.admit(at, name, &isr);
        }
        self.put_in_sync(name, &isr);
        let partition = self.cluster.partition_mut(name);
        partition.elections.push(Election { at, leader, epoch, clean, unclean_by });
        partition.excuse = partition.excuse.or(unclean_by);
    }

    fn uncleanly_permitted(&self, name: &TopicPartition) -> Option<Setting> {
        if self.cluster.topic(&name.topic).unclean_leader_election {
            return Some(Setting::UncleanLeaderElection);
        }
        if self.cluster.unclean_requested.contains(name) {
            return Some(Setting::UncleanElectionRequested);
        }
        self.last_known_leader_permitted(name)
    }

    /// With eligible leader replicas the last known leader is elected when everybody else who was eligible
    /// has stopped uncleanly: a promise to `min.insync.replicas` covers one such stop less (KIP-966).
    fn last_known_leader_permitted(&self, name: &TopicPartition) -> Option<Setting> {
        let partition = self.cluster.partition(name)?;
        let replicas = partition.replicas.iter().filter_map(|node| partition.copies.replica(*node));
        let stopped = replicas.filter(|replica| replica.unclean).count() as u32;
        let min_isr = self.cluster.min_isr(partition);
        let permitted = self.cluster.settings.eligible_leader_replicas && stopped >= min_isr;
        permitted.then_some(Setting::MinInsyncReplicas(min_isr))
    }

    fn lose_leader(&mut self, at: Moment, name: &TopicPartition, epoch: LeaderEpoch, isr: &Nodes) {
        self.follow_leader_epoch(at, name, epoch, None);
        self.put_in_sync(name, isr);
    }

    fn follow_leader_epoch(
        &mut self,
        at: Moment,
        name: &TopicPartition,
        epoch: LeaderEpoch,
        leader: Option<NodeId>,
    ) {
        let partition = self.cluster.partition_mut(name);
        let known = std::mem::replace(&mut partition.leader_epoch, epoch);
        let before = std::mem::replace(&mut partition.leader, leader);
        let finding = epochs_are_monotonic::check(known, epoch, before == leader, "leader");
        self.findings.note(Promise::LeaderEpochIsMonotonic, at, Some(name), finding);
    }

    pub(super) fn change_isr(
        &mut self,
        at: Moment,
        name: &TopicPartition,
        isr: &Nodes,
        epoch: PartitionEpoch,
    ) {
        let partition = self.cluster.partition_mut(name);
        let known = std::mem::replace(&mut partition.partition_epoch, epoch);
        let finding = epochs_are_monotonic::check(known, epoch, partition.isr == *isr, "partition");
        self.findings.note(Promise::PartitionEpochIsMonotonic, at, Some(name), finding);
        self.admit(at, name, isr);
        self.put_in_sync(name, isr);
    }

    /// These are in sync from now on. If one is left, and it has lost something while it was in sync, it leads
    /// all the same: without eligible leader replicas the last one is trusted (KIP-966).
    pub(super) fn put_in_sync(&mut self, name: &TopicPartition, isr: &Nodes) {
        let partition = self.cluster.partition_mut(name);
        partition.isr = isr.clone();
        if let [last] = **isr
            && partition.copies.replica(last).is_some_and(Replica::may_lack)
        {
            self.excuse(last, name);
        }
    }

    /// Who enters the ISR must have what is committed; with that a lossy past is forgiven.
    fn admit(&mut self, at: Moment, name: &TopicPartition, isr: &[NodeId]) {
        let partition = self.cluster.partition_mut(name);
        let (committed, excuse) = (partition.committed, partition.excuse);
        let before = partition.isr.clone();
        let cuts = partition.copies.cuts().iter();
        let losses = cuts.filter(|cut| cut.at > at && cut.cause.loses_data());
        let lost_since: Vec<NodeId> = losses.map(|cut| cut.at.node).collect();
        for member in isr.iter().filter(|member| !before.contains(member)) {
            let Some(replica) = partition.copies.known_mut(*member) else { continue };
            // What it lost after this was decided is not forgiven by it, nor a disk that it has not begun
            // to fill again: it is dead, and the controller does not know yet.
            replica.lossy &= lost_since.contains(member) || replica.end.is_none();
            replica.unclean = false;
            let Some(end) = replica.end else { continue };
            let finding = isr_member_has_committed_records::check(*member, end, committed)
                .map_err(|breach| breach.permitted(excuse));
            let promise = Promise::IsrMemberHasCommittedRecords;
            self.findings.note(promise, at, Some(name), finding);
        }
    }

    fn add(&mut self, name: &TopicPartition, adding: &Nodes, last: Offset) {
        let replicas = &self.cluster.partition_mut(name).replicas;
        let new = adding.iter().filter(|node| !replicas.contains(node));
        let replicas = replicas.iter().chain(new).copied().collect();
        self.cluster.assign(name, replicas, last);
    }

    /// What came into force together must now fit together.
    fn settle(&mut self, Unsettled { partitions, fencing }: Unsettled) {
        for (at, name) in partitions {
            self.examine_decision(at, &name);
        }
        if let Some(at) = fencing {
            self.examine_fencing(at);
        }
    }

    fn examine_decision(&mut self, at: Moment, name: &TopicPartition) {
        let Some(partition) = self.cluster.partition(name) else { return };
        let eligible = self.cluster.settings.eligible_leader_replicas;
        let (leader, isr, replicas) = (partition.leader, &partition.isr, &partition.replicas);
        let fenced =
            no_fenced_broker_in_isr::check(isr, |node| self.cluster.fenced.contains(&node));
        let alive = leader_is_alive::check(leader, |node| self.cluster.fenced.contains(&node));
        let findings = [
            (Promise::LeaderInIsr, leader_in_isr::check(leader, isr)),
            (Promise::LeaderIsAlive, alive),
            (Promise::IsrIsSubsetOfReplicas, isr_rules::is_subset(isr, replicas)),
            (Promise::IsrNeverEmpty, isr_rules::is_not_empty(isr, eligible)),
            (Promise::NoFencedBrokerInIsr, fenced),
        ];
        for (promise, finding) in findings {
            self.findings.note(promise, at, Some(name), finding);
        }
    }

    fn examine_fencing(&mut self, at: Moment) {
        let mut looks = 0;
        let mut broken = Vec::new();
        for partition in self.cluster.partitions() {
            looks += 1;
            let check = no_fenced_broker_in_isr::check(&partition.isr, |node| {
                self.cluster.fenced.contains(&node)
            });
            if let Err(breach) = check {
                broken.push((partition.name.clone(), breach));
            }
        }
        self.findings.kept(Promise::NoFencedBrokerInIsr, looks - broken.len() as u64);
        for (name, breach) in broken {
            self.findings.note(Promise::NoFencedBrokerInIsr, at, Some(&name), Err(breach));
        }
    }
}
