//! Following a leader: fetch, append, flush, and thereby acknowledge (`handleFetchResponse`).

use crate::blocked::AfterFlush;
use crate::raft::Raft;
use crate::replica_log::MAX_FETCH_SIZE_BYTES;
use crate::role::{FetchingSnapshot, Role};
use klab_machine::{Mutant, Outbox};
use klab_wire::{
    EpochEndOffset, FetchPartition, FetchRequest, FetchResponse, FetchSession, FetchedPartition,
    FetchingReplica, Few, IsolationLevel, NodeId, Now, Offset, OffsetAndEpoch, Span,
    TopicIdPartition,
};

/// `KafkaRaftClient.MAX_FETCH_WAIT_MS`.
const MAX_FETCH_WAIT: Span = Span::from_millis(500);

impl Raft {
    /// Asks the leader for what follows, or for more of the snapshot that it has sent this replica to.
    pub(crate) fn fetch_from_leader(&mut self, leader: NodeId, now: Now, out: &mut Outbox) {
        let Role::Follower(follower) = &self.role else { return };
        let request = match &follower.fetching {
            Some(fetching) => self.snapshot_request(fetching).into(),
            None => self.fetch_request().into(),
        };
        self.peers.send(leader, request, now, out);
    }

    /// Asks some voter, to find out who leads.
    pub(crate) fn fetch_from_any_voter(&mut self, now: Now, out: &mut Outbox) {
        if let Some(voter) = self.peers.any_ready_voter(now, &mut self.random) {
            let request = self.fetch_request();
            self.peers.send(voter, request.into(), now, out);
        }
    }

    /// The leader has answered a fetch.
    pub(crate) fn fetched(
        &mut self,
        now: Now,
        from: NodeId,
        response: FetchResponse,
        out: &mut Outbox,
    ) {
        let Some(fetched) = response.partitions.into_iter().next() else { return };
        if !matches!(&self.role, Role::Follower(follower) if follower.leader == from) {
            return;
        }
        match (fetched.diverging_epoch, fetched.snapshot) {
            (Some(end), _) => self.truncate_to(now, end, out),
            (None, Some(id)) => self.start_fetching(now, id),
            (None, None) => self.append_fetched(now, from, fetched, out),
        }
    }

    /// What was fetched is appended, and on a voter flushed: the next fetch may acknowledge it.
    pub(crate) fn fetched_records_are_safe(
        &mut self,
        now: Now,
        high_watermark: Offset,
        out: &mut Outbox,
    ) {
        let known = high_watermark.max(match Mutant::AppliesTheUncommitted.lives() {
            true => self.log.end(),
            false => Offset(0),
        });
        self.follower_committed(known.min(self.log.end()), out);
        self.heard_from_leader(now);
    }

    /// The leader is alive.
    pub(crate) fn heard_from_leader(&mut self, now: Now) {
        let timeout = self.setup.config.controller_quorum_fetch_timeout_ms;
        if let Role::Follower(follower) = &mut self.role {
            follower.fetch_at = now.time + timeout;
            follower.has_fetched = true;
        }
    }

    /// How this replica names itself.
    pub(crate) fn own_replica(&self) -> FetchingReplica {
        FetchingReplica { id: self.own.id, directory: Some(self.own.directory), epoch: None }
    }

    fn fetch_request(&self) -> FetchRequest {
        let OffsetAndEpoch { offset, epoch } = self.log.end_and_epoch();
        let known = self.high_watermark.unwrap_or_default();
        FetchRequest {
            cluster: Some(self.cluster.clone()),
            replica: Some(self.own_replica()),
            max_wait: MAX_FETCH_WAIT,
            min_bytes: 0,
            max_bytes: MAX_FETCH_SIZE_BYTES,
            isolation: IsolationLevel::ReadUncommitted,
            session: FetchSession::LEGACY,
            partitions: Few::from([FetchPartition {
                partition: TopicIdPartition::CLUSTER_METADATA,
                current_leader_epoch: Some(self.quorum.leader_epoch),
                fetch_offset: offset,
                last_fetched_epoch: Some(epoch),
                log_start_offset: None,
                high_watermark: self.setup.high_watermark_in_fetch.then_some(known),
                max_bytes: MAX_FETCH_SIZE_BYTES,
            }]),
            forgotten: Vec::new(),
            rack: None,
        }
    }

    /// The leader's log differs from here on. To lose what is committed would be the end: Kafka stops.
    fn truncate_to(&mut self, now: Now, end: EpochEndOffset, out: &mut Outbox) {
        if !self.log.truncate_to_end_offset(end, self.high_watermark, now, out) {
            return out.halt();
        }
        self.heard_from_leader(now);
    }

    /// The leader's log does not reach back to where this one ends.
    fn start_fetching(&mut self, now: Now, id: OffsetAndEpoch) {
        let is_here = self.log.snapshot(id).is_some();
        self.heard_from_leader(now);
        if let Role::Follower(follower) = &mut self.role {
            follower.fetching = (!is_here).then(|| FetchingSnapshot { id, batches: Vec::new() });
        }
    }

    fn append_fetched(
        &mut self,
        now: Now,
        from: NodeId,
        fetched: FetchedPartition,
        out: &mut Outbox,
    ) {
        let FetchedPartition { records, high_watermark, .. } = fetched;
        if records.is_empty() {
            return self.fetched_records_are_safe(now, high_watermark, out);
        }
        if self.log.append_as_follower(&records, now, out).is_err() {
            return self.peers.failed(from, now);
        }
        match self.is_voter {
            true => self.flush_log(now, AfterFlush::FollowerAppended { high_watermark }, out),
            false => self.fetched_records_are_safe(now, high_watermark, out),
        }
    }
}
