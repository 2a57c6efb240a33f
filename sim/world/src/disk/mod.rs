//! A disk in two layers: the page cache, which a process sees, and the platter, which survives a power cut.
//!
//! A store reaches the page cache at once. An fsync, or the system's own write-back, brings what was
//! stored so far to the platter, one operation after the other, at the disk's speed. A crash of the
//! process keeps the page cache; a power cut keeps of every file only some first changes, the next
//! one perhaps torn: a batch whose checksum no longer fits.
//!
//! The file system has a journal, as ext4 and XFS do: files are created, truncated, replaced and deleted on
//! the platter in the order in which that was asked for, over all files, and any fsync commits all of it
//! so far. Data that was appended after such a change never gets to the platter before it.

mod page_cache;
mod profile;
mod spindle;
#[cfg(test)]
mod tests;
mod throttle;
mod unwritten;

use crate::timeline::{Event, Timeline};
use crate::usage::Resource;
use indexmap::IndexMap;
use klab_machine::fingerprint::Fingerprint;
use klab_machine::random::{Stream, stream};
use klab_machine::{Block, Change, DiskImage, File, FlushId, StorageFailure};
use klab_wire::{RecordBatch, Span, Time, TopicIdPartition};
use page_cache::PageCache;
pub use profile::DiskProfile;
pub(crate) use profile::transfer_time;
use spindle::{Operation, Spindle};
use std::collections::{BTreeMap, VecDeque};
use std::hash::BuildHasherDefault;
use std::sync::Arc;
use unwritten::{Unwritten, is_of_the_journal};

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Disk {
    machine: u32,
    profile: DiskProfile,
    weather: Stream,
    /// Where the platter stands when an fsync begins.
    rotation: Stream,
    /// What a process sees.
    image: DiskImage,
    /// The files of which the platter does not have everything.
    unwritten: IndexMap<File, Unwritten, BuildHasherDefault<Fingerprint>>,
    /// How many changes of the file system there have been.
    journaled: u64,
    /// Those that the platter does not have, in order: their numbers and the files they are of.
    journal: VecDeque<(u64, File)>,
    /// The disks of the log directories.
    spindles: Vec<Spindle>,
    /// In which directory each partition lives.
    directories: BTreeMap<TopicIdPartition, u16>,
    /// The thread that does what comes next.
    thread: u32,
    /// The directories to which it has appended, each a bit, and how long it waits for their journals.
    appended_to: u64,
    stalled: Span,
    write_back_planned: bool,
    /// Grows with every power cut: operations planned before mean nothing.
    generation: u32,
    used: u64,
    page_cache: PageCache,
    places: [Places; PLACES],
    percent: u32,
    is_full: bool,
    is_failing: bool,
}

/// Where a file was when it was last appended to: a process appends to the same few files again and again.
#[derive(Clone, Copy, Debug, Default)]
struct Places {
    image: usize,
    unwritten: usize,
}

/// For how many files these are remembered.
const PLACES: usize = 16;

/// Whom to tell of an fsync that is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Flushed {
    pub(crate) life: u32,
    pub(crate) flush: FlushId,
}

/// What a power cut destroyed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Loss {
    pub(crate) blocks: u64,
    pub(crate) torn: bool,
}

impl Disk {
    pub(crate) fn new(machine: u32, profile: DiskProfile, weather: Stream) -> Self {
        let seed = weather.clone().number();
        let spindle =
            |directory: u16| Spindle::new(&profile, stream(seed, "stalls", [u64::from(directory)]));
        let spindles = (0..profile.directories.max(1)).map(spindle).collect();
        Disk {
            machine,
            profile,
            weather,
            rotation: stream(seed, "rotation", []),
            image: DiskImage::default(),
            unwritten: IndexMap::default(),
            journaled: 0,
            journal: VecDeque::new(),
            spindles,
            directories: BTreeMap::new(),
            thread: 0,
            appended_to: 0,
            stalled: Span::ZERO,
            write_back_planned: false,
            generation: 0,
            used: 0,
            page_cache: PageCache::new(profile.page_cache),
            places: [Places::default(); PLACES],
            percent: 100,
            is_full: false,
            is_failing: false,
        }
    }

    /// What a process finds.
    pub(crate) fn image(&self) -> &DiskImage {
        &self.image
    }

    /// What is appended from now on is appended by this thread.
    pub(crate) fn taken_by(&mut self, thread: u32) {
        self.thread = thread;
    }

