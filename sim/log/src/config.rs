//! What of a topic's configuration its logs go by (`LogConfig`).

use klab_wire::config::switches::{ProducerWindow, RecoveryGap};
use klab_wire::config::{CleanupPolicy, TopicConfig};
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
    /// `cleanup.policy` contains `compact`: every record needs a key.
    pub compact: bool,
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
    /// `producer.id.expiration.ms`, the broker's: a producer silent for so long is forgotten.
    pub producer_id_expiration: Span,
    /// How many batches of a producer are told from new ones when they come again (KAFKA-5494).
    pub producer_window: ProducerWindow,
    /// What recovery makes of a hole between two segments.
    pub recovery_gap: RecoveryGap,
}

impl LogConfig {
    /// What a topic's logs go by on a broker with this `producer.id.expiration.ms`.
    pub fn of_topic(topic: &TopicConfig, producer_id_expiration: Span) -> Self {
        LogConfig {
            segment_bytes: topic.segment_bytes,
            segment_ms: topic.segment_ms,
            retention_ms: topic.retention_ms,
            retention_bytes: topic.retention_bytes,
            delete: topic.cleanup_policy != CleanupPolicy::Compact,
            compact: topic.cleanup_policy != CleanupPolicy::Delete,
            flush_messages: topic.flush_messages,
            flush_ms: topic.flush_ms,
            max_message_bytes: topic.max_message_bytes,
            timestamp_type: topic.message_timestamp_type,
            timestamp_before_max: topic.message_timestamp_before_max_ms,
            timestamp_after_max: topic.message_timestamp_after_max_ms,
            producer_id_expiration,
            producer_window: ProducerWindow::Five,
            recovery_gap: RecoveryGap::CutOff,
        }
    }

    /// The metadata log's (`KafkaMetadataLog.apply`): nothing is deleted by time or size, only below
    /// the log start, and a batch may be as large as the raft client makes it.
    pub fn of_metadata_log(segment_bytes: u64, segment_ms: Span, max_batch_bytes: u64) -> Self {
        LogConfig {
            segment_bytes,
            segment_ms,
            retention_ms: None,
            retention_bytes: None,
            max_message_bytes: max_batch_bytes,
            timestamp_after_max: Span::MAX,
            producer_id_expiration: Span::MAX,
            ..LogConfig::default()
        }
    }
}

impl From<&TopicConfig> for LogConfig {
    fn from(topic: &TopicConfig) -> Self {
        LogConfig::of_topic(topic, Span::from_secs(86_400))
    }
}

impl Default for LogConfig {
    fn default() -> Self {
        LogConfig::from(&TopicConfig::default())
    }
}
