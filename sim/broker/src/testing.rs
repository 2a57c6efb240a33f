//! A bench for scripts: some brokers on a network without delays, a controller that grants what it is
//! asked, clients, and a clock that moves when a test says so.
//!
//! The metadata log is left out: a test tells brokers its records, each broker when the test wants it to
//! know them. In ZooKeeper mode there is a real server of an ensemble, and the test is the controller (`zookeeper.rs`).

mod records;
mod zookeeper;

pub use records::*;
pub use zookeeper::*;

use crate::purgatory::ReplyTo;
use crate::{Broker, BrokerSetup, RAFT_NETWORK_CLIENT, SourceSetup};
use klab_kraft::RaftSetup;
use klab_machine::*;
use klab_metadata::Delta;
use klab_wire::config::{BrokerConfig, ConfigTable, Release, Switches};
use klab_wire::*;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

pub const TOPIC: TopicId = TopicId(7);
pub const P0: TopicIdPartition = partition(0);
const CONTROLLER: NodeId = NodeId::voter(1);

pub const fn partition(index: u32) -> TopicIdPartition {
    TopicIdPartition { topic: TOPIC, partition: PartitionId(index) }
}

pub const fn b(number: u16) -> NodeId {
    NodeId::broker(number)
}

pub fn orders(index: u32) -> TopicPartition {
    TopicPartition::new("orders", index)
}

pub fn nodes(numbers: &[u16]) -> Arc<[NodeId]> {
    numbers.iter().map(|number| b(*number)).collect()
}

/// The registration under which a broker runs on the bench.
pub fn epoch_of(broker: NodeId) -> BrokerEpoch {
    BrokerEpoch(100 + u64::from(broker.number))
}

/// A partition's state: leader, leader epoch, replicas, ISR, partition epoch.
pub fn state(
    leader: Option<u16>,
    leader_epoch: u32,
    replicas: &[u16],
    isr: &[u16],
    partition_epoch: u32,
) -> PartitionRegistration {
    PartitionRegistration {
        replicas: nodes(replicas),
        isr: nodes(isr),
        removing_replicas: nodes(&[]),
        adding_replicas: nodes(&[]),
        leader: leader.map(b),
        leader_recovery_state: LeaderRecoveryState::Recovered,
        leader_epoch: LeaderEpoch(leader_epoch),
        partition_epoch: PartitionEpoch(partition_epoch),
        elr: nodes(&[]),
        last_known_elr: nodes(&[]),
    }
}

pub struct Bench {
    pub brokers: BTreeMap<NodeId, Broker>,
    pub facts: Vec<(NodeId, Fact)>,
    /// Answers to the tests' own requests, by connection.
    pub answers: BTreeMap<ConnectionId, VecDeque<Response>>,
    /// AlterPartition requests that the controller has not answered: a test grants or refuses them.
    pub alterations: VecDeque<(ConnectionId, CorrelationId, AlterPartitionRequest)>,
    /// The switches of brokers that are started from now on.
    pub switches: Switches,
    /// Fsyncs are reported only when a test says so.
    pub holds_flushes: bool,
    pub held_flushes: VecDeque<(NodeId, FlushId)>,
    /// Requests between these two are lost in silence.
    pub cut: BTreeSet<(NodeId, NodeId)>,
    /// Every fetch between brokers, with its answer's size in partitions once it is there.
    pub fetches: Vec<FetchRequest>,
    pub forwarded: Vec<Request>,
    pub closed: Vec<ConnectionId>,
    pub halted: BTreeSet<NodeId>,
    pub disks: BTreeMap<NodeId, DiskImage>,
    /// The partitions that a broker still leads which wants to go, as the controller has it.
    pub leaders_stay: Vec<TopicPartition>,
    /// The ensemble of ZooKeeper mode.
    ensemble: Option<zookeeper::Ensemble>,
    outs: BTreeMap<NodeId, Outbox>,
    ends: BTreeMap<ConnectionId, (NodeId, NodeId)>,
    timers: BTreeMap<(NodeId, Timer), Time>,
    queue: VecDeque<(NodeId, Input)>,
    now: Time,
    next_client_connection: u64,
    next_correlation: u32,
    lives: u64,
}

impl Bench {
    /// Brokers 1 to `count`, running, with these settings.
    pub fn new(count: u16, settings: &[(&str, &str)]) -> Self {
        let config = BrokerConfig::resolve(Release::DEFAULT, settings.iter().copied()).unwrap();
        let mut bench = Bench::without_brokers();
        bench.add_brokers(count, &config);
        bench
    }

