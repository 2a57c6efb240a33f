//! A ZooKeeper server: which role it has, and how it goes from one to the next (`QuorumPeer`).
//!
//! Looking for a leader, following or observing one, or being one. Before it looks, everything that it has
//! logged is on the platter and applied: what it then brings into the election is what it can answer for.

use crate::clients::Clients;
use crate::core::{Core, set, stop};
use crate::database::Database;
use crate::election::{Decided, Election, Next};
use crate::election_links::ElectionLinks;
use crate::epochs::Epochs;
use crate::leader::{Leader, Phase};
use crate::learner::Learner;
use crate::prep::Request;
use crate::serving::Ask;
use crate::setup::ServerSetup;
use crate::view::ServerView;
use crate::watches::Watches;
use klab_machine::fact::ZooKeeperFact;
use klab_machine::random::stream;
use klab_machine::timer::ZooKeeperTimer;
use klab_machine::{
    Command, ConnectionId, DiskImage, FlushId, Identity, Input, Listener, Machine, Mutant, Outbox,
    Timer,
};
use klab_wire::zookeeper::{Frame, Notification, Op, ServerState, Zxid};
use klab_wire::{NodeId, Now, Span};
use std::collections::BTreeMap;

/// See the module.
#[derive(Clone, Debug)]
pub struct Server {
    pub(crate) core: Core,
    pub(crate) role: Role,
}

/// What a server does.
#[derive(Clone, Debug)]
pub(crate) enum Role {
    /// It waits until all that it has logged is on the platter.
    Settling,
    /// It looks for a leader, and tells everybody again after this long.
    Looking(Box<Election>, Span),
    /// It follows or observes one.
    Learning(Box<Learner>),
    /// It is one.
    Leading(Box<Leader>),
}

/// The role is over, for this reason: look for a leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Leave(pub(crate) &'static str);

impl Machine for Server {
    type Config = ServerSetup;
    type View = ServerView;

    fn boot(
        identity: Identity,
        setup: ServerSetup,
        disk: &DiskImage,
        now: Now,
        out: &mut Outbox,
    ) -> Self {
        let (epochs, database) = (Epochs::load(disk), Database::load(disk, setup.commit_log_count));
        out.state(ZooKeeperFact::DatabaseLoaded {
            accepted_epoch: epochs.accepted(),
            current_epoch: epochs.current(),
            zxid: database.last_processed(),
        });
        let me = identity.node;
        let mut core = Core {
            me,
            setup,
            epochs,
            database,
            links: ElectionLinks::new(me),
            round: 0,
            vote: None,
            vote_round: 0,
            clients: Clients::new(me, now.time),
            watches: Watches::default(),
            is_serving: false,
            touched: BTreeMap::new(),
            chance: stream(identity.seed, "zookeeper", [identity.incarnation.0]),
            snapshot_due: 0,
            unsettled: BTreeMap::new(),
        };
        core.draw_snapshot_due();
        core.vote = core.own_vote();
        // What the page cache has survived a crash of the process, and would not survive a power cut. Nobody
        // may count on it before it is on the platter; ZooKeeper does not ask.
        core.database.log.flush_all(out);
        let mut server = Server { core, role: Role::Settling };
        server.settle(now, out);
        server
    }

    fn step(&mut self, now: Now, input: Input, out: &mut Outbox) {
        match input {
            Input::Frame { connection, frame } => self.hear(now, connection, frame, out),
            Input::Accepted { connection, from, listener } => {
                self.accept(now, (connection, from), listener, out);
            }
            Input::Connected { connection } => self.connected(connection, out),
            Input::Disconnected { connection, .. } => self.disconnected(now, connection, out),
            Input::Timer(Timer::ZooKeeper(timer)) => self.timer(now, timer, out),
            Input::Flushed(flush) => self.flushed(now, flush, out),
            // What cannot be written down must not be promised: ZooKeeper ends the process
            // (`ZooKeeperCriticalThread`).
            Input::StorageFailed(_) | Input::Command(Command::ShutDown) => out.halt(),
            Input::Command(_) | Input::Timer(_) => {}
            Input::Request { .. } | Input::Response { .. } => {}
        }
    }

    fn view(&self) -> ServerView {
        ServerView::of(self)
    }
}

impl Server {
    /// Looks for a leader so soon as all that was logged is on the platter.
    fn settle(&mut self, now: Now, out: &mut Outbox) {
        if matches!(self.role, Role::Settling) && self.core.is_settled() {
            self.look(now, out);
        }
    }

