//! Who picks a record's partition.

mod built_in;
mod sticky_cache;

pub(crate) use built_in::{BuiltInPartitioner, PartitionLoadStats};
pub(crate) use sticky_cache::StickyPartitionCache;

use crate::murmur2::partition_for_key;
use crate::{CustomPartitioner, Partitioning};
use klab_wire::Payload;
use klab_wire::config::{PartitionerClass, ProducerConfig};

/// What picks the partitions of one topic.
#[derive(Clone, Debug)]
pub(crate) enum Partitioner {
    /// Murmur2 of the key; without one, left to the accumulator's [`BuiltInPartitioner`].
    BuiltIn { ignore_keys: bool },
    /// `RoundRobinPartitioner`: the available partitions in turn, whatever the key.
    RoundRobin { next: u32 },
    /// `UniformStickyPartitioner` (KIP-480): one partition until a new batch begins.
    UniformSticky(StickyPartitionCache),
    /// `ProducerRecord.partition`.
    Explicit(u32),
    /// The application's own.
    Custom(CustomPartitioner),
}

/// What a partitioner says of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    /// This partition.
    Partition(u32),
    /// None yet: the accumulator's sticky partition (`RecordMetadata.UNKNOWN_PARTITION`).
    Sticky,
}

impl Partitioner {
    /// The partitioner that an application's wish and the configuration make.
    pub(crate) fn new(wish: Partitioning, config: &ProducerConfig) -> Self {
        match (wish, config.partitioner_class) {
            (Partitioning::Explicit(partition), _) => Partitioner::Explicit(partition),
            (Partitioning::Custom(custom), _) => Partitioner::Custom(custom),
            (Partitioning::RoundRobin, _)
            | (Partitioning::Default, Some(PartitionerClass::RoundRobin)) => {
                Partitioner::RoundRobin { next: 0 }
            }
            (Partitioning::Default, Some(PartitionerClass::UniformSticky)) => {
                Partitioner::UniformSticky(StickyPartitionCache::default())
            }
            (Partitioning::Default, None) => {
                Partitioner::BuiltIn { ignore_keys: config.partitioner_ignore_keys }
            }
        }
    }

    /// The partition of a record among `partitions`, of which `available` have a leader.
    pub(crate) fn choose(
        &mut self,
        key: Option<&Payload>,
        partitions: u32,
        available: &[u32],
        draw: impl FnMut() -> u32,
    ) -> Choice {
        match self {
            Partitioner::BuiltIn { ignore_keys } => match key {
                Some(key) if !*ignore_keys => {
                    Choice::Partition(key.with_bytes(|bytes| partition_for_key(bytes, partitions)))
                }
                _ => Choice::Sticky,
            },
            Partitioner::RoundRobin { next } => {
                let turn = *next;
                *next = next.wrapping_add(1) & 0x7fff_ffff;
                Choice::Partition(among(available, partitions, turn))
            }
            Partitioner::UniformSticky(cache) => {
                Choice::Partition(cache.partition(partitions, available, draw))
            }
            Partitioner::Explicit(partition) => Choice::Partition(*partition),
            Partitioner::Custom(CustomPartitioner::ByKeyModulo) => {
                Choice::Partition(key.map_or(0, |key| by_key_modulo(key, partitions)))
            }
        }
    }
}

/// The `turn`-th available partition, or of all if none is.
fn among(available: &[u32], partitions: u32, turn: u32) -> u32 {
    match available.len() as u32 {
        0 => turn % partitions,
        count => available[(turn % count) as usize],
    }
}

fn by_key_modulo(key: &Payload, partitions: u32) -> u32 {
    match key {
        Payload::Number { number, .. } => (number % u64::from(partitions)) as u32,
        Payload::Bytes(bytes) => {
            let fold =
                |rest: u64, byte: &u8| (rest * 256 + u64::from(*byte)) % u64::from(partitions);
            bytes.iter().fold(0, fold) as u32
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choose(partitioner: &mut Partitioner, key: Option<u64>, available: &[u32]) -> Choice {
        let key = key.map(|number| Payload::Number { number, size: 8 });
        partitioner.choose(key.as_ref(), 6, available, || 0)
    }

    #[test]
    fn the_default_hashes_keys_and_leaves_the_rest_to_the_sticky_partition() {
        let mut default = Partitioner::new(Partitioning::Default, &ProducerConfig::default());
        let hashed = partition_for_key(&42u64.to_be_bytes(), 6);
        assert_eq!(choose(&mut default, Some(42), &[]), Choice::Partition(hashed));
        assert_eq!(choose(&mut default, None, &[]), Choice::Sticky);
    }

    #[test]
    fn keys_can_be_ignored() {
        let config = ProducerConfig { partitioner_ignore_keys: true, ..ProducerConfig::default() };
        let mut ignoring = Partitioner::new(Partitioning::Default, &config);
        assert_eq!(choose(&mut ignoring, Some(42), &[]), Choice::Sticky);
    }

    #[test]
    fn round_robin_takes_the_available_partitions_in_turn() {
        let mut round = Partitioner::new(Partitioning::RoundRobin, &ProducerConfig::default());
        let picked: Vec<_> = (0..4).map(|_| choose(&mut round, Some(1), &[1, 4, 5])).collect();
        assert_eq!(picked, [1, 4, 5, 1].map(Choice::Partition));
        assert_eq!(choose(&mut round, None, &[]), Choice::Partition(4));
    }

    #[test]
    fn an_explicit_or_custom_choice_stands() {
        let mut explicit = Partitioner::Explicit(9);
        assert_eq!(choose(&mut explicit, Some(1), &[0]), Choice::Partition(9));
        let mut custom = Partitioner::Custom(CustomPartitioner::ByKeyModulo);
        assert_eq!(choose(&mut custom, Some(8), &[0]), Choice::Partition(2));
        assert_eq!(choose(&mut custom, None, &[0]), Choice::Partition(0));
    }
}
