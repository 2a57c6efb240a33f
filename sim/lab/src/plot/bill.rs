//! A bill: what some runs of one scenario cost the servers, side by side. The first run is what the cluster does
//! anyway; the others are held against it, commit by commit.

#![allow(clippy::float_arithmetic, reason = "the lab draws, and drawing is done in floats")]

use super::page_folder::PageFolder;
use crate::cli::Subject;
use crate::error::{Exit, Mistake};
use crate::experiment::{Experiment, Hosting, Outcome};
use crate::measure::latency::{Latencies, Percentiles};
use crate::measure::usage::words;
use crate::parallel::in_parallel;
use crate::picture::number::short;
use klab_machine::fact::{ClientFact, Fact, LogFact, ZooKeeperFact};
use klab_machine::trace::{Entry, Fate, Outcome as FateOutcome, What};
use klab_machine::{Call, Operation, OperationId, Outcome as Ended};
use klab_scenario::Scenario;
use klab_wire::{NodeId, NodeKind, Time};
use std::collections::BTreeMap;
use std::fmt::Write;

/// The runs of a scenario, and what is said of them.
#[derive(Clone, Debug)]
pub struct Bill {
    /// In a sentence.
    pub title: String,
    /// What the reader should know before; if it is empty, what the scenario says of itself.
    pub about: String,
    /// The scenario.
    pub subject: Subject,
    /// The command that repeats it.
    pub command: String,
}

/// What a run's second half came to: the first one is for getting ready.
#[derive(Clone, Debug)]
struct Account {
    from: Time,
    to: Time,
    /// Commits that ended, and how long each took.
    commits: Latencies,
    /// When records were handed over that are not acknowledged.
    sent: BTreeMap<(NodeId, OperationId), Time>,
    items: [u64; ITEMS.len()],
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Item {
    Requests,
    Transactions,
    Batches,
    Messages,
    Bytes,
    Fsyncs,
}

const ITEMS: [(Item, &str); 6] = [
    (Item::Requests, "requests of clients"),
    (Item::Transactions, "transactions of the ensemble"),
    (Item::Batches, "batches appended by leaders"),
    (Item::Messages, "messages between servers"),
    (Item::Bytes, "bytes between servers"),
    (Item::Fsyncs, "fsyncs of the servers"),
];

/// A run with what it came to.
struct Side {
    experiment: Experiment,
    outcome: Outcome,
    account: Account,
}

impl Account {
    fn of(scenario: &Scenario) -> Self {
        let end = Time(scenario.run_for.0);
        Account {
            from: Time(end.0 / 2),
            to: end,
            commits: Latencies::default(),
            sent: BTreeMap::new(),
            items: [0; ITEMS.len()],
        }
    }

    fn watch(&mut self, entry: &Entry) {
        match &entry.what {
            What::Operation(operation) => self.watch_operation(entry, operation),
            _ if entry.time < self.from || entry.time >= self.to => {}
            What::Fact(fact) => self.watch_fact(fact),
            What::Fate(fate) if fate.fate == FateOutcome::Delivered => {
                self.watch_message(entry.node, fate);
            }
            What::Fate(_) => {}
        }
    }

    /// What a producer sends at once stands for a commit.
    fn watch_operation(&mut self, entry: &Entry, operation: &Operation) {
        match operation {
            Operation::Began { id, call: Call::Send { .. } } => {
                self.sent.insert((entry.node, *id), entry.time);
            }
            Operation::Ended { id, outcome } => {
                let began = self.sent.remove(&(entry.node, *id));
                let is_within = entry.time >= self.from && entry.time < self.to;
                if let (Some(began), Ended::Sent { .. }, true) = (began, outcome, is_within) {
                    self.commits.record(entry.time.since(began), 1);
                }
            }
            Operation::Began { .. } => {}
        }
    }

