//! The published rows of ZAB, ZooKeeper's broadcast.

use super::measure::Quantity::{OperationMean, Operations};
use super::rows::{Publication, check, fit, law, row};

macro_rules! broadcast {
    ($servers:literal, $way:literal, [$($disk:literal),+], $figure:expr) => {
        row(
            concat!($servers, " servers, ", $way),
            &[
                concat!("zookeeper.servers=", $servers),
                concat!("zookeeper-client.servers=[\"z", $servers, "\"]"),
                $($disk,)+
                "zookeeper-client.rate=max",
                "run-for=3s",
            ],
            &[$figure],
        )
    };
}

macro_rules! alone {
    ($servers:literal, $way:literal, [$($disk:literal),+], $figure:expr) => {
        row(
            concat!($servers, " servers, ", $way, ", one operation at a time"),
            &[
                concat!("zookeeper.servers=", $servers),
                concat!("zookeeper-client.servers=[\"z", $servers, "\"]"),
                $($disk,)+
                "zookeeper-client.count=1",
                "zookeeper-client.in-flight=1",
                "zookeeper-client.rate=max",
                "run-for=4s",
            ],
            &[$figure],
        )
    };
}

macro_rules! card {
    ($servers:literal, $figure:expr) => {
        row(
            concat!($servers, " servers, nothing but the leader's card"),
            &[
                concat!("zookeeper.servers=", $servers),
                concat!("zookeeper-client.servers=[\"z", $servers, "\"]"),
                "disk.fsync=0ms",
                "hardware.keeper-write-ns=0",
                "hardware.keeper-apply-ns=0",
                "hardware.keeper-packet-ns=0",
                "hardware.message-overhead-bytes=0",
                "hardware.card-bytes-per-second=134217728",
                "zookeeper-client.rate=max",
                "run-for=2s",
            ],
            &[$figure],
        )
    };
}

pub(super) const ZAB_2011: Publication = Publication {
    name: "zab-2011",
    title: "What a broadcast carries to three, five, nine and thirteen servers",
    source: "Junqueira, Reed, Serafini, \"Zab: High-performance broadcast for primary-backup systems\", DSN 2011, \
            figures 6 and 7",
    about: "Thirteen servers with two quad-core Xeons of 2.5 GHz, gigabit Ethernet and a SATA disk for the log; \
           operations of 1,024 bytes, a thousand outstanding, brought in at the leader. The broadcast alone was \
           measured: klab's clients cost the leader nothing here. From five servers on the leader's card is the \
           limit: each operation crosses it once for each follower, with a COMMIT of its own, and each message with \
           its headers.",
    rows: &[
        broadcast!("3", "network", ["disk.fsync=0ms"], fit(Operations, 38_000.0)),
        broadcast!("5", "network", ["disk.fsync=0ms"], check(Operations, 24_500.0)),
        broadcast!("9", "network", ["disk.fsync=0ms"], check(Operations, 12_000.0)),
        broadcast!("13", "network", ["disk.fsync=0ms"], check(Operations, 7_700.0)),
        broadcast!("3", "network and disk", ["disk.fsync=2ms"], check(Operations, 39_000.0)),
        broadcast!("5", "network and disk", ["disk.fsync=2ms"], check(Operations, 24_000.0)),
        broadcast!("9", "network and disk", ["disk.fsync=2ms"], check(Operations, 12_000.0)),
        broadcast!("13", "network and disk", ["disk.fsync=2ms"], check(Operations, 7_800.0)),
        broadcast!(
            "3",
            "disk without a write cache",
            ["disk.fsync=45ms", "disk.fsync-jitter=20ms"],
            check(Operations, 13_100.0)
        ),
        broadcast!(
            "5",
            "disk without a write cache",
            ["disk.fsync=45ms", "disk.fsync-jitter=20ms"],
            check(Operations, 13_100.0)
        ),
        broadcast!(
            "9",
            "disk without a write cache",
            ["disk.fsync=45ms", "disk.fsync-jitter=20ms"],
            check(Operations, 11_200.0)
        ),
        broadcast!(
            "13",
            "disk without a write cache",
            ["disk.fsync=45ms", "disk.fsync-jitter=20ms"],
            check(Operations, 7_600.0)
        ),
        alone!("3", "network", ["disk.fsync=0ms"], check(OperationMean, 4.44)),
        alone!("5", "network", ["disk.fsync=0ms"], check(OperationMean, 5.38)),
        alone!("9", "network", ["disk.fsync=0ms"], check(OperationMean, 4.24)),
        alone!("13", "network", ["disk.fsync=0ms"], check(OperationMean, 4.31)),
        alone!("3", "network and disk", ["disk.fsync=2ms"], check(OperationMean, 6.36)),
        alone!("5", "network and disk", ["disk.fsync=2ms"], check(OperationMean, 6.13)),
        alone!("9", "network and disk", ["disk.fsync=2ms"], check(OperationMean, 5.83)),
        alone!("13", "network and disk", ["disk.fsync=2ms"], check(OperationMean, 6.68)),
        alone!(
            "3",
            "disk without a write cache",
            ["disk.fsync=45ms", "disk.fsync-jitter=20ms"],
            fit(OperationMean, 44.5)
        ),
        alone!(
            "5",
            "disk without a write cache",
            ["disk.fsync=45ms", "disk.fsync-jitter=20ms"],
            fit(OperationMean, 57.0)
        ),
        alone!(
            "9",
            "disk without a write cache",
            ["disk.fsync=45ms", "disk.fsync-jitter=20ms"],
            fit(OperationMean, 66.9)
        ),
        alone!(
            "13",
            "disk without a write cache",
            ["disk.fsync=45ms", "disk.fsync-jitter=20ms"],
            fit(OperationMean, 58.5)
        ),
        card!("3", law(Operations, 63_700.0)),
        card!("5", law(Operations, 31_900.0)),
        card!("9", law(Operations, 15_900.0)),
        card!("13", law(Operations, 10_600.0)),
    ],
    misfits: &[
        "One operation at a time over the network takes 4.4 ms in the publication, whose servers are 0.1 ms apart: \
         something waits there that no part of the protocol explains (a thread's wake-up, Nagle's algorithm, a \
         polling interval). klab has nothing of the kind, and so is much faster there; with a disk the same 4 ms are \
         missing.",
        "A thousand operations at a time and no write cache: klab needs two fsyncs for each operation, the one that \
         is under way when it comes and its own, and so comes to 1,000 / (2 x 55 ms). The published runs need about \
         one and a half. That fsyncs differ (here 45 to 65 ms, drawn for each) and that a quorum waits for the \
         quicker disks only does not explain it: with one length for all klab has hardly less. Nor does the time in \
         which a server's log thread writes its queue before the next fsync, while more joins it \
         (SyncRequestProcessor): 10 us for each transaction, tried, change nothing. Fsyncs of 38 ms under load, \
         shorter than those that the publication's single operations waited for, would nearly do.",
        "An fsync takes 2 ms with the disk's write cache (the published difference between the two latencies) and 45 \
         to 65 ms without (the published latencies of one operation at a time, which have chosen the range): one \
         setting of the disk for each of its rows, none for a row. klab's median of so many draws hardly depends on \
         the number of servers; why the published 3 servers need 44.5 ms and 9 need 66.9 is not told.",
        "Nothing but the leader's card: the publication's bound is arithmetic, 2^30 bits a second over 1,054 bytes \
         for each follower. klab's leader sends a COMMIT as well as the proposal, with headers of its own.",
    ],
    not_run: &[],
};
