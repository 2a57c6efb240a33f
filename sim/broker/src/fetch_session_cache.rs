//! The sessions that a broker remembers, and which of them a move of a partition concerns
//! (`FetchSessionCache`, KIP-227).
//!
//! Fact: `FetchSessionCreated`.

use crate::fetch_session::{Cached, FetchSession, SessionHandle, SessionId, next_epoch};
use crate::partition::{Partition, Watcher};
use crate::slots::Slots;
use klab_machine::random::Stream;
use klab_wire::{ErrorCode, FetchPartition, FetchingReplica, Span, Time, Timestamp};
use std::collections::{BTreeSet, VecDeque};

/// A session that has not been used for this long may make room for any other
/// (`MIN_INCREMENTAL_FETCH_SESSION_EVICTION_MS`).
pub const MIN_EVICTION_AGE: Span = Span::from_millis(120_000);

/// What moved in a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moved {
    /// Its log end, and an fsync of that is under way: a follower that comes meanwhile finds it, and one that waits is
    /// told when the append is over (`ReplicaManager.addCompletePurgatoryAction`).
    UnflushedEnd,
    /// Its log end: followers want to know.
    LogEnd,
    /// Its high watermark: consumers want to know; followers are told with the next answer.
    HighWatermark,
    /// Its log start: everybody is told with the next answer.
    LogStart,
    /// Its role, epoch, ISR or existence: everybody has to look.
    Role,
}

/// What makes a session worth keeping: followers first, then the larger one (`EvictableKey`).
pub(crate) type Worth = (bool, u32, SessionId);

/// The sessions of a broker, at most `max.incremental.fetch.session.cache.slots` of them.
#[derive(Clone, Debug)]
pub struct FetchSessionCache {
    max_sessions: u32,
    numbers: Stream,
    sessions: Slots<SessionId, FetchSession>,
    /// By the time of their last use, or of an earlier one: a use is noted here only when somebody has
    /// to go.
    last_used: BTreeSet<(Timestamp, SessionId)>,
    evictable_by_all: BTreeSet<Worth>,
    evictable_by_privileged: BTreeSet<Worth>,
    woken: VecDeque<SessionHandle>,
}

impl FetchSessionCache {
    /// No sessions yet, and room for so many.
    pub fn new(slots: u32, numbers: Stream) -> Self {
        FetchSessionCache {
            max_sessions: slots,
            numbers,
            sessions: Slots::new(),
            last_used: BTreeSet::new(),
            evictable_by_all: BTreeSet::new(),
            evictable_by_privileged: BTreeSet::new(),
            woken: VecDeque::new(),
        }
    }

    /// The session of this number.
    pub fn find(&self, id: SessionId) -> Option<SessionHandle> {
        self.sessions.slot_of(id).map(|slot| SessionHandle { id, slot })
    }

    /// A session.
    pub fn get(&self, session: SessionHandle) -> Option<&FetchSession> {
        self.sessions.recall(session.slot, session.id)
    }

    /// A session, to change it.
    pub fn get_mut(&mut self, mut session: SessionHandle) -> Option<&mut FetchSession> {
        self.sessions.recall_mut(&mut session.slot, session.id)
    }

