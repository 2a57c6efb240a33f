//! Fetch: consumers read up to the high watermark, followers up to the end, and a follower's fetch is its
//! acknowledgement of everything below (`ReplicaManager.fetchMessages`, `readFromLog`, `DelayedFetch`).
//!
//! A fetch looks at the dirty partitions of its session. If they do not yield enough it waits: the
//! partitions that may yet yield something stay dirty, and the session is woken when one of them moves.
//!
//! Facts: `FetchFenced`, `ReplicationThrottled`, `PreferredReadReplicaChosen`.

use crate::Broker;
use crate::fetch_session::{FetchSession, SessionId};
use crate::partition::{FollowerFetch, Partition};
use crate::purgatory::ReplyTo;
use crate::replica_selector::{ReplicaView, rack_aware};
use klab_machine::fact::ReplicationFact;
use klab_machine::timer::BrokerTimer;
use klab_machine::{Outbox, Timer};
use klab_wire::config::ReplicaSelector;
use klab_wire::{
    EpochEndOffset, ErrorCode, FetchPartition, FetchRequest, FetchResponse, FetchedPartition,
    FetchingReplica, IsolationLevel, NodeId, Now, Offset, RackId, Response, SessionEpoch, Span,
};

/// What a fetch asks for beside its partitions (`FetchParams`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchParams {
    /// The follower; none for a consumer.
    pub replica: Option<FetchingReplica>,
    /// How long to wait for `min_bytes`.
    pub max_wait: Span,
    /// How many bytes are worth an answer.
    pub min_bytes: u32,
    /// How many bytes to return at the most; the first batch always fits.
    pub max_bytes: u32,
    /// What a consumer may see.
    pub isolation: IsolationLevel,
    /// Where the consumer is.
    pub rack: Option<RackId>,
    /// Where the answer goes.
    pub reply_to: ReplyTo,
}

/// A fetch that waits in purgatory.
pub type ParkedFetch = FetchParams;

impl FetchParams {
    /// It is a follower's: only the leader answers it, up to the end of its log.
    pub fn is_from_follower(&self) -> bool {
        self.replica.is_some()
    }

    /// The end of what this reader may see.
    fn end_of(&self, partition: &Partition) -> Offset {
        match (self.replica, self.isolation) {
            (Some(_), _) => partition.visible_end(),
            (None, IsolationLevel::ReadUncommitted) => partition.log.high_watermark(),
            (None, IsolationLevel::ReadCommitted) => partition.log.last_stable_offset(),
        }
    }
}

/// What one partition yields.
struct Read {
    answer: FetchedPartition,
    /// There is nothing more to say until the partition moves.
    is_settled: bool,
    /// A follower outside of the ISR read a throttled partition.
    throttled_bytes: u32,
}

/// What all dirty partitions of a session yield.
#[derive(Default)]
struct Reads {
    reads: Vec<Read>,
    bytes: u32,
    /// An error, a diverging epoch or a nearer replica: the answer goes out at once.
    is_urgent: bool,
}

/// Where a delayed fetch stands with one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Available {
    /// So many bytes.
    Bytes(u64),
    /// The fetch is complete, whatever the other partitions have.
    Complete,
}

impl Broker {
    /// A Fetch request.
    pub(crate) fn handle_fetch(
        &mut self,
        request: FetchRequest,
        reply_to: ReplyTo,
        now: Now,
        out: &mut Outbox,
    ) {
        let params = self.fetch_params(&request, reply_to);
        match self.begin_fetch(request, now, out) {
            Ok(session) => self.fetch(session, params, now, out),
            Err(error) => respond(reply_to, error, 0, Vec::new(), out),
        }
    }

    /// A parked fetch may be complete, because a partition of its session moved.
    pub(crate) fn try_complete_fetch(&mut self, id: SessionId, now: Now, out: &mut Outbox) {
        let Some(session) = self.purgatory.sessions.get(id) else { return };
        let Some(params) = &session.parked else { return };
        if !self.is_fetch_complete(session, params) {
            return;
        }
        out.stop_timer(Timer::Broker(BrokerTimer::DelayedFetch(u64::from(id.0))));
        self.complete_fetch(id, now, out);
    }

