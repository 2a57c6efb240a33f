//! Serving clients: sessions are opened or found again, reads are answered here, writes go to the leader
//! (`ZooKeeperServer`, `FinalRequestProcessor`, `CommitProcessor`).

use crate::clients::{Clients, Pending, Stage, password_of, reply};
use crate::core::Core;
use crate::prep::Request;
use crate::watches::{Lost, Watched, Watches, missed};
use klab_machine::fact::ZooKeeperFact;
use klab_machine::{ConnectionId, Mutant, Outbox};
use klab_wire::zookeeper::{
    Answer, ClientRequest, ConnectRequest, EventType, Frame, KeeperError, Op, Path, ServerState,
    SessionId, SetWatches, Txn, TxnBody, WatcherEvent, Xid, Zxid,
};
use klab_wire::{NodeId, Span, Time};
use std::sync::Arc;

/// What a client's frame asks of the server's role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    /// Make a transaction of this.
    Write(Request),
    /// Let this server catch up with the leader, for this request of this session.
    Sync(SessionId, Xid),
    /// Is this session still there? The connection waits for it.
    Revalidate(ConnectionId, SessionId, Span),
    /// This session has been heard of.
    Touch(SessionId, Span),
}

impl Core {
    /// Clients are served from now on.
    pub(crate) fn start_serving(&mut self, state: ServerState, now: Time, out: &mut Outbox) {
        self.is_serving = true;
        self.clients = Clients::new(self.me, now);
        self.watches = Watches::default();
        self.touched.clear();
        let (zxid, history) = (self.database.last_processed(), self.database.history());
        let epoch = self.epochs.current();
        out.state(ZooKeeperFact::ServingStarted { epoch, zxid, history, state });
    }

    /// Clients are served no more: they are to find another server.
    pub(crate) fn stop_serving(&mut self, out: &mut Outbox) {
        if std::mem::take(&mut self.is_serving) {
            out.state(ZooKeeperFact::ServingStopped { zxid: self.database.last_processed() });
        }
        self.clients.hang_up_on_all(out);
    }

    /// A client has connected; it is turned away by a server that does not serve.
    pub(crate) fn accept_client(&mut self, connection: ConnectionId, out: &mut Outbox) {
        match self.is_serving {
            true => self.clients.accept(connection),
            false => out.close(connection),
        }
    }

    /// A client's connection is gone; its session goes on.
    pub(crate) fn client_gone(&mut self, connection: ConnectionId) {
        self.clients.drop_connection(connection);
        self.watches.forget(connection);
    }

    /// A client says something. Gives what its server's role is to do about it.
    pub(crate) fn client_frame(
        &mut self,
        connection: ConnectionId,
        frame: Frame,
        out: &mut Outbox,
    ) -> Vec<Ask> {
        if self.clients.client(connection).is_none() {
            return Vec::new(); // It was hung up on, and what it had said before is here only now.
        }
        match frame {
            Frame::ConnectRequest(request) => {
                self.connect_request(connection, &request, out).into_iter().collect()
            }
            Frame::ClientRequest(request) => self.client_request(connection, *request, out),
            _ => Vec::new(),
        }
    }

    /// A client that has seen what this server has not is to look for another: its view must not go back.
    fn connect_request(
        &mut self,
        connection: ConnectionId,
        request: &ConnectRequest,
        out: &mut Outbox,
    ) -> Option<Ask> {
        let zxid = self.database.last_processed();
        let ConnectRequest { session, last_zxid_seen: seen, .. } = *request;
        if seen > zxid && !Mutant::ServesClientsFromThePast.lives() {
            out.state(ZooKeeperFact::ClientAheadRefused { session, seen, zxid });
            self.clients.hang_up(connection, out);
            return None;
        }
        let timeout = self.setup.session_timeout(request.timeout);
        if session == SessionId::NONE {
            return Some(self.open_session(connection, timeout, out));
        }
        self.clients.bind(connection, (session, timeout), Stage::Revalidating, out);
        if request.password != password_of(session) {
            self.refuse_session(connection, session, out);
            return None;
        }
        Some(Ask::Revalidate(connection, session, timeout))
    }

    fn open_session(&mut self, connection: ConnectionId, timeout: Span, out: &mut Outbox) -> Ask {
        let session = self.clients.new_session();
        self.clients.bind(connection, (session, timeout), Stage::Opening, out);
        let (op, owner) = (Op::CreateSession { timeout }, Some(self.me));
        Ask::Write(Request { session, cxid: Xid::NONE, op, owner, name: None })
    }

    /// The leader has said whether a session is still there.
    pub(crate) fn revalidated(&mut self, session: SessionId, is_valid: bool, out: &mut Outbox) {
        let Some(connection) = self.clients.connection_of(session) else { return };
        match is_valid {
            true => self.clients.open(connection, out),
            false => self.refuse_session(connection, session, out),
        }
    }

    fn refuse_session(&mut self, connection: ConnectionId, session: SessionId, out: &mut Outbox) {
        out.state(ZooKeeperFact::SessionRefused { session });
        self.clients.refuse(connection, out);
        self.watches.forget(connection);
    }

