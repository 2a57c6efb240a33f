//! A consumer's configuration (`ConsumerConfig`).

use super::kind::{Bool, INT_MAX, Int, Millis, OrNull, OrUnlimited, Text};
use super::table::config_table;
use super::words::{Assignor, AutoOffsetReset, GroupProtocol, Reset, Word, Words};
use super::{CommonClientConfig, ConfigError, ConfigTable};
use crate::api::IsolationLevel;
use crate::ids::RackId;
use crate::time::Span;
use std::collections::BTreeSet;

config_table! {
    /// How a consumer fetches, where it starts, and how it belongs to a group.
    ConsumerConfig of Consumer, settle settle;

    include common: CommonClientConfig, "The names that all clients have.";

    "auto.offset.reset" auto_offset_reset: AutoOffsetReset as Reset = AutoOffsetReset::Latest,
        "Where to go on without a valid position: earliest, latest, none (an error), by_duration:PT10M (KIP-1106).";
    "isolation.level" isolation_level: IsolationLevel as Word = IsolationLevel::ReadUncommitted,
        "Whether records of open and aborted transactions are seen.";
    "max.poll.records" max_poll_records: u32 as Int<1, INT_MAX> = 500,
        "Most records that one poll() returns.";
    "fetch.min.bytes" fetch_min_bytes: u64 as Int<0, INT_MAX> = 1,
        "Bytes for which the broker holds a fetch.";
    "fetch.max.wait.ms" fetch_max_wait_ms: Span as Millis<0> = Span::from_millis(500),
        "How long, in ms, it holds one that finds too few.";
    "fetch.max.bytes" fetch_max_bytes: u64 as Int<0, INT_MAX> = 50 << 20,
        "Bytes that one fetch asks for; the first batch comes even if it is larger.";
    "max.partition.fetch.bytes" max_partition_fetch_bytes: u64 as Int<0, INT_MAX> = 1 << 20,
        "Bytes that one fetch asks for from each partition.";
    "receive.buffer.bytes" receive_buffer_bytes: Option<u64> as OrUnlimited<Int<0, INT_MAX>> = Some(64 << 10),
        "Receive buffer in bytes of its connections, -1 for the system's: what a broker may have on its way to it.";
    "send.buffer.bytes" send_buffer_bytes: Option<u64> as OrUnlimited<Int<0, INT_MAX>> = Some(128 << 10),
        "Send buffer in bytes of its connections, -1 for the system's.";
    "check.crcs" check_crcs: bool as Bool = true,
        "Whether batches are checked against their CRC.";
    "default.api.timeout.ms" default_api_timeout_ms: Span as Millis<0> = Span::from_millis(60_000),
        "How long, in ms, a call without a time limit of its own may take (KIP-266).";
    "connections.max.idle.ms" connections_max_idle_ms: Option<Span> as OrUnlimited<Millis<0>> = Some(Span::from_millis(540_000)),
        "How long, in ms, an idle connection is kept, -1 for ever.";
    "allow.auto.create.topics" allow_auto_create_topics: bool as Bool = true,
        "Whether asking for a topic may create it, if the broker does that.";
    "client.rack" client_rack: Option<RackId> as OrNull<Text> = None,
        "The client's rack, so that it can read from a near replica (KIP-392).";

    // Groups.
    "group.id" group_id: Option<String> as OrNull<Text> = None,
        "The consumer group; without one, partitions are assigned by hand.";
    "group.instance.id" group_instance_id: Option<String> as OrNull<Text> = None,
        "The name by which a restarted member keeps its place (KIP-345).";
    "group.protocol" group_protocol: GroupProtocol as Word = GroupProtocol::Classic,
        "Who assigns partitions: a member (classic) or the coordinator (consumer, KIP-848).";
    "group.remote.assignor" group_remote_assignor: Option<String> as OrNull<Text> = None,
        "The coordinator's assignor, with the protocol `consumer`.";
    "partition.assignment.strategy" partition_assignment_strategy: Vec<Assignor> as Words = vec![Assignor::Range, Assignor::CooperativeSticky],
        "The assignors that a member knows, best first, with the protocol `classic`.";
    "session.timeout.ms" session_timeout_ms: Span as Millis<1> = Span::from_millis(45_000),
        "How long, in ms, after its last heartbeat a member is taken for dead.";
    "heartbeat.interval.ms" heartbeat_interval_ms: Span as Millis<1> = Span::from_millis(3_000),
        "How often, in ms, a member tells the coordinator that it lives.";
    "max.poll.interval.ms" max_poll_interval_ms: Span as Millis<1> = Span::from_millis(300_000),
        "Longest time in ms between two poll() calls before the member leaves its group (KIP-62).";
    "enable.auto.commit" enable_auto_commit: bool as Bool = true,
        "Whether poll() commits the positions of the poll before.";
    "auto.commit.interval.ms" auto_commit_interval_ms: Span as Millis<0> = Span::from_millis(5_000),
        "How often, in ms, it does so.";
}

fn settle(config: &mut ConsumerConfig, given: &BTreeSet<&str>) -> Result<(), ConfigError> {
    config.common.settle(given)?;
    settle_group(config, given)
}

/// `ConsumerConfig.maybeOverrideEnableAutoCommit`, `checkGroupRemoteAssignor`, and the classic protocol's
/// `Heartbeat`.
fn settle_group(config: &mut ConsumerConfig, given: &BTreeSet<&str>) -> Result<(), ConfigError> {
    let conflict = |name, rule| Err(ConfigError::Conflict { name, rule });
    let classic = config.group_protocol == GroupProtocol::Classic;
    if config.group_id.is_none() && config.enable_auto_commit {
        if given.contains("enable.auto.commit") {
            return conflict("enable.auto.commit", "`enable.auto.commit` needs a `group.id`");
        }
        config.enable_auto_commit = false;
    }
    if classic && config.group_remote_assignor.is_some() {
        let rule = "`group.remote.assignor` needs `group.protocol` = consumer";
        return conflict("group.remote.assignor", rule);
    }
    if classic && config.heartbeat_interval_ms >= config.session_timeout_ms {
        let rule = "`heartbeat.interval.ms` must be less than `session.timeout.ms`";
        return conflict("heartbeat.interval.ms", rule);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Release;

    fn consumer(settings: &[(&str, &str)]) -> Result<ConsumerConfig, String> {
        ConsumerConfig::resolve(Release::DEFAULT, settings.iter().copied())
            .map_err(|error| error.name().to_string())
    }

    #[test]
    fn a_consumer_without_a_group_commits_nothing() {
        assert!(!consumer(&[]).unwrap().enable_auto_commit);
        assert!(consumer(&[("group.id", "billing")]).unwrap().enable_auto_commit);
        let asked = consumer(&[("enable.auto.commit", "true")]);
        assert_eq!(asked, Err("enable.auto.commit".into()));
    }

    #[test]
    fn heartbeats_come_more_often_than_sessions_end() {
        let settings = [("session.timeout.ms", "3000")];
        assert_eq!(consumer(&settings), Err("heartbeat.interval.ms".into()));
    }
}
