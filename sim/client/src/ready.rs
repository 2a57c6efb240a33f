//! Which partitions have something to send, when, and to whom.
//!
//! `RecordAccumulator.ready` looks at every partition each time; here every partition with a batch stands
//! in an ordered queue by the moment its first batch may go, so that looking costs what is due.

use crate::batch::Slot;
use crate::slots::PerSlot;
use crate::sorted_queue::SortedQueue;
use klab_wire::{NodeId, Time};
use smallvec::SmallVec;
use std::collections::BTreeSet;

/// The partitions that have batches and are not muted.
#[derive(Clone, Debug, Default)]
pub(crate) struct ReadyQueues {
    entries: PerSlot<Entry>,
    /// Those that are not ripe, by the time when they will be.
    due: SortedQueue<(Time, Slot)>,
    /// In the order of the brokers.
    nodes: Vec<NodeQueues>,
    /// Where the one is that was asked for last: it often is the next one too.
    latest: usize,
    leaderless: BTreeSet<Slot>,
    /// How many partitions with a leader are ripe.
    ripe: u32,
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
#[derive(Clone, Debug)]
struct NodeQueues {
    node: NodeId,
    /// In order.
    slots: Vec<Slot>,
    /// How many of them are ripe.
    ripe: u32,
    drain_from: Option<Slot>,
}

impl ReadyQueues {
    /// A partition has a (new) first batch, or another leader.
    pub(crate) fn set(&mut self, slot: Slot, leader: Option<NodeId>, times: Readiness) {
        self.remove(slot);
        self.entries.insert(slot, Entry { leader, times, is_ripe: false });
        self.due.insert((times.due, slot));
        match leader {
            Some(leader) => self.queues(leader).insert(slot),
            None => {
                self.leaderless.insert(slot);
            }
        }
    }

    /// A partition has nothing to send, or must not.
    pub(crate) fn remove(&mut self, slot: Slot) {
        let Some(entry) = self.entries.remove(slot) else { return };
        if !entry.is_ripe {
            self.due.remove(&(entry.times.due, slot));
        }
        let Some(leader) = entry.leader else {
            self.leaderless.remove(&slot);
            return;
        };
        let was_ripe = u32::from(entry.is_ripe);
        self.ripe -= was_ripe;
        let queues = self.queues(leader);
        queues.remove(slot);
        queues.ripe -= was_ripe;
    }

    /// What is due becomes ripe. `at_once`: lingering does not count, only backing off does.
    pub(crate) fn ripen(&mut self, now: Time, at_once: bool) {
        while self.next_due().is_some_and(|due| due <= now)
            && let Some((_, slot)) = self.due.pop_first()
        {
            self.mark_ripe(slot);
        }
        if at_once {
            let may_go = |(_, slot): &&(Time, Slot)| self.entry(*slot).times.not_before <= now;
            let early: Vec<(Time, Slot)> = self.due.iter().filter(may_go).copied().collect();
            for due in early {
                self.due.remove(&due);
                self.mark_ripe(due.1);
            }
        }
    }

    fn mark_ripe(&mut self, slot: Slot) {
        let entry = self.entries.get_mut(slot).expect("what is due has an entry");
        entry.is_ripe = true;
        if let Some(leader) = entry.leader {
            self.queues(leader).ripe += 1;
            self.ripe += 1;
        }
    }

    fn entry(&self, slot: Slot) -> &Entry {
        self.entries.get(slot).expect("what is due has an entry")
    }

    /// Nothing may be sent, nor becomes ripe by now, nor lacks a leader.
    pub(crate) fn is_idle(&self, now: Time) -> bool {
        self.ripe == 0 && self.leaderless.is_empty() && self.next_due().is_none_or(|due| due > now)
    }

    /// When the next partition becomes ripe.
    pub(crate) fn next_due(&self) -> Option<Time> {
        self.due.first().map(|(due, _)| *due)
    }

