//! A learner: a follower or an observer, from its way to the leader to the end of that (`Learner`,
//! `Follower`, `Observer`).
//!
//! It connects, accepts the leader's epoch, is brought in line, and then logs what the leader proposes and
//! applies what the leader commits. What ZooKeeper's thread does while it waits for a disk, nothing, is here
//! a queue: frames wait until the fsync is done.

use crate::core::{Core, set, stop};
use crate::learner_sync::Sync;
use crate::server::Leave;
use klab_machine::fact::ZooKeeperFact;
use klab_machine::timer::ZooKeeperTimer;
use klab_machine::{Address, ConnectionId, FlushId, Mutant, Outbox};
use klab_wire::zookeeper::{
    AckEpoch, ForwardedRequest, Frame, LearnerInfo, LearnerPing, Op, Path, RevalidateRequest,
    SessionId, Txn, Xid, Zxid,
};
use klab_wire::{NodeId, Now, Span};
use std::collections::VecDeque;
use std::sync::Arc;

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Learner {
    pub(crate) leader: NodeId,
    /// It has no vote.
    pub(crate) observes: bool,
    pub(crate) connection: Option<ConnectionId>,
    /// How often it has tried to connect.
    tries: u32,
    pub(crate) stage: Stage,
    /// An fsync that must be done before the next frame is looked at.
    pub(crate) waits_for: Option<(FlushId, Then)>,
    /// What came in meanwhile.
    deferred: VecDeque<Frame>,
    /// Proposals that are logged and not committed (`pendingTxns`).
    pub(crate) pending: VecDeque<Arc<Txn>>,
    /// Proposals that are logged and not acknowledged.
    pub(crate) unacknowledged: VecDeque<Zxid>,
}

/// How far a learner has come.
#[derive(Clone, Debug)]
pub(crate) enum Stage {
    /// The connection is not open.
    Connecting,
    /// It has introduced itself.
    Registering,
    /// It has accepted the epoch, and waits to hear how it is brought in line.
    Registered { epoch: u32 },
    /// It is being brought in line.
    Synchronising(Box<Sync>),
    /// It serves.
    UpToDate,
}

/// What follows when an fsync is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// The epoch is accepted: say so.
    AckEpoch(AckEpoch, u32),
    /// The transactions of the synchronisation are on the platter: write the epoch down.
    EnterEpoch,
    /// The epoch is written down, before what came with it (ZOOKEEPER-4643): now that.
    WriteTxns,
    /// The epoch is written down: acknowledge NEWLEADER.
    AckNewLeader,
    /// What was taken away stays away.
    Truncated,
}

/// How often a learner tries to connect, a second apart (`Learner.connectToLeader`).
const TRIES: u32 = 5;
const RETRY_AFTER: Span = Span::from_secs(1);

impl Learner {
    /// A leader was elected: on to it.
    pub(crate) fn begin(core: &Core, leader: NodeId, out: &mut Outbox) -> Self {
        set(ZooKeeperTimer::InitLimit, core.setup.init_timeout(), out);
        let connection = out.connect(Address::zookeeper_quorum(leader));
        Learner {
            leader,
            observes: !core.is_participant(),
            connection: Some(connection),
            tries: 1,
            stage: Stage::Connecting,
            waits_for: None,
            deferred: VecDeque::new(),
            pending: VecDeque::new(),
            unacknowledged: VecDeque::new(),
        }
    }

    /// The connection is open: introduce yourself (`registerWithLeader`).
    pub(crate) fn connected(&mut self, core: &Core, connection: ConnectionId, out: &mut Outbox) {
        self.stage = Stage::Registering;
        let info = LearnerInfo { accepted_epoch: core.epochs.accepted() };
        let frame = match self.observes {
            true => Frame::ObserverInfo(info),
            false => Frame::FollowerInfo(info),
        };
        out.frame(connection, frame);
        set(ZooKeeperTimer::LeaderSilent, core.setup.init_timeout(), out);
    }

    /// The connection is gone. A leader that does not lead yet is tried again.
    pub(crate) fn disconnected(&mut self, out: &mut Outbox) -> Option<Leave> {
        self.connection = None;
        match self.stage {
            Stage::Connecting | Stage::Registering if self.tries < TRIES => {
                set(ZooKeeperTimer::ConnectToLeader, RETRY_AFTER, out);
                None
            }
            _ => Some(Leave("the connection is gone")),
        }
    }

