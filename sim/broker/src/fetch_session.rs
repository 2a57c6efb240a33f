//! Fetch sessions: a reader of many partitions says only what changed, and is told only what changed
//! (`FetchSession`, KIP-227).
//!
//! Kafka looks at every partition of a session with every fetch. Here a session keeps a list of the
//! partitions that may have something to say, its [dirty](FetchSession::next_dirty) ones: those of which
//! the request changed something, those that [moved](crate::fetch_session_cache::FetchSessionCache::partition_moved) since they were
//! last looked at, and those that have more to give. A fetch costs what moved, not what is watched.
//!
//! A fetch outside of any session is one here too, for as long as it lasts.
//!
//! Which sessions a broker remembers stands in `fetch_session_cache.rs`.

use crate::fetch::ParkedFetch;
use crate::fetch_session_cache::Worth;
use klab_wire::{
    FetchPartition, FetchedPartition, FetchingReplica, Offset, Timestamp, TopicIdPartition,
};
use std::collections::{BTreeMap, VecDeque};

/// A fetch session's number; never 0, which on the wire means none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub u32);

/// Where a session keeps a partition, for as long as it has it: what moves is found without a search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot(u32);

/// A partition of a session: what was asked last, and what was answered last (`CachedPartition`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CachedPartition {
    /// What was asked.
    pub fetch: FetchPartition,
    /// The high watermark that was answered; none if there was an error.
    pub high_watermark: Option<Offset>,
    /// The log start that was answered.
    pub log_start_offset: Option<Offset>,
    is_dirty: bool,
}

/// A fetch session.
#[derive(Clone, Debug)]
pub struct FetchSession {
    /// Its number.
    pub id: SessionId,
    /// The follower whose it is; none for a consumer.
    pub replica: Option<FetchingReplica>,
    /// Its first fetch asked for a session that outlasts it.
    pub wants_to_be_kept: bool,
    /// When the last fetch of it arrived.
    pub last_fetch: Timestamp,
    /// The fetch that waits in purgatory.
    pub parked: Option<ParkedFetch>,
    /// What of it the cache knows; none for a fetch that is in no session.
    pub(crate) cached: Option<Cached>,
    /// Where each partition is cached.
    slots: BTreeMap<TopicIdPartition, Slot>,
    cache: Vec<Option<CachedPartition>>,
    /// Slots of partitions that were dropped.
    free: Vec<Slot>,
    dirty: VecDeque<Slot>,
    pub(crate) is_woken: bool,
}

/// What the cache knows of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cached {
    /// The epoch that the next request must have.
    pub next_epoch: u32,
    pub created: Timestamp,
    pub last_used: Timestamp,
    /// The use under which the cache has it among the last used: this one or an earlier one.
    pub noted: Timestamp,
    pub size: u32,
}

impl CachedPartition {
    fn new(fetch: FetchPartition) -> Self {
        CachedPartition { fetch, high_watermark: None, log_start_offset: None, is_dirty: false }
    }

    /// It may have something to say.
    pub fn is_dirty(&self) -> bool {
        self.is_dirty
    }

    /// Beside records, errors and directions: the offsets are others than the reader was told
    /// (`maybeUpdateResponseData`). After an error it was told nothing.
    pub fn is_news(&self, high_watermark: Offset, log_start_offset: Offset) -> bool {
        self.high_watermark != Some(high_watermark)
            || self.log_start_offset != Some(log_start_offset)
    }

    /// The answer goes out. After an error the partition is told again, whatever it says.
    pub fn note_response(&mut self, answer: &FetchedPartition) {
        self.high_watermark = answer.error.is_ok().then_some(answer.high_watermark);
        self.log_start_offset = Some(answer.log_start_offset);
    }
}

impl FetchSession {
    pub(crate) fn new(
        id: SessionId,
        replica: Option<FetchingReplica>,
        wanted: bool,
        now: Timestamp,
    ) -> Self {
        FetchSession {
            id,
            replica,
            wants_to_be_kept: wanted,
            last_fetch: now,
            parked: None,
            cached: None,
            slots: BTreeMap::new(),
            cache: Vec::new(),
            free: Vec::new(),
            dirty: VecDeque::new(),
            is_woken: false,
        }
    }

    /// It belongs to a follower: such sessions are worth more to the cache.
    pub fn is_privileged(&self) -> bool {
        self.replica.is_some()
    }

    /// It lasts for one fetch only, which is answered in full.
    pub fn is_full(&self) -> bool {
        self.cached.is_none()
    }

    /// How many partitions it has.
    pub fn len(&self) -> u32 {
        self.slots.len() as u32
    }