    /// Begins an election, with all that was logged applied (ZOOKEEPER-2845).
    fn look(&mut self, now: Now, out: &mut Outbox) {
        if !self.core.setup.switches.votes_without_its_log {
            self.core.database.fast_forward();
        }
        let core = &mut self.core;
        core.round += 1;
        let own = core.own_vote();
        (core.vote, core.vote_round) = (own, core.round);
        let participants = core.setup.participants.clone();
        let mut election = Box::new(Election::new(core.me, participants, core.round, own));
        let (round, epoch) = (core.round, core.epochs.current());
        let zxid = core.database.last_processed();
        out.state(ZooKeeperFact::LeaderElectionStarted { round, epoch, zxid });
        let next = election.begin();
        self.role = Role::Looking(election, self.core.setup.min_notification_interval);
        self.tell_all(now, out);
        self.go_on(now, next, out);
    }

    /// Tells everybody who votes whom this server would follow.
    fn tell_all(&mut self, now: Now, out: &mut Outbox) {
        let Role::Looking(election, interval) = &self.role else { return };
        let said = election.notification();
        for peer in self.core.setup.participants.clone() {
            if peer != self.core.me {
                self.core.links.say(peer, said, now.time, out);
            }
        }
        set(ZooKeeperTimer::Notification, *interval, out);
    }

    /// What an election leads to.
    fn go_on(&mut self, now: Now, next: Next, out: &mut Outbox) {
        match next {
            Next::Wait => {}
            Next::TellAll => self.vote_changed(now, out),
            Next::Finalise => self.await_objections(out),
            Next::TellAllAndFinalise => {
                self.vote_changed(now, out);
                self.await_objections(out);
            }
            Next::Decide(decided) => self.decided(decided, now, out),
        }
    }

    fn vote_changed(&mut self, now: Now, out: &mut Outbox) {
        let Role::Looking(election, _) = &self.role else { return };
        let round = election.round();
        if let Some(vote) = election.proposal() {
            let (leader, epoch, zxid) = (vote.leader, vote.peer_epoch, vote.zxid);
            out.state(ZooKeeperFact::VoteChanged { round, leader, epoch, zxid });
        }
        stop(ZooKeeperTimer::FinalizeWait, out);
        self.tell_all(now, out);
    }

    fn await_objections(&mut self, out: &mut Outbox) {
        set(ZooKeeperTimer::FinalizeWait, self.core.setup.finalize_wait, out);
    }

    /// There is a leader: this server, or another one.
    fn decided(&mut self, decided: Decided, now: Now, out: &mut Outbox) {
        stop(ZooKeeperTimer::FinalizeWait, out);
        stop(ZooKeeperTimer::Notification, out);
        let core = &mut self.core;
        let Decided { vote, round } = decided;
        core.round = round;
        (core.vote, core.vote_round) = (Some(vote), round);
        let (leader, zxid) = (vote.leader, vote.zxid);
        let state = match (leader == core.me, core.is_participant()) {
            (true, _) => ServerState::Leading,
            (false, true) => ServerState::Following,
            (false, false) => ServerState::Observing,
        };
        out.state(ZooKeeperFact::ZooKeeperLeaderElected { round, leader, zxid, state });
        self.role = match state {
            ServerState::Leading => Role::Leading(Box::new(Leader::begin(core, now.time, out))),
            _ => Role::Learning(Box::new(Learner::begin(core, leader, out))),
        };
    }

    /// The role is over: clients are turned away, the disk settles, and the search begins.
    fn leave(&mut self, reason: Leave, now: Now, out: &mut Outbox) {
        match &mut self.role {
            Role::Leading(leader) => leader.end(reason.0, out),
            Role::Learning(learner) => learner.end(&mut self.core, reason.0, out),
            Role::Settling | Role::Looking(..) => return,
        }
        self.core.stop_serving(out);
        self.role = Role::Settling;
        self.core.database.log.flush(out);
        self.settle(now, out);
    }

    fn leave_if(&mut self, reason: Option<Leave>, now: Now, out: &mut Outbox) {
        if let Some(reason) = reason {
            self.leave(reason, now, out);
        }
    }

    fn accept(
        &mut self,
        now: Now,
        (connection, from): (ConnectionId, NodeId),
        listener: Listener,
        out: &mut Outbox,
    ) {
        match (listener, &mut self.role) {
            (Listener::ZooKeeperElection, _) => {
                self.core.links.accept(connection, from, now.time, out);
            }
            (Listener::ZooKeeperQuorum, Role::Leading(leader)) => {
                leader.accept(&self.core, (connection, from), out);
            }
            (Listener::ZooKeeperClient, _) => self.core.accept_client(connection, out),
            _ => out.close(connection),
        }
    }

