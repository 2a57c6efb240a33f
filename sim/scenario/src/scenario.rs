//! A whole scenario: what a file says, read and checked.

use crate::act::At;
use crate::cluster::Cluster;
use crate::consumer::Consumer;
use crate::disk::Disk;
use crate::ensemble::{Ensemble, ZooKeeperClient};
use crate::expectation::Expectation;
use crate::hardware::Hardware;
use crate::header::Header;
use crate::heal::Heal;
use crate::kafka::Kafka;
use crate::museum::Museum;
use crate::names::{Scope, Vocabulary};
use crate::nemesis::Nemesis;
use crate::network::{Link, Network};
use crate::problem::{Log, Problem, Problems};
use crate::producer::Producer;
use crate::reader::Table;
use crate::run::{self, Run};
use crate::sections::{Sections, count, each};
use crate::topic::Topic;
use crate::{amount, edit};
use klab_wire::config::BrokerConfig;
use klab_wire::{NodeId, RackId, Span};
use serde::Serialize;
use std::collections::BTreeMap;
use std::ops::Range;
use toml_edit::{Document, TomlError};

/// A run of a given seed follows from this and nothing else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Scenario {
    /// What happens, in one sentence.
    pub title: String,
    /// The concept that it teaches.
    pub concept: String,
    /// More about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    /// The claims that its runs decide: `Q10-10`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub claims: Vec<String>,
    /// How long load and faults last, in simulated time. Healing comes after.
    #[serde(serialize_with = "amount::text::span")]
    pub run_for: Span,
    /// The seed of a run that is given none; 1 if nothing is said. A file can hold seeds below 2⁶³.
    pub seed: u64,
    /// Whether a selector may match nobody; otherwise the run is vacuous.
    pub allow_unmatched: bool,
    /// Which Kafka.
    pub kafka: Kafka,
    /// The servers of Kafka.
    #[serde(skip_serializing_if = "Cluster::is_bare")]
    pub cluster: Cluster,
    /// What everything costs.
    pub hardware: Hardware,
    /// The links.
    pub network: Network,
    /// Links that differ; a later one wins over an earlier.
    #[serde(rename = "link", skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<Link>,
    /// The disks.
    pub disk: Disk,
    /// The topics at the start.
    #[serde(rename = "topic", skip_serializing_if = "Vec::is_empty")]
    pub topics: Vec<Topic>,
    /// The producing applications.
    #[serde(rename = "producer", skip_serializing_if = "Vec::is_empty")]
    pub producers: Vec<Producer>,
    /// The consuming applications.
    #[serde(rename = "consumer", skip_serializing_if = "Vec::is_empty")]
    pub consumers: Vec<Consumer>,
    /// A ZooKeeper ensemble: alone, or under Kafka in ZooKeeper mode.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zookeeper: Option<Ensemble>,
    /// The applications on ZooKeeper clients.
    #[serde(rename = "zookeeper-client", skip_serializing_if = "Vec::is_empty")]
    pub zookeeper_clients: Vec<ZooKeeperClient>,
    /// What happens, by time; acts of one time in the order of the file.
    #[serde(rename = "at", skip_serializing_if = "Vec::is_empty")]
    pub acts: Vec<At>,
    /// The random faults.
    #[serde(rename = "nemesis", skip_serializing_if = "Vec::is_empty")]
    pub nemeses: Vec<Nemesis>,
    /// What must and must not happen.
    #[serde(rename = "expect")]
    pub expectations: Vec<Expectation>,
    /// The end.
    pub heal: Heal,
    /// What it says of itself as an exhibit of the bug museum.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub museum: Option<Museum>,
    /// Its runs, if it has several; each of them is a scenario without runs ([`Scenario::text_of_run`]).
    #[serde(rename = "run", skip_serializing_if = "Vec::is_empty")]
    pub runs: Vec<Run>,
}

