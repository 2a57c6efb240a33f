//! What can be plotted: a number that a run is reduced to, with its unit.

#![allow(clippy::float_arithmetic, reason = "the lab draws, and drawing is done in floats")]

use crate::error::Mistake;
use crate::experiment::Outcome;
use crate::measure::latency::Percentiles;
use crate::measure::{Figure, Measured};
use klab_wire::Span;

/// A number that a run is reduced to.
#[derive(Clone, Copy, Debug)]
pub struct Quantity {
    /// Its name in `--measure` and in the table.
    pub name: &'static str,
    /// What it is, for the title of a picture.
    pub title: &'static str,
    /// Its unit, above the axis.
    pub unit: &'static str,
    /// What a curve of it is searched for.
    pub sense: Sense,
    /// Its value in a run, if it was measured.
    pub of: fn(&Outcome, &Measured) -> Option<f64>,
}

/// Which way is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sense {
    /// More is better: a curve rises to a plateau.
    More,
    /// Less is better: a curve stays low until it does not.
    Less,
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

/// Several quantities that belong in one picture.
const GROUPS: &[(&str, &[&str])] = &[
    ("latency", &["latency-p50", "latency-p99", "latency-p999"]),
    ("end-to-end", &["end-to-end-p50", "end-to-end-p99", "end-to-end-p999"]),
    ("operation", &["operation-p50", "operation-p99"]),
];

macro_rules! quantities {
    ($(#[$doc:meta])* $table:ident: $($sense:ident $name:literal, $title:literal, $unit:expr, $of:expr;)*) => {
        $(#[$doc])*
        pub const $table: &[Quantity] = &[
            $(Quantity { name: $name, title: $title, unit: $unit, sense: Sense::$sense, of: $of },)*
        ];
    };
}

quantities! {
    /// Those of Kafka.
    QUANTITIES:
    More "throughput", "Throughput", "records acknowledged per second", |_, m| Some(m.rates.acked);
    More "megabytes", "Throughput", "megabytes of values acknowledged per second (MB = 10⁶ bytes)", |_, m| Some(m.rates.acked_mb);
    More "replicated", "Replicated records", "records per second that came below the high watermark", |_, m| Some(m.rates.committed);
    More "consumed", "Consumption", "records per second that consumers got", |_, m| Some(m.rates.polled);
    Less "latency-mean", "Publish latency, mean", MILLIS, |_, m| millis(m.publish, |p| p.mean);
    Less "latency-p50", "Publish latency, median", MILLIS, |_, m| millis(m.publish, |p| p.p50);
    Less "latency-p95", "Publish latency, 95 of 100", MILLIS, |_, m| millis(m.publish, |p| p.p95);
    Less "latency-p99", "Publish latency, 99 of 100", MILLIS, |_, m| millis(m.publish, |p| p.p99);
    Less "latency-p999", "Publish latency, 999 of 1000", MILLIS, |_, m| millis(m.publish, |p| p.p999);
    Less "latency-max", "Publish latency, maximum", MILLIS, |_, m| millis(m.publish, |p| p.max);
    Less "end-to-end-p50", "End-to-end latency, median", MILLIS, |_, m| millis(m.end_to_end, |p| p.p50);
    Less "end-to-end-p95", "End-to-end latency, 95 of 100", MILLIS, |_, m| millis(m.end_to_end, |p| p.p95);
    Less "end-to-end-p99", "End-to-end latency, 99 of 100", MILLIS, |_, m| millis(m.end_to_end, |p| p.p99);
    Less "end-to-end-p999", "End-to-end latency, 999 of 1000", MILLIS, |_, m| millis(m.end_to_end, |p| p.p999);
    More "batch", "Size of a batch", "records per batch", |_, m| Some(m.rates.records_per_batch);
    More "request", "Batches in a produce request", "batches per request", |_, m| Some(m.rates.batches_per_request);
    Less "requests", "Produce requests", "requests per second, over all brokers", |_, m| rate(m, "produce_requests");
    Less "lag", "Lag of the slowest follower", "records, at most", |_, m| gauge(m, "max_lag_records");
    Less "under-replicated", "Under-replicated time", "seconds, summed over partitions", |_, m| Some(seconds(m.under_replicated_for));
    Less "unavailability", "The longest time without a leader", "seconds, of the partition that waits longest", |o, _| Some(unavailability(o));
    Less "unavailable", "Time without a leader", "seconds, summed over partitions", |o, _| Some(seconds(o.summary.hot.leaderless.total));
    Less "skew", "The fullest partition", "times the records of an average partition", |_, m| skew(m);
}

quantities! {
    /// Those that only a page has whose question they are.
    OF_A_QUESTION:
    Less "takeover", "A new controller takes over", "milliseconds from its election until it serves", |_, m| m.takeover.map(|took| took.0 as f64 / 1e6);
}

quantities! {
    /// Those of an ensemble without Kafka.
    OF_AN_ENSEMBLE:
    More "operations", "Operations", "operations answered per second", |_, m| Some(m.rates.acked);
    Less "operation-mean", "Time of an operation, mean", MILLIS, |_, m| millis(m.publish, |p| p.mean);
    Less "operation-p50", "Time of an operation, median", MILLIS, |_, m| millis(m.publish, |p| p.p50);
    Less "operation-p99", "Time of an operation, 99 of 100", MILLIS, |_, m| millis(m.publish, |p| p.p99);
    Less "operation-max", "Time of an operation, maximum", MILLIS, |_, m| millis(m.publish, |p| p.max);
}

/// Every one of them.
pub fn all() -> impl Iterator<Item = &'static Quantity> + Clone {
    QUANTITIES.iter().chain(OF_AN_ENSEMBLE).chain(OF_A_QUESTION)
}

const MILLIS: &str = "milliseconds";

/// The quantities of one word of `--measure`.
///
/// # Errors
///
/// There is none of that name.
pub fn named(name: &str) -> Result<Vec<Quantity>, Mistake> {
    let group = GROUPS.iter().find(|(group, _)| *group == name).map(|(_, names)| *names);
    let alone = [name];
    let names = group.unwrap_or(&alone);
    let found = names.iter().map(|name| all().find(|one| one.name == *name).copied());
    found.collect::<Option<Vec<_>>>().ok_or_else(|| unknown(name))
}

/// Every word that `--measure` takes.
pub fn names() -> impl Iterator<Item = &'static str> {
    GROUPS.iter().map(|(name, _)| *name).chain(all().map(|one| one.name))
}

