//! Reading a log batch by batch after an unclean stop (`LogLoader.recoverLog`, `LogSegment.recover`).
//!
//! What was flushed is trusted. Above the recovery point a power cut may have lost or torn the last
//! writes: the log is cut before the first batch that does not fit its checksum. Which records are
//! lost that way the leader knows; the replica truncates or fetches by epochs as ever.

use crate::log::Log;
use crate::segment::Segment;
use klab_machine::fact::LogFact;
use klab_machine::{Change, Outbox};
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
            if discarded > 0 {
                discarded += self.drop_segments(segments.split_off(place + 1), out);
                break;
            }
        }
        let end = segments.last().map_or(from, Segment::next_offset);
        let partition = self.name.clone();
        out.state(LogFact::LogRecovered { partition, from, end, discarded_batches: discarded });
    }

    /// Deletes what follows the damage; says how many batches that were.
    fn drop_segments(&mut self, segments: Vec<Segment>, out: &mut Outbox) -> u32 {
        segments.iter().for_each(|segment| self.delete_segment(segment, out));
        segments.iter().map(Segment::len).sum()
    }

    /// Reads one segment, and cuts it at the first damaged batch; says how many it lost.
    fn recover_segment(&mut self, segment: &mut Segment, out: &mut Outbox) -> u32 {
        out.read(segment.file(self.partition), 0, segment.size);
        let valid = (0..segment.len()).take_while(|&place| segment.batch(place).is_valid()).count();
        let valid = valid as u32;
        for place in 0..valid {
            self.recover_epoch(segment.batch(place));
        }
        let damaged = segment.len() - valid;
        if damaged > 0 {
            let (partition, offset) = (self.name.clone(), segment.batch(valid).base_offset);
            out.state(LogFact::CorruptBatchFound { partition, offset });
            segment.truncate(valid);
            out.store(segment.file(self.partition), Change::Truncate(u64::from(valid)));
        }
        damaged
    }

    /// An epoch that was appended but did not reach `leader-epoch-checkpoint`.
    fn recover_epoch(&mut self, batch: &RecordBatch) {
        let epoch = batch.partition_leader_epoch;
        if self.epochs.latest().is_none_or(|latest| epoch > latest) {
            self.epochs.assign(epoch, batch.base_offset);
        }
    }
}
