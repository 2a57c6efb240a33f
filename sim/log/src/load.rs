//! Opening a log that is on the disk (`LogLoader.load`, `UnifiedLog.rebuildProducerState`).

use crate::checkpoints::Checkpoints;
use crate::config::LogConfig;
use crate::epochs::LeaderEpochFileCache;
use crate::flush::Flushes;
use crate::log::Log;
use crate::producer_state::ProducerStateManager;
use crate::segment::Segment;
use crate::segments::Segments;
use klab_machine::disk::ProducerSnapshotEntry;
use klab_machine::fact::LogFact;
use klab_machine::{Block, DiskImage, File, Mutant, Outbox};
use klab_wire::{Now, Offset, TopicIdPartition, TopicPartition};
use std::collections::BTreeMap;
use std::sync::Arc;

impl Log {
    /// Opens what the disk has of a partition; a partition without files is a new log.
    ///
    /// After an unclean stop everything from the recovery point on is read batch by batch; the log is
    /// cut at the first one that does not fit its checksum, epochs and producers are rebuilt. The
    /// metadata log is always opened so, from its start (`KafkaMetadataLog.apply`): with
    /// [`Checkpoints::default`].
    pub fn load(
        partition: TopicIdPartition,
        name: TopicPartition,
        config: Arc<LogConfig>,
        disk: &DiskImage,
        checkpoints: &Checkpoints,
        now: Now,
        out: &mut Outbox,
    ) -> Self {
        let offset = |of: &BTreeMap<_, Offset>| of.get(&partition).copied().unwrap_or_default();
        let (clean, recovery_point) = (checkpoints.clean, offset(&checkpoints.recovery_points));
        let checkpointed_start = offset(&checkpoints.log_starts);
        let mut log = Log::create(partition, name, config);
        let mut segments = log.read_files(disk);
        let is_on_disk = !segments.is_empty();
        if !clean {
            log.recover(&mut segments, recovery_point, out);
        }
        log.adopt(segments, checkpointed_start, now, out);
        let recovery_point = if clean { log.log_end } else { recovery_point };
        let recovery_point = recovery_point.clamp(log.log_start, log.log_end);
        log.flushes = Flushes::starting_at(recovery_point, Some(now.wall));
        log.trim_epochs(checkpointed_start, out);
        log.load_producer_state(clean, now, out);
        log.update_high_watermark(offset(&checkpoints.high_watermarks));
        if is_on_disk {
            log.state_loaded(clean, out);
        }
        log
    }

    /// Reads everything but the segments into the log, and these for whoever checks them first.
    fn read_files(&mut self, disk: &DiskImage) -> Vec<Segment> {
        self.named = disk.contains(File::PartitionMetadata(self.partition));
        self.epochs = read_epochs(self.partition, disk);
        self.producers = ProducerStateManager::of(read_snapshots(self.partition, disk));
        read_segments(self.partition, disk)
    }

    /// Dropping epochs is not fsynced, so that it may have to be done again.
    fn trim_epochs(&mut self, checkpointed_start: Offset, out: &mut Outbox) {
        self.truncate_epochs_from_end(self.log_end, out);
        if self.epochs.truncate_from_start(checkpointed_start) {
            self.store_epochs(out);
        }
    }

    /// Takes the segments that were found. A log that ends before its start, because files were
    /// lost, is given up and begins at the start.
    fn adopt(
        &mut self,
        segments: Vec<Segment>,
        checkpointed_start: Offset,
        now: Now,
        out: &mut Outbox,
    ) {
        let found = Segments::of(segments);
        let end = found.as_ref().map(|segments| segments.active().next_offset());
        match (found, end) {
            (Some(segments), Some(end)) if end >= checkpointed_start => {
                self.log_start = checkpointed_start.max(segments.first().base);
                self.log_end = end;
                self.segments = segments;
            }
            (Some(segments), Some(end)) => {
                (self.segments, self.log_end) = (segments, end);
                self.truncate_fully_and_start_at(checkpointed_start, now, out);
            }
            _ if checkpointed_start > Offset(0) => {
                self.truncate_fully_and_start_at(checkpointed_start, now, out);
            }
            _ => {}
        }
        self.high_watermark = self.log_start;
    }

