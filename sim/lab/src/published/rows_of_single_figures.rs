//! Published figures that stand alone: of sources that have one or two each.

use super::measure::Quantity::{BytesPerBatch, Megabytes, PublishMean, Records};
use super::rows::{Publication, below, check, fit, row, shape};

pub(super) const SINGLE_FIGURES: Publication = Publication {
    name: "single-figures",
    title: "Single figures of four sources",
    source: "G-Research on librdkafka; a gist of an OpenMessaging run, 2025; Confluent's course on Kafka's internals; Rao, \"How to \
             choose the number of topics/partitions in a Kafka cluster?\", Confluent 2015",
    about: "Nobody says what servers the first three were measured on: cloud-nvme's stand for them, so that a misfit may be the \
            servers'. G-Research: klab's producer is Java's, with librdkafka's defaults for a batch and for how long it lingers. \
            OpenMessaging: batches of 1 MiB that linger for 1 ms; 342,000 to 503,000 records a second are published, and their mean \
            stands here. The course: what a batch comes to on the average; its records' size is not told, a kilobyte stands for it. \
            Rao: brokers of three-cheap-machines that replicate a thousand partitions to one other broker, or spread over ten. He \
            gives what that adds to a record's time, 20 ms and a few; one partition alone takes about one.",
    rows: &[
        row(
            "librdkafka, 1 process, 1 partition, acks=all, 100 bytes",
            &[
                "run-for=6s",
                "topic.partitions=1",
                "producer.rate=max",
                "producer.linger.ms=5",
                "producer.batch.size=1000000",
            ],
            &[check(Megabytes, 57.0)],
        ),
        row(
            "OpenMessaging 2025, 10 partitions, 1 producer, acks=all, 100 bytes",
            &[
                "run-for=6s",
                "topic.partitions=10",
                "producer.rate=max",
                "producer.linger.ms=1",
                "producer.batch.size=1048576",
            ],
            &[check(Records, 420_000.0)],
        ),
        row(
            "Confluent's course: 200 records a second, linger 0",
            &[
                "run-for=30s",
                "topic.partitions=1",
                "producer.rate=200/s",
                "producer.record-size=1000",
                "producer.linger.ms=0",
                "producer.batch.size=300000",
            ],
            &[check(BytesPerBatch, 1_215.0), shape(PublishMean)],
        ),
        row(
            "Confluent's course: 200 records a second, linger 1,500 ms",
            &[
                "run-for=30s",
                "topic.partitions=1",
                "producer.rate=200/s",
                "producer.record-size=1000",
                "producer.linger.ms=1500",
                "producer.batch.size=300000",
            ],
            &[check(BytesPerBatch, 275_000.0), shape(PublishMean)],
        ),
        row(
            "Rao: 1 partition from one broker to another",
            &["run-for=10s", "topic.partitions=1"],
            &[shape(PublishMean)],
        )
        .of("rao-2015-replication"),
        row(
            "Rao: 1,000 partitions from each broker to the other",
            &["run-for=10s", "topic.partitions=2000"],
            &[fit(PublishMean, 20.0)],
        )
        .of("rao-2015-replication"),
        row(
            "Rao: 900 partitions from each broker, spread over ten others",
            &["run-for=20s", "topic.partitions=9900", "cluster.brokers=11"],
            &[below(PublishMean, 5.0)],
        )
        .of("rao-2015-replication"),
    ],
    misfits: &[
        "OpenMessaging 2025: klab's producer is its own limit, at 1.6 us for each record of 100 bytes; the published one takes 2.0 \
         to 2.9. The benchmark's worker does more for a record than a bare producer (it measures each, and asks its rate \
         limiter), and its processor is not known.",
        "Rao: the 20 ms chose a constant of the profile, 10 us for a partition of a fetch, twice for each round; that ten brokers \
         share them, and how much is left, did not.",
    ],
    not_run: &[
        "G-Research, 32 processes into 32 partitions, 1.28 GB/s: with replication that is more than six disks of cloud-nvme take, and \
         neither the number nor the kind of the brokers is told.",
        "Allegro, 300,000 messages a second with a p99.9 of 3 s on ext4 and 82 % fewer slow requests on XFS: klab's file system \
         has one journal for all, and stalls of it come by chance; no model of the one or of the other is in it.",
        "Confluent, \"99th percentile latency at scale\", and what is published of queueing models (HPCC 2019, MASCOTS 2025): \
         no number is given that could stand beside one of klab's.",
    ],
};
