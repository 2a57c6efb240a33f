//! Which leader epoch wrote from which offset on.
//!
//! `LeaderEpochFileCache`: what a follower compares with its leader's to find where their logs part
//! (KIP-101, KIP-279). Written when a batch of a new epoch is appended, and already when a leader
//! takes office (KAFKA-7415, KAFKA-10706): its epoch then counts although it has no record yet.

use klab_machine::Mutant;
use klab_wire::{EpochEndOffset, LeaderEpoch, Offset};

/// Leader epochs with their start offsets, both strictly increasing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeaderEpochFileCache {
    entries: Vec<(LeaderEpoch, Offset)>,
}

impl LeaderEpochFileCache {
    /// The entries of a `leader-epoch-checkpoint`, read back as if they were assigned again.
    pub fn of(entries: &[(LeaderEpoch, Offset)]) -> Self {
        let mut cache = LeaderEpochFileCache::default();
        for &(epoch, start) in entries {
            cache.assign(epoch, start);
        }
        cache
    }

    /// The entries, oldest first.
    pub fn entries(&self) -> &[(LeaderEpoch, Offset)] {
        &self.entries
    }

    /// The epoch assigned last.
    pub fn latest(&self) -> Option<LeaderEpoch> {
        self.entries.last().map(|&(epoch, _)| epoch)
    }

    /// The oldest epoch known.
    pub fn earliest(&self) -> Option<LeaderEpoch> {
        self.entries.first().map(|&(epoch, _)| epoch)
    }

    /// The largest known epoch below this one (`previousEpoch`).
    pub fn previous(&self, epoch: LeaderEpoch) -> Option<LeaderEpoch> {
        let lower = self.entries.partition_point(|entry| entry.0 < epoch);
        Some(self.entries[lower.checked_sub(1)?].0)
    }

    /// Where a known epoch starts.
    pub fn start_of(&self, epoch: LeaderEpoch) -> Option<Offset> {
        let found = self.entries.binary_search_by_key(&epoch, |entry| entry.0).ok()?;
        Some(self.entries[found].1)
    }

    /// The epoch of the record at this offset (`epochForOffset`).
    pub fn epoch_of(&self, offset: Offset) -> Option<LeaderEpoch> {
        let later = self.entries.partition_point(|entry| entry.1 <= offset);
        Some(self.entries[later.checked_sub(1)?].0)
    }

    /// Where an epoch ends in a log that ends at `log_end` (`endOffsetFor`).
    ///
    /// The latest epoch ends with the log. An older one ends where the next known one starts, and is
    /// answered with the largest known epoch at or below it: KIP-279, so that a follower that has an
    /// epoch that its leader never had learns which one to ask for next. An epoch below all known ones
    /// ends where the first of these starts, because what it wrote has left the log. None above all.
    pub fn end_offset_for(&self, epoch: LeaderEpoch, log_end: Offset) -> Option<EpochEndOffset> {
        if self.latest() == Some(epoch) {
            return Some(EpochEndOffset { epoch, end_offset: log_end });
        }
        let higher = self.entries.partition_point(|entry| entry.0 <= epoch);
        let &(_, end_offset) = self.entries.get(higher)?;
        let off_by = u64::from(Mutant::EndsEpochsOneRecordLate.lives());
        let found = match higher.checked_sub(1) {
            Some(floor) => self.entries[floor].0,
            None => epoch,
        };
        Some(EpochEndOffset { epoch: found, end_offset: end_offset.plus(off_by) })
    }

    /// An epoch starts at this offset; says whether that was news.
    ///
    /// Entries that the new one contradicts, by their epoch or their offset, are dropped
    /// (`maybeTruncateNonMonotonicEntries`): an epoch that never wrote a record, for example.
    pub(crate) fn assign(&mut self, epoch: LeaderEpoch, start: Offset) -> bool {
        if !self.is_news(epoch, start) {
            return false;
        }
        while self.entries.last().is_some_and(|last| last.0 >= epoch || last.1 >= start) {
            self.entries.pop();
        }
        self.entries.push((epoch, start));
        true
    }

    fn is_news(&self, epoch: LeaderEpoch, start: Offset) -> bool {
        self.entries.last().is_none_or(|last| epoch != last.0 || start < last.1)
    }

    /// Drops the epochs that start at or above the log's new end; says whether there were any.
    pub(crate) fn truncate_from_end(&mut self, log_end: Offset) -> bool {
        let is_kept = |start| start < log_end || Mutant::KeepsEpochsOfTheTruncated.lives();
        let kept = self.entries.partition_point(|entry| is_kept(entry.1));
        let dropped = kept < self.entries.len();
        self.entries.truncate(kept);
        dropped
    }

