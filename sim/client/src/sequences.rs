//! How an idempotent producer numbers its batches (`TransactionManager`, `TxnPartitionMap`).
//!
//! Every record has a sequence number within its producer id, epoch and partition. A broker takes a batch
//! only if it follows the last one, and recognises one that it has already. So a batch keeps its sequence
//! through all its retries, and retried batches go back in sequence order. When nobody can know
//! whether a batch was written, the numbers after it are useless: the producer takes the next epoch and
//! numbers the partition from 0 again (KIP-360).

use crate::batch::{BatchId, Slot};
use crate::slots::PerSlot;
use klab_machine::Mutant;
use klab_wire::{BatchProducer, ErrorCode, Offset, ProducerEpoch, ProducerId, Sequence};
use std::collections::{BTreeMap, BTreeSet};

/// A producer's identity.
pub(crate) type Identity = (ProducerId, ProducerEpoch);

/// The sequences of one idempotent producer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sequences {
    identity: Option<Identity>,
    partitions: PerSlot<PartitionSequences>,
    /// Partitions where a batch was given up after it may have been written, with the sequence after it.
    unresolved: BTreeMap<Slot, Sequence>,
    /// Partitions whose batches get new numbers with the next epoch.
    to_rewrite: BTreeSet<Slot>,
    epoch_bump_required: bool,
}

/// One partition (`TxnPartitionEntry`).
#[derive(Clone, Debug, Default)]
struct PartitionSequences {
    identity: Option<Identity>,
    next: Sequence,
    last_acked: Option<Sequence>,
    /// The batches that were sent at least once and have not ended, in the order of their sequences.
    in_flight: Vec<InFlight>,
}

/// A batch with its place among the sequences.
#[derive(Clone, Copy, Debug)]
struct InFlight {
    place: (Identity, Sequence),
    batch: BatchId,
    records: u32,
}

/// A batch gets another place: the whole in-flight set is numbered from 0 in the new epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rewrite {
    pub(crate) batch: BatchId,
    pub(crate) producer: BatchProducer,
}

/// What the next epoch brings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum EpochBump {
    /// Nothing asked for one.
    NotNeeded,
    /// The producer is in the next epoch, and these batches have new numbers.
    Bumped(Identity, Vec<Rewrite>),
    /// The epochs are used up: a new id has to be asked for.
    Exhausted,
}

/// A failed batch, as far as retrying it depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FailedBatch {
    pub(crate) slot: Slot,
    pub(crate) base_sequence: Sequence,
    pub(crate) sequence_was_reset: bool,
}

/// The first epoch that has no next one.
const LAST_EPOCH: ProducerEpoch = ProducerEpoch(i16::MAX as u16);

impl Sequences {
    /// The producer's identity, once it has one.
    pub(crate) fn identity(&self) -> Option<Identity> {
        self.identity
    }

