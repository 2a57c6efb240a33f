//! The published rows of StreamNative, who held Kafka against Pulsar with the OpenMessaging benchmark.

use super::measure::Quantity::{
    ConsumedMegabytes, EndToEndP99, Megabytes, PublishMean, PublishP50, PublishP99, PublishP999,
};
use super::rows::{Figure, Publication, Row, check, fit, row};

const FSYNC: &str = "broker.log.flush.interval.messages=1";

/// As many records as possible.
macro_rules! most {
    ($name:literal, $partitions:literal, $producers:literal, $time:literal, [$($more:expr)?], [$($figure:expr),*]) => {
        row(
            $name,
            &[
                concat!("run-for=", $time),
                concat!("topic.partitions=", $partitions),
                "producer.rate=max",
                concat!("producer.count=", $producers),
                $($more)?
            ],
            &[$($figure),*],
        )
    };
}

/// 200,000 records a second, with Confluent's load or one like it.
const fn paced(
    name: &'static str,
    scenario: &'static str,
    settings: &'static [&'static str],
    figures: &'static [Figure],
) -> Row {
    row(name, settings, figures).of(scenario)
}

pub(super) const STREAMNATIVE_2020: Publication = Publication {
    name: "streamnative-2020",
    title: "The most that three brokers take over one, a hundred and two thousand partitions",
    source: "StreamNative, \"Benchmarking Pulsar and Kafka: the full report\", 2020; github.com/streamnative/openmessaging-benchmark",
    about: "Three i3en.2xlarge with two disks of 327 MB/s each, records of 1 KB, batches of 1 MB that linger for 10 ms, \
            num.replica.fetchers=8. One partition lives on one disk. The rows of latency have Confluent's load, on 100 and on \
            8,000 partitions; one of them chose the cost of a partition in a fetch session (4 us).",
    rows: &[
        most!(
            "1 partition, 1 producer, acks=1",
            "1",
            "1",
            "6s",
            ["producer.acks=1"],
            [check(Megabytes, 230.0)]
        ),
        most!(
            "1 partition, 2 producers, acks=1",
            "1",
            "2",
            "15s",
            ["producer.acks=1"],
            [check(Megabytes, 300.0)]
        ),
        most!("1 partition, 1 producer, acks=all", "1", "1", "6s", [], [check(Megabytes, 100.0)]),
        most!(
            "1 partition, 2 producers, acks=all (160 in the text, 180 in the table)",
            "1",
            "2",
            "6s",
            [],
            [check(Megabytes, 160.0), check(Megabytes, 180.0)]
        ),
        most!(
            "1 partition, 2 producers, acks=all, fsync",
            "1",
            "2",
            "6s",
            [FSYNC],
            [check(Megabytes, 160.0)]
        ),
        most!(
            "100 partitions, 2 producers, acks=all",
            "100",
            "2",
            "15s",
            [],
            [check(Megabytes, 605.0)]
        ),
        most!(
            "100 partitions, 2 producers, acks=all, fsync",
            "100",
            "2",
            "6s",
            [FSYNC],
            [check(Megabytes, 420.0)]
        ),
        most!(
            "2,000 partitions, 2 producers, acks=all",
            "2000",
            "2",
            "15s",
            [],
            [check(Megabytes, 300.0), check(PublishMean, 200.0), check(PublishP99, 1_200.0)]
        ),
        most!(
            "2,000 partitions, 2 producers, acks=all, fsync",
            "2000",
            "2",
            "8s",
            [FSYNC],
            [check(Megabytes, 300.0)]
        ),
        most!(
            "2,000 partitions, 4 producers, acks=all",
            "2000",
            "4",
            "15s",
            [],
            [check(Megabytes, 600.0)]
        ),
        paced(
            "latency at 200,000 a second, 100 partitions, acks=1",
            "confluent-2020",
            &["run-for=20s", "producer.rate=50000/s", "producer.acks=1"],
            &[
                check(PublishMean, 1.74),
                check(PublishP50, 1.62),
                check(PublishP99, 3.06),
                check(PublishP999, 9.91),
            ],
        ),
        paced(
            "latency at 200,000 a second, 100 partitions, acks=1, fsync",
            "confluent-2020",
            &["run-for=12s", "producer.rate=50000/s", "producer.acks=1", FSYNC],
            &[check(PublishP50, 1.99), check(PublishP99, 11.4)],
        ),
        paced(
            "latency at 200,000 a second, 100 partitions, acks=all",
            "confluent-2020",
            &["run-for=28s", "producer.rate=50000/s"],
            &[
                check(PublishMean, 3.01),
                check(PublishP50, 2.77),
                check(PublishP99, 8.47),
                check(PublishP999, 15.57),
                check(EndToEndP99, 10.4),
            ],
        ),
        paced(
            "latency at 200,000 a second, 100 partitions, acks=all, fsync",
            "confluent-2020",
            &["run-for=12s", "producer.rate=50000/s", FSYNC],
            &[
                check(PublishMean, 9.84),
                check(PublishP50, 5.71),
                check(PublishP99, 58.8),
                check(PublishP999, 164.0),
            ],
        ),
        paced(
            "latency at 200,000 a second, 8,000 partitions, acks=1",
            "confluent-2020",
            &["run-for=12s", "producer.rate=50000/s", "producer.acks=1", "topic.partitions=8000"],
            &[
                check(PublishMean, 6.84),
                fit(PublishP50, 4.32),
                check(PublishP99, 34.2),
                check(PublishP999, 46.3),
            ],
        ),
        paced(
            "latency at 200,000 a second, 8,000 partitions, acks=all",
            "confluent-2020",
            &["run-for=12s", "producer.rate=50000/s", "topic.partitions=8000"],
            &[
                check(PublishMean, 138.2),
                check(PublishP50, 42.5),
                check(PublishP99, 1_165.0),
                check(PublishP999, 2_008.0),
            ],
        ),
        paced(
            "latency at 200,000 a second, 8,000 partitions, acks=all, fsync",
            "confluent-2020",
            &["run-for=12s", "producer.rate=50000/s", "topic.partitions=8000", FSYNC],
            &[
                check(PublishMean, 283.5),
                check(PublishP50, 124.8),
                check(PublishP99, 1_742.0),
                check(PublishP999, 2_730.0),
            ],
        ),
        paced(
            "ten consumer groups, 100 partitions, acks=1",
            "streamnative-2020-ten-groups",
            &["run-for=8s", "producer.rate=50000/s", "producer.acks=1"],
            &[check(PublishP50, 1.9), check(PublishP99, 6.35)],
        ),
        paced(
            "ten consumer groups, 100 partitions, acks=all",
            "streamnative-2020-ten-groups",
            &["run-for=8s", "producer.rate=50000/s"],
            &[check(PublishP50, 17.6), check(PublishP99, 1_281.0)],
        ),
        paced(
            "readers at the tail and far behind, acks=1",
            "streamnative-2020-mixed",
            &["run-for=16s", "producer.rate=50000/s", "producer.acks=1"],
            &[check(PublishP99, 9.5)],
        ),
        paced(
            "readers at the tail and far behind, acks=all",
            "streamnative-2020-mixed",
            &["run-for=16s", "producer.rate=50000/s"],
            &[check(PublishP99, 1_015.0)],
        ),
        paced(
            "readers at the tail and far behind, acks=1, fsync",
            "streamnative-2020-mixed",
            &["run-for=16s", "producer.rate=50000/s", "producer.acks=1", FSYNC],
            &[check(PublishP99, 13.5)],
        ),
        paced(
            "readers at the tail and far behind, acks=all, fsync",
            "streamnative-2020-mixed",
            &["run-for=16s", "producer.rate=50000/s", FSYNC],
            &[check(PublishP99, 2_091.0)],
        ),
        row(
            "reading what is on the disks",
            &["run-for=10s", "producer.rate=max", "producer.stop=6s", "consumer.start=6500ms"],
            &[check(ConsumedMegabytes, 1_000.0)],
        )
        .of("streamnative-2020-catch-up"),
    ],
    misfits: &[
        "2,000 partitions, two producers: the published run is bound by its producers' memory at a latency of 200 \
         ms, klab's by its disks at half of that. What was tried: four times the cost of each partition in a request \
         changes nothing, so that it is not the brokers' processors; records spread over all partitions come to 162 \
         MB/s, but within 14 ms, so that it is not the batches; ten times the cost of a look at a fetch session \
         (--set hardware.fetch-session-partition-ns=40000), or one replica fetcher in place of eight (--set \
         broker.num.replica.fetchers=1), come near. So it is in the followers' rounds, and at 2,000 partitions they \
         cost what klab gives them at ten times as many.",
        "8,000 partitions: the wall is there, and at its place: with acks=all the median is 20 times what it is at \
         100 partitions, because every fetch looks at all partitions of its session, once when it comes and once \
         when it is answered, by the thread that appends. Beyond the wall klab's queue is even; the published one \
         has second-long tails, in which a real cluster's ISRs and collectors may have their part.",
        "p99 at 100 partitions, on the way to the acknowledgement as to the consumer: StreamNative's and Confluent's \
         runs of the same load on the same instances have 8.47 and 4.35 ms; klab cannot be near both.",
        "fsync with one partition: klab's disk takes 3 ms for a batch of 1 MB, at the leader and then at the \
         followers, at the 327 MB/s that it writes in the long run. With a disk that takes such bursts at 2 GB/s \
         (--set hardware.disk-bytes-per-second=2000000000) the row comes to 151 MB/s, within 6 % of the published \
         one: flash that has a buffer, which klab's disks have not.",
        "fsync at 200,000 a second: means and medians are of the published size since fsyncs that wait for a disk \
         share one commit of its journal, as they do in ext4 and XFS; before, each had its own, and klab was twice \
         as slow. The published p99 is ten times the median and more, as with everything in this report that comes \
         near to the disks; klab's is two or three times, because each of its fsyncs takes the same time.",
        "Ten consumer groups: the median of acks=all, nearly ten times that of acks=1, comes out without a constant \
         of its own: what ten groups read leaves through the same cards and the same threads that the followers \
         need. The second-long p99 does not.",
        "Readers far behind: klab's disks are a third busy with them, and its writers hardly notice. In Kafka cold \
         records are read by the network thread that sends them (sendfile, KAFKA-7504), and every connection of that \
         thread waits for the disk: produce requests, followers' fetches and their answers. klab has a request \
         handler wait, of which there are eight, and an even queue at the disk.",
        "Reading what is on the disks: klab comes to less than half. An answer of tens of megabytes is read from \
         its disk as a whole before any of it leaves, and a consumer has one fetch at each broker under way; a \
         real system reads ahead while it sends.",
    ],
    not_run: &[
        "Pulsar's figures: klab is a model of Kafka.",
        "1 partition, 1 producer, fsync: the table has no figure.",
        "100 partitions with fsync, 500 to 600 MB/s: one paragraph of the report has that in place of the table's \
         420, and swaps it with the row without fsync.",
    ],
};
