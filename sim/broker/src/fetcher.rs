//! A replica fetcher: what one follower thread asks of one leading broker
//! (`AbstractFetcherThread`, `ReplicaFetcherThread`, `FetchSessionHandler`).
//!
//! One request at a time, over a connection of its own. The next one leaves when everything of the last
//! answer is appended, and fsynced if the topic wants that: a follower's fetch tells its leader what it
//! has.
//!
//! A partition that does not move costs nothing: with a fetch session (KIP-227) only what changed is
//! said, and so only what changed is looked at.

use crate::fetch_session::next_epoch;
use crate::partition_fetch_state::{PartitionFetchState, ask, is_news, is_ready};
use crate::slots::{Slot, Slots};
use klab_machine::{Address, ConnectionId, FlushId, Outbox};
use klab_network::NetworkClient;
use klab_wire::config::switches::Truncation;
use klab_wire::{
    ErrorCode, FetchPartition, FetchRequest, FetchResponse, FetchSession, FetchingReplica, Few,
    IsolationLevel, LeaderEpoch, NodeId, Now, Offset, Request, SessionEpoch, Span, Time,
    TopicIdPartition,
};
use std::collections::BTreeSet;

/// A fetcher's name: whom it fetches from, and which of that broker's fetchers it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FetcherId {
    /// The leading broker.
    pub source: NodeId,
    /// Below `num.replica.fetchers`.
    pub number: u32,
}

/// What a fetcher's request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FetcherRequest {
    /// To fetch.
    Fetch,
    /// To learn where the last epochs of partitions end, before they are fetched.
    EpochEndOffsets,
    /// To learn where the leader's log ends, because the fetch offset was out of range.
    LatestOffset(TopicIdPartition),
    /// To learn where the leader's log starts.
    EarliestOffset(TopicIdPartition),
}

/// What a fetcher fetches with: the same for all its requests (`FetchRequest.Builder.forReplica`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FetcherConfig {
    /// `replica.fetch.wait.max.ms`.
    pub max_wait: Span,
    /// `replica.fetch.min.bytes`.
    pub min_bytes: u32,
    /// `replica.fetch.response.max.bytes`.
    pub max_bytes: u32,
    /// `replica.fetch.max.bytes`.
    pub partition_max_bytes: u32,
    /// `replica.fetch.backoff.ms`.
    pub backoff: Span,
    /// What its requests say of epochs.
    pub truncation: Truncation,
}

/// A fetcher.
#[derive(Clone, Debug)]
pub struct Fetcher {
    /// Its name.
    pub id: FetcherId,
    /// Its connection.
    pub network: NetworkClient<FetcherRequest>,
    /// Fsyncs that the next fetch waits for.
    pub unflushed: BTreeSet<FlushId>,
    config: FetcherConfig,
    partitions: Slots<TopicIdPartition, PartitionFetchState>,
    session: FetchSession,
    /// What to tell the session with the next request, in no order: every partition whose state says
    /// that it is in here, and some that were removed since.
    changed: Vec<(TopicIdPartition, Slot)>,
    forgotten: Vec<TopicIdPartition>,
    session_size: u32,
    throttled: BTreeSet<TopicIdPartition>,
    /// Partitions whose logs must be cut before they are fetched; none since KIP-595.
    truncating: BTreeSet<TopicIdPartition>,
    delayed: BTreeSet<(Time, TopicIdPartition)>,
    paused_until: Time,
    requests_in_flight: u32,
    /// The connection that [`Self::new_connection`] told last.
    connection: Option<ConnectionId>,
}

impl Fetcher {
    /// A fetcher without partitions.
    pub fn new(
        id: FetcherId,
        network: NetworkClient<FetcherRequest>,
        config: FetcherConfig,
    ) -> Self {
        Fetcher {
            id,
            network,
            unflushed: BTreeSet::new(),
            config,
            partitions: Slots::new(),
            session: FetchSession::INITIAL,
            changed: Vec::new(),
            forgotten: Vec::new(),
            session_size: 0,
            throttled: BTreeSet::new(),
            truncating: BTreeSet::new(),
            delayed: BTreeSet::new(),
            paused_until: Time::ZERO,
            requests_in_flight: 0,
            connection: None,
        }
    }

