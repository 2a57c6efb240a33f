//! A cluster of replicas: one queue of events, a seeded network, and the faults a test can cause.

use crate::disk::Disk;
use crate::invariants::Invariants;
use crate::network::Network;
use crate::node::{Host, Node, named};
use klab_kraft::{MetadataLogLimits, Raft, RaftSetup};
use klab_machine::random::{Stream, stream};
use klab_machine::{
    ConnectionId, CorrelationId, DisconnectReason, Effect, Fact, File, FlushId, Identity, Input,
    Outbox, Timer,
};
use klab_wire::config::QuorumConfig;
use klab_wire::config::switches::QuorumCommit;
use klab_wire::{
    ClusterId, DirectoryId, IncarnationId, LeaderEpoch, NodeId, Now, Offset, ReplicaKey, Request,
    Response, Span, Time, Timestamp,
};
use std::collections::BTreeMap;

/// A running cluster.
#[derive(Clone, Debug)]
pub struct Cluster {
    pub nodes: BTreeMap<NodeId, Node>,
    pub network: Network,
    pub invariants: Invariants,
    /// Every fact of every node, with its time.
    pub facts: Vec<(u64, NodeId, Fact)>,
    pub random: Stream,
    /// Answers to what a test has asked by itself.
    answers: BTreeMap<ConnectionId, Response>,
    has_slow_messages: bool,
    now: u64,
    queue: BTreeMap<(u64, u64), Event>,
    sequence: u64,
    lives: u64,
}

/// What differs between clusters.
#[derive(Clone, Debug)]
pub struct Shape {
    pub voters: u16,
    pub observers: u16,
    pub pre_vote: bool,
    pub high_watermark_in_fetch: bool,
    pub linger: Span,
    pub segment_bytes: u64,
    pub retention_bytes: u64,
    /// Now and then a message takes very long.
    pub has_slow_messages: bool,
}

impl Default for Shape {
    fn default() -> Self {
        Shape {
            voters: 3,
            observers: 0,
            pre_vote: false,
            high_watermark_in_fetch: true,
            linger: Span::ZERO,
            segment_bytes: 1 << 20,
            retention_bytes: 1 << 30,
            has_slow_messages: false,
        }
    }
}

/// Below are the connections of the tests themselves.
const FIRST_CONNECTION: u64 = 1 << 32;

#[derive(Clone, Debug)]
struct Event {
    node: NodeId,
    /// The life of the node that this is meant for.
    life: IncarnationId,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    Request(ConnectionId, CorrelationId, Request),
    Response(ConnectionId, CorrelationId, Response),
    Connected(ConnectionId),
    Disconnected(ConnectionId, DisconnectReason),
    Timer(Timer, u64),
    Flushed(File, FlushId),
}

impl Cluster {
    /// Starts every node of a new cluster.
    pub fn start(seed: u64, shape: &Shape) -> Self {
        let mut cluster = Cluster {
            nodes: BTreeMap::new(),
            network: Network::default(),
            invariants: Invariants::default(),
            facts: Vec::new(),
            random: stream(seed, "cluster", []),
            answers: BTreeMap::new(),
            has_slow_messages: shape.has_slow_messages,
            now: 1_000_000_000,
            queue: BTreeMap::new(),
            sequence: 0,
            lives: 0,
        };
        let voters: Vec<ReplicaKey> = (1..=shape.voters).map(|n| key(NodeId::voter(n))).collect();
        let ids = (1..=shape.voters).map(NodeId::voter);
        for id in ids.chain((1..=shape.observers).map(NodeId::broker)) {
            let node = node(id, seed, shape.setup(voters.clone()));
            cluster.nodes.insert(id, node);
            cluster.boot(id);
        }
        cluster
    }

    /// The time as every node sees it.
    pub fn now(&self) -> Now {
        let wall = Timestamp(Timestamp::START.0 + (self.now / 1_000_000) as i64);
        Now { time: Time(self.now), wall }
    }

    /// Lets time pass.
    pub fn run(&mut self, span: Span) {
        let end = self.now + span.0;
        while let Some((at, _)) = self.queue.first_key_value().map(|(key, _)| *key) {
            if at > end {
                break;
            }
            self.step();
        }
        self.now = end;
    }

    /// Lets time pass until something holds; says whether it ever did within `limit`.
    pub fn run_until(&mut self, limit: Span, holds: impl Fn(&Cluster) -> bool) -> bool {
        let end = self.now + limit.0;
        while !holds(self) {
            if self.now > end || self.queue.is_empty() {
                return false;
            }
            self.step();
        }
        true
    }

