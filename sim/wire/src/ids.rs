//! Who and what: the identities that Kafka's protocol speaks of.
//!
//! Kafka writes most of them as bare integers with −1 for "none". Here every one has a type, and
//! "none" is `Option`.

use crate::name::Name;
use serde::Serialize;
use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

/// The part a process plays in the deployment. Its first letter names the process in every output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[repr(u16)] // A node's kind and number are compared as one.
pub enum NodeKind {
    /// `b1`: a Kafka broker (in combined mode it hosts a KRaft voter too).
    Broker,
    /// `v1`: a KRaft controller, voter of the metadata quorum.
    Voter,
    /// `z1`: a server of the ZooKeeper ensemble.
    ZooKeeper,
    /// `p1`: a producing application.
    Producer,
    /// `c1`: a consuming application.
    Consumer,
    /// `a1`: an administrator's tool.
    Admin,
    /// `k1`: an application on a client of the ZooKeeper ensemble.
    ZooKeeperClient,
}

impl NodeKind {
    /// The letter that stands for this kind in a node's name.
    pub const fn letter(self) -> char {
        match self {
            NodeKind::Broker => 'b',
            NodeKind::Voter => 'v',
            NodeKind::ZooKeeper => 'z',
            NodeKind::Producer => 'p',
            NodeKind::Consumer => 'c',
            NodeKind::Admin => 'a',
            NodeKind::ZooKeeperClient => 'k',
        }
    }
}

/// A process of the deployment: Kafka's `node.id` (`broker.id`), or a client.
///
/// Printed as the letter of its kind and a number counted from 1: `b2` is the second broker.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct NodeId {
    /// What the process is.
    pub kind: NodeKind,
    /// Which one of its kind, from 1.
    pub number: u16,
}

impl NodeId {
    /// The broker with this number.
    pub const fn broker(number: u16) -> Self {
        NodeId { kind: NodeKind::Broker, number }
    }

    /// The KRaft controller with this number.
    pub const fn voter(number: u16) -> Self {
        NodeId { kind: NodeKind::Voter, number }
    }

    /// The ZooKeeper server with this number.
    pub const fn zookeeper(number: u16) -> Self {
        NodeId { kind: NodeKind::ZooKeeper, number }
    }

    /// The producer with this number.
    pub const fn producer(number: u16) -> Self {
        NodeId { kind: NodeKind::Producer, number }
    }

    /// The consumer with this number.
    pub const fn consumer(number: u16) -> Self {
        NodeId { kind: NodeKind::Consumer, number }
    }

    /// The administrator's tool with this number.
    pub const fn admin(number: u16) -> Self {
        NodeId { kind: NodeKind::Admin, number }
    }

    /// The application on a ZooKeeper client with this number.
    pub const fn zookeeper_client(number: u16) -> Self {
        NodeId { kind: NodeKind::ZooKeeperClient, number }
    }

    /// One number that differs between any two nodes, in their order: the name of a random stream, for
    /// example.
    pub const fn key(self) -> u64 {
        ((self.kind as u64) << 16) | self.number as u64
    }
}

/// By kind, then by number. Every map by node compares them: one number is compared faster than two.
impl Ord for NodeId {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

/// As one number, for the same reason: every entry of a trace has a node or two in its digest.
impl std::hash::Hash for NodeId {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        state.write_u64(self.key());
    }
}

