//! Following: what a broker does with what its fetchers bring (`ReplicaFetcherManager`,
//! `AbstractFetcherThread.processFetchRequest`, `ReplicaFetcherThread.processPartitionData`).
//!
//! Facts: `DivergenceResolved`, `FollowerHighWatermarkAdvanced`.

use crate::Broker;
use crate::fetch_session_cache::Moved;
use crate::fetcher::{Fetcher, FetcherConfig, FetcherId, FetcherRequest};
use crate::fetcher_assignment::fetcher_number;
use crate::partition::{Partition, Unflushed};
use crate::partition_fetch_state::PartitionFetchState;
use crate::purgatory::Purgatory;
use crate::slots::Slot;
use crate::truncation::offset_truncation_state;
use klab_log::{AppendInfo, FollowerAppendError, LogStartReason};
use klab_machine::fact::ReplicationFact;
use klab_machine::random::stream;
use klab_machine::timer::BrokerTimer;
use klab_machine::{Address, ConnectionId, FlushId, Input, Mutant, Outbox, Timer};
use klab_network::{ExponentialBackoff, NetworkClient, NetworkConfig};
use klab_wire::config::switches::{ReplicaIncarnation, Truncation};
use klab_wire::config::{BrokerConfig, Switches};
use klab_wire::{
    BrokerEpoch, EpochEndOffset, ErrorCode, FetchResponse, FetchedPartition, FetchingReplica,
    NodeId, Now, Request, Response, Span, TopicIdPartition,
};
use std::collections::BTreeMap;

/// The first number of a fetcher's network client; below are the broker's other clients.
const FIRST_NETWORK_CLIENT: u32 = 8;

/// All fetchers of a broker, at most `num.replica.fetchers` per leading broker.
#[derive(Clone, Debug, Default)]
pub struct ReplicaFetchers {
    /// In the order of their names: one or a few for each leading broker.
    fetchers: Vec<Fetcher>,
    /// Where the one is that was asked for last: it nearly always is the next one too.
    latest: usize,
    /// Whose a connection is, in the order in which the connections were opened.
    routes: Vec<(ConnectionId, FetcherId)>,
    by_network_client: BTreeMap<u32, FetcherId>,
    /// Which fetcher has a partition.
    fetcher_of: BTreeMap<TopicIdPartition, FetcherId>,
    /// Those that may have something to ask, in the order of their names: rarely more than one.
    to_pump: Vec<FetcherId>,
    created: u32,
}

impl ReplicaFetchers {
    /// A fetcher.
    pub fn get_mut(&mut self, id: FetcherId) -> Option<&mut Fetcher> {
        if self.fetchers.get(self.latest).is_none_or(|latest| latest.id != id) {
            self.latest = self.place(id).ok()?;
        }
        self.fetchers.get_mut(self.latest)
    }

    /// The fetcher whose network client has this number.
    pub fn of_network_client(&self, number: u32) -> Option<FetcherId> {
        self.by_network_client.get(&number).copied()
    }

    /// The fetcher that has opened a connection.
    pub fn of_connection(&self, connection: ConnectionId) -> Option<FetcherId> {
        let place = self.routes.binary_search_by_key(&connection, |(opened, _)| *opened).ok()?;
        Some(self.routes[place].1)
    }

    /// A connection is gone. Returns the fetcher that had opened it.
    pub fn forget_connection(&mut self, connection: ConnectionId) -> Option<FetcherId> {
        let place = self.routes.binary_search_by_key(&connection, |(opened, _)| *opened).ok()?;
        Some(self.routes.remove(place).1)
    }

    /// A fetcher has opened a connection.
    fn note_connection(&mut self, opened: Option<ConnectionId>, id: FetcherId) {
        self.routes.extend(opened.map(|connection| (connection, id)));
    }

    fn place(&self, id: FetcherId) -> Result<usize, usize> {
        self.fetchers.binary_search_by_key(&id, |fetcher| fetcher.id)
    }

    /// The fetcher of a partition, if it is fetched.
    pub fn of(&mut self, partition: TopicIdPartition) -> Option<&mut Fetcher> {
        self.get_mut(*self.fetcher_of.get(&partition)?)
    }

    /// A fetcher may have something to ask, or nothing to do any more.
    pub fn wake(&mut self, id: FetcherId) {
        if let Err(place) = self.to_pump.binary_search(&id) {
            self.to_pump.insert(place, id);
        }
    }

