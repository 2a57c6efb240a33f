//! The producing applications: `[[producer]]`.

use crate::amount::{Rate, rate, text};
use crate::names::Scope;
use crate::problem::Complaint;
use crate::reader::{Bytes, Positive, Readable, Spanned, Table};
use crate::settings::{self, Settings};
use klab_wire::config::{ConfigTable, ProducerConfig};
use klab_wire::{RackId, Span, TopicName};
use serde::{Serialize, Serializer};
use toml_edit::Item;

/// One or more producers of a kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Producer {
    /// A name for them, by which faults can select them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// How many; 1 if nothing is said. They are called `p1`, `p2` and so on, through all `[[producer]]`.
    pub count: u16,
    /// The topics they write to, record by record in turn.
    pub topics: Vec<TopicName>,
    /// How often each of them calls `send()`; 100/s if nothing is said.
    pub rate: Load,
    /// How far apart they send what the rate asks for, as a benchmark's rate limiter does that sleeps for so long when
    /// it is early; as evenly as can be if nothing is said.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "text::some_span")]
    pub burst_every: Option<Span>,
    /// How many records each of them sends at most; no limit if nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub records: Option<u64>,
    /// When they start; at once if nothing is said.
    #[serde(serialize_with = "text::span")]
    pub start: Span,
    /// When they stop; at the end of the run if nothing is said.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "text::some_span")]
    pub stop: Option<Span>,
    /// The records' keys; records have none if nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keys: Option<Keys>,
    /// How many bytes a record's value has; 100 if nothing is said.
    #[serde(serialize_with = "text::bytes")]
    pub record_size: u64,
    /// Who picks the partition.
    pub partitioner: Partitioner,
    /// Their configs.
    #[serde(skip_serializing_if = "Settings::is_empty")]
    pub config: Settings,
    /// Where they stand (`client.rack`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rack: Option<RackId>,
}

/// How often a producer calls `send()`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    /// So often, as long as `send()` does not block.
    Rate(Rate),
    /// `"max"`: again as soon as the last call has returned. On hardware that is `ideal` that is never later.
    Max,
}

impl Readable for Load {
    const FORM: &'static str = "a rate such as \"200/s\", or \"max\"";

    fn read(item: &Item) -> Result<Self, Complaint> {
        match item.as_str() {
            Some("max") => Ok(Load::Max),
            text => text.and_then(rate).map(Load::Rate).ok_or_else(|| Self::refused(item)),
        }
    }
}

impl Serialize for Load {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Load::Rate(rate) => rate.serialize(serializer),
            Load::Max => serializer.serialize_str("max"),
        }
    }
}

/// The keys of a producer's records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Keys {
    /// How many different ones.
    pub count: u64,
    /// How unevenly they occur.
    pub skew: Skew,
}

/// How unevenly keys occur.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Skew {
    /// All equally often.
    #[default]
    Uniform,
    /// The n-th key 1/n as often as the first (Zipf's law).
    Zipf,
}

/// Who picks a record's partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Partitioner {
    /// The built-in one: murmur2 of the key, uniform sticky without a key (KIP-794).
    #[default]
    Default,
    /// `UniformStickyPartitioner`: sticky even with a key (KIP-480).
    Sticky,
    /// `RoundRobinPartitioner`: the partitions in turn.
    RoundRobin,
    /// The application names the partition in every record.
    #[serde(untagged)]
    Partition {
        /// Which.
        partition: u32,
    },
}

const PARTITIONERS: &[(&str, Partitioner)] = &[
    ("default", Partitioner::Default),
    ("sticky", Partitioner::Sticky),
    ("round-robin", Partitioner::RoundRobin),
];

const SKEWS: &[(&str, Skew)] = &[("uniform", Skew::Uniform), ("zipf", Skew::Zipf)];

const DEFAULT_RATE: Rate = Rate { count: 100, per: Span::from_secs(1) };
const DEFAULT_RECORD_SIZE: u64 = 100;

impl Producer {
    /// The configuration of these producers.
    pub fn resolved_config(&self, release: klab_wire::config::Release) -> ProducerConfig {
        let mut config = ProducerConfig::resolve(release, self.config.iter())
            .expect("parsing has checked every producer's configuration");
        config.client_rack = self.rack.clone().or(config.client_rack);
        config
    }

