//! Produce: append as the leader, then acknowledge when as many replicas have the records as the producer
//! asked for (`ReplicaManager.appendRecords`, `Partition.appendRecordsToLeader`, `DelayedProduce`).
//!
//! `acks=all` is checked twice: before the append the committed ISR must be large enough, and when the
//! records are committed the ISR must still be.
//!
//! Facts: `ProduceParked`; `ProduceAnswered` when the answer goes.

use crate::Broker;
use crate::partition::{Local, Partition, Role, Unflushed};
use crate::purgatory::{
    AwaitingCommit, DelayedProduce, ProduceKey, ProduceStatus, Purgatory, ReplyTo,
};
use crate::replicas::why_not_hosted;
use klab_log::{AppendInfo, AppendOrigin};
use klab_machine::fact::ReplicationFact;
use klab_machine::{Mutant, Outbox};
use klab_wire::{
    Acks, ErrorCode, Few, Now, Offset, PartitionProduceData, PartitionProduceResponse,
    ProduceRequest, RecordBatch, TopicIdPartition, TopicPartition,
};
use std::sync::Arc;

impl Broker {
    /// A Produce request.
    pub(crate) fn handle_produce(
        &mut self,
        request: ProduceRequest,
        reply_to: ReplyTo,
        now: Now,
        out: &mut Outbox,
    ) {
        let acks = request.acks;
        let number = self.purgatory.next_request();
        let mut responses = Vec::with_capacity(request.data.len());
        let mut statuses = Few::with_capacity(request.data.len());
        for (index, data) in (0..).zip(request.data) {
            let key = ProduceKey { request: number, index };
            let (response, status) = self.produce_to(data, acks, key, now, out);
            responses.push(response);
            statuses.push(status);
        }
        // A producer that wants no answer learns of an error only by losing its connection.
        if acks == Acks::None && responses.iter().any(|response| !response.error.is_ok()) {
            out.close(reply_to.connection);
        }
        let timeout = (acks == Acks::All).then_some(request.timeout);
        let client = self.client_of(reply_to.connection);
        let pending = statuses.iter().filter(|status| status.is_pending).count() as u32;
        let delayed = DelayedProduce { reply_to, client, acks, responses, statuses, pending };
        self.purgatory.park_produce(delayed, timeout, now, out);
    }

    /// The time of some produce requests may be up.
    pub(crate) fn expire_produces(&mut self, now: Now, out: &mut Outbox) {
        for (partition, key) in self.purgatory.expire_produces(now, out) {
            let id = self.metadata.image().topics.identified(&partition);
            let leader =
                id.and_then(|id| self.replicas.get_mut(id)).and_then(Partition::leader_mut);
            if let Some(leader) = leader {
                leader.awaiting_commit.retain(|waiting| waiting.key != key);
            }
        }
    }

    fn produce_to(
        &mut self,
        data: PartitionProduceData,
        acks: Acks,
        key: ProduceKey,
        now: Now,
        out: &mut Outbox,
    ) -> (PartitionProduceResponse, ProduceStatus) {
        let PartitionProduceData { partition: name, batch } = data;
        let appended = self.append_to(&name, batch, acks, now, out).map(|(partition, info)| {
            let is_pending = await_acks(partition, &info, acks, key, out);
            (info, partition.log.log_start(), is_pending)
        });
        match appended {
            Ok((info, log_start, is_pending)) => {
                let status = ProduceStatus { last_offset: Some(info.last_offset), is_pending };
                (response_of(name, &info, log_start, is_pending), status)
            }
            Err(error) => {
                let status = ProduceStatus { last_offset: None, is_pending: false };
                (self.produce_refused(name, error), status)
            }
        }
    }

    fn append_to(
        &mut self,
        name: &TopicPartition,
        batch: Arc<RecordBatch>,
        acks: Acks,
        now: Now,
        out: &mut Outbox,
    ) -> Result<(&mut Partition, AppendInfo), ErrorCode> {
        let id = self.identified(name)?;
        let local = local!(self, now);
        let partition = self.replicas.get_mut(id);
        let partition = partition.ok_or_else(|| why_not_hosted(&self.metadata, id))?;
        let in_sync = partition.leader().ok_or(ErrorCode::NotLeaderOrFollower)?.state.isr().len();
        if acks == Acks::All && (in_sync as u32) < partition.effective_min_isr() {
            return Err(ErrorCode::NotEnoughReplicas);
        }
        let (epoch, origin) = (partition.leader_epoch(), AppendOrigin::Client);
        let info = partition.log.append_as_leader(batch, epoch, origin, now, out);
        // Even what is refused may have rolled a segment: sequences are looked at after that.
        self.storage.claim_flushes(partition);
        let info = info?;
        let end = partition.log.log_end();
        if let Some(flush) = info.durable_after {
            partition.unflushed.push_back(Unflushed { flush, end, acks: Vec::new() });
        }
        show_append(&mut self.purgatory, partition, end, &local, out);
        self.isr_expiration.log_moved(partition, local.broker);
        Ok((partition, info))
    }

