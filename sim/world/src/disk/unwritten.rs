//! What of one file has not reached the platter, and what the platter has in its place.

use super::{Loss, damage};
use klab_machine::random::Stream;
use klab_machine::{Block, Change};
use std::collections::VecDeque;

/// The difference between the two layers of a file.
///
/// The platter has the first `kept` blocks of the page cache's content, then `stale`: blocks that the
/// process has already truncated or replaced. A file without an `Unwritten` is equal in both layers.
///
/// Appended data reaches the platter in the order of the file. What changes the file system itself goes
/// through its journal, and may get there before data that was appended earlier; data that is gone by
/// then is never written.
///
/// Nearly every change is an append behind appends. As long as nothing else came behind it, what was appended is
/// the end of the page cache's content: it is only counted.
#[derive(Clone, Debug)]
pub(super) struct Unwritten {
    exists: bool,
    kept: u64,
    stale: Vec<Block>,
    /// The changes that the platter does not have, oldest first.
    changes: VecDeque<Noted>,
    /// The appends behind them, which are the end of the page cache's content. There are some only if none of
    /// the changes is destructive.
    appends: VecDeque<Appends>,
    /// How many of the changes are not appends.
    destructive: u32,
    /// How many changes there have been, counted from when the layers were equal.
    noted: u64,
    /// How many there had been when the last operation began: it ends with them.
    sealed: u64,
    bytes: u64,
}

/// A change that the platter does not have.
#[derive(Clone, Debug)]
struct Noted {
    /// Which of the file's changes it is, from 1.
    number: u64,
    /// What the disk's journal must have got before this can be on the platter: for a change of the
    /// file system its own entry, for data all entries before it.
    journal: u64,
    change: Change,
}

/// Appends that were noted one after the other, under one entry of the journal, and are written together.
#[derive(Clone, Copy, Debug)]
struct Appends {
    /// The number of the last one.
    last: u64,
    journal: u64,
    count: u64,
    bytes: u64,
}

/// How likely a power cut tears the write it interrupts, in a million.
const TORN_PPM: u32 = 500_000;

impl Unwritten {
    /// Of a file that is equal in both layers.
    pub(super) fn of(blocks: u64, exists: bool) -> Self {
        Unwritten {
            exists,
            kept: blocks,
            stale: Vec::new(),
            changes: VecDeque::new(),
            appends: VecDeque::new(),
            destructive: 0,
            noted: 0,
            sealed: 0,
            bytes: 0,
        }
    }

    /// Takes note of a change to the page cache's content, which was `before`, and of the last entry of
    /// the disk's journal.
    pub(super) fn note(&mut self, before: &[Block], change: Change, journal: u64) {
        self.spell_out(before);
        let still_there = match &change {
            Change::Append(_) | Change::Create => self.kept,
            Change::Truncate(blocks) => self.kept.min(*blocks),
            Change::Replace(_) | Change::Delete => 0,
        };
        if still_there < self.kept {
            let gone = before[still_there as usize..self.kept as usize].iter().cloned();
            self.stale.splice(0..0, gone);
            self.kept = still_there;
        }
        self.destructive += u32::from(is_destructive(&change));
        self.bytes += written_bytes(&change);
        self.noted += 1;
        self.changes.push_back(Noted { number: self.noted, journal, change });
    }

    /// Takes note of an append.
    pub(super) fn append(&mut self, block: &Block, journal: u64) {
        if self.destructive > 0 {
            return self.note(&[], Change::Append(block.clone()), journal);
        }
        let bytes = u64::from(block.size_in_bytes());
        self.noted += 1;
        self.bytes += bytes;
        match self.appends.back_mut().filter(|appends| appends.journal == journal) {
            Some(appends) if appends.last > self.sealed => {
                appends.last = self.noted;
                appends.count += 1;
                appends.bytes += bytes;
            }
            _ => self.appends.push_back(Appends { last: self.noted, journal, count: 1, bytes }),
        }
    }

    /// Makes changes of the appends that were only counted; `content` is the page cache's.
    fn spell_out(&mut self, content: &[Block]) {
        if self.appends.is_empty() {
            return;
        }
        let is_append = |noted: &&Noted| matches!(noted.change, Change::Append(_));
        let mut place = self.kept as usize + self.changes.iter().filter(is_append).count();
        for appends in std::mem::take(&mut self.appends) {
            let first = appends.last + 1 - appends.count;
            for number in first..=appends.last {
                let change = Change::Append(content[place].clone());
                self.changes.push_back(Noted { number, journal: appends.journal, change });
                place += 1;
            }
        }
    }

    /// How many changes there have been: what an operation that starts now will bring to the platter.
    pub(super) fn seal(&mut self) -> u64 {
        self.sealed = self.noted;
        self.noted
    }

    /// The bytes to write.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The layers are equal.
    pub(super) fn is_none(&self) -> bool {
        self.changes.is_empty() && self.appends.is_empty()
    }

