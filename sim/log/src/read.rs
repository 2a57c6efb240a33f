//! Reading batches from an offset on (`LocalLog.read`, `LogSegment.read`).

use crate::log::Log;
use crate::segment::Segment;
use klab_machine::Outbox;
use klab_wire::{ErrorCode, Few, Offset, RecordBatch};
use std::sync::Arc;

/// What a read found (`FetchDataInfo`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FetchedRecords {
    /// The batches; the first may begin below the offset asked for.
    pub records: Few<Arc<RecordBatch>>,
    /// Their bytes.
    pub size_in_bytes: u32,
}

impl Log {
    /// Reads whole batches of one segment from `from` on, all of them below `up_to` (log end, high
    /// watermark or last stable offset, by who reads), at most `max_bytes`, but with `min_one` at
    /// least one. OFFSET_OUT_OF_RANGE below the log start and above the log end.
    ///
    /// Only reads below the active segment ask the world for their bytes: what was written last is
    /// in the page cache.
    pub fn read(
        &self,
        from: Offset,
        max_bytes: u32,
        up_to: Offset,
        min_one: bool,
        out: &mut Outbox,
    ) -> Result<FetchedRecords, ErrorCode> {
        if from < self.log_start || from > self.log_end {
            return Err(ErrorCode::OffsetOutOfRange);
        }
        if from >= up_to {
            return Ok(FetchedRecords::default());
        }
        match self.segment_with(from) {
            Some(segment) => Ok(self.read_segment(segment, from, max_bytes, up_to, min_one, out)),
            None => Ok(FetchedRecords::default()),
        }
    }

    /// The first segment, from that of `offset` on, that has a batch reaching it: there may be gaps.
    fn segment_with(&self, offset: Offset) -> Option<&Segment> {
        let active = self.segments.active();
        if offset >= active.base {
            return active.reaches(offset).then_some(active);
        }
        self.segments.from(offset).find(|segment| segment.reaches(offset))
    }

    fn read_segment(
        &self,
        segment: &Segment,
        from: Offset,
        max_bytes: u32,
        up_to: Offset,
        min_one: bool,
        out: &mut Outbox,
    ) -> FetchedRecords {
        let (from, limit) = (segment.place_of(from), segment.place_of(up_to));
        let run = segment.run(from, limit, max_bytes, min_one);
        let position = segment.position_of(run.from);
        let bytes = segment.position_of(run.to) - position;
        if bytes > 0 && segment.base != self.segments.active().base {
            out.read(segment.file(self.partition), position, bytes);
        }
        let mut records = Few::with_capacity((run.to - run.from) as usize);
        segment.batches_in(run).for_each(|batch| records.push(batch.clone()));
        FetchedRecords { records, size_in_bytes: bytes as u32 }
    }

    /// The bytes of the batches from `from` to below `up_to`, without reading them: what a delayed
    /// fetch adds up. None when the two are not in one segment, which completes a delayed fetch at
    /// once (`LogOffsetMetadata.onOlderSegment`).
    pub fn bytes_between(&self, from: Offset, up_to: Offset) -> Option<u64> {
        if from < self.log_start || from > self.log_end {
            return None;
        }
        let place = self.segments.floor(from)?;
        if self.segments.floor(up_to)? != place {
            return None;
        }
        let segment = self.segments.at(place);
        let position = |offset| segment.position_of(segment.place_of(offset));
        Some(position(up_to).saturating_sub(position(from)))
    }

    /// Every batch from the one that holds `from` on, oldest first: for replaying the metadata log
    /// and for tests. Costs no reads.
    pub fn batches_from(&self, from: Offset) -> impl Iterator<Item = &Arc<RecordBatch>> + '_ {
        let batches = self.segments.from(from).flat_map(Segment::batches);
        batches.skip_while(move |batch| batch.last_offset() < from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Rig, records};

    /// Batches at 0–1, 2–3 in a first segment, 4–5, 6–7 in the active one.
    fn rig() -> Rig {
        let mut rig = Rig::new();
        rig.append(records(2));
        rig.append(records(2));
        rig.roll();
        rig.append(records(2));
        rig.append(records(2));
        rig
    }

    fn read(rig: &mut Rig, from: u64, max: u32, up_to: u64, min_one: bool) -> Vec<u64> {
        let read = rig.act(|log, _, out| log.read(Offset(from), max, Offset(up_to), min_one, out));
        read.unwrap().records.iter().map(|batch| batch.base_offset.0).collect()
    }

    #[test]
    fn a_read_returns_whole_batches_of_one_segment_below_a_limit() {
        let mut rig = rig();
        let size = records(2).size_in_bytes;
        let all = 10 * size;
        // From, most bytes, below which offset, at least one; the base offsets found.
        let cases: [(u64, u32, u64, bool, &[u64]); 12] = [
            (0, all, 8, false, &[0, 2]),
            (2, all, 8, false, &[2]),
            (4, all, 8, false, &[4, 6]),
            // An offset within a batch gets the whole batch.
            (3, all, 8, false, &[2]),
            // Only what lies below the limit, whole.
            (4, all, 6, false, &[4]),
            (4, all, 7, false, &[4]),
            (4, all, 5, false, &[]),
            (4, all, 4, false, &[]),
            (6, all, 4, false, &[]),
            // At most so many bytes, and one batch all the same if asked.
            (0, 2 * size - 1, 8, false, &[0]),
            (0, 1, 8, false, &[]),
            (0, 1, 8, true, &[0]),
        ];
        for (from, max, up_to, min_one, found) in cases {
            let what = format!("from {from}, {max} bytes, below {up_to}, {min_one}");
            assert_eq!(read(&mut rig, from, max, up_to, min_one), found, "{what}");
        }
        assert_eq!(read(&mut rig, 8, all, 8, true), [0; 0], "the end is no error");
    }

    #[test]
    fn outside_of_the_log_is_out_of_range() {
        let mut rig = rig();
        rig.commit_all();
        rig.delete_records(3);
        let mut error = |from| {
            let end = Offset(8);
            rig.act(|log, _, out| log.read(Offset(from), 999, end, true, out)).map(drop)
        };
        let out_of_range = Err(ErrorCode::OffsetOutOfRange);
        assert_eq!(
            [error(2), error(3), error(8), error(9)],
            [out_of_range, Ok(()), Ok(()), out_of_range]
        );
    }

    #[test]
    fn only_reads_of_older_segments_cost_a_read() {
        let mut rig = rig();
        read(&mut rig, 4, 999, 8, true);
        assert_eq!(rig.reads, 0);
        read(&mut rig, 2, 999, 8, true);
        assert_eq!(rig.reads, 1);
    }

    #[test]
    fn a_delayed_fetch_counts_bytes_within_one_segment() {
        let rig = rig();
        let size = u64::from(records(2).size_in_bytes);
        let between = |from, to| rig.log.bytes_between(Offset(from), Offset(to));
        assert_eq!(between(4, 8), Some(2 * size));
        assert_eq!(between(6, 8), Some(size));
        assert_eq!(between(8, 8), Some(0));
        assert_eq!(between(0, 2), Some(size));
        assert_eq!(between(2, 8), None, "the fetch is on an older segment");
        assert_eq!(between(9, 9), None, "beyond the end");
    }

    #[test]
    fn batches_are_walked_from_the_one_that_holds_an_offset() {
        let rig = rig();
        let bases: Vec<_> = rig.log.batches_from(Offset(3)).map(|b| b.base_offset.0).collect();
        assert_eq!(bases, [2, 4, 6]);
    }
}
