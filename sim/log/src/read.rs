//! Reading batches from an offset on (`LocalLog.read`, `LogSegment.read`).

use crate::log::Log;
use crate::segment::Segment;
use klab_machine::Outbox;
use klab_wire::{ErrorCode, Offset, RecordBatch};
use std::sync::Arc;

/// What a read found (`FetchDataInfo`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FetchedRecords {
    /// The batches; the first may begin below the offset asked for.
    pub records: Vec<Arc<RecordBatch>>,
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
        self.segments
            .from(offset)
            .find(|segment| segment.next_offset() > offset && !segment.is_empty())
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
        FetchedRecords {
            records: segment.batches_in(run).cloned().collect(),
            size_in_bytes: bytes as u32,
        }
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
