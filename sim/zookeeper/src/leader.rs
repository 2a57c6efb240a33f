//! A leader: it proposes an epoch, brings its learners in line, and then orders all writes (`Leader`).
//!
//! Discovery: a quorum says which epochs it has accepted; the leader proposes a higher one, and a quorum
//! accepts it. Synchronisation: every learner gets what it lacks, and NEWLEADER; when a quorum has that on
//! the platter, the epoch is established. Broadcast is in `broadcast.rs`, what is kept of each learner in
//! `learner_handler.rs`.

use crate::core::{Core, set, stop};
use crate::learner_handler::{Handler, Stage};
use crate::prep::Prep;
use crate::server::Leave;
use crate::sessions::SessionTracker;
use crate::synchronisation::{Stock, choose};
use klab_machine::fact::{SyncMode, ZooKeeperFact};
use klab_machine::timer::ZooKeeperTimer;
use klab_machine::{ConnectionId, FlushId, Mutant, Outbox};
use klab_wire::zookeeper::{AckEpoch, Frame, LearnerInfo, ServerState, SessionId, Txn, Xid, Zxid};
use klab_wire::{NodeId, Time};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Leader {
    pub(crate) phase: Phase,
    /// The epoch that it proposes, or has.
    pub(crate) epoch: u32,
    /// What it had when it was elected: a learner that has more makes it unfit.
    summary: (u32, Zxid),
    /// Who has said which epochs it has accepted (`connectingFollowers`).
    connecting: BTreeSet<NodeId>,
    /// Who has accepted the epoch (`electingFollowers`).
    electing: BTreeSet<NodeId>,
    /// Who has everything up to NEWLEADER on the platter.
    newleader_acks: BTreeSet<NodeId>,
    pub(crate) handlers: BTreeMap<ConnectionId, Handler>,
    /// Proposals that are not committed (`outstandingProposals`).
    pub(crate) outstanding: BTreeMap<Zxid, Proposal>,
    pub(crate) last_proposed: Zxid,
    pub(crate) last_committed: Zxid,
    /// `sync` requests that wait for a proposal to be committed.
    pub(crate) pending_syncs: BTreeMap<Zxid, Vec<(ConnectionId, SessionId, Xid)>>,
    pub(crate) prep: Prep,
    pub(crate) sessions: SessionTracker,
    tick: u64,
    /// The next half tick begins a tick (`tickSkip`).
    is_half: bool,
}

/// How far a leader has come (`ZabState`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// It waits for a quorum to say which epochs it has accepted.
    ProposingEpoch,
    /// It writes the epoch down that it proposes.
    StoringAcceptedEpoch(FlushId),
    /// It waits for a quorum to accept the epoch.
    AwaitingEpochAcks,
    /// It brings its learners in line, and writes down that the epoch is its own.
    Synchronising(Option<FlushId>),
    /// It serves.
    Broadcasting,
}

/// A proposal on its way.
#[derive(Clone, Debug)]
pub(crate) struct Proposal {
    pub(crate) txn: Arc<Txn>,
    pub(crate) acks: BTreeSet<NodeId>,
}

impl Leader {
    /// A server was elected.
    pub(crate) fn begin(core: &mut Core, now: Time, out: &mut Outbox) -> Self {
        let summary = (core.epochs.current(), core.database.last_processed());
        let mut leader = Leader {
            phase: Phase::ProposingEpoch,
            epoch: 0,
            summary,
            connecting: BTreeSet::new(),
            electing: BTreeSet::new(),
            newleader_acks: BTreeSet::new(),
            handlers: BTreeMap::new(),
            outstanding: BTreeMap::new(),
            last_proposed: summary.1,
            last_committed: summary.1,
            pending_syncs: BTreeMap::new(),
            prep: Prep::default(),
            sessions: SessionTracker::default(),
            tick: 0,
            is_half: true,
        };
        set(ZooKeeperTimer::InitLimit, core.setup.init_timeout(), out);
        leader.propose_epoch(core, core.me, core.epochs.accepted(), now, out);
        leader
    }

    /// A learner connects.
    pub(crate) fn accept(
        &mut self,
        core: &Core,
        (connection, from): (ConnectionId, NodeId),
        out: &mut Outbox,
    ) {
        let limits = u64::from(core.setup.init_limit + core.setup.sync_limit);
        self.handlers.insert(connection, Handler::new(from, self.tick + limits));
        set(ZooKeeperTimer::LearnerSilent(from), core.setup.init_timeout(), out);
    }

