//! A broker's or a controller's configuration: Kafka's `server.properties` (`KafkaConfig`).

use super::kind::{Bool, INT_MAX, Int, LONG_MAX, Millis, OrNull, OrUnlimited, Seconds, Text};
use super::table::config_table;
use super::words::{ReplicaSelector, TopicCompression, Word};
use super::{ConfigError, ConfigTable, QuorumConfig, ServerLogConfig};
use crate::ids::RackId;
use crate::time::Span;
use std::collections::BTreeSet;

config_table! {
    /// All that `server.properties` says. The log and quorum names stand in their own tables and are
    /// set by the same [`set`](ConfigTable::set).
    BrokerConfig of Broker, settle settle;

    include log: ServerLogConfig, "The `log.*` names.";
    include quorum: QuorumConfig, "The `controller.quorum.*` names.";

    // Topics.
    "num.partitions" num_partitions: u32 as Int<1, INT_MAX> = 1,
        "Partitions of a topic that is created without a number.";
    "default.replication.factor" default_replication_factor: u32 as Int<1, INT_MAX> = 1,
        "Replicas of a topic that is created without a number.";
    "auto.create.topics.enable" auto_create_topics_enable: bool as Bool = true,
        "Whether a topic that a client asks metadata for comes into being.";
    "delete.topic.enable" delete_topic_enable: bool as Bool = true,
        "Whether topics can be deleted.";
    "min.insync.replicas" min_insync_replicas: u32 as Int<1, INT_MAX> = 1,
        "How many replicas must be in the ISR for an acks=all produce to be taken.";
    "unclean.leader.election.enable" unclean_leader_election_enable: bool as Bool = false,
        "Whether a replica outside the ISR may lead when no other can, at the price of acknowledged records.";
    "unclean.leader.election.interval.ms" unclean_leader_election_interval_ms: Span as Millis<1> = Span::from_millis(300_000),
        "How often, in ms, the controller looks for leaderless partitions that may have an unclean election.";
    "compression.type" compression_type: TopicCompression as Word = TopicCompression::Producer,
        "The codec of the logs' batches: the producer's, or one into which the leader recompresses.";
    "message.max.bytes" message_max_bytes: u64 as Int<0, INT_MAX> = (1 << 20) + 12,
        "Largest record batch in bytes that a leader takes, after compression.";

    // Replication.
    "replica.lag.time.max.ms" replica_lag_time_max_ms: Span as Millis<1> = Span::from_millis(30_000),
        "How long, in ms, a follower may go without having caught up before the leader drops it from the ISR.";
    "replica.fetch.wait.max.ms" replica_fetch_wait_max_ms: Span as Millis<0> = Span::from_millis(500),
        "How long, in ms, a leader may hold a follower's fetch that finds too few bytes.";
    "replica.fetch.min.bytes" replica_fetch_min_bytes: u64 as Int<0, INT_MAX> = 1,
        "Bytes for which a leader holds a follower's fetch.";
    "replica.fetch.max.bytes" replica_fetch_max_bytes: u64 as Int<0, INT_MAX> = 1 << 20,
        "Bytes that a follower asks for from each partition; the first batch comes even if it is larger.";
    "replica.fetch.response.max.bytes" replica_fetch_response_max_bytes: u64 as Int<0, INT_MAX> = 10 << 20,
        "Bytes that a follower takes in one response.";
    "replica.fetch.backoff.ms" replica_fetch_backoff_ms: Span as Millis<0> = Span::from_millis(1_000),
        "How long, in ms, a fetcher leaves a partition alone after an error.";
    "replica.socket.receive.buffer.bytes" replica_socket_receive_buffer_bytes: u64 as Int<1, INT_MAX> = 64 << 10,
        "Receive buffer in bytes of a fetcher's connection: what a leader may have on its way to it.";
    "replica.socket.timeout.ms" replica_socket_timeout_ms: Span as Millis<1> = Span::from_millis(30_000),
        "How long, in ms, a follower's request may stay unanswered.";
    "num.replica.fetchers" num_replica_fetchers: u32 as Int<1, INT_MAX> = 1,
        "Fetchers, each with a connection, from a follower to each leading broker.";
    "replica.high.watermark.checkpoint.interval.ms" replica_high_watermark_checkpoint_interval_ms: Span as Millis<1> = Span::from_millis(5_000),
        "How often, in ms, high watermarks are written to replication-offset-checkpoint.";
    "replica.selector.class" replica_selector_class: Option<ReplicaSelector> as OrNull<Word> = None,
        "Which replica a consumer is sent to: null for the leader, RackAwareReplicaSelector for one in its rack (KIP-392).";
    "broker.rack" broker_rack: Option<RackId> as OrNull<Text> = None,
        "The broker's rack, over which replicas are spread.";
    "leader.replication.throttled.rate" leader_replication_throttled_rate: u64 as Int<1, LONG_MAX> = LONG_MAX as u64,
        "Bytes per second that a broker sends for throttled replicas; set at run time (KIP-73).";
    "follower.replication.throttled.rate" follower_replication_throttled_rate: u64 as Int<1, LONG_MAX> = LONG_MAX as u64,
        "Bytes per second that a broker receives for throttled replicas; set at run time (KIP-73).";
    "replication.quota.window.num" replication_quota_window_num: u32 as Int<1, INT_MAX> = 11,
        "Samples over which replication traffic is averaged (KIP-73).";
    "replication.quota.window.size.seconds" replication_quota_window_size_seconds: Span as Seconds = Span::from_secs(1),
        "Length of such a sample in seconds.";

    // Leadership.
    "auto.leader.rebalance.enable" auto_leader_rebalance_enable: bool as Bool = true,
        "Whether the controller gives leadership back to the preferred replica by itself.";
    "leader.imbalance.check.interval.seconds" leader_imbalance_check_interval_seconds: Span as Seconds = Span::from_secs(300),
        "How often, in seconds, the controller looks for imbalance.";
    "leader.imbalance.per.broker.percentage" leader_imbalance_per_broker_percentage: u32 as Int<0, INT_MAX> = 10,
        "Percentage of a broker's preferred partitions led elsewhere that is tolerated (KRaft ignores it: KAFKA-13999).";
    "eligible.leader.replicas.enable" eligible_leader_replicas_enable: bool as Bool = false,
        "Whether replicas that left the ISR at min.insync.replicas stay eligible to lead (KIP-966).";

    // Life of a broker.
    "controlled.shutdown.enable" controlled_shutdown_enable: bool as Bool = true,
        "Whether a broker hands its leadership over before it stops.";
    "controlled.shutdown.max.retries" controlled_shutdown_max_retries: u32 as Int<0, INT_MAX> = 3,
        "Attempts at that under ZooKeeper.";
    "controlled.shutdown.retry.backoff.ms" controlled_shutdown_retry_backoff_ms: Span as Millis<0> = Span::from_millis(5_000),
        "Time in ms between such attempts.";
    "broker.heartbeat.interval.ms" broker_heartbeat_interval_ms: Span as Millis<1> = Span::from_millis(2_000),
        "How often, in ms, a broker tells the controller that it lives.";
    "broker.session.timeout.ms" broker_session_timeout_ms: Span as Millis<1> = Span::from_millis(9_000),
        "How long, in ms, after its last heartbeat the controller fences a broker.";
    "initial.broker.registration.timeout.ms" initial_broker_registration_timeout_ms: Span as Millis<1> = Span::from_millis(60_000),
        "How long, in ms, a starting broker tries to register before it gives up.";
    "server.max.startup.time.ms" server_max_startup_time_ms: Span as Millis<0> = Span::MAX,
        "How long, in ms, a server may take to start.";
    "num.recovery.threads.per.data.dir" num_recovery_threads_per_data_dir: u32 as Int<1, INT_MAX> = 2,
        "Threads that recover a log directory's logs after an unclean stop.";

    // Metadata log.
    "metadata.log.max.record.bytes.between.snapshots" metadata_log_max_record_bytes_between_snapshots: u64 as Int<1, LONG_MAX> = 20 << 20,
        "Bytes of new metadata records after which a snapshot is written.";
    "metadata.log.max.snapshot.interval.ms" metadata_log_max_snapshot_interval_ms: Span as Millis<0> = Span::from_millis(3_600_000),
        "Longest time in ms without a snapshot while there are new records (KIP-876).";
    "metadata.log.segment.bytes" metadata_log_segment_bytes: u64 as Int<12, INT_MAX> = 1 << 30,
        "Size in bytes at which a segment of the metadata log is rolled.";
    "metadata.log.segment.min.bytes" metadata_log_segment_min_bytes: u64 as Int<12, INT_MAX> = 8 << 20,
        "Least value of metadata.log.segment.bytes, for tests: the largest batch of metadata records fits. A node that finds a batch too large for a segment stops.";
    "metadata.log.segment.ms" metadata_log_segment_ms: Span as Millis<0> = Span::from_millis(604_800_000),
        "Age in ms at which a segment of the metadata log is rolled.";
    "metadata.max.retention.bytes" metadata_max_retention_bytes: Option<u64> as OrUnlimited<Int<0, LONG_MAX>> = Some(100 << 20),
        "Size in bytes of metadata log and snapshots above which the oldest are deleted, -1 for no limit.";
    "metadata.max.retention.ms" metadata_max_retention_ms: Option<Span> as OrUnlimited<Millis<0>> = Some(Span::from_millis(604_800_000)),
        "Age in ms at which metadata segments and snapshots are deleted, -1 for never.";
    "metadata.max.idle.interval.ms" metadata_max_idle_interval_ms: Span as Millis<0> = Span::from_millis(500),
        "How often, in ms, an idle active controller writes a NoOpRecord, 0 for never (KIP-835).";

    // Requests.
    "num.network.threads" num_network_threads: u32 as Int<1, INT_MAX> = 3,
        "Threads that read requests from the network and write responses.";
    "num.io.threads" num_io_threads: u32 as Int<1, INT_MAX> = 8,
        "Threads that handle requests.";
    "background.threads" background_threads: u32 as Int<1, INT_MAX> = 10,
        "Threads for periodic work.";
    "queued.max.requests" queued_max_requests: u32 as Int<1, INT_MAX> = 500,
        "Requests that may wait for a handler before the network threads stop reading.";
    "request.timeout.ms" request_timeout_ms: Span as Millis<1> = Span::from_millis(30_000),
        "How long, in ms, a broker's own requests may stay unanswered.";
    "socket.request.max.bytes" socket_request_max_bytes: u64 as Int<1, INT_MAX> = 100 << 20,
        "Largest request in bytes; a larger one closes the connection.";
    "fetch.max.bytes" fetch_max_bytes: u64 as Int<1024, INT_MAX> = 55 << 20,
        "Most bytes in one fetch response, whatever the client asks for.";
    "max.incremental.fetch.session.cache.slots" max_incremental_fetch_session_cache_slots: u32 as Int<0, INT_MAX> = 1_000,
        "Fetch sessions that a broker remembers (KIP-227).";
    "max.request.partition.size.limit" max_request_partition_size_limit: u32 as Int<1, INT_MAX> = 2_000,
        "Partitions that one DescribeTopicPartitions answer may hold.";
    "fetch.purgatory.purge.interval.requests" fetch_purgatory_purge_interval_requests: u32 as Int<0, INT_MAX> = 1_000,
        "Completed fetches after which purgatory is swept.";
    "producer.purgatory.purge.interval.requests" producer_purgatory_purge_interval_requests: u32 as Int<0, INT_MAX> = 1_000,
        "Completed produces after which purgatory is swept.";
    "delete.records.purgatory.purge.interval.requests" delete_records_purgatory_purge_interval_requests: u32 as Int<0, INT_MAX> = 1,
        "Completed DeleteRecords after which purgatory is swept.";
    "connections.max.idle.ms" connections_max_idle_ms: Option<Span> as OrUnlimited<Millis<0>> = Some(Span::from_millis(600_000)),
        "How long, in ms, an idle connection is kept, -1 for ever.";
    "socket.receive.buffer.bytes" socket_receive_buffer_bytes: u64 as Int<1, INT_MAX> = 100 << 10,
        "Receive buffer in bytes of every connection that the broker accepts.";
    "socket.send.buffer.bytes" socket_send_buffer_bytes: u64 as Int<1, INT_MAX> = 100 << 10,
        "Send buffer in bytes of every connection that the broker accepts.";
    "socket.connection.setup.timeout.ms" socket_connection_setup_timeout_ms: Span as Millis<0> = Span::from_millis(10_000),
        "How long, in ms, a connection of the broker's own may take to open the first time.";
    "socket.connection.setup.timeout.max.ms" socket_connection_setup_timeout_max_ms: Span as Millis<0> = Span::from_millis(30_000),
        "Longest such time in ms after failures, which double it.";

    // Producers.
    "producer.id.expiration.ms" producer_id_expiration_ms: Span as Millis<1> = Span::from_millis(86_400_000),
        "How long, in ms, a partition remembers a producer id that no longer writes (KIP-854).";
    "producer.id.expiration.check.interval.ms" producer_id_expiration_check_interval_ms: Span as Millis<1> = Span::from_millis(600_000),
        "How often, in ms, a broker looks for such producer ids.";

    // ZooKeeper mode.
    "controller.socket.timeout.ms" controller_socket_timeout_ms: Span as Millis<1> = Span::from_millis(30_000),
        "How long, in ms, a request between controller and brokers may stay unanswered.";
    "zookeeper.session.timeout.ms" zookeeper_session_timeout_ms: Span as Millis<1> = Span::from_millis(18_000),
        "How long, in ms, ZooKeeper keeps a silent broker's session, and with it its registration.";
    "zookeeper.connection.timeout.ms" zookeeper_connection_timeout_ms: Option<Span> as OrNull<Millis<1>> = None,
        "How long, in ms, a starting broker waits for ZooKeeper; unset, as long as a session.";
    "zookeeper.max.in.flight.requests" zookeeper_max_in_flight_requests: u32 as Int<1, INT_MAX> = 10,
        "Requests to ZooKeeper that a broker has under way at once.";
}

