//! Acts on the world: on processes, links, hosts, disks, clocks and single messages.

use crate::amount::{SignedSpan, text};
use crate::names::Scope;
use crate::network::read_loss;
use crate::problem::Complaint;
use crate::reader::{Positive, Readable, Spanned, Table, found};
use crate::selector::Selector;
use klab_wire::{ApiKey, FrameKind, Span, TopicPartition};
use serde::Serialize;
use toml_edit::Item;

/// Something that is done to the world.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// `kill -9`: the process is gone, what it stored is with the operating system.
    Crash(Selector),
    /// The host loses its power: what was neither flushed nor written back is gone, and the last
    /// write may be torn.
    PowerCut(Selector),
    /// The process stops in order (SIGTERM).
    Shutdown(Selector),
    /// What is down is started.
    Start(Selector),
    /// What runs is killed, and all of them are started.
    Restart(Selector),
    /// The process stands still without dying: a long garbage collection.
    Pause(Selector),
    /// It runs again.
    Resume(Selector),
    /// One after the other is stopped in order and started again.
    RollingRestart(RollingRestart),
    /// No packet passes any more.
    Cut(Between),
    /// Cut links pass packets again, in both directions.
    Heal(Ends),
    /// No packet passes between these and everybody else.
    Isolate(Isolation),
    /// A link gets slower.
    SlowLink(SlowLink),
    /// Everything on the disk takes longer.
    SlowDisk(Slowed),
    /// Everything that the host computes takes longer.
    SlowHost(Slowed),
    /// Every access to the disk fails.
    FailDisk(Selector),
    /// The disk has no space left.
    FillDisk(Selector),
    /// A failing or full disk works again.
    RepairDisk(Selector),
    /// The disk is replaced by an empty one, with the process down or killed for it.
    ReplaceDisk(Selector),
    /// A stored batch is damaged.
    CorruptDisk(Corruption),
    /// The wall clock jumps.
    ClockStep(ClockStep),
    /// The next messages of an API are thrown away.
    Drop(Tampering),
    /// The next messages of an API are held back.
    Delay(Tampering),
}

/// The keys of the faults.
pub(super) const NAMES: &[&str] = &[
    "crash",
    "power-cut",
    "shutdown",
    "start",
    "restart",
    "pause",
    "resume",
    "rolling-restart",
    "cut",
    "heal",
    "isolate",
    "slow-link",
    "slow-disk",
    "slow-host",
    "fail-disk",
    "fill-disk",
    "repair-disk",
    "replace-disk",
    "corrupt-disk",
    "clock-step",
    "drop",
    "delay",
];

/// A restart of several processes, one at a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RollingRestart {
    /// Which, in the order of their numbers.
    pub nodes: Selector,
    /// What to wait for before the next one is stopped.
    pub wait: Wait,
}

/// What a rolling restart waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Wait {
    /// Until no partition is under-replicated.
    #[default]
    InSync,
    /// So long after the start of the one before.
    #[serde(untagged)]
    For(#[serde(serialize_with = "text::span")] Span),
}

/// Links from some to others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Between {
    /// The senders.
    pub from: Selector,
    /// The receivers.
    pub to: Selector,
    /// Whether the way back is meant as well; it is not if nothing is said.
    pub both: bool,
}

/// Both ends of links, in either direction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Ends {
    /// One end.
    pub from: Selector,
    /// The other.
    pub to: Selector,
}

/// Some processes, cut off from others in both directions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Isolation {
    /// Who is cut off.
    pub nodes: Selector,
    /// From whom; from all if nothing is said.
    pub from: Selector,
    /// Who still reaches them all the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub except: Option<Selector>,
}

/// Links that get slower.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SlowLink {
    /// Which.
    #[serde(flatten)]
    pub between: Between,
    /// How much longer a packet travels.
    #[serde(serialize_with = "text::span")]
    pub latency: Span,
    /// How many packets are lost besides.
    #[serde(rename = "loss", serialize_with = "text::share")]
    pub loss_ppm: u32,
}

/// Hosts or disks that get slower.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Slowed {
    /// Whose.
    pub nodes: Selector,
    /// How long everything takes, in percent of what it should: 1000 is ten times as long.
    pub percent: u32,
}

/// A stored batch that is damaged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Corruption {
    /// On whose disk.
    pub nodes: Selector,
    /// In which partition's log; `__cluster_metadata-0` is the metadata log.
    pub partition: TopicPartition,
}

/// A wall clock that jumps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ClockStep {
    /// Whose.
    pub nodes: Selector,
    /// How far, forwards or backwards.
    pub by: SignedSpan,
}

