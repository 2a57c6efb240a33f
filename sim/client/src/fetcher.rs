//! Fetches records ahead of the application, and hands them out (`Fetcher`, `FetchCollector`).
//!
//! One fetch at a time to each broker, for every partition that it leads and that has nothing buffered;
//! so a partition is fetched again as soon as the application has taken its last record.

mod targets;

use self::targets::Targets;
use crate::completed_fetch::CompletedFetch;
use crate::consumer::ConsumerPurpose;
use crate::network::ClientNetwork;
use crate::subscription::Subscriptions;
use klab_machine::fact::ClientFact;
use klab_machine::operation::PolledRecords;
use klab_machine::{Mutant, Outbox};
use klab_wire::config::{AutoOffsetReset, ConsumerConfig};
use klab_wire::{
    ErrorCode, FetchPartition, FetchRequest, FetchResponse, FetchSession, Few, NodeId, Now,
    TopicIdPartition,
};
use std::collections::VecDeque;

/// The fetches of one consumer, and what they brought.
#[derive(Clone, Debug)]
pub(crate) struct Fetcher {
    config: ConsumerConfig,
    targets: Targets,
    buffer: VecDeque<CompletedFetch>,
}

/// What a fetcher needs of the rest of its consumer.
pub(crate) struct Surroundings<'a> {
    pub(crate) subscriptions: &'a mut Subscriptions,
    pub(crate) network: &'a mut ClientNetwork<ConsumerPurpose>,
    pub(crate) now: Now,
    pub(crate) out: &'a mut Outbox,
}

/// The records of a poll, with their number.
#[derive(Clone, Debug, Default)]
pub(crate) struct Collected {
    pub(crate) records: Vec<PolledRecords>,
    pub(crate) count: u32,
}

/// What became of the answer of one partition.
enum Initialized {
    /// It has records to hand out.
    Ready,
    /// It has nothing, or nothing of interest any more.
    Discarded,
}

impl Fetcher {
    pub(crate) fn new(config: ConsumerConfig) -> Self {
        Fetcher { config, targets: Targets::default(), buffer: VecDeque::new() }
    }

    /// Answers wait for the application.
    pub(crate) fn has_buffered(&self) -> bool {
        !self.buffer.is_empty()
    }

    /// Records of a partition that wait for the application.
    pub(crate) fn buffered_records(&self, index: u32) -> u64 {
        let of_index = self.buffer.iter().filter(|fetch| fetch.index == index);
        of_index.map(CompletedFetch::remaining).sum()
    }

    /// Asks every broker that owes no answer for what is wanted of it (`sendFetches`).
    pub(crate) fn send_fetches(&mut self, mut with: Surroundings<'_>) {
        self.look_at_changes(&mut with);
        for place in 0..self.targets.brokers() {
            let Some(node) = self.targets.askable(place) else { continue };
            if with.network.is_backing_off(node, with.now) {
                // Wakes us when it can be reached again.
                with.network.connect(node, with.now, with.out);
                continue;
            }
            let built = self.targets.request(place);
            let mut request = self.request(built.session);
            (request.partitions, request.forgotten) = (built.to_send, built.to_forget);
            with.network.send(node, request, ConsumerPurpose::Fetch, with.now, with.out);
        }
    }

    fn request(&self, session: FetchSession) -> FetchRequest {
        FetchRequest {
            cluster: None,
            replica: None,
            max_wait: self.config.fetch_max_wait_ms,
            min_bytes: self.config.fetch_min_bytes as u32,
            max_bytes: self.config.fetch_max_bytes as u32,
            isolation: self.config.isolation_level,
            session,
            partitions: Few::new(),
            forgotten: Vec::new(),
            rack: self.config.client_rack.clone(),
        }
    }

    /// Settles what is wanted of every partition that has changed, or changes with time.
    fn look_at_changes(&mut self, with: &mut Surroundings<'_>) {
        for index in &self.targets.preferring {
            with.subscriptions.touch(*index);
        }
        while let Some(index) = with.subscriptions.note_changed() {
            let target = self.target_of(index, with);
            self.targets.set(index, target);
        }
        if !self.targets.leaderless.is_empty() {
            with.network.metadata.request_update();
        }
    }

    /// What is wanted of a partition, and of whom (`prepareFetchRequests`).
    fn target_of(
        &mut self,
        index: u32,
        with: &mut Surroundings<'_>,
    ) -> Option<(NodeId, FetchPartition)> {
        let Targets { leaderless, preferring, .. } = &mut self.targets;
        leaderless.remove(&index);
        preferring.remove(&index);
        let subscription = with.subscriptions.get(index);
        let position = subscription.fetchable_position()?;
        if self.targets.is_buffered(index) {
            return None;
        }
        let Some(leader) = position.current_leader.leader else {
            self.targets.leaderless.insert(index);
            return None;
        };
        let of = &subscription.partition;
        let topic = with.network.metadata.topic_named(&of.topic)?.id?;
        let partition = TopicIdPartition { topic, partition: of.partition };
        let fetch = FetchPartition {
            partition,
            current_leader_epoch: position.current_leader.epoch,
            fetch_offset: position.offset,
            last_fetched_epoch: None,
            log_start_offset: None,
            high_watermark: None,
            max_bytes: self.config.max_partition_fetch_bytes as u32,
        };
        Some((self.read_replica(index, leader, with), fetch))
    }

