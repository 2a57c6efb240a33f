//! The servers of a scenario: `[cluster]`, its brokers, controllers and their configuration.

use crate::amount::{SignedSpan, text};
use crate::ensemble::Ensemble;
use crate::problem::Complaint;
use crate::reader::{Positive, Spanned, Table, table_of};
use crate::settings::{self, PlacedSettings, Settings};
use klab_wire::config::{BrokerConfig, ConfigTable, Release};
use klab_wire::{NodeId, NodeKind, RackId, Span};
use serde::Serialize;
use std::collections::BTreeMap;

/// More nodes of one kind than anyone has run.
const MOST_NODES: u16 = 10_000;

/// The servers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Cluster {
    /// How many brokers: `b1` to `bN`. At least one; 3 if nothing is said.
    pub brokers: u16,
    /// The racks, dealt out to the brokers in turn; none if nothing is said.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub racks: Vec<RackId>,
    /// Who controls the cluster; three KRaft voters if nothing is said.
    pub controller: Controller,
    /// Configs of every broker and voter.
    #[serde(skip_serializing_if = "Settings::is_empty")]
    pub config: Settings,
    /// Configs of the voters alone, over those.
    #[serde(skip_serializing_if = "Settings::is_empty")]
    pub voter_config: Settings,
    /// Brokers that differ from the others.
    #[serde(rename = "broker", skip_serializing_if = "BTreeMap::is_empty")]
    pub broker_overrides: BTreeMap<NodeId, NodeOverrides>,
    /// Voters that differ from the others.
    #[serde(rename = "voter", skip_serializing_if = "BTreeMap::is_empty")]
    pub voter_overrides: BTreeMap<NodeId, NodeOverrides>,
    /// A ZooKeeper ensemble: `[zookeeper]`, a section of its own. It is there in ZooKeeper mode, with or without
    /// that section; and without Kafka, when there are no brokers.
    #[serde(skip)]
    pub ensemble: Option<Ensemble>,
}

/// Where the metadata lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "mode", rename_all = "lowercase")]
pub enum Controller {
    /// In a quorum of voters (KIP-500).
    Kraft {
        /// How many: `v1` to `vN`, or the first brokers in combined mode.
        voters: u16,
        /// Whether the voters live in the brokers' processes (`process.roles=broker,controller`).
        combined: bool,
    },
    /// In a ZooKeeper ensemble, with a controller among the brokers.
    ZooKeeper {
        /// How many servers: `z1` to `zN`.
        servers: u16,
    },
}

/// What is different about one server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct NodeOverrides {
    /// Its configs, over the cluster's.
    #[serde(skip_serializing_if = "Settings::is_empty")]
    pub config: Settings,
    /// Its rack, instead of the one it was dealt. Brokers only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rack: Option<RackId>,
    /// When it is started for the first time; at the start of the run if nothing is said.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "text::some_span")]
    pub starts_at: Option<Span>,
    /// Its clock.
    #[serde(skip_serializing_if = "Clock::is_true")]
    pub clock: Clock,
}

/// How a process's clock differs from true time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Clock {
    /// How far it is ahead (or behind) at the start.
    pub offset: SignedSpan,
    /// How many microseconds per second it gains (or loses).
    pub drift_ppm: i32,
}

impl Clock {
    /// Whether it tells true time.
    pub fn is_true(&self) -> bool {
        *self == Clock::default()
    }
}

impl Default for Controller {
    fn default() -> Self {
        Controller::Kraft { voters: 3, combined: false }
    }
}

impl Default for Cluster {
    fn default() -> Self {
        Cluster {
            brokers: 3,
            racks: Vec::new(),
            controller: Controller::default(),
            config: Settings::default(),
            voter_config: Settings::default(),
            broker_overrides: BTreeMap::new(),
            voter_overrides: BTreeMap::new(),
            ensemble: None,
        }
    }
}

impl Cluster {
    /// Every server's process, brokers first.
    pub fn nodes(&self) -> Vec<NodeId> {
        let mut nodes: Vec<_> = (1..=self.brokers).map(NodeId::broker).collect();
        match self.controller {
            Controller::Kraft { combined: true, .. } => {}
            Controller::Kraft { voters, .. } => nodes.extend((1..=voters).map(NodeId::voter)),
            Controller::ZooKeeper { .. } => {}
        }
        if let Some(ensemble) = &self.ensemble {
            nodes.extend(ensemble.nodes());
        }
        nodes
    }