    fn without_brokers() -> Self {
        Bench {
            brokers: BTreeMap::new(),
            facts: Vec::new(),
            answers: BTreeMap::new(),
            alterations: VecDeque::new(),
            switches: Switches::default(),
            holds_flushes: false,
            held_flushes: VecDeque::new(),
            cut: BTreeSet::new(),
            fetches: Vec::new(),
            forwarded: Vec::new(),
            closed: Vec::new(),
            halted: BTreeSet::new(),
            disks: BTreeMap::new(),
            leaders_stay: Vec::new(),
            ensemble: None,
            outs: BTreeMap::new(),
            ends: BTreeMap::new(),
            timers: BTreeMap::new(),
            queue: VecDeque::new(),
            now: Time(1_000_000_000),
            next_client_connection: 1 << 40,
            next_correlation: 0,
            lives: 0,
        }
    }

    /// Starts brokers with the first numbers, which all know of each other.
    pub fn add_brokers(&mut self, count: u16, config: &BrokerConfig) {
        (1..=count).for_each(|number| self.boot(b(number), config));
        let registrations: Vec<_> = (1..=count).map(|n| registration(b(n), None)).collect();
        self.tell_all(&registrations);
    }

    /// Starts a broker, or starts it again from its disk, up to where it runs.
    pub fn boot(&mut self, node: NodeId, config: &BrokerConfig) {
        self.boot_without_controller(node, config);
        self.find_controller(node);
    }

    /// The broker learns who the controller is, and is unfenced.
    pub fn find_controller(&mut self, node: NodeId) {
        self.with(node, |broker, now, out| broker.controller_changed(Some(CONTROLLER), now, out));
        self.run();
        self.advance(20);
    }

    /// Something happens to a broker.
    pub fn input(&mut self, node: NodeId, input: Input) {
        self.queue.push_back((node, input));
        self.run();
    }

    /// Answers a request of a broker in another broker's place.
    pub fn respond_to_peer(&mut self, to: NodeId, reply_to: ReplyTo, response: Response) {
        let (connection, correlation) = (reply_to.connection, reply_to.correlation);
        self.input(to, Input::Response { connection, correlation, response });
    }

    /// Starts a broker that knows of no controller yet.
    pub fn boot_without_controller(&mut self, node: NodeId, config: &BrokerConfig) {
        self.lives += 1;
        let identity = Identity {
            node,
            cluster: ClusterId::from("bench"),
            directory: DirectoryId(u64::from(node.number)),
            incarnation: IncarnationId(self.lives),
            rack: None,
            seed: 1,
        };
        let voter = ReplicaKey { id: CONTROLLER, directory: DirectoryId(99) };
        let quorum = RaftSetup::new(vec![voter], config, Release::DEFAULT, RAFT_NETWORK_CLIENT);
        let source = match &self.ensemble {
            Some(ensemble) => SourceSetup::ZooKeeper(ensemble.session_setup()),
            None => SourceSetup::Quorum(quorum),
        };
        let setup = BrokerSetup { config: config.clone(), switches: self.switches, source };
        let disk = self.disks.entry(node).or_default().clone();
        let mut out = Outbox::new(self.lives << 20);
        let broker = Broker::boot(identity, setup, &disk, self.at(), &mut out);
        self.timers.retain(|(of, _), _| *of != node);
        self.brokers.insert(node, broker);
        self.outs.insert(node, out);
        self.carry_out(node);
        self.run();
    }

    /// Kills a broker; its disk stays.
    pub fn crash(&mut self, node: NodeId) {
        self.brokers.remove(&node);
        self.timers.retain(|(of, _), _| *of != node);
        self.queue.retain(|(to, _)| *to != node);
        let lost: Vec<_> =
            self.ends.iter().filter(|(_, (a, z))| *a == node || *z == node).collect();
        let lost: Vec<_> = lost.into_iter().map(|(id, ends)| (*id, *ends)).collect();
        for (connection, (client, server)) in lost {
            self.ends.remove(&connection);
            let other = if client == node { server } else { client };
            let reason = DisconnectReason::Reset;
            self.queue.push_back((other, Input::Disconnected { connection, reason }));
        }
        self.run();
    }

    pub fn at(&self) -> Now {
        Now {
            time: self.now,
            wall: Timestamp(Timestamp::START.0 + (self.now.0 / 1_000_000) as i64),
        }
    }

