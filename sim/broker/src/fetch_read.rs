//! What one fetch reads of each partition (`ReplicaManager.readFromLog`, `Partition.fetchRecords`).
//!
//! In order: is the reader better served elsewhere, is its epoch the leader's, has its log left this one,
//! and only then the records. A follower's read is also its word of how far it is.
//!
//! Facts: `FetchFenced`, `ReplicationThrottled`, `PreferredReadReplicaChosen`.

use crate::Broker;
use crate::fetch::FetchParams;
use crate::fetch_session::{FetchSession, SessionHandle};
use crate::follower_fetch::{FollowerFetch, note_fetch};
use crate::partition::{Partition, Watcher};
use crate::replica_selector::{ReplicaView, rack_aware};
use crate::replicas::why_not_hosted;
use crate::slots::Slot;
use klab_log::FetchedRecords;
use klab_machine::Outbox;
use klab_machine::fact::ReplicationFact;
use klab_wire::config::ReplicaSelector;
use klab_wire::{
    EpochEndOffset, ErrorCode, FetchPartition, FetchResponse, FetchedPartition, Few, NodeId, Now,
    Offset, RecordBatch, Span, TopicIdPartition,
};
use std::sync::Arc;

/// What a fetch found in the dirty partitions of its session.
pub(crate) struct Reads {
    /// What the reader does not know yet.
    pub response: Box<FetchResponse>,
    /// All that was looked at, in turn.
    pub looks: Vec<Look>,
    pub bytes: u32,
    /// What followers outside of the ISR read of throttled partitions.
    pub throttled_bytes: u32,
    /// An error, a diverging epoch or a nearer replica: the answer goes out at once.
    pub is_urgent: bool,
}

/// What a look at one partition came to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    /// Where the session keeps the partition.
    pub slot: Slot,
    /// It is the next of the answers.
    pub is_news: bool,
    /// There is nothing more to say until the partition moves.
    pub is_settled: bool,
}

/// Who reads, and when.
#[derive(Clone, Copy)]
struct Reader<'a> {
    session: SessionHandle,
    params: &'a FetchParams,
    /// It has waited: this fetch was noted when it came.
    from_purgatory: bool,
    now: Now,
}

impl Broker {
    /// Reads every dirty partition of a session, once.
    pub(crate) fn read_dirty(
        &mut self,
        session: SessionHandle,
        params: &FetchParams,
        from_purgatory: bool,
        now: Now,
        out: &mut Outbox,
    ) -> Reads {
        let reader = Reader { session, params, from_purgatory, now };
        let count = self.purgatory.sessions.get(session).map_or(0, FetchSession::dirty_count);
        let mut reads = Reads::new(self.spare_answers.take(), std::mem::take(&mut self.looks));
        for _ in 0..count {
            let fetching = self.purgatory.sessions.get_mut(session);
            let Some(slot) = fetching.and_then(FetchSession::next_dirty) else { break };
            self.look(reader, slot, &mut reads, out);
        }
        reads
    }

    /// Looks at one partition.
    fn look(&mut self, reader: Reader<'_>, slot: Slot, reads: &mut Reads, out: &mut Outbox) {
        let answers = reads.response.partitions.len();
        let is_settled = match self.read_log(reader, slot, reads, out) {
            Ok(is_settled) => is_settled,
            Err(error) => {
                reads.answer_at_once(self.refusal(reader, slot, error, out));
                false
            }
        };
        let is_news = reads.response.partitions.len() > answers;
        reads.looks.push(Look { slot, is_news, is_settled });
    }

    fn asked(&self, reader: Reader<'_>, slot: Slot) -> &FetchPartition {
        let session = self.purgatory.sessions.get(reader.session);
        let known = session.and_then(|session| session.partition(slot));
        &known.expect("the session has what is dirty").fetch
    }

    fn refusal(
        &self,
        reader: Reader<'_>,
        slot: Slot,
        error: ErrorCode,
        out: &mut Outbox,
    ) -> FetchedPartition {
        let fetch = self.asked(reader, slot);
        let mut answer = FetchedPartition::of_error(fetch.partition, error);
        let is_fenced =
            matches!(error, ErrorCode::FencedLeaderEpoch | ErrorCode::UnknownLeaderEpoch);
        if let Some(partition) = is_fenced.then(|| self.replicas.get(fetch.partition)).flatten() {
            let from = reader.params.replica.map(|replica| replica.id);
            let partition = partition.name().clone();
            out.state(ReplicationFact::FetchFenced { partition, from, error });
        }
        if matches!(error, ErrorCode::NotLeaderOrFollower | ErrorCode::FencedLeaderEpoch) {
            answer.current_leader = self.leader_of(fetch.partition);
        }
        answer
    }

