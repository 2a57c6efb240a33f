//! What of one file has not reached the platter, and what the platter has in its place.

use super::{Loss, damage};
use klab_machine::random::Stream;
use klab_machine::{Block, Change};
use std::collections::VecDeque;

/// The difference between the two layers of a file.
///
/// The platter has the first `kept` blocks of the page cache's content, then `stale`: blocks that the
/// process has already truncated or replaced. A file without an `Unwritten` is equal in both layers.
#[derive(Clone, Debug)]
pub(super) struct Unwritten {
    exists: bool,
    kept: u64,
    stale: Vec<Block>,
    /// The changes that the platter does not have, oldest first.
    changes: VecDeque<Change>,
    /// How many of them are not appends.
    destructive: u32,
    /// How many changes the platter has got, counted from when the layers were equal.
    reached: u64,
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
            destructive: 0,
            reached: 0,
            bytes: 0,
        }
    }

    /// Takes note of a change to the page cache's content, which was `before`.
    pub(super) fn note(&mut self, before: &[Block], change: Change) {
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
        self.changes.push_back(change);
    }

    /// How many changes there have been: what an operation that starts now will bring to the platter.
    pub(super) fn noted(&self) -> u64 {
        self.reached + self.changes.len() as u64
    }

    /// The bytes to write.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The layers are equal.
    pub(super) fn is_none(&self) -> bool {
        self.changes.is_empty()
    }

    /// The first changes, up to this number, are on the platter.
    pub(super) fn reach_platter(&mut self, upto: u64) {
        while self.reached < upto {
            let Some(change) = self.changes.pop_front() else { break };
            self.reached += 1;
            self.bytes -= written_bytes(&change);
            self.destructive -= u32::from(is_destructive(&change));
            self.carry_out(change);
        }
    }

    /// The platter's content after a power cut (none: there is no such file), and what is lost.
    pub(super) fn after_power_cut(
        mut self,
        cached: &[Block],
        weather: &mut Stream,
    ) -> (Option<Vec<Block>>, Loss) {
        let arrived = weather.between(0, self.changes.len() as u64);
        self.reach_platter(self.reached + arrived);
        let mut loss = Loss { blocks: self.changes.len() as u64, torn: false };
        let mut content = cached[..self.kept as usize].to_vec();
        content.append(&mut self.stale);
        if let Some(Change::Append(block @ Block::Batch(_))) = self.changes.front()
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
            let mut lagging = VecDeque::new();
            let mut unwritten = Unwritten::of(0, false);
            for (change, arriving) in steps {
                unwritten.note(cache.blocks(FILE), change.clone());
                cache.apply(FILE, change.clone());
                lagging.push_back(change);
                let upto = (unwritten.reached + arriving).min(unwritten.noted());
                unwritten.reach_platter(upto);
                for change in lagging.drain(..lagging.len() - unwritten.changes.len()) {
                    platter.apply(FILE, change);
                }
            }
            let lost = lagging.len() as u64;
            let mut weather = stream(seed, "test", []);
            let arrived = weather.clone().between(0, lost);
            lagging.drain(..arrived as usize).for_each(|change| platter.apply(FILE, change));
            let (content, loss) = unwritten.after_power_cut(cache.blocks(FILE), &mut weather);
            prop_assert_eq!(loss.blocks, lost - arrived);
            let expected = platter.contains(FILE).then(|| platter.blocks(FILE).to_vec());
            prop_assert_eq!(content, expected);
        }
    }
}
