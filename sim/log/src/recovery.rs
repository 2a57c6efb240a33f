//! Reading a log batch by batch after an unclean stop (`LogLoader.recoverLog`, `LogSegment.recover`).
//!
//! What was flushed is trusted. Above the recovery point a power cut may have lost or torn the last
//! writes: the log is cut before the first batch that does not fit its checksum. Which records are
//! lost that way the leader knows; the replica truncates or fetches by epochs as ever.
//!
//! A power cut between a roll and the fsync of the old segment can leave that one short, and the next
//! one whole. Kafka does not look whether segments join, and goes on behind the hole; here the log is
//! cut off at it, unless it is compacted or the switch `recovery-gap` says otherwise.

use crate::log::Log;
use crate::segment::Segment;
use klab_machine::fact::LogFact;
use klab_machine::{Change, Mutant, Outbox};
use klab_wire::config::switches::RecoveryGap;
use klab_wire::{Offset, RecordBatch};

impl Log {
    /// Checks the segments from the one that holds the recovery point on, and drops what follows the
    /// first damage. Producers' snapshots above that segment's base may tell of lost batches: they go.
    pub(crate) fn recover(
        &mut self,
        segments: &mut Vec<Segment>,
        recovery_point: Offset,
        out: &mut Outbox,
    ) {
        let above = segments.partition_point(|segment| segment.base <= recovery_point);
        let first = above.saturating_sub(1);
        let Some(from) = segments.get(first).map(|segment| segment.base) else { return };
        self.producers.delete_snapshots(self.partition, out, |at| at > from);
        let mut discarded = 0;
        for place in first..segments.len() {
            discarded = self.recover_segment(&mut segments[place], out);
            if discarded > 0 || self.finds_gap(&segments[place..], out) {
                discarded += self.drop_segments(segments.split_off(place + 1), out);
                break;
            }
        }
        let end = segments.last().map_or(from, Segment::next_offset);
        let partition = self.name.clone();
        out.state(LogFact::LogRecovered { partition, from, end, discarded_batches: discarded });
    }

    /// Whether the first of these segments ends before the next one begins, and the log shall end there.
    fn finds_gap(&self, segments: &[Segment], out: &mut Outbox) -> bool {
        let [segment, next, ..] = segments else { return false };
        let (from, to) = (segment.next_offset(), next.base);
        if from == to {
            return false;
        }
        out.state(LogFact::LogGapFound { partition: self.name.clone(), from, to });
        self.config.recovery_gap == RecoveryGap::CutOff && !self.config.compact
    }

    /// Deletes what follows the damage; says how many batches that were.
    fn drop_segments(&mut self, segments: Vec<Segment>, out: &mut Outbox) -> u32 {
        segments.iter().for_each(|segment| self.delete_segment(segment, out));
        segments.iter().map(Segment::len).sum()
    }

    /// Reads one segment, and cuts it at the first damaged batch; says how many it lost.
    fn recover_segment(&mut self, segment: &mut Segment, out: &mut Outbox) -> u32 {
        out.read(segment.file(self.partition), 0, segment.size);
        let is_kept = |batch: &RecordBatch| batch.is_valid() || Mutant::KeepsTornBatches.lives();
        let valid = (0..segment.len()).take_while(|&place| is_kept(segment.batch(place))).count();
        let valid = valid as u32;
        self.recover_epochs((0..valid).map(|place| &**segment.batch(place)), out);
        let damaged = segment.len() - valid;
        if damaged > 0 {
            let (partition, offset) = (self.name.clone(), segment.batch(valid).base_offset);
            out.state(LogFact::CorruptBatchFound { partition, offset });
            segment.truncate(valid);
            out.store(segment.file(self.partition), Change::Truncate(u64::from(valid)));
        }
        damaged
    }

