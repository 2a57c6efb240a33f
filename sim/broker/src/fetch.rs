//! Fetch: consumers read up to the high watermark, followers up to the end, and a follower's fetch is its
//! acknowledgement of everything below (`ReplicaManager.fetchMessages`, `readFromLog`, `DelayedFetch`).
//!
//! A fetch looks at the dirty partitions of its session. If they do not yield enough it waits: the
//! partitions that may yet yield something stay dirty, and the session is woken when one of them moves.
//!
//! What is read of one partition stands in `fetch_read.rs`, when a waiting fetch is complete in
//! `delayed_fetch.rs`.

use crate::Broker;
use crate::fetch_read::{Look, Reads};
use crate::fetch_session::{FetchSession, SessionHandle, SessionId};
use crate::partition::Partition;
use crate::purgatory::ReplyTo;
use crate::replicas::Replicas;
use klab_machine::fact::ReplicationFact;
use klab_machine::{Mutant, Outbox};
use klab_wire::{
    ErrorCode, FetchRequest, FetchResponse, FetchingReplica, IsolationLevel, Now, Offset, RackId,
    Response, SessionEpoch, Time,
};

/// What a fetch asks for beside its partitions (`FetchParams`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchParams {
    /// The follower; none for a consumer.
    pub replica: Option<FetchingReplica>,
    /// Until when to wait for `min_bytes`.
    pub deadline: Time,
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

    /// The end of what this reader finds when it comes. Reads take no lock of the log (`UnifiedLog.read`): a follower
    /// also finds an append that is in its fsync.
    pub(crate) fn end_on_arrival(&self, partition: &Partition) -> Offset {
        match self.replica {
            Some(_) => partition.appended_end(),
            None => self.end_of(partition),
        }
    }

    /// The end of what this reader may see if it has waited.
    pub(crate) fn end_of(&self, partition: &Partition) -> Offset {
        match (self.replica, self.isolation) {
            (Some(_), _) => partition.visible_end(),
            (None, _) if Mutant::ServesBeyondHighWatermark.lives() => partition.visible_end(),
            (None, IsolationLevel::ReadUncommitted) => partition.log.high_watermark(),
            (None, IsolationLevel::ReadCommitted) => partition.log.last_stable_offset(),
        }
    }
}

impl Broker {
    /// A Fetch request.
    pub(crate) fn handle_fetch(
        &mut self,
        request: Box<FetchRequest>,
        reply_to: ReplyTo,
        now: Now,
        out: &mut Outbox,
    ) {
        let params = self.fetch_params(&request, reply_to, now);
        match self.begin_fetch(&request, now, out) {
            Ok(session) => self.fetch(session, params, now, out),
            Err(error) => refuse(reply_to, error, 0, out),
        }
        self.spare_fetches.keep(request);
    }

    /// A parked fetch may be complete, because a partition of its session moved.
    pub(crate) fn try_complete_fetch(&mut self, handle: SessionHandle, now: Now, out: &mut Outbox) {
        let Some(session) = self.purgatory.sessions.get(handle) else { return };
        let Some(params) = &session.parked else { return };
        if !self.is_fetch_complete(session, params) {
            return;
        }
        self.complete_fetch(handle, now, out);
    }

    /// Some parked fetches may have waited long enough.
    pub(crate) fn expire_fetches(&mut self, now: Now, out: &mut Outbox) {
        while let Some(session) = self.purgatory.next_expired_fetch(now) {
            self.complete_fetch(session, now, out);
        }
        self.purgatory.fetch_timer_rang(now, out);
    }

    fn complete_fetch(&mut self, handle: SessionHandle, now: Now, out: &mut Outbox) {
        let session = self.purgatory.sessions.get_mut(handle);
        let Some(params) = session.and_then(|session| session.parked.take()) else { return };
        let reads = self.read_dirty(handle, &params, true, now, out);
        self.answer_fetch(handle, &params, reads, now, out);
    }

    /// A session ends: its partitions need not tell it anything any more.
    pub(crate) fn unwatch_all(&mut self, session: &FetchSession) {
        for id in session.partitions() {
            if let Some(partition) = self.replicas.get_mut(id) {
                partition.unwatch(session.id, session.last_fetch);
            }
        }
    }

