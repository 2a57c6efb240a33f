//! What one fetch reads of each partition (`ReplicaManager.readFromLog`, `Partition.fetchRecords`).
//!
//! In order: is the reader better served elsewhere, is its epoch the leader's, has its log left this one,
//! and only then the records. A follower's read is also its word of how far it is.
//!
//! Facts: `FetchFenced`, `ReplicationThrottled`, `PreferredReadReplicaChosen`.

use crate::Broker;
use crate::fetch::FetchParams;
use crate::fetch_session::{FetchSession, SessionId};
use crate::partition::{FollowerFetch, Partition};
use crate::replica_selector::{ReplicaView, rack_aware};
use klab_machine::Outbox;
use klab_machine::fact::ReplicationFact;
use klab_wire::config::ReplicaSelector;
use klab_wire::{
    EpochEndOffset, ErrorCode, FetchPartition, FetchedPartition, FetchingReplica, NodeId, Now, Span,
};

/// What one partition yields.
pub(crate) struct Read {
    pub answer: FetchedPartition,
    /// There is nothing more to say until the partition moves.
    pub is_settled: bool,
    /// A follower outside of the ISR read a throttled partition.
    pub throttled_bytes: u32,
}

/// What all dirty partitions of a session yield.
#[derive(Default)]
pub(crate) struct Reads {
    pub reads: Vec<Read>,
    pub bytes: u32,
    /// An error, a diverging epoch or a nearer replica: the answer goes out at once.
    pub is_urgent: bool,
}

impl Broker {
    /// Reads every dirty partition of a session, once.
    pub(crate) fn read_dirty(
        &mut self,
        id: SessionId,
        params: &FetchParams,
        from_purgatory: bool,
        now: Now,
        out: &mut Outbox,
    ) -> Reads {
        let Some(session) = self.purgatory.sessions.get(id) else { return Reads::default() };
        let count = session.dirty_count();
        let mut reads = Reads { reads: Vec::with_capacity(count as usize), ..Reads::default() };
        for _ in 0..count {
            let session = self.purgatory.sessions.get_mut(id);
            let Some(fetch) = session.and_then(FetchSession::next_dirty) else { break };
            let limit = params.max_bytes.saturating_sub(reads.bytes);
            let limits = Limits { max_bytes: limit, min_one: reads.bytes == 0, from_purgatory };
            let read = self.read(id, &fetch, params, limits, now, out);
            reads.bytes += read.answer.records_size();
            reads.is_urgent |= read.is_urgent();
            reads.reads.push(read);
        }
        reads
    }

    /// Reads one partition.
    fn read(
        &mut self,
        id: SessionId,
        fetch: &FetchPartition,
        params: &FetchParams,
        limits: Limits,
        now: Now,
        out: &mut Outbox,
    ) -> Read {
        match self.read_log(id, fetch, params, limits, now, out) {
            Ok(read) => read,
            Err(error) => self.refused(fetch, params, error, out),
        }
    }

    fn refused(
        &self,
        fetch: &FetchPartition,
        params: &FetchParams,
        error: ErrorCode,
        out: &mut Outbox,
    ) -> Read {
        let mut answer = FetchedPartition::of_error(fetch.partition, error);
        let is_fenced =
            matches!(error, ErrorCode::FencedLeaderEpoch | ErrorCode::UnknownLeaderEpoch);
        if let Some(partition) = is_fenced.then(|| self.replicas.get(fetch.partition)).flatten() {
            let from = params.replica.map(|replica| replica.id);
            let partition = partition.name().clone();
            out.state(ReplicationFact::FetchFenced { partition, from, error });
        }
        if matches!(error, ErrorCode::NotLeaderOrFollower | ErrorCode::FencedLeaderEpoch) {
            answer.current_leader = self.leader_of(fetch.partition);
        }
        Read { answer, is_settled: false, throttled_bytes: 0 }
    }

    fn read_log(
        &mut self,
        id: SessionId,
        fetch: &FetchPartition,
        params: &FetchParams,
        limits: Limits,
        now: Now,
        out: &mut Outbox,
    ) -> Result<Read, ErrorCode> {
        let nearer = self.preferred_read_replica(fetch, params, now)?;
        let is_throttled = self.is_leader_throttled(fetch, params, now, out);
        let partition = self.hosted_mut(fetch.partition)?;
        partition.watch(id);
        if let Some(nearer) = nearer {
            return Ok(preferred(partition, fetch, nearer, out));
        }
        partition.check_log(fetch.current_leader_epoch, params.is_from_follower())?;
        if let Some(replica) = params.replica {
            partition.replica_mut(replica.id).ok_or(ErrorCode::UnknownLeaderEpoch)?;
        }
        let mut answer = answer_of(partition, fetch);
        answer.diverging_epoch = diverging_epoch(partition, fetch)?;
        if answer.diverging_epoch.is_some() {
            return Ok(Read { answer, is_settled: false, throttled_bytes: 0 });
        }
        let end = params.end_of(partition);
        let max_bytes = limits.max_bytes.min(fetch.max_bytes);
        let read = partition.log.read(fetch.fetch_offset, max_bytes, end, limits.min_one, out)?;
        if !is_throttled {
            answer.records = read.records;
        }
        let mut is_settled = fetch.fetch_offset >= end && !self.is_choosy(params);
        if let Some(replica) = params.replica {
            if !limits.from_purgatory {
                self.note_follower_fetch(replica, fetch, now, out)?;
            }
            is_settled &= self.is_in_isr(fetch, replica.id);
        }
        let throttled_bytes = self.throttled_bytes(&answer, params);
        Ok(Read { answer, is_settled, throttled_bytes })
    }