fn unknown(name: &str) -> Mistake {
    let nearest = names().max_by_key(|known| (strsim::jaro_winkler(known, name) * 1e6) as u64);
    let nearest = nearest.map_or(String::new(), |known| format!("did you mean `{known}`? "));
    let all: Vec<&str> = names().collect();
    Mistake::new(format!(
        "--measure {name}: nothing of that name is measured; {nearest}There are {}",
        all.join(", ")
    ))
}

fn millis(percentiles: Option<Percentiles>, pick: fn(Percentiles) -> u64) -> Option<f64> {
    percentiles.map(|all| pick(all) as f64 / 1e3)
}

fn rate(measured: &Measured, name: &str) -> Option<f64> {
    match measured.metrics.get(name)? {
        Figure::Rate { per_second } => Some(*per_second),
        Figure::Gauge { .. } => None,
    }
}

fn gauge(measured: &Measured, name: &str) -> Option<f64> {
    match measured.metrics.get(name)? {
        Figure::Gauge { max, .. } => Some(*max as f64),
        Figure::Rate { .. } => None,
    }
}

fn seconds(span: Span) -> f64 {
    span.0 as f64 / 1e9
}

fn unavailability(outcome: &Outcome) -> f64 {
    let longest = outcome.summary.availability.iter().map(|partition| partition.longest).max();
    seconds(longest.unwrap_or(Span::ZERO))
}

fn skew(measured: &Measured) -> Option<f64> {
    let sum: u64 = measured.appended.values().sum();
    let fullest = *measured.appended.values().max()?;
    (sum > 0).then(|| fullest as f64 * measured.appended.len() as f64 / sum as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_means_one_quantity_or_several() {
        assert_eq!(named("throughput").expect("known").len(), 1);
        let latency: Vec<&str> =
            named("latency").expect("known").iter().map(|one| one.name).collect();
        assert_eq!(latency, ["latency-p50", "latency-p99", "latency-p999"]);
        let mistake = named("throughputt").expect_err("unknown").to_string();
        assert!(mistake.contains("did you mean `throughput`?"), "{mistake}");
    }

    #[test]
    fn the_fullest_partition_is_held_against_the_average() {
        use klab_wire::TopicPartition;
        let appended = [(0, 30), (1, 10), (2, 20)];
        let appended =
            appended.map(|(index, records)| (TopicPartition::new("orders", index), records));
        let measured = Measured { appended: appended.into(), ..Measured::default() };
        assert_eq!(skew(&measured), Some(1.5));
        assert_eq!(skew(&Measured::default()), None);
    }
}
