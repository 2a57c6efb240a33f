//! Controllers on a test's desk, with a real server of an ensemble: brokers are played by the test, every message
//! takes a millisecond, and nothing is lost but what the test takes away.

mod broker;

use super::{KafkaController, KafkaControllerSetup};
use broker::{Broker, in_words};
use klab_machine::random::stream;
use klab_machine::{
    Address, ConnectionId, CorrelationId, DisconnectReason, DiskImage, Effect, Fact, Identity,
    Input, Listener, Machine, Outbox, Timer,
};
use klab_wire::config::{BrokerConfig, ConfigTable, Release, Switches};
use klab_wire::znodes::{BrokerIdZNode, path};
use klab_wire::zookeeper::{CreateMode, Op, Path};
use klab_wire::*;
use klab_zookeeper::{Server, ServerSetup};
use klab_zookeeper_client::{Session, SessionSetup, Ticket};
use std::collections::{BTreeMap, BTreeSet};

const Z1: NodeId = NodeId::zookeeper(1);
const HOP: Span = Span::from_millis(1);
/// The timeout of every session.
const SESSION: Span = Span::from_secs(6);

/// One who lives on the desk: the server, the controllers `v1`, `v2`, .. and the brokers `b1`, `b2`, ..
type Who = NodeId;

pub(super) struct Desk {
    pub now: Time,
    seed: u64,
    events: BTreeMap<(Time, u64), Event>,
    counter: u64,
    server: Server,
    controllers: BTreeMap<Who, KafkaController>,
    pub brokers: BTreeMap<Who, Broker>,
    outboxes: BTreeMap<Who, Outbox>,
    /// Who asked for a connection, and whom it leads to.
    connections: BTreeMap<ConnectionId, (Who, Who)>,
    timers: BTreeMap<(Who, Timer), Time>,
    disk: DiskImage,
    /// Those to whom nothing comes through.
    frozen: BTreeSet<Who>,
    held: Vec<Event>,
    /// Whoever's connection breaks under the next frame from the server.
    severed: Option<Who>,
    facts: Vec<String>,
    answers: BTreeMap<u32, Response>,
    asked: u32,
    switches: Switches,
    config: BrokerConfig,
}

#[derive(Clone, Debug)]
enum Event {
    To(Who, Input),
    Timer(Who, Timer),
}

impl Desk {
    pub fn new() -> Self {
        Self::with(Switches::at(Release::new(3, 9)), &[])
    }

    pub fn with(switches: Switches, configs: &[(&str, &str)]) -> Self {
        let mut config = BrokerConfig::default();
        for (name, value) in configs {
            config.set(name, value).unwrap();
        }
        let now = Time::ZERO;
        let mut out = Outbox::new(0);
        let setup = ServerSetup::new(vec![Z1], Vec::new());
        let disk = DiskImage::default();
        let server = Server::boot(identity(Z1, 1), setup, &disk, clocks(now), &mut out);
        let mut desk = Desk {
            now,
            seed: 0,
            events: BTreeMap::new(),
            counter: 0,
            server,
            controllers: BTreeMap::new(),
            brokers: BTreeMap::new(),
            outboxes: BTreeMap::from([(Z1, out)]),
            connections: BTreeMap::new(),
            timers: BTreeMap::new(),
            disk,
            frozen: BTreeSet::new(),
            held: Vec::new(),
            severed: None,
            facts: Vec::new(),
            answers: BTreeMap::new(),
            asked: 0,
            switches,
            config,
        };
        desk.carry_out(Z1);
        desk.pass(Span::from_secs(3));
        desk
    }

    /// These brokers' processes start, each with a controller; there is time for the first one to be elected.
    pub fn with_brokers<const N: usize>(mut self, brokers: [u16; N]) -> Self {
        for number in brokers {
            self.start(number);
            self.pass(Span::from_millis(500));
        }
        self.pass(Span::from_secs(2));
        self.told();
        self
    }

    pub fn start(&mut self, number: u16) {
        self.start_broker(number, 1);
        let node = controller(number);
        let mut out = Outbox::new(u64::from(number) * 1_000_000);
        let setup = KafkaControllerSetup {
            config: self.config.clone(),
            switches: self.switches,
            zookeeper: session_setup(),
        };
        let booted = KafkaController::boot(
            identity(NodeId::broker(number), 1),
            setup,
            &DiskImage::default(),
            clocks(self.now),
            &mut out,
        );
        self.controllers.insert(node, booted);
        self.outboxes.insert(node, out);
        self.carry_out(node);
    }

