//! Brokers come and go (`processBrokerChange`, `onBrokerStartup`, `onBrokerFailure`).
//!
//! Who is alive, the ensemble decides: a broker's znode goes when its session does. One whose znode has another
//! epoch than before has been away and is back (KIP-380): it is treated as if both had been seen.

use super::KafkaController;
use super::context::{LiveBroker, PartitionAndReplica};
use super::partition_states::{PartitionStep, all_failed, read};
use super::reassignment::ReassignStep;
use super::replica_states::ReplicaStep;
use super::states::{PartitionState, ReplicaState};
use super::step::Step;
use super::task::{Task, children, data};
use super::topic_deletion::DeletionStep;
use klab_machine::Outbox;
use klab_machine::fact::ControllerFact;
use klab_wire::config::switches::BrokerEpochs;
use klab_wire::znodes::{BrokerIdZNode, path};
use klab_wire::zookeeper::Op;
use klab_wire::{
    BrokerEpoch, ErrorCode, LeaderAndIsrResponse, NodeId, TopicIdPartition, TopicPartition,
};
use std::collections::{BTreeMap, BTreeSet};

/// What for the brokers are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BrokersFor {
    /// A new controller takes over.
    Failover,
    /// Some have come or gone.
    Change,
}

/// What is still to be done about brokers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum BrokerStep {
    /// Which are registered?
    Read(BrokersFor),
    /// That was read: read them.
    IdsRead(BrokersFor),
    /// Read these.
    ReadThese(BrokersFor, Vec<NodeId>),
    /// They were read.
    BrokersRead(BrokersFor, Vec<NodeId>),
    /// These are here (`onBrokerStartup`).
    Begin(BTreeMap<NodeId, LiveBroker>),
    /// These are gone (`onBrokerFailure`).
    End(BTreeSet<NodeId>),
    /// Everybody learns who is alive, if no change of a partition has told it.
    TellTheRest,
    /// Look after these.
    Watch(Vec<NodeId>),
    /// A broker's znode has other data.
    ReadModified(NodeId),
    /// It was read.
    Modified(NodeId),
}

impl From<BrokerStep> for Step {
    fn from(step: BrokerStep) -> Self {
        Step::Brokers(step)
    }
}

impl KafkaController {
    pub(super) fn brokers(&mut self, step: BrokerStep, task: &mut Task, out: &mut Outbox) {
        match step {
            BrokerStep::Read(purpose) => {
                task.ask([Op::GetChildren { path: path::broker_ids(), watch: true }]);
                task.then([BrokerStep::IdsRead(purpose).into()]);
            }
            BrokerStep::IdsRead(purpose) => {
                let names = children(task.answer());
                let ids = names.iter().filter_map(|name| path::broker_of(name)).collect();
                task.then([BrokerStep::ReadThese(purpose, ids).into()]);
            }
            BrokerStep::ReadThese(purpose, ids) => {
                task.ask(ids.iter().map(|broker| read(path::broker_id(*broker))));
                task.then([BrokerStep::BrokersRead(purpose, ids).into()]);
            }
            BrokerStep::BrokersRead(purpose, ids) => {
                let known = registered(ids, task);
                match purpose {
                    BrokersFor::Failover => self.context.live_brokers = known,
                    BrokersFor::Change => self.brokers_changed(known, task),
                }
            }
            BrokerStep::Begin(brokers) => self.brokers_begin(brokers, task, out),
            BrokerStep::End(brokers) => self.brokers_end(&brokers, task, out),
            BrokerStep::TellTheRest => {
                if all_failed(&task.elections) {
                    self.send_update_metadata([]);
                }
            }
            BrokerStep::Watch(brokers) => self.register_broker_handlers(&brokers, task),
            BrokerStep::ReadModified(broker) => {
                task.ask([read(path::broker_id(broker))]);
                task.then([BrokerStep::Modified(broker).into()]);
            }
            BrokerStep::Modified(broker) => self.broker_modified(broker, task),
        }
    }

    fn brokers_changed(&mut self, now: BTreeMap<NodeId, LiveBroker>, task: &mut Task) {
        let before = &self.context.live_brokers;
        let ended = before.keys().filter(|broker| !now.contains_key(broker)).copied();
        let dead: BTreeSet<NodeId> = ended.collect();
        let (mut new, mut bounced) = (BTreeMap::new(), BTreeMap::new());
        for (broker, registration) in now {
            match before.get(&broker) {
                None => drop(new.insert(broker, registration)),
                Some(earlier) if registration.epoch > earlier.epoch && self.tells_lives_apart() => {
                    bounced.insert(broker, registration);
                }
                Some(_) => {}
            }
        }
        new.keys().for_each(|broker| self.channels.add(*broker));
        for broker in bounced.keys() {
            self.channels.remove(*broker);
            self.channels.add(*broker);
        }
        dead.iter().for_each(|broker| self.channels.remove(*broker));
        let was_away: BTreeSet<NodeId> = bounced.keys().copied().collect();
        for (step, is_empty) in [
            (BrokerStep::End(dead.clone()), dead.is_empty()),
            (BrokerStep::Begin(bounced), was_away.is_empty()),
            (BrokerStep::End(was_away.clone()), was_away.is_empty()),
            (BrokerStep::Begin(new.clone()), new.is_empty()),
        ] {
            if !is_empty {
                task.then([step.into()]);
            }
        }
    }

    /// Before KIP-380 a broker that was away and is back looks as if nothing had happened.
    fn tells_lives_apart(&self) -> bool {
        self.settings.switches.broker_epoch == BrokerEpochs::On
    }

