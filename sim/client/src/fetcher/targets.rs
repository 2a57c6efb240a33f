//! What is wanted of each partition, and of whom: the partitions that changed are looked at, not all.

use crate::fetch_session::{FetchSessionHandler, SessionRequest, Want};
use crate::sorted_queue::SortedQueue;
use klab_wire::{FetchPartition, NodeId, TopicIdPartition};
use std::collections::BTreeSet;

/// The targets of one consumer's fetches.
#[derive(Clone, Debug, Default)]
pub(super) struct Targets {
    /// By their places in the assignment.
    partitions: Vec<Partition>,
    /// In the order of the brokers.
    brokers: Vec<Broker>,
    /// Partitions that could be fetched if they had a leader.
    pub(super) leaderless: BTreeSet<u32>,
    /// Partitions that another replica than the leader is named for: until when, only the time tells.
    pub(super) preferring: BTreeSet<u32>,
}

#[derive(Clone, Debug, Default)]
struct Partition {
    target: Option<(NodeId, FetchPartition)>,
    /// Answers that wait for the application; while there are any, nothing is wanted.
    buffered: u32,
}

/// A broker that something is, or was, wanted of.
#[derive(Clone, Debug)]
pub(super) struct Broker {
    pub(super) node: NodeId,
    pub(super) session: FetchSessionHandler,
    /// It owes an answer.
    pub(super) is_pending: bool,
    /// How many partitions are wanted of it.
    wanted: u32,
    /// Partitions whose target has changed since the last request, with their places in the assignment.
    changed: SortedQueue<(TopicIdPartition, u32)>,
}

impl Targets {
    /// An answer of a partition waits for the application.
    pub(super) fn buffer(&mut self, index: u32) {
        self.partition(index).buffered += 1;
    }

    /// The application has taken an answer, or it was of no use.
    pub(super) fn unbuffer(&mut self, index: u32) {
        self.partition(index).buffered -= 1;
    }

    /// Answers of a partition wait for the application.
    pub(super) fn is_buffered(&self, index: u32) -> bool {
        self.partitions.get(index as usize).is_some_and(|partition| partition.buffered > 0)
    }

    /// From now on this is wanted of a partition, or nothing.
    pub(super) fn set(&mut self, index: u32, target: Option<(NodeId, FetchPartition)>) {
        let known = &mut self.partition(index).target;
        if *known == target {
            return;
        }
        let place = |target: &(NodeId, FetchPartition)| (target.0, target.1.partition);
        let (before, now) = (known.as_ref().map(place), target.as_ref().map(place));
        *known = target;
        if before != now {
            if let Some((node, partition)) = before {
                let broker = self.broker(node);
                broker.wanted -= 1;
                broker.changed.insert((partition, index));
            }
            if let Some((node, _)) = now {
                self.broker(node).wanted += 1;
            }
        }
        if let Some((node, partition)) = now {
            self.broker(node).changed.insert((partition, index));
        }
    }

    /// How many brokers there are.
    pub(super) fn brokers(&self) -> usize {
        self.brokers.len()
    }

    /// A broker that something is wanted of and that owes no answer, by its place.
    pub(super) fn askable(&self, place: usize) -> Option<NodeId> {
        let broker = &self.brokers[place];
        (broker.wanted > 0 && !broker.is_pending).then_some(broker.node)
    }

    /// The next request to a broker, by its place; the broker owes an answer from now on.
    pub(super) fn request(&mut self, place: usize) -> SessionRequest {
        let Targets { partitions, brokers, .. } = self;
        let Broker { node, session, changed, is_pending, .. } = &mut brokers[place];
        *is_pending = true;
        if session.is_full() {
            *changed = SortedQueue::default();
            let all = (0..).zip(&*partitions).filter_map(|(index, partition)| {
                let fetch = partition.wanted_of(*node)?;
                Some((fetch.partition, index))
            });
            all.for_each(|partition| changed.insert(partition));
        }
        session.build(changed.drain().map(|(partition, index)| {
            let fetch = partitions[index as usize].wanted_of(*node);
            let fetch = fetch.filter(|fetch| fetch.partition == partition);
            (partition, fetch.map(|fetch| Want { index, fetch: *fetch }))
        }))
    }

    /// A broker that was asked before.
    pub(super) fn asked(&mut self, node: NodeId) -> Option<&mut Broker> {
        let place = self.place(node).ok()?;
        Some(&mut self.brokers[place])
    }

