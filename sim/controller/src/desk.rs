//! A controller on a test's desk: the only voter, with a disk that never fails and time that passes when
//! the test says so.

use crate::testing::nodes;
use crate::{Controller, ControllerSetup, RAFT_NETWORK_CLIENT, bootstrap_records};
use klab_kraft::RaftSetup;
use klab_machine::{
    Block, Change, Command, ConnectionId, CorrelationId, DiskImage, Effect, Fact, Identity, Input,
    Machine, Outbox, Timer,
};
use klab_metadata::{Image, supported_features};
use klab_wire::config::{BrokerConfig, ConfigTable, Release, Switches};
use klab_wire::*;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// A controller and the world around it.
pub struct Desk {
    pub controller: Controller,
    pub now: Time,
    /// Every metadata batch that was written to the log.
    pub log: Vec<Arc<RecordBatch>>,
    pub facts: Vec<Fact>,
    pub has_halted: bool,
    setup: ControllerSetup,
    identity: Identity,
    disk: DiskImage,
    out: Outbox,
    timers: BTreeMap<Timer, Time>,
    answers: BTreeMap<u32, Response>,
    asked: u32,
    epochs: BTreeMap<NodeId, BrokerEpoch>,
    /// Brokers that have asked to shut down: they go on asking until they begin another life.
    leaving: BTreeSet<u16>,
}

impl Desk {
    /// An active controller of 4.0 with the default configuration.
    pub fn new() -> Self {
        Self::with([])
    }

    /// An active controller with these configs.
    pub fn with<const N: usize>(configs: [(&str, &str); N]) -> Self {
        Self::on(DiskImage::default(), configs)
    }

    /// An active controller that finds this on its disk.
    pub fn on<const N: usize>(disk: DiskImage, configs: [(&str, &str); N]) -> Self {
        let config = BrokerConfig::resolve(Release::DEFAULT, configs).unwrap();
        let identity = Identity {
            node: NodeId::voter(1),
            cluster: "test".into(),
            directory: DirectoryId(1),
            incarnation: IncarnationId(1),
            rack: None,
            seed: 7,
        };
        let voter = ReplicaKey { id: identity.node, directory: identity.directory };
        let release = Release::DEFAULT;
        let setup = ControllerSetup {
            quorum: RaftSetup::new(vec![voter], &config, release, RAFT_NETWORK_CLIENT),
            bootstrap: bootstrap_records(release, &config),
            switches: Switches::at(release),
            config,
        };
        Self::boot(setup, identity, disk, Time::ZERO)
    }

    fn boot(setup: ControllerSetup, identity: Identity, disk: DiskImage, now: Time) -> Self {
        let mut out = Outbox::new(0);
        let clocks = clocks(now);
        let controller = Controller::boot(identity.clone(), setup.clone(), &disk, clocks, &mut out);
        let mut desk = Desk {
            controller,
            now,
            log: Vec::new(),
            facts: Vec::new(),
            has_halted: false,
            setup,
            identity,
            disk,
            out,
            timers: BTreeMap::new(),
            answers: BTreeMap::new(),
            asked: 0,
            epochs: BTreeMap::new(),
            leaving: BTreeSet::new(),
        };
        desk.settle();
        desk.pass(Span::from_secs(5));
        assert!(desk.controller.is_active());
        desk
    }

    /// The process dies and starts again; everything stored is still there.
    pub fn restarted(self) -> Self {
        let mut identity = self.identity;
        identity.incarnation = identity.incarnation.next();
        let mut desk = Self::boot(self.setup, identity, self.disk, self.now);
        desk.epochs = self.epochs;
        desk.leaving = self.leaving;
        desk.log = [self.log, desk.log].concat();
        desk
    }

    /// Hands a request over, without waiting for the answer.
    pub fn send(&mut self, request: impl Into<Request>) -> u32 {
        self.asked += 1;
        let correlation = CorrelationId(self.asked);
        let request = request.into();
        self.step(Input::Request { connection: ConnectionId(99), correlation, request });
        self.asked
    }

    /// The answer to a request, if it has come.
    pub fn answer(&mut self, asked: u32) -> Option<Response> {
        self.answers.remove(&asked)
    }

    /// Asks, and waits for the answer.
    pub fn ask(&mut self, request: impl Into<Request>) -> Response {
        let asked = self.send(request);
        self.pass(Span::from_millis(60));
        self.answer(asked).expect("records are committed within the linger time")
    }

    /// The controller gives its leadership up.
    pub fn give_up(&mut self) {
        self.controller.give_up(clocks(self.now), None, &mut self.out);
        self.settle();
    }

    pub fn disk(&self) -> &DiskImage {
        &self.disk
    }

    pub fn command(&mut self, command: Command) {
        self.step(Input::Command(command));
    }

    /// Lets time pass.
    pub fn pass(&mut self, span: Span) {
        let end = self.now + span;
        while let Some((timer, at)) = self.next_timer().filter(|(_, at)| *at <= end) {
            self.now = self.now.max(at);
            self.timers.remove(&timer);
            self.step(Input::Timer(timer));
        }
        self.now = end;
    }

