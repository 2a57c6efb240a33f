//! No false alarm: whatever the deployment, the load and the faults, no promise is violated.
//!
//! Every number is a plan: a deployment of 1 to 7 brokers, its load, and random faults of which each plan enables some
//! (Groce et al., "Swarm testing", ISSTA 2012). Every plan is run with a metadata quorum and with a ZooKeeper ensemble
//! of as many servers, where an administrator moves replicas, creates and deletes a topic meanwhile, and with a quorum on
//! hardware that takes time. The gate runs the first plans and holds their tables against `reports/judge/no-false-alarm.md`. More of them, and the other tables of
//! that page:
//!
//!     KLAB_PLANS=20000 cargo test --test no_false_alarm -- --nocapture
//!     KLAB_PLANS=1107..1108 cargo test --test no_false_alarm zookeeper
//!
//! A failure prints the smallest plan that still fails, as a scenario, with its seed.

mod in_parallel;
mod table_of_plans;
mod wanted;

use in_parallel::in_parallel;
use klab::{Experiment, Hosting, Judged};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use std::fmt::Write;
use std::ops::Range;
use std::sync::Mutex;
use table_of_plans::{Table, hold, is_alarm};

/// How many plans the gate runs with a quorum.
const OF_THE_GATE: u64 = 160;

/// And with an ensemble.
const OF_THE_GATE_WITH_ZOOKEEPER: u64 = 60;

/// And with a quorum, on hardware that takes time.
const OF_THE_GATE_ON_HARDWARE: u64 = 60;

/// How many simpler plans are tried for one that fails.
const SIMPLER: u32 = 60;

#[test]
fn no_promise_is_violated_whatever_the_deployment_and_the_faults() {
    run_all(Mode::Kraft, OF_THE_GATE);
}

#[test]
fn no_promise_is_violated_with_zookeeper_either() {
    run_all(Mode::ZooKeeper, OF_THE_GATE_WITH_ZOOKEEPER);
}

#[test]
fn no_promise_is_violated_on_hardware_that_takes_time() {
    run_all(Mode::OnHardware, OF_THE_GATE_ON_HARDWARE);
}

fn run_all(mode: Mode, of_the_gate: u64) {
    let wanted = wanted::plans("KLAB_PLANS");
    let (table, failures) = run(mode, wanted.clone().unwrap_or(0..of_the_gate));
    hold(&table, &failures, wanted.is_none());
}

/// Runs plans on all cores.
fn run(mode: Mode, plans: Range<u64>) -> (String, Vec<String>) {
    let table = Mutex::new(Table::new("acks"));
    let failures = in_parallel(plans, |number| {
        let mut tree = tree(mode, number);
        let plan = tree.current();
        let outcome = plan.run();
        table.lock().expect("nobody panics while holding it").count(plan.acks, &outcome);
        let failure = is_alarm(&outcome).then(|| smallest(tree.as_mut(), number))?;
        println!("{failure}");
        Some(failure)
    });
    (table.into_inner().expect("as above").to_string(), failures)
}

/// The plan of a number, with the simpler ones that it can be shrunk to.
fn tree(mode: Mode, number: u64) -> Box<dyn ValueTree<Value = Plan>> {
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&number.to_le_bytes());
    let random = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
    let mut runner = TestRunner::new_with_rng(Config::default(), random);
    plans(mode).boxed().new_tree(&mut runner).expect("every plan can be made")
}

/// Looks for the simplest plan that still fails.
fn smallest(tree: &mut dyn ValueTree<Value = Plan>, number: u64) -> String {
    let mut worst = tree.current();
    for _ in 0..SIMPLER {
        let plan = tree.current();
        let goes_on = match is_alarm(&plan.run()) {
            true => {
                worst = plan;
                tree.simplify()
            }
            false => tree.complicate(),
        };
        if !goes_on {
            break;
        }
    }
    let experiment = worst.experiment();
    let outcome = experiment.run(Hosting::Bare, |_| {});
    let text = klab::lab::report::text::outcome(&experiment, &outcome);
    format!("plan {number}, made smaller, with seed {}:\n{}\n{text}", worst.seed, worst.scenario())
}

/// Who keeps the metadata, and what everything costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Kraft,
    ZooKeeper,
    /// With a quorum, on three cheap machines or in the cloud, by the plan's seed.
    OnHardware,
}

/// A deployment, its load and its random faults.
#[derive(Clone, Debug)]
struct Plan {
    mode: Mode,
    brokers: u16,
    voters: u16,
    combined: bool,
    partitions: u32,
    replication: u16,
    min_insync_replicas: u16,
    settings: Vec<Setting>,
    acks: &'static str,
    idempotence: bool,
    rate: u32,
    families: Vec<&'static str>,
    every_ms: u32,
    loss_ppm: u32,
    seed: u64,
    errands: Vec<(u32, Errand)>,
}

