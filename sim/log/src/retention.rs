//! What leaves at the log's start: by DeleteRecords, time, size, or a snapshot
//! (`UnifiedLog.maybeIncrementLogStartOffset`, `deleteOldSegments`).
//!
//! Only whole segments are deleted, oldest first, and none that reaches the high watermark: the log
//! start never passes it.

use crate::log::Log;
use crate::segment::Segment;
use klab_machine::Outbox;
use klab_machine::fact::{DeletionReason, LogFact};
use klab_wire::{ErrorCode, Now, Offset};

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
        to: Offset,
        reason: LogStartReason,
        out: &mut Outbox,
    ) -> Result<bool, ErrorCode> {
        if to > self.high_watermark {
            return Err(ErrorCode::OffsetOutOfRange);
        }
        if to <= self.log_start {
            return Ok(false);
        }
        let from = std::mem::replace(&mut self.log_start, to);
        self.flushes.advance_log_start(to);
        if self.epochs.truncate_from_start(to) {
            self.store_epochs(out);
        }
        self.producers.advance_log_start(to);
        let by_retention = reason == LogStartReason::SegmentDeletion;
        let partition = self.name.clone();
        out.state(LogFact::LogStartAdvanced { partition, from, to, by_retention });
        Ok(true)
    }

    /// Deletes whole segments that the log start has passed, that `retention.bytes` has no room for,
    /// or that `retention.ms` finds too old; says how many.
    pub fn delete_old_segments(&mut self, now: Now, out: &mut Outbox) -> u32 {
        let mut deleted = 0;
        for reason in [DeletionReason::LogStart, DeletionReason::Size, DeletionReason::Time] {
            let applies = reason == DeletionReason::LogStart || self.config.delete;
            let count = if applies { self.deletable(reason, now) } else { 0 };
            self.delete_oldest(count, reason, now, out);
            deleted += count;
        }
        deleted
    }

    /// So many of the oldest segments may go for this reason (`deletableSegments`).
    fn deletable(&self, reason: DeletionReason, now: Now) -> u32 {
        let excess = match (reason, self.config.retention_bytes) {
            (DeletionReason::Size, Some(bytes)) => self.size_in_bytes().saturating_sub(bytes),
            _ => 0,
        };
        let mut released = 0;
        let mut count = 0;
        while count < self.segments.len() {
            let segment = self.segments.at(count);
            let next = self.segments.end_of(count);
            released += segment.size;
            let is_due = match reason {
                DeletionReason::LogStart => next.is_some_and(|next| next <= self.log_start),
                DeletionReason::Size => released <= excess,
                DeletionReason::Time => self.is_too_old(segment, now),
            };
            let committed = self.high_watermark >= next.unwrap_or(self.log_end);
            let is_empty_last = next.is_none() && segment.is_empty();
            if !is_due || !committed || is_empty_last {
                break;
            }
            count += 1;
        }
        count
    }

    /// By its newest record, not by a clock's view of its file.
    fn is_too_old(&self, segment: &Segment, now: Now) -> bool {
        match (self.config.retention_ms, segment.largest_timestamp()) {
            (Some(retention), Some(largest)) => now.wall.since(largest) > retention,
            _ => false,
        }
    }

    /// There must always be an active segment: if all go, a new one is rolled first.
    fn delete_oldest(&mut self, count: u32, reason: DeletionReason, now: Now, out: &mut Outbox) {
        if count == 0 {
            return;
        }
        if count == self.segments.len() {
            self.roll(now, out);
        }
        let start = self.segments.at(count).base;
        self.advance_log_start(start, LogStartReason::SegmentDeletion, out)
            .expect("what is deleted lies below the high watermark");
        for segment in self.segments.remove_oldest(count) {
            self.delete_segment(&segment, out);
            let partition = self.name.clone();
            out.state(LogFact::SegmentDeleted { partition, base: segment.base, reason });
        }
    }

    /// Forgets producers that were silent for `producer.id.expiration.ms`; says how many.
    pub fn expire_producers(&mut self, now: Now, out: &mut Outbox) -> u32 {
        if self.producers.is_empty() {
            return 0;
        }
        let expired = self.producers.remove_expired(self.config.producer_id_expiration, now.wall);
        for &producer in &expired {
            out.state(LogFact::ProducerExpired { partition: self.name.clone(), producer });
        }
        expired.len() as u32
    }
}