    /// Tells one broker what the metadata log says.
    pub fn tell(&mut self, node: NodeId, records: &[MetadataRecord]) {
        self.with(node, |broker, now, out| {
            let mut delta = Delta::default();
            let image = broker.metadata.image_mut();
            records.iter().for_each(|record| image.replay(record, &mut delta));
            image.next_offset = image.next_offset.plus(records.len() as u64);
            broker.publish(delta, now, out);
        });
        self.run();
    }

    pub fn tell_all(&mut self, records: &[MetadataRecord]) {
        for node in self.brokers.keys().copied().collect::<Vec<_>>() {
            self.tell(node, records);
        }
    }

    /// Creates the topic `orders` with one partition in this state, known to everybody.
    pub fn create(&mut self, configs: &[(&str, &str)], state: PartitionRegistration) {
        self.create_partitions(configs, vec![state]);
    }

    pub fn create_partitions(
        &mut self,
        configs: &[(&str, &str)],
        states: Vec<PartitionRegistration>,
    ) {
        let mut records = vec![MetadataRecord::Topic { name: "orders".into(), id: TOPIC }];
        records.extend(configs.iter().map(|(name, value)| topic_config(name, value)));
        records.extend((0..).zip(states).map(|(index, state)| partition_record(index, state)));
        self.tell_all(&records);
    }

    /// Sends a request as a client of that kind, on a connection of its own.
    pub fn ask(&mut self, to: NodeId, request: impl Into<Request>) -> ConnectionId {
        let connection = self.connect(to);
        self.ask_on(connection, request);
        connection
    }

    pub fn connect(&mut self, to: NodeId) -> ConnectionId {
        let connection = ConnectionId(self.next_client_connection);
        self.next_client_connection += 1;
        let from = NodeId::producer(1);
        self.ends.insert(connection, (from, to));
        let listener = Listener::Broker;
        self.queue.push_back((to, Input::Accepted { connection, from, listener }));
        connection
    }

    pub fn ask_on(&mut self, connection: ConnectionId, request: impl Into<Request>) {
        let (_, to) = self.ends[&connection];
        let correlation = CorrelationId(self.next_correlation);
        self.next_correlation += 1;
        let request = request.into();
        self.queue.push_back((to, Input::Request { connection, correlation, request }));
        self.run();
    }

    /// The answer on a connection, if there is one.
    pub fn answer(&mut self, connection: ConnectionId) -> Option<Response> {
        self.answers.get_mut(&connection)?.pop_front()
    }

    pub fn produce(&mut self, to: NodeId, index: u32, acks: Acks, records: u32) -> ConnectionId {
        let connection = self.connect(to);
        self.produce_on(connection, index, acks, records);
        connection
    }

    pub fn produce_on(&mut self, connection: ConnectionId, index: u32, acks: Acks, records: u32) {
        let batch = RecordBatch::of_counted(0, records, 100, self.at().wall, None);
        let data = PartitionProduceData { partition: orders(index), batch: batch.into() };
        let timeout = Span::from_secs(30);
        self.ask_on(connection, ProduceRequest { acks, timeout, data: [data].into() });
    }

    /// What became of a produce request: error and base offset; none while it waits.
    pub fn produced(&mut self, connection: ConnectionId) -> Option<(ErrorCode, Option<u64>)> {
        match self.answer(connection)? {
            Response::Produce(answer) => {
                let first = &answer.responses[0];
                Some((first.error, first.base_offset.map(|offset| offset.0)))
            }
            other => panic!("{other:?} answers no produce"),
        }
    }

    /// A consumer's fetch of one partition from an offset on, waiting for this long.
    pub fn consume(&mut self, from: NodeId, offset: u64, wait: u64) -> ConnectionId {
        self.ask(from, consumer_fetch(FetchSession::LEGACY, vec![fetch(0, offset)], wait))
    }

    pub fn fetched(&mut self, connection: ConnectionId) -> Option<FetchResponse> {
        match self.answer(connection)? {
            Response::Fetch(answer) => Some(*answer),
            other => panic!("{other:?} answers no fetch"),
        }
    }

    /// The controller grants the oldest ISR change that waits, and returns the new ISR.
    pub fn grant(&mut self) -> Vec<NodeId> {
        let (connection, correlation, request) = self.alterations.pop_front().expect("a change");
        let altered = |data: &AlterPartitionData| AlteredPartition {
            partition: data.partition,
            error: ErrorCode::None,
            leader: Some(request.broker),
            leader_epoch: data.leader_epoch,
            isr: data.new_isr.iter().map(|member| member.broker).collect(),
            leader_recovery_state: data.leader_recovery_state,
            partition_epoch: data.partition_epoch.next(),
        };
        let partitions: Vec<_> = request.partitions.iter().map(altered).collect();
        let isr = partitions[0].isr.clone();
        self.answer_alteration(connection, correlation, partitions);
        isr
    }

