//! What a person gets for a mistake: a sentence with the place and the way out, exit code 3, and nothing
//! written.

mod workplace;

use std::fs;
use std::process::Output;
use workplace::{Workplace, klab};

/// Runs `klab run` on this text, in this folder.
fn run(place: &Workplace, scenario: &str, more: &[&str]) -> Output {
    fs::write(place.path().join("scenario.toml"), scenario).expect("written");
    klab(place.path(), &[&["run", "scenario.toml"], more].concat())
}

fn files(place: &Workplace) -> Vec<String> {
    let paths = place.entries();
    let names = paths.iter().filter_map(|path| path.file_name());
    names.map(|name| name.to_string_lossy().into_owned()).collect()
}

const GOOD: &str = r#"title = "A producer writes"
concept = "acks"
run-for = "5s"

[cluster]
brokers = 3

[[topic]]
name = "orders"
partitions = 1
replication = 3

[[producer]]
topic = "orders"
config = { "acks" = "all" }

[[at]]
time = "4s"
crash = "b1"

[[expect]]
always = "no-acked-record-is-lost"

[[expect]]
sometimes = "ProcessCrashed"
"#;

/// Each mistake with what the message must say: the line, the reason, and the way out.
const MISTAKES: &[(&str, &str, &[&str])] = &[
    ("brokers = 3", "brokerz = 3", &["scenario.toml:6", "brokerz", "brokers"]),
    ("brokers = 3", "brokers = \"three\"", &["scenario.toml:6", "number"]),
    ("run-for = \"5s\"", "run-for = \"5 parsecs\"", &["scenario.toml:3", "5 parsecs"]),
    (
        "topic = \"orders\"\nconfig",
        "topic = \"order\"\nconfig",
        &["scenario.toml:14", "order", "orders"],
    ),
    ("{ \"acks\"", "{ \"ack\"", &["scenario.toml:15", "`ack`", "acks"]),
    ("\"acks\" = \"all\"", "\"acks\" = \"most\"", &["scenario.toml:15", "most"]),
    ("crash = \"b1\"", "crash = \"b9\"", &["scenario.toml:19", "b9"]),
    ("crash = \"b1\"", "crash = \"leeder of orders-0\"", &["scenario.toml:19", "leader"]),
    ("time = \"4s\"", "time = \"40s\"", &["scenario.toml:18", "5s"]),
    ("replication = 3", "replication = 4", &["scenario.toml:11", "4"]),
    ("ProcessCrashed", "ProcessCrash", &["scenario.toml:25", "ProcessCrashed"]),
    (
        "no-acked-record-is-lost",
        "no-record-is-lost",
        &["scenario.toml:22", "no-acked-record-is-lost"],
    ),
    ("concept = \"acks\"", "concept = \"ack\"", &["scenario.toml:2", "acks"]),
];

#[test]
fn every_mistake_in_a_scenario_is_answered_with_its_place_and_a_way_out() {
    let place = Workplace::new("mistakes");
    for (right, wrong, parts) in MISTAKES {
        assert!(GOOD.contains(right), "{right}");
        let output = run(&place, &GOOD.replacen(right, wrong, 1), &[]);
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(3), "{wrong}: {message}");
        for part in *parts {
            assert!(message.contains(part), "{wrong}: {part:?} is missing in\n{message}");
        }
        assert_eq!(files(&place), ["scenario.toml"], "{wrong}: nothing is written");
    }
}

#[test]
fn a_setting_that_does_not_exist_is_answered_like_a_mistake_in_the_file() {
    let place = Workplace::new("settings");
    let mode = "cluster.controller.mode=zookeper";
    for setting in ["producer.ackz=1", "producer.acks", "cluster.brokers=many", mode] {
        let output = run(&place, GOOD, &["--set", setting]);
        assert_eq!(output.status.code(), Some(3), "{setting}");
        assert!(!output.stderr.is_empty(), "{setting}");
        assert_eq!(files(&place), ["scenario.toml"], "{setting}: nothing is written");
    }
}

#[test]
fn a_report_folder_that_cannot_be_written_is_named_and_nothing_is_left_behind() {
    let place = Workplace::new("unwritable");
    fs::write(place.path().join("occupied"), "a file where a folder should be").expect("written");
    let output = run(&place, GOOD, &["--report", "occupied"]);
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(3), "{message}");
    assert!(message.contains("occupied") && message.contains("cannot be written"), "{message}");
    assert_eq!(files(&place), ["occupied", "scenario.toml"]);
}

#[test]
fn a_run_leaves_one_folder_with_everything_in_it() {
    let place = Workplace::new("report");
    let output = run(&place, GOOD, &["--report", "out", "--seed", "3"]);
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{shown}");
    assert!(shown.contains("klab run scenario.toml --seed 3"), "{shown}");
    let mut files: Vec<String> = fs::read_dir(place.path().join("out/scenario-seed3"))
        .expect("the run's folder")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    files.sort();
    let expected = [
        "history.jsonl",
        "index.md",
        "latency.svg",
        "metrics.csv",
        "scenario.toml",
        "throughput.svg",
        "trace.txt",
        "verdict.json",
    ];
    assert_eq!(files, expected);
    let index = fs::read_to_string(place.path().join("out/scenario-seed3/index.md")).expect("read");
    for file in expected.iter().filter(|file| **file != "index.md") {
        assert!(index.contains(file), "index.md explains {file}");
    }
}
