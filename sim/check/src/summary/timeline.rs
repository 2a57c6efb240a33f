//! The timeline: the facts without which a run cannot be retold.

use klab_machine::fact::{ClientFact, ControllerFact, Fact, LogFact, RaftFact, WorldFact};
use klab_machine::trace::Entry;
use klab_wire::{NodeId, Time};
use serde::Serialize;
use std::collections::BTreeSet;

/// How many lines a timeline has at most; what comes later is only counted.
const LINES: usize = 1_000;

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
    /// How many more facts of this name the step stated: other partitions, mostly.
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
        let same_step = self.lines.iter_mut().rev().take_while(|line| line.step == entry.step);
        if let Some(line) = same_step.into_iter().find(|line| line.name == name) {
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
            Fact::Log(LogFact::CorruptBatchFound { .. } | LogFact::LogStartedAfresh { .. }) => true,
            Fact::Log(LogFact::LogRecovered { discarded_batches, .. }) => *discarded_batches > 0,
            Fact::Raft(fact) => matches!(
                fact,
                RaftFact::QuorumLeaderElected { .. } | RaftFact::QuorumLeaderResigned { .. }
            ),
            Fact::Client(fact) => matches!(
                fact,
                ClientFact::LogTruncationDetected { .. } | ClientFact::ProducerEpochBumped { .. }
            ),
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
