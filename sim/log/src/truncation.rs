//! Cutting the end off, or everything (`UnifiedLog.truncateTo`, `truncateFullyAndStartAt`).
//!
//! What a follower does when its leader's log parts from its own (KIP-101, KIP-595). Epochs and
//! producers go back with the records.

use crate::log::Log;
use crate::segment::Segment;
use crate::segments::Segments;
use klab_machine::fact::LogFact;
use klab_machine::{Change, File, Mutant, Outbox};
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
        if !Mutant::KeepsProducersOfTheTruncated.lives() {
            self.rebuild_producer_state(to, now, out);
        }
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
    ///
    /// The fsync, for which nobody waits, stands for the file system's journal: a file that is gone
    /// does not come back after a power cut when what was written later has stayed.
    pub(crate) fn delete_segment(&mut self, segment: &Segment, out: &mut Outbox) {
        if segment.stored {
            let file = segment.file(self.partition);
            out.store(file, Change::Delete);
            out.flush(file);
        }
        self.producers.delete_snapshot(segment.base, self.partition, out);
    }

    /// Removes the partition's files: the replica is given up.
    pub fn delete(mut self, out: &mut Outbox) {
        let segments = std::mem::replace(&mut self.segments, Segments::starting_at(self.log_end));
        segments.iter().for_each(|segment| self.delete_segment(segment, out));
        self.producers.delete_snapshots(self.partition, out, |_| true);
        out.store(File::LeaderEpochCheckpoint(self.partition), Change::Delete);
        self.forsake(out);
    }

    /// Its files are no partition's any more: whoever opens the disk takes them for strays.
    pub fn forsake(&mut self, out: &mut Outbox) {
        if std::mem::take(&mut self.named) {
            let file = File::PartitionMetadata(self.partition);
            out.store(file, Change::Delete);
            out.flush(file);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{PARTITION, Rig, records, sequenced};

    /// Epoch 1 at 0–1, 2–3, epoch 2 at 4–5 in a new segment, epoch 3 at 6–7.
    fn rig() -> Rig {
        let mut rig = Rig::new();
        rig.epoch = 1;
        rig.append(sequenced(7, 0, 0, 2));
        rig.append(sequenced(7, 0, 2, 2));
        rig.epoch = 2;
        rig.roll();
        rig.append(sequenced(7, 0, 4, 2));
        rig.epoch = 3;
        rig.append(sequenced(7, 0, 6, 2));
        rig
    }

    #[test]
    fn kip_101_truncation_takes_records_and_their_epochs() {
        type Case = (u64, &'static [(u64, u64)], &'static [(u32, u64)]);
        let cases: [Case; 4] = [
            (6, &[(0, 1), (2, 3), (4, 5)], &[(1, 0), (2, 4)]),
            (4, &[(0, 1), (2, 3)], &[(1, 0)]),
            (2, &[(0, 1)], &[(1, 0)]),
            (0, &[], &[]),
        ];
        for (to, ranges, epochs) in cases {
            let mut rig = rig();
            assert!(rig.truncate(to));
            assert_eq!(rig.fact_names(), ["LogTruncated"]);
            assert_eq!((rig.log.log_end(), rig.ranges()), (Offset(to), ranges.to_vec()));
            assert_eq!(rig.epochs(), epochs, "to {to}");
            rig.restart(Default::default());
            assert_eq!((rig.log.log_end(), rig.ranges()), (Offset(to), ranges.to_vec()));
            assert_eq!(rig.epochs(), epochs, "to {to}, after a restart");
        }
    }

    #[test]
    fn truncation_takes_what_producers_wrote_there() {
        let mut rig = rig();
        rig.truncate(4);
        assert!(rig.append(sequenced(7, 0, 2, 2)).duplicate, "what is left is still known");
        rig.epoch = 4;
        let info = rig.append(sequenced(7, 0, 4, 2));
        assert_eq!((info.first_offset, info.duplicate), (Offset(4), false));
        rig.truncate(0);
        assert!(rig.try_append(sequenced(7, 0, 30, 1)).is_ok(), "nothing is known any more");
    }

    #[test]
    fn truncation_at_or_above_the_end_takes_only_an_epoch_without_records() {
        let mut rig = rig();
        rig.act(|log, _, out| log.assign_epoch_start(klab_wire::LeaderEpoch(9), Offset(8), out));
        assert_eq!(rig.epochs().last(), Some(&(9, 8)));
        assert!(!rig.truncate(8));
        assert_eq!(rig.epochs().last(), Some(&(3, 6)));
        assert_eq!((rig.log.log_end(), rig.fact_names()), (Offset(8), vec![]));
    }

    #[test]
    fn a_cut_within_a_batch_takes_the_whole_batch() {
        let mut rig = rig();
        rig.truncate(7);
        assert_eq!(rig.ranges().last(), Some(&(4, 5)));
        assert_eq!(
            rig.log.log_end(),
            Offset(7),
            "as in Kafka, the end is where it was asked to be"
        );
    }

    #[test]
    fn truncation_takes_high_watermark_recovery_point_and_log_start_back() {
        let mut rig = rig();
        rig.commit_all();
        rig.flush();
        rig.delete_records(6);
        assert_eq!(rig.log.recovery_point(), Offset(8));
        rig.truncate(4);
        let log = &rig.log;
        assert_eq!([log.high_watermark(), log.recovery_point(), log.log_start()], [Offset(4); 3]);
    }

    #[test]
    fn an_fsync_that_ends_after_a_truncation_says_nothing_of_what_came_since() {
        let mut rig = rig();
        rig.act(|log, now, out| log.flush(now, out));
        let under_way = std::mem::take(&mut rig.flushes);
        rig.truncate(5);
        rig.append(records(9));
        rig.flushes = under_way;
        rig.finish_flushes();
        assert_eq!(rig.log.recovery_point(), Offset(5));
        rig.flush();
        assert_eq!(rig.log.recovery_point(), rig.log.log_end());
    }

    #[test]
    fn a_log_can_start_afresh_anywhere() {
        let mut rig = rig();
        rig.commit_all();
        rig.act(|log, now, out| log.truncate_fully_and_start_at(Offset(100), now, out));
        assert_eq!(rig.fact_names(), ["LogStartedAfresh"]);
        let log = &rig.log;
        let places = [log.log_start(), log.log_end(), log.high_watermark()];
        assert_eq!(places, [Offset(100); 3]);
        assert_eq!(rig.epochs(), []);
        rig.restart(Default::default());
        assert_eq!((rig.log.log_start(), rig.log.log_end()), (Offset(100), Offset(100)));
        assert_eq!(rig.append(records(1)).first_offset, Offset(100));
    }

    #[test]
    fn a_replica_that_is_given_up_leaves_no_file() {
        let mut rig = rig();
        rig.truncate(7);
        rig.log.clone().delete(&mut rig.out);
        rig.act(|_, _, _| ());
        let left: Vec<_> = rig.disk.files().collect();
        assert_eq!(left, [], "of {PARTITION:?}");
    }
}
