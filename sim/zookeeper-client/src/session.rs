//! A client's session: it outlives the connections that carry it (`ClientCnxn`).
//!
//! A client that hears nothing for two thirds of the session timeout goes to the next server, while the session
//! is still alive; it pings after a third. What was under way on a lost connection may have been carried out:
//! CONNECTIONLOSS. At the next server it shows the session and the last transaction that it has seen, and sets
//! its watches again. That the session has expired it learns only from a server.

use crate::chroot::{rooted, without};
use crate::host_provider::HostProvider;
use crate::watch_registry::WatchRegistry;
use klab_machine::fact::ZooKeeperFact;
use klab_machine::operation::KeeperOutcome;
use klab_machine::random::Stream;
use klab_machine::timer::ZooKeeperClientTimer;
use klab_machine::{Address, ConnectionId, Input, Outbox, Timer};
use klab_wire::zookeeper::{
    ClientRequest, ConnectRequest, ConnectResponse, Frame, KeeperError, Op, Path, Reply, SessionId,
    WatcherEvent, Xid, Zxid,
};
use klab_wire::{NodeId, Span, Time};
use std::collections::VecDeque;

/// A client's name for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(pub u64);

/// What a client is configured with: the connection string and the session timeout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionSetup {
    /// The servers.
    pub servers: Vec<NodeId>,
    /// What comes before every path.
    pub chroot: Option<Path>,
    /// The session timeout that it would like.
    pub timeout: Span,
}

/// What an application is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// There is a session and a server; whether the session is a new one.
    Connected {
        /// It is.
        is_new: bool,
    },
    /// The connection is lost; the session may live on.
    Disconnected,
    /// The session is over.
    Expired,
    /// A request has an end.
    Answered(Ticket, Op, KeeperOutcome),
    /// A watch has fired.
    Watched(WatcherEvent),
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Session {
    hosts: HostProvider,
    chroot: Option<Path>,
    wanted: Span,
    chance: Stream,
    link: Link,
    session: SessionId,
    password: u64,
    /// The session timeout that holds.
    timeout: Span,
    last_zxid: Zxid,
    last_xid: i32,
    /// Sent, and not answered, in order.
    pending: VecDeque<(Xid, Ticket, Op)>,
    /// Not sent yet.
    outgoing: VecDeque<(Ticket, Op)>,
    watches: WatchRegistry,
    last_heard: Time,
    last_sent: Time,
}

/// What there is of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    /// None; one will be asked for in a while.
    Waiting,
    /// A connection to this server was asked for.
    Connecting(ConnectionId, NodeId),
    /// The server has been asked for a session.
    Asking(ConnectionId, NodeId),
    /// There is a session.
    Open(ConnectionId, NodeId),
    /// The session is over, and no other is wanted.
    Closed,
}

/// The longest wait before the next server is tried (`ClientCnxn.startConnect`).
const RECONNECT_WITHIN: Span = Span::from_secs(1);
/// A client pings at least so often (`MAX_SEND_PING_INTERVAL`).
const MAX_PING_INTERVAL: Span = Span::from_secs(10);

impl Session {
    /// A client that begins to connect.
    pub fn new(setup: SessionSetup, mut chance: Stream, now: Time, out: &mut Outbox) -> Self {
        let hosts = HostProvider::new(setup.servers, &mut chance);
        let mut session = Session {
            hosts,
            chroot: setup.chroot,
            wanted: setup.timeout,
            chance,
            link: Link::Waiting,
            session: SessionId::NONE,
            password: 0,
            timeout: setup.timeout,
            last_zxid: Zxid::ZERO,
            last_xid: 0,
            pending: VecDeque::new(),
            outgoing: VecDeque::new(),
            watches: WatchRegistry::default(),
            last_heard: now,
            last_sent: now,
        };
        session.connect(now, out);
        session
    }

    /// The session, so far as there is one.
    pub fn id(&self) -> SessionId {
        self.session
    }

    /// The server that it is connected to.
    pub fn server(&self) -> Option<NodeId> {
        match self.link {
            Link::Open(_, server) => Some(server),
            _ => None,
        }
    }

    /// The last transaction that it has seen.
    pub fn last_zxid(&self) -> Zxid {
        self.last_zxid
    }

    /// How many requests have no end yet.
    pub fn under_way(&self) -> u32 {
        (self.pending.len() + self.outgoing.len()) as u32
    }

    /// Whether an input is for this client: of its connection, or one of its timers.
    pub fn owns(&self, input: &Input) -> bool {
        match input {
            Input::Connected { connection }
            | Input::Disconnected { connection, .. }
            | Input::Frame { connection, .. } => self.connection() == Some(*connection),
            Input::Timer(Timer::ZooKeeperClient(_)) => true,
            _ => false,
        }
    }

