//! The published rows of Pravega's authors, who held Kafka against their own system with the OpenMessaging benchmark.

use super::measure::Quantity::{Memory, PublishP95, Records, RecordsPerBatch};
use super::rows::{Publication, check, fit, law, row};

const FSYNC: &str = "broker.log.flush.interval.messages=1";

/// As many producers as are named, which together want a quarter of a million events a second.
macro_rules! wanted {
    ($name:literal, $partitions:literal, $producers:literal, $each:literal, $time:literal, [$($more:expr)?], [$($figure:expr),*]) => {
        row(
            $name,
            &[
                concat!("run-for=", $time),
                concat!("topic.partitions=", $partitions),
                concat!("producer.count=", $producers),
                concat!("producer.rate=", $each, "/s"),
                $($more)?
            ],
            &[$($figure),*],
        )
    };
}

/// One partition and so many producers that it is full: its records are counted.
macro_rules! saturated {
    ($name:literal, $producers:literal, $time:literal, [$($more:expr)?], [$($figure:expr),*]) => {
        row($name, &[
                concat!("run-for=", $time),
                "producer.rate=max",
                concat!("producer.count=", $producers),
                $($more)?
            ], &[$($figure),*]).of("pravega-2020-one-partition")
    };
}

pub(super) const PRAVEGA_2020: Publication = Publication {
    name: "pravega-2020",
    title: "A quarter of a million events per second into one, ten and a hundred partitions",
    source: "OpenMessaging runs by the authors of Pravega, 2020 and 2021: gists RaulGracia/6d26392558f87c4962cbca8bd1e74ad8 \
             and bd609e8a446667946d62343dc1c30c7f",
    about: "Events of 1 KB with random keys, 250,000 a second wanted, acks=all, batch.size=131072, linger.ms=1, 32 MiB of \
            buffer.memory for each producer. The instances are not named: the profile is that of the other runs, with four cores \
            for eight, which one row has chosen. Where a topic has one partition, keys do not matter, and the records are \
            counted; saturated runs of many producers send as fast as they can from the start, so that the buffers fill \
            within seconds. Elsewhere records come in bursts of a millisecond, as from the benchmark's rate limiter, which \
            sleeps for no less.",
    rows: &[
        wanted!(
            "1 partition, 1 producer",
            "1",
            "1",
            "250000",
            "6s",
            [],
            [fit(Records, 85_979.0), check(PublishP95, 384.0), law(Memory, 1.0)]
        ),
        saturated!(
            "1 partition, 50 producers",
            "50",
            "35s",
            [],
            [check(Records, 162_825.0), check(PublishP95, 9_945.0), law(Memory, 1.0)]
        ),
        saturated!(
            "1 partition, 100 producers",
            "100",
            "60s",
            [],
            [check(Records, 157_727.0), check(PublishP95, 20_511.0), law(Memory, 1.0)]
        ),
        wanted!(
            "10 partitions, 1 producer",
            "10",
            "1",
            "250000",
            "4s",
            [],
            [check(Records, 250_000.0), check(PublishP95, 4.6)]
        ),
        wanted!(
            "10 partitions, 50 producers",
            "10",
            "50",
            "5000",
            "4s",
            [],
            [check(Records, 250_000.0), fit(PublishP95, 13.6)]
        ),
        wanted!(
            "10 partitions, 100 producers",
            "10",
            "100",
            "2500",
            "3500ms",
            [],
            [check(Records, 250_000.0), check(PublishP95, 15.6)]
        ),
        wanted!(
            "100 partitions, 1 producer: 256 buffers, nearly one record in each",
            "100",
            "1",
            "250000",
            "4s",
            [],
            [fit(Records, 33_409.0), check(PublishP95, 12.6)]
        ),
        wanted!(
            "100 partitions, 50 producers",
            "100",
            "50",
            "5000",
            "3500ms",
            [],
            [check(Records, 250_000.0), check(PublishP95, 36.8)]
        ),
        wanted!(
            "100 partitions, 100 producers",
            "100",
            "100",
            "2500",
            "3s",
            [],
            [check(Records, 250_000.0), check(PublishP95, 43.3)]
        ),
        wanted!(
            "500 partitions, 1 producer",
            "500",
            "1",
            "250000",
            "4s",
            [],
            [check(PublishP95, 20.5)]
        ),
        wanted!(
            "500 partitions, 50 producers",
            "500",
            "50",
            "5000",
            "3s",
            [],
            [check(PublishP95, 67.3)]
        ),
        wanted!(
            "500 partitions, 100 producers",
            "500",
            "100",
            "2500",
            "3s",
            [],
            [check(PublishP95, 98.2)]
        ),
        wanted!(
            "fsync, 1 partition, 1 producer",
            "1",
            "1",
            "250000",
            "6s",
            [FSYNC],
            [check(Records, 50_637.0), check(PublishP95, 654.0)]
        ),
        saturated!(
            "fsync, 1 partition, 50 producers",
            "50",
            "40s",
            [FSYNC],
            [check(Records, 137_845.0), check(PublishP95, 11_714.0), law(Memory, 1.0)]
        ),
        saturated!(
            "fsync, 1 partition, 100 producers",
            "100",
            "70s",
            [FSYNC],
            [check(Records, 139_717.0), check(PublishP95, 23_083.0), law(Memory, 1.0)]
        ),
        wanted!(
            "fsync, 10 partitions, 1 producer",
            "10",
            "1",
            "250000",
            "6s",
            [FSYNC],
            [check(Records, 177_912.0), check(PublishP95, 1_492.0)]
        ),
        wanted!(
            "fsync, 10 partitions, 50 producers",
            "10",
            "50",
            "5000",
            "4s",
            [FSYNC],
            [check(Records, 250_000.0), check(PublishP95, 141.0)]
        ),
        wanted!(
            "fsync, 10 partitions, 100 producers",
            "10",
            "100",
            "2500",
            "4s",
            [FSYNC],
            [check(Records, 250_000.0), check(PublishP95, 259.0)]
        ),
        wanted!(
            "fsync, 100 partitions, 1 producer",
            "100",
            "1",
            "250000",
            "4s",
            [FSYNC],
            [check(Records, 9_671.0), check(PublishP95, 45.4)]
        ),
        wanted!(
            "fsync, 100 partitions, 50 producers",
            "100",
            "50",
            "5000",
            "4s",
            [FSYNC],
            [check(Records, 73_584.0), check(PublishP95, 323.0)]
        ),
        wanted!(
            "fsync, 100 partitions, 100 producers",
            "100",
            "100",
            "2500",
            "4s",
            [FSYNC],
            [check(Records, 86_463.0), check(PublishP95, 500.0)]
        ),
        wanted!(
            "fsync, 500 partitions, 1 producer",
            "500",
            "1",
            "250000",
            "4s",
            [FSYNC],
            [check(PublishP95, 57.3)]
        ),
        row(
            "linger: a batch has 1 + rate x linger records",
            &[
                "run-for=5s",
                "producer.rate=3000/s",
                "producer.burst-every=100us",
                "producer.linger.ms=5",
                "topic.partitions=3",
            ],
            &[law(RecordsPerBatch, 6.0)],
        ),
    ],
    misfits: &[
        "Ten partitions, one producer: a request of 115 KB takes klab's brokers longer than the millisecond in which \
         the next one comes, so that five of each connection wait for each other; the published 4.6 ms are those of \
         a run in which none waits. What the model charges for such a request is spread over the wire, the windows \
         and the hand-offs, and none of them alone makes the difference: hand-offs of 20 us give 10.0 ms, windows of \
         a third more at 130 us of wire give 8.6. Ten partitions, a hundred producers: the four cores are full; with \
         eight it is 8.4 ms.",
        "Four cores: with eight, as i3en.2xlarge have, the rows of fifty producers come to 3 and 4 ms in place of \
         the published 13.6 and 36.8, and a hundred partitions with one producer to 39,000 records a second in place \
         of 33,409. One number for all rows brings all of these near, and those of five hundred partitions, which \
         nobody had looked at when it was chosen; no other was tried, and nobody knows that it is true.",
        "One partition: requests beyond the first wait at their producer but for what the broker's socket takes, so \
         that one connection is a little slow, and many are as fast as the followers' windows let them, which is a \
         little fast.",
        "fsync with one partition, a fifth too slow with one producer as with a hundred: the disk writes a batch at \
         the 327 MB/s that it has in the long run. At 2 GB/s for such bursts (--set \
         hardware.disk-bytes-per-second=2000000000) one producer comes to 51,700 records a second and a P95 of 630 \
         ms, where 50,637 and 654 are published: flash that has a buffer, which klab's disks have not.",
        "fsync with ten partitions and one producer: the published P95 of 1.5 s is more than its producer's 32 MiB \
         hold at 178,000 a second, 0.19 s: some partitions waited far longer than others. klab's are all alike.",
        "fsync with a hundred partitions: fsyncs that wait for a disk share one commit of its journal, as they do in \
         ext4 and XFS; before, each had its own, and klab was up to a third slower. What is left is the leader's: a \
         request handler fsyncs the partitions of a request one after the other.",
    ],
    not_run: &[
        "500 partitions, events a second, and 500 partitions with fsync and 50 or 100 producers: not published.",
    ],
};