    /// A consumer may be sent elsewhere with every fetch, so that nothing is ever settled for it.
    fn is_choosy(&self, params: &FetchParams) -> bool {
        params.replica.is_none() && params.rack.is_some() && self.selects_replicas()
    }

    fn selects_replicas(&self) -> bool {
        self.config.replica_selector_class == Some(ReplicaSelector::RackAware)
    }

    fn is_in_isr(&self, fetch: &FetchPartition, follower: NodeId) -> bool {
        let leader = self.replicas.get(fetch.partition).and_then(Partition::leader);
        leader.is_some_and(|leader| leader.state.isr().contains(&follower))
    }

    /// Takes note of a follower's fetch, and of what it brings about: it may join the ISR, more may be
    /// committed, records may be gone everywhere (`updateFollowerFetchState`).
    fn note_follower_fetch(
        &mut self,
        replica: FetchingReplica,
        fetch: &FetchPartition,
        now: Now,
        out: &mut Outbox,
    ) -> Result<(), ErrorCode> {
        let local = local!(self, now);
        let Some(partition) = self.replicas.get_mut(fetch.partition) else { return Ok(()) };
        let noted = FollowerFetch {
            follower: replica.id,
            epoch: replica.epoch,
            offset: fetch.fetch_offset,
            log_start_offset: fetch.log_start_offset,
        };
        let moved = partition.note_follower_fetch(noted, &local, out)?;
        let change = partition.maybe_expand_isr(replica.id, &local, out);
        if moved && partition.maybe_advance_high_watermark(&local, out) {
            self.purgatory.high_watermark_moved(partition, out);
        }
        if partition.leader().is_some_and(|leader| !leader.awaiting_low_watermark.is_empty()) {
            self.purgatory.low_watermark_moved(partition, &self.metadata.image().cluster, out);
        }
        if let Some(change) = change {
            self.submit_alter_partition(change, now, out);
        }
        Ok(())
    }

    /// The replica that a consumer had better read from, if it is not this one
    /// (`findPreferredReadReplica`, KIP-392).
    fn preferred_read_replica(
        &self,
        fetch: &FetchPartition,
        params: &FetchParams,
        now: Now,
    ) -> Result<Option<NodeId>, ErrorCode> {
        if !self.is_choosy(params) {
            return Ok(None);
        }
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

    /// A follower outside of the ISR gets nothing of a throttled partition while the quota is used up
    /// (`shouldLeaderThrottle`, KIP-73).
    fn is_leader_throttled(
        &mut self,
        fetch: &FetchPartition,
        params: &FetchParams,
        now: Now,
        out: &mut Outbox,
    ) -> bool {
        let Some(follower) = params.replica else { return false };
        let Some(partition) = self.replicas.get(fetch.partition) else { return false };
        let index = fetch.partition.partition;
        let is_subject = partition.settings.is_leader_throttled(index, self.identity.node)
            && !self.is_in_isr(fetch, follower.id);
        let is_throttled = is_subject && self.leader_quota.is_exceeded(now.wall);
        if is_throttled {
            let partition = partition.name().clone();
            out.state(ReplicationFact::ReplicationThrottled { partition });
        }
        is_throttled
    }

    fn throttled_bytes(&self, answer: &FetchedPartition, params: &FetchParams) -> u32 {
        let Some(partition) = self.replicas.get(answer.partition) else { return 0 };
        let index = answer.partition.partition;
        let counts = params.is_from_follower()
            && partition.settings.is_leader_throttled(index, self.identity.node);
        if counts { answer.records_size() } else { 0 }
    }
}

/// How much may be read.
#[derive(Clone, Copy)]
struct Limits {
    max_bytes: u32,
    min_one: bool,
    from_purgatory: bool,
}

impl Read {
    fn is_urgent(&self) -> bool {
        !self.answer.error.is_ok()
            || self.answer.diverging_epoch.is_some()
            || self.answer.preferred_read_replica.is_some()
    }
}

/// An answer without records yet: where the log stands before the read.
fn answer_of(partition: &Partition, fetch: &FetchPartition) -> FetchedPartition {
    FetchedPartition {
        high_watermark: partition.log.high_watermark(),
        last_stable_offset: partition.log.last_stable_offset(),
        log_start_offset: partition.log.log_start(),
        ..FetchedPartition::of_error(fetch.partition, ErrorCode::None)
    }
}

fn preferred(
    partition: &Partition,
    fetch: &FetchPartition,
    replica: NodeId,
    out: &mut Outbox,
) -> Read {
    let name = partition.name().clone();
    out.state(ReplicationFact::PreferredReadReplicaChosen { partition: name, replica });
    let answer =
        FetchedPartition { preferred_read_replica: Some(replica), ..answer_of(partition, fetch) };
    Read { answer, is_settled: false, throttled_bytes: 0 }
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
