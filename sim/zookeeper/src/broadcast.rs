//! Broadcast: a leader proposes a transaction to its followers, and commits it when a quorum has logged it
//! (`Leader.propose`, `processAck`, `tryToCommit`).
//!
//! Proposals are pipelined: the next one does not wait for the last. They are committed in their order, each
//! when a quorum of those that vote, the leader among them, has it on the platter. Followers are told to
//! COMMIT; observers, who got no proposal, are INFORMed.

use crate::core::{Core, set, stop};
use crate::leader::{Leader, Proposal};
use crate::learner_handler::Handler;
use crate::prep::Request;
use crate::server::Leave;
use crate::serving::state_move;
use klab_machine::fact::ZooKeeperFact;
use klab_machine::timer::ZooKeeperTimer;
use klab_machine::{ConnectionId, Mutant, Outbox};
use klab_wire::zookeeper::{
    Frame, KeeperError, LearnerPing, Op, RevalidateAnswer, RevalidateRequest, SessionId,
    SyncAnswer, Txn, TxnBody, Xid, Zxid,
};
use klab_wire::{NodeId, Now, Span, Time};
use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::Arc;

impl Leader {
    /// Makes a transaction of a request, and proposes it. The counter must not run into the epoch: before
    /// that the leader gives up (ZOOKEEPER-1277).
    pub(crate) fn submit(
        &mut self,
        core: &mut Core,
        request: &Request,
        now: Now,
        out: &mut Outbox,
    ) -> Option<Leave> {
        let zxid = self.last_proposed.next();
        if zxid.counter() == u32::MAX {
            return Some(Leave("zxid lower 32 bits have rolled over"));
        }
        let known = (core.database.tree(), &mut self.sessions, now.time);
        let body = self.prep.prepare(request, zxid, known);
        if let (TxnBody::CreateSession { .. }, Some(owner)) = (&body, request.owner) {
            self.sessions.set_owner(request.session, owner);
        }
        if body == TxnBody::Error(KeeperError::SessionMoved) {
            out.state(ZooKeeperFact::SessionMovedRequestRefused { session: request.session });
        }
        let Request { session, cxid, .. } = *request;
        self.propose(core, Txn { zxid, session, cxid, time: now.wall, body }, now.time, out);
        None
    }

    fn propose(&mut self, core: &mut Core, txn: Txn, now: Time, out: &mut Outbox) {
        let (zxid, what, session) = (txn.zxid, txn.body.name(), txn.session);
        out.state(ZooKeeperFact::TxnProposed { zxid, what, session });
        let txn = Arc::new(txn);
        self.last_proposed = zxid;
        self.outstanding.insert(zxid, Proposal { txn: txn.clone(), acks: BTreeSet::new() });
        let only_acknowledged = core.setup.switches.proposes_to_the_acknowledged;
        let is_due = |handler: &Handler| match only_acknowledged {
            true => handler.has_acknowledged(),
            false => handler.is_sent_to(),
        };
        let followers = self.handlers.iter_mut();
        for (connection, handler) in
            followers.filter(|(_, handler)| is_due(handler) && !handler.observes)
        {
            handler.proposed(zxid, now);
            out.frame(*connection, Frame::Proposal(txn.clone()));
        }
        core.log(txn, out);
    }

    /// The leader's own log is on the platter up to here: that is its own vote (`AckRequestProcessor`).
    pub(crate) fn own_log_flushed(
        &mut self,
        core: &mut Core,
        to: Zxid,
        now: Time,
        out: &mut Outbox,
    ) {
        let mine = self.outstanding.range(..=to).filter(|(_, one)| !one.acks.contains(&core.me));
        for zxid in mine.map(|(zxid, _)| *zxid).collect::<Vec<_>>() {
            self.process_ack(core, core.me, zxid, now, out);
        }
    }

    /// A follower has a proposal on the platter.
    pub(crate) fn acked(
        &mut self,
        core: &mut Core,
        (connection, zxid): (ConnectionId, Zxid),
        now: Time,
        out: &mut Outbox,
    ) {
        let Some(handler) = self.handlers.get_mut(&connection) else { return };
        handler.acked(zxid);
        let learner = handler.learner;
        self.process_ack(core, learner, zxid, now, out);
    }

