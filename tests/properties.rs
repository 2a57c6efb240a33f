//! Properties over scenarios: whatever the deployment, the load and the faults, no promise is violated.
//!
//! A failure prints the smallest scenario that still fails, as a file, with its seed.

use klab::check::Outcome as Verdict;
use klab::{Experiment, Hosting};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// A deployment, its load and its random faults.
#[derive(Clone, Debug)]
struct Plan {
    brokers: u16,
    voters: u16,
    combined: bool,
    partitions: u32,
    replication: u16,
    min_insync_replicas: u16,
    acks: &'static str,
    idempotence: bool,
    rate: u32,
    families: Vec<&'static str>,
    every_ms: u32,
    loss_ppm: u32,
    seed: u64,
}

const FAMILIES: &[&str] = &[
    "crash",
    "power-cut",
    "shutdown",
    "pause",
    "cut",
    "isolate",
    "slow-link",
    "slow-disk",
    "clock-step",
];

fn plans() -> impl Strategy<Value = Plan> {
    let deployment = (1..=5u16, prop_oneof![Just(1u16), Just(3), Just(5)], any::<bool>(), 1..=4u32);
    let replication = (1..=3u16, 1..=2u16);
    let load = (prop_oneof![Just("0"), Just("1"), Just("all")], any::<bool>(), 5..=60u32);
    let faults = (
        proptest::sample::subsequence(FAMILIES, 0..=FAMILIES.len()),
        700..=6000u32,
        prop_oneof![Just(0u32), 1..=20_000u32],
    );
    (deployment, replication, load, faults, any::<u32>()).prop_map(
        |(
            (brokers, voters, combined, partitions),
            (replication, min_insync_replicas),
            (acks, idempotence, rate),
            (families, every_ms, loss_ppm),
            seed,
        )| {
            let replication = replication.min(brokers);
            Plan {
                brokers,
                voters: if combined { voters.min(brokers) } else { voters },
                combined,
                partitions,
                replication,
                min_insync_replicas: min_insync_replicas.min(replication),
                acks,
                idempotence: idempotence && acks == "all",
                rate,
                families,
                every_ms,
                loss_ppm,
                seed: u64::from(seed),
            }
        },
    )
}

impl Plan {
    fn scenario(&self) -> String {
        let Plan { brokers, voters, combined, partitions, replication, .. } = self;
        let Plan { min_insync_replicas, acks, idempotence, rate, every_ms, loss_ppm, .. } = self;
        let mut text = format!(
            r#"title   = "A random deployment under random faults"
concept = "recovery"
run-for = "25s"

[cluster]
brokers    = {brokers}
controller = {{ mode = "kraft", voters = {voters}, combined = {combined} }}
config     = {{ "min.insync.replicas" = {min_insync_replicas}, "broker.session.timeout.ms" = 3000, "broker.heartbeat.interval.ms" = 500, "replica.lag.time.max.ms" = 3000 }}

[network]
loss = "{}.{:04}%"

[[topic]]
name        = "orders"
partitions  = {partitions}
replication = {replication}

[[producer]]
count  = 2
topic  = "orders"
rate   = "{rate}/s"
keys   = {{ count = 20 }}
config = {{ "acks" = "{acks}", "enable.idempotence" = {idempotence}, "request.timeout.ms" = 3000, "delivery.timeout.ms" = 12000 }}

[[consumer]]
topic  = "orders"
from   = "earliest"
config = {{ "auto.offset.reset" = "earliest" }}

[[expect]]
always = "one-leader-per-epoch"

[[expect]]
sometimes = "PartitionCreated"

[heal]
converge-within = "120s"
"#,
            loss_ppm / 10_000,
            loss_ppm % 10_000,
        );
        if !self.families.is_empty() {
            text.push_str(&format!(
                "\n[[nemesis]]\nfamilies = {:?}\nnodes    = \"all\"\nevery    = \"{every_ms}ms\"\nfrom     = \"5s\"\nswarm    = true\n",
                self.families
            ));
        }
        text
    }
}

#[test]
fn no_promise_is_violated_whatever_the_deployment_and_the_faults() {
    let config = Config { cases: 120, failure_persistence: None, ..Config::default() };
    // Seeded: the gate must not find today what it did not find yesterday. `klab explore` hunts.
    let random = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let mut runner = TestRunner::new_with_rng(config, random);
    let result = runner.run(&plans(), |plan| {
        let experiment = Experiment::parse("random.toml", &plan.scenario(), Some(plan.seed))
            .unwrap_or_else(|mistake| panic!("{mistake}"));
        let outcome = experiment.judge(Hosting::Bare);
        let bad = matches!(outcome.verdict.outcome, Verdict::Violated | Verdict::NotConverged);
        prop_assert!(
            !bad,
            "seed {}\n{}\n{}",
            plan.seed,
            plan.scenario(),
            klab::lab::report::text::outcome(&experiment, &outcome)
        );
        Ok(())
    });
    if let Err(failure) = result {
        panic!("{failure}");
    }
}
