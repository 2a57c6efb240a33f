//! Whatever the ensemble, its load and the faults, no promise of ZooKeeper is broken.
//!
//! Every number is a plan: 3 to 7 servers that vote, up to 3 that observe, how much they remember, their clients,
//! and random faults of which each plan enables some (swarm testing). The gate runs the first plans. More:
//!
//!     KLAB_ENSEMBLES=2000 cargo test --test ensembles -- --nocapture
//!     KLAB_ENSEMBLES=13908..13909 cargo test --test ensembles
//!
//! A failure prints the plan as a scenario, with its seed.

mod in_parallel;

use in_parallel::in_parallel;
use klab::check::Outcome as Verdict;
use klab::machine::random::{Stream, stream};
use klab::{Experiment, Hosting};
use std::fmt::Write;
use std::ops::Range;

/// How many plans the gate runs.
const OF_THE_GATE: u64 = 24;

const FAMILIES: &[&str] =
    &["crash", "power-cut", "pause", "cut", "isolate", "slow-link", "slow-disk", "clock-step"];

const WORKLOADS: &[&str] = &["registers", "counter", "lock", "members", "watcher"];

#[test]
fn no_promise_is_broken_whatever_the_ensemble_and_the_faults() {
    let plans = wanted().map_or(0..OF_THE_GATE, |plans| numbers(&plans));
    let failures = in_parallel(plans, |number| {
        let scenario = plan(number);
        let experiment = Experiment::parse("plan.toml", &scenario, None);
        let experiment = experiment.unwrap_or_else(|mistake| panic!("{scenario}\n{mistake}"));
        let outcome = experiment.judge(Hosting::Bare);
        let is_alarm = matches!(outcome.verdict.outcome, Verdict::Violated | Verdict::NotConverged);
        is_alarm.then(|| {
            let outcome = experiment.run(Hosting::Bare, |_| {});
            let text = klab::lab::report::text::outcome(&experiment, &outcome);
            format!("plan {number}:\n{scenario}\n{text}")
        })
    });
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

/// How many plans somebody wants to see.
#[allow(clippy::disallowed_methods, reason = "a person says so, and no run depends on it")]
fn wanted() -> Option<String> {
    std::env::var("KLAB_ENSEMBLES").ok()
}

/// The first so many, or from one to before another.
fn numbers(plans: &str) -> Range<u64> {
    let number = |text: &str| text.parse().expect("a number");
    match plans.split_once("..") {
        Some((first, end)) => number(first)..number(end),
        None => 0..number(plans),
    }
}

/// The plan of a number, as a scenario.
fn plan(number: u64) -> String {
    let mut chance = stream(number, "ensembles", []);
    let mut text = String::new();
    write_plan(&mut text, number, &mut chance).expect("a string takes everything");
    text
}

fn write_plan(text: &mut String, number: u64, chance: &mut Stream) -> std::fmt::Result {
    writeln!(text, "title = \"plan {number}\"\nconcept = \"zookeeper\"")?;
    writeln!(text, "run-for = \"30s\"\nseed = {}\nallow-unmatched = true", number + 1)?;
    writeln!(text, "[zookeeper]\nservers = {}", chance.between(3, 7))?;
    writeln!(text, "observers = {}", chance.below(4))?;
    writeln!(text, "tick-time = \"{}ms\"", [200, 500, 1_000][chance.below(3) as usize])?;
    writeln!(text, "commit-log-count = {}", [5, 40, 500][chance.below(3) as usize])?;
    writeln!(text, "snap-count = {}", [20, 100, 100_000][chance.below(3) as usize])?;
    writeln!(text, "[disk]\nfsync = \"{}ms\"", [0, 1, 10][chance.below(3) as usize])?;
    writeln!(text, "[network]\nloss = \"{}%\"", [0, 0, 1][chance.below(3) as usize])?;
    for workload in WORKLOADS {
        if chance.below(3) == 0 {
            continue;
        }
        writeln!(text, "[[zookeeper-client]]\nworkload = \"{workload}\"")?;
        writeln!(text, "count = {}\nin-flight = {}", chance.between(1, 3), chance.between(1, 5))?;
        writeln!(text, "session-timeout = \"{}s\"", chance.between(1, 8))?;
        writeln!(text, "synced = {}", chance.below(2) == 0)?;
    }
    write_nemesis(text, "zookeepers", chance)?;
    if chance.below(2) == 0 {
        write_nemesis(text, "zookeeper clients", chance)?;
    }
    // A server that looks for a leader tells everybody again after up to a minute.
    writeln!(text, "[heal]\nconverge-within = \"200s\"")?;
    writeln!(text, "[[expect]]\nalways = \"committed-transactions-survive\"")?;
    writeln!(text, "[[expect]]\nsometimes = \"LeaderElectionStarted\"")
}

fn write_nemesis(text: &mut String, nodes: &str, chance: &mut Stream) -> std::fmt::Result {
    let mut families: Vec<String> = FAMILIES
        .iter()
        .filter(|_| chance.below(2) == 0)
        .map(|name| format!("\"{name}\""))
        .collect();
    if families.is_empty() {
        families.push("\"crash\"".into());
    }
    writeln!(text, "[[nemesis]]\nfamilies = [{}]\nnodes = \"{nodes}\"", families.join(", "))?;
    writeln!(text, "every = \"{}ms\"", chance.between(800, 5_000))?;
    writeln!(text, "lasts = {{ min = \"200ms\", max = \"{}ms\" }}", chance.between(500, 9_000))
}
