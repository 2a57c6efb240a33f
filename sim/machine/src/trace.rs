//! One entry of a run's trace: what happened, when, to whom.
//!
//! The trace is the lab's one spine. Invariants watch it, fingerprints digest it, reports draw it.

use crate::fact::Fact;
use crate::input::{ConnectionId, CorrelationId, DisconnectReason};
use crate::operation::Operation;
use klab_wire::{ApiKey, FrameKind, NodeId, Time};
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum What {
    /// A truth about a step; acts on the world are facts of the world.
    Fact(Fact),
    /// A client call begins or ends.
    Operation(Operation),
    /// What became of a message.
    Fate(Fate),
}

impl Hash for What {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            What::Fact(fact) => {
                state.write_u64(0);
                fact.hash(state);
            }
            What::Operation(operation) => {
                state.write_u64(1);
                operation.hash(state);
            }
            What::Fate(fate) => fate.hash(state),
        }
    }
}

/// What became of a message or a connection. The entry's node is the one that sent it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
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
    /// What it is.
    pub kind: MessageKind,
    /// Which request of its connection; frames have none.
    pub correlation: CorrelationId,
    /// Bytes on the wire.
    pub bytes: u32,
}

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum MessageKind {
    /// A request of this API.
    Request(ApiKey),
    /// A response of this API.
    Response(ApiKey),
    /// A frame of a stream.
    Frame(FrameKind),
}

impl MessageKind {
    /// The name of its API, or of the frame.
    pub const fn name(self) -> &'static str {
        match self {
            MessageKind::Request(api) | MessageKind::Response(api) => api.name(),
            MessageKind::Frame(kind) => kind.name(),
        }
    }

    /// A number above 0 that no other kind has.
    const fn number(self) -> u64 {
        match self {
            MessageKind::Request(api) => (api as u64 + 1) << 1,
            MessageKind::Response(api) => ((api as u64 + 1) << 1) | 1,
            MessageKind::Frame(kind) => FRAMES + kind as u64,
        }
    }
}

/// The numbers of frames begin behind those of all APIs.
const FRAMES: u64 = 1 << 12;

/// In three words, since half the entries of a trace are fates. The highest bit of the first one tells them from
/// the other kinds of entries.
impl Hash for Fate {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        let kind = self.message.map_or(0, |message| message.kind.number());
        let what = (kind << 8) | self.fate.number();
        state.write_u64((1 << 63) | (self.peer.key() << 32) | what);
        state.write_u64(self.connection.0);
        if let Some(message) = self.message {
            state.write_u64((u64::from(message.correlation.0) << 32) | u64::from(message.bytes));
        }
    }
}

/// What can become of a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
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

impl Outcome {
    /// A number below 256 that no other outcome has.
    const fn number(&self) -> u64 {
        match self {
            Outcome::Sent => 0,
            Outcome::Delivered => 1,
            Outcome::Retransmitted => 2,
            Outcome::Dropped => 3,
            Outcome::Opened => 4,
            Outcome::LostWithConnection(reason) => 16 + *reason as u64,
            Outcome::Ended(reason) => 32 + *reason as u64,
        }
    }
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
        let (kind, bytes) = (self.kind.name(), self.bytes);
        match self.kind {
            MessageKind::Request(_) => {
                write!(f, "{kind} request {} ({bytes} B)", self.correlation.0)
            }
            MessageKind::Response(_) => {
                write!(f, "{kind} response {} ({bytes} B)", self.correlation.0)
            }
            MessageKind::Frame(_) => write!(f, "{kind} ({bytes} B)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fingerprint::Fingerprint;

    fn digest(fate: &Fate) -> String {
        let mut fingerprint = Fingerprint::new();
        fingerprint.add(&What::Fate(fate.clone()));
        fingerprint.hex()
    }

    #[test]
    fn fates_that_differ_in_anything_have_different_digests() {
        let message = Message {
            kind: MessageKind::Request(ApiKey::Produce),
            correlation: CorrelationId(1),
            bytes: 100,
        };
        let fate = Fate {
            peer: NodeId::broker(1),
            connection: ConnectionId(7),
            message: Some(message),
            fate: Outcome::Sent,
        };
        let of = |message: Message| Fate { message: Some(message), ..fate.clone() };
        let all = [
            fate.clone(),
            Fate { peer: NodeId::voter(1), ..fate.clone() },
            Fate { connection: ConnectionId(8), ..fate.clone() },
            Fate { fate: Outcome::Delivered, ..fate.clone() },
            Fate { fate: Outcome::Ended(DisconnectReason::Closed), ..fate.clone() },
            Fate { fate: Outcome::LostWithConnection(DisconnectReason::Closed), ..fate.clone() },
            Fate { message: None, ..fate.clone() },
            of(Message { kind: MessageKind::Request(ApiKey::Fetch), ..message }),
            of(Message { kind: MessageKind::Response(ApiKey::Produce), ..message }),
            of(Message { kind: MessageKind::Frame(FrameKind::Proposal), ..message }),
            of(Message { correlation: CorrelationId(2), ..message }),
            of(Message { bytes: 101, ..message }),
        ];
        let digests: std::collections::BTreeSet<String> = all.iter().map(digest).collect();
        assert_eq!(digests.len(), all.len());
    }
}
