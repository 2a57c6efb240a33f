//! One entry of a run's trace: what happened, when, to whom.
//!
//! The trace is the lab's one spine. Invariants watch it, fingerprints digest it, reports draw it.

use crate::fact::Fact;
use crate::input::{ConnectionId, CorrelationId, DisconnectReason};
use crate::operation::Operation;
use klab_wire::{ApiKey, NodeId, Time};
use serde::Serialize;
use std::fmt;
use std::hash::{Hash, Hasher};

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Entry {
    /// The step of the run in which it happened, from 0.
    pub step: u64,
    /// The true time.
    pub time: Time,
    /// To whom, or by whom.
    pub node: NodeId,
    /// What.
    pub what: What,
}

/// The kinds of entries.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum What {
    /// A truth about a step; acts on the world are facts of the world.
    Fact(Fact),
    /// A client call begins or ends.
    Operation(Operation),
    /// What became of a message.
    Fate(Fate),
}

/// What became of a message or a connection. The entry's node is the one that sent it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Fate {
    /// The other end.
    pub peer: NodeId,
    /// The connection.
    pub connection: ConnectionId,
    /// Which message, unless it is about the connection itself.
    pub message: Option<Message>,
    /// What became of it.
    pub fate: Outcome,
}

/// A message, by what its header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Message {
    /// The API.
    pub api: ApiKey,
    /// A response, or else a request.
    pub is_response: bool,
    /// Which request of its connection.
    pub correlation: CorrelationId,
    /// Bytes on the wire.
    pub bytes: u32,
}

/// In two words: half the entries of a trace are about messages.
impl Hash for Message {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64((u64::from(self.correlation.0) << 32) | u64::from(self.bytes));
        state.write_u64(((self.api as u64) << 1) | u64::from(self.is_response));
    }
}

/// What can become of a message.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum Outcome {
    /// It has left its host.
    Sent,
    /// It has reached its receiver.
    Delivered,
    /// It, or its acknowledgement, was lost; it is sent again.
    Retransmitted,
    /// It was thrown away by a fault that the scenario asked for.
    Dropped,
    /// It went down with its connection.
    LostWithConnection(DisconnectReason),
    /// The connection was opened.
    Opened,
    /// The connection ended.
    Ended(DisconnectReason),
}

impl fmt::Display for Entry {
    /// One ASCII line with fixed columns: step, seconds, node, what.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>8} {:>12} {:<4} {}", self.step, self.time, self.node, self.what)
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            What::Fact(fact) => write!(f, "{fact}"),
            What::Operation(operation) => write!(f, "{operation}"),
            What::Fate(fate) => write!(f, "{fate}"),
        }
    }
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.message {
            Some(message) => write!(f, "-> {} {} {message} ", self.peer, self.connection.0)?,
            None => write!(f, "-> {} {} connection ", self.peer, self.connection.0)?,
        }
        match &self.fate {
            Outcome::LostWithConnection(reason) => write!(f, "lost ({reason:?})"),
            Outcome::Ended(reason) => write!(f, "ended ({reason:?})"),
            other => write!(f, "{}", format!("{other:?}").to_lowercase()),
        }
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.is_response { "response" } else { "request" };
        write!(f, "{} {kind} {} ({} B)", self.api, self.correlation.0, self.bytes)
    }
}
