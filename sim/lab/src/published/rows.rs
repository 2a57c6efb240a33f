//! The published rows as data: what was set, what was measured, and what is known of the difference. ZooKeeper's are in
//! `rows_of_zookeeper`.

use super::measure::Quantity::{
    self, Consumed, EndToEndP50, EndToEndP95, EndToEndP99, Megabytes, Memory, PublishMean,
    PublishP50, PublishP95, PublishP99, PublishP999, Records, RecordsPerBatch,
};
use super::rows_of_zookeeper::{HUNT_2010, ZAB_2011};

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
}

pub(super) const fn fit(quantity: Quantity, published: f64) -> Figure {
    Figure { quantity, published, role: Role::Fit }
}

pub(super) const fn check(quantity: Quantity, published: f64) -> Figure {
    Figure { quantity, published, role: Role::Check }
}

const fn law(quantity: Quantity, says: f64) -> Figure {
    Figure { quantity, published: says, role: Role::Law }
}

pub(super) const fn row(
    name: &'static str,
    settings: &'static [&'static str],
    figures: &'static [Figure],
) -> Row {
    Row { name, scenario: None, settings, seeds: 1, figures }
}

/// Every publication.
pub const PUBLICATIONS: &[Publication] = &[
    KREPS_2014,
    PRAVEGA_2020,
    STREAMNATIVE_2020,
    CONFLUENT_2020,
    DATASTAX_2019,
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
        Row {
            name: "1 consumer",
            scenario: Some("kreps-2014-consumer"),
            settings: &["run-for=10s", "producer.stop=6s", "consumer.start=6500ms"],
            seeds: 1,
            figures: &[check(Consumed, 940_521.0)],
        },
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
};

const PRAVEGA_2020: Publication = Publication {
    name: "pravega-2020",
    title: "A quarter of a million events per second into one, ten and a hundred partitions",
    source: "OpenMessaging runs by the authors of Pravega, 2020 and 2021: gists RaulGracia/6d26392558f87c4962cbca8bd1e74ad8 \
             and bd609e8a446667946d62343dc1c30c7f",
    about: "Events of 1 KB with random keys, 250,000 a second wanted, acks=all, batch.size=131072, linger.ms=1, 32 MiB of \
            buffer.memory for each producer. The instances are not named: the profile is that of the other runs. Where a \
            topic has one partition, keys do not matter, and the records are counted; saturated runs of many producers \
            send as fast as they can from the start, so that the buffers fill within seconds.",
    rows: &[
        row(
            "1 partition, 1 producer",
            &["run-for=6s", "topic.partitions=1", "producer.rate=250000/s"],
            &[fit(Records, 85_979.0), check(PublishP95, 384.0), law(Memory, 1.0)],
        ),
        Row {
            name: "1 partition, 50 producers",
            scenario: Some("pravega-2020-one-partition"),
            settings: &["run-for=35s", "producer.rate=max", "producer.count=50"],
            seeds: 1,
            figures: &[check(Records, 162_825.0), check(PublishP95, 9_945.0), law(Memory, 1.0)],
        },
        Row {
            name: "1 partition, 100 producers",
            scenario: Some("pravega-2020-one-partition"),
            settings: &["run-for=60s", "producer.rate=max", "producer.count=100"],
            seeds: 1,
            figures: &[check(Records, 157_727.0), check(PublishP95, 20_511.0), law(Memory, 1.0)],
        },
        row(
            "10 partitions, 1 producer",
            &["run-for=4s", "producer.rate=250000/s"],
            &[check(Records, 250_000.0), check(PublishP95, 4.6)],
        ),
        row(
            "10 partitions, 50 producers",
            &["run-for=4s", "producer.rate=5000/s", "producer.count=50"],
            &[check(Records, 250_000.0), check(PublishP95, 13.6)],
        ),
        row(
            "100 partitions, 1 producer: 256 buffers, nearly one record in each",
            &["run-for=4s", "producer.rate=250000/s", "topic.partitions=100"],
            &[fit(Records, 33_409.0), check(PublishP95, 12.6)],
        ),
        row(
            "100 partitions, 50 producers",
            &[
                "run-for=3500ms",
                "producer.rate=5000/s",
                "producer.count=50",
                "topic.partitions=100",
            ],
            &[check(Records, 250_000.0), check(PublishP95, 36.8)],
        ),
        row(
            "fsync, 1 partition, 1 producer",
            &[
                "run-for=6s",
                "topic.partitions=1",
                "producer.rate=250000/s",
                "broker.log.flush.interval.messages=1",
            ],
            &[check(Records, 50_637.0), check(PublishP95, 654.0)],
        ),
        row(
            "fsync, 100 partitions, 1 producer",
            &[
                "run-for=4s",
                "producer.rate=250000/s",
                "topic.partitions=100",
                "broker.log.flush.interval.messages=1",
            ],
            &[check(Records, 9_671.0), check(PublishP95, 45.4)],
        ),
        row(
            "linger: a batch has 1 + rate x linger records",
            &["run-for=5s", "producer.rate=3000/s", "producer.linger.ms=5", "topic.partitions=3"],
            &[law(RecordsPerBatch, 6.0)],
        ),
    ],
    misfits: &[
        "Ten partitions: the runs do not tell their instances, and p95 of a few milliseconds depends on every wait of the \
         system. With one producer klab is slower, because what is published hides the pause of a millisecond between \
         OMB's bursts; with fifty it is faster, because nothing disturbs fifty clients on hosts of their own.",
        "A hundred partitions, one producer: the law of the 256 buffers holds (throughput times latency is what 256 batches \
         hold), but klab's batches hold 1.3 records where the published throughput wants one, and its latency is shorter. \
         This row chose the cost of a partition in a request (25 us); a higher one would fit it better and every row with \
         few partitions worse.",
        "A hundred partitions, fifty producers: a quarter of a million batches of one record a second use most of the \
         brokers' cores in klab too, but its queues in front of them stay short: arrivals are even, and threads wake up \
         without a delay of their own.",
        "fsync: one constant for every disk of every run; the disks of these runs are not known.",
    ],
};

