//! Whatever the ensemble, its load and the faults, no promise of ZooKeeper is broken.
//!
//! Every number is a plan: 3 to 7 servers that vote, up to 3 that observe, how much they remember, their clients,
//! and random faults of which each plan enables some (swarm testing). The gate runs the first plans and holds their
//! table against `reports/judge/no-false-alarm.md`. More:
//!
//!     KLAB_ENSEMBLES=2000 cargo test --test ensembles -- --nocapture
//!     KLAB_ENSEMBLES=13908..13909 cargo test --test ensembles
//!
//! A failure prints the plan as a scenario, with its seed.

mod in_parallel;
mod table_of_plans;
mod wanted;

use in_parallel::in_parallel;
use klab::machine::random::{Stream, stream};
use klab::{Experiment, Hosting};
use std::fmt::{self, Write};
use std::sync::Mutex;
use table_of_plans::{Table, hold, is_alarm};

/// How many plans the gate runs.
const OF_THE_GATE: u64 = 200;

const FAMILIES: &[&str] =
    &["crash", "power-cut", "pause", "cut", "isolate", "slow-link", "slow-disk", "clock-step"];

const WORKLOADS: &[&str] = &["registers", "counter", "lock", "members", "watcher"];

#[test]
fn no_promise_is_broken_whatever_the_ensemble_and_the_faults() {
    let wanted = wanted::plans("KLAB_ENSEMBLES");
    let plans = wanted.clone().unwrap_or(0..OF_THE_GATE);
    let table = Mutex::new(Table::new("servers that vote"));
    let failures = in_parallel(plans, |number| {
        let Plan { servers, scenario } = plan(number);
        let experiment = Experiment::parse("plan.toml", &scenario, None);
        let experiment = experiment.unwrap_or_else(|mistake| panic!("{scenario}\n{mistake}"));
        let outcome = experiment.judge(Hosting::Bare);
        table.lock().expect("nobody panics while holding it").count(servers, &outcome);
        is_alarm(&outcome).then(|| {
            let outcome = experiment.run(Hosting::Bare, |_| {});
            let text = klab::lab::report::text::outcome(&experiment, &outcome);
            format!("plan {number}:\n{scenario}\n{text}")
        })
    });
    let table = table.into_inner().expect("as above").to_string();
    hold(&table, &failures, wanted.is_none());
}

/// An ensemble with its clients and its faults.
struct Plan {
    /// The servers that vote.
    servers: u64,
    scenario: String,
}

/// The plan of a number.
fn plan(number: u64) -> Plan {
    let mut chance = stream(number, "ensembles", []);
    let servers = chance.between(3, 7);
    let mut scenario = String::new();
    let written = write_plan(&mut scenario, (number, servers), &mut chance);
    written.expect("a string takes everything");
    Plan { servers, scenario }
}

fn write_plan(
    text: &mut String,
    (number, servers): (u64, u64),
    chance: &mut Stream,
) -> fmt::Result {
    writeln!(text, "title = \"plan {number}\"\nconcept = \"zookeeper\"")?;
    writeln!(text, "run-for = \"30s\"\nseed = {}\nallow-unmatched = true", number + 1)?;
    writeln!(text, "[zookeeper]\nservers = {servers}")?;
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

fn write_nemesis(text: &mut String, nodes: &str, chance: &mut Stream) -> fmt::Result {
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
