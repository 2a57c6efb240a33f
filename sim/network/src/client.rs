//! `NetworkClient`: requests by address, answered or failed exactly once.

use crate::ExponentialBackoff;
use klab_machine::random::Stream;
use klab_machine::timer::NetworkTimer;
use klab_machine::{Address, ConnectionId, CorrelationId, Input, Outbox, Timer};
use klab_wire::{ErrorCode, NodeId, Now, Request, Span, Time};
use std::collections::VecDeque;

/// How patient a client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetworkConfig {
    /// How long a request may take (`request.timeout.ms`).
    pub request_timeout: Span,
    /// How long opening a connection may take (`socket.connection.setup.timeout.ms`).
    pub setup_timeout: Span,
    /// How long to wait before connecting again (`reconnect.backoff.ms`, `reconnect.backoff.max.ms`).
    pub reconnect_backoff: ExponentialBackoff,
}

/// A request that will not be answered; the peer may have carried it out all the same if it was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedRequest<P> {
    /// Whom it was for.
    pub to: Address,
    /// What the sender said the request was for.
    pub purpose: P,
    /// `NETWORK_EXCEPTION` when the connection broke, `REQUEST_TIMED_OUT` when it was given up.
    pub error: ErrorCode,
    /// It had left.
    pub was_sent: bool,
}

/// Connections to peers, and the requests in flight on them.
///
/// `P` is the purpose of a request: it comes back with the answer.
#[derive(Clone, Debug)]
pub struct NetworkClient<P> {
    number: u32,
    config: NetworkConfig,
    jitter: Stream,
    /// In the order in which they were first spoken to; they are few, and looked up with every message.
    peers: Vec<Peer<P>>,
    /// The connections open or on their way, oldest first, with the places of their peers.
    connections: Vec<(ConnectionId, u32)>,
}

#[derive(Clone, Debug)]
struct Peer<P> {
    address: Address,
    state: State,
    failures: u32,
    next_correlation: u32,
    /// The time-out timer is set. It is not moved with every request, only looked at when it fires.
    is_timed: bool,
    in_flight: VecDeque<InFlight<P>>,
    /// Requests that wait for the connection, oldest first.
    held: VecDeque<Held<P>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Disconnected { not_before: Time },
    Connecting(ConnectionId),
    Connected(ConnectionId),
}

#[derive(Clone, Debug)]
struct InFlight<P> {
    correlation: CorrelationId,
    deadline: Time,
    purpose: P,
}

#[derive(Clone, Debug)]
struct Held<P> {
    request: Request,
    deadline: Time,
    purpose: P,
}

impl<P> NetworkClient<P> {
    /// A client without connections. `number` tells it from the machine's other network clients.
    pub fn new(number: u32, config: NetworkConfig, jitter: Stream) -> Self {
        let (peers, connections) = (Vec::new(), Vec::new());
        NetworkClient { number, config, jitter, peers, connections }
    }

    /// Whether a connection is open, so that a request would leave at once.
    pub fn is_connected(&self, to: Address) -> bool {
        matches!(self.peer(to), Some(Peer { state: State::Connected(_), .. }))
    }

    /// Whether a connection is open, with fewer than `most` requests on it that are not answered yet.
    pub fn has_room(&self, to: Address, most: u32) -> bool {
        matches!(self.peer(to), Some(peer) if peer.has_room(most))
    }

    /// Whether a connection is being opened.
    pub fn is_connecting(&self, to: Address) -> bool {
        matches!(self.peer(to), Some(Peer { state: State::Connecting(_), .. }))
    }

    /// The connection to an address, open or on its way.
    pub fn connection(&self, to: Address) -> Option<ConnectionId> {
        match self.peer(to)?.state {
            State::Connected(connection) | State::Connecting(connection) => Some(connection),
            State::Disconnected { .. } => None,
        }
    }

    /// Whether connecting has to wait for the back-off to pass (`connectionFailed`).
    pub fn is_backing_off(&self, to: Address, now: Now) -> bool {
        matches!(
            self.peer(to),
            Some(Peer { state: State::Disconnected { not_before }, .. }) if *not_before > now.time
        )
    }

    /// How many requests to this address are not answered yet, those not sent yet included.
    pub fn in_flight(&self, to: Address) -> usize {
        self.peer(to).map_or(0, |peer| peer.in_flight.len() + peer.held.len())
    }

