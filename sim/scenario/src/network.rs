//! The links between processes: `[network]`, and `[[link]]` for those that differ.

use crate::amount::text;
use crate::hardware::Hardware;
use crate::names::Scope;
use crate::problem::Complaint;
use crate::reader::{Bandwidth, Readable, Share, Table};
use crate::selector::Selector;
use klab_wire::Span;
use serde::Serialize;

/// What every link is like. What is not said is as the hardware's profile has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Network {
    /// How long a packet travels one way; in `ideal` 200us and up to 100us more, which is a data centre's.
    pub latency: Latency,
    /// How many packets are lost and sent again; none if nothing is said.
    #[serde(serialize_with = "text::share", rename = "loss")]
    pub loss_ppm: u32,
    /// Bytes per second of each host's network card, in each direction; none for no limit.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "text::some_bandwidth")]
    pub bandwidth: Option<u64>,
    /// How TCP repeats what is lost.
    pub retransmit: Retransmit,
}

/// How long a packet travels: `base`, and anything up to `jitter` more; now and then a spike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Latency {
    /// At least so long.
    #[serde(serialize_with = "text::span")]
    pub base: Span,
    /// And up to so much longer, evenly.
    #[serde(serialize_with = "text::span")]
    pub jitter: Span,
    /// And now and then a delay of another order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spike: Option<Spike>,
}

/// A rare long delay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Spike {
    /// How many packets have it.
    #[serde(serialize_with = "text::share", rename = "chance")]
    pub chance_ppm: u32,
    /// How much longer they travel at most.
    #[serde(serialize_with = "text::span")]
    pub up_to: Span,
}

/// TCP's retransmission, by Linux's constants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Retransmit {
    /// After how long an unacknowledged packet is sent again; 200ms if nothing is said (`TCP_RTO_MIN`).
    /// Each further attempt waits twice as long.
    #[serde(serialize_with = "text::span")]
    pub first_after: Span,
    /// The longest such wait; 120s if nothing is said (`TCP_RTO_MAX`).
    #[serde(serialize_with = "text::span")]
    pub at_most: Span,
    /// After how long without an answer the connection breaks; 924s if nothing is said
    /// (`tcp_retries2` = 15). Kafka's own timeouts are mostly shorter.
    #[serde(serialize_with = "text::span")]
    pub break_after: Span,
}

/// Links that differ from the others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Link {
    /// One end.
    pub from: Selector,
    /// The other end.
    pub to: Selector,
    /// Whether the way back is meant as well; it is if nothing is said.
    pub both: bool,
    /// Their latency, if it differs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency: Option<Latency>,
    /// Their loss, if it differs.
    #[serde(
        rename = "loss",
        skip_serializing_if = "Option::is_none",
        serialize_with = "text::some_share"
    )]
    pub loss_ppm: Option<u32>,
    /// Bytes per second of the link itself, in each direction, if it is narrower than the cards.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "text::some_bandwidth")]
    pub bandwidth: Option<u64>,
}

impl Latency {
    /// Always the same.
    pub const fn constant(base: Span) -> Self {
        Latency { base, jitter: Span::ZERO, spike: None }
    }
}

impl Default for Network {
    fn default() -> Self {
        Network::of(&Hardware::default())
    }
}

impl Default for Retransmit {
    fn default() -> Self {
        Retransmit {
            first_after: Span::from_millis(200),
            at_most: Span::from_secs(120),
            break_after: Span::from_secs(924),
        }
    }
}

impl Network {
    /// The links of some hardware.
    pub fn of(hardware: &Hardware) -> Self {
        let (base, jitter) = (Span(hardware.wire_ns), Span(hardware.wire_jitter_ns));
        let bandwidth = hardware.card_bytes_per_second;
        Network {
            latency: Latency { base, jitter, spike: None },
            loss_ppm: 0,
            bandwidth: (bandwidth > 0).then_some(bandwidth),
            retransmit: Retransmit::default(),
        }
    }

