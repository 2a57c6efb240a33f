//! An admin client's configuration (`AdminClientConfig`).

use super::ConfigError;
use super::kind::{INT_MAX, Int, Millis, OrNull, OrUnlimited, Text};
use super::table::config_table;
use super::words::{MetadataRecoveryStrategy, Word};
use crate::time::Span;
use std::collections::BTreeSet;

config_table! {
    /// How an administrator's client repeats and gives up.
    AdminConfig of Admin, settle settle;

    "default.api.timeout.ms" default_api_timeout_ms: Span as Millis<0> = Span::from_millis(60_000),
        "How long, in ms, a call without a time limit of its own may take.";
    "request.timeout.ms" request_timeout_ms: Span as Millis<0> = Span::from_millis(30_000),
        "How long, in ms, a request may stay unanswered.";
    "retries" retries: u32 as Int<0, INT_MAX> = i32::MAX as u32,
        "How often a failed call is repeated, within its time.";
    "retry.backoff.ms" retry_backoff_ms: Span as Millis<0> = Span::from_millis(100),
        "First pause in ms before a failed request is repeated.";
    "retry.backoff.max.ms" retry_backoff_max_ms: Span as Millis<0> = Span::from_millis(1_000),
        "Longest such pause in ms; each failure doubles it, within a fifth either way (KIP-580).";
    "reconnect.backoff.ms" reconnect_backoff_ms: Span as Millis<0> = Span::from_millis(50),
        "First pause in ms before a lost connection is opened again.";
    "reconnect.backoff.max.ms" reconnect_backoff_max_ms: Span as Millis<0> = Span::from_millis(1_000),
        "Longest such pause in ms.";
    "socket.connection.setup.timeout.ms" socket_connection_setup_timeout_ms: Span as Millis<0> = Span::from_millis(10_000),
        "How long, in ms, a connection may take to open the first time.";
    "socket.connection.setup.timeout.max.ms" socket_connection_setup_timeout_max_ms: Span as Millis<0> = Span::from_millis(30_000),
        "Longest such time in ms after failures, which double it.";
    "connections.max.idle.ms" connections_max_idle_ms: Option<Span> as OrUnlimited<Millis<0>> = Some(Span::from_millis(300_000)),
        "How long, in ms, an idle connection is kept, -1 for ever.";
    "metadata.max.age.ms" metadata_max_age_ms: Span as Millis<0> = Span::from_millis(300_000),
        "Age in ms at which metadata is fetched anew without a reason.";
    "metadata.recovery.strategy" metadata_recovery_strategy: MetadataRecoveryStrategy as Word = MetadataRecoveryStrategy::Rebootstrap,
        "What happens when no known broker can be reached (KIP-899).";
    "client.id" client_id: Option<String> as OrNull<Text> = None,
        "The client's name in the brokers' logs; unset, the lab gives the node's.";
}

fn settle(config: &mut AdminConfig, given: &BTreeSet<&str>) -> Result<(), ConfigError> {
    if given.contains("reconnect.backoff.ms") && !given.contains("reconnect.backoff.max.ms") {
        config.reconnect_backoff_max_ms = config.reconnect_backoff_ms;
    }
    Ok(())
}
