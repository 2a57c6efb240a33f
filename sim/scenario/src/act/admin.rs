//! What an administrator asks of the cluster while it runs (`Admin`'s methods).

use super::fault::read_partition;
use crate::amount::text;
use crate::names::Scope;
use crate::problem::Complaint;
use crate::reader::{Bandwidth, Positive, Readable, Spanned, Table, found};
use crate::selector;
use crate::settings::{self, Settings};
use crate::topic::{Topic, replicas};
use klab_wire::config::{BrokerConfig, ConfigTable, TopicConfig};
use klab_wire::{ElectionType, NodeId, NodeKind, Offset, TopicName, TopicPartition};
use serde::{Serialize, Serializer};
use std::collections::BTreeMap;
use toml_edit::Item;

/// A request of an administrator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Administration {
    /// A topic is created.
    CreateTopic(Topic),
    /// A topic is deleted.
    DeleteTopic(TopicName),
    /// A topic gets more partitions.
    CreatePartitions(Growth),
    /// The records before an offset are deleted (KIP-107).
    DeleteRecords(Deletion),
    /// Leaders are elected (KIP-460).
    Elect(Election),
    /// Partitions move to other brokers (KIP-455).
    Reassign(Reassignment),
    /// Dynamic configs change (KIP-226, KIP-339).
    AlterConfig(Alteration),
    /// A broker that will not come back is forgotten (KIP-631).
    Unregister(NodeId),
}

/// The keys of the requests.
pub(super) const NAMES: &[&str] = &[
    "create-topic",
    "delete-topic",
    "create-partitions",
    "delete-records",
    "elect",
    "reassign",
    "alter-config",
    "unregister",
];

/// A topic that gets more partitions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Growth {
    /// Which.
    pub topic: TopicName,
    /// How many it has afterwards.
    pub partitions: u32,
}

/// Records that are deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Deletion {
    /// Where.
    pub partition: TopicPartition,
    /// Up to where.
    pub before: Before,
}

/// Up to where records are deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Before {
    /// Up to this offset, which stays.
    Offset(Offset),
    /// Up to the high watermark: −1 in the protocol.
    HighWatermark,
}

/// Leaders that are elected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Election {
    /// Which election.
    #[serde(serialize_with = "print_election")]
    pub kind: ElectionType,
    /// Of which partitions; of all if nothing is said.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub partitions: Vec<TopicPartition>,
}

/// Partitions that move.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reassignment {
    /// Where their replicas shall be, preferred leader first; nowhere cancels a reassignment.
    pub partitions: BTreeMap<TopicPartition, Vec<NodeId>>,
    /// Bytes per second that the move may take on each broker (KIP-73); unlimited if nothing is said.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "text::some_bandwidth")]
    pub throttle: Option<u64>,
}

/// Dynamic configs that change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Alteration {
    /// Whose.
    #[serde(flatten)]
    pub resource: Resource,
    /// The new values.
    #[serde(skip_serializing_if = "Settings::is_empty")]
    pub set: Settings,
    /// Which go back to their defaults.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub delete: Vec<String>,
}

/// Whose configs change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Resource {
    /// A topic's.
    Topic(TopicName),
    /// One broker's.
    Broker(NodeId),
    /// Every broker's: the cluster's default. Written `brokers = "all"`.
    #[serde(serialize_with = "print_all")]
    Brokers,
}

impl Administration {
    pub(super) fn read(name: &'static str, at: &Table<'_>, scope: &Scope<'_>) -> Option<Self> {
        if name == "delete-topic" {
            return read_topic(at, name, scope).map(Administration::DeleteTopic);
        }
        if name == "unregister" {
            return read_broker(at, name, scope).map(Administration::Unregister);
        }
        let table = at.table(name, &format!("`{name}`"))?;
        let act = match name {
            "create-topic" => read_creation(&table, scope).map(Administration::CreateTopic),
            "create-partitions" => read_growth(&table, scope).map(Administration::CreatePartitions),
            "delete-records" => read_deletion(&table, scope).map(Administration::DeleteRecords),
            "elect" => read_election(&table, scope).map(Administration::Elect),
            "reassign" => read_reassignment(&table, scope).map(Administration::Reassign),
            "alter-config" => read_alteration(&table, scope).map(Administration::AlterConfig),
            _ => unreachable!("NAMES lists the requests, and {name} is none of them"),
        };
        table.finish();
        act
    }
}

