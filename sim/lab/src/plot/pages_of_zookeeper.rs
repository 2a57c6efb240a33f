//! The table of the curated pages about a ZooKeeper ensemble: `reports/zookeeper/`.

use super::curated::{Curated, Curves, Drawn};

const ABOUT_LOAD: &str = "\
Sixty clients keep forty operations on values of 1 KB under way each. A server answers reads by itself; a write goes to the \
leader, which proposes it to every follower, and commits it when a majority has logged it. What that costs a server is five \
constants of its hardware profile (`klab explain three-cheap-machines`), which reproduce the published rows as \
[reports/published](../../published/hunt-2010.md) says.";
const FULL: &[&str] = &["zookeeper-client.rate=max", "run-for=3s"];

/// The pages, in the order of the index.
pub const PAGES_OF_ZOOKEEPER: &[Curated] = &[
    Curated {
        name: "failover-in-both-modes",
        title: "A broker crashes: what does Kafka do with ZooKeeper, and what with KRaft?",
        about: "",
        scenario: "first-failover.toml",
        set: &["cluster.controller.mode=zookeeper,kraft"],
        drawn: Drawn::SideBySide,
        is_quick: false,
    },
    Curated {
        name: "controller-failover-in-both-modes",
        title: "The controller crashes: who takes over, and how soon?",
        about: "",
        scenario: "performance/controller-failover.toml",
        set: &["run-for=30s", "cluster.controller.mode=zookeeper,kraft"],
        drawn: Drawn::SideBySide,
        is_quick: false,
    },
    Curated {
        name: "controller-takeover",
        title: "How long does a new controller take until it serves, and how many partitions does it take over?",
        about: "\
The broker or voter that hosts the active controller is killed, and another one is elected. In ZooKeeper mode nobody but \
the ensemble knows what there is: the new controller reads a znode for each topic and one for each partition, so many requests \
at a time (zookeeper.max.in.flight.requests, 10 by default since 1.1; one before that), and then tells every broker of all its \
replicas. In KRaft mode the other voters have replayed the metadata log all the time: whoever is elected has only to commit \
its first record. What is counted begins with the election: how long it takes to notice the failure is another question \
([the controller crashes](../controller-failover-in-both-modes/index.md)). What the controller itself computes (decoding \
a znode, building a request) is free in klab, and so is what a broker does with each partition of a request: the curves are \
the way to the ensemble and back, its service time, and the bytes on the wire. Published were 2 ms for each partition \
when znodes were read one by one (Rao 2015), and 0.25 ms for each in a recovery of two million partitions (Confluent 2021), \
elections and all; in KRaft mode that took a fourteenth of the time.",
        scenario: "zookeeper-mode/a-new-controller-reads-every-partition.toml",
        set: &[],
        drawn: Drawn::Curves(Curves {
            along: "topic.partitions=10,30,100,300,1000,2000,5000",
            lines: &[
                ("KRaft", &["cluster.controller.mode=kraft"]),
                ("ZooKeeper, 10 at a time", &["cluster.controller.mode=zookeeper"]),
                (
                    "ZooKeeper, 1 at a time",
                    &[
                        "cluster.controller.mode=zookeeper",
                        "broker.zookeeper.max.in.flight.requests=1",
                    ],
                ),
            ],
            measures: &["takeover"],
            seeds: 2,
        }),
        is_quick: false,
    },
    Curated {
        name: "offsets",
        title: "What does it cost to remember how far consumers have read: a znode for each partition, or a topic?",
        about: "",
        scenario: "zookeeper-mode/offsets-in-znodes-or-in-a-topic.toml",
        set: &[],
        drawn: Drawn::Bill,
        is_quick: true,
    },
    Curated {
        name: "offsets-on-cheap-machines",
        title: "The same on three cheap machines of 2014, with a hundred consumers",
        about: "\
A hundred consumers of fifty partitions each want to commit once a second: five thousand offsets. Every server of the \
ensemble has one disk, whose fsync takes 20 ms, and writes that come meanwhile share the next one: fifty fsyncs a second are \
enough for any number of writes. But a consumer writes its offsets one after the other, and waits for an fsync each time; so \
nobody commits once a second. A commit begins when the last one of its consumer has ended.",
        scenario: "zookeeper-mode/offsets-in-znodes-or-in-a-topic.toml",
        set: &[
            "hardware.profile=three-cheap-machines",
            "zookeeper-client.count=100",
            "producer.count=100",
        ],
        drawn: Drawn::Bill,
        is_quick: false,
    },
    Curated {
        name: "read-share",
        title: "What does an ensemble carry, by the share of reads and its size?",
        about: ABOUT_LOAD,
        scenario: "performance/zookeeper.toml",
        set: FULL,
        drawn: Drawn::Curves(Curves {
            along: "zookeeper-client.reads=0,25,50,75,90,100",
            lines: &[
                ("3 servers", &["zookeeper.servers=3"]),
                ("5 servers", &["zookeeper.servers=5"]),
                ("7 servers", &["zookeeper.servers=7"]),
                ("9 servers", &["zookeeper.servers=9"]),
                ("13 servers", &["zookeeper.servers=13"]),
            ],
            measures: &["operations"],
            seeds: 1,
        }),
        is_quick: false,
    },
    Curated {
        name: "ensemble-size",
        title: "What do more servers bring, and to whom?",
        about: ABOUT_LOAD,
        scenario: "performance/zookeeper.toml",
        set: FULL,
        drawn: Drawn::Curves(Curves {
            along: "zookeeper.servers=3,5,7,9,13",
            lines: &[
                ("writes alone", &["zookeeper-client.reads=0"]),
                ("half reads", &["zookeeper-client.reads=50"]),
                ("9 of 10 reads", &["zookeeper-client.reads=90"]),
            ],
            measures: &["operations"],
            seeds: 2,
        }),
        is_quick: false,
    },
    Curated {
        name: "read-share-nvme",
        title: "The same on cloud servers of ten years later",
        about: ABOUT_LOAD,
        scenario: "performance/zookeeper.toml",
        set: &["hardware.profile=cloud-nvme", "zookeeper-client.rate=max", "run-for=2s"],
        drawn: Drawn::Curves(Curves {
            along: "zookeeper-client.reads=0,25,50,75,90",
            lines: &[
                ("3 servers", &["zookeeper.servers=3"]),
                ("5 servers", &["zookeeper.servers=5"]),
                ("7 servers", &["zookeeper.servers=7"]),
            ],
            measures: &["operations"],
            seeds: 1,
        }),
        is_quick: false,
    },
    Curated {
        name: "group-commit",
        title: "What does an fsync cost when many writes share it?",
        about: "\
A server has one fsync of its transaction log under way at a time; what comes meanwhile shares the next one. So an fsync of \
20 ms is twenty milliseconds for who waits alone, and hardly anything to the throughput of many.",
        scenario: "performance/zookeeper.toml",
        set: &["zookeeper-client.rate=max", "zookeeper-client.reads=0", "run-for=4s"],
        drawn: Drawn::Curves(Curves {
            along: "disk.fsync=1ms,2ms,5ms,10ms,20ms,50ms",
            lines: &[
                (
                    "one write at a time",
                    &["zookeeper-client.count=1", "zookeeper-client.in-flight=1"],
                ),
                ("100 at a time", &["zookeeper-client.count=10", "zookeeper-client.in-flight=10"]),
                ("2,400 at a time", &[]),
            ],
            measures: &["operations", "operation-p50"],
            seeds: 2,
        }),
        is_quick: false,
    },
    Curated {
        name: "leader-failure",
        title: "A follower crashes, and then the leader: what do clients notice?",
        about: "\
Five servers on three-cheap-machines, three of ten operations are writes. First a follower is killed: its clients lose \
their connections and go to another server, where they stay. Then the leader: until another is elected and a quorum has \
synchronised with it, no server serves anybody, and every client has to connect anew. Hunt et al. (2010, figure 8) saw about \
55 % of the throughput while a follower was down, and after the leader's crash one or two samples of six seconds near zero, \
with elections below 200 ms. Here the state is a handful of znodes, and clients connect anew at once: what is left is the \
election itself, whose finalizeWait is 200 ms.",
        scenario: "performance/zookeeper-leader-failure.toml",
        set: &["zookeeper-client.rate=max", "zookeeper-client.in-flight=20"],
        drawn: Drawn::Time,
        is_quick: false,
    },
];