impl Scenario {
    /// Reads a scenario, or tells everything that is wrong with it.
    pub fn parse(
        source_name: &str,
        text: &str,
        vocabulary: &Vocabulary<'_>,
    ) -> Result<Scenario, Problems> {
        let problems = |list| Problems { source_name: source_name.into(), text: text.into(), list };
        let document =
            Document::parse(text).map_err(|error| problems(vec![syntax_problem(&error, text)]))?;
        let log = Log::default();
        let scenario = {
            let root = Table::new("the scenario", document.as_table(), first_line(text), &log);
            let scenario = Scenario::read(&root, vocabulary);
            root.finish();
            scenario
        };
        let scenario = match (scenario, log.into_list()) {
            (Some(scenario), list) if list.is_empty() => scenario,
            (_, list) => return Err(problems(list)),
        };
        for run in &scenario.runs {
            let name = format!("{source_name} --run {}", run.name);
            Scenario::parse(&name, &scenario.text_of_run(text, run)?, vocabulary)?;
        }
        Ok(scenario)
    }

    /// The text of one of this scenario's runs, a scenario of its own, given the text of them all.
    pub fn text_of_run(&self, text: &str, run: &Run) -> Result<String, Problems> {
        let text = edit::choose_run(text, &run.name);
        run.set.iter().try_fold(text, |text, (path, value)| edit::set(&text, path, value))
    }

    /// Reads a scenario with some values set otherwise: `("producer.acks", "1")`.
    pub fn parse_with(
        source_name: &str,
        text: &str,
        settings: &[(&str, &str)],
        vocabulary: &Vocabulary<'_>,
    ) -> Result<Scenario, Problems> {
        if settings.is_empty() {
            return Scenario::parse(source_name, text, vocabulary);
        }
        // What is wrong without the settings is not blamed on them.
        Scenario::parse(source_name, text, vocabulary)?;
        let mut text = text.to_string();
        let mut name = source_name.to_string();
        for (path, value) in settings {
            text = edit::set(&text, path, value)?;
            name.push_str(&format!(" --set {path}={value}"));
        }
        Scenario::parse(&name, &text, vocabulary)
    }

    /// Every producer's process, with the table that it comes from.
    pub fn producer_nodes(&self) -> impl Iterator<Item = (NodeId, &Producer)> {
        let producers = self.producers.iter();
        let each = producers.flat_map(|producer| (0..producer.count).map(move |_| producer));
        each.zip(1..).map(|(producer, number)| (NodeId::producer(number), producer))
    }

    /// Every consumer's process, with the table that it comes from and its place in it, from 0.
    pub fn consumer_nodes(&self) -> impl Iterator<Item = (NodeId, &Consumer, u16)> {
        let consumers = self.consumers.iter();
        let each =
            consumers.flat_map(|consumer| (0..consumer.count).map(move |place| (consumer, place)));
        each.zip(1..).map(|((consumer, place), number)| (NodeId::consumer(number), consumer, place))
    }

    /// Every ZooKeeper client's process, with the table that it comes from.
    pub fn zookeeper_client_nodes(&self) -> impl Iterator<Item = (NodeId, &ZooKeeperClient)> {
        let clients = self.zookeeper_clients.iter();
        let each = clients.flat_map(|client| (0..client.count).map(move |_| client));
        each.zip(1..).map(|(client, number)| (NodeId::zookeeper_client(number), client))
    }

    /// The processes of the clients that have this name.
    pub fn nodes_named(&self, name: &str) -> Vec<NodeId> {
        let is_named = |given: &Option<String>| given.as_deref() == Some(name);
        let producers = self.producer_nodes().filter(|(_, producer)| is_named(&producer.name));
        let consumers = self.consumer_nodes().filter(|(_, consumer, _)| is_named(&consumer.name));
        let keepers = self.zookeeper_client_nodes().filter(|(_, client)| is_named(&client.name));
        let keepers = keepers.map(|(node, _)| node);
        let kafkas = producers.map(|(node, _)| node).chain(consumers.map(|(node, ..)| node));
        kafkas.chain(keepers).collect()
    }

