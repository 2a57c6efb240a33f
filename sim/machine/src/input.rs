//! What can happen to a machine.

use crate::{FlushId, Timer};
use klab_wire::{Frame, NodeId, Request, Response};
use serde::Serialize;
use std::fmt;

/// One connection, by the number that both its ends know it by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct ConnectionId(pub u64);

/// The number by which a response finds its request on a connection; the requester counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct CorrelationId(pub u32);

/// What a process listens for. In Kafka every listener is a port of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Listener {
    /// A broker's, for clients and other brokers.
    Broker,
    /// A KRaft controller's, for brokers and other voters (`controller.listener.names`).
    Controller,
    /// A ZooKeeper server's, for clients (`clientPort`, 2181).
    ZooKeeperClient,
    /// A ZooKeeper leader's, for its learners (2888 in `server.n=host:2888:3888`).
    ZooKeeperQuorum,
    /// A ZooKeeper server's, for votes (3888).
    ZooKeeperElection,
}

/// Where to connect to: what host and port are in Kafka.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Address {
    /// The process.
    pub node: NodeId,
    /// Which of its listeners.
    pub listener: Listener,
}

impl Address {
    /// A broker's listener for clients and other brokers.
    pub const fn broker(node: NodeId) -> Self {
        Address { node, listener: Listener::Broker }
    }

    /// A KRaft controller's listener.
    pub const fn controller(node: NodeId) -> Self {
        Address { node, listener: Listener::Controller }
    }

    /// A ZooKeeper server's port for clients.
    pub const fn zookeeper(node: NodeId) -> Self {
        Address { node, listener: Listener::ZooKeeperClient }
    }

    /// A ZooKeeper leader's port for its learners.
    pub const fn zookeeper_quorum(node: NodeId) -> Self {
        Address { node, listener: Listener::ZooKeeperQuorum }
    }

    /// A ZooKeeper server's port for votes.
    pub const fn zookeeper_election(node: NodeId) -> Self {
        Address { node, listener: Listener::ZooKeeperElection }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{:?}", self.node, self.listener)
    }
}

/// Something that happens to a machine.
#[derive(Clone, Debug)]
pub enum Input {
    /// A peer asks. Until the response has left, nothing more of this connection is handed over
    /// (Kafka mutes the channel): order within a connection holds, across connections it does not.
    Request {
        /// Where it came in.
        connection: ConnectionId,
        /// What the response must carry.
        correlation: CorrelationId,
        /// The request.
        request: Request,
    },
    /// A peer answers.
    Response {
        /// Where it came in.
        connection: ConnectionId,
        /// Which request it answers.
        correlation: CorrelationId,
        /// The response.
        response: Response,
    },
    /// A peer says something on a stream that has no questions and answers: everything of ZooKeeper. What one
    /// end sends arrives in that order, and no frame waits for an earlier one to be dealt with.
    Frame {
        /// Where it came in.
        connection: ConnectionId,
        /// What it says.
        frame: Frame,
    },
    /// A peer has connected to a listener of this machine.
    Accepted {
        /// The connection.
        connection: ConnectionId,
        /// Who connected: what the socket's remote address tells.
        from: NodeId,
        /// To which listener.
        listener: Listener,
    },
    /// A connection that this machine asked for is open.
    Connected {
        /// The connection.
        connection: ConnectionId,
    },
    /// A connection is gone, or never came to be. Requests on it have no answer and may have been
    /// carried out.
    Disconnected {
        /// The connection.
        connection: ConnectionId,
        /// Why.
        reason: DisconnectReason,
    },
    /// A timer that this machine set has run out.
    Timer(Timer),
    /// An fsync that this machine asked for is done.
    Flushed(FlushId),
    /// A store, flush or read has failed, and the change is lost.
    StorageFailed(StorageFailure),
    /// An operator, an application or a scenario asks something.
    Command(Command),
}

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum DisconnectReason {
    /// Nobody listens there, or the process is down.
    Refused,
    /// The connection attempt ran into the cut or loss of a link until the system gave up.
    Unreachable,
    /// The other end closed it in order.
    Closed,
    /// The other end's process died.
    Reset,
    /// Retransmissions went unanswered until the system gave up.
    Broken,
}

/// What a disk refused to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum StorageFailure {
    /// There is no space left.
    Full,
    /// Every access fails.
    Failing,
}

/// What somebody may ask of a machine from outside the protocols.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Command {
    /// Go in order (SIGTERM): a broker starts its controlled shutdown, a voter resigns, a client closes.
    ShutDown,
    /// To an administrator's tool: carry out this request and record the operation.
    Administer(Request),
    /// To a consuming application.
    Consume(ConsumerCommand),
}

/// What a consuming application can be told while it runs (`Consumer`'s methods of these names).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ConsumerCommand {
    /// Continue from another place.
    Seek(klab_wire::TopicPartition, klab_wire::OffsetSpec),
    /// Continue from this offset.
    SeekTo(klab_wire::TopicPartition, klab_wire::Offset),
    /// Do not fetch these for now.
    Pause(Vec<klab_wire::TopicPartition>),
    /// Fetch these again.
    Resume(Vec<klab_wire::TopicPartition>),
}
