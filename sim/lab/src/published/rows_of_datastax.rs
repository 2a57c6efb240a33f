//! The published rows of DataStax: what an fsync after every append costs.

use super::measure::Quantity::{PublishMean, PublishP50, PublishP95, PublishP99, PublishP999};
use super::rows::{Publication, check, fit, row};

pub(super) const DATASTAX_2019: Publication = Publication {
    name: "datastax-2019",
    title: "What an fsync after every append costs with one, six and sixteen partitions",
    source: "Bartholomew, OpenMessaging runs, 2019: gists cdbartholomew/cc4e5315, 6d073be4, 60c36c79, a1cfe698",
    about: "50,000 records of 100 bytes a second, every append flushed (log.flush.interval.messages=1). The fsyncs of one \
            disk wait for each other, of the leader's appends as of the followers'.",
    rows: &[
        row(
            "1 partition",
            &["run-for=10s", "producer.rate=50000/s", "topic.partitions=1"],
            &[
                fit(PublishMean, 6.65),
                fit(PublishP50, 6.75),
                check(PublishP95, 8.03),
                check(PublishP99, 8.64),
                check(PublishP999, 22.4),
            ],
        ),
        row(
            "6 partitions",
            &["run-for=10s", "producer.rate=50000/s", "topic.partitions=6"],
            &[
                fit(PublishMean, 11.13),
                fit(PublishP50, 10.82),
                check(PublishP95, 12.08),
                check(PublishP99, 13.5),
                check(PublishP999, 132.0),
            ],
        ),
        row(
            "16 partitions",
            &["run-for=10s", "producer.rate=50000/s", "topic.partitions=16"],
            &[
                fit(PublishMean, 18.45),
                fit(PublishP50, 17.94),
                check(PublishP95, 22.08),
                check(PublishP99, 23.4),
                check(PublishP999, 124.0),
            ],
        ),
        row(
            "6 partitions, no fsync",
            &[
                "run-for=10s",
                "producer.rate=50000/s",
                "topic.partitions=6",
                "broker.log.flush.interval.messages=9223372036854775807",
            ],
            &[
                check(PublishMean, 4.48),
                check(PublishP50, 3.66),
                check(PublishP95, 7.47),
                check(PublishP99, 8.35),
                check(PublishP999, 139.0),
            ],
        ),
    ],
    misfits: &[
        "The gists do not name the servers' disks or the number of clients: one producer and one constant for an \
         fsync stand for them.",
        "Without fsync everything between 0 and 8 ms is about as frequent in the published run: its mean and its \
         median are half of its p95, and p99 is hardly more than that. So it looks where a producer waits 7 ms for a \
         batch to fill: with linger.ms=7 in place of 1 klab has 4.7 ms in the mean and in the median, 7.9 at p95 and \
         8.0 at p99. But then one partition with fsync has a median of 5.5 ms and a p95 of 8.6, further apart than \
         the published 6.75 and 8.03. A longer wire does not explain it either: 400 us one way (--set \
         hardware.wire-ns=400000) give 7.2 ms here, but 10.9 with one partition and fsync. The gists' driver is not \
         told, and 1 ms is the benchmark's own.",
        "p99.9: 120 to 140 ms in three runs of four are pauses of one of the processes, as of a collector with other \
         settings; klab's brokers pause for 10 to 20 ms.",
    ],
    not_run: &[],
};
