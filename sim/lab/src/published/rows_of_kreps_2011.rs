//! The published rows of Kafka 0.7.

use super::measure::Quantity::{Appended, Consumed};
use super::rows::{Publication, check, row};

pub(super) const KREPS_2011: Publication = Publication {
    name: "kreps-2011",
    title: "Kafka before there were acknowledgements and replicas",
    source: "Kreps, Narkhede, Rao, \"Kafka: a Distributed Messaging System for Log Processing\", NetDB 2011, section 5",
    about: "One broker and one producer, or consumer, on two machines with eight cores of 2 GHz, six disks as one \
           (RAID 10) and gigabit Ethernet; messages of 200 bytes. Kafka 0.7 knew no acknowledgements and no replicas \
           (here acks=0 and one replica), and its network threads served requests themselves (here no hand-off \
           between threads); the other constants are those of three-cheap-machines, which newer releases and other \
           machines have chosen. What is counted is what the broker has in its log.",
    rows: &[
        row(
            "one message at a time",
            &["producer.rate=max", "hardware.hand-off-ns=0", "run-for=4s"],
            &[check(Appended, 50_000.0)],
        ),
        row(
            "fifty messages at a time",
            &[
                "producer.rate=max",
                "producer.batch.size=11900",
                "hardware.hand-off-ns=0",
                "run-for=4s",
            ],
            &[check(Appended, 400_000.0)],
        ),
        row(
            "one consumer",
            &[
                "hardware.cores=8",
                "hardware.client-cores=8",
                "hardware.disks=1",
                "hardware.disk-bytes-per-second=411000000",
                "hardware.hand-off-ns=0",
                "cluster.brokers=1",
                "topic.partitions=1",
                "topic.replication=1",
                "producer.record-size=200",
                "consumer.max.partition.fetch.bytes=200000",
            ],
            &[check(Consumed, 22_000.0)],
        )
        .of("kreps-2014-consumer"),
    ],
    misfits: &[
        "One message at a time: a request costs klab's broker 60 us, as the rows of 2014 have chosen, where Kafka \
         0.7 took 18 (the published 20 us for a message and its request). It had less to do: no answer, no replicas, \
         no offsets to assign. With fifty messages in a request, that hardly counts.",
        "With the hand-offs between threads that came with Kafka 0.8 (--set hardware.hand-off-ns=100000) the rows \
         come to 6,000 and half of the published 400,000: a broker takes up one request of a connection at a time.",
        "One consumer: 22,000 messages a second are 4 MB/s, 45 us for each message. Nothing that is published takes \
         that time, neither the card nor the broker; a consumer that does something with each message would. klab's \
         is bound by its card and the requests of one partition, one after the other.",
    ],
    not_run: &[
        "The performance page of Kafka 0.8's wiki (nine brokers, nine partitions: one replica, acks=0, 1.3 million \
         records of 1,000 bytes a second, or 2.0 million of 200; acks=1, 360,000 of 1,000 bytes with one replica and \
         with two; three replicas, acks=1, 610,000 of 200 bytes): neither producers nor batches are told, and 144 \
         MB/s into each broker are more than the gigabit card of its time takes, so that the network is not known \
         either.",
    ],
};