    fn connected(&mut self, connection: ConnectionId, out: &mut Outbox) {
        if self.core.links.connected(connection, out) {
            return;
        }
        if let Role::Learning(learner) = &mut self.role
            && learner.connection == Some(connection)
        {
            learner.connected(&self.core, connection, out);
        }
    }

    fn disconnected(&mut self, now: Now, connection: ConnectionId, out: &mut Outbox) {
        if self.core.links.disconnected(connection) {
            return;
        }
        match &mut self.role {
            Role::Learning(learner) if learner.connection == Some(connection) => {
                let leave = learner.disconnected(out);
                return self.leave_if(leave, now, out);
            }
            Role::Leading(leader) if leader.handlers.contains_key(&connection) => {
                return leader.send_away(connection, out);
            }
            _ => {}
        }
        self.core.client_gone(connection);
        self.take_up_throttled(now, out);
    }

    fn hear(&mut self, now: Now, connection: ConnectionId, frame: Frame, out: &mut Outbox) {
        if let Frame::Notification(said) = frame {
            if let Some(from) = self.core.links.peer(connection) {
                self.hear_notification(now, from, *said, out);
            }
            return;
        }
        let leave = match &mut self.role {
            Role::Learning(learner) if learner.connection == Some(connection) => {
                learner.hear(&mut self.core, frame, (now, out))
            }
            Role::Leading(leader) if leader.handlers.contains_key(&connection) => {
                leader.heard_of(&self.core, connection, out);
                hear_learner(&mut self.core, leader, (connection, frame), (now, out))
            }
            _ => {
                let asks = self.core.client_frame(connection, frame, out);
                return self.carry_out(asks, now, out);
            }
        };
        self.leave_if(leave, now, out);
        self.take_up_throttled(now, out);
    }

    fn take_up_throttled(&mut self, now: Now, out: &mut Outbox) {
        if !self.core.clients.throttled.is_empty() {
            let asks = self.core.release_throttled(out);
            self.carry_out(asks, now, out);
        }
    }

    /// Votes are heard by whoever looks; whoever does not look tells those that do what it knows.
    fn hear_notification(&mut self, now: Now, from: NodeId, said: Notification, out: &mut Outbox) {
        let is_voter = self.core.setup.is_participant(from);
        let state = match &self.role {
            Role::Settling => return,
            Role::Looking(..) => ServerState::Looking,
            Role::Learning(learner) if learner.observes => ServerState::Observing,
            Role::Learning(_) => ServerState::Following,
            Role::Leading(_) => ServerState::Leading,
        };
        let Role::Looking(election, _) = &mut self.role else {
            if said.state == ServerState::Looking {
                self.core.tell_vote(from, state, now.time, out);
            }
            return;
        };
        let lags = said.state == ServerState::Looking && said.round < election.round();
        if lags || !is_voter {
            let own = election.notification();
            self.core.links.say(from, own, now.time, out);
        }
        if is_voter {
            let next = election.hear(from, said);
            self.core.round = election.round();
            self.go_on(now, next, out);
        }
    }

    fn timer(&mut self, now: Now, timer: ZooKeeperTimer, out: &mut Outbox) {
        use ZooKeeperTimer as T;
        let core = &mut self.core;
        let leave = match (timer, &mut self.role) {
            (T::Snapshot, _) => {
                core.finish_snapshot(out);
                None
            }
            (T::Notification, Role::Looking(_, interval)) => {
                *interval = interval.times(2).min(core.setup.max_notification_interval);
                return self.tell_all(now, out);
            }
            (T::FinalizeWait, Role::Looking(election, _)) => {
                if let Some(decided) = election.finalise() {
                    self.decided(decided, now, out);
                }
                return;
            }
            (T::InitLimit, Role::Leading(leader)) if leader.phase != Phase::Broadcasting => {
                Some(Leave("no quorum within initLimit"))
            }
            (T::InitLimit, Role::Learning(_)) => Some(Leave("not in line within initLimit")),
            (T::LeaderSilent, Role::Learning(_)) => Some(Leave("the leader is silent")),
            (T::ConnectToLeader, Role::Learning(learner)) => {
                learner.connect_again(out);
                None
            }
            (T::HalfTick, Role::Leading(leader)) => leader.half_tick(core, now.time, out),
            (T::LearnerSilent(learner), Role::Leading(leader)) => {
                leader.learner_silent(learner, out);
                None
            }
            (T::SessionExpiry, Role::Leading(leader)) => leader.expire(core, now, out),
            _ => None,
        };
        self.leave_if(leave, now, out);
    }