    /// Opens a connection, unless there is one or the back-off has not passed.
    pub fn connect(&mut self, to: Address, now: Now, out: &mut Outbox) {
        let (number, setup) = (self.number, self.config.setup_timeout);
        let place = self.place_of(to);
        let peer = &mut self.peers[place as usize];
        let State::Disconnected { not_before } = peer.state else { return };
        if not_before > now.time {
            let timer = Timer::Network(NetworkTimer::Reconnect(number, to.node));
            out.set_timer(timer, not_before.since(now.time));
            return;
        }
        let connection = out.connect(to);
        peer.state = State::Connecting(connection);
        self.connections.push((connection, place));
        out.set_timer(Timer::Network(NetworkTimer::SetupTimeout(number, connection)), setup);
    }

    /// Sends a request as soon as there is a connection, opening one if need be.
    ///
    /// A request without a response (`acks=0`) is forgotten once it has left.
    pub fn send(
        &mut self,
        to: Address,
        request: impl Into<Request>,
        purpose: P,
        now: Now,
        out: &mut Outbox,
    ) {
        let deadline = now.time + self.config.request_timeout;
        let request = request.into();
        let (number, timeout) = (self.number, self.config.request_timeout);
        let place = self.place_of(to);
        let peer = &mut self.peers[place as usize];
        match peer.state {
            State::Connected(connection) => {
                peer.dispatch(number, connection, request, deadline, timeout, purpose, out);
            }
            State::Connecting(_) => peer.held.push_back(Held { request, deadline, purpose }),
            State::Disconnected { .. } => {
                peer.held.push_back(Held { request, deadline, purpose });
                self.connect(to, now, out);
            }
        }
    }

    /// Closes the connection to an address; what was in flight or held fails.
    pub fn disconnect(&mut self, to: Address, now: Now, out: &mut Outbox) -> Vec<FailedRequest<P>> {
        match self.peer(to).map(|peer| peer.state) {
            Some(State::Connected(connection) | State::Connecting(connection)) => {
                out.close(connection);
                self.lose(connection, ErrorCode::NetworkException, now, out)
            }
            _ => Vec::new(),
        }
    }

    /// Whether an input is this client's to handle.
    pub fn owns(&self, input: &Input) -> bool {
        match input {
            Input::Response { connection, .. }
            | Input::Connected { connection }
            | Input::Disconnected { connection, .. } => self.place_on(*connection).is_some(),
            Input::Timer(Timer::Network(timer)) => self.number == timer.client(),
            _ => false,
        }
    }

    /// A response has come: whose it is, and what its request was for. None on a connection that this client
    /// does not own, or has closed meanwhile.
    pub fn answered(
        &mut self,
        connection: ConnectionId,
        correlation: CorrelationId,
    ) -> Option<(Address, P)> {
        let peer = self.peer_on(connection)?;
        let oldest = peer.in_flight.pop_front().expect("a response has a request in flight");
        assert_eq!(oldest.correlation, correlation, "responses come in the order of requests");
        peer.failures = 0;
        Some((peer.address, oldest.purpose))
    }

    /// Handles any other input that this client [owns](Self::owns), or has owned, and says which requests
    /// have failed by it.
    pub fn handle(&mut self, now: Now, input: Input, out: &mut Outbox) -> Vec<FailedRequest<P>> {
        match input {
            Input::Connected { connection } => {
                self.connected(connection, out);
                Vec::new()
            }
            Input::Disconnected { connection, .. } => {
                self.lose(connection, ErrorCode::NetworkException, now, out)
            }
            Input::Timer(Timer::Network(timer)) => self.timer(timer, now, out),
            other => unreachable!("a network client does not own {other:?}"),
        }
    }

    fn connected(&mut self, connection: ConnectionId, out: &mut Outbox) {
        let (number, timeout) = (self.number, self.config.request_timeout);
        let Some(peer) = self.peer_on(connection) else { return };
        out.stop_timer(Timer::Network(NetworkTimer::SetupTimeout(number, connection)));
        peer.state = State::Connected(connection);
        for Held { request, deadline, purpose } in std::mem::take(&mut peer.held) {
            peer.dispatch(number, connection, request, deadline, timeout, purpose, out);
        }
    }

    fn timer(&mut self, timer: NetworkTimer, now: Now, out: &mut Outbox) -> Vec<FailedRequest<P>> {
        match timer {
            NetworkTimer::RequestTimeout(_, connection) => self.check_oldest(connection, now, out),
            NetworkTimer::SetupTimeout(_, connection) => {
                if self.place_on(connection).is_none() {
                    return Vec::new();
                }
                out.close(connection);
                self.lose(connection, ErrorCode::NetworkException, now, out)
            }
            NetworkTimer::Reconnect(_, node) => {
                let waiting: Vec<Address> = self.waiting_for(node).collect();
                waiting.into_iter().for_each(|to| self.connect(to, now, out));
                Vec::new()
            }
        }
    }