    /// Tries again.
    pub(crate) fn connect_again(&mut self, out: &mut Outbox) {
        self.tries += 1;
        self.stage = Stage::Connecting;
        self.connection = Some(out.connect(Address::zookeeper_quorum(self.leader)));
    }

    /// The leader says something. It waits behind an fsync.
    pub(crate) fn hear(
        &mut self,
        core: &mut Core,
        frame: Frame,
        (now, out): (Now, &mut Outbox),
    ) -> Option<Leave> {
        set(ZooKeeperTimer::LeaderSilent, self.patience(core), out);
        if self.waits_for.is_some() {
            self.deferred.push_back(frame);
            return None;
        }
        self.handle(core, frame, (now, out))
    }

    fn patience(&self, core: &Core) -> Span {
        match &self.stage {
            Stage::UpToDate => core.setup.sync_timeout(),
            Stage::Synchronising(sync) if sync.is_acknowledged => core.setup.sync_timeout(),
            _ => core.setup.init_timeout(),
        }
    }

    fn handle(
        &mut self,
        core: &mut Core,
        frame: Frame,
        (now, out): (Now, &mut Outbox),
    ) -> Option<Leave> {
        match (&self.stage, frame) {
            (Stage::Registering, Frame::LeaderInfo(zxid)) => self.accept(core, zxid.epoch(), out),
            (Stage::Registered { epoch }, first) => self.begin_sync(core, *epoch, first, out),
            (Stage::Synchronising(_), frame) => self.continue_sync(core, frame, (now, out)),
            (Stage::UpToDate, frame) => self.follow(core, frame, out),
            _ => Some(Leave("an unexpected packet")),
        }
    }

    /// The leader proposes an epoch. An older one than accepted is refused; one that was accepted before must
    /// not count again.
    fn accept(&mut self, core: &mut Core, epoch: u32, out: &mut Outbox) -> Option<Leave> {
        let accepted = core.epochs.accepted();
        if epoch < accepted {
            return Some(Leave("the leader's epoch is older than the accepted one"));
        }
        let is_new = epoch > accepted;
        let current_epoch = is_new.then_some(core.epochs.current());
        let ack = AckEpoch { current_epoch, last_zxid: core.database.last_processed() };
        if !is_new {
            self.say_epoch_accepted(ack, epoch, out);
            return None;
        }
        let flush = core.accept_epoch(epoch, out);
        match Mutant::ForgetsAcceptedEpochs.lives() {
            true => self.say_epoch_accepted(ack, epoch, out),
            false => self.waits_for = Some((flush, Then::AckEpoch(ack, epoch))),
        }
        None
    }

    fn say_epoch_accepted(&mut self, ack: AckEpoch, epoch: u32, out: &mut Outbox) {
        self.stage = Stage::Registered { epoch };
        self.say(Frame::AckEpoch(Box::new(ack)), out);
    }

    /// An fsync is done; what follows from it, and the frames that waited for it.
    pub(crate) fn flushed(
        &mut self,
        core: &mut Core,
        flush: FlushId,
        (now, out): (Now, &mut Outbox),
    ) -> Option<Leave> {
        let (_, then) = self.waits_for.filter(|(waited, _)| *waited == flush)?;
        self.waits_for = None;
        match then {
            Then::AckEpoch(ack, epoch) => self.say_epoch_accepted(ack, epoch, out),
            Then::EnterEpoch => self.enter_epoch(core, out),
            Then::WriteTxns => self.write_txns(core, out),
            Then::AckNewLeader => self.acknowledge_new_leader(core, out),
            Then::Truncated => {}
        }
        while self.waits_for.is_none() {
            let Some(frame) = self.deferred.pop_front() else { break };
            if let Some(leave) = self.handle(core, frame, (now, out)) {
                return Some(leave);
            }
        }
        None
    }

