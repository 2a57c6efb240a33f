//! Sends batches, and decides what an answer means for them (`Sender`).

mod identity;
#[cfg(test)]
mod soak;
#[cfg(test)]
mod tests;

use self::identity::IdentityRequest;
use crate::accumulator::{Drained, RecordAccumulator};
use crate::alarm::Alarm;
use crate::batch::{BatchId, BatchState, ProducerBatch};
use crate::buffer_pool::Ticket;
use crate::metadata::TopicMetadata;
use crate::network::{Answer, ClientNetwork};
use crate::rejection::was_certainly_rejected;
use crate::sequences::{FailedBatch, Sequences};
use klab_machine::fact::ClientFact;
use klab_machine::random::Stream;
use klab_machine::timer::ClientTimer;
use klab_machine::{Mutant, Operation, Outbox, Outcome, Timer};
use klab_network::ExponentialBackoff;
use klab_wire::config::ProducerConfig;
use klab_wire::{
    Acks, ErrorCode, Few, NodeId, Now, Offset, PartitionProduceData, PartitionProduceResponse,
    ProduceRequest, ProduceResponse, Response, Span, Time,
};

/// The sending half of a producer.
#[derive(Clone, Debug)]
pub(crate) struct Sender {
    pub(crate) accumulator: RecordAccumulator,
    pub(crate) network: ClientNetwork<ProducerPurpose>,
    /// Sends that got the memory they waited for, until somebody goes on with them.
    pub(crate) granted: Vec<Ticket>,
    pub(crate) totals: Totals,
    config: SenderConfig,
    sequences: Option<Sequences>,
    identity_request: IdentityRequest,
    /// The producer can never send again (`FATAL_ERROR`).
    fatal: Option<ErrorCode>,
    is_closing: bool,
    jitter: Stream,
    /// For what lingers or backs off.
    alarm: Alarm,
    /// For what may expire: much later, so that neither alarm moves the other.
    delivery_alarm: Alarm,
}

/// What a producer's requests are for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ProducerPurpose {
    /// These batches.
    Produce(Few<BatchId>),
    /// An identity.
    InitProducerId,
}

/// Records by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) sent: u64,
    pub(crate) acknowledged: u64,
    pub(crate) failed: u64,
    pub(crate) unknown: u64,
}

#[derive(Clone, Debug)]
struct SenderConfig {
    acks: Acks,
    retries: u32,
    request_timeout: Span,
    delivery_timeout: Span,
    backoff: ExponentialBackoff,
}

/// What a broker, or the loss of its connection, says about one batch.
#[derive(Clone, Copy, Debug)]
struct BatchAnswer {
    error: ErrorCode,
    base_offset: Option<Offset>,
    log_start_offset: Option<Offset>,
    /// The batch did reach the network.
    was_sent: bool,
}

impl Sender {
    pub(crate) fn new(
        config: &ProducerConfig,
        accumulator: RecordAccumulator,
        network: ClientNetwork<ProducerPurpose>,
        jitter: Stream,
    ) -> Self {
        Sender {
            accumulator,
            network,
            granted: Vec::new(),
            totals: Totals::default(),
            config: SenderConfig {
                acks: config.acks,
                retries: config.retries,
                request_timeout: config.common.request_timeout_ms,
                delivery_timeout: config.delivery_timeout_ms,
                backoff: ExponentialBackoff {
                    initial: config.common.retry_backoff_ms,
                    max: config.common.retry_backoff_max_ms,
                },
            },
            sequences: config.enable_idempotence.then(Sequences::default),
            identity_request: IdentityRequest::Due(Time::ZERO),
            fatal: None,
            is_closing: false,
            jitter,
            alarm: Alarm::new(Timer::Client(ClientTimer::Sender)),
            delivery_alarm: Alarm::new(Timer::Client(ClientTimer::Delivery)),
        }
    }

    /// The sequences of an idempotent producer.
    pub(crate) fn sequences(&self) -> Option<&Sequences> {
        self.sequences.as_ref()
    }

