//! Where records without a key go (KIP-794): the accumulator's side of the built-in partitioner.

use super::{NodeLatency, RecordAccumulator};
use crate::batch::{ProducerBatch, Slot};
use crate::metadata::TopicMetadata;
use crate::partitioner::{BuiltInPartitioner, PartitionLoadStats};
use klab_wire::{NodeId, Span, Time};

impl RecordAccumulator {
    /// The partition that records without a key go to. Before one is appended, a switch that had been put
    /// off is made good if the batches are full by now (`partitionChanged`).
    pub(super) fn sticky_partition(
        &mut self,
        topic: u32,
        cluster: &TopicMetadata,
        draw: &mut impl FnMut() -> u32,
    ) -> u32 {
        let Some(current) = self.topics[topic as usize].sticky.current() else {
            return self.switch_sticky(topic, cluster, draw);
        };
        let last = self.last_batch(Slot { topic, partition: current });
        let is_full = last.is_none_or(ProducerBatch::is_full);
        match is_full && self.topics[topic as usize].sticky.count(0, true) {
            true => self.switch_sticky(topic, cluster, draw),
            false => current,
        }
    }

    pub(super) fn count_sticky(
        &mut self,
        topic: u32,
        bytes: u32,
        is_full: bool,
        cluster: &TopicMetadata,
        draw: &mut impl FnMut() -> u32,
    ) {
        if self.topics[topic as usize].sticky.count(bytes, is_full) {
            self.switch_sticky(topic, cluster, draw);
        }
    }

    fn switch_sticky(
        &mut self,
        topic: u32,
        cluster: &TopicMetadata,
        draw: &mut impl FnMut() -> u32,
    ) -> u32 {
        let load = self.load_stats(topic, cluster);
        // A topic that was forgotten while a call waited for memory: any partition is as good as another.
        let partitions = (cluster.partitions.len() as u32).max(1);
        let next = BuiltInPartitioner::next(draw(), partitions, &cluster.available, load.as_ref());
        self.topics[topic as usize].sticky.switch_to(next);
        next
    }

    /// The queues of a topic as a table for drawing (`partitionReady`). Kafka makes it at every look of the
    /// sender; here it is made when it is needed.
    fn load_stats(&self, topic: u32, cluster: &TopicMetadata) -> Option<PartitionLoadStats> {
        let queues = &self.topics[topic as usize];
        let all = cluster.partitions.len() as u32;
        if !self.config.adaptive || queues.written < all || self.queued == 0 {
            return None;
        }
        let length = |partition: u32| {
            let queue = self.queue(Slot { topic, partition });
            queue.map_or(0, |queue| queue.len() as u32)
        };
        let is_available = |partition: &u32| {
            let leader = cluster.partitions[*partition as usize].leader;
            length(*partition) == 0 || leader.is_none_or(|leader| !self.is_slow(leader))
        };
        let kept = cluster.available.iter().copied().filter(is_available);
        let lengths: Vec<_> = kept.map(|partition| (partition, length(partition))).collect();
        PartitionLoadStats::of(&lengths, queues.written)
    }

    fn is_slow(&self, node: NodeId) -> bool {
        let timeout = self.config.availability_timeout;
        let waits = |latency: &NodeLatency| latency.ready.since(latency.drain) > timeout;
        timeout > Span::ZERO && self.latencies.get(&node).is_some_and(waits)
    }

    /// A broker has something ready; it takes it or it does not (`updateNodeLatencyStats`).
    pub(crate) fn note_latency(&mut self, node: NodeId, can_drain: bool, now: Time) {
        if self.config.availability_timeout == Span::ZERO {
            return;
        }
        let latency = self.latencies.entry(node).or_insert(NodeLatency { ready: now, drain: now });
        latency.ready = now;
        if can_drain {
            latency.drain = now;
        }
    }
}
