//! What a consuming application is told while it runs (`Consumer`'s methods of these names).

use super::fault::read_partition;
use crate::consumer::Position;
use crate::names::Scope;
use crate::problem::Complaint;
use crate::reader::{Spanned, Table};
use crate::selector::Selector;
use klab_wire::{NodeKind, TopicPartition};
use serde::Serialize;

/// Something that a consuming application does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConsumerAct {
    /// It goes on from another place.
    Seek(Seek),
    /// It does not fetch these for now.
    PausePartitions(Partitions),
    /// It fetches them again.
    ResumePartitions(Partitions),
}

/// The keys of these acts.
pub(super) const NAMES: &[&str] = &["seek", "pause-partitions", "resume-partitions"];

/// A consumer that goes on from another place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Seek {
    /// Who.
    pub consumer: Selector,
    /// In which partition.
    pub partition: TopicPartition,
    /// From where.
    pub to: Position,
}

/// Partitions of a consumer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Partitions {
    /// Whose.
    pub consumer: Selector,
    /// Which.
    pub partitions: Vec<TopicPartition>,
}

impl ConsumerAct {
    pub(super) fn read(name: &'static str, at: &Table<'_>, scope: &Scope<'_>) -> Option<Self> {
        let table = at.table(name, &format!("`{name}`"))?;
        let act = match name {
            "seek" => read_seek(&table, scope).map(ConsumerAct::Seek),
            "pause-partitions" => read_partitions(&table, scope).map(ConsumerAct::PausePartitions),
            "resume-partitions" => {
                read_partitions(&table, scope).map(ConsumerAct::ResumePartitions)
            }
            _ => unreachable!("NAMES lists these acts, and {name} is none of them"),
        };
        table.finish();
        act
    }
}

fn read_seek(table: &Table<'_>, scope: &Scope<'_>) -> Option<Seek> {
    let consumer = read_consumer(table, scope);
    let partition = read_partition(table, "partition", scope);
    let to = table.required("to");
    Some(Seek { consumer: consumer?, partition: partition?, to: to? })
}

fn read_partitions(table: &Table<'_>, scope: &Scope<'_>) -> Option<Partitions> {
    let consumer = read_consumer(table, scope);
    let partitions = table.required::<Vec<Spanned<TopicPartition>>>("partitions")?;
    for partition in &partitions {
        if let Err(complaint) = scope.check_partition(&partition.value) {
            table.complain(partition.span.clone(), complaint);
        }
    }
    let partitions = partitions.into_iter().map(|partition| partition.value).collect();
    Some(Partitions { consumer: consumer?, partitions })
}

fn read_consumer(table: &Table<'_>, scope: &Scope<'_>) -> Option<Selector> {
    let consumer = table.required_spanned::<Selector>("consumer")?;
    let can_be_one = match &consumer.value {
        Selector::Node(node) => node.kind == NodeKind::Consumer,
        Selector::Named(_) | Selector::Consumers | Selector::Several(_) => true,
        _ => false,
    };
    if !can_be_one {
        let message = format!("`{}` is no consumer", consumer.value);
        let label = "a consumer is `c1`, or the name of a [[consumer]]";
        table.complain(consumer.span, Complaint::new(message).label(label));
        return None;
    }
    scope.checked(table, consumer)
}
