//! A broker's `log.*` names: what every topic gets that does not say otherwise (`ServerLogConfigs`).
//!
//! Some times can be given in three units; the finest one that is given wins
//! (`KafkaConfig.getLogRetentionTimeMillis`), which the methods of [`ServerLogConfig`] decide.

use super::ConfigError;
use super::kind::{Bool, INT_MAX, Int, LONG_MAX, Millis, OrNull, OrUnlimited, Ratio};
use super::table::config_table;
use super::words::{CleanupPolicy, Word};
use crate::batch::TimestampType;
use crate::time::Span;
use std::collections::BTreeSet;

const HOUR_MS: i64 = 3_600_000;
const MINUTE_MS: i64 = 60_000;

config_table! {
    /// The broker's defaults for the logs of its topics, and how it looks after its log directory.
    ServerLogConfig of Broker, settle settle;

    "log.segment.bytes" log_segment_bytes: u64 as Int<14, INT_MAX> = 1 << 30,
        "Size in bytes at which a segment is full and a new one is rolled (Kafka 4.0 takes no less than 1 MiB; the lab does, so that a lesson can roll).";
    "log.roll.ms" log_roll_ms: Option<i64> as OrNull<Int<1, LONG_MAX>> = None,
        "Age in ms at which a segment is rolled even if it is not full; unset, log.roll.hours counts.";
    "log.roll.hours" log_roll_hours: i64 as Int<1, INT_MAX> = 168,
        "Age in hours at which a segment is rolled, if log.roll.ms is not set.";
    "log.retention.ms" log_retention_ms: Option<i64> as OrNull<Int<-1, LONG_MAX>> = None,
        "Age in ms at which a segment may be deleted, -1 for never; unset, log.retention.minutes counts.";
    "log.retention.minutes" log_retention_minutes: Option<i64> as OrNull<Int<-1, INT_MAX>> = None,
        "Age in minutes at which a segment may be deleted, if log.retention.ms is not set.";
    "log.retention.hours" log_retention_hours: i64 as Int<-1, INT_MAX> = 168,
        "Age in hours at which a segment may be deleted, if neither ms nor minutes are set.";
    "log.retention.bytes" log_retention_bytes: Option<u64> as OrUnlimited<Int<0, LONG_MAX>> = None,
        "Size in bytes of a partition above which its oldest segments may be deleted, -1 for no limit.";
    "log.retention.check.interval.ms" log_retention_check_interval_ms: Span as Millis<1> = Span::from_millis(300_000),
        "How often, in ms, the broker looks for segments to delete.";
    "log.cleanup.policy" log_cleanup_policy: CleanupPolicy as Word = CleanupPolicy::Delete,
        "Whether old segments are deleted, compacted by key, or both.";
    "log.segment.delete.delay.ms" log_segment_delete_delay_ms: Span as Millis<0> = Span::from_millis(60_000),
        "How long, in ms, a deleted segment stays on the disk for readers that still have it open.";
    "log.index.interval.bytes" log_index_interval_bytes: u64 as Int<0, INT_MAX> = 4_096,
        "Bytes between two entries of the offset index.";
    "log.flush.interval.messages" log_flush_interval_messages: u64 as Int<1, LONG_MAX> = LONG_MAX as u64,
        "Number of records after which the leader fsyncs a partition's log; by default Kafka leaves that to the operating system.";
    "log.flush.interval.ms" log_flush_interval_ms: Option<Span> as OrNull<Millis<0>> = None,
        "Longest time in ms that a record stays unflushed; unset, log.flush.scheduler.interval.ms counts.";
    "log.flush.scheduler.interval.ms" log_flush_scheduler_interval_ms: Span as Millis<0> = Span::MAX,
        "How often, in ms, the broker looks for logs that are due for an fsync.";
    "log.flush.offset.checkpoint.interval.ms" log_flush_offset_checkpoint_interval_ms: Span as Millis<0> = Span::from_millis(60_000),
        "How often, in ms, recovery points are written to recovery-point-offset-checkpoint.";
    "log.flush.start.offset.checkpoint.interval.ms" log_flush_start_offset_checkpoint_interval_ms: Span as Millis<0> = Span::from_millis(60_000),
        "How often, in ms, log start offsets are written to log-start-offset-checkpoint.";
    "log.initial.task.delay.ms" log_initial_task_delay_ms: Span as Millis<0> = Span::from_millis(30_000),
        "How long, in ms, after its start a broker first runs its periodic log tasks.";
    "log.dir.failure.timeout.ms" log_dir_failure_timeout_ms: Span as Millis<1> = Span::from_millis(30_000),
        "How long, in ms, a broker that cannot tell the controller of a failed log directory lives on (KIP-858).";
    "log.message.timestamp.type" log_message_timestamp_type: TimestampType as Word = TimestampType::CreateTime,
        "Whether a record keeps the producer's time or gets the leader's (KIP-32).";
    "log.message.timestamp.before.max.ms" log_message_timestamp_before_max_ms: Span as Millis<0> = Span::MAX,
        "How far, in ms, a record's timestamp may lie behind the broker's clock (KIP-937).";
    "log.message.timestamp.after.max.ms" log_message_timestamp_after_max_ms: Span as Millis<0> = Span::from_millis(3_600_000),
        "How far, in ms, a record's timestamp may lie ahead of the broker's clock (KIP-937).";
    "log.cleaner.enable" log_cleaner_enable: bool as Bool = true,
        "Whether the log cleaner runs, which compacts.";
    "log.cleaner.backoff.ms" log_cleaner_backoff_ms: Span as Millis<0> = Span::from_millis(15_000),
        "How long, in ms, the log cleaner sleeps when there is nothing to clean.";
    "log.cleaner.min.cleanable.ratio" log_cleaner_min_cleanable_ratio: u32 as Ratio = 500_000,
        "Share of a log that must be dirty before it is compacted, from 0 to 1; kept in parts per million.";
    "log.cleaner.delete.retention.ms" log_cleaner_delete_retention_ms: Span as Millis<0> = Span::from_millis(86_400_000),
        "How long, in ms, a tombstone stays after compaction.";
    "log.cleaner.min.compaction.lag.ms" log_cleaner_min_compaction_lag_ms: Span as Millis<0> = Span::ZERO,
        "How long, in ms, a record is safe from compaction.";
    "log.cleaner.max.compaction.lag.ms" log_cleaner_max_compaction_lag_ms: Span as Millis<1> = Span::MAX,
        "How long, in ms, a record may wait for compaction (KIP-354).";
}

