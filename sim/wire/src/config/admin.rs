//! An admin client's configuration (`AdminClientConfig`).

use super::kind::{INT_MAX, Int, Millis, OrUnlimited};
use super::table::config_table;
use super::{CommonClientConfig, ConfigError, ConfigTable};
use crate::time::Span;
use std::collections::BTreeSet;

config_table! {
    /// How an administrator's client repeats and gives up.
    AdminConfig of Admin, settle settle;

    include common: CommonClientConfig, "The names that all clients have.";

    "default.api.timeout.ms" default_api_timeout_ms: Span as Millis<0> = Span::from_millis(60_000),
        "How long, in ms, a call without a time limit of its own may take.";
    "retries" retries: u32 as Int<0, INT_MAX> = i32::MAX as u32,
        "How often a failed call is repeated, within its time.";
    "connections.max.idle.ms" connections_max_idle_ms: Option<Span> as OrUnlimited<Millis<0>> = Some(Span::from_millis(300_000)),
        "How long, in ms, an idle connection is kept, -1 for ever.";
}

fn settle(config: &mut AdminConfig, given: &BTreeSet<&str>) -> Result<(), ConfigError> {
    config.common.settle(given)
}