    /// A parked fetch has waited long enough, or may be answered.
    pub(crate) fn complete_fetch(&mut self, id: SessionId, now: Now, out: &mut Outbox) {
        let session = self.purgatory.sessions.get_mut(id);
        let Some(params) = session.and_then(|session| session.parked.take()) else { return };
        let reads = self.read_dirty(id, &params, true, now, out);
        self.answer_fetch(id, &params, reads, now, out);
    }

    /// A session ends: its partitions need not tell it anything any more.
    pub(crate) fn unwatch_all(&mut self, session: &FetchSession) {
        for id in session.partitions() {
            if let Some(partition) = self.replicas.get_mut(id) {
                partition.unwatch(session.id, session.last_fetch);
            }
        }
    }

    fn fetch_params(&self, request: &FetchRequest, reply_to: ReplyTo) -> FetchParams {
        let cap = u32::try_from(self.config.fetch_max_bytes).unwrap_or(u32::MAX);
        let max_bytes = request.max_bytes.min(cap);
        FetchParams {
            replica: request.replica,
            max_wait: request.max_wait,
            min_bytes: request.min_bytes.min(max_bytes),
            max_bytes,
            isolation: request.isolation,
            rack: request.rack.clone(),
            reply_to,
        }
    }

    /// Finds or makes the session of a request and brings it up to date (`FetchManager.newContext`).
    fn begin_fetch(
        &mut self,
        request: FetchRequest,
        now: Now,
        out: &mut Outbox,
    ) -> Result<SessionId, ErrorCode> {
        let id = SessionId(request.session.id);
        match request.session.epoch {
            SessionEpoch::Incremental(epoch) => self.continue_session(id, epoch, request, now, out),
            SessionEpoch::Initial | SessionEpoch::Final => {
                self.end_session(id, out);
                let wanted = request.session.epoch == SessionEpoch::Initial;
                let (replica, partitions) = (request.replica, request.partitions);
                Ok(self.purgatory.sessions.begin_full(replica, wanted, partitions, now.wall))
            }
        }
    }

    fn continue_session(
        &mut self,
        id: SessionId,
        epoch: u32,
        request: FetchRequest,
        now: Now,
        out: &mut Outbox,
    ) -> Result<SessionId, ErrorCode> {
        let session = self.purgatory.sessions.begin_incremental(id, epoch, now.wall)?;
        let last_fetch = std::mem::replace(&mut session.last_fetch, now.wall);
        if session.replica != request.replica {
            // Another life of the follower: everything noted of it is of the one before.
            session.replica = request.replica;
            session.mark_all_dirty();
        }
        request.partitions.into_iter().for_each(|fetch| session.ask(fetch));
        let before = session.parked.take();
        for partition in request.forgotten {
            session.forget(partition);
            if let Some(partition) = self.replicas.get_mut(partition) {
                partition.unwatch(id, last_fetch);
            }
        }
        if let Some(before) = before {
            // The reader gave the one before up; should it still be there, it learns why.
            out.stop_timer(Timer::Broker(BrokerTimer::DelayedFetch(u64::from(id.0))));
            let error = ErrorCode::InvalidFetchSessionEpoch;
            respond(before.reply_to, error, id.0, Vec::new(), out);
        }
        Ok(id)
    }

    fn end_session(&mut self, id: SessionId, out: &mut Outbox) {
        let Some(session) = self.purgatory.sessions.remove(id) else { return };
        self.unwatch_all(&session);
        if let Some(parked) = session.parked {
            out.stop_timer(Timer::Broker(BrokerTimer::DelayedFetch(u64::from(id.0))));
            let error = ErrorCode::FetchSessionIdNotFound;
            respond(parked.reply_to, error, 0, Vec::new(), out);
        }
    }

    /// Reads what there is, and answers or waits.
    fn fetch(&mut self, id: SessionId, params: FetchParams, now: Now, out: &mut Outbox) {
        let reads = self.read_dirty(id, &params, false, now, out);
        let session = &self.purgatory.sessions.get(id).expect("the session was just begun");
        let answers_now = params.max_wait == Span::ZERO
            || session.is_empty()
            || reads.bytes >= params.min_bytes
            || reads.is_urgent;
        if answers_now {
            self.answer_fetch(id, &params, reads, now, out);
        } else {
            self.park_fetch(id, params, reads, out);
        }
    }