    pub(crate) fn read(root: &Table<'_>, hardware: &Hardware) -> Self {
        let default = Network::of(hardware);
        let Some(table) = root.table("network", "[network]") else { return default };
        let network = Network {
            latency: read_latency(&table).unwrap_or(default.latency),
            loss_ppm: read_loss(&table).unwrap_or(default.loss_ppm),
            bandwidth: read_bandwidth(&table).or(default.bandwidth),
            retransmit: Retransmit::read(&table),
        };
        table.finish();
        network
    }
}

impl Retransmit {
    fn read(table: &Table<'_>) -> Self {
        let default = Retransmit::default();
        let Some(table) = table.table("retransmit", "[network.retransmit]") else {
            return default;
        };
        let read = Retransmit {
            first_after: table.or("first-after", default.first_after),
            at_most: table.or("at-most", default.at_most),
            break_after: table.or("break-after", default.break_after),
        };
        if read.first_after == Span::ZERO || read.first_after > read.at_most {
            let message = "`first-after` must be more than nothing and at most `at-most`";
            table.complain(table.span(), Complaint::new(message));
        }
        table.finish();
        read
    }
}

impl Link {
    pub(crate) fn read(table: &Table<'_>, scope: &Scope<'_>) -> Option<Self> {
        let from = read_end(table, "from", scope);
        let to = read_end(table, "to", scope);
        let link = Link {
            both: table.or("both", true),
            latency: read_latency(table),
            loss_ppm: read_loss(table),
            bandwidth: read_bandwidth(table),
            from: from?,
            to: to?,
        };
        if link.latency.is_none() && link.loss_ppm.is_none() && link.bandwidth.is_none() {
            let message = "a [[link]] says `latency`, `loss` or `bandwidth`, or it changes nothing";
            table.complain(table.span(), Complaint::new(message));
        }
        Some(link)
    }
}

fn read_end(table: &Table<'_>, key: &'static str, scope: &Scope<'_>) -> Option<Selector> {
    let selector = table.required_spanned::<Selector>(key)?;
    if !selector.value.is_static() {
        let message = format!("`{}` changes during a run, and a link does not", selector.value);
        let help = "use a [[at]] with `slow-link` for a fault of a role's link";
        table.complain(selector.span, Complaint::new(message).help(help));
        return None;
    }
    scope.checked(table, selector)
}

pub(crate) fn read_loss(table: &Table<'_>) -> Option<u32> {
    table.optional::<Share>("loss").map(|share| share.0)
}

pub(crate) fn read_bandwidth(table: &Table<'_>) -> Option<u64> {
    table.optional::<Bandwidth>("bandwidth").map(|bandwidth| bandwidth.0)
}

/// A duration, or a table of `base`, `jitter` and `spike`.
pub(crate) fn read_latency(table: &Table<'_>) -> Option<Latency> {
    let item = table.item("latency")?;
    if item.as_table_like().is_none() {
        return table.optional::<PlainLatency>("latency").map(|plain| Latency::constant(plain.0));
    }
    let below = table.table("latency", "`latency`")?;
    let base = below.required("base");
    let jitter = below.or("jitter", Span::ZERO);
    let spike = below.table("spike", "`spike`").and_then(|table| {
        let chance = table.required::<Share>("chance");
        let up_to = table.required("up-to");
        table.finish();
        Some(Spike { chance_ppm: chance?.0, up_to: up_to? })
    });
    below.finish();
    Some(Latency { base: base?, jitter, spike })
}

struct PlainLatency(Span);

impl Readable for PlainLatency {
    const FORM: &'static str =
        "a duration such as \"500us\", or { base = \"400us\", jitter = \"200us\" }";

    fn read(item: &toml_edit::Item) -> Result<Self, Complaint> {
        Span::read(item).map(PlainLatency).map_err(|_| Self::refused(item))
    }
}
