//! Letting go of what is resolved, while a recorded history is read.
//!
//! A send is resolved once everything that its process sent before has ended, so that its place in the order of
//! sends can be judged, and somebody has read its value at its offset: then the poll is evidence enough.

use super::History;
use super::faults::Faults;
use super::nonmonotonic_send::{self, Send};
use super::partition::PartitionHistory;
use super::permits::Permits;
use super::recorded::{HistoryJudge, SETTLE_AT};
use crate::findings::Findings;
use klab_wire::{NodeId, PartitionId, TopicPartition};
use std::collections::BTreeMap;

impl HistoryJudge {
    /// Judges the order of the sends before which nothing is pending, and lets go what was read.
    pub(super) fn settle(&mut self) {
        let processes = self.processes.iter();
        let frontier: BTreeMap<NodeId, u32> =
            processes.map(|(node, process)| (*node, process.first_pending())).collect();
        let History { topics, faults, recorded, .. } = &mut self.history;
        for topic in topics {
            for (partition, index) in topic.partitions.iter_mut().zip(0..) {
                let name =
                    TopicPartition { topic: topic.name.clone(), partition: PartitionId(index) };
                let permits = Permits::new(&name, &self.cluster, *recorded);
                partition.settle(&name, &frontier, &permits, (faults, &mut self.findings));
            }
        }
        let kept = self.history.topics.iter().flat_map(|topic| &topic.partitions);
        let kept: usize = kept.map(|partition| partition.acks.len()).sum();
        self.until_settled = SETTLE_AT.max(kept);
    }
}

impl PartitionHistory {
    fn settle(
        &mut self,
        name: &TopicPartition,
        frontier: &BTreeMap<NodeId, u32>,
        permits: &Permits,
        (faults, findings): (&Faults, &mut Findings),
    ) {
        let mut sends = Vec::new();
        for ack in self.acks.iter_mut().filter(|ack| !ack.settled) {
            if frontier.get(&ack.at.node).is_some_and(|first| ack.order < *first) {
                ack.settled = true;
                sends.push(Send::of(ack));
            }
        }
        nonmonotonic_send::sort(&mut sends);
        nonmonotonic_send::judge(name, &sends, &mut self.latest, permits, faults, findings);
        let reads = &self.reads;
        self.acks.retain(|ack| {
            !(ack.settled && reads.confirm(ack.offset, ack.first_value, ack.count.into()))
        });
    }
}