    fn watch_fact(&mut self, fact: &Fact) {
        match fact {
            Fact::ZooKeeper(ZooKeeperFact::OffsetsCommitted { took, .. }) => {
                self.commits.record(*took, 1);
            }
            Fact::ZooKeeper(ZooKeeperFact::TxnCommitted { .. }) => {
                self.count(Item::Transactions, 1)
            }
            Fact::ZooKeeper(ZooKeeperFact::TxnsFlushed { .. })
            | Fact::Log(LogFact::LogFlushed { .. }) => self.count(Item::Fsyncs, 1),
            Fact::Client(ClientFact::BatchAcknowledged { .. }) => self.count(Item::Batches, 1),
            _ => {}
        }
    }

    fn watch_message(&mut self, sender: NodeId, fate: &Fate) {
        let Some(message) = fate.message else { return };
        match (is_client(sender), is_client(fate.peer)) {
            (true, false) => self.count(Item::Requests, 1),
            (false, false) => {
                self.count(Item::Messages, 1);
                self.count(Item::Bytes, u64::from(message.bytes));
            }
            _ => {}
        }
    }

    fn count(&mut self, item: Item, count: u64) {
        self.items[place(item)] += count;
    }

    fn seconds(&self) -> f64 {
        self.to.since(self.from).0 as f64 / 1e9
    }
}

fn place(item: Item) -> usize {
    ITEMS.iter().position(|(one, _)| *one == item).expect("every item has a place")
}

fn is_client(node: NodeId) -> bool {
    !matches!(node.kind, NodeKind::Broker | NodeKind::Voter | NodeKind::ZooKeeper)
}

impl Bill {
    /// Runs all of them, and makes the page.
    ///
    /// # Errors
    ///
    /// The scenario or a setting is wrong.
    pub fn run(&self, jobs: usize) -> Result<(Exit, PageFolder), Mistake> {
        let runs = Experiment::load_all(&self.subject, None)?;
        let sides = in_parallel(&runs, jobs, Side::of, || {});
        let exit = sides.iter().map(|side| side.outcome.exit()).max();
        let page = self.page(&sides);
        let texts = [("index.md", page), ("bill.csv", csv(&sides))];
        Ok((exit.unwrap_or(Exit::AsExpected), PageFolder::new(texts, [])))
    }

    fn page(&self, sides: &[Side]) -> String {
        let of_scenario = sides[0].experiment.scenario.about.as_deref().map_or("", str::trim);
        let about = if self.about.is_empty() { of_scenario } else { &self.about };
        let mut page = format!("# {}\n\n{about}\n\n## What it shows\n\n", self.title);
        held_against_the_first(sides).iter().for_each(|line| page += &format!("- {line}\n"));
        let names: Vec<String> = sides.iter().map(Side::name).collect();
        let _ = write!(
            page,
            "\n## The bill\n\nPer second, in the second half of the run.\n\n| | {} |\n|---|{}\n",
            names.join(" | "),
            "---:|".repeat(sides.len())
        );
        for (name, cells) in rows(sides) {
            let _ = writeln!(page, "| {name} | {} |", cells.join(" | "));
        }
        let _ = write!(page, "\n## The runs\n\n");
        for side in sides {
            let story = side.experiment.run.as_ref().and_then(|run| run.story.as_deref());
            let story = story.unwrap_or("").trim().replace('\n', " ");
            let _ = writeln!(page, "- **{}**: {story}", side.name());
        }
        let _ = write!(page, "\n## Repeat it\n\n```sh\n{}\n", self.command);
        sides.iter().for_each(|side| page += &format!("{}\n", side.experiment.command()));
        page + "```\n"
    }
}

impl Side {
    fn of(experiment: &Experiment) -> Self {
        let mut account = Account::of(&experiment.scenario);
        let outcome = experiment.measure(Hosting::Bare, |entry| account.watch(entry));
        Side { experiment: experiment.clone(), outcome, account }
    }

    fn name(&self) -> String {
        self.experiment.run.as_ref().map_or(String::new(), |run| run.name.clone())
    }

    fn commits(&self) -> Option<Percentiles> {
        self.account.commits.percentiles()
    }

