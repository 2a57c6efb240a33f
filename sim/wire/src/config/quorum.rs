//! `controller.quorum.*`: the timing of the metadata quorum (`QuorumConfig`, KIP-595).

use super::ConfigError;
use super::kind::Millis;
use super::table::config_table;
use crate::time::Span;
use std::collections::BTreeSet;

config_table! {
    /// The timing of the Raft group that holds the metadata log, on voters and observers alike.
    QuorumConfig of Broker, settle settle;

    "controller.quorum.election.timeout.ms" controller_quorum_election_timeout_ms: Span as Millis<1> = Span::from_millis(1_000),
        "How long, in ms, a candidate waits for votes before it starts another election; drawn between this and twice this.";
    "controller.quorum.fetch.timeout.ms" controller_quorum_fetch_timeout_ms: Span as Millis<1> = Span::from_millis(2_000),
        "How long, in ms, a voter goes without an answer from the leader before it stands for election; at one and a half times this a leader without a majority of fetches resigns.";
    "controller.quorum.election.backoff.max.ms" controller_quorum_election_backoff_max_ms: Span as Millis<1> = Span::from_millis(1_000),
        "Longest time in ms that a candidate backs off after a lost election.";
    "controller.quorum.append.linger.ms" controller_quorum_append_linger_ms: Span as Millis<0> = Span::from_millis(25),
        "How long, in ms, the leader gathers records before it appends and flushes them.";
    "controller.quorum.request.timeout.ms" controller_quorum_request_timeout_ms: Span as Millis<1> = Span::from_millis(2_000),
        "How long, in ms, a request between quorum members may stay unanswered.";
    "controller.quorum.retry.backoff.ms" controller_quorum_retry_backoff_ms: Span as Millis<0> = Span::from_millis(20),
        "How long, in ms, a quorum member waits before it repeats a failed request.";
}

fn settle(_config: &mut QuorumConfig, _given: &BTreeSet<&str>) -> Result<(), ConfigError> {
    Ok(())
}
