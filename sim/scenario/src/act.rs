//! What happens at a time: `[[at]]`, each with a time and exactly one act.
//!
//! Acts on the world are in [`fault`], requests of an administrator in [`admin`], what a consuming
//! application is told in [`consume`]. With `for`, a fault is undone after a while; with `every`, it
//! comes again.

pub mod admin;
pub mod consume;
pub mod fault;

pub use admin::Administration;
pub use consume::ConsumerAct;
pub use fault::Fault;

use crate::amount::text;
use crate::names::Scope;
use crate::problem::Complaint;
use crate::reader::{Spanned, Table};
use klab_wire::Span;
use serde::Serialize;

/// How often an act may come again.
const MOST_REPEATS: u64 = 10_000;

/// An act and its time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct At {
    /// When, counted from the start of the run.
    #[serde(serialize_with = "text::span")]
    pub time: Span,
    /// What.
    #[serde(flatten)]
    pub act: Act,
    /// After how long it is undone: what crashed restarts, what was cut heals. Faults only.
    #[serde(
        rename = "for",
        skip_serializing_if = "Option::is_none",
        serialize_with = "text::some_span"
    )]
    pub lasts: Option<Span>,
}

/// What can happen at a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Act {
    /// Something is done to processes, links, disks or clocks.
    Fault(Fault),
    /// An administrator asks the cluster for something.
    Administer(Administration),
    /// A consuming application is told something.
    Consume(ConsumerAct),
}

impl At {
    /// Reads an act: several of the same if it comes again.
    pub(crate) fn read(table: &Table<'_>, scope: &Scope<'_>) -> Vec<At> {
        let time = table.required_spanned::<Span>("time");
        if let Some(time) = &time {
            scope.check_time(table, time);
        }
        let every = table.spanned::<Span>("every");
        let until = table.optional::<Span>("until");
        let act = read_act(table, scope);
        let lasts = read_lasts(table, act.as_ref());
        let (Some(time), Some(act)) = (time, act) else { return Vec::new() };
        let at = At { time: time.value, act, lasts };
        match every {
            Some(every) => {
                let run_for = scope.run_for.unwrap_or_default();
                repeated(table, at, every, until.unwrap_or(run_for).min(run_for))
            }
            None if table.has("until") => {
                let message = "`until` makes sense only beside `every`";
                table.complain(table.key_span("until"), Complaint::new(message));
                vec![at]
            }
            None => vec![at],
        }
    }
}

fn repeated(table: &Table<'_>, first: At, every: Spanned<Span>, end: Span) -> Vec<At> {
    let Spanned { value: every, span } = every;
    let rounds = end.saturating_sub(first.time).0.checked_div(every.0).unwrap_or(u64::MAX);
    if rounds >= MOST_REPEATS {
        let message = format!("that would be more than {MOST_REPEATS} times");
        table.complain(span, Complaint::new(message));
        return Vec::new();
    }
    let times = (0..=rounds).map(|round| first.time + every.times(round));
    let within = times.filter(|time| *time == first.time || *time < end);
    within.map(|time| At { time, ..first.clone() }).collect()
}

fn read_lasts(table: &Table<'_>, act: Option<&Act>) -> Option<Span> {
    let lasts = table.spanned::<Span>("for")?;
    let refusal = match act {
        Some(Act::Fault(fault)) if fault.can_be_undone() => None,
        None => None,
        _ => Some("`for` makes sense only for a fault that can be undone"),
    };
    if let Some(message) = refusal {
        table.complain(table.key_span("for"), Complaint::new(message));
    }
    if lasts.value == Span::ZERO {
        table.complain(lasts.span, Complaint::new("`for` takes more than no time at all"));
    }
    Some(lasts.value)
}

fn read_act(table: &Table<'_>, scope: &Scope<'_>) -> Option<Act> {
    let names = fault::NAMES.iter().chain(admin::NAMES).chain(consume::NAMES).copied();
    let present: Vec<&'static str> = names.filter(|name| table.item(name).is_some()).collect();
    match present.as_slice() {
        // The slip of an act's name is told as such.
        [] if table.has_others(&["time", "for", "every", "until"]) => None,
        [] => {
            let message = "this [[at]] has no act";
            let known: Vec<_> =
                fault::NAMES.iter().chain(admin::NAMES).chain(consume::NAMES).copied().collect();
            let help = format!("an act is one of: {}", known.join(", "));
            table.complain(table.span(), Complaint::new(message).help(help));
            None
        }
        [name] if fault::NAMES.contains(name) => Fault::read(name, table, scope).map(Act::Fault),
        [name] if admin::NAMES.contains(name) => {
            Administration::read(name, table, scope).map(Act::Administer)
        }
        [name] => ConsumerAct::read(name, table, scope).map(Act::Consume),
        [first, second, ..] => {
            let message = format!("one [[at]] has one act, and this has `{first}` and `{second}`");
            let help =
                "write another [[at]] with the same time: acts of a time happen in their order";
            table.complain(table.key_span(second), Complaint::new(message).help(help));
            None
        }
    }
}
