//! The metadata log of one replica: its batches and its snapshots (`KafkaMetadataLog`, `ReplicatedLog`).

use crate::MetadataLogLimits;
use crate::accumulator::MAX_BATCH_SIZE_BYTES;
use crate::snapshot::{Snapshot, Snapshots};
use klab_log::{AppendOrigin, Checkpoints, FollowerAppendError, Log, LogConfig, LogStartReason};
use klab_machine::{DiskImage, FlushId, Mutant, Outbox};
use klab_wire::{
    EpochEndOffset, ErrorCode, Few, LeaderEpoch, Now, Offset, OffsetAndEpoch, RecordBatch,
    Timestamp, TopicIdPartition, TopicPartition,
};
use std::collections::BTreeSet;
use std::sync::Arc;

/// `KafkaRaftClient.MAX_FETCH_SIZE_BYTES`.
pub(crate) const MAX_FETCH_SIZE_BYTES: u32 = MAX_BATCH_SIZE_BYTES as u32;

/// A log, the snapshots that stand for its beginning, and the fsyncs that are under way.
#[derive(Clone, Debug)]
pub(crate) struct ReplicaLog {
    log: Log,
    snapshots: Snapshots,
    limits: MetadataLogLimits,
    flushes: BTreeSet<FlushId>,
}

/// What a leader makes of the place that a replica fetches from (`ValidOffsetAndEpoch`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FetchPlace {
    /// The replica's log is a prefix of the leader's.
    Valid,
    /// It is not: the replica must cut its log back to this, or further.
    Diverging(EpochEndOffset),
    /// The leader's log does not reach back so far: the replica must load this snapshot first.
    Snapshot(OffsetAndEpoch),
}

impl ReplicaLog {
    /// Opens what the disk has. Kafka never believes that the metadata log was closed in order, and
    /// reads it whole.
    pub(crate) fn load(
        limits: MetadataLogLimits,
        disk: &DiskImage,
        now: Now,
        out: &mut Outbox,
    ) -> Self {
        let config = LogConfig::of_metadata_log(
            limits.segment_bytes,
            limits.segment_age,
            MAX_BATCH_SIZE_BYTES,
        );
        let (partition, name) =
            (TopicIdPartition::CLUSTER_METADATA, TopicPartition::cluster_metadata());
        let checkpoints = Checkpoints::default();
        let log = Log::load(partition, name, Arc::new(config), disk, &checkpoints, now, out);
        let (snapshots, flushes) = Snapshots::load(disk, out);
        let mut log = ReplicaLog { log, snapshots, limits, flushes: flushes.into_iter().collect() };
        log.truncate_at_gap(now, out);
        log.truncate_to_latest_snapshot(now, out);
        log.start_at_earliest_snapshot(now, out);
        log.claim_flushes();
        log
    }

    /// Where the log starts.
    pub(crate) fn start(&self) -> Offset {
        self.log.log_start()
    }

    /// Where the log ends.
    pub(crate) fn end(&self) -> Offset {
        self.log.log_end()
    }

    /// Where the log ends, and the epoch of its last record: what votes are given by.
    pub(crate) fn end_and_epoch(&self) -> OffsetAndEpoch {
        OffsetAndEpoch { offset: self.end(), epoch: self.last_epoch() }
    }

    /// The epoch of the last record, or else of the snapshot that the log starts after
    /// (`lastFetchedEpoch`).
    pub(crate) fn last_epoch(&self) -> LeaderEpoch {
        let of_snapshot = || self.snapshots.latest().map(|(id, _)| id.epoch);
        self.log.latest_epoch().or_else(of_snapshot).unwrap_or_default()
    }

    /// Appends a leader's batch; the next offsets are its. A batch that no segment takes is the end of
    /// this node, as of Kafka's (`metadata.log.segment.min.bytes` was set too low).
    pub(crate) fn append_as_leader(
        &mut self,
        batch: RecordBatch,
        epoch: LeaderEpoch,
        now: Now,
        out: &mut Outbox,
    ) {
        let origin = AppendOrigin::RaftLeader;
        let appended = self.log.append_as_leader(Arc::new(batch), epoch, origin, now, out);
        match appended {
            Ok(_) => self.claim_flushes(),
            Err(ErrorCode::RecordListTooLarge) => out.halt(),
            Err(error) => panic!("a leader's own batches are in order, not {error}"),
        }
    }