    /// The preferred read replica if it is online, or the leader (`selectReadReplica`).
    fn read_replica(&mut self, index: u32, leader: NodeId, with: &mut Surroundings<'_>) -> NodeId {
        let subscription = with.subscriptions.get(index);
        let Some(preferred) = subscription.preferred_read_replica(with.now) else { return leader };
        self.targets.preferring.insert(index);
        let of = &subscription.partition;
        let topic = with.network.metadata.topic_named(&of.topic);
        let view = topic.and_then(|topic| topic.partitions.get(of.partition.0 as usize));
        let is_online = view.is_some_and(|view| {
            view.replicas.contains(&preferred) && !view.offline.contains(&preferred)
        });
        if is_online && with.network.metadata.nodes().contains(&preferred) {
            return preferred;
        }
        with.network.metadata.request_update();
        with.subscriptions.change(index, |s| s.clear_preferred_read_replica());
        leader
    }

    /// A broker has answered a fetch (`handleFetchSuccess`).
    pub(crate) fn fetched(
        &mut self,
        from: NodeId,
        response: FetchResponse,
        with: &mut Surroundings<'_>,
    ) {
        let Some(broker) = self.targets.asked(from) else { return };
        broker.is_pending = false;
        if !broker.session.handle_response(&response) {
            if response.error == ErrorCode::FetchSessionTopicIdError {
                with.network.metadata.request_update();
            }
            return;
        }
        for answer in response.partitions {
            let session = self.targets.asked(from).map(|broker| &broker.session);
            let Some(want) = session.and_then(|session| session.asked(answer.partition)) else {
                continue;
            };
            let (index, fetch_offset) = (want.index, want.fetch.fetch_offset);
            self.take_leader_hint(index, &answer, with);
            self.targets.buffer(index);
            with.subscriptions.touch(index);
            self.buffer.push_back(CompletedFetch::new(index, fetch_offset, answer));
        }
    }

    /// KIP-951: who refuses may name the leader.
    fn take_leader_hint(
        &self,
        index: u32,
        answer: &klab_wire::FetchedPartition,
        with: &mut Surroundings<'_>,
    ) {
        let (ErrorCode::NotLeaderOrFollower | ErrorCode::FencedLeaderEpoch, Some(told)) =
            (answer.error, answer.current_leader)
        else {
            return;
        };
        let of = with.subscriptions.get(index).partition.clone();
        if with.network.metadata.update_leadership(&of, told, with.out) {
            let leader = with.network.metadata.current_leader(&of);
            with.subscriptions.change(index, |s| s.validate_for_leader(leader));
        }
    }

    /// A fetch will not be answered (`handleFetchFailure`).
    pub(crate) fn failed(&mut self, to: NodeId, with: &mut Surroundings<'_>) {
        let Some(broker) = self.targets.asked(to) else { return };
        broker.is_pending = false;
        broker.session.handle_error();
        for index in broker.session.indexes() {
            with.subscriptions.change(index, |s| s.clear_preferred_read_replica());
        }
    }

    /// Hands out up to `max.poll.records` of what has been fetched (`collectFetch`). An error comes alone: if
    /// there are records before it, they come first, and it comes with the next poll.
    pub(crate) fn collect(&mut self, with: &mut Surroundings<'_>) -> Result<Collected, ErrorCode> {
        let mut collected = Collected::default();
        if self.buffer.is_empty() {
            return Ok(collected);
        }
        let (mut paused, mut result) = (VecDeque::new(), Ok(()));
        while collected.count < self.config.max_poll_records
            && let Some(mut fetch) = self.buffer.pop_front()
        {
            if with.subscriptions.get(fetch.index).is_paused && fetch.is_initialized {
                paused.push_back(fetch);
                continue;
            }
            result = self.collect_from(&mut fetch, &mut collected, with);
            let has_more = fetch.is_initialized && !fetch.is_consumed();
            let is_error_for_later = result.is_err() && collected.count > 0;
            if has_more && self.is_current(&fetch, with) || is_error_for_later {
                match with.subscriptions.get(fetch.index).is_paused {
                    true => paused.push_back(fetch),
                    false => self.buffer.push_front(fetch),
                }
            } else {
                self.targets.unbuffer(fetch.index);
                with.subscriptions.touch(fetch.index);
            }
            if result.is_err() {
                break;
            }
        }
        if !paused.is_empty() {
            self.buffer.append(&mut paused);
        }
        match result {
            Err(error) if collected.count == 0 => Err(error),
            _ => Ok(collected),
        }
    }

    /// The partition still stands where the fetch goes on.
    fn is_current(&self, fetch: &CompletedFetch, with: &Surroundings<'_>) -> bool {
        let position = with.subscriptions.get(fetch.index).valid_position();
        position.is_some_and(|position| position.offset == fetch.next_offset)
    }

