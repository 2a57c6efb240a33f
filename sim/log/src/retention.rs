//! What leaves at the log's start: by DeleteRecords, time, size, or a snapshot (`deleteOldSegments`).

use crate::log::Log;
use klab_machine::Outbox;
use klab_wire::{ErrorCode, Now, Offset, Span};

/// Why the log start moves (`LogStartOffsetIncrementReason`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogStartReason {
    /// The leader's log starts there.
    LeaderOffsetIncremented,
    /// Segments were deleted.
    SegmentDeletion,
    /// A client asked for it (DeleteRecords).
    ClientRecordDeletion,
    /// A snapshot covers what is below.
    SnapshotGenerated,
}

impl Log {
    /// Moves the log start up (`maybeIncrementLogStartOffset`); says whether it moved.
    /// OFFSET_OUT_OF_RANGE above the high watermark. Files go with [`Self::delete_old_segments`].
    pub fn advance_log_start(
        &mut self,
        _to: Offset,
        _reason: LogStartReason,
        _out: &mut Outbox,
    ) -> Result<bool, ErrorCode> {
        todo!()
    }

    /// Deletes whole segments that retention or the log start no longer needs, never beyond the
    /// high watermark; says how many.
    pub fn delete_old_segments(&mut self, _now: Now, _out: &mut Outbox) -> u32 {
        todo!()
    }

    /// Forgets producers that were silent for `after` (`producer.id.expiration.ms`); says how many.
    pub fn expire_producers(&mut self, _after: Span, _now: Now, _out: &mut Outbox) -> u32 {
        todo!()
    }
}