    pub fn start_broker(&mut self, number: u16, life: u64) {
        let node = NodeId::broker(number);
        let mut out = Outbox::new(u64::from(number) * 1_000_000_000 + life * 100_000);
        self.seed += 1;
        let draws = stream(self.seed, "broker", []);
        let session = Session::new(session_setup(), draws, self.now, &mut out);
        let broker = Broker { session, heard: Vec::new(), epoch: None };
        self.brokers.insert(node, broker);
        self.outboxes.insert(node, out);
        self.register(node);
        self.carry_out(node);
    }

    fn register(&mut self, node: Who) {
        let znode = BrokerIdZNode { broker: node, timestamp: Timestamp(0), rack: None };
        let create =
            |path: Path, data, mode| Op::Create { path, data, acl: Default::default(), mode };
        let broker = self.brokers.get_mut(&node).unwrap();
        let out = self.outboxes.get_mut(&node).unwrap();
        for parent in ["/brokers", "/brokers/ids"] {
            let op = create(parent.into(), "".into(), CreateMode::PERSISTENT);
            broker.session.submit(Ticket(0), op, self.now, out);
        }
        let op = create(path::broker_id(node), znode.encode(), CreateMode::EPHEMERAL);
        broker.session.submit(Ticket(1), op, self.now, out);
    }

    /// A broker's process is gone, its controller with it. Nobody closes its sessions.
    pub fn kill(&mut self, number: u16) {
        let (node, own) = (NodeId::broker(number), controller(number));
        self.brokers.remove(&node);
        self.controllers.remove(&own);
        for gone in [node, own] {
            self.timers.retain(|(who, _), _| *who != gone);
            let ends: Vec<_> = self
                .connections
                .iter()
                .filter(|(_, (a, b))| *a == gone || *b == gone)
                .map(|(connection, ends)| (*connection, *ends))
                .collect();
            for (connection, (a, b)) in ends {
                self.connections.remove(&connection);
                let other = if a == gone { b } else { a };
                let reason = DisconnectReason::Reset;
                self.later(Event::To(other, Input::Disconnected { connection, reason }));
            }
        }
    }

    /// Nothing comes through to this broker's controller, and it does nothing: a long garbage collection.
    pub fn freeze(&mut self, number: u16) {
        self.frozen.insert(controller(number));
    }

    pub fn thaw(&mut self, number: u16) {
        self.frozen.remove(&controller(number));
        for event in std::mem::take(&mut self.held) {
            self.handle(event);
        }
    }

    /// The connection of this broker's controller to the server breaks under the next answer.
    pub fn sever(&mut self, number: u16) {
        self.severed = Some(controller(number));
    }

    /// Asks a broker's controller.
    pub fn send(&mut self, number: u16, request: impl Into<Request>) -> u32 {
        self.asked += 1;
        let connection = ConnectionId(u64::MAX);
        let (correlation, request) = (CorrelationId(self.asked), request.into());
        let input = Input::Request { connection, correlation, request };
        self.later(Event::To(controller(number), input));
        self.asked
    }

    pub fn answer(&mut self, asked: u32) -> Option<Response> {
        self.answers.remove(&asked)
    }

    pub fn ask(&mut self, number: u16, request: impl Into<Request>) -> Response {
        let asked = self.send(number, request);
        self.pass(Span::from_secs(1));
        self.answer(asked).expect("an answer within a second")
    }

    /// An administrator's own client of the ensemble writes something.
    pub fn keeper(&mut self, number: u16, op: Op) {
        self.submit(number, op);
        self.pass(Span::from_millis(300));
    }

    /// The same, without waiting for what comes of it.
    pub fn submit(&mut self, number: u16, op: Op) {
        let node = NodeId::broker(number);
        let (broker, out) =
            (self.brokers.get_mut(&node).unwrap(), self.outboxes.get_mut(&node).unwrap());
        broker.session.submit(Ticket(2), op, self.now, out);
        self.carry_out(node);
    }

    /// What a znode holds.
    pub fn znode(&self, at: &Path) -> Option<String> {
        let tree = self.server.tree();
        tree.znode(at).map(|znode| znode.data.to_string())
    }

