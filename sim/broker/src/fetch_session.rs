//! Fetch sessions: a reader of many partitions says only what changed, and is told only what changed
//! (`FetchSession`, KIP-227).
//!
//! Kafka looks at every partition of a session with every fetch. Here a session keeps a list of the
//! partitions that may have something to say, its [dirty](FetchSession::next_dirty) ones: those of which
//! the request changed something, those that [moved](FetchSessionCache::partition_moved) since they were
//! last looked at, and those that have more to give. A fetch costs what moved, not what is watched.
//!
//! A fetch outside of any session is one here too, for as long as it lasts.
//!
//! Fact: `FetchSessionCreated`.

use crate::fetch::ParkedFetch;
use crate::partition::Partition;
use klab_machine::random::Stream;
use klab_wire::{
    ErrorCode, FetchPartition, FetchedPartition, FetchingReplica, Offset, Span, Timestamp,
    TopicIdPartition,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// A fetch session's number; never 0, which on the wire means none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub u32);

/// A session that has not been used for this long may make room for any other
/// (`MIN_INCREMENTAL_FETCH_SESSION_EVICTION_MS`).
pub const MIN_EVICTION_AGE: Span = Span::from_millis(120_000);

/// What moved in a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moved {
    /// Its log end: followers want to know.
    LogEnd,
    /// Its high watermark: consumers want to know; followers are told with the next answer.
    HighWatermark,
    /// Its log start: everybody is told with the next answer.
    LogStart,
    /// Its role, epoch, ISR or existence: everybody has to look.
    Role,
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
    cached: Option<Cached>,
    partitions: BTreeMap<TopicIdPartition, CachedPartition>,
    dirty: VecDeque<TopicIdPartition>,
    is_woken: bool,
}

/// What the cache knows of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cached {
    /// The epoch that the next request must have.
    next_epoch: u32,
    created: Timestamp,
    last_used: Timestamp,
    size: u32,
}

/// What makes a session worth keeping: followers first, then the larger one (`EvictableKey`).
type Worth = (bool, u32, SessionId);

/// The sessions of a broker, at most `max.incremental.fetch.session.cache.slots` of them.
#[derive(Clone, Debug)]
pub struct FetchSessionCache {
    slots: u32,
    numbers: Stream,
    sessions: BTreeMap<SessionId, FetchSession>,
    last_used: BTreeSet<(Timestamp, SessionId)>,
    evictable_by_all: BTreeSet<Worth>,
    evictable_by_privileged: BTreeSet<Worth>,
    woken: VecDeque<SessionId>,
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
    fn new(id: SessionId, replica: Option<FetchingReplica>, wanted: bool, now: Timestamp) -> Self {
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

    fn worth(&self, cached: &Cached) -> Worth {
        (self.is_privileged(), cached.size, self.id)
    }
}

impl FetchSessionCache {
    /// No sessions yet, and room for so many.
    pub fn new(slots: u32, numbers: Stream) -> Self {
        FetchSessionCache {
            slots,
            numbers,
            sessions: BTreeMap::new(),
            last_used: BTreeSet::new(),
            evictable_by_all: BTreeSet::new(),
            evictable_by_privileged: BTreeSet::new(),
            woken: VecDeque::new(),
        }
    }

    /// A session.
    pub fn get(&self, id: SessionId) -> Option<&FetchSession> {
        self.sessions.get(&id)
    }

    /// A session, to change it.
    pub fn get_mut(&mut self, id: SessionId) -> Option<&mut FetchSession> {
        self.sessions.get_mut(&id)
    }

    /// Every session and every fetch outside of one.
    pub fn sessions_mut(&mut self) -> impl Iterator<Item = &mut FetchSession> + '_ {
        self.sessions.values_mut()
    }

    /// Fetches that wait in purgatory.
    pub fn parked_count(&self) -> u32 {
        self.sessions.values().filter(|session| session.parked.is_some()).count() as u32
    }

    /// A full fetch begins: a session of its own, which the cache may [keep](Self::maybe_keep) when the
    /// fetch is answered.
    pub fn begin_full(
        &mut self,
        replica: Option<FetchingReplica>,
        wanted: bool,
        fetches: Vec<FetchPartition>,
        now: Timestamp,
    ) -> SessionId {
        let id = self.new_session_id();
        let mut session = FetchSession::new(id, replica, wanted, now);
        fetches.into_iter().for_each(|fetch| session.ask(fetch));
        self.sessions.insert(id, session);
        id
    }

