//! The log itself: what it is made of, and where it starts, ends and is committed.

use crate::config::LogConfig;
use crate::epochs::LeaderEpochFileCache;
use crate::flush::Flushes;
use crate::producer_state::ProducerStateManager;
use crate::segments::Segments;
use klab_machine::{Block, Change, File, Outbox};
use klab_wire::{EpochEndOffset, LeaderEpoch, Offset, TopicIdPartition, TopicPartition};
use std::sync::Arc;

/// A partition's log on one replica (`UnifiedLog`).
///
/// A log that was never written to stores nothing: `partition.metadata` and the first segment come
/// with the first append (as in Kafka, whose first segment is an empty file before that), and
/// `leader-epoch-checkpoint` when an epoch is assigned.
#[derive(Clone, Debug)]
pub struct Log {
    pub(crate) partition: TopicIdPartition,
    pub(crate) name: TopicPartition,
    pub(crate) config: Arc<LogConfig>,
    pub(crate) segments: Segments,
    pub(crate) log_start: Offset,
    pub(crate) log_end: Offset,
    pub(crate) high_watermark: Offset,
    pub(crate) epochs: LeaderEpochFileCache,
    pub(crate) producers: ProducerStateManager,
    pub(crate) flushes: Flushes,
    /// `partition.metadata` has been written.
    pub(crate) named: bool,
}

impl Log {
    /// A new, empty log.
    pub fn create(
        partition: TopicIdPartition,
        name: TopicPartition,
        config: Arc<LogConfig>,
    ) -> Self {
        Log {
            partition,
            name,
            config,
            segments: Segments::starting_at(Offset(0)),
            log_start: Offset(0),
            log_end: Offset(0),
            high_watermark: Offset(0),
            epochs: LeaderEpochFileCache::default(),
            producers: ProducerStateManager::default(),
            flushes: Flushes::starting_at(Offset(0), None),
            named: false,
        }
    }

    /// Whose files these are.
    pub fn partition(&self) -> TopicIdPartition {
        self.partition
    }

    /// The partition, by name.
    pub fn name(&self) -> &TopicPartition {
        &self.name
    }

    /// What the log goes by.
    pub fn config(&self) -> &LogConfig {
        &self.config
    }

    /// The topic was configured anew; takes effect from the next decision on.
    pub fn configure(&mut self, config: Arc<LogConfig>) {
        self.config = config;
    }

    /// The first offset that readers may ask for (`logStartOffset`).
    pub fn log_start(&self) -> Offset {
        self.log_start
    }

    /// The offset that the next record will get (`logEndOffset`, LEO).
    #[doc(alias = "LEO")]
    pub fn log_end(&self) -> Offset {
        self.log_end
    }

    /// There is nothing between start and end.
    pub fn is_empty(&self) -> bool {
        self.log_start == self.log_end
    }

    /// Everything below is committed.
    #[doc(alias = "HW")]
    pub fn high_watermark(&self) -> Offset {
        self.high_watermark
    }

    /// Everything below is decided: the high watermark, as long as there are no transactions.
    #[doc(alias = "LSO")]
    pub fn last_stable_offset(&self) -> Offset {
        self.high_watermark
    }

    /// Sets the high watermark, within log start and log end (`updateHighWatermark`), and says what
    /// it is now. It may go back: when a leader takes office, or a follower learns its leader's.
    pub fn update_high_watermark(&mut self, to: Offset) -> Offset {
        self.high_watermark = to.clamp(self.log_start, self.log_end);
        self.high_watermark
    }

    /// Raises the high watermark (`maybeIncrementHighWatermark`): what it was before, if it moved.
    pub fn advance_high_watermark(&mut self, to: Offset) -> Option<Offset> {
        assert!(to <= self.log_end, "a high watermark of {to} above the log end {}", self.log_end);
        let before = self.high_watermark;
        (before < to).then(|| {
            self.high_watermark = to;
            before
        })
    }