const STREAMNATIVE_2020: Publication = Publication {
    name: "streamnative-2020",
    title: "The most that three brokers take over one, a hundred and two thousand partitions",
    source: "StreamNative, \"Benchmarking Pulsar and Kafka: the full report\", 2020; github.com/streamnative/openmessaging-benchmark",
    about: "Three i3en.2xlarge with two disks of 327 MB/s each, records of 1 KB, batches of 1 MB that linger for 10 ms, \
            num.replica.fetchers=8. One partition lives on one disk.",
    rows: &[
        row(
            "1 partition, 1 producer, acks=1",
            &["run-for=6s", "topic.partitions=1", "producer.rate=max", "producer.acks=1"],
            &[check(Megabytes, 230.0)],
        ),
        row(
            "1 partition, 2 producers, acks=1",
            &[
                "run-for=6s",
                "topic.partitions=1",
                "producer.rate=max",
                "producer.acks=1",
                "producer.count=2",
            ],
            &[check(Megabytes, 300.0)],
        ),
        row(
            "1 partition, 1 producer, acks=all",
            &["run-for=6s", "topic.partitions=1", "producer.rate=max"],
            &[check(Megabytes, 100.0)],
        ),
        row(
            "1 partition, 2 producers, acks=all",
            &["run-for=6s", "topic.partitions=1", "producer.rate=max", "producer.count=2"],
            &[check(Megabytes, 160.0)],
        ),
        row(
            "1 partition, 2 producers, acks=all, fsync",
            &[
                "run-for=6s",
                "topic.partitions=1",
                "producer.rate=max",
                "producer.count=2",
                "broker.log.flush.interval.messages=1",
            ],
            &[check(Megabytes, 160.0)],
        ),
        row(
            "100 partitions, 2 producers, acks=all",
            &["run-for=6s", "producer.rate=max", "producer.count=2"],
            &[check(Megabytes, 605.0)],
        ),
        row(
            "100 partitions, 2 producers, acks=all, fsync",
            &[
                "run-for=6s",
                "producer.rate=max",
                "producer.count=2",
                "broker.log.flush.interval.messages=1",
            ],
            &[check(Megabytes, 420.0)],
        ),
        row(
            "2,000 partitions, 2 producers, acks=all",
            &["run-for=6s", "topic.partitions=2000", "producer.rate=max", "producer.count=2"],
            &[check(Megabytes, 300.0)],
        ),
        row(
            "2,000 partitions, 4 producers, acks=all",
            &["run-for=6s", "topic.partitions=2000", "producer.rate=max", "producer.count=4"],
            &[check(Megabytes, 600.0)],
        ),
        Row {
            name: "latency at 200,000 a second, 100 partitions, acks=1",
            scenario: Some("confluent-2020"),
            settings: &["run-for=20s", "producer.rate=50000/s", "producer.acks=1"],
            seeds: 1,
            figures: &[check(PublishP50, 1.62), check(PublishP99, 3.06), check(PublishP999, 9.91)],
        },
        Row {
            name: "latency at 200,000 a second, 100 partitions, acks=all",
            scenario: Some("confluent-2020"),
            settings: &["run-for=28s", "producer.rate=50000/s"],
            seeds: 1,
            figures: &[
                check(PublishMean, 3.01),
                check(PublishP50, 2.77),
                check(PublishP99, 8.47),
                check(PublishP999, 15.57),
            ],
        },
    ],
    misfits: &[
        "One producer on one partition: OMB's client loses time of its own (its rate limiter, its histogram) that the \
         profile's producer does not know; with two of them the rows fit.",
        "2,000 partitions, 2 producers: the published run is bound by its producers' memory, at a latency of 200 ms; klab's \
         latency there is less than half of that, and so its throughput higher. What a broker pays for touching two \
         thousand files in turn is not in the model (page cache and index pages of each log, rolling segments).",
        "The report contradicts itself: 1 partition with acks=all is 180 in its table and about 160 in its text, and 100 \
         partitions with fsync is 420 in the table and 500 to 600 in one paragraph.",
    ],
};