    fn waiting_for(&self, node: NodeId) -> impl Iterator<Item = Address> + '_ {
        let waits = |peer: &Peer<P>| {
            !peer.held.is_empty() && matches!(peer.state, State::Disconnected { .. })
        };
        self.peers
            .iter()
            .filter(move |peer| peer.address.node == node && waits(peer))
            .map(|peer| peer.address)
    }

    /// `NetworkClient.handleTimedOutRequests`: one request that waited too long costs the connection.
    fn check_oldest(
        &mut self,
        connection: ConnectionId,
        now: Now,
        out: &mut Outbox,
    ) -> Vec<FailedRequest<P>> {
        let number = self.number;
        let Some(peer) = self.peer_on(connection) else { return Vec::new() };
        let Some(oldest) = peer.in_flight.front() else {
            peer.is_timed = false;
            return Vec::new();
        };
        if oldest.deadline > now.time {
            let timer = Timer::Network(NetworkTimer::RequestTimeout(number, connection));
            out.set_timer(timer, oldest.deadline.since(now.time));
            return Vec::new();
        }
        out.close(connection);
        self.lose(connection, ErrorCode::RequestTimedOut, now, out)
    }

    /// The connection is gone: everything in flight or held fails, and the back-off begins.
    fn lose(
        &mut self,
        connection: ConnectionId,
        error: ErrorCode,
        now: Now,
        out: &mut Outbox,
    ) -> Vec<FailedRequest<P>> {
        out.stop_timer(Timer::Network(NetworkTimer::RequestTimeout(self.number, connection)));
        out.stop_timer(Timer::Network(NetworkTimer::SetupTimeout(self.number, connection)));
        let Ok(entry) = self.entry_of(connection) else { return Vec::new() };
        let (_, place) = self.connections.remove(entry);
        let peer = &mut self.peers[place as usize];
        let to = peer.address;
        let wait = self.config.reconnect_backoff.after(peer.failures, &mut self.jitter);
        peer.state = State::Disconnected { not_before: now.time + wait };
        peer.failures += 1;
        peer.is_timed = false;
        let failed = |purpose, was_sent| FailedRequest { to, purpose, error, was_sent };
        let sent = std::mem::take(&mut peer.in_flight).into_iter().map(|r| failed(r.purpose, true));
        let held = std::mem::take(&mut peer.held).into_iter().map(|r| failed(r.purpose, false));
        sent.chain(held).collect()
    }

    /// A machine numbers its connections in the order in which it opens them.
    fn entry_of(&self, connection: ConnectionId) -> Result<usize, usize> {
        self.connections.binary_search_by_key(&connection, |(known, _)| *known)
    }

    /// The place of the peer at the other end of a connection.
    fn place_on(&self, connection: ConnectionId) -> Option<u32> {
        self.entry_of(connection).ok().map(|entry| self.connections[entry].1)
    }

    fn peer_on(&mut self, connection: ConnectionId) -> Option<&mut Peer<P>> {
        let place = self.place_on(connection)?;
        self.peers.get_mut(place as usize)
    }

    fn peer(&self, at: Address) -> Option<&Peer<P>> {
        self.peers.iter().find(|peer| peer.address == at)
    }

    /// The place of a peer, which has one from now on.
    fn place_of(&mut self, address: Address) -> u32 {
        let place = self.peers.iter().position(|peer| peer.address == address);
        place.unwrap_or_else(|| {
            self.peers.push(Peer::new(address));
            self.peers.len() - 1
        }) as u32
    }
}

impl<P> Peer<P> {
    fn new(address: Address) -> Self {
        Peer {
            address,
            state: State::Disconnected { not_before: Time::ZERO },
            failures: 0,
            next_correlation: 0,
            is_timed: false,
            in_flight: VecDeque::new(),
            held: VecDeque::new(),
        }
    }

    fn has_room(&self, most: u32) -> bool {
        matches!(self.state, State::Connected(_)) && self.in_flight.len() < most as usize
    }

    #[allow(clippy::too_many_arguments, reason = "one request with all that belongs to it")]
    fn dispatch(
        &mut self,
        number: u32,
        connection: ConnectionId,
        request: Request,
        deadline: Time,
        timeout: Span,
        purpose: P,
        out: &mut Outbox,
    ) {
        let correlation = CorrelationId(self.next_correlation);
        self.next_correlation = self.next_correlation.wrapping_add(1);
        if request.expects_response() {
            if !self.is_timed {
                self.is_timed = true;
                let timer = Timer::Network(NetworkTimer::RequestTimeout(number, connection));
                out.set_timer(timer, timeout);
            }
            self.in_flight.push_back(InFlight { correlation, deadline, purpose });
        }
        out.send(connection, correlation, request);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use klab_machine::random::stream;
    use klab_machine::{DisconnectReason, Effect};
    use klab_wire::{
        DescribeQuorumRequest, DescribeQuorumResponse, LeaderEpoch, Response, Timestamp,
    };

    const B1: Address = Address::broker(NodeId::broker(1));

    fn client() -> NetworkClient<&'static str> {
        let config = NetworkConfig {
            request_timeout: Span::from_secs(30),
            setup_timeout: Span::from_secs(10),
            reconnect_backoff: ExponentialBackoff {
                initial: Span::from_millis(50),
                max: Span::from_secs(1),
            },
        };
        NetworkClient::new(0, config, stream(1, "network", []))
    }

