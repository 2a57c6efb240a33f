//! The consuming applications: `[[consumer]]`. They are assigned partitions by hand (`assign()`).

use crate::amount::text;
use crate::names::Scope;
use crate::problem::Complaint;
use crate::producer::{read_count, read_times, read_topics};
use crate::reader::{Readable, Spanned, Table};
use crate::settings::{self, Settings};
use klab_wire::config::{ConfigTable, ConsumerConfig, Release};
use klab_wire::{Offset, RackId, Span, TopicName, TopicPartition};
use serde::{Serialize, Serializer};
use std::fmt;
use toml_edit::Item;

/// One or more consumers of a kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Consumer {
    /// A name for them, by which faults and acts can select them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// How many; 1 if nothing is said. They are called `c1`, `c2` and so on, through all `[[consumer]]`.
    pub count: u16,
    /// What they read.
    #[serde(flatten)]
    pub assignment: Assignment,
    /// Where they seek to before the first poll; `auto.offset.reset` decides if nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Position>,
    /// When they start; at once if nothing is said.
    #[serde(serialize_with = "text::span")]
    pub start: Span,
    /// When they stop; at the end of the run if nothing is said.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "text::some_span")]
    pub stop: Option<Span>,
    /// How long the application works on each record between two polls; not at all if nothing is said.
    #[serde(serialize_with = "text::span")]
    pub processing_time: Span,
    /// Their configs.
    #[serde(skip_serializing_if = "Settings::is_empty")]
    pub config: Settings,
    /// Where they stand (`client.rack`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rack: Option<RackId>,
}

/// What consumers read. Several consumers of a kind share it: partitions are dealt out in turn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Assignment {
    /// All partitions that these topics have at the start.
    Topics(Vec<TopicName>),
    /// These partitions.
    Partitions(Vec<TopicPartition>),
}

/// A place in a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    /// The log start offset.
    Earliest,
    /// The high watermark.
    Latest,
    /// This offset.
    Offset(Offset),
    /// The first record stamped so long after the start of the run, or later: `"time 5s"`.
    Time(Span),
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Position::Earliest => f.write_str("earliest"),
            Position::Latest => f.write_str("latest"),
            Position::Offset(offset) => write!(f, "{offset}"),
            Position::Time(span) => write!(f, "time {}", crate::amount::print_span(*span)),
        }
    }
}

impl Serialize for Position {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Position::Offset(offset) => serializer.serialize_u64(offset.0),
            other => serializer.collect_str(other),
        }
    }
}

impl Readable for Position {
    const FORM: &'static str = "earliest, latest, an offset, or a time such as \"time 5s\"";

    fn read(item: &Item) -> Result<Self, Complaint> {
        let offset = item.as_integer().and_then(|offset| offset.try_into().ok());
        let position = match item.as_str() {
            Some("earliest") => Some(Position::Earliest),
            Some("latest") => Some(Position::Latest),
            Some(text) => text
                .strip_prefix("time ")
                .and_then(|time| crate::amount::span(time.trim()))
                .map(Position::Time),
            None => offset.map(|offset| Position::Offset(Offset(offset))),
        };
        position.ok_or_else(|| Self::refused(item))
    }
}

impl Consumer {
    /// The configuration of these consumers.
    pub fn resolved_config(&self, release: Release) -> ConsumerConfig {
        let mut config = ConsumerConfig::resolve(release, self.config.iter())
            .expect("parsing has checked every consumer's configuration");
        config.client_rack = self.rack.clone().or(config.client_rack);
        config
    }

    pub(crate) fn read(table: &Table<'_>, scope: &Scope<'_>) -> Option<Self> {
        let config = settings::read::<ConsumerConfig>(table, "config");
        let resolved = ConsumerConfig::resolve(scope.release, config.settings.iter());
        settings::report_conflict(table, &config, resolved);
        if config.settings.0.contains_key("group.id") {
            let message = "consumer groups are not built yet: leave `group.id` out";
            let help = "every consumer is assigned its partitions by hand";
            let place = config.place("group.id", table.span());
            table.complain(place, Complaint::new(message).help(help));
        }
        let assignment = read_assignment(table, scope);
        let (start, stop) = read_times(table, scope);
        let consumer = Consumer {
            name: scope.read_client_name(table),
            count: read_count(table),
            from: table.optional("from"),
            start,
            stop,
            processing_time: table.or("processing-time", Span::ZERO),
            rack: table.optional::<String>("rack").map(RackId::from),
            config: config.settings,
            assignment: assignment?,
        };
        Some(consumer)
    }
}

fn read_assignment(table: &Table<'_>, scope: &Scope<'_>) -> Option<Assignment> {
    let Some(partitions) = table.optional::<Vec<Spanned<TopicPartition>>>("partitions") else {
        if table.has("partitions") {
            return None;
        }
        let topics = read_topics(table, scope);
        return (!topics.is_empty()).then_some(Assignment::Topics(topics));
    };
    for partition in &partitions {
        if let Err(complaint) = scope.check_partition(&partition.value) {
            table.complain(partition.span.clone(), complaint);
        }
    }
    if partitions.is_empty() {
        let message = "`partitions` is empty: a consumer reads at least one";
        table.complain(table.key_span("partitions"), Complaint::new(message));
    }
    Some(Assignment::Partitions(partitions.into_iter().map(|spanned| spanned.value).collect()))
}
