//! A ZooKeeper ensemble, alone or for Kafka: `[zookeeper]`, and the applications on its clients:
//! `[[zookeeper-client]]`.

use crate::amount::{Rate, text};
use crate::cluster::{NodeOverrides, read_clock, read_count};
use crate::names::Scope;
use crate::problem::Complaint;
use crate::producer::{Load, read_count as read_clients, read_times};
use crate::reader::{Positive, Spanned, Table, table_of};
use klab_wire::{NodeId, Span};
use serde::Serialize;
use std::collections::BTreeMap;

/// The servers of an ensemble, and its `zoo.cfg`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Ensemble {
    /// How many servers vote: `z1` to `zN`; 3 if nothing is said.
    pub servers: u16,
    /// How many observe: the ones after those; none if nothing is said.
    pub observers: u16,
    /// `tickTime`; 2 s if nothing is said, as in `zoo_sample.cfg`.
    #[serde(serialize_with = "text::span")]
    pub tick_time: Span,
    /// `initLimit`, in ticks; 10 if nothing is said.
    pub init_limit: u32,
    /// `syncLimit`, in ticks; 5 if nothing is said.
    pub sync_limit: u32,
    /// `snapCount`; 100,000 if nothing is said.
    pub snap_count: u32,
    /// `commitLogCount`; 500 if nothing is said.
    pub commit_log_count: u32,
    /// `globalOutstandingLimit`; 1,000 if nothing is said.
    pub global_outstanding_limit: u32,
    /// It is as it was before this issue was mended; none if nothing is said, or `"none"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<OldBehaviour>,
    /// Servers that differ from the others: when they start, what their clocks tell.
    #[serde(rename = "server", skip_serializing_if = "BTreeMap::is_empty")]
    pub overrides: BTreeMap<NodeId, NodeOverrides>,
}

