//! The timeline: the facts without which a run cannot be retold.

use klab_machine::fact::{
    ClientFact, ControllerFact, Fact, LogFact, RaftFact, WorldFact, ZooKeeperFact,
};
use klab_machine::trace::Entry;
use klab_wire::{NodeId, Span, Time};
use serde::Serialize;
use std::collections::BTreeSet;

/// How many lines a timeline has at most; what comes later is only counted.
const LINES: usize = 1_000;

/// A collection as long as this is worth a line.
const LONG: Span = Span::from_secs(1);

/// The facts that matter, in the order of time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Timeline {
    /// The lines.
    pub lines: Vec<Line>,
    /// How many more there would have been.
    pub left_off: u64,
    /// Who has stopped or was fenced, and for whom it is therefore news to start or be unfenced.
    #[serde(skip)]
    gone: BTreeSet<NodeId>,
}

/// One line of the timeline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// When.
    pub time: Time,
    /// The step.
    pub step: u64,
    /// Who stated it.
    pub node: NodeId,
    /// The fact's name.
    pub name: &'static str,
    /// The fact as it is printed.
    pub what: String,
    /// How many more facts of this name there were with it: other partitions of the step, other links of
    /// the moment.
    pub more: u32,
}

impl Timeline {
    #[inline]
    pub(super) fn watch(&mut self, entry: &Entry, fact: &Fact) {
        if self.matters(entry.node, fact) {
            self.add(entry, fact);
        }
    }

    fn add(&mut self, entry: &Entry, fact: &Fact) {
        let name = fact.name();
        // An isolation cuts or heals many links, each by a step of its own; whose process crashed matters.
        let is_of_a_link = is_of_a_link(fact);
        let is_like = |line: &Line| {
            let together = line.step == entry.step && line.node == entry.node;
            line.name == name && (together || is_of_a_link)
        };
        let same_time = self.lines.iter_mut().rev().take_while(|line| line.time == entry.time);
        if let Some(line) = same_time.into_iter().find(|line| is_like(line)) {
            line.more += 1;
        } else if self.lines.len() == LINES {
            self.left_off += 1;
        } else {
            let Entry { time, step, node, .. } = *entry;
            self.lines.push(Line { time, step, node, name, what: fact.to_string(), more: 0 });
        }
    }

    #[inline]
    fn matters(&mut self, node: NodeId, fact: &Fact) -> bool {
        match fact {
            Fact::World(fact) => self.act_matters(node, fact),
            Fact::Controller(fact) => self.decision_matters(fact),
            Fact::Log(LogFact::LogTruncated { partition, .. }) => {
                &*partition.topic.0 != "__cluster_metadata"
            }
            Fact::Log(
                LogFact::CorruptBatchFound { .. }
                | LogFact::LogGapFound { .. }
                | LogFact::LogStartedAfresh { .. },
            ) => true,
            Fact::Log(LogFact::LogRecovered { discarded_batches, .. }) => *discarded_batches > 0,
            Fact::Raft(fact) => matches!(
                fact,
                RaftFact::QuorumLeaderElected { .. } | RaftFact::QuorumLeaderResigned { .. }
            ),
            Fact::Client(fact) => matches!(
                fact,
                ClientFact::LogTruncationDetected { .. } | ClientFact::ProducerEpochBumped { .. }
            ),
            Fact::ZooKeeper(fact) => ensemble_matters(fact),
            Fact::Log(_) | Fact::Replication(_) => false,
        }
    }

    fn act_matters(&mut self, node: NodeId, act: &WorldFact) -> bool {
        match act {
            WorldFact::ProcessStarted { .. } => self.gone.remove(&node),
            WorldFact::ProcessCrashed {}
            | WorldFact::PowerCut { .. }
            | WorldFact::ProcessHalted {} => {
                self.gone.insert(node);
                true
            }
            WorldFact::CollectionNoticed { pause } => *pause >= LONG,
            _ => true,
        }
    }

    fn decision_matters(&mut self, decision: &ControllerFact) -> bool {
        use ControllerFact as F;
        match decision {
            F::BrokerFenced { broker } => {
                self.gone.insert(*broker);
                true
            }
            F::BrokerUnfenced { broker } => self.gone.remove(broker),
            F::ControllerActivated { .. }
            | F::ControllerResigned { .. }
            | F::ControlledShutdownStarted { .. }
            | F::TopicDeleted { .. }
            | F::PartitionsCreated { .. }
            | F::LeaderElected { .. }
            | F::LeaderElectedUncleanly { .. }
            | F::PartitionWentOffline { .. }
            | F::IsrChanged { .. }
            | F::ElrChanged { .. }
            | F::ReassignmentStarted { .. }
            | F::ReassignmentCompleted { .. }
            | F::ReassignmentCancelled { .. }
            | F::ElectionRequested { .. }
            | F::ConfigChanged { .. } => true,
            _ => false,
        }
    }
}

fn is_of_a_link(fact: &Fact) -> bool {
    use WorldFact as F;
    matches!(fact, Fact::World(F::LinkCut { .. } | F::LinkHealed { .. } | F::LinkSlowed { .. }))
}

/// Who leads the ensemble, and which sessions it gives up.
fn ensemble_matters(fact: &ZooKeeperFact) -> bool {
    use ZooKeeperFact as F;
    matches!(
        fact,
        F::EpochEstablished { .. }
            | F::ZooKeeperLeaderResigned { .. }
            | F::SnapshotInstalled { .. }
            | F::TxnsTruncated { .. }
            | F::SessionExpired { .. }
            | F::SessionLost { .. }
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use klab_machine::trace::What;

    fn lines(facts: &[(u64, u16, WorldFact)]) -> Vec<(NodeId, &'static str, u32)> {
        let mut timeline = Timeline::default();
        for (step, number, fact) in facts {
            let (node, fact) = (NodeId::broker(*number), Fact::World(fact.clone()));
            let what = What::Fact(fact.clone());
            timeline.watch(&Entry { step: *step, time: Time(7), node, what }, &fact);
        }
        timeline.lines.iter().map(|line| (line.node, line.name, line.more)).collect()
    }

    #[test]
    fn the_links_of_one_moment_are_one_line() {
        let cut = |to| WorldFact::LinkCut { to: NodeId::broker(to) };
        let facts = [(1, 1, cut(2)), (2, 2, cut(1)), (3, 1, cut(3))];
        assert_eq!(lines(&facts), [(NodeId::broker(1), "LinkCut", 2)]);
    }

    #[test]
    fn every_process_that_crashes_has_its_line() {
        let facts = [1, 2].map(|number| (1, number, WorldFact::ProcessCrashed {}));
        let crashed = [1, 2].map(|number| (NodeId::broker(number), "ProcessCrashed", 0));
        assert_eq!(lines(&facts), crashed);
    }
}