    fn produce_refused(
        &self,
        partition: TopicPartition,
        error: ErrorCode,
    ) -> PartitionProduceResponse {
        let id = self.metadata.image().topics.identified(&partition);
        let current_leader = match error {
            ErrorCode::NotLeaderOrFollower => id.and_then(|id| self.leader_of(id)),
            _ => None,
        };
        PartitionProduceResponse {
            partition,
            error,
            base_offset: None,
            log_append_time: None,
            log_start_offset: None,
            current_leader,
        }
    }

    /// An append's fsync is done.
    pub(crate) fn append_flushed(&mut self, id: TopicIdPartition, now: Now, out: &mut Outbox) {
        let local = local!(self, now);
        let Some(partition) = self.replicas.get_mut(id) else { return };
        if !self.purgatory.append_flushed(partition, out) {
            return;
        }
        self.purgatory.log_end_moved(partition);
        self.isr_expiration.log_moved(partition, local.broker);
        if partition.maybe_advance_high_watermark(&local, out) {
            self.purgatory.high_watermark_moved(partition, out);
        }
    }
}

/// What was appended is shown, and committed if nobody else is needed. While an fsync is under way only a follower that
/// comes meanwhile sees it: Kafka fsyncs within the append and under the log's lock, which reads do not take, but another
/// append does, and whoever moves the high watermark.
fn show_append(
    purgatory: &mut Purgatory,
    partition: &mut Partition,
    end: Offset,
    local: &Local<'_>,
    out: &mut Outbox,
) {
    if let Some(unflushed) = partition.unflushed.back_mut()
        && !Mutant::ShowsUnflushed.lives()
    {
        unflushed.end = end;
        purgatory.unflushed_end_moved(partition);
        return;
    }
    if let Role::Leader(leader) = &mut partition.role {
        leader.visible_end = end;
    }
    purgatory.log_end_moved(partition);
    if partition.maybe_advance_high_watermark(local, out) {
        purgatory.high_watermark_moved(partition, out);
    }
}

/// Notes what the request waits for at this partition. Says whether it waits.
fn await_acks(
    partition: &mut Partition,
    info: &AppendInfo,
    acks: Acks,
    key: ProduceKey,
    out: &mut Outbox,
) -> bool {
    let required = info.last_offset.next();
    match acks {
        Acks::None => false,
        Acks::Leader => await_flush(partition, key),
        Acks::All if Mutant::AcknowledgesBeforeIsr.lives() => false,
        Acks::All if partition.log.high_watermark() >= required => false,
        Acks::All => {
            let partition_name = partition.name().clone();
            let Some(leader) = partition.leader_mut() else { return false };
            // A duplicate may wait for less than what was appended since.
            let waiting = &mut leader.awaiting_commit;
            let place = waiting.partition_point(|other| other.required <= required);
            waiting.insert(place, AwaitingCommit { required, key });
            out.state(ReplicationFact::ProduceParked { partition: partition_name, required });
            true
        }
    }
}

fn await_flush(partition: &mut Partition, key: ProduceKey) -> bool {
    let Some(unflushed) = partition.unflushed.back_mut() else { return false };
    unflushed.acks.push(key);
    true
}

fn response_of(
    partition: TopicPartition,
    info: &AppendInfo,
    log_start: Offset,
    is_pending: bool,
) -> PartitionProduceResponse {
    PartitionProduceResponse {
        partition,
        // What is pending has timed out, unless it is settled in time.
        error: if is_pending { ErrorCode::RequestTimedOut } else { ErrorCode::None },
        base_offset: Some(info.first_offset),
        log_append_time: info.log_append_time,
        log_start_offset: Some(log_start),
        current_leader: None,
    }
}
