//! How a connection opens: there, back, and there again.
//!
//! The first packet is repeated after a second, then after two, four and so on (RFC 6298), until an
//! answer comes or the system gives up. The listener's machine learns of the connection with the
//! third leg, which travels ahead of the first request.

use super::connection::{Connection, End, State};
use super::way::Way;
use super::{Delivery, NUMBERS_OF_A_LIFE, Network, Side};
use crate::timeline::{Event, Leg, Timeline};
use klab_machine::trace::Outcome;
use klab_machine::{Address, ConnectionId, DisconnectReason, Input};

/// Bytes of a packet without content.
const EMPTY_PACKET: u32 = 60;

impl Network {
    /// Begins to connect. `sites` are the two hosts; the second is none if there is no such node.
    pub(crate) fn connect(
        &mut self,
        id: ConnectionId,
        (machine, from): (u32, u32),
        (to, host): (Address, Option<u32>),
        timeline: &mut Timeline,
    ) {
        // A node that does not exist is refused by the initiator's own host.
        let (host, exists) = (host.unwrap_or(from), host.is_some());
        let index = self.new_connection(id, machine, from, to, host, timeline);
        let leg = if exists { self.send_syn(index, timeline) } else { Some(Leg::Refusal) };
        if let Some(leg) = leg {
            self.plan_leg(index, Side::Opener, leg, timeline);
        }
    }

    /// A leg of the handshake is done.
    pub(crate) fn handshake(
        &mut self,
        index: u32,
        generation: u32,
        leg: Leg,
        timeline: &mut Timeline,
    ) -> Delivery {
        if self.connections[index as usize].generation != generation {
            return None;
        }
        match leg {
            Leg::Syn => self.syn_arrived(index, timeline),
            Leg::SynAck => return self.established(index, timeline),
            Leg::Refusal => return self.failed(index, DisconnectReason::Refused, timeline),
            Leg::Retry => return self.retry_syn(index, timeline),
        }
        None
    }

    fn new_connection(
        &mut self,
        id: ConnectionId,
        machine: u32,
        from: u32,
        to: Address,
        host: u32,
        timeline: &Timeline,
    ) -> u32 {
        let initiator =
            End { is_open: true, ..End::new(from, machine, self.sites[from as usize].node) };
        let acceptor = End::new(host, u32::MAX, to.node);
        let windows = self.windows(from, host);
        let ways = [
            Way::new(self.link(from, host), windows[0]),
            Way::new(self.link(host, from), windows[1]),
        ];
        let state = State::Connecting { since: timeline.now(), retries: 0 };
        let mut connection =
            Connection { id, generation: 0, state, to, ends: [initiator, acceptor], ways };
        let index = match self.free.pop() {
            Some(index) => {
                connection.generation = self.connections[index as usize].generation;
                self.connections[index as usize] = connection;
                index
            }
            None => {
                self.connections.push(connection);
                self.connections.len() as u32 - 1
            }
        };
        self.set_index(id, index);
        index
    }

    pub(super) fn set_index(&mut self, id: ConnectionId, index: u32) {
        let numbers = &mut self.by_number[(id.0 / NUMBERS_OF_A_LIFE) as usize];
        let number = (id.0 % NUMBERS_OF_A_LIFE) as usize;
        if numbers.len() <= number {
            numbers.resize(number + 1, u32::MAX);
        }
        numbers[number] = index;
    }

    /// Sends the first packet; none if it is lost on the way, and then it will be sent again.
    fn send_syn(&mut self, index: u32, timeline: &mut Timeline) -> Option<Leg> {
        if self.passes(index, Side::Opener) {
            return Some(Leg::Syn);
        }
        self.plan_retry(index, timeline);
        None
    }

    fn plan_retry(&mut self, index: u32, timeline: &mut Timeline) {
        let connection = &self.connections[index as usize];
        let State::Connecting { retries, .. } = connection.state else {
            unreachable!("only a connection that is not open yet repeats its first packet")
        };
        let generation = connection.generation;
        let wait = self.profile.connect_retry_after.times(1 << retries.min(30));
        let event = Event::Handshake { connection: index, generation, leg: Leg::Retry };
        timeline.plan(timeline.now() + wait, event);
    }

    fn retry_syn(&mut self, index: u32, timeline: &mut Timeline) -> Delivery {
        let limit = self.profile.connect_fails_after;
        let State::Connecting { since, retries } = &mut self.connections[index as usize].state
        else {
            return None;
        };
        if timeline.now().since(*since) >= limit {
            return self.failed(index, DisconnectReason::Unreachable, timeline);
        }
        *retries += 1;
        if let Some(leg) = self.send_syn(index, timeline) {
            self.plan_leg(index, Side::Opener, leg, timeline);
        }
        None
    }

    /// The listener's host answers, or refuses if nobody listens. The answer may be lost.
    fn syn_arrived(&mut self, index: u32, timeline: &mut Timeline) {
        if !self.passes(index, Side::Acceptor) {
            return self.plan_retry(index, timeline);
        }
        let to = self.connections[index as usize].to;
        let leg = if self.listeners.contains_key(&to) { Leg::SynAck } else { Leg::Refusal };
        self.plan_leg(index, Side::Acceptor, leg, timeline);
    }

    /// The initiator has its answer: the connection is open, and the last leg tells the listener.
    fn established(&mut self, index: u32, timeline: &mut Timeline) -> Delivery {
        let to = self.connections[index as usize].to;
        let Some(&machine) = self.listeners.get(&to) else {
            return self.failed(index, DisconnectReason::Refused, timeline);
        };
        let connection = &mut self.connections[index as usize];
        connection.state = State::Established;
        (connection.ends[1].machine, connection.ends[1].is_open) = (machine, true);
        let (connection, initiator) = (connection.id, &connection.ends[0]);
        let (from, initiator) = (initiator.node, initiator.machine);
        self.tell(index, Side::Opener, None, Outcome::Opened, timeline);
        let accepted = Input::Accepted { connection, from, listener: to.listener };
        self.post(index, Side::Opener, EMPTY_PACKET, None, accepted, timeline);
        Some((initiator, Input::Connected { connection }))
    }

    /// The connection never comes to be.
    fn failed(
        &mut self,
        index: u32,
        reason: DisconnectReason,
        timeline: &mut Timeline,
    ) -> Delivery {
        let connection = &self.connections[index as usize];
        let (id, machine) = (connection.id, connection.ends[0].machine);
        self.shut(index, Side::Opener, reason, timeline);
        self.release(index, timeline);
        Some((machine, Input::Disconnected { connection: id, reason }))
    }

    fn plan_leg(&mut self, index: u32, way: Side, leg: Leg, timeline: &mut Timeline) {
        let connection = &self.connections[index as usize];
        let (generation, link) = (connection.generation, connection.ways[way.index()].link);
        let at = self.links[link as usize].travel(timeline.now(), EMPTY_PACKET);
        timeline.plan(at, Event::Handshake { connection: index, generation, leg });
    }

    /// Whether one packet of the handshake gets through.
    fn passes(&mut self, index: u32, way: Side) -> bool {
        let open = self.is_open(index, way);
        let link = self.connections[index as usize].ways[way.index()].link;
        open && !self.links[link as usize].loses(EMPTY_PACKET)
    }
}