    /// The first changes, up to this number, are on the platter.
    pub(super) fn reach_platter(&mut self, upto: u64) {
        while self.changes.front().is_some_and(|noted| noted.number <= upto) {
            self.first_reaches_platter();
        }
        while let Some(appends) = self.appends.pop_front_if(|appends| appends.last <= upto) {
            self.exists = true;
            self.kept += appends.count;
            self.bytes -= appends.bytes;
        }
    }

    /// The journal's entries up to this one are on the platter: the file is as long as they say, as far as
    /// its data is there.
    pub(super) fn commit(&mut self, journal: u64) {
        let last = |noted: &Noted| is_of_the_journal(&noted.change) && noted.journal <= journal;
        while let Some(place) = self.changes.iter().position(last) {
            if place == 0 {
                self.first_reaches_platter();
            } else {
                self.overtake(place);
            }
        }
    }

    /// A change of the file system gets to the platter before the data that was appended earlier.
    fn overtake(&mut self, place: usize) {
        let length = self.kept + self.stale.len() as u64;
        let stays = match self.changes[place].change {
            Change::Append(_) | Change::Create => place as u64,
            Change::Truncate(blocks) => blocks.saturating_sub(length),
            Change::Replace(_) | Change::Delete => 0,
        };
        let stays = stays.min(place as u64) as usize;
        for Noted { change, .. } in self.changes.drain(stays..place) {
            self.bytes -= written_bytes(&change);
        }
        let overtaking = self.changes.remove(stays).expect("it has its place behind them");
        self.arrive(overtaking.change);
    }

    fn first_reaches_platter(&mut self) {
        if let Some(noted) = self.changes.pop_front() {
            self.arrive(noted.change);
        }
    }

    fn arrive(&mut self, change: Change) {
        self.bytes -= written_bytes(&change);
        self.destructive -= u32::from(is_destructive(&change));
        self.carry_out(change);
    }

    /// The platter's content after a power cut that let the disk's journal come this far (none: there is
    /// no such file), and what is lost.
    pub(super) fn after_power_cut(
        mut self,
        cached: &[Block],
        journal: u64,
        weather: &mut Stream,
    ) -> (Option<Vec<Block>>, Loss) {
        self.spell_out(cached);
        let possible = self.changes.iter().take_while(|noted| noted.journal <= journal).count();
        let arrived = weather.between(0, possible as u64);
        (0..arrived).for_each(|_| self.first_reaches_platter());
        let mut loss = Loss { blocks: self.changes.len() as u64, torn: false };
        let mut content = cached[..self.kept as usize].to_vec();
        content.append(&mut self.stale);
        if let Some(Noted {
            change: Change::Append(block @ Block::Batch(_)), journal: needed, ..
        }) = self.changes.front()
            && *needed <= journal
            && weather.chance_ppm(TORN_PPM)
        {
            let mut half = block.clone();
            damage(&mut half);
            content.push(half);
            loss.torn = true;
            self.exists = true;
        }
        (self.exists.then_some(content), loss)
    }

    fn carry_out(&mut self, change: Change) {
        match change {
            Change::Append(_) | Change::Create | Change::Replace(_) => self.exists = true,
            Change::Delete => self.exists = false,
            Change::Truncate(_) => {}
        }
        match change {
            Change::Append(block) => self.stale.push(block),
            Change::Create => {}
            Change::Truncate(blocks) => {
                self.stale.truncate(blocks.saturating_sub(self.kept) as usize)
            }
            Change::Replace(block) => self.stale = vec![block],
            Change::Delete => self.stale.clear(),
        }
        // Without destructive changes to come, what the platter has is how the cached content begins.
        if self.destructive == 0 {
            self.kept += self.stale.len() as u64;
            self.stale.clear();
        }
    }
}

/// A change of the file system: its length, its name, its being there.
pub(super) fn is_of_the_journal(change: &Change) -> bool {
    !matches!(change, Change::Append(_))
}

fn is_destructive(change: &Change) -> bool {
    !matches!(change, Change::Append(_) | Change::Create)
}

