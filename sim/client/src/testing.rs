//! A bench for one client machine: a clock, its timers, and a cluster that a test plays by hand.

use klab_machine::trace::What;
use klab_machine::{
    Address, ConnectionId, CorrelationId, DisconnectReason, DiskImage, Effect, Fact, Identity,
    Input, Machine, Operation, OperationId, Outbox, Outcome, Timer, Told,
};
use klab_wire::{
    ClusterId, DirectoryId, ErrorCode, IncarnationId, LeaderEpoch, MetadataBroker,
    MetadataPartition, MetadataResponse, MetadataTopic, NodeId, Now, PartitionId, Request,
    Response, Span, Time, Timestamp, TopicId,
};
use std::collections::{BTreeMap, VecDeque};

/// One machine on the bench.
pub(crate) struct Bench<M: Machine> {
    pub(crate) machine: M,
    pub(crate) now: Time,
    pub(crate) operations: Vec<Operation>,
    pub(crate) facts: Vec<Fact>,
    /// Requests that wait for the test, metadata excepted.
    pub(crate) requests: VecDeque<Asked>,
    pub(crate) cluster: Cluster,
    pub(crate) has_halted: bool,
    timers: BTreeMap<Timer, Time>,
    connections: BTreeMap<ConnectionId, NodeId>,
    out: Outbox,
    /// What the brokers and the network answer at once, after the step that asked for it.
    inputs: VecDeque<Input>,
    /// What each connection has to answer first.
    unanswered: BTreeMap<ConnectionId, VecDeque<CorrelationId>>,
}

/// A request that a machine has sent.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) to: NodeId,
    pub(crate) request: Request,
    connection: ConnectionId,
    correlation: CorrelationId,
}

/// What the brokers answer to metadata requests: topic `t`, whose partitions have these leaders.
#[derive(Clone, Debug)]
pub(crate) struct Cluster {
    pub(crate) leaders: Vec<(Option<u16>, u32)>,
    /// Brokers that refuse connections.
    pub(crate) down: Vec<u16>,
    pub(crate) topic_error: ErrorCode,
    /// Metadata requests wait for the test like any other.
    pub(crate) is_silent: bool,
}

impl Cluster {
    /// Topic `t` with so many partitions, all led by b1 in epoch 0.
    pub(crate) fn of(partitions: usize) -> Self {
        Cluster {
            leaders: vec![(Some(1), 0); partitions],
            down: Vec::new(),
            topic_error: ErrorCode::None,
            is_silent: false,
        }
    }

    pub(crate) fn metadata(&self) -> MetadataResponse {
        let broker = |number| MetadataBroker { node: NodeId::broker(number), rack: None };
        let nodes = [1, 2, 3].map(NodeId::broker);
        let partition =
            |(index, (leader, epoch)): (usize, &(Option<u16>, u32))| MetadataPartition {
                error: ErrorCode::None,
                partition: PartitionId(index as u32),
                leader: leader.map(NodeId::broker),
                leader_epoch: LeaderEpoch(*epoch),
                replicas: nodes.into(),
                isr: nodes.into(),
                offline_replicas: Vec::new(),
            };
        let topic = MetadataTopic {
            error: self.topic_error,
            name: "t".into(),
            id: TopicId(7),
            partitions: self.leaders.iter().enumerate().map(partition).collect(),
        };
        MetadataResponse {
            cluster: ClusterId::from("c"),
            controller: Some(NodeId::broker(1)),
            brokers: [1, 2, 3].map(broker).into(),
            topics: vec![topic],
        }
    }
}

pub(crate) fn identity(node: NodeId) -> Identity {
    Identity {
        node,
        cluster: ClusterId::from("c"),
        directory: DirectoryId(0),
        incarnation: IncarnationId(0),
        rack: None,
        seed: 42,
    }
}

impl<M: Machine> Bench<M> {
    pub(crate) fn boot(node: NodeId, config: M::Config, cluster: Cluster) -> Self {
        let mut out = Outbox::new(0);
        let now = Now { time: Time::ZERO, wall: Timestamp::START };
        let machine = M::boot(identity(node), config, &DiskImage::default(), now, &mut out);
        let mut bench = Bench {
            machine,
            now: Time::ZERO,
            operations: Vec::new(),
            facts: Vec::new(),
            requests: VecDeque::new(),
            cluster,
            has_halted: false,
            timers: BTreeMap::new(),
            connections: BTreeMap::new(),
            out,
            inputs: VecDeque::new(),
            unanswered: BTreeMap::new(),
        };
        bench.carry_out();
        bench.settle();
        bench
    }

    /// Hands the machine one input, and carries out what it asks for.
    pub(crate) fn step(&mut self, input: Input) {
        self.inputs.push_back(input);
        self.settle();
    }

    fn settle(&mut self) {
        while let Some(input) = self.inputs.pop_front() {
            let millis = self.now.since(Time::ZERO).as_millis() as i64;
            let wall = Timestamp(Timestamp::START.0 + millis);
            self.machine.step(Now { time: self.now, wall }, input, &mut self.out);
            self.carry_out();
        }
    }