    /// What the leader says to a learner that serves (`Follower.processPacket`, `Observer.processPacket`).
    fn follow(&mut self, core: &mut Core, frame: Frame, out: &mut Outbox) -> Option<Leave> {
        match frame {
            Frame::Ping(ping) => self.answer_ping(core, ping.zxid, out),
            Frame::Proposal(txn) => self.log(core, txn, out),
            Frame::Commit(zxid) => return self.commit(core, zxid, out),
            Frame::Inform(txn) => {
                core.log(txn.clone(), out);
                core.apply(&txn, out);
            }
            Frame::RevalidateAnswer(answer) => {
                core.revalidated(answer.session, answer.is_valid, out);
            }
            Frame::Sync(answer) => core.synced((answer.session, answer.cxid), answer.error, out),
            _ => {}
        }
        None
    }

    /// Logs a proposal; it is acknowledged when it is on the platter (`SendAckRequestProcessor`).
    pub(crate) fn log(&mut self, core: &mut Core, txn: Arc<Txn>, out: &mut Outbox) {
        self.pending.push_back(txn.clone());
        self.unacknowledged.push_back(txn.zxid);
        core.log(txn, out);
        if Mutant::AcknowledgesUnflushedProposals.lives() {
            self.log_flushed(Zxid(u64::MAX), out);
        }
    }

    /// The log is on the platter up to here.
    pub(crate) fn log_flushed(&mut self, to: Zxid, out: &mut Outbox) {
        while let Some(zxid) = self.unacknowledged.pop_front_if(|zxid| *zxid <= to) {
            self.say(Frame::Ack(zxid), out);
        }
    }

    /// Applies the oldest proposal, which must be the one that is committed: if not, something is very wrong,
    /// and ZooKeeper ends the process (`FollowerZooKeeperServer.commit`).
    pub(crate) fn commit(
        &mut self,
        core: &mut Core,
        zxid: Zxid,
        out: &mut Outbox,
    ) -> Option<Leave> {
        // Who takes for committed what it has acknowledged hears of it again.
        let is_known = core.setup.switches.commits_what_it_acknowledged
            && zxid <= core.database.last_processed();
        match self.pending.pop_front_if(|_| !is_known) {
            Some(txn) if txn.zxid == zxid => {
                core.apply(&txn, out);
                None
            }
            Some(_) => {
                out.halt();
                Some(Leave("another transaction was committed than the next"))
            }
            None => None,
        }
    }

    fn answer_ping(&mut self, core: &mut Core, zxid: Zxid, out: &mut Outbox) {
        let touched = std::mem::take(&mut core.touched).into_iter().collect();
        self.say(Frame::Ping(Box::new(LearnerPing { zxid, touched })), out);
    }

    /// Hands a client's write on to the leader.
    pub(crate) fn forward(&self, request: crate::prep::Request, out: &mut Outbox) {
        let crate::prep::Request { session, cxid, op, name, .. } = request;
        out.state(ZooKeeperFact::WriteForwarded { session, what: op.name() });
        self.say(Frame::Request(Box::new(ForwardedRequest { session, cxid, op, name })), out);
    }

    /// Asks the leader for a SYNC.
    pub(crate) fn sync(&self, (session, cxid): (SessionId, Xid), out: &mut Outbox) {
        let op = Op::Sync { path: Path::root() };
        self.say(Frame::Request(Box::new(ForwardedRequest { session, cxid, op, name: None })), out);
    }

    /// Asks the leader whether a session is still there.
    pub(crate) fn revalidate(&self, session: SessionId, timeout: Span, out: &mut Outbox) {
        self.say(Frame::RevalidateRequest(RevalidateRequest { session, timeout }), out);
    }

    /// The end: of the leader, or of this learner's patience.
    pub(crate) fn end(&mut self, core: &mut Core, reason: &'static str, out: &mut Outbox) {
        self.keep_unfinished(core, out);
        out.state(ZooKeeperFact::LeaderLost { leader: self.leader, reason });
        if let Some(connection) = self.connection.take() {
            out.close(connection);
        }
        for timer in [
            ZooKeeperTimer::InitLimit,
            ZooKeeperTimer::LeaderSilent,
            ZooKeeperTimer::ConnectToLeader,
        ] {
            stop(timer, out);
        }
    }

    pub(crate) fn say(&self, frame: Frame, out: &mut Outbox) {
        if let Some(connection) = self.connection {
            out.frame(connection, frame);
        }
    }
}