    /// Reads one partition, if it may be read. Says whether there is nothing more to say until the
    /// partition moves.
    fn read_log(
        &mut self,
        reader: Reader<'_>,
        slot: Slot,
        reads: &mut Reads,
        out: &mut Outbox,
    ) -> Result<bool, ErrorCode> {
        let Reader { params, now, .. } = reader;
        let is_choosy = self.is_choosy(params);
        let nearer = match is_choosy {
            true => self.preferred_read_replica(self.asked(reader, slot), params, now)?,
            false => None,
        };
        let local = local!(self, now);
        let session = self.purgatory.sessions.get_mut(reader.session);
        let known = session.and_then(|session| session.partition_mut(slot));
        let known = known.expect("the session has what is dirty");
        let (id, fetch) = (known.fetch.partition, &known.fetch);
        let partition = self.replicas.recall_mut(&mut known.replica, id);
        let partition = partition.ok_or_else(|| why_not_hosted(&self.metadata, id))?;
        let throttling = Throttling::of(partition, params, local.broker);
        let is_throttled = throttling.holds_back && self.leader_quota.is_exceeded(now.wall);
        if is_throttled {
            let partition = partition.name().clone();
            out.state(ReplicationFact::ReplicationThrottled { partition });
        }
        partition.watch(Watcher { session: reader.session, slot });
        let offsets = Offsets::of(partition);
        if let Some(answer) = directions(partition, fetch, params, nearer, out)? {
            reads.answer_at_once(answer);
            return Ok(false);
        }
        let end = match reader.from_purgatory {
            true => params.end_of(partition),
            false => params.end_on_arrival(partition),
        };
        let max_bytes = params.max_bytes.saturating_sub(reads.bytes).min(fetch.max_bytes);
        let min_one = reads.bytes == 0;
        let mut read = partition.log.read(fetch.fetch_offset, max_bytes, end, min_one, out)?;
        if is_throttled {
            read = FetchedRecords::default();
        }
        let is_news =
            !read.records.is_empty() || known.is_news(offsets.high_watermark, offsets.log_start);
        let mut is_settled = fetch.fetch_offset >= end && !is_choosy;
        if let Some(replica) = params.replica {
            is_settled &= partition.is_in_isr(replica.id);
            if !reader.from_purgatory {
                let noted = FollowerFetch::of(replica, fetch);
                let change = note_fetch(&mut self.purgatory, partition, noted, &local, out)?;
                if partition.visible_end() != noted.offset {
                    self.isr_expiration.log_moved(partition, local.broker);
                }
                if let Some(change) = change {
                    self.submit_alter_partition(change, now, out);
                }
            }
        }
        reads.bytes += read.size_in_bytes;
        reads.throttled_bytes += if throttling.counts { read.size_in_bytes } else { 0 };
        if is_news {
            reads.answer(offsets.answer(id, read.records));
        }
        Ok(is_settled)
    }

    /// A consumer may be sent elsewhere with every fetch, so that nothing is ever settled for it.
    fn is_choosy(&self, params: &FetchParams) -> bool {
        params.replica.is_none() && params.rack.is_some() && self.selects_replicas()
    }

    fn selects_replicas(&self) -> bool {
        self.config.replica_selector_class == Some(ReplicaSelector::RackAware)
    }

    /// The replica that a consumer had better read from, if it is not this one
    /// (`findPreferredReadReplica`, KIP-392).
    fn preferred_read_replica(
        &self,
        fetch: &FetchPartition,
        params: &FetchParams,
        now: Now,
    ) -> Result<Option<NodeId>, ErrorCode> {
        let partition = self.hosted(fetch.partition)?;
        let Some(leader) = partition.leader() else { return Ok(None) };
        let cluster = &self.metadata.image().cluster;
        let rack = |broker| cluster.broker(broker).and_then(|registration| registration.rack());
        let own = ReplicaView {
            broker: self.identity.node,
            rack: rack(self.identity.node),
            log_end_offset: partition.visible_end(),
            time_since_caught_up: Span::ZERO,
        };
        // Only members of the ISR that have the offset: whoever lags would make the reader lag.
        let able = leader.replicas.iter().filter(|replica| {
            leader.state.isr().contains(&replica.broker)
                && replica.log_end_offset >= Some(fetch.fetch_offset)
                && replica.log_start_offset <= Some(fetch.fetch_offset)
        });
        let views = able.map(|replica| ReplicaView {
            broker: replica.broker,
            rack: rack(replica.broker),
            log_end_offset: replica.log_end_offset.unwrap_or_default(),
            time_since_caught_up: now.wall.since(replica.last_caught_up_time),
        });
        let chosen = rack_aware(params.rack.as_ref(), self.identity.node, views.chain([own]));
        Ok((chosen != self.identity.node).then_some(chosen))
    }
}

