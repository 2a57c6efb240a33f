//! What a broker and the active controller say to each other: registration and heartbeats, ISR changes,
//! forwarded requests, producer ids. Each line is a connection of its own, so that none waits behind
//! another.
//!
//! Facts: `BrokerRegistrationLearned`, `BrokerStarted`, `BrokerLearnedItIsFenced`.

use crate::Broker;
use crate::alter_partition::RETRY as ALTER_PARTITION_RETRY;
use crate::controller_channel::{ChannelEvent, ControllerChannel};
use crate::fetch_session_cache::Moved;
use crate::lifecycle::{Communication, LifecycleStep, NextCommunication};
use crate::metadata_source::Mode;
use crate::partition_isr::Outcome;
use crate::producer_ids::RETRY as PRODUCER_IDS_RETRY;
use crate::purgatory::ReplyTo;
use klab_machine::fact::ReplicationFact;
use klab_machine::random::stream;
use klab_machine::timer::BrokerTimer;
use klab_machine::{Identity, Input, Outbox, Timer};
use klab_metadata::supported_features;
use klab_network::{ExponentialBackoff, NetworkClient, NetworkConfig};
use klab_wire::config::BrokerConfig;
use klab_wire::{
    AllocateProducerIdsRequest, AlterPartitionData, AlterPartitionResponse, BrokerHeartbeatRequest,
    BrokerRegistrationRequest, EnvelopeRequest, ErrorCode, InitProducerIdResponse, NodeId, Now,
    ProducerEpoch, Request, Response, Span, TopicIdPartition, TopicName,
};

/// How long a forwarded request may wait for a controller (`NodeToControllerChannelManager` "forwarding").
const FORWARDING_TIMEOUT: Span = Span::from_secs(60);
/// How long a broker waits for the controller's leave to go.
const CONTROLLED_SHUTDOWN_TIMEOUT: Span = Span::from_secs(300);

/// What a request on the forwarding line is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Forwarded {
    /// A client asked.
    Client(ReplyTo),
    /// A client asked for topics that do not exist (`AutoTopicCreationManager`).
    AutoCreation(Vec<TopicName>),
    /// More producer ids are wanted.
    ProducerIds,
}

/// The lines to the controller.
pub(crate) struct Channels {
    pub heartbeats: ControllerChannel<Communication>,
    pub alter_partition: ControllerChannel<()>,
    pub forwarding: ControllerChannel<Forwarded>,
}

/// The lines of a broker that has just started.
pub(crate) fn channels(identity: &Identity, config: &BrokerConfig, mode: Mode) -> Channels {
    let (own_life, forwarding) = match mode {
        Mode::Quorum => (config.broker_session_timeout_ms.divided_by(2), FORWARDING_TIMEOUT),
        Mode::ZooKeeper => (config.controller_socket_timeout_ms, config.request_timeout_ms),
    };
    Channels {
        heartbeats: channel(1, identity, config, own_life),
        alter_partition: channel(2, identity, config, Span::MAX),
        forwarding: channel(3, identity, config, forwarding),
    }
}

fn channel<P>(
    number: u32,
    identity: &Identity,
    config: &BrokerConfig,
    retry_timeout: Span,
) -> ControllerChannel<P> {
    let wait = Span::from_millis(50);
    let network = NetworkConfig {
        request_timeout: config.controller_socket_timeout_ms.min(retry_timeout),
        setup_timeout: config.socket_connection_setup_timeout_ms,
        reconnect_backoff: ExponentialBackoff { initial: wait, max: wait },
    };
    let ids = [identity.node.key(), identity.incarnation.0, u64::from(number)];
    let jitter = stream(identity.seed, "controller-channel", ids);
    ControllerChannel::new(number, NetworkClient::new(number, network, jitter), retry_timeout)
}

impl Broker {
    /// The quorum has another leader.
    pub(crate) fn controller_changed(
        &mut self,
        leader: Option<NodeId>,
        now: Now,
        out: &mut Outbox,
    ) {
        let events = self.heartbeats.leader_changed(leader, now, out);
        self.lifecycle_events(events, now, out);
        let events = self.alter_partition_channel.leader_changed(leader, now, out);
        self.alter_partition_events(events, now, out);
        let events = self.forwarding.leader_changed(leader, now, out);
        self.forwarding_events(events, now, out);
    }

    /// Whether an input is of one of these lines.
    pub(crate) fn owns_controller_input(&self, input: &Input) -> bool {
        self.heartbeats.owns(input)
            || self.alter_partition_channel.owns(input)
            || self.forwarding.owns(input)
    }

