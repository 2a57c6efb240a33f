//! The table: what was compared down the side, the runs across.

use super::reaction::{How, Reaction, Sign};
use super::{Side, duration, moment};
use crate::measure::Measured;
use crate::measure::latency::Percentiles;
use crate::measure::row::Row as Measure;
use crate::report::text::{HEAD, grouped};
use klab_check::{Availability, Hot, Outcome as Verdict};
use klab_wire::{Span, TopicPartition};
use std::collections::BTreeSet;
use std::fmt::Write;

/// Rows of one subject.
pub(super) struct Section {
    title: String,
    rows: Vec<Row>,
}

/// A name, and a cell for each run.
struct Row {
    name: String,
    cells: Vec<String>,
}

/// The whole table.
pub(super) struct Table(Vec<Section>);

/// More partitions than these are summed up.
const PARTITIONS: usize = 12;

/// The table of these runs.
pub(super) fn of(sides: &[Side]) -> Table {
    let first = vec![verdicts(sides)];
    let failures =
        (0..most(sides, |side| side.account.reactions.0.len())).map(|place| failure(sides, place));
    let rest = [unavailability(sides), epochs(sides), clients(sides), control_messages(sides)];
    let sections = first.into_iter().chain(failures).chain(rest);
    Table(sections.filter(|section| !section.rows.is_empty()).collect())
}

impl Table {
    /// For a terminal.
    pub(super) fn text(&self, sides: &[Side]) -> String {
        let names = self.rows().map(|row| row.name.chars().count()).max().unwrap_or(0);
        let width = |place: usize| {
            let cells = self.rows().map(|row| row.cells[place].chars().count());
            cells.chain([sides[place].label.chars().count()]).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..sides.len()).map(width).collect();
        let mut text = String::new();
        for (nth, Section { title, rows }) in self.0.iter().enumerate() {
            let heads = sides.iter().zip(&widths).map(|(side, width)| match nth {
                0 => format!("  {:>width$}", side.label),
                _ => String::new(),
            });
            let head = format!("{title:<names$}{}", heads.collect::<String>());
            let _ = writeln!(text, "\n{HEAD}{}{HEAD:#}", head.trim_end());
            for Row { name, cells } in rows {
                let cells =
                    cells.iter().zip(&widths).map(|(cell, width)| format!("  {cell:>width$}"));
                let _ = writeln!(text, "{name:<names$}{}", cells.collect::<String>());
            }
        }
        text
    }

    /// For a page.
    pub(super) fn markdown(&self, sides: &[Side]) -> String {
        let labels: Vec<&str> = sides.iter().map(|side| side.label.as_str()).collect();
        let mut text =
            format!("| | {} |\n|---|{}\n", labels.join(" | "), "---:|".repeat(labels.len()));
        for Section { title, rows } in &self.0 {
            let _ = writeln!(text, "| **{title}** |{}", " |".repeat(labels.len()));
            for Row { name, cells } in rows {
                let _ = writeln!(text, "| {name} | {} |", cells.join(" | "));
            }
        }
        text
    }

    /// For a program.
    pub(super) fn csv(&self, sides: &[Side]) -> String {
        let quoted = |cell: &str| format!("\"{}\"", cell.replace('"', "\"\""));
        let labels = sides.iter().map(|side| format!(",{}", quoted(&side.label)));
        let mut text = format!("about,what{}\n", labels.collect::<String>());
        for Section { title, rows } in &self.0 {
            for Row { name, cells } in rows {
                let cells = cells.iter().map(|cell| format!(",{}", quoted(cell)));
                let cells: String = cells.collect();
                let _ = writeln!(text, "{},{}{cells}", quoted(title), quoted(name));
            }
        }
        text
    }

    fn rows(&self) -> impl Iterator<Item = &Row> {
        self.0.iter().flat_map(|section| &section.rows)
    }
}

impl Row {
    fn new(name: impl Into<String>, sides: &[Side], cell: impl Fn(&Side) -> String) -> Self {
        Row { name: name.into(), cells: sides.iter().map(cell).collect() }
    }

    /// A row that is left out where it says nothing of any run.
    fn unless_nothing(self) -> Option<Self> {
        let is_nothing = |cell: &String| matches!(cell.as_str(), "0" | "-" | "0 ms");
        (!self.cells.iter().all(is_nothing)).then_some(self)
    }
}

fn verdicts(sides: &[Side]) -> Section {
    let verdict = |side: &Side| {
        let word = match side.outcome.verdict.outcome {
            Verdict::AsExpected => "as expected",
            Verdict::Violated => "VIOLATED",
            Verdict::Permitted => "broken, as permitted",
            Verdict::NotConverged => "not converged",
            Verdict::Vacuous => "vacuous",
        };
        word.to_string()
    };
    let mut rows = vec![Row::new("verdict", sides, verdict)];
    rows.extend(broken(sides).into_iter().map(|promise| {
        Row::new(format!("{promise} broken"), sides, |side| {
            let verdicts = side.outcome.verdict.promises.iter();
            let mut found = verdicts.filter(|one| one.promise.to_string() == promise);
            found.next().map_or("-".into(), |one| grouped(one.violations + one.permitted))
        })
    }));
    rows.push(Row::new("simulated time", sides, |side| duration(side.outcome.end)));
    rows.push(Row::new("messages", sides, |side| grouped(side.outcome.messages)));
    Section { title: "Run".into(), rows }
}

