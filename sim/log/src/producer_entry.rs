//! What a log remembers of one idempotent producer, and whether its next batch is in order
//! (`ProducerStateEntry`, `ProducerAppendInfo`, KIP-98).
//!
//! The last five batches are remembered, because a producer may have five requests in flight: a batch
//! that repeats one of them exactly is a duplicate and is answered with the offsets it has. Anything
//! else must continue the sequence.

use klab_machine::Mutant;
use klab_machine::disk::ProducerSnapshotEntry;
use klab_wire::config::switches::ProducerWindow;
use klab_wire::{
    BatchProducer, ErrorCode, Offset, ProducerEpoch, ProducerId, RecordBatch, Sequence, Timestamp,
};
use std::collections::VecDeque;

/// `ProducerStateEntry.NUM_BATCHES_TO_RETAIN`.
pub(crate) const NUM_BATCHES_TO_RETAIN: usize = 5;

/// One producer's epoch and last batches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ProducerStateEntry {
    pub epoch: ProducerEpoch,
    pub last_timestamp: Timestamp,
    /// At most five, oldest first, all of this epoch.
    batches: VecDeque<BatchMetadata>,
}

/// A batch that is in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BatchMetadata {
    last_sequence: Sequence,
    pub last_offset: Offset,
    offset_delta: u32,
    pub timestamp: Timestamp,
}

impl BatchMetadata {
    pub fn first_offset(&self) -> Offset {
        Offset(self.last_offset.0 - u64::from(self.offset_delta))
    }

    fn first_sequence(&self) -> Sequence {
        self.last_sequence.minus(self.offset_delta)
    }
}

impl ProducerStateEntry {
    /// A producer that has not written yet, in this epoch.
    fn of(epoch: ProducerEpoch, last_timestamp: Timestamp) -> Self {
        ProducerStateEntry { epoch, last_timestamp, batches: VecDeque::new() }
    }

    /// As a `.snapshot` keeps it: its last batch only.
    pub fn of_snapshot(entry: &ProducerSnapshotEntry) -> Self {
        let mut state = Self::of(entry.epoch, entry.timestamp);
        state.batches.extend(entry.last_sequence.map(|last_sequence| BatchMetadata {
            last_sequence,
            last_offset: entry.last_offset,
            offset_delta: entry.offset_delta,
            timestamp: entry.timestamp,
        }));
        state
    }

    pub fn to_snapshot(&self, id: ProducerId) -> ProducerSnapshotEntry {
        let last = self.batches.back();
        ProducerSnapshotEntry {
            id,
            epoch: self.epoch,
            last_sequence: last.map(|batch| batch.last_sequence),
            last_offset: last.map_or(Offset(0), |batch| batch.last_offset),
            offset_delta: last.map_or(0, |batch| batch.offset_delta),
            timestamp: self.last_timestamp,
        }
    }

    /// The last sequence of the last batch.
    pub fn last_sequence(&self) -> Option<Sequence> {
        self.batches.back().map(|batch| batch.last_sequence)
    }

    /// The remembered batch that this one repeats: same epoch, same first and last sequence.
    pub fn duplicate_of(
        &self,
        batch: &RecordBatch,
        window: ProducerWindow,
    ) -> Option<BatchMetadata> {
        let producer = batch.producer.filter(|producer| producer.epoch == self.epoch)?;
        let (first, last) = (producer.base_sequence?, batch.last_sequence()?);
        let repeats =
            |known: &&BatchMetadata| known.last_sequence == last && known.first_sequence() == first;
        let forgotten = match window {
            ProducerWindow::One => self.batches.len().saturating_sub(1),
            ProducerWindow::Five if Mutant::RemembersFourBatches.lives() => {
                self.batches.len().saturating_sub(NUM_BATCHES_TO_RETAIN - 1)
            }
            ProducerWindow::Five => 0,
        };
        let mut remembered = self.batches.iter().skip(forgotten);
        remembered.find(repeats).copied()
    }

