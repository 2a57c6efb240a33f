//! Fetch, as the leader answers it: records, or where the replica has to go back to (`handleFetchRequest`).

use crate::purgatory::{Caller, ParkedFetch, is_worth_an_answer};
use crate::raft::Raft;
use crate::replica_log::FetchPlace;
use crate::role::Role;
use klab_machine::timer::RaftTimer;
use klab_machine::{ConnectionId, Outbox};
use klab_wire::{
    ErrorCode, FetchPartition, FetchRequest, FetchResponse, FetchedPartition, FetchingReplica,
    LeaderEpoch, LeaderIdAndEpoch, Now, ReplicaKey, Response, Span, TopicIdPartition,
};

impl Raft {
    /// A replica fetches. Without anything to say, the leader keeps the fetch until there is.
    pub(crate) fn fetch_requested(
        &mut self,
        now: Now,
        caller: Caller,
        request: FetchRequest,
        out: &mut Outbox,
    ) {
        let (max_wait, replica) = (request.max_wait, request.replica);
        let partition = match self.check_fetch(request) {
            Ok(partition) => partition,
            Err(error) => return caller.answer(Response::Fetch(Box::new(refused(error))), out),
        };
        let fetched = self.try_fetch(now, replica, &partition, out);
        if max_wait == Span::ZERO || self.has_something_to_say(&fetched, &partition) {
            return caller.answer(Response::Fetch(Box::new(answer(fetched))), out);
        }
        let deadline = now.time + max_wait;
        let answer = answer(fetched);
        let fetch =
            self.purgatory.park(ParkedFetch { caller, replica, partition, answer, deadline });
        self.alarms.arm(RaftTimer::DelayedFetch(fetch), deadline, now, out);
    }

    /// Answers the fetches that there is something to say to now: new records, or (KIP-1166) a higher
    /// high watermark.
    pub(crate) fn answer_parked_fetches(&mut self, now: Now, out: &mut Outbox) {
        for (id, fetch) in self.purgatory.complete(self.log.end(), self.leader_high_watermark()) {
            self.alarms.stop(RaftTimer::DelayedFetch(id), out);
            let fetched = self.try_fetch(now, fetch.replica, &fetch.partition, out);
            fetch.caller.answer(Response::Fetch(Box::new(answer(fetched))), out);
        }
    }

    /// Answers every fetch that waits: this replica does not lead any more.
    pub(crate) fn refuse_parked_fetches(&mut self, out: &mut Outbox) {
        for (id, fetch) in self.purgatory.complete_all() {
            self.alarms.stop(RaftTimer::DelayedFetch(id), out);
            let fetched = self.fetch_error(ErrorCode::NotLeaderOrFollower);
            fetch.caller.answer(Response::Fetch(Box::new(answer(fetched))), out);
        }
    }

    /// A fetch has waited long enough: it gets the answer that it would have got at once.
    pub(crate) fn expire_fetch(&mut self, now: Now, id: u64, out: &mut Outbox) {
        match self.purgatory.deadline(id) {
            Some(deadline) if deadline > now.time => {
                self.alarms.arm(RaftTimer::DelayedFetch(id), deadline, now, out);
            }
            _ => {
                if let Some(fetch) = self.purgatory.expire(id) {
                    fetch.caller.answer(Response::Fetch(Box::new(fetch.answer)), out);
                }
            }
        }
    }

    /// The connection that a fetch waits on is gone.
    pub(crate) fn forget_parked_fetch(&mut self, connection: ConnectionId, out: &mut Outbox) {
        if let Some(id) = self.purgatory.forget(connection) {
            self.alarms.stop(RaftTimer::DelayedFetch(id), out);
        }
    }

    /// What is wrong with a request that only the leader serves (`validateLeaderOnlyRequest`).
    pub(crate) fn refuse_leader_only_request(
        &self,
        epoch: Option<LeaderEpoch>,
    ) -> Option<ErrorCode> {
        let known = self.quorum.leader_epoch;
        if epoch.is_none_or(|epoch| epoch < known) {
            Some(ErrorCode::FencedLeaderEpoch)
        } else if epoch > Some(known) {
            Some(ErrorCode::UnknownLeaderEpoch)
        } else if !matches!(self.role, Role::Leader(_)) {
            Some(ErrorCode::NotLeaderOrFollower)
        } else if self.shutdown.is_some() {
            Some(ErrorCode::BrokerNotAvailable)
        } else {
            None
        }
    }