/// What an administrator does at a time, in milliseconds.
#[derive(Clone, Debug)]
enum Errand {
    /// A partition's replicas shall be on these brokers, as far as there are such.
    Reassign(u32, Vec<u16>),
    /// Where a partition's replicas are, they shall be.
    Cancel(u32),
    /// The other topic comes into being.
    Create,
    /// It goes.
    Delete,
}

/// A config that makes a difference to what is promised, or to how much goes on.
type Setting = (Scope, &'static str, &'static str);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scope {
    Broker,
    Topic,
    Producer,
}

const SETTINGS: &[Setting] = &[
    (Scope::Broker, "unclean.leader.election.enable", "true"),
    (Scope::Broker, "auto.leader.rebalance.enable", "false"),
    (Scope::Broker, "num.replica.fetchers", "3"),
    (Scope::Broker, "max.incremental.fetch.session.cache.slots", "1"),
    (Scope::Broker, "metadata.log.max.record.bytes.between.snapshots", "3000"),
    (Scope::Broker, "replica.high.watermark.checkpoint.interval.ms", "500"),
    (Scope::Topic, "flush.messages", "1"),
    (Scope::Topic, "segment.bytes", "20000"),
    (Scope::Topic, "retention.bytes", "20000"),
    (Scope::Producer, "max.in.flight.requests.per.connection", "1"),
    (Scope::Producer, "linger.ms", "50"),
    (Scope::Producer, "batch.size", "300"),
];

const FAMILIES: &[&str] = &[
    "crash",
    "power-cut",
    "shutdown",
    "pause",
    "cut",
    "isolate",
    "slow-link",
    "slow-host",
    "slow-disk",
    "clock-step",
];

fn plans(mode: Mode) -> impl Strategy<Value = Plan> {
    let deployment = (1..=7u16, 1..=5u16, any::<bool>(), 1..=4u32);
    let replication = (1..=5u16, 1..=3u16);
    let settings = proptest::sample::subsequence(SETTINGS, 0..=4);
    let load = (prop_oneof![Just("0"), Just("1"), Just("all")], any::<bool>(), 5..=60u32);
    let faults = (
        proptest::sample::subsequence(FAMILIES, 0..=FAMILIES.len()),
        700..=6000u32,
        prop_oneof![Just(0u32), 1..=20_000u32],
    );
    let errands = match mode {
        Mode::Kraft | Mode::OnHardware => 0..=0,
        Mode::ZooKeeper => 0..=6,
    };
    let errands = proptest::collection::vec((6_000..22_000u32, errand()), errands);
    (deployment, replication, settings, load, faults, any::<u32>(), errands).prop_map(
        move |(
            (brokers, voters, combined, partitions),
            (replication, min_insync_replicas),
            settings,
            (acks, idempotence, rate),
            (families, every_ms, loss_ppm),
            seed,
            errands,
        )| {
            let replication = replication.min(brokers);
            Plan {
                mode,
                brokers,
                voters: if combined { voters.min(brokers) } else { voters },
                combined,
                partitions,
                replication,
                min_insync_replicas: min_insync_replicas.min(replication),
                settings,
                acks,
                idempotence: idempotence && acks == "all",
                rate,
                families,
                every_ms,
                loss_ppm,
                seed: u64::from(seed),
                errands,
            }
        },
    )
}

fn errand() -> impl Strategy<Value = Errand> {
    let brokers = Just((1..=7u16).collect::<Vec<_>>()).prop_shuffle();
    prop_oneof![
        4 => (0..4u32, brokers, 1..=5usize).prop_map(|(partition, mut brokers, replicas)| {
            // The first ones are there in every deployment that has as many.
            brokers.sort_by_key(|broker| *broker > 5);
            brokers.truncate(replicas);
            Errand::Reassign(partition, brokers)
        }),
        1 => (0..4u32).prop_map(Errand::Cancel),
        1 => Just(Errand::Create),
        1 => Just(Errand::Delete),
    ]
}

impl Plan {
    fn experiment(&self) -> Experiment {
        Experiment::parse("random.toml", &self.scenario(), Some(self.seed))
            .unwrap_or_else(|mistake| panic!("{mistake}"))
    }

    fn run(&self) -> Judged {
        self.experiment().judge(Hosting::Bare)
    }

    /// The settings of a scope, as entries behind others of an inline table.
    fn settings(&self, wanted: Scope) -> String {
        let wanted = self.settings.iter().filter(|(scope, ..)| *scope == wanted);
        wanted.map(|(_, name, value)| format!(", \"{name}\" = {value}")).collect()
    }

