//! The connections of clients to a server, and what each has under way (`ServerCnxn`, `CommitProcessor`).
//!
//! A session's requests are answered in the order in which it sent them: a read waits for the writes before
//! it. Requests of other sessions go past.

use klab_machine::{ConnectionId, Outbox};
use klab_wire::zookeeper::{
    Answer, ClientRequest, ConnectResponse, Frame, KeeperError, Op, Path, Reply, SessionId, Xid,
    Zxid,
};
use klab_wire::{ClientId, NodeId, Span, Time};
use std::collections::{BTreeMap, VecDeque};

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Clients {
    connections: BTreeMap<ConnectionId, Client>,
    sessions: BTreeMap<SessionId, ConnectionId>,
    /// Requests that wait because too many are under way.
    pub(crate) throttled: VecDeque<(ConnectionId, ClientRequest)>,
    /// Requests that wait for a transaction or a `sync`, or for one before them.
    under_way: u32,
    next_session: SessionId,
}

/// A client's connection.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    /// Its session; none before the client has asked for one.
    pub(crate) session: SessionId,
    /// After how long without a word the session expires.
    pub(crate) timeout: Span,
    pub(crate) stage: Stage,
    /// The name that the client has given.
    pub(crate) name: Option<ClientId>,
    /// What it has asked and not been answered, in order.
    pub(crate) queue: VecDeque<Pending>,
}

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// The client has not said which session.
    Accepted,
    /// A new session is on its way through the ensemble.
    Opening,
    /// The leader is asked whether the session is still there.
    Revalidating,
    /// The client may ask.
    Open,
}

/// A request that has no answer yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Pending {
    /// It waits for its transaction.
    Write(Xid),
    /// It waits for the leader's SYNC.
    Sync(Xid),
    /// It waits for those before it.
    Read(ClientRequest),
}

impl Clients {
    pub(crate) fn new(me: NodeId, now: Time) -> Self {
        Clients {
            connections: BTreeMap::new(),
            sessions: BTreeMap::new(),
            throttled: VecDeque::new(),
            under_way: 0,
            next_session: SessionId::first_of(me, Span(now.0).as_millis()).next(),
        }
    }

    /// A client has connected.
    pub(crate) fn accept(&mut self, connection: ConnectionId) {
        let client = Client {
            session: SessionId::NONE,
            timeout: Span::ZERO,
            stage: Stage::Accepted,
            name: None,
            queue: VecDeque::new(),
        };
        self.connections.insert(connection, client);
    }

    pub(crate) fn client(&mut self, connection: ConnectionId) -> Option<&mut Client> {
        self.connections.get_mut(&connection)
    }

    pub(crate) fn session_of(&self, connection: ConnectionId) -> Option<SessionId> {
        self.connections.get(&connection).map(|client| client.session)
    }

    pub(crate) fn connection_of(&self, session: SessionId) -> Option<ConnectionId> {
        self.sessions.get(&session).copied()
    }

    /// How many connections there are.
    pub(crate) fn len(&self) -> u32 {
        self.connections.len() as u32
    }

    /// How many requests are under way.
    pub(crate) fn under_way(&self) -> u32 {
        self.under_way
    }

    /// A number for a new session.
    pub(crate) fn new_session(&mut self) -> SessionId {
        let session = self.next_session;
        self.next_session = session.next();
        session
    }

    /// A connection asks for a session. An older connection of the same session is hung up on.
    pub(crate) fn bind(
        &mut self,
        connection: ConnectionId,
        (session, timeout): (SessionId, Span),
        stage: Stage,
        out: &mut Outbox,
    ) {
        if let Some(older) = self.sessions.insert(session, connection)
            && older != connection
        {
            self.drop_connection(older);
            out.close(older);
        }
        if let Some(client) = self.connections.get_mut(&connection) {
            (client.session, client.timeout, client.stage) = (session, timeout, stage);
        }
    }

