//! The smallest machine there is: for the engine's own tests and figures, and as an example of what a
//! library user's own machine looks like.
//!
//! A toy client opens a connection to every server it knows and keeps some requests in flight on each; a
//! toy server answers at once, after a while, or when it has written the request down and flushed it.
//! Both remember what has happened to them, if they are asked to.

use klab_machine::timer::{ClientTimer, RaftTimer};
use klab_machine::{
    Address, Block, Change, Command, ConnectionId, CorrelationId, DisconnectReason, DiskImage,
    File, FlushId, Identity, Input, Machine, Outbox, StorageFailure, Timer,
};
use klab_wire::zookeeper::{Frame, Zxid};
use klab_wire::{
    ErrorCode, InitProducerIdRequest, InitProducerIdResponse, LeaderEpoch, NodeId, Now, Offset,
    RecordBatch, Response, Span, TopicIdPartition,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a toy does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToyConfig {
    /// The servers that it connects to.
    pub servers: Vec<NodeId>,
    /// How many requests it keeps in flight to each of them.
    pub window: u32,
    /// How a server answers.
    pub answer: Answer,
    /// How often it looks at its clocks; none for never.
    pub tick: Option<Span>,
    /// How many frames it says to whoever connects.
    pub frames: u32,
    /// Whether it keeps a diary.
    pub remembers: bool,
}

/// How a toy server answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// In the same step.
    AtOnce,
    /// After this long.
    After(Span),
    /// When the request is written down and flushed.
    Durably,
    /// In the same step, having read so many bytes of its file.
    Reading(u64),
}

/// A toy.
#[derive(Clone, Debug)]
pub struct Toy {
    config: ToyConfig,
    links: BTreeMap<ConnectionId, NodeId>,
    sent: u32,
    waiting: BTreeMap<u64, (ConnectionId, CorrelationId)>,
    served: u64,
    diary: Vec<(Now, Seen)>,
}

/// What happened to a toy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is the input of its name")]
pub enum Seen {
    Booted { blocks: u64, valid: u64 },
    Accepted(NodeId),
    Connected(NodeId),
    Disconnected(NodeId, DisconnectReason),
    Request(NodeId, CorrelationId),
    Response(NodeId, CorrelationId),
    Frame(NodeId, Zxid),
    Ticked,
    Flushed,
    StorageFailed(StorageFailure),
    Commanded,
}

/// The file that toys write to.
pub const FILE: File = File::Segment(TopicIdPartition::CLUSTER_METADATA, Offset(0));

const TICK: Timer = Timer::Client(ClientTimer::Poll);

impl ToyConfig {
    /// A server that answers at once and keeps a diary.
    pub fn server() -> Self {
        ToyConfig {
            servers: Vec::new(),
            window: 0,
            answer: Answer::AtOnce,
            tick: None,
            frames: 0,
            remembers: true,
        }
    }

    /// A client of these servers that keeps a diary.
    pub fn client(servers: &[NodeId], window: u32) -> Self {
        ToyConfig { servers: servers.to_vec(), window, ..ToyConfig::server() }
    }
}

impl Machine for Toy {
    type Config = ToyConfig;
    type View = Vec<(Now, Seen)>;

    fn boot(_: Identity, config: ToyConfig, disk: &DiskImage, now: Now, out: &mut Outbox) -> Self {
        let links =
            config.servers.iter().map(|to| (out.connect(Address::broker(*to)), *to)).collect();
        if let Some(tick) = config.tick {
            out.set_timer(TICK, tick);
        }
        let blocks = disk.blocks(FILE);
        let (sent, served, diary) = (0, 0, Vec::new());
        let mut toy = Toy { config, links, sent, waiting: BTreeMap::new(), served, diary };
        let valid = blocks.iter().filter(|block| is_valid(block)).count() as u64;
        toy.note(now, Seen::Booted { blocks: blocks.len() as u64, valid });
        toy
    }