    /// It has no partitions.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Every partition of it.
    pub fn partitions(&self) -> impl Iterator<Item = TopicIdPartition> + '_ {
        self.slots.keys().copied()
    }

    /// One partition of it.
    pub fn partition_mut(&mut self, slot: Slot) -> Option<&mut CachedPartition> {
        self.cache[slot.0 as usize].as_mut()
    }

    /// A request asks for a partition, for the first time or from another place.
    pub fn ask(&mut self, fetch: FetchPartition) {
        let slot = match self.slots.get(&fetch.partition) {
            Some(slot) => *slot,
            None => self.new_slot(&fetch),
        };
        self.partition_mut(slot).expect("a slot is taken").fetch = fetch;
        self.mark_dirty(slot);
    }

    /// A request drops a partition.
    pub fn forget(&mut self, id: TopicIdPartition) {
        let Some(slot) = self.slots.remove(&id) else { return };
        if self.cache[slot.0 as usize].take().is_some_and(|known| known.is_dirty) {
            self.dirty.retain(|dirty| *dirty != slot);
        }
        self.free.push(slot);
    }

    /// How many partitions may have something to say.
    pub fn dirty_count(&self) -> u32 {
        self.dirty.len() as u32
    }

    /// The partitions that may have something to say, in turn.
    pub fn dirty(&self) -> impl Iterator<Item = &FetchPartition> + '_ {
        let cached = self.dirty.iter().filter_map(|slot| self.cache[slot.0 as usize].as_ref());
        cached.map(|known| &known.fetch)
    }

    /// Takes the next partition that may have something to say; until it is marked again, it has not.
    pub fn next_dirty(&mut self) -> Option<(Slot, CachedPartition)> {
        let slot = self.dirty.pop_front()?;
        let known = self.partition_mut(slot)?;
        known.is_dirty = false;
        Some((slot, known.clone()))
    }

    /// The partition may have something to say.
    pub fn mark_dirty(&mut self, slot: Slot) {
        let Some(known) = &mut self.cache[slot.0 as usize] else { return };
        if !std::mem::replace(&mut known.is_dirty, true) {
            self.dirty.push_back(slot);
        }
    }

    /// All partitions may have something to say.
    pub fn mark_all_dirty(&mut self) {
        let clean = self.slots.values().filter(|slot| {
            let known = self.cache[slot.0 as usize].as_mut().expect("a slot is taken");
            !std::mem::replace(&mut known.is_dirty, true)
        });
        self.dirty.extend(clean);
    }

    fn new_slot(&mut self, fetch: &FetchPartition) -> Slot {
        let known = Some(CachedPartition::new(fetch.clone()));
        let slot = match self.free.pop() {
            Some(slot) => {
                self.cache[slot.0 as usize] = known;
                slot
            }
            None => {
                self.cache.push(known);
                Slot(self.cache.len() as u32 - 1)
            }
        };
        self.slots.insert(fetch.partition, slot);
        slot
    }

    pub(crate) fn worth(&self, cached: &Cached) -> Worth {
        (self.is_privileged(), cached.size, self.id)
    }
}

/// The epoch after this one; after the last one it starts again at 1 (`FetchMetadata.nextEpoch`).
pub fn next_epoch(epoch: u32) -> u32 {
    if epoch >= i32::MAX as u32 { 1 } else { epoch + 1 }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use klab_wire::{ErrorCode, PartitionId, TopicId};

    fn partition(index: u32) -> TopicIdPartition {
        TopicIdPartition { topic: TopicId(7), partition: PartitionId(index) }
    }

    pub(crate) fn fetch(index: u32) -> FetchPartition {
        FetchPartition {
            partition: partition(index),
            current_leader_epoch: None,
            fetch_offset: Offset(0),
            last_fetched_epoch: None,
            log_start_offset: None,
            high_watermark: None,
            max_bytes: 100,
        }
    }

    #[test]
    fn kip_227_only_what_the_reader_does_not_know_is_told() {
        let mut known = CachedPartition::new(fetch(0));
        let mut answer = FetchedPartition::of_error(partition(0), ErrorCode::None);
        answer.high_watermark = Offset(5);
        assert!(known.is_news(Offset(5), Offset(0)), "nothing was told yet");
        known.note_response(&answer);
        let news = |high_watermark, start| known.is_news(Offset(high_watermark), Offset(start));
        assert_eq!([news(5, 0), news(6, 0), news(5, 1)], [false, true, true]);
        known.note_response(&FetchedPartition { error: ErrorCode::NotLeaderOrFollower, ..answer });
        assert!(known.is_news(Offset(5), Offset(0)), "after an error it is told again");
    }

    #[test]
    fn partitions_take_turns() {
        let session = &mut FetchSession::new(SessionId(1), None, false, Timestamp(0));
        (0..3).for_each(|index| session.ask(fetch(index)));
        let turn = |session: &mut FetchSession| {
            session.next_dirty().map(|(_, known)| known.fetch.partition.partition.0)
        };
        assert_eq!(turn(session), Some(0));
        session.mark_dirty(Slot(0));
        session.mark_dirty(Slot(0));
        session.forget(partition(1));
        session.ask(fetch(3));
        let turns = [(); 4].map(|()| turn(session));
        assert_eq!(turns, [Some(2), Some(0), Some(3), None]);
    }
}