fn read_topic(table: &Table<'_>, key: &'static str, scope: &Scope<'_>) -> Option<TopicName> {
    let Spanned { value, span } = table.required_spanned::<String>(key)?;
    match scope.check_topic(&value) {
        Ok(()) => Some(TopicName::from(value)),
        Err(complaint) => {
            table.complain(span, complaint);
            None
        }
    }
}

fn read_creation(table: &Table<'_>, scope: &Scope<'_>) -> Option<Topic> {
    Topic::read(table, scope, &scope.inherited())
}

fn read_growth(table: &Table<'_>, scope: &Scope<'_>) -> Option<Growth> {
    let topic = read_topic(table, "topic", scope);
    let partitions = table.required::<Positive<u32>>("partitions");
    Some(Growth { topic: topic?, partitions: partitions?.0 })
}

fn read_deletion(table: &Table<'_>, scope: &Scope<'_>) -> Option<Deletion> {
    let partition = read_partition(table, "partition", scope);
    let before = table.required("before");
    Some(Deletion { partition: partition?, before: before? })
}

impl Readable for Before {
    const FORM: &'static str = "an offset or \"high-watermark\"";

    fn read(item: &Item) -> Result<Self, Complaint> {
        let offset = item.as_integer().and_then(|offset| offset.try_into().ok());
        match (offset, item.as_str()) {
            (Some(offset), _) => Ok(Before::Offset(Offset(offset))),
            (None, Some("high-watermark")) => Ok(Before::HighWatermark),
            _ => Err(Self::refused(item)),
        }
    }
}

impl Serialize for Before {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Before::Offset(offset) => serializer.serialize_u64(offset.0),
            Before::HighWatermark => serializer.serialize_str("high-watermark"),
        }
    }
}

fn read_election(table: &Table<'_>, scope: &Scope<'_>) -> Option<Election> {
    let kind = table.required_spanned::<String>("kind");
    let partitions: Vec<Spanned<TopicPartition>> = table.or("partitions", Vec::new());
    for partition in &partitions {
        if let Err(complaint) = scope.check_partition(&partition.value) {
            table.complain(partition.span.clone(), complaint);
        }
    }
    let kind = kind?;
    let election = match kind.value.as_str() {
        "preferred" => ElectionType::Preferred,
        "unclean" => ElectionType::Unclean,
        other => {
            let message = format!("there is no `{other}` election");
            let complaint = Complaint::unknown(message, other, ["preferred", "unclean"]);
            table.complain(kind.span, complaint);
            return None;
        }
    };
    let partitions = partitions.into_iter().map(|partition| partition.value).collect();
    Some(Election { kind: election, partitions })
}

fn print_election<S: Serializer>(kind: &ElectionType, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(match kind {
        ElectionType::Preferred => "preferred",
        ElectionType::Unclean => "unclean",
    })
}

fn read_reassignment(table: &Table<'_>, scope: &Scope<'_>) -> Option<Reassignment> {
    let mut partitions = BTreeMap::new();
    if !table.has("partitions") {
        let help = "for example partitions = { \"orders-0\" = [\"b2\", \"b3\"] }";
        let complaint = Complaint::new("`reassign` has no `partitions`").help(help);
        table.complain(table.span(), complaint);
    }
    if let Some(below) = table.table("partitions", "`partitions`") {
        for (name, item) in below.entries() {
            match read_move(&name.value, item, scope) {
                Ok((partition, replicas)) => drop(partitions.insert(partition, replicas)),
                Err(complaint) => table.complain(name.span, complaint),
            }
        }
    }
    let throttle = table.optional::<Bandwidth>("throttle").map(|bandwidth| bandwidth.0);
    Some(Reassignment { partitions, throttle })
}