    /// How long the thread that has appended since the last call has to wait, for one disk after the other.
    pub(crate) fn hold_up(&mut self, now: Time) -> Span {
        let mut wait = std::mem::take(&mut self.stalled);
        let mut appended_to = std::mem::take(&mut self.appended_to);
        while appended_to > 0 {
            let spindle = &mut self.spindles[appended_to.trailing_zeros() as usize];
            wait += spindle.pause(&self.profile, now, self.thread);
            appended_to &= appended_to - 1;
        }
        wait
    }

    /// What the disks have done.
    pub(crate) fn usage(&self, now: Time) -> impl Iterator<Item = Resource> {
        (0..).zip(&self.spindles).map(move |(number, spindle)| spindle.usage(number, now))
    }

    pub(crate) fn slow(&mut self, percent: u32) {
        self.percent = percent;
    }

    pub(crate) fn fill(&mut self, full: bool) {
        self.is_full = full;
    }

    pub(crate) fn fail(&mut self, failing: bool) {
        self.is_failing = failing;
    }

    /// What is wrong with it that can be put right: its times in percent, full, failing.
    pub(crate) fn disturbance(&self) -> (u32, bool, bool) {
        (self.percent, self.is_full, self.is_failing)
    }

    /// Whether a read gets anything.
    pub(crate) fn readable(&self) -> Result<(), StorageFailure> {
        if self.is_failing { Err(StorageFailure::Failing) } else { Ok(()) }
    }

    /// Writes something that was there before the run: it is on the platter.
    pub(crate) fn format(&mut self, file: File, block: Block) {
        self.used += u64::from(block.size_in_bytes());
        self.image.apply(file, Change::Replace(block));
    }

    /// Carries out a change as far as the page cache.
    pub(crate) fn store(
        &mut self,
        file: File,
        change: Change,
        timeline: &mut Timeline,
    ) -> Result<(), StorageFailure> {
        let bytes = change.block().map_or(0, |block| u64::from(block.size_in_bytes()));
        self.check(bytes)?;
        if bytes > 0 {
            self.page_cache.written(file, bytes);
        }
        self.used += bytes;
        if !self.profile.is_free() && bytes > 0 {
            let directory = self.directory_of(file);
            let spindle = &mut self.spindles[usize::from(directory)];
            spindle.append(&self.profile, timeline.now(), self.thread, bytes);
            self.appended_to |= 1 << (directory % 64);
            self.stalled = self.stalled.max(spindle.stalled(timeline.now()));
        }
        match change {
            Change::Append(block) => self.append(file, block),
            change => {
                self.used -= freed(self.image.blocks(file), &change);
                self.note(file, change);
            }
        }
        self.plan_write_back(timeline);
        Ok(())
    }

    /// Appends in the page cache, where nearly every change is.
    fn append(&mut self, file: File, block: Block) {
        let places = &mut self.places[place_of(file)];
        let Some(content) = self.image.open(file, &mut places.image) else {
            self.note(file, Change::Create);
            return self.append(file, block);
        };
        let known = self.unwritten.get_index(places.unwritten);
        if known.is_none_or(|(known, _)| *known != file) {
            let entry = self.unwritten.entry(file);
            places.unwritten = entry.index();
            entry.or_insert_with(|| Unwritten::of(content.len() as u64, true));
        }
        let unwritten = self.unwritten.get_index_mut(places.unwritten);
        let (_, unwritten) = unwritten.expect("it was just found");
        unwritten.append(&block, self.journaled);
        content.push(block);
    }

    /// Carries out a change in the page cache, and notes that the platter does not have it.
    fn note(&mut self, file: File, change: Change) {
        if is_of_the_journal(&change) {
            self.journaled += 1;
            self.journal.push_back((self.journaled, file));
        }
        let before = self.image.blocks(file);
        let unwritten = self
            .unwritten
            .entry(file)
            .or_insert_with(|| Unwritten::of(before.len() as u64, self.image.contains(file)));
        unwritten.note(before, change.clone(), self.journaled);
        self.image.apply(file, change);
    }

    /// Begins an fsync of a file.
    pub(crate) fn flush(
        &mut self,
        file: File,
        then: Flushed,
        timeline: &mut Timeline,
    ) -> Result<(), StorageFailure> {
        if self.is_failing {
            return Err(StorageFailure::Failing);
        }
        let unwritten = self.unwritten.get_mut(&file);
        let is_unwritten = unwritten.is_some();
        let (bytes, upto) = unwritten.map_or((0, 0), |file| (file.bytes(), file.seal()));
        let files = if is_unwritten { vec![(file, upto)] } else { Vec::new() };
        let operation = Operation { files, journal: self.journaled, then: Some(then) };
        let directory = self.directory_of(file);
        let spindle = &mut self.spindles[usize::from(directory)];
        let bytes = spindle.flush(&self.profile, timeline.now(), bytes);
        let shares = spindle.shares_commit(&self.profile, timeline.now());
        let commit = if shares { Span::ZERO } else { self.fsync_time() };
        let time = commit + self.transfer(bytes);
        self.begin(directory, operation, (time, bytes), timeline);
        Ok(())
    }