    fn at(millis: u64) -> Now {
        Now { time: Time(millis * 1_000_000), wall: Timestamp::START }
    }

    fn ask() -> Request {
        DescribeQuorumRequest {}.into()
    }

    fn answer() -> Response {
        Response::DescribeQuorum(Box::new(DescribeQuorumResponse {
            error: ErrorCode::None,
            leader: None,
            leader_epoch: LeaderEpoch(0),
            high_watermark: None,
            current_voters: vec![],
            observers: vec![],
        }))
    }

    fn sent(out: &mut Outbox) -> Vec<u32> {
        let correlation = |effect| match effect {
            Effect::Send { correlation, .. } => Some(correlation.0),
            _ => None,
        };
        out.drain().filter_map(correlation).collect()
    }

    fn failures(failed: Vec<FailedRequest<&'static str>>) -> Vec<(&'static str, ErrorCode, bool)> {
        failed.into_iter().map(|failed| (failed.purpose, failed.error, failed.was_sent)).collect()
    }

    #[test]
    fn requests_wait_for_the_connection_and_come_back_in_order_with_their_purpose() {
        let (mut client, mut out) = (client(), Outbox::new(7));
        client.send(B1, ask(), "first", at(0), &mut out);
        client.send(B1, ask(), "second", at(0), &mut out);
        assert_eq!(sent(&mut out), [0; 0]);
        let connection = ConnectionId(7);
        client.handle(at(1), Input::Connected { connection }, &mut out);
        assert_eq!(sent(&mut out), [0, 1]);
        for (correlation, expected) in [(0, "first"), (1, "second")] {
            let correlation = CorrelationId(correlation);
            let input = Input::Response { connection, correlation, response: answer() };
            assert!(client.owns(&input));
            assert_eq!(client.answered(connection, correlation), Some((B1, expected)));
        }
    }

    #[test]
    fn a_lost_connection_fails_everything_once_and_is_opened_again_after_the_back_off() {
        let (mut client, mut out) = (client(), Outbox::new(0));
        let connection = ConnectionId(0);
        client.send(B1, ask(), "sent", at(0), &mut out);
        client.handle(at(1), Input::Connected { connection }, &mut out);
        let reason = DisconnectReason::Reset;
        let events = client.handle(at(2), Input::Disconnected { connection, reason }, &mut out);
        assert_eq!(failures(events), [("sent", ErrorCode::NetworkException, true)]);
        assert!(client.is_backing_off(B1, at(3)));
        out.drain();
        client.send(B1, ask(), "held", at(3), &mut out);
        assert!(!out.effects().iter().any(|e| matches!(e, Effect::Connect { .. })));
        let again = Input::Timer(Timer::Network(NetworkTimer::Reconnect(0, B1.node)));
        client.handle(at(100), again, &mut out);
        assert!(out.effects().iter().any(|e| matches!(e, Effect::Connect { .. })));
    }

    #[test]
    fn a_request_that_waited_too_long_costs_the_connection() {
        let (mut client, mut out) = (client(), Outbox::new(0));
        let connection = ConnectionId(0);
        client.send(B1, ask(), "slow", at(0), &mut out);
        client.handle(at(1), Input::Connected { connection }, &mut out);
        let timer = || Input::Timer(Timer::Network(NetworkTimer::RequestTimeout(0, connection)));
        assert_eq!(client.handle(at(29_999), timer(), &mut out), []);
        let events = client.handle(at(30_000), timer(), &mut out);
        assert_eq!(failures(events), [("slow", ErrorCode::RequestTimedOut, true)]);
        assert!(out.effects().iter().any(|e| matches!(e, Effect::Close { .. })));
        assert!(!client.is_connected(B1));
        // The answer was waiting in line already when the connection was closed.
        assert_eq!(client.answered(connection, CorrelationId(0)), None);
        assert_eq!(client.handle(at(30_001), Input::Connected { connection }, &mut out), []);
        assert!(!client.is_connected(B1));
    }
}