    /// A learner introduces itself.
    pub(crate) fn introduce(
        &mut self,
        core: &mut Core,
        (connection, observes): (ConnectionId, bool),
        info: LearnerInfo,
        (now, out): (Time, &mut Outbox),
    ) {
        let Some(handler) = self.handlers.get_mut(&connection) else { return };
        (handler.stage, handler.observes) = (Stage::AwaitsEpoch, observes);
        let learner = handler.learner;
        match self.phase {
            Phase::ProposingEpoch => {
                self.propose_epoch(core, learner, info.accepted_epoch, now, out);
            }
            Phase::StoringAcceptedEpoch(_) => {}
            _ => self.tell_epoch(connection, out),
        }
    }

    /// A voter says which epoch it has accepted; when a quorum has, a higher one is proposed
    /// (`getEpochToPropose`).
    fn propose_epoch(
        &mut self,
        core: &mut Core,
        voter: NodeId,
        accepted: u32,
        _now: Time,
        out: &mut Outbox,
    ) {
        self.epoch = self.epoch.max(accepted + 1);
        if core.setup.is_participant(voter) {
            self.connecting.insert(voter);
        }
        if self.connecting.contains(&core.me)
            && core.setup.is_quorum(self.connecting.iter().copied())
        {
            let flush = core.accept_epoch(self.epoch, out);
            self.phase = Phase::StoringAcceptedEpoch(flush);
        }
    }

    /// An fsync of an epoch is done.
    pub(crate) fn epoch_flushed(
        &mut self,
        core: &mut Core,
        flush: FlushId,
        (now, out): (Time, &mut Outbox),
    ) {
        match self.phase {
            Phase::StoringAcceptedEpoch(waited) if waited == flush => {
                self.last_proposed = Zxid::start_of(self.epoch);
                self.phase = Phase::AwaitingEpochAcks;
                set(ZooKeeperTimer::InitLimit, core.setup.init_timeout(), out);
                self.electing.insert(core.me);
                self.each(Stage::AwaitsEpoch, |leader, connection| {
                    leader.tell_epoch(connection, out);
                });
                self.finish_election(core, now, out);
            }
            Phase::Synchronising(Some(waited)) if waited == flush => {
                self.phase = Phase::Synchronising(None);
                self.newleader_acks.insert(core.me);
                self.establish(core, now, out);
            }
            _ => {}
        }
    }

    fn tell_epoch(&mut self, connection: ConnectionId, out: &mut Outbox) {
        if let Some(handler) = self.handlers.get_mut(&connection) {
            handler.stage = Stage::AwaitsAckEpoch;
            out.frame(connection, Frame::LeaderInfo(Zxid::start_of(self.epoch)));
        }
    }

    /// A learner accepts the epoch. One that knows more than this leader is sent away (`waitForEpochAck`).
    pub(crate) fn epoch_acked(
        &mut self,
        core: &mut Core,
        connection: ConnectionId,
        ack: AckEpoch,
        (now, out): (Time, &mut Outbox),
    ) {
        let Some(handler) = self.handlers.get_mut(&connection) else { return };
        if handler.stage != Stage::AwaitsAckEpoch {
            return;
        }
        let learner = handler.learner;
        if self.phase != Phase::AwaitingEpochAcks {
            return self.synchronise(core, connection, ack.last_zxid, out);
        }
        if let Some(epoch) = ack.current_epoch {
            if (epoch, ack.last_zxid) > self.summary && !Mutant::LeadsTheAhead.lives() {
                let zxid = ack.last_zxid;
                out.state(ZooKeeperFact::LearnerAheadRefused { learner, epoch, zxid });
                return self.send_away(connection, out);
            }
            if core.setup.is_participant(learner) {
                self.electing.insert(learner);
            }
        }
        handler.stage = Stage::AwaitsElection(ack.last_zxid);
        self.finish_election(core, now, out);
    }

    /// If a quorum has accepted the epoch, it is written down as this leader's own, and the learners are
    /// brought in line meanwhile.
    fn finish_election(&mut self, core: &mut Core, _now: Time, out: &mut Outbox) {
        if !core.setup.is_quorum(self.electing.iter().copied()) {
            return;
        }
        self.phase = Phase::Synchronising(Some(core.enter_epoch(self.epoch, out)));
        set(ZooKeeperTimer::InitLimit, core.setup.init_timeout(), out);
        let waiting: Vec<(ConnectionId, Zxid)> = self
            .handlers
            .iter()
            .filter_map(|(connection, handler)| match handler.stage {
                Stage::AwaitsElection(zxid) => Some((*connection, zxid)),
                _ => None,
            })
            .collect();
        for (connection, zxid) in waiting {
            self.synchronise(core, connection, zxid, out);
        }
    }

