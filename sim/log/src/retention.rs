//! What leaves at the log's start: by DeleteRecords, time, size, or a snapshot
//! (`UnifiedLog.maybeIncrementLogStartOffset`, `deleteOldSegments`).
//!
//! Only whole segments are deleted, oldest first, and none that reaches the high watermark: the log
//! start never passes it.

use crate::log::Log;
use crate::segment::Segment;
use klab_machine::fact::{DeletionReason, LogFact};
use klab_machine::{Mutant, Outbox};
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
        if to > self.high_watermark && !Mutant::DeletesTheUncommitted.lives() {
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
            let committed = self.high_watermark >= next.unwrap_or(self.log_end)
                || Mutant::DeletesTheUncommitted.lives();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LogConfig;
    use crate::testing::{Rig, records_at, sequenced};
    use klab_machine::File;
    use klab_wire::Span;

    /// Three segments of one batch each, at 0, 1 and 2, timestamps 1000, 2000 and 3000.
    fn rig(change: impl FnOnce(&mut LogConfig)) -> Rig {
        let mut config = LogConfig {
            retention_ms: None,
            timestamp_after_max: Span::MAX,
            segment_bytes: u64::from(records_at(&[1]).size_in_bytes),
            ..LogConfig::default()
        };
        change(&mut config);
        let mut rig = Rig::with(config);
        for at in [1_000, 2_000, 3_000] {
            rig.append(records_at(&[at]));
        }
        rig.commit_all();
        rig
    }

    fn clean(rig: &mut Rig) -> u32 {
        rig.act(|log, now, out| log.delete_old_segments(now, out))
    }

    #[test]
    fn retention_by_time_goes_by_the_newest_record_of_a_segment() {
        // The clock, how many segments go, the log start then.
        for (clock, deleted, start) in [(1_500, 0, 0), (1_501, 1, 1), (3_500, 2, 2), (3_501, 3, 3)]
        {
            let mut rig = rig(|config| config.retention_ms = Some(Span::from_millis(500)));
            rig.clock = clock;
            assert_eq!((clean(&mut rig), rig.log.log_start()), (deleted, Offset(start)), "{clock}");
            assert_eq!(rig.log.log_end(), Offset(3));
        }
    }

    #[test]
    fn retention_by_size_never_goes_below_the_size() {
        let size = u64::from(records_at(&[1]).size_in_bytes);
        for (bytes, start) in [(3 * size, 0), (2 * size + 1, 0), (2 * size, 1), (1, 2), (0, 3)] {
            let mut rig = rig(|config| config.retention_bytes = Some(bytes));
            clean(&mut rig);
            assert_eq!(rig.log.log_start(), Offset(start), "{bytes}");
        }
    }

    #[test]
    fn nothing_goes_that_is_not_committed() {
        let mut rig = rig(|config| config.retention_ms = Some(Span::ZERO));
        rig.clock = 9_000;
        rig.commit(1);
        assert_eq!((clean(&mut rig), rig.log.log_start()), (1, Offset(1)));
    }

    #[test]
    fn a_compacted_topic_keeps_what_is_old() {
        let mut rig = rig(|config| {
            config.retention_ms = Some(Span::ZERO);
            config.delete = false;
        });
        rig.clock = 9_000;
        assert_eq!(clean(&mut rig), 0);
    }

    #[test]
    fn a_log_emptied_by_retention_ends_where_it_did_after_a_restart() {
        let mut rig = rig(|config| config.retention_ms = Some(Span::ZERO));
        rig.clock = 9_000;
        assert_eq!(clean(&mut rig), 3);
        assert_eq!(rig.log.segment_count(), 1);
        rig.restart(Default::default());
        assert_eq!((rig.log.log_start(), rig.log.log_end()), (Offset(3), Offset(3)));
    }

    #[test]
    fn delete_records_moves_the_start_at_once_and_the_files_later() {
        let mut rig = rig(|_| ());
        rig.delete_records(2);
        assert_eq!(rig.log.log_start(), Offset(2));
        assert_eq!(rig.epochs(), [(0, 2)]);
        assert!(rig.disk.contains(File::Segment(rig.log.partition(), Offset(0))));
        assert_eq!(clean(&mut rig), 2);
        assert!(!rig.disk.contains(File::Segment(rig.log.partition(), Offset(0))));
        assert_eq!(rig.fact_names(), ["SegmentDeleted", "SegmentDeleted"]);
    }

    #[test]
    fn the_log_start_never_passes_the_high_watermark() {
        let mut rig = rig(|_| ());
        rig.commit(1);
        let reason = LogStartReason::ClientRecordDeletion;
        let mut advance =
            |to| rig.act(|log, _, out| log.advance_log_start(Offset(to), reason, out));
        assert_eq!(advance(2), Err(ErrorCode::OffsetOutOfRange));
        assert_eq!([advance(1), advance(1), advance(0)], [Ok(true), Ok(false), Ok(false)]);
    }

    #[test]
    fn a_silent_producer_is_forgotten() {
        let mut rig = rig(|config| {
            config.segment_bytes = 1 << 20;
            config.producer_id_expiration = Span::from_millis(500);
        });
        rig.append(sequenced(7, 0, 0, 1));
        rig.clock = 1_499;
        assert_eq!(rig.act(|log, now, out| log.expire_producers(now, out)), 0);
        assert!(rig.try_append(sequenced(7, 0, 9, 1)).is_err());
        rig.clock = 1_500;
        assert_eq!(rig.act(|log, now, out| log.expire_producers(now, out)), 1);
        assert!(rig.try_append(sequenced(7, 0, 9, 1)).is_ok());
    }
}