    /// Something on one of these lines.
    pub(crate) fn controller_input(&mut self, input: Input, now: Now, out: &mut Outbox) {
        if self.heartbeats.owns(&input) {
            let events = self.heartbeats.handle(now, input, out);
            self.lifecycle_events(events, now, out);
        } else if self.alter_partition_channel.owns(&input) {
            let events = self.alter_partition_channel.handle(now, input, out);
            self.alter_partition_events(events, now, out);
        } else {
            let events = self.forwarding.handle(now, input, out);
            self.forwarding_events(events, now, out);
        }
    }

    // Registration and heartbeats.

    /// It is time to speak to the controller.
    pub(crate) fn communicate(&mut self, now: Now, out: &mut Outbox) {
        let communication = self.lifecycle.communicate();
        let request = match communication {
            Communication::Registration => self.registration_request().into(),
            Communication::Heartbeat => self.heartbeat().into(),
            Communication::ControlledShutdown | Communication::None => return,
        };
        let events = self.heartbeats.send(request, communication, now, out);
        self.lifecycle_events(events, now, out);
    }

    /// Without a registration in time the broker gives up.
    pub(crate) fn registration_timed_out(&mut self, now: Now, out: &mut Outbox) {
        if !self.lifecycle.was_registered() {
            self.stop(now, out);
        }
    }

    /// Somebody asks the broker to go (SIGTERM).
    pub(crate) fn shut_down(&mut self, now: Now, out: &mut Outbox) {
        let next = match self.config.controlled_shutdown_enable {
            true => self.lifecycle.begin_controlled_shutdown(),
            false => None,
        };
        match next {
            Some(_) if self.source.mode() == Mode::ZooKeeper => {
                self.ask_for_controlled_shutdown(now, out);
            }
            Some(next) => {
                let timer = Timer::Broker(BrokerTimer::ControlledShutdown);
                out.set_timer(timer, CONTROLLED_SHUTDOWN_TIMEOUT);
                self.schedule_communication(next, out);
            }
            None => self.stop(now, out),
        }
    }

    /// The broker goes now, in order.
    pub(crate) fn stop(&mut self, now: Now, out: &mut Outbox) {
        self.lifecycle.begin_shutdown();
        self.close_logs(now, out);
    }

    fn registration_request(&self) -> BrokerRegistrationRequest {
        BrokerRegistrationRequest {
            broker: self.identity.node,
            cluster: self.identity.cluster.clone(),
            incarnation: self.identity.incarnation,
            rack: self.identity.rack.clone().or_else(|| self.config.broker_rack.clone()),
            log_dirs: vec![self.identity.directory],
            features: supported_features(),
            previous_broker_epoch: self.storage.previous_broker_epoch(),
        }
    }

    fn heartbeat(&self) -> BrokerHeartbeatRequest {
        BrokerHeartbeatRequest {
            broker: self.identity.node,
            broker_epoch: self.lifecycle.epoch().unwrap_or_default(),
            current_metadata_offset: self.metadata.image().next_offset,
            want_fence: self.lifecycle.wants_fence(),
            want_shut_down: self.lifecycle.wants_shut_down(),
        }
    }

    pub(crate) fn lifecycle_events(
        &mut self,
        events: Vec<ChannelEvent<Communication>>,
        now: Now,
        out: &mut Outbox,
    ) {
        for event in events {
            let (step, next) = match event {
                ChannelEvent::Answered {
                    response: Response::BrokerRegistration(answer), ..
                } => self.lifecycle.registration_answered(&answer),
                ChannelEvent::Answered { response: Response::BrokerHeartbeat(answer), .. } => {
                    self.lifecycle.heartbeat_answered(&answer)
                }
                ChannelEvent::Answered {
                    response: Response::ControlledShutdown(answer), ..
                } => {
                    self.controlled_shutdown_answered(Some(&answer), now, out);
                    continue;
                }
                ChannelEvent::TimedOut { purpose: Communication::ControlledShutdown, .. } => {
                    self.controlled_shutdown_answered(None, now, out);
                    continue;
                }
                ChannelEvent::Answered { .. } | ChannelEvent::TimedOut { .. } => {
                    self.lifecycle.failed()
                }
            };
            self.schedule_communication(next, out);
            self.lifecycle_step(step, now, out);
        }
    }

    fn lifecycle_step(&mut self, step: LifecycleStep, now: Now, out: &mut Outbox) {
        match step {
            LifecycleStep::None => {}
            LifecycleStep::Registered(epoch) => {
                out.state(ReplicationFact::BrokerRegistrationLearned { epoch });
            }
            LifecycleStep::CaughtUp => {
                if !self.storage.withdraw_marker(out) {
                    self.go_into_service(now, out);
                }
            }
            LifecycleStep::Unfenced => {
                let epoch = self.lifecycle.epoch().unwrap_or_default();
                out.state(ReplicationFact::BrokerStarted { epoch });
            }
            LifecycleStep::Fenced => out.state(ReplicationFact::BrokerLearnedItIsFenced {}),
            LifecycleStep::MayGo => self.stop(now, out),
        }
    }