    /// Waits. What has something to say, though not enough, is looked at again in the end.
    fn park_fetch(&mut self, id: SessionId, params: FetchParams, reads: Reads, out: &mut Outbox) {
        for Read { answer, is_settled, .. } in reads.reads {
            let session = self.purgatory.sessions.get_mut(id).expect("the session fetches");
            let known = session.partition_mut(answer.partition);
            if !is_settled || known.is_some_and(|known| known.must_respond(&answer)) {
                session.mark_dirty(answer.partition);
            } else {
                self.idle(id, &answer);
            }
        }
        let timer = Timer::Broker(BrokerTimer::DelayedFetch(u64::from(id.0)));
        out.set_timer(timer, params.max_wait);
        let session = self.purgatory.sessions.get_mut(id).expect("the session fetches");
        session.parked = Some(params);
    }

    /// Answers with what the reader does not know, or with everything if it has no session.
    fn answer_fetch(
        &mut self,
        id: SessionId,
        params: &FetchParams,
        reads: Reads,
        now: Now,
        out: &mut Outbox,
    ) {
        let throttled: u32 = reads.reads.iter().map(|read| read.throttled_bytes).sum();
        if throttled > 0 {
            self.leader_quota.record(u64::from(throttled), now.wall);
        }
        let mut answers = Vec::with_capacity(reads.reads.len());
        for read in reads.reads {
            answers.extend(self.note_answer(id, read));
        }
        let session = self.session_to_answer(id, now, out);
        respond(params.reply_to, ErrorCode::None, session, answers, out);
    }

    fn note_answer(&mut self, id: SessionId, read: Read) -> Option<FetchedPartition> {
        let Read { answer, is_settled, .. } = read;
        let session = self.purgatory.sessions.get_mut(id)?;
        let is_full = session.is_full();
        let known = session.partition_mut(answer.partition)?;
        let is_news = known.must_respond(&answer);
        if is_news {
            known.note_response(&answer);
        }
        match is_settled {
            true => self.idle(id, &answer),
            false => session.mark_dirty(answer.partition),
        }
        (is_news || is_full).then_some(answer)
    }

    /// The session number that the answer carries: a full fetch may have begun a session.
    fn session_to_answer(&mut self, id: SessionId, now: Now, out: &mut Outbox) -> u32 {
        let Some(session) = self.purgatory.sessions.get(id) else { return 0 };
        if !session.is_full() && !session.is_empty() {
            return id.0;
        }
        let partitions = session.len();
        let (is_kept, evicted) = match session.wants_to_be_kept && !session.is_empty() {
            true => self.purgatory.sessions.maybe_keep(id, now.wall),
            false => (false, None),
        };
        if let Some(evicted) = evicted {
            self.unwatch_all(&evicted);
        }
        if is_kept {
            out.state(ReplicationFact::FetchSessionCreated { session: id.0, partitions });
            return id.0;
        }
        if let Some(session) = self.purgatory.sessions.remove(id) {
            self.unwatch_all(&session);
        }
        0
    }

    /// The follower has everything and knows it: until the partition moves, its fetches need not be
    /// noted one by one.
    fn idle(&mut self, id: SessionId, answer: &FetchedPartition) {
        let Some(session) = self.purgatory.sessions.get(id) else { return };
        let Some(follower) = session.replica else { return };
        if session.is_dirty(answer.partition) {
            return;
        }
        let partition = self.replicas.get_mut(answer.partition);
        if let Some(replica) = partition.and_then(|p| p.replica_mut(follower.id)) {
            replica.idle_in = Some(id);
        }
    }

    /// Reads every dirty partition of a session, once.
    fn read_dirty(
        &mut self,
        id: SessionId,
        params: &FetchParams,
        from_purgatory: bool,
        now: Now,
        out: &mut Outbox,
    ) -> Reads {
        let Some(session) = self.purgatory.sessions.get(id) else { return Reads::default() };
        let count = session.dirty_count();
        let mut reads = Reads { reads: Vec::with_capacity(count as usize), ..Reads::default() };
        for _ in 0..count {
            let session = self.purgatory.sessions.get_mut(id);
            let Some(fetch) = session.and_then(FetchSession::next_dirty) else { break };
            let limit = params.max_bytes.saturating_sub(reads.bytes);
            let limits = Limits { max_bytes: limit, min_one: reads.bytes == 0, from_purgatory };
            let read = self.read(id, &fetch, params, limits, now, out);
            reads.bytes += read.answer.records_size();
            reads.is_urgent |= read.is_urgent();
            reads.reads.push(read);
        }
        reads
    }

