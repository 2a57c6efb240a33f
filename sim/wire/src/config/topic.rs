//! A topic's own configuration (`TopicConfig`, read by `LogConfig`).
//!
//! What a topic does not say it inherits from the broker, by the synonyms of
//! [`TOPIC_SYNONYMS`](super::synonyms::TOPIC_SYNONYMS).

use super::ConfigError;
use super::kind::{INT_MAX, Int, LONG_MAX, Millis, OrUnlimited, Ratio};
use super::table::config_table;
use super::words::{CleanupPolicy, ReplicaList, ThrottledReplicas, TopicCompression, Word};
use crate::batch::TimestampType;
use crate::time::Span;
use std::collections::BTreeSet;

config_table! {
    /// How a topic's partitions are kept, replicated and written.
    TopicConfig of Topic, settle settle;

    "segment.bytes" segment_bytes: u64 as Int<14, INT_MAX> = 1 << 30,
        "Size in bytes at which a segment is full and a new one is rolled (Kafka 4.0 takes no less than 1 MiB; the lab does, so that a lesson can roll).";
    "segment.ms" segment_ms: Span as Millis<1> = Span::from_millis(604_800_000),
        "Age in ms at which a segment is rolled even if it is not full.";
    "retention.ms" retention_ms: Option<Span> as OrUnlimited<Millis<0>> = Some(Span::from_millis(604_800_000)),
        "Age in ms at which a segment may be deleted, -1 for never.";
    "retention.bytes" retention_bytes: Option<u64> as OrUnlimited<Int<0, LONG_MAX>> = None,
        "Size in bytes of a partition above which its oldest segments may be deleted, -1 for no limit.";
    "cleanup.policy" cleanup_policy: CleanupPolicy as Word = CleanupPolicy::Delete,
        "Whether old segments are deleted, compacted by key, or both.";
    "file.delete.delay.ms" file_delete_delay_ms: Span as Millis<0> = Span::from_millis(60_000),
        "How long, in ms, a deleted segment stays on the disk for readers that still have it open.";
    "index.interval.bytes" index_interval_bytes: u64 as Int<0, INT_MAX> = 4_096,
        "Bytes between two entries of the offset index.";
    "flush.messages" flush_messages: u64 as Int<1, LONG_MAX> = LONG_MAX as u64,
        "Number of records after which the log is fsynced: 1 is an fsync for every append; by default Kafka leaves that to the operating system.";
    "flush.ms" flush_ms: Span as Millis<0> = Span::MAX,
        "Longest time in ms that a record stays unflushed.";
    "max.message.bytes" max_message_bytes: u64 as Int<0, INT_MAX> = (1 << 20) + 12,
        "Largest record batch in bytes that the leader takes, after compression.";
    "message.timestamp.type" message_timestamp_type: TimestampType as Word = TimestampType::CreateTime,
        "Whether a record keeps the producer's time or gets the leader's (KIP-32).";
    "message.timestamp.before.max.ms" message_timestamp_before_max_ms: Span as Millis<0> = Span::MAX,
        "How far, in ms, a record's timestamp may lie behind the broker's clock (KIP-937).";
    "message.timestamp.after.max.ms" message_timestamp_after_max_ms: Span as Millis<0> = Span::from_millis(3_600_000),
        "How far, in ms, a record's timestamp may lie ahead of the broker's clock (KIP-937).";
    "compression.type" compression_type: TopicCompression as Word = TopicCompression::Producer,
        "The codec of the log's batches: the producer's, or one into which the leader recompresses.";
    "min.insync.replicas" min_insync_replicas: u32 as Int<1, INT_MAX> = 1,
        "How many replicas must be in the ISR for an acks=all produce to be taken.";
    "unclean.leader.election.enable" unclean_leader_election_enable: bool as super::kind::Bool = false,
        "Whether a replica outside the ISR may lead when no other can, at the price of acknowledged records.";
    "min.cleanable.dirty.ratio" min_cleanable_dirty_ratio: u32 as Ratio = 500_000,
        "Share of a log that must be dirty before it is compacted, from 0 to 1; kept in parts per million.";
    "delete.retention.ms" delete_retention_ms: Span as Millis<0> = Span::from_millis(86_400_000),
        "How long, in ms, a tombstone stays after compaction.";
    "min.compaction.lag.ms" min_compaction_lag_ms: Span as Millis<0> = Span::ZERO,
        "How long, in ms, a record is safe from compaction.";
    "max.compaction.lag.ms" max_compaction_lag_ms: Span as Millis<1> = Span::MAX,
        "How long, in ms, a record may wait for compaction (KIP-354).";
    "leader.replication.throttled.replicas" leader_replication_throttled_replicas: ThrottledReplicas as ReplicaList = ThrottledReplicas::NONE,
        "Leaders whose replication traffic counts against leader.replication.throttled.rate: `*`, or partition:broker pairs (KIP-73).";
    "follower.replication.throttled.replicas" follower_replication_throttled_replicas: ThrottledReplicas as ReplicaList = ThrottledReplicas::NONE,
        "Followers whose replication traffic counts against follower.replication.throttled.rate: `*`, or partition:broker pairs (KIP-73).";
}

/// `LogConfig.validateValues`.
fn settle(config: &mut TopicConfig, _given: &BTreeSet<&str>) -> Result<(), ConfigError> {
    if config.min_compaction_lag_ms > config.max_compaction_lag_ms {
        return Err(ConfigError::Conflict {
            name: "min.compaction.lag.ms",
            rule: "`min.compaction.lag.ms` may not exceed `max.compaction.lag.ms`",
        });
    }
    Ok(())
}
