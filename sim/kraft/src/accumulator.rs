//! Records that wait for company: the leader appends and flushes them together (`BatchAccumulator`).

use klab_wire::{ErrorCode, MetadataRecord, Now, Offset, RecordBatch, Span, Time, Timestamp};
use std::collections::VecDeque;

/// `KafkaRaftClient.MAX_BATCH_SIZE_BYTES`.
pub(crate) const MAX_BATCH_SIZE_BYTES: u64 = 8 << 20;
/// `KafkaRaftClient.MAX_NUMBER_OF_BATCHES`.
const MAX_NUMBER_OF_BATCHES: usize = 10;

/// What a leader was given to append and has not appended yet.
///
/// The records of one call stay in one batch: a reader sees all of them or none. Batches that are full
/// are appended at once, the last one after it has lingered.
#[derive(Clone, Debug)]
pub(crate) struct BatchAccumulator {
    linger: Span,
    next_offset: Offset,
    current: Vec<MetadataRecord>,
    current_bytes: u64,
    current_created: Timestamp,
    completed: VecDeque<RecordBatch>,
    drain_at: Option<Time>,
}

impl BatchAccumulator {
    /// An accumulator of a leader whose log ends at `base_offset`.
    pub(crate) fn new(base_offset: Offset, linger: Span) -> Self {
        BatchAccumulator {
            linger,
            next_offset: base_offset,
            current: Vec::new(),
            current_bytes: 0,
            current_created: Timestamp(0),
            completed: VecDeque::new(),
            drain_at: None,
        }
    }

    /// The offset of the next record.
    pub(crate) fn next_offset(&self) -> Offset {
        self.next_offset
    }

    /// Takes records in, and returns the offset of the last one.
    pub(crate) fn append(
        &mut self,
        records: Vec<MetadataRecord>,
        now: Now,
    ) -> Result<Offset, ErrorCode> {
        let bytes = records.iter().map(|record| u64::from(record.size_in_bytes())).sum::<u64>();
        if bytes > MAX_BATCH_SIZE_BYTES {
            return Err(ErrorCode::RecordListTooLarge);
        }
        // Kafka's controller meets its own fault here: it writes faster than the disk takes it.
        if self.completed.len() >= MAX_NUMBER_OF_BATCHES {
            return Err(ErrorCode::UnknownServerError);
        }
        if self.current_bytes + bytes > MAX_BATCH_SIZE_BYTES {
            self.complete_current();
        }
        if self.current.is_empty() {
            self.current_created = now.wall;
        }
        self.next_offset = self.next_offset.plus(records.len() as u64);
        self.current_bytes += bytes;
        self.current.extend(records);
        self.drain_at.get_or_insert(now.time + self.linger);
        Ok(Offset(self.next_offset.0 - 1))
    }

    /// Takes in a batch of one control record, behind which nothing waits.
    pub(crate) fn append_control(&mut self, batch: RecordBatch) {
        self.complete_current();
        self.next_offset = self.next_offset.next();
        self.completed.push_back(batch);
    }

    /// When the next batches are to be appended, if there are any.
    pub(crate) fn drain_at(&self) -> Option<Time> {
        if self.completed.is_empty() { self.drain_at } else { Some(Time::ZERO) }
    }

    /// Takes out every batch, if the time has come.
    pub(crate) fn drain(&mut self, now: Now) -> VecDeque<RecordBatch> {
        if self.drain_at().is_none_or(|due| due > now.time) {
            return VecDeque::new();
        }
        self.complete_current();
        self.drain_at = None;
        std::mem::take(&mut self.completed)
    }

    fn complete_current(&mut self) {
        if self.current.is_empty() {
            return;
        }
        let records = std::mem::take(&mut self.current);
        self.current_bytes = 0;
        self.completed.push_back(RecordBatch::of_metadata(records, self.current_created));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINGER: Span = Span::from_millis(25);

    fn at(millis: u64) -> Now {
        Now { time: Time::ZERO + Span::from_millis(millis), wall: Timestamp::START }
    }

    fn no_ops(count: usize) -> Vec<MetadataRecord> {
        vec![MetadataRecord::NoOp; count]
    }

    fn level(bytes: usize) -> MetadataRecord {
        MetadataRecord::FeatureLevel { name: "x".repeat(bytes).into(), level: 1 }
    }

    #[test]
    fn records_linger_from_the_first_one_on_and_share_a_batch() {
        let mut accumulator = BatchAccumulator::new(Offset(5), LINGER);
        assert_eq!(accumulator.append(no_ops(2), at(0)), Ok(Offset(6)));
        assert_eq!(accumulator.append(no_ops(1), at(20)), Ok(Offset(7)));
        assert!(accumulator.drain(at(24)).is_empty());
        let drained = accumulator.drain(at(25));
        assert_eq!(drained.iter().map(|batch| batch.records_count).collect::<Vec<_>>(), [3]);
        assert_eq!(accumulator.drain_at(), None);
        assert_eq!(accumulator.next_offset(), Offset(8));
    }

    #[test]
    fn the_records_of_one_call_are_never_split() {
        let mut accumulator = BatchAccumulator::new(Offset(0), LINGER);
        let half = MAX_BATCH_SIZE_BYTES as usize / 2;
        accumulator.append(vec![level(half), level(100)], at(0)).expect("fits");
        accumulator.append(vec![level(half), level(100)], at(1)).expect("fits the next batch");
        let drained = accumulator.drain(at(1));
        assert_eq!(drained.iter().map(|batch| batch.records_count).collect::<Vec<_>>(), [2, 2]);
    }

    #[test]
    fn what_does_not_fit_into_one_batch_is_refused_whole() {
        let mut accumulator = BatchAccumulator::new(Offset(0), LINGER);
        let records = vec![level(MAX_BATCH_SIZE_BYTES as usize)];
        assert_eq!(accumulator.append(records, at(0)), Err(ErrorCode::RecordListTooLarge));
        assert_eq!(accumulator.next_offset(), Offset(0));
    }
}