    /// What metadata tells of one of the producer's topics.
    pub(crate) fn topic(&self, topic: u32) -> Option<&TopicMetadata> {
        self.network.metadata.topic(self.accumulator.place(topic)?)
    }

    /// Everything that is left goes out at once, and nothing new comes (`initiateClose`).
    pub(crate) fn initiate_close(&mut self) {
        self.is_closing = true;
    }

    /// The alarm for what lingers or backs off rang.
    pub(crate) fn alarm_rang(&mut self) {
        self.alarm.rang();
    }

    /// The alarm for what may expire rang.
    pub(crate) fn delivery_alarm_rang(&mut self) {
        self.delivery_alarm.rang();
    }

    /// Does whatever can be done now (`runOnce`).
    ///
    /// Without an identity an idempotent producer sends nothing, and, as in Kafka, lets nothing expire.
    pub(crate) fn run(&mut self, now: Now, out: &mut Outbox) {
        if !self.is_idle(now) {
            self.work(now, out);
        }
        self.network.poll(now, out);
        self.set_alarms(now, out);
    }

    /// Runs soon if there is something to do, or when there will be. While no broker takes another request, the next
    /// answer is soon enough.
    pub(crate) fn wake(&mut self, now: Now, out: &mut Outbox) {
        let is_full = |node| self.network.is_full(node);
        if self.granted.is_empty() && self.accumulator.ready.all_leaders(is_full) {
            return;
        }
        match self.is_idle(now) && self.granted.is_empty() && !self.network.wants_metadata(now) {
            true => self.set_alarms(now, out),
            false => self.alarm.ring_by(now.time, now, out),
        }
    }

    /// Nothing has become due: as after most records, which wait in their batch for others.
    fn is_idle(&self, now: Now) -> bool {
        let is_wanted = self.is_closing || self.fatal.is_some();
        !is_wanted
            && self.sequences.as_ref().is_none_or(Sequences::is_settled)
            && !self.accumulator.pool.is_exhausted()
            && self.accumulator.ready.is_idle(now.time)
            && self.expiry().is_none_or(|expiry| expiry > now.time)
    }

    fn work(&mut self, now: Now, out: &mut Outbox) {
        if let Some(error) = self.fatal {
            self.abort_all(error, out);
        } else if self.has_identity(now, out) {
            self.send_producer_data(now, out);
        }
        if self.fatal.is_none() && self.sequences.as_ref().is_some_and(Sequences::is_unsettled) {
            // What expired just now may cost an epoch, and that may set others free.
            self.work(now, out);
        }
    }

    /// When the oldest batch will have been on its way for too long.
    fn expiry(&self) -> Option<Time> {
        self.accumulator.oldest().map(|created| created + self.config.delivery_timeout)
    }

    fn set_alarms(&mut self, now: Now, out: &mut Outbox) {
        // What is due already waits for an event, not for time.
        let is_to_come = |due: &Time| *due > now.time;
        let due = [self.accumulator.ready.next_due(), self.identity_due()];
        let next = due.into_iter().flatten().filter(is_to_come).min();
        self.alarm.ring_by(next.unwrap_or(Time::MAX), now, out);
        let expiry = self.expiry().filter(is_to_come);
        self.delivery_alarm.ring_by(expiry.unwrap_or(Time::MAX), now, out);
    }

    /// A request of this producer was answered, or failed.
    pub(crate) fn answered(&mut self, answer: Answer<ProducerPurpose>, now: Now, out: &mut Outbox) {
        use ProducerPurpose::{InitProducerId, Produce};
        match answer {
            Answer::MetadataUpdated => self.accumulator.metadata_changed(&self.network.metadata),
            Answer::Answered { purpose: Produce(ids), response: Response::Produce(r), .. } => {
                self.produced(&ids, *r, now, out);
            }
            Answer::Answered {
                purpose: InitProducerId,
                response: Response::InitProducerId(r),
                ..
            } => self.identified(*r, now, out),
            Answer::Failed { purpose: Produce(ids), error, was_sent, .. } => {
                self.disconnected(&ids, error, was_sent, now, out);
            }
            Answer::Failed { purpose: InitProducerId, .. } => self.ask_again(now),
            Answer::Answered { response, .. } => {
                unreachable!("a broker answers what it was asked, not {response:?}")
            }
        }
    }

