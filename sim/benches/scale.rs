//! Cost per message and bytes per replica, from ten partitions to a hundred thousand and from three
//! brokers to a thousand: both should stay flat.
//!
//! `cargo bench --bench scale` prints the table; ratios are to its first row. Every row is a process of
//! its own, so that its peak memory is its own. The load is on one topic; the other partitions are in
//! topics of their own, because the controller creates at most ten thousand records at a time.

#![allow(clippy::float_arithmetic, reason = "a table of ratios is for people")]
#![allow(clippy::disallowed_types, reason = "wall time is what is measured here")]
#![allow(clippy::disallowed_methods, reason = "a row is told to its process by the environment")]

use klab::machine::trace::{Entry, Outcome, What};
use klab::wire::Time;
use klab::{Experiment, Hosting};
use std::process::{Command, Stdio};
use std::time::Instant;

/// Brokers and partitions.
const ROWS: &[(u32, u32)] =
    &[(3, 10), (3, 1_000), (3, 10_000), (3, 100_000), (100, 10_000), (1_000, 10_000)];
const ROW: &str = "KLAB_SCALE_ROW";
const LARGEST_TOPIC: u32 = 9_000;

/// The load begins and ends here.
const BEGINS: Time = Time(15_000_000_000);
const ENDS: Time = Time(25_000_000_000);

/// What a row's process tells.
#[derive(Clone, Copy)]
struct Row {
    /// Seconds until the load begins.
    boot: f64,
    /// Seconds while it lasts.
    load: f64,
    /// Messages that arrive meanwhile.
    messages: f64,
    /// Bytes.
    peak: f64,
}

fn main() {
    match std::env::var(ROW) {
        Ok(row) => measure(&row),
        Err(_) => table(),
    }
}

fn table() {
    println!(
        "{:>7} {:>10} {:>8} {:>10} {:>8} {:>11} {:>6} {:>8} {:>10}",
        "brokers",
        "partitions",
        "boot s",
        "messages",
        "load s",
        "us/message",
        "ratio",
        "peak MB",
        "B/replica"
    );
    let mut base = None;
    for (brokers, partitions) in ROWS {
        let row = row(*brokers, *partitions);
        let base = *base.get_or_insert(row);
        let ratio = row.per_message() / base.per_message();
        let replicas = f64::from(*partitions) * 3.0;
        println!(
            "{brokers:>7} {partitions:>10} {:>8.3} {:>10} {:>8.3} {:>11.3} {ratio:>6.2} {:>8.0} {:>10.0}",
            row.boot,
            row.messages,
            row.load,
            row.per_message(),
            row.peak / 1e6,
            // What the first row has is not because of its partitions.
            (row.peak - base.peak) / replicas,
        );
    }
}

impl Row {
    /// Microseconds.
    fn per_message(&self) -> f64 {
        self.load * 1e6 / self.messages
    }
}

fn row(brokers: u32, partitions: u32) -> Row {
    let program = std::env::current_exe().expect("this program has a path");
    let row = format!("{brokers} {partitions}");
    let process = Command::new(&program).env(ROW, &row).stderr(Stdio::inherit()).output();
    let output = process.expect("a process starts");
    assert!(output.status.success(), "{row} failed");
    let text = String::from_utf8(output.stdout).expect("numbers");
    let numbers: Vec<f64> = text.split_whitespace().map(|n| n.parse().expect("a number")).collect();
    Row { boot: numbers[0], load: numbers[1], messages: numbers[2], peak: numbers[3] }
}

/// Ten simulated seconds of load after the topics have been created.
fn scenario(brokers: u32, partitions: u32) -> String {
    let mut text = format!(
        r#"title   = "A world of {brokers} brokers and {partitions} partitions"
concept = "performance"
run-for = "30s"

[cluster]
brokers    = {brokers}
controller = {{ mode = "kraft", voters = 3 }}

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
    );
    let topics = partitions.div_ceil(LARGEST_TOPIC);
    for number in 0..topics {
        let name = if number == 0 { "orders".into() } else { format!("idle-{number}") };
        let count = (partitions - number * LARGEST_TOPIC).min(LARGEST_TOPIC);
        text += &format!("\n[[topic]]\nname = \"{name}\"\npartitions = {count}\nreplication = 3\n");
    }
    text
}

fn measure(row: &str) {
    let numbers: Vec<u32> = row.split(' ').map(|n| n.parse().expect("a number")).collect();
    let text = scenario(numbers[0], numbers[1]);
    let experiment = Experiment::parse("scale.toml", &text, Some(1)).expect("it is legal");
    let started = Instant::now();
    let (mut begun, mut ended, mut messages) = (None, None, 0_u64);
    let outcome = experiment.run(Hosting::Bare, |entry| {
        if begun.is_none() && entry.time >= BEGINS {
            begun = Some(started.elapsed());
        }
        if ended.is_none() && entry.time >= ENDS {
            ended = Some(started.elapsed());
        }
        messages += u64::from(begun.is_some() && ended.is_none() && is_delivery(entry));
    });
    assert_eq!(outcome.verdict.exit_code, 0, "{:?}", outcome.verdict.outcome);
    let begun = begun.expect("the load begins").as_secs_f64();
    let ended = ended.expect("the load ends").as_secs_f64();
    println!("{begun} {} {messages} {}", ended - begun, peak_memory());
}

fn is_delivery(entry: &Entry) -> bool {
    matches!(&entry.what, What::Fate(fate) if fate.fate == Outcome::Delivered)
}

/// The most memory that this process has had, in bytes (`VmHWM`); 0 where the system does not say.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024
}