    fn flushed(&mut self, now: Now, flush: FlushId, out: &mut Outbox) {
        let core = &mut self.core;
        core.settled(flush, out);
        let is_of_log = core.database.log.on_flushed(flush, out);
        let to = core.database.log.flushed();
        if is_of_log {
            out.state(ZooKeeperFact::TxnsFlushed { zxid: to });
        }
        let leave = match &mut self.role {
            Role::Settling => {
                self.settle(now, out);
                None
            }
            Role::Looking(..) => None,
            Role::Learning(learner) => {
                if is_of_log {
                    learner.log_flushed(to, out);
                }
                learner.flushed(core, flush, (now, out))
            }
            Role::Leading(leader) => {
                if is_of_log {
                    leader.own_log_flushed(core, to, now.time, out);
                }
                leader.epoch_flushed(core, flush, (now.time, out));
                None
            }
        };
        self.leave_if(leave, now, out);
        self.take_up_throttled(now, out);
    }

    /// What clients want of this server's role.
    fn carry_out(&mut self, asks: Vec<Ask>, now: Now, out: &mut Outbox) {
        for ask in asks {
            let leave = self.carry_out_one(ask, now, out);
            self.leave_if(leave, now, out);
        }
    }

    fn carry_out_one(&mut self, ask: Ask, now: Now, out: &mut Outbox) -> Option<Leave> {
        match &mut self.role {
            Role::Leading(leader) => {
                let core = &mut self.core;
                match ask {
                    Ask::Write(request) => return leader.submit(core, &request, now, out),
                    // Here everything that is committed is applied (`CommitProcessor.needCommit`).
                    Ask::Sync(session, xid) => core.synced((session, xid), None, out),
                    Ask::Revalidate(_, session, timeout) => {
                        let me = core.me;
                        let is_valid = leader.claim(session, (timeout, me), now.time, out);
                        core.revalidated(session, is_valid, out);
                    }
                    Ask::Touch(session, timeout) => {
                        leader.sessions.touch(session, timeout, now.time);
                    }
                }
            }
            Role::Learning(learner) => match ask {
                Ask::Sync(session, xid) if Mutant::AnswersSyncsAlone.lives() => {
                    self.core.synced((session, xid), None, out);
                }
                Ask::Write(request) => learner.forward(request, out),
                Ask::Sync(session, xid) => learner.sync((session, xid), out),
                Ask::Revalidate(_, session, timeout) => learner.revalidate(session, timeout, out),
                Ask::Touch(session, timeout) => {
                    self.core.touched.insert(session, timeout);
                }
            },
            Role::Settling | Role::Looking(..) => {}
        }
        None
    }

    /// Its znodes, for those who look from outside.
    pub fn tree(&self) -> &crate::tree::Tree {
        self.core.database.tree()
    }

    /// The tree's last transaction, for those who look from outside.
    pub fn last_processed(&self) -> Zxid {
        self.core.database.last_processed()
    }
}

/// What a learner says to its leader (`LearnerHandler.run`).
fn hear_learner(
    core: &mut Core,
    leader: &mut Leader,
    (connection, frame): (ConnectionId, Frame),
    (now, out): (Now, &mut Outbox),
) -> Option<Leave> {
    let time = now.time;
    match frame {
        Frame::FollowerInfo(info) => {
            leader.introduce(core, (connection, false), info, (time, out));
        }
        Frame::ObserverInfo(info) => leader.introduce(core, (connection, true), info, (time, out)),
        Frame::AckEpoch(ack) => leader.epoch_acked(core, connection, *ack, (time, out)),
        Frame::Ack(zxid) if leader.awaits_newleader_ack(connection) => {
            match zxid == Zxid::start_of(leader.epoch) {
                true => leader.newleader_acked(core, connection, (time, out)),
                false => leader.send_away(connection, out),
            }
        }
        Frame::Ack(zxid) => leader.acked(core, (connection, zxid), time, out),
        Frame::Ping(ping) => leader.pinged(&ping, time),
        Frame::RevalidateRequest(asked) => leader.revalidate(connection, asked, time, out),
        Frame::Request(request) => {
            let (session, cxid) = (request.session, request.cxid);
            if let Op::Sync { .. } = request.op {
                leader.sync(connection, (session, cxid), out);
                return None;
            }
            let owner = leader.handlers.get(&connection).map(|handler| handler.learner);
            let (op, name) = (request.op, request.name);
            let request = Request { session, cxid, op, owner, name };
            return leader.submit(core, &request, now, out);
        }
        _ => leader.send_away(connection, out),
    }
    None
}
