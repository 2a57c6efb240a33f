//! What one fetch brought of one partition, until the application has taken it (`CompletedFetch`).

use klab_machine::Mutant;
use klab_machine::operation::RecordRange;
use klab_wire::{
    ErrorCode, FetchedPartition, Few, LeaderEpoch, Offset, Payload, RecordBatch, Records,
};
use std::sync::Arc;

/// The answer of one partition.
#[derive(Clone, Debug)]
pub(crate) struct CompletedFetch {
    /// The partition's place in the assignment.
    pub(crate) index: u32,
    /// The next offset to hand out; at first where the fetch began.
    pub(crate) next_offset: Offset,
    /// The epoch of the batch before it, once something was handed out.
    pub(crate) last_epoch: Option<LeaderEpoch>,
    /// The answer's other fields have been taken in.
    pub(crate) is_initialized: bool,
    pub(crate) answer: FetchedPartition,
    /// What is left of its batches.
    batches: smallvec::IntoIter<[Arc<RecordBatch>; 1]>,
}

impl CompletedFetch {
    pub(crate) fn new(index: u32, fetch_offset: Offset, mut answer: FetchedPartition) -> Self {
        CompletedFetch {
            index,
            next_offset: fetch_offset,
            last_epoch: None,
            is_initialized: false,
            batches: std::mem::take(&mut answer.records).into_iter(),
            answer,
        }
    }

    /// Everything has been handed out.
    pub(crate) fn is_consumed(&self) -> bool {
        self.batches.as_slice().is_empty()
    }

    /// Records that are left.
    pub(crate) fn remaining(&self) -> u64 {
        let left = |batch: &Arc<RecordBatch>| batch.next_offset().since(self.next_offset);
        self.batches
            .as_slice()
            .iter()
            .map(|batch| left(batch).min(u64::from(batch.records_count)))
            .sum()
    }

    /// Hands out up to `limit` records; `CORRUPT_MESSAGE` if the next batch is broken and none came before it.
    pub(crate) fn take(
        &mut self,
        limit: u32,
        check_crcs: bool,
    ) -> Result<(Few<RecordRange>, u32), ErrorCode> {
        let (mut ranges, mut taken) = (Few::new(), 0);
        while let Some(batch) = self.batches.as_slice().first().cloned() {
            if taken == limit && self.has_more_in(&batch) {
                break;
            }
            if check_crcs && !batch.is_valid() {
                return if taken > 0 {
                    Ok((ranges, taken))
                } else {
                    Err(ErrorCode::CorruptMessage)
                };
            }
            self.last_epoch = Some(batch.partition_leader_epoch);
            taken += self.take_from(&batch, limit - taken, &mut ranges);
            if !self.has_more_in(&batch) {
                self.next_offset = self.next_offset.max(batch.next_offset());
                self.batches.next();
                if Mutant::SkipsABatch.lives() {
                    self.batches.next();
                }
            }
        }
        Ok((ranges, taken))
    }

    /// Whether the batch has records at or after the next offset.
    fn has_more_in(&self, batch: &RecordBatch) -> bool {
        match &batch.records {
            Records::Counted { .. } => batch.next_offset() > self.next_offset,
            Records::Data(records) => records.last().is_some_and(|last| {
                batch.base_offset.plus(u64::from(last.offset_delta)) >= self.next_offset
            }),
            Records::Metadata(_) | Records::Control(_) => false,
        }
    }

    fn take_from(&mut self, batch: &RecordBatch, limit: u32, ranges: &mut Few<RecordRange>) -> u32 {
        match &batch.records {
            Records::Counted { first_value, .. } => {
                self.take_counted(batch, *first_value, limit, ranges)
            }
            Records::Data(records) => {
                let mut taken = 0;
                for record in records.iter() {
                    let offset = batch.base_offset.plus(u64::from(record.offset_delta));
                    if offset < self.next_offset {
                        continue;
                    }
                    if taken == limit {
                        break;
                    }
                    push(ranges, offset, value(record.value.as_ref()), 1);
                    self.next_offset = offset.next();
                    taken += 1;
                }
                taken
            }
            Records::Metadata(_) | Records::Control(_) => 0,
        }
    }

    fn take_counted(
        &mut self,
        batch: &RecordBatch,
        first_value: u64,
        limit: u32,
        ranges: &mut Few<RecordRange>,
    ) -> u32 {
        let from = self.next_offset.max(batch.base_offset);
        let count = batch.next_offset().since(from).min(u64::from(limit)) as u32;
        if count > 0 {
            push(ranges, from, first_value + from.since(batch.base_offset), count);
            self.next_offset = from.plus(u64::from(count));
        }
        count
    }
}

