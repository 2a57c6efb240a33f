//! The bug museum: every exhibit shows the defect and its fix under one weather, and random faults find it.

use klab::check::Status;
use klab::lab::cli::Subject;
use klab::lab::list;
use klab::lab::report::series;
use klab::scenario::{Expectation, Run};
use klab::wire::config::SWITCHES;
use klab::{Experiment, Hosting, Outcome};

use std::collections::BTreeMap;
use std::path::Path;

/// Switches without an exhibit, each with the reason.
const NOT_SHOWN: &[(&str, &str)] = &[
    (
        "leader-recovery-state",
        "klab's replicas have nothing to recover with, so that nothing is lost",
    ),
    ("quorum-commit", "figure 8 of Raft needs five voters and elections that are told who wins"),
];

/// Exhibits that random faults need not find, each with the reason.
const NOT_SOUGHT: &[(&str, &str)] = &[
    ("Z6", "the leader has to die between two packets that it sends one behind the other"),
    ("K5", "it breaks no promise: the harm is an election for nothing"),
    ("C5b", "it breaks no promise: the harm is an election for nothing"),
    ("R12c", "it breaks no promise: the harm is that writes wait"),
    ("C3", "a request has to be held up for as long as its replica is away"),
    ("F1", "it was found by random faults, long before there was a switch (reports/findings.md)"),
];

/// The runs of every exhibit, by file.
fn exhibits() -> BTreeMap<String, Vec<Experiment>> {
    let mut exhibits: BTreeMap<String, Vec<Experiment>> = BTreeMap::new();
    for experiment in list::experiments().unwrap_or_else(|mistake| panic!("{mistake}")) {
        if experiment.scenario.museum.is_some() {
            exhibits.entry(experiment.path.display().to_string()).or_default().push(experiment);
        }
    }
    exhibits
}

/// An old behaviour that a switch brings back, and not a setting of Kafka itself.
fn is_switched(run: &Run) -> bool {
    run.set.keys().any(|path| path.starts_with("kafka.switches."))
}

/// The promises that are broken; under a setting of Kafka's that is by its leave.
fn broken(outcome: &Outcome, run: &Run) -> Vec<String> {
    let counts = |status| match status {
        Status::Violated => true,
        Status::Permitted => !is_switched(run),
        Status::Kept | Status::NotChecked => false,
    };
    let broken = outcome.verdict.promises.iter().filter(|promise| counts(promise.status));
    broken.map(|promise| promise.promise.to_string()).collect()
}

/// The promises that the run before the fix breaks.
fn expected_broken(run: &Run) -> Vec<&str> {
    let violated = run.expectations.iter().filter_map(|expectation| match expectation {
        Expectation::Violated { violated, .. } => Some(&**violated),
        _ => None,
    });
    violated.collect()
}

#[test]
fn every_exhibit_has_a_run_before_the_fix_and_one_after_it_each_with_its_story() {
    let exhibits = exhibits();
    assert!(exhibits.len() >= 14, "the museum is open");
    for (path, runs) in exhibits {
        let runs: Vec<_> = runs.iter().flat_map(|one| &one.run).collect();
        let names: Vec<&str> = runs.iter().map(|run| &*run.name).collect();
        assert_eq!(names, ["before", "after"], "{path}");
        assert!(runs.iter().all(|run| run.story.is_some()), "{path}");
        let [before, after] =
            [&runs[0].set, &runs[1].set].map(|set| set.keys().collect::<Vec<_>>());
        assert_eq!(before, after, "{path}: one thing differs, and it is named in both");
    }
}

#[test]
fn the_loss_under_an_old_behaviour_is_a_violation_and_not_permitted() {
    for (path, runs) in exhibits() {
        let run = runs[0].run.as_ref().expect("an exhibit has runs");
        let expects = run.expectations.iter().any(|expectation| {
            matches!(expectation, Expectation::Violated { permitted_by: None, .. })
        });
        let exhibit = &runs[0].scenario.museum.as_ref().expect("it is an exhibit").exhibit;
        let is_quiet = NOT_SOUGHT.iter().any(|(name, _)| name == exhibit) && !expects;
        assert!(!is_switched(run) || expects || is_quiet, "{path}");
    }
}

#[test]
fn every_switch_has_its_exhibit() {
    let exhibits = exhibits();
    let runs = || exhibits.values().flatten().flat_map(|one| &one.run);
    for switch in SWITCHES {
        let path = format!("kafka.switches.{}", switch.name);
        let is_shown = runs().any(|run| run.set.contains_key(&path));
        let is_excused = NOT_SHOWN.iter().any(|(name, _)| *name == switch.name);
        assert_ne!(is_shown, is_excused, "{}", switch.name);
    }
}

#[test]
fn random_faults_find_every_exhibit_and_nothing_once_it_is_mended() {
    for (path, runs) in exhibits() {
        let museum = runs[0].scenario.museum.as_ref().expect("it is an exhibit");
        let Some(found) = &museum.found else {
            assert!(NOT_SOUGHT.iter().any(|(name, _)| *name == museum.exhibit), "{path}");
            continue;
        };
        for one in &runs {
            let run = one.run.as_ref().expect("an exhibit has runs");
            let settings = found.set.iter().chain(&run.set);
            let subject = Subject {
                scenario: Path::new(&found.by).to_path_buf(),
                run: None,
                settings: settings.map(|(path, value)| format!("{path}={value}")).collect(),
            };
            let experiment = Experiment::load(&subject, Some(found.seed));
            let experiment = experiment.unwrap_or_else(|mistake| panic!("{path}: {mistake}"));
            let outcome = experiment.run(Hosting::Bare, |_| {});
            let broken = broken(&outcome, run);
            let command = experiment.command();
            match &*run.name {
                "before" => {
                    let wanted = expected_broken(run);
                    let is_found = broken.iter().any(|promise| wanted.contains(&&**promise));
                    assert!(is_found, "{broken:?} instead of {wanted:?}\n{command}");
                }
                _ => assert!(broken.is_empty(), "{broken:?}\n{command}"),
            }
        }
    }
}

#[test]
fn a_run_of_an_exhibit_tells_its_story_and_names_the_switch() {
    let exhibits = exhibits();
    let [before, _] = &exhibits["scenarios/museum/r2-truncation-to-the-high-watermark.toml"][..]
    else {
        panic!("it has two runs");
    };
    let opening = series::opening(&before.scenario);
    assert!(opening.contains("Exhibit R2") && opening.contains("KAFKA-1211"), "{opening}");
    let told = series::one_of_several(before, &before.run(Hosting::Bare, |_| {}));
    for word in
        ["kafka.switches.truncation=high-watermark", "b3 is in the ISR", "violated", "--run before"]
    {
        assert!(told.contains(word), "{word} is missing:\n{told}");
    }
}