macro_rules! behaviours {
    ($($(#[doc = $doc:literal])+ $variant:ident = $word:literal,)*) => {
        /// An old behaviour of ZooKeeper, named by the issue that mended it; or one that a reader of the paper of Zab might
        /// build, where the paper can be read in two ways.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
        pub enum OldBehaviour {
            $($(#[doc = $doc])+ #[serde(rename = $word)] $variant,)*
        }

        const BEHAVIOURS: &[(&str, OldBehaviour)] = &[$(($word, OldBehaviour::$variant),)*];
    };
}

behaviours! {
    /// A follower acknowledges NEWLEADER before what came with it is on its platter.
    Zookeeper3911 = "ZOOKEEPER-3911",
    /// A follower writes the new epoch down before the transactions that came with it.
    Zookeeper4643 = "ZOOKEEPER-4643",
    /// A server that goes looking votes with what it has applied, not with what it has logged.
    Zookeeper2845 = "ZOOKEEPER-2845",
    /// A leader sends a DIFF to a learner whose last transaction nobody else has, if its number lies among its own.
    Zookeeper1154 = "ZOOKEEPER-1154",
    /// A synchronisation that was not finished leaves in memory what is nowhere on the disk.
    Zookeeper3642 = "ZOOKEEPER-3642",
    /// A leader proposes only to those that have acknowledged NEWLEADER (the paper of Zab, read wrongly).
    ProposesToTheAcknowledged = "ZAB-PROPOSE-TO-THE-ACKNOWLEDGED",
    /// A follower takes for committed what it has acknowledged (the paper of Zab, read wrongly).
    CommitsTheAcknowledged = "ZAB-COMMIT-THE-ACKNOWLEDGED",
}

/// One or more applications of a kind on ZooKeeper clients.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ZooKeeperClient {
    /// A name for them, by which faults can select them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// How many; 1 if nothing is said. They are called `k1`, `k2` and so on, through all of them.
    pub count: u16,
    /// What they do.
    pub workload: Workload,
    /// The servers of their connection string; all if nothing is said.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub servers: Vec<NodeId>,
    /// How often each of them does something; 20/s if nothing is said. `"max"`: again as soon as fewer than `in-flight`
    /// requests are under way.
    pub rate: Load,
    /// How many requests each of them has in flight at most, deletes that nobody waits for not counted; 1 if nothing is said.
    pub in_flight: u16,
    /// How many calls each of them makes at most; no limit if nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calls: Option<u64>,
    /// How many registers there are, or partitions whose offsets a consumer commits; 5 if nothing is said.
    pub keys: u16,
    /// How many of a hundred operations on registers are reads; 50 if nothing is said.
    pub reads: u16,
    /// How many bytes a register, or a znode that is created, has at least; as many as its number takes if nothing is said.
    #[serde(skip_serializing_if = "is_zero")]
    pub value_size: u32,
    /// Whether each read comes behind a `sync`.
    pub synced: bool,
    /// For how long a lock is held; 200 ms if nothing is said.
    #[serde(serialize_with = "text::span")]
    pub hold: Span,
    /// The session timeout; 6 s if nothing is said.
    #[serde(serialize_with = "text::span")]
    pub session_timeout: Span,
    /// When they start; at once if nothing is said.
    #[serde(serialize_with = "text::span")]
    pub start: Span,
    /// When they stop; at the end of the run if nothing is said.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "text::some_span")]
    pub stop: Option<Span>,
}

/// What an application does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Workload {
    /// Reads and writes some znodes, each a register.
    Registers,
    /// Adds one to a number, by a conditional write.
    Counter,
    /// Takes a lock, holds it, lets it go.
    Lock,
    /// Says that it is there, and watches who else is.
    Members,
    /// Watches a register, and reads it again whenever it changes.
    Watcher,
    /// Commits the offsets of its partitions, each in a znode, as consumers did before there was a topic for offsets.
    Offsets,
    /// Creates a znode, waits for it, and has it deleted without waiting.
    Creates,
}

const WORKLOADS: &[(&str, Workload)] = &[
    ("registers", Workload::Registers),
    ("counter", Workload::Counter),
    ("lock", Workload::Lock),
    ("members", Workload::Members),
    ("watcher", Workload::Watcher),
    ("offsets", Workload::Offsets),
    ("creates", Workload::Creates),
];

const TICK_TIME: Span = Span::from_secs(2);
const INIT_LIMIT: u32 = 10;
const SYNC_LIMIT: u32 = 5;
const SNAP_COUNT: u32 = 100_000;
const COMMIT_LOG_COUNT: u32 = 500;
const GLOBAL_OUTSTANDING_LIMIT: u32 = 1_000;

const DEFAULT_RATE: Load = Load::Rate(Rate { count: 20, per: Span::from_secs(1) });

impl Ensemble {
    /// The servers that vote.
    pub fn participants(&self) -> Vec<NodeId> {
        (1..=self.servers).map(NodeId::zookeeper).collect()
    }

    /// The servers that observe.
    pub fn observing(&self) -> Vec<NodeId> {
        let all = self.servers + self.observers;
        (self.servers + 1..=all).map(NodeId::zookeeper).collect()
    }

    /// So many servers that vote, and everything as by default.
    pub fn of(servers: u16) -> Self {
        Ensemble {
            servers,
            observers: 0,
            tick_time: TICK_TIME,
            init_limit: INIT_LIMIT,
            sync_limit: SYNC_LIMIT,
            snap_count: SNAP_COUNT,
            commit_log_count: COMMIT_LOG_COUNT,
            global_outstanding_limit: GLOBAL_OUTSTANDING_LIMIT,
            before: None,
            overrides: BTreeMap::new(),
        }
    }

    /// All servers.
    pub fn nodes(&self) -> Vec<NodeId> {
        (1..=self.servers + self.observers).map(NodeId::zookeeper).collect()
    }

    pub(crate) fn read(root: &Table<'_>) -> Option<Self> {
        let table = root.table("zookeeper", "[zookeeper]")?;
        let mut ensemble = Ensemble {
            servers: read_count(&table, "servers", 3),
            observers: table.or("observers", 0),
            tick_time: table.or("tick-time", TICK_TIME),
            init_limit: table.or("init-limit", Positive(INIT_LIMIT)).0,
            sync_limit: table.or("sync-limit", Positive(SYNC_LIMIT)).0,
            snap_count: table.or("snap-count", Positive(SNAP_COUNT)).0,
            commit_log_count: table.or("commit-log-count", Positive(COMMIT_LOG_COUNT)).0,
            global_outstanding_limit: table
                .or("global-outstanding-limit", Positive(GLOBAL_OUTSTANDING_LIMIT))
                .0,
            before: read_before(&table),
            overrides: BTreeMap::new(),
        };
        if ensemble.tick_time == Span::ZERO {
            let message = "`tick-time` takes more than no time";
            table.complain(table.key_span("tick-time"), Complaint::new(message));
            ensemble.tick_time = TICK_TIME;
        }
        ensemble.overrides = ensemble.read_overrides(&table);
        table.finish();
        Some(ensemble)
    }

    fn read_overrides(&self, table: &Table<'_>) -> BTreeMap<NodeId, NodeOverrides> {
        let Some(table) = table.table("server", "[zookeeper.server]") else {
            return BTreeMap::new();
        };
        let mut overrides = BTreeMap::new();
        for (name, item) in table.entries() {
            let of = format!("[zookeeper.server.{}]", name.value);
            let node = name.value.parse().ok().filter(|node| self.nodes().contains(node));
            let below = table_of(item, &of, name.span.clone(), table.log);
            match (node, below) {
                (Some(node), Some(below)) => {
                    overrides.insert(node, read_server(&below));
                    below.finish();
                }
                (None, _) => {
                    let message = format!("the ensemble has no server `{}`", name.value);
                    table.complain(name.span, Complaint::new(message));
                }
                (_, None) => table.complain(name.span, Complaint::new(format!("{of} is a table"))),
            }
        }
        overrides
    }
}

fn read_server(table: &Table<'_>) -> NodeOverrides {
    let (starts_at, clock) = (table.optional("starts-at"), read_clock(table));
    NodeOverrides { starts_at, clock, ..NodeOverrides::default() }
}

fn read_before(table: &Table<'_>) -> Option<OldBehaviour> {
    let Spanned { value, span } = table.spanned::<String>("before")?;
    let found = BEHAVIOURS.iter().find(|(word, _)| *word == value);
    if found.is_none() && value != NOTHING {
        let message = format!("there is no switch for `{value}`");
        let known = BEHAVIOURS.iter().map(|(word, _)| *word).chain([NOTHING]);
        table.complain(span, Complaint::unknown(message, &value, known));
    }
    found.map(|(_, behaviour)| *behaviour)
}

/// The word for an ensemble without old behaviours.
const NOTHING: &str = "none";

impl ZooKeeperClient {
    pub(crate) fn read(table: &Table<'_>, scope: &Scope<'_>) -> Option<Self> {
        let Some(ensemble) = &scope.cluster.ensemble else {
            let message = "there is no ensemble: a [[zookeeper-client]] needs a [zookeeper]";
            table.complain(table.span(), Complaint::new(message));
            return None;
        };
        let (start, stop) = read_times(table, scope);
        let reads = table.spanned::<u16>("reads");
        if let Some(reads) = reads.as_ref().filter(|reads| reads.value > 100) {
            let message = "`reads` is so many of a hundred operations";
            table.complain(reads.span.clone(), Complaint::new(message));
        }
        Some(ZooKeeperClient {
            name: scope.read_client_name(table),
            count: read_clients(table),
            workload: read_workload(table)?,
            servers: read_servers(table, &ensemble.nodes()),
            rate: table.or("rate", DEFAULT_RATE),
            in_flight: table.or("in-flight", Positive(1)).0,
            calls: table.optional("calls"),
            keys: table.or("keys", Positive(5)).0,
            reads: reads.map_or(50, |reads| reads.value.min(100)),
            value_size: table.or("value-size", 0),
            synced: table.or("synced", false),
            hold: table.or("hold", Span::from_millis(200)),
            session_timeout: table.or("session-timeout", Span::from_secs(6)),
            start,
            stop,
        })
    }
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

fn read_workload(table: &Table<'_>) -> Option<Workload> {
    let Spanned { value, span } = table.required_spanned::<String>("workload")?;
    let found = WORKLOADS.iter().find(|(word, _)| *word == value);
    if found.is_none() {
        let message = format!("there is no workload `{value}`");
        let known = WORKLOADS.iter().map(|(word, _)| *word);
        table.complain(span, Complaint::unknown(message, &value, known));
    }
    found.map(|(_, workload)| *workload)
}

fn read_servers(table: &Table<'_>, known: &[NodeId]) -> Vec<NodeId> {
    let names: Vec<Spanned<String>> = table.or("servers", Vec::new());
    let mut servers = Vec::new();
    for Spanned { value, span } in names {
        match value.parse().ok().filter(|node| known.contains(node)) {
            Some(node) => servers.push(node),
            None => {
                let message = format!("the ensemble has no server `{value}`");
                table.complain(span, Complaint::new(message));
            }
        }
    }
    servers
}