    /// Sends a learner what it lacks, what is on its way, and NEWLEADER. From here on it gets every proposal:
    /// from the moment at which it was counted, not from its acknowledgement of NEWLEADER, or it would have a
    /// hole (the first ambiguity of the paper, `startForwarding`).
    fn synchronise(
        &mut self,
        core: &mut Core,
        connection: ConnectionId,
        peer: Zxid,
        out: &mut Outbox,
    ) {
        let Some(handler) = self.handlers.get_mut(&connection) else { return };
        handler.stage = Stage::Synchronising;
        let (learner, observes) = (handler.learner, handler.observes);
        let database = &core.database;
        let logged = database.logged_from(peer);
        let last_processed = database.last_processed();
        let stock = Stock {
            committed: database.committed(),
            last_processed,
            logged: &logged,
            trusts_numbers: core.setup.switches.diff_over_a_foreign_ending,
        };
        let plan = choose(peer, stock);
        let (mode, from, to) = (plan.mode, peer, plan.reaches.max(plan.zxid));
        out.state(ZooKeeperFact::SyncModeChosen { learner, mode, from, to });
        if mode == SyncMode::Trunc {
            self.withdraw_acks((connection, learner), plan.zxid, out);
        }
        match plan.mode {
            SyncMode::Diff => out.frame(connection, Frame::Diff(plan.zxid)),
            SyncMode::Trunc => out.frame(connection, Frame::Trunc(plan.zxid)),
            SyncMode::Snap => out.frame(connection, Frame::Snap(Arc::new(database.snapshot()))),
        }
        for txn in plan.txns {
            let zxid = txn.zxid;
            out.frame(connection, Frame::Proposal(txn));
            out.frame(connection, Frame::Commit(zxid));
        }
        if !observes {
            for proposal in self.outstanding.values().filter(|one| one.txn.zxid > plan.reaches) {
                out.frame(connection, Frame::Proposal(proposal.txn.clone()));
            }
        }
        out.frame(connection, Frame::NewLeader(Zxid::start_of(self.epoch)));
    }

    /// A learner has everything up to NEWLEADER on the platter (`waitForNewLeaderAck`).
    pub(crate) fn newleader_acked(
        &mut self,
        core: &mut Core,
        connection: ConnectionId,
        (now, out): (Time, &mut Outbox),
    ) {
        let Some(handler) = self.handlers.get_mut(&connection) else { return };
        handler.stage = Stage::Acknowledged;
        let learner = handler.learner;
        set(ZooKeeperTimer::LearnerSilent(learner), core.setup.sync_timeout(), out);
        if self.phase == Phase::Broadcasting {
            return self.bring_up_to_date(connection, out);
        }
        if core.setup.is_participant(learner) || Mutant::LetsObserversVote.lives() {
            self.newleader_acks.insert(learner);
        }
        self.establish(core, now, out);
    }

    /// If a quorum has everything, the epoch begins (`startZkServer`).
    fn establish(&mut self, core: &mut Core, now: Time, out: &mut Outbox) {
        let is_own = self.newleader_acks.contains(&core.me);
        let is_quorum = core.setup.is_quorum(self.newleader_acks.iter().copied())
            || (Mutant::LetsObserversVote.lives()
                && self.newleader_acks.len() > core.setup.participants.len() / 2);
        if !is_own || !is_quorum || self.phase == Phase::Broadcasting {
            return;
        }
        self.phase = Phase::Broadcasting;
        let (zxid, history) = (core.database.last_processed(), core.database.history());
        out.state(ZooKeeperFact::EpochEstablished { epoch: self.epoch, zxid, history });
        core.database.begin_epoch(Zxid::start_of(self.epoch));
        self.last_committed = Zxid::start_of(self.epoch);
        core.update_vote(self.epoch);
        self.sessions = SessionTracker::new(core.database.sessions(), core.setup.tick_time, now);
        core.start_serving(ServerState::Leading, now, out);
        stop(ZooKeeperTimer::InitLimit, out);
        set(ZooKeeperTimer::HalfTick, core.setup.tick_time.divided_by(2), out);
        self.await_expiry(now, out);
        self.each(Stage::Acknowledged, |leader, connection| {
            leader.bring_up_to_date(connection, out)
        });
    }

