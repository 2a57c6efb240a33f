//! Partitions get leaders (`ZkPartitionStateMachine`).
//!
//! A new partition is led by the first of its replicas that is alive, and all that are alive are in sync. One that
//! has had a leader is read from ZooKeeper first, and written on the condition that nobody has written it since:
//! if somebody has, it is read again.

use super::KafkaController;
use super::elections::{self, Candidates, Strategy};
use super::request_batch::Sender;
use super::setup::Settings;
use super::states::PartitionState;
use super::step::Step;
use super::task::{Elections, Guard, Outcome, Task, data};
use klab_machine::{Mutant, Outbox};
use klab_wire::config::switches::{IsrWriteInDoubt, LeaderRecovery};
use klab_wire::znodes::{
    ConfigEntityZNode, LeaderAndIsr, LeaderIsrAndControllerEpoch, TopicPartitionStateZNode, path,
};
use klab_wire::zookeeper::{Acl, Answer, CreateMode, Data, KeeperError, Op, Path};
use klab_wire::{ConfigResource, ErrorCode, NodeId, PartitionEpoch, TopicName, TopicPartition};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What the partition state machine has still to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PartitionStep {
    /// Bring these into a state (`handleStateChanges`).
    Change(Vec<TopicPartition>, PartitionState),
    /// Bring these online; those that have had a leader by such an election.
    BringOnline(Vec<TopicPartition>, Strategy),
    /// Bring everything online that has no leader (`triggerOnlinePartitionStateChange`).
    BringAllOnline,
    /// The states of new partitions were created.
    Initialized(Vec<(TopicPartition, LeaderAndIsr)>),
    /// Those that were there already were read.
    FoundRead(Vec<TopicPartition>),
    /// Read the states of partitions that need a leader.
    Elect(Vec<TopicPartition>, Strategy),
    /// They were read.
    StatesRead(Vec<TopicPartition>, Strategy),
    /// The configs of topics that may have an unclean leader were read.
    ConfigsRead(Vec<(TopicPartition, LeaderAndIsr)>, Vec<TopicName>),
    /// Their new states were written.
    Written(Vec<Election>, Strategy),
    /// Tell the brokers.
    Send,
}

/// An election in a partition: how it stood, how it is to stand, and who is to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Election {
    partition: TopicPartition,
    before: LeaderAndIsr,
    after: LeaderAndIsr,
    recipients: Vec<NodeId>,
}

impl KafkaController {
    pub(super) fn partitions(&mut self, step: PartitionStep, task: &mut Task, out: &mut Outbox) {
        match step {
            PartitionStep::Change(partitions, state) => self.change_partitions(partitions, state),
            PartitionStep::BringOnline(partitions, strategy) => {
                self.bring_online(partitions, strategy, task);
            }
            PartitionStep::BringAllOnline => {
                let waiting = self.context.partitions_to_bring_online();
                self.bring_online(waiting, Strategy::Offline { allow_unclean: false }, task);
            }
            PartitionStep::Initialized(states) => self.partitions_initialized(states, task, out),
            PartitionStep::FoundRead(partitions) => self.found_read(partitions, task, out),
            PartitionStep::Elect(partitions, strategy) => {
                task.ask(partitions.iter().map(read_state));
                task.then([PartitionStep::StatesRead(partitions, strategy).into()]);
            }
            PartitionStep::StatesRead(partitions, strategy) => {
                self.states_read(partitions, strategy, task);
            }
            PartitionStep::ConfigsRead(states, topics) => self.configs_read(states, topics, task),
            PartitionStep::Written(elections, strategy) => {
                self.elections_written(elections, strategy, task, out);
            }
            PartitionStep::Send => self.send_batch(),
        }
    }

    pub(super) fn change_partitions(
        &mut self,
        partitions: Vec<TopicPartition>,
        state: PartitionState,
    ) {
        for partition in partitions {
            if state.may_follow(self.context.partition_state(&partition)) {
                self.context.put_partition_state(&partition, state);
            }
        }
    }

