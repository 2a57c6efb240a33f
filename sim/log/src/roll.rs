//! When a segment is full or old, and a new one begins (`LogSegment.shouldRoll`, `UnifiedLog.roll`).

use crate::config::LogConfig;
use crate::log::Log;
use crate::segment::Segment;
use klab_machine::fact::LogFact;
use klab_machine::{Change, Outbox};
use klab_wire::{Now, Offset, Timestamp};

/// What is about to be appended (`RollParams`).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Upcoming {
    pub first_offset: Offset,
    pub last_offset: Offset,
    pub max_timestamp: Timestamp,
    pub size_in_bytes: u64,
}

/// The active segment has no room for what comes, or is too old for it.
///
/// Age is told by the records, not by a clock: it is the time from the segment's first batch to the new
/// one (`timeWaitedForRoll`).
pub(crate) fn should_roll(segment: &Segment, upcoming: &Upcoming, config: &LogConfig) -> bool {
    let age = segment.rolling_based_timestamp().map(|first| upcoming.max_timestamp.since(first));
    segment.size + upcoming.size_in_bytes > config.segment_bytes
        || age.is_some_and(|age| age > config.segment_ms)
        || !segment.can_hold(upcoming.last_offset)
}

impl Log {
    /// Rolls if the active segment cannot take what comes.
    pub(crate) fn maybe_roll(&mut self, upcoming: &Upcoming, now: Now, out: &mut Outbox) {
        if should_roll(self.segments.active(), upcoming, &self.config) {
            self.roll_at(upcoming.first_offset.max(self.log_end), now, out);
        }
    }

    /// Begins a new active segment at the log end.
    pub fn roll(&mut self, now: Now, out: &mut Outbox) {
        self.roll_at(self.log_end, now, out);
    }

    /// The producers' state is stored at the new segment's base, and the old segment is flushed in the
    /// background. An empty segment at that base is as good as a new one (KAFKA-6388).
    fn roll_at(&mut self, base: Offset, now: Now, out: &mut Outbox) {
        if self.segments.active().base == base {
            return;
        }
        self.store_partition_metadata(out);
        self.segments.push(base);
        self.create_active_segment(out);
        self.producers.map_end = base;
        self.producers.take_snapshot(self.partition, out);
        out.state(LogFact::SegmentRolled { partition: self.name.clone(), base });
        self.flush_up_to(self.log_end, now, out);
    }

    /// An empty file tells at the next start where the log ends; with the old segment Kafka fsyncs the
    /// directory, so that the new one is not lost (`LocalLog.flush`).
    pub(crate) fn create_active_segment(&mut self, out: &mut Outbox) {
        let active = self.segments.active_mut();
        active.stored = true;
        let file = active.file(self.partition);
        out.store(file, Change::Create);
        out.flush(file);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use klab_wire::{LeaderEpoch, RecordBatch, Span};
    use std::sync::Arc;

    fn segment(batches: &[(u64, i64)]) -> Segment {
        let mut segment = Segment::new(Offset(100));
        for &(offset, timestamp) in batches {
            let batch = RecordBatch::of_counted(0, 1, 89 - 12, Timestamp(timestamp), None);
            segment.append(Arc::new(batch.assigned(Offset(offset), LeaderEpoch(0))));
        }
        segment
    }

    #[test]
    fn a_segment_is_rolled_when_it_is_full_or_old_or_its_index_cannot_reach() {
        let size = segment(&[(100, 0)]).size;
        let config = LogConfig {
            segment_bytes: 2 * size,
            segment_ms: Span::from_millis(50),
            ..LogConfig::default()
        };
        let far = 100 + i32::MAX as u64;
        // The segment's batches, then offset, timestamp and size of what comes.
        type Case<'a> = (&'a str, &'a [(u64, i64)], (u64, i64, u64), bool);
        let cases: [Case; 9] = [
            ("it fits exactly", &[(100, 0)], (101, 0, size), false),
            ("one byte too many", &[(100, 0)], (101, 0, size + 1), true),
            ("empty, but never enough", &[], (100, 0, 2 * size + 1), true),
            ("as old as allowed", &[(100, 1_000)], (101, 1_050, 1), false),
            ("too old", &[(100, 1_000)], (101, 1_051, 1), true),
            ("an empty segment does not age", &[], (100, 9_000_000, 1), false),
            ("an older batch is no reason", &[(100, 1_000)], (101, 0, 1), false),
            ("the last offset in reach", &[(100, 0)], (far, 0, 1), false),
            ("out of the index's reach", &[(100, 0)], (far + 1, 0, 1), true),
        ];
        for (name, batches, (offset, timestamp, size_in_bytes), roll) in cases {
            let upcoming = Upcoming {
                first_offset: Offset(offset),
                last_offset: Offset(offset),
                max_timestamp: Timestamp(timestamp),
                size_in_bytes,
            };
            assert_eq!(should_roll(&segment(batches), &upcoming, &config), roll, "{name}");
        }
    }

    #[test]
    fn age_counts_from_the_first_batch_of_the_segment() {
        let config = LogConfig { segment_ms: Span::from_millis(50), ..LogConfig::default() };
        let upcoming = Upcoming {
            first_offset: Offset(102),
            last_offset: Offset(102),
            max_timestamp: Timestamp(1_051),
            size_in_bytes: 1,
        };
        assert!(should_roll(&segment(&[(100, 1_000), (101, 1_040)]), &upcoming, &config));
    }
}
