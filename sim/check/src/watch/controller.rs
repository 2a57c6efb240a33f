//! Facts of the controller: elections, ISRs, fencing.
//!
//! One step of a controller may state several facts about one decision (a broker is fenced, leaves an ISR,
//! another one leads). The rules about leader and ISR are asked when the step is over.

use crate::invariant::{
    epochs_are_monotonic, isr_member_has_committed_records, isr_rules, leader_in_isr,
    no_fenced_broker_in_isr, one_leader_per_epoch,
};
use crate::judge::{Judge, Unsettled};
use crate::picture::Election;
use crate::promise::Promise;
use crate::settings::Setting;
use crate::verdict::Moment;
use klab_machine::fact::ControllerFact;
use klab_wire::{ElectionType, LeaderEpoch, NodeId, PartitionEpoch, TopicPartition};
use std::sync::Arc;

type Nodes = Arc<[NodeId]>;

impl Judge {
    pub(super) fn watch_controller(&mut self, at: Moment, fact: &ControllerFact) {
        use ControllerFact as F;
        match fact {
            F::ControllerActivated { epoch } => self.activate(at, *epoch),
            F::ControllerResigned { .. } => {
                self.cluster.controllers.remove(&at.node);
            }
            // What a deposed controller still decides will never be committed.
            _ if !self.cluster.is_current_controller(at.node) => {}
            F::BrokerFenced { broker } => self.fence(at, *broker),
            F::BrokerRegistered { broker, .. } => self.register_anew(at, *broker),
            F::BrokerUnfenced { broker } | F::BrokerUnregistered { broker } => {
                self.cluster.fenced.remove(broker);
            }
            F::TopicDeleted { topic, .. } => {
                self.cluster.forget(topic);
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
            F::ReassignmentStarted { partition, adding, .. } => self.add(at, partition, adding),
            F::ReassignmentCompleted { partition, replicas }
            | F::ReassignmentCancelled { partition, replicas } => {
                self.cluster.partition_mut(partition).replicas = replicas.clone();
                self.unsettle(at, partition);
            }
            F::ElectionRequested { partition, election: ElectionType::Unclean } => {
                self.cluster.unclean_requested.insert(partition.clone());
            }
            F::ConfigChanged { resource, name, value } => {
                self.cluster.configure(resource, name, value.as_deref());
            }
            _ => {}
        }
    }

    fn activate(&mut self, at: Moment, epoch: LeaderEpoch) {
        self.cluster.controllers.insert(at.node, epoch);
        let finding = one_leader_per_epoch::lead(&mut self.cluster.reigns, epoch, at.node);
        self.findings.note(Promise::OneActiveControllerPerEpoch, at, None, finding);
    }

    fn fence(&mut self, at: Moment, broker: NodeId) {
        let reign = self.cluster.reign();
        self.cluster.fenced.insert(broker, reign);
        self.unsettled.step = at.step;
        self.unsettled.fencing = Some(at);
    }

    /// A new life of a broker is fenced until it has caught up; one that only registers again is not.
    fn register_anew(&mut self, at: Moment, broker: NodeId) {
        if self.cluster.restarted.remove(&broker) {
            self.fence(at, broker);
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
        let reign = self.cluster.reign();
        let partition = self.cluster.partition_mut(name);
        partition.reign = reign;
        partition.leader = leader;
        partition.leader_epoch = LeaderEpoch(0);
        partition.partition_epoch = PartitionEpoch(0);
        partition.replicas = replicas.clone();
        partition.isr = isr.clone();
        self.unsettle(at, name);
    }

    fn elect(
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
        let partition = self.cluster.partition_mut(name);
        partition.isr = isr;
        partition.elections.push(Election { at, leader, epoch, clean, unclean_by });
        partition.excuse = partition.excuse.or(unclean_by);
        self.unsettle(at, name);
    }

    fn uncleanly_permitted(&self, name: &TopicPartition) -> Option<Setting> {
        if self.cluster.topic(&name.topic).unclean_leader_election {
            return Some(Setting::UncleanLeaderElection);
        }
        let requested = self.cluster.unclean_requested.contains(name);
        requested.then_some(Setting::UncleanElectionRequested)
    }

    fn lose_leader(&mut self, at: Moment, name: &TopicPartition, epoch: LeaderEpoch, isr: &Nodes) {
        self.follow_leader_epoch(at, name, epoch, None);
        self.cluster.partition_mut(name).isr = isr.clone();
        self.unsettle(at, name);
    }

    fn follow_leader_epoch(
        &mut self,
        at: Moment,
        name: &TopicPartition,
        epoch: LeaderEpoch,
        leader: Option<NodeId>,
    ) {
        let reign = self.cluster.reign();
        let partition = self.cluster.partition_mut(name);
        let known = std::mem::replace(&mut partition.leader_epoch, epoch);
        let before = std::mem::replace(&mut partition.leader, leader);
        if partition.reign == reign {
            let same = before == leader;
            let finding = epochs_are_monotonic::check(known, epoch, same, "leader");
            self.findings.note(Promise::LeaderEpochIsMonotonic, at, Some(name), finding);
        }
        self.begin_reign(name);
    }

    fn change_isr(
        &mut self,
        at: Moment,
        name: &TopicPartition,
        isr: &Nodes,
        epoch: PartitionEpoch,
    ) {
        let reign = self.cluster.reign();
        let partition = self.cluster.partition_mut(name);
        let known = std::mem::replace(&mut partition.partition_epoch, epoch);
        if partition.reign == reign {
            let same = partition.isr == *isr;
            let finding = epochs_are_monotonic::check(known, epoch, same, "partition");
            self.findings.note(Promise::PartitionEpochIsMonotonic, at, Some(name), finding);
        }
        self.begin_reign(name);
        self.admit(at, name, isr);
        self.cluster.partition_mut(name).isr = isr.clone();
        self.unsettle(at, name);
    }

    /// A new controller may give epochs again that its predecessor gave without committing them.
    fn begin_reign(&mut self, name: &TopicPartition) {
        let reign = self.cluster.reign();
        let partition = self.cluster.partition_mut(name);
        if partition.reign != reign {
            partition.reign = reign;
            partition.partition_epoch = PartitionEpoch(0);
        }
    }

    /// Who enters the ISR must have what is committed; with that a lossy past is forgiven.
    fn admit(&mut self, at: Moment, name: &TopicPartition, isr: &[NodeId]) {
        let partition = self.cluster.partition_mut(name);
        let (committed, excuse) = (partition.committed, partition.excuse);
        let before = partition.isr.clone();
        for member in isr.iter().filter(|member| !before.contains(member)) {
            let Some(replica) = partition.copies.replica_mut(*member) else { continue };
            replica.lossy = false;
            let Some(end) = replica.end else { continue };
            let finding = isr_member_has_committed_records::check(*member, end, committed)
                .map_err(|breach| breach.permitted(excuse));
            let promise = Promise::IsrMemberHasCommittedRecords;
            self.findings.note(promise, at, Some(name), finding);
        }
    }

    fn add(&mut self, at: Moment, name: &TopicPartition, adding: &Nodes) {
        let partition = self.cluster.partition_mut(name);
        let new = adding.iter().filter(|node| !partition.replicas.contains(node));
        partition.replicas = partition.replicas.iter().chain(new).copied().collect();
        self.unsettle(at, name);
    }

    fn unsettle(&mut self, at: Moment, name: &TopicPartition) {
        self.unsettled.step = at.step;
        self.unsettled.partitions.push((at, name.clone()));
    }

    /// A controller's step is over: what it decided must now fit together.
    pub(crate) fn settle(&mut self) {
        let Unsettled { partitions, fencing, .. } = std::mem::take(&mut self.unsettled);
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
        let fenced = no_fenced_broker_in_isr::check(isr, |node| self.is_fenced(node));
        let findings = [
            (Promise::LeaderInIsr, leader_in_isr::check(leader, isr)),
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
            let check = no_fenced_broker_in_isr::check(&partition.isr, |node| self.is_fenced(node));
            if let Err(breach) = check {
                broken.push((partition.name.clone(), breach));
            }
        }
        self.findings.kept(Promise::NoFencedBrokerInIsr, looks - broken.len() as u64);
        for (name, breach) in broken {
            self.findings.note(Promise::NoFencedBrokerInIsr, at, Some(&name), Err(breach));
        }
    }

    /// Fenced by the controller that reigns now: what an earlier one decided may not have been committed.
    fn is_fenced(&self, node: NodeId) -> bool {
        self.cluster.fenced.get(&node) == Some(&self.cluster.reign())
    }
}