    /// Stops fetching a partition; the fsyncs of its appends are nobody's to wait for any more.
    pub fn remove(&mut self, partition: &Partition) {
        let id = partition.id();
        let Some(fetcher) = self.of(id) else { return };
        fetcher.remove(id);
        for unflushed in &partition.unflushed {
            fetcher.unflushed.remove(&unflushed.flush);
        }
        let fetcher = fetcher.id;
        self.fetcher_of.remove(&id);
        self.wake(fetcher);
    }
}

impl Broker {
    /// Follows a leader from the end of the log on, under a new epoch.
    pub(crate) fn start_fetching(
        &mut self,
        id: TopicIdPartition,
        leader: NodeId,
        now: Now,
        out: &mut Outbox,
    ) {
        let Some(partition) = self.replicas.get_mut(id) else { return };
        let name = &partition.name().topic.0;
        let number = fetcher_number(name, id.partition.0, self.config.num_replica_fetchers);
        let fetcher_id = FetcherId { source: leader, number };
        let rule = self.switches.truncation;
        if partition.log.latest_epoch().is_none() || rule == Truncation::HighWatermark {
            // Without epochs nobody can tell where the logs diverge: only what is committed stays.
            let (before, to) = (partition.log.recovery_point(), partition.log.high_watermark());
            partition.log.truncate_to(to, now, out);
            self.log_cut(id, before, out);
        }
        let Some(partition) = self.replicas.get_mut(id) else { return };
        let state = PartitionFetchState::new(
            partition.log.log_end(),
            partition.leader_epoch(),
            partition.log.latest_epoch(),
            partition.log.log_start(),
            partition.settings.is_follower_throttled(id.partition, self.identity.node),
        );
        let unflushed: Vec<FlushId> = partition.unflushed.iter().map(|u| u.flush).collect();
        let asks_first = matches!(rule, Truncation::Kip101 | Truncation::Kip279);
        let must_ask = asks_first && partition.log.latest_epoch().is_some();
        let fetcher = self.fetcher(fetcher_id);
        fetcher.add(id, state);
        if must_ask {
            fetcher.begin_truncation(id);
        }
        fetcher.unflushed.extend(unflushed);
        self.fetchers.fetcher_of.insert(id, fetcher_id);
        self.fetchers.wake(fetcher_id);
    }

    /// Something for a fetcher: an answer, a connection, a timer.
    pub(crate) fn fetcher_input(
        &mut self,
        id: FetcherId,
        input: Input,
        now: Now,
        out: &mut Outbox,
    ) {
        let Some(fetcher) = self.fetchers.get_mut(id) else { return };
        if let Input::Response { connection, correlation, response } = input {
            if let Some((_, purpose)) = fetcher.network.answered(connection, correlation) {
                self.fetcher_answered(id, purpose, response, now, out);
            }
        } else {
            let failed = fetcher.network.handle(now, input, out);
            // Beside a request a timer may open a connection.
            let opened = fetcher.new_connection();
            self.fetchers.note_connection(opened, id);
            failed.into_iter().for_each(|failed| self.fetcher_failed(id, failed.purpose, now));
        }
        self.fetchers.wake(id);
    }

    /// Sends whatever the fetchers have to ask, and lets those go that have nothing to fetch.
    pub(crate) fn pump_fetchers(&mut self, now: Now, out: &mut Outbox) {
        while !self.fetchers.to_pump.is_empty() {
            let id = self.fetchers.to_pump.remove(0);
            self.pump_fetcher(id, now, out);
        }
    }

    /// An fsync is done that a fetcher may have waited for.
    pub(crate) fn fetched_flushed(&mut self, partition: TopicIdPartition, flush: FlushId) {
        if let Some(fetcher) = self.fetchers.of(partition)
            && fetcher.unflushed.remove(&flush)
        {
            let id = fetcher.id;
            self.fetchers.wake(id);
        }
    }