    // Sending.

    fn send_producer_data(&mut self, now: Now, out: &mut Outbox) {
        self.expire(now, out);
        let at_once = self.is_closing || self.accumulator.pool.is_exhausted();
        self.accumulator.ready.ripen(now.time, at_once);
        if self.accumulator.ready.has_leaderless() {
            self.network.metadata.request_update();
        }
        let mut last = None;
        while let Some(node) = self.accumulator.ready.ripe_node(last) {
            self.send_to(node, now, out);
            last = Some(node);
        }
    }

    fn send_to(&mut self, node: NodeId, now: Now, out: &mut Outbox) {
        while self.accumulator.ready.is_ripe(node) {
            let is_ready = self.network.is_ready(node);
            self.accumulator.note_latency(node, is_ready, now.time);
            if !is_ready {
                return self.network.connect(node, now, out);
            }
            let metadata = &self.network.metadata;
            let drained = self.accumulator.drain(node, self.sequences.as_mut(), metadata, now);
            if drained.ids.is_empty() {
                return;
            }
            self.send_produce_request(node, drained, now, out);
        }
    }

    fn send_produce_request(&mut self, node: NodeId, drained: Drained, now: Now, out: &mut Outbox) {
        let Drained { ids, data } = drained;
        for (id, sent) in ids.iter().zip(&data) {
            let attempt = self.accumulator.batch(*id).map_or(0, |batch| batch.attempts) + 1;
            out.state(batch_sent(sent, node, attempt));
        }
        let request =
            ProduceRequest { acks: self.config.acks, timeout: self.config.request_timeout, data };
        // Without acknowledgements no answer will come: what has left counts as done.
        let done = if self.config.acks == Acks::None { ids.clone() } else { Few::new() };
        self.network.send(node, request, ProducerPurpose::Produce(ids), now, out);
        for id in done {
            self.complete_batch(id, BatchAnswer::UNCONFIRMED, now, out);
        }
    }

    // Answers.

    fn produced(&mut self, ids: &[BatchId], response: ProduceResponse, now: Now, out: &mut Outbox) {
        for (id, answer) in ids.iter().zip(&response.responses) {
            self.complete_batch(*id, BatchAnswer::of(answer), now, out);
        }
        let mut leaders_changed = false;
        for answer in response.responses {
            if let (ErrorCode::NotLeaderOrFollower | ErrorCode::FencedLeaderEpoch, Some(told)) =
                (answer.error, answer.current_leader)
            {
                let metadata = &mut self.network.metadata;
                leaders_changed |= metadata.update_leadership(&answer.partition, told, out);
            }
        }
        if leaders_changed {
            self.accumulator.metadata_changed(&self.network.metadata);
        }
    }

    fn disconnected(
        &mut self,
        ids: &[BatchId],
        error: ErrorCode,
        was_sent: bool,
        now: Now,
        out: &mut Outbox,
    ) {
        for id in ids {
            self.complete_batch(*id, BatchAnswer::lost(error, was_sent), now, out);
        }
    }