    /// The processes that host a KRaft voter.
    pub fn voters(&self) -> Vec<NodeId> {
        match self.controller {
            Controller::Kraft { voters, combined: true } => {
                (1..=voters).map(NodeId::broker).collect()
            }
            Controller::Kraft { voters, combined: false } => {
                (1..=voters).map(NodeId::voter).collect()
            }
            Controller::ZooKeeper { .. } => Vec::new(),
        }
    }

    /// What is different about a server, if anything is.
    pub fn overrides(&self, node: NodeId) -> Option<&NodeOverrides> {
        match node.kind {
            NodeKind::Voter => self.voter_overrides.get(&node),
            NodeKind::ZooKeeper => self.ensemble.as_ref()?.overrides.get(&node),
            _ => self.broker_overrides.get(&node),
        }
    }

    /// A broker's rack: its own, or the one it was dealt.
    pub fn rack(&self, broker: NodeId) -> Option<RackId> {
        let own = self.overrides(broker).and_then(|overrides| overrides.rack.clone());
        let turn = usize::from(broker.number.saturating_sub(1));
        own.or_else(|| self.racks.get(turn % self.racks.len().max(1)).cloned())
    }

    /// The configuration with which a broker or voter starts. A voter without a setting of its own
    /// has the cluster's, since a controller obeys names such as `min.insync.replicas` as well.
    pub fn server_config(&self, release: Release, node: NodeId) -> BrokerConfig {
        let settings = self.server_settings(node);
        let mut config = BrokerConfig::resolve(release, settings.iter())
            .expect("parsing has checked every server's configuration");
        if let Some(rack) = self.rack(node).filter(|_| node.kind == NodeKind::Broker) {
            config.broker_rack = Some(rack);
        }
        config
    }

    fn server_settings(&self, node: NodeId) -> Settings {
        let of_kind = match node.kind {
            NodeKind::Voter => self.config.with(&self.voter_config),
            _ => self.config.clone(),
        };
        match self.overrides(node) {
            Some(overrides) => of_kind.with(&overrides.config),
            None => of_kind,
        }
    }
}

impl Cluster {
    /// There is nothing of Kafka in it.
    pub fn is_bare(&self) -> bool {
        self.ensemble.is_some() && self.brokers == 0
    }

    /// Its metadata lives in znodes.
    pub fn is_in_zookeeper_mode(&self) -> bool {
        matches!(self.controller, Controller::ZooKeeper { .. })
    }

    pub(crate) fn read(root: &Table<'_>, release: Release) -> Self {
        let ensemble = Ensemble::read(root);
        let Some(table) = root.table("cluster", "[cluster]") else {
            return ensemble.map_or_else(Cluster::default, Cluster::bare);
        };
        if let Some(ensemble) = &ensemble
            && table.peek("controller").is_none()
        {
            return Cluster::read_bare(table, ensemble.clone());
        }
        let mut cluster = Cluster {
            brokers: read_count(&table, "brokers", 3),
            racks: read_racks(&table),
            controller: Controller::read(&table, ensemble.as_ref()),
            ..Cluster::default()
        };
        cluster.ensemble = cluster.own_ensemble(&table, ensemble);
        cluster.check_combined(&table);
        let config = settings::read::<BrokerConfig>(&table, "config");
        let voter_config = settings::read::<BrokerConfig>(&table, "voter-config");
        settings::report_conflict(
            &table,
            &config,
            BrokerConfig::resolve(release, config.settings.iter()),
        );
        cluster.config = config.settings.clone();
        cluster.voter_config = voter_config.settings.clone();
        cluster.report_voter_conflict(&table, &voter_config, release);
        cluster.broker_overrides = cluster.read_overrides(&table, NodeKind::Broker, release);
        cluster.voter_overrides = cluster.read_overrides(&table, NodeKind::Voter, release);
        table.finish();
        cluster
    }

    /// The ensemble of ZooKeeper mode: as `[zookeeper]` has it, or else as by default. In KRaft mode there is none,
    /// and what `[zookeeper]` says waits for the other mode: one file runs in both.
    fn own_ensemble(&self, table: &Table<'_>, said: Option<Ensemble>) -> Option<Ensemble> {
        let Controller::ZooKeeper { servers } = self.controller else { return None };
        let Some(ensemble) = said else { return Some(Ensemble::of(servers)) };
        if ensemble.servers != servers {
            let message = format!(
                "`controller` says {servers} servers, and [zookeeper] says {}",
                ensemble.servers
            );
            table.complain(table.key_span("controller"), Complaint::new(message));
        }
        Some(ensemble)
    }