    fn bring_online(&mut self, all: Vec<TopicPartition>, strategy: Strategy, task: &mut Task) {
        task.elections.clear();
        let (mut new, mut known) = (Vec::new(), Vec::new());
        for partition in all {
            match self.context.partition_state(&partition) {
                PartitionState::New => new.push(partition),
                PartitionState::Online | PartitionState::Offline => known.push(partition),
                PartitionState::NonExistent => {}
            }
        }
        if new.is_empty() && known.is_empty() {
            return;
        }
        let mut steps = Vec::new();
        if !known.is_empty() {
            steps.push(PartitionStep::Elect(known, strategy).into());
        }
        steps.push(PartitionStep::Send.into());
        task.then(steps);
        self.initialize(new, task);
    }

    /// `initializeLeaderAndIsrForPartitions`. A partition of which no replica is alive stays new.
    fn initialize(&mut self, new: Vec<TopicPartition>, task: &mut Task) {
        let state = |partition: TopicPartition| {
            let replicas = self.context.replicas(&partition);
            let online = |node: &NodeId| self.context.is_online(*node, &partition);
            let live: Arc<[NodeId]> = replicas.iter().copied().filter(online).collect();
            let leader = *live.first()?;
            Some((partition, LeaderAndIsr::new(leader, live)))
        };
        let states: Vec<_> = new.into_iter().filter_map(state).collect();
        if states.is_empty() {
            return;
        }
        let topics: BTreeSet<&TopicName> = states.iter().map(|(one, _)| &one.topic).collect();
        let nothing = Data::default;
        let guard = self.guard();
        task.write(
            topics.into_iter().map(|topic| create(path::partitions(topic), nothing())),
            guard,
        );
        let partitions = states.iter().map(|(one, _)| create(path::partition(one), nothing()));
        task.write(partitions, guard);
        let written =
            states.iter().map(|(one, state)| create(path::state(one), self.written(state)));
        task.write(written, guard);
        task.then([PartitionStep::Initialized(states).into()]);
    }

    fn partitions_initialized(
        &mut self,
        states: Vec<(TopicPartition, LeaderAndIsr)>,
        task: &mut Task,
        out: &mut Outbox,
    ) {
        let mut answers = task.answers();
        let answers = answers.split_off(answers.len() - states.len());
        let mut found = Vec::new();
        for ((partition, leader_and_isr), outcome) in states.into_iter().zip(answers) {
            match outcome {
                Ok(_) => self.partition_initialized(&partition, leader_and_isr, out),
                Err(KeeperError::NodeExists) if self.recognises_its_own() => found.push(partition),
                Err(_) => {}
            }
        }
        if !found.is_empty() {
            task.ask(found.iter().map(read_state));
            task.then([PartitionStep::FoundRead(found).into()]);
        }
    }

    fn partition_initialized(
        &mut self,
        partition: &TopicPartition,
        leader_and_isr: LeaderAndIsr,
        out: &mut Outbox,
    ) {
        let isr = leader_and_isr.isr.clone();
        let state = self.of_this_epoch(leader_and_isr);
        self.context.put_leadership(partition, state.clone());
        self.context.put_partition_state(partition, PartitionState::Online);
        self.batch.add_leader_and_isr(&isr, partition, &state, true, &self.context);
        self.state_new_partition(partition, out);
    }

    fn recognises_its_own(&self) -> bool {
        self.settings.switches.isr_write_in_doubt == IsrWriteInDoubt::Recognised
    }

    /// A state that is there already and is of this epoch was created by this controller, and the connection was
    /// lost before the answer. Kafka takes it for an error, and the partition has no leader until there is another
    /// controller; klab departs from that.
    fn found_read(&mut self, found: Vec<TopicPartition>, task: &mut Task, out: &mut Outbox) {
        for (partition, outcome) in found.into_iter().zip(task.answers()) {
            let state = data(outcome).ok().flatten().and_then(|(data, stat)| decoded(&data, stat));
            if let Some(state) = state.filter(|state| state.controller_epoch == self.context.epoch)
            {
                self.partition_initialized(&partition, state.leader_and_isr, out);
            }
        }
    }

    /// `doElectLeaderForPartitions`.
    fn states_read(
        &mut self,
        partitions: Vec<TopicPartition>,
        strategy: Strategy,
        task: &mut Task,
    ) {
        let mut valid = Vec::new();
        for (partition, outcome) in partitions.into_iter().zip(task.answers()) {
            match self.usable_state(outcome) {
                Ok(state) => valid.push((partition, state)),
                Err(error) => drop(task.elections.insert(partition, Err(error))),
            }
        }
        if let Strategy::Offline { allow_unclean: false } = strategy {
            let lost = valid.iter().filter(|(partition, state)| {
                !state.isr.iter().any(|member| self.context.is_online(*member, partition))
            });
            let topics: BTreeSet<TopicName> = lost.map(|(one, _)| one.topic.clone()).collect();
            let topics: Vec<TopicName> = topics.into_iter().collect();
            task.ask(topics.iter().map(read_config));
            task.then([PartitionStep::ConfigsRead(valid, topics).into()]);
        } else {
            let allow = strategy == Strategy::Offline { allow_unclean: true };
            self.elect(valid, strategy, &|_| allow, task);
        }
    }