    /// The leader of the highest epoch, once it may write.
    pub fn leader(&self) -> Option<NodeId> {
        let is_writable =
            |node: &&Node| node.host.is_writable && node.raft.as_ref().is_some_and(Raft::is_leader);
        let leaders = self.nodes.values().filter(is_writable);
        leaders.max_by_key(|node| node.raft().epoch()).map(|node| node.identity.node)
    }

    /// Waits for a leader that may write.
    pub fn elect(&mut self) -> NodeId {
        assert!(self.run_until(Span::from_secs(30), |it| it.leader().is_some()), "no leader");
        self.leader().expect("there is one")
    }

    /// The epoch that a node is in.
    pub fn epoch(&self, node: NodeId) -> LeaderEpoch {
        self.nodes[&node].raft().epoch()
    }

    /// Lets a node that leads append a record; says where it will be.
    pub fn append(&mut self, id: NodeId) -> Option<Offset> {
        let node = self.nodes.get_mut(&id)?;
        node.host.appended += 1;
        let record = named(format!("{id} {} {}", node.identity.incarnation, node.host.appended));
        self.with(id, |raft, now, out| {
            let expected = raft.next_append_offset();
            let epoch = raft.epoch();
            let last = raft.append(now, epoch, vec![record], out).ok();
            assert!(last.is_none_or(|last| last == expected));
            last
        })
    }

    /// Lets a node write a snapshot of what it has applied.
    pub fn snapshot(&mut self, id: NodeId) {
        let host = self.nodes[&id].host;
        if host.applied > Offset(0) {
            self.with(id, |raft, now, out| {
                raft.write_snapshot(now, host.applied, host.snapshot(), out);
            });
        }
    }

    /// Calls a replica from outside, as its host does.
    pub fn with<R>(
        &mut self,
        id: NodeId,
        call: impl FnOnce(&mut Raft, Now, &mut Outbox) -> R,
    ) -> R {
        let now = self.now();
        let node = self.nodes.get_mut(&id).expect("a known node");
        let result = call(node.raft.as_mut().expect("the node is up"), now, &mut node.out);
        self.after(id);
        result
    }

    /// Asks a node something on a connection of its own, and waits for the answer.
    pub fn ask(&mut self, id: NodeId, request: impl Into<Request>) -> Response {
        self.sequence += 1;
        let (connection, correlation) = (ConnectionId(self.sequence), CorrelationId(0));
        let input = Input::Request { connection, correlation, request: request.into() };
        self.with(id, |raft, now, out| raft.handle(now, input, out));
        let answered =
            self.run_until(Span::from_secs(2), |it| it.answers.contains_key(&connection));
        assert!(answered, "{id} does not answer");
        self.answers.remove(&connection).expect("it is answered")
    }

    /// Ends a node's process; with the power its unflushed writes go too.
    pub fn crash(&mut self, id: NodeId, lose_power: bool) {
        for connection in self.network.of(id) {
            self.break_connection(connection, DisconnectReason::Reset);
        }
        let node = self.nodes.get_mut(&id).expect("a known node");
        node.raft = None;
        if lose_power {
            node.disk.lose_power(&mut self.random);
        }
    }

    /// Starts a node again, if it is down.
    pub fn boot(&mut self, id: NodeId) {
        let now = self.now();
        self.lives += 1;
        let node = self.nodes.get_mut(&id).expect("a known node");
        if node.raft.is_some() {
            return;
        }
        node.identity.incarnation = IncarnationId(self.lives);
        node.out = Outbox::new(self.lives * FIRST_CONNECTION);
        node.timers.clear();
        node.host = Host { appended: node.host.appended, ..Host::default() };
        let image = node.disk.image();
        let raft = Raft::boot(node.setup.clone(), &node.identity, image, now, &mut node.out);
        node.raft = Some(raft);
        self.after(id);
    }

    /// Whether a node is up.
    pub fn is_up(&self, id: NodeId) -> bool {
        self.nodes[&id].raft.is_some()
    }

    /// Cuts a node off from all others, in both directions.
    pub fn isolate(&mut self, id: NodeId) {
        for other in self.nodes.keys() {
            self.network.cut(id, *other);
            self.network.cut(*other, id);
        }
    }

    /// Breaks a connection: both ends are told, what was on its way is lost.
    pub fn break_connection(&mut self, id: ConnectionId, reason: DisconnectReason) {
        let Some(ends) = self.network.close(id) else { return };
        for end in [ends.client, ends.server] {
            self.later(end, 1_000, What::Disconnected(id, reason));
        }
    }

