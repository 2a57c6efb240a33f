//! Random faults: `[[nemesis]]` draws them from families, by the seed.

use crate::amount::text;
use crate::names::Scope;
use crate::problem::Complaint;
use crate::reader::{Spanned, Table};
use crate::selector::Selector;
use klab_wire::Span;
use serde::Serialize;

/// A source of random faults.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Nemesis {
    /// What it does; each family is equally likely.
    pub families: Vec<Family>,
    /// Whom it strikes; any broker if nothing is said.
    pub nodes: Selector,
    /// The mean time between two faults, exponentially distributed.
    #[serde(serialize_with = "text::span")]
    pub every: Span,
    /// How long a fault lasts: evenly between these two.
    pub lasts: Duration,
    /// Whether each seed enables a random subset of the families (swarm testing).
    pub swarm: bool,
    /// When it begins; at once if nothing is said.
    #[serde(serialize_with = "text::span")]
    pub from: Span,
    /// When it ends; with the run if nothing is said.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "text::some_span")]
    pub until: Option<Span>,
}

/// The bounds of a random duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Duration {
    /// At least so long.
    #[serde(serialize_with = "text::span")]
    pub min: Span,
    /// At most so long.
    #[serde(serialize_with = "text::span")]
    pub max: Span,
}

macro_rules! families {
    ($($(#[$doc:meta])* $variant:ident = $word:literal,)*) => {
        /// A kind of random fault.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
        pub enum Family {
            $($(#[$doc])* #[serde(rename = $word)] $variant,)*
        }

        const FAMILIES: &[(&str, Family)] = &[$(($word, Family::$variant),)*];
    };
}

families! {
    /// A process is killed and started again.
    Crash = "crash",
    /// A host loses its power and gets it back.
    PowerCut = "power-cut",
    /// A process is stopped in order and started again.
    Shutdown = "shutdown",
    /// A process stands still.
    Pause = "pause",
    /// One direction of a link is cut.
    Cut = "cut",
    /// A process is cut off from everybody.
    Isolate = "isolate",
    /// A link is slow and loses packets.
    SlowLink = "slow-link",
    /// A host is slow.
    SlowHost = "slow-host",
    /// A disk is slow.
    SlowDisk = "slow-disk",
    /// A wall clock jumps, and jumps back.
    ClockStep = "clock-step",
    /// A process is killed and comes back with an empty disk.
    ReplaceDisk = "replace-disk",
}

const DEFAULT_LASTS: Duration = Duration { min: Span::from_secs(1), max: Span::from_secs(5) };

impl Nemesis {
    pub(crate) fn read(table: &Table<'_>, scope: &Scope<'_>) -> Option<Self> {
        let families = read_families(table);
        let every = table.required_spanned::<Span>("every");
        if let Some(every) = every.as_ref().filter(|every| every.value == Span::ZERO) {
            table.complain(every.span.clone(), Complaint::new("`every` takes more than no time"));
        }
        let nodes = scope.optional_selector(table, "nodes").unwrap_or(Selector::AnyBroker);
        let from = table.spanned::<Span>("from");
        if let Some(from) = &from {
            scope.check_time(table, from);
        }
        let until = table.spanned::<Span>("until");
        let start = from.as_ref().map_or(Span::ZERO, |from| from.value);
        if let Some(until) = until.as_ref().filter(|until| until.value <= start) {
            let message = format!("`until` comes before `from` ({start})");
            table.complain(until.span.clone(), Complaint::new(message));
        }
        Some(Nemesis {
            families: families?,
            nodes,
            lasts: Duration::read(table),
            swarm: table.or("swarm", false),
            from: start,
            until: until.map(|until| until.value),
            every: every?.value,
        })
    }
}

impl Duration {
    fn read(table: &Table<'_>) -> Self {
        let Some(table) = table.table("lasts", "`lasts`") else { return DEFAULT_LASTS };
        let min = table.required("min");
        let max = table.required("max");
        let span = table.span();
        let lasts = Duration { min: min.unwrap_or_default(), max: max.unwrap_or(Span::MAX) };
        if lasts.min > lasts.max {
            table.complain(span, Complaint::new("`min` may not be more than `max`"));
        }
        table.finish();
        lasts
    }
}

fn read_families(table: &Table<'_>) -> Option<Vec<Family>> {
    let names = table.required::<Vec<Spanned<String>>>("families")?;
    if names.is_empty() {
        let message = "`families` is empty: this nemesis would do nothing";
        table.complain(table.key_span("families"), Complaint::new(message));
    }
    let mut families = Vec::new();
    for Spanned { value, span } in names {
        match FAMILIES.iter().find(|(word, _)| *word == value) {
            Some((_, family)) if families.contains(family) => {
                let message = format!("`{value}` is listed twice");
                table.complain(span, Complaint::new(message));
            }
            Some((_, family)) => families.push(*family),
            None => {
                let message = format!("there is no family `{value}`");
                let known = FAMILIES.iter().map(|(word, _)| *word);
                table.complain(span, Complaint::unknown(message, &value, known));
            }
        }
    }
    Some(families)
}
