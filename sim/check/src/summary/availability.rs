//! How long partitions could not be written.
//!
//! A partition is **without a leader** while nobody who believes to lead it is able to. That begins when the
//! broker that took up the newest leadership stops running (a crash, a power cut, a halt, a pause), becomes
//! a follower or gives its replica up, or when the controller takes the partition offline. It ends when a
//! broker becomes the leader in that or a newer epoch, or when the paused one runs again and no other has
//! been elected meanwhile. A leader whose successor is elected but who does not know it yet goes on
//! leading: committed metadata reaches brokers up to `metadata.max.idle.interval.ms` later, and a controlled
//! shutdown relies on it. So does one that is merely cut off. It is **under min ISR** while the controller's
//! ISR is smaller than `min.insync.replicas`, or than all replicas if those are fewer.

use super::hot::{Hot, Stopwatch};
use crate::configs::Configs;
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
    /// From when to when it had no leader that was running.
    #[serde(skip)]
    pub gaps: Vec<(Time, Time)>,
}

/// What the facts so far say about every partition.
#[derive(Clone, Debug)]
pub(super) struct Watch {
    configs: Configs,
    partitions: BTreeMap<TopicPartition, State>,
}

#[derive(Clone, Debug, Default)]
struct State {
    /// Who took up the newest leadership, and has not given it up.
    leader: Option<NodeId>,
    /// The newest leadership that a broker took up.
    epoch: LeaderEpoch,
    /// Whom the controller elected last.
    elected: Option<NodeId>,
    replicas: u32,
    without_leader: Stopwatch,
    under_min_isr: Stopwatch,
}

impl Watch {
    pub(super) fn new(settings: &Settings) -> Self {
        Watch { configs: Configs::new(settings.defaults), partitions: BTreeMap::new() }
    }

    #[inline]
    pub(super) fn watch(&mut self, entry: &Entry, fact: &Fact) {
        match fact {
            Fact::World(act) => self.watch_world(entry, act),
            Fact::Controller(decision) => self.watch_controller(entry.time, decision),
            Fact::Replication(belief) => self.watch_replica(entry, belief),
            _ => {}
        }
    }

    #[inline]
    fn watch_replica(&mut self, entry: &Entry, belief: &ReplicationFact) {
        match belief {
            ReplicationFact::BecameLeader { partition, epoch, .. } => {
                let state = self.partitions.entry(partition.clone()).or_default();
                state.take_up(entry.time, entry.node, *epoch);
            }
            ReplicationFact::BecameFollower { partition, .. }
            | ReplicationFact::ReplicaDeleted { partition } => {
                let state = self.partitions.get_mut(partition);
                if let Some(state) = state.filter(|state| state.leader == Some(entry.node)) {
                    state.give_up(entry.time);
                }
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
                let led = self.partitions.values_mut().filter(led);
                led.for_each(|state| state.give_up(entry.time));
            }
            WorldFact::ProcessPaused {} => {
                let led = self.partitions.values_mut().filter(led);
                led.for_each(|state| state.without_leader.start(entry.time));
            }
            WorldFact::ProcessResumed {} => {
                let led = self.partitions.values_mut().filter(led);
                let elected = led.filter(|state| state.elected == Some(entry.node));
                elected.for_each(|state| state.without_leader.stop(entry.time));
            }
            _ => {}
        }
    }

    fn watch_controller(&mut self, time: Time, decision: &ControllerFact) {
        use ControllerFact as F;
        match decision {
            F::PartitionCreated { partition, leader, replicas, isr } => {
                let state = self.partitions.entry(partition.clone()).or_default();
                state.replicas = replicas.len() as u32;
                state.elected = *leader;
                self.count_isr(time, partition, isr.len() as u32);
            }
            F::LeaderElected { partition, leader, isr, .. } => {
                self.elect(partition, *leader);
                self.count_isr(time, partition, isr.len() as u32);
            }
            F::LeaderElectedUncleanly { partition, leader, .. } => {
                self.elect(partition, *leader);
                self.count_isr(time, partition, 1);
            }
            F::PartitionWentOffline { partition, isr, .. } => {
                let state = self.partitions.entry(partition.clone()).or_default();
                state.elected = None;
                state.give_up(time);
                self.count_isr(time, partition, isr.len() as u32);
            }
            F::IsrChanged { partition, isr, .. } => {
                self.count_isr(time, partition, isr.len() as u32);
            }
            F::ReassignmentCompleted { partition, replicas } => {
                let state = self.partitions.entry(partition.clone()).or_default();
                state.replicas = replicas.len() as u32;
            }
            F::ConfigChanged { resource, name, value } => {
                self.configs.change(resource, name, value.as_deref());
            }
            F::TopicDeleted { topic, .. } => {
                self.configs.forget(topic);
                self.partitions.retain(|name, _| name.topic != *topic);
            }
            _ => {}
        }
    }

    fn elect(&mut self, name: &TopicPartition, leader: NodeId) {
        self.partitions.entry(name.clone()).or_default().elected = Some(leader);
    }

    fn count_isr(&mut self, time: Time, name: &TopicPartition, in_sync: u32) {
        let Some(state) = self.partitions.get_mut(name) else { return };
        let wanted = self.configs.of(&name.topic).min_insync_replicas.min(state.replicas);
        match in_sync < wanted {
            true => state.under_min_isr.start(time),
            false => state.under_min_isr.stop(time),
        }
    }

    /// Closes what is open, and gives out the partitions of which there is something to say.
    pub(super) fn finish(&mut self, end: Time) -> Vec<Availability> {
        for state in self.partitions.values_mut() {
            state.without_leader.stop(end);
            state.under_min_isr.stop(end);
        }
        let is_noteworthy = |state: &State| {
            state.without_leader.times > 0 || state.under_min_isr.total > Span::ZERO
        };
        let noteworthy = self.partitions.iter().filter(|(_, state)| is_noteworthy(state));
        noteworthy.map(|(name, state)| state.availability(name)).collect()
    }

    /// What all partitions spent without a leader, and under min ISR, once that is closed.
    pub(super) fn hot(&self) -> (Hot, Hot) {
        let states = self.partitions.values();
        let leaderless = Hot::sum(states.clone().map(|state| &state.without_leader));
        (leaderless, Hot::sum(states.map(|state| &state.under_min_isr)))
    }
}

impl State {
    /// The leader leads no more.
    fn give_up(&mut self, time: Time) {
        self.leader = None;
        self.without_leader.start(time);
    }

    fn take_up(&mut self, time: Time, leader: NodeId, epoch: LeaderEpoch) {
        if epoch >= self.epoch {
            self.epoch = epoch;
            self.leader = Some(leader);
            self.without_leader.stop(time);
        }
    }

    fn availability(&self, name: &TopicPartition) -> Availability {
        Availability {
            partition: name.clone(),
            interruptions: self.without_leader.times,
            without_leader: self.without_leader.total,
            longest: self.without_leader.longest,
            under_min_isr: self.under_min_isr.total,
            gaps: self.without_leader.stretches.clone(),
        }
    }
}