    fn pump_fetcher(&mut self, id: FetcherId, now: Now, out: &mut Outbox) {
        let replica = FetchingReplica {
            id: self.identity.node,
            directory: Some(self.identity.directory),
            epoch: self.epoch_in_fetches(),
        };
        let quota = &mut self.follower_quota;
        let Some(fetcher) = self.fetchers.get_mut(id) else { return };
        if fetcher.is_idle() {
            return self.shut_down_fetcher(id, now, out);
        }
        let truncating = fetcher.awaiting_truncation(now.time);
        if !truncating.is_empty() {
            return self.ask_epoch_ends(id, &truncating, now, out);
        }
        let next = fetcher.next_fetch(replica, || quota.is_exceeded(now.wall), now.time);
        if let Some(wait) = fetcher.next_wake(now.time) {
            let timer = BrokerTimer::FetcherBackoff(id.source, id.number);
            out.set_timer(Timer::Broker(timer), wait);
        }
        if let Some(request) = next {
            let request = Request::Fetch(self.spare_fetches.boxed(request));
            let opened = fetcher.send(request, FetcherRequest::Fetch, now, out);
            self.fetchers.note_connection(opened, id);
        }
    }

    /// Which life of this broker fetches (KIP-903). Before that nobody could tell.
    fn epoch_in_fetches(&self) -> Option<BrokerEpoch> {
        match self.switches.replica_incarnation {
            ReplicaIncarnation::Unchecked => None,
            ReplicaIncarnation::Checked => self.lifecycle.epoch(),
        }
    }

    pub(crate) fn ask_leader(
        &mut self,
        id: FetcherId,
        request: Request,
        purpose: FetcherRequest,
        now: Now,
        out: &mut Outbox,
    ) {
        let Some(fetcher) = self.fetchers.get_mut(id) else { return };
        let opened = fetcher.send(request, purpose, now, out);
        self.fetchers.note_connection(opened, id);
    }

    fn shut_down_fetcher(&mut self, id: FetcherId, now: Now, out: &mut Outbox) {
        let Ok(place) = self.fetchers.place(id) else { return };
        let mut fetcher = self.fetchers.fetchers.remove(place);
        self.fetchers.by_network_client.retain(|_, fetcher| *fetcher != id);
        let to = Address::broker(id.source);
        if let Some(connection) = fetcher.network.connection(to) {
            self.fetchers.forget_connection(connection);
        }
        drop(fetcher.network.disconnect(to, now, out));
        out.stop_timer(Timer::Broker(BrokerTimer::FetcherBackoff(id.source, id.number)));
    }

    /// The fetcher of this name, new if there is none.
    fn fetcher(&mut self, id: FetcherId) -> &mut Fetcher {
        let place = self.fetchers.place(id).unwrap_or_else(|place| {
            let number = FIRST_NETWORK_CLIENT + self.fetchers.created;
            self.fetchers.created += 1;
            self.fetchers.by_network_client.insert(number, id);
            let source = [id.source.key(), u64::from(id.number)];
            let incarnation = self.identity.incarnation.0;
            let ids = [self.identity.node.key(), incarnation, source[0], source[1]];
            let jitter = stream(self.identity.seed, "fetcher", ids);
            let network = NetworkClient::new(number, network_config(&self.config), jitter);
            let config = fetcher_config(&self.config, &self.switches);
            let fetcher = Fetcher::new(id, network, config);
            self.fetchers.fetchers.insert(place, fetcher);
            place
        });
        &mut self.fetchers.fetchers[place]
    }

    fn fetcher_answered(
        &mut self,
        id: FetcherId,
        purpose: FetcherRequest,
        response: Response,
        now: Now,
        out: &mut Outbox,
    ) {
        let Some(fetcher) = self.fetchers.get_mut(id) else { return };
        fetcher.request_done();
        match response {
            Response::Fetch(response) => {
                if fetcher.session_answered(&response) {
                    self.fetch_answered(id, &response, now, out);
                }
                self.spare_answers.keep(response);
            }
            response => self.leader_answered(id, purpose, response, now, out),
        }
    }

    fn fetcher_failed(&mut self, id: FetcherId, purpose: FetcherRequest, now: Now) {
        let Some(fetcher) = self.fetchers.get_mut(id) else { return };
        fetcher.request_done();
        match purpose {
            FetcherRequest::Fetch | FetcherRequest::EpochEndOffsets => fetcher.pause(now.time),
            FetcherRequest::LatestOffset(partition) | FetcherRequest::EarliestOffset(partition) => {
                fetcher.delay(partition, now.time);
            }
        }
    }

