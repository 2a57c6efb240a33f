//! The table of the curated pages: the scenario, what is set and swept, and the question of each.

use super::curated::{Curated, Curves, Drawn};

const ALONE: &[(&str, &[&str])] = &[("", &[])];
const PRODUCERS: &[(&str, &[&str])] = &[
    ("1 producer", &["producer.count=1"]),
    ("10 producers", &["producer.count=10"]),
    ("50 producers", &["producer.count=50"]),
];
const THROUGHPUT: Curves = Curves {
    along: "topic.partitions=1,4,16,..,4096",
    lines: PRODUCERS,
    measures: &["throughput"],
    seeds: 2,
};
const ABOUT_THROUGHPUT: &str = "\
Producers send records of 1,000 bytes as fast as they can to the partitions of one topic in turn, three replicas each. \
With one partition one broker leads; with more the load is spread, until something else is the limit. Many partitions cost: \
a batch is smaller when records are spread over more of them, and every batch holds a whole buffer of its producer's memory.";
const ABOUT_ACKS_1: &str = "\
Producers send records of 1,000 bytes as fast as they can to the partitions of one topic in turn, three replicas each. \
With acks=1 the leader answers when it has appended, and does not wait for its followers: what is acknowledged runs ahead of \
what is replicated, by as much as the difference of the two pictures, until replica.lag.time.max.ms (30 s) takes the \
followers out of the ISR. With one partition one broker leads; with more the load is spread, until something else is the limit.";
const ABOUT_LATENCY: &str = "\
Four producers send records of 1,000 bytes at a fixed rate that the cluster carries easily over some hundred partitions, and \
four consumers read them. What a record waits for is its batch (linger), the request before it, the replicas (acks=all), and \
the consumer's next fetch. Whoever answers a fetch looks at all partitions of its session, so that partitions cost even where \
nothing happens; and the first fsyncs of thousands of new logs keep the disks busy for seconds.";

