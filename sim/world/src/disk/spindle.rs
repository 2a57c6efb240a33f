//! The disk under one log directory: what waits for it, and the dirty pages that are its to write.
//!
//! An fsync and a read of cold data occupy it, one behind the other. Between them the system writes dirty pages back as
//! fast as the disk goes, as long as there are more than a background limit (`vm.dirty_background_bytes`). Above the
//! middle between that and the hard limit (`vm.dirty_bytes`) whoever appends is held up ([`throttle`](super::throttle)).

use super::throttle::Throttle;
use super::{DiskProfile, Flushed, transfer_time};
use crate::pauses::Paused;
use crate::usage::{Resource, ResourceKind};
use klab_machine::File;
use klab_machine::random::Stream;
use klab_wire::{Span, Time};
use std::collections::VecDeque;

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Spindle {
    operations: VecDeque<Operation>,
    /// When the last of the operations will be done.
    free_at: Time,
    /// Bytes in memory that are not on the disk, as of some time.
    dirty: u64,
    as_of: Time,
    /// When the last commit of the journal begins that an fsync has asked for.
    commits_at: Time,
    throttle: Throttle,
    stalls: Paused,
    /// How many partitions live here.
    pub(super) partitions: u32,
    busy: Span,
    bytes: u64,
}

/// Something the disk is busy with.
#[derive(Clone, Debug)]
pub(super) struct Operation {
    /// How far the platter will have each file.
    pub(super) files: Vec<(File, u64)>,
    /// How far it will have the journal.
    pub(super) journal: u64,
    pub(super) then: Option<Flushed>,
}

impl Spindle {
    pub(super) fn new(profile: &DiskProfile, weather: Stream) -> Self {
        Spindle {
            operations: VecDeque::new(),
            free_at: Time::ZERO,
            dirty: 0,
            as_of: Time::ZERO,
            commits_at: Time::ZERO,
            throttle: Throttle::default(),
            stalls: Paused::new(profile.stalls, weather),
            partitions: 0,
            busy: Span::ZERO,
            bytes: 0,
        }
    }

    /// It does something for so long, when it has done what was asked before. Tells when it is done.
    pub(super) fn work(&mut self, now: Time, time: Span, bytes: u64) -> Time {
        self.free_at = self.free_at.max(now) + time;
        self.busy += time;
        self.bytes += bytes;
        // Meanwhile it writes nothing back.
        self.as_of = self.as_of.max(now) + time;
        self.free_at
    }

    /// Whether an fsync shares the commit of one that waits for its turn: that commits the file system's journal for all
    /// that come meanwhile (`jbd2_log_wait_commit`, `xfs_log_force_seq`).
    pub(super) fn shares_commit(&mut self, profile: &DiskProfile, now: Time) -> bool {
        let shares = self.commits_at > now;
        if !shares {
            self.commits_at = if profile.is_free() { now } else { self.free_at.max(now) };
        }
        shares
    }

    /// An operation has begun that [`Spindle::work`] has made room for.
    pub(super) fn begin(&mut self, operation: Operation) {
        self.operations.push_back(operation);
    }

    /// The oldest operation is done.
    pub(super) fn done(&mut self) -> Option<Operation> {
        self.operations.pop_front()
    }

    /// A thread brings bytes into memory.
    pub(super) fn append(&mut self, profile: &DiskProfile, now: Time, thread: u32, bytes: u64) {
        let Some(speed) = profile.speed_of_write_back() else { return };
        self.write_back(profile, speed, now);
        self.dirty += bytes;
        self.throttle.dirtied(thread, bytes);
    }

    /// How long a thread that has brought bytes into memory is paused for it.
    pub(super) fn pause(&mut self, profile: &DiskProfile, now: Time, thread: u32) -> Span {
        let Some(speed) = profile.speed_of_write_back() else { return Span::ZERO };
        self.throttle.pause(profile, (self.dirty, speed), now, thread)
    }

    /// How long its journal lets nobody append.
    pub(super) fn stalled(&mut self, now: Time) -> Span {
        self.stalls.until(now).map_or(Span::ZERO, |until| until.since(now))
    }

    /// Begins to bring a file's bytes to the disk. Tells how many of them the system has not written back already: a
    /// disk that writes back all the time has few left.
    pub(super) fn flush(&mut self, profile: &DiskProfile, now: Time, bytes: u64) -> u64 {
        let Some(speed) = profile.speed_of_write_back() else { return bytes };
        self.write_back(profile, speed, now);
        let left = bytes.min(self.dirty);
        self.dirty -= left;
        left
    }

    /// What the disk has written since somebody last looked.
    fn write_back(&mut self, profile: &DiskProfile, speed: u64, now: Time) {
        let time = now.since(self.as_of);
        self.as_of = self.as_of.max(now);
        let able = u128::from(time.0) * u128::from(speed) / 1_000_000_000;
        let above = self.dirty.saturating_sub(profile.dirty_background);
        let written = u128::from(above).min(able) as u64;
        self.dirty -= written;
        self.bytes += written;
        self.busy += transfer_time(written, Some(speed));
    }

    /// The power is cut, or the disk replaced.
    pub(super) fn forget(&mut self) {
        self.operations.clear();
        (self.free_at, self.commits_at, self.dirty) = (Time::ZERO, Time::ZERO, 0);
        self.throttle = Throttle::default();
    }

    pub(super) fn usage(&self, number: u32, now: Time) -> Resource {
        Resource {
            kind: ResourceKind::Disk(number),
            capacity: 1,
            busy: self.busy,
            bytes: self.bytes,
            waiting: self.free_at.since(now).0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use klab_machine::random::stream;

    fn profile() -> DiskProfile {
        DiskProfile {
            throughput: Some(1_000_000_000),
            dirty_background: 1_000,
            dirty_limit: 5_000,
            ..DiskProfile::default()
        }
    }

    #[test]
    fn above_the_background_limit_the_disk_writes_back_all_the_time() {
        let profile = profile();
        let mut spindle = Spindle::new(&profile, stream(1, "test", []));
        spindle.append(&profile, Time(0), 1, 3_000);
        spindle.append(&profile, Time(500), 1, 0);
        assert_eq!(spindle.dirty, 2_500);
        spindle.append(&profile, Time(9_000), 1, 0);
        assert_eq!(spindle.dirty, 1_000, "below the background limit nothing is written");
    }

    #[test]
    fn fsyncs_that_come_while_one_waits_for_its_turn_share_its_commit() {
        let profile = profile();
        let mut spindle = Spindle::new(&profile, stream(1, "test", []));
        let mut fsync = |now: u64| {
            let shares = spindle.shares_commit(&profile, Time(now));
            spindle.work(Time(now), if shares { Span::ZERO } else { Span(300) }, 0).0
        };
        assert_eq!([0, 100, 100, 200].map(&mut fsync), [300, 600, 600, 600], "the first has begun");
        assert_eq!(
            [300, 500].map(&mut fsync),
            [900, 900],
            "the second has begun, and the third waits"
        );
    }

    #[test]
    fn a_read_steals_the_disk_from_the_write_back() {
        let profile = profile();
        let mut spindle = Spindle::new(&profile, stream(1, "test", []));
        spindle.append(&profile, Time(0), 1, 3_000);
        assert_eq!(spindle.work(Time(0), Span(1_000), 1_000), Time(1_000));
        spindle.append(&profile, Time(1_000), 1, 0);
        assert_eq!(spindle.dirty, 3_000);
    }
}
