//! The published rows of ZooKeeper ensembles as their clients see them.

use super::control_plane::Control;
use super::measure::Quantity::{self, Creates, Operations};
use super::rows::{Figure, Publication, check, fit, row};

macro_rules! mix {
    ($servers:literal, $reads:literal, $figure:expr) => {
        row(
            concat!($servers, " servers, ", $reads, " % reads"),
            &[
                concat!("zookeeper.servers=", $servers),
                concat!("zookeeper-client.reads=", $reads),
                "zookeeper-client.rate=max",
                "run-for=3s",
            ],
            &[$figure],
        )
    };
}

macro_rules! workers {
    ($servers:literal, $workers:literal, $count:literal, $figure:expr) => {
        row(
            concat!($servers, " servers, ", $workers, ", each waits for its create"),
            &[
                concat!("zookeeper.servers=", $servers),
                concat!("zookeeper-client.count=", $count),
                "zookeeper-client.rate=max",
                "run-for=4s",
            ],
            &[$figure],
        )
        .of("hunt-2010-creates")
    };
}

macro_rules! broadcast {
    ($servers:literal, $figure:expr) => {
        row(
            concat!($servers, " servers, broadcast alone"),
            &[
                concat!("zookeeper.servers=", $servers),
                concat!("zookeeper-client.servers=[\"z", $servers, "\"]"),
                "zookeeper-client.reads=0",
                "zookeeper-client.rate=max",
                "hardware.keeper-request-ns=0",
                "hardware.keeper-write-ns=0",
                "zookeeper-client.value-size=100",
                "run-for=3s",
            ],
            &[$figure],
        )
    };
}

macro_rules! failure {
    ($what:literal, $crash:literal, $figures:expr) => {
        row($what, &[concat!("at.crash=", $crash), "zookeeper-client.rate=max"], $figures)
            .of("hunt-2010-failures")
    };
}

const fn control(what: Control, published: f64) -> Figure {
    check(Quantity::Control(what), published)
}

pub(super) const HUNT_2010: Publication = Publication {
    name: "hunt-2010",
    title: "What an ensemble of three and of seven carries, by the share of reads",
    source: "Hunt, Konar, Junqueira, Reed, \"ZooKeeper: Wait-free coordination for Internet-scale systems\", USENIX \
            ATC 2010, table 1, figures 5 to 8, table 2",
    about: "Servers with a dual-core Xeon of 2.1 GHz, gigabit Ethernet and a disk for the log; clients with many \
           operations of 1 KB outstanding, at most 2,000 in process. Reads are answered by the server that the \
           client is connected to, writes by a broadcast of the leader. Three constants of the profile \
           three-cheap-machines come from the four rows of reads alone and of writes alone; the rows between them \
           know no constant of their own, and neither does the row of all clients at the leader.",
    rows: &[
        mix!("3", "0", fit(Operations, 21_000.0)),
        mix!("3", "25", check(Operations, 27_000.0)),
        mix!("3", "50", check(Operations, 38_000.0)),
        mix!("3", "75", check(Operations, 57_000.0)),
        mix!("3", "90", check(Operations, 70_000.0)),
        mix!("3", "100", fit(Operations, 87_000.0)),
        mix!("7", "0", fit(Operations, 14_000.0)),
        mix!("7", "25", check(Operations, 19_000.0)),
        mix!("7", "50", check(Operations, 29_000.0)),
        mix!("7", "75", check(Operations, 52_000.0)),
        mix!("7", "90", check(Operations, 90_000.0)),
        mix!("7", "100", fit(Operations, 257_000.0)),
        row(
            "5 servers, 100 % reads, all clients at the leader",
            &[
                "zookeeper.servers=5",
                "zookeeper-client.servers=[\"z5\"]",
                "zookeeper-client.reads=100",
                "zookeeper-client.rate=max",
                "run-for=3s",
            ],
            &[check(Operations, 32_000.0)],
        ),
        broadcast!("3", check(Operations, 62_000.0)),
        broadcast!("7", check(Operations, 35_000.0)),
        workers!("3", "one worker", "1", fit(Creates, 776.0)),
        workers!("7", "one worker", "1", check(Creates, 758.0)),
        workers!("3", "ten workers", "10", check(Creates, 2_074.0)),
        workers!("7", "ten workers", "10", check(Creates, 1_572.0)),
        failure!(
            "5 servers, 70 % reads, a follower is down",
            "z1",
            &[control(Control::Left, 55.0)]
        ),
        failure!(
            "5 servers, 70 % reads, two followers are down",
            "z1, z2",
            &[control(Control::Left, 75.0)]
        ),
        failure!(
            "5 servers, 70 % reads, the leader is down",
            "zookeeper leader",
            &[control(Control::Back, 10.0), control(Control::EnsembleElection, 200.0)]
        ),
    ],
    misfits: &[
        "The publication's two rows of reads alone contradict one constant: 29,000 a second for each of three \
         servers and 36,700 for each of seven. One constant between them misses both by an eighth.",
        "90 % reads on seven servers is given as \"more than 90\" thousand.",
        "Ten workers: each published worker creates a znode, waits, and has it deleted without waiting, and so does \
         klab's; one worker waits for two fsyncs in each turn, because its delete is logged before its next create. \
         What keeps ten published workers from ten times the rate of one is not told. In klab their writes share an \
         fsync (group commit), as in ZooKeeper's source (SyncRequestProcessor); an ensemble with an fsync for every \
         transaction would come to 1,700, with three servers as with seven.",
        "Broadcast alone: the publication has neither clients nor requests there, and its processor is the limit. \
         Operations of 1 KB to six followers, 35,000 a second, would be 215 MB/s, twice what a gigabit card carries: \
         klab's have 100 bytes. What is left is that klab's cost of a packet comes from the rows of writes with \
         clients, which fall by 6 us for each follower, and the broadcast alone by 3.",
        "A server is down: klab's clients find another server within a second, as ZooKeeper's client does (it waits \
         for a random part of a second, ClientCnxn), and few clients are enough to keep the other servers busy. In the \
         publication the dip is deeper and lasts for 10 to 15 s, as if clients noticed late. Its election is below \
         200 ms; klab's has the 200 ms for which a server waits for a better vote (FastLeaderElection.finalizeWait) \
         in it, and the state that servers bring in line after it is a handful of znodes.",
    ],
    not_run: &[
        "Table 3, double barriers (200 to 1,600 of them, 50 to 200 clients, 9.4 to 234 s): klab's ZooKeeper clients \
         have no workload of barriers, which would take clients that start together and wait for each other.",
    ],
};
