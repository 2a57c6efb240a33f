//! Snapshots of the metadata log: what replaces its beginning (`Snapshots`, `RecordsSnapshotWriter`, KIP-630).

use crate::MetadataLogLimits;
use klab_machine::fact::RaftFact;
use klab_machine::{Block, Change, DiskImage, File, FlushId, Outbox};
use klab_wire::{
    ControlRecord, MetadataRecord, Offset, OffsetAndEpoch, RecordBatch, Records, Timestamp,
};
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

/// How many records a batch of a snapshot holds at the most (`MAX_RECORDS_PER_BATCH`).
const RECORDS_PER_BATCH: usize = 10_000;

/// One snapshot: a header, the metadata, a footer. Without both ends it is not complete, and nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Snapshot {
    batches: Vec<Arc<RecordBatch>>,
    size: u64,
}

/// The complete snapshots of a replica, oldest first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Snapshots {
    complete: BTreeMap<OffsetAndEpoch, Snapshot>,
}

impl Snapshot {
    /// A snapshot of these records, the last of which was appended at this time.
    pub(crate) fn of(
        id: OffsetAndEpoch,
        records: Vec<MetadataRecord>,
        last_contained_timestamp: Timestamp,
    ) -> Self {
        let at = last_contained_timestamp;
        let control = |record| RecordBatch::of_control(record, None, at);
        let header = control(ControlRecord::SnapshotHeader { last_contained_timestamp });
        let bodies = records.chunks(RECORDS_PER_BATCH);
        let bodies = bodies.map(|records| RecordBatch::of_metadata(records.to_vec(), at));
        let footer = control(ControlRecord::SnapshotFooter);
        let mut next = Offset(0);
        let mut assigned = |batch: RecordBatch| {
            let batch = batch.assigned(next, id.epoch);
            next = batch.next_offset();
            Arc::new(batch)
        };
        let batches = [header].into_iter().chain(bodies).chain([footer]).map(&mut assigned);
        Snapshot::from_batches(batches.collect())
    }

    /// A snapshot, or the beginning of one, of these batches.
    pub(crate) fn from_batches(batches: Vec<Arc<RecordBatch>>) -> Self {
        let size = batches.iter().map(|batch| u64::from(batch.size_in_bytes)).sum();
        Snapshot { batches, size }
    }

    /// Bytes of all batches.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Nothing is missing or damaged.
    pub(crate) fn is_complete(&self) -> bool {
        let control = |batch: Option<&Arc<RecordBatch>>| match batch.map(|batch| &batch.records) {
            Some(Records::Control(record)) => Some(record.clone()),
            _ => None,
        };
        matches!(control(self.batches.first()), Some(ControlRecord::SnapshotHeader { .. }))
            && matches!(control(self.batches.last()), Some(ControlRecord::SnapshotFooter))
            && self.batches.iter().all(|batch| batch.is_valid())
    }

    /// The metadata batches.
    pub(crate) fn metadata(&self) -> Vec<Arc<RecordBatch>> {
        self.batches.iter().filter(|batch| !batch.attributes.control).cloned().collect()
    }

    /// Whole batches from a byte on, at most so many bytes, but at least one batch; none if no batch
    /// starts at this byte.
    pub(crate) fn slice(&self, position: u64, max_bytes: u32) -> Option<Vec<Arc<RecordBatch>>> {
        let mut at = 0;
        let first = self.batches.iter().position(|batch| {
            let found = at == position;
            at += u64::from(batch.size_in_bytes);
            found
        })?;
        let mut left = i64::from(max_bytes);
        let fits = |batch: &&Arc<RecordBatch>| {
            let is_first = left == i64::from(max_bytes);
            left -= i64::from(batch.size_in_bytes);
            is_first || left >= 0
        };
        Some(self.batches[first..].iter().take_while(fits).cloned().collect())
    }

