//! A disk with a page cache: what is not flushed is lost with the power.

use klab_machine::random::Stream;
use klab_machine::{Block, Change, DiskImage, File};
use klab_wire::{Offset, TopicIdPartition};
use std::collections::BTreeMap;

/// One node's disk.
#[derive(Clone, Debug, Default)]
pub struct Disk {
    page_cache: DiskImage,
    platter: DiskImage,
    /// Of every file, what the platter does not have, each change with its number.
    unflushed: BTreeMap<File, Vec<(u64, Change)>>,
    writes: u64,
}

impl Disk {
    /// What a process finds.
    pub fn image(&self) -> &DiskImage {
        &self.page_cache
    }

    /// A write reaches the page cache.
    pub fn store(&mut self, file: File, change: Change) {
        self.page_cache.apply(file, change.clone());
        self.unflushed.entry(file).or_default().push((self.writes, change));
        self.writes += 1;
    }

    /// An fsync of one file is done. File systems keep a journal of truncations and deletions, and
    /// an fsync commits it: so those of other files are on the platter too.
    pub fn flush(&mut self, flushed: File) {
        self.write_back(|file, changes| {
            let journaled = changes.iter().rposition(|(_, change)| is_journaled(change));
            if file == flushed { changes.len() } else { journaled.map_or(0, |last| last + 1) }
        });
    }

    /// The power fails: of what was not flushed, each file keeps what happened to be written back,
    /// and the journal some first entries.
    pub fn lose_power(&mut self, random: &mut Stream) {
        let journal_end = random.between(0, self.writes);
        self.write_back(|_, changes| {
            let entries = || changes.iter().enumerate().filter(|(_, (_, it))| is_journaled(it));
            let committed = entries().rfind(|(_, (at, _))| *at < journal_end);
            let lost = entries().find(|(_, (at, _))| *at >= journal_end);
            let least = committed.map_or(0, |(place, _)| place + 1);
            let most = lost.map_or(changes.len(), |(place, _)| place);
            random.between(least as u64, most as u64) as usize
        });
        self.unflushed.clear();
        self.page_cache = self.platter.clone();
    }

    /// Where the metadata log ends that no power cut can take away.
    pub fn durable_log_end(&self) -> Offset {
        let segment = |base| File::Segment(TopicIdPartition::CLUSTER_METADATA, Offset(base));
        let of_segment = |file: File| match self.platter.blocks(file).last() {
            Some(Block::Batch(batch)) => batch.next_offset(),
            _ => Offset(0),
        };
        let of_snapshot = |file: File| match file {
            File::MetadataSnapshot(id) => id.offset,
            _ => Offset(0),
        };
        let segments = self.platter.files_in(segment(0)..=segment(u64::MAX)).map(of_segment);
        let snapshots = self.platter.files().map(of_snapshot);
        segments.chain(snapshots).max().unwrap_or_default()
    }

    /// There is a snapshot with this end.
    pub fn has_snapshot_at(&self, end: Offset) -> bool {
        let is_at = |file: File| matches!(file, File::MetadataSnapshot(id) if id.offset == end);
        self.page_cache.files().any(is_at)
    }

    /// Brings the first changes of every file to the platter, as many as `count` says.
    fn write_back(&mut self, mut count: impl FnMut(File, &[(u64, Change)]) -> usize) {
        for (file, changes) in &mut self.unflushed {
            let count = count(*file, changes);
            for (_, change) in changes.drain(..count) {
                self.platter.apply(*file, change);
            }
        }
        self.unflushed.retain(|_, changes| !changes.is_empty());
    }
}

fn is_journaled(change: &Change) -> bool {
    matches!(change, Change::Truncate(_) | Change::Delete)
}