/// The promises that any of the runs broke.
pub(super) fn broken(sides: &[Side]) -> BTreeSet<String> {
    let verdicts = sides.iter().flat_map(|side| &side.outcome.verdict.promises);
    let broken = verdicts.filter(|one| one.violations + one.permitted > 0);
    broken.map(|one| one.promise.to_string()).collect()
}

/// What each run made of its failure in this place.
fn failure(sides: &[Side], place: usize) -> Section {
    let row = |name: &str, cell: &dyn Fn(&Reaction) -> Option<String>| {
        Row::new(name, sides, |side| {
            let reaction = side.account.reactions.0.get(place);
            reaction.and_then(cell).unwrap_or_else(|| "-".to_string())
        })
    };
    let after = |reaction: &Reaction, time| Some(duration(reaction.after(time)));
    let mut rows = vec![
        row("what", &|one| Some(one.title())),
        row("at", &|one| Some(moment(one.at))),
        row("noticed after", &|one| after(one, one.noticed?.at)),
        row("noticed how", &|one| one.noticed.map(|sign| how(&sign))),
        row("new controller after", &|one| match one.controller {
            Some((time, _)) => after(one, time),
            None if one.struck_controller() => Some("never".into()),
            None => one.controller_before().map(|node| format!("{node} stays")),
        }),
        row("partitions that it led", &|one| Some(one.led().count().to_string())),
        row("first new leader after", &|one| after(one, *one.leaders.values().min()?)),
        row("last new leader after", &|one| after(one, *one.leaders.values().max()?)),
        row("it is over after", &|one| after(one, one.over?)),
        row("back in every ISR after", &|one| after(one, one.back_in_sync?)),
    ];
    rows = rows.into_iter().filter_map(Row::unless_nothing).collect();
    Section { title: format!("Failure {}", place + 1), rows }
}

/// In a few words.
fn how(sign: &Sign) -> String {
    let by = sign.by;
    match sign.how {
        How::Fenced => format!("{by} fences it"),
        How::SessionExpired => format!("{by} ends its session"),
        How::QuorumVotes => format!("{by} asks for votes"),
        How::EnsembleVotes => format!("{by} looks for a leader"),
        How::LeftIsr => format!("{by} takes it out of an ISR"),
        How::IsrShrinkRequested => format!("{by} asks for a smaller ISR"),
        How::SaidSo => "it said so".to_string(),
    }
}

fn unavailability(sides: &[Side]) -> Section {
    let mut longest: Vec<(Span, &TopicPartition)> = Vec::new();
    for row in sides.iter().flat_map(|side| &side.outcome.summary.availability) {
        match longest.iter_mut().find(|(_, name)| **name == row.partition) {
            Some((span, _)) => *span = (*span).max(row.without_leader),
            None => longest.push((row.without_leader, &row.partition)),
        }
    }
    longest.sort_by(|one, other| other.0.cmp(&one.0).then(one.1.cmp(other.1)));
    longest.truncate(PARTITIONS);
    longest.sort_by_key(|(_, name)| *name);
    let without = |side: &Side, name: &TopicPartition, pick: fn(&Availability) -> Span| {
        let rows = &side.outcome.summary.availability;
        duration(rows.iter().find(|row| row.partition == *name).map_or(Span::ZERO, pick))
    };
    let of_partitions = longest.iter().flat_map(|(_, name)| {
        let leader = format!("{name} without a leader");
        let isr = format!("{name} under min ISR");
        [
            Row::new(leader, sides, |side| without(side, name, |row| row.without_leader)),
            Row::new(isr, sides, |side| without(side, name, |row| row.under_min_isr)),
        ]
    });
    let mut rows: Vec<Row> = of_partitions.filter_map(Row::unless_nothing).collect();
    let hot = |name: &str, pick: fn(&Side) -> Hot| {
        Row::new(name, sides, |side| duration(pick(side).total)).unless_nothing()
    };
    rows.extend(hot("all partitions without a leader", |side| side.outcome.summary.hot.leaderless));
    rows.extend(hot("all partitions under min ISR", |side| side.outcome.summary.hot.under_min_isr));
    rows.extend(hot("metadata quorum without a leader", |side| {
        side.outcome.summary.hot.quorumless
    }));
    rows.extend(hot("brokers fenced", |side| side.outcome.summary.hot.fenced));
    Section { title: "Unavailability".into(), rows }
}