    /// Appends what was fetched.
    pub(crate) fn append_as_follower(
        &mut self,
        batches: &[Arc<RecordBatch>],
        now: Now,
        out: &mut Outbox,
    ) -> Result<(), FollowerAppendError> {
        let appended = self.log.append_as_follower(batches, now, out).map(drop);
        self.claim_flushes();
        appended
    }

    /// Asks for everything to be flushed; all [is](Self::is_flushed) once the fsyncs are done.
    pub(crate) fn flush(&mut self, now: Now, out: &mut Outbox) {
        self.log.flush(now, out);
        self.claim_flushes();
    }

    /// No fsync is under way.
    pub(crate) fn is_flushed(&self) -> bool {
        self.flushes.is_empty()
    }

    /// Whether this fsync is one of the log's.
    pub(crate) fn is_flushing(&self, flush: FlushId) -> bool {
        self.flushes.contains(&flush)
    }

    /// An fsync of the log is done.
    pub(crate) fn flushed(&mut self, flush: FlushId, out: &mut Outbox) {
        self.flushes.remove(&flush);
        self.log.flushed(flush, out);
    }

    /// Everything below is committed.
    pub(crate) fn update_high_watermark(&mut self, to: Offset) {
        self.log.update_high_watermark(to);
    }

    /// Batches from an offset on, for a replica.
    pub(crate) fn read(&self, from: Offset, max: u32, out: &mut Outbox) -> Few<Arc<RecordBatch>> {
        let max = max.min(MAX_FETCH_SIZE_BYTES);
        let read = self.log.read(from, max, self.end(), true, out);
        read.expect("the place was found valid").records
    }

    /// Committed batches from an offset on.
    pub(crate) fn committed(
        &self,
        from: Offset,
        high_watermark: Offset,
    ) -> impl Iterator<Item = &Arc<RecordBatch>> {
        self.log.batches_from(from).take_while(move |batch| batch.next_offset() <= high_watermark)
    }

    /// Whether a replica that has everything below `offset`, the last of it in `epoch`, may read on
    /// there (`validateOffsetAndEpoch`, KIP-595, KIP-630).
    pub(crate) fn place_of(&self, offset: Offset, epoch: LeaderEpoch) -> FetchPlace {
        // A replica without anything gets on faster by a snapshot than by reading the whole log.
        if offset == Offset(0)
            && let Some((latest, _)) = self.snapshots.latest()
        {
            return FetchPlace::Snapshot(latest);
        }
        if self.start() == Offset(0) && offset == Offset(0) {
            return FetchPlace::Valid;
        }
        if self.is_before_start(offset, epoch)
            && let Some((latest, _)) = self.snapshots.latest()
        {
            return FetchPlace::Snapshot(latest);
        }
        let end = self.end_offset_for_epoch(epoch);
        match end.epoch == epoch && end.end_offset >= offset || Mutant::SeesNoDivergence.lives() {
            true => FetchPlace::Valid,
            false => FetchPlace::Diverging(end),
        }
    }

    /// Cuts the log back to where it agrees with a leader that has said where an epoch of its own ends
    /// (`truncateToEndOffset`); says whether that leaves everything that is committed.
    pub(crate) fn truncate_to_end_offset(
        &mut self,
        leader: EpochEndOffset,
        high_watermark: Option<Offset>,
        now: Now,
        out: &mut Outbox,
    ) -> bool {
        let own = self.end_offset_for_epoch(leader.epoch);
        let to = truncation_offset(leader, own, self.end());
        if high_watermark.is_some_and(|high_watermark| to < high_watermark) {
            return false;
        }
        if !Mutant::KeepsDivergingMetadata.lives() {
            self.log.truncate_to(to, now, out);
            self.claim_flushes();
        }
        true
    }