    fn next_timer(&self) -> Option<(Timer, Time)> {
        self.timers.iter().map(|(timer, at)| (*timer, *at)).min_by_key(|(timer, at)| (*at, *timer))
    }

    fn step(&mut self, input: Input) {
        if self.has_halted {
            return;
        }
        let now = clocks(self.now);
        self.controller.step(now, input, &mut self.out);
        self.settle();
    }

    fn settle(&mut self) {
        let mut flushed: VecDeque<_> = self.carry_out().into();
        while let Some(then) = flushed.pop_front() {
            let now = clocks(self.now);
            self.controller.step(now, Input::Flushed(then), &mut self.out);
            flushed.extend(self.carry_out());
        }
    }

    fn carry_out(&mut self) -> Vec<klab_machine::FlushId> {
        let mut flushed = Vec::new();
        self.facts.extend(self.out.drain_facts());
        let effects: Vec<Effect> = self.out.drain().collect();
        for effect in effects {
            match effect {
                Effect::Respond { correlation, response, .. } => {
                    let known = self.answers.insert(correlation.0, response);
                    assert!(known.is_none(), "a request is answered once");
                }
                Effect::SetTimer { timer, after } => {
                    self.timers.insert(timer, self.now + after);
                }
                Effect::StopTimer { timer } => drop(self.timers.remove(&timer)),
                Effect::Flush { then, .. } => flushed.push(then),
                Effect::Store { file, change } => self.store(file, change),
                Effect::Halt => self.has_halted = true,
                Effect::Read { .. } | Effect::Spend { .. } => {}
                other => panic!("a single voter has no need of {other:?}"),
            }
        }
        flushed
    }

    fn store(&mut self, file: klab_machine::File, change: Change) {
        if let (klab_machine::File::Segment(..), Change::Append(Block::Batch(batch))) =
            (&file, &change)
        {
            self.log.push(batch.clone());
        }
        self.disk.apply(file, change);
    }

    /// The metadata that follows from the log alone.
    pub fn replayed(&self) -> Image {
        let mut image = Image::default();
        for batch in self.log.iter().filter(|batch| !batch.metadata().is_empty()) {
            image.apply(batch, &mut klab_metadata::Delta::default());
        }
        image
    }

    /// Facts about the controller since the last look, one line each.
    pub fn told(&mut self) -> Vec<String> {
        let facts = std::mem::take(&mut self.facts);
        let of_controller = facts.iter().filter(|fact| matches!(fact, Fact::Controller(_)));
        of_controller.map(ToString::to_string).collect()
    }
}

/// What brokers and operators ask, in a test's few words.
impl Desk {
    pub fn registration(&self, broker: u16, life: u64) -> BrokerRegistrationRequest {
        BrokerRegistrationRequest {
            broker: NodeId::broker(broker),
            cluster: "test".into(),
            incarnation: IncarnationId(life),
            rack: None,
            log_dirs: vec![DirectoryId(100 + u64::from(broker))],
            features: supported_features(),
            previous_broker_epoch: None,
        }
    }

    /// Registers a broker, and keeps its epoch for its heartbeats.
    pub fn register(&mut self, broker: u16, life: u64) -> Result<BrokerEpoch, ErrorCode> {
        let Response::BrokerRegistration(answer) = self.ask(self.registration(broker, life)) else {
            panic!("an answer is of the request's own API")
        };
        match answer.broker_epoch {
            Some(epoch) => {
                if self.epochs.insert(NodeId::broker(broker), epoch) != Some(epoch) {
                    self.leaving.remove(&broker);
                }
                Ok(epoch)
            }
            None => Err(answer.error),
        }
    }

    pub fn epoch(&self, broker: u16) -> BrokerEpoch {
        self.epochs.get(&NodeId::broker(broker)).copied().unwrap_or_default()
    }

    pub fn heartbeat_of(&self, broker: u16) -> BrokerHeartbeatRequest {
        BrokerHeartbeatRequest {
            broker: NodeId::broker(broker),
            broker_epoch: self.epoch(broker),
            current_metadata_offset: self.controller.committed().next_offset,
            want_fence: false,
            want_shut_down: self.leaving.contains(&broker),
        }
    }

    /// A heartbeat of a broker that has all committed metadata.
    pub fn heartbeat(&mut self, broker: u16) -> BrokerHeartbeatResponse {
        self.heartbeat_with(self.heartbeat_of(broker))
    }

    pub fn heartbeat_with(&mut self, request: BrokerHeartbeatRequest) -> BrokerHeartbeatResponse {
        match self.ask(request) {
            Response::BrokerHeartbeat(answer) => *answer,
            other => panic!("no answer to a heartbeat: {other:?}"),
        }
    }

    /// A broker's wish to shut down.
    pub fn shut_down(&mut self, broker: u16) -> BrokerHeartbeatResponse {
        self.leaving.insert(broker);
        self.heartbeat(broker)
    }

    /// Registers brokers and unfences them.
    pub fn with_brokers<const N: usize>(mut self, brokers: [u16; N]) -> Self {
        for broker in brokers {
            self.register(broker, 1).unwrap();
            assert!(!self.heartbeat(broker).is_fenced);
        }
        self.told();
        self
    }