    /// Epochs that were appended but did not reach `leader-epoch-checkpoint`.
    fn recover_epochs<'a>(
        &mut self,
        batches: impl Iterator<Item = &'a RecordBatch>,
        out: &mut Outbox,
    ) {
        let mut found = false;
        for batch in batches {
            let epoch = batch.partition_leader_epoch;
            if self.epochs.latest().is_none_or(|latest| epoch > latest) {
                found |= self.epochs.assign(epoch, batch.base_offset);
            }
        }
        if found {
            self.flush_epochs(out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{PARTITION, Rig, records, sequenced};
    use crate::{Checkpoints, LogConfig};
    use klab_machine::{Block, File};
    use klab_wire::LeaderEpoch;
    use std::sync::Arc;

    /// Batches at 0–1 and 2–3 (epoch 1), in a second segment 4–5 (epoch 2) and 6–7 (epoch 3).
    fn rig() -> Rig {
        filled(Rig::new())
    }

    fn filled(mut rig: Rig) -> Rig {
        for (epoch, base_sequence) in [(1, 0), (1, 2), (2, 4), (3, 6)] {
            rig.epoch = epoch;
            if epoch == 2 {
                rig.roll();
            }
            rig.append(sequenced(7, 0, base_sequence, 2));
        }
        rig.flushes.clear();
        rig
    }

    /// Breaks a batch on the disk, as a torn write or a bad sector does.
    fn damage(rig: &mut Rig, segment: u64, place: usize) {
        let file = File::Segment(PARTITION, Offset(segment));
        let mut blocks = rig.disk.blocks(file).to_vec();
        let Block::Batch(batch) = &mut blocks[place] else { unreachable!("a segment's block") };
        Arc::make_mut(batch).crc ^= 1;
        rig.disk.apply(file, Change::Delete);
        blocks.into_iter().for_each(|block| rig.disk.apply(file, Change::Append(block)));
    }

    fn recovery_point(at: u64) -> Checkpoints {
        Checkpoints { recovery_points: [(PARTITION, Offset(at))].into(), ..Checkpoints::default() }
    }

    #[test]
    fn a_torn_tail_is_cut_off() {
        let mut rig = rig();
        damage(&mut rig, 4, 1);
        rig.restart(recovery_point(4));
        assert_eq!(rig.fact_names(), ["CorruptBatchFound", "LogRecovered", "LogLoaded"]);
        assert_eq!(rig.ranges(), [(0, 1), (2, 3), (4, 5)]);
        assert_eq!((rig.log.log_end(), rig.log.recovery_point()), (Offset(6), Offset(4)));
        assert_eq!(rig.epochs(), [(1, 0), (2, 4)], "the epoch of the torn batch went with it");
        assert_eq!(rig.disk.blocks(File::Segment(PARTITION, Offset(4))).len(), 1);
    }

    #[test]
    fn everything_after_the_first_damage_is_dropped() {
        let mut rig = rig();
        damage(&mut rig, 0, 1);
        rig.restart(recovery_point(0));
        assert_eq!((rig.ranges(), rig.epochs()), (vec![(0, 1)], vec![(1, 0)]));
        assert!(!rig.disk.contains(File::Segment(PARTITION, Offset(4))));
        let recovered = rig.facts[1].clone();
        assert_eq!(recovered.field("discarded_batches").as_deref(), Some("3"));
    }

    #[test]
    fn a_log_with_a_hole_between_two_segments_ends_before_it() {
        let mut rig = rig();
        rig.disk.apply(File::Segment(PARTITION, Offset(0)), Change::Truncate(1));
        rig.restart(recovery_point(0));
        assert_eq!((rig.ranges(), rig.log.log_end()), (vec![(0, 1)], Offset(2)));
        assert_eq!(rig.fact_names(), ["LogGapFound", "LogRecovered", "LogLoaded"]);
        assert!(!rig.disk.contains(File::Segment(PARTITION, Offset(4))));
    }

    #[test]
    fn kafka_does_not_notice_a_hole_between_two_segments() {
        let config = Rig::new().log.config().clone();
        let config = LogConfig { recovery_gap: RecoveryGap::Unnoticed, ..config };
        let mut rig = filled(Rig::with(config));
        rig.disk.apply(File::Segment(PARTITION, Offset(0)), Change::Truncate(1));
        rig.restart(recovery_point(0));
        assert_eq!(rig.ranges(), [(0, 1), (4, 5), (6, 7)]);
        assert_eq!(rig.log.log_end(), Offset(8));
        assert_eq!(rig.fact_names(), ["LogGapFound", "LogRecovered", "LogLoaded"]);
    }

    #[test]
    fn what_was_flushed_is_not_read_again() {
        let mut rig = rig();
        damage(&mut rig, 0, 1);
        rig.restart(recovery_point(4));
        assert_eq!((rig.log.log_end(), rig.reads), (Offset(8), 1));
        rig.restart(Checkpoints { clean: true, ..Checkpoints::default() });
        assert_eq!((rig.log.log_end(), rig.reads), (Offset(8), 0));
        assert_eq!(rig.log.recovery_point(), Offset(8));
    }

    #[test]
    fn epochs_that_missed_the_checkpoint_are_found_in_the_batches() {
        let mut rig = rig();
        let file = File::LeaderEpochCheckpoint(PARTITION);
        let old = Block::Epochs([(LeaderEpoch(1), Offset(0))].into());
        rig.disk.apply(file, Change::Replace(old));
        rig.restart(recovery_point(0));
        assert_eq!(rig.epochs(), [(1, 0), (2, 4), (3, 6)]);
        rig.disk.apply(file, Change::Delete);
        rig.restart(recovery_point(0));
        assert_eq!(rig.epochs(), [(1, 0), (2, 4), (3, 6)]);
        rig.restart(recovery_point(8));
        assert_eq!(rig.epochs(), [(1, 0), (2, 4), (3, 6)], "and were written down");
    }

    #[test]
    fn producers_are_known_as_far_as_the_log_reaches() {
        let mut rig = rig();
        damage(&mut rig, 4, 1);
        rig.restart(recovery_point(4));
        assert!(rig.append(sequenced(7, 0, 4, 2)).duplicate);
        assert_eq!(rig.append(sequenced(7, 0, 6, 2)).first_offset, Offset(6), "lost: no duplicate");
    }

    #[test]
    fn a_snapshot_of_lost_batches_is_not_believed() {
        let mut rig = rig();
        rig.act(|log, now, out| log.close(now, out));
        assert!(rig.disk.contains(File::ProducerSnapshot(PARTITION, Offset(8))));
        damage(&mut rig, 4, 0);
        rig.restart(recovery_point(0));
        assert!(!rig.disk.contains(File::ProducerSnapshot(PARTITION, Offset(8))));
        assert_eq!(rig.append(sequenced(7, 0, 4, 2)).first_offset, Offset(4));
    }

    #[test]
    fn a_clean_stop_forgets_nothing() {
        let mut rig = rig();
        rig.commit(5);
        rig.delete_records(3);
        rig.act(|log, now, out| log.close(now, out));
        rig.finish_flushes();
        let before = rig.log.clone();
        rig.act(|log, _, out| {
            let logs = || std::iter::once(&*log);
            crate::store_high_watermarks(
                logs().map(|log| (log.partition, log.high_watermark)),
                out,
            );
            crate::store_recovery_points(logs(), out);
            crate::store_log_starts(logs(), out);
            crate::store_clean_shutdown(None, out);
        });
        let checkpoints = Checkpoints::read(&rig.disk);
        assert!(checkpoints.clean);
        rig.restart(checkpoints);
        let after = &rig.log;
        assert_eq!(after.segments, before.segments);
        assert_eq!(after.epochs, before.epochs);
        assert_eq!((after.log_start, after.log_end), (Offset(3), Offset(8)));
        assert_eq!((after.high_watermark, after.recovery_point()), (Offset(5), Offset(8)));
        assert!(rig.append(sequenced(7, 0, 6, 2)).duplicate);
    }

    #[test]
    fn a_log_whose_files_were_lost_begins_at_its_checkpointed_start() {
        let mut rig = rig();
        let lost =
            Checkpoints { log_starts: [(PARTITION, Offset(50))].into(), ..Checkpoints::default() };
        rig.restart(lost);
        assert_eq!((rig.log.log_start(), rig.log.log_end()), (Offset(50), Offset(50)));
        assert_eq!((rig.ranges(), rig.epochs()), (vec![], vec![]));
        assert_eq!(rig.append(records(1)).first_offset, Offset(50));
    }

    #[test]
    fn a_partition_without_files_is_a_new_log() {
        let mut rig = Rig::new();
        rig.restart(Checkpoints::default());
        assert_eq!((rig.log.log_end(), rig.fact_names()), (Offset(0), vec![]));
        assert_eq!(rig.disk.files().count(), 0);
    }
}