    /// The controller refuses the oldest ISR change that waits.
    pub fn refuse(&mut self, error: ErrorCode) {
        let (connection, correlation, request) = self.alterations.pop_front().expect("a change");
        let altered = |data: &AlterPartitionData| AlteredPartition {
            partition: data.partition,
            error,
            leader: None,
            leader_epoch: data.leader_epoch,
            isr: vec![],
            leader_recovery_state: data.leader_recovery_state,
            partition_epoch: data.partition_epoch,
        };
        let partitions = request.partitions.iter().map(altered).collect();
        self.answer_alteration(connection, correlation, partitions);
    }

    fn answer_alteration(
        &mut self,
        connection: ConnectionId,
        correlation: CorrelationId,
        partitions: Vec<AlteredPartition>,
    ) {
        let (asker, _) = self.ends[&connection];
        let answer = AlterPartitionResponse { error: ErrorCode::None, partitions };
        let response = Response::AlterPartition(Box::new(answer));
        self.queue.push_back((asker, Input::Response { connection, correlation, response }));
        self.run();
    }

    /// Reports the oldest fsync that is held back.
    pub fn flush(&mut self) {
        let (node, flush) = self.held_flushes.pop_front().expect("an fsync");
        self.queue.push_back((node, Input::Flushed(flush)));
        self.run();
    }

    /// Log end and high watermark of a replica of partition 0.
    pub fn log(&self, node: NodeId) -> (u64, u64) {
        let partition = self.brokers[&node].replicas.get(P0).expect("a replica");
        (partition.log.log_end().0, partition.log.high_watermark().0)
    }

    pub fn count(&self, name: &str) -> usize {
        self.facts.iter().filter(|(_, fact)| fact.name() == name).count()
    }

    /// Lets time pass, timer by timer.
    pub fn advance(&mut self, millis: u64) {
        let until = self.now + Span::from_millis(millis);
        loop {
            let next = self.timers.iter().map(|(key, at)| (*at, *key)).min();
            let Some((at, (node, timer))) = next.filter(|(at, _)| *at <= until) else { break };
            self.timers.remove(&(node, timer));
            self.now = self.now.max(at);
            self.queue.push_back((node, Input::Timer(timer)));
            self.run();
        }
        self.now = until;
    }

    /// Delivers everything that is under way.
    pub fn run(&mut self) {
        let mut steps = 0;
        while let Some((node, input)) = self.queue.pop_front() {
            steps += 1;
            assert!(steps < 100_000, "the brokers talk without end: {input:?}");
            self.deliver(node, input);
        }
    }

    fn deliver(&mut self, node: NodeId, input: Input) {
        if node == CONTROLLER {
            return self.controller(input);
        }
        if self.is_of_the_ensemble(node) {
            return self.deliver_to_the_ensemble(node, input);
        }
        if !self.brokers.contains_key(&node) {
            if let Input::Response { connection, response, .. } = input {
                self.answers.entry(connection).or_default().push_back(response);
            }
            return;
        }
        let now = self.at();
        let mut out = self.outs.remove(&node).expect("every broker has an outbox");
        self.brokers.get_mut(&node).expect("it is there").step(now, input, &mut out);
        self.outs.insert(node, out);
        self.carry_out(node);
    }

    fn with(&mut self, node: NodeId, act: impl FnOnce(&mut Broker, Now, &mut Outbox)) {
        let now = self.at();
        let mut out = self.outs.remove(&node).expect("every broker has an outbox");
        let broker = self.brokers.get_mut(&node).expect("it is there");
        act(broker, now, &mut out);
        broker.follow_up(now, &mut out);
        self.outs.insert(node, out);
        self.carry_out(node);
    }

    fn carry_out(&mut self, node: NodeId) {
        let mut out = self.outs.remove(&node).expect("every broker has an outbox");
        self.facts.extend(out.drain_facts().map(|fact| (node, fact)));
        let effects: Vec<Effect> = out.drain().collect();
        self.outs.insert(node, out);
        effects.into_iter().for_each(|effect| self.effect(node, effect));
    }

