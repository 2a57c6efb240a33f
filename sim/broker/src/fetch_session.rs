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
    partitions: BTreeMap<TopicIdPartition, CachedPartition>,
    dirty: VecDeque<TopicIdPartition>,
    pub(crate) is_woken: bool,
}

/// What the cache knows of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cached {
    /// The epoch that the next request must have.
    pub next_epoch: u32,
    pub created: Timestamp,
    pub last_used: Timestamp,
    pub size: u32,
}

impl CachedPartition {
    fn new(fetch: FetchPartition) -> Self {
        CachedPartition { fetch, high_watermark: None, log_start_offset: None, is_dirty: false }
    }

    /// The answer says something that the reader does not know (`maybeUpdateResponseData`).
    pub fn must_respond(&self, answer: &FetchedPartition) -> bool {
        !answer.records.is_empty()
            || !answer.error.is_ok()
            || self.high_watermark != Some(answer.high_watermark)
            || self.log_start_offset != Some(answer.log_start_offset)
            || answer.preferred_read_replica.is_some()
            || answer.diverging_epoch.is_some()
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
            partitions: BTreeMap::new(),
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
        self.partitions.len() as u32
    }

    /// It has no partitions.
    pub fn is_empty(&self) -> bool {
        self.partitions.is_empty()
    }

    /// Every partition of it.
    pub fn partitions(&self) -> impl Iterator<Item = TopicIdPartition> + '_ {
        self.partitions.keys().copied()
    }

    /// One partition of it.
    pub fn partition_mut(&mut self, id: TopicIdPartition) -> Option<&mut CachedPartition> {
        self.partitions.get_mut(&id)
    }

    /// A request asks for a partition, for the first time or from another place.
    pub fn ask(&mut self, fetch: FetchPartition) {
        let id = fetch.partition;
        match self.partitions.get_mut(&id) {
            Some(known) => known.fetch = fetch,
            None => drop(self.partitions.insert(id, CachedPartition::new(fetch))),
        }
        self.mark_dirty(id);
    }

    /// A request drops a partition.
    pub fn forget(&mut self, id: TopicIdPartition) {
        if self.partitions.remove(&id).is_some_and(|known| known.is_dirty) {
            self.dirty.retain(|dirty| *dirty != id);
        }
    }

    /// How many partitions may have something to say.
    pub fn dirty_count(&self) -> u32 {
        self.dirty.len() as u32
    }

    /// The partitions that may have something to say, in turn.
    pub fn dirty(&self) -> impl Iterator<Item = &FetchPartition> + '_ {
        self.dirty.iter().map(|id| &self.partitions[id].fetch)
    }

    /// Takes the next partition that may have something to say; until it is marked again, it has not.
    pub fn next_dirty(&mut self) -> Option<FetchPartition> {
        let known = self.partitions.get_mut(&self.dirty.pop_front()?)?;
        known.is_dirty = false;
        Some(known.fetch.clone())
    }

    /// The partition may have something to say.
    pub fn mark_dirty(&mut self, id: TopicIdPartition) {
        let Some(known) = self.partitions.get_mut(&id) else { return };
        if !std::mem::replace(&mut known.is_dirty, true) {
            self.dirty.push_back(id);
        }
    }

    /// Whether the partition may have something to say.
    pub fn is_dirty(&self, id: TopicIdPartition) -> bool {
        self.partitions.get(&id).is_some_and(|known| known.is_dirty)
    }

    /// All partitions may have something to say.
    pub fn mark_all_dirty(&mut self) {
        for (id, known) in &mut self.partitions {
            if !std::mem::replace(&mut known.is_dirty, true) {
                self.dirty.push_back(*id);
            }
        }
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
        assert!(known.must_respond(&answer), "nothing was told yet");
        known.note_response(&answer);
        assert!(!known.must_respond(&answer));
        let higher = FetchedPartition { high_watermark: Offset(6), ..answer.clone() };
        assert!(known.must_respond(&higher));
        let cut = FetchedPartition { log_start_offset: Offset(1), ..answer.clone() };
        assert!(known.must_respond(&cut));
        let error = FetchedPartition { error: ErrorCode::NotLeaderOrFollower, ..answer.clone() };
        assert!(known.must_respond(&error));
        known.note_response(&error);
        assert!(known.must_respond(&answer), "after an error it is told again");
    }

    #[test]
    fn partitions_take_turns() {
        let session = &mut FetchSession::new(SessionId(1), None, false, Timestamp(0));
        (0..3).for_each(|index| session.ask(fetch(index)));
        let turn =
            |session: &mut FetchSession| session.next_dirty().map(|f| f.partition.partition.0);
        assert_eq!(turn(session), Some(0));
        session.mark_dirty(partition(0));
        session.mark_dirty(partition(0));
        session.forget(partition(1));
        assert_eq!([turn(session), turn(session), turn(session)], [Some(2), Some(0), None]);
    }
}
