//! Which offset a timestamp or a special position stands for (`UnifiedLog.fetchOffsetByTimestamp`).

use crate::log::Log;
use crate::segment::Segment;
use klab_wire::{LeaderEpoch, Offset, OffsetSpec, RecordBatch, Records, Timestamp, TimestampType};

/// A place in the log found by time (`TimestampAndOffset`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimestampAndOffset {
    /// The timestamp of the record; none for the special positions.
    pub timestamp: Option<Timestamp>,
    /// The offset.
    pub offset: Offset,
    /// The epoch of the record there, as far as known.
    pub leader_epoch: Option<LeaderEpoch>,
}

impl Log {
    /// Looks a position up. `Latest` is the log end: how much of it a reader may see, the caller
    /// knows. None when no record is as late as asked, or there is none at all.
    pub fn offset_for(&self, spec: OffsetSpec) -> Option<TimestampAndOffset> {
        match spec {
            OffsetSpec::Latest => Some(self.special(self.log_end, self.epochs.latest())),
            OffsetSpec::Earliest => {
                Some(self.special(self.log_start, self.epochs.epoch_of(self.log_start)))
            }
            OffsetSpec::MaxTimestamp => self.offset_of_max_timestamp(),
            OffsetSpec::At(timestamp) => self.offset_at(timestamp),
        }
    }

    fn special(&self, offset: Offset, leader_epoch: Option<LeaderEpoch>) -> TimestampAndOffset {
        TimestampAndOffset { timestamp: None, offset, leader_epoch }
    }

    /// The first record with the highest timestamp of all (KIP-734).
    fn offset_of_max_timestamp(&self) -> Option<TimestampAndOffset> {
        let highest = self.segments.iter().filter_map(Segment::largest_timestamp).max()?;
        let mut segments = self.segments.iter();
        let segment = segments.find(|segment| segment.largest_timestamp() == Some(highest))?;
        first_record_at(segment.batch_of_largest_timestamp()?, highest, Offset(0))
    }

    /// The first record as late as this, looked for in the first segment that has one as late.
    ///
    /// As in Kafka nowhere else: if DeleteRecords has moved the log start past it within that segment,
    /// nothing is found.
    fn offset_at(&self, timestamp: Timestamp) -> Option<TimestampAndOffset> {
        let mut segments = self.segments.iter();
        let segment = segments.find(|segment| {
            segment.largest_timestamp().is_some_and(|largest| largest >= timestamp)
        })?;
        segment.batches().find_map(|batch| first_record_at(batch, timestamp, self.log_start))
    }
}

/// The first record of a batch with this timestamp or a later one, at this offset or a later one.
fn first_record_at(
    batch: &RecordBatch,
    timestamp: Timestamp,
    from: Offset,
) -> Option<TimestampAndOffset> {
    if batch.max_timestamp < timestamp || batch.last_offset() < from {
        return None;
    }
    let (offset, timestamp) = match (&batch.records, batch.attributes.timestamp_type) {
        (Records::Data(_), TimestampType::CreateTime) => batch
            .iter()
            .find(|record| record.timestamp >= timestamp && record.offset >= from)
            .map(|record| (record.offset, record.timestamp))?,
        // All records have one timestamp.
        _ => (batch.base_offset.max(from), batch.max_timestamp),
    };
    let leader_epoch = Some(batch.partition_leader_epoch);
    Some(TimestampAndOffset { timestamp: Some(timestamp), offset, leader_epoch })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Rig, records_at};

    fn found(rig: &Rig, spec: OffsetSpec) -> Option<(u64, Option<i64>)> {
        let place = rig.log.offset_for(spec)?;
        Some((place.offset.0, place.timestamp.map(|timestamp| timestamp.0)))
    }

    #[test]
    fn a_timestamp_stands_for_the_first_record_as_late() {
        let mut rig = Rig::new();
        rig.append(records_at(&[100, 110])); // 0, 1
        rig.append(records_at(&[90, 130, 120])); // 2, 3, 4
        rig.roll();
        rig.append(records_at(&[125, 130])); // 5, 6
        let cases = [
            (0, Some((0, Some(100)))),
            (100, Some((0, Some(100)))),
            (101, Some((1, Some(110)))),
            (111, Some((3, Some(130)))),
            (130, Some((3, Some(130)))),
            (131, None),
        ];
        for (timestamp, place) in cases {
            assert_eq!(found(&rig, OffsetSpec::At(Timestamp(timestamp))), place, "{timestamp}");
        }
        assert_eq!(found(&rig, OffsetSpec::MaxTimestamp), Some((3, Some(130))));
        assert_eq!(found(&rig, OffsetSpec::Earliest), Some((0, None)));
        assert_eq!(found(&rig, OffsetSpec::Latest), Some((7, None)));
    }

    #[test]
    fn what_lies_below_the_log_start_is_not_found() {
        let mut rig = Rig::new();
        rig.append(records_at(&[100, 110]));
        rig.append(records_at(&[120, 105]));
        rig.commit_all();
        rig.delete_records(3);
        assert_eq!(found(&rig, OffsetSpec::At(Timestamp(0))), Some((3, Some(105))));
        assert_eq!(found(&rig, OffsetSpec::At(Timestamp(106))), None);
        assert_eq!(found(&rig, OffsetSpec::Earliest), Some((3, None)));
    }

    #[test]
    fn an_empty_log_has_a_start_and_an_end_and_no_timestamp() {
        let rig = Rig::new();
        assert_eq!(found(&rig, OffsetSpec::At(Timestamp(0))), None);
        assert_eq!(found(&rig, OffsetSpec::MaxTimestamp), None);
        assert_eq!(found(&rig, OffsetSpec::Earliest), Some((0, None)));
    }
}
