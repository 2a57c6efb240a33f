//! Every file of `scenarios/`: as it expects, twice the same, caged as bare, and as it was before.

mod in_parallel;

use in_parallel::in_parallel;
use klab::lab::{fingerprints, list};
use klab::machine::Fact;
use klab::machine::trace::What;
use klab::{Experiment, Hosting};
use std::collections::BTreeSet;
use std::sync::Mutex;

fn experiments() -> Vec<Experiment> {
    let experiments = list::experiments().unwrap_or_else(|mistake| panic!("{mistake}"));
    assert!(experiments.len() >= 25, "the scenarios are found");
    experiments
}

/// Holds a claim against every scenario, on all cores, and reports every scenario that it fails for.
fn for_each(claim: impl Fn(&Experiment) -> Result<(), String> + Sync) {
    let failures = in_parallel(experiments(), |experiment| {
        let failure = claim(&experiment).err()?;
        Some(format!("{}\n{failure}", experiment.command()))
    });
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn every_scenario_is_as_it_expects() {
    for_each(|experiment| {
        let outcome = experiment.judge(Hosting::Bare);
        match outcome.verdict.exit_code {
            0 => Ok(()),
            _ => {
                let read = experiment.run(Hosting::Bare, |_| {});
                Err(klab::lab::report::text::outcome(experiment, &read))
            }
        }
    });
}

#[test]
fn every_scenario_runs_in_the_cage_as_it_does_in_the_open() {
    for_each(|experiment| {
        let [bare, caged] =
            [Hosting::Bare, Hosting::Caged].map(|hosting| experiment.run(hosting, |_| {}));
        match bare.fingerprint == caged.fingerprint {
            true => Ok(()),
            false => Err(format!("bare {}, caged {}", bare.fingerprint(), caged.fingerprint())),
        }
    });
}

#[test]
fn every_scenario_has_the_fingerprint_that_the_repository_remembers() {
    let golden = include_str!("fingerprints.txt");
    let table = fingerprints::table().unwrap_or_else(|mistake| panic!("{mistake}"));
    let changed = fingerprints::changes(golden, &table);
    assert!(
        changed.is_empty(),
        "klab fingerprints > tests/fingerprints.txt, and say why: {changed:#?}"
    );
}

/// Facts that no scenario brings about, each with the reason.
const UNSEEN: &[(&str, &str)] = &[
    (
        "FetchingGivenUp",
        "a leader must come back without its tail and lead on in the same epoch; random plans find that once in thousands",
    ),
    (
        "ReassignmentResumed",
        "a controller of ZooKeeper mode must fall while replicas move; random plans find that",
    ),
    (
        "BrokerLearnedItIsFenced",
        "a controller unfences a broker in its answer to the first heartbeat, if it has caught up",
    ),
];

#[test]
fn every_fact_is_seen_in_some_scenario() {
    let seen = Mutex::new(BTreeSet::new());
    for_each(|experiment| {
        let mut names = BTreeSet::new();
        experiment.run(Hosting::Bare, |entry| {
            if let What::Fact(fact) = &entry.what {
                names.insert(fact.name());
            }
        });
        seen.lock().expect("nobody panics while holding it").extend(names);
        Ok(())
    });
    let seen = seen.into_inner().expect("as above");
    let unseen: BTreeSet<&str> = Fact::names().filter(|name| !seen.contains(name)).collect();
    let known: BTreeSet<&str> = UNSEEN.iter().map(|(name, _)| *name).collect();
    assert_eq!(unseen, known, "facts that are never stated are dead, or lack their scenario");
}

#[test]
fn every_scenario_lies_in_the_folder_of_its_concept() {
    for experiment in experiments() {
        let folder = experiment.path.parent().and_then(|path| path.file_name());
        let folder = folder.expect("a scenario lies in a folder").to_string_lossy().into_owned();
        // The museum's exhibits are about many concepts.
        let is_museum = experiment.path.starts_with("scenarios/museum");
        let is_at_home =
            is_museum || folder == "scenarios" || folder == experiment.scenario.concept;
        assert!(
            is_at_home,
            "{} is about {}",
            experiment.path.display(),
            experiment.scenario.concept
        );
    }
}

#[test]
fn a_scenario_read_from_its_own_print_is_the_same() {
    for experiment in experiments() {
        let printed = experiment.scenario.to_string();
        let again = Experiment::parse("printed.toml", &printed, None);
        let again =
            again.unwrap_or_else(|mistake| panic!("{}\n{mistake}", experiment.path.display()));
        assert_eq!(again.scenario, experiment.scenario, "{}", experiment.path.display());
    }
}
