//! The configuration values that are words: Kafka's enums, lists and class names.

use super::kind::Kind;
use crate::api::{Acks, IsolationLevel};
use crate::batch::{CompressionType, TimestampType};
use crate::time::Span;
use serde::{Serialize, Serializer};
use std::fmt;

/// Reads a value that is one of a few words; of a class name, the part after the last dot counts.
pub struct Word;

/// Reads a comma-separated list of such words.
pub struct Words;

/// A value with a closed set of words.
pub trait Worded: Copy + 'static {
    /// The words, each with its value; the first word of a value is the one that is printed.
    const WORDS: &'static [(&'static str, Self)];
    /// The word that is printed.
    fn word(self) -> &'static str;
}

macro_rules! worded {
    ($($name:ident { $($variant:ident = $word:literal $(| $other:literal)*,)* })*) => {$(
        impl Worded for $name {
            const WORDS: &'static [(&'static str, Self)] =
                &[$(($word, $name::$variant), $(($other, $name::$variant),)*)*];
            fn word(self) -> &'static str {
                match self { $($name::$variant => $word,)* }
            }
        }
    )*};
}

// These travel in requests and batches as well, so they stand with those.
worded! {
    Acks { All = "all" | "-1", Leader = "1", None = "0", }
    CompressionType {
        None = "none", Gzip = "gzip", Snappy = "snappy", Lz4 = "lz4", Zstd = "zstd",
    }
    TimestampType { CreateTime = "CreateTime", LogAppendTime = "LogAppendTime", }
    IsolationLevel { ReadUncommitted = "read_uncommitted", ReadCommitted = "read_committed", }
}

macro_rules! words {
    ($($(#[$meta:meta])* $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $word:literal $(| $other:literal)*,)* })*) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$variant_meta])* $variant,)* }

        worded! { $name { $($variant = $word $(| $other)*,)* } }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.word())
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.word())
            }
        }
    )*};
}

words! {
    /// The codec of the batches in a topic's log (`BrokerCompressionType`).
    TopicCompression {
        /// As the producer sent them.
        Producer = "producer",
        /// Not compressed.
        Uncompressed = "uncompressed",
        /// gzip.
        Gzip = "gzip",
        /// Snappy.
        Snappy = "snappy",
        /// LZ4.
        Lz4 = "lz4",
        /// Zstandard.
        Zstd = "zstd",
    }

    /// What becomes of old records (`cleanup.policy`).
    CleanupPolicy {
        /// They are deleted, by segments.
        Delete = "delete",
        /// Only the last record of each key stays.
        Compact = "compact",
        /// Both.
        CompactAndDelete = "compact,delete" | "delete,compact",
    }

    /// The protocol by which a group is coordinated (`group.protocol`, KIP-848).
    GroupProtocol {
        /// JoinGroup and SyncGroup: the members' leader assigns.
        Classic = "classic" | "CLASSIC",
        /// ConsumerGroupHeartbeat: the coordinator assigns.
        Consumer = "consumer" | "CONSUMER",
    }

    /// An assignor of the classic protocol (`partition.assignment.strategy`).
    Assignor {
        /// Per topic, ranges of partitions.
        Range = "RangeAssignor",
        /// All partitions dealt out in turn.
        RoundRobin = "RoundRobinAssignor",
        /// Balanced, and as few partitions as possible change hands (KIP-54).
        Sticky = "StickyAssignor",
        /// The same without stopping everybody (KIP-429).
        CooperativeSticky = "CooperativeStickyAssignor",
    }

    /// A partitioner class that replaces the built-in one (`partitioner.class`).
    PartitionerClass {
        /// Each batch's next partition in turn.
        RoundRobin = "RoundRobinPartitioner",
        /// The one of KIP-480, deprecated by KIP-794.
        UniformSticky = "UniformStickyPartitioner",
    }

    /// A class that picks the replica a consumer reads from (`replica.selector.class`, KIP-392).
    ReplicaSelector {
        /// Always the leader.
        Leader = "LeaderSelector",
        /// A replica in the consumer's rack, the most caught-up one.
        RackAware = "RackAwareReplicaSelector",
    }

    /// What a client does when it knows no reachable broker any more (KIP-899).
    MetadataRecoveryStrategy {
        /// It keeps trying those it knows.
        None = "none" | "NONE",
        /// It starts again from `bootstrap.servers`.
        Rebootstrap = "rebootstrap" | "REBOOTSTRAP",
    }
}

