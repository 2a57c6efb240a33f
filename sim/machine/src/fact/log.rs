use super::facts;
use klab_wire::{
    BatchProducer, LeaderEpoch, Offset, ProducerEpoch, ProducerId, Sequence, TopicPartition,
};
use serde::Serialize;
use std::fmt;

/// Why a segment was deleted (`SegmentDeletionReason`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum DeletionReason {
    /// The log starts after it.
    LogStart,
    /// The log was larger than `retention.bytes`.
    Size,
    /// Its newest record was older than `retention.ms`.
    Time,
}

impl fmt::Display for DeletionReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DeletionReason::LogStart => "the log starts after it",
            DeletionReason::Size => "retention.bytes",
            DeletionReason::Time => "retention.ms",
        })
    }
}

facts! {
    /// What happened to a partition's log on one broker.
    LogFact {
        /// A batch was appended: by the leader, or fetched from it. One fact per batch; `digest` is
        /// `RecordBatch::digest`, `first_value` is `RecordBatch::first_value`.
        BatchAppended { partition: TopicPartition, epoch: LeaderEpoch, base: Offset, last: Offset, digest: u64, first_value: Option<u64>, producer: Option<BatchProducer>, as_leader: bool } => "{partition} offsets {base}..{last} (epoch {epoch}, leader: {as_leader})";
        /// A producer's batch was already in the log; it is answered with its old offset.
        DuplicateBatchDetected { partition: TopicPartition, producer: ProducerId, producer_epoch: ProducerEpoch, base_sequence: Sequence, offset: Offset } => "{partition} producer {producer} sequence {base_sequence} is at offset {offset}";
        /// The log lost its end: everything from this offset on.
        LogTruncated { partition: TopicPartition, from: Offset, to: Offset } => "{partition} log end from {from} to {to}";
        /// The log was emptied and starts afresh at this offset.
        LogStartedAfresh { partition: TopicPartition, from: Offset, at: Offset } => "{partition} log end was {from}, starts at {at}";
        /// The log's start moved on: by retention, DeleteRecords, or the leader's example.
        LogStartAdvanced { partition: TopicPartition, from: Offset, to: Offset, by_retention: bool } => "{partition} log start from {from} to {to}, by retention: {by_retention}";
        /// A segment was deleted at the log's start.
        SegmentDeleted { partition: TopicPartition, base: Offset, reason: DeletionReason } => "{partition} at {base}: {reason}";
        /// A new segment was begun.
        SegmentRolled { partition: TopicPartition, base: Offset } => "{partition} at {base}";
        /// The log was flushed up to this offset: the fsync is done.
        LogFlushed { partition: TopicPartition, to: Offset } => "{partition} to {to}";
        /// After an unclean stop the log was read batch by batch from its recovery point.
        LogRecovered { partition: TopicPartition, from: Offset, end: Offset, discarded_batches: u32 } => "{partition} from {from}, log end {end}, {discarded_batches} batches discarded";
        /// The log was opened at a start.
        LogLoaded { partition: TopicPartition, start: Offset, end: Offset, clean: bool } => "{partition} offsets {start}..{end}, clean: {clean}";
        /// A batch failed its checksum when it was read.
        CorruptBatchFound { partition: TopicPartition, offset: Offset } => "{partition} at {offset}";
        /// A producer was forgotten after its silence.
        ProducerExpired { partition: TopicPartition, producer: ProducerId } => "{partition} producer {producer}";
        /// Recovery passed a segment that ends before the next one begins: a power cut took its end.
        LogGapFound { partition: TopicPartition, from: Offset, to: Offset } => "{partition} nothing from {from} to {to}, where the next segment begins";
    }
}