    /// It has nothing to fetch.
    pub fn is_idle(&self) -> bool {
        self.partitions.is_empty()
    }

    /// Where it stands with a partition.
    pub fn partition(&self, id: TopicIdPartition) -> Option<&PartitionFetchState> {
        self.partitions.get(id)
    }

    /// The state that is in this slot.
    pub fn partition_mut(&mut self, slot: Slot) -> Option<&mut PartitionFetchState> {
        self.partitions.in_slot_mut(slot)
    }

    /// Begins to fetch a partition, or begins anew under another epoch (`addPartitions`).
    pub fn add(&mut self, id: TopicIdPartition, state: PartitionFetchState) {
        self.remove(id);
        if state.is_throttled {
            self.throttled.insert(id);
        }
        let slot = self.partitions.insert(id, state);
        self.change(id, slot, |_| true);
        // Added again: the session is told the new state, not to forget.
        self.forgotten.retain(|forgotten| *forgotten != id);
    }

    /// Stops fetching a partition.
    pub fn remove(&mut self, id: TopicIdPartition) {
        let Some(state) = self.partitions.remove(id) else { return };
        if let Some(until) = state.delayed_until {
            self.delayed.remove(&(until, id));
        }
        if state.in_session.is_some() {
            self.session_size -= 1;
            self.forgotten.push(id);
        }
        self.throttled.remove(&id);
        self.truncating.remove(&id);
    }

    /// The quota applies to a partition, or not any more.
    pub fn set_throttled(&mut self, id: TopicIdPartition, is_throttled: bool) {
        let Some(slot) = self.partitions.slot_of(id) else { return };
        match is_throttled {
            true => self.throttled.insert(id),
            false => self.throttled.remove(&id),
        };
        self.change(id, slot, |state| {
            state.is_throttled = is_throttled;
            true
        });
    }

    /// Where the state of a partition is, if this is an answer to the question that was asked last and the
    /// partition is being fetched: else it was removed, added again or cut meanwhile.
    pub fn expects(&self, id: TopicIdPartition) -> Option<Slot> {
        let slot = self.partitions.slot_of(id)?;
        let state = self.partitions.in_slot(slot)?;
        let asked = state.was_asked_from_here();
        (asked && state.delayed_until.is_none() && !state.is_resetting).then_some(slot)
    }

    /// What was fetched is in the log, which ends here now. The epoch is that of the last record that was
    /// fetched, if there was one.
    pub fn follow(
        &mut self,
        id: TopicIdPartition,
        slot: Slot,
        to: Offset,
        epoch: Option<LeaderEpoch>,
        lag: u64,
    ) {
        self.change(id, slot, |state| state.advance(to, epoch.or(state.last_fetched_epoch), lag));
    }

    /// The partition goes on from here.
    pub fn advance(
        &mut self,
        id: TopicIdPartition,
        to: Offset,
        epoch: Option<LeaderEpoch>,
        lag: u64,
    ) {
        let Some(slot) = self.partitions.slot_of(id) else { return };
        self.change(id, slot, |state| state.advance(to, epoch, lag));
    }

    /// The start of the partition's log moved: the leader is told.
    pub fn log_start_moved(&mut self, id: TopicIdPartition, to: Offset) {
        let Some(slot) = self.partitions.slot_of(id) else { return };
        self.change(id, slot, |state| std::mem::replace(&mut state.log_start_offset, to) != to);
    }

    /// Leaves a partition alone for a while after an error (`delayPartitions`).
    pub fn delay(&mut self, id: TopicIdPartition, now: Time) {
        let Some(slot) = self.partitions.slot_of(id) else { return };
        let until = now + self.config.backoff;
        let is_new = self.change(id, slot, |state| {
            state.is_resetting = false;
            let is_new = state.delayed_until.is_none();
            state.delayed_until.get_or_insert(until);
            is_new
        });
        if is_new {
            self.delayed.insert((until, id));
        }
    }