    fn leader_answered(
        &mut self,
        id: FetcherId,
        purpose: FetcherRequest,
        response: Response,
        now: Now,
        out: &mut Outbox,
    ) {
        match (purpose, response) {
            (FetcherRequest::LatestOffset(partition), Response::ListOffsets(response)) => {
                self.latest_offset_answered(id, partition, &response, now, out);
            }
            (FetcherRequest::EarliestOffset(partition), Response::ListOffsets(response)) => {
                self.earliest_offset_answered(id, partition, &response, now, out);
            }
            (FetcherRequest::EpochEndOffsets, Response::OffsetForLeaderEpoch(response)) => {
                self.epoch_ends_answered(id, &response, now, out);
            }
            (purpose, response) => unreachable!("{:?} answers {purpose:?}", response.api()),
        }
    }

    fn fetch_answered(
        &mut self,
        id: FetcherId,
        response: &FetchResponse,
        now: Now,
        out: &mut Outbox,
    ) {
        for answer in &response.partitions {
            let Some(fetcher) = self.fetchers.get_mut(id) else { return };
            let Some(slot) = fetcher.expects(answer.partition) else { continue };
            match (answer.error, answer.diverging_epoch) {
                (ErrorCode::None, None) => self.process_partition_data(id, slot, answer, now, out),
                (ErrorCode::None, Some(end)) => self.diverged(id, answer.partition, end, now, out),
                (ErrorCode::OffsetOutOfRange, _) => {
                    self.out_of_range(id, answer.partition, now, out);
                }
                // This follower's epoch is the older one: the metadata will say what it is now.
                (ErrorCode::FencedLeaderEpoch, _) => self.stop_fetching(answer.partition),
                (_, _) => fetcher.delay(answer.partition, now.time),
            }
        }
    }

    /// Nothing is fetched until the metadata brings another epoch (`markPartitionFailed`).
    pub(crate) fn stop_fetching(&mut self, id: TopicIdPartition) {
        if let Some(partition) = self.replicas.get(id) {
            self.fetchers.remove(partition);
        }
    }

    /// Appends what was fetched, and follows the leader's high watermark and log start
    /// (`processPartitionData`).
    fn process_partition_data(
        &mut self,
        id: FetcherId,
        slot: Slot,
        answer: &FetchedPartition,
        now: Now,
        out: &mut Outbox,
    ) {
        let fetcher = self.fetchers.get_mut(id).expect("the fetcher was just answered");
        let replica = &mut fetcher.partition_mut(slot).expect("it was just asked for").replica;
        let Some(mut partition) = self.replicas.recall_mut(replica, answer.partition) else {
            return;
        };
        let before = partition.log.recovery_point();
        let appended = append_fetched(partition, answer, now, out);
        self.storage.claim_flushes(partition);
        let appended = match appended {
            Ok(appended) => appended,
            Err(FollowerAppendError::Unexpected { first: base, .. }) => {
                let (partition, end) = (partition.name().clone(), partition.log.log_end());
                out.state(ReplicationFact::FetchingGivenUp { partition, base, end });
                return self.stop_fetching(answer.partition);
            }
            Err(_) => return fetcher.delay(answer.partition, now.time),
        };
        let end = partition.log.log_end();
        let durable_after = appended.and_then(|info| info.durable_after);
        if let Some(flush) = durable_after.filter(|_| !Mutant::FetchesOnUnflushed.lives()) {
            partition.unflushed.push_back(Unflushed { flush, end, acks: Vec::new() });
            fetcher.unflushed.insert(flush);
        }
        if partition.settings.is_follower_throttled(id_of(partition), self.identity.node) {
            self.follower_quota.record(u64::from(answer.records_size()), now.wall);
        }
        let epoch = answer.records.last().map(|batch| batch.partition_leader_epoch);
        let lag = answer.high_watermark.since(end);
        fetcher.follow(answer.partition, slot, end, epoch, lag);
        if partition.log.recovery_point() < before {
            self.log_cut(answer.partition, before, out);
            let Some(again) = self.replicas.get_mut(answer.partition) else { return };
            partition = again;
        }
        if follow_leader(&mut self.purgatory, partition, answer, out) {
            let start = partition.log.log_start();
            let fetcher = self.fetchers.get_mut(id).expect("the fetcher was just answered");
            fetcher.log_start_moved(answer.partition, start);
        }
    }