    /// Asks for it to be written. It counts once this is flushed.
    pub(crate) fn store(&self, id: OffsetAndEpoch, out: &mut Outbox) {
        for batch in &self.batches {
            let change = Change::Append(Block::Batch(Arc::clone(batch)));
            out.store(File::MetadataSnapshot(id), change);
        }
    }

    /// When the last record that it contains was appended (`Snapshots.lastContainedLogTimestamp`).
    fn last_contained_timestamp(&self) -> Timestamp {
        self.batches[0].max_timestamp
    }

    fn from_disk(id: OffsetAndEpoch, disk: &DiskImage) -> Self {
        let batch = |block: &Block| match block {
            Block::Batch(batch) => Some(Arc::clone(batch)),
            _ => None,
        };
        let blocks = disk.blocks(File::MetadataSnapshot(id));
        Snapshot::from_batches(blocks.iter().filter_map(batch).collect())
    }
}

impl Snapshots {
    /// Finds the complete snapshots on a disk, and deletes the others (`recoverSnapshots`).
    ///
    /// What is found may be in the page cache only, and the log before it may go soon: it is flushed.
    pub(crate) fn load(disk: &DiskImage, out: &mut Outbox) -> (Self, Vec<FlushId>) {
        let mut snapshots = Snapshots::default();
        let mut flushes = Vec::new();
        for file in disk.files() {
            let File::MetadataSnapshot(id) = file else { continue };
            let snapshot = Snapshot::from_disk(id, disk);
            if snapshot.is_complete() {
                out.state(RaftFact::MetadataSnapshotFound { snapshot: id });
                snapshots.complete.insert(id, snapshot);
                flushes.push(out.flush(file));
            } else {
                out.store(file, Change::Delete);
            }
        }
        (snapshots, flushes)
    }

    /// A snapshot is complete and flushed.
    pub(crate) fn add(&mut self, id: OffsetAndEpoch, snapshot: Snapshot) {
        self.complete.insert(id, snapshot);
    }

    /// A snapshot by its name.
    pub(crate) fn find(&self, id: OffsetAndEpoch) -> Option<&Snapshot> {
        self.complete.get(&id)
    }

    /// The newest one.
    pub(crate) fn latest(&self) -> Option<(OffsetAndEpoch, &Snapshot)> {
        self.complete.last_key_value().map(|(id, snapshot)| (*id, snapshot))
    }

    /// The oldest one.
    pub(crate) fn earliest(&self) -> Option<OffsetAndEpoch> {
        self.complete.first_key_value().map(|(id, _)| *id)
    }

    /// Deletes the snapshots before this one (`forgetSnapshotsBefore`).
    pub(crate) fn forget_before(&mut self, id: OffsetAndEpoch, out: &mut Outbox) {
        let kept = self.complete.split_off(&id);
        for old in std::mem::replace(&mut self.complete, kept).into_keys() {
            out.store(File::MetadataSnapshot(old), Change::Delete);
        }
    }