    /// Who leads, as every answer says.
    pub(crate) fn current_leader(&self) -> Option<LeaderIdAndEpoch> {
        Some(LeaderIdAndEpoch { leader: self.quorum.leader, epoch: self.quorum.leader_epoch })
    }

    fn check_fetch(&self, request: FetchRequest) -> Result<FetchPartition, ErrorCode> {
        if request.cluster.is_some_and(|cluster| cluster != self.cluster) {
            return Err(ErrorCode::InconsistentClusterId);
        }
        let mut partitions = request.partitions.into_iter();
        match (partitions.next(), partitions.next()) {
            (Some(fetch), None) if fetch.partition == TopicIdPartition::CLUSTER_METADATA => {
                Ok(fetch)
            }
            _ => Err(ErrorCode::InvalidRequest),
        }
    }

    fn try_fetch(
        &mut self,
        now: Now,
        replica: Option<FetchingReplica>,
        fetch: &FetchPartition,
        out: &mut Outbox,
    ) -> FetchedPartition {
        let Some(last_epoch) = fetch.last_fetched_epoch else {
            return self.fetch_error(ErrorCode::InvalidRequest);
        };
        if fetch.current_leader_epoch.is_some_and(|current| last_epoch > current) {
            return self.fetch_error(ErrorCode::InvalidRequest);
        }
        if let Some(error) = self.refuse_leader_only_request(fetch.current_leader_epoch) {
            return self.fetch_error(error);
        }
        match self.log.place_of(fetch.fetch_offset, last_epoch) {
            FetchPlace::Valid => self.read_for(now, replica, fetch, out),
            FetchPlace::Diverging(end) => {
                FetchedPartition { diverging_epoch: Some(end), ..self.fetch_error(ErrorCode::None) }
            }
            FetchPlace::Snapshot(id) => {
                FetchedPartition { snapshot: Some(id), ..self.fetch_error(ErrorCode::None) }
            }
        }
    }

    /// The place is valid: so the replica has everything below it, and is given what follows.
    fn read_for(
        &mut self,
        now: Now,
        replica: Option<FetchingReplica>,
        fetch: &FetchPartition,
        out: &mut Outbox,
    ) -> FetchedPartition {
        let records = self.log.read(fetch.fetch_offset, fetch.max_bytes, out);
        if let Some(FetchingReplica { id, directory: Some(directory), .. }) = replica {
            let key = ReplicaKey { id, directory };
            self.replica_fetched(now, key, fetch.fetch_offset, out);
        }
        FetchedPartition { records, ..self.fetch_error(ErrorCode::None) }
    }

    fn replica_fetched(
        &mut self,
        now: Now,
        key: ReplicaKey,
        end: klab_wire::Offset,
        out: &mut Outbox,
    ) {
        let leader_end = self.log.end();
        let Role::Leader(leader) = &mut self.role else { return };
        if let Some(to) = leader.fetched(key, end, leader_end, now) {
            self.leader_committed(now, to, out);
        }
    }

    /// What a fetch answers in any case, with an error or none.
    fn fetch_error(&self, error: ErrorCode) -> FetchedPartition {
        let high_watermark = self.leader_high_watermark().unwrap_or_default();
        FetchedPartition {
            high_watermark,
            last_stable_offset: high_watermark,
            log_start_offset: self.log.start(),
            current_leader: self.current_leader(),
            ..FetchedPartition::of_error(TopicIdPartition::CLUSTER_METADATA, error)
        }
    }

    fn has_something_to_say(&self, fetched: &FetchedPartition, fetch: &FetchPartition) -> bool {
        !fetched.error.is_ok()
            || fetched.diverging_epoch.is_some()
            || fetched.snapshot.is_some()
            || is_worth_an_answer(fetch, self.log.end(), self.leader_high_watermark())
    }
}

fn answer(fetched: FetchedPartition) -> FetchResponse {
    FetchResponse { partitions: [fetched].into(), ..FetchResponse::default() }
}

/// A fetch that is refused before anything is looked at.
fn refused(error: ErrorCode) -> FetchResponse {
    FetchResponse { error, ..FetchResponse::default() }
}