    fn per_second(&self, item: Item) -> f64 {
        self.account.items[place(item)] as f64 / self.account.seconds()
    }

    /// The server's resource that had the most to do, in words.
    fn busiest(&self) -> String {
        let measured = self.outcome.measured.as_deref().expect("a measured run has its measures");
        let servers = measured.utilisations.iter().filter(|one| !is_client(one.node));
        servers.max_by_key(|one| one.permille).map_or("-".into(), |one| {
            let percent = short(one.permille as f64 / 10.0);
            format!("{percent} %, {} of {}", words(one.resource), one.node)
        })
    }
}

fn rows(sides: &[Side]) -> Vec<(String, Vec<String>)> {
    let row = |name: &str, cell: &dyn Fn(&Side) -> String| {
        (name.to_string(), sides.iter().map(cell).collect::<Vec<_>>())
    };
    let commits = |side: &Side| {
        let count = side.commits().map_or(0, |commits| commits.records);
        short(count as f64 / side.account.seconds())
    };
    let took = |side: &Side, pick: fn(Percentiles) -> u64| match side.commits() {
        Some(commits) => format!("{} ms", short(pick(commits) as f64 / 1e3)),
        None => "-".to_string(),
    };
    let mut rows = vec![
        row("commits", &commits),
        row("half of them took at most", &|side| took(side, |commits| commits.p50)),
        row("99 of 100", &|side| took(side, |commits| commits.p99)),
    ];
    rows.extend(ITEMS.iter().map(|(item, name)| row(name, &|side| short(side.per_second(*item)))));
    rows.push(row("busiest", &Side::busiest));
    rows
}

/// What each run costs beside what the cluster does anyway.
fn held_against_the_first(sides: &[Side]) -> Vec<String> {
    let Some((first, others)) = sides.split_first() else { return Vec::new() };
    let told = |side: &Side| {
        let commits = side.commits()?;
        let rate = commits.records as f64 / side.account.seconds();
        let costs = ITEMS.iter().map(|(item, name)| {
            let more = (side.per_second(*item) - first.per_second(*item)) / rate;
            // What differs by chance alone is nothing.
            format!("{} {name}", short(if more < 0.05 { 0.0 } else { more }))
        });
        Some(format!(
            "A commit **{}** takes {} ms (half of them; 99 of 100 at most {} ms), and costs {}.",
            side.name(),
            short(commits.p50 as f64 / 1e3),
            short(commits.p99 as f64 / 1e3),
            costs.collect::<Vec<_>>().join(", ")
        ))
    };
    others.iter().filter_map(told).collect()
}

fn csv(sides: &[Side]) -> String {
    let names: String = sides.iter().map(|side| format!(",{}", side.name())).collect();
    let mut csv = format!("per second{names}\n");
    for (name, cells) in rows(sides) {
        let cells: String = cells.iter().map(|cell| format!(",\"{cell}\"")).collect();
        let _ = writeln!(csv, "{name}{cells}");
    }
    csv
}

#[cfg(test)]
mod tests {
    use super::*;
    use klab_machine::trace::Entry;
    use klab_wire::Span;

    #[test]
    fn only_the_second_half_of_the_load_is_counted() {
        let source = include_str!("../../../../scenarios/performance/zookeeper.toml");
        let experiment = Experiment::parse("zookeeper.toml", source, None);
        let scenario = experiment.unwrap_or_else(|mistake| panic!("{mistake}")).scenario;
        let mut account = Account::of(&scenario);
        let fact = ZooKeeperFact::OffsetsCommitted { partitions: 2, took: Span::from_millis(3) };
        for millis in [1_000, 2_000, 2_500, 3_500] {
            account.watch(&Entry {
                step: 0,
                time: Time::ZERO + Span::from_millis(millis),
                node: NodeId::zookeeper_client(1),
                what: What::Fact(fact.clone().into()),
            });
        }
        assert_eq!(account.commits.percentiles().map(|commits| commits.records), Some(2));
    }
}
