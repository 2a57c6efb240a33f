//! The one door of a replica of the metadata log, and the one thread behind it (`KafkaRaftClientDriver`).

use crate::alarms::Alarms;
use crate::blocked::Blocked;
use crate::purgatory::{Caller, FetchPurgatory};
use crate::replica_log::ReplicaLog;
use crate::request_manager::{Outcome, RequestManager};
use crate::role::{Role, Unattached};
use crate::shutdown::Shutdown;
use crate::snapshot_writing::{CLEAN_INTERVAL, WritingSnapshot};
use crate::{RaftEvent, RaftSetup};
use klab_machine::disk::QuorumState;
use klab_machine::random::{Stream, stream};
use klab_machine::timer::RaftTimer;
use klab_machine::{DiskImage, Identity, Input, Outbox, Timer};
use klab_wire::{
    ClusterId, ErrorCode, LeaderEpoch, MetadataRecord, NodeId, Now, Offset, ReplicaKey, Request,
    Response, Time, TopicIdPartition,
};
use std::collections::VecDeque;

/// A replica of the metadata log.
#[derive(Clone, Debug)]
pub struct Raft {
    pub(crate) setup: RaftSetup,
    pub(crate) own: ReplicaKey,
    pub(crate) cluster: ClusterId,
    pub(crate) is_voter: bool,
    /// The election state as it is on the disk.
    pub(crate) quorum: QuorumState,
    pub(crate) role: Role,
    pub(crate) log: ReplicaLog,
    /// Below this the log is committed, as far as this replica knows; it never goes back.
    pub(crate) high_watermark: Option<Offset>,
    pub(crate) peers: RequestManager,
    pub(crate) purgatory: FetchPurgatory,
    pub(crate) alarms: Alarms,
    pub(crate) random: Stream,
    /// What has come in and was not looked at yet.
    pub(crate) inbox: VecDeque<Work>,
    /// The fsync that the thread waits for.
    pub(crate) blocked: Option<Blocked>,
    pub(crate) events: VecDeque<RaftEvent>,
    /// The first offset that was not delivered; none before the first delivery.
    pub(crate) next_delivery: Option<Offset>,
    pub(crate) bytes_since_snapshot: u64,
    pub(crate) announced: (Option<NodeId>, LeaderEpoch),
    pub(crate) writing_snapshot: Option<WritingSnapshot>,
    pub(crate) clean_log_at: Time,
    pub(crate) shutdown: Option<Shutdown>,
}

/// One thing for the thread to do.
#[derive(Clone, Debug)]
pub(crate) enum Work {
    /// A peer asks.
    Request(Caller, Request),
    /// A peer has answered, or never will.
    Outcome(Outcome),
    /// A fetch in purgatory has waited long enough.
    ExpireFetch(u64),
    /// Time has passed.
    Look,
}

impl Raft {
    /// Starts a replica, or starts it again from what it stored.
    pub fn boot(
        setup: RaftSetup,
        identity: &Identity,
        disk: &DiskImage,
        now: Now,
        out: &mut Outbox,
    ) -> Self {
        out.quietly(setup.is_beside_voter, |out| Raft::start(setup, identity, disk, now, out))
    }

    fn start(
        setup: RaftSetup,
        identity: &Identity,
        disk: &DiskImage,
        now: Now,
        out: &mut Outbox,
    ) -> Self {
        let own = ReplicaKey { id: identity.node, directory: identity.directory };
        let life = [identity.node.key(), identity.incarnation.0];
        let jitter = stream(identity.seed, "raft-network", life);
        let mut raft = Raft {
            is_voter: setup.is_voter(identity),
            quorum: QuorumState::default(),
            role: Role::Unattached(Unattached { election_at: None }),
            log: ReplicaLog::load(setup.limits, disk, now, out),
            high_watermark: None,
            peers: RequestManager::new(&setup, setup.own_voter(own), jitter),
            purgatory: FetchPurgatory::default(),
            alarms: Alarms::default(),
            random: stream(identity.seed, "raft", life),
            inbox: VecDeque::new(),
            blocked: None,
            events: VecDeque::new(),
            next_delivery: None,
            bytes_since_snapshot: 0,
            announced: (None, LeaderEpoch(0)),
            writing_snapshot: None,
            clean_log_at: now.time + CLEAN_INTERVAL,
            shutdown: None,
            cluster: identity.cluster.clone(),
            own,
            setup,
        };
        raft.initialize(disk, now, out);
        raft.run(now, out);
        raft
    }

