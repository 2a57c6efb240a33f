//! Writing snapshots, and cutting the log that they replace (`SnapshotWriter`, `RaftMetadataLogCleanerManager`).

use crate::raft::Raft;
use crate::snapshot::Snapshot;
use klab_machine::fact::RaftFact;
use klab_machine::{Change, File, FlushId, Outbox};
use klab_wire::{MetadataRecord, Now, Offset, OffsetAndEpoch, Span};

/// How often a replica looks whether snapshots or segments may go.
pub(crate) const CLEAN_INTERVAL: Span = Span::from_secs(60);

/// A snapshot that is written and not flushed yet. Kafka writes it on another thread, so nothing waits
/// for it.
#[derive(Clone, Debug)]
pub(crate) struct WritingSnapshot {
    pub(crate) flush: FlushId,
    pub(crate) id: OffsetAndEpoch,
    pub(crate) snapshot: Snapshot,
}

impl Raft {
    /// Writes a snapshot of everything below `end`, which must be committed; then the log before it may
    /// go, as the retention limits say (`RaftClient.createSnapshot`, KIP-630).
    ///
    /// Does nothing while another one is written, or if there is a snapshot at `end` or after it already.
    pub fn write_snapshot(
        &mut self,
        _now: Now,
        end: Offset,
        records: Vec<MetadataRecord>,
        out: &mut Outbox,
    ) {
        assert!(Some(end) <= self.high_watermark, "a snapshot holds what is committed");
        if self.writing_snapshot.is_some() {
            return;
        }
        let Some((id, last_contained_timestamp)) = self.log.snapshot_id(end) else { return };
        let snapshot = Snapshot::of(id, records, last_contained_timestamp);
        snapshot.store(id, out);
        let flush = out.flush(File::MetadataSnapshot(id));
        self.writing_snapshot = Some(WritingSnapshot { flush, id, snapshot });
        self.bytes_since_snapshot = 0;
    }

    /// The snapshot is on the platter. If a newer one was fetched meanwhile, nobody needs it.
    pub(crate) fn snapshot_written(&mut self, out: &mut Outbox) {
        let Some(WritingSnapshot { id, snapshot, .. }) = self.writing_snapshot.take() else {
            return;
        };
        if id.offset < self.log.start() {
            return out.store(File::MetadataSnapshot(id), Change::Delete);
        }
        self.log.add_snapshot(id, snapshot);
        out.state(RaftFact::MetadataSnapshotWritten { snapshot: id });
    }

    /// Once a minute, drops what the newer snapshots replace, as far as the limits ask for it.
    pub(crate) fn clean_log(&mut self, now: Now, out: &mut Outbox) {
        if self.clean_log_at <= now.time {
            self.clean_log_at = now.time + CLEAN_INTERVAL;
            self.log.clean(now, out);
        }
    }
}
