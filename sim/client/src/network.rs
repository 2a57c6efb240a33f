//! A client's connections, and how it keeps its metadata fresh over them
//! (`NetworkClient` with its `DefaultMetadataUpdater`).

use crate::alarm::Alarm;
use crate::metadata::{Metadata, MetadataConfig, MetadataRequestVersion};
use klab_machine::fact::ClientFact;
use klab_machine::random::{Stream, stream};
use klab_machine::timer::{ClientTimer, NetworkTimer};
use klab_machine::{Address, ConnectionId, CorrelationId, Identity, Input, Outbox, Timer};
use klab_network::{ExponentialBackoff, FailedRequest, NetworkClient, NetworkConfig};
use klab_wire::config::CommonClientConfig;
use klab_wire::{ApiKey, ErrorCode, NodeId, Now, Request, Response, Span};

/// Connections and metadata. `P` is what a request of this client is for.
#[derive(Clone, Debug)]
pub(crate) struct ClientNetwork<P> {
    pub(crate) metadata: Metadata,
    network: NetworkClient<Purpose<P>>,
    max_in_flight: u32,
    update_in_progress: bool,
    alarm: Alarm,
    offsets: Stream,
}

/// What a request is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Purpose<P> {
    /// Fresh metadata.
    Metadata(MetadataRequestVersion),
    /// The client's own purpose.
    Own(ApiKey, P),
}

/// What became of a request, to a client.
#[derive(Clone, Debug)]
pub(crate) enum Answer<P> {
    /// The view of the cluster has changed.
    MetadataUpdated,
    /// A request was answered.
    Answered { from: NodeId, purpose: P, response: Response },
    /// A request will not be answered.
    Failed { to: NodeId, purpose: P, error: ErrorCode, was_sent: bool },
}

/// What a client's network is made from.
#[derive(Clone, Debug)]
pub(crate) struct ConnectionSettings {
    pub(crate) timeouts: Timeouts,
    pub(crate) metadata: MetadataConfig,
}

/// The timeouts that every client has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timeouts {
    pub(crate) request: Span,
    pub(crate) connection_setup: Span,
    pub(crate) reconnect: ExponentialBackoff,
}

impl ConnectionSettings {
    /// What a client's configuration says about connections and metadata.
    pub(crate) fn new(
        config: &CommonClientConfig,
        bootstrap: &[NodeId],
        allow_auto_topic_creation: bool,
    ) -> Self {
        ConnectionSettings {
            timeouts: Timeouts {
                request: config.request_timeout_ms,
                connection_setup: config.socket_connection_setup_timeout_ms,
                reconnect: ExponentialBackoff {
                    initial: config.reconnect_backoff_ms,
                    max: config.reconnect_backoff_max_ms,
                },
            },
            metadata: MetadataConfig {
                bootstrap: bootstrap.to_vec(),
                max_age: config.metadata_max_age_ms,
                backoff: ExponentialBackoff {
                    initial: config.retry_backoff_ms,
                    max: config.retry_backoff_max_ms,
                },
                recovery: config.metadata_recovery_strategy,
                allow_auto_topic_creation,
            },
        }
    }
}

impl<P> ClientNetwork<P> {
    pub(crate) fn new(
        identity: &Identity,
        settings: ConnectionSettings,
        max_in_flight: u32,
    ) -> Self {
        let ConnectionSettings { timeouts, metadata } = settings;
        let named = |purpose| stream(identity.seed, purpose, [identity.incarnation.0]);
        let config = NetworkConfig {
            request_timeout: timeouts.request,
            setup_timeout: timeouts.connection_setup,
            reconnect_backoff: timeouts.reconnect,
        };
        ClientNetwork {
            metadata: Metadata::new(metadata, named("metadata back-off")),
            network: NetworkClient::new(0, config, named("reconnect back-off")),
            max_in_flight,
            update_in_progress: false,
            alarm: Alarm::new(Timer::Client(ClientTimer::Metadata)),
            offsets: named("least loaded node"),
        }
    }

    /// Whether an input is for the connections.
    pub(crate) fn owns(&self, input: &Input) -> bool {
        self.network.owns(input)
    }

    /// A response has come: what it means, metadata being taken in on the way. None if nobody waits for it.
    pub(crate) fn answered(
        &mut self,
        connection: ConnectionId,
        correlation: CorrelationId,
        response: Response,
        now: Now,
        out: &mut Outbox,
    ) -> Option<Answer<P>> {
        let (from, purpose) = self.network.answered(connection, correlation)?;
        match (purpose, response) {
            (Purpose::Own(_, purpose), response) => {
                Some(Answer::Answered { from: from.node, purpose, response })
            }
            (Purpose::Metadata(version), Response::Metadata(response)) => {
                self.update_in_progress = false;
                self.metadata.update(version, *response, now, out);
                Some(Answer::MetadataUpdated)
            }
            (Purpose::Metadata(_), other) => unreachable!("{other:?} is no metadata"),
        }
    }

    /// Handles any other input that is [owned](Self::owns), and says which requests have failed by it: see
    /// [what it means](Self::failed). [`poll`](Self::poll) must follow.
    pub(crate) fn handle(
        &mut self,
        now: Now,
        input: Input,
        out: &mut Outbox,
    ) -> Vec<FailedRequest<Purpose<P>>> {
        let is_loss = matches!(
            &input,
            Input::Disconnected { .. }
                | Input::Timer(Timer::Network(NetworkTimer::SetupTimeout(..)))
        );
        if is_loss {
            self.connection_lost(now);
        }
        self.network.handle(now, input, out)
    }

    /// The alarm that [`poll`](Self::poll) has set rang.
    pub(crate) fn metadata_alarm_rang(&mut self) {
        self.alarm.rang();
    }