    /// Every partition that was sent to: the next sequence, the last acknowledged one, and how many
    /// batches have not ended.
    pub(crate) fn partitions(
        &self,
    ) -> impl Iterator<Item = (Slot, Sequence, Option<Sequence>, u64)> + '_ {
        self.partitions.slots().filter_map(|slot| {
            let entry = self.partitions.get(slot)?;
            Some((slot, entry.next, entry.last_acked, entry.in_flight.len() as u64))
        })
    }

    /// A broker has given the producer this identity. If an epoch bump waited for it, these batches have
    /// new numbers.
    pub(crate) fn assign(&mut self, identity: Identity) -> Vec<Rewrite> {
        self.identity = Some(identity);
        self.rewrite(identity)
    }

    /// Why the next batch of a partition must wait, if it must (`shouldStopDrainBatchesForPartition`).
    pub(crate) fn must_wait(&self, slot: Slot, base_sequence: Option<Sequence>) -> bool {
        let Some(identity) = self.identity else { return true };
        let entry = self.partitions.get(slot);
        let first = entry.and_then(|entry| entry.in_flight.first());
        match base_sequence {
            // A new batch must not overtake the end of the old epoch, nor an unresolved sequence.
            None => {
                let is_stale = entry.is_some_and(|entry| entry.identity != Some(identity));
                first.is_some() && is_stale || self.unresolved.contains_key(&slot)
            }
            // A retried batch is sent alone, when every one before it has ended.
            Some(_) if Mutant::OvertakesRetries.lives() => false,
            Some(base) => first.is_some_and(|first| first.place.1 != base),
        }
    }

    /// Numbers a batch that is sent for the first time.
    pub(crate) fn number(&mut self, slot: Slot, batch: BatchId, records: u32) -> BatchProducer {
        let identity = self.identity.expect("batches are sent when there is an identity");
        let entry = self.partitions.entry(slot);
        if entry.identity != Some(identity) && entry.in_flight.is_empty() {
            entry.start_at_beginning(identity);
        }
        let base = entry.next;
        entry.next = base.plus(records);
        entry.insert(InFlight { place: (identity, base), batch, records });
        place(identity, base)
    }

    /// Tracks a part of a split batch, which has its number already.
    pub(crate) fn track(&mut self, slot: Slot, batch: BatchId, at: BatchProducer, records: u32) {
        let Some(base) = at.base_sequence else { return };
        let entry = self.partitions.entry(slot);
        entry.insert(InFlight { place: ((at.id, at.epoch), base), batch, records });
    }

    /// A batch has ended, or was split.
    pub(crate) fn forget(&mut self, slot: Slot, at: BatchProducer) {
        let (Some(entry), Some(base)) = (self.partitions.get_mut(slot), at.base_sequence) else {
            return;
        };
        entry.remove(((at.id, at.epoch), base));
    }

    /// A batch was acknowledged (`handleCompletedBatch`).
    pub(crate) fn completed(&mut self, slot: Slot, at: BatchProducer, records: u32) {
        self.forget(slot, at);
        let entry = self.partitions.entry(slot);
        let last = at.base_sequence.map(|base| base.plus(records - 1));
        entry.last_acked = entry.last_acked.max(last);
    }

    /// Whether a refused batch is sent again (`canRetry`); may ask for the next epoch on the way.
    pub(crate) fn can_retry(
        &mut self,
        failed: FailedBatch,
        error: ErrorCode,
        log_start_offset: Option<Offset>,
    ) -> bool {
        match error {
            ErrorCode::UnknownProducerId => self.can_retry_unknown(failed, log_start_offset),
            ErrorCode::OutOfOrderSequenceNumber => self.can_retry_out_of_order(failed),
            _ => error.is_retriable(),
        }
    }

    /// The broker has forgotten this producer, because retention took its last records: number again.
    fn can_retry_unknown(&mut self, failed: FailedBatch, log_start: Option<Offset>) -> bool {
        if log_start.is_some() && !failed.sequence_was_reset {
            self.request_epoch_bump(failed.slot);
        }
        true
    }

    /// Another batch is missing before this one. If that one may still come, wait for it; if not, there is
    /// a gap for good, and only the next epoch mends it.
    fn can_retry_out_of_order(&mut self, failed: FailedBatch) -> bool {
        let unresolved = self.unresolved.get(&failed.slot);
        let is_next = self.is_next(failed.slot, failed.base_sequence);
        let may_come = unresolved.is_none() && (failed.sequence_was_reset || !is_next);
        let is_gap = unresolved.is_none_or(|next| *next == failed.base_sequence);
        if !may_come && is_gap {
            self.request_epoch_bump(failed.slot);
        }
        true
    }

    fn is_next(&self, slot: Slot, base: Sequence) -> bool {
        self.last_acked(slot).map_or(Sequence(0), |last| last.plus(1)) == base
    }

    fn last_acked(&self, slot: Slot) -> Option<Sequence> {
        self.partitions.get(slot)?.last_acked
    }

    /// A batch was given up (`handleFailedBatch`). `adjust`: the sequences after it have a gap now.
    pub(crate) fn failed(
        &mut self,
        slot: Slot,
        at: Option<BatchProducer>,
        error: ErrorCode,
        adjust: bool,
    ) {
        let Some(at) = at else { return };
        self.forget(slot, at);
        match error {
            ErrorCode::OutOfOrderSequenceNumber => self.request_epoch_bump(slot),
            ErrorCode::UnknownProducerId => {
                self.partitions.remove(slot);
                self.unresolved.remove(&slot);
            }
            _ if adjust => self.request_epoch_bump(slot),
            _ => {}
        }
    }

    /// A batch has expired after a retry: nobody knows whether it was written.
    pub(crate) fn mark_unresolved(&mut self, slot: Slot, last: Sequence) {
        let next = last.plus(1);
        let unresolved = self.unresolved.entry(slot).or_insert(next);
        *unresolved = next.max(*unresolved);
    }

    fn request_epoch_bump(&mut self, slot: Slot) {
        self.epoch_bump_required = true;
        self.to_rewrite.insert(slot);
    }

    /// Looks whether expired batches have been overtaken by acknowledged ones; if not, and nothing is in
    /// flight any more, their partitions need the next epoch (`maybeResolveSequences`).
    pub(crate) fn resolve(&mut self) {
        if self.unresolved.is_empty() {
            return;
        }
        for slot in self.unresolved.keys().copied().collect::<Vec<_>>() {
            let entry = self.partitions.entry(slot);
            if !entry.in_flight.is_empty() {
                continue;
            }
            let next = entry.next;
            if !self.is_next(slot, next) {
                self.request_epoch_bump(slot);
            }
            self.unresolved.remove(&slot);
        }
    }

    /// Whether [`resolve`](Self::resolve) and [`bump_epoch`](Self::bump_epoch) would change something.
    pub(crate) fn is_unsettled(&self) -> bool {
        let is_drained =
            |slot: &Slot| self.partitions.get(*slot).is_none_or(|entry| entry.in_flight.is_empty());
        let wants_epoch = self.epoch_bump_required || self.unresolved.keys().any(is_drained);
        self.identity.is_some() && wants_epoch
    }

    /// There is an identity, and nothing that would change it or wait for its end.
    pub(crate) fn is_settled(&self) -> bool {
        self.identity.is_some() && !self.epoch_bump_required && self.unresolved.is_empty()
    }

    /// Takes the next epoch if something asked for it (`bumpIdempotentEpochAndResetIdIfNeeded`).
    pub(crate) fn bump_epoch(&mut self) -> EpochBump {
        if !self.epoch_bump_required {
            return EpochBump::NotNeeded;
        }
        let Some((id, epoch)) = self.identity else { return EpochBump::NotNeeded };
        if epoch >= LAST_EPOCH {
            self.identity = None;
            return EpochBump::Exhausted;
        }
        let identity = (id, epoch.next());
        self.identity = Some(identity);
        EpochBump::Bumped(identity, self.rewrite(identity))
    }

    /// Numbers the batches in flight of the partitions that asked for it from 0, in their order.
    fn rewrite(&mut self, identity: Identity) -> Vec<Rewrite> {
        self.epoch_bump_required = false;
        let mut rewrites = Vec::new();
        for slot in std::mem::take(&mut self.to_rewrite) {
            self.unresolved.remove(&slot);
            let entry = self.partitions.entry(slot);
            rewrites.extend(entry.start_at_beginning(identity));
        }
        rewrites
    }
}

