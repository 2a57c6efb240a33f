//! The account of a run: what it is held against another by.

use super::known::{Known, in_sync_of};
use super::messages::Messages;
use super::reaction::Reactions;
use klab_machine::fact::{ControllerFact, Fact, RaftFact, ZooKeeperFact};
use klab_machine::trace::{Entry, What};
use klab_wire::zookeeper::SessionId;
use klab_wire::{LeaderEpoch, NodeId, Time};
use std::collections::BTreeMap;

/// What a run's facts and messages add up to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Account {
    /// Each failure, and what was made of it.
    pub reactions: Reactions,
    /// All control messages.
    pub messages: Messages,
    /// Those from the first failure to its last new leader, if there was one.
    pub to_new_leaders: Option<Messages>,
    /// Who became the active controller, when, and in which epoch.
    pub controllers: Vec<(Time, NodeId, LeaderEpoch)>,
    /// How often the metadata quorum elected a leader, and the last epoch.
    pub quorum_epochs: Terms,
    /// How often the ensemble established one.
    pub ensemble_epochs: Terms,
    /// How often a partition got a leader by an election.
    pub elections: u64,
    /// How often one of them was unclean.
    pub unclean_elections: u64,
    /// How often somebody left an ISR.
    pub isr_shrunk: u64,
    /// How often somebody joined one.
    pub isr_grown: u64,
    known: Known,
    /// The messages before the first failure.
    before_failure: Option<Messages>,
}

/// Terms of office.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Terms {
    pub times: u64,
    pub last: u64,
}

impl Account {
    pub(crate) fn watch(&mut self, entry: &Entry) {
        match &entry.what {
            What::Fate(fate) => self.messages.watch(entry.node, fate),
            What::Fact(fact) => self.watch_fact(entry, fact),
            What::Operation(_) => {}
        }
    }

    /// The highest leader epoch of any partition.
    pub(super) fn highest_leader_epoch(&self) -> Option<LeaderEpoch> {
        self.known.leaders.values().map(|(epoch, _)| *epoch).max()
    }

    /// Whose each session is.
    pub(super) fn sessions(&self) -> &BTreeMap<SessionId, NodeId> {
        &self.known.sessions
    }

    fn watch_fact(&mut self, entry: &Entry, fact: &Fact) {
        let is_replaced = self.reactions.watch(entry, fact, &self.known);
        if self.before_failure.is_none() && !self.reactions.0.is_empty() {
            self.before_failure = Some(self.messages.clone());
        }
        if is_replaced {
            self.to_new_leaders = self.before_failure.as_ref().map(|before| self.since(before));
        }
        match fact {
            Fact::Controller(fact) => self.watch_controller(entry, fact),
            Fact::Raft(RaftFact::QuorumLeaderElected { epoch, .. }) => {
                self.quorum_epochs.add(u64::from(epoch.0));
            }
            Fact::ZooKeeper(ZooKeeperFact::EpochEstablished { epoch, .. }) => {
                self.ensemble_epochs.add(u64::from(*epoch));
            }
            _ => {}
        }
        self.known.watch(entry, fact);
    }

    fn watch_controller(&mut self, entry: &Entry, fact: &ControllerFact) {
        match fact {
            ControllerFact::ControllerActivated { epoch } => {
                self.controllers.push((entry.time, entry.node, *epoch));
            }
            ControllerFact::LeaderElected { .. } => self.elections += 1,
            ControllerFact::LeaderElectedUncleanly { .. } => {
                self.elections += 1;
                self.unclean_elections += 1;
            }
            _ => {}
        }
        let Some((partition, isr)) = in_sync_of(fact) else { return };
        let Some(before) = self.known.in_sync.get(partition) else { return };
        self.isr_shrunk += before.iter().filter(|node| !isr.contains(node)).count() as u64;
        self.isr_grown += isr.iter().filter(|node| !before.contains(node)).count() as u64;
    }

    fn since(&self, before: &Messages) -> Messages {
        let mut since = self.messages.clone();
        for (name, count) in &before.0 {
            let now = since.0.get_mut(name).expect("counts only grow");
            now.messages -= count.messages;
            now.bytes -= count.bytes;
        }
        since.0.retain(|_, count| count.messages > 0);
        since
    }
}

impl Terms {
    fn add(&mut self, epoch: u64) {
        self.times += 1;
        self.last = self.last.max(epoch);
    }
}
