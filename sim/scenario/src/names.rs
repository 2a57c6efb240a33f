//! Who and what there is in a scenario: what a name may refer to.

use crate::cluster::{Cluster, Controller, kind_word};
use crate::problem::Complaint;
use crate::reader::{Spanned, Table};
use crate::selector::{FORMS, Selector};
use klab_wire::config::{BrokerConfig, ConfigTable, Release};
use klab_wire::{NodeId, NodeKind, RackId, Span, TopicPartition};
use std::collections::BTreeMap;

/// The words of the lab that a scenario may use and this crate cannot know.
#[derive(Clone, Copy, Debug, Default)]
pub struct Vocabulary<'v> {
    /// The facts that a machine or the world can state: `IsrShrunk`.
    pub facts: &'v [&'v str],
    /// The promises that are judged: `no-acked-record-is-lost`.
    pub promises: &'v [&'v str],
    /// The concepts that are taught: `in-sync-replicas`.
    pub concepts: &'v [&'v str],
}

/// What the names of one scenario refer to.
pub(crate) struct Scope<'s> {
    pub vocabulary: &'s Vocabulary<'s>,
    pub release: Release,
    pub run_for: Option<Span>,
    pub cluster: Cluster,
    /// Whether every topic could be read: otherwise nothing is said of topics that seem not to be.
    pub topics_are_known: bool,
    /// A producer needs time for its records.
    pub computing_costs: bool,
    /// Every topic that ever exists, with the most partitions that it ever has.
    pub topics: BTreeMap<String, u32>,
    /// How many producers and consumers there are.
    pub producers: u16,
    pub consumers: u16,
    /// How many ZooKeeper clients there are.
    pub zookeeper_clients: u16,
    /// The names that `[[producer]]` and `[[consumer]]` give.
    pub client_names: Vec<String>,
    /// The racks that a server or client stands in.
    pub racks: Vec<RackId>,
}

