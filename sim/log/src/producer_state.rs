//! What a log remembers of its idempotent producers (`ProducerStateManager`).
//!
//! The state follows from the batches of the log. Snapshots of it are kept beside the segments, at
//! their base offsets, so that a truncation or a restart need not read everything again; a snapshot
//! knows only the last batch of each producer, so a duplicate of an earlier one is no longer
//! recognised after that.

use crate::producer_entry::{BatchMetadata, ProducerStateEntry, check_epoch, check_sequence};
use klab_machine::disk::ProducerSnapshotEntry;
use klab_machine::{Block, Change, File, Outbox};
use klab_wire::config::switches::ProducerWindow;
use klab_wire::{ErrorCode, Offset, ProducerId, RecordBatch, Span, Timestamp, TopicIdPartition};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The producers of a log, and the snapshots of them on the disk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ProducerStateManager {
    producers: BTreeMap<ProducerId, ProducerStateEntry>,
    snapshots: BTreeMap<Offset, Arc<[ProducerSnapshotEntry]>>,
    /// The state covers the log up to here (`mapEndOffset`).
    pub map_end: Offset,
    /// The last snapshot was taken here.
    last_snapshot: Offset,
}

impl ProducerStateManager {
    /// No producer yet; these snapshots are on the disk.
    pub fn of(snapshots: BTreeMap<Offset, Arc<[ProducerSnapshotEntry]>>) -> Self {
        ProducerStateManager { snapshots, ..Self::default() }
    }

    pub fn is_empty(&self) -> bool {
        self.producers.is_empty()
    }

    pub fn entry(&self, id: ProducerId) -> Option<&ProducerStateEntry> {
        self.producers.get(&id)
    }

    /// The offsets at which there are snapshots.
    pub fn snapshot_offsets(&self) -> impl Iterator<Item = Offset> + '_ {
        self.snapshots.keys().copied()
    }

    pub fn has_snapshots(&self) -> bool {
        !self.snapshots.is_empty()
    }

    /// The batch in the log that this one repeats.
    pub fn duplicate_of(
        &self,
        batch: &RecordBatch,
        window: ProducerWindow,
    ) -> Option<BatchMetadata> {
        self.entry(batch.producer?.id)?.duplicate_of(batch, window)
    }

    /// A leader may append this batch. Sequences are checked for clients' batches.
    pub fn check(&self, batch: &RecordBatch, with_sequence: bool) -> Result<(), ErrorCode> {
        let Some(producer) = batch.producer else { return Ok(()) };
        let known = self.entry(producer.id);
        check_epoch(known, producer.epoch)?;
        match producer.base_sequence {
            Some(first) if with_sequence => check_sequence(known, producer.epoch, first),
            _ => Ok(()),
        }
    }

    /// Takes note of a batch that is in the log now.
    pub fn update(&mut self, batch: &RecordBatch) {
        let Some(producer) = batch.producer else { return };
        match self.producers.get_mut(&producer.id) {
            Some(entry) => entry.add(producer, batch),
            None => {
                self.producers.insert(producer.id, ProducerStateEntry::first(producer, batch));
            }
        }
    }

    /// Forgets producers that have been silent for too long.
    pub fn remove_expired(&mut self, after: Span, now: Timestamp) -> Vec<ProducerId> {
        let expired = |entry: &ProducerStateEntry| is_expired(entry.last_timestamp, after, now);
        let ids: Vec<_> =
            self.producers.iter().filter(|(_, entry)| expired(entry)).map(|(id, _)| *id).collect();
        ids.iter().for_each(|id| drop(self.producers.remove(id)));
        ids
    }

    /// Stores a snapshot of the present state, if it covers more than the last one (`takeSnapshot`).
    pub fn take_snapshot(&mut self, partition: TopicIdPartition, out: &mut Outbox) {
        if self.map_end <= self.last_snapshot {
            return;
        }
        let entries: Arc<[_]> =
            self.producers.iter().map(|(id, entry)| entry.to_snapshot(*id)).collect();
        let file = File::ProducerSnapshot(partition, self.map_end);
        out.store(file, Change::Replace(Block::Producers(entries.clone())));
        self.snapshots.insert(self.map_end, entries);
        self.last_snapshot = self.map_end;
    }

    /// Deletes the snapshot at this offset, if there is one.
    pub fn delete_snapshot(&mut self, at: Offset, partition: TopicIdPartition, out: &mut Outbox) {
        if self.snapshots.remove(&at).is_some() {
            out.store(File::ProducerSnapshot(partition, at), Change::Delete);
        }
    }

    /// Deletes the snapshots that a predicate picks.
    pub fn delete_snapshots(
        &mut self,
        partition: TopicIdPartition,
        out: &mut Outbox,
        which: impl Fn(Offset) -> bool,
    ) {
        let picked: Vec<_> = self.snapshot_offsets().filter(|&at| which(at)).collect();
        picked.into_iter().for_each(|at| self.delete_snapshot(at, partition, out));
    }

    /// The log ends earlier: what is known must come from a snapshot below
    /// (`truncateAndReload`). The caller adds the batches from [`Self::map_end`] on.
    pub fn truncate_and_reload(
        &mut self,
        (log_start, log_end): (Offset, Offset),
        (expiration, now): (Span, Timestamp),
        partition: TopicIdPartition,
        out: &mut Outbox,
    ) {
        self.delete_snapshots(partition, out, |at| at > log_end || at <= log_start);
        if log_end == self.map_end {
            self.advance_log_start(log_start);
        } else {
            self.load_latest_snapshot(log_start, expiration, now);
        }
    }

    fn load_latest_snapshot(&mut self, log_start: Offset, expiration: Span, now: Timestamp) {
        self.producers.clear();
        let latest = self.snapshots.last_key_value();
        self.map_end = latest.map_or(log_start, |(&at, _)| at);
        self.last_snapshot = self.map_end;
        let entries = latest.map_or(&[][..], |(_, entries)| entries);
        let alive = entries.iter().filter(|entry| !is_expired(entry.timestamp, expiration, now));
        self.producers =
            alive.map(|entry| (entry.id, ProducerStateEntry::of_snapshot(entry))).collect();
    }

    /// The log starts later (`onLogStartOffsetIncremented`); the producers stay known.
    pub fn advance_log_start(&mut self, log_start: Offset) {
        self.map_end = self.map_end.max(log_start);
        let latest = self.snapshots.last_key_value();
        self.last_snapshot = latest.map_or(log_start, |(&at, _)| at);
    }

    /// The log is empty and starts afresh.
    pub fn truncate_fully(&mut self, at: Offset, partition: TopicIdPartition, out: &mut Outbox) {
        self.producers.clear();
        self.delete_snapshots(partition, out, |_| true);
        self.map_end = at;
        self.last_snapshot = at;
    }
}

fn is_expired(last: Timestamp, after: Span, now: Timestamp) -> bool {
    now.since(last) >= after
}
