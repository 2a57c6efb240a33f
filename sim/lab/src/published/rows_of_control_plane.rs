//! The published rows of Kafka's control plane: failures noticed, leaders elected, brokers that go in order.

use super::control_plane::Control;
use super::measure::Quantity;
use super::rows::{Figure, Publication, check, fit, row};

const fn control(what: Control, published: f64) -> Figure {
    check(Quantity::Control(what), published)
}

pub(super) const RAO_2015: Publication = Publication {
    name: "rao-2015",
    title: "How long a thousand partitions wait for new leaders, one after the other",
    source: "Rao, \"How to choose the number of topics/partitions in a Kafka cluster?\", Confluent 2015",
    about: "A broker with two thousand replicas fails; it led half of them. The controller of that time had one \
           request to ZooKeeper under way at a time (here zookeeper.max.in.flight.requests=1), and elected each \
           leader by reading its partition's znode and writing it anew. The published numbers are the author's round \
           ones, for readers who want to estimate: 5 ms for an election, 2 ms for each partition that a new \
           controller reads. Neither machines nor disks are told: klab runs three-cheap-machines, and ZooKeeper's \
           logs on the disk that the rows of [ZooKeeper's own paper](hunt-2010.md) have chosen, whose write cache is \
           on. What is counted begins when the failure has been noticed, and ends when the last partition's new leader \
           has taken office. The broker leads a thousand partitions, as published; of the controller's 10,000 \
           partitions klab has 3,000, and tells its time for each.",
    rows: &[
        row(
            "a broker fails that led 1,000 partitions",
            &["topic.partitions=3000", "disk.fsync=300us"],
            &[control(Control::Elections, 5.0), control(Control::Election, 5_000.0)],
        ),
        row(
            "the controller fails, and the next one reads 3,000 partitions",
            &["topic.partitions=3000", "disk.fsync=300us", "at.crash=controller"],
            &[control(Control::Takeover, 2_000.0)],
        ),
    ],
    misfits: &[
        "An election is a read and a write, one after the other, and the write waits for the fsyncs of a quorum: in \
         klab little more than a millisecond together. A disk whose fsync takes 4 ms (--set disk.fsync=4ms) brings \
         the published 5 s for a thousand; a spinning disk without a write cache, 20 ms each, would take four times \
         as long as published. Which disks the author had in mind is not told.",
        "A new controller reads one znode for each partition, and waits for each answer: a quarter of a millisecond \
         in klab, which is the way to the ensemble and back and the ensemble's work. What a controller of that time \
         did for each partition besides (it looked at more znodes than today's, and computed) is not in the model, \
         which has the controller of 2024.",
    ],
    not_run: &[
        "Replication with a thousand partitions between two brokers takes 20 ms longer, and a few if ten share them: \
         among [the single figures](single-figures.md).",
        "A broker that shuts down in order moves its leaders \"one at a time, in a few milliseconds each\": the same \
         way as an election; rows with numbers are [those of 2018](rao-2018.md).",
    ],
};

pub(super) const RAO_2018: Publication = Publication {
    name: "rao-2018",
    title: "A broker that leads thousands of partitions shuts down in order",
    source: "Rao, \"Apache Kafka Supports 200K Partitions Per Cluster\", Confluent 2018",
    about: "Five brokers and 25,000 partitions with two replicas each: a broker has ten thousand replicas, and leads \
           five thousand of them when it is asked to go. Before it goes, the controller gives each of those to \
           another broker, and takes it out of the ISR of the others. Kafka 1.1 asks the ensemble for many things at \
           a time (zookeeper.max.in.flight.requests=10), Kafka 1.0 for one. klab runs a fifth of that, 5,000 \
           partitions, and holds the time for each leader that moves against the published one, which is 3 and 30 s \
           over 5,000 leaders; with all 25,000 partitions klab's time for each is the same within a few hundredths. \
           The machines are not told; klab's are cloud-nvme. The publication has topics of one partition, klab one \
           topic: the znodes that are read and written here are those of partitions, and as many.",
    rows: &[
        row(
            "as of Kafka 1.1: ten requests to ZooKeeper at a time",
            &["topic.partitions=5000"],
            &[control(Control::LeaderMove, 600.0)],
        ),
        row(
            "as of Kafka 1.0, its logging mended: one at a time",
            &["topic.partitions=5000", "broker.zookeeper.max.in.flight.requests=1"],
            &[control(Control::LeaderMove, 6_000.0)],
        ),
    ],
    misfits: &[
        "Both rows are too fast, and one number explains both: how long the ensemble needs for a write. cloud-nvme \
         has a disk in the machine whose fsync takes 0.3 ms; with 1.25 ms (--set disk.fsync=1250us), as of a disk \
         over the network, the first row comes to the published 600 us and the second to seven eighths of the \
         published 6,000. Whether that is what the published cluster had is not told.",
    ],
    not_run: &[
        "Kafka 1.0.0 as it was, 6.5 minutes: nearly all of it was spent on writing lines into log files, and klab's \
         brokers write none.",
    ],
};