    /// A learner is to take away everything behind this transaction: what it has acknowledged of that, it has not any
    /// more, and what it may still say on an older connection counts no more. It gets it all again, and acknowledges
    /// it again. ZooKeeper goes on counting (`Proposal.ackSet`, `LearnerHandler.syncFollower`): if its power fails in
    /// between, a transaction is committed that a quorum does not have.
    pub(crate) fn withdraw_acks(
        &mut self,
        (connection, learner): (ConnectionId, NodeId),
        behind: Zxid,
        out: &mut Outbox,
    ) {
        let truncated = (Bound::Excluded(behind), Bound::Unbounded);
        for (_, proposal) in self.outstanding.range_mut(truncated) {
            proposal.acks.remove(&learner);
        }
        let is_older = |(other, handler): &(&ConnectionId, &Handler)| {
            handler.learner == learner && **other != connection
        };
        let older = self.handlers.iter().filter(is_older).map(|(other, _)| *other);
        for connection in older.collect::<Vec<_>>() {
            self.send_away(connection, out);
        }
    }

    fn process_ack(
        &mut self,
        core: &mut Core,
        from: NodeId,
        zxid: Zxid,
        now: Time,
        out: &mut Outbox,
    ) {
        // An ACK of the beginning of an epoch answers UPTODATE, and means nothing more.
        if zxid.is_start_of_epoch() || zxid <= self.last_committed {
            return;
        }
        let Some(proposal) = self.outstanding.get_mut(&zxid) else { return };
        proposal.acks.insert(from);
        let acks = proposal.acks.clone();
        if is_committed(&acks, core) && !self.outstanding.contains_key(&Zxid(zxid.0 - 1)) {
            self.commit(core, zxid, now, out);
        }
    }

    fn commit(&mut self, core: &mut Core, zxid: Zxid, now: Time, out: &mut Outbox) {
        let Some(proposal) = self.outstanding.remove(&zxid) else { return };
        out.state(ZooKeeperFact::TxnCommitted { zxid });
        self.last_committed = zxid;
        for (connection, handler) in
            self.handlers.iter().filter(|(_, handler)| handler.is_sent_to())
        {
            let frame = match handler.observes {
                true => Frame::Inform(proposal.txn.clone()),
                false => Frame::Commit(zxid),
            };
            out.frame(*connection, frame);
        }
        self.prep.on_applied(zxid);
        core.apply(&proposal.txn, out);
        match proposal.txn.body {
            TxnBody::CloseSession { .. } => self.sessions.remove(proposal.txn.session),
            TxnBody::CreateSession { .. } => self.await_expiry(now, out),
            _ => {}
        }
        for (connection, session, cxid) in self.pending_syncs.remove(&zxid).unwrap_or_default() {
            send_sync(connection, (session, cxid), out);
        }
    }

    /// A learner's client asks to catch up: everything proposed so far is committed first (`processSync`).
    pub(crate) fn sync(
        &mut self,
        connection: ConnectionId,
        (session, cxid): (SessionId, Xid),
        out: &mut Outbox,
    ) {
        match self.outstanding.is_empty() {
            true => send_sync(connection, (session, cxid), out),
            false => {
                let waiting = self.pending_syncs.entry(self.last_proposed).or_default();
                waiting.push((connection, session, cxid));
            }
        }
    }

    /// A learner's sign of life, with the sessions that it has heard from.
    pub(crate) fn pinged(&mut self, ping: &LearnerPing, now: Time) {
        for (session, timeout) in &ping.touched {
            self.sessions.touch(*session, *timeout, now);
        }
    }

    /// A client has come to a learner with a session.
    pub(crate) fn revalidate(
        &mut self,
        connection: ConnectionId,
        asked: RevalidateRequest,
        now: Time,
        out: &mut Outbox,
    ) {
        let Some(handler) = self.handlers.get(&connection) else { return };
        let RevalidateRequest { session, timeout } = asked;
        let is_valid = self.claim(session, (timeout, handler.learner), now, out);
        let answer = RevalidateAnswer { session, is_valid };
        out.frame(connection, Frame::RevalidateAnswer(answer));
    }

    /// A client is connected to this server from now on, if its session is still there.
    pub(crate) fn claim(
        &mut self,
        session: SessionId,
        (timeout, owner): (Span, NodeId),
        now: Time,
        out: &mut Outbox,
    ) -> bool {
        let is_valid = self.sessions.touch(session, timeout, now);
        if is_valid {
            let before = self.sessions.set_owner(session, owner);
            state_move(session, (before, owner), out);
        }
        is_valid
    }