impl PartitionSequences {
    fn insert(&mut self, sent: InFlight) {
        match self.find(sent.place) {
            Ok(at) => self.in_flight[at] = sent,
            Err(at) => self.in_flight.insert(at, sent),
        }
    }

    fn remove(&mut self, place: (Identity, Sequence)) {
        if let Ok(at) = self.find(place) {
            self.in_flight.remove(at);
        }
    }

    fn find(&self, place: (Identity, Sequence)) -> Result<usize, usize> {
        self.in_flight.binary_search_by_key(&place, |sent| sent.place)
    }

    /// `startSequencesAtBeginning`.
    fn start_at_beginning(&mut self, identity: Identity) -> Vec<Rewrite> {
        let (mut next, mut rewrites) = (Sequence(0), Vec::new());
        for sent in &mut self.in_flight {
            rewrites.push(Rewrite { batch: sent.batch, producer: place(identity, next) });
            sent.place = (identity, next);
            next = next.plus(sent.records);
        }
        self.identity = Some(identity);
        self.next = next;
        self.last_acked = None;
        rewrites
    }
}

fn place((id, epoch): Identity, base: Sequence) -> BatchProducer {
    BatchProducer { id, epoch, base_sequence: Some(base) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const P0: Slot = Slot { topic: 0, partition: 0 };
    const P1: Slot = Slot { topic: 0, partition: 1 };
    const FIRST: Identity = (ProducerId(7), ProducerEpoch(0));

    fn sequences() -> Sequences {
        let mut sequences = Sequences::default();
        sequences.assign(FIRST);
        sequences
    }

    fn failed(base: u32) -> FailedBatch {
        FailedBatch { slot: P0, base_sequence: Sequence(base), sequence_was_reset: false }
    }

    fn bumps(sequences: &mut Sequences) -> bool {
        matches!(sequences.bump_epoch(), EpochBump::Bumped(..))
    }

    #[test]
    fn sequences_count_records_per_partition() {
        let mut sequences = sequences();
        assert_eq!(sequences.number(P0, BatchId(1), 3), place(FIRST, Sequence(0)));
        assert_eq!(sequences.number(P0, BatchId(2), 1), place(FIRST, Sequence(3)));
        assert_eq!(sequences.number(P1, BatchId(3), 1), place(FIRST, Sequence(0)));
    }

    #[test]
    fn without_an_identity_everything_waits_and_a_retry_waits_for_those_before_it() {
        assert!(Sequences::default().must_wait(P0, None));
        let mut sequences = sequences();
        let first = sequences.number(P0, BatchId(1), 3);
        sequences.number(P0, BatchId(2), 1);
        assert!(!sequences.must_wait(P0, None), "new batches may follow");
        assert!(!sequences.must_wait(P0, Some(Sequence(0))));
        assert!(sequences.must_wait(P0, Some(Sequence(3))));
        sequences.completed(P0, first, 3);
        assert!(!sequences.must_wait(P0, Some(Sequence(3))));
    }

    #[test]
    fn out_of_order_is_waited_out_unless_nothing_can_come_before() {
        // (acknowledged before, base of the refused batch) -> does it cost an epoch?
        for (acknowledged, base, costs_an_epoch) in [(0, 3, false), (3, 3, true), (0, 0, true)] {
            let mut sequences = sequences();
            let first = sequences.number(P0, BatchId(1), 3);
            sequences.number(P0, BatchId(2), 1);
            if acknowledged > 0 {
                sequences.completed(P0, first, acknowledged);
            }
            let error = ErrorCode::OutOfOrderSequenceNumber;
            assert!(sequences.can_retry(failed(base), error, None));
            assert_eq!(bumps(&mut sequences), costs_an_epoch, "{acknowledged} {base}");
        }
    }

    #[test]
    fn kip_360_only_the_batch_after_an_unresolved_one_proves_a_gap() {
        let error = ErrorCode::OutOfOrderSequenceNumber;
        for (base, costs_an_epoch) in [(3, true), (5, false)] {
            let mut sequences = sequences();
            let lost = sequences.number(P0, BatchId(1), 3);
            sequences.number(P0, BatchId(2), 2);
            sequences.number(P0, BatchId(3), 1);
            sequences.failed(P0, Some(lost), ErrorCode::RequestTimedOut, false);
            sequences.mark_unresolved(P0, Sequence(2));
            assert!(sequences.must_wait(P0, None), "no new batch before it is resolved");
            assert!(sequences.can_retry(failed(base), error, None));
            assert_eq!(bumps(&mut sequences), costs_an_epoch, "{base}");
        }
    }

    #[test]
    fn an_expired_batch_is_resolved_when_a_later_one_is_acknowledged() {
        let mut sequences = sequences();
        let lost = sequences.number(P0, BatchId(1), 3);
        let next = sequences.number(P0, BatchId(2), 2);
        sequences.failed(P0, Some(lost), ErrorCode::RequestTimedOut, false);
        sequences.mark_unresolved(P0, Sequence(2));
        sequences.resolve();
        assert!(sequences.must_wait(P0, None));
        sequences.completed(P0, next, 2);
        sequences.resolve();
        assert!(!sequences.must_wait(P0, None));
        assert!(!bumps(&mut sequences), "the broker has both");
    }

    #[test]
    fn kip_360_the_next_epoch_numbers_what_is_in_flight_from_0() {
        let mut sequences = sequences();
        let first = sequences.number(P0, BatchId(1), 3);
        sequences.number(P0, BatchId(2), 2);
        sequences.number(P1, BatchId(3), 1);
        sequences.failed(P0, Some(first), ErrorCode::InvalidRecord, true);
        let second = (FIRST.0, ProducerEpoch(1));
        let rewritten = Rewrite { batch: BatchId(2), producer: place(second, Sequence(0)) };
        assert_eq!(sequences.bump_epoch(), EpochBump::Bumped(second, vec![rewritten]));
        assert_eq!(sequences.number(P0, BatchId(4), 1), place(second, Sequence(2)));
        // KAFKA-12152: a partition with batches of the old epoch in flight finishes those first, and one
        // without begins at 0.
        assert!(sequences.must_wait(P1, None));
        sequences.completed(P1, place(FIRST, Sequence(0)), 1);
        assert_eq!(sequences.number(P1, BatchId(5), 1), place(second, Sequence(0)));
    }

    #[test]
    fn a_forgotten_producer_numbers_again_unless_it_has_just_done_so() {
        let mut sequences = sequences();
        sequences.number(P0, BatchId(1), 1);
        let error = ErrorCode::UnknownProducerId;
        assert!(sequences.can_retry(failed(0), error, None), "retry until the log start is known");
        assert!(!bumps(&mut sequences));
        let reset = FailedBatch { sequence_was_reset: true, ..failed(0) };
        assert!(sequences.can_retry(reset, error, Some(Offset(5))));
        assert!(!bumps(&mut sequences));
        assert!(sequences.can_retry(failed(0), error, Some(Offset(5))));
        assert!(bumps(&mut sequences));
    }

    #[test]
    fn when_the_epochs_are_used_up_a_new_id_is_needed() {
        let mut sequences = Sequences::default();
        sequences.assign((ProducerId(7), LAST_EPOCH));
        let first = sequences.number(P0, BatchId(1), 1);
        sequences.number(P0, BatchId(2), 1);
        sequences.failed(P0, Some(first), ErrorCode::InvalidRecord, true);
        assert_eq!(sequences.bump_epoch(), EpochBump::Exhausted);
        assert!(sequences.identity().is_none() && sequences.must_wait(P0, Some(Sequence(1))));
        let next = (ProducerId(8), ProducerEpoch(0));
        let rewrite = Rewrite { batch: BatchId(2), producer: place(next, Sequence(0)) };
        assert_eq!(sequences.assign(next), [rewrite]);
    }
}
