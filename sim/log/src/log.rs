//! The log itself: what it is made of, and where it starts, ends and is committed.

use crate::config::LogConfig;
use crate::epochs::LeaderEpochFileCache;
use klab_machine::Outbox;
use klab_wire::{EpochEndOffset, LeaderEpoch, Offset, TopicIdPartition, TopicPartition};
use std::sync::Arc;

/// A partition's log on one replica (`UnifiedLog`).
///
/// A log that was never written to stores nothing: its files come with its first append.
#[derive(Clone, Debug)]
pub struct Log {
    partition: TopicIdPartition,
    name: TopicPartition,
    config: Arc<LogConfig>,
    epochs: LeaderEpochFileCache,
}

impl Log {
    /// A new, empty log.
    pub fn create(
        partition: TopicIdPartition,
        name: TopicPartition,
        config: Arc<LogConfig>,
    ) -> Self {
        let _ = (partition, name, config);
        todo!()
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
        todo!()
    }

    /// The offset that the next record will get (`logEndOffset`, LEO).
    #[doc(alias = "LEO")]
    pub fn log_end(&self) -> Offset {
        todo!()
    }

    /// Everything below is committed.
    #[doc(alias = "HW")]
    pub fn high_watermark(&self) -> Offset {
        todo!()
    }

    /// Everything below is decided: the high watermark, as long as there are no transactions.
    #[doc(alias = "LSO")]
    pub fn last_stable_offset(&self) -> Offset {
        todo!()
    }

    /// Sets the high watermark, within log start and log end (`updateHighWatermark`), and says what
    /// it is now. A follower's may go back; a leader uses [`Self::advance_high_watermark`].
    pub fn update_high_watermark(&mut self, _to: Offset) -> Offset {
        todo!()
    }

    /// Raises the high watermark (`maybeIncrementHighWatermark`): what it was before, if it moved.
    pub fn advance_high_watermark(&mut self, _to: Offset) -> Option<Offset> {
        todo!()
    }

    /// The epoch of the last record, or the one assigned last.
    pub fn latest_epoch(&self) -> Option<LeaderEpoch> {
        todo!()
    }

    /// Where an epoch ends (`endOffsetForEpoch`): the largest known epoch at or below it with the
    /// offset after its last record; none if the cache is empty or the epoch above all known ones.
    pub fn end_offset_for_epoch(&self, _epoch: LeaderEpoch) -> Option<EpochEndOffset> {
        todo!()
    }

    /// An epoch begins at this offset (`maybeAssignEpochStartOffset`): said by a new leader.
    pub fn assign_epoch_start(&mut self, _epoch: LeaderEpoch, _start: Offset, _out: &mut Outbox) {
        todo!()
    }

    /// The leader epochs with their start offsets.
    pub fn epochs(&self) -> &LeaderEpochFileCache {
        &self.epochs
    }

    /// Bytes in all segments.
    pub fn size_in_bytes(&self) -> u64 {
        todo!()
    }

    /// Segments, the active one included.
    pub fn segment_count(&self) -> u32 {
        todo!()
    }
}
