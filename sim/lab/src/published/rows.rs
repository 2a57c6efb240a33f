//! The published rows as data: what was set, what was measured, and what is known of the difference. Whoever has
//! published more than one has a file: `rows_of_confluent`, `rows_of_zookeeper` and so on.

use super::measure::Quantity::{self, Consumed, Records};
use super::rows_of_clouds::{INSTACLUSTR_2022, VANLIGHTLY_2023};
use super::rows_of_confluent::CONFLUENT_2020;
use super::rows_of_control_plane::{CONFLUENT_2021, RAO_2015, RAO_2018, TIMEOUTS};
use super::rows_of_datastax::DATASTAX_2019;
use super::rows_of_kreps_2011::KREPS_2011;
use super::rows_of_pravega::PRAVEGA_2020;
use super::rows_of_single_figures::SINGLE_FIGURES;
use super::rows_of_streamnative::STREAMNATIVE_2020;
use super::rows_of_zab::ZAB_2011;
use super::rows_of_zookeeper::HUNT_2010;

/// A publication: one page.
#[derive(Clone, Copy, Debug)]
pub struct Publication {
    /// Its scenario below `scenarios/published/`, and its page below `reports/published/`.
    pub name: &'static str,
    /// What it is.
    pub title: &'static str,
    /// Where it stands.
    pub source: &'static str,
    /// What a reader has to know of how its rows are run.
    pub about: &'static str,
    /// Its rows.
    pub rows: &'static [Row],
    /// Why klab is off where it is, in sentences.
    pub misfits: &'static [&'static str],
    /// Published rows that klab does not run, and why, a sentence each.
    pub not_run: &'static [&'static str],
}

/// A measurement: some settings, and what came of them.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// What it is called.
    pub name: &'static str,
    /// The scenario, if it is not the publication's.
    pub scenario: Option<&'static str>,
    /// Settings over the scenario.
    pub settings: &'static [&'static str],
    /// How many seeds: the median counts.
    pub seeds: u64,
    /// What was measured.
    pub figures: &'static [Figure],
}

/// A number of a row.
#[derive(Clone, Copy, Debug)]
pub struct Figure {
    /// What it is a number of.
    pub quantity: Quantity,
    /// The published one, or what a law says.
    pub published: f64,
    /// Whether it chose a constant.
    pub role: Role,
}

/// What a number is evidence of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It chose a constant: no evidence.
    Fit,
    /// No constant knows it.
    Check,
    /// A law of queues or buffers, held against klab's own numbers.
    Law,
    /// Published is only that it stays below this.
    Bound,
    /// Published is only what comes of it beside its neighbours: more, as much, or less.
    Shape,
}

pub(super) const fn fit(quantity: Quantity, published: f64) -> Figure {
    Figure { quantity, published, role: Role::Fit }
}

pub(super) const fn check(quantity: Quantity, published: f64) -> Figure {
    Figure { quantity, published, role: Role::Check }
}

pub(super) const fn law(quantity: Quantity, says: f64) -> Figure {
    Figure { quantity, published: says, role: Role::Law }
}

pub(super) const fn below(quantity: Quantity, bound: f64) -> Figure {
    Figure { quantity, published: bound, role: Role::Bound }
}

pub(super) const fn shape(quantity: Quantity) -> Figure {
    Figure { quantity, published: f64::NAN, role: Role::Shape }
}

pub(super) const fn row(
    name: &'static str,
    settings: &'static [&'static str],
    figures: &'static [Figure],
) -> Row {
    Row { name, scenario: None, settings, seeds: 1, figures }
}

impl Row {
    /// The same, run by another scenario than the publication's.
    pub(super) const fn of(self, scenario: &'static str) -> Row {
        Row { scenario: Some(scenario), ..self }
    }

    /// The same over so many seeds.
    pub(super) const fn over(self, seeds: u64) -> Row {
        Row { seeds, ..self }
    }
}

