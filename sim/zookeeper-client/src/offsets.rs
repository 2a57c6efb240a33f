//! Consumer offsets in ZooKeeper, as consumers kept them before there was `__consumer_offsets` (Kafka 0.8,
//! `ZookeeperConsumerConnector.commitOffsets`): a znode for each partition, written one after the other, and every
//! write a transaction of the ensemble on which the cluster itself depends.
//!
//! Fact: `OffsetsCommitted`.

use klab_wire::znodes::path;
use klab_wire::zookeeper::Path;
use klab_wire::{NodeId, Span, Time, TopicPartition};
use std::collections::BTreeSet;

/// A consumer's commits: of each partition that it reads the offset, again and again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Offsets {
    /// What the commit that is under way has still to write.
    next: Option<u32>,
    /// Of how many partitions it does not know yet what came of the write.
    missing: u32,
    begun: Time,
}

impl Offsets {
    /// A commit of so many partitions begins, unless the last one is still under way.
    pub fn begin(&mut self, partitions: u32, now: Time) {
        if self.missing == 0 {
            *self = Offsets { next: Some(0), missing: partitions, begun: now };
        }
    }

    /// The partition whose offset is to be written next.
    pub fn next(&mut self, partitions: u32) -> Option<u32> {
        let next = self.next?;
        self.next = Some(next + 1).filter(|next| *next < partitions);
        Some(next)
    }

    /// A write has ended; if it was the last one of its commit, so long the commit took. What was lost, the next
    /// commit writes anew.
    pub fn ended(&mut self, now: Time) -> Option<Span> {
        self.missing -= 1;
        (self.missing == 0).then(|| now.since(self.begun))
    }
}

/// The znodes that the offsets of a consumer are in which is alone in its group: parents first.
pub fn znodes(consumer: NodeId, partitions: u32) -> Vec<Path> {
    let with_parents = |partition| {
        let own = Some(znode(consumer, partition));
        std::iter::successors(own, Path::parent).filter(|path| *path != Path::root())
    };
    let znodes: BTreeSet<Path> = (0..partitions).flat_map(with_parents).collect();
    znodes.into_iter().collect()
}

/// Where the offset of one partition is (`ZKGroupTopicDirs`).
pub fn znode(consumer: NodeId, partition: u32) -> Path {
    let partition = TopicPartition::new("orders", partition);
    path::consumer_offset(&consumer.to_string(), &partition)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_is_over_when_all_its_writes_are_and_only_then_another_begins() {
        let at = |millis| Time::ZERO + Span::from_millis(millis);
        let mut offsets = Offsets::default();
        offsets.begin(2, at(10));
        assert_eq!([0; 3].map(|_| offsets.next(2)), [Some(0), Some(1), None]);
        assert_eq!(offsets.ended(at(11)), None);
        offsets.begin(2, at(12));
        assert_eq!(offsets.next(2), None, "the first commit is under way");
        assert_eq!(offsets.ended(at(15)), Some(Span::from_millis(5)));
        offsets.begin(2, at(20));
        assert_eq!(offsets.next(2), Some(0));
    }

    #[test]
    fn every_partition_has_a_znode_in_its_group() {
        let znodes = znodes(NodeId::zookeeper_client(3), 2);
        let paths: Vec<String> = znodes.iter().map(ToString::to_string).collect();
        assert_eq!(paths.len(), 6);
        assert_eq!(paths[1], "/consumers/k3");
        assert_eq!(paths[5], "/consumers/k3/offsets/orders/1");
    }
}