    /// The session is there: the client may ask (`finishSessionInit`).
    pub(crate) fn open(&mut self, connection: ConnectionId, out: &mut Outbox) {
        let Some(client) = self.connections.get_mut(&connection) else { return };
        client.stage = Stage::Open;
        let (session, timeout) = (client.session, client.timeout);
        let password = password_of(session);
        out.frame(
            connection,
            Frame::ConnectResponse(Box::new(ConnectResponse { timeout, session, password })),
        );
    }

    /// There is no such session any more.
    pub(crate) fn refuse(&mut self, connection: ConnectionId, out: &mut Outbox) {
        let session = self.session_of(connection).unwrap_or(SessionId::NONE);
        let response = ConnectResponse { timeout: Span::ZERO, session, password: 0 };
        out.frame(connection, Frame::ConnectResponse(Box::new(response)));
        self.hang_up(connection, out);
    }

    /// Ends a connection.
    pub(crate) fn hang_up(&mut self, connection: ConnectionId, out: &mut Outbox) {
        if self.drop_connection(connection) {
            out.close(connection);
        }
    }

    /// A connection is gone. Whether it was a client's.
    pub(crate) fn drop_connection(&mut self, connection: ConnectionId) -> bool {
        let Some(client) = self.connections.remove(&connection) else { return false };
        self.under_way -= client.queue.len() as u32;
        self.throttled.retain(|(of, _)| *of != connection);
        if self.sessions.get(&client.session) == Some(&connection) {
            self.sessions.remove(&client.session);
        }
        true
    }

    /// Ends all connections; the server serves no more.
    pub(crate) fn hang_up_on_all(&mut self, out: &mut Outbox) {
        for (connection, _) in std::mem::take(&mut self.connections) {
            out.close(connection);
        }
        self.sessions.clear();
        self.throttled.clear();
        self.under_way = 0;
    }

    /// Something waits for its turn.
    pub(crate) fn await_turn(&mut self, connection: ConnectionId, pending: Pending) {
        if let Some(client) = self.connections.get_mut(&connection) {
            client.queue.push_back(pending);
            self.under_way += 1;
        }
    }

    /// Whether nothing of this connection waits.
    pub(crate) fn is_idle(&self, connection: ConnectionId) -> bool {
        self.connections.get(&connection).is_none_or(|client| client.queue.is_empty())
    }

    /// What this connection waits for first is there. Whether it did wait for that.
    pub(crate) fn settle(&mut self, connection: ConnectionId, first: &Pending) -> bool {
        let Some(client) = self.connections.get_mut(&connection) else { return false };
        let waits = client.queue.front() == Some(first);
        if waits {
            client.queue.pop_front();
            self.under_way -= 1;
        }
        waits
    }

    /// A `sync` has its answer, and its turn has not come: from here on it waits as a read does.
    pub(crate) fn let_sync_wait(&mut self, connection: ConnectionId, xid: Xid) {
        let Some(client) = self.connections.get_mut(&connection) else { return };
        let sync = client.queue.iter_mut().find(|pending| **pending == Pending::Sync(xid));
        if let Some(sync) = sync {
            let op = Op::Sync { path: Path::root() };
            *sync = Pending::Read(ClientRequest { xid, op });
        }
    }

    /// A read whose turn it is.
    pub(crate) fn next_read(&mut self, connection: ConnectionId) -> Option<ClientRequest> {
        let queue = &mut self.connections.get_mut(&connection)?.queue;
        match queue.pop_front_if(|pending| matches!(pending, Pending::Read(_)))? {
            Pending::Read(request) => {
                self.under_way -= 1;
                Some(request)
            }
            _ => unreachable!("only a read was taken"),
        }
    }
}

/// What proves that a session is its client's own: nobody guesses here.
pub(crate) fn password_of(session: SessionId) -> u64 {
    session.0.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// Answers a request.
pub(crate) fn reply(
    connection: ConnectionId,
    (xid, zxid): (Xid, Zxid),
    result: Result<Answer, KeeperError>,
    out: &mut Outbox,
) {
    out.frame(connection, Frame::Reply(Box::new(Reply { xid, zxid, result })));
}
