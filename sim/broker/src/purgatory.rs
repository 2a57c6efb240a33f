//! Purgatory: where requests wait until a partition has moved far enough, or their time is up
//! (`DelayedOperationPurgatory`, `DelayedProduce`, `DelayedFetch`, `DelayedDeleteRecords`).
//!
//! Nobody looks through all that waits. A produce request is noted at each of its partitions under the
//! offset that it waits for, a fetch is woken through its [session](crate::fetch_session), and a deletion
//! of records is noted at its partitions: a move costs what it completes. When the time of something is
//! up, its purgatory's [timer](crate::system_timer) tells.
//!
//! Facts: `ProduceParked`, `ProduceAnswered`.

use crate::fetch_session::SessionHandle;
use crate::fetch_session_cache::{FetchSessionCache, Moved};
use crate::partition::{Leader, Partition, Role};
use crate::system_timer::SystemTimer;
use klab_machine::fact::ReplicationFact;
use klab_machine::timer::BrokerTimer;
use klab_machine::{ConnectionId, CorrelationId, Mutant, Outbox};
use klab_metadata::ClusterImage;
use klab_wire::{
    Acks, DeleteRecordsResponse, DeletedRecords, ErrorCode, Few, LeaderIdAndEpoch, NodeId, Now,
    Offset, PartitionProduceResponse, ProduceResponse, Response, Span, Time, TopicIdPartition,
    TopicPartition,
};
use std::collections::{BTreeMap, VecDeque};

/// Where an answer goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplyTo {
    /// The connection.
    pub connection: ConnectionId,
    /// The request.
    pub correlation: CorrelationId,
}

impl ReplyTo {
    /// Answers.
    pub fn answer(self, response: Response, out: &mut Outbox) {
        out.respond(self.connection, self.correlation, response);
    }
}

/// One partition of a waiting request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProduceKey {
    /// The request.
    pub request: u64,
    /// Which of its partitions.
    pub index: u32,
}

/// A produce request waits at a partition for the high watermark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AwaitingCommit {
    /// The high watermark that it waits for.
    pub required: Offset,
    /// The request.
    pub key: ProduceKey,
}

/// A deletion of records waits at a partition for the low watermark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AwaitingLowWatermark {
    /// The low watermark that it waits for.
    pub required: Offset,
    /// The request.
    pub key: ProduceKey,
}

/// One partition of a produce request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProduceStatus {
    /// The offset of the last record.
    pub last_offset: Option<Offset>,
    /// It waits: its answer is what it will be if the time runs out.
    pub is_pending: bool,
}

/// A produce request that waits, unless nothing of it is pending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DelayedProduce {
    /// Where the answer goes.
    pub reply_to: ReplyTo,
    /// Who asked.
    pub client: NodeId,
    /// What it asked for.
    pub acks: Acks,
    /// The answers, which leave as they stand here.
    pub responses: Vec<PartitionProduceResponse>,
    /// One for each of the answers.
    pub statuses: Few<ProduceStatus>,
    /// How many of them are pending.
    pub pending: u32,
}

/// A deletion of records that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
struct DelayedDeleteRecords {
    reply_to: ReplyTo,
    results: Vec<(DeletedRecords, bool)>,
    pending: u32,
}

/// Everything that waits.
#[derive(Clone, Debug)]
pub struct Purgatory {
    /// Fetch sessions, with the fetches that wait in them.
    pub sessions: FetchSessionCache,
    /// By their numbers. They come last and mostly go first.
    produces: VecDeque<(u64, DelayedProduce)>,
    deletions: BTreeMap<u64, DelayedDeleteRecords>,
    next_request: u64,
    /// Whose high watermark moved since high watermarks were written down.
    high_watermarks_moved: Vec<TopicIdPartition>,
    fetch_timer: SystemTimer<SessionHandle>,
    produce_timer: SystemTimer<u64>,
    deletion_timer: SystemTimer<u64>,
}