fn epochs(sides: &[Side]) -> Section {
    let count =
        |name: &str, pick: fn(&Side) -> u64| Row::new(name, sides, |side| grouped(pick(side)));
    let last = |side: &Side| side.account.controllers.last().map(|(.., epoch)| epoch.to_string());
    let rows = [
        count("controllers, one after the other", |side| side.account.controllers.len() as u64),
        Row::new("last controller epoch", sides, |side| last(side).unwrap_or("-".into())),
        count("epochs of the metadata quorum", |side| side.account.quorum_epochs.times),
        count("epochs of the ZooKeeper ensemble", |side| side.account.ensemble_epochs.times),
        count("leaders elected", |side| side.account.elections),
        count("of these uncleanly", |side| side.account.unclean_elections),
        Row::new("highest leader epoch", sides, |side| {
            side.account.highest_leader_epoch().map_or("-".into(), |epoch| epoch.to_string())
        }),
        count("replicas that left an ISR", |side| side.account.isr_shrunk),
        count("replicas that joined one", |side| side.account.isr_grown),
    ];
    let rows = rows.into_iter().filter_map(Row::unless_nothing).collect();
    Section { title: "Epochs and in-sync replicas".into(), rows }
}

fn clients(sides: &[Side]) -> Section {
    match super::words::unit(sides) {
        "operations" => clients_of_an_ensemble(sides),
        _ => clients_of_kafka(sides),
    }
}

fn clients_of_an_ensemble(sides: &[Side]) -> Section {
    let count = |name: &str, pick: fn(&Measure) -> u64| {
        let sum = |side: &Side| measured(side).rows.iter().map(pick).sum();
        Row::new(name, sides, |side| grouped(sum(side))).unless_nothing()
    };
    let latency = |name: &str, pick: fn(Percentiles) -> u64| {
        let cell = |side: &Side| {
            measured(side).publish.map_or("-".into(), |all| duration(Span::from_micros(pick(all))))
        };
        Row::new(name, sides, cell).unless_nothing()
    };
    let rows = [
        count("operations answered", |row| row.acked),
        count("operations refused", |row| row.failed),
        count("operations of which nobody knows", |row| row.unknown),
        latency("answered within, 50 of 100", |all| all.p50),
        latency("answered within, 99 of 100", |all| all.p99),
        latency("answered within, all", |all| all.max),
    ];
    Section { title: "What the clients saw".into(), rows: rows.into_iter().flatten().collect() }
}

fn measured(side: &Side) -> &Measured {
    side.outcome.measured.as_deref().expect("a measured run has its measures")
}

fn clients_of_kafka(sides: &[Side]) -> Section {
    let count = |name: &str, pick: fn(&Side) -> u64| {
        Row::new(name, sides, |side| grouped(pick(side))).unless_nothing()
    };
    let latency = |name: &str, pick: fn(&Side) -> u64| {
        Row::new(name, sides, |side| match pick(side) {
            0 => "-".to_string(),
            micros => format!("{}.{:03} ms", grouped(micros / 1_000), micros % 1_000),
        })
        .unless_nothing()
    };
    let rows = [
        count("records acknowledged", |side| side.outcome.summary.sends.acked),
        count("records unconfirmed (acks=0)", |side| side.outcome.summary.sends.unconfirmed),
        count("records failed", |side| side.outcome.summary.sends.failed),
        count("records of which nobody knows", |side| side.outcome.summary.sends.unknown),
        count("records retried", |side| side.outcome.summary.sends.retried_records),
        count("records polled", |side| side.outcome.summary.records_polled),
        latency("acknowledged within, 50 of 100", |side| side.outcome.summary.sends.p50_micros),
        latency("acknowledged within, 99 of 100", |side| side.outcome.summary.sends.p99_micros),
        latency("acknowledged within, all", |side| side.outcome.summary.sends.max_micros),
    ];
    Section { title: "What the clients saw".into(), rows: rows.into_iter().flatten().collect() }
}

fn control_messages(sides: &[Side]) -> Section {
    let names: BTreeSet<&str> =
        sides.iter().flat_map(|side| side.account.messages.0.keys().copied()).collect();
    let mut names: Vec<&str> = names.into_iter().collect();
    let most = |name: &str| sides.iter().map(|side| side.account.messages.of(name)).max();
    names.sort_by_key(|name| std::cmp::Reverse(most(name)));
    let of_kind =
        |name: &&str| Row::new(*name, sides, |side| grouped(side.account.messages.of(name)));
    let mut rows = vec![
        Row::new("all", sides, |side| grouped(side.account.messages.total().messages)),
        Row::new("their bytes", sides, |side| grouped(side.account.messages.total().bytes)),
    ];
    rows.extend(
        Row::new("from failure 1 to its last new leader", sides, |side| {
            let messages = side.account.to_new_leaders.as_ref();
            messages.map_or("-".into(), |messages| grouped(messages.total().messages))
        })
        .unless_nothing(),
    );
    rows.extend(names.iter().map(of_kind));
    Section { title: "Control messages".into(), rows }
}

fn most(sides: &[Side], count: fn(&Side) -> usize) -> usize {
    sides.iter().map(count).max().unwrap_or(0)
}
