//! Hot states: for how long in all the deployment was not as it should be.
//!
//! Each is summed over whatever can be in it, so that two partitions without a leader for a second are two
//! seconds. **Leaderless** and **under min ISR** are the partitions' (`availability.rs`). **Quorumless** is the
//! metadata quorum while no voter that runs leads it, from the first leader on; a leader that is cut off counts until
//! it resigns. **Fenced** are brokers from the controller's decision to fence them until the one to unfence them.

use klab_machine::fact::{ControllerFact, Fact, RaftFact, WorldFact};
use klab_machine::trace::Entry;
use klab_wire::{LeaderEpoch, NodeId, Span, Time};
use serde::Serialize;
use std::collections::BTreeMap;

/// For how long in all something was not as it should be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct HotStates {
    /// Partitions without a leader that runs.
    pub leaderless: Hot,
    /// Partitions with fewer in-sync replicas than `min.insync.replicas`.
    pub under_min_isr: Hot,
    /// The metadata quorum without a leader.
    pub quorumless: Hot,
    /// Brokers that are fenced.
    pub fenced: Hot,
}

/// The time that was spent in a state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Hot {
    /// In all, over whatever was in it.
    pub total: Span,
    /// The longest time at a stretch.
    pub longest: Span,
    /// How often it began.
    pub times: u32,
    /// How many partitions, brokers or quorums were in it.
    pub of: u32,
}

/// So many stretches of a state are kept, for a picture.
const STRETCHES: usize = 100;

/// The time that one partition, broker or quorum spends in a state.
#[derive(Clone, Debug, Default)]
pub(super) struct Stopwatch {
    since: Option<Time>,
    /// The first of its times, from when to when.
    pub(super) stretches: Vec<(Time, Time)>,
    pub(super) total: Span,
    pub(super) longest: Span,
    pub(super) times: u32,
}

/// What the facts so far say about the quorum and the brokers.
#[derive(Clone, Debug, Default)]
pub(super) struct Watch {
    /// Who leads the quorum by its own word, and runs.
    leader: Option<NodeId>,
    epoch: LeaderEpoch,
    quorumless: Stopwatch,
    fenced: BTreeMap<NodeId, Stopwatch>,
}

impl Stopwatch {
    /// The state begins, unless it goes on.
    pub(super) fn start(&mut self, time: Time) {
        if self.since.is_none() {
            self.since = Some(time);
            self.times += 1;
        }
    }

    /// It ends, if it goes on.
    pub(super) fn stop(&mut self, time: Time) {
        if let Some(since) = self.since.take() {
            let span = time.since(since);
            self.total += span;
            self.longest = self.longest.max(span);
            if self.stretches.len() < STRETCHES {
                self.stretches.push((since, time));
            }
        }
    }
}

impl Hot {
    /// The sum of what these spent in it.
    pub(super) fn sum<'a>(watches: impl Iterator<Item = &'a Stopwatch>) -> Self {
        watches.filter(|watch| watch.times > 0).fold(Hot::default(), |sum, watch| Hot {
            total: sum.total + watch.total,
            longest: sum.longest.max(watch.longest),
            times: sum.times + watch.times,
            of: sum.of + 1,
        })
    }
}

impl Watch {
    #[inline]
    pub(super) fn watch(&mut self, entry: &Entry, fact: &Fact) {
        match fact {
            Fact::Raft(fact) => self.watch_quorum(entry, fact),
            Fact::Controller(decision) => self.watch_fencing(entry.time, decision),
            Fact::World(act) => self.watch_world(entry, act),
            Fact::Log(_) | Fact::Replication(_) | Fact::Client(_) | Fact::ZooKeeper(_) => {}
        }
    }

    #[inline]
    fn watch_quorum(&mut self, entry: &Entry, fact: &RaftFact) {
        match fact {
            RaftFact::QuorumLeaderElected { epoch, .. } if *epoch >= self.epoch => {
                (self.leader, self.epoch) = (Some(entry.node), *epoch);
                self.quorumless.stop(entry.time);
            }
            RaftFact::QuorumLeaderResigned { .. } | RaftFact::QuorumLeaderFollowed { .. } => {
                self.lose_leader(entry);
            }
            _ => {}
        }
    }

    fn lose_leader(&mut self, entry: &Entry) {
        if self.leader == Some(entry.node) {
            self.leader = None;
            self.quorumless.start(entry.time);
        }
    }

    fn watch_fencing(&mut self, time: Time, decision: &ControllerFact) {
        match decision {
            ControllerFact::BrokerFenced { broker } => {
                self.fenced.entry(*broker).or_default().start(time);
            }
            ControllerFact::BrokerUnfenced { broker }
            | ControllerFact::BrokerUnregistered { broker } => {
                self.fenced.entry(*broker).or_default().stop(time);
            }
            _ => {}
        }
    }

    fn watch_world(&mut self, entry: &Entry, act: &WorldFact) {
        match act {
            WorldFact::ProcessCrashed {}
            | WorldFact::PowerCut { .. }
            | WorldFact::ProcessHalted {} => self.lose_leader(entry),
            WorldFact::ProcessPaused {} if self.leader == Some(entry.node) => {
                self.quorumless.start(entry.time);
            }
            WorldFact::ProcessResumed {} if self.leader == Some(entry.node) => {
                self.quorumless.stop(entry.time);
            }
            _ => {}
        }
    }

    /// Closes what is open: the times of the quorum and of the brokers.
    pub(super) fn finish(&mut self, end: Time) -> (Hot, Hot) {
        self.quorumless.stop(end);
        self.fenced.values_mut().for_each(|watch| watch.stop(end));
        (Hot::sum([&self.quorumless].into_iter()), Hot::sum(self.fenced.values()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stopwatch_counts_stretches_and_the_longest_of_them() {
        let mut watch = Stopwatch::default();
        for (start, stop) in [(1, 4), (10, 11)] {
            watch.start(Time(start));
            watch.start(Time(start + 1));
            watch.stop(Time(stop));
            watch.stop(Time(stop + 1));
        }
        assert_eq!((watch.total, watch.longest, watch.times), (Span(4), Span(3), 2));
        let never = Stopwatch::default();
        let sum = Hot::sum([&watch, &never, &watch].into_iter());
        assert_eq!((sum.total, sum.times, sum.of), (Span(8), 4, 2));
    }
}