    /// How many facts of this name there have been.
    pub fn count_facts(&self, name: &str) -> usize {
        self.facts.iter().filter(|(_, _, fact)| fact.name() == name).count()
    }

    /// The voters but this one.
    pub fn others(&self, id: NodeId) -> Vec<NodeId> {
        let voters = self.nodes.values().filter(|node| node.setup.is_voter(&node.identity));
        voters.map(|node| node.identity.node).filter(|voter| *voter != id).collect()
    }

    /// Appends records one after the other, and waits until everybody who is up has the last one.
    pub fn append_and_commit(&mut self, leader: NodeId, count: u32) -> Offset {
        let mut last = Offset(0);
        for _ in 0..count {
            last = self.append(leader).expect("the leader appends");
            self.run(Span::from_millis(5));
        }
        let has = |node: &Node| node.raft.is_none() || node.host.applied > last;
        let done = self.run_until(Span::from_secs(10), |it| it.nodes.values().all(has));
        assert!(done, "{last} is not committed everywhere");
        last
    }

    fn step(&mut self) {
        let Some(((at, _), event)) = self.queue.pop_first() else { return };
        self.now = self.now.max(at);
        let node = &self.nodes[&event.node];
        if node.raft.is_none() || node.identity.incarnation != event.life {
            return;
        }
        let (id, now) = (event.node, self.now());
        let Some(input) = self.input(id, event.what) else { return };
        let node = self.nodes.get_mut(&id).expect("a known node");
        let raft = node.raft.as_mut().expect("it is up");
        if raft.owns(&input) {
            raft.handle(now, input, &mut node.out);
            self.after(id);
        }
    }

    fn input(&mut self, id: NodeId, what: What) -> Option<Input> {
        Some(match what {
            What::Request(connection, correlation, request) => {
                let channel = self.network.connection(connection)?;
                if std::mem::replace(&mut channel.is_muted, true) {
                    channel.waiting.push_back((correlation, request));
                    return None;
                }
                Input::Request { connection, correlation, request }
            }
            What::Response(connection, correlation, response) => {
                self.network.connection(connection)?;
                Input::Response { connection, correlation, response }
            }
            What::Connected(connection) => {
                self.network.connection(connection)?;
                Input::Connected { connection }
            }
            What::Disconnected(connection, reason) => Input::Disconnected { connection, reason },
            What::Timer(timer, number) => {
                let node = self.nodes.get_mut(&id)?;
                if node.timers.get(&timer) != Some(&number) {
                    return None;
                }
                node.timers.remove(&timer);
                Input::Timer(timer)
            }
            What::Flushed(file, flush) => {
                self.nodes.get_mut(&id)?.disk.flush(file);
                Input::Flushed(flush)
            }
        })
    }

    /// Carries out what a node asked for, lets its host learn, and looks at the invariants.
    fn after(&mut self, id: NodeId) {
        let node = self.nodes.get_mut(&id).expect("a known node");
        self.facts.extend(node.out.drain_facts().map(|fact| (self.now, id, fact)));
        let effects: Vec<Effect> = node.out.drain().collect();
        if let Some(raft) = &mut node.raft {
            while let Some(event) = raft.next_event() {
                node.host.learn(&event);
            }
        }
        for effect in effects {
            self.carry_out(id, effect);
        }
        self.invariants.check(&self.nodes[&id]);
        self.invariants.check_high_watermark(&self.nodes, self.now());
    }

    fn carry_out(&mut self, id: NodeId, effect: Effect) {
        match effect {
            Effect::Connect { connection, to } => self.connect(id, connection, to.node),
            Effect::Close { connection } => self.close(id, connection),
            Effect::Send { connection, correlation, request } => {
                let what = What::Request(connection, correlation, request);
                self.transmit(connection, 0, what);
            }
            Effect::Respond { connection, response, .. } if connection.0 < FIRST_CONNECTION => {
                self.answers.insert(connection, response);
            }
            Effect::Respond { connection, correlation, response } => {
                let what = What::Response(connection, correlation, response);
                self.transmit(connection, 1, what);
                self.unmute(connection);
            }
            Effect::SetTimer { timer, after } => {
                self.sequence += 1;
                let number = self.sequence;
                let node = self.nodes.get_mut(&id).expect("a known node");
                node.timers.insert(timer, number);
                self.later(id, after.0, What::Timer(timer, number));
            }
            Effect::StopTimer { timer } => {
                self.nodes.get_mut(&id).expect("a known node").timers.remove(&timer);
            }
            Effect::Store { file, change } => {
                self.nodes.get_mut(&id).expect("a known node").disk.store(file, change);
            }
            Effect::Flush { file, then } => {
                let takes = self.random.between(100_000, 5_000_000);
                self.later(id, takes, What::Flushed(file, then));
            }
            Effect::Frame { .. } => panic!("{id} speaks ZooKeeper"),
            Effect::Halt => panic!("{id} halted"),
            Effect::Read { .. } | Effect::Spend { .. } => {}
        }
    }