    /// The next request of a session: checks its epoch (`FetchManager.newContext`).
    pub fn begin_incremental(
        &mut self,
        id: SessionId,
        epoch: u32,
        now: Timestamp,
    ) -> Result<&mut FetchSession, ErrorCode> {
        let session = self.sessions.get_mut(&id).filter(|session| session.cached.is_some());
        let Some(cached) = session.and_then(|session| session.cached.as_mut()) else {
            return Err(ErrorCode::FetchSessionIdNotFound);
        };
        if cached.next_epoch != epoch {
            return Err(ErrorCode::InvalidFetchSessionEpoch);
        }
        cached.next_epoch = next_epoch(epoch);
        self.touch(id, now);
        Ok(self.sessions.get_mut(&id).expect("the session was just touched"))
    }

    /// A full fetch is answered: keeps its session if there is room, or if it is worth more than
    /// another (`maybeCreateSession`). Returns whoever had to go.
    pub fn maybe_keep(&mut self, id: SessionId, now: Timestamp) -> (bool, Option<FetchSession>) {
        let session = &self.sessions[&id];
        let worth: Worth = (session.is_privileged(), session.len(), SessionId(0));
        let mut evicted = None;
        if self.last_used.len() as u32 >= self.slots {
            evicted = self.evict_for(worth, now);
            if evicted.is_none() {
                return (false, None);
            }
        }
        let cached = Cached { next_epoch: 1, created: now, last_used: now, size: 0 };
        self.sessions.get_mut(&id).expect("it is there").cached = Some(cached);
        self.touch(id, now);
        (true, evicted)
    }

    /// A session ends. The caller lets its partitions know.
    pub fn remove(&mut self, id: SessionId) -> Option<FetchSession> {
        let session = self.sessions.remove(&id)?;
        if let Some(cached) = session.cached {
            self.forget_keys(session.worth(&cached), cached.last_used);
        }
        Some(session)
    }

    /// A partition moved: whoever watches it has to look at it, and some are to be woken.
    pub fn partition_moved(&mut self, partition: &mut Partition, moved: Moved) {
        let id = partition.id();
        for index in 0..partition.watchers().len() {
            let watcher = partition.watchers()[index];
            let Some(session) = self.sessions.get_mut(&watcher) else { continue };
            let is_follower = session.is_privileged();
            if moved == Moved::LogEnd && !is_follower {
                continue;
            }
            session.mark_dirty(id);
            if is_follower {
                partition.make_up_idle_fetches(watcher, session.last_fetch);
            }
            let wakes = match moved {
                Moved::LogEnd | Moved::Role => true,
                Moved::HighWatermark => !is_follower,
                Moved::LogStart => false,
            };
            if wakes && session.parked.is_some() && !std::mem::replace(&mut session.is_woken, true)
            {
                self.woken.push_back(watcher);
            }
        }
    }

    /// The next session whose parked fetch may be complete.
    pub fn next_woken(&mut self) -> Option<SessionId> {
        let id = self.woken.pop_front()?;
        if let Some(session) = self.sessions.get_mut(&id) {
            session.is_woken = false;
        }
        Some(id)
    }

    fn new_session_id(&mut self) -> SessionId {
        loop {
            let id = SessionId(self.numbers.between(1, i32::MAX as u64) as u32);
            if !self.sessions.contains_key(&id) {
                return id;
            }
        }
    }

    /// Whoever has to go for a session of this worth (`tryEvict`): one unused for long, or else one
    /// worth less.
    fn evict_for(&mut self, worth: Worth, now: Timestamp) -> Option<FetchSession> {
        let (last_used, oldest) = *self.last_used.first()?;
        if now.since(last_used) > MIN_EVICTION_AGE {
            return self.remove(oldest);
        }
        let evictable =
            if worth.0 { &self.evictable_by_privileged } else { &self.evictable_by_all };
        let least = *evictable.first()?;
        if worth < least {
            return None;
        }
        self.remove(least.2)
    }

    /// A session is used: it is the most recent one now, and has its present size (`touch`).
    fn touch(&mut self, id: SessionId, now: Timestamp) {
        let session = self.sessions.get_mut(&id).expect("only a known session is used");
        let before = session.cached.expect("only a session of the cache is used");
        let old_worth = session.worth(&before);
        let after = Cached { last_used: now, size: session.len(), ..before };
        session.cached = Some(after);
        let (worth, privileged) = (session.worth(&after), session.is_privileged());
        self.forget_keys(old_worth, before.last_used);
        self.last_used.insert((now, id));
        let is_old = now.since(after.created) > MIN_EVICTION_AGE;
        if !privileged || is_old {
            self.evictable_by_privileged.insert(worth);
        }
        if is_old {
            self.evictable_by_all.insert(worth);
        }
    }