const CONFLUENT_2020: Publication = Publication {
    name: "confluent-2020",
    title: "The time that a record takes at 200,000 a second, and the most there can be",
    source: "Confluent's OpenMessaging runs, 2020: github.com/confluentinc/openmessaging-benchmark @5b96f19, blog/results/kafka",
    about: "Three i3en.2xlarge, 100 partitions, four producers and four consumers, records of 1 KB, acks=all with \
            min.insync.replicas=2. For latency batches of 128 KiB that linger for 1 ms, for throughput of 1 MB that \
            linger for 10 ms.",
    rows: &[
        Row {
            name: "200,000 a second",
            scenario: None,
            settings: &["run-for=28s", "producer.rate=50000/s"],
            seeds: 3,
            figures: &[
                check(Records, 200_076.0),
                check(PublishP50, 2.146),
                check(PublishP95, 3.479),
                fit(PublishP99, 4.349),
                fit(PublishP999, 17.4),
                check(EndToEndP50, 3.004),
                check(EndToEndP95, 4.349),
                check(EndToEndP99, 5.434),
            ],
        },
        row(
            "as many as possible",
            &[
                "run-for=7s",
                "producer.rate=max",
                "producer.batch.size=1048576",
                "producer.linger.ms=10",
                "producer.max.request.size=10485760",
            ],
            &[check(Megabytes, 634.0), check(PublishP50, 69.0), check(PublishP99, 1_522.0)],
        ),
    ],
    misfits: &[
        "The peak's latency: in saturation latency is buffer memory over throughput, and klab's four producers share the \
         brokers evenly. The published percentiles spread from 69 ms to seconds: a real disk writes back in bursts of \
         gigabytes, klab's at a steady pace above a small limit.",
        "p99 of the fixed rate is where collections of the three brokers begin to count. How often they come is one \
         constant for all runs, and a run of seconds sees one or two.",
    ],
};

const DATASTAX_2019: Publication = Publication {
    name: "datastax-2019",
    title: "What an fsync after every append costs with one, six and sixteen partitions",
    source: "Bartholomew, OpenMessaging runs, 2019: gists cdbartholomew/cc4e5315, 6d073be4, 60c36c79, a1cfe698",
    about: "50,000 records of 100 bytes a second, every append flushed (log.flush.interval.messages=1). The fsyncs of one \
            disk wait for each other, of the leader's appends as of the followers'.",
    rows: &[
        row(
            "1 partition",
            &["run-for=6s", "producer.rate=50000/s", "topic.partitions=1"],
            &[fit(PublishMean, 6.65), fit(PublishP50, 6.75), check(PublishP95, 8.03)],
        ),
        row(
            "6 partitions",
            &["run-for=6s", "producer.rate=50000/s", "topic.partitions=6"],
            &[fit(PublishMean, 11.13), fit(PublishP50, 10.82), check(PublishP95, 12.08)],
        ),
        row(
            "16 partitions",
            &["run-for=6s", "producer.rate=50000/s", "topic.partitions=16"],
            &[fit(PublishMean, 18.45), fit(PublishP50, 17.94), check(PublishP95, 22.08)],
        ),
        row(
            "6 partitions, no fsync",
            &[
                "run-for=6s",
                "producer.rate=50000/s",
                "topic.partitions=6",
                "broker.log.flush.interval.messages=9223372036854775807",
            ],
            &[check(PublishP50, 3.66), check(PublishP95, 7.47)],
        ),
    ],
    misfits: &[
        "The gists do not name the servers' disks or the number of clients: one producer and one constant for an fsync \
         stand for them.",
        "Six partitions lie below the published line: klab spreads them over two disks of each broker.",
    ],
};