    fn connect(&mut self, client: NodeId, connection: ConnectionId, server: NodeId) {
        let takes = self.latency();
        if !self.network.passes(client, server) || !self.network.passes(server, client) {
            return;
        }
        if self.is_up(server) {
            self.network.open(connection, client, server);
            self.later(client, takes, What::Connected(connection));
        } else {
            let refused = What::Disconnected(connection, DisconnectReason::Refused);
            self.later(client, takes, refused);
        }
    }

    fn close(&mut self, id: NodeId, connection: ConnectionId) {
        if let Some(ends) = self.network.close(connection) {
            let other = if ends.client == id { ends.server } else { ends.client };
            let takes = self.latency();
            let closed = What::Disconnected(connection, DisconnectReason::Closed);
            self.later(other, takes, closed);
        }
    }

    /// Sends a message to the server (0) or the client (1) of a connection, behind the ones before it.
    fn transmit(&mut self, connection: ConnectionId, direction: usize, what: What) {
        let takes = self.latency();
        let now = self.now;
        let Some(channel) = self.network.connection(connection) else { return };
        let ends = [(channel.client, channel.server), (channel.server, channel.client)];
        let arrival = (now + takes).max(channel.arrivals[direction] + 1);
        channel.arrivals[direction] = arrival;
        let (from, to) = ends[direction];
        match self.network.passes(from, to) {
            true => self.later(to, arrival - now, what),
            false => self.stall(connection),
        }
    }

    /// A message does not get through, and so none behind it does: in the end the connection breaks.
    fn stall(&mut self, id: ConnectionId) {
        let Some(ends) = self.network.close(id) else { return };
        for end in [ends.client, ends.server] {
            self.later(end, 3_000_000_000, What::Disconnected(id, DisconnectReason::Broken));
        }
    }

    fn unmute(&mut self, connection: ConnectionId) {
        let Some(channel) = self.network.connection(connection) else { return };
        channel.is_muted = false;
        let server = channel.server;
        if let Some((correlation, request)) = channel.waiting.pop_front() {
            self.later(server, 0, What::Request(connection, correlation, request));
        }
    }

    fn later(&mut self, node: NodeId, nanos: u64, what: What) {
        let life = self.nodes[&node].identity.incarnation;
        self.sequence += 1;
        self.queue.insert((self.now + nanos, self.sequence), Event { node, life, what });
    }

    fn latency(&mut self) -> u64 {
        match self.random.below(50) {
            0 if self.has_slow_messages => self.random.between(1_000_000, 300_000_000),
            _ => self.random.between(100_000, 3_000_000),
        }
    }
}

impl Shape {
    fn setup(&self, voters: Vec<ReplicaKey>) -> RaftSetup {
        RaftSetup {
            voters,
            config: QuorumConfig {
                controller_quorum_append_linger_ms: self.linger,
                ..QuorumConfig::default()
            },
            limits: MetadataLogLimits {
                segment_bytes: self.segment_bytes,
                segment_age: Span::from_secs(3600),
                retention_bytes: Some(self.retention_bytes),
                retention_age: None,
            },
            pre_vote: self.pre_vote,
            quorum_commit: QuorumCommit::BeyondEpochStart,
            high_watermark_in_fetch: self.high_watermark_in_fetch,
            connection_setup_timeout: Span::from_secs(2),
            is_beside_voter: false,
            network_client: 0,
        }
    }
}

/// The replica of a node with the disk that it was born with.
pub fn key(id: NodeId) -> ReplicaKey {
    ReplicaKey { id, directory: DirectoryId(id.key()) }
}

fn node(id: NodeId, seed: u64, setup: RaftSetup) -> Node {
    let identity = Identity {
        node: id,
        cluster: ClusterId::from("test"),
        directory: key(id).directory,
        incarnation: IncarnationId(0),
        rack: None,
        seed,
    };
    Node {
        identity,
        setup,
        raft: None,
        disk: Disk::default(),
        out: Outbox::new(0),
        timers: BTreeMap::new(),
        host: Host::default(),
    }
}
