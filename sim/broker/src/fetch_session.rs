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
use crate::fetch_session_cache::{MIN_EVICTION_AGE, Worth};
use crate::slots::{Slot, Slots};
use klab_machine::Mutant;
use klab_wire::{
    FetchPartition, FetchedPartition, FetchingReplica, Offset, Timestamp, TopicIdPartition,
};
use std::collections::VecDeque;

/// A fetch session's number; never 0, which on the wire means none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub u32);

/// A fetch session, and where the cache keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionHandle {
    /// Its number.
    pub id: SessionId,
    /// Where it is.
    pub slot: Slot,
}

/// A partition of a session: what was asked last, and what was answered last (`CachedPartition`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CachedPartition {
    /// What was asked.
    pub fetch: FetchPartition,
    /// The high watermark that was answered; none if there was an error.
    pub high_watermark: Option<Offset>,
    /// The log start that was answered.
    pub log_start_offset: Option<Offset>,
    /// Where its replica is.
    pub replica: Slot,
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
    partitions: Slots<TopicIdPartition, CachedPartition>,
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

impl Cached {
    /// It has been used for so long that it may make room for another (`EvictableKey`).
    pub(crate) fn is_old(&self) -> bool {
        self.last_used.since(self.created) > MIN_EVICTION_AGE
    }
}

impl CachedPartition {
    fn new(fetch: FetchPartition) -> Self {
        CachedPartition {
            fetch,
            high_watermark: None,
            log_start_offset: None,
            replica: Slot::default(),
            is_dirty: false,
        }
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
            partitions: Slots::new(),
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
        self.partitions.len()
    }

    /// It has no partitions.
    pub fn is_empty(&self) -> bool {
        self.partitions.is_empty()
    }

    /// Every partition of it.
    pub fn partitions(&self) -> impl Iterator<Item = TopicIdPartition> + '_ {
        self.partitions.keys()
    }

    /// One partition of it.
    pub fn partition(&self, slot: Slot) -> Option<&CachedPartition> {
        self.partitions.in_slot(slot)
    }

    /// One partition of it, to change it.
    pub fn partition_mut(&mut self, slot: Slot) -> Option<&mut CachedPartition> {
        self.partitions.in_slot_mut(slot)
    }

    /// A request asks for a partition, for the first time or from another place.
    pub fn ask(&mut self, fetch: &FetchPartition) {
        let id = fetch.partition;
        let slot = match self.partitions.slot_of(id) {
            Some(slot) => {
                self.partition_mut(slot).expect("it is there").fetch = *fetch;
                slot
            }
            None => self.partitions.insert(id, CachedPartition::new(*fetch)),
        };
        self.mark_dirty(slot);
    }

    /// A request drops a partition.
    pub fn forget(&mut self, id: TopicIdPartition) {
        let Some(slot) = self.partitions.slot_of(id) else { return };
        if self.partitions.remove(id).is_some_and(|known| known.is_dirty) {
            self.dirty.retain(|dirty| *dirty != slot);
        }
    }

    /// How many partitions may have something to say.
    pub fn dirty_count(&self) -> u32 {
        self.dirty.len() as u32
    }

    /// The partitions that may have something to say, in turn.
    pub fn dirty(&self) -> impl Iterator<Item = &CachedPartition> + '_ {
        self.dirty.iter().filter_map(|slot| self.partition(*slot))
    }

    /// Takes the next partition that may have something to say; until it is marked again, it has not.
    pub fn next_dirty(&mut self) -> Option<Slot> {
        let slot = self.dirty.pop_front()?;
        self.partition_mut(slot)?.is_dirty = false;
        Some(slot)
    }

    /// The partition may have something to say.
    pub fn mark_dirty(&mut self, slot: Slot) {
        let Some(known) = self.partitions.in_slot_mut(slot) else { return };
        if !std::mem::replace(&mut known.is_dirty, true) {
            self.dirty.push_back(slot);
        }
    }

    /// A partition, which was kept in this slot, has moved.
    pub fn note_move(&mut self, mut slot: Slot, id: TopicIdPartition) {
        if let Some(known) = self.partitions.recall_mut(&mut slot, id)
            && !Mutant::ForgetsAPartition.lives()
            && !std::mem::replace(&mut known.is_dirty, true)
        {
            self.dirty.push_back(slot);
        }
    }

    /// All partitions may have something to say.
    pub fn mark_all_dirty(&mut self) {
        let all: Vec<Slot> = self.partitions.slots().collect();
        all.into_iter().for_each(|slot| self.mark_dirty(slot));
    }

    /// It is used. Says whether it stays worth the same to the cache, as with nearly every fetch; if not, nothing has been
    /// noted.
    pub(crate) fn use_again(&mut self, now: Timestamp) -> bool {
        let size = self.len();
        let Some(cached) = &mut self.cached else { return false };
        let used = Cached { last_used: now, ..*cached };
        // The clock may have been set back.
        let stays = now >= cached.noted && size == cached.size && used.is_old() == cached.is_old();
        if stays {
            cached.last_used = now;
        }
        stays
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
        (0..3).for_each(|index| session.ask(&fetch(index)));
        let turn = |session: &mut FetchSession| {
            let slot = session.next_dirty()?;
            session.partition(slot).map(|known| known.fetch.partition.partition.0)
        };
        assert_eq!(turn(session), Some(0));
        let first = session.partitions.slot_of(partition(0)).unwrap();
        session.mark_dirty(first);
        session.mark_dirty(first);
        session.forget(partition(1));
        session.ask(&fetch(3));
        let turns = [(); 4].map(|()| turn(session));
        assert_eq!(turns, [Some(2), Some(0), Some(3), None]);
    }
}