impl Purgatory {
    /// Nothing waits.
    pub fn new(sessions: FetchSessionCache) -> Self {
        Purgatory {
            sessions,
            produces: VecDeque::new(),
            deletions: BTreeMap::new(),
            next_request: 0,
            high_watermarks_moved: Vec::new(),
            fetch_timer: SystemTimer::new(BrokerTimer::DelayedFetch),
            produce_timer: SystemTimer::new(BrokerTimer::DelayedProduce),
            deletion_timer: SystemTimer::new(BrokerTimer::DelayedDeleteRecords),
        }
    }

    /// How many produces, fetches and deletions of records wait.
    pub fn sizes(&self) -> (u32, u32, u32) {
        let (produces, deletions) = (self.produces.len() as u32, self.deletions.len() as u32);
        (produces, self.sessions.parked_count(), deletions)
    }

    /// Takes the partitions whose high watermarks moved since they were taken before.
    pub fn take_high_watermarks_moved(&mut self) -> Vec<TopicIdPartition> {
        std::mem::take(&mut self.high_watermarks_moved)
    }

    /// The number of the next request that will wait.
    pub fn next_request(&self) -> u64 {
        self.next_request
    }

    /// Parks a produce request under [`Self::next_request`], or answers it if nothing is pending.
    ///
    /// A request that waits for replicas waits no longer than `timeout`.
    pub fn park_produce(
        &mut self,
        delayed: DelayedProduce,
        timeout: Option<Span>,
        now: Now,
        out: &mut Outbox,
    ) {
        if delayed.pending == 0 {
            return delayed.answer(out);
        }
        let request = self.next_request;
        self.next_request += 1;
        self.produces.push_back((request, delayed));
        if let Some(timeout) = timeout {
            self.produce_timer.add(now.time + timeout, request, now, out);
        }
    }

    /// Parks a deletion of records under [`Self::next_request`], or answers it if nothing is pending.
    /// Results come with whether they are pending.
    pub fn park_deletion(
        &mut self,
        reply_to: ReplyTo,
        results: Vec<(DeletedRecords, bool)>,
        timeout: Span,
        now: Now,
        out: &mut Outbox,
    ) {
        let pending = results.iter().filter(|(_, is_pending)| *is_pending).count() as u32;
        let delayed = DelayedDeleteRecords { reply_to, results, pending };
        if pending == 0 {
            return delayed.answer(out);
        }
        let request = self.next_request;
        self.next_request += 1;
        self.deletions.insert(request, delayed);
        self.deletion_timer.add(now.time + timeout, request, now, out);
    }

    /// A fetch of this session waits, until this time at the longest.
    pub fn park_fetch(
        &mut self,
        session: SessionHandle,
        deadline: Time,
        now: Now,
        out: &mut Outbox,
    ) {
        let sessions = &self.sessions;
        self.fetch_timer.forget_done(|deadline, session| !sessions.waits(session, deadline));
        self.fetch_timer.add(deadline, session, now, out);
    }

    /// The next session whose fetch has waited long enough.
    pub fn next_expired_fetch(&mut self, now: Now) -> Option<SessionHandle> {
        while let Some((deadline, session)) = self.fetch_timer.next_expired(now) {
            if self.sessions.waits(session, deadline) {
                return Some(session);
            }
        }
        None
    }

    /// The fetches whose time was up are answered.
    pub fn fetch_timer_rang(&mut self, now: Now, out: &mut Outbox) {
        self.fetch_timer.rang(now, out);
    }

    /// The time of some produce requests may be up: what is still pending of them has timed out. Returns
    /// the partitions at which they waited, with their keys there.
    pub fn expire_produces(
        &mut self,
        now: Now,
        out: &mut Outbox,
    ) -> Vec<(TopicPartition, ProduceKey)> {
        let mut keys = Vec::new();
        while let Some((_, request)) = self.produce_timer.next_expired(now) {
            keys.extend(self.produce_expired(request, out));
        }
        self.produce_timer.rang(now, out);
        keys
    }

