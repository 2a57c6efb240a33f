//! How long partitions could not be written.
//!
//! A partition is **without a leader** from the moment at which the process that leads it stops running (a
//! crash, a power cut, a halt, a pause) or the controller takes its leadership away or gives it to another,
//! until a running broker takes up the newest leadership, or the paused one runs again and still has it. A
//! leader that is merely cut off counts as leading until the controller elects another one: only the two of
//! them could tell. It is **under min ISR** while the controller's ISR is smaller than
//! `min.insync.replicas`, or than all replicas if those are fewer.

use crate::settings::Settings;
use klab_machine::fact::{ControllerFact, Fact, ReplicationFact, WorldFact};
use klab_machine::trace::Entry;
use klab_wire::{LeaderEpoch, NodeId, Span, Time, TopicPartition};
use serde::Serialize;
use std::collections::BTreeMap;

/// How long a partition could not be written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Availability {
    /// The partition.
    pub partition: TopicPartition,
    /// How often its leadership was interrupted.
    pub interruptions: u32,
    /// For how long in all it had no leader that was running.
    pub without_leader: Span,
    /// The longest of these times.
    pub longest: Span,
    /// For how long in all its ISR was smaller than `min.insync.replicas`.
    pub under_min_isr: Span,
}

/// What the facts so far say about every partition.
#[derive(Clone, Debug)]
pub(super) struct Watch {
    settings: Settings,
    partitions: BTreeMap<TopicPartition, State>,
}

#[derive(Clone, Debug, Default)]
struct State {
    /// Who took up the newest leadership.
    leader: Option<NodeId>,
    /// The newest leadership that the controller gave, or a broker took up.
    epoch: LeaderEpoch,
    replicas: u32,
    interrupted: Option<Time>,
    under_min_isr: Option<Time>,
    interruptions: u32,
    without_leader: Span,
    longest: Span,
    short: Span,
}

impl Watch {
    pub(super) const fn new(settings: Settings) -> Self {
        Watch { settings, partitions: BTreeMap::new() }
    }

    pub(super) fn watch(&mut self, entry: &Entry, fact: &Fact) {
        match fact {
            Fact::World(act) => self.watch_world(entry, act),
            Fact::Controller(decision) => self.watch_controller(entry.time, decision),
            Fact::Replication(ReplicationFact::BecameLeader { partition, epoch, .. }) => {
                let state = self.partitions.entry(partition.clone()).or_default();
                state.take_up(entry.time, entry.node, *epoch);
            }
            _ => {}
        }
    }

    fn watch_world(&mut self, entry: &Entry, act: &WorldFact) {
        let led = |state: &&mut State| state.leader == Some(entry.node);
        match act {
            WorldFact::ProcessCrashed {}
            | WorldFact::PowerCut { .. }
            | WorldFact::ProcessHalted {} => {
                for state in self.partitions.values_mut().filter(led) {
                    state.leader = None;
                    state.interrupt(entry.time);
                }
            }
            WorldFact::ProcessPaused {} => {
                let led = self.partitions.values_mut().filter(led);
                led.for_each(|state| state.interrupt(entry.time));
            }
            WorldFact::ProcessResumed {} => {
                let led = self.partitions.values_mut().filter(led);
                led.for_each(|state| state.resume(entry.time));
            }
            _ => {}
        }
    }

    fn watch_controller(&mut self, time: Time, decision: &ControllerFact) {
        use ControllerFact as F;
        match decision {
            F::PartitionCreated { partition, replicas, isr, .. } => {
                let state = self.partitions.entry(partition.clone()).or_default();
                state.replicas = replicas.len() as u32;
                self.count_isr(time, partition, isr.len() as u32);
            }
            F::LeaderElected { partition, leader, epoch, isr } => {
                self.depose(time, partition, Some(*leader), *epoch);
                self.count_isr(time, partition, isr.len() as u32);
            }
            F::LeaderElectedUncleanly { partition, leader, epoch } => {
                self.depose(time, partition, Some(*leader), *epoch);
                self.count_isr(time, partition, 1);
            }
            F::PartitionWentOffline { partition, epoch, isr } => {
                self.depose(time, partition, None, *epoch);
                self.count_isr(time, partition, isr.len() as u32);
            }
            F::IsrChanged { partition, isr, .. } => {
                self.count_isr(time, partition, isr.len() as u32);
            }
            F::ReassignmentCompleted { partition, replicas } => {
                let state = self.partitions.entry(partition.clone()).or_default();
                state.replicas = replicas.len() as u32;
            }
            F::TopicDeleted { topic, .. } => self.partitions.retain(|name, _| name.topic != *topic),
            _ => {}
        }
    }

    /// The controller decided on a leader. The same one goes on leading while it takes note.
    fn depose(
        &mut self,
        time: Time,
        name: &TopicPartition,
        leader: Option<NodeId>,
        epoch: LeaderEpoch,
    ) {
        let state = self.partitions.entry(name.clone()).or_default();
        state.epoch = state.epoch.max(epoch);
        if state.leader != leader {
            state.leader = None;
            state.interrupt(time);
        }
    }

    fn count_isr(&mut self, time: Time, name: &TopicPartition, in_sync: u32) {
        let Some(state) = self.partitions.get_mut(name) else { return };
        let wanted = self.settings.topic(&name.topic).min_insync_replicas.min(state.replicas);
        match (in_sync < wanted, state.under_min_isr) {
            (true, None) => state.under_min_isr = Some(time),
            (false, Some(since)) => {
                state.short += time.since(since);
                state.under_min_isr = None;
            }
            (true, Some(_)) | (false, None) => {}
        }
    }

    /// Closes what is open, and gives out the partitions of which there is something to say.
    pub(super) fn finish(&mut self, end: Time) -> Vec<Availability> {
        for state in self.partitions.values_mut() {
            state.resume(end);
            state.short += state.under_min_isr.take().map_or(Span::ZERO, |since| end.since(since));
        }
        let noteworthy = self.partitions.iter();
        let noteworthy = noteworthy.filter(|(_, s)| s.interruptions > 0 || s.short > Span::ZERO);
        noteworthy.map(|(name, state)| state.availability(name)).collect()
    }
}

impl State {
    fn interrupt(&mut self, time: Time) {
        if self.interrupted.is_none() {
            self.interrupted = Some(time);
            self.interruptions += 1;
        }
    }

    fn resume(&mut self, time: Time) {
        if let Some(since) = self.interrupted.take() {
            let span = time.since(since);
            self.without_leader += span;
            self.longest = self.longest.max(span);
        }
    }

    fn take_up(&mut self, time: Time, leader: NodeId, epoch: LeaderEpoch) {
        if epoch >= self.epoch {
            self.epoch = epoch;
            self.leader = Some(leader);
            self.resume(time);
        }
    }

    fn availability(&self, name: &TopicPartition) -> Availability {
        Availability {
            partition: name.clone(),
            interruptions: self.interruptions,
            without_leader: self.without_leader,
            longest: self.longest,
            under_min_isr: self.short,
        }
    }
}