    /// How long a read keeps its step waiting: nothing if the page cache has it.
    pub(crate) fn read(&mut self, file: File, position: u64, bytes: u64, now: Time) -> Span {
        let cold = self.page_cache.read(file, position, bytes);
        if cold == 0 {
            return Span::ZERO;
        }
        let time = self.slowed(self.profile.seek) + self.slowed(self.transfer(cold));
        let directory = self.directory_of(file);
        self.spindles[usize::from(directory)].work(now, time, cold).since(now)
    }

    /// In which log directory a file is: a partition's in the one that had the fewest partitions when it came
    /// (`LogManager.nextLogDirs`).
    fn directory_of(&mut self, file: File) -> u16 {
        let (false, Some(partition)) = (self.spindles.len() == 1, partition_of(file)) else {
            return 0;
        };
        if let Some(directory) = self.directories.get(&partition) {
            return *directory;
        }
        let spindles = (0..).zip(&self.spindles);
        let fewest = spindles.min_by_key(|(_, spindle)| spindle.partitions);
        let (directory, _) = fewest.expect("there is a directory");
        self.spindles[usize::from(directory)].partitions += 1;
        self.directories.insert(partition, directory);
        directory
    }

    /// The oldest operation is done. Tells whom to tell.
    pub(crate) fn done(&mut self, directory: u16, generation: u32) -> Option<Flushed> {
        if generation != self.generation {
            return None;
        }
        let operation = self.spindles[usize::from(directory)].done()?;
        for (file, upto) in operation.files {
            self.reach_platter(file, |unwritten| unwritten.reach_platter(upto));
        }
        self.commit(operation.journal);
        operation.then
    }

    /// The journal's entries up to this one are on the platter.
    fn commit(&mut self, upto: u64) {
        while let Some((entry, file)) = self.journal.pop_front_if(|(entry, _)| *entry <= upto) {
            self.reach_platter(file, |unwritten| unwritten.commit(entry));
        }
    }

    fn reach_platter(&mut self, file: File, what: impl FnOnce(&mut Unwritten)) {
        if let Some(unwritten) = self.unwritten.get_mut(&file) {
            what(unwritten);
            if unwritten.is_none() {
                self.unwritten.swap_remove(&file);
            }
        }
    }

    /// The dirty pages have grown old: the system writes them to the platter.
    pub(crate) fn write_back(&mut self, generation: u32, timeline: &mut Timeline) {
        if generation != self.generation {
            return;
        }
        self.write_back_planned = false;
        if self.unwritten.is_empty() || self.is_failing {
            return;
        }
        let dirty = self.unwritten.iter_mut();
        let files = dirty.map(|(file, dirty)| (*file, dirty.seal())).collect();
        let bytes = self.unwritten.values().map(Unwritten::bytes).sum();
        let operation = Operation { files, journal: self.journaled, then: None };
        // Where disks write back all the time, little is left to write.
        let left = if self.profile.dirty_background > 0 { 0 } else { bytes };
        self.begin(0, operation, (self.transfer(left), left), timeline);
    }

    /// The power fails: some first entries of the journal have reached the platter, by the seed, then of
    /// every file some first changes, and of the next one perhaps a part.
    pub(crate) fn cut_power(&mut self) -> Loss {
        let mut loss = Loss::default();
        let arrived = self.weather.between(0, self.journal.len() as u64);
        let journal = self.journaled - (self.journal.len() as u64 - arrived);
        self.commit(journal);
        let mut unwritten = std::mem::take(&mut self.unwritten);
        unwritten.sort_unstable_keys();
        for (file, unwritten) in unwritten {
            let (content, lost) =
                unwritten.after_power_cut(self.image.blocks(file), journal, &mut self.weather);
            loss.blocks += lost.blocks;
            loss.torn |= lost.torn;
            self.image.put(file, content);
        }
        self.forget_operations();
        self.page_cache = PageCache::new(self.profile.page_cache);
        self.used = self.image.size_in_bytes();
        loss
    }