impl ServerLogConfig {
    /// How long records are kept, none for ever: the finest unit that is set wins.
    pub fn retention(&self) -> Option<Span> {
        let minutes = self.log_retention_minutes.map(|minutes| (minutes, MINUTE_MS));
        let (count, unit) = match self.log_retention_ms {
            Some(millis) => (millis, 1),
            None => minutes.unwrap_or((self.log_retention_hours, HOUR_MS)),
        };
        (count >= 0).then(|| Span::from_millis((count as u64).saturating_mul(unit as u64)))
    }

    /// At what age a segment is rolled: `log.roll.ms` before `log.roll.hours`.
    pub fn roll(&self) -> Span {
        let millis = self.log_roll_ms.unwrap_or(self.log_roll_hours * HOUR_MS);
        Span::from_millis(millis as u64)
    }

    /// How long a record may stay unflushed: `log.flush.interval.ms` before the scheduler's interval.
    pub fn flush_interval(&self) -> Span {
        self.log_flush_interval_ms.unwrap_or(self.log_flush_scheduler_interval_ms)
    }
}

/// `LogConfig.validateValues` and what `KafkaConfig.validateValues` says of logs.
fn settle(config: &mut ServerLogConfig, _given: &BTreeSet<&str>) -> Result<(), ConfigError> {
    if config.retention() == Some(Span::ZERO) {
        return Err(ConfigError::Conflict {
            name: "log.retention.ms",
            rule: "`log.retention.ms` must be -1 (for ever) or at least 1",
        });
    }
    if config.log_cleaner_min_compaction_lag_ms > config.log_cleaner_max_compaction_lag_ms {
        return Err(ConfigError::Conflict {
            name: "log.cleaner.min.compaction.lag.ms",
            rule: "`log.cleaner.min.compaction.lag.ms` may not exceed `log.cleaner.max.compaction.lag.ms`",
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{ConfigTable, Release};

    fn log(settings: &[(&str, &str)]) -> ServerLogConfig {
        ServerLogConfig::resolve(Release::DEFAULT, settings.iter().copied()).unwrap()
    }

    #[test]
    fn the_finest_unit_of_a_time_wins() {
        let hours = |hours: u64| Some(Span::from_secs(hours * 3_600));
        assert_eq!(log(&[]).retention(), hours(168));
        assert_eq!(log(&[("log.retention.hours", "1")]).retention(), hours(1));
        let minutes = [("log.retention.hours", "1"), ("log.retention.minutes", "120")];
        assert_eq!(log(&minutes).retention(), hours(2));
        let millis = [("log.retention.minutes", "120"), ("log.retention.ms", "10800000")];
        assert_eq!(log(&millis).retention(), hours(3));
        assert_eq!(log(&[("log.retention.ms", "-1")]).retention(), None);
        assert_eq!(log(&[("log.roll.hours", "2"), ("log.roll.ms", "5")]).roll().as_millis(), 5);
        assert_eq!(
            log(&[("log.flush.scheduler.interval.ms", "9")]).flush_interval().as_millis(),
            9
        );
    }

    #[test]
    fn retention_of_no_time_at_all_is_refused() {
        let error = ServerLogConfig::resolve(Release::DEFAULT, [("log.retention.ms", "0")]);
        assert_eq!(error.unwrap_err().name(), "log.retention.ms");
    }
}