    /// Sessions may have expired: each is closed by a transaction.
    pub(crate) fn expire(&mut self, core: &mut Core, now: Now, out: &mut Outbox) -> Option<Leave> {
        for session in self.sessions.expire(now.time) {
            out.state(ZooKeeperFact::SessionExpired { session });
            let (cxid, op) = (Xid::NONE, Op::CloseSession);
            let request = Request { session, cxid, op, owner: None, name: None };
            if let Some(leave) = self.submit(core, &request, now, out) {
                return Some(leave);
            }
        }
        self.await_expiry(now.time, out);
        None
    }

    pub(crate) fn await_expiry(&mut self, now: Time, out: &mut Outbox) {
        match self.sessions.next_expiry() {
            Some(at) => set(ZooKeeperTimer::SessionExpiry, at.since(now), out),
            None => stop(ZooKeeperTimer::SessionExpiry, out),
        }
    }
}

fn is_committed(acks: &BTreeSet<NodeId>, core: &Core) -> bool {
    if Mutant::LetsObserversVote.lives() {
        return acks.len() > core.setup.participants.len() / 2;
    }
    core.setup.is_quorum(acks.iter().copied())
}

fn send_sync(connection: ConnectionId, (session, cxid): (SessionId, Xid), out: &mut Outbox) {
    out.frame(connection, Frame::Sync(SyncAnswer { session, cxid, error: None }));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::leader::Phase;
    use crate::learner_handler::Stage;
    use crate::sessions::SessionTracker;
    use crate::{Server, ServerSetup};
    use klab_machine::{DiskImage, Identity, Machine};
    use klab_wire::{ClusterId, DirectoryId, IncarnationId, Timestamp};

    const NOW: Now = Now { time: Time::ZERO, wall: Timestamp(0) };
    const Z1: NodeId = NodeId::zookeeper(1);
    const Z2: NodeId = NodeId::zookeeper(2);

    /// z1 leads epoch 1, and z2 follows on this connection.
    fn of_two(connection: ConnectionId, out: &mut Outbox) -> (Core, Leader) {
        let identity = Identity {
            node: Z1,
            cluster: ClusterId::from("script"),
            directory: DirectoryId(1),
            incarnation: IncarnationId(1),
            rack: None,
            seed: 1,
        };
        let setup = ServerSetup::new((1..=3).map(NodeId::zookeeper).collect(), Vec::new());
        let mut core = Server::boot(identity, setup, &DiskImage::default(), NOW, out).core;
        let mut leader = Leader::begin(&mut core, NOW.time, out);
        (leader.phase, leader.epoch) = (Phase::Broadcasting, 1);
        leader.last_proposed = Zxid::start_of(1);
        leader.sessions =
            SessionTracker::new(core.database.sessions(), core.setup.tick_time, NOW.time);
        leader.accept(&core, (connection, Z2), out);
        follows(&mut leader, connection);
        (core, leader)
    }

    fn follows(leader: &mut Leader, connection: ConnectionId) {
        let handler = leader.handlers.get_mut(&connection).expect("it is connected");
        handler.stage = Stage::UpToDate;
    }

    #[test]
    fn an_acknowledgement_counts_no_more_when_its_transaction_is_truncated() {
        let mut out = Outbox::new(0);
        let (first, second) = (ConnectionId(501), ConnectionId(502));
        let (mut core, mut leader) = of_two(first, &mut out);
        let op = Op::CreateSession { timeout: Span::from_secs(9) };
        let session = SessionId(7);
        let request = Request { session, cxid: Xid::NONE, op, owner: Some(Z1), name: None };
        leader.submit(&mut core, &request, NOW, &mut out);
        let zxid = Zxid::new(1, 1);
        leader.acked(&mut core, (first, zxid), NOW.time, &mut out);
        // z2 comes again, with a transaction that is not committed: it is to take it away, and to get it again.
        leader.accept(&core, (second, Z2), &mut out);
        leader.withdraw_acks((second, Z2), Zxid::start_of(1), &mut out);
        follows(&mut leader, second);
        leader.own_log_flushed(&mut core, zxid, NOW.time, &mut out);
        leader.acked(&mut core, (first, zxid), NOW.time, &mut out);
        assert!(leader.last_committed < zxid, "nobody but the leader has it");
        leader.acked(&mut core, (second, zxid), NOW.time, &mut out);
        assert_eq!(leader.last_committed, zxid);
    }
}
