//! Which setting, if any, permits what was found in a partition.
//!
//! In a run the facts tell what became of every batch, and a loss is permitted or not record by record. Of a
//! history that was recorded elsewhere only the settings are known: what they never promise is permitted.

use super::RecordedSettings;
use crate::permit;
use crate::picture::{Batch, Cluster, Partition};
use crate::settings::{ProducerSettings, Setting};
use klab_wire::{Acks, BatchProducer, NodeId, Offset, TopicPartition};

/// What is known of one partition beside its history.
#[derive(Clone, Copy, Debug)]
pub(super) struct Permits<'a> {
    pub(super) picture: Option<&'a Partition>,
    cluster: &'a Cluster,
    recorded: Option<RecordedSettings>,
}

impl<'a> Permits<'a> {
    pub(super) fn new(
        name: &TopicPartition,
        cluster: &'a Cluster,
        recorded: Option<RecordedSettings>,
    ) -> Self {
        Permits { picture: cluster.partition(name), cluster, recorded }
    }

    pub(super) fn producer(&self, client: NodeId) -> ProducerSettings {
        self.cluster.settings.producer(client)
    }

    /// Why an acknowledged record may not be there, if it was in this batch.
    pub(super) fn of_loss(&self, batch: Option<&Batch>, client: NodeId) -> Option<Setting> {
        let acks = self.producer(client).acks;
        if self.recorded.is_some() {
            let acks_leader = (acks == Acks::Leader).then_some(Setting::AcksLeader);
            return acks_leader.or_else(|| self.of_settings());
        }
        let (batch, picture) = (batch?, self.picture?);
        permit::of_acked(batch, acks, picture, self.cluster.min_isr(picture))
    }

    /// Why a record that was not seen need not have been.
    pub(super) fn of_unseen(&self, client: NodeId) -> Option<Setting> {
        let is_complete = self.recorded.is_some_and(|recorded| recorded.final_polls);
        let incomplete = (!is_complete).then_some(Setting::NoFinalPolls);
        incomplete.or_else(|| self.of_loss(None, client))
    }

    /// Why an offset may stand for another value than before: what was committed there may have been lost,
    /// and then the offset was given again.
    pub(super) fn of_reuse(&self, offset: Offset) -> Option<Setting> {
        let Some(picture) = self.picture else { return self.of_settings() };
        let copies = &picture.copies;
        let claimants = copies.claimants(offset).chain(copies.remembered(offset));
        let claimants: Vec<&Batch> = claimants.collect();
        if claimants.len() < 2 && !copies.was_deleted(offset) {
            return None;
        }
        let min_isr = self.cluster.min_isr(picture);
        let mut committed = claimants.iter().filter(|batch| batch.committed);
        committed.find_map(|batch| permit::of_committed(batch, picture, min_isr))
    }

    /// Why a leader may have a hole at this offset: a power cut may take the end of a segment and leave the
    /// next one.
    pub(super) fn of_hole(&self, offset: Offset) -> Option<Setting> {
        let Some(picture) = self.picture else { return self.of_settings() };
        permit::of_hole(picture, offset, self.cluster.min_isr(picture))
    }

    /// Why the leaders of a partition may not all have the same past.
    pub(super) fn of_partition(&self) -> Option<Setting> {
        match self.picture {
            Some(picture) => permit::of_partition(picture),
            None => self.of_settings(),
        }
    }

    /// A retry may be overtaken, unless sequences tell the leader what must come first. They do not tell a
    /// leader that has never heard of the producer: a new one may get its later batches while the first are
    /// still on their way to its predecessor.
    pub(super) fn of_overtaking(&self, client: NodeId) -> Option<Setting> {
        let producer = self.producer(client);
        let joined_midway = self.picture.is_some_and(|partition| partition.joined_midway);
        let knows = producer.idempotence && !joined_midway;
        let overtaken = !knows && producer.max_in_flight > 1 && producer.retries > 0;
        overtaken.then_some(Setting::MaxInFlight(producer.max_in_flight))
    }

    /// Whether a producer may have sent again, under a new epoch, what it could not know to be appended (KIP-360):
    /// its first request came late, when the producer had given it up; or a broker called the next one out of order
    /// that had been deposed, or had taken a later batch for the producer's first; or a batch before it was turned
    /// down for good, and those in flight behind it get new sequences (`TransactionManager.handleFailedBatch`).
    pub(super) fn may_send_again(&self, client: NodeId, one: Offset, other: Offset) -> bool {
        let Some(picture) = self.picture else { return false };
        let written = |at| {
            let batches = picture.copies.claimants(at);
            batches.filter_map(|batch| Some((batch.producer?, batch)))
        };
        let is_excused = |(first, batch): (BatchProducer, &Batch)| {
            let appended = batch.appended.step;
            let mut new_epochs = self.cluster.new_epochs.iter();
            let given_up = new_epochs.any(|(at, epoch)| {
                let turned_down = || picture.turned_down.iter().any(|other| other == at);
                at.node == client && *epoch > first.epoch && (at.step <= appended || turned_down())
            });
            let mut refused = picture.refused.iter();
            let misled = refused.any(|(at, producer, epoch)| {
                *producer == client && *epoch < batch.epoch && at.step >= appended
            });
            given_up || misled || picture.joined_midway
        };
        let pairs = written(one).flat_map(|a| written(other).map(move |b| (a, b)));
        let mut pairs = pairs.filter(|((a, _), (b, _))| a.id == b.id && a.epoch != b.epoch);
        pairs.any(|(a, b)| is_excused(if a.0.epoch < b.0.epoch { a } else { b }))
    }

    /// A consumer that subscribes is moved about by its group.
    pub(super) fn of_rebalance(&self) -> Option<Setting> {
        self.recorded.and_then(RecordedSettings::permit_of_rebalance)
    }

    /// Without facts: an unclean election may have taken anything.
    fn of_settings(&self) -> Option<Setting> {
        let unclean = self.cluster.settings.defaults.unclean_leader_election;
        let unknown = self.recorded.is_some() && unclean;
        unknown.then_some(Setting::UncleanLeaderElection)
    }
}