fn read_move(
    name: &str,
    item: &Item,
    scope: &Scope<'_>,
) -> Result<(TopicPartition, Vec<NodeId>), Complaint> {
    let partition = selector::partition(name)
        .ok_or_else(|| Complaint::new(format!("`{name}` is no partition")))?;
    scope.check_partition(&partition)?;
    let names: Option<Vec<&str>> =
        item.as_array().and_then(|nodes| nodes.iter().map(|node| node.as_str()).collect());
    let names = names.ok_or_else(|| {
        Complaint::new(format!("`{name}` takes a list of brokers, not {}", found(item)))
    })?;
    match names.as_slice() {
        [] => Ok((partition, Vec::new())),
        names => Ok((partition, replicas(names, scope)?)),
    }
}

fn read_alteration(table: &Table<'_>, scope: &Scope<'_>) -> Option<Alteration> {
    let resource = read_resource(table, scope);
    let (set, delete) = match &resource {
        Some(Resource::Topic(_)) => read_changes::<TopicConfig>(table),
        Some(_) => read_changes::<BrokerConfig>(table),
        None => {
            let _ = (table.item("set"), table.item("delete"));
            return None;
        }
    };
    if !table.has("set") && !table.has("delete") {
        let message = "`alter-config` says `set` or `delete`, or it alters nothing";
        table.complain(table.span(), Complaint::new(message));
    }
    Some(Alteration { resource: resource?, set, delete })
}

fn read_changes<T: ConfigTable>(table: &Table<'_>) -> (Settings, Vec<String>) {
    let set = settings::read::<T>(table, "set").settings;
    let delete: Vec<Spanned<String>> = table.or("delete", Vec::new());
    let names = T::names();
    for name in &delete {
        if !names.contains(&name.value.as_str()) {
            let message = format!("there is no {} config `{}`", T::KIND.name(), name.value);
            let complaint = Complaint::unknown(message, &name.value, names.iter().copied());
            table.complain(name.span.clone(), complaint);
        }
    }
    (set, delete.into_iter().map(|name| name.value).collect())
}

fn read_resource(table: &Table<'_>, scope: &Scope<'_>) -> Option<Resource> {
    let topic = table.item("topic").is_some();
    let broker = table.item("broker").is_some();
    let brokers = table.item("brokers").is_some();
    match (topic, broker, brokers) {
        (true, false, false) => read_topic(table, "topic", scope).map(Resource::Topic),
        (false, true, false) => read_broker(table, "broker", scope).map(Resource::Broker),
        (false, false, true) => {
            let all = table.required_spanned::<String>("brokers")?;
            if all.value != "all" {
                let message = format!("`brokers` takes \"all\", not \"{}\"", all.value);
                table.complain(all.span, Complaint::new(message).label("or `broker` for one"));
            }
            Some(Resource::Brokers)
        }
        _ => {
            let message =
                "`alter-config` is about one `topic`, one `broker`, or `brokers = \"all\"`";
            table.complain(table.span(), Complaint::new(message));
            None
        }
    }
}

fn read_broker(table: &Table<'_>, key: &'static str, scope: &Scope<'_>) -> Option<NodeId> {
    let Spanned { value, span } = table.required_spanned::<String>(key)?;
    let node: Option<NodeId> = value.parse().ok();
    let checked = match node.filter(|node| node.kind == NodeKind::Broker) {
        Some(node) => scope.check_node(node).map(|()| node),
        None => Err(Complaint::new(format!("`{value}` is no broker"))),
    };
    checked.map_err(|complaint| table.complain(span, complaint)).ok()
}

fn print_all<S: Serializer>(serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str("all")
}