    /// Whether an input is this replica's to handle: its connections' responses and ends, its timers and
    /// flushes, and on a voter the requests Vote, BeginQuorumEpoch, EndQuorumEpoch, FetchSnapshot,
    /// DescribeQuorum and Fetch of the metadata log.
    pub fn owns(&self, input: &Input) -> bool {
        match input {
            Input::Request { request, .. } => self.is_voter && is_of_the_quorum(request),
            Input::Timer(Timer::Raft(_)) => true,
            Input::Flushed(flush) => self.waits_for(*flush),
            Input::Disconnected { connection, .. } => {
                self.purgatory.has(*connection) || self.peers.owns(input)
            }
            _ => self.peers.owns(input),
        }
    }

    /// Handles an input that this replica [owns](Self::owns). Look at [`next_event`](Self::next_event)
    /// afterwards.
    pub fn handle(&mut self, now: Now, input: Input, out: &mut Outbox) {
        if !self.is_shut_down() {
            out.quietly(self.setup.is_beside_voter, |out| self.take(now, input, out));
        }
    }

    fn take(&mut self, now: Now, input: Input, out: &mut Outbox) {
        match input {
            Input::Request { connection, correlation, request } => {
                let caller = Caller { connection, correlation };
                self.inbox.push_back(Work::Request(caller, request));
            }
            Input::Timer(Timer::Raft(timer)) => self.rang(timer),
            Input::Flushed(flush) => self.flushed(now, flush, out),
            Input::Disconnected { connection, .. } if self.purgatory.has(connection) => {
                self.forget_parked_fetch(connection, out);
            }
            of_a_peer => {
                let outcomes = self.peers.handle(now, of_a_peer, out);
                self.inbox.extend(outcomes.into_iter().map(Work::Outcome));
            }
        }
        self.run(now, out);
    }

    /// The next thing to learn. Take them all out after every call that takes an outbox.
    pub fn next_event(&mut self) -> Option<RaftEvent> {
        self.events.pop_front()
    }

    /// Appends records as one atomic batch, and returns the offset of the last one
    /// (`prepareAppend` and `schedulePreparedAppend`).
    ///
    /// It is a promise of an offset, not of a commit: wait for `Committed`. Fails with
    /// `NOT_LEADER_OR_FOLLOWER` unless this replica leads in `epoch`, with `RECORD_LIST_TOO_LARGE`
    /// when the records do not fit into one batch, and with `UNKNOWN_SERVER_ERROR` when more batches
    /// wait for the disk than Kafka has buffers for.
    pub fn append(
        &mut self,
        now: Now,
        epoch: LeaderEpoch,
        records: Vec<MetadataRecord>,
        out: &mut Outbox,
    ) -> Result<Offset, ErrorCode> {
        assert!(!records.is_empty(), "an append has at least one record");
        let may_append = epoch == self.quorum.leader_epoch && !self.is_moving_on();
        let Role::Leader(leader) = &mut self.role else {
            return Err(ErrorCode::NotLeaderOrFollower);
        };
        if !may_append {
            return Err(ErrorCode::NotLeaderOrFollower);
        }
        let last = leader.accumulator.append(records, now)?;
        self.inbox.push_back(Work::Look);
        self.run(now, out);
        Ok(last)
    }