pub(super) const CONFLUENT_2021: Publication = Publication {
    name: "confluent-2021",
    title: "Very many partitions: what a broker that goes costs for each of them, with ZooKeeper and without",
    source: "Confluent, \"Apache Kafka Made Simple: A First Glimpse of a Kafka Without ZooKeeper\", 2021",
    about: "A cluster of two million partitions; a broker shuts down in order, or fails, and the time until that is \
           over was published: 135 and 503 s in ZooKeeper mode, 32 and 37 s in KRaft mode. Neither the number of \
           brokers nor the replicas of a partition nor the machines are told. klab has five brokers, three replicas \
           and cloud-nvme, 5,000 partitions in ZooKeeper mode and 90,000 in KRaft mode, and holds its time for each \
           partition of the cluster against the publication's seconds over two millions. The time of a failure \
           begins when it has been noticed; in ZooKeeper mode it is the broker that hosts the controller which \
           fails.",
    rows: &[
        row(
            "ZooKeeper mode, controlled shutdown, 5,000 partitions",
            &["cluster.controller.mode=zookeeper", "topic.partitions=500"],
            &[control(Control::ShutdownShare, 67.5)],
        )
        .of("confluent-2021-shutdown"),
        row(
            "ZooKeeper mode, the broker of the controller fails, 5,000 partitions",
            &[
                "cluster.controller.mode=zookeeper",
                "topic.partitions=500",
                "at.crash=controller",
                "run-for=30s",
            ],
            &[control(Control::Recovery, 251.5)],
        ),
        row(
            "KRaft mode, controlled shutdown, 90,000 partitions",
            &["topic.partitions=9000"],
            &[control(Control::ShutdownShare, 16.0)],
        )
        .of("confluent-2021-shutdown"),
        row(
            "KRaft mode, a broker fails, 90,000 partitions",
            &["topic.partitions=9000"],
            &[fit(Quantity::Control(Control::Election), 18.5)],
        ),
    ],
    misfits: &[
        "ZooKeeper mode: what is not told decides. Only the partitions that the broker led need another leader, and \
         all of which it had a replica are written: with two replicas for three a shutdown takes two thirds of the \
         time, and with three brokers for five, of which each leads a third, the recovery takes half as long again. \
         What the controller and the brokers themselves compute for each partition is free in klab.",
        "KRaft mode, controlled shutdown: two of klab's two and a half seconds are one interval between heartbeats, \
         by which a broker learns that it may go. For each leader that moves there are 18.5 us at the controller \
         (election-ns): a constant of the profile, which is the published 37 s over two million partitions. So the \
         last row is a fit.",
        "KRaft mode, failure: the elections are committed sooner than klab's time says. A broker learns that by its \
         next fetch of metadata, and such a fetch may wait for half a second when there is nothing new to bring \
         (KIP-1166 is about that).",
    ],
    not_run: &[
        "Two million partitions at once: klab keeps every replica of every partition in memory.",
    ],
};

pub(super) const TIMEOUTS: Publication = Publication {
    name: "timeouts",
    title: "How long a failure goes unnoticed: Kafka's default timeouts",
    source: "KIP-537 (session with ZooKeeper, lag of a follower), KIP-631 and KIP-595 (KRaft); apache/kafka pull \
            requests 7596 and 10179",
    about: "What is published here are settings. klab's figure is the time from the failure to the first sign that \
           somebody has noticed: the controller fences the broker, the ensemble lets its session expire, a leader \
           asks for an ISR without its follower; of a controller, until another one is active. The failures come at \
           a fixed time of the run; each figure is the median of five seeds.",
    rows: &[
        row("a broker is killed, KRaft mode", &[], &[control(Control::Noticed, 9.0)]).over(5),
        row(
            "a broker is killed, ZooKeeper mode",
            &["cluster.controller.mode=zookeeper"],
            &[control(Control::Noticed, 18.0)],
        )
        .over(5),
        row(
            "a broker is killed, ZooKeeper mode before Kafka 2.5",
            &["cluster.controller.mode=zookeeper", "broker.zookeeper.session.timeout.ms=6000"],
            &[control(Control::Noticed, 6.0)],
        )
        .over(5),
        row(
            "the controller is killed, KRaft mode",
            &["at.crash=controller"],
            &[control(Control::NextController, 3.0)],
        )
        .over(5),
        row(
            "the controller is killed, ZooKeeper mode",
            &["cluster.controller.mode=zookeeper", "at.crash=controller"],
            &[control(Control::NextController, 18.0)],
        )
        .over(5),
        row("a follower does not reach its leader", &[], &[control(Control::Noticed, 30.0)])
            .of("timeouts-of-a-follower")
            .over(5),
        row(
            "a follower does not reach its leader, before Kafka 2.5",
            &["broker.replica.lag.time.max.ms=10000"],
            &[control(Control::Noticed, 10.0)],
        )
        .of("timeouts-of-a-follower")
        .over(5),
    ],
    misfits: &[
        "A session of ZooKeeper mode runs from its last ping. There is one in each third of the timeout, the \
         ensemble's leader hears of it within half a tick, and sessions end with whole ticks (2 s): so a failure goes \
         unnoticed for two thirds of the timeout to the timeout and a tick and a half, by when it comes between two \
         pings. A tick weighs more on 6 s than on 18.",
        "A leader looks for followers that lag twice within replica.lag.time.max.ms: so one leaves the ISR after the \
         time to one and a half of it.",
        "The next controller in KRaft mode: no single number is published. The voters notice after 2 s \
         (controller.quorum.fetch.timeout.ms); when two of them stand for election at once nobody may win, and the \
         next attempt comes within another second or two. 3 s stand for that.",
    ],
    not_run: &[
        "A consumer group of KIP-848 rebalances ten consumers of 900 partitions in 5 s, which took 103 s before: \
         klab's consumers have their partitions dealt out by the scenario, and there is no group coordinator.",
        "The 31 s that a controller's failover took in a trace of Kafka 0.8.2 (IBM/sarama issue 546): neither \
         partitions nor machines are told.",
        "Eager rebalances of about 30 s and cooperative ones of about 0.1 s: no coordinator either.",
    ],
};