    /// The leader is asked where its log starts and ends; nothing is fetched meanwhile.
    pub fn begin_reset(&mut self, id: TopicIdPartition) {
        let Some(slot) = self.partitions.slot_of(id) else { return };
        self.change(id, slot, |state| {
            state.is_resetting = true;
            true
        });
    }

    /// The partition waits for the leader's word.
    pub fn is_resetting(&self, id: TopicIdPartition) -> bool {
        self.partitions.get(id).is_some_and(|state| state.is_resetting)
    }

    /// The connection, if it is another one than when this was asked before.
    pub fn new_connection(&mut self) -> Option<ConnectionId> {
        let connection = self.network.connection(Address::broker(self.id.source));
        let before = std::mem::replace(&mut self.connection, connection);
        connection.filter(|_| connection != before)
    }

    /// Sends a request; returns the connection if a new one was opened for it.
    pub fn send(
        &mut self,
        request: Request,
        purpose: FetcherRequest,
        now: Now,
        out: &mut Outbox,
    ) -> Option<ConnectionId> {
        self.requests_in_flight += 1;
        self.network.send(Address::broker(self.id.source), request, purpose, now, out);
        self.new_connection()
    }

    /// A request has come back.
    pub fn request_done(&mut self) {
        self.requests_in_flight -= 1;
    }

    /// The leader cannot be reached: everything waits (`handlePartitionsWithErrors`).
    pub fn pause(&mut self, now: Time) {
        self.paused_until = now + self.config.backoff;
        self.restart_session(self.session.id);
    }

    /// When to look again at what was left alone, if anything was. Whatever ends what it is busy with
    /// looks at it anyway.
    pub fn next_wake(&self, now: Time) -> Option<Span> {
        if self.is_busy() {
            return None;
        }
        let paused = Some(self.paused_until).filter(|until| *until > now);
        let delayed = self.delayed.first().map(|(until, _)| *until);
        // Throttled partitions are looked at again after the same time.
        let throttled = (!self.throttled.is_empty()).then_some(now + self.config.backoff);
        paused.or(delayed.into_iter().chain(throttled).min()).map(|until| until.since(now))
    }

    /// The answer's session: whether its partitions can be used (`FetchSessionHandler.handleResponse`).
    pub fn session_answered(&mut self, response: &FetchResponse) -> bool {
        match response.error {
            ErrorCode::None => {}
            ErrorCode::FetchSessionIdNotFound => {
                self.restart_session(0);
                return false;
            }
            _ => {
                self.restart_session(self.session.id);
                return false;
            }
        }
        let epoch = match (self.session.epoch, response.session) {
            (_, 0) => SessionEpoch::Initial,
            (SessionEpoch::Incremental(epoch), _) => SessionEpoch::Incremental(next_epoch(epoch)),
            (SessionEpoch::Initial | SessionEpoch::Final, _) => SessionEpoch::Incremental(1),
        };
        self.session = FetchSession { id: response.session, epoch };
        true
    }

    /// The next fetch, if one may leave and there is anything to fetch (`buildFetch`).
    pub fn next_fetch(
        &mut self,
        replica: FetchingReplica,
        is_quota_exceeded: impl FnOnce() -> bool,
        now: Time,
    ) -> Option<FetchRequest> {
        if self.is_busy() || self.paused_until > now {
            return None;
        }
        self.wake_delayed(now);
        let holds_back = !self.throttled.is_empty() && is_quota_exceeded();
        self.look_at_throttled();
        let partitions = match self.session.epoch {
            SessionEpoch::Incremental(_) => self.changes(holds_back),
            SessionEpoch::Initial | SessionEpoch::Final => self.everything(holds_back),
        };
        let forgotten = std::mem::take(&mut self.forgotten);
        if self.session_size == 0 && forgotten.is_empty() {
            return None;
        }
        Some(FetchRequest {
            cluster: None,
            replica: Some(replica),
            max_wait: self.config.max_wait,
            min_bytes: self.config.min_bytes,
            max_bytes: self.config.max_bytes,
            isolation: IsolationLevel::ReadUncommitted,
            session: self.session,
            partitions,
            forgotten,
            rack: None,
        })
    }

