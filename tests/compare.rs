//! Runs side by side: what the page says follows from the runs, is the same every time, and a mistake gets a sentence.

mod workplace;

use std::fs;
use std::path::Path;
use std::process::Output;
use workplace::Workplace;

fn klab(arguments: &[&str]) -> Output {
    workplace::klab(Path::new(env!("CARGO_MANIFEST_DIR")), arguments)
}

const FAILOVER: &str = "scenarios/first-failover.toml";
const TIMEOUTS: &str = "broker.broker.session.timeout.ms=9000,3000";

/// Compares, and gives what is in the folder: names and contents, the text on the terminal last.
fn compared(name: &str, jobs: &str) -> Vec<(String, Vec<u8>)> {
    let place = Workplace::new(&format!("compare-{name}"));
    let out = place.path().display().to_string();
    let output = klab(&["compare", FAILOVER, "--set", TIMEOUTS, "--jobs", jobs, "--out", &out]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let files = ["compare.csv", "compare.md", "lanes.png", "lanes.svg"].map(|file| {
        let content = fs::read(place.entries()[0].join(file));
        (file.to_string(), content.unwrap_or_else(|error| panic!("{file}: {error}")))
    });
    files.into_iter().chain([("terminal".to_string(), output.stdout)]).collect()
}

#[test]
fn a_comparison_is_the_same_to_the_byte_however_many_run_at_a_time() {
    assert!(compared("alone", "1") == compared("both", "2"));
}

#[test]
fn a_shorter_session_is_noticed_sooner_and_the_page_says_why() {
    let files = compared("words", "2");
    let page = String::from_utf8(files[1].1.clone()).expect("a page is text");
    let sentences = [
        "They differ in `broker.broker.session.timeout.ms` alone.",
        "b2 crashes at 20 s.",
        "of which it has had no heartbeat for `broker.session.timeout.ms` (9 s)",
        "of which it has had no heartbeat for `broker.session.timeout.ms` (3 s)",
        "| noticed after | 8.986 s | 2.986 s |",
        "the failure is noticed 6.000 s sooner",
        "![",
        "v2  ControllerActivated epoch 1",
        "--seed 1 --set broker.broker.session.timeout.ms=3000",
    ];
    for sentence in sentences {
        assert!(page.contains(sentence), "{sentence}\n{page}");
    }
}

#[test]
fn the_same_failover_under_both_control_planes_is_told_by_who_notices() {
    let axis = "cluster.controller.mode=zookeeper,kraft";
    let output = klab(&["compare", FAILOVER, "--set", axis, "--no-report"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout);
    let sentences = [
        "ends its session, of which nobody has heard for `zookeeper.session.timeout.ms` (18 s)",
        "fences the broker, of which it has had no heartbeat for `broker.session.timeout.ms` (9 s)",
        "LeaderAndIsr",
        "BrokerHeartbeat",
        "sooner with controller.mode=kraft than with controller.mode=zookeeper",
    ];
    sentences.iter().for_each(|sentence| assert!(text.contains(sentence), "{sentence}\n{text}"));
    assert!(!text.contains("VIOLATED"), "{text}");
}

#[test]
fn a_run_that_shows_nothing_says_what_never_happened() {
    let nobody_leads = "scenarios/leader-election/nobody-leads.toml";
    let axis = "broker.broker.session.timeout.ms=9000,60000";
    let output = klab(&["compare", nobody_leads, "--set", axis, "--no-report"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("It is not as the scenario expects: never happened: "), "{text}");
}

#[test]
fn what_makes_no_difference_is_told() {
    let output = klab(&[
        "compare",
        "scenarios/acks/too-few-in-sync-replicas.toml",
        "--set",
        "broker.unclean.leader.election.enable=true,false",
        "--no-report",
    ]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("The runs are the same to the byte"), "{text}");
}

#[test]
fn the_runs_of_a_scenario_are_compared_without_an_axis() {
    let exhibit = "scenarios/museum/z4-acknowledged-before-persisted.toml";
    let output = klab(&["compare", exhibit, "--no-report"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("`committed-transactions-survive` is broken"), "{text}");
}

/// Each mistake with what the message must say.
const MISTAKES: &[(&[&str], &str)] = &[
    (&[FAILOVER], "there is only one run"),
    (&[FAILOVER, "--set", "producer.acks=all"], "--set producer.acks=1,all"),
    (&[FAILOVER, "--set", "producer.acks=1,1"], "1 stands in it twice"),
    (&[FAILOVER, "--set", "producer.acks=1,"], "missing between the commas"),
    (&[FAILOVER, "--set", "producer.acks=1,all", "--set", "producer.acks=0,1"], "is set twice"),
    (&[FAILOVER, "--set", "producer.ack=1,all"], "did you mean"),
    (&[FAILOVER, "--set", "producer.acks=1,two"], "two"),
    (&[FAILOVER, "--set", "topic.partitions=1,2,3,..,9"], "klab plot"),
    (&["scenarios/nowhere.toml", "--set", "producer.acks=1,all"], "klab list"),
];

#[test]
fn a_mistake_gets_a_sentence_and_exit_code_3_and_nothing_is_written() {
    let place = Workplace::new("compare-mistakes");
    let out = place.path().display().to_string();
    for (arguments, part) in MISTAKES {
        let output = klab(&[&["compare"], *arguments, &["--out", &out]].concat());
        let message = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{arguments:?}: {message}");
        assert!(message.contains(part), "{arguments:?}: {message}");
    }
    assert!(place.entries().is_empty());
}