impl<T: Worded> Kind<T> for Word {
    fn form() -> String {
        let words: Vec<_> = T::WORDS.iter().map(|(word, _)| *word).collect();
        one_of(&words)
    }

    fn read(text: &str) -> Option<T> {
        let word = text.rsplit('.').next().unwrap_or(text);
        let word: String = word.split_whitespace().collect();
        T::WORDS.iter().find(|(known, _)| *known == word).map(|(_, value)| *value)
    }

    fn print(value: &T) -> String {
        value.word().into()
    }
}

impl<T: Worded> Kind<Vec<T>> for Words {
    fn form() -> String {
        format!("a comma-separated list of {}", <Word as Kind<T>>::form())
    }

    fn read(text: &str) -> Option<Vec<T>> {
        text.split(',').map(|word| Word::read(word.trim())).collect()
    }

    fn print(value: &Vec<T>) -> String {
        let words: Vec<_> = value.iter().map(|value| value.word()).collect();
        words.join(",")
    }
}

fn one_of(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [only] => (*only).into(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

/// Where a consumer starts that has no position, or one that is gone (`auto.offset.reset`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AutoOffsetReset {
    /// At the log start offset.
    Earliest,
    /// At the high watermark: it skips what is there.
    Latest,
    /// Nowhere: the application gets an error.
    None,
    /// At the first record that is at most so old (KIP-1106).
    ByDuration(Span),
}

impl fmt::Display for AutoOffsetReset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AutoOffsetReset::Earliest => f.pad("earliest"),
            AutoOffsetReset::Latest => f.pad("latest"),
            AutoOffsetReset::None => f.pad("none"),
            AutoOffsetReset::ByDuration(span) => {
                let (seconds, millis) = (span.as_millis() / 1_000, span.as_millis() % 1_000);
                match millis {
                    0 => f.pad(&format!("by_duration:PT{seconds}S")),
                    _ => f.pad(&format!("by_duration:PT{seconds}.{millis:03}S")),
                }
            }
        }
    }
}

impl Serialize for AutoOffsetReset {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Reads an [`AutoOffsetReset`].
pub struct Reset;

impl Kind<AutoOffsetReset> for Reset {
    fn form() -> String {
        "earliest, latest, none or by_duration:PT10M (an ISO-8601 duration)".into()
    }

    fn read(text: &str) -> Option<AutoOffsetReset> {
        match text {
            "earliest" => Some(AutoOffsetReset::Earliest),
            "latest" => Some(AutoOffsetReset::Latest),
            "none" => Some(AutoOffsetReset::None),
            _ => text
                .strip_prefix("by_duration:")
                .and_then(iso_8601_duration)
                .map(AutoOffsetReset::ByDuration),
        }
    }

