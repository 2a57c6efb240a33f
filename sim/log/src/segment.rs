//! A segment: a file of batches whose name is the first offset it may hold (`LogSegment`).

use klab_machine::File;
use klab_wire::{Offset, RecordBatch, Timestamp, TopicIdPartition};
use std::sync::Arc;

/// How many of the last batches a reader that follows the end is taken to be at.
const LATEST: usize = 4;

/// The batches of one segment, with the index over them.
///
/// Kafka's offset index has an entry every few KiB; this one has one per batch, as small as Kafka's:
/// offset and position relative to the segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    /// The first offset that it may hold.
    pub base: Offset,
    /// There is a file: an empty first segment has none until it is written to.
    pub stored: bool,
    /// Bytes of all batches.
    pub size: u64,
    /// The highest timestamp so far, and the batch that brought it.
    max_timestamp: Option<(Timestamp, u32)>,
    entries: Vec<Entry>,
}

/// A batch with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    batch: Arc<RecordBatch>,
    /// The batch's last offset less the segment's base.
    relative_last: u32,
    /// The bytes before it.
    position: u32,
}

/// A run of batches within a segment, by their places in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub from: u32,
    pub to: u32,
}

impl Segment {
    pub fn new(base: Offset) -> Self {
        Segment { base, stored: false, size: 0, max_timestamp: None, entries: Vec::new() }
    }

    pub fn file(&self, partition: TopicIdPartition) -> File {
        File::Segment(partition, self.base)
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub fn len(&self) -> u32 {
        self.entries.len() as u32
    }

    pub fn batch(&self, place: u32) -> &Arc<RecordBatch> {
        &self.entries[place as usize].batch
    }

    pub fn batches(&self) -> impl Iterator<Item = &Arc<RecordBatch>> + '_ {
        self.entries.iter().map(|entry| &entry.batch)
    }

    pub fn batches_in(&self, run: Run) -> impl Iterator<Item = &Arc<RecordBatch>> + '_ {
        self.entries[run.from as usize..run.to as usize].iter().map(|entry| &entry.batch)
    }

    /// The offset after the last record; the base if there is none.
    pub fn next_offset(&self) -> Offset {
        self.entries.last().map_or(self.base, |entry| entry.batch.next_offset())
    }

    /// An offset is near enough to the base for a 32-bit index (`canConvertToRelativeOffset`).
    pub fn can_hold(&self, offset: Offset) -> bool {
        offset >= self.base && offset.since(self.base) <= i32::MAX as u64
    }

    /// The last batch reaches `offset` or beyond.
    pub fn reaches(&self, offset: Offset) -> bool {
        let relative = offset.since(self.base);
        self.entries.last().is_some_and(|entry| u64::from(entry.relative_last) >= relative)
    }

    /// The first place whose batch reaches `offset` or beyond (`translateOffset`). Nearly every reader
    /// follows the end, so the last few batches are looked at first.
    pub fn place_of(&self, offset: Offset) -> u32 {
        let relative = offset.since(self.base);
        let is_below = |entry: &Entry| u64::from(entry.relative_last) < relative;
        let (older, latest) = self.entries.split_at(self.entries.len().saturating_sub(LATEST));
        match latest.iter().rposition(is_below) {
            Some(below) => (older.len() + below + 1) as u32,
            None => older.partition_point(is_below) as u32,
        }
    }

    /// The bytes before a place; the segment's size after its last batch.
    pub fn position_of(&self, place: u32) -> u64 {
        self.entries.get(place as usize).map_or(self.size, |entry| u64::from(entry.position))
    }

    /// The run from `from` below `limit` that fits in `max_bytes`; with `min_one` at least one batch.
    pub fn run(&self, from: u32, limit: u32, max_bytes: u32, min_one: bool) -> Run {
        let end = self.position_of(from) + u64::from(max_bytes);
        let within = &self.entries[from as usize..limit.max(from) as usize];
        let fitting = within.partition_point(|entry| {
            u64::from(entry.position) + u64::from(entry.batch.size_in_bytes) <= end
        });
        let least = usize::from(min_one && !within.is_empty());
        Run { from, to: from + fitting.max(least) as u32 }
    }

    /// The highest timestamp of any batch.
    pub fn largest_timestamp(&self) -> Option<Timestamp> {
        self.max_timestamp.map(|(timestamp, _)| timestamp)
    }

    /// The first batch that has the highest timestamp.
    pub fn batch_of_largest_timestamp(&self) -> Option<&Arc<RecordBatch>> {
        self.max_timestamp.map(|(_, place)| self.batch(place))
    }

    /// From when its age counts for a roll: the first batch's highest timestamp.
    pub fn rolling_based_timestamp(&self) -> Option<Timestamp> {
        self.entries.first().map(|entry| entry.batch.max_timestamp)
    }

    pub fn append(&mut self, batch: Arc<RecordBatch>) {
        let relative_last = batch.last_offset().since(self.base) as u32;
        let position = self.size as u32;
        self.size += u64::from(batch.size_in_bytes);
        self.note_timestamp(batch.max_timestamp, self.entries.len() as u32);
        self.entries.push(Entry { batch, relative_last, position });
    }

    /// Keeps the batches before a place.
    pub fn truncate(&mut self, place: u32) {
        self.size = self.position_of(place);
        self.entries.truncate(place as usize);
        self.max_timestamp = None;
        for place in 0..self.entries.len() as u32 {
            self.note_timestamp(self.batch(place).max_timestamp, place);
        }
    }

    fn note_timestamp(&mut self, timestamp: Timestamp, place: u32) {
        if self.max_timestamp.is_none_or(|(highest, _)| timestamp > highest) {
            self.max_timestamp = Some((timestamp, place));
        }
    }
}