    fn step(&mut self, now: Now, input: Input, out: &mut Outbox) {
        match input {
            Input::Request { connection, correlation, .. } => {
                self.note(now, Seen::Request(self.peer(connection), correlation));
                self.serve(now, connection, correlation, out);
            }
            Input::Response { connection, correlation, .. } => {
                self.note(now, Seen::Response(self.peer(connection), correlation));
                self.ask(connection, out);
            }
            Input::Accepted { connection, from, .. } => {
                self.links.insert(connection, from);
                self.note(now, Seen::Accepted(from));
                for number in 1..=self.config.frames {
                    out.frame(connection, Frame::Ack(Zxid::new(0, number)));
                }
            }
            Input::Frame { connection, frame } => {
                if let Frame::Ack(zxid) = frame {
                    self.note(now, Seen::Frame(self.peer(connection), zxid));
                }
            }
            Input::Connected { connection } => {
                self.note(now, Seen::Connected(self.peer(connection)));
                (0..self.config.window).for_each(|_| self.ask(connection, out));
            }
            Input::Disconnected { connection, reason } => {
                self.note(now, Seen::Disconnected(self.peer(connection), reason));
                self.links.remove(&connection);
            }
            Input::Timer(TICK) => self.tick(now, out),
            Input::Timer(Timer::Raft(RaftTimer::DelayedFetch(number))) => {
                self.answer(number, out);
            }
            Input::Timer(timer) => unreachable!("a toy sets no {timer:?}"),
            Input::Flushed(FlushId(number)) => {
                self.note(now, Seen::Flushed);
                self.answer(number, out);
            }
            Input::StorageFailed(failure) => self.note(now, Seen::StorageFailed(failure)),
            Input::Command(command) => self.command(now, command, out),
        }
    }

    fn view(&self) -> Self::View {
        self.diary.clone()
    }
}

impl Toy {
    /// What has happened to it, without the times.
    pub fn seen(&self) -> Vec<Seen> {
        self.diary.iter().map(|(_, seen)| *seen).collect()
    }

    /// What has happened to it, and when by its own clocks.
    pub fn diary(&self) -> &[(Now, Seen)] {
        &self.diary
    }

    /// How many requests it has served.
    pub fn served(&self) -> u64 {
        self.served
    }

    fn serve(
        &mut self,
        now: Now,
        connection: ConnectionId,
        correlation: CorrelationId,
        out: &mut Outbox,
    ) {
        self.served += 1;
        match self.config.answer {
            Answer::AtOnce => out.respond(connection, correlation, response()),
            Answer::Reading(bytes) => {
                out.read(FILE, 0, bytes);
                out.respond(connection, correlation, response());
            }
            Answer::After(span) => {
                self.waiting.insert(self.served, (connection, correlation));
                let timer = RaftTimer::DelayedFetch(self.served);
                out.set_timer(Timer::Raft(timer), span);
            }
            Answer::Durably => {
                let batch = RecordBatch::of_counted(self.served, 1, 100, now.wall, None)
                    .assigned(Offset(self.served), LeaderEpoch(0));
                out.store(FILE, Change::Append(Block::Batch(Arc::new(batch))));
                let FlushId(number) = out.flush(FILE);
                self.waiting.insert(number, (connection, correlation));
            }
        }
    }

    fn answer(&mut self, number: u64, out: &mut Outbox) {
        if let Some((connection, correlation)) = self.waiting.remove(&number) {
            out.respond(connection, correlation, response());
        }
    }

    fn ask(&mut self, connection: ConnectionId, out: &mut Outbox) {
        if self.config.window > 0 {
            self.send(connection, out);
        }
    }

    fn send(&mut self, connection: ConnectionId, out: &mut Outbox) {
        out.send(connection, CorrelationId(self.sent), InitProducerIdRequest { current: None });
        self.sent += 1;
    }

    fn tick(&mut self, now: Now, out: &mut Outbox) {
        self.note(now, Seen::Ticked);
        if let Some(tick) = self.config.tick {
            out.set_timer(TICK, tick);
        }
    }

    /// Asked to shut down, it halts; asked to consume, which it cannot, it closes its connections; asked to
    /// administer, it sends one request to each server.
    fn command(&mut self, now: Now, command: Command, out: &mut Outbox) {
        self.note(now, Seen::Commanded);
        let connections: Vec<ConnectionId> = self.links.keys().copied().collect();
        match command {
            Command::ShutDown => out.halt(),
            Command::Consume(_) => connections.into_iter().for_each(|link| out.close(link)),
            Command::Administer(_) => {
                connections.into_iter().for_each(|link| self.send(link, out));
            }
        }
    }

    fn peer(&self, connection: ConnectionId) -> NodeId {
        self.links[&connection]
    }

    fn note(&mut self, now: Now, seen: Seen) {
        if self.config.remembers {
            self.diary.push((now, seen));
        }
    }
}

fn response() -> Response {
    Response::InitProducerId(Box::new(InitProducerIdResponse {
        error: ErrorCode::None,
        producer: None,
    }))
}

fn is_valid(block: &Block) -> bool {
    matches!(block, Block::Batch(batch) if batch.is_valid())
}