    /// The newest snapshot.
    pub(crate) fn latest_snapshot(&self) -> Option<(OffsetAndEpoch, &Snapshot)> {
        self.snapshots.latest()
    }

    /// A snapshot by its name.
    pub(crate) fn snapshot(&self, id: OffsetAndEpoch) -> Option<&Snapshot> {
        self.snapshots.find(id)
    }

    /// The name of a snapshot of everything below `end`, and when its last record was appended; none
    /// if the log does not have that record, or there is a snapshot as new already.
    pub(crate) fn snapshot_id(&self, end: Offset) -> Option<(OffsetAndEpoch, Timestamp)> {
        let newest = self.snapshots.latest().map_or(Offset(0), |(id, _)| id.offset);
        if end <= self.start().max(newest) || end > self.end() {
            return None;
        }
        let last = self.log.batches_from(Offset(end.0 - 1)).next()?;
        let id = OffsetAndEpoch { offset: end, epoch: last.partition_leader_epoch };
        Some((id, last.max_timestamp))
    }

    /// A snapshot is complete and flushed.
    pub(crate) fn add_snapshot(&mut self, id: OffsetAndEpoch, snapshot: Snapshot) {
        self.snapshots.add(id, snapshot);
    }

    /// Starts afresh after the newest snapshot if it is ahead of the log: one that was fetched
    /// (`truncateToLatestSnapshot`); says whether it was.
    pub(crate) fn truncate_to_latest_snapshot(&mut self, now: Now, out: &mut Outbox) -> bool {
        let Some((id, _)) = self.snapshots.latest() else { return false };
        let last = self.log.latest_epoch().unwrap_or_default();
        let is_ahead = id.epoch > last || (id.epoch == last && id.offset > self.end());
        if is_ahead {
            self.log.truncate_fully_and_start_at(id.offset, now, out);
            self.log.update_high_watermark(id.offset);
            self.snapshots.forget_before(id, out);
            self.claim_flushes();
        }
        is_ahead
    }

    /// Deletes the snapshots, and the log before them, that are past the limits (`maybeClean`).
    pub(crate) fn clean(&mut self, now: Now, out: &mut Outbox) {
        let bytes = self.log.size_in_bytes();
        if let Some(id) = self.snapshots.to_keep_from(&self.limits, bytes, now.wall) {
            self.delete_before_snapshot(id, now, out);
        }
    }

    /// Moves the log start to a snapshot that is committed, and drops what is before it
    /// (`deleteBeforeSnapshot`).
    fn delete_before_snapshot(&mut self, id: OffsetAndEpoch, now: Now, out: &mut Outbox) {
        let reason = LogStartReason::SnapshotGenerated;
        let beyond = u64::from(Mutant::CutsBeyondTheSnapshot.lives());
        if self.log.advance_log_start(id.offset.plus(beyond), reason, out).is_ok() {
            self.log.delete_old_segments(now, out);
            self.snapshots.forget_before(id, out);
            self.claim_flushes();
        }
    }

    /// Cuts the log where a record is missing. This log is never compacted, so a gap is what a power cut
    /// made: of two files that nobody had flushed, the later one was written back first. Nothing from
    /// there on was acknowledged, and to deliver it would hide what is missing.
    fn truncate_at_gap(&mut self, now: Now, out: &mut Outbox) {
        let mut end = self.start();
        for batch in self.log.batches_from(end) {
            if batch.base_offset > end {
                break;
            }
            end = batch.next_offset();
        }
        if end < self.end() {
            self.log.truncate_to(end, now, out);
        }
    }

    /// After a restart the log reaches back to the start of its oldest segment; what is before the
    /// oldest snapshot was given up, unless the log is whole.
    fn start_at_earliest_snapshot(&mut self, now: Now, out: &mut Outbox) {
        let Some(id) = self.snapshots.earliest() else { return };
        self.log.update_high_watermark(id.offset);
        if self.start() > Offset(0) && self.start() < id.offset {
            self.delete_before_snapshot(id, now, out);
        }
    }