    fn client_request(
        &mut self,
        connection: ConnectionId,
        request: ClientRequest,
        out: &mut Outbox,
    ) -> Vec<Ask> {
        let Some(client) = self.clients.client(connection) else { return Vec::new() };
        if client.stage != Stage::Open {
            return Vec::new();
        }
        let (session, timeout) = (client.session, client.timeout);
        let mut asks = vec![Ask::Touch(session, timeout)];
        let is_full = self.clients.under_way() >= self.setup.global_outstanding_limit;
        if (is_full || self.waits_throttled(connection)) && request.op != Op::Ping {
            out.state(ZooKeeperFact::RequestThrottled { session });
            self.clients.throttled.push_back((connection, request));
        } else {
            asks.extend(self.take_up(connection, request, out));
        }
        asks
    }

    fn waits_throttled(&self, connection: ConnectionId) -> bool {
        self.clients.throttled.iter().any(|(of, _)| *of == connection)
    }

    /// What waited because too much was under way, so far as there is room now.
    pub(crate) fn release_throttled(&mut self, out: &mut Outbox) -> Vec<Ask> {
        let mut asks = Vec::new();
        while self.clients.under_way() < self.setup.global_outstanding_limit {
            let Some((connection, request)) = self.clients.throttled.pop_front() else { break };
            asks.extend(self.take_up(connection, request, out));
        }
        asks
    }

    /// Begins with a request of a session that is open.
    fn take_up(
        &mut self,
        connection: ConnectionId,
        request: ClientRequest,
        out: &mut Outbox,
    ) -> Option<Ask> {
        let client = self.clients.client(connection)?;
        let (session, name) = (client.session, client.name.clone());
        let ClientRequest { xid, op } = request;
        if op.is_write() {
            self.clients.await_turn(connection, Pending::Write(xid));
            return Some(Ask::Write(Request {
                session,
                cxid: xid,
                op,
                owner: Some(self.me),
                name,
            }));
        }
        match op {
            Op::Sync { .. } => {
                self.clients.await_turn(connection, Pending::Sync(xid));
                return Some(Ask::Sync(session, xid));
            }
            Op::Ping => {
                let zxid = self.database.last_processed();
                reply(connection, (xid, zxid), Ok(Answer::Done), out);
            }
            _ if self.clients.is_idle(connection) || Mutant::ReadsBeforeOwnWrites.lives() => {
                self.read(connection, ClientRequest { xid, op }, out);
            }
            op => self.clients.await_turn(connection, Pending::Read(ClientRequest { xid, op })),
        }
        None
    }

    /// The leader's answer to a `sync` is here, behind everything that was committed before it.
    pub(crate) fn synced(
        &mut self,
        (session, xid): (SessionId, Xid),
        error: Option<KeeperError>,
        out: &mut Outbox,
    ) {
        let Some(connection) = self.clients.connection_of(session) else { return };
        if self.clients.settle(connection, &Pending::Sync(xid)) {
            let zxid = self.database.last_processed();
            let result = error.map_or(Ok(Answer::Done), Err);
            reply(connection, (xid, zxid), result, out);
            self.answer_reads(connection, out);
        } else {
            // The leader's own client may have a write before it that is not committed yet.
            self.clients.let_sync_wait(connection, xid);
        }
    }

    /// Applies a committed transaction: to the tree, to the watches, to whoever waits for it.
    pub(crate) fn apply(&mut self, txn: &Arc<Txn>, out: &mut Outbox) {
        let ended = self.database.sessions().contains_key(&txn.session);
        let applied = self.database.apply(txn);
        if !self.is_serving {
            return;
        }
        let (history, tree) = (self.database.history(), self.database.tree().digest());
        out.state(ZooKeeperFact::TxnApplied { zxid: txn.zxid, history, tree });
        for path in &applied.removed {
            let (path, session) = (path.clone(), txn.session);
            out.state(ZooKeeperFact::EphemeralRemoved { path, session });
        }
        for (event, path) in applied.events {
            self.fire(event, &path, txn.zxid, out);
        }
        self.answer_write(txn, applied.result, out);
        if matches!(txn.body, TxnBody::CloseSession { .. }) {
            self.close_session(txn.session, (ended, applied.removed.len() as u32), out);
        }
    }

    fn fire(&mut self, event: EventType, path: &Path, zxid: Zxid, out: &mut Outbox) {
        for connection in self.watches.fire(event, path) {
            self.tell_event(connection, (event, path.clone(), zxid), out);
        }
    }

    fn tell_event(
        &mut self,
        connection: ConnectionId,
        (event, path, zxid): (EventType, Path, Zxid),
        out: &mut Outbox,
    ) {
        let Some(session) = self.clients.session_of(connection) else { return };
        out.state(ZooKeeperFact::WatchFired { path: path.clone(), event, session, zxid });
        out.frame(connection, Frame::WatcherEvent(Box::new(WatcherEvent { event, path, zxid })));
    }

