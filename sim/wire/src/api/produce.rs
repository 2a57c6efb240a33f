//! Produce (key 0): append batches to partitions.

use super::LeaderIdAndEpoch;
use crate::{ErrorCode, Few, Offset, RecordBatch, Span, Timestamp, TopicPartition};
use serde::Serialize;
use std::sync::Arc;

/// Whose acknowledgement a producer waits for (`acks`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Acks {
    /// `0`: nobody's; the broker sends no response at all.
    None,
    /// `1`: the leader's.
    Leader,
    /// `all` (−1): the whole in-sync replica set's.
    #[default]
    All,
}

/// Batches for partitions that the receiver leads, at most one per partition.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ProduceRequest {
    /// Whose acknowledgement to wait for.
    pub acks: Acks,
    /// How long the leader may wait for it.
    pub timeout: Span,
    /// The batches.
    pub data: Few<PartitionProduceData>,
}

/// The batch for one partition.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PartitionProduceData {
    /// The partition.
    pub partition: TopicPartition,
    /// The batch, without offsets.
    pub batch: Arc<RecordBatch>,
}

/// One answer per partition of the request.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ProduceResponse {
    /// The answers, in the order of the request.
    pub responses: Vec<PartitionProduceResponse>,
    /// How long the client was (or should be) held back.
    pub throttle: Span,
}

/// What became of one batch.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PartitionProduceResponse {
    /// The partition.
    pub partition: TopicPartition,
    /// What went wrong.
    pub error: ErrorCode,
    /// The offset of the first record.
    pub base_offset: Option<Offset>,
    /// The append time, under `LogAppendTime`.
    pub log_append_time: Option<Timestamp>,
    /// Where the log starts.
    pub log_start_offset: Option<Offset>,
    /// Who leads, for a sender that asked the wrong broker (KIP-951).
    pub current_leader: Option<LeaderIdAndEpoch>,
}
