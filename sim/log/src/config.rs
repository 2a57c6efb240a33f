//! What of a topic's configuration its logs go by (`LogConfig`).

use klab_wire::config::TopicConfig;
use klab_wire::{Span, TimestampType};

/// The configuration of a partition's log: one copy per topic, shared by its partitions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// `segment.bytes`: a segment is full at this size.
    pub segment_bytes: u64,
    /// `segment.ms`: a segment is rolled at this age.
    pub segment_ms: Span,
    /// `retention.ms`: a segment may be deleted at this age; none for never.
    pub retention_ms: Option<Span>,
    /// `retention.bytes`: the oldest segments may be deleted above this size; none for no limit.
    pub retention_bytes: Option<u64>,
    /// `cleanup.policy` contains `delete`.
    pub delete: bool,
    /// `flush.messages`: an fsync is due after so many records.
    pub flush_messages: u64,
    /// `flush.ms`: an fsync is due after this time.
    pub flush_ms: Span,
    /// `max.message.bytes`: the largest batch that the leader takes.
    pub max_message_bytes: u64,
    /// `message.timestamp.type`: whose clock stamps the records.
    pub timestamp_type: TimestampType,
    /// `message.timestamp.before.max.ms`: how old a record may claim to be.
    pub timestamp_before_max: Span,
    /// `message.timestamp.after.max.ms`: how far ahead of the broker's clock a record may be.
    pub timestamp_after_max: Span,
}

impl From<&TopicConfig> for LogConfig {
    fn from(_topic: &TopicConfig) -> Self {
        todo!()
    }
}

impl Default for LogConfig {
    fn default() -> Self {
        LogConfig::from(&TopicConfig::default())
    }
}

impl LogConfig {
    /// The metadata log's (`KafkaMetadataLog.apply`): nothing is ever deleted by time or size, only
    /// below the log start, and batches may be as large as the raft client makes them.
    pub fn of_metadata_log(_segment_bytes: u64, _segment_ms: Span, _max_batch_bytes: u64) -> Self {
        todo!()
    }
}