    fn bring_up_to_date(&mut self, connection: ConnectionId, out: &mut Outbox) {
        if let Some(handler) = self.handlers.get_mut(&connection) {
            handler.stage = Stage::UpToDate;
            out.frame(connection, Frame::UpToDate);
        }
    }

    /// Half a tick is over: learners are pinged, and every other time a quorum must have been heard of.
    pub(crate) fn half_tick(
        &mut self,
        core: &mut Core,
        now: Time,
        out: &mut Outbox,
    ) -> Option<Leave> {
        if !self.is_half {
            self.tick += 1;
        }
        if !self.is_half && !self.has_quorum_in_sync(core) {
            return Some(Leave("not sufficient followers synced"));
        }
        self.is_half = !self.is_half;
        let silent = self
            .handlers
            .iter()
            .filter(|(_, handler)| handler.lags(now, core.setup.sync_timeout()));
        for connection in silent.map(|(connection, _)| *connection).collect::<Vec<_>>() {
            self.send_away(connection, out);
        }
        let zxid = self.last_proposed;
        for (connection, _) in self.handlers.iter().filter(|(_, handler)| handler.is_sent_to()) {
            out.frame(*connection, Frame::Ping(Box::new(crate::learner_handler::ping(zxid))));
        }
        set(ZooKeeperTimer::HalfTick, core.setup.tick_time.divided_by(2), out);
        None
    }

    fn has_quorum_in_sync(&self, core: &Core) -> bool {
        let synced = self.handlers.values().filter(|handler| handler.deadline >= self.tick);
        core.setup.is_quorum(synced.map(|handler| handler.learner).chain([core.me]))
    }

    /// A learner has said something: it is alive.
    pub(crate) fn heard_of(&mut self, core: &Core, connection: ConnectionId, out: &mut Outbox) {
        let Some(handler) = self.handlers.get_mut(&connection) else { return };
        let is_synced = matches!(handler.stage, Stage::Acknowledged | Stage::UpToDate);
        if is_synced {
            handler.deadline = self.tick + u64::from(core.setup.sync_limit);
        }
        let limit = if is_synced { core.setup.sync_timeout() } else { core.setup.init_timeout() };
        set(ZooKeeperTimer::LearnerSilent(handler.learner), limit, out);
    }

    /// A learner has been silent for too long.
    pub(crate) fn learner_silent(&mut self, learner: NodeId, out: &mut Outbox) {
        let of = self.handlers.iter().filter(|(_, handler)| handler.learner == learner);
        for connection in of.map(|(connection, _)| *connection).collect::<Vec<_>>() {
            self.send_away(connection, out);
        }
    }

    /// A learner has NEWLEADER and has not acknowledged it.
    pub(crate) fn awaits_newleader_ack(&self, connection: ConnectionId) -> bool {
        let handler = self.handlers.get(&connection);
        handler.is_some_and(|handler| handler.stage == Stage::Synchronising)
    }

    /// Ends the connection to a learner.
    pub(crate) fn send_away(&mut self, connection: ConnectionId, out: &mut Outbox) {
        if self.handlers.remove(&connection).is_some() {
            out.close(connection);
        }
    }

    /// Gives up: learners are on their own.
    pub(crate) fn end(&mut self, reason: &'static str, out: &mut Outbox) {
        out.state(ZooKeeperFact::ZooKeeperLeaderResigned { epoch: self.epoch, reason });
        for (connection, handler) in std::mem::take(&mut self.handlers) {
            out.close(connection);
            stop(ZooKeeperTimer::LearnerSilent(handler.learner), out);
        }
        for timer in
            [ZooKeeperTimer::InitLimit, ZooKeeperTimer::HalfTick, ZooKeeperTimer::SessionExpiry]
        {
            stop(timer, out);
        }
    }

    /// Does something for each learner at a stage.
    fn each(&mut self, stage: Stage, mut act: impl FnMut(&mut Self, ConnectionId)) {
        let at = self.handlers.iter().filter(|(_, handler)| handler.stage == stage);
        for connection in at.map(|(connection, _)| *connection).collect::<Vec<_>>() {
            act(self, connection);
        }
    }
}
