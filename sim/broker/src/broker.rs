//! The broker as one machine: what it is made of, and which part an input is for (`BrokerServer`).

/// What a partition has to know of its broker, read from fields that are free while the partition is
/// being changed.
macro_rules! local {
    ($broker:expr, $now:expr) => {
        $crate::partition::Local {
            broker: $broker.identity.node,
            epoch: $broker.lifecycle.epoch(),
            now: $now.wall,
            max_lag: $broker.config.replica_lag_time_max_ms,
            switches: &$broker.switches,
            cluster: &$broker.metadata.image().cluster,
            mode: $broker.source.mode(),
        }
    };
}
use crate::BrokerSetup;
use crate::SourceSetup;
use crate::alter_partition::AlterPartitions;
use crate::controller_channel::ControllerChannel;
use crate::controller_link::{self, Forwarded};
use crate::fetch_read::Look;
use crate::fetch_session::SessionId;
use crate::fetch_session_cache::FetchSessionCache;
use crate::fetcher::FetcherId;
use crate::isr_expiration::IsrExpiration;
use crate::lifecycle::{BrokerLifecycle, Communication};
use crate::metadata_cache::MetadataCache;
use crate::metadata_source::MetadataSource;
use crate::partition::{Partition, Role};
use crate::producer_ids::ProducerIds;
use crate::purgatory::Purgatory;
use crate::replica_fetchers::ReplicaFetchers;
use crate::replicas::Replicas;
use crate::spares::Spares;
use crate::storage::Storage;
use crate::throttle::ReplicationQuota;
use crate::topic_settings::TopicSettings;
use crate::view::{BrokerView, PartitionView, RoleView};
use crate::zookeeper::ZooKeeperMode;
use klab_kraft::Raft;
use klab_machine::random::stream;
use klab_machine::timer::BrokerTimer;
use klab_machine::{
    Command, ConnectionId, CorrelationId, DiskImage, Identity, Input, Machine, Outbox, Timer,
};
use klab_metadata::Image;
use klab_wire::config::{BrokerConfig, Switches};
use klab_wire::{
    BrokerEpoch, FetchRequest, FetchResponse, NodeId, Now, Request, TopicId, TopicName,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// A Kafka broker, in KRaft mode or in ZooKeeper mode.
#[derive(Clone, Debug)]
pub struct Broker {
    pub(crate) identity: Identity,
    /// `server.properties`.
    pub(crate) fixed_config: BrokerConfig,
    /// Which old behaviours it has.
    pub(crate) switches: Switches,
    /// What holds now: with what was set at run time.
    pub(crate) config: Arc<BrokerConfig>,

    // What it knows of the cluster.
    pub(crate) source: MetadataSource,
    pub(crate) metadata: MetadataCache,
    /// The broker serves: the metadata has been carried over for the first time, or it is registered in ZooKeeper.
    pub(crate) is_published: bool,

    // Its lines to the controller.
    pub(crate) lifecycle: BrokerLifecycle,
    pub(crate) heartbeats: ControllerChannel<Communication>,
    pub(crate) alter_partition_channel: ControllerChannel<()>,
    pub(crate) alter_partitions: AlterPartitions,
    pub(crate) forwarding: ControllerChannel<Forwarded>,
    pub(crate) topics_being_created: BTreeSet<TopicName>,
    pub(crate) producer_ids: ProducerIds,

    // Its replicas.
    pub(crate) storage: Storage,
    pub(crate) replicas: Replicas,
    pub(crate) isr_expiration: IsrExpiration,
    pub(crate) topic_settings: BTreeMap<TopicId, Arc<TopicSettings>>,
    pub(crate) default_settings: Arc<TopicSettings>,
    pub(crate) fetchers: ReplicaFetchers,
    pub(crate) leader_quota: ReplicationQuota,
    pub(crate) follower_quota: ReplicationQuota,

    // Whom it serves.
    pub(crate) purgatory: Purgatory,
    /// Empty: the memory of the last fetch's list, for the next one.
    pub(crate) looks: Vec<Look>,
    /// Fetches that came and were taken up.
    pub(crate) spare_fetches: Spares<FetchRequest>,
    /// Answers that came to a fetcher and were taken up.
    pub(crate) spare_answers: Spares<FetchResponse>,
    /// Who is at the other end of an accepted connection, also of one that has ended: a request may be on its way to a
    /// handler then, which handles it all the same (`KafkaRequestHandler`).
    clients: BTreeMap<ConnectionId, NodeId>,
    /// Requests that came before the broker was ready to take any: one per connection at the most.
    early: VecDeque<(ConnectionId, CorrelationId, Request)>,
}

impl Machine for Broker {
    type Config = BrokerSetup;
    type View = BrokerView;

    fn boot(
        identity: Identity,
        setup: BrokerSetup,
        disk: &DiskImage,
        now: Now,
        out: &mut Outbox,
    ) -> Self {
        let BrokerSetup { config, switches, .. } = setup;
        let default_settings = Arc::new(TopicSettings::inherited(&config, &switches));
        let storage = Storage::find(&identity, disk, out);
        let source = match setup.source {
            SourceSetup::Quorum(quorum) => {
                MetadataSource::Quorum(Box::new(Raft::boot(quorum, &identity, disk, now, out)))
            }
            SourceSetup::ZooKeeper(ensemble) => MetadataSource::ZooKeeper(Box::new(
                ZooKeeperMode::new(ensemble, &identity, now, out),
            )),
        };
        let draws = |purpose| {
            let life = [identity.node.key(), identity.incarnation.0];
            stream(identity.seed, purpose, life)
        };
        let slots = config.max_incremental_fetch_session_cache_slots;
        let sessions = FetchSessionCache::new(slots, draws("fetch-sessions"));
        let channels = controller_link::channels(&identity, &config, source.mode());
        let mut broker = Broker {
            metadata: MetadataCache::new(
                identity.cluster.clone(),
                draws("metadata-cache"),
                source.mode(),
            ),
            source,
            is_published: false,
            lifecycle: BrokerLifecycle::new(
                config.broker_heartbeat_interval_ms,
                config.broker_session_timeout_ms,
                draws("lifecycle"),
            ),
            heartbeats: channels.heartbeats,
            alter_partition_channel: channels.alter_partition,
            alter_partitions: AlterPartitions::default(),
            forwarding: channels.forwarding,
            topics_being_created: BTreeSet::new(),
            producer_ids: ProducerIds::default(),
            storage,
            replicas: Replicas::new(),
            isr_expiration: IsrExpiration::default(),
            topic_settings: BTreeMap::new(),
            default_settings,
            fetchers: ReplicaFetchers::default(),
            leader_quota: quota(&config, config.leader_replication_throttled_rate),
            follower_quota: quota(&config, config.follower_replication_throttled_rate),
            purgatory: Purgatory::new(sessions),
            looks: Vec::new(),
            spare_fetches: Spares::new(),
            spare_answers: Spares::new(),
            clients: BTreeMap::new(),
            early: VecDeque::new(),
            fixed_config: config.clone(),
            switches,
            config: Arc::new(config),
            identity,
        };
        broker.start(now, out);
        broker
    }

    fn step(&mut self, now: Now, input: Input, out: &mut Outbox) {
        if self.is_closing() {
            return self.step_closing(now, input, out);
        }
        self.take(now, input, out);
        self.follow_up(now, out);
    }

    fn view(&self) -> BrokerView {
        BrokerView {
            state: self.lifecycle.state(),
            epoch: self.lifecycle.epoch(),
            metadata_end: self.metadata.image().next_offset,
            source: self.source.view(),
            partitions: self.replicas.iter().map(view_of).collect(),
            delayed: self.purgatory.sizes(),
        }
    }

    fn session_size(&self, session: u32) -> u64 {
        self.purgatory.sessions.size_of(SessionId(session))
    }
}

impl Broker {
    /// The metadata that it goes by: what of the log it has applied.
    pub fn image(&self) -> &Image {
        self.metadata.image()
    }

    /// The registration of this life, if it is that far.
    pub fn registration(&self) -> Option<BrokerEpoch> {
        self.lifecycle.epoch()
    }

    /// Fetches that wait in purgatory, and the partitions that they wait at, once for each fetch.
    pub fn delayed_fetches(&self) -> (u32, u64) {
        let sessions = &self.purgatory.sessions;
        (sessions.parked_count(), sessions.watched_count())
    }

    /// Who asked on a connection.
    pub(crate) fn client_of(&self, connection: ConnectionId) -> NodeId {
        *self.clients.get(&connection).expect("a request comes on an accepted connection")
    }

    fn start(&mut self, now: Now, out: &mut Outbox) {
        if let MetadataSource::ZooKeeper(_) = self.source {
            return self.start_in_zookeeper_mode(now, out);
        }
        let timeout = self.config.initial_broker_registration_timeout_ms;
        out.set_timer(Timer::Broker(BrokerTimer::Registration), timeout);
        let interval = self.config.metadata_log_max_snapshot_interval_ms;
        out.set_timer(Timer::Broker(BrokerTimer::MetadataSnapshot), interval);
        self.take_raft_events(now, out);
        self.communicate(now, out);
    }

    /// Hands an input to the part that it is for. The broker's own connections are told by who opened
    /// them; everything else is a client's.
    fn take(&mut self, now: Now, input: Input, out: &mut Outbox) {
        match input {
            Input::Request { connection, correlation, request } => {
                self.take_request(connection, correlation, request, now, out);
            }
            Input::Accepted { connection, from, .. } => {
                self.clients.insert(connection, from);
            }
            Input::Flushed(flush) if !self.source.owns(&Input::Flushed(flush)) => {
                self.flush_done(flush, now, out);
            }
            Input::Timer(Timer::Broker(timer)) => self.timer(timer, now, out),
            Input::StorageFailed(failure) => self.log_dir_failed(failure, out),
            Input::Command(Command::ShutDown) => self.shut_down(now, out),
            Input::Command(Command::Administer(_) | Command::Consume(_)) => {
                unreachable!("a broker takes commands of its operator only")
            }
            input => self.take_from_peer(input, now, out),
        }
    }

    fn take_from_peer(&mut self, input: Input, now: Now, out: &mut Outbox) {
        if let Some(fetcher) = self.fetcher_of(&input) {
            self.fetcher_input(fetcher, input, now, out);
        } else if self.source.owns(&input) {
            self.source_input(input, now, out);
        } else if self.owns_controller_input(&input) {
            self.controller_input(input, now, out);
        } else if let Input::Disconnected { connection, .. } = input {
            self.client_gone(connection);
        }
    }

    /// Which fetcher an input is for.
    fn fetcher_of(&mut self, input: &Input) -> Option<FetcherId> {
        match input {
            Input::Response { connection, .. } | Input::Connected { connection } => {
                self.fetchers.of_connection(*connection)
            }
            Input::Disconnected { connection, .. } => self.fetchers.forget_connection(*connection),
            Input::Timer(Timer::Network(timer)) => self.fetchers.of_network_client(timer.client()),
            _ => None,
        }
    }

    fn client_gone(&mut self, connection: ConnectionId) {
        self.early.retain(|(early, _, _)| *early != connection);
    }

    /// Requests wait until the broker has its logs open (`SocketServer.enableRequestProcessing`).
    fn take_request(
        &mut self,
        connection: ConnectionId,
        correlation: CorrelationId,
        request: Request,
        now: Now,
        out: &mut Outbox,
    ) {
        if self.is_published {
            self.handle_request(connection, correlation, request, now, out);
        } else {
            self.early.push_back((connection, correlation, request));
        }
    }

    /// The broker is ready: it takes what has come so far.
    pub(crate) fn take_early_requests(&mut self, now: Now, out: &mut Outbox) {
        while let Some((connection, correlation, request)) = self.early.pop_front() {
            self.handle_request(connection, correlation, request, now, out);
        }
    }

    fn timer(&mut self, timer: BrokerTimer, now: Now, out: &mut Outbox) {
        match timer {
            BrokerTimer::Heartbeat => self.communicate(now, out),
            BrokerTimer::Registration => self.registration_due(now, out),
            BrokerTimer::ControllerChannel(_) => {
                self.controller_input(Input::Timer(Timer::Broker(timer)), now, out);
            }
            BrokerTimer::AlterPartition => self.send_alter_partition(now, out),
            BrokerTimer::ProducerIds => self.maybe_request_producer_ids(now, out),
            BrokerTimer::ControlledShutdown => self.controlled_shutdown_due(now, out),
            BrokerTimer::IsrExpiration => self.shrink_isrs(now, out),
            BrokerTimer::FetcherBackoff(source, number) => {
                self.fetchers.wake(FetcherId { source, number });
            }
            BrokerTimer::DelayedProduce => self.expire_produces(now, out),
            BrokerTimer::DelayedFetch => self.expire_fetches(now, out),
            BrokerTimer::DelayedDeleteRecords => self.purgatory.expire_deletions(now, out),
            BrokerTimer::CheckpointHighWatermarks => self.checkpoint_high_watermarks(out),
            BrokerTimer::CheckpointRecoveryPoints => self.checkpoint_recovery_points(out),
            BrokerTimer::FlushLogs => self.flush_dirty_logs(now, out),
            BrokerTimer::Retention => self.delete_old_segments(now, out),
            BrokerTimer::ExpireProducers => self.expire_producers(now, out),
            BrokerTimer::DeleteLog(id) => self.storage.delete_now(id, out),
            BrokerTimer::MetadataSnapshot => self.metadata_snapshot_due(now, out),
            BrokerTimer::ZooKeeperConnection => self.zookeeper_connection_timed_out(now, out),
            BrokerTimer::IsrChangePropagation => self.propagate_isr_changes(now, out),
        }
    }

    fn metadata_snapshot_due(&mut self, now: Now, out: &mut Outbox) {
        let interval = self.config.metadata_log_max_snapshot_interval_ms;
        out.set_timer(Timer::Broker(BrokerTimer::MetadataSnapshot), interval);
        self.write_metadata_snapshot(now, out);
    }

    /// What an input has set in motion: parked fetches that may be complete, fetchers that may ask
    /// again (Kafka's `ActionQueue`).
    pub(crate) fn follow_up(&mut self, now: Now, out: &mut Outbox) {
        while let Some(session) = self.purgatory.sessions.next_woken() {
            self.try_complete_fetch(session, now, out);
        }
        if !self.is_closing() {
            self.pump_fetchers(now, out);
        }
    }

    /// On its way out the broker only waits for its fsyncs.
    fn step_closing(&mut self, now: Now, input: Input, out: &mut Outbox) {
        match input {
            Input::Flushed(flush) => self.flush_done(flush, now, out),
            Input::StorageFailed(failure) => self.log_dir_failed(failure, out),
            input if self.source.owns(&input) => self.source_input_at_the_end(input, now, out),
            _ => {}
        }
    }
}

fn quota(config: &BrokerConfig, bytes_per_second: u64) -> ReplicationQuota {
    let windows = config.replication_quota_window_num;
    ReplicationQuota::new(bytes_per_second, windows, config.replication_quota_window_size_seconds)
}

fn view_of(partition: &Partition) -> PartitionView {
    PartitionView {
        id: partition.id(),
        partition: partition.name().clone(),
        role: match &partition.role {
            Role::Leader(leader) => RoleView::Leader {
                isr: leader.state.isr().clone(),
                maximal_isr: leader.state.maximal_isr().collect(),
            },
            Role::Follower { leader } => RoleView::Follower { leader: *leader },
        },
        leader_epoch: partition.leader_epoch(),
        partition_epoch: partition.partition_epoch(),
        log_start: partition.log.log_start(),
        log_end: partition.log.log_end(),
        high_watermark: partition.log.high_watermark(),
    }
}
