//! Requests to voters: one at a time to each, and a pause after a failure (`RequestManager`).

use crate::RaftSetup;
use klab_machine::random::Stream;
use klab_machine::{Address, Input, Outbox};
use klab_network::{ExponentialBackoff, NetworkClient, NetworkConfig};
use klab_wire::{Few, NodeId, Now, Request, Response, Span, Time};
use std::collections::BTreeMap;

/// `KafkaRaftManager.buildNetworkClient`: the first and the longest wait before connecting again.
const RECONNECT_BACKOFF: ExponentialBackoff =
    ExponentialBackoff { initial: Span::from_millis(50), max: Span::from_millis(500) };

/// Which request this is. After a change of role the answers to earlier ones do not matter any more.
type RequestNumber = u64;

/// What has become of the request to a voter.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    /// The voter.
    pub(crate) from: NodeId,
    /// Its answer; none if the connection broke or nothing came in time.
    pub(crate) response: Option<Response>,
}

/// The state of the way to each voter.
#[derive(Clone, Debug)]
pub(crate) struct RequestManager {
    network: NetworkClient<RequestNumber>,
    voters: Vec<NodeId>,
    /// A voter that is not in here is ready.
    connections: BTreeMap<NodeId, Connection>,
    next: RequestNumber,
    request_timeout: Span,
    retry_backoff: Span,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Connection {
    AwaitingResponse { number: RequestNumber, deadline: Time },
    BackingOff { until: Time },
}

impl Connection {
    fn deadline(self) -> Time {
        match self {
            Connection::AwaitingResponse { deadline, .. } => deadline,
            Connection::BackingOff { until } => until,
        }
    }
}

impl RequestManager {
    /// A manager of requests to these voters, nothing sent yet.
    pub(crate) fn new(setup: &RaftSetup, own: Option<NodeId>, jitter: Stream) -> Self {
        let config = NetworkConfig {
            request_timeout: setup.config.controller_quorum_request_timeout_ms,
            setup_timeout: setup.connection_setup_timeout,
            reconnect_backoff: RECONNECT_BACKOFF,
        };
        RequestManager {
            network: NetworkClient::new(setup.network_client, config, jitter),
            voters: setup
                .voters
                .iter()
                .map(|voter| voter.id)
                .filter(|id| Some(*id) != own)
                .collect(),
            connections: BTreeMap::new(),
            next: 0,
            request_timeout: config.request_timeout,
            retry_backoff: setup.config.controller_quorum_retry_backoff_ms,
        }
    }

    /// Whether an input belongs to one of the connections.
    pub(crate) fn owns(&self, input: &Input) -> bool {
        self.network.owns(input)
    }

    /// Handles an input of a connection, and says which requests are answered or have failed. Answers
    /// that nobody waits for any more are dropped (`isResponseExpected`).
    pub(crate) fn handle(&mut self, now: Now, input: Input, out: &mut Outbox) -> Few<Outcome> {
        if let Input::Response { connection, correlation, response } = input {
            let answered = self.network.answered(connection, correlation);
            let expected = answered.filter(|(from, number)| self.is_expected(from.node, *number));
            let outcome = |from: Address| Outcome { from: from.node, response: Some(response) };
            return expected.map(|(from, _)| outcome(from)).into_iter().collect();
        }
        let failed = self.network.handle(now, input, out).into_iter();
        failed
            .filter(|failed| self.is_expected(failed.to.node, failed.purpose))
            .map(|failed| Outcome { from: failed.to.node, response: None })
            .collect()
    }

    /// Whether a request may be sent to a voter now.
    pub(crate) fn is_ready(&self, voter: NodeId, now: Now) -> bool {
        self.connections.get(&voter).is_none_or(|connection| connection.deadline() <= now.time)
    }

    /// The last request to this voter failed not long ago.
    pub(crate) fn is_backing_off(&self, voter: NodeId, now: Now) -> bool {
        matches!(self.connections.get(&voter), Some(Connection::BackingOff { until }) if *until > now.time)
    }

    /// The last request to this voter was not answered in time.
    pub(crate) fn has_timed_out(&self, voter: NodeId, now: Now) -> bool {
        matches!(
            self.connections.get(&voter),
            Some(Connection::AwaitingResponse { deadline, .. }) if *deadline <= now.time
        )
    }

    /// A request to any voter still has time to be answered.
    pub(crate) fn is_awaiting_any(&self, now: Now) -> bool {
        self.connections.values().any(|connection| {
            matches!(connection, Connection::AwaitingResponse { deadline, .. } if *deadline > now.time)
        })
    }

    /// A voter to ask who leads: a random ready one, and none while a request is under way
    /// (`findReadyBootstrapServer`).
    pub(crate) fn any_ready_voter(&self, now: Now, random: &mut Stream) -> Option<NodeId> {
        if self.voters.is_empty() || self.is_awaiting_any(now) {
            return None;
        }
        let count = self.voters.len();
        let start = random.below(count as u64) as usize;
        (0..count)
            .map(|step| self.voters[(start + step) % count])
            .find(|voter| self.is_ready(*voter, now))
    }

    /// Sends a request to a voter that is ready.
    pub(crate) fn send(&mut self, voter: NodeId, request: Request, now: Now, out: &mut Outbox) {
        let to = RaftSetup::address(voter);
        // `NetworkClient.connectionFailed`: nothing waits for a connection that may not be tried yet.
        if self.network.is_backing_off(to, now) {
            return self.failed(voter, now);
        }
        let number = self.next;
        self.next += 1;
        let deadline = now.time + self.request_timeout;
        self.connections.insert(voter, Connection::AwaitingResponse { number, deadline });
        self.network.send(to, request, number, now, out);
    }

    /// The answer was of use: the voter is ready for the next request.
    pub(crate) fn succeeded(&mut self, voter: NodeId) {
        self.connections.remove(&voter);
    }

    /// The answer was of no use, or none came: pause before the next request.
    pub(crate) fn failed(&mut self, voter: NodeId, now: Now) {
        let until = now.time + self.retry_backoff;
        self.connections.insert(voter, Connection::BackingOff { until });
    }

    /// Forgets the request to one voter.
    pub(crate) fn reset(&mut self, voter: NodeId) {
        self.connections.remove(&voter);
    }

    /// Forgets every request: the role has changed.
    pub(crate) fn reset_all(&mut self) {
        self.connections.clear();
    }

    /// When to look at a voter again.
    pub(crate) fn deadlines(&self) -> impl Iterator<Item = (NodeId, Time)> + '_ {
        self.connections.iter().map(|(voter, connection)| (*voter, connection.deadline()))
    }

    fn is_expected(&self, voter: NodeId, number: RequestNumber) -> bool {
        matches!(
            self.connections.get(&voter),
            Some(Connection::AwaitingResponse { number: expected, .. }) if *expected == number
        )
    }
}