    /// The leader's log leaves this one: cuts it where they agree, and asks on from there.
    fn diverged(
        &mut self,
        id: FetcherId,
        partition: TopicIdPartition,
        leader_end: EpochEndOffset,
        now: Now,
        out: &mut Outbox,
    ) {
        let Some(replica) = self.replicas.get_mut(partition) else { return };
        let local_end = replica.log.end_offset_for_epoch(leader_end.epoch);
        let to = match offset_truncation_state(leader_end, local_end, replica.log.log_end()).offset
        {
            _ if Mutant::SkipsTruncation.lives() => replica.log.log_end(),
            to if Mutant::TruncatesOneRecordLate.lives() => to.next(),
            to => to,
        };
        let before = replica.log.recovery_point();
        replica.log.truncate_to(to, now, out);
        out.state(ReplicationFact::DivergenceResolved {
            partition: replica.name().clone(),
            leader: id.source,
            epoch: leader_end.epoch,
            to,
        });
        self.log_cut(partition, before, out);
        self.restart_at_end(id, partition);
    }

    pub(crate) fn restart_at_end(&mut self, id: FetcherId, partition: TopicIdPartition) {
        let Some(replica) = self.replicas.get(partition) else { return };
        let Some(fetcher) = self.fetchers.get_mut(id) else { return };
        let lag = fetcher.partition(partition).and_then(|state| state.lag).unwrap_or_default();
        fetcher.advance(partition, replica.log.log_end(), replica.log.latest_epoch(), lag);
        fetcher.log_start_moved(partition, replica.log.log_start());
    }
}

/// Takes over the leader's high watermark and log start. Says whether the log start moved.
fn follow_leader(
    purgatory: &mut Purgatory,
    partition: &mut Partition,
    answer: &FetchedPartition,
    out: &mut Outbox,
) -> bool {
    let from = partition.log.high_watermark();
    let to = match Mutant::FollowerCommitsItsEnd.lives() {
        true => partition.log.update_high_watermark(partition.log.log_end()),
        false => partition.log.update_high_watermark(answer.high_watermark),
    };
    if to > from {
        let name = partition.name().clone();
        let fact = ReplicationFact::FollowerHighWatermarkAdvanced { partition: name, from, to };
        out.state(fact);
    }
    if to != from {
        purgatory.high_watermark_moved(partition, out);
    }
    let reason = LogStartReason::LeaderOffsetIncremented;
    let moved = partition.log.advance_log_start(answer.log_start_offset, reason, out) == Ok(true);
    if moved {
        purgatory.sessions.partition_moved(partition, Moved::LogStart);
    }
    moved
}

/// Appends what was fetched. If the leader's log starts in the middle of a batch, a new follower's first
/// batch begins below its log: the log starts afresh there (`appendRecordsToFollowerOrFutureReplica`).
fn append_fetched(
    partition: &mut Partition,
    answer: &FetchedPartition,
    now: Now,
    out: &mut Outbox,
) -> Result<Option<AppendInfo>, FollowerAppendError> {
    if answer.records.is_empty() {
        return Ok(None);
    }
    match partition.log.append_as_follower(&answer.records, now, out) {
        Err(FollowerAppendError::Unexpected { first, last })
            if partition.log.log_end() == partition.log.log_start()
                && first < partition.log.log_end()
                && last >= partition.log.log_end() =>
        {
            partition.log.truncate_fully_and_start_at(first, now, out);
            partition.log.append_as_follower(&answer.records, now, out).map(Some)
        }
        appended => appended.map(Some),
    }
}

fn id_of(partition: &Partition) -> klab_wire::PartitionId {
    partition.id().partition
}

/// `BrokerBlockingSender` connects again without a back-off of its own: the fetcher has one.
fn network_config(config: &BrokerConfig) -> NetworkConfig {
    NetworkConfig {
        request_timeout: config.replica_socket_timeout_ms,
        setup_timeout: config.socket_connection_setup_timeout_ms,
        reconnect_backoff: ExponentialBackoff { initial: Span::ZERO, max: Span::ZERO },
    }
}

fn fetcher_config(config: &BrokerConfig, switches: &Switches) -> FetcherConfig {
    let bytes = |bytes: u64| u32::try_from(bytes).unwrap_or(u32::MAX);
    FetcherConfig {
        max_wait: config.replica_fetch_wait_max_ms,
        min_bytes: bytes(config.replica_fetch_min_bytes),
        max_bytes: bytes(config.replica_fetch_response_max_bytes),
        partition_max_bytes: bytes(config.replica_fetch_max_bytes),
        backoff: config.replica_fetch_backoff_ms,
        truncation: switches.truncation,
    }
}
