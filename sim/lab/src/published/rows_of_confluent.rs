//! The published rows of Confluent's OpenMessaging runs.

use super::measure::Quantity::{
    EndToEndMax, EndToEndP50, EndToEndP95, EndToEndP99, EndToEndP999, EndToEndP9999, Megabytes,
    PublishMax, PublishP50, PublishP75, PublishP95, PublishP99, PublishP999, PublishP9999, Records,
};
use super::rows::{Publication, check, fit, row};

/// As many records as possible, of batches of 1 MB that linger for 10 ms.
macro_rules! peak {
    ($name:literal, [$($more:literal)?], [$($figure:expr),*]) => {
        row($name, &[
                "run-for=30s",
                "producer.rate=max",
                "producer.batch.size=1048576",
                "producer.linger.ms=10",
                "producer.max.request.size=10485760",
                $($more)?
            ], &[$($figure),*]).over(3)
    };
}

pub(super) const CONFLUENT_2020: Publication = Publication {
    name: "confluent-2020",
    title: "The time that a record takes at 200,000 a second, and the most there can be",
    source: "Confluent's OpenMessaging runs, 2020: github.com/confluentinc/openmessaging-benchmark @5b96f19, blog/results/kafka",
    about: "Three i3en.2xlarge, 100 partitions, four producers and four consumers, records of 1 KB, acks=all with \
            min.insync.replicas=2. For latency batches of 128 KiB that linger for 1 ms, for throughput of 1 MB that \
            linger for 10 ms. Producers of Kafka 2.6 choose another partition for every new batch (KIP-480), and the \
            benchmark's rate limiter sleeps for no less than a millisecond, so that records come in bursts of one.",
    rows: &[
        row(
            "200,000 a second",
            &["run-for=28s", "producer.rate=50000/s"],
            &[
                check(Records, 200_076.0),
                fit(PublishP50, 2.146),
                check(PublishP75, 2.420),
                check(PublishP95, 3.479),
                fit(PublishP99, 4.349),
                fit(PublishP999, 17.4),
                check(PublishP9999, 65.9),
                check(PublishMax, 94.0),
                check(EndToEndP50, 3.004),
                check(EndToEndP95, 4.349),
                check(EndToEndP99, 5.434),
                check(EndToEndP999, 18.3),
                check(EndToEndP9999, 67.5),
                check(EndToEndMax, 96.0),
            ],
        )
        .over(3),
        peak!(
            "as many as possible",
            [],
            [
                check(Megabytes, 634.0),
                check(PublishP50, 69.0),
                check(PublishP75, 246.0),
                check(PublishP95, 879.0),
                check(PublishP99, 1_522.0),
                check(PublishP999, 2_470.0),
                check(PublishP9999, 3_699.0),
                check(PublishMax, 4_856.0),
                check(EndToEndP50, 100.0),
                check(EndToEndP95, 911.0),
                check(EndToEndP99, 1_553.0),
                check(EndToEndP999, 2_500.0),
                check(EndToEndP9999, 3_723.0),
                check(EndToEndMax, 4_860.0)
            ]
        ),
        peak!(
            "as many as possible, fsync",
            ["broker.log.flush.interval.messages=1"],
            [
                check(Records, 590_550.0),
                check(PublishP50, 88.0),
                check(PublishP75, 260.0),
                check(PublishP95, 866.0),
                check(PublishP99, 1_463.0),
                check(PublishP999, 2_341.0),
                check(PublishP9999, 3_243.0),
                check(PublishMax, 5_065.0),
                check(EndToEndP50, 119.0),
                check(EndToEndP95, 898.0),
                check(EndToEndP99, 1_500.0),
                check(EndToEndP999, 2_372.0),
                check(EndToEndP9999, 3_273.0),
                check(EndToEndMax, 5_080.0)
            ]
        ),
    ],
    misfits: &[
        "The peak: the disks are the limit, and whoever appends is paused, each thread at the same rate, whatever it has \
         to write. A replica fetcher with five partitions falls behind one with four; what is sent to those partitions \
         fills the producers' memory, and everything else goes through quickly: hence a median of a hundred milliseconds \
         beside a p99 of a second. What had been wrong here before: threads that shared the disk by the byte (p99 of 0.28 \
         s), a partitioner of a later release, which avoids slow partitions (0.76 s), and batches that it leaves two \
         thirds full. klab's limit of dirty pages is far smaller than a real one: with 2 GB it gives 44, 670 and 808 ms. \
         With eleven fetchers for thirty-three partitions, so that none has more than another, p99 is 909 ms: chance does \
         most of it.",
        "What is left of the tail: a real journal and a real device queue hold up single writers for seconds when a \
         disk is full of write-back; klab's stalls come once in ten minutes.",
        "The peak with fsync: the published cluster loses a twentieth of its peak to fsyncs, klab's a quarter. It is \
         not the fsync itself (with hardware.fsync-ns=0 it is 511,000 a second) nor the number of threads (16 \
         fetchers or 16 request handlers change 2 %): every batch of 1 MB has to be on a disk of 327 MB/s at the \
         leader before a follower that waits is told, and at the followers before the acknowledgement, so that a \
         connection, which has one request in service, waits for two disks one after the other. All batches then \
         fare alike: the median is three times the published one, and the tail is short.",
        "p99 and p99.9 of the fixed rate are collections of the three brokers. How often they come is one constant \
         for all runs. p99.99 and the maximum are stalls of a disk, which klab has about once in ten minutes for \
         each of its six: a run of half a minute rarely has one. They stand here to say so.",
    ],
    not_run: &[
        "The fixed rate by windows of ten seconds (p99 of 4.2 ms in the median of 60 windows, 54.6 in the worst): \
         klab's runs have two such windows.",
        "Pulsar's 305 and RabbitMQ's 38 MB/s: klab is a model of Kafka.",
    ],
};