    fn print(value: &AutoOffsetReset) -> String {
        value.to_string()
    }
}

/// `P1DT2H3M4.5S`, as `java.time.Duration.parse` reads it; negative durations make no sense here.
fn iso_8601_duration(text: &str) -> Option<Span> {
    let (days, time) = match text.strip_prefix('P')?.split_once('T') {
        Some((days, time)) if !time.is_empty() => (days, time),
        Some(_) => return None,
        None => (text.strip_prefix('P')?, ""),
    };
    if days.is_empty() && time.is_empty() {
        return None;
    }
    let mut units = [('D', 86_400_000), ('H', 3_600_000), ('M', 60_000), ('S', 1_000)].into_iter();
    let (mut rest, mut millis) = (format!("{days}{time}"), 0u64);
    let day_units = usize::from(!days.is_empty());
    if day_units == 1 && !days.ends_with('D') || time.contains('D') {
        return None;
    }
    while !rest.is_empty() {
        let end = rest.find(|letter: char| letter.is_ascii_alphabetic())?;
        let letter = rest[end..].chars().next()?;
        let (_, unit) = units.find(|(name, _)| *name == letter)?;
        millis = millis.checked_add(scaled(&rest[..end], unit, letter == 'S')?)?;
        rest = rest[end + 1..].into();
    }
    Some(Span::from_millis(millis))
}

fn scaled(number: &str, unit: u64, may_have_decimals: bool) -> Option<u64> {
    let (whole, decimals) = number.split_once('.').unwrap_or((number, ""));
    if !decimals.is_empty() && !may_have_decimals || decimals.len() > 3 {
        return None;
    }
    let thousandths: u64 = format!("{decimals:0<3}").parse().ok()?;
    whole.parse::<u64>().ok()?.checked_mul(unit)?.checked_add(thousandths * unit / 1_000)
}

/// The replicas of a topic whose replication traffic is throttled (`ThrottledReplicaListValidator`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum ThrottledReplicas {
    /// Every replica: `*`.
    All,
    /// These, each as partition and broker: `0:1,0:2`. Empty for none.
    Listed(Vec<(u32, u32)>),
}

impl ThrottledReplicas {
    /// No replica is throttled.
    pub const NONE: ThrottledReplicas = ThrottledReplicas::Listed(Vec::new());

    /// Whether the replica of `partition` on `broker` is among them.
    pub fn contains(&self, partition: u32, broker: u32) -> bool {
        match self {
            ThrottledReplicas::All => true,
            ThrottledReplicas::Listed(replicas) => replicas.contains(&(partition, broker)),
        }
    }
}

/// Reads a [`ThrottledReplicas`].
pub struct ReplicaList;

impl Kind<ThrottledReplicas> for ReplicaList {
    fn form() -> String {
        "`*`, or a list of partition:broker such as 0:1,0:2".into()
    }

    fn read(text: &str) -> Option<ThrottledReplicas> {
        match text {
            "*" => Some(ThrottledReplicas::All),
            "" => Some(ThrottledReplicas::Listed(Vec::new())),
            _ => text.split(',').map(replica).collect::<Option<_>>().map(ThrottledReplicas::Listed),
        }
    }

    fn print(value: &ThrottledReplicas) -> String {
        match value {
            ThrottledReplicas::All => "*".into(),
            ThrottledReplicas::Listed(replicas) => {
                let texts: Vec<_> = replicas.iter().map(|(p, b)| format!("{p}:{b}")).collect();
                texts.join(",")
            }
        }
    }
}

fn replica(text: &str) -> Option<(u32, u32)> {
    let (partition, broker) = text.trim().split_once(':')?;
    Some((partition.parse().ok()?, broker.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_is_known_by_its_last_name() {
        let text = "org.apache.kafka.common.replica.RackAwareReplicaSelector";
        assert_eq!(Word::read(text), Some(ReplicaSelector::RackAware));
        assert_eq!(<Words as Kind<Vec<Assignor>>>::read("RangeAssignor, Nobody"), None);
    }

    #[test]
    fn kip_1106_a_reset_by_duration_is_an_iso_8601_duration() {
        let cases = [
            ("PT10S", Some(10_000)),
            ("PT1.5S", Some(1_500)),
            ("P1DT2H3M4S", Some(93_784_000)),
            ("P3D", Some(259_200_000)),
            ("PT5M", Some(300_000)),
            ("PT5S3M", None),
            ("P5M", None),
            ("PT", None),
            ("10s", None),
            ("PT-5S", None),
        ];
        for (text, millis) in cases {
            let read = Reset::read(&format!("by_duration:{text}"));
            let expected =
                millis.map(|millis| AutoOffsetReset::ByDuration(Span::from_millis(millis)));
            assert_eq!(read, expected, "{text}");
        }
    }

    #[test]
    fn throttled_replicas_are_all_or_a_list() {
        assert!(ReplicaList::read("*").unwrap().contains(7, 3));
        let listed = ReplicaList::read("0:1,1:2").unwrap();
        assert!(listed.contains(1, 2) && !listed.contains(1, 1));
        assert_eq!(ReplicaList::read("0-1"), None);
    }
}
