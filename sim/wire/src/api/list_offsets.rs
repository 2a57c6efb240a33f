//! ListOffsets (key 2): which offset a timestamp or a special position stands for.

use crate::{ErrorCode, IsolationLevel, LeaderEpoch, NodeId, Offset, Timestamp, TopicPartition};
use serde::Serialize;

/// What is looked for (`ListOffsetsRequest`: the special timestamps are negative numbers there).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum OffsetSpec {
    /// −1: the end, as far as the isolation level shows it.
    Latest,
    /// −2: the start of the log.
    Earliest,
    /// −3: the record with the highest timestamp (KIP-734).
    MaxTimestamp,
    /// The first record with this timestamp or a later one.
    At(Timestamp),
}

/// Partitions with the position asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ListOffsetsRequest {
    /// The follower that asks; none for a client.
    pub replica: Option<NodeId>,
    /// Which records count for a client.
    pub isolation: IsolationLevel,
    /// What is asked.
    pub partitions: Vec<ListOffsetsPartition>,
}

/// One question.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ListOffsetsPartition {
    /// The partition.
    pub partition: TopicPartition,
    /// The epoch that the sender believes the leader has.
    pub current_leader_epoch: Option<LeaderEpoch>,
    /// What is looked for.
    pub spec: OffsetSpec,
}

/// One answer per question.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ListOffsetsResponse {
    /// The answers.
    pub partitions: Vec<ListedOffset>,
}

/// One answer; no offset when no record is as late as asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ListedOffset {
    /// The partition.
    pub partition: TopicPartition,
    /// What went wrong.
    pub error: ErrorCode,
    /// The timestamp of the record found.
    pub timestamp: Option<Timestamp>,
    /// The offset.
    pub offset: Option<Offset>,
    /// The epoch of the record found, or the leader's.
    pub leader_epoch: Option<LeaderEpoch>,
}