/// The pages, in the order of the index.
pub const PAGES: &[Curated] = &[
    throughput_page(
        "partitions-nvme-acks-1",
        "How many partitions does throughput want? Cloud servers with NVMe, acks=1",
        ABOUT_ACKS_1,
        &["producer.rate=max", "run-for=6s", "producer.acks=1"],
        Curves { measures: &["throughput", "replicated"], ..THROUGHPUT },
    ),
    throughput_page(
        "partitions-nvme-acks-all",
        "How many partitions does throughput want? Cloud servers with NVMe, acks=all",
        ABOUT_THROUGHPUT,
        &["producer.rate=max", "run-for=10s", "producer.acks=all"],
        THROUGHPUT,
    ),
    throughput_page(
        "partitions-cheap-acks-1",
        "How many partitions does throughput want? Three cheap machines of 2014, acks=1",
        ABOUT_ACKS_1,
        &[
            "hardware.profile=three-cheap-machines",
            "producer.rate=max",
            "run-for=12s",
            "producer.acks=1",
        ],
        Curves {
            along: "topic.partitions=1,4,16,..,1024",
            measures: &["throughput", "replicated"],
            ..THROUGHPUT
        },
    ),
    throughput_page(
        "partitions-cheap-acks-all",
        "How many partitions does throughput want? Three cheap machines of 2014, acks=all",
        ABOUT_THROUGHPUT,
        &[
            "hardware.profile=three-cheap-machines",
            "producer.rate=max",
            "run-for=40s",
            "producer.acks=all",
        ],
        Curves { along: "topic.partitions=1,4,16,..,1024", seeds: 3, ..THROUGHPUT },
    ),
    latency_page(
        "latency-partitions",
        "What do partitions cost in latency?",
        &["producer.rate=10000/s", "run-for=10s"],
        Curves {
            along: "topic.partitions=1,4,16,64,256,1024,4096,8000",
            lines: &[("acks=1", &["producer.acks=1"]), ("acks=all", &["producer.acks=all"])],
            measures: &["latency-p50", "latency-p99", "end-to-end-p99"],
            seeds: 2,
        },
    ),
    latency_page(
        "latency-linger",
        "What does linger.ms cost in latency, and what does it bring?",
        &["producer.rate=10000/s", "run-for=4s"],
        Curves {
            along: "producer.linger.ms=0,1,5,10,50,100",
            lines: ALONE,
            measures: &["latency", "batch", "requests"],
            seeds: 2,
        },
    ),
    latency_page(
        "latency-batch-size",
        "What does batch.size do to latency under load?",
        &["producer.rate=40000/s", "run-for=4s"],
        Curves {
            along: "producer.batch.size=4096,16384,65536,262144,1048576",
            lines: ALONE,
            measures: &["latency", "batch"],
            seeds: 2,
        },
    ),
    Curated {
        name: "consumers",
        title: "Do more consumers read faster?",
        about: "\
A topic of eight partitions, and consumers that work for 100 microseconds on each record: one of them reads at most 10,000 \
records a second, and more are written. Consumers of one application share the partitions among themselves.",
        scenario: "performance/consumers.toml",
        set: &["run-for=5s", "producer.rate=30000/s"],
        drawn: Drawn::Curves(Curves {
            along: "consumer.count=1,2,4,6,8,12,16",
            lines: ALONE,
            measures: &["consumed"],
            seeds: 3,
        }),
        is_quick: false,
    },
    Curated {
        name: "failover",
        title: "How long is a partition without a leader when a broker crashes, and does it depend on how many there are?",
        about: "\
The broker that leads the first partition is killed. Its session runs out after broker.session.timeout.ms (9 s), the \
controller elects other leaders for all of its partitions at once, and the brokers take up their new roles as the metadata \
reaches them.",
        scenario: "performance/failover.toml",
        set: &[],
        drawn: Drawn::Curves(Curves {
            along: "topic.partitions=3,12,48,192,768",
            lines: ALONE,
            measures: &["unavailability", "unavailable"],
            seeds: 3,
        }),
        is_quick: false,
    },
    Curated {
        name: "skew",
        title: "How full is the fullest partition when keys are skewed?",
        about: "\
A record's partition follows from its key (murmur2). A thousand keys that are equally frequent, or of which the n-th is 1/n \
as frequent as the first (Zipf's law): more partitions do not spread a key that is most of the load.",
        scenario: "performance/skew.toml",
        set: &[],
        drawn: Drawn::Curves(Curves {
            along: "topic.partitions=1,2,4,..,64",
            lines: &[
                ("uniform keys", &["producer.keys.skew=uniform"]),
                ("Zipf's keys", &["producer.keys.skew=zipf"]),
            ],
            measures: &["skew"],
            seeds: 3,
        }),
        is_quick: true,
    },
    Curated {
        name: "slow-follower",
        title: "A follower becomes slow under load: what do producers with acks=all notice?",
        about: "\
Two producers send with acks=all. From the fifth second on every packet between one follower and its leader takes two seconds \
longer. As long as that follower is in the ISR, every record waits for it; when replica.lag.time.max.ms (3 s here) has passed, \
it is taken out, and nobody waits any more.",
        scenario: "performance/slow-follower.toml",
        set: &[],
        drawn: Drawn::Time,
        is_quick: false,
    },
    Curated {
        name: "controller-failover",
        title: "The active controller crashes under load: do producers notice?",
        about: "\
Two producers send with acks=all, a consumer reads; the active controller is killed. Produce and fetch requests need no \
controller: only an election or a change of the ISR would have to wait for the next one.",
        scenario: "performance/controller-failover.toml",
        set: &[],
        drawn: Drawn::Time,
        is_quick: false,
    },
    Curated {
        name: "broker-failover",
        title: "A broker crashes under load: what do producers and consumers see?",
        about: "\
Two producers send with acks=all to six partitions of three replicas, a consumer reads; one of three brokers is killed. What it \
led has no leader, and what it followed waits for it, since it is still in the ISR: until its session has run out \
(broker.session.timeout.ms, 4 s here) and the controller fences it, nothing is acknowledged at all.",
        scenario: "performance/broker-failover.toml",
        set: &[],
        drawn: Drawn::Time,
        is_quick: false,
    },
];

/// Throughput against partitions, a curve for so many producers each.
const fn throughput_page(
    name: &'static str,
    title: &'static str,
    about: &'static str,
    set: &'static [&'static str],
    curves: Curves,
) -> Curated {
    let scenario = "performance/throughput.toml";
    Curated { name, title, about, scenario, set, drawn: Drawn::Curves(curves), is_quick: false }
}

/// Latency at a fixed rate against something.
const fn latency_page(
    name: &'static str,
    title: &'static str,
    set: &'static [&'static str],
    curves: Curves,
) -> Curated {
    let (about, scenario) = (ABOUT_LATENCY, "performance/latency.toml");
    Curated { name, title, about, scenario, set, drawn: Drawn::Curves(curves), is_quick: false }
}