    fn produce_expired(
        &mut self,
        request: u64,
        out: &mut Outbox,
    ) -> Vec<(TopicPartition, ProduceKey)> {
        let Some(place) = self.place_of_produce(request) else { return Vec::new() };
        let Some((_, delayed)) = self.produces.remove(place) else { return Vec::new() };
        let partitions = delayed.responses.iter().map(|response| response.partition.clone());
        let keys = (0..).map(|index| ProduceKey { request, index });
        let waiting = partitions.zip(keys).zip(&delayed.statuses);
        let keys = waiting.filter(|(_, status)| status.is_pending).map(|(key, _)| key).collect();
        delayed.answer(out);
        keys
    }

    /// The time of some deletions may be up.
    pub fn expire_deletions(&mut self, now: Now, out: &mut Outbox) {
        while let Some((_, request)) = self.deletion_timer.next_expired(now) {
            if let Some(delayed) = self.deletions.remove(&request) {
                delayed.answer(out);
            }
        }
        self.deletion_timer.rang(now, out);
    }

    /// The log end of a partition moved, as readers see it.
    pub fn log_end_moved(&mut self, partition: &mut Partition) {
        self.sessions.partition_moved(partition, Moved::LogEnd);
    }

    /// The log end of a partition moved, and its fsync is under way.
    pub fn unflushed_end_moved(&mut self, partition: &mut Partition) {
        self.sessions.partition_moved(partition, Moved::UnflushedEnd);
    }

    /// The high watermark of a partition moved: consumers may read on, and produce requests are
    /// acknowledged that waited for no more (`checkEnoughReplicasReachOffset`).
    pub fn high_watermark_moved(&mut self, partition: &mut Partition, out: &mut Outbox) {
        if !std::mem::replace(&mut partition.is_to_checkpoint, true) {
            self.high_watermarks_moved.push(partition.id());
        }
        self.sessions.partition_moved(partition, Moved::HighWatermark);
        let high_watermark = partition.log.high_watermark();
        let min_isr = partition.effective_min_isr();
        let Role::Leader(leader) = &mut partition.role else { return };
        // The ISR may have shrunk since the append.
        let error = match min_isr <= leader.state.maximal_isr_size()
            || Mutant::CommitsUnderMinIsr.lives()
        {
            true => ErrorCode::None,
            false => ErrorCode::NotEnoughReplicasAfterAppend,
        };
        while let Some(key) = next_committed(leader, high_watermark) {
            self.produce_settled(key, error, None, out);
        }
    }

    /// The log start of a partition, or of one of its followers, moved: deletions of records may be
    /// done.
    pub fn low_watermark_moved(
        &mut self,
        partition: &mut Partition,
        cluster: &ClusterImage,
        out: &mut Outbox,
    ) {
        let low_watermark = partition.low_watermark(cluster);
        let Some(leader) = partition.leader_mut() else { return };
        let (done, waiting) = leader
            .awaiting_low_watermark
            .iter()
            .partition(|waiting| low_watermark >= Some(waiting.required));
        leader.awaiting_low_watermark = waiting;
        let done: Vec<AwaitingLowWatermark> = done;
        for waiting in done {
            self.deletion_settled(waiting.key, ErrorCode::None, low_watermark, out);
        }
    }

    /// An fsync of a partition is done: what was held back and is flushed now is shown and acknowledged. Says whether
    /// the visible end moved.
    pub fn append_flushed(&mut self, partition: &mut Partition, out: &mut Outbox) -> bool {
        let mut moved = false;
        let Partition { unflushed, log, role, .. } = partition;
        while let Some(unflushed) = unflushed.pop_front_if(|one| !log.awaits(one.flush)) {
            if let Role::Leader(leader) = &mut *role {
                moved |= leader.visible_end < unflushed.end;
                leader.visible_end = leader.visible_end.max(unflushed.end);
            }
            for key in unflushed.acks {
                self.produce_settled(key, ErrorCode::None, None, out);
            }
        }
        moved
    }