fn written_bytes(change: &Change) -> u64 {
    change.block().map_or(0, |block| u64::from(block.size_in_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use klab_machine::random::stream;
    use klab_machine::{DiskImage, File};
    use klab_wire::BrokerEpoch;
    use proptest::prelude::*;

    fn block(number: u64) -> Block {
        Block::CleanShutdown(Some(BrokerEpoch(number)))
    }

    /// As the disk does it.
    fn take_note(unwritten: &mut Unwritten, before: &[Block], change: &Change, journal: u64) {
        match change {
            Change::Append(block) => unwritten.append(block, journal),
            change => unwritten.note(before, change.clone(), journal),
        }
    }

    impl Unwritten {
        fn pending(&self) -> u64 {
            let counted: u64 = self.appends.iter().map(|appends| appends.count).sum();
            self.changes.len() as u64 + counted
        }
    }

    fn any_change() -> impl Strategy<Value = Change> {
        prop_oneof![
            4 => (0..1000_u64).prop_map(|number| Change::Append(block(number))),
            1 => (0..6_u64).prop_map(Change::Truncate),
            1 => (0..1000_u64).prop_map(|number| Change::Replace(block(number))),
            1 => Just(Change::Delete),
            1 => Just(Change::Create),
        ]
    }

    proptest! {
        /// The overlay against the plain model: a second copy of the file that follows behind.
        #[test]
        fn the_platter_has_what_a_second_copy_that_lags_behind_would_have(
            steps in prop::collection::vec((any_change(), 0..3_u64), 1..40), seed: u64
        ) {
            const FILE: File = File::CleanShutdown;
            let (mut cache, mut platter) = (DiskImage::default(), DiskImage::default());
            let (mut lagging, mut begins) = (VecDeque::new(), VecDeque::new());
            let mut unwritten = Unwritten::of(0, false);
            for (change, arriving) in steps {
                take_note(&mut unwritten, cache.blocks(FILE), &change, 0);
                cache.apply(FILE, change.clone());
                lagging.push_back(change);
                // Some operations began a while ago.
                let begun = unwritten.seal();
                begins.push_back(begun);
                if let Some(upto) = begins.drain(..(arriving as usize).min(begins.len())).next_back() {
                    unwritten.reach_platter(upto);
                }
                for change in lagging.drain(..lagging.len() - unwritten.pending() as usize) {
                    platter.apply(FILE, change);
                }
            }
            let lost = lagging.len() as u64;
            let mut weather = stream(seed, "test", []);
            let arrived = weather.clone().between(0, lost);
            lagging.drain(..arrived as usize).for_each(|change| platter.apply(FILE, change));
            let (content, loss) = unwritten.after_power_cut(cache.blocks(FILE), 0, &mut weather);
            prop_assert_eq!(loss.blocks, lost - arrived);
            let expected = platter.contains(FILE).then(|| platter.blocks(FILE).to_vec());
            prop_assert_eq!(content, expected);
        }

        /// Whatever overtakes whatever: once everything has arrived, the layers are equal.
        #[test]
        fn what_overtakes_data_leaves_the_file_as_it_shall_be(
            steps in prop::collection::vec((any_change(), any::<bool>()), 1..40), seed: u64
        ) {
            const FILE: File = File::CleanShutdown;
            let mut cache = DiskImage::default();
            let mut unwritten = Unwritten::of(0, false);
            let mut journal = 0;
            for (change, commits) in steps {
                if !is_of_the_journal(&change) && !cache.contains(FILE) {
                    // A first write creates the file.
                    journal += 1;
                    unwritten.note(&[], Change::Create, journal);
                    cache.apply(FILE, Change::Create);
                }
                journal += u64::from(is_of_the_journal(&change));
                take_note(&mut unwritten, cache.blocks(FILE), &change, journal);
                cache.apply(FILE, change);
                if commits {
                    unwritten.commit(journal);
                    prop_assert!(unwritten.changes.iter().all(|noted| !is_of_the_journal(&noted.change)));
                }
            }
            unwritten.commit(journal);
            let all = unwritten.seal();
            unwritten.reach_platter(all);
            prop_assert!(unwritten.is_none() && unwritten.bytes == 0);
            let mut weather = stream(seed, "test", []);
            let (content, _) = unwritten.after_power_cut(cache.blocks(FILE), journal, &mut weather);
            let expected = cache.contains(FILE).then(|| cache.blocks(FILE).to_vec());
            prop_assert_eq!(content, expected);
        }
    }

    #[test]
    fn a_truncation_overtakes_the_data_before_it_and_the_data_behind_it_waits_for_it() {
        let mut cache = DiskImage::default();
        const FILE: File = File::CleanShutdown;
        let mut unwritten = Unwritten::of(0, false);
        let steps = [
            (Change::Create, 1),
            (Change::Append(block(1)), 1),
            (Change::Append(block(2)), 1),
            (Change::Truncate(1), 2),
            (Change::Append(block(3)), 2),
        ];
        for (change, journal) in steps {
            unwritten.note(cache.blocks(FILE), change.clone(), journal);
            cache.apply(FILE, change);
        }
        let content = |journal, seed| {
            let mut weather = stream(seed, "test", []);
            let mut unwritten = unwritten.clone();
            unwritten.commit(journal);
            unwritten.after_power_cut(cache.blocks(FILE), journal, &mut weather).0
        };
        for seed in 0..50 {
            let with = content(2, seed).unwrap();
            assert!([&[][..], &[block(1)], &[block(1), block(3)]].contains(&&*with), "{with:?}");
            let without = content(1, seed).unwrap();
            assert!(!without.contains(&block(3)), "{without:?}");
        }
    }
}