    /// The first broker that has something ripe, or the first after another one.
    pub(crate) fn ripe_node(&self, after: Option<NodeId>) -> Option<NodeId> {
        if self.ripe == 0 {
            return None;
        }
        let is_next = |queues: &&NodeQueues| queues.ripe > 0 && Some(queues.node) > after;
        self.nodes.iter().find(is_next).map(|queues| queues.node)
    }

    /// Whether there are brokers with something to send, all of them of a kind, and no partition without one.
    pub(crate) fn all_leaders(&self, are: impl Fn(NodeId) -> bool) -> bool {
        let mut leaders = self.nodes.iter().filter(|queues| !queues.slots.is_empty()).peekable();
        leaders.peek().is_some()
            && self.leaderless.is_empty()
            && leaders.all(|queues| are(queues.node))
    }

    /// A broker has something ripe.
    pub(crate) fn is_ripe(&self, node: NodeId) -> bool {
        self.ripe > 0 && self.place(node).is_ok_and(|place| self.nodes[place].ripe > 0)
    }

    /// The partitions of a broker, ripe or not, from where the last drain stopped
    /// (`nodesDrainIndex`: so that no partition starves).
    pub(crate) fn drain_order(&self, node: NodeId) -> SmallVec<[Slot; 6]> {
        let Ok(place) = self.place(node) else { return SmallVec::new() };
        let NodeQueues { slots, drain_from, .. } = &self.nodes[place];
        let is_before = |slot: &Slot| drain_from.is_some_and(|from| *slot < from);
        let (before, after) = slots.split_at(slots.partition_point(is_before));
        let mut order = SmallVec::from_slice(after);
        order.extend_from_slice(before);
        order
    }

    /// The next drain of this broker begins here.
    pub(crate) fn drained_up_to(&mut self, node: NodeId, slot: Slot) {
        self.queues(node).drain_from = Some(slot);
    }

    /// Some partitions have batches but no leader.
    pub(crate) fn has_leaderless(&self) -> bool {
        !self.leaderless.is_empty()
    }

    /// Every partition here.
    pub(crate) fn slots(&self) -> Vec<Slot> {
        self.entries.slots().collect()
    }

    fn place(&self, node: NodeId) -> Result<usize, usize> {
        self.nodes.binary_search_by_key(&node, |queues| queues.node)
    }

    fn queues(&mut self, node: NodeId) -> &mut NodeQueues {
        if self.nodes.get(self.latest).is_none_or(|latest| latest.node != node) {
            self.latest = self.place(node).unwrap_or_else(|place| {
                self.nodes.insert(place, NodeQueues::new(node));
                place
            });
        }
        &mut self.nodes[self.latest]
    }
}

impl NodeQueues {
    fn new(node: NodeId) -> Self {
        NodeQueues { node, slots: Vec::new(), ripe: 0, drain_from: None }
    }

    fn insert(&mut self, slot: Slot) {
        if let Err(place) = self.slots.binary_search(&slot) {
            self.slots.insert(place, slot);
        }
    }

    fn remove(&mut self, slot: Slot) {
        if let Ok(place) = self.slots.binary_search(&slot) {
            self.slots.remove(place);
        }
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
        assert_eq!(queues.ripe_node(None), None);
        queues.ripen(Time(10), false);
        assert_eq!((queues.ripe_node(None), queues.ripe_node(Some(B1))), (Some(B1), None));
        assert_eq!(queues.drain_order(B1)[..], [slot(0), slot(1)]);
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
        assert_eq!(queues.drain_order(B1)[..], [slot(2), slot(0), slot(1)]);
    }

    #[test]
    fn a_partition_that_moves_leaves_nothing_behind() {
        let mut queues = ReadyQueues::default();
        queues.set(slot(0), None, times(0, 5));
        assert!(queues.has_leaderless());
        queues.ripen(Time(5), false);
        queues.set(slot(0), Some(B1), times(0, 5));
        assert!(!queues.has_leaderless());
        queues.ripen(Time(5), false);
        queues.remove(slot(0));
        assert!(!queues.is_ripe(B1));
        assert_eq!((queues.next_due(), queues.slots().len()), (None, 0));
    }
}