    fn effect(&mut self, node: NodeId, effect: Effect) {
        match effect {
            Effect::Connect { connection, to } => self.open(node, connection, to),
            Effect::Close { connection } => {
                let ends = self.ends.remove(&connection);
                self.closed.push(connection);
                self.tell_the_ensemble_of_the_end(node, connection, ends);
            }
            Effect::Send { connection, correlation, request } => {
                self.send(connection, correlation, request);
            }
            Effect::Respond { connection, correlation, response } => {
                if let Some((client, server)) = self.ends.get(&connection).copied()
                    && !self.cut.contains(&(server, client))
                {
                    let input = Input::Response { connection, correlation, response };
                    self.queue.push_back((client, input));
                }
            }
            Effect::Frame { connection, frame } => self.frame(node, connection, frame),
            Effect::SetTimer { timer, after } => {
                self.timers.insert((node, timer), self.now + after);
            }
            Effect::StopTimer { timer } => drop(self.timers.remove(&(node, timer))),
            Effect::Store { file, change } => {
                self.disks.entry(node).or_default().apply(file, change);
            }
            Effect::Flush { then, .. } if self.holds_flushes => {
                self.held_flushes.push_back((node, then));
            }
            Effect::Flush { then, .. } => self.queue.push_back((node, Input::Flushed(then))),
            Effect::Halt => drop(self.halted.insert(node)),
            Effect::Read { .. } | Effect::Spend { .. } => {}
        }
    }

    fn open(&mut self, from: NodeId, connection: ConnectionId, to: Address) {
        // A test is the controller, in whose broker's place it may be.
        let to_node = if to.listener == Listener::Controller { CONTROLLER } else { to.node };
        let exists = to_node == CONTROLLER
            || self.brokers.contains_key(&to_node)
            || self.is_of_the_ensemble(to_node);
        if !exists || self.cut.contains(&(from, to_node)) {
            let reason = DisconnectReason::Refused;
            self.queue.push_back((from, Input::Disconnected { connection, reason }));
            return;
        }
        self.ends.insert(connection, (from, to_node));
        let listener = to.listener;
        self.queue.push_back((to_node, Input::Accepted { connection, from, listener }));
        self.queue.push_back((from, Input::Connected { connection }));
    }

    fn send(&mut self, connection: ConnectionId, correlation: CorrelationId, request: Request) {
        let Some((from, to)) = self.ends.get(&connection).copied() else { return };
        if self.cut.contains(&(from, to)) {
            return;
        }
        if let (Request::Fetch(fetch), true) = (&request, to != CONTROLLER) {
            self.fetches.push(fetch.as_ref().clone());
        }
        self.queue.push_back((to, Input::Request { connection, correlation, request }));
    }

    /// The controller: grants registrations and heartbeats; ISR changes wait for the test.
    fn controller(&mut self, input: Input) {
        let Input::Request { connection, correlation, request } = input else { return };
        let (asker, _) = self.ends[&connection];
        let response = match request {
            Request::BrokerRegistration(request) => {
                let broker_epoch = Some(epoch_of(request.broker));
                let error = ErrorCode::None;
                Response::BrokerRegistration(Box::new(BrokerRegistrationResponse {
                    error,
                    broker_epoch,
                }))
            }
            Request::BrokerHeartbeat(request) => {
                Response::BrokerHeartbeat(Box::new(BrokerHeartbeatResponse {
                    error: ErrorCode::None,
                    is_caught_up: true,
                    is_fenced: request.want_fence,
                    should_shut_down: request.want_shut_down,
                }))
            }
            Request::AlterPartition(request) => {
                return self.alterations.push_back((connection, correlation, *request));
            }
            Request::AllocateProducerIds(_) => {
                let (first, length) = (ProducerId(1_000), 10);
                let error = ErrorCode::None;
                Response::AllocateProducerIds(Box::new(AllocateProducerIdsResponse {
                    error,
                    first,
                    length,
                }))
            }
            Request::Envelope(envelope) => {
                let response = envelope.request.error_response(ErrorCode::PolicyViolation);
                self.forwarded.push(envelope.request);
                Response::Envelope(Box::new(EnvelopeResponse { error: ErrorCode::None, response }))
            }
            Request::ControlledShutdown(_) => {
                Response::ControlledShutdown(Box::new(ControlledShutdownResponse {
                    error: ErrorCode::None,
                    remaining_partitions: self.leaders_stay.clone(),
                }))
            }
            // The metadata log is not on this bench.
            _ => return,
        };
        self.queue.push_back((asker, Input::Response { connection, correlation, response }));
    }
}