    /// Takes note of a batch that was appended (`addBatch`).
    pub fn add(&mut self, producer: BatchProducer, batch: &RecordBatch) {
        if self.epoch != producer.epoch {
            self.batches.clear();
            self.epoch = producer.epoch;
        }
        self.last_timestamp = batch.max_timestamp;
        let Some(last_sequence) = batch.last_sequence() else { return };
        if self.batches.len() == NUM_BATCHES_TO_RETAIN {
            self.batches.pop_front();
        }
        self.batches.push_back(BatchMetadata {
            last_sequence,
            last_offset: batch.last_offset(),
            offset_delta: batch.last_offset_delta,
            timestamp: batch.max_timestamp,
        });
    }

    /// The state of a producer after its first batch here.
    pub fn first(producer: BatchProducer, batch: &RecordBatch) -> Self {
        let mut state = Self::of(producer.epoch, batch.max_timestamp);
        state.add(producer, batch);
        state
    }
}

/// An older epoch of a producer has been fenced (`checkProducerEpoch`).
pub(crate) fn check_epoch(
    known: Option<&ProducerStateEntry>,
    epoch: ProducerEpoch,
) -> Result<(), ErrorCode> {
    match known {
        Some(entry) if epoch < entry.epoch => Err(ErrorCode::InvalidProducerEpoch),
        _ => Ok(()),
    }
}

