//! Every scenario of Kafka under a quorum of voters, run once more under a ZooKeeper ensemble: as it expects, too.
//! Who keeps the metadata is no business of the data plane's promises.

mod in_parallel;

use in_parallel::in_parallel;
use klab::lab::cli::Subject;
use klab::lab::list;
use klab::wire::Span;
use klab::wire::config::{BrokerConfig, ConfigTable};
use klab::{Experiment, Hosting};
use std::collections::BTreeSet;

/// Scenarios that are about what ZooKeeper mode does not have, each with what that is.
const PASSED_OVER: &[(&str, &str)] = &[
    ("broker-lifecycle/clock-step.toml", "it steps the clock of a voter"),
    (
        "broker-lifecycle/unregistered.toml",
        "a registration that stays when its broker goes, until somebody removes it (UnregisterBroker)",
    ),
    (
        "durability/disk-replaced.toml",
        "the fencing of a broker that registers anew: in ZooKeeper mode nobody is fenced, and a session lives or not",
    ),
    ("metadata-quorum/controller-crash.toml", "elections of the metadata quorum"),
    ("metadata-quorum/leader-loses-quorum.toml", "elections of the metadata quorum"),
    ("metadata-quorum/quorum-lost.toml", "voters, which it names"),
    ("metadata-quorum/snapshot-for-a-latecomer.toml", "snapshots of the metadata log"),
    (
        "reassignment/cancelled.toml",
        "a reassignment to a broker that is down, which a controller of ZooKeeper mode refuses from the first",
    ),
    ("unclean-leader-election/eligible-leader-replicas.toml", "eligible leader replicas (KIP-966)"),
];

/// The scenarios of Kafka that say nothing of ZooKeeper; exhibits of the museum are about their release's control plane.
fn under_voters() -> Vec<Experiment> {
    let all = list::experiments().unwrap_or_else(|mistake| panic!("{mistake}"));
    let is_under_voters = |one: &Experiment| {
        let cluster = &one.scenario.cluster;
        !cluster.is_bare() && !cluster.is_in_zookeeper_mode() && one.scenario.museum.is_none()
    };
    all.into_iter().filter(is_under_voters).collect()
}

fn reason(experiment: &Experiment) -> Option<&'static str> {
    let is_it = |(path, _): &&(&str, &str)| experiment.path.ends_with(path);
    PASSED_OVER.iter().find(is_it).map(|(_, reason)| *reason)
}

/// The same under an ensemble that takes as long as the quorum does to notice that a broker is gone.
fn under_an_ensemble(experiment: &Experiment) -> Result<Experiment, String> {
    let config = experiment.scenario.cluster.config.iter();
    let release = experiment.scenario.kafka.release;
    let config = BrokerConfig::resolve(release, config).expect("it has been checked");
    let Span(session) = config.broker_session_timeout_ms;
    let subject = Subject {
        scenario: experiment.path.clone(),
        run: experiment.run.as_ref().map(|run| run.name.clone()),
        settings: vec![
            "cluster.controller.mode=zookeeper".into(),
            format!("broker.zookeeper.session.timeout.ms={}", session / 1_000_000),
            "zookeeper.tick-time=500ms".into(),
        ],
    };
    Experiment::load(&subject, None).map_err(|mistake| mistake.to_string())
}

/// What keeps it from being as it expects under an ensemble.
fn objection(experiment: &Experiment) -> Option<String> {
    let other = match under_an_ensemble(experiment) {
        Ok(other) => other,
        Err(mistake) => return Some(mistake),
    };
    match other.judge(Hosting::Bare).verdict.exit_code {
        0 => None,
        _ => {
            let read = other.run(Hosting::Bare, |_| {});
            Some(klab::lab::report::text::outcome(&other, &read))
        }
    }
}

#[test]
fn every_scenario_under_voters_is_as_it_expects_under_an_ensemble() {
    let all = under_voters();
    assert!(all.len() > 70, "{} scenarios", all.len());
    let held = all.into_iter().filter(|one| reason(one).is_none());
    let failures = in_parallel(held.collect::<Vec<_>>(), |one| {
        objection(&one).map(|text| format!("{}\n{text}", one.path.display()))
    });
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn whatever_is_passed_over_is_there_and_cannot_be_as_it_expects() {
    let passed_over: Vec<_> = under_voters().into_iter().filter(|o| reason(o).is_some()).collect();
    let paths: BTreeSet<_> = passed_over.iter().map(|one| one.path.clone()).collect();
    assert_eq!(paths.len(), PASSED_OVER.len());
    let as_expected = in_parallel(passed_over, |one| match objection(&one) {
        None => Some(one.path.display().to_string()),
        Some(_) => None,
    });
    assert!(as_expected.is_empty(), "why are these passed over? {as_expected:?}");
}
