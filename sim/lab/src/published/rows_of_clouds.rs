//! The published rows of runs on other cloud servers than cloud-nvme's: Vanlightly's and Instaclustr's. What the
//! servers are, their scenarios say; nothing else of the profile differs.

use super::measure::Quantity::{ConsumedMegabytes, Megabytes, PublishP99, Records};
use super::rows::{Publication, below, check, fit, row, shape};

/// Records with keys for 288 partitions, by so many producers that together want so many a second.
macro_rules! keyed {
    ($name:literal, $producers:literal, $each:literal, [$($figure:expr),*]) => {
        row(
            $name,
            &[
                "run-for=3200ms",
                concat!("producer.count=", $producers),
                concat!("producer.rate=", $each, "/s"),
                "producer.keys={ count = 100000 }",
            ],
            &[$($figure),*],
        )
    };
}

pub(super) const VANLIGHTLY_2023: Publication = Publication {
    name: "vanlightly-2023",
    title: "The most that three brokers with fast disks take, and what keys make of it",
    source: "Vanlightly, \"Kafka vs Redpanda performance\", parts 2, 4 and 5, May 2023: jack-vanlightly.com",
    about: "Three i3en.6xlarge: 24 vCPU, two NVMe disks of about 1 GB/s each and a card of 25 Gb/s stand in the scenario \
            for cloud-nvme's; everything else is the profile's. Records of 1 KB, acks=1, replication 3, 288 partitions; \
            batches of 128 KiB that linger for 1 ms, as in the benchmark's driver.",
    rows: &[
        row(
            "10 producers, 10 consumers, 1,900 MB/s wanted",
            &["run-for=8s", "producer.rate=185547/s", "producer.count=10", "consumer.count=10"],
            &[check(ConsumedMegabytes, 1_900.0), shape(PublishP99)],
        ),
        row(
            "10 producers, 10 consumers, 2,250 MB/s wanted",
            &["run-for=8s", "producer.rate=219727/s", "producer.count=10", "consumer.count=10"],
            &[below(ConsumedMegabytes, 2_000.0), shape(PublishP99)],
        ),
        keyed!("keys, 4 producers, 1 GB/s wanted", "4", "244141", [below(Megabytes, 1_000.0)]),
        keyed!("keys, 50 producers, 1 GB/s wanted", "50", "19531", [below(Megabytes, 1_000.0)]),
        keyed!("keys, 100 producers, 1 GB/s wanted", "100", "9766", [below(Megabytes, 1_000.0)]),
        keyed!("keys, 400 producers, 1 GB/s wanted", "400", "2441", [below(Megabytes, 1_000.0)]),
        keyed!("keys, 4 producers, 500 MB/s wanted", "4", "122070", [below(Megabytes, 500.0)]),
        keyed!(
            "keys, 50 producers, 500 MB/s wanted",
            "50",
            "9800",
            [below(Megabytes, 500.0), shape(PublishP99)]
        ),
        keyed!(
            "keys, 100 producers, 500 MB/s wanted",
            "100",
            "4883",
            [check(Megabytes, 500.0), shape(PublishP99)]
        ),
    ],
    misfits: &[
        "Without keys the two disks of each broker are the limit, as published: 1,900 MB/s keep them busy all but a twentieth of \
         the time. With more than they take, acks=1 acknowledges what followers never catch up with: consumers get less than at \
         1,900, and less the more is wanted, because leaders take the disks from followers.",
        "With keys nobody comes to 1 GB/s here either, but klab carries more than the published cluster: 50 producers are enough \
         for 500 MB/s, where about a hundred are said to be needed. What bounds klab's are the eight \
         request handlers of each broker, busy all the time while half of the 24 vCPU are idle: num.io.threads=8 is taken over \
         from other runs of the benchmark, as are the number of partitions without keys and the producers' settings.",
    ],
    not_run: &[
        "Redpanda's figures (1,400 MB/s; 330 MB/s with keys): klab is a model of Kafka.",
        "Runs with TLS: klab has none.",
    ],
};

/// As many messages as possible into so many partitions, from producers that fill one batch after the other.
macro_rules! sticky {
    ($name:literal, $partitions:literal, $mode:literal, [$($figure:expr),*]) => {
        row(
            concat!($name, ", ", $mode),
            &[
                "run-for=5s",
                concat!("topic.partitions=", $partitions),
                concat!("cluster.controller.mode=", $mode),
                "producer.rate=max",
                "producer.count=3",
            ],
            &[$($figure),*],
        )
    };
}

/// The same from producers that give each partition a record in turn.
macro_rules! in_turn {
    ($name:literal, $partitions:literal) => {
        row(
            concat!($name, " partitions, kraft, records in turn"),
            &[
                "run-for=4s",
                concat!("topic.partitions=", $partitions),
                "producer.rate=max",
                "producer.count=3",
                "producer.partitioner.class=RoundRobinPartitioner",
            ],
            &[shape(Records)],
        )
    };
}

pub(super) const INSTACLUSTR_2022: Publication = Publication {
    name: "instaclustr-2022",
    title: "Messages of eight bytes into more and more partitions, on three small brokers",
    source: "Brebner, \"Apache Kafka KRaft abandons the zoo(keeper)\", parts 1 to 3, Instaclustr 2022",
    about: "Three r6g.large: two vCPU stand in the scenario for cloud-nvme's eight cores; everything else is the profile's. \
            Kafka 3.1, acks=all, messages of eight bytes, as from Kafka's own performance test. Published is a chart: about two \
            million messages a second at a hundred partitions, less from about a thousand on, and the same with ZooKeeper as \
            with KRaft. The number of producers is not told: three of klab's send two million a second, so that the height of \
            the peak is no evidence, only its shape.",
    rows: &[
        sticky!("1 partition", "1", "kraft", [shape(Records)]),
        sticky!("10 partitions", "10", "kraft", [shape(Records)]),
        sticky!("100 partitions", "100", "kraft", [fit(Records, 2_000_000.0), shape(PublishP99)]),
        sticky!(
            "100 partitions",
            "100",
            "zookeeper",
            [fit(Records, 2_000_000.0), shape(PublishP99)]
        ),
        sticky!("1,000 partitions", "1000", "kraft", [shape(Records), shape(PublishP99)]),
        sticky!("9,900 partitions", "9900", "kraft", [shape(Records), shape(PublishP99)]),
        in_turn!("10", "10"),
        in_turn!("100", "100"),
        in_turn!("1,000", "1000"),
        in_turn!("5,000", "5000"),
    ],
    misfits: &[
        "The fall: producers of Kafka 3.1 fill one batch after the other whatever the number of partitions, and klab's are their \
         own limit at every number of them. What falls is how long a record takes, forty times as long at ten thousand \
         partitions as at a hundred, with the brokers' two cores nine tenths busy. Where records go to partitions in turn the \
         published shape is there: least at ten partitions, where three connections wait for their followers with small requests, \
         most at a hundred, a little less at a thousand, and little more than half at five thousand, bound by the brokers' \
         cores. The published producers may have been more, or have had keys.",
        "One partition is as fast as a hundred here, because a batch of eight-byte messages holds a thousand of them.",
    ],
    not_run: &[
        "\"The best number of partitions is a few tens\" (the earlier post): no rate is given for any number of them.",
    ],
};