    fn brokers_begin(
        &mut self,
        brokers: BTreeMap<NodeId, LiveBroker>,
        task: &mut Task,
        out: &mut Outbox,
    ) {
        let new: BTreeSet<NodeId> = brokers.keys().copied().collect();
        let known: Vec<_> = self.context.live_or_shutting_down().collect();
        for (broker, registration) in brokers {
            let epoch = registration.epoch;
            out.state(ControllerFact::BrokerRegistered { broker, epoch });
            out.state(ControllerFact::BrokerUnfenced { broker });
            self.context.replicas_on_offline_dirs.remove(&broker);
            self.context.live_brokers.insert(broker, registration);
        }
        self.batch.add_update_metadata(known, [], &self.context);
        self.send_batch();
        let all = self.context.partitions_with_leaders();
        self.batch.add_update_metadata(new.iter().copied(), &all, &self.context);
        self.send_batch();
        let replicas = self.context.replicas_on(&new);
        let topics = replicas.iter().map(|one| one.partition.topic.clone()).collect();
        task.then([
            ReplicaStep::Change(replicas, ReplicaState::Online).into(),
            PartitionStep::BringAllOnline.into(),
            ReassignStep::ResumeOn(new.clone()).into(),
            DeletionStep::ResumeFor(topics).into(),
            BrokerStep::Watch(new.into_iter().collect()).into(),
        ]);
    }

    fn brokers_end(&mut self, brokers: &BTreeSet<NodeId>, task: &mut Task, out: &mut Outbox) {
        for broker in brokers {
            out.state(ControllerFact::BrokerFenced { broker: *broker });
            self.keeper.forget_data(&path::broker_id(*broker));
            self.context.live_brokers.remove(broker);
            self.context.replicas_on_offline_dirs.remove(broker);
            self.context.shutting_down.remove(broker);
        }
        let replicas = self.context.replicas_on(brokers);
        self.replicas_become_offline(replicas, task);
    }

    /// Partitions whose leader is gone get another one, and replicas that are gone leave the ISRs
    /// (`onReplicasBecomeOffline`).
    pub(super) fn replicas_become_offline(
        &mut self,
        replicas: Vec<PartitionAndReplica>,
        task: &mut Task,
    ) {
        let is_to_go =
            |one: &PartitionAndReplica| self.context.is_queued_for_deletion(&one.partition.topic);
        let (go, stay): (Vec<_>, Vec<_>) = replicas.into_iter().partition(is_to_go);
        let leaderless = self.context.partitions_with_offline_leader();
        let nobody_is_told = stay.is_empty();
        if nobody_is_told {
            task.then([BrokerStep::TellTheRest.into()]);
        }
        self.fail_deletion(go, task);
        task.then([
            PartitionStep::Change(leaderless, PartitionState::Offline).into(),
            PartitionStep::BringAllOnline.into(),
            ReplicaStep::Change(stay, ReplicaState::Offline).into(),
        ]);
    }

    pub(super) fn register_broker_handlers(&mut self, brokers: &[NodeId], task: &mut Task) {
        for broker in brokers {
            let path = path::broker_id(*broker);
            self.keeper.handle_data(path.clone());
            task.ask([Op::Exists { path, watch: true }]);
        }
    }

    /// What clients are to know of a broker may have changed (`processBrokerModification`).
    fn broker_modified(&mut self, broker: NodeId, task: &mut Task) {
        let Ok(Some((found, _))) = data(task.answer()) else { return };
        let Some(new) = BrokerIdZNode::decode(broker, &found) else { return };
        let Some(known) = self.context.live_brokers.get_mut(&broker) else { return };
        if known.rack != new.rack {
            known.rack = new.rack;
            self.send_update_metadata([]);
        }
    }

    /// Replicas whose log directory has failed are offline, though their broker is alive
    /// (`processLeaderAndIsrResponseReceived`).
    pub(super) fn leader_and_isr_answered(
        &mut self,
        broker: NodeId,
        response: &LeaderAndIsrResponse,
        task: &mut Task,
    ) {
        if response.error != ErrorCode::None {
            return;
        }
        let mut newly_offline = Vec::new();
        for answer in &response.partitions {
            let Some(partition) = self.named(answer.id) else { continue };
            let offline = self.context.replicas_on_offline_dirs.entry(broker).or_default();
            match answer.error {
                ErrorCode::None => drop(offline.remove(&partition)),
                ErrorCode::KafkaStorageError if offline.insert(partition.clone()) => {
                    newly_offline.push(PartitionAndReplica { partition, replica: broker });
                }
                _ => {}
            }
        }
        if !newly_offline.is_empty() {
            self.replicas_become_offline(newly_offline, task);
        }
    }

    pub(super) fn named(&self, id: TopicIdPartition) -> Option<TopicPartition> {
        let topic = self.context.topic_name(id.topic)?.clone();
        Some(TopicPartition { topic, partition: id.partition })
    }
}

fn registered(ids: Vec<NodeId>, task: &mut Task) -> BTreeMap<NodeId, LiveBroker> {
    let answers = if ids.is_empty() { Vec::new() } else { task.answers() };
    let live = ids.into_iter().zip(answers).filter_map(|(broker, outcome)| {
        let (found, stat) = data(outcome).ok().flatten()?;
        let rack = BrokerIdZNode::decode(broker, &found)?.rack;
        Some((broker, LiveBroker { epoch: BrokerEpoch(stat.czxid.0), rack }))
    });
    live.collect()
}