    /// The offset that the next appended record will have: a broker's epoch is the offset of its
    /// registration record, and has to be known when the record is written.
    pub fn next_append_offset(&self) -> Offset {
        match &self.role {
            Role::Leader(leader) => leader.accumulator.next_offset(),
            _ => self.log.end(),
        }
    }

    /// Gives up leadership of this epoch, and asks the voter with the longest log to stand
    /// (`RaftClient.resign`). Does nothing if this replica does not lead in `epoch`.
    pub fn resign(&mut self, now: Now, epoch: LeaderEpoch, out: &mut Outbox) {
        if let Role::Leader(leader) = &mut self.role
            && epoch == self.quorum.leader_epoch
        {
            leader.resign_requested = true;
            self.inbox.push_back(Work::Look);
            self.run(now, out);
        }
    }

    /// Works off what has come in, until there is nothing left or an fsync is under way.
    pub(crate) fn run(&mut self, now: Now, out: &mut Outbox) {
        while self.blocked.is_none() && !self.is_shut_down() {
            let Some(work) = self.inbox.pop_front() else { break };
            self.work(now, work, out);
            if self.blocked.is_none() {
                self.poll(now, out);
            }
        }
        self.arm(now, out);
    }

    fn work(&mut self, now: Now, work: Work, out: &mut Outbox) {
        match work {
            Work::Request(caller, request) => self.request(now, caller, request, out),
            Work::Outcome(outcome) => self.outcome(now, outcome, out),
            Work::ExpireFetch(fetch) => self.expire_fetch(now, fetch, out),
            Work::Look => {}
        }
    }

    fn request(&mut self, now: Now, caller: Caller, request: Request, out: &mut Outbox) {
        match request {
            Request::Vote(vote) => self.vote_requested(now, caller, *vote, out),
            Request::BeginQuorumEpoch(begin) => self.epoch_begun(now, caller, *begin, out),
            Request::EndQuorumEpoch(end) => self.epoch_ended(now, caller, *end, out),
            Request::Fetch(fetch) => self.fetch_requested(now, caller, *fetch, out),
            Request::FetchSnapshot(fetch) => self.snapshot_requested(now, caller, *fetch, out),
            Request::DescribeQuorum(_) => {
                caller.answer(Response::DescribeQuorum(Box::new(self.describe_quorum(now))), out);
            }
            other => unreachable!("a replica of the metadata log does not own {other:?}"),
        }
    }

    fn rang(&mut self, timer: RaftTimer) {
        self.alarms.rang(timer);
        self.inbox.push_back(match timer {
            RaftTimer::DelayedFetch(fetch) => Work::ExpireFetch(fetch),
            _ => Work::Look,
        });
    }

    /// Sets the timers that the role, the requests under way and the housekeeping need.
    fn arm(&mut self, now: Now, out: &mut Outbox) {
        if self.is_shut_down() {
            return;
        }
        // A blocked thread looks at its deadlines when it goes on.
        if self.blocked.is_none() {
            for (timer, deadline) in self.role.deadlines() {
                self.alarms.arm(timer, deadline, now, out);
            }
        }
        for (voter, deadline) in self.peers.deadlines() {
            self.alarms.arm(RaftTimer::RetryBackoff(voter), deadline, now, out);
        }
        self.alarms.arm(RaftTimer::CleanLog, self.clean_log_at, now, out);
        if let Some(shutdown) = &self.shutdown {
            self.alarms.arm(RaftTimer::Shutdown, shutdown.deadline(), now, out);
        }
    }
}

/// A request that the voters of the metadata quorum serve.
fn is_of_the_quorum(request: &Request) -> bool {
    match request {
        Request::Vote(_)
        | Request::BeginQuorumEpoch(_)
        | Request::EndQuorumEpoch(_)
        | Request::FetchSnapshot(_)
        | Request::DescribeQuorum(_) => true,
        Request::Fetch(fetch) => fetch
            .partitions
            .first()
            .is_some_and(|fetch| fetch.partition == TopicIdPartition::CLUSTER_METADATA),
        _ => false,
    }
}