    /// Snapshots without a segment go, but for one beyond all of them: an orderly shutdown's
    /// (`removeStraySnapshots`). Without any snapshot a cleanly closed log is not read: it has had no
    /// idempotent producer since it was written.
    fn load_producer_state(&mut self, clean: bool, now: Now, out: &mut Outbox) {
        let last_base = self.segments.active().base;
        let latest = self.producers.snapshot_offsets().last();
        let bases: Vec<_> = self.segments.iter().map(|segment| segment.base).collect();
        self.producers.delete_snapshots(self.partition, out, |at| {
            bases.binary_search(&at).is_err() && !(Some(at) == latest && at >= last_base)
        });
        if clean && !self.producers.has_snapshots() {
            for at in self.offsets_to_snapshot(self.log_end) {
                self.producers.map_end = at;
                self.producers.take_snapshot(self.partition, out);
            }
        } else {
            self.rebuild_producer_state(self.log_end, now, out);
        }
    }

    /// Brings the producers' state to a log end: from the latest snapshot at or below it, and from
    /// the batches in between (`rebuildProducerState`).
    pub(crate) fn rebuild_producer_state(&mut self, to: Offset, now: Now, out: &mut Outbox) {
        let knew_none = self.producers.is_empty() && self.producers.map_end >= to;
        let expiration = (self.config.producer_id_expiration, now.wall);
        let range = (self.log_start, to);
        self.producers.truncate_and_reload(range, expiration, self.partition, out);
        if !knew_none {
            self.replay_producers(to, out);
        }
        self.producers.map_end = to;
        self.producers.take_snapshot(self.partition, out);
    }

    fn replay_producers(&mut self, to: Offset, out: &mut Outbox) {
        let from = self.producers.map_end;
        let snapshots = self.offsets_to_snapshot(to);
        for segment in self.segments.from(from) {
            let start = segment.base.max(from).max(self.log_start);
            self.producers.map_end = start;
            if snapshots.contains(&segment.base) {
                self.producers.take_snapshot(self.partition, out);
            }
            let batches = segment.batches().filter(|batch| batch.last_offset() >= start);
            let batches = batches.filter(|_| !Mutant::ForgetsProducersWhenOpened.lives());
            batches.for_each(|batch| self.producers.update(batch));
        }
    }

    /// The last two segments and the end: what most truncations go back to.
    fn offsets_to_snapshot(&self, end: Offset) -> Vec<Offset> {
        let mut offsets: Vec<_> =
            self.segments.iter().rev().take(2).map(|segment| segment.base).collect();
        offsets.reverse();
        offsets.push(end);
        offsets
    }

    fn state_loaded(&self, clean: bool, out: &mut Outbox) {
        let (partition, start, end) = (self.name.clone(), self.log_start, self.log_end);
        out.state(LogFact::LogLoaded { partition, start, end, clean });
    }
}

fn read_segments(partition: TopicIdPartition, disk: &DiskImage) -> Vec<Segment> {
    let range = File::Segment(partition, Offset(0))..=File::Segment(partition, Offset(u64::MAX));
    let files = disk.files_in(range);
    files.filter_map(|file| read_segment(file, disk)).collect()
}

fn read_segment(file: File, disk: &DiskImage) -> Option<Segment> {
    let File::Segment(_, base) = file else { return None };
    let mut segment = Segment::new(base);
    segment.stored = true;
    for block in disk.blocks(file) {
        if let Block::Batch(batch) = block {
            segment.append(batch.clone());
        }
    }
    Some(segment)
}

fn read_epochs(partition: TopicIdPartition, disk: &DiskImage) -> LeaderEpochFileCache {
    match disk.block(File::LeaderEpochCheckpoint(partition)) {
        Some(Block::Epochs(entries)) => LeaderEpochFileCache::of(entries),
        _ => LeaderEpochFileCache::default(),
    }
}

fn read_snapshots(
    partition: TopicIdPartition,
    disk: &DiskImage,
) -> BTreeMap<Offset, Arc<[ProducerSnapshotEntry]>> {
    let at = |offset| File::ProducerSnapshot(partition, offset);
    let files = disk.files_in(at(Offset(0))..=at(Offset(u64::MAX)));
    let read = |file| match (file, disk.block(file)) {
        (File::ProducerSnapshot(_, at), Some(Block::Producers(entries))) => {
            Some((at, entries.clone()))
        }
        _ => None,
    };
    files.filter_map(read).collect()
}