    /// Reads one partition.
    fn read(
        &mut self,
        id: SessionId,
        fetch: &FetchPartition,
        params: &FetchParams,
        limits: Limits,
        now: Now,
        out: &mut Outbox,
    ) -> Read {
        match self.read_log(id, fetch, params, limits, now, out) {
            Ok(read) => read,
            Err(error) => self.refused(fetch, params, error, out),
        }
    }

    fn refused(
        &self,
        fetch: &FetchPartition,
        params: &FetchParams,
        error: ErrorCode,
        out: &mut Outbox,
    ) -> Read {
        let mut answer = FetchedPartition::of_error(fetch.partition, error);
        let is_fenced =
            matches!(error, ErrorCode::FencedLeaderEpoch | ErrorCode::UnknownLeaderEpoch);
        if let Some(partition) = is_fenced.then(|| self.replicas.get(fetch.partition)).flatten() {
            let from = params.replica.map(|replica| replica.id);
            let partition = partition.name().clone();
            out.state(ReplicationFact::FetchFenced { partition, from, error });
        }
        if matches!(error, ErrorCode::NotLeaderOrFollower | ErrorCode::FencedLeaderEpoch) {
            answer.current_leader = self.leader_of(fetch.partition);
        }
        Read { answer, is_settled: false, throttled_bytes: 0 }
    }

    fn read_log(
        &mut self,
        id: SessionId,
        fetch: &FetchPartition,
        params: &FetchParams,
        limits: Limits,
        now: Now,
        out: &mut Outbox,
    ) -> Result<Read, ErrorCode> {
        let nearer = self.preferred_read_replica(fetch, params, now)?;
        let is_throttled = self.is_leader_throttled(fetch, params, now, out);
        let partition = self.hosted_mut(fetch.partition)?;
        partition.watch(id);
        if let Some(nearer) = nearer {
            return Ok(preferred(partition, fetch, nearer, out));
        }
        partition.check_log(fetch.current_leader_epoch, params.is_from_follower())?;
        if let Some(replica) = params.replica {
            partition.replica_mut(replica.id).ok_or(ErrorCode::UnknownLeaderEpoch)?;
        }
        let mut answer = answer_of(partition, fetch);
        answer.diverging_epoch = diverging_epoch(partition, fetch)?;
        if answer.diverging_epoch.is_some() {
            return Ok(Read { answer, is_settled: false, throttled_bytes: 0 });
        }
        let end = params.end_of(partition);
        let max_bytes = limits.max_bytes.min(fetch.max_bytes);
        let read = partition.log.read(fetch.fetch_offset, max_bytes, end, limits.min_one, out)?;
        if !is_throttled {
            answer.records = read.records;
        }
        let mut is_settled = fetch.fetch_offset >= end && !self.is_choosy(params);
        if let Some(replica) = params.replica {
            if !limits.from_purgatory {
                self.note_follower_fetch(replica, fetch, now, out)?;
            }
            is_settled &= self.is_in_isr(fetch, replica.id);
        }
        let throttled_bytes = self.throttled_bytes(&answer, params);
        Ok(Read { answer, is_settled, throttled_bytes })
    }

    /// A consumer may be sent elsewhere with every fetch, so that nothing is ever settled for it.
    fn is_choosy(&self, params: &FetchParams) -> bool {
        params.replica.is_none() && params.rack.is_some() && self.selects_replicas()
    }

    fn selects_replicas(&self) -> bool {
        self.config.replica_selector_class == Some(ReplicaSelector::RackAware)
    }

    fn is_in_isr(&self, fetch: &FetchPartition, follower: NodeId) -> bool {
        let leader = self.replicas.get(fetch.partition).and_then(Partition::leader);
        leader.is_some_and(|leader| leader.state.isr().contains(&follower))
    }

