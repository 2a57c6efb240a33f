//! What a topic inherits from its broker (`ServerTopicConfigSynonyms`).

use super::{BrokerConfig, ConfigError, ConfigTable, ThrottledReplicas, TopicConfig};
use std::collections::BTreeSet;

/// Which broker names give a topic's name its value, best first (`ServerTopicConfigSynonyms`).
pub const TOPIC_SYNONYMS: &[(&str, &[&str])] = &[
    ("segment.bytes", &["log.segment.bytes"]),
    ("segment.ms", &["log.roll.ms", "log.roll.hours"]),
    ("retention.ms", &["log.retention.ms", "log.retention.minutes", "log.retention.hours"]),
    ("retention.bytes", &["log.retention.bytes"]),
    ("cleanup.policy", &["log.cleanup.policy"]),
    ("file.delete.delay.ms", &["log.segment.delete.delay.ms"]),
    ("index.interval.bytes", &["log.index.interval.bytes"]),
    ("flush.messages", &["log.flush.interval.messages"]),
    ("flush.ms", &["log.flush.interval.ms", "log.flush.scheduler.interval.ms"]),
    ("max.message.bytes", &["message.max.bytes"]),
    ("message.timestamp.type", &["log.message.timestamp.type"]),
    ("message.timestamp.before.max.ms", &["log.message.timestamp.before.max.ms"]),
    ("message.timestamp.after.max.ms", &["log.message.timestamp.after.max.ms"]),
    ("compression.type", &["compression.type"]),
    ("min.insync.replicas", &["min.insync.replicas"]),
    ("unclean.leader.election.enable", &["unclean.leader.election.enable"]),
    ("min.cleanable.dirty.ratio", &["log.cleaner.min.cleanable.ratio"]),
    ("delete.retention.ms", &["log.cleaner.delete.retention.ms"]),
    ("min.compaction.lag.ms", &["log.cleaner.min.compaction.lag.ms"]),
    ("max.compaction.lag.ms", &["log.cleaner.max.compaction.lag.ms"]),
];

impl TopicConfig {
    /// A topic's configuration on a broker: its overrides, and the broker's defaults for the rest.
    pub fn on<'a>(
        broker: &BrokerConfig,
        overrides: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<TopicConfig, ConfigError> {
        let mut config = TopicConfig::inherited(broker);
        let mut given = BTreeSet::new();
        for (name, text) in overrides {
            config.set(name, text)?;
            given.insert(name);
        }
        config.settle(&given)?;
        Ok(config)
    }

    /// What a topic without overrides has on a broker with this configuration.
    pub fn inherited(broker: &BrokerConfig) -> TopicConfig {
        let log = &broker.log;
        TopicConfig {
            segment_bytes: log.log_segment_bytes,
            segment_ms: log.roll(),
            retention_ms: log.retention(),
            retention_bytes: log.log_retention_bytes,
            cleanup_policy: log.log_cleanup_policy,
            file_delete_delay_ms: log.log_segment_delete_delay_ms,
            index_interval_bytes: log.log_index_interval_bytes,
            flush_messages: log.log_flush_interval_messages,
            flush_ms: log.flush_interval(),
            max_message_bytes: broker.message_max_bytes,
            message_timestamp_type: log.log_message_timestamp_type,
            message_timestamp_before_max_ms: log.log_message_timestamp_before_max_ms,
            message_timestamp_after_max_ms: log.log_message_timestamp_after_max_ms,
            compression_type: broker.compression_type,
            min_insync_replicas: broker.min_insync_replicas,
            unclean_leader_election_enable: broker.unclean_leader_election_enable,
            min_cleanable_dirty_ratio: log.log_cleaner_min_cleanable_ratio,
            delete_retention_ms: log.log_cleaner_delete_retention_ms,
            min_compaction_lag_ms: log.log_cleaner_min_compaction_lag_ms,
            max_compaction_lag_ms: log.log_cleaner_max_compaction_lag_ms,
            leader_replication_throttled_replicas: ThrottledReplicas::NONE,
            follower_replication_throttled_replicas: ThrottledReplicas::NONE,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Span;

    /// A value that is no default, in the form that the row takes.
    fn other_value(topic_name: &str) -> &'static str {
        match topic_name {
            "cleanup.policy" => "compact",
            "message.timestamp.type" => "LogAppendTime",
            "compression.type" => "zstd",
            "unclean.leader.election.enable" => "true",
            "min.cleanable.dirty.ratio" => "0.25",
            _ => "77",
        }
    }

    #[test]
    fn every_synonym_of_the_broker_reaches_the_topic() {
        for (topic_name, synonyms) in TOPIC_SYNONYMS {
            for synonym in *synonyms {
                let mut broker = BrokerConfig::default();
                broker.set(synonym, other_value(topic_name)).unwrap();
                let topic = TopicConfig::inherited(&broker);
                let default = TopicConfig::default();
                assert_ne!(topic.value(topic_name), default.value(topic_name), "{synonym}");
            }
        }
    }

    #[test]
    fn every_topic_name_but_the_throttles_has_a_synonym() {
        let without: Vec<_> = TopicConfig::names()
            .into_iter()
            .filter(|name| !TOPIC_SYNONYMS.iter().any(|(topic, _)| topic == name))
            .collect();
        let throttles =
            ["leader.replication.throttled.replicas", "follower.replication.throttled.replicas"];
        assert_eq!(without, throttles);
    }

    #[test]
    fn an_override_beats_the_broker_and_the_broker_beats_the_default() {
        let mut broker = BrokerConfig::default();
        broker.set("min.insync.replicas", "2").unwrap();
        broker.set("log.retention.hours", "1").unwrap();
        let topic = TopicConfig::on(&broker, [("min.insync.replicas", "3")]).unwrap();
        assert_eq!(topic.min_insync_replicas, 3);
        assert_eq!(topic.retention_ms, Some(Span::from_secs(3_600)));
        assert_eq!(TopicConfig::inherited(&BrokerConfig::default()), TopicConfig::default());
    }
}