impl Reads {
    fn new(mut response: Box<FetchResponse>, mut looks: Vec<Look>) -> Self {
        response.error = ErrorCode::None;
        response.partitions.clear();
        looks.clear();
        Reads { response, looks, bytes: 0, throttled_bytes: 0, is_urgent: false }
    }

    fn answer(&mut self, answer: FetchedPartition) {
        self.response.partitions.push(answer);
    }

    fn answer_at_once(&mut self, answer: FetchedPartition) {
        self.answer(answer);
        self.is_urgent = true;
    }
}

/// Where a log stood before a read.
#[derive(Clone, Copy)]
struct Offsets {
    high_watermark: Offset,
    last_stable: Offset,
    log_start: Offset,
}

impl Offsets {
    fn of(partition: &Partition) -> Self {
        Offsets {
            high_watermark: partition.log.high_watermark(),
            last_stable: partition.log.last_stable_offset(),
            log_start: partition.log.log_start(),
        }
    }

    /// An answer with these records, and no error.
    fn answer(
        self,
        partition: TopicIdPartition,
        records: Few<Arc<RecordBatch>>,
    ) -> FetchedPartition {
        FetchedPartition {
            partition,
            error: ErrorCode::None,
            high_watermark: self.high_watermark,
            last_stable_offset: self.last_stable,
            log_start_offset: self.log_start,
            diverging_epoch: None,
            current_leader: None,
            snapshot: None,
            preferred_read_replica: None,
            records,
        }
    }
}

/// What the leaders' replication quota is to a read (KIP-73).
#[derive(Clone, Copy)]
struct Throttling {
    /// What is read uses the quota.
    counts: bool,
    /// Nothing is read while the quota is used up: the follower is outside of the ISR
    /// (`shouldLeaderThrottle`).
    holds_back: bool,
}

impl Throttling {
    fn of(partition: &Partition, params: &FetchParams, broker: NodeId) -> Self {
        let Some(follower) = params.replica else {
            return Throttling { counts: false, holds_back: false };
        };
        let counts = partition.settings.is_leader_throttled(partition.id().partition, broker);
        Throttling { counts, holds_back: counts && !partition.is_in_isr(follower.id) }
    }
}

/// What a reader is told instead of records: a nearer replica, or where its log leaves this one.
fn directions(
    partition: &Partition,
    fetch: &FetchPartition,
    params: &FetchParams,
    nearer: Option<NodeId>,
    out: &mut Outbox,
) -> Result<Option<FetchedPartition>, ErrorCode> {
    let answer = || Offsets::of(partition).answer(fetch.partition, Few::new());
    if let Some(replica) = nearer {
        let name = partition.name().clone();
        out.state(ReplicationFact::PreferredReadReplicaChosen { partition: name, replica });
        return Ok(Some(FetchedPartition { preferred_read_replica: nearer, ..answer() }));
    }
    partition.check_log(fetch.current_leader_epoch, params.is_from_follower())?;
    if params.replica.is_some_and(|replica| !partition.has_replica(replica.id)) {
        return Err(ErrorCode::UnknownLeaderEpoch);
    }
    let diverging = diverging_epoch(partition, fetch)?;
    Ok(diverging.map(|end| FetchedPartition { diverging_epoch: Some(end), ..answer() }))
}

/// Where the reader's log leaves this one, if its last epoch says that it does (KIP-595; consumers ask
/// the same way, KIP-320).
pub(crate) fn diverging_epoch(
    partition: &Partition,
    fetch: &FetchPartition,
) -> Result<Option<EpochEndOffset>, ErrorCode> {
    let Some(last_fetched) = fetch.last_fetched_epoch else { return Ok(None) };
    let end = partition.log.end_offset_for_epoch(last_fetched);
    let end = end.ok_or(ErrorCode::OffsetOutOfRange)?;
    if fetch.fetch_offset < partition.log.log_start() {
        return Err(ErrorCode::OffsetOutOfRange);
    }
    let diverges = end.epoch < last_fetched || end.end_offset < fetch.fetch_offset;
    Ok(diverges.then_some(end))
}