impl Scope<'_> {
    /// What a topic inherits: the configuration of the brokers as the cluster has it.
    pub fn inherited(&self) -> BrokerConfig {
        // A configuration that Kafka refuses has been reported by now.
        BrokerConfig::resolve(self.release, self.cluster.config.iter())
            .unwrap_or_else(|_| BrokerConfig::at(Release::DEFAULT))
    }

    /// A selector, if there can be somebody whom it means.
    pub fn checked(&self, table: &Table<'_>, selector: Spanned<Selector>) -> Option<Selector> {
        match selector.value.check(self) {
            Ok(()) => Some(selector.value),
            Err(complaint) => {
                table.complain(selector.span, complaint);
                None
            }
        }
    }

    /// The selector of a key that must be there.
    pub fn selector(&self, table: &Table<'_>, key: &'static str) -> Option<Selector> {
        let selector = table.required_spanned(key)?;
        self.checked(table, selector)
    }

    /// The selector of a key that may be there.
    pub fn optional_selector(&self, table: &Table<'_>, key: &'static str) -> Option<Selector> {
        let selector = table.spanned(key)?;
        self.checked(table, selector)
    }

    pub fn check_time(&self, table: &Table<'_>, time: &Spanned<Span>) {
        if let Some(run_for) = self.run_for.filter(|run_for| time.value >= *run_for) {
            let message = format!("{} is not within the run, which ends at {run_for}", time.value);
            table.complain(time.span.clone(), Complaint::new(message));
        }
    }

    pub fn check_topic(&self, name: &str) -> Result<(), Complaint> {
        if self.topics.contains_key(name) || !self.topics_are_known {
            return Ok(());
        }
        let message = format!("there is no topic `{name}`");
        Err(Complaint::unknown(message, name, self.topics.keys().map(String::as_str)))
    }

    pub fn check_partition(&self, partition: &TopicPartition) -> Result<(), Complaint> {
        self.check_topic(&partition.topic.0)?;
        let count = self.topics.get(&*partition.topic.0).copied().unwrap_or_default();
        if partition.partition.0 < count || !self.topics_are_known {
            return Ok(());
        }
        let (topic, last) = (&partition.topic, count.saturating_sub(1));
        let message = format!("there is no partition `{partition}`");
        Err(Complaint::new(message).label(format!("the last one is `{topic}-{last}`")))
    }

    pub fn check_node(&self, node: NodeId) -> Result<(), Complaint> {
        let count = self.count(node.kind);
        if (1..=count).contains(&node.number) {
            return Ok(());
        }
        let word = kind_word(node.kind);
        let complaint = Complaint::new(format!("there is no {word} `{node}`"));
        Err(match (count, self.cluster.controller) {
            (0, Controller::Kraft { combined: true, voters }) if node.kind == NodeKind::Voter => {
                complaint.help(format!(
                    "the controllers are combined: the voters live in b1 to b{voters}"
                ))
            }
            (0, _) => complaint.help(format!("the scenario has no {word} at all")),
            (1, _) => complaint.label(format!("the only one is `{}1`", node.kind.letter())),
            (last, _) => complaint.label(format!("the last one is `{}{last}`", node.kind.letter())),
        })
    }

    /// A word alone: the name of a group of clients, or a slip of something else.
    pub fn check_client_name(&self, name: &str) -> Result<(), Complaint> {
        if self.client_names.iter().any(|known| known == name) {
            return Ok(());
        }
        let names = self.client_names.iter().map(String::as_str);
        let known: Vec<&str> = names.chain(FORMS.iter().copied()).collect();
        let complaint =
            Complaint::unknown(format!("nobody is called `{name}`"), name, known.iter().copied());
        Err(match complaint.label.is_empty() && complaint.help.is_none() {
            true => complaint.help(format!("a selector is one of: {}", known.join(", "))),
            false => complaint,
        })
    }

    pub fn check_rack(&self, rack: &RackId) -> Result<(), Complaint> {
        if self.racks.contains(rack) {
            return Ok(());
        }
        let message = format!("nobody stands in rack `{rack}`");
        if self.racks.is_empty() {
            let help = "racks come from `racks` in [cluster], or `rack` of a client";
            return Err(Complaint::new(message).help(help));
        }
        Err(Complaint::unknown(message, &rack.0, self.racks.iter().map(|rack| &*rack.0)))
    }

    /// Whether the cluster has nodes of this kind at all; combined voters are brokers.
    pub fn check_mode(&self, kind: NodeKind) -> Result<(), Complaint> {
        let has = match kind {
            NodeKind::Voter => !self.cluster.voters().is_empty(),
            _ => self.count(kind) > 0,
        };
        let message = match kind {
            NodeKind::Voter => "there are no voters: the controller's mode is zookeeper",
            _ => "there is no ZooKeeper: the controller's mode is kraft",
        };
        if has { Ok(()) } else { Err(Complaint::new(message)) }
    }

    /// The name of a `[[producer]]` or `[[consumer]]`, which may not mean anything else.
    pub fn read_client_name(&self, table: &Table<'_>) -> Option<String> {
        let name = table.spanned::<String>("name")?;
        let reads_as: Result<Selector, _> = name.value.parse();
        let is_own = reads_as == Ok(Selector::Named(name.value.clone()));
        let complaint = if !is_own {
            let message = format!("`{}` cannot be a name", name.value);
            Complaint::new(message).label("it means something else as a selector")
        } else if self.client_names.iter().filter(|known| **known == name.value).count() > 1 {
            Complaint::new(format!("two clients are called `{}`", name.value))
        } else {
            return Some(name.value);
        };
        table.complain(name.span, complaint);
        None
    }

    fn count(&self, kind: NodeKind) -> u16 {
        match kind {
            NodeKind::Broker => self.cluster.brokers,
            NodeKind::Producer => self.producers,
            NodeKind::Consumer => self.consumers,
            NodeKind::Admin => 1,
            NodeKind::ZooKeeperClient => self.zookeeper_clients,
            NodeKind::Voter | NodeKind::ZooKeeper => {
                let nodes = self.cluster.nodes();
                nodes.iter().filter(|node| node.kind == kind).count() as u16
            }
        }
    }
}