    /// `Sender.completeBatch`.
    fn complete_batch(&mut self, id: BatchId, answer: BatchAnswer, now: Now, out: &mut Outbox) {
        let error = answer.error;
        let acks = self.config.acks;
        let batch = self.accumulator.batch_mut(id).expect("a batch in flight is kept");
        let (slot, is_done) = (batch.slot, batch.state == BatchState::Done);
        if !error.is_ok() && answer.was_sent && !was_certainly_rejected(error, acks) {
            batch.may_be_written = true;
        }
        let can_be_split = error == ErrorCode::MessageTooLarge && batch.can_be_split();
        match error {
            _ if can_be_split && !is_done => self.split(id, out),
            ErrorCode::None => self.succeed(id, answer.base_offset, out),
            ErrorCode::NotLeaderOrFollower if Mutant::TakesLostLeadersForSuccesses.lives() => {
                self.succeed(id, answer.base_offset, out);
            }
            _ if self.can_retry(id, answer, now) => self.retry(id, error, now, out),
            ErrorCode::DuplicateSequenceNumber => self.succeed(id, answer.base_offset, out),
            _ => self.fail_answered(id, error, out),
        }
        if error.is_stale_metadata() {
            self.network.metadata.request_update();
        }
        self.accumulator.unmute(slot, &self.network.metadata);
    }

    fn can_retry(&mut self, id: BatchId, answer: BatchAnswer, now: Now) -> bool {
        let batch = self.accumulator.batch(id).expect("a batch in flight is kept");
        let has_time = batch.created + self.config.delivery_timeout > now.time;
        if !has_time || batch.attempts >= self.config.retries || batch.state == BatchState::Done {
            return false;
        }
        match (&mut self.sequences, batch.base_sequence()) {
            (Some(sequences), Some(base_sequence)) => {
                let sequence_was_reset = batch.sequence_was_reset;
                let failed = FailedBatch { slot: batch.slot, base_sequence, sequence_was_reset };
                sequences.can_retry(failed, answer.error, answer.log_start_offset)
            }
            _ => answer.error.is_retriable(),
        }
    }

    fn retry(&mut self, id: BatchId, error: ErrorCode, now: Now, out: &mut Outbox) {
        let batch = self.accumulator.batch_mut(id).expect("a batch in flight is kept");
        let wait = self.config.backoff.after(batch.attempts, &mut self.jitter);
        batch.reenqueued(now.time, wait);
        let (slot, base_sequence) = (batch.slot, batch.base_sequence());
        let records = batch.record_count;
        let partition = self.accumulator.partition(slot);
        out.state(ClientFact::BatchRetried { partition, error, base_sequence, records });
        self.accumulator.reenqueue(id, &self.network.metadata);
    }

    fn split(&mut self, id: BatchId, out: &mut Outbox) {
        let batch = self.accumulator.batch(id).expect("a batch in flight is kept");
        if let (Some(sequences), Some(at)) = (&mut self.sequences, batch.producer) {
            sequences.forget(batch.slot, at);
        }
        let metadata = &self.network.metadata;
        let (whole, parts) =
            self.accumulator.split_and_reenqueue(id, self.sequences.as_mut(), metadata);
        let partition = self.accumulator.partition(whole.slot);
        out.state(ClientFact::BatchSplit { partition, records: whole.record_count, parts });
        self.release(&whole);
    }

    fn succeed(&mut self, id: BatchId, base: Option<Offset>, out: &mut Outbox) {
        let batch = self.accumulator.remove(id);
        if let (Some(sequences), Some(at)) = (&mut self.sequences, batch.producer) {
            sequences.completed(batch.slot, at, batch.record_count);
        }
        if batch.state == BatchState::Done {
            return;
        }
        let (partition, records) = (self.accumulator.partition(batch.slot), batch.record_count);
        out.state(ClientFact::BatchAcknowledged { partition: partition.clone(), base, records });
        let mut offset = base;
        for thunk in &batch.thunks {
            let outcome = Outcome::Sent { partition: partition.clone(), offset };
            out.record(Operation::Ended { id: thunk.operation, outcome });
            offset = offset.map(|offset| offset.plus(u64::from(thunk.records)));
        }
        self.totals.acknowledged += u64::from(records);
        self.release(&batch);
    }

    fn fail_answered(&mut self, id: BatchId, error: ErrorCode, out: &mut Outbox) {
        let batch = self.accumulator.remove(id);
        if batch.state != BatchState::Done {
            let adjust = batch.attempts < self.config.retries;
            self.fail(&batch, error, adjust, out);
        }
    }