    fn forget_keys(&mut self, worth: Worth, last_used: Timestamp) {
        self.last_used.remove(&(last_used, worth.2));
        self.evictable_by_all.remove(&worth);
        self.evictable_by_privileged.remove(&worth);
    }
}

/// The epoch after this one; after the last one it starts again at 1 (`FetchMetadata.nextEpoch`).
pub fn next_epoch(epoch: u32) -> u32 {
    if epoch >= i32::MAX as u32 { 1 } else { epoch + 1 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use klab_machine::random::stream;
    use klab_wire::{NodeId, PartitionId, TopicId};

    fn partition(index: u32) -> TopicIdPartition {
        TopicIdPartition { topic: TopicId(7), partition: PartitionId(index) }
    }

    fn fetch(index: u32) -> FetchPartition {
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

    fn follower() -> Option<FetchingReplica> {
        Some(FetchingReplica { id: NodeId::broker(2), directory: None, epoch: None })
    }

    fn cache(slots: u32) -> FetchSessionCache {
        FetchSessionCache::new(slots, stream(1, "sessions", []))
    }

    fn keep(
        cache: &mut FetchSessionCache,
        replica: Option<FetchingReplica>,
        partitions: u32,
        now: i64,
    ) -> (SessionId, bool) {
        let fetches = (0..partitions).map(fetch).collect();
        let id = cache.begin_full(replica, true, fetches, Timestamp(now));
        (id, cache.maybe_keep(id, Timestamp(now)).0)
    }

    #[test]
    fn kip_227_a_request_must_be_the_next_one_of_its_session() {
        let mut cache = cache(1);
        let (id, kept) = keep(&mut cache, None, 1, 0);
        assert!(kept);
        let error = |cache: &mut FetchSessionCache, id, epoch| {
            cache.begin_incremental(id, epoch, Timestamp(1)).err()
        };
        assert_eq!(error(&mut cache, id, 2), Some(ErrorCode::InvalidFetchSessionEpoch));
        assert_eq!(error(&mut cache, id, 1), None);
        assert_eq!(error(&mut cache, id, 1), Some(ErrorCode::InvalidFetchSessionEpoch));
        assert_eq!(error(&mut cache, id, 2), None);
        let other = SessionId(id.0 ^ 1);
        assert_eq!(error(&mut cache, other, 1), Some(ErrorCode::FetchSessionIdNotFound));
        assert_eq!((next_epoch(1), next_epoch(i32::MAX as u32)), (2, 1));
    }

    #[test]
    fn kip_227_a_full_cache_lets_go_of_what_is_stale_or_worth_less() {
        // Who is in (follower?, partitions), who asks (follower?, partitions, when); is it kept?
        let cases = [
            ((false, 1), (false, 9, 1), false),
            ((false, 9), (false, 1, 120_001), true),
            ((false, 9), (true, 1, 1), true),
            ((true, 1), (true, 9, 1), false),
            ((true, 9), (false, 1, 1), false),
            ((true, 1), (false, 1, 120_001), true),
        ];
        for ((old_follower, old_size), (follower_asks, size, now), expected) in cases {
            let mut cache = cache(1);
            let who = |is_follower: bool| if is_follower { follower() } else { None };
            keep(&mut cache, who(old_follower), old_size, 0);
            let (_, kept) = keep(&mut cache, who(follower_asks), size, now);
            assert_eq!(kept, expected, "{old_follower} {old_size} {follower_asks} {size} {now}");
            assert_eq!(cache.last_used.len(), 1);
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
        let mut cache = cache(1);
        let id = cache.begin_full(None, false, (0..3).map(fetch).collect(), Timestamp(0));
        let session = cache.get_mut(id).unwrap();
        let turn =
            |session: &mut FetchSession| session.next_dirty().map(|f| f.partition.partition.0);
        assert_eq!(turn(session), Some(0));
        session.mark_dirty(partition(0));
        session.mark_dirty(partition(0));
        session.forget(partition(1));
        assert_eq!([turn(session), turn(session), turn(session)], [Some(2), Some(0), None]);
    }
}