/// Adds records, to the last range if they go on from it.
fn push(ranges: &mut Few<RecordRange>, offset: Offset, first_value: u64, count: u32) {
    if let Some(last) = ranges.last_mut() {
        let length = u64::from(last.count);
        if last.offset.plus(length) == offset && last.first_value + length == first_value {
            last.count += count;
            return;
        }
    }
    ranges.push(RecordRange { offset, first_value, count });
}

/// The number of a value. Bytes count by their first eight, as `LongDeserializer` reads them; a tombstone
/// is the highest number there is.
fn value(payload: Option<&Payload>) -> u64 {
    match payload {
        Some(Payload::Number { number, .. }) => *number,
        Some(Payload::Bytes(bytes)) => {
            bytes.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
        }
        None => u64::MAX,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use klab_wire::{CompressionType, PartitionId, Timestamp, TopicId, TopicIdPartition};

    fn written(base: u64, values: &[u64]) -> Arc<RecordBatch> {
        let record = |number: &u64| {
            (Timestamp(0), None, Some(Payload::Number { number: *number, size: 10 }))
        };
        let records = values.iter().map(record).collect();
        let batch = RecordBatch::of_records(records, None, CompressionType::None, 1000);
        Arc::new(batch.assigned(Offset(base), LeaderEpoch(3)))
    }

    fn counted(base: u64, first: u64, count: u32) -> Arc<RecordBatch> {
        let batch = RecordBatch::of_counted(first, count, 10, Timestamp(0), None);
        Arc::new(batch.assigned(Offset(base), LeaderEpoch(3)))
    }

    fn fetch(from: u64, batches: Vec<Arc<RecordBatch>>) -> CompletedFetch {
        let id = TopicIdPartition { topic: TopicId(7), partition: PartitionId(0) };
        let mut answer = FetchedPartition::of_error(id, ErrorCode::None);
        answer.records = batches.into();
        CompletedFetch::new(0, Offset(from), answer)
    }

    fn take(fetch: &mut CompletedFetch, limit: u32) -> Vec<(u64, u64, u32)> {
        let (ranges, taken) = fetch.take(limit, true).unwrap();
        assert_eq!(ranges.iter().map(|range| range.count).sum::<u32>(), taken);
        ranges.iter().map(|r| (r.offset.0, r.first_value, r.count)).collect()
    }

    #[test]
    fn records_before_the_fetch_offset_are_skipped_and_runs_are_joined() {
        let mut fetch = fetch(6, vec![written(5, &[1, 2, 3]), written(8, &[4, 9])]);
        assert_eq!(fetch.remaining(), 4);
        assert_eq!(take(&mut fetch, 2), [(6, 2, 2)]);
        assert_eq!(take(&mut fetch, 10), [(8, 4, 1), (9, 9, 1)]);
        assert!(fetch.is_consumed());
        assert_eq!((fetch.next_offset, fetch.last_epoch), (Offset(10), Some(LeaderEpoch(3))));
    }

    #[test]
    fn counted_batches_stay_counted() {
        let mut fetch = fetch(7, vec![counted(5, 100, 10), counted(15, 110, 10)]);
        assert_eq!(take(&mut fetch, 4), [(7, 102, 4)]);
        assert_eq!(take(&mut fetch, 100), [(11, 106, 14)]);
        assert!(fetch.is_consumed());
    }

    #[test]
    fn a_broken_batch_is_an_error_once_the_good_ones_are_handed_out() {
        let mut broken = RecordBatch::clone(&written(6, &[2]));
        broken.crc ^= 1;
        let mut fetch = fetch(5, vec![written(5, &[1]), Arc::new(broken)]);
        assert_eq!(take(&mut fetch, 10), [(5, 1, 1)]);
        assert_eq!(fetch.take(10, true), Err(ErrorCode::CorruptMessage));
        assert!(fetch.take(10, false).is_ok(), "`check.crcs` is off");
    }

    #[test]
    fn control_batches_are_passed_over() {
        let marker = klab_wire::ControlRecord::EndTransaction {
            commit: true,
            coordinator_epoch: LeaderEpoch(0),
        };
        let control = RecordBatch::of_control(marker, None, Timestamp(0));
        let control = Arc::new(control.assigned(Offset(6), LeaderEpoch(4)));
        let mut fetch = fetch(5, vec![written(5, &[1]), control]);
        assert_eq!(take(&mut fetch, 1), [(5, 1, 1)]);
        assert_eq!((fetch.next_offset, fetch.last_epoch), (Offset(7), Some(LeaderEpoch(4))));
    }
}