    fn fetch_params(&self, request: &FetchRequest, reply_to: ReplyTo, now: Now) -> FetchParams {
        let cap = u32::try_from(self.config.fetch_max_bytes).unwrap_or(u32::MAX);
        let max_bytes = request.max_bytes.min(cap);
        FetchParams {
            replica: request.replica,
            deadline: now.time + request.max_wait,
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
        request: &FetchRequest,
        now: Now,
        out: &mut Outbox,
    ) -> Result<SessionHandle, ErrorCode> {
        let id = SessionId(request.session.id);
        match request.session.epoch {
            SessionEpoch::Incremental(epoch) => self.continue_session(id, epoch, request, now, out),
            SessionEpoch::Initial | SessionEpoch::Final => {
                self.end_session(id, out);
                let wanted = request.session.epoch == SessionEpoch::Initial;
                let partitions = &request.partitions;
                let sessions = &mut self.purgatory.sessions;
                Ok(sessions.begin_full(request.replica, wanted, partitions, now.wall))
            }
        }
    }

    fn continue_session(
        &mut self,
        id: SessionId,
        epoch: u32,
        request: &FetchRequest,
        now: Now,
        out: &mut Outbox,
    ) -> Result<SessionHandle, ErrorCode> {
        let handle = self.purgatory.sessions.begin_incremental(id, epoch, now.wall)?;
        let session = self.purgatory.sessions.get_mut(handle).expect("the session goes on");
        let last_fetch = std::mem::replace(&mut session.last_fetch, now.wall);
        if session.replica != request.replica {
            // Another life of the follower: everything noted of it is of the one before.
            session.replica = request.replica;
            session.mark_all_dirty();
        }
        request.partitions.iter().for_each(|fetch| session.ask(fetch));
        let before = session.parked.take();
        for partition in &request.forgotten {
            session.forget(*partition);
            if let Some(partition) = self.replicas.get_mut(*partition) {
                partition.unwatch(id, last_fetch);
            }
        }
        if let Some(before) = before {
            // The reader gave the one before up; should it still be there, it learns why.
            let error = ErrorCode::InvalidFetchSessionEpoch;
            refuse(before.reply_to, error, id.0, out);
        }
        Ok(handle)
    }

    fn end_session(&mut self, id: SessionId, out: &mut Outbox) {
        let Some(session) = self.purgatory.sessions.remove(id) else { return };
        self.unwatch_all(&session);
        if let Some(parked) = session.parked {
            let error = ErrorCode::FetchSessionIdNotFound;
            refuse(parked.reply_to, error, 0, out);
        }
    }

    /// Reads what there is, and answers or waits.
    fn fetch(&mut self, handle: SessionHandle, params: FetchParams, now: Now, out: &mut Outbox) {
        let reads = self.read_dirty(handle, &params, false, now, out);
        let session = &self.purgatory.sessions.get(handle).expect("the session was just begun");
        let answers_now = params.deadline <= now.time
            || session.is_empty()
            || reads.bytes >= params.min_bytes
            || reads.is_urgent;
        if answers_now {
            self.answer_fetch(handle, &params, reads, now, out);
        } else {
            self.park_fetch(handle, params, reads, now, out);
        }
    }

    /// Waits. What has something to say, though not enough, is looked at again in the end.
    fn park_fetch(
        &mut self,
        handle: SessionHandle,
        params: FetchParams,
        reads: Reads,
        now: Now,
        out: &mut Outbox,
    ) {
        let session = self.purgatory.sessions.get_mut(handle).expect("the session fetches");
        for look in &reads.looks {
            if look.is_news || !look.is_settled {
                session.mark_dirty(look.slot);
            } else {
                idle(&mut self.replicas, session, look);
            }
        }
        self.looks = reads.looks;
        self.spare_answers.keep(reads.response);
        let deadline = params.deadline;
        session.parked = Some(params);
        self.purgatory.park_fetch(handle, deadline, now, out);
    }

    /// Answers with what the reader does not know.
    fn answer_fetch(
        &mut self,
        handle: SessionHandle,
        params: &FetchParams,
        mut reads: Reads,
        now: Now,
        out: &mut Outbox,
    ) {
        if reads.throttled_bytes > 0 {
            self.leader_quota.record(u64::from(reads.throttled_bytes), now.wall);
        }
        let session = self.purgatory.sessions.get_mut(handle).expect("the session fetches");
        let mut answers = reads.response.partitions.iter();
        for look in &reads.looks {
            if look.is_news
                && let Some(known) = session.partition_mut(look.slot)
                && let Some(answer) = answers.next()
            {
                known.note_response(answer);
            }
            match look.is_settled {
                true => idle(&mut self.replicas, session, look),
                false => session.mark_dirty(look.slot),
            }
        }
        self.looks = reads.looks;
        reads.response.session = self.session_to_answer(handle, now, out);
        params.reply_to.answer(Response::Fetch(reads.response), out);
    }

    /// The session number that the answer carries: a full fetch may have begun a session.
    fn session_to_answer(&mut self, handle: SessionHandle, now: Now, out: &mut Outbox) -> u32 {
        let Some(session) = self.purgatory.sessions.get(handle) else { return 0 };
        if !session.is_full() && !session.is_empty() {
            return handle.id.0;
        }
        let partitions = session.len();
        let (is_kept, evicted) = match session.wants_to_be_kept && !session.is_empty() {
            true => self.purgatory.sessions.maybe_keep(handle, now.wall),
            false => (false, None),
        };
        if let Some(evicted) = evicted {
            self.unwatch_all(&evicted);
        }
        if is_kept {
            out.state(ReplicationFact::FetchSessionCreated { session: handle.id.0, partitions });
            return handle.id.0;
        }
        if let Some(session) = self.purgatory.sessions.remove(handle.id) {
            self.unwatch_all(&session);
        }
        0
    }
}

/// The follower has everything and knows it: until the partition moves, its fetches need not be noted
/// one by one.
fn idle(replicas: &mut Replicas, session: &mut FetchSession, look: &Look) {
    let Some(follower) = session.replica else { return };
    let Some(known) = session.partition_mut(look.slot).filter(|known| !known.is_dirty()) else {
        return;
    };
    let partition = replicas.recall_mut(&mut known.replica, known.fetch.partition);
    if let Some(replica) = partition.and_then(|partition| partition.replica_mut(follower.id)) {
        replica.idle_in = Some(session.id);
    }
}

fn refuse(reply_to: ReplyTo, error: ErrorCode, session: u32, out: &mut Outbox) {
    let response = FetchResponse { error, session, ..FetchResponse::default() };
    reply_to.answer(Response::Fetch(Box::new(response)), out);
}