    /// Up to which snapshot the log may be cut at its start, if at all (`KafkaMetadataLog.maybeClean`).
    ///
    /// The oldest snapshot goes, and the log before the next one with it, while log and snapshots
    /// together are too large or the oldest is too old; the newest snapshot always stays.
    pub(crate) fn to_keep_from(
        &self,
        limits: &MetadataLogLimits,
        log_bytes: u64,
        now: Timestamp,
    ) -> Option<OffsetAndEpoch> {
        let mut snapshot_bytes = self.complete.values().map(Snapshot::size).sum::<u64>();
        let mut keep_from = None;
        for (id, oldest) in &self.complete {
            let after = (Bound::Excluded(*id), Bound::Unbounded);
            let Some((next, _)) = self.complete.range(after).next() else { break };
            let too_large =
                limits.retention_bytes.is_some_and(|limit| log_bytes + snapshot_bytes > limit);
            let age = now.since(oldest.last_contained_timestamp());
            let too_old = limits.retention_age.is_some_and(|limit| age > limit);
            if !too_large && !too_old {
                break;
            }
            snapshot_bytes -= oldest.size();
            keep_from = Some(*next);
        }
        keep_from
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use klab_machine::Effect;
    use klab_wire::{LeaderEpoch, Span};

    fn id(offset: u64) -> OffsetAndEpoch {
        OffsetAndEpoch { offset: Offset(offset), epoch: LeaderEpoch(1) }
    }

    fn at(millis: i64) -> Timestamp {
        Timestamp(Timestamp::START.0 + millis)
    }

    fn snapshot(offset: u64, records: usize) -> Snapshot {
        Snapshot::of(id(offset), vec![MetadataRecord::NoOp; records], at(offset as i64))
    }

    #[test]
    fn kip_630_a_snapshot_has_a_header_and_a_footer_around_its_records() {
        let whole = snapshot(5, 2 * RECORDS_PER_BATCH + 1);
        assert!(whole.is_complete());
        assert_eq!(whole.batches.len(), 5);
        assert_eq!(whole.metadata().len(), 3);
        for end in 0..whole.batches.len() {
            assert!(!Snapshot::from_batches(whole.batches[..end].to_vec()).is_complete(), "{end}");
        }
    }

    #[test]
    fn a_snapshot_is_read_in_whole_batches_from_where_one_starts() {
        let whole = snapshot(5, RECORDS_PER_BATCH + 1);
        let sizes: Vec<u32> = whole.batches.iter().map(|batch| batch.size_in_bytes).collect();
        let read = |position, max| whole.slice(position, max).map(|batches| batches.len());
        assert_eq!(read(0, u32::MAX), Some(4));
        assert_eq!(read(0, 1), Some(1), "the first batch always fits");
        assert_eq!(read(0, sizes[0] + sizes[1]), Some(2));
        assert_eq!(read(u64::from(sizes[0]), sizes[1] + 1), Some(1));
        assert_eq!(read(1, u32::MAX), None);
    }

    #[test]
    fn an_incomplete_snapshot_is_deleted_at_the_next_start() {
        let mut disk = DiskImage::default();
        let mut out = Outbox::new(0);
        snapshot(5, 3).store(id(5), &mut out);
        snapshot(9, 3).store(id(9), &mut out);
        for effect in out.drain() {
            if let Effect::Store { file, change } = effect {
                disk.apply(file, change);
            }
        }
        disk.apply(File::MetadataSnapshot(id(9)), Change::Truncate(2));
        let (found, flushes) = Snapshots::load(&disk, &mut out);
        assert_eq!(found.latest().map(|(id, _)| id), Some(id(5)));
        assert_eq!(flushes.len(), 1);
        let is_deletion = |effect: &Effect| matches!(effect, Effect::Store { file, change: Change::Delete } if *file == File::MetadataSnapshot(id(9)));
        assert!(out.effects().iter().any(is_deletion));
    }

    #[test]
    fn the_oldest_snapshots_go_by_size_and_age_and_the_newest_stays() {
        let mut snapshots = Snapshots::default();
        for offset in [10, 20, 30] {
            snapshots.add(id(offset), snapshot(offset, 1));
        }
        let size = snapshot(10, 1).size();
        let limits = |bytes: Option<u64>, age: Option<u64>| MetadataLogLimits {
            segment_bytes: 1,
            segment_age: Span::ZERO,
            retention_bytes: bytes,
            retention_age: age.map(Span::from_millis),
        };
        // Retention in bytes and in ms, and from where to keep; the log has 100 bytes, it is 30 ms.
        for (bytes, age, expected) in [
            (None, None, None),
            (Some(100 + 3 * size), None, None),
            (Some(100 + 3 * size - 1), None, Some(20)),
            (Some(100 + size), None, Some(30)),
            (Some(0), None, Some(30)),
            (None, Some(20), None),
            (None, Some(19), Some(20)),
            (None, Some(0), Some(30)),
        ] {
            let found = snapshots.to_keep_from(&limits(bytes, age), 100, at(30));
            assert_eq!(found.map(|id| id.offset.0), expected, "{bytes:?} {age:?}");
        }
    }
}
