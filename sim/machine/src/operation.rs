//! What a client calls, and how the call ends: the history that checkers judge.
//!
//! As in Jepsen, an end has three kinds: it happened, it did not happen, or nobody knows.

use crate::Value;
use klab_wire::zookeeper::{Answer, KeeperError, Zxid};
use klab_wire::{ErrorCode, Few, Offset, Payload, TopicPartition};
use serde::Serialize;
use std::fmt;

/// One call, by a number that its client never uses again, in any of its lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct OperationId(pub u64);

/// A call begins or ends.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum Operation {
    /// The application calls.
    Began {
        /// The call's number.
        id: OperationId,
        /// What is called.
        call: Call,
    },
    /// The call returns (or its callback runs).
    Ended {
        /// The call's number.
        id: OperationId,
        /// How it ended.
        outcome: Outcome,
    },
}

/// What an application calls.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum Call {
    /// `Producer.send`: one record, or a counted range of them.
    Send {
        /// Where to; the partition is chosen by the time the call ends.
        topic: klab_wire::TopicName,
        /// The key.
        key: Option<Payload>,
        /// The number of the first value; unique within the topic over the whole run.
        first_value: u64,
        /// How many records.
        count: u32,
    },
    /// `Consumer.poll`.
    Poll,
    /// `Consumer.seek` and its like.
    Seek {
        /// Which partition.
        partition: TopicPartition,
    },
    /// A call of the administrator's tool.
    Administer {
        /// The API.
        api: klab_wire::ApiKey,
        /// The request in words.
        what: String,
    },
    /// A request to a ZooKeeper ensemble.
    ZooKeeper(Box<klab_wire::zookeeper::Op>),
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum Outcome {
    /// The records are acknowledged. Without an offset (`acks=0`) nobody has confirmed anything.
    Sent {
        /// The partition that was chosen.
        partition: TopicPartition,
        /// The offset of the first record, as far as it was told.
        offset: Option<Offset>,
    },
    /// The records that the poll returned, by partition in the order of their offsets.
    Polled(Vec<PolledRecords>),
    /// It is done.
    Done,
    /// It has certainly not happened.
    Failed(ErrorCode),
    /// It may have happened, or may still.
    Unknown(ErrorCode),
    /// What came of a request to a ZooKeeper ensemble.
    ZooKeeper(Box<KeeperOutcome>),
}

/// What came of a request to a ZooKeeper ensemble.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum KeeperOutcome {
    /// It was carried out; what the client was shown is the state after this transaction.
    Answered(Zxid, Answer),
    /// It was refused: it has certainly not happened. Even that was found out after this transaction.
    Refused(Zxid, KeeperError),
    /// The connection or the session went first: it may have happened, or may still.
    Unknown(KeeperError),
}

impl KeeperOutcome {
    /// What was answered, or why there is no answer, for whom it does not matter when.
    pub fn result(self) -> Result<Answer, KeeperError> {
        match self {
            KeeperOutcome::Answered(_, answer) => Ok(answer),
            KeeperOutcome::Refused(_, error) | KeeperOutcome::Unknown(error) => Err(error),
        }
    }
}

/// The records of one partition that one poll returned: ranges of consecutive offsets whose values are
/// consecutive numbers too, so that counted batches stay counted.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct PolledRecords {
    /// The partition.
    pub partition: TopicPartition,
    /// The ranges, in the order of their offsets.
    pub ranges: Few<RecordRange>,
}

/// Consecutive records with consecutive values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct RecordRange {
    /// The first offset.
    pub offset: Offset,
    /// The value at it.
    pub first_value: u64,
    /// How many.
    pub count: u32,
}

impl fmt::Display for OperationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = Value(self.0);
        match number.life() {
            0 | 1 => write!(f, "#{}", number.count()),
            life => write!(f, "#{life}/{}", number.count()),
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Operation::Began { id, call } => write!(f, "{id} calls {call}"),
            Operation::Ended { id, outcome } => write!(f, "{id} {outcome}"),
        }
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Call::Send { topic, key: Some(key), first_value, count: 1 } => {
                write!(f, "send {topic} key {key} value {}", Value(*first_value))
            }
            Call::Send { topic, first_value, count: 1, .. } => {
                write!(f, "send {topic} value {}", Value(*first_value))
            }
            Call::Send { topic, first_value, count, .. } => {
                write!(f, "send {topic} {count} values from {}", Value(*first_value))
            }
            Call::Poll => f.write_str("poll"),
            Call::Seek { partition } => write!(f, "seek {partition}"),
            Call::Administer { api, what } => write!(f, "{api} {what}"),
            Call::ZooKeeper(op) => write!(f, "{op}"),
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Sent { partition, offset: Some(offset) } => {
                write!(f, "ok: {partition} offset {offset}")
            }
            Outcome::Sent { partition, offset: None } => {
                write!(f, "ok: {partition}, unconfirmed")
            }
            Outcome::Polled(polled) if polled.is_empty() => f.write_str("ok: nothing"),
            Outcome::Polled(polled) => {
                f.write_str("ok:")?;
                polled.iter().try_for_each(|records| write!(f, " {records}"))
            }
            Outcome::Done => f.write_str("ok"),
            Outcome::Failed(error) => write!(f, "failed: {error}"),
            Outcome::Unknown(error) => write!(f, "unknown: {error}"),
            Outcome::ZooKeeper(outcome) => write!(f, "{outcome}"),
        }
    }
}

impl fmt::Display for KeeperOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeeperOutcome::Answered(zxid, answer) => write!(f, "ok: {answer} at {zxid}"),
            KeeperOutcome::Refused(zxid, error) => write!(f, "failed: {error} at {zxid}"),
            KeeperOutcome::Unknown(error) => write!(f, "unknown: {error}"),
        }
    }
}

impl fmt::Display for PolledRecords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.partition)?;
        for range in &self.ranges {
            let last = Offset(range.offset.0 + u64::from(range.count) - 1);
            let first_value = Value(range.first_value);
            match range.count {
                1 => write!(f, " @{}={first_value}", range.offset)?,
                _ => write!(f, " @{}..{last}={first_value}..", range.offset)?,
            }
        }
        Ok(())
    }
}