    pub fn controller(&self, number: u16) -> &KafkaController {
        &self.controllers[&controller(number)]
    }

    /// The brokers whose controllers believe to be the one.
    pub fn active(&self) -> Vec<u16> {
        let active = self.controllers.iter().filter(|(_, one)| one.is_active());
        active.map(|(node, _)| node.number).collect()
    }

    /// Facts about controllers since the last look.
    pub fn told(&mut self) -> Vec<String> {
        std::mem::take(&mut self.facts)
    }

    /// What a broker has been told since the last look, in words.
    pub fn heard(&mut self, number: u16) -> Vec<String> {
        let broker = self.brokers.get_mut(&NodeId::broker(number)).unwrap();
        std::mem::take(&mut broker.heard).iter().map(in_words).collect()
    }

    /// Lets time pass.
    pub fn pass(&mut self, span: Span) {
        let end = self.now + span;
        while let Some((&(at, _), _)) =
            self.events.first_key_value().filter(|((at, _), _)| *at <= end)
        {
            let (_, event) = self.events.pop_first().unwrap();
            self.now = self.now.max(at);
            self.handle(event);
        }
        self.now = end;
    }

    fn later(&mut self, event: Event) {
        self.at(self.now + HOP, event);
    }

    fn at(&mut self, at: Time, event: Event) {
        self.counter += 1;
        self.events.insert((at, self.counter), event);
    }

    fn handle(&mut self, event: Event) {
        let (who, input) = match event.clone() {
            Event::To(who, input) => (who, input),
            Event::Timer(who, timer) => match self.timers.get(&(who, timer)) {
                Some(at) if *at <= self.now => {
                    if !self.frozen.contains(&who) {
                        self.timers.remove(&(who, timer));
                    }
                    (who, Input::Timer(timer))
                }
                _ => return,
            },
        };
        if self.frozen.contains(&who) {
            return self.held.push(event);
        }
        let now = clocks(self.now);
        let Some(out) = self.outboxes.get_mut(&who) else { return };
        if who == Z1 {
            self.server.step(now, input, out);
        } else if let Some(controller) = self.controllers.get_mut(&who) {
            controller.step(now, input, out);
        } else if let Some(broker) = self.brokers.get_mut(&who) {
            broker.step(now.time, input, out);
        } else {
            return;
        }
        self.carry_out(who);
    }

    fn carry_out(&mut self, who: Who) {
        let out = self.outboxes.get_mut(&who).unwrap();
        let facts: Vec<Fact> = out.drain_facts().collect();
        let effects: Vec<Effect> = out.drain().collect();
        self.facts.extend(facts.iter().filter_map(|fact| match fact {
            Fact::Controller(fact) => Some(format!("{who} {fact}")),
            _ => None,
        }));
        for effect in effects {
            self.carry_out_one(who, effect);
        }
    }

    fn carry_out_one(&mut self, who: Who, effect: Effect) {
        match effect {
            Effect::Connect { connection, to } => self.connect(who, connection, to),
            Effect::Close { connection } => {
                if let Some(other) = self.other_end(who, connection) {
                    self.connections.remove(&connection);
                    let reason = DisconnectReason::Closed;
                    self.later(Event::To(other, Input::Disconnected { connection, reason }));
                }
            }
            Effect::Send { connection, correlation, request } => {
                self.over(who, connection, Input::Request { connection, correlation, request });
            }
            Effect::Respond { connection, correlation, response } if connection.0 == u64::MAX => {
                let known = self.answers.insert(correlation.0, response);
                assert!(known.is_none(), "a request is answered once");
            }
            Effect::Respond { connection, correlation, response } => {
                self.over(who, connection, Input::Response { connection, correlation, response });
            }
            Effect::Frame { connection, frame } => {
                self.over(who, connection, Input::Frame { connection, frame });
            }
            Effect::SetTimer { timer, after } => {
                let at = self.now + after;
                self.timers.insert((who, timer), at);
                self.at(at, Event::Timer(who, timer));
            }
            Effect::StopTimer { timer } => drop(self.timers.remove(&(who, timer))),
            Effect::Store { file, change } => self.disk.apply(file, change),
            Effect::Flush { then, .. } => self.later(Event::To(who, Input::Flushed(then))),
            Effect::Read { .. } | Effect::Spend { .. } | Effect::Halt => {}
        }
    }