/// Every publication.
pub const PUBLICATIONS: &[Publication] = &[
    KREPS_2011,
    KREPS_2014,
    PRAVEGA_2020,
    STREAMNATIVE_2020,
    CONFLUENT_2020,
    DATASTAX_2019,
    VANLIGHTLY_2023,
    INSTACLUSTR_2022,
    SINGLE_FIGURES,
    RAO_2015,
    RAO_2018,
    CONFLUENT_2021,
    TIMEOUTS,
    HUNT_2010,
    ZAB_2011,
];

const KREPS_2014: Publication = Publication {
    name: "kreps-2014",
    title: "Two million writes per second on three cheap machines",
    source: "Kreps, \"Benchmarking Apache Kafka: 2 Million Writes Per Second (On Three Cheap Machines)\", \
             LinkedIn 2014; its commands: gist c7ddb4041ef62a900e6c",
    about: "Three brokers with gigabit Ethernet and six spinning disks; 6 partitions, records of 100 bytes. The \
            commands set batch.size=8196 for acks=1, 64000 for acks=-1 and 128000 for the sizes. Followers could lag by \
            ten million records and count as in sync, so that acks=1 outruns replication: the row of three producers is \
            acknowledged at twice the rate at which three gigabit cards can replicate.",
    rows: &[
        row(
            "1 producer, no replication",
            &["run-for=5s", "topic.replication=1"],
            &[fit(Records, 821_557.0)],
        ),
        row("1 producer, replication 3, acks=1", &["run-for=5s"], &[fit(Records, 786_980.0)]),
        row(
            "1 producer, replication 3, acks=-1",
            &["run-for=6s", "producer.acks=all", "producer.batch.size=64000"],
            &[fit(Records, 421_823.0)],
        ),
        row(
            "3 producers, replication 3, acks=1",
            &["run-for=5s", "producer.count=3"],
            &[fit(Records, 2_024_032.0)],
        ),
        row(
            "1 consumer",
            &["run-for=10s", "producer.stop=6s", "consumer.start=6500ms"],
            &[check(Consumed, 940_521.0)],
        )
        .of("kreps-2014-consumer"),
        row(
            "records of 10 bytes: bound by the producer's processor",
            &["run-for=5s", "producer.record-size=25", "producer.batch.size=128000"],
            &[check(Records, 883_000.0)],
        ),
        row(
            "records of 1,000 bytes: bound by the card",
            &["run-for=5s", "producer.record-size=1015", "producer.batch.size=128000"],
            &[check(Records, 114_500.0)],
        ),
        row(
            "records of 10,000 bytes",
            &["run-for=5s", "producer.record-size=10015", "producer.batch.size=128000"],
            &[check(Records, 11_700.0)],
        ),
        row(
            "records of 100,000 bytes",
            &["run-for=5s", "producer.record-size=100015", "producer.batch.size=128000"],
            &[check(Records, 1_180.0)],
        ),
        row(
            "acks=-1, batches of 4,096 bytes",
            &["run-for=6s", "producer.acks=all", "producer.batch.size=4096"],
            &[check(Records, 174_000.0)],
        ),
        row(
            "acks=-1, batches of 8,196 bytes",
            &["run-for=6s", "producer.acks=all", "producer.batch.size=8196"],
            &[check(Records, 273_000.0)],
        ),
        row(
            "acks=-1, batches of 16,384 bytes",
            &["run-for=6s", "producer.acks=all", "producer.batch.size=16384"],
            &[check(Records, 355_000.0)],
        ),
        row(
            "acks=-1, batches of 128,000 bytes",
            &["run-for=6s", "producer.acks=all", "producer.batch.size=128000"],
            &[check(Records, 487_000.0)],
        ),
    ],
    misfits: &[
        "The sizes are a chart without numbers in the publication, and the batch sizes are not in it at all: the figures \
         beside klab's are those of an independent small simulation of the same mechanisms, which takes the text's word \
         that 10 bytes are bound by the processor and 100 and more by the network.",
        "acks=-1 is a little fast: a round of replication takes what its constants say, every time, and collections of the \
         producers are not in the model.",
    ],
    not_run: &[],
};