    /// Lets time pass, ringing timers on the way.
    pub(crate) fn run_for(&mut self, span: Span) {
        let end = self.now + span;
        while let Some((timer, at)) = self.next_timer(end) {
            self.now = at;
            self.timers.remove(&timer);
            self.step(Input::Timer(timer));
        }
        self.now = end;
    }

    pub(crate) fn run_for_millis(&mut self, millis: u64) {
        self.run_for(Span::from_millis(millis));
    }

    fn next_timer(&self, end: Time) -> Option<(Timer, Time)> {
        let due = self.timers.iter().filter(|(_, at)| **at <= end);
        due.map(|(timer, at)| (*timer, *at)).min_by_key(|(timer, at)| (*at, *timer))
    }

    /// The oldest request that waits.
    pub(crate) fn asked(&mut self) -> Asked {
        self.requests.pop_front().expect("the machine has asked something")
    }

    /// The oldest request that its broker may handle: it takes one of a connection at a time.
    pub(crate) fn take_next(&mut self) -> Option<Asked> {
        let is_next = |asked: &Asked| {
            let next = self.unanswered.get(&asked.connection).and_then(VecDeque::front);
            next == Some(&asked.correlation)
        };
        let index = self.requests.iter().position(is_next)?;
        self.requests.remove(index)
    }

    pub(crate) fn answer(&mut self, asked: &Asked, response: Response) {
        self.queue_answer(asked, response);
        self.settle();
    }

    /// The connection that a request went over breaks; what was on it is forgotten.
    pub(crate) fn disconnect(&mut self, asked: &Asked) {
        self.forget(asked.connection);
        let reason = DisconnectReason::Reset;
        self.step(Input::Disconnected { connection: asked.connection, reason });
    }

    /// How the operations have ended so far, in that order.
    pub(crate) fn outcomes(&self) -> Vec<(OperationId, Outcome)> {
        let ended = |operation: &Operation| match operation {
            Operation::Ended { id, outcome } => Some((*id, outcome.clone())),
            Operation::Began { .. } => None,
        };
        self.operations.iter().filter_map(ended).collect()
    }

    pub(crate) fn has_stated(&self, name: &str) -> bool {
        self.facts.iter().any(|fact| fact.name() == name)
    }

    fn carry_out(&mut self) {
        let (effects, told) = self.out.drain_all();
        for Told { what, .. } in told {
            match what {
                What::Operation(operation) => self.operations.push(operation),
                What::Fact(fact) => self.facts.push(fact),
                What::Fate(_) => unreachable!("a client knows nothing of fates"),
            }
        }
        let effects: Vec<Effect> = effects.collect();
        effects.into_iter().for_each(|effect| self.carry_out_one(effect));
    }

    fn carry_out_one(&mut self, effect: Effect) {
        match effect {
            Effect::Connect { connection, to } => self.connect(connection, to),
            Effect::Close { connection } => self.forget(connection),
            Effect::Send { connection, correlation, request } => {
                self.receive(connection, correlation, request);
            }
            Effect::SetTimer { timer, after } => {
                self.timers.insert(timer, self.now + after);
            }
            Effect::StopTimer { timer } => {
                self.timers.remove(&timer);
            }
            Effect::Halt => self.has_halted = true,
            other => panic!("a client does not ask for {other:?}"),
        }
    }

    fn connect(&mut self, connection: ConnectionId, to: Address) {
        if self.cluster.down.contains(&to.node.number) {
            let reason = DisconnectReason::Refused;
            return self.inputs.push_back(Input::Disconnected { connection, reason });
        }
        self.connections.insert(connection, to.node);
        self.inputs.push_back(Input::Connected { connection });
    }

    fn forget(&mut self, connection: ConnectionId) {
        self.connections.remove(&connection);
        self.unanswered.remove(&connection);
        self.requests.retain(|asked| asked.connection != connection);
    }

    fn receive(&mut self, connection: ConnectionId, correlation: CorrelationId, request: Request) {
        if request.expects_response() {
            self.unanswered.entry(connection).or_default().push_back(correlation);
        }
        let to = self.connections[&connection];
        self.requests.push_back(Asked { to, request, connection, correlation });
        self.answer_metadata();
    }

    /// Answers metadata requests whose turn it is on their connection.
    fn answer_metadata(&mut self) {
        let is_next = |asked: &Asked| {
            let next = self.unanswered.get(&asked.connection).and_then(VecDeque::front);
            matches!(asked.request, Request::Metadata(_)) && next == Some(&asked.correlation)
        };
        if self.cluster.is_silent {
            return;
        }
        if let Some(index) = self.requests.iter().position(is_next) {
            let asked = self.requests.remove(index).expect("it is there");
            let response = Response::Metadata(Box::new(self.cluster.metadata()));
            self.queue_answer(&asked, response);
        }
    }

    fn queue_answer(&mut self, asked: &Asked, response: Response) {
        let Asked { connection, correlation, .. } = *asked;
        self.unanswered.get_mut(&connection).and_then(VecDeque::pop_front);
        self.inputs.push_back(Input::Response { connection, correlation, response });
        self.answer_metadata();
    }
}