/// What the messages are that a fault singles out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Tampered {
    /// Requests or responses of an API of Kafka.
    Api(ApiKey),
    /// Frames of a ZooKeeper ensemble.
    Frame(FrameKind),
}

/// The next messages of an API from some to others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Tampering {
    /// Who sends the request.
    pub from: Selector,
    /// Who receives it.
    pub to: Selector,
    /// Of which API, or which frame of a ZooKeeper ensemble.
    pub api: Tampered,
    /// Whether the responses are meant instead of the requests.
    pub response: bool,
    /// How many; 1 if nothing is said.
    pub count: u32,
    /// How long they are held back; none if they are thrown away.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "text::some_span")]
    pub by: Option<Span>,
}

impl Fault {
    /// Whether `for` can undo it.
    pub fn can_be_undone(&self) -> bool {
        use Fault::*;
        match self {
            Crash(_) | PowerCut(_) | Shutdown(_) | Pause(_) | Cut(_) | Isolate(_) | SlowLink(_)
            | SlowDisk(_) | SlowHost(_) | FailDisk(_) | FillDisk(_) => true,
            Start(_) | Restart(_) | Resume(_) | RollingRestart(_) | Heal(_) | RepairDisk(_)
            | ReplaceDisk(_) | CorruptDisk(_) | ClockStep(_) | Drop(_) | Delay(_) => false,
        }
    }

    pub(super) fn read(name: &'static str, at: &Table<'_>, scope: &Scope<'_>) -> Option<Self> {
        let nodes = || scope.selector(at, name);
        let below = |read: fn(&Table<'_>, &Scope<'_>) -> Option<Fault>| {
            let table = at.table(name, &format!("`{name}`"))?;
            let fault = read(&table, scope);
            table.finish();
            fault
        };
        match name {
            "crash" => nodes().map(Fault::Crash),
            "power-cut" => nodes().map(Fault::PowerCut),
            "shutdown" => nodes().map(Fault::Shutdown),
            "start" => nodes().map(Fault::Start),
            "restart" => nodes().map(Fault::Restart),
            "pause" => nodes().map(Fault::Pause),
            "resume" => nodes().map(Fault::Resume),
            "rolling-restart" => below(read_rolling_restart),
            "cut" => below(|table, scope| read_between(table, scope, false).map(Fault::Cut)),
            "heal" => read_heal(at, scope),
            "isolate" => read_isolate(at, scope),
            "slow-link" => below(read_slow_link),
            "slow-disk" => below(|table, scope| read_slowed(table, scope).map(Fault::SlowDisk)),
            "slow-host" => below(|table, scope| read_slowed(table, scope).map(Fault::SlowHost)),
            "fail-disk" => nodes().map(Fault::FailDisk),
            "fill-disk" => nodes().map(Fault::FillDisk),
            "repair-disk" => nodes().map(Fault::RepairDisk),
            "replace-disk" => nodes().map(Fault::ReplaceDisk),
            "corrupt-disk" => below(read_corruption),
            "clock-step" => below(read_clock_step),
            "drop" => below(|table, scope| read_tampering(table, scope, None).map(Fault::Drop)),
            "delay" => below(read_delay),
            _ => unreachable!("NAMES lists the faults, and {name} is none of them"),
        }
    }
}

fn read_between(table: &Table<'_>, scope: &Scope<'_>, both: bool) -> Option<Between> {
    let from = scope.selector(table, "from");
    let to = scope.selector(table, "to");
    let both = table.or("both", both);
    Some(Between { from: from?, to: to?, both })
}

/// `heal = "all"`, or a table with both ends.
fn read_heal(at: &Table<'_>, scope: &Scope<'_>) -> Option<Fault> {
    let item = at.item("heal")?;
    if item.as_str() == Some("all") {
        return Some(Fault::Heal(Ends { from: Selector::All, to: Selector::All }));
    }
    if !item.is_table_like() {
        let message =
            format!("`heal` takes \"all\" or {{ from = .., to = .. }}, not {}", found(item));
        at.complain(item.span().unwrap_or_default(), Complaint::new(message));
        return None;
    }
    let table = at.table("heal", "`heal`")?;
    let from = scope.selector(&table, "from");
    let to = scope.selector(&table, "to");
    table.finish();
    Some(Fault::Heal(Ends { from: from?, to: to? }))
}

/// `isolate = "b1"`, or a table that says from whom.
fn read_isolate(at: &Table<'_>, scope: &Scope<'_>) -> Option<Fault> {
    if !at.item("isolate")?.is_table_like() {
        let nodes = scope.selector(at, "isolate")?;
        return Some(Fault::Isolate(Isolation { nodes, from: Selector::All, except: None }));
    }
    let table = at.table("isolate", "`isolate`")?;
    let nodes = scope.selector(&table, "nodes");
    let from = scope.optional_selector(&table, "from").unwrap_or(Selector::All);
    let except = scope.optional_selector(&table, "except");
    table.finish();
    Some(Fault::Isolate(Isolation { nodes: nodes?, from, except }))
}

