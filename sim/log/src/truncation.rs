//! Cutting the end off, or everything (`UnifiedLog.truncateTo`, `truncateFullyAndStartAt`).
//!
//! What a follower does when its leader's log parts from its own (KIP-101, KIP-595). Epochs and
//! producers go back with the records.

use crate::log::Log;
use crate::segment::Segment;
use crate::segments::Segments;
use klab_machine::fact::LogFact;
use klab_machine::{Change, File, Outbox};
use klab_wire::{Now, Offset};

impl Log {
    /// Removes every batch that reaches `to` or beyond; says whether the log end moved.
    pub fn truncate_to(&mut self, to: Offset, now: Now, out: &mut Outbox) -> bool {
        let from = self.log_end;
        if to >= from {
            // An epoch that this replica began as a leader but never wrote in may still be there.
            self.truncate_epochs_from_end(from, out);
            return false;
        }
        if to < self.segments.first().base {
            self.truncate_fully_and_start_at(to, now, out);
            return true;
        }
        self.truncate_segments(to, out);
        self.log_start = self.log_start.min(to);
        self.high_watermark = self.high_watermark.min(to);
        self.truncate_epochs_from_end(to, out);
        self.rebuild_producer_state(to, now, out);
        out.state(LogFact::LogTruncated { partition: self.name.clone(), from, to });
        true
    }

    /// Segments that begin above go, the one that holds `to` is cut.
    fn truncate_segments(&mut self, to: Offset, out: &mut Outbox) {
        for segment in self.segments.remove_above(to) {
            self.delete_segment(&segment, out);
        }
        let active = self.segments.active_mut();
        let place = active.place_of(to);
        if place < active.len() {
            active.truncate(place);
            out.store(active.file(self.partition), Change::Truncate(u64::from(place)));
        }
        self.log_end = to;
        self.flushes.truncate(to);
    }

    pub(crate) fn truncate_epochs_from_end(&mut self, log_end: Offset, out: &mut Outbox) {
        if self.epochs.truncate_from_end(log_end) {
            self.store_epochs(out);
        }
    }

    /// Removes everything; the log is empty and starts and ends at `at`.
    pub fn truncate_fully_and_start_at(&mut self, at: Offset, now: Now, out: &mut Outbox) {
        let from = self.log_end;
        let segments = std::mem::replace(&mut self.segments, Segments::starting_at(at));
        segments.iter().for_each(|segment| self.delete_segment(segment, out));
        self.store_partition_metadata(out);
        self.create_active_segment(out);
        self.epochs.clear();
        self.store_epochs(out);
        self.producers.truncate_fully(at, self.partition, out);
        (self.log_start, self.log_end, self.high_watermark) = (at, at, at);
        self.flushes.restart(at, now.wall);
        out.state(LogFact::LogStartedAfresh { partition: self.name.clone(), from, at });
    }

    /// Deletes a segment's file, and the producers' state at its base.
    pub(crate) fn delete_segment(&mut self, segment: &Segment, out: &mut Outbox) {
        if segment.stored {
            out.store(segment.file(self.partition), Change::Delete);
        }
        self.producers.delete_snapshot(segment.base, self.partition, out);
    }

    /// Removes the partition's files: the replica is given up.
    pub fn delete(mut self, out: &mut Outbox) {
        let segments = std::mem::replace(&mut self.segments, Segments::starting_at(self.log_end));
        segments.iter().for_each(|segment| self.delete_segment(segment, out));
        self.producers.delete_snapshots(self.partition, out, |_| true);
        out.store(File::LeaderEpochCheckpoint(self.partition), Change::Delete);
        if self.named {
            out.store(File::PartitionMetadata(self.partition), Change::Delete);
        }
    }
}