    /// A replica is not what it was: what waited for the leader is told so.
    pub fn leadership_lost(
        &mut self,
        leader: &mut Leader,
        error: ErrorCode,
        current: Option<LeaderIdAndEpoch>,
        out: &mut Outbox,
    ) {
        for waiting in std::mem::take(&mut leader.awaiting_commit) {
            self.produce_settled(waiting.key, error, current, out);
        }
        for waiting in std::mem::take(&mut leader.awaiting_low_watermark) {
            self.deletion_settled(waiting.key, error, None, out);
        }
    }

    /// One partition of a produce request has what it waited for, or never will.
    pub fn produce_settled(
        &mut self,
        key: ProduceKey,
        error: ErrorCode,
        current_leader: Option<LeaderIdAndEpoch>,
        out: &mut Outbox,
    ) {
        // A request whose time was up is not here any more.
        let Some(place) = self.place_of_produce(key.request) else { return };
        let (_, delayed) = &mut self.produces[place];
        let response = &mut delayed.responses[key.index as usize];
        response.error = error;
        response.current_leader = current_leader;
        delayed.statuses[key.index as usize].is_pending = false;
        delayed.pending -= 1;
        if delayed.pending > 0 {
            return;
        }
        let (_, delayed) = self.produces.remove(place).expect("it was just there");
        let produces = &self.produces;
        self.produce_timer.forget_done(|_, request| place_of(request, produces).is_none());
        delayed.answer(out);
    }

    fn place_of_produce(&self, request: u64) -> Option<usize> {
        place_of(request, &self.produces)
    }

    fn deletion_settled(
        &mut self,
        key: ProduceKey,
        error: ErrorCode,
        low_watermark: Option<Offset>,
        out: &mut Outbox,
    ) {
        let Some(delayed) = self.deletions.get_mut(&key.request) else { return };
        let (result, is_pending) = &mut delayed.results[key.index as usize];
        result.error = error;
        result.low_watermark = low_watermark;
        *is_pending = false;
        delayed.pending -= 1;
        if delayed.pending > 0 {
            return;
        }
        let delayed = self.deletions.remove(&key.request).expect("it was just there");
        let deletions = &self.deletions;
        self.deletion_timer.forget_done(|_, request| !deletions.contains_key(&request));
        delayed.answer(out);
    }
}

impl DelayedProduce {
    /// Answers; with `acks=0` nothing is sent.
    fn answer(self, out: &mut Outbox) {
        for (response, status) in self.responses.iter().zip(&self.statuses) {
            out.state(ReplicationFact::ProduceAnswered {
                partition: response.partition.clone(),
                client: self.client,
                acks: self.acks,
                base: response.base_offset,
                last: status.last_offset,
                error: response.error,
            });
        }
        if self.acks == Acks::None {
            return;
        }
        let response = ProduceResponse { responses: self.responses, throttle: Span::ZERO };
        self.reply_to.answer(Response::Produce(Box::new(response)), out);
    }
}

impl DelayedDeleteRecords {
    fn answer(self, out: &mut Outbox) {
        let partitions = self.results.into_iter().map(|(result, _)| result).collect();
        let response = DeleteRecordsResponse { partitions };
        self.reply_to.answer(Response::DeleteRecords(Box::new(response)), out);
    }
}

fn place_of(request: u64, produces: &VecDeque<(u64, DelayedProduce)>) -> Option<usize> {
    produces.binary_search_by_key(&request, |(number, _)| *number).ok()
}

/// The next produce request that waits for no more than this high watermark. They wait in the order of
/// their offsets, because that is the order in which they were appended.
fn next_committed(leader: &mut Leader, high_watermark: Offset) -> Option<ProduceKey> {
    let first = leader.awaiting_commit.front()?;
    if first.required > high_watermark {
        return None;
    }
    leader.awaiting_commit.pop_front().map(|waiting| waiting.key)
}
