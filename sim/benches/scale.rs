//! Cost per event and bytes per partition, from ten partitions to a hundred thousand and from three
//! brokers to a thousand: both should stay flat.
//!
//! `cargo bench --bench scale` prints the table. Every row is a process of its own, so that its peak
//! memory is its own.

#![allow(clippy::float_arithmetic, reason = "a table of ratios is for people")]
#![allow(clippy::disallowed_types, reason = "wall time is what is measured here")]
#![allow(clippy::disallowed_methods, reason = "a row is told to its process by the environment")]

use klab::{Experiment, Hosting};
use std::process::Command;
use std::time::Instant;

/// Brokers and partitions.
const ROWS: &[(u32, u32)] =
    &[(3, 10), (3, 1_000), (3, 10_000), (3, 100_000), (100, 10_000), (1_000, 10_000)];
const ROW: &str = "KLAB_SCALE_ROW";

fn main() {
    match std::env::var(ROW) {
        Ok(row) => measure(&row),
        Err(_) => table(),
    }
}

fn table() {
    println!(
        "{:>7} {:>10} {:>12} {:>10} {:>10} {:>12} {:>14}",
        "brokers", "partitions", "messages", "wall s", "us/message", "peak MB", "B/replica"
    );
    let program = std::env::current_exe().expect("this program has a path");
    for (brokers, partitions) in ROWS {
        let row = format!("{brokers} {partitions}");
        let status = Command::new(&program).env(ROW, &row).status().expect("a process starts");
        assert!(status.success(), "{row} failed");
    }
}

/// Ten simulated seconds of load after the topic has been created.
fn scenario(brokers: u32, partitions: u32) -> String {
    format!(
        r#"title   = "A world of {brokers} brokers and {partitions} partitions"
concept = "performance"
run-for = "30s"

[cluster]
brokers    = {brokers}
controller = {{ mode = "kraft", voters = 3 }}

[[topic]]
name        = "orders"
partitions  = {partitions}
replication = 3

[[producer]]
count = 2
topic = "orders"
rate  = "200/s"
start = "15s"
stop  = "25s"

[[expect]]
always = "no-acked-record-is-lost"

[[expect]]
sometimes = "HighWatermarkAdvanced"
"#
    )
}

fn measure(row: &str) {
    let numbers: Vec<u32> = row.split(' ').map(|n| n.parse().expect("a number")).collect();
    let (brokers, partitions) = (numbers[0], numbers[1]);
    let text = scenario(brokers, partitions);
    let experiment = Experiment::parse("scale.toml", &text, Some(1)).expect("it is legal");
    let before = Instant::now();
    let outcome = experiment.run(Hosting::Bare, |_| {});
    let wall = before.elapsed().as_secs_f64();
    assert_eq!(outcome.verdict.exit_code, 0, "{:?}", outcome.verdict.outcome);
    let peak = peak_memory();
    let per_message = wall * 1e6 / outcome.messages as f64;
    let per_replica = peak as f64 / (f64::from(partitions) * 3.0);
    println!(
        "{brokers:>7} {partitions:>10} {:>12} {wall:>10.3} {per_message:>10.3} {:>12} {per_replica:>14.0}",
        outcome.messages,
        peak / 1_000_000,
    );
}

/// The most memory that this process has had, in bytes (`VmHWM`); 0 where the system does not say.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024
}