    /// Takes note of a follower's fetch, and of what it brings about: it may join the ISR, more may be
    /// committed, records may be gone everywhere (`updateFollowerFetchState`).
    fn note_follower_fetch(
        &mut self,
        replica: FetchingReplica,
        fetch: &FetchPartition,
        now: Now,
        out: &mut Outbox,
    ) -> Result<(), ErrorCode> {
        let local = local!(self, now);
        let Some(partition) = self.replicas.get_mut(fetch.partition) else { return Ok(()) };
        let noted = FollowerFetch {
            follower: replica.id,
            epoch: replica.epoch,
            offset: fetch.fetch_offset,
            log_start_offset: fetch.log_start_offset,
        };
        let moved = partition.note_follower_fetch(noted, &local, out)?;
        let change = partition.maybe_expand_isr(replica.id, &local, out);
        if moved && partition.maybe_advance_high_watermark(&local, out) {
            self.purgatory.high_watermark_moved(partition, out);
        }
        if partition.leader().is_some_and(|leader| !leader.awaiting_low_watermark.is_empty()) {
            self.purgatory.low_watermark_moved(partition, &self.metadata.image().cluster, out);
        }
        if let Some(change) = change {
            self.submit_alter_partition(change, now, out);
        }
        Ok(())
    }

    /// The replica that a consumer had better read from, if it is not this one
    /// (`findPreferredReadReplica`, KIP-392).
    fn preferred_read_replica(
        &self,
        fetch: &FetchPartition,
        params: &FetchParams,
        now: Now,
    ) -> Result<Option<NodeId>, ErrorCode> {
        if !self.is_choosy(params) {
            return Ok(None);
        }
        let partition = self.hosted(fetch.partition)?;
        let Some(leader) = partition.leader() else { return Ok(None) };
        let cluster = &self.metadata.image().cluster;
        let rack = |broker| cluster.broker(broker).and_then(|registration| registration.rack());
        let own = ReplicaView {
            broker: self.identity.node,
            rack: rack(self.identity.node),
            log_end_offset: partition.visible_end(),
            time_since_caught_up: Span::ZERO,
        };
        // Only members of the ISR that have the offset: whoever lags would make the reader lag.
        let able = leader.replicas.iter().filter(|replica| {
            leader.state.isr().contains(&replica.broker)
                && replica.log_end_offset >= Some(fetch.fetch_offset)
                && replica.log_start_offset <= Some(fetch.fetch_offset)
        });
        let views = able.map(|replica| ReplicaView {
            broker: replica.broker,
            rack: rack(replica.broker),
            log_end_offset: replica.log_end_offset.unwrap_or_default(),
            time_since_caught_up: now.wall.since(replica.last_caught_up_time),
        });
        let chosen = rack_aware(params.rack.as_ref(), self.identity.node, views.chain([own]));
        Ok((chosen != self.identity.node).then_some(chosen))
    }

    /// A follower outside of the ISR gets nothing of a throttled partition while the quota is used up
    /// (`shouldLeaderThrottle`, KIP-73).
    fn is_leader_throttled(
        &mut self,
        fetch: &FetchPartition,
        params: &FetchParams,
        now: Now,
        out: &mut Outbox,
    ) -> bool {
        let Some(follower) = params.replica else { return false };
        let Some(partition) = self.replicas.get(fetch.partition) else { return false };
        let index = fetch.partition.partition;
        let is_subject = partition.settings.is_leader_throttled(index, self.identity.node)
            && !self.is_in_isr(fetch, follower.id);
        let is_throttled = is_subject && self.leader_quota.is_exceeded(now.wall);
        if is_throttled {
            let partition = partition.name().clone();
            out.state(ReplicationFact::ReplicationThrottled { partition });
        }
        is_throttled
    }

    fn throttled_bytes(&self, answer: &FetchedPartition, params: &FetchParams) -> u32 {
        let Some(partition) = self.replicas.get(answer.partition) else { return 0 };
        let index = answer.partition.partition;
        let counts = params.is_from_follower()
            && partition.settings.is_leader_throttled(index, self.identity.node);
        if counts { answer.records_size() } else { 0 }
    }