    /// The configuration with which a broker or voter starts.
    pub fn server_config(&self, node: NodeId) -> BrokerConfig {
        self.cluster.server_config(self.kafka.release, node)
    }

    /// Where a process stands, if that is said.
    pub fn rack(&self, node: NodeId) -> Option<RackId> {
        use klab_wire::NodeKind::{
            Admin, Broker, Consumer, Producer, Voter, ZooKeeper, ZooKeeperClient,
        };
        match node.kind {
            Broker => self.cluster.rack(node),
            Producer => {
                let mut producers = self.producer_nodes();
                producers.find(|(id, _)| *id == node).and_then(|(_, found)| found.rack.clone())
            }
            Consumer => {
                let mut consumers = self.consumer_nodes();
                consumers.find(|(id, ..)| *id == node).and_then(|(_, found, _)| found.rack.clone())
            }
            Voter | ZooKeeper | ZooKeeperClient | Admin => None,
        }
    }

    /// When the last fault of the file begins; random faults come besides.
    pub fn last_act(&self) -> Option<Span> {
        self.acts.last().map(|at| at.time)
    }
}

impl Scenario {
    fn read(root: &Table<'_>, vocabulary: &Vocabulary<'_>) -> Option<Self> {
        let header = Header::read(root, vocabulary);
        let kafka = Kafka::read(root);
        let cluster = Cluster::read(root, kafka.release);
        let hardware = Hardware::read(root);
        let network = Network::read(root, &hardware);
        let disk = Disk::read(root, &hardware);
        let mut sections = Sections::of(root);
        let mut scope = Scope {
            vocabulary,
            release: kafka.release,
            run_for: header.run_for,
            computing_costs: hardware.producer_record_ns > 0,
            racks: sections.racks(&cluster),
            producers: count(&sections.producers),
            consumers: count(&sections.consumers),
            zookeeper_clients: count(&sections.zookeeper_clients),
            client_names: sections.client_names(),
            topics: BTreeMap::new(),
            topics_are_known: true,
            cluster,
        };
        let topics = sections.read_topics(root, &mut scope);
        let links = each(&sections.links, |table| Link::read(table, &scope));
        let producers = each(&sections.producers, |table| Producer::read(table, &scope));
        let consumers = each(&sections.consumers, |table| Consumer::read(table, &scope));
        let zookeeper_clients =
            each(&sections.zookeeper_clients, |table| ZooKeeperClient::read(table, &scope));
        let mut acts: Vec<At> =
            sections.acts.iter().flat_map(|table| At::read(table, &scope)).collect();
        let nemeses = each(&sections.nemeses, |table| Nemesis::read(table, &scope));
        let expectations = sections.read_expectations(root, &scope);
        let runs = each(&sections.runs, |table| Run::read(table, &scope));
        run::check_names(&sections.runs);
        let museum = Museum::read(root);
        let heal = Heal::read(root);
        acts.sort_by_key(|at| at.time);
        sections.finish();
        Some(Scenario {
            title: header.title?,
            concept: header.concept?,
            about: header.about,
            claims: header.claims,
            run_for: header.run_for?,
            seed: header.seed,
            allow_unmatched: header.allow_unmatched,
            kafka,
            zookeeper: scope.cluster.ensemble.clone(),
            cluster: scope.cluster,
            hardware,
            network,
            links,
            disk,
            topics,
            producers,
            consumers,
            zookeeper_clients,
            acts,
            nemeses,
            expectations,
            heal,
            museum,
            runs,
        })
    }
}

fn syntax_problem(error: &TomlError, text: &str) -> Problem {
    let span = error.span().unwrap_or_else(|| first_line(text));
    let message = format!("this is not TOML: {}", error.message().replace('\n', "; "));
    Problem { message, span, label: String::new(), help: None }
}

fn first_line(text: &str) -> Range<usize> {
    0..text.find('\n').unwrap_or(text.len())
}