    fn is_before_start(&self, offset: Offset, epoch: LeaderEpoch) -> bool {
        let start = self.start();
        self.snapshots.earliest().is_some_and(|earliest| {
            offset < start || (offset == start && epoch != earliest.epoch) || epoch < earliest.epoch
        })
    }

    /// Where an epoch ends here; below all that the log knows, that is its oldest snapshot.
    fn end_offset_for_epoch(&self, epoch: LeaderEpoch) -> EpochEndOffset {
        match (self.log.end_offset_for_epoch(epoch), self.snapshots.earliest()) {
            (Some(end), Some(id)) if end.end_offset == id.offset && end.epoch == epoch => {
                EpochEndOffset { epoch: id.epoch, end_offset: id.offset }
            }
            (Some(end), _) => end,
            (None, _) => EpochEndOffset { epoch: self.last_epoch(), end_offset: self.end() },
        }
    }

    fn claim_flushes(&mut self) {
        self.flushes.extend(self.log.claim_flushes());
    }
}

/// Where a follower's log ends after it has learned where an epoch ends at its leader; `own` is what
/// the follower knows about that epoch.
fn truncation_offset(leader: EpochEndOffset, own: EpochEndOffset, log_end: Offset) -> Offset {
    if leader.epoch == LeaderEpoch(0) {
        leader.end_offset.min(log_end)
    } else if own.epoch == leader.epoch {
        leader.end_offset.min(own.end_offset)
    } else {
        own.end_offset
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use klab_machine::{Change, Effect, File};
    use klab_wire::{MetadataRecord, Span, Time};

    const NOW: Now = Now { time: Time::ZERO, wall: Timestamp::START };

    fn load(disk: &DiskImage, out: &mut Outbox) -> ReplicaLog {
        let limits = MetadataLogLimits {
            segment_bytes: 200,
            segment_age: Span::from_secs(1),
            retention_bytes: None,
            retention_age: None,
        };
        ReplicaLog::load(limits, disk, NOW, out)
    }

    #[test]
    fn a_gap_between_segments_ends_the_log() {
        let (mut disk, mut out) = (DiskImage::default(), Outbox::new(0));
        let mut log = load(&disk, &mut out);
        for _ in 0..6 {
            let batch = RecordBatch::of_metadata(vec![MetadataRecord::NoOp], NOW.wall);
            log.append_as_leader(batch, LeaderEpoch(1), NOW, &mut out);
        }
        for effect in out.drain() {
            if let Effect::Store { file, change } = effect {
                disk.apply(file, change);
            }
        }
        assert_eq!(load(&disk, &mut out).end(), Offset(6));
        let first = File::Segment(TopicIdPartition::CLUSTER_METADATA, Offset(0));
        let blocks = disk.blocks(first).len() as u64;
        assert!((1..6).contains(&blocks), "{blocks} batches in the first of several segments");
        disk.apply(first, Change::Truncate(blocks - 1));
        assert_eq!(load(&disk, &mut out).end(), Offset(blocks - 1));
    }

    #[test]
    fn kip_595_a_follower_truncates_to_where_the_epoch_ends_on_both_sides() {
        let end = |epoch, offset| EpochEndOffset {
            epoch: LeaderEpoch(epoch),
            end_offset: Offset(offset),
        };
        // What the leader says, what the follower knows of that epoch, its log end, the result.
        for (leader, own, log_end, expected) in [
            (end(2, 10), end(2, 12), 14, 10),
            (end(2, 12), end(2, 10), 14, 10),
            // The follower has no such epoch: it goes back to the end of the one before.
            (end(2, 12), end(1, 7), 14, 7),
            (end(0, 0), end(0, 5), 5, 0),
            (end(0, 9), end(0, 5), 5, 5),
        ] {
            let found = truncation_offset(leader, own, Offset(log_end));
            assert_eq!(found, Offset(expected), "{leader:?} {own:?}");
        }
    }
}