fn read_slow_link(table: &Table<'_>, scope: &Scope<'_>) -> Option<Fault> {
    let between = read_between(table, scope, true);
    let latency = table.optional::<Span>("latency");
    let loss = read_loss(table);
    if latency.is_none() && loss.is_none() {
        let message = "`slow-link` says `latency` or `loss`, or it slows nothing";
        table.complain(table.span(), Complaint::new(message));
    }
    let (latency, loss_ppm) = (latency.unwrap_or_default(), loss.unwrap_or_default());
    Some(Fault::SlowLink(SlowLink { between: between?, latency, loss_ppm }))
}

fn read_slowed(table: &Table<'_>, scope: &Scope<'_>) -> Option<Slowed> {
    let nodes = scope.selector(table, "nodes");
    let percent = table.required_spanned::<u32>("percent");
    if let Some(percent) = percent.as_ref().filter(|percent| percent.value <= 100) {
        let message = format!("{} percent of the normal time is not slower", percent.value);
        let label = "1000 is ten times as slow";
        table.complain(percent.span.clone(), Complaint::new(message).label(label));
    }
    Some(Slowed { nodes: nodes?, percent: percent?.value })
}

fn read_corruption(table: &Table<'_>, scope: &Scope<'_>) -> Option<Fault> {
    let nodes = scope.selector(table, "nodes");
    let is_metadata = table.peek("partition").and_then(Item::as_str)
        == Some(&TopicPartition::cluster_metadata().to_string());
    let partition = match is_metadata && !scope.cluster.voters().is_empty() {
        true => table.required("partition"),
        false => read_partition(table, "partition", scope),
    };
    Some(Fault::CorruptDisk(Corruption { nodes: nodes?, partition: partition? }))
}

/// A partition that exists at some time.
pub(super) fn read_partition(
    table: &Table<'_>,
    key: &'static str,
    scope: &Scope<'_>,
) -> Option<TopicPartition> {
    let Spanned { value, span } = table.required_spanned::<TopicPartition>(key)?;
    match scope.check_partition(&value) {
        Ok(()) => Some(value),
        Err(complaint) => {
            table.complain(span, complaint);
            None
        }
    }
}

fn read_clock_step(table: &Table<'_>, scope: &Scope<'_>) -> Option<Fault> {
    let nodes = scope.selector(table, "nodes");
    let by = table.required("by");
    Some(Fault::ClockStep(ClockStep { nodes: nodes?, by: by? }))
}

fn read_rolling_restart(table: &Table<'_>, scope: &Scope<'_>) -> Option<Fault> {
    let nodes = scope.selector(table, "nodes");
    let wait = table.or("wait", Wait::default());
    Some(Fault::RollingRestart(RollingRestart { nodes: nodes?, wait }))
}

impl Readable for Wait {
    const FORM: &'static str = "\"in-sync\" or a duration such as \"5s\"";

    fn read(item: &Item) -> Result<Self, Complaint> {
        match item.as_str() {
            Some("in-sync") => Ok(Wait::InSync),
            _ => Span::read(item).map(Wait::For).map_err(|_| Self::refused(item)),
        }
    }
}

fn read_delay(table: &Table<'_>, scope: &Scope<'_>) -> Option<Fault> {
    let by = table.required::<Span>("by");
    read_tampering(table, scope, by).filter(|_| by.is_some()).map(Fault::Delay)
}

fn read_tampering(table: &Table<'_>, scope: &Scope<'_>, by: Option<Span>) -> Option<Tampering> {
    let from = scope.selector(table, "from");
    let to = scope.selector(table, "to");
    let api = read_api(table);
    let response = table.or("response", false);
    let Positive(count) = table.or("count", Positive(1));
    Some(Tampering { from: from?, to: to?, api: api?, response, count, by })
}

fn read_api(table: &Table<'_>) -> Option<Tampered> {
    let Spanned { value, span } = table.required_spanned::<String>("api")?;
    let api = value.parse().map(Tampered::Api).or(value.parse().map(Tampered::Frame)).ok();
    if api.is_none() {
        let apis = ApiKey::ALL.iter().map(|api| api.name());
        let names = apis.chain(FrameKind::ALL.iter().map(|kind| kind.name()));
        let message = format!("there is no API `{value}`");
        table.complain(span, Complaint::unknown(message, &value, names));
    }
    api
}