    /// The epoch of the last record, or the one assigned last.
    pub fn latest_epoch(&self) -> Option<LeaderEpoch> {
        self.epochs.latest()
    }

    /// Where an epoch ends (`endOffsetForEpoch`): the largest known epoch at or below it with the
    /// offset after its last record; none if the cache is empty or the epoch above all known ones.
    pub fn end_offset_for_epoch(&self, epoch: LeaderEpoch) -> Option<EpochEndOffset> {
        self.epochs.end_offset_for(epoch, self.log_end)
    }

    /// An epoch begins at this offset (`maybeAssignEpochStartOffset`): said by a new leader before
    /// its first record, and of every batch that is appended.
    pub fn assign_epoch_start(&mut self, epoch: LeaderEpoch, start: Offset, out: &mut Outbox) {
        if self.epochs.assign(epoch, start) {
            self.flush_epochs(out);
        }
    }

    /// The leader epochs with their start offsets.
    pub fn epochs(&self) -> &LeaderEpochFileCache {
        &self.epochs
    }

    /// Bytes in all segments.
    pub fn size_in_bytes(&self) -> u64 {
        self.segments.size_in_bytes()
    }

    /// Segments, the active one included.
    pub fn segment_count(&self) -> u32 {
        self.segments.len()
    }

    /// Writes `leader-epoch-checkpoint` and fsyncs it, as Kafka does where an entry is added: none is
    /// missing after a power cut. Nobody waits for this flush.
    pub(crate) fn flush_epochs(&self, out: &mut Outbox) {
        self.store_epochs(out);
        out.flush(File::LeaderEpochCheckpoint(self.partition));
    }

    /// Writes `leader-epoch-checkpoint`. Without an fsync where entries are only dropped: a start
    /// drops them again (`truncateFromEndAsyncFlush`).
    pub(crate) fn store_epochs(&self, out: &mut Outbox) {
        let file = File::LeaderEpochCheckpoint(self.partition);
        out.store(file, Change::Replace(Block::Epochs(self.epochs.entries().into())));
    }

    /// Writes `partition.metadata` before the first thing that a restart would have to find by it
    /// (`maybeFlushMetadataFile`).
    pub(crate) fn store_partition_metadata(&mut self, out: &mut Outbox) {
        if !self.named {
            self.named = true;
            let file = File::PartitionMetadata(self.partition);
            let topic = self.name.topic.clone();
            out.store(file, Change::Replace(Block::PartitionMetadata(topic)));
            out.flush(file);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Rig, records};
    use klab_machine::Effect;

    #[test]
    fn a_high_watermark_stays_within_the_log() {
        let mut rig = Rig::new();
        rig.append(records(9));
        rig.commit(5);
        rig.delete_records(3);
        let mut update = |to| rig.log.update_high_watermark(Offset(to)).0;
        assert_eq!([update(1), update(7), update(20)], [3, 7, 9]);
    }

    #[test]
    fn a_leaders_high_watermark_never_goes_back() {
        let mut rig = Rig::new();
        rig.append(records(9));
        let mut advance = |to| rig.log.advance_high_watermark(Offset(to));
        assert_eq!(
            [advance(4), advance(4), advance(2), advance(9)],
            [Some(Offset(0)), None, None, Some(Offset(4))]
        );
    }

    #[test]
    fn an_epoch_is_written_down_and_flushed_once() {
        let mut rig = Rig::new();
        let mut effects = |epoch| {
            rig.log.assign_epoch_start(LeaderEpoch(epoch), Offset(0), &mut rig.out);
            rig.out.drain().map(|effect| matches!(effect, Effect::Flush { .. })).collect::<Vec<_>>()
        };
        assert_eq!((effects(1), effects(1)), (vec![false, true], vec![]));
    }

    /// 100,000 of them must fit, three brokers' worth: each no more than this, and nothing beside it.
    #[test]
    fn an_idle_log_is_small() {
        assert!(std::mem::size_of::<Log>() <= 400, "{} bytes", std::mem::size_of::<Log>());
    }
}