/// `KafkaConfig.validateValues`.
fn settle(config: &mut BrokerConfig, given: &BTreeSet<&str>) -> Result<(), ConfigError> {
    config.log.settle(given)?;
    config.quorum.settle(given)?;
    if config.replica_fetch_wait_max_ms > config.replica_socket_timeout_ms {
        return Err(ConfigError::Conflict {
            name: "replica.fetch.wait.max.ms",
            rule: "`replica.fetch.wait.max.ms` may not exceed `replica.socket.timeout.ms`, or every idle fetch times out",
        });
    }
    if config.replica_fetch_wait_max_ms > config.replica_lag_time_max_ms {
        return Err(ConfigError::Conflict {
            name: "replica.lag.time.max.ms",
            rule: "`replica.fetch.wait.max.ms` may not exceed `replica.lag.time.max.ms`, or idle followers leave the ISR",
        });
    }
    if config.metadata_log_segment_bytes < config.metadata_log_segment_min_bytes {
        return Err(ConfigError::Conflict {
            name: "metadata.log.segment.bytes",
            rule: "`metadata.log.segment.bytes` may not be below `metadata.log.segment.min.bytes`, 8388608 if nothing is said: a batch of metadata records must fit (KafkaMetadataLog)",
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Release;

    #[test]
    fn kafka_refuses_a_fetch_wait_longer_than_the_lag_time() {
        let error = BrokerConfig::resolve(Release::DEFAULT, [("replica.lag.time.max.ms", "499")]);
        assert_eq!(error.unwrap_err().name(), "replica.lag.time.max.ms");
        assert!(
            BrokerConfig::resolve(Release::DEFAULT, [("replica.lag.time.max.ms", "500")]).is_ok()
        );
    }

    #[test]
    fn kafka_refuses_a_metadata_segment_that_is_too_small_for_a_batch() {
        let small = ("metadata.log.segment.bytes", "1200");
        let refused = BrokerConfig::resolve(Release::DEFAULT, [small]).unwrap_err();
        assert_eq!(refused.name(), "metadata.log.segment.bytes");
        let for_a_test = [small, ("metadata.log.segment.min.bytes", "1000")];
        assert!(BrokerConfig::resolve(Release::DEFAULT, for_a_test).is_ok());
    }

    #[test]
    fn the_names_of_all_parts_are_set_alike() {
        let mut broker = BrokerConfig::default();
        broker.set("log.segment.bytes", "1000").unwrap();
        broker.set("controller.quorum.fetch.timeout.ms", "300").unwrap();
        broker.set("broker.rack", "a").unwrap();
        assert_eq!(broker.log.log_segment_bytes, 1_000);
        assert_eq!(broker.quorum.controller_quorum_fetch_timeout_ms, Span::from_millis(300));
        assert_eq!(broker.broker_rack, Some(RackId::from("a")));
    }
}