    /// Lets the epoch of the log's new start begin there and drops those before; says whether that
    /// changed anything.
    pub(crate) fn truncate_from_start(&mut self, log_start: Offset) -> bool {
        let lower = self.entries.partition_point(|entry| entry.1 <= log_start);
        let Some(first) = lower.checked_sub(1) else { return false };
        self.entries.drain(..first);
        let moved = std::mem::replace(&mut self.entries[0].1, log_start) != log_start;
        first > 0 || moved
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.entries.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache(entries: &[(u32, u64)]) -> LeaderEpochFileCache {
        let entries: Vec<_> = entries.iter().map(|&(e, o)| (LeaderEpoch(e), Offset(o))).collect();
        LeaderEpochFileCache::of(&entries)
    }

    #[test]
    fn assigning_keeps_epochs_and_offsets_increasing() {
        // Before, what is assigned, after.
        type Case = (&'static [(u32, u64)], (u32, u64), &'static [(u32, u64)]);
        let cases: [Case; 7] = [
            (&[], (0, 0), &[(0, 0)]),
            (&[(1, 10)], (2, 20), &[(1, 10), (2, 20)]),
            // The same epoch at the same or a later offset is no news.
            (&[(1, 10)], (1, 15), &[(1, 10)]),
            // The same epoch at an earlier offset moves it.
            (&[(1, 10)], (1, 5), &[(1, 5)]),
            // An epoch that wrote nothing gives way to the one that did.
            (&[(1, 10), (2, 20)], (3, 20), &[(1, 10), (3, 20)]),
            // An older epoch removes the newer ones.
            (&[(1, 10), (3, 20)], (2, 25), &[(1, 10), (2, 25)]),
            // An earlier offset removes all that start there or later.
            (&[(1, 10), (2, 20), (3, 30)], (4, 15), &[(1, 10), (4, 15)]),
        ];
        for (before, (epoch, start), after) in cases {
            let mut epochs = cache(before);
            epochs.assign(LeaderEpoch(epoch), Offset(start));
            assert_eq!(epochs, cache(after), "{before:?} and ({epoch}, {start})");
        }
    }

    #[test]
    fn kip_279_an_epoch_ends_where_the_next_known_one_starts() {
        let epochs = cache(&[(2, 20), (3, 30), (6, 60)]);
        let log_end = Offset(80);
        let cases = [
            // The latest epoch ends with the log.
            (6, Some((6, 80))),
            (3, Some((3, 60))),
            (2, Some((2, 30))),
            // Unknown in between: the largest known one below, and its end.
            (4, Some((3, 60))),
            (5, Some((3, 60))),
            // Below all: what it wrote has left the log, which now starts at 20.
            (1, Some((1, 20))),
            (0, Some((0, 20))),
            // Above all: undefined.
            (7, None),
        ];
        for (asked, answer) in cases {
            let found = epochs.end_offset_for(LeaderEpoch(asked), log_end);
            let answer = answer
                .map(|(e, o)| EpochEndOffset { epoch: LeaderEpoch(e), end_offset: Offset(o) });
            assert_eq!(found, answer, "epoch {asked}");
        }
        assert_eq!(cache(&[]).end_offset_for(LeaderEpoch(0), log_end), None);
    }

    #[test]
    fn an_epoch_without_records_ends_where_it_starts_and_the_log_with_it() {
        // KAFKA-7415: a new leader writes its epoch down before its first record.
        let epochs = cache(&[(1, 0), (2, 10)]);
        let end = |epoch| epochs.end_offset_for(LeaderEpoch(epoch), Offset(10)).unwrap().end_offset;
        assert_eq!((end(1), end(2)), (Offset(10), Offset(10)));
    }

    #[test]
    fn truncation_from_the_end_drops_the_epochs_that_start_there_or_later() {
        type Case = (u64, &'static [(u32, u64)], bool);
        let cases: [Case; 5] = [
            (80, &[(2, 20), (3, 30), (6, 60)], false),
            (61, &[(2, 20), (3, 30), (6, 60)], false),
            (60, &[(2, 20), (3, 30)], true),
            (25, &[(2, 20)], true),
            (20, &[], true),
        ];
        for (to, after, dropped) in cases {
            let mut epochs = cache(&[(2, 20), (3, 30), (6, 60)]);
            assert_eq!(epochs.truncate_from_end(Offset(to)), dropped, "to {to}");
            assert_eq!(epochs, cache(after), "to {to}");
        }
    }

    #[test]
    fn truncation_from_the_start_keeps_the_epoch_of_the_new_first_record() {
        let cases: [(u64, &[(u32, u64)]); 5] = [
            (10, &[(2, 20), (3, 30), (6, 60)]),
            (20, &[(2, 20), (3, 30), (6, 60)]),
            (31, &[(3, 31), (6, 60)]),
            (60, &[(6, 60)]),
            (70, &[(6, 70)]),
        ];
        for (to, after) in cases {
            let mut epochs = cache(&[(2, 20), (3, 30), (6, 60)]);
            assert_eq!(epochs.truncate_from_start(Offset(to)), to > 20, "to {to}");
            assert_eq!(epochs, cache(after), "to {to}");
        }
    }

    #[test]
    fn an_offset_belongs_to_the_last_epoch_that_starts_at_or_below_it() {
        let epochs = cache(&[(2, 20), (3, 30)]);
        let of = |offset| epochs.epoch_of(Offset(offset)).map(|epoch| epoch.0);
        assert_eq!(
            [of(19), of(20), of(29), of(30), of(99)],
            [None, Some(2), Some(2), Some(3), Some(3)]
        );
        let before = |epoch| epochs.previous(LeaderEpoch(epoch)).map(|epoch| epoch.0);
        assert_eq!([before(2), before(3), before(9)], [None, Some(2), Some(3)]);
        assert_eq!(
            (epochs.start_of(LeaderEpoch(3)), epochs.start_of(LeaderEpoch(4))),
            (Some(Offset(30)), None)
        );
    }
}