    pub(crate) fn read(table: &Table<'_>, scope: &Scope<'_>) -> Option<Self> {
        let topics = read_topics(table, scope);
        let config = settings::read::<ProducerConfig>(table, "config");
        let resolved = ProducerConfig::resolve(scope.release, config.settings.iter());
        settings::report_conflict(table, &config, resolved);
        if config.settings.0.contains_key("transactional.id") {
            let message = "transactions are not built yet: leave `transactional.id` out";
            table.complain(config.place("transactional.id", table.span()), Complaint::new(message));
        }
        let (start, stop) = read_times(table, scope);
        let producer = Producer {
            name: scope.read_client_name(table),
            count: read_count(table),
            rate: read_load(table, scope),
            burst_every: table.optional("burst-every"),
            records: table.optional("records"),
            start,
            stop,
            keys: read_keys(table),
            record_size: table.or("record-size", Bytes(DEFAULT_RECORD_SIZE)).0,
            partitioner: read_partitioner(table, scope, &topics),
            rack: table.optional::<String>("rack").map(RackId::from),
            config: config.settings,
            topics,
        };
        (!producer.topics.is_empty()).then_some(producer)
    }
}

fn read_load(table: &Table<'_>, scope: &Scope<'_>) -> Load {
    let Some(load) = table.spanned("rate") else { return Load::Rate(DEFAULT_RATE) };
    if load.value == Load::Max && !scope.computing_costs {
        let message = "a producer whose hardware costs nothing would send without an end";
        let help = "choose hardware: [hardware] profile = \"cloud-nvme\"";
        table.complain(load.span, Complaint::new(message).help(help));
    }
    load.value
}

/// How many clients of a kind.
pub(crate) fn read_count(table: &Table<'_>) -> u16 {
    table.or("count", Positive(1)).0
}

/// When clients start and stop.
pub(crate) fn read_times(table: &Table<'_>, scope: &Scope<'_>) -> (Span, Option<Span>) {
    let start = table.spanned::<Span>("start");
    let stop = table.spanned::<Span>("stop");
    for time in [start.as_ref(), stop.as_ref()].into_iter().flatten() {
        scope.check_time(table, time);
    }
    let start = start.map_or(Span::ZERO, |start| start.value);
    if let Some(stop) = stop.as_ref().filter(|stop| stop.value <= start) {
        let message = format!("`stop` comes before `start` ({start})");
        table.complain(stop.span.clone(), Complaint::new(message));
    }
    (start, stop.map(|stop| stop.value))
}

/// `topic = "orders"`, or `topics = ["orders", "payments"]`; complains if there is neither.
pub(crate) fn read_topics(table: &Table<'_>, scope: &Scope<'_>) -> Vec<TopicName> {
    let one = table.spanned::<String>("topic");
    let many = table.optional::<Vec<Spanned<String>>>("topics");
    if one.is_some() && many.is_some() {
        let message = "`topic` and `topics` say the same thing: keep one";
        table.complain(table.key_span("topics"), Complaint::new(message));
    }
    let has_none = !table.has("topic") && !table.has("topics");
    if has_none || many.as_ref().is_some_and(Vec::is_empty) {
        let label = "`topic` takes a topic's name";
        table.complain(table.span(), Complaint::new("no `topic` is named here").label(label));
    }
    let names = one.into_iter().chain(many.unwrap_or_default());
    names
        .filter(|name| match scope.check_topic(&name.value) {
            Ok(()) => true,
            Err(complaint) => {
                table.complain(name.span.clone(), complaint);
                false
            }
        })
        .map(|name| TopicName::from(name.value))
        .collect()
}

fn read_keys(table: &Table<'_>) -> Option<Keys> {
    let table = table.table("keys", "`keys`")?;
    let count = table.required::<Positive<u64>>("count");
    let skew = read_word(&table, "skew", SKEWS);
    table.finish();
    Some(Keys { count: count?.0, skew })
}

fn read_partitioner(table: &Table<'_>, scope: &Scope<'_>, topics: &[TopicName]) -> Partitioner {
    let is_table = table.item("partitioner").is_some_and(|item| item.is_table_like());
    if !is_table {
        return read_word(table, "partitioner", PARTITIONERS);
    }
    let Some(below) = table.table("partitioner", "`partitioner`") else {
        return Partitioner::Default;
    };
    let partition = below.required_spanned::<u32>("partition");
    below.finish();
    let Some(partition) = partition else { return Partitioner::Default };
    for topic in topics {
        let whole = klab_wire::TopicPartition::new(topic.clone(), partition.value);
        if let Err(complaint) = scope.check_partition(&whole) {
            table.complain(partition.span.clone(), complaint);
        }
    }
    Partitioner::Partition { partition: partition.value }
}

/// One of a few words; the default of `T` if nothing is said.
pub(crate) fn read_word<T: Copy + Default>(
    table: &Table<'_>,
    key: &'static str,
    words: &[(&'static str, T)],
) -> T {
    let Some(Spanned { value, span }) = table.spanned::<String>(key) else {
        return T::default();
    };
    match words.iter().find(|(word, _)| *word == value) {
        Some((_, meaning)) => *meaning,
        None => {
            let message = format!("`{value}` is no value of `{key}`");
            let known = words.iter().map(|(word, _)| *word);
            table.complain(span, Complaint::unknown(message, &value, known));
            T::default()
        }
    }
}