    // The end of batches.

    /// `Sender.failBatch`.
    fn fail(&mut self, batch: &ProducerBatch, error: ErrorCode, adjust: bool, out: &mut Outbox) {
        let (partition, records) = (self.accumulator.partition(batch.slot), batch.record_count);
        out.state(ClientFact::BatchFailed { partition, error, records });
        let outcome = batch.failure(error);
        self.totals.count(&outcome, records);
        for thunk in &batch.thunks {
            out.record(Operation::Ended { id: thunk.operation, outcome: outcome.clone() });
        }
        self.release(batch);
        let Some(sequences) = &mut self.sequences else { return };
        if is_fatal(error) {
            self.fatal = Some(error);
        } else {
            sequences.failed(batch.slot, batch.producer, error, adjust);
        }
    }

    fn release(&mut self, batch: &ProducerBatch) {
        self.granted.extend(self.accumulator.pool.deallocate(batch.buffer));
    }

    /// Batches older than `delivery.timeout.ms` are given up, sent or not (KIP-91).
    fn expire(&mut self, now: Now, out: &mut Outbox) {
        let timeout = self.config.delivery_timeout.0;
        let Some(created_by) = now.time.0.checked_sub(timeout).map(Time) else { return };
        while let Some(id) = self.accumulator.expired(created_by) {
            let batch = self.give_up(id, ErrorCode::RequestTimedOut, out);
            if let (Some(sequences), true, Some(last)) =
                (&mut self.sequences, batch.is_retried, batch.last_sequence())
            {
                sequences.mark_unresolved(batch.slot, last);
            }
        }
    }

    fn abort_all(&mut self, error: ErrorCode, out: &mut Outbox) {
        for id in self.accumulator.incomplete_batches() {
            self.give_up(id, error, out);
        }
    }

    /// Ends a batch without an answer. One in flight may be written all the same.
    fn give_up(&mut self, id: BatchId, error: ErrorCode, out: &mut Outbox) -> ProducerBatch {
        let batch = self.accumulator.batch_mut(id).expect("it has not ended");
        batch.may_be_written |= batch.state == BatchState::InFlight;
        let batch = batch.clone();
        self.accumulator.finish(id, &self.network.metadata);
        self.fail(&batch, error, false, out);
        batch
    }
}

impl BatchAnswer {
    /// `acks=0`: it has left.
    const UNCONFIRMED: BatchAnswer = BatchAnswer {
        error: ErrorCode::None,
        base_offset: None,
        log_start_offset: None,
        was_sent: true,
    };

    fn of(answer: &PartitionProduceResponse) -> Self {
        BatchAnswer {
            error: answer.error,
            base_offset: answer.base_offset,
            log_start_offset: answer.log_start_offset,
            was_sent: true,
        }
    }

    fn lost(error: ErrorCode, was_sent: bool) -> Self {
        BatchAnswer { error, base_offset: None, log_start_offset: None, was_sent }
    }
}

impl Totals {
    /// Records have ended otherwise than well.
    pub(crate) fn count(&mut self, outcome: &Outcome, records: u32) {
        match outcome {
            Outcome::Unknown(_) => self.unknown += u64::from(records),
            _ => self.failed += u64::from(records),
        }
    }
}

fn batch_sent(sent: &PartitionProduceData, leader: NodeId, attempt: u32) -> ClientFact {
    ClientFact::BatchSent {
        partition: sent.partition.clone(),
        leader,
        records: sent.batch.records_count,
        base_sequence: sent.batch.producer.and_then(|producer| producer.base_sequence),
        attempt,
    }
}

/// Errors after which an idempotent producer can do nothing more (`maybeTransitionToErrorState`).
fn is_fatal(error: ErrorCode) -> bool {
    use ErrorCode::{ClusterAuthorizationFailed, ProducerFenced, UnsupportedVersion};
    matches!(error, ClusterAuthorizationFailed | ProducerFenced | UnsupportedVersion)
}