    fn configs_read(
        &mut self,
        states: Vec<(TopicPartition, LeaderAndIsr)>,
        topics: Vec<TopicName>,
        task: &mut Task,
    ) {
        let answers = if topics.is_empty() { Vec::new() } else { task.answers() };
        let may_be_unclean = |outcome: Outcome| self.is_unclean_enabled(outcome);
        let unclean: BTreeMap<TopicName, bool> =
            topics.into_iter().zip(answers.into_iter().map(may_be_unclean)).collect();
        let strategy = Strategy::Offline { allow_unclean: false };
        let is_unclean = |topic: &TopicName| unclean.get(topic).copied().unwrap_or(false);
        self.elect(states, strategy, &is_unclean, task);
    }

    /// What a topic's configs say on top of the broker's own.
    fn is_unclean_enabled(&self, outcome: Outcome) -> bool {
        let Ok(read) = data(outcome) else { return false };
        let overrides = read.map(|(data, _)| ConfigEntityZNode::decode(&data)).unwrap_or_default();
        let values = overrides.0.iter().map(|(name, value)| (&**name, &**value));
        match values.clone().find(|(name, _)| *name == "unclean.leader.election.enable") {
            Some((_, value)) => value == "true",
            None => self.is_unclean_by_default(),
        }
    }

    fn elect(
        &mut self,
        states: Vec<(TopicPartition, LeaderAndIsr)>,
        strategy: Strategy,
        is_unclean: &dyn Fn(&TopicName) -> bool,
        task: &mut Task,
    ) {
        let mut elections = Vec::new();
        for (partition, before) in states {
            let unclean = is_unclean(&partition.topic);
            match self.election_in(&partition, &before, strategy, unclean) {
                Some((mut after, recipients)) => {
                    if Mutant::KeepsTheLeaderEpoch.lives() {
                        after.leader_epoch = before.leader_epoch;
                    }
                    elections.push(Election { partition, before, after, recipients });
                }
                None => {
                    let error = ErrorCode::EligibleLeadersNotAvailable;
                    task.elections.insert(partition, Err(error));
                }
            }
        }
        let writes = elections.iter().map(|one| self.write_state(&one.partition, &one.after));
        let (writes, guard): (Vec<Op>, Guard) = (writes.collect(), self.guard());
        if writes.is_empty() {
            return;
        }
        task.write(writes, guard);
        task.then([PartitionStep::Written(elections, strategy).into()]);
    }

    /// Who leads then, and which brokers are told (`Election`).
    fn election_in(
        &self,
        partition: &TopicPartition,
        state: &LeaderAndIsr,
        strategy: Strategy,
        unclean: bool,
    ) -> Option<(LeaderAndIsr, Vec<NodeId>)> {
        let context = &self.context;
        let online =
            |node: NodeId| context.is_online(node, partition) || Mutant::ElectsTheGone.lives();
        let present = |node: NodeId| context.is_online_or_shutting_down(node, partition);
        let replicas = context.replicas(partition);
        match strategy {
            Strategy::Offline { .. } => {
                let marks_recovery =
                    self.settings.switches.leader_recovery_state == LeaderRecovery::On;
                let candidates = Candidates { state, replicas: &replicas, unclean, marks_recovery };
                let live = replicas.iter().copied().filter(|node| online(*node));
                Some((elections::for_offline(candidates, online)?, live.collect()))
            }
            Strategy::Reassign => {
                let target = context.assignment(partition).target_replicas();
                Some((elections::for_reassignment(state, &target, online)?, target.to_vec()))
            }
            Strategy::Preferred => {
                Some((elections::for_preferred(state, &replicas, online)?, replicas.to_vec()))
            }
            Strategy::ControlledShutdown => {
                let leaving = |node| context.shutting_down.contains(&node);
                let there = replicas.iter().copied().filter(|node| present(*node)).collect();
                let after = elections::for_controlled_shutdown(state, &replicas, present, leaving);
                Some((after?, there))
            }
        }
    }

