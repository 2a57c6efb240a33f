//! The network: TCP connections between listeners, over links and network cards.
//!
//! A message leaves through its sender's card, travels its link, and comes in through its receiver's
//! card. On a connection messages arrive in the order in which they were sent, whatever happens:
//! what is lost is sent again, and what was sent after it waits (see [`way`]).

mod card;
mod connection;
mod flow;
mod handshake;
mod latency;
mod link;
mod retransmission;
mod side;
mod tamper;
mod way;

pub use latency::{Latency, Spike};
pub(crate) use side::Side;
pub use tamper::{Tamper, Tampering};

use crate::host::{Buffers, Sockets};
use crate::timeline::Timeline;
use crate::usage::Resource;
use card::Card;
use connection::Connection;
use klab_machine::trace::{Message, MessageKind, Outcome};
use klab_machine::{Address, ConnectionId, CorrelationId, DisconnectReason, Input};
use klab_wire::{Frame, NodeId, Request, Response, Span, Time};
use link::Link;
use std::collections::BTreeMap;

/// What every link is like, and how TCP behaves on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetworkProfile {
    /// How long a packet travels one way.
    pub latency: Latency,
    /// How many packets in a million are lost.
    pub loss_ppm: u32,
    /// Bytes per second of each host's card, in each direction; none for no limit.
    pub bandwidth: Option<u64>,
    /// Into what pieces messages are cut; 0 for not at all, and then without windows.
    pub chunk: u32,
    /// What each message takes of a card beside its own bytes, where messages are cut.
    pub overhead: u32,
    /// How much of a receive buffer can be on its way, in thousandths (`tcp_adv_win_scale`).
    pub window_permille: u32,
    /// After how long an unacknowledged packet is sent again (`TCP_RTO_MIN`); each further wait is
    /// twice as long.
    pub retransmit_after: Span,
    /// The longest such wait (`TCP_RTO_MAX`).
    pub retransmit_at_most: Span,
    /// After how long without an acknowledgement the connection breaks. 924.6 s is what Linux makes
    /// of `tcp_retries2` = 15 (its documentation, ip-sysctl); Kafka's own timeouts are mostly shorter.
    pub break_after: Span,
    /// After how long the first packet of a connection is sent again (RFC 6298: 1 s), then doubling.
    pub connect_retry_after: Span,
    /// After how long an attempt to connect fails (`tcp_syn_retries` = 6 gives 127 s).
    pub connect_fails_after: Span,
}

impl Default for NetworkProfile {
    /// A data centre: 200 to 300 µs one way, no loss, cards without limit, Linux's TCP.
    fn default() -> Self {
        NetworkProfile {
            latency: Latency {
                base: Span::from_micros(200),
                jitter: Span::from_micros(100),
                spike: None,
            },
            loss_ppm: 0,
            bandwidth: None,
            chunk: 0,
            overhead: 0,
            window_permille: 1_000,
            retransmit_after: Span::from_millis(200),
            retransmit_at_most: Span::from_secs(120),
            break_after: Span::from_millis(924_600),
            connect_retry_after: Span::from_secs(1),
            connect_fails_after: Span::from_secs(127),
        }
    }
}

/// The numbers that one life of one machine may give to its connections.
const NUMBERS_OF_A_LIFE: u64 = 1_000_000;

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Network {
    seed: u64,
    profile: NetworkProfile,
    /// One per process, in the order of the processes.
    sites: Vec<Site>,
    links: Vec<Link>,
    links_by_ends: BTreeMap<(u32, u32), u32>,
    connections: Vec<Connection>,
    free: Vec<u32>,
    /// Where each connection is, by the life that opened it and its number in that life.
    by_number: Vec<Vec<u32>>,
    listeners: BTreeMap<Address, u32>,
    /// How many messages have reached their receiver.
    delivered: u64,
}

/// A host as the network sees it.
#[derive(Clone, Debug)]
struct Site {
    node: NodeId,
    card: Card,
    sockets: Sockets,
    has_power: bool,
}

/// What somebody on the network must be told.
pub(crate) type Delivery = Option<(u32, Input)>;

impl Network {
    pub(crate) fn new(seed: u64, profile: NetworkProfile) -> Self {
        Network {
            seed,
            profile,
            sites: Vec::new(),
            links: Vec::new(),
            links_by_ends: BTreeMap::new(),
            connections: Vec::new(),
            free: Vec::new(),
            by_number: Vec::new(),
            listeners: BTreeMap::new(),
            delivered: 0,
        }
    }

    /// How many messages have reached their receiver.
    pub(crate) fn delivered(&self) -> u64 {
        self.delivered
    }

    /// Puts a host on the network; hosts are numbered in this order.
    pub(crate) fn add_site(&mut self, node: NodeId, sockets: Sockets) {
        let card = Card::new(self.profile.bandwidth);
        self.sites.push(Site { node, card, sockets, has_power: true });
    }

    /// How much may be on its way on a connection from one host to another, and back; none for no limit.
    fn windows(&self, from: u32, to: u32) -> [Option<u64>; 2] {
        if self.profile.chunk == 0 {
            return [None, None];
        }
        let opened = self.sites[from as usize].sockets.opened;
        let accepted = self.sites[to as usize].sockets.accepted;
        let usable = |receive: u64| receive * u64::from(self.profile.window_permille) / 1_000;
        let window = |sender: Buffers, receiver: Buffers| sender.send.min(usable(receiver.receive));
        [Some(window(opened, accepted)), Some(window(accepted, opened))]
    }

    /// What a host's card has done.
    pub(crate) fn usage(&self, site: u32, now: Time) -> [Resource; 2] {
        self.sites[site as usize].card.usage(now)
    }