    fn answer_write(&mut self, txn: &Txn, result: Result<Answer, KeeperError>, out: &mut Outbox) {
        let Some(connection) = self.clients.connection_of(txn.session) else { return };
        if let TxnBody::CreateSession { .. } = txn.body {
            out.state(ZooKeeperFact::SessionOpened { session: txn.session });
            return self.clients.open(connection, out);
        }
        if !self.clients.settle(connection, &Pending::Write(txn.cxid)) {
            return;
        }
        let moved = result == Err(KeeperError::SessionMoved);
        reply(connection, (txn.cxid, txn.zxid), result, out);
        match moved {
            // The client is elsewhere by now; what is left here is an old connection.
            true => self.hang_up(connection, out),
            false => self.answer_reads(connection, out),
        }
    }

    fn close_session(
        &mut self,
        session: SessionId,
        (was_there, ephemerals): (bool, u32),
        out: &mut Outbox,
    ) {
        self.touched.remove(&session);
        if was_there {
            out.state(ZooKeeperFact::SessionClosed { session, ephemerals });
        }
        if let Some(connection) = self.clients.connection_of(session) {
            self.hang_up(connection, out);
        }
    }

    fn hang_up(&mut self, connection: ConnectionId, out: &mut Outbox) {
        self.clients.hang_up(connection, out);
        self.watches.forget(connection);
    }

    /// The reads whose turn it is.
    fn answer_reads(&mut self, connection: ConnectionId, out: &mut Outbox) {
        while let Some(request) = self.clients.next_read(connection) {
            self.read(connection, request, out);
        }
    }

    /// Answers from this server's own tree, which may be behind.
    fn read(&mut self, connection: ConnectionId, request: ClientRequest, out: &mut Outbox) {
        let zxid = self.database.last_processed();
        let result = match request.op {
            Op::SetWatches(watches) => {
                self.set_watches(connection, watches, out);
                Ok(Answer::Done)
            }
            Op::Auth { name } => {
                if let Some(client) = self.clients.client(connection) {
                    client.name = Some(name);
                }
                Ok(Answer::Done)
            }
            Op::Sync { .. } => Ok(Answer::Done),
            op => self.look_up(connection, &op),
        };
        reply(connection, (request.xid, zxid), result, out);
    }

    fn look_up(&mut self, connection: ConnectionId, op: &Op) -> Result<Answer, KeeperError> {
        let (Op::Exists { path, watch }
        | Op::GetData { path, watch }
        | Op::GetChildren { path, watch }) = op
        else {
            return Err(KeeperError::BadArguments);
        };
        let name = self.clients.client(connection).and_then(|client| client.name.clone());
        let Some(znode) = self.database.tree().znode(path) else {
            if *watch && matches!(op, Op::Exists { .. }) {
                self.watches.add(Watched::Data, path.clone(), connection);
            }
            return Err(KeeperError::NoNode);
        };
        let stat = znode.stat();
        let is_readable = znode.acl.lets_read(name.as_ref());
        let (watched, answer) = match op {
            Op::Exists { .. } => (Watched::Data, Answer::Stat(stat)),
            _ if !is_readable => return Err(KeeperError::NoAuth),
            Op::GetData { .. } => (Watched::Data, Answer::Data { data: znode.data.clone(), stat }),
            _ => {
                let names = znode.children.iter().cloned().collect();
                (Watched::Children, Answer::Children { names, stat })
            }
        };
        if *watch {
            self.watches.add(watched, path.clone(), connection);
        }
        Ok(answer)
    }

    /// A client has come from another connection with its watches: what it missed meanwhile it is told now.
    fn set_watches(&mut self, connection: ConnectionId, watches: SetWatches, out: &mut Outbox) {
        let SetWatches { relative_zxid: since, data, exist, child } = watches;
        let session = self.clients.session_of(connection).unwrap_or(SessionId::NONE);
        let number = (data.len() + exist.len() + child.len()) as u32;
        out.state(ZooKeeperFact::WatchesSetAgain { session, since, watches: number });
        let zxid = self.database.last_processed();
        let all = [(Lost::Data, data), (Lost::Exist, exist), (Lost::Child, child)];
        for (kind, path) in all
            .into_iter()
            .flat_map(|(kind, paths)| paths.into_iter().map(move |path| (kind, path)))
        {
            match missed(kind, self.database.tree().znode(&path), since) {
                Some(event) => self.tell_event(connection, (event, path, zxid), out),
                None if kind == Lost::Child => {
                    self.watches.add(Watched::Children, path, connection);
                }
                None => self.watches.add(Watched::Data, path, connection),
            }
        }
    }
}

/// The server that a session's client has come to, told when it was elsewhere before.
pub(crate) fn state_move(
    session: SessionId,
    (before, now): (Option<NodeId>, NodeId),
    out: &mut Outbox,
) {
    if before.is_some_and(|before| before != now) {
        out.state(ZooKeeperFact::SessionMoved { session });
    }
}