    fn connect(&mut self, who: Who, connection: ConnectionId, to: Address) {
        let target = to.node;
        let is_up = target == Z1 || self.brokers.contains_key(&target);
        if !is_up {
            let reason = DisconnectReason::Refused;
            return self.later(Event::To(who, Input::Disconnected { connection, reason }));
        }
        self.connections.insert(connection, (who, target));
        let listener = to.listener;
        assert!(matches!(listener, Listener::ZooKeeperClient | Listener::Broker));
        self.later(Event::To(target, Input::Accepted { connection, from: who, listener }));
        self.later(Event::To(who, Input::Connected { connection }));
    }

    fn over(&mut self, who: Who, connection: ConnectionId, input: Input) {
        let Some(other) = self.other_end(who, connection) else { return };
        if who == Z1 && self.severed == Some(other) {
            self.severed = None;
            self.connections.remove(&connection);
            let reason = DisconnectReason::Broken;
            for end in [who, other] {
                self.later(Event::To(end, Input::Disconnected { connection, reason }));
            }
        } else {
            self.later(Event::To(other, input));
        }
    }

    fn other_end(&self, who: Who, connection: ConnectionId) -> Option<Who> {
        let (a, b) = self.connections.get(&connection)?;
        Some(if *a == who { *b } else { *a })
    }
}

fn controller(number: u16) -> Who {
    NodeId::voter(number)
}

fn session_setup() -> SessionSetup {
    SessionSetup { servers: vec![Z1], chroot: None, timeout: SESSION }
}

fn identity(node: NodeId, life: u64) -> Identity {
    Identity {
        node,
        cluster: "desk".into(),
        directory: DirectoryId(1),
        incarnation: IncarnationId(life),
        rack: None,
        seed: 7,
    }
}

fn clocks(time: Time) -> Now {
    Now { time, wall: Timestamp((time.0 / 1_000_000) as i64) }
}

/// What a test asks in a few words.
impl Desk {
    pub fn create(&mut self, number: u16, name: &str, assignments: &[&[u16]]) -> CreatedTopic {
        let asked = self.begin_creation(number, name, assignments);
        self.pass(Span::from_secs(1));
        match self.answer(asked) {
            Some(Response::CreateTopics(mut answer)) => answer.topics.remove(0),
            other => panic!("no answer to a creation: {other:?}"),
        }
    }

    pub fn begin_creation(&mut self, number: u16, name: &str, assignments: &[&[u16]]) -> u32 {
        let list = |(replicas, index): (&&[u16], u32)| {
            let brokers = replicas.iter().copied().map(NodeId::broker).collect();
            (PartitionId(index), brokers)
        };
        let topic = CreatableTopic {
            name: name.into(),
            partitions: None,
            replication_factor: None,
            assignments: assignments.iter().zip(0..).map(list).collect(),
            configs: Vec::new(),
        };
        let timeout = Span::from_secs(5);
        let request = CreateTopicsRequest { topics: vec![topic], validate_only: false, timeout };
        self.send(number, request)
    }

    /// A leader's wish for an ISR, in the epochs that a controller knows.
    pub fn wish(&self, number: u16, topic: &str, isr: &[u16]) -> AlterPartitionRequest {
        let partition = TopicPartition::new(topic, 0);
        let context = &self.controller(number).context;
        let state = &context.leadership(&partition).unwrap().leader_and_isr;
        let leader = state.leader.unwrap();
        let member = |one: &u16| IsrMember { broker: NodeId::broker(*one), epoch: None };
        AlterPartitionRequest {
            broker: leader,
            broker_epoch: self.brokers[&leader].epoch.unwrap(),
            partitions: vec![AlterPartitionData {
                partition: context.identified(&partition),
                leader_epoch: state.leader_epoch,
                new_isr: isr.iter().map(member).collect(),
                leader_recovery_state: LeaderRecoveryState::Recovered,
                partition_epoch: state.partition_epoch,
            }],
        }
    }

    pub fn alter_isr(&mut self, number: u16, topic: &str, isr: &[u16]) -> AlteredPartition {
        let wish = self.wish(number, topic, isr);
        match self.ask(number, wish) {
            Response::AlterPartition(mut answer) => {
                assert_eq!(answer.error, ErrorCode::None);
                answer.partitions.remove(0)
            }
            other => panic!("no answer to a wish: {other:?}"),
        }
    }
}
