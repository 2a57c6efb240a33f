//! What each fact does to the picture, and which oracles are asked about it. One file per area of facts.

mod controller;
mod log;
mod raft;
mod replication;
mod world;
mod zookeeper_mode;

use crate::invariant::end_offset_is_monotonic;
use crate::judge::Judge;
use crate::promise::Promise;
use crate::verdict::Moment;
use klab_machine::fact::{ClientFact, Fact, ReplicationFact};
use klab_wire::{ErrorCode, Time, TopicName};

impl Judge {
    pub(crate) fn watch_fact(&mut self, at: Moment, fact: &Fact) {
        if self.cluster.deleted.there_are_some() {
            self.take_up_again(at, fact);
            if self.is_of_deleted(at, fact) {
                return self.give_up_remains(at, fact);
            }
        }
        match fact {
            Fact::Log(fact) => self.watch_log(at, fact),
            Fact::Replication(fact) => self.watch_replication(at, fact),
            Fact::Controller(fact) => self.watch_controller(at, fact),
            Fact::Raft(fact) => self.watch_raft(at, fact),
            Fact::World(fact) => self.watch_world(at, fact),
            Fact::ZooKeeper(fact) => self.watch_ensemble(at, fact),
            Fact::Client(fact) => {
                self.watch_client(at, fact);
                self.history.watch_client(at, fact);
            }
        }
    }

    fn watch_client(&mut self, at: Moment, fact: &ClientFact) {
        match fact {
            ClientFact::ProducerEpochBumped { epoch, .. } => {
                self.cluster.new_epochs.push((at, *epoch));
            }
            ClientFact::EndOffsetLearned { partition, end, ago } => {
                let picture = self.cluster.partition_mut(partition);
                let told = picture.told_ends.entry(at.node).or_default();
                let asked = Time(at.time.0.saturating_sub(ago.0));
                let finding = end_offset_is_monotonic::check(told, at, asked, *end)
                    .map_err(|breach| breach.permitted(picture.excuse));
                let promise = Promise::EndOffsetIsMonotonic;
                self.findings.note(promise, at, Some(partition), finding);
            }
            ClientFact::BatchFailed { partition, error, .. } if is_of_content(*error) => {
                self.cluster.partition_mut(partition).turned_down.push(at);
            }
            _ => {}
        }
    }

    /// A broker learned of a topic that has the name of a deleted one.
    fn take_up_again(&mut self, at: Moment, fact: &Fact) {
        use ReplicationFact as F;
        if let Fact::Replication(
            F::BecameLeader { partition, .. } | F::BecameFollower { partition, .. },
        ) = fact
        {
            let applied = self.cluster.applied.get(&at.node).copied().unwrap_or_default();
            self.cluster.deleted.take_up(at.node, partition, applied);
        }
    }

    /// Whether a fact is about a replica of a topic that was deleted.
    fn is_of_deleted(&self, at: Moment, fact: &Fact) -> bool {
        let partition = match fact {
            Fact::Log(fact) => fact.partition(),
            Fact::Replication(fact) => fact.partition(),
            Fact::Controller(_)
            | Fact::Raft(_)
            | Fact::World(_)
            | Fact::Client(_)
            | Fact::ZooKeeper(_) => None,
        };
        partition.is_some_and(|partition| self.cluster.deleted.concerns(at.node, partition))
    }

    /// A broker learned that a topic was deleted, when another one may have its name already.
    fn give_up_remains(&mut self, at: Moment, fact: &Fact) {
        let Fact::Replication(ReplicationFact::ReplicaDeleted { partition }) = fact else { return };
        if self.cluster.deleted.give_up(at.node, partition) {
            self.begin_afresh(at, &partition.topic);
        }
    }

    /// If nothing is left of a deleted topic, what clients do from now on is about the new one.
    fn begin_afresh(&mut self, at: Moment, topic: &TopicName) {
        if self.cluster.deleted.is_settled(topic) {
            self.history.begin_afresh(topic, at.time);
        }
    }
}

/// What is wrong with a batch itself, and no leader will ever take.
const fn is_of_content(error: ErrorCode) -> bool {
    matches!(
        error,
        ErrorCode::RecordListTooLarge
            | ErrorCode::MessageTooLarge
            | ErrorCode::InvalidRecord
            | ErrorCode::InvalidTimestamp
            | ErrorCode::UnsupportedForMessageFormat
    )
}