impl PartialOrd for NodeId {
    #[inline]
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Padded as one word, so that `{:<4}` aligns columns.
        f.pad(&format!("{}{}", self.kind.letter(), self.number))
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for NodeId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl std::str::FromStr for NodeId {
    type Err = ();

    /// Reads `b2`; the error says only that this is no node's name.
    fn from_str(text: &str) -> Result<Self, ()> {
        let mut characters = text.chars();
        let kind = match characters.next() {
            Some('b') => NodeKind::Broker,
            Some('v') => NodeKind::Voter,
            Some('z') => NodeKind::ZooKeeper,
            Some('p') => NodeKind::Producer,
            Some('c') => NodeKind::Consumer,
            Some('a') => NodeKind::Admin,
            Some('k') => NodeKind::ZooKeeperClient,
            _ => return Err(()),
        };
        let digits = characters.as_str();
        match digits.parse() {
            Ok(number) if number > 0 && !digits.starts_with(['0', '+']) => {
                Ok(NodeId { kind, number })
            }
            _ => Err(()),
        }
    }
}

macro_rules! numbers {
    ($($(#[$doc:meta])* $name:ident($inner:ty);)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize)]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl $name {
            /// The one after this.
            pub const fn next(self) -> Self {
                $name(self.0 + 1)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
    )*};
}

numbers! {
    /// A place in a partition's log. As a log end, 3 means that the offsets 0, 1 and 2 exist.
    Offset(u64);
    /// How often the leadership of a partition (or of the metadata quorum) has been given away.
    LeaderEpoch(u32);
    /// How often the controller has changed a partition's state: the version of its record.
    PartitionEpoch(u32);
    /// A broker's registration: the offset of its `RegisterBrokerRecord` in the metadata log. In ZooKeeper mode the
    /// zxid that created `/brokers/ids/N`.
    BrokerEpoch(u64);
    /// How often ZooKeeper mode has had a new controller: what `/controller_epoch` says.
    ControllerEpoch(u32);
    /// A partition's index within its topic, from 0.
    PartitionId(u32);
    /// A topic's identity, other after each re-creation (KIP-516). Kafka's has 128 bits, klab's 64.
    TopicId(u64);
    /// A log directory's identity (KIP-858, KIP-853): a replaced disk is another directory.
    DirectoryId(u64);
    /// One life of a broker process (`BrokerRegistrationRequest.IncarnationId`).
    IncarnationId(u64);
    /// An idempotent producer's identity, handed out by the controller in blocks (KIP-730).
    ProducerId(u64);
    /// One generation of a producer id; a higher one fences the lower.
    ProducerEpoch(u16);
    /// A record's number within its producer id, epoch and partition; wraps after 2³¹ − 1.
    Sequence(u32);
}

impl Offset {
    /// The offset `count` records later.
    pub const fn plus(self, count: u64) -> Self {
        Offset(self.0 + count)
    }

    /// How many offsets lie between `earlier` and this one; 0 when `earlier` is not earlier.
    pub const fn since(self, earlier: Offset) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl Sequence {
    /// The highest sequence; the next one is 0 (`DefaultRecordBatch.incrementSequence`).
    pub const MAX: Sequence = Sequence(i32::MAX as u32);

    /// The sequence `count` records later.
    pub const fn plus(self, count: u32) -> Self {
        Sequence(((self.0 as u64 + count as u64) & Self::MAX.0 as u64) as u32)
    }

    /// The sequence `count` records earlier.
    pub const fn minus(self, count: u32) -> Self {
        Sequence(((self.0 as u64 + (1 << 31) - count as u64) & Self::MAX.0 as u64) as u32)
    }
}

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(pub Name);

        impl From<&str> for $name {
            fn from(name: &str) -> Self {
                $name(Name::of(name))
            }
        }

        impl From<String> for $name {
            fn from(name: String) -> Self {
                $name(Name::of(&name))
            }
        }

        impl From<Arc<str>> for $name {
            fn from(name: Arc<str>) -> Self {
                $name(Name::of(&name))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    )*};
}

names! {
    /// A topic's name.
    TopicName;
    /// A rack or availability zone (`broker.rack`, `client.rack`).
    RackId;
    /// A client's name for itself (`client.id`).
    ClientId;
    /// The name that the members of one quorum share; a request with another one is refused.
    ClusterId;
}

/// One partition of a topic, by the topic's name: `orders-0`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    /// The topic.
    pub topic: TopicName,
    /// The partition's index in it.
    pub partition: PartitionId,
}

impl TopicPartition {
    /// The partition `index` of `topic`.
    pub fn new(topic: impl Into<TopicName>, index: u32) -> Self {
        TopicPartition { topic: topic.into(), partition: PartitionId(index) }
    }

    /// The one partition of the metadata log (`Topic.CLUSTER_METADATA_TOPIC_NAME`).
    pub fn cluster_metadata() -> Self {
        TopicPartition::new("__cluster_metadata", 0)
    }
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}-{}", self.topic, self.partition))
    }
}

impl fmt::Debug for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for TopicPartition {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// One partition of a topic, by the topic's identity: what Fetch and AlterPartition carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct TopicIdPartition {
    /// The topic.
    pub topic: TopicId,
    /// The partition's index in it.
    pub partition: PartitionId,
}

impl TopicId {
    /// The metadata log's own topic (`Uuid.METADATA_TOPIC_ID`).
    pub const CLUSTER_METADATA: TopicId = TopicId(1);
}

impl TopicIdPartition {
    /// The one partition of the metadata log.
    pub const CLUSTER_METADATA: TopicIdPartition =
        TopicIdPartition { topic: TopicId::CLUSTER_METADATA, partition: PartitionId(0) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sequence_wraps_to_zero_after_two_to_the_31_minus_one() {
        assert_eq!(Sequence::MAX.plus(1), Sequence(0));
        assert_eq!(Sequence(0).minus(1), Sequence::MAX);
        assert_eq!(Sequence(5).plus(3).minus(3), Sequence(5));
    }

    #[test]
    fn a_node_is_read_back_from_its_name() {
        for node in [NodeId::broker(1), NodeId::voter(12), NodeId::consumer(3)] {
            assert_eq!(node.to_string().parse(), Ok(node));
        }
        for bad in ["", "b", "b0", "x1", "b01", "b+1", "b1x"] {
            assert_eq!(bad.parse::<NodeId>(), Err(()), "{bad}");
        }
    }
}