    /// A range of connection numbers for one life of a machine.
    pub(crate) fn new_range(&mut self) -> u64 {
        self.by_number.push(Vec::new());
        (self.by_number.len() as u64 - 1) * NUMBERS_OF_A_LIFE
    }

    /// The host gets power.
    pub(crate) fn power_on(&mut self, site: u32) {
        self.sites[site as usize].has_power = true;
    }

    /// The host loses its power. Nobody is left who would repeat what does not get across at once, also on
    /// connections that a machine has closed and whose rest its system was still sending.
    pub(crate) fn power_off(&mut self, site: u32) {
        self.sites[site as usize].has_power = false;
        for connection in self.connections.iter_mut().filter(|one| one.is_established()) {
            for (end, way) in connection.ends.iter().zip(&mut connection.ways) {
                if end.site == site {
                    way.forsake();
                }
            }
        }
    }

    /// A machine listens.
    pub(crate) fn listen(&mut self, address: Address, machine: u32) {
        self.listeners.insert(address, machine);
    }

    /// Sends a request.
    pub(crate) fn send(
        &mut self,
        connection: ConnectionId,
        correlation: CorrelationId,
        request: Request,
        timeline: &mut Timeline,
    ) {
        let message = Message {
            kind: MessageKind::Request(request.api()),
            correlation,
            bytes: request.size_in_bytes(),
        };
        if let Some(index) = self.find(connection) {
            let input = Input::Request { connection, correlation, request };
            self.dispatch(index, Side::Opener, message, input, timeline);
        }
    }

    /// Answers a request, and takes the next one of its connection. What waited there is handed out.
    pub(crate) fn respond(
        &mut self,
        connection: ConnectionId,
        correlation: CorrelationId,
        response: Response,
        timeline: &mut Timeline,
    ) -> Delivery {
        let index = self.find(connection)?;
        let message = Message {
            kind: MessageKind::Response(response.api()),
            correlation,
            bytes: response.size_in_bytes(),
        };
        let input = Input::Response { connection, correlation, response };
        self.dispatch(index, Side::Acceptor, message, input, timeline);
        self.unmute_at(index, timeline)
    }

    /// Says something on a stream: from either end, and nothing is muted by it.
    pub(crate) fn frame(
        &mut self,
        connection: ConnectionId,
        machine: u32,
        frame: Frame,
        timeline: &mut Timeline,
    ) {
        let Some(index) = self.find(connection) else { return };
        let way = self.connections[index as usize].end_of(machine);
        let message = Message {
            kind: MessageKind::Frame(frame.kind()),
            correlation: CorrelationId(0),
            bytes: frame.size_in_bytes(),
        };
        self.dispatch(index, way, message, Input::Frame { connection, frame }, timeline);
    }

    /// The server has dealt with the request it had in hand: it takes the next one of the connection.
    pub(crate) fn unmute(&mut self, connection: ConnectionId, timeline: &mut Timeline) -> Delivery {
        let index = self.find(connection)?;
        self.unmute_at(index, timeline)
    }

    fn unmute_at(&mut self, index: u32, timeline: &mut Timeline) -> Delivery {
        self.read_on(index, timeline);
        let end = &mut self.connections[index as usize].ends[1];
        end.muted = false;
        let unread = end.unread.pop_front()?;
        self.hand_over(index, Side::Acceptor, unread, timeline)
    }

    /// Closes one end in order; the other learns it behind everything that was sent before.
    pub(crate) fn close(
        &mut self,
        connection: ConnectionId,
        machine: u32,
        timeline: &mut Timeline,
    ) {
        let Some(index) = self.find(connection) else { return };
        let connection = &self.connections[index as usize];
        let end = connection.end_of(machine);
        if !connection.is_established() {
            self.release(index, timeline);
        } else if connection.ends[end.index()].is_open {
            self.shut(index, end, DisconnectReason::Closed, timeline);
            self.post_end(index, end, DisconnectReason::Closed, timeline);
            self.release_if_over(index, timeline);
        }
    }

    /// A process is gone. Its host, if it has power, tells the other ends of its connections.
    pub(crate) fn forget_process(&mut self, site: u32, timeline: &mut Timeline) {
        self.listeners.retain(|address, _| address.node != self.sites[site as usize].node);
        let tells = self.sites[site as usize].has_power;
        for index in 0..self.connections.len() as u32 {
            for end in self.connections[index as usize].open_ends_at(site) {
                self.abandon(index, end, tells, timeline);
            }
        }
    }

    /// The connection of this number, unless it is over.
    fn find(&self, connection: ConnectionId) -> Option<u32> {
        let life = (connection.0 / NUMBERS_OF_A_LIFE) as usize;
        let number = (connection.0 % NUMBERS_OF_A_LIFE) as usize;
        let index = *self.by_number.get(life)?.get(number)?;
        (index != u32::MAX).then_some(index)
    }

    /// An end goes without a word of its own machine.
    fn abandon(&mut self, index: u32, end: Side, tells: bool, timeline: &mut Timeline) {
        if !self.connections[index as usize].is_established() {
            return self.release(index, timeline);
        }
        self.shut(index, end, DisconnectReason::Reset, timeline);
        if tells && !self.is_cut(index, end) {
            self.post_end(index, end, DisconnectReason::Reset, timeline);
        } else {
            self.connections[index as usize].ways[end.index()].drop_what_is_held();
        }
        self.release_if_over(index, timeline);
    }

    /// See [`Connection::tell`].
    fn tell(
        &self,
        index: u32,
        end: Side,
        message: Option<Message>,
        fate: Outcome,
        timeline: &mut Timeline,
    ) {
        self.connections[index as usize].tell(end, message, fate, timeline);
    }
}