    /// Lets time pass in which only these brokers give signs of life.
    pub fn live(&mut self, span: Span, brokers: &[u16]) {
        let end = self.now + span;
        while self.now < end {
            for broker in brokers {
                self.send(self.heartbeat_of(*broker));
            }
            self.pass(Span::from_secs(1).min(end.since(self.now)));
        }
    }

    /// Creates a topic whose partitions have these replicas.
    pub fn create(&mut self, name: &str, assignments: &[&[u16]]) {
        let created = self.create_with(name, assignments, &[]);
        assert_eq!(created.error, ErrorCode::None, "{:?}", created.message);
        self.told();
    }

    pub fn create_with(
        &mut self,
        name: &str,
        assignments: &[&[u16]],
        configs: &[(&str, &str)],
    ) -> CreatedTopic {
        let assignment = |(replicas, index): (&&[u16], u32)| {
            (PartitionId(index), nodes(replicas.iter().copied()).to_vec())
        };
        let text = |(name, value): &(&str, &str)| (Arc::from(*name), Arc::from(*value));
        self.create_topic(CreatableTopic {
            name: name.into(),
            partitions: None,
            replication_factor: None,
            assignments: assignments.iter().zip(0..).map(assignment).collect(),
            configs: configs.iter().map(text).collect(),
        })
    }

    pub fn create_topic(&mut self, topic: CreatableTopic) -> CreatedTopic {
        let timeout = Span::from_secs(1);
        let request = CreateTopicsRequest { topics: vec![topic], validate_only: false, timeout };
        let Response::CreateTopics(mut answer) = self.ask(request) else {
            panic!("an answer is of the request's own API")
        };
        answer.topics.remove(0)
    }

    pub fn partition(&self, topic: &str, index: u32) -> PartitionRegistration {
        let partition = TopicPartition::new(topic, index);
        let topics = &self.controller.image().topics;
        topics.partition_named(&partition).expect("the partition exists").clone()
    }

    /// A leader's wish for an ISR, in the epochs that the controller knows.
    pub fn wish(&self, topic: &str, index: u32, sender: u16, isr: &[u16]) -> AlterPartitionRequest {
        let state = self.partition(topic, index);
        let topics = &self.controller.image().topics;
        let partition = topics.identified(&TopicPartition::new(topic, index)).unwrap();
        let member = |broker: &u16| IsrMember {
            broker: NodeId::broker(*broker),
            epoch: Some(self.epoch(*broker)),
        };
        AlterPartitionRequest {
            broker: NodeId::broker(sender),
            broker_epoch: self.epoch(sender),
            partitions: vec![AlterPartitionData {
                partition,
                leader_epoch: state.leader_epoch,
                new_isr: isr.iter().map(member).collect(),
                leader_recovery_state: LeaderRecoveryState::Recovered,
                partition_epoch: state.partition_epoch,
            }],
        }
    }

    /// Asks for an ISR, and returns what the partition answers.
    pub fn alter_isr(&mut self, topic: &str, sender: u16, isr: &[u16]) -> AlteredPartition {
        let Response::AlterPartition(mut answer) = self.ask(self.wish(topic, 0, sender, isr))
        else {
            panic!("an answer is of the request's own API")
        };
        assert_eq!(answer.error, ErrorCode::None);
        answer.partitions.remove(0)
    }

    pub fn reassign(&mut self, topic: &str, target: Option<&[u16]>) -> ErrorCode {
        let target = target.map(|target| nodes(target.iter().copied()).to_vec());
        let request = AlterPartitionReassignmentsRequest {
            partitions: vec![(TopicPartition::new(topic, 0), target)],
            timeout: Span::from_secs(1),
        };
        match self.ask(request) {
            Response::AlterPartitionReassignments(answer) => answer.partitions[0].error,
            other => panic!("no answer to a reassignment: {other:?}"),
        }
    }

    pub fn elect(&mut self, election: ElectionType, topic: &str) -> ErrorCode {
        let partitions = Some(vec![TopicPartition::new(topic, 0)]);
        let timeout = Span::from_secs(1);
        match self.ask(ElectLeadersRequest { election, partitions, timeout }) {
            Response::ElectLeaders(answer) => answer.partitions[0].error,
            other => panic!("no answer to an election: {other:?}"),
        }
    }

    pub fn configure(&mut self, resource: ConfigResource, name: &str, value: &str) -> ErrorCode {
        let operation = ConfigOperation::Set(value.into());
        let changes = vec![ConfigChange { name: name.into(), operation }];
        let resources = vec![(resource, changes)];
        match self.ask(IncrementalAlterConfigsRequest { resources, validate_only: false }) {
            Response::IncrementalAlterConfigs(answer) => answer.resources[0].error,
            other => panic!("no answer to a config change: {other:?}"),
        }
    }
}

fn clocks(now: Time) -> Now {
    Now { time: now, wall: Timestamp(Timestamp::START.0 + (now.0 / 1_000_000) as i64) }
}