    /// An empty disk takes its place.
    pub(crate) fn replace(&mut self) {
        self.image = DiskImage::default();
        self.unwritten.clear();
        self.forget_operations();
        self.page_cache = PageCache::new(self.profile.page_cache);
        self.used = 0;
        (self.percent, self.is_full, self.is_failing) = (100, false, false);
    }

    /// Damages one of the batches that match, by the seed, in both layers. Tells in which file.
    pub(crate) fn corrupt(&mut self, matches: impl Fn(File) -> bool) -> Option<File> {
        let candidates: Vec<(File, u64)> = self
            .image
            .files()
            .filter(|file| matches(*file))
            .flat_map(|file| batches(self.image.blocks(file)).map(move |index| (file, index)))
            .collect();
        if candidates.is_empty() {
            return None;
        }
        let (file, index) = candidates[self.weather.below(candidates.len() as u64) as usize];
        let mut content = self.image.blocks(file).to_vec();
        damage(&mut content[index as usize]);
        self.image.put(file, Some(content));
        Some(file)
    }

    fn check(&self, bytes: u64) -> Result<(), StorageFailure> {
        let has_space = self.profile.capacity.is_none_or(|capacity| self.used + bytes <= capacity);
        match () {
            _ if self.is_failing => Err(StorageFailure::Failing),
            _ if bytes > 0 && (self.is_full || !has_space) => Err(StorageFailure::Full),
            _ => Ok(()),
        }
    }

    fn plan_write_back(&mut self, timeline: &mut Timeline) {
        if !std::mem::replace(&mut self.write_back_planned, true) {
            let event = Event::WriteBack { machine: self.machine, generation: self.generation };
            timeline.plan(timeline.now() + self.profile.write_back, event);
        }
    }

    fn begin(
        &mut self,
        directory: u16,
        operation: Operation,
        (time, bytes): (Span, u64),
        timeline: &mut Timeline,
    ) {
        let time = self.slowed(time);
        let spindle = &mut self.spindles[usize::from(directory)];
        let done = spindle.work(timeline.now(), time, bytes);
        spindle.begin(operation);
        let (machine, generation) = (self.machine, self.generation);
        timeline.plan(done, Event::DiskDone { machine, directory, generation });
    }

    fn forget_operations(&mut self) {
        self.journal.clear();
        self.spindles.iter_mut().for_each(Spindle::forget);
        self.generation += 1;
        self.write_back_planned = false;
    }

    /// How long the next fsync takes beyond the transfer. A disk without a spread draws nothing.
    fn fsync_time(&mut self) -> Span {
        let DiskProfile { fsync, fsync_jitter: Span(jitter), .. } = self.profile;
        if jitter == 0 { fsync } else { fsync + Span(self.rotation.between(0, jitter)) }
    }

    fn transfer(&self, bytes: u64) -> Span {
        transfer_time(bytes, self.profile.throughput)
    }

    fn slowed(&self, span: Span) -> Span {
        span.times(u64::from(self.percent)).divided_by(100)
    }
}

/// The places of a file's batches.
fn batches(blocks: &[Block]) -> impl Iterator<Item = u64> + '_ {
    let is_batch = |block: &Block| matches!(block, Block::Batch(_));
    blocks.iter().enumerate().filter(move |(_, block)| is_batch(block)).map(|(at, _)| at as u64)
}

/// Flips a bit that the checksum sees. Only batches have one.
fn damage(block: &mut Block) {
    if let Block::Batch(batch) = block {
        let crc = batch.crc ^ 1;
        *batch = Arc::new(RecordBatch { crc, ..RecordBatch::clone(batch) });
    }
}

/// The partition that a file belongs to.
fn partition_of(file: File) -> Option<TopicIdPartition> {
    match file {
        File::PartitionMetadata(partition)
        | File::Segment(partition, _)
        | File::LeaderEpochCheckpoint(partition)
        | File::ProducerSnapshot(partition, _) => Some(partition),
        _ => None,
    }
}

/// Which of the remembered places a file may have.
fn place_of(file: File) -> usize {
    let number = partition_of(file).map_or(0, |id| id.topic.0 ^ u64::from(id.partition.0));
    number as usize % PLACES
}

/// How many bytes a change sets free.
fn freed(before: &[Block], change: &Change) -> u64 {
    let kept = match change {
        Change::Append(_) | Change::Create => return 0,
        Change::Truncate(blocks) => before.len().min(*blocks as usize),
        Change::Replace(_) | Change::Delete => 0,
    };
    before[kept..].iter().map(|block| u64::from(block.size_in_bytes())).sum()
}