    /// An ensemble without Kafka. A `[cluster]` may say that there are no brokers, and nothing else.
    fn read_bare(table: Table<'_>, ensemble: Ensemble) -> Self {
        let brokers = table.spanned::<u16>("brokers");
        if let Some(brokers) = brokers.filter(|brokers| brokers.value > 0) {
            let message = "brokers beside an ensemble need `controller = { mode = \"zookeeper\" }`";
            let help = "an ensemble without Kafka has `brokers = 0`";
            table.complain(brokers.span, Complaint::new(message).help(help));
        }
        table.finish();
        Cluster::bare(ensemble)
    }

    fn bare(ensemble: Ensemble) -> Self {
        let controller = Controller::Kraft { voters: 0, combined: false };
        Cluster { brokers: 0, controller, ensemble: Some(ensemble), ..Cluster::default() }
    }

    fn check_combined(&self, table: &Table<'_>) {
        if let Controller::Kraft { voters, combined: true } = self.controller
            && voters > self.brokers
        {
            let message = format!(
                "{voters} combined voters need as many brokers, and there are {}",
                self.brokers
            );
            table.complain(table.key_span("controller"), Complaint::new(message));
        }
    }

    fn report_voter_conflict(&self, table: &Table<'_>, placed: &PlacedSettings, release: Release) {
        let all = self.config.with(&self.voter_config);
        let alone = BrokerConfig::resolve(release, self.config.iter());
        if alone.is_ok() {
            settings::report_conflict(table, placed, BrokerConfig::resolve(release, all.iter()));
        }
    }

    fn read_overrides(
        &self,
        table: &Table<'_>,
        kind: NodeKind,
        release: Release,
    ) -> BTreeMap<NodeId, NodeOverrides> {
        let (key, of) = match kind {
            NodeKind::Voter => ("voter", "[cluster.voter]"),
            _ => ("broker", "[cluster.broker]"),
        };
        let Some(table) = table.table(key, of) else { return BTreeMap::new() };
        let mut overrides = BTreeMap::new();
        for (name, item) in table.entries() {
            let of = format!("[cluster.{key}.{}]", name.value);
            let node = self.server_named(&name.value, kind);
            let below = table_of(item, &of, name.span.clone(), table.log);
            match (node, below) {
                (Err(complaint), _) => table.complain(name.span, complaint),
                (_, None) => table.complain(name.span, Complaint::new(format!("{of} is a table"))),
                (Ok(node), Some(below)) => {
                    overrides.insert(node, self.read_node(node, &below, release));
                    below.finish();
                }
            }
        }
        overrides
    }

    fn server_named(&self, name: &str, kind: NodeKind) -> Result<NodeId, Complaint> {
        let known: Vec<NodeId> =
            self.nodes().into_iter().filter(|node| node.kind == kind).collect();
        let node = name.parse().ok().filter(|node| known.contains(node));
        node.ok_or_else(|| {
            let word = kind_word(kind);
            let complaint = Complaint::new(format!("the cluster has no {word} `{name}`"));
            match (known.first(), known.last()) {
                (Some(first), Some(last)) => {
                    complaint.label(format!("there are {first} to {last}"))
                }
                _ => complaint.help(format!("it has no {word} at all")),
            }
        })
    }

    fn read_node(&self, node: NodeId, table: &Table<'_>, release: Release) -> NodeOverrides {
        let own = settings::read::<BrokerConfig>(table, "config");
        let cluster = self.server_settings(node);
        if BrokerConfig::resolve(release, cluster.iter()).is_ok() {
            let all = cluster.with(&own.settings);
            settings::report_conflict(table, &own, BrokerConfig::resolve(release, all.iter()));
        }
        let rack = match node.kind {
            NodeKind::Broker => table.optional::<String>("rack").map(RackId::from),
            _ => None,
        };
        NodeOverrides {
            config: own.settings,
            rack,
            starts_at: table.optional("starts-at"),
            clock: Clock::read(table),
        }
    }
}