    fn collect_from(
        &self,
        fetch: &mut CompletedFetch,
        collected: &mut Collected,
        with: &mut Surroundings<'_>,
    ) -> Result<(), ErrorCode> {
        if !fetch.is_initialized && matches!(self.initialize(fetch, with)?, Initialized::Discarded)
        {
            return Ok(());
        }
        let subscription = with.subscriptions.get(fetch.index);
        if subscription.is_paused || !self.is_current(fetch, with) {
            return Ok(());
        }
        let limit = self.config.max_poll_records - collected.count;
        let (ranges, taken) = fetch.take(limit, self.config.check_crcs)?;
        let (next, epoch) = (fetch.next_offset, fetch.last_epoch);
        if let Some(epoch) = epoch.filter(|_| !Mutant::StandsStill.lives()) {
            with.subscriptions.change(fetch.index, |s| s.advance(next, epoch));
        }
        if taken > 0 {
            let partition = with.subscriptions.get(fetch.index).partition.clone();
            collected.count += taken;
            collected.records.push(PolledRecords { partition, ranges });
        }
        Ok(())
    }

    /// Takes in what the answer says beside its records.
    fn initialize(
        &self,
        fetch: &mut CompletedFetch,
        with: &mut Surroundings<'_>,
    ) -> Result<Initialized, ErrorCode> {
        if with.subscriptions.get(fetch.index).valid_position().is_none() {
            return Ok(Initialized::Discarded);
        }
        if !fetch.answer.error.is_ok() {
            self.handle_error(fetch, with)?;
            return Ok(Initialized::Discarded);
        }
        if !self.is_current(fetch, with) {
            return Ok(Initialized::Discarded);
        }
        fetch.is_initialized = true;
        let high_watermark = fetch.answer.high_watermark;
        with.subscriptions.change(fetch.index, |s| s.high_watermark = Some(high_watermark));
        if let Some(replica) = fetch.answer.preferred_read_replica {
            self.prefer(fetch.index, replica, with);
        }
        Ok(Initialized::Ready)
    }

    fn prefer(&self, index: u32, replica: NodeId, with: &mut Surroundings<'_>) {
        let until = with.now.time + with.network.metadata.max_age();
        if with.subscriptions.change(index, |s| s.prefer(replica, until)) {
            let partition = with.subscriptions.get(index).partition.clone();
            with.out.state(ClientFact::PreferredReadReplicaUsed { partition, replica });
        }
    }

    /// `handleInitializeErrors`.
    fn handle_error(
        &self,
        fetch: &CompletedFetch,
        with: &mut Surroundings<'_>,
    ) -> Result<(), ErrorCode> {
        use ErrorCode::*;
        match fetch.answer.error {
            NotLeaderOrFollower
            | ReplicaNotAvailable
            | KafkaStorageError
            | FencedLeaderEpoch
            | OffsetNotAvailable
            | UnknownTopicOrPartition
            | UnknownTopicId
            | InconsistentTopicId => {
                with.network.metadata.request_update();
                with.subscriptions.change(fetch.index, |s| s.clear_preferred_read_replica());
                Ok(())
            }
            OffsetOutOfRange => self.out_of_range(fetch, with),
            UnknownLeaderEpoch | UnknownServerError => Ok(()),
            error => Err(error),
        }
    }

    fn out_of_range(
        &self,
        fetch: &CompletedFetch,
        with: &mut Surroundings<'_>,
    ) -> Result<(), ErrorCode> {
        let index = fetch.index;
        let was_from_follower =
            with.subscriptions.change(index, |s| s.clear_preferred_read_replica());
        if was_from_follower || !self.is_current(fetch, with) {
            return Ok(());
        }
        let partition = with.subscriptions.get(index).partition.clone();
        let position = fetch.next_offset;
        with.out.state(ClientFact::PositionOutOfRange { partition, position });
        match reset_to(self.config.auto_offset_reset, with.now) {
            Some(spec) => {
                with.subscriptions.change(index, |s| s.request_reset(spec));
                Ok(())
            }
            None => Err(ErrorCode::OffsetOutOfRange),
        }
    }

    /// The consumer closes: the requests that end its sessions, by broker.
    pub(crate) fn closing_requests(&self) -> Vec<(NodeId, FetchRequest)> {
        let brokers = self.targets.iter();
        let closing = brokers.filter_map(|broker| Some((broker.node, broker.session.close()?)));
        closing.map(|(node, session)| (node, self.request(session))).collect()
    }
}

/// Where `auto.offset.reset` leads; nowhere if it says `none`.
pub(crate) fn reset_to(policy: AutoOffsetReset, now: Now) -> Option<klab_wire::OffsetSpec> {
    use klab_wire::{OffsetSpec, Timestamp};
    match policy {
        AutoOffsetReset::Earliest => Some(OffsetSpec::Earliest),
        AutoOffsetReset::Latest => Some(OffsetSpec::Latest),
        AutoOffsetReset::ByDuration(span) => {
            Some(OffsetSpec::At(Timestamp(now.wall.0 - span.as_millis() as i64)))
        }
        AutoOffsetReset::None => None,
    }
}