    /// Every broker that was asked before, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Broker> {
        self.brokers.iter()
    }

    fn partition(&mut self, index: u32) -> &mut Partition {
        let index = index as usize;
        if self.partitions.len() <= index {
            self.partitions.resize(index + 1, Partition::default());
        }
        &mut self.partitions[index]
    }

    fn broker(&mut self, node: NodeId) -> &mut Broker {
        let place = self.place(node).unwrap_or_else(|place| {
            self.brokers.insert(place, Broker::new(node));
            place
        });
        &mut self.brokers[place]
    }

    fn place(&self, node: NodeId) -> Result<usize, usize> {
        self.brokers.binary_search_by_key(&node, |broker| broker.node)
    }
}

impl Partition {
    fn wanted_of(&self, node: NodeId) -> Option<&FetchPartition> {
        self.target.as_ref().filter(|(of, _)| *of == node).map(|(_, fetch)| fetch)
    }
}

impl Broker {
    fn new(node: NodeId) -> Self {
        Broker {
            node,
            session: FetchSessionHandler::new(),
            is_pending: false,
            wanted: 0,
            changed: SortedQueue::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use klab_wire::{FetchResponse, Offset, PartitionId, TopicId};

    const B1: NodeId = NodeId::broker(1);
    const B2: NodeId = NodeId::broker(2);

    fn id(topic: u64, partition: u32) -> TopicIdPartition {
        TopicIdPartition { topic: TopicId(topic), partition: PartitionId(partition) }
    }

    fn fetch(partition: TopicIdPartition, offset: u64) -> FetchPartition {
        FetchPartition {
            partition,
            current_leader_epoch: None,
            fetch_offset: Offset(offset),
            last_fetched_epoch: None,
            log_start_offset: None,
            high_watermark: None,
            max_bytes: 100,
        }
    }

    fn asks(targets: &mut Targets, place: usize) -> (Vec<(u32, u64)>, Vec<TopicIdPartition>) {
        let request = targets.request(place);
        let asked = |fetch: &FetchPartition| (fetch.partition.partition.0, fetch.fetch_offset.0);
        (request.to_send.iter().map(asked).collect(), request.to_forget)
    }

    fn answers(targets: &mut Targets, node: NodeId) {
        let broker = targets.asked(node).unwrap();
        broker.is_pending = false;
        let response = FetchResponse { session: 9, ..FetchResponse::default() };
        assert!(broker.session.handle_response(&response));
    }

    #[test]
    fn a_partition_that_moves_is_forgotten_by_one_broker_and_asked_of_the_other() {
        let mut targets = Targets::default();
        (0..2).for_each(|index| targets.set(index, Some((B1, fetch(id(7, index), 5)))));
        assert_eq!(asks(&mut targets, 0), (vec![(0, 5), (1, 5)], vec![]));
        assert_eq!(targets.askable(0), None, "it owes an answer");
        answers(&mut targets, B1);
        targets.set(1, Some((B2, fetch(id(7, 1), 6))));
        assert_eq!(asks(&mut targets, 0), (vec![], vec![id(7, 1)]));
        assert_eq!(asks(&mut targets, 1), (vec![(1, 6)], vec![]));
        targets.set(1, None);
        answers(&mut targets, B2);
        assert_eq!(targets.askable(1), None, "nothing is wanted of it any more");
    }

    #[test]
    fn what_changes_and_changes_back_between_requests_is_not_named() {
        let mut targets = Targets::default();
        targets.set(0, Some((B1, fetch(id(7, 0), 5))));
        asks(&mut targets, 0);
        answers(&mut targets, B1);
        targets.set(0, None);
        targets.set(0, Some((B1, fetch(id(7, 0), 5))));
        assert_eq!(asks(&mut targets, 0), (vec![], vec![]));
    }

    #[test]
    fn a_topic_that_was_created_again_is_forgotten_by_its_old_id() {
        let mut targets = Targets::default();
        targets.set(0, Some((B1, fetch(id(7, 0), 5))));
        asks(&mut targets, 0);
        answers(&mut targets, B1);
        targets.set(0, Some((B1, fetch(id(8, 0), 0))));
        assert_eq!(asks(&mut targets, 0), (vec![(0, 0)], vec![id(7, 0)]));
    }

    #[test]
    fn a_session_that_begins_again_names_everything_again() {
        let mut targets = Targets::default();
        (0..2).for_each(|index| targets.set(index, Some((B1, fetch(id(7, index), 5)))));
        asks(&mut targets, 0);
        targets.asked(B1).unwrap().session.handle_error();
        targets.set(0, None);
        assert!(targets.brokers[0].session.is_full());
        assert_eq!(asks(&mut targets, 0), (vec![(1, 5)], vec![]));
    }
}