    /// Handles an input that this client [owns](Self::owns).
    pub fn handle(&mut self, input: Input, now: Time, out: &mut Outbox) -> Vec<Event> {
        match input {
            Input::Connected { connection } => {
                self.connected(connection, now, out);
                Vec::new()
            }
            Input::Disconnected { connection, .. } => self.disconnected(connection, now, out),
            Input::Frame { connection, frame } => self.hear(connection, frame, now, out),
            Input::Timer(Timer::ZooKeeperClient(timer)) => self.timer(timer, now, out),
            _ => Vec::new(),
        }
    }

    /// Asks something: now, or so soon as there is a server.
    pub fn submit(&mut self, ticket: Ticket, op: Op, now: Time, out: &mut Outbox) {
        self.outgoing.push_back((ticket, op));
        self.send_outgoing(now, out);
        self.set_alarm(now, out);
    }

    /// A connection that was asked for is open: show the session, or ask for one.
    pub fn connected(&mut self, connection: ConnectionId, now: Time, out: &mut Outbox) {
        let Link::Connecting(asked, server) = self.link else { return };
        if asked != connection {
            return;
        }
        self.link = Link::Asking(connection, server);
        let request = ConnectRequest {
            last_zxid_seen: self.last_zxid,
            timeout: self.wanted,
            session: self.session,
            password: self.password,
        };
        self.say(connection, Frame::ConnectRequest(Box::new(request)), now, out);
        self.set_alarm(now, out);
    }

    /// A connection is gone.
    pub fn disconnected(
        &mut self,
        connection: ConnectionId,
        now: Time,
        out: &mut Outbox,
    ) -> Vec<Event> {
        match self.connection() {
            Some(own) if own == connection => self.lose(now, out),
            _ => Vec::new(),
        }
    }

    /// The server says something.
    pub fn hear(
        &mut self,
        connection: ConnectionId,
        frame: Frame,
        now: Time,
        out: &mut Outbox,
    ) -> Vec<Event> {
        if self.connection() != Some(connection) {
            return Vec::new();
        }
        self.last_heard = now;
        let events = match frame {
            Frame::ConnectResponse(response) => self.answered_session(*response, now, out),
            Frame::Reply(reply) => self.answered(*reply).into_iter().collect(),
            Frame::WatcherEvent(event) => self.watched(*event, out).into_iter().collect(),
            _ => Vec::new(),
        };
        self.set_alarm(now, out);
        events
    }

    /// One of its timers has run out.
    pub fn timer(
        &mut self,
        timer: ZooKeeperClientTimer,
        now: Time,
        out: &mut Outbox,
    ) -> Vec<Event> {
        match timer {
            ZooKeeperClientTimer::Reconnect if self.link == Link::Waiting => {
                self.connect(now, out);
                Vec::new()
            }
            ZooKeeperClientTimer::Connection => self.look_at_the_clock(now, out),
            _ => Vec::new(),
        }
    }

    /// Begins anew after the session is over, as an application does that makes a new `ZooKeeper`.
    pub fn renew(&mut self, now: Time, out: &mut Outbox) {
        (self.session, self.password, self.last_zxid) = (SessionId::NONE, 0, Zxid::ZERO);
        self.last_xid = 0;
        self.timeout = self.wanted;
        self.connect(now, out);
    }

    fn connection(&self) -> Option<ConnectionId> {
        match self.link {
            Link::Connecting(connection, _)
            | Link::Asking(connection, _)
            | Link::Open(connection, _) => Some(connection),
            Link::Waiting | Link::Closed => None,
        }
    }

    fn connect(&mut self, now: Time, out: &mut Outbox) {
        let server = self.hosts.advance();
        let connection = out.connect(Address::zookeeper(server));
        self.link = Link::Connecting(connection, server);
        self.last_sent = now;
        self.set_alarm(now, out);
    }

    /// The connection is lost, with everything that was under way on it.
    fn lose(&mut self, now: Time, out: &mut Outbox) -> Vec<Event> {
        let mut events = Vec::new();
        if let Link::Open(_, server) = self.link {
            out.state(ZooKeeperFact::SessionSuspended { session: self.session, server });
            events.push(Event::Disconnected);
        }
        if let Some(connection) = self.connection() {
            out.close(connection);
        }
        self.link = Link::Waiting;
        out.stop_timer(Timer::ZooKeeperClient(ZooKeeperClientTimer::Connection));
        let wait = Span(self.chance.below(RECONNECT_WITHIN.0));
        out.set_timer(Timer::ZooKeeperClient(ZooKeeperClientTimer::Reconnect), wait);
        self.last_sent = now;
        self.give_up_requests(KeeperError::ConnectionLoss, &mut events);
        events
    }

    /// What was sent may have been carried out; what was not sent was not, but the caller is told the same.
    fn give_up_requests(&mut self, error: KeeperError, events: &mut Vec<Event>) {
        let sent = self.pending.drain(..).map(|(_, ticket, op)| (ticket, op));
        for (ticket, op) in sent.chain(self.outgoing.drain(..)) {
            events.push(Event::Answered(ticket, op, KeeperOutcome::Unknown(error)));
        }
    }