    /// `handleServerDisconnect`: whoever was lost may have led something.
    fn connection_lost(&mut self, now: Now) {
        if !self.update_in_progress && self.metadata.due_at() <= now.time {
            self.metadata.failed_update(now);
        }
        self.metadata.request_update();
    }

    /// What it means that a request has failed.
    pub(crate) fn failed(
        &mut self,
        failed: FailedRequest<Purpose<P>>,
        now: Now,
        out: &mut Outbox,
    ) -> Option<Answer<P>> {
        let FailedRequest { to, purpose, error, was_sent } = failed;
        match purpose {
            Purpose::Metadata(_) => {
                self.update_in_progress = false;
                self.metadata.failed_update(now);
                self.metadata.request_update();
                None
            }
            Purpose::Own(api, purpose) => {
                if error == ErrorCode::RequestTimedOut {
                    self.metadata.request_update();
                    out.state(ClientFact::RequestTimedOut { node: to.node, api });
                }
                Some(Answer::Failed { to: to.node, purpose, error, was_sent })
            }
        }
    }

    /// Whether a request to this broker would leave at once (`NetworkClient.isReady`).
    pub(crate) fn is_ready(&self, node: NodeId) -> bool {
        self.network.has_room(Address::broker(node), self.max_in_flight)
    }

    /// Whether this broker takes no request until one is answered.
    pub(crate) fn is_full(&self, node: NodeId) -> bool {
        let to = Address::broker(node);
        self.network.is_connected(to) && !self.network.has_room(to, self.max_in_flight)
    }

    /// Whether connecting to this broker has to wait for a back-off (`isUnavailable`).
    pub(crate) fn is_backing_off(&self, node: NodeId, now: Now) -> bool {
        self.network.is_backing_off(Address::broker(node), now)
    }

    /// Requests to this broker that are not answered.
    pub(crate) fn in_flight(&self, node: NodeId) -> u32 {
        self.network.in_flight(Address::broker(node)) as u32
    }

    /// Opens a connection, now or when the back-off has passed.
    pub(crate) fn connect(&mut self, node: NodeId, now: Now, out: &mut Outbox) {
        self.network.connect(Address::broker(node), now, out);
    }

    /// Sends a request, connecting first if need be.
    pub(crate) fn send(
        &mut self,
        node: NodeId,
        request: impl Into<Request>,
        purpose: P,
        now: Now,
        out: &mut Outbox,
    ) {
        let request = request.into();
        let purpose = Purpose::Own(request.api(), purpose);
        self.network.send(Address::broker(node), request, purpose, now, out);
    }

    /// Metadata is due, and nobody has asked for it yet.
    pub(crate) fn wants_metadata(&self, now: Now) -> bool {
        !self.update_in_progress && self.metadata.due_at() <= now.time
    }

    /// Asks for metadata if it is due, or sets the alarm for when it will be
    /// (`DefaultMetadataUpdater.maybeUpdate`).
    pub(crate) fn poll(&mut self, now: Now, out: &mut Outbox) {
        if self.update_in_progress {
            return;
        }
        let due = self.metadata.due_at();
        if due > now.time {
            return self.alarm.ring_by(due, now, out);
        }
        let Some(node) = self.least_loaded_or_bootstrap(now) else {
            return self.await_any(now, out);
        };
        if !self.is_ready(node) {
            return self.connect(node, now, out);
        }
        let (request, version) = self.metadata.request(now);
        self.update_in_progress = true;
        let purpose = Purpose::Metadata(version);
        self.network.send(Address::broker(node), request, purpose, now, out);
    }

    fn least_loaded_or_bootstrap(&mut self, now: Now) -> Option<NodeId> {
        if let Some(node) = self.least_loaded_node(now) {
            return Some(node);
        }
        let is_any_connected = self
            .metadata
            .nodes()
            .iter()
            .any(|node| self.network.is_connected(Address::broker(*node)));
        match !is_any_connected && self.metadata.rebootstrap() {
            true => self.least_loaded_node(now),
            false => None,
        }
    }

    /// Nobody can be reached yet: whoever's back-off passes first wakes us.
    pub(crate) fn await_any(&mut self, now: Now, out: &mut Outbox) {
        for index in 0..self.metadata.nodes().len() {
            let node = self.metadata.nodes()[index];
            self.connect(node, now, out);
        }
    }

    /// `NetworkClient.leastLoadedNode`: an idle connection, else the least busy one, else one that is being
    /// opened, else one that may be; the search begins anywhere.
    pub(crate) fn least_loaded_node(&mut self, now: Now) -> Option<NodeId> {
        let nodes = self.metadata.nodes();
        let offset = self.offsets.below(nodes.len().max(1) as u64) as usize;
        let (before, after) = nodes.split_at(offset.min(nodes.len()));
        after
            .iter()
            .chain(before)
            .copied()
            .filter_map(|node| Some((self.load(node, now)?, node)))
            .min_by_key(|(load, _)| *load)
            .map(|(_, node)| node)
    }

    fn load(&self, node: NodeId, now: Now) -> Option<Load> {
        let to = Address::broker(node);
        if self.is_ready(node) {
            return Some(Load::Ready(self.in_flight(node)));
        }
        if self.network.is_connected(to) || self.is_backing_off(node, now) {
            return None;
        }
        Some(if self.network.is_connecting(to) { Load::Connecting } else { Load::CanConnect })
    }

    /// Closes every connection.
    pub(crate) fn close(&mut self, now: Now, out: &mut Outbox) {
        for node in self.metadata.nodes().to_vec() {
            self.network.disconnect(Address::broker(node), now, out);
        }
    }
}

/// How soon a request to a broker would be answered, best first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Load {
    Ready(u32),
    Connecting,
    CanConnect,
}