    /// It waits for an answer, or for an fsync.
    fn is_busy(&self) -> bool {
        self.requests_in_flight > 0 || !self.unflushed.is_empty()
    }

    /// The next request names all partitions, and the session `close` ends with it.
    fn restart_session(&mut self, close: u32) {
        self.session = FetchSession { id: close, epoch: SessionEpoch::Initial };
        self.partitions.iter_mut().for_each(|state| state.in_session = None);
        self.session_size = 0;
        self.forgotten.clear();
    }

    fn wake_delayed(&mut self, now: Time) {
        while let Some((until, id)) = self.delayed.first().copied().filter(|(at, _)| *at <= now) {
            self.delayed.remove(&(until, id));
            if let Some(slot) = self.partitions.slot_of(id) {
                self.change(id, slot, |state| {
                    state.delayed_until = None;
                    true
                });
            }
        }
    }

    /// Whether a throttled partition may be fetched is another question each time.
    fn look_at_throttled(&mut self) {
        for id in &self.throttled {
            let slot = self.partitions.slot_of(*id).expect("only what is fetched is throttled");
            let state = self.partitions.in_slot_mut(slot).expect("it is there");
            note_change(&mut self.changed, *id, slot, state);
        }
    }

    /// Changes the state of a partition, which is in this slot. If it says so, the session is told with
    /// the next request.
    fn change(
        &mut self,
        id: TopicIdPartition,
        slot: Slot,
        change: impl FnOnce(&mut PartitionFetchState) -> bool,
    ) -> bool {
        let state = self.partitions.in_slot_mut(slot).expect("it is there");
        let is_news = change(state);
        if is_news {
            note_change(&mut self.changed, id, slot, state);
        }
        is_news
    }

    fn everything(&mut self, holds_back: bool) -> Few<FetchPartition> {
        self.changed.clear();
        self.forgotten.clear();
        // A leader without a session for this fetcher remembers nothing of it.
        self.session_size = 0;
        let max_bytes = self.config.partition_max_bytes;
        let mut fetches = Few::with_capacity(self.partitions.len() as usize);
        for (id, state) in self.partitions.entries_mut() {
            state.in_session = None;
            state.is_changed = false;
            if is_ready(state, holds_back) {
                fetches.push(ask(id, state, max_bytes, self.config.truncation));
            }
        }
        self.session_size = fetches.len() as u32;
        fetches
    }

    fn changes(&mut self, holds_back: bool) -> Few<FetchPartition> {
        let max_bytes = self.config.partition_max_bytes;
        let mut fetches = Few::with_capacity(self.changed.len());
        let mut changed = std::mem::take(&mut self.changed);
        changed.sort_unstable();
        for (id, mut slot) in changed.drain(..) {
            let state = self.partitions.recall_mut(&mut slot, id).filter(|s| s.is_changed);
            let Some(state) = state else { continue };
            state.is_changed = false;
            let was_in_session = state.in_session.is_some();
            let is_ready = is_ready(state, holds_back);
            if is_ready && state.is_throttled && was_in_session && !is_news(state) {
                continue;
            }
            if is_ready {
                fetches.push(ask(id, state, max_bytes, self.config.truncation));
                self.session_size += u32::from(!was_in_session);
            } else if was_in_session {
                state.in_session = None;
                self.session_size -= 1;
                self.forgotten.push(id);
            }
        }
        self.changed = changed;
        fetches
    }
}

/// There is something to tell the session of this partition.
fn note_change(
    changed: &mut Vec<(TopicIdPartition, Slot)>,
    id: TopicIdPartition,
    slot: Slot,
    state: &mut PartitionFetchState,
) {
    if !std::mem::replace(&mut state.is_changed, true) {
        changed.push((id, slot));
    }
}

mod truncating;

#[cfg(test)]
mod tests;