    fn answered_session(
        &mut self,
        response: ConnectResponse,
        now: Time,
        out: &mut Outbox,
    ) -> Vec<Event> {
        let Link::Asking(connection, server) = self.link else { return Vec::new() };
        if response.timeout == Span::ZERO {
            return self.expire(connection, out);
        }
        let is_new = self.session != response.session;
        (self.session, self.password) = (response.session, response.password);
        self.timeout = response.timeout;
        self.link = Link::Open(connection, server);
        out.state(ZooKeeperFact::SessionEstablished { session: self.session, server });
        if let Some(watches) = self.watches.to_set_again(self.last_zxid) {
            let request = ClientRequest { xid: Xid::SET_WATCHES, op: Op::SetWatches(watches) };
            self.say(connection, Frame::ClientRequest(Box::new(request)), now, out);
        }
        self.send_outgoing(now, out);
        vec![Event::Connected { is_new }]
    }

    fn expire(&mut self, connection: ConnectionId, out: &mut Outbox) -> Vec<Event> {
        out.state(ZooKeeperFact::SessionLost { session: self.session });
        out.close(connection);
        self.link = Link::Closed;
        self.watches.clear();
        let mut events = vec![Event::Expired];
        self.give_up_requests(KeeperError::SessionExpired, &mut events);
        events
    }

    /// Answers come in the order of the requests. ZooKeeper's client breaks the connection if not; here the
    /// judge is to see it.
    fn answered(&mut self, reply: Reply) -> Option<Event> {
        let at = self.pending.iter().position(|(xid, ..)| *xid == reply.xid)?;
        let (_, ticket, op) = self.pending.remove(at)?;
        self.last_zxid = self.last_zxid.max(reply.zxid);
        self.watches.answered(&rooted(op.clone(), self.chroot.as_ref()), &reply.result);
        let outcome = match reply.result {
            Ok(answer) => KeeperOutcome::Answered(reply.zxid, answer),
            Err(error) => KeeperOutcome::Refused(reply.zxid, error),
        };
        Some(Event::Answered(ticket, op, outcome))
    }

    fn watched(&mut self, mut event: WatcherEvent, out: &mut Outbox) -> Option<Event> {
        self.watches.fired(event.event, &event.path);
        event.path = without(event.path, self.chroot.as_ref());
        let (path, zxid) = (event.path.clone(), event.zxid);
        out.state(ZooKeeperFact::WatchEventReceived { path, event: event.event, zxid });
        Some(Event::Watched(event))
    }

    fn send_outgoing(&mut self, now: Time, out: &mut Outbox) {
        let Link::Open(connection, _) = self.link else { return };
        while let Some((ticket, op)) = self.outgoing.pop_front() {
            self.last_xid += 1;
            let xid = Xid(self.last_xid);
            self.pending.push_back((xid, ticket, op.clone()));
            let op = rooted(op, self.chroot.as_ref());
            self.say(
                connection,
                Frame::ClientRequest(Box::new(ClientRequest { xid, op })),
                now,
                out,
            );
        }
    }

    fn say(&mut self, connection: ConnectionId, frame: Frame, now: Time, out: &mut Outbox) {
        self.last_sent = now;
        out.frame(connection, frame);
    }

    /// The server has been silent for too long, or it is time for a ping.
    fn look_at_the_clock(&mut self, now: Time, out: &mut Outbox) -> Vec<Event> {
        let is_late = match self.link {
            Link::Open(..) => now.since(self.last_heard) >= self.read_timeout(),
            Link::Connecting(..) | Link::Asking(..) => {
                now.since(self.last_sent) >= self.connect_timeout()
            }
            Link::Waiting | Link::Closed => return Vec::new(),
        };
        if is_late {
            return self.lose(now, out);
        }
        if let Link::Open(connection, _) = self.link
            && now.since(self.last_sent) >= self.ping_interval()
        {
            let ping = ClientRequest { xid: Xid::PING, op: Op::Ping };
            self.say(connection, Frame::ClientRequest(Box::new(ping)), now, out);
        }
        self.set_alarm(now, out);
        Vec::new()
    }

    fn set_alarm(&mut self, now: Time, out: &mut Outbox) {
        let due = match self.link {
            Link::Open(..) => {
                (self.last_heard + self.read_timeout()).min(self.last_sent + self.ping_interval())
            }
            Link::Connecting(..) | Link::Asking(..) => self.last_sent + self.connect_timeout(),
            Link::Waiting | Link::Closed => return,
        };
        let timer = Timer::ZooKeeperClient(ZooKeeperClientTimer::Connection);
        out.set_timer(timer, due.since(now));
    }

    /// Two thirds of the session timeout: there must be time to find another server.
    fn read_timeout(&self) -> Span {
        self.timeout.times(2).divided_by(3)
    }

    /// Half of that.
    fn ping_interval(&self) -> Span {
        self.timeout.divided_by(3).min(MAX_PING_INTERVAL)
    }

    /// All servers together get one session timeout.
    fn connect_timeout(&self) -> Span {
        self.timeout.divided_by(u64::from(self.hosts.count()))
    }
}

#[cfg(test)]
mod tests;