/// A client's batch continues its producer's sequence (`checkSequence`).
///
/// Of a producer that is not known here any sequence is taken: its records may have left the log. A new
/// epoch starts at 0.
pub(crate) fn check_sequence(
    known: Option<&ProducerStateEntry>,
    epoch: ProducerEpoch,
    first: Sequence,
) -> Result<(), ErrorCode> {
    let known = known.filter(|_| !Mutant::IgnoresSequences.lives());
    let Some(entry) = known else { return Ok(()) };
    let expected = match entry.last_sequence() {
        Some(last) if epoch == entry.epoch => last.plus(1),
        _ => Sequence(0),
    };
    let is_repeated = entry.batches.back().is_some_and(|last| last.first_sequence() == first);
    if first == expected || is_repeated && Mutant::AppendsDuplicates.lives() {
        Ok(())
    } else {
        Err(ErrorCode::OutOfOrderSequenceNumber)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIVE: ProducerWindow = ProducerWindow::Five;
    use klab_wire::LeaderEpoch;

    const MAX: u32 = i32::MAX as u32;

    fn producer(epoch: u16, base_sequence: u32) -> BatchProducer {
        let base_sequence = Some(Sequence(base_sequence));
        BatchProducer { id: ProducerId(7), epoch: ProducerEpoch(epoch), base_sequence }
    }

    fn batch(epoch: u16, base_sequence: u32, count: u32, offset: u64) -> RecordBatch {
        RecordBatch::of_counted(0, count, 10, Timestamp(5), Some(producer(epoch, base_sequence)))
            .assigned(Offset(offset), LeaderEpoch(0))
    }

    fn known(batches: &[RecordBatch]) -> Option<ProducerStateEntry> {
        let mut batches = batches.iter();
        let first = batches.next()?;
        let mut entry = ProducerStateEntry::first(first.producer?, first);
        batches.for_each(|batch| entry.add(batch.producer.unwrap(), batch));
        Some(entry)
    }

    #[test]
    fn kip_98_a_batch_must_continue_its_producers_sequence() {
        let in_order = Ok(());
        let out_of_order = Err(ErrorCode::OutOfOrderSequenceNumber);
        let after = |epoch, base, count| known(&[batch(epoch, base, count, 0)]);
        let cases = [
            ("nothing is known of the producer", None, (0, 17), in_order),
            ("the next one", after(0, 0, 3), (0, 3), in_order),
            ("a gap", after(0, 0, 3), (0, 4), out_of_order),
            ("an old one that is no duplicate", after(0, 0, 3), (0, 1), out_of_order),
            ("the sequence wraps to 0", after(0, MAX - 1, 2), (0, 0), in_order),
            ("it wraps within a batch", after(0, MAX, 3), (0, 2), in_order),
            ("but not from elsewhere", after(0, MAX - 2, 2), (0, 0), out_of_order),
            ("a new epoch starts at 0", after(0, 0, 3), (1, 0), in_order),
            ("and nowhere else", after(0, 0, 3), (1, 3), out_of_order),
        ];
        for (name, entry, (epoch, first), result) in cases {
            let found = check_sequence(entry.as_ref(), ProducerEpoch(epoch), Sequence(first));
            assert_eq!(found, result, "{name}");
        }
    }

    #[test]
    fn an_older_epoch_is_fenced() {
        let entry = known(&[batch(3, 0, 1, 0)]);
        let check = |epoch| check_epoch(entry.as_ref(), ProducerEpoch(epoch));
        assert_eq!(check(2), Err(ErrorCode::InvalidProducerEpoch));
        assert_eq!((check(3), check(4)), (Ok(()), Ok(())));
        assert_eq!(check_epoch(None, ProducerEpoch(0)), Ok(()));
    }

    #[test]
    fn the_last_five_batches_are_known_again_by_their_whole_range() {
        let batches: Vec<_> = (0..6).map(|n| batch(0, 2 * n, 2, 100 + 2 * u64::from(n))).collect();
        let entry = known(&batches).unwrap();
        let found: Vec<_> = batches
            .iter()
            .map(|batch| entry.duplicate_of(batch, FIVE).map(|known| known.first_offset().0))
            .collect();
        assert_eq!(found, [None, Some(102), Some(104), Some(106), Some(108), Some(110)]);
        assert_eq!(entry.duplicate_of(&batch(0, 10, 1, 0), FIVE), None, "only half of it");
        assert_eq!(entry.duplicate_of(&batch(1, 10, 2, 0), FIVE), None, "another epoch");
    }

    #[test]
    fn kafka_5494_a_window_of_one_knows_the_last_batch_only() {
        let batches: Vec<_> = (0..3).map(|n| batch(0, 2 * n, 2, 2 * u64::from(n))).collect();
        let entry = known(&batches).unwrap();
        let is_known = |batch| entry.duplicate_of(batch, ProducerWindow::One).is_some();
        assert_eq!(batches.iter().map(is_known).collect::<Vec<_>>(), [false, false, true]);
    }

    #[test]
    fn a_duplicate_is_known_across_the_wrap() {
        let wrapping = batch(0, MAX, 3, 40);
        let known =
            known(std::slice::from_ref(&wrapping)).unwrap().duplicate_of(&wrapping, FIVE).unwrap();
        assert_eq!((known.first_offset(), known.last_offset), (Offset(40), Offset(42)));
    }

    #[test]
    fn a_new_epoch_forgets_the_batches_of_the_old_one() {
        let old = batch(0, 0, 2, 0);
        let entry = known(&[old.clone(), batch(1, 0, 1, 2)]).unwrap();
        assert_eq!(entry.duplicate_of(&old, FIVE), None);
        assert_eq!((entry.epoch, entry.last_sequence()), (ProducerEpoch(1), Some(Sequence(0))));
    }

    #[test]
    fn a_snapshot_keeps_the_last_batch() {
        let batches = [batch(0, 0, 2, 0), batch(0, 2, 2, 2)];
        let entry = known(&batches).unwrap();
        let back = ProducerStateEntry::of_snapshot(&entry.to_snapshot(ProducerId(7)));
        assert_eq!(back.duplicate_of(&batches[0], FIVE), None);
        assert_eq!(back.duplicate_of(&batches[1], FIVE), entry.duplicate_of(&batches[1], FIVE));
    }
}