    /// Every session and every fetch outside of one.
    pub fn sessions_mut(&mut self) -> impl Iterator<Item = &mut FetchSession> + '_ {
        self.sessions.iter_mut()
    }

    /// A fetch of a session waits in purgatory, until this time at the longest.
    pub fn waits(&self, session: SessionHandle, until: Time) -> bool {
        let parked = self.get(session).and_then(|session| session.parked.as_ref());
        parked.is_some_and(|parked| parked.deadline == until)
    }

    /// Fetches that wait in purgatory.
    pub fn parked_count(&self) -> u32 {
        self.sessions.iter().filter(|session| session.parked.is_some()).count() as u32
    }

    /// The partitions that they wait at, once for each fetch.
    pub fn watched_count(&self) -> u64 {
        let parked = self.sessions.iter().filter(|session| session.parked.is_some());
        parked.map(|session| u64::from(session.len())).sum()
    }

    /// How many partitions a session has; none if there is no such session.
    pub fn size_of(&self, id: SessionId) -> u64 {
        let session = self.find(id).and_then(|session| self.get(session));
        session.map_or(0, |session| u64::from(session.len()))
    }

    /// A full fetch begins: a session of its own, which the cache may [keep](Self::maybe_keep) when the
    /// fetch is answered.
    pub fn begin_full(
        &mut self,
        replica: Option<FetchingReplica>,
        wanted: bool,
        fetches: &[FetchPartition],
        now: Timestamp,
    ) -> SessionHandle {
        let id = self.new_session_id();
        let mut session = FetchSession::new(id, replica, wanted, now);
        fetches.iter().for_each(|fetch| session.ask(fetch));
        SessionHandle { id, slot: self.sessions.insert(id, session) }
    }

    /// The next request of a session: checks its epoch (`FetchManager.newContext`).
    pub fn begin_incremental(
        &mut self,
        id: SessionId,
        epoch: u32,
        now: Timestamp,
    ) -> Result<SessionHandle, ErrorCode> {
        let handle = self.find(id).ok_or(ErrorCode::FetchSessionIdNotFound)?;
        let session = self.sessions.in_slot_mut(handle.slot).expect("it was just found");
        let cached = session.cached.as_mut().ok_or(ErrorCode::FetchSessionIdNotFound)?;
        if cached.next_epoch != epoch {
            return Err(ErrorCode::InvalidFetchSessionEpoch);
        }
        cached.next_epoch = next_epoch(epoch);
        let is_as_before = session.use_again(now);
        if !is_as_before {
            self.touch(handle, now);
        }
        Ok(handle)
    }

    /// A full fetch is answered: keeps its session if there is room, or if it is worth more than
    /// another (`maybeCreateSession`). Returns whoever had to go.
    pub fn maybe_keep(
        &mut self,
        handle: SessionHandle,
        now: Timestamp,
    ) -> (bool, Option<FetchSession>) {
        let session = self.get(handle).expect("it is there");
        let worth: Worth = (session.is_privileged(), session.len(), SessionId(0));
        let mut evicted = None;
        if self.last_used.len() as u32 >= self.max_sessions {
            evicted = self.evict_for(worth, now);
            if evicted.is_none() {
                return (false, None);
            }
        }
        let cached = Cached { next_epoch: 1, created: now, last_used: now, noted: now, size: 0 };
        self.get_mut(handle).expect("it is there").cached = Some(cached);
        self.touch(handle, now);
        (true, evicted)
    }

    /// A session ends. The caller lets its partitions know.
    pub fn remove(&mut self, id: SessionId) -> Option<FetchSession> {
        let session = self.sessions.remove(id)?;
        if let Some(cached) = session.cached {
            self.forget_keys(session.worth(&cached), cached.noted);
        }
        Some(session)
    }

    /// A partition moved: whoever watches it has to look at it, and some are to be woken.
    pub fn partition_moved(&mut self, partition: &mut Partition, moved: Moved) {
        for index in 0..partition.watchers().len() {
            let Watcher { session: watcher, slot } = partition.watchers()[index];
            let Some(session) = self.get_mut(watcher) else { continue };
            let is_follower = session.is_privileged();
            if matches!(moved, Moved::LogEnd | Moved::UnflushedEnd) && !is_follower {
                continue;
            }
            session.note_move(slot, partition.id());
            if is_follower {
                partition.make_up_idle_fetches(watcher.id, session.last_fetch);
            }
            let wakes = match moved {
                Moved::LogEnd | Moved::Role => true,
                Moved::HighWatermark => !is_follower,
                Moved::LogStart | Moved::UnflushedEnd => false,
            };
            if wakes && session.parked.is_some() && !std::mem::replace(&mut session.is_woken, true)
            {
                self.woken.push_back(watcher);
            }
        }
    }

    /// The next session whose parked fetch may be complete.
    pub fn next_woken(&mut self) -> Option<SessionHandle> {
        let woken = self.woken.pop_front()?;
        if let Some(session) = self.get_mut(woken) {
            session.is_woken = false;
        }
        Some(woken)
    }

    fn new_session_id(&mut self) -> SessionId {
        loop {
            let id = SessionId(self.numbers.between(1, i32::MAX as u64) as u32);
            if self.sessions.slot_of(id).is_none() {
                return id;
            }
        }
    }

    /// Whoever has to go for a session of this worth (`tryEvict`): one unused for long, or else one
    /// worth less.
    fn evict_for(&mut self, worth: Worth, now: Timestamp) -> Option<FetchSession> {
        let (last_used, oldest) = self.least_recently_used()?;
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

    /// The session whose last use is the longest ago. Those that were used since it was noted are put in
    /// their places until one comes first that was not.
    fn least_recently_used(&mut self) -> Option<(Timestamp, SessionId)> {
        loop {
            let (noted, id) = *self.last_used.first()?;
            let session = self.sessions.get_mut(id).expect("only a known session is used");
            let cached = session.cached.as_mut().expect("only a session of the cache is used");
            if cached.last_used == noted {
                return Some((noted, id));
            }
            cached.noted = cached.last_used;
            self.last_used.remove(&(noted, id));
            self.last_used.insert((cached.noted, id));
        }
    }

    /// A session is used, and may be worth something else than before: it is the most recent one now, and has its present
    /// size (`touch`).
    fn touch(&mut self, handle: SessionHandle, now: Timestamp) {
        let session = self.get_mut(handle).expect("only a known session is used");
        let size = session.len();
        let cached = session.cached.as_mut().expect("only a session of the cache is used");
        let before = *cached;
        (cached.last_used, cached.size) = (now, size);
        let is_old = cached.is_old();
        cached.noted = now;
        let after = *cached;
        let (old_worth, worth) = (session.worth(&before), session.worth(&after));
        let privileged = session.is_privileged();
        self.forget_keys(old_worth, before.noted);
        self.last_used.insert((now, handle.id));
        if !privileged || is_old {
            self.evictable_by_privileged.insert(worth);
        }
        if is_old {
            self.evictable_by_all.insert(worth);
        }
    }

    fn forget_keys(&mut self, worth: Worth, noted: Timestamp) {
        self.last_used.remove(&(noted, worth.2));
        self.evictable_by_all.remove(&worth);
        self.evictable_by_privileged.remove(&worth);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fetch_session::tests::fetch;
    use klab_machine::random::stream;
    use klab_wire::NodeId;

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
        let fetches: Vec<FetchPartition> = (0..partitions).map(fetch).collect();
        let handle = cache.begin_full(replica, true, &fetches, Timestamp(now));
        (handle.id, cache.maybe_keep(handle, Timestamp(now)).0)
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
}