    /// Whether a parked fetch is complete (`DelayedFetch.tryComplete`).
    fn is_fetch_complete(&self, session: &FetchSession, params: &FetchParams) -> bool {
        let mut bytes = 0;
        for fetch in session.dirty() {
            match self.available(fetch, params) {
                Ok(Available::Bytes(more)) => bytes += more,
                Ok(Available::Complete) | Err(_) => return true,
            }
            if bytes >= u64::from(params.min_bytes) {
                return true;
            }
        }
        false
    }

    fn available(
        &self,
        fetch: &FetchPartition,
        params: &FetchParams,
    ) -> Result<Available, ErrorCode> {
        let partition = self.hosted(fetch.partition)?;
        partition.check_log(fetch.current_leader_epoch, params.is_from_follower())?;
        let end = params.end_of(partition);
        if fetch.fetch_offset > end {
            return Ok(Available::Complete);
        }
        if diverging_epoch(partition, fetch)?.is_some() {
            return Ok(Available::Complete);
        }
        if fetch.fetch_offset >= end || self.is_held_back(partition, params) {
            return Ok(Available::Bytes(0));
        }
        // A reader that is a segment behind has waited for nothing.
        Ok(match partition.log.bytes_between(fetch.fetch_offset, end) {
            Some(bytes) => Available::Bytes(bytes.min(u64::from(fetch.max_bytes))),
            None => Available::Complete,
        })
    }

    /// A throttled partition does not complete a delayed fetch.
    fn is_held_back(&self, partition: &Partition, params: &FetchParams) -> bool {
        let Some(follower) = params.replica else { return false };
        let in_isr = partition.leader().is_some_and(|l| l.state.isr().contains(&follower.id));
        !in_isr
            && partition.settings.is_leader_throttled(partition.id().partition, self.identity.node)
    }
}

/// How much may be read.
#[derive(Clone, Copy)]
struct Limits {
    max_bytes: u32,
    min_one: bool,
    from_purgatory: bool,
}

impl Read {
    fn is_urgent(&self) -> bool {
        !self.answer.error.is_ok()
            || self.answer.diverging_epoch.is_some()
            || self.answer.preferred_read_replica.is_some()
    }
}

/// An answer without records yet: where the log stands before the read.
fn answer_of(partition: &Partition, fetch: &FetchPartition) -> FetchedPartition {
    FetchedPartition {
        high_watermark: partition.log.high_watermark(),
        last_stable_offset: partition.log.last_stable_offset(),
        log_start_offset: partition.log.log_start(),
        ..FetchedPartition::of_error(fetch.partition, ErrorCode::None)
    }
}

fn preferred(
    partition: &Partition,
    fetch: &FetchPartition,
    replica: NodeId,
    out: &mut Outbox,
) -> Read {
    let name = partition.name().clone();
    out.state(ReplicationFact::PreferredReadReplicaChosen { partition: name, replica });
    let answer =
        FetchedPartition { preferred_read_replica: Some(replica), ..answer_of(partition, fetch) };
    Read { answer, is_settled: false, throttled_bytes: 0 }
}

/// Where the reader's log leaves this one, if its last epoch says that it does (KIP-595; consumers ask
/// the same way, KIP-320).
fn diverging_epoch(
    partition: &Partition,
    fetch: &FetchPartition,
) -> Result<Option<EpochEndOffset>, ErrorCode> {
    let Some(last_fetched) = fetch.last_fetched_epoch else { return Ok(None) };
    let end = partition.log.end_offset_for_epoch(last_fetched);
    let end = end.ok_or(ErrorCode::OffsetOutOfRange)?;
    if fetch.fetch_offset < partition.log.log_start() {
        return Err(ErrorCode::OffsetOutOfRange);
    }
    let diverges = end.epoch < last_fetched || end.end_offset < fetch.fetch_offset;
    Ok(diverges.then_some(end))
}

fn respond(
    reply_to: ReplyTo,
    error: ErrorCode,
    session: u32,
    partitions: Vec<FetchedPartition>,
    out: &mut Outbox,
) {
    let response = FetchResponse { throttle: Span::ZERO, error, session, partitions };
    reply_to.answer(Response::Fetch(response), out);
}