    /// The broker has caught up: it opens its logs, and may be unfenced.
    pub(crate) fn go_into_service(&mut self, now: Now, out: &mut Outbox) {
        if self.source.mode() == Mode::ZooKeeper {
            return self.open_logs_and_register(now, out);
        }
        self.publish_first(now, out);
        let next = self.lifecycle.set_ready_to_unfence();
        self.schedule_communication(next, out);
        self.take_early_requests(now, out);
    }

    fn schedule_communication(&self, next: NextCommunication, out: &mut Outbox) {
        if let NextCommunication::After(wait) = next {
            out.set_timer(Timer::Broker(BrokerTimer::Heartbeat), wait);
        }
    }

    // ISR changes.

    /// Looks for followers that are out of sync, where there may be any by now (`maybeShrinkIsr`).
    pub(crate) fn shrink_isrs(&mut self, now: Now, out: &mut Outbox) {
        let interval = self.config.replica_lag_time_max_ms.divided_by(2);
        out.set_timer(Timer::Broker(BrokerTimer::IsrExpiration), interval);
        let max_lag = self.config.replica_lag_time_max_ms;
        debug_assert!(self.replicas.iter().all(|partition| {
            let watched = partition.leader().and_then(|leader| leader.watched_since);
            watched.is_some_and(|since| now.wall.since(since) > max_lag)
                || partition.lagging(&local!(self, now)).is_empty()
        }));
        for (id, since) in self.isr_expiration.take_due(now.wall, max_lag) {
            let local = local!(self, now);
            let Some(partition) = self.replicas.get_mut(id) else { continue };
            if partition.leader().and_then(|leader| leader.watched_since) != Some(since) {
                continue;
            }
            let change = partition.maybe_shrink_isr(&local, out);
            self.isr_expiration.looked_at(partition, self.identity.node);
            if let Some(change) = change {
                self.submit_alter_partition(change, now, out);
            }
        }
    }

    /// Asks the controller for an ISR change.
    pub(crate) fn submit_alter_partition(
        &mut self,
        change: AlterPartitionData,
        now: Now,
        out: &mut Outbox,
    ) {
        if self.writes_isrs_itself() {
            return self.write_isr(change, now, out);
        }
        match self.alter_partitions.submit(change) {
            Ok(()) => self.send_alter_partition(now, out),
            Err(change) => {
                let local = local!(self, now);
                let Some(partition) = self.replicas.get_mut(change.partition) else { return };
                let refusal = Err(ErrorCode::OperationNotAttempted);
                partition.alter_partition_answered(&change, refusal, &local, out);
            }
        }
    }

    /// Sends the ISR changes that have come up, unless others are in flight.
    pub(crate) fn send_alter_partition(&mut self, now: Now, out: &mut Outbox) {
        let (broker, epoch) = (self.identity.node, self.lifecycle.epoch());
        if let Some(request) = self.alter_partitions.next_request(broker, epoch) {
            let events = self.alter_partition_channel.send(request.into(), (), now, out);
            self.alter_partition_events(events, now, out);
        }
    }

    fn alter_partition_events(
        &mut self,
        events: Vec<ChannelEvent<()>>,
        now: Now,
        out: &mut Outbox,
    ) {
        for event in events {
            match event {
                ChannelEvent::Answered { response: Response::AlterPartition(response), .. } => {
                    self.alter_partition_answered(*response, now, out);
                }
                other => unreachable!("AlterPartition is asked until it is answered: {other:?}"),
            }
        }
    }

    fn alter_partition_answered(
        &mut self,
        response: AlterPartitionResponse,
        now: Now,
        out: &mut Outbox,
    ) {
        let Ok(answers) = self.alter_partitions.answered(response) else {
            let timer = Timer::Broker(BrokerTimer::AlterPartition);
            return out.set_timer(timer, ALTER_PARTITION_RETRY);
        };
        for (asked, outcome) in answers {
            let local = local!(self, now);
            let Some(partition) = self.replicas.get_mut(asked.partition) else { continue };
            let outcome = outcome.as_ref().map_err(|error| *error);
            let settled = partition.alter_partition_answered(&asked, outcome, &local, out);
            self.isr_change_settled(asked.partition, settled, now, out);
        }
        self.send_alter_partition(now, out);
    }

