//! The topics that exist when a run starts: `[[topic]]`. An act can create more of them.

use crate::amount::text;
use crate::names::Scope;
use crate::problem::Complaint;
use crate::reader::{Share, Spanned, Table};
use crate::settings::{self, Settings};
use klab_wire::config::{BrokerConfig, TopicConfig};
use klab_wire::{NodeId, NodeKind, TopicName};
use serde::Serialize;

/// More partitions than a topic has ever had.
const MOST_PARTITIONS: u32 = 1_000_000;
/// `Topic.MAX_NAME_LENGTH`.
const LONGEST_NAME: usize = 249;

/// A topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Topic {
    /// Its name.
    pub name: TopicName,
    /// How many partitions; `num.partitions` of the brokers if nothing is said.
    pub partitions: u32,
    /// How many replicas of each; `default.replication.factor` if nothing is said.
    pub replication: u16,
    /// Who holds which partition's replicas, preferred leader first; the controller's choice if
    /// nothing is said.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub assignment: Vec<Vec<NodeId>>,
    /// To which share of its size a batch shrinks when a producer compresses it; 50% if nothing is said.
    #[serde(rename = "compression-ratio", serialize_with = "text::share")]
    pub compression_ratio_ppm: u32,
    /// Its own configs.
    #[serde(skip_serializing_if = "Settings::is_empty")]
    pub config: Settings,
}

impl Topic {
    /// Reads a topic; `broker` is what it inherits from.
    pub(crate) fn read(
        table: &Table<'_>,
        scope: &Scope<'_>,
        broker: &BrokerConfig,
    ) -> Option<Self> {
        let name = table.required_spanned::<String>("name");
        let partitions = table.spanned::<u32>("partitions");
        let replication = table.spanned::<u16>("replication");
        let assignment = read_assignment(table, scope);
        let config = settings::read::<TopicConfig>(table, "config");
        let resolved = TopicConfig::on(broker, config.settings.iter());
        settings::report_conflict(table, &config, resolved);
        let ratio = table.optional::<Share>("compression-ratio");
        check_name(table, name.as_ref());
        check_partitions(table, partitions.as_ref(), &assignment);
        check_replication(table, replication.as_ref(), &assignment, scope, broker);
        let (count, factor) = match assignment.first() {
            Some(replicas) => (assignment.len() as u32, replicas.len() as u16),
            None => (
                partitions.map_or(broker.num_partitions, |partitions| partitions.value),
                replication.map_or(default_replication(broker), |factor| factor.value),
            ),
        };
        Some(Topic {
            name: TopicName::from(name?.value),
            partitions: count,
            replication: factor,
            assignment,
            compression_ratio_ppm: ratio.map_or(500_000, |ratio| ratio.0),
            config: config.settings,
        })
    }
}

fn default_replication(broker: &BrokerConfig) -> u16 {
    broker.default_replication_factor.try_into().unwrap_or(u16::MAX)
}

/// `Topic.validate`.
fn check_name(table: &Table<'_>, name: Option<&Spanned<String>>) {
    let Some(name) = name else { return };
    let is_legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let reason = match name.value.as_str() {
        "" => "a topic's name may not be empty".into(),
        "." | ".." => "a topic may not be called `.` or `..`".into(),
        text if text.len() > LONGEST_NAME => {
            format!("a topic's name has at most {LONGEST_NAME} characters")
        }
        text if !text.chars().all(is_legal) => {
            "a topic's name has only letters, digits, `.`, `_` and `-`".into()
        }
        _ => return,
    };
    table.complain(name.span.clone(), Complaint::new(reason));
}

fn check_partitions(
    table: &Table<'_>,
    partitions: Option<&Spanned<u32>>,
    assignment: &[Vec<NodeId>],
) {
    let Some(partitions) = partitions else { return };
    let count = partitions.value;
    let reason = match count {
        0 => "a topic has at least one partition".into(),
        MOST_PARTITIONS.. => format!("a topic has fewer than {MOST_PARTITIONS} partitions"),
        _ if !assignment.is_empty() && assignment.len() as u32 != count => {
            let listed = assignment.len();
            format!("`partitions` says {count}, and `assignment` lists {listed}")
        }
        _ => return,
    };
    table.complain(partitions.span.clone(), Complaint::new(reason));
}

fn check_replication(
    table: &Table<'_>,
    replication: Option<&Spanned<u16>>,
    assignment: &[Vec<NodeId>],
    scope: &Scope<'_>,
    broker: &BrokerConfig,
) {
    let brokers = scope.cluster.brokers;
    let place = replication.map_or_else(|| table.span(), |factor| factor.span.clone());
    let factor =
        replication.map_or_else(|| default_replication(broker), |replication| replication.value);
    let listed = assignment.first().map(|replicas| replicas.len() as u16);
    let reason = match listed {
        _ if factor == 0 => "a partition has at least one replica".into(),
        Some(listed) if replication.is_some() && listed != factor => {
            format!("`replication` says {factor}, and `assignment` lists {listed} replicas")
        }
        None if factor > brokers => {
            format!("{factor} replicas need as many brokers, and there are {brokers}")
        }
        _ => return,
    };
    table.complain(place, Complaint::new(reason));
}

fn read_assignment(table: &Table<'_>, scope: &Scope<'_>) -> Vec<Vec<NodeId>> {
    let Some(item) = table.item("assignment") else { return Vec::new() };
    let place = item.span().unwrap_or_else(|| table.key_span("assignment"));
    let lists: Option<Vec<Vec<&str>>> = item.as_array().and_then(|partitions| {
        partitions
            .iter()
            .map(|replicas| replicas.as_array()?.iter().map(|node| node.as_str()).collect())
            .collect()
    });
    let Some(lists) = lists.filter(|lists| !lists.is_empty()) else {
        let message = "`assignment` takes one list of brokers for each partition";
        let help = "for example [[\"b1\", \"b2\"], [\"b2\", \"b3\"]]";
        table.complain(place, Complaint::new(message).help(help));
        return Vec::new();
    };
    let read: Result<Vec<_>, _> = lists.iter().map(|list| replicas(list, scope)).collect();
    match read {
        Ok(assignment) if assignment.iter().any(|list| list.len() != assignment[0].len()) => {
            let message = "all partitions of a topic have equally many replicas";
            table.complain(place, Complaint::new(message));
            Vec::new()
        }
        Ok(assignment) => assignment,
        Err(complaint) => {
            table.complain(place, complaint);
            Vec::new()
        }
    }
}

/// The brokers that hold a partition's replicas.
pub(crate) fn replicas(names: &[&str], scope: &Scope<'_>) -> Result<Vec<NodeId>, Complaint> {
    let mut nodes: Vec<NodeId> = Vec::new();
    for name in names {
        let node: NodeId = name
            .parse()
            .ok()
            .filter(|node: &NodeId| node.kind == NodeKind::Broker)
            .ok_or_else(|| Complaint::new(format!("`{name}` is no broker")))?;
        scope.check_node(node)?;
        if nodes.contains(&node) {
            return Err(Complaint::new(format!("{node} holds the same partition twice")));
        }
        nodes.push(node);
    }
    match nodes.is_empty() {
        true => Err(Complaint::new("a partition has at least one replica")),
        false => Ok(nodes),
    }
}
