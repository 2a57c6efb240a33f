//! Which partitions have something to send, when, and to whom.
//!
//! `RecordAccumulator.ready` looks at every partition each time; here every partition with a batch stands
//! in an ordered set by the moment its first batch may go, so that looking costs what is due.

use crate::batch::Slot;
use klab_wire::{NodeId, Time};
use std::collections::{BTreeMap, BTreeSet};

/// The partitions that have batches and are not muted.
#[derive(Clone, Debug, Default)]
pub(crate) struct ReadyQueues {
    entries: BTreeMap<Slot, Entry>,
    /// Those that are not ripe, by the time when they will be.
    due: BTreeSet<(Time, Slot)>,
    nodes: BTreeMap<NodeId, NodeQueues>,
    leaderless: BTreeSet<Slot>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    leader: Option<NodeId>,
    times: Readiness,
    is_ripe: bool,
}

/// When the first batch of a partition may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Readiness {
    /// Not before this: it backs off after a failure.
    pub(crate) not_before: Time,
    /// At this time for its own sake: it is full, or has lingered.
    pub(crate) due: Time,
}

/// The partitions that one broker leads.
#[derive(Clone, Debug, Default)]
struct NodeQueues {
    slots: BTreeSet<Slot>,
    ripe: BTreeSet<Slot>,
    drain_from: Option<Slot>,
}

impl ReadyQueues {
    /// A partition has a (new) first batch, or another leader.
    pub(crate) fn set(&mut self, slot: Slot, leader: Option<NodeId>, times: Readiness) {
        self.remove(slot);
        self.entries.insert(slot, Entry { leader, times, is_ripe: false });
        self.due.insert((times.due, slot));
        match leader {
            Some(leader) => {
                self.nodes.entry(leader).or_default().slots.insert(slot);
            }
            None => {
                self.leaderless.insert(slot);
            }
        }
    }

    /// A partition has nothing to send, or must not.
    pub(crate) fn remove(&mut self, slot: Slot) {
        let Some(entry) = self.entries.remove(&slot) else { return };
        if !entry.is_ripe {
            self.due.remove(&(entry.times.due, slot));
        }
        match entry.leader.and_then(|leader| self.nodes.get_mut(&leader)) {
            Some(node) => {
                node.slots.remove(&slot);
                node.ripe.remove(&slot);
            }
            None => {
                self.leaderless.remove(&slot);
            }
        }
    }

    /// What is due becomes ripe. `at_once`: lingering does not count, only backing off does.
    pub(crate) fn ripen(&mut self, now: Time, at_once: bool) {
        while let Some((due, slot)) = self.due.first().copied()
            && due <= now
        {
            self.mark_ripe(slot);
        }
        if at_once {
            let may_go = |slot: &Slot| self.entries[slot].times.not_before <= now;
            let slots: Vec<Slot> = self.due.iter().map(|(_, slot)| *slot).filter(may_go).collect();
            slots.into_iter().for_each(|slot| self.mark_ripe(slot));
        }
    }

    fn mark_ripe(&mut self, slot: Slot) {
        let entry = self.entries.get_mut(&slot).expect("what is due has an entry");
        entry.is_ripe = true;
        self.due.remove(&(entry.times.due, slot));
        if let Some(node) = entry.leader.and_then(|leader| self.nodes.get_mut(&leader)) {
            node.ripe.insert(slot);
        }
    }

    /// When the next partition becomes ripe.
    pub(crate) fn next_due(&self) -> Option<Time> {
        self.due.first().map(|(due, _)| *due)
    }

    /// The brokers that have something ripe.
    pub(crate) fn ripe_nodes(&self) -> Vec<NodeId> {
        let has_ripe =
            |(node, queues): (&NodeId, &NodeQueues)| (!queues.ripe.is_empty()).then_some(*node);
        self.nodes.iter().filter_map(has_ripe).collect()
    }

    /// A broker has something ripe.
    pub(crate) fn is_ripe(&self, node: NodeId) -> bool {
        self.nodes.get(&node).is_some_and(|queues| !queues.ripe.is_empty())
    }

    /// The partitions of a broker, ripe or not, from where the last drain stopped
    /// (`nodesDrainIndex`: so that no partition starves).
    pub(crate) fn drain_order(&self, node: NodeId) -> Vec<Slot> {
        let Some(queues) = self.nodes.get(&node) else { return Vec::new() };
        match queues.drain_from {
            Some(from) => {
                queues.slots.range(from..).chain(queues.slots.range(..from)).copied().collect()
            }
            None => queues.slots.iter().copied().collect(),
        }
    }

    /// The next drain of this broker begins here.
    pub(crate) fn drained_up_to(&mut self, node: NodeId, slot: Slot) {
        self.nodes.entry(node).or_default().drain_from = Some(slot);
    }

    /// The partitions with batches but without a leader.
    pub(crate) fn leaderless(&self) -> impl Iterator<Item = Slot> + '_ {
        self.leaderless.iter().copied()
    }

    /// Every partition here.
    pub(crate) fn slots(&self) -> Vec<Slot> {
        self.entries.keys().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const B1: NodeId = NodeId::broker(1);

    fn slot(partition: u32) -> Slot {
        Slot { topic: 0, partition }
    }

    fn times(not_before: u64, due: u64) -> Readiness {
        Readiness { not_before: Time(not_before), due: Time(due) }
    }

    #[test]
    fn a_broker_is_ripe_when_one_of_its_partitions_is_due_and_then_all_may_go() {
        let mut queues = ReadyQueues::default();
        queues.set(slot(0), Some(B1), times(0, 10));
        queues.set(slot(1), Some(B1), times(0, 20));
        queues.ripen(Time(9), false);
        assert!(queues.ripe_nodes().is_empty());
        queues.ripen(Time(10), false);
        assert_eq!(queues.ripe_nodes(), [B1]);
        assert_eq!(queues.drain_order(B1), [slot(0), slot(1)]);
        assert_eq!(queues.next_due(), Some(Time(20)));
    }

    #[test]
    fn when_memory_is_exhausted_only_backing_off_holds_a_batch() {
        let mut queues = ReadyQueues::default();
        queues.set(slot(0), Some(B1), times(15, 15));
        queues.ripen(Time(10), true);
        assert!(!queues.is_ripe(B1));
        queues.set(slot(1), Some(B1), times(0, 20));
        queues.ripen(Time(10), true);
        assert!(queues.is_ripe(B1));
    }

    #[test]
    fn the_next_drain_begins_where_the_last_one_stopped() {
        let mut queues = ReadyQueues::default();
        (0..3).for_each(|partition| queues.set(slot(partition), Some(B1), times(0, 0)));
        queues.drained_up_to(B1, slot(2));
        assert_eq!(queues.drain_order(B1), [slot(2), slot(0), slot(1)]);
    }

    #[test]
    fn a_partition_that_moves_leaves_nothing_behind() {
        let mut queues = ReadyQueues::default();
        queues.set(slot(0), None, times(0, 5));
        assert_eq!(queues.leaderless().collect::<Vec<_>>(), [slot(0)]);
        queues.ripen(Time(5), false);
        queues.set(slot(0), Some(B1), times(0, 5));
        assert_eq!(queues.leaderless().count(), 0);
        queues.ripen(Time(5), false);
        queues.remove(slot(0));
        assert!(!queues.is_ripe(B1));
        assert_eq!((queues.next_due(), queues.slots().len()), (None, 0));
    }
}