    fn controller(&self) -> String {
        let Plan { mode, voters, combined, .. } = self;
        match mode {
            Mode::Kraft | Mode::OnHardware => {
                format!(r#"{{ mode = "kraft", voters = {voters}, combined = {combined} }}"#)
            }
            Mode::ZooKeeper => format!(r#"{{ mode = "zookeeper", servers = {voters} }}"#),
        }
    }

    /// The session of a broker, as its mode has it.
    const fn session(&self) -> &'static str {
        match self.mode {
            Mode::Kraft | Mode::OnHardware => {
                r#""broker.session.timeout.ms" = 3000, "broker.heartbeat.interval.ms" = 500"#
            }
            Mode::ZooKeeper => r#""zookeeper.session.timeout.ms" = 6000"#,
        }
    }

    fn scenario(&self) -> String {
        let Plan { brokers, partitions, replication, .. } = self;
        let (controller, session) = (self.controller(), self.session());
        let Plan { min_insync_replicas, acks, idempotence, rate, every_ms, loss_ppm, .. } = self;
        let [broker, topic, producer] =
            [Scope::Broker, Scope::Topic, Scope::Producer].map(|scope| self.settings(scope));
        // A topic that was deleted stays so until the administrator creates it.
        let auto = match self.errands.is_empty() {
            true => "",
            false => r#", "auto.create.topics.enable" = false"#,
        };
        let mut text = format!(
            r#"title   = "A random deployment under random faults"
concept = "recovery"
run-for = "25s"

[cluster]
brokers    = {brokers}
controller = {controller}
config     = {{ {session}, "replica.lag.time.max.ms" = 3000{auto}{broker} }}

[network]
loss = "{}.{:04}%"

[[topic]]
name        = "orders"
partitions  = {partitions}
replication = {replication}
config      = {{ "min.insync.replicas" = {min_insync_replicas}{topic} }}

[[producer]]
count  = 2
topic  = "orders"
rate   = "{rate}/s"
keys   = {{ count = 20 }}
config = {{ "acks" = "{acks}", "enable.idempotence" = {idempotence}, "request.timeout.ms" = 3000, "delivery.timeout.ms" = 12000{producer} }}

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
            let families = &self.families;
            let _ = write!(
                text,
                "\n[[nemesis]]\nfamilies = {families:?}\nnodes    = \"all\"\nevery    = \"{every_ms}ms\"\nfrom     = \"5s\"\nswarm    = true\n",
            );
        }
        if self.mode == Mode::OnHardware {
            let profile = ["three-cheap-machines", "cloud-nvme"][self.seed as usize % 2];
            let _ = write!(text, "\n[hardware]\nprofile = \"{profile}\"\n");
        }
        self.write_errands(&mut text).expect("a string takes everything");
        text
    }

    /// What the administrator does, and the other topic if he has to do with it.
    fn write_errands(&self, text: &mut String) -> std::fmt::Result {
        let Plan { brokers, partitions, replication, acks, .. } = self;
        if self.errands.iter().any(|(_, errand)| matches!(errand, Errand::Create | Errand::Delete))
        {
            write!(
                text,
                r#"
[[topic]]
name        = "payments"
partitions  = 2
replication = {replication}

[[producer]]
topic  = "payments"
rate   = "10/s"
config = {{ "acks" = "{acks}", "enable.idempotence" = false, "request.timeout.ms" = 3000, "delivery.timeout.ms" = 12000, "max.block.ms" = 5000 }}
"#
            )?;
        }
        for (at, errand) in &self.errands {
            write!(text, "\n[[at]]\ntime = \"{at}ms\"\n")?;
            match errand {
                Errand::Reassign(partition, wanted) => {
                    let there = wanted.iter().filter(|broker| *broker <= brokers);
                    let mut replicas: Vec<String> = there.map(|one| format!("b{one}")).collect();
                    if replicas.is_empty() {
                        replicas.push("b1".into());
                    }
                    let partition = partition % partitions;
                    writeln!(
                        text,
                        "reassign = {{ partitions = {{ orders-{partition} = {replicas:?} }} }}"
                    )?;
                }
                Errand::Cancel(partition) => {
                    let partition = partition % partitions;
                    writeln!(text, "reassign = {{ partitions = {{ orders-{partition} = [] }} }}")?;
                }
                Errand::Create => writeln!(
                    text,
                    "create-topic = {{ name = \"payments\", partitions = 2, replication = {replication} }}"
                )?,
                Errand::Delete => writeln!(text, "delete-topic = \"payments\"")?,
            }
        }
        Ok(())
    }
}
