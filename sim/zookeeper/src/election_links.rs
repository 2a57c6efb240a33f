//! The connections on which servers tell each other their votes: one for each pair, and the last word for
//! whoever cannot be reached (`QuorumCnxManager`).
//!
//! The server with the higher number connects; if the lower one is earlier, the higher one hangs up and
//! connects itself. Only the latest notification for a server is kept (`SEND_CAPACITY` 1): it is said again
//! when the connection is there.

use klab_machine::{Address, ConnectionId, Outbox};
use klab_wire::zookeeper::{Frame, Notification};
use klab_wire::{NodeId, Span, Time};
use std::collections::BTreeMap;

/// See the module.
#[derive(Clone, Debug)]
pub struct ElectionLinks {
    me: NodeId,
    peers: BTreeMap<NodeId, Link>,
}

#[derive(Clone, Debug, Default)]
struct Link {
    connection: Option<(ConnectionId, State)>,
    /// What was said last.
    last: Option<Notification>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    Connecting { since: Time },
}

/// After how long an attempt to connect is given up (`QuorumCnxManager.cnxTO`).
const CONNECT_TIMEOUT: Span = Span::from_secs(5);

impl ElectionLinks {
    /// Nobody is connected yet.
    pub fn new(me: NodeId) -> Self {
        ElectionLinks { me, peers: BTreeMap::new() }
    }

    /// Says something to a server, now or when it can be reached (`toSend`).
    pub fn say(&mut self, to: NodeId, what: Notification, now: Time, out: &mut Outbox) {
        let link = self.peers.entry(to).or_default();
        link.last = Some(what);
        match link.connection {
            Some((connection, State::Open)) => out.frame(connection, frame(what)),
            Some((_, State::Connecting { since })) if now.since(since) < CONNECT_TIMEOUT => {}
            other => {
                if let Some((stuck, _)) = other {
                    out.close(stuck);
                }
                link.connect(to, now, out);
            }
        }
    }

    /// Somebody has connected. The one with the lower number is hung up on, and connected to.
    pub fn accept(&mut self, connection: ConnectionId, from: NodeId, now: Time, out: &mut Outbox) {
        let link = self.peers.entry(from).or_default();
        if from < self.me {
            out.close(connection);
            // Whoever connects has no connection that works, whatever this end believes.
            if let Some((old, _)) = link.connection.take() {
                out.close(old);
            }
            link.connect(from, now, out);
            return;
        }
        if let Some((old, _)) = link.connection.replace((connection, State::Open)) {
            out.close(old);
        }
        if let Some(last) = link.last {
            out.frame(connection, frame(last));
        }
    }

    /// A connection that was asked for is open. Whether it is one of these.
    pub fn connected(&mut self, connection: ConnectionId, out: &mut Outbox) -> bool {
        let Some((_, link)) = self.find(connection) else { return false };
        link.connection = Some((connection, State::Open));
        if let Some(last) = link.last {
            out.frame(connection, frame(last));
        }
        true
    }

    /// A connection is gone. Whether it is one of these.
    pub fn disconnected(&mut self, connection: ConnectionId) -> bool {
        match self.find(connection) {
            Some((_, link)) => {
                link.connection = None;
                true
            }
            None => false,
        }
    }

    /// Who is at the other end of a connection, if it is one of these.
    pub fn peer(&self, connection: ConnectionId) -> Option<NodeId> {
        let mut peers = self.peers.iter();
        let is_it = |link: &Link| link.connection.is_some_and(|(one, _)| one == connection);
        peers.find(|(_, link)| is_it(link)).map(|(peer, _)| *peer)
    }

    fn find(&mut self, connection: ConnectionId) -> Option<(NodeId, &mut Link)> {
        let peer = self.peer(connection)?;
        self.peers.get_mut(&peer).map(|link| (peer, link))
    }
}

impl Link {
    fn connect(&mut self, to: NodeId, now: Time, out: &mut Outbox) {
        let connection = out.connect(Address::zookeeper_election(to));
        self.connection = Some((connection, State::Connecting { since: now }));
    }
}

fn frame(what: Notification) -> Frame {
    Frame::Notification(Box::new(what))
}

#[cfg(test)]
mod tests {
    use super::*;
    use klab_machine::Effect;
    use klab_wire::zookeeper::ServerState;

    const Z1: NodeId = NodeId::zookeeper(1);
    const Z2: NodeId = NodeId::zookeeper(2);
    const Z3: NodeId = NodeId::zookeeper(3);
    const WORD: Notification = Notification { vote: None, round: 1, state: ServerState::Looking };

    fn effects(out: &mut Outbox) -> Vec<Effect> {
        out.drain().collect()
    }

    #[test]
    fn the_last_word_is_kept_until_there_is_a_connection() {
        let (mut links, mut out) = (ElectionLinks::new(Z2), Outbox::new(0));
        links.say(Z1, WORD, Time::ZERO, &mut out);
        links.say(Z1, Notification { round: 2, ..WORD }, Time::ZERO, &mut out);
        let asked = effects(&mut out);
        let [Effect::Connect { connection, .. }] = asked[..] else { panic!("{asked:?}") };
        assert!(links.connected(connection, &mut out));
        let said = effects(&mut out);
        assert!(
            matches!(&said[..], [Effect::Frame { frame: Frame::Notification(n), .. }] if n.round == 2),
            "{said:?}"
        );
    }

    #[test]
    fn the_server_with_the_higher_number_connects() {
        let (mut links, mut out) = (ElectionLinks::new(Z2), Outbox::new(100));
        links.accept(ConnectionId(1), Z1, Time::ZERO, &mut out);
        let done = effects(&mut out);
        assert!(matches!(done[..], [Effect::Close { .. }, Effect::Connect { .. }]), "{done:?}");
        links.accept(ConnectionId(2), Z3, Time::ZERO, &mut out);
        assert_eq!(links.peer(ConnectionId(2)), Some(Z3));
        assert!(effects(&mut out).is_empty());
    }

    #[test]
    fn a_connection_that_is_gone_is_asked_for_again_with_the_next_word() {
        let (mut links, mut out) = (ElectionLinks::new(Z2), Outbox::new(0));
        links.say(Z1, WORD, Time::ZERO, &mut out);
        assert!(links.disconnected(ConnectionId(0)));
        effects(&mut out);
        links.say(Z1, WORD, Time::ZERO, &mut out);
        assert!(matches!(effects(&mut out)[..], [Effect::Connect { .. }]));
    }
}
