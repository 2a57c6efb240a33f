//! What a client process is started with: its configuration, where it finds the cluster, and what
//! its application does.

use klab_wire::config::{AdminConfig, ConsumerConfig, ProducerConfig};
use klab_wire::{NodeId, OffsetSpec, Span, TopicName, TopicPartition};

/// A producing process.
#[derive(Clone, Debug)]
pub struct ProducerSetup {
    /// The producer's configuration.
    pub config: ProducerConfig,
    /// The brokers it asks first (`bootstrap.servers`).
    pub bootstrap: Vec<NodeId>,
    /// What its application sends.
    pub workload: ProducerWorkload,
}

/// What a producing application sends: at every interval a burst of records, to its topics in turn.
///
/// The load is open: a send that blocks does not hold back the ones after it, as if every send had a
/// thread of its own. Blocked sends are served in the order in which they were called. With
/// [`in_turn`](Self::in_turn) it is closed: one thread sends, and a send that blocks holds it up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProducerWorkload {
    /// The topics, written to in turn.
    pub topics: Vec<ProducedTopic>,
    /// When the first burst is sent, from the start of the process.
    pub start: Span,
    /// The time from one burst to the next.
    pub interval: Span,
    /// How many records a burst has.
    pub burst: u32,
    /// How many records to send in one life of the process; none for no end.
    pub records: Option<u64>,
    /// When to stop sending, from the start of the process; none for never.
    pub stop: Option<Span>,
    /// The keys of the records.
    pub keys: Keys,
    /// Bytes of a value.
    pub value_size: u32,
    /// Who picks the partition.
    pub partitioning: Partitioning,
    /// A burst is sent as counted ranges of records instead of one by one: an operation stands for a
    /// range, and a run of millions of records costs what its batches cost. Such records have no keys.
    pub counted: bool,
    /// One thread of the application calls `send`, and waits while it blocks; bursts that became late by that follow
    /// without a pause. The sender is a thread beside it, which it wakes. On hardware where both take time.
    pub in_turn: bool,
    /// How many records such a thread sends in one step: what it does takes time, so that the last record of a large burst
    /// is sent later than the first.
    pub at_a_time: u32,
}

/// A topic that a producer writes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProducedTopic {
    /// Its name.
    pub name: TopicName,
    /// The compressed size of 1000 bytes of its records, if `compression.type` compresses them.
    pub compressed_permille: u32,
}

/// Which keys records have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Keys {
    /// None.
    #[default]
    None,
    /// The keys 0 to `count` − 1, each equally often.
    Uniform {
        /// How many there are.
        count: u64,
    },
    /// The keys 0 to `count` − 1, key `k` in proportion to 1 / (k + 1)^s.
    Zipf {
        /// How many there are.
        count: u32,
        /// A thousand times the exponent s.
        exponent_permille: u32,
    },
}

/// Who picks a record's partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Partitioning {
    /// What the configuration says: `partitioner.class`, or else murmur2 of the key, and the built-in
    /// sticky partitioner for records without one.
    #[default]
    Default,
    /// Every record's next partition in turn (`RoundRobinPartitioner`).
    RoundRobin,
    /// The application names the partition itself (`ProducerRecord.partition`).
    Explicit(u32),
    /// A partitioner of the application's own (`Partitioner`).
    Custom(CustomPartitioner),
}

/// A partitioner of an application's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CustomPartitioner {
    /// The key's number modulo the number of partitions, without a hash between; records without a key
    /// go to partition 0.
    ByKeyModulo,
}

/// A consuming process.
#[derive(Clone, Debug)]
pub struct ConsumerSetup {
    /// The consumer's configuration.
    pub config: ConsumerConfig,
    /// The brokers it asks first (`bootstrap.servers`).
    pub bootstrap: Vec<NodeId>,
    /// What it reads.
    pub assignment: Assignment,
    /// Where it starts; none for no position, so that `auto.offset.reset` decides.
    pub from: Option<OffsetSpec>,
    /// How long the application works on each record.
    pub processing: Span,
    /// How long it pauses between the end of that work and the next poll.
    pub poll_interval: Span,
}

/// The partitions a consumer gives itself (`Consumer.assign`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Assignment {
    /// These.
    Partitions(Vec<TopicPartition>),
    /// All partitions that these topics have when their metadata first arrives.
    Topics(Vec<TopicName>),
}

/// An administrator's process.
#[derive(Clone, Debug)]
pub struct AdminSetup {
    /// The client's configuration.
    pub config: AdminConfig,
    /// The brokers it asks first (`bootstrap.servers`).
    pub bootstrap: Vec<NodeId>,
}

impl Default for ProducerWorkload {
    /// A hundred records of 100 bytes a second, without keys, to no topic yet.
    fn default() -> Self {
        ProducerWorkload {
            topics: Vec::new(),
            start: Span::ZERO,
            interval: Span::from_millis(10),
            burst: 1,
            records: None,
            stop: None,
            keys: Keys::None,
            value_size: 100,
            partitioning: Partitioning::Default,
            counted: false,
            in_turn: false,
            at_a_time: u32::MAX,
        }
    }
}

impl From<&str> for ProducedTopic {
    /// A topic whose records do not compress.
    fn from(name: &str) -> Self {
        ProducedTopic { name: name.into(), compressed_permille: 1000 }
    }
}