    /// What follows from the answer to an ISR change. In KRaft mode the metadata log tells of the change as well,
    /// and has everybody look at the partition; in ZooKeeper mode nothing else does.
    pub(crate) fn isr_change_settled(
        &mut self,
        id: TopicIdPartition,
        outcome: Outcome,
        now: Now,
        out: &mut Outbox,
    ) {
        let Some(partition) = self.replicas.get_mut(id) else { return };
        self.isr_expiration.members_changed(partition, self.identity.node);
        if self.source.mode() == Mode::ZooKeeper {
            self.purgatory.sessions.partition_moved(partition, Moved::Role);
        }
        match outcome {
            Outcome::Settled => {}
            Outcome::HighWatermarkMoved => self.purgatory.high_watermark_moved(partition, out),
            Outcome::Retry(change) => self.submit_alter_partition(change, now, out),
        }
    }

    // Forwarding.

    /// Forwards a client's request to the controller (KIP-590).
    pub(crate) fn forward(
        &mut self,
        request: Request,
        reply_to: ReplyTo,
        now: Now,
        out: &mut Outbox,
    ) {
        self.send_forwarded(request, Forwarded::Client(reply_to), now, out);
    }

    /// Forwards a request, a client's or the broker's own.
    pub(crate) fn send_forwarded(
        &mut self,
        request: Request,
        purpose: Forwarded,
        now: Now,
        out: &mut Outbox,
    ) {
        let envelope = EnvelopeRequest { request };
        let events = self.forwarding.send(envelope.into(), purpose, now, out);
        self.forwarding_events(events, now, out);
    }

    fn forwarding_events(
        &mut self,
        events: Vec<ChannelEvent<Forwarded>>,
        now: Now,
        out: &mut Outbox,
    ) {
        for event in events {
            match event {
                ChannelEvent::Answered { purpose, request, response } => {
                    self.forwarding_answered(purpose, request, response, now, out);
                }
                ChannelEvent::TimedOut { purpose, request } => {
                    self.forwarding_failed(purpose, request, ErrorCode::RequestTimedOut, out);
                }
            }
        }
    }

    fn forwarding_answered(
        &mut self,
        purpose: Forwarded,
        request: Request,
        response: Response,
        now: Now,
        out: &mut Outbox,
    ) {
        match (purpose, response) {
            (Forwarded::ProducerIds, Response::AllocateProducerIds(block)) => {
                if self.producer_ids.block_answered(&block) {
                    let timer = Timer::Broker(BrokerTimer::ProducerIds);
                    out.set_timer(timer, PRODUCER_IDS_RETRY);
                }
                self.maybe_request_producer_ids(now, out);
            }
            (Forwarded::AutoCreation(topics), _) => {
                self.topics_being_created.retain(|topic| !topics.contains(topic));
            }
            (purpose, response) => match (purpose, within_envelope(response)) {
                (Forwarded::Client(reply_to), Some(response)) => reply_to.answer(response, out),
                (purpose, _) => {
                    self.forwarding_failed(purpose, request, ErrorCode::UnknownServerError, out);
                }
            },
        }
    }

    fn forwarding_failed(
        &mut self,
        purpose: Forwarded,
        request: Request,
        error: ErrorCode,
        out: &mut Outbox,
    ) {
        match (purpose, request) {
            (Forwarded::Client(reply_to), Request::Envelope(envelope)) => {
                if let Some(response) = envelope.request.error_response(error) {
                    reply_to.answer(response, out);
                }
            }
            (Forwarded::Client(_), request) => {
                unreachable!("{} is forwarded in an envelope", request.api())
            }
            (Forwarded::AutoCreation(topics), _) => {
                self.topics_being_created.retain(|topic| !topics.contains(topic));
            }
            (Forwarded::ProducerIds, _) => {
                // The next producer that asks for an id makes the broker ask again.
                self.producer_ids.block_failed();
            }
        }
    }

    // Producer ids.

    /// A producer asks for an identity. Without a transactional id every request gets a new one.
    pub(crate) fn init_producer_id(
        &mut self,
        now: Now,
        out: &mut Outbox,
    ) -> InitProducerIdResponse {
        let id = self.producer_ids.generate();
        self.maybe_request_producer_ids(now, out);
        InitProducerIdResponse {
            error: id.err().unwrap_or_default(),
            producer: id.ok().map(|id| (id, ProducerEpoch(0))),
        }
    }

    /// Asks the controller for a block of producer ids, if one is wanted.
    pub(crate) fn maybe_request_producer_ids(&mut self, now: Now, out: &mut Outbox) {
        let Some(broker_epoch) = self.lifecycle.epoch() else { return };
        if self.producer_ids.wants_block() {
            let broker = self.identity.node;
            let request = AllocateProducerIdsRequest { broker, broker_epoch };
            let events = self.forwarding.send(request.into(), Forwarded::ProducerIds, now, out);
            self.forwarding_events(events, now, out);
        }
    }
}

/// The controller's answer to what was forwarded to it.
fn within_envelope(response: Response) -> Option<Response> {
    match response {
        Response::Envelope(envelope) => envelope.response,
        _ => None,
    }
}