    fn elections_written(
        &mut self,
        elections: Vec<Election>,
        strategy: Strategy,
        task: &mut Task,
        out: &mut Outbox,
    ) {
        let mut again = Vec::new();
        for (election, outcome) in elections.into_iter().zip(task.answers()) {
            let Election { partition, before, after, recipients } = election;
            match written_version(outcome) {
                Ok(version) => {
                    let after = LeaderAndIsr { partition_epoch: version, ..after };
                    self.state_change(&partition, &before, &after, out);
                    let state = self.of_this_epoch(after.clone());
                    self.context.put_leadership(&partition, state.clone());
                    self.context.put_partition_state(&partition, PartitionState::Online);
                    let context = &self.context;
                    self.batch.add_leader_and_isr(&recipients, &partition, &state, false, context);
                    task.elections.insert(partition, Ok(after));
                }
                // Its leader has written it meanwhile.
                Err(KeeperError::BadVersion) => again.push(partition),
                Err(_) => {
                    task.elections.insert(partition, Err(ErrorCode::UnknownServerError));
                }
            }
        }
        if !again.is_empty() {
            task.then([PartitionStep::Elect(again, strategy).into()]);
        }
    }

    /// A partition's state as it was read, if it may be built upon: one that a later controller has written may
    /// not.
    pub(super) fn usable_state(&self, outcome: Outcome) -> Result<LeaderAndIsr, ErrorCode> {
        let read = data(outcome).map_err(|_| ErrorCode::UnknownServerError)?;
        let decode = |(data, stat): (Data, _)| decoded(&data, stat);
        match read.and_then(decode) {
            Some(state) if state.controller_epoch <= self.context.epoch => Ok(state.leader_and_isr),
            _ => Err(ErrorCode::EligibleLeadersNotAvailable),
        }
    }

    /// A state as this controller writes it.
    pub(super) fn written(&self, state: &LeaderAndIsr) -> Data {
        TopicPartitionStateZNode::encode(&self.of_this_epoch(state.clone()))
    }

    /// The write of a partition's state, on the condition that nobody has written it since it was read.
    pub(super) fn write_state(&self, partition: &TopicPartition, state: &LeaderAndIsr) -> Op {
        let version = Some(state.partition_epoch.0);
        Op::SetData { path: path::state(partition), data: self.written(state), version }
    }

    pub(super) fn of_this_epoch(
        &self,
        leader_and_isr: LeaderAndIsr,
    ) -> LeaderIsrAndControllerEpoch {
        LeaderIsrAndControllerEpoch { leader_and_isr, controller_epoch: self.context.epoch }
    }

    pub(super) fn send_batch(&mut self) {
        let Settings { identity, switches, .. } = &*self.settings;
        let sender = Sender { node: identity.node, switches };
        self.batch.send(sender, &self.context, &mut self.channels);
    }
}

impl From<PartitionStep> for Step {
    fn from(step: PartitionStep) -> Self {
        Step::Partitions(step)
    }
}

/// What elections have come to: whether all of them failed.
pub(super) fn all_failed(elections: &Elections) -> bool {
    elections.values().all(Result::is_err)
}

/// The version of a znode after it was written.
pub(super) fn written_version(outcome: Outcome) -> Result<PartitionEpoch, KeeperError> {
    match outcome? {
        Answer::Stat(stat) => Ok(PartitionEpoch(stat.version)),
        other => unreachable!("{other} does not answer a setData"),
    }
}

pub(super) fn decoded(
    data: &Data,
    stat: klab_wire::zookeeper::Stat,
) -> Option<LeaderIsrAndControllerEpoch> {
    TopicPartitionStateZNode::decode(data, stat.version)
}

pub(super) fn read_state(partition: &TopicPartition) -> Op {
    read(path::state(partition))
}

fn read_config(topic: &TopicName) -> Op {
    read(path::config(&ConfigResource::Topic(topic.clone())))
}

/// Whether a watch is set, depends on who looks after the znode.
pub(super) fn read(path: Path) -> Op {
    Op::GetData { path, watch: false }
}

pub(super) fn create(path: Path, data: Data) -> Op {
    Op::Create { path, data, acl: Acl::Open, mode: CreateMode::PERSISTENT }
}