impl Clock {
    pub(crate) fn read(table: &Table<'_>) -> Self {
        let Some(table) = table.table("clock", "`clock`") else { return Clock::default() };
        let drift = table.spanned::<i32>("drift-ppm");
        if let Some(drift) = drift.as_ref().filter(|drift| drift.value.abs() > 500_000) {
            let message = "a clock may gain or lose at most 500000 ppm: half of every second";
            table.complain(drift.span.clone(), Complaint::new(message));
        }
        let clock = Clock {
            offset: table.or("offset", SignedSpan::default()),
            drift_ppm: drift.map_or(0, |drift| drift.value),
        };
        table.finish();
        clock
    }
}

impl Controller {
    fn read(table: &Table<'_>, ensemble: Option<&Ensemble>) -> Self {
        let Some(table) = table.table("controller", "`controller`") else {
            return Controller::default();
        };
        let mode: Option<Spanned<String>> = table.spanned("mode");
        let controller = match mode.as_ref().map(|mode| mode.value.as_str()) {
            Some("kraft") | None => Controller::Kraft {
                voters: read_count(&table, "voters", 3),
                combined: table.or("combined", false),
            },
            Some("zookeeper") => {
                let servers = ensemble.map_or(3, |ensemble| ensemble.servers);
                Controller::ZooKeeper { servers: read_count(&table, "servers", servers) }
            }
            Some(other) => {
                let message = format!("there is no controller mode `{other}`");
                let complaint = Complaint::unknown(message, other, ["kraft", "zookeeper"]);
                table.complain(mode.expect("it was just read").span, complaint);
                return Controller::default();
            }
        };
        table.finish();
        controller
    }
}

fn read_racks(table: &Table<'_>) -> Vec<RackId> {
    let racks: Vec<Spanned<String>> = table.or("racks", Vec::new());
    racks.into_iter().map(|rack| RackId::from(rack.value)).collect()
}

/// A server's clock.
pub(crate) fn read_clock(table: &Table<'_>) -> Clock {
    Clock::read(table)
}

/// A number of nodes.
pub(crate) fn read_count(table: &Table<'_>, key: &'static str, default: u16) -> u16 {
    let count = table.spanned::<Positive<u16>>(key);
    if let Some(count) = count.as_ref().filter(|count| count.value.0 > MOST_NODES) {
        let message = format!("`{key}` takes at most {MOST_NODES}, not {}", count.value.0);
        table.complain(count.span.clone(), Complaint::new(message));
    }
    count.map_or(default, |count| count.value.0)
}

pub(crate) fn kind_word(kind: NodeKind) -> &'static str {
    match kind {
        NodeKind::Broker => "broker",
        NodeKind::Voter => "voter",
        NodeKind::ZooKeeper => "ZooKeeper server",
        NodeKind::Producer => "producer",
        NodeKind::Consumer => "consumer",
        NodeKind::Admin => "administrator's tool",
        NodeKind::ZooKeeperClient => "ZooKeeper client",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn racks_are_dealt_out_in_turn() {
        let racks = vec![RackId::from("a"), RackId::from("b")];
        let cluster = Cluster { racks, ..Cluster::default() };
        let rack = |number| cluster.rack(NodeId::broker(number)).map(|rack| rack.to_string());
        assert_eq!(rack(1), Some("a".into()));
        assert_eq!(rack(2), Some("b".into()));
        assert_eq!(rack(3), Some("a".into()));
        assert_eq!(Cluster::default().rack(NodeId::broker(1)), None);
    }

    #[test]
    fn a_voter_obeys_the_clusters_config_and_its_own_over_it() {
        let settings = |name: &str, value: &str| {
            Settings(BTreeMap::from([(name.to_string(), value.to_string())]))
        };
        let cluster = Cluster {
            config: settings("broker.session.timeout.ms", "3000"),
            voter_config: settings("controller.quorum.fetch.timeout.ms", "500"),
            ..Cluster::default()
        };
        let voter = cluster.server_config(Release::DEFAULT, NodeId::voter(1));
        assert_eq!(voter.broker_session_timeout_ms, Span::from_secs(3));
        assert_eq!(voter.quorum.controller_quorum_fetch_timeout_ms, Span::from_millis(500));
        let broker = cluster.server_config(Release::DEFAULT, NodeId::broker(1));
        assert_eq!(broker.quorum.controller_quorum_fetch_timeout_ms, Span::from_secs(2));
    }
}
