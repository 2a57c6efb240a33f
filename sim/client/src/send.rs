//! `KafkaProducer.send`: from the call to a place in a batch, or to the end of `max.block.ms`.

use crate::accumulator::{Append, AppendMode, Appended, RecordAccumulator};
use crate::alarm::Alarm;
use crate::batch::Slot;
use crate::buffer_pool::Ticket;
use crate::network::{ClientNetwork, ConnectionSettings};
use crate::partitioner::{Choice, Partitioner};
use crate::sender::Sender;
use crate::{Partitioning, ProducedTopic, ProducerSetup};
use klab_machine::fact::ClientFact;
use klab_machine::random::{Stream, stream};
use klab_machine::timer::ClientTimer;
use klab_machine::{Identity, Operation, Outbox, Outcome, Timer};
use klab_wire::config::ProducerConfig;
use klab_wire::{ErrorCode, Now, Span, Time};
use std::collections::{BTreeMap, BTreeSet};

/// A producer as an application calls it.
#[derive(Clone, Debug)]
pub(crate) struct KafkaProducer {
    pub(crate) sender: Sender,
    partitioners: Vec<Partitioner>,
    explicit_partition: Option<u32>,
    draws: Stream,
    blocked: BTreeMap<Ticket, Blocked>,
    deadlines: BTreeSet<(Time, Ticket)>,
    next_ticket: u64,
    alarm: Alarm,
    max_block: Span,
    max_request_size: u64,
    buffer_memory: u64,
}

/// A call that waits.
#[derive(Clone, Debug)]
struct Blocked {
    append: Append,
    deadline: Time,
    waits_for: WaitsFor,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WaitsFor {
    /// The topic, or the partition that the application named.
    Metadata,
    /// So many bytes, for a partition that is chosen already.
    Memory(u64, Choice),
}

impl KafkaProducer {
    pub(crate) fn new(identity: &Identity, setup: &ProducerSetup) -> Self {
        let config = &setup.config;
        let workload = &setup.workload;
        let named = |purpose| stream(identity.seed, purpose, [identity.incarnation.0]);
        let accumulator = RecordAccumulator::new(config, &workload.topics);
        let sender = Sender::new(config, accumulator, network(identity, setup), named("retries"));
        KafkaProducer {
            sender,
            partitioners: partitioners(workload.partitioning, &workload.topics, config),
            explicit_partition: match workload.partitioning {
                Partitioning::Explicit(partition) => Some(partition),
                _ => None,
            },
            draws: named("partitioner"),
            blocked: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            next_ticket: 0,
            alarm: Alarm::new(Timer::Client(ClientTimer::Deadline(0))),
            max_block: config.max_block_ms,
            max_request_size: config.max_request_size,
            buffer_memory: config.buffer_memory,
        }
    }

    /// How many calls wait.
    pub(crate) fn blocked(&self) -> u64 {
        self.blocked.len() as u64
    }

    /// How many partitions a topic has; 0 while nobody knows.
    pub(crate) fn partitions(&self, topic: u32) -> u32 {
        self.sender.topic(topic).map_or(0, |topic| topic.partitions.len() as u32)
    }

    /// How many generated records of this size fit where the next ones go: into a partition's last batch.
    pub(crate) fn room(&self, topic: u32, partition: Option<u32>, value_size: u32) -> Option<u32> {
        let accumulator = &self.sender.accumulator;
        let partition = partition.or_else(|| accumulator.sticks_to(topic))?;
        accumulator.room(Slot { topic, partition }, value_size)
    }

    /// The application calls `send`; the operation has begun.
    pub(crate) fn send(&mut self, append: Append, now: Now, out: &mut Outbox) {
        self.sender.totals.sent += u64::from(append.content.records());
        let deadline = now.time + self.max_block;
        self.await_metadata(append, deadline, now, out);
    }

    /// `waitOnMetadata`, and on when there is nothing to wait for.
    fn await_metadata(&mut self, append: Append, deadline: Time, now: Now, out: &mut Outbox) {
        let Sender { accumulator, network, .. } = &mut self.sender;
        let metadata = &mut network.metadata;
        let place = accumulator.take_interest(append.topic, metadata);
        let (error, partitions) = metadata
            .topic(place)
            .map_or((ErrorCode::None, 0), |t| (t.error, t.partitions.len() as u32));
        if error == ErrorCode::InvalidTopicException {
            return self.fail(&append, error, out);
        }
        if partitions > self.explicit_partition.unwrap_or(0) {
            return self.choose_partition(append, deadline, now, out);
        }
        metadata.request_update_for_topic(place);
        self.block(append, deadline, WaitsFor::Metadata, now, out);
    }

    fn choose_partition(&mut self, append: Append, deadline: Time, now: Now, out: &mut Outbox) {
        let size = u64::from(append.content.size_upper_bound());
        if size > self.max_request_size || size > self.buffer_memory {
            return self.fail(&append, ErrorCode::MessageTooLarge, out);
        }
        let choice = append.partition.map_or_else(|| self.choose(&append), Choice::Partition);
        let abort_on_new_batch =
            matches!(self.partitioners[append.topic as usize], Partitioner::UniformSticky(_));
        let mode = AppendMode { choice, buffer: 0, abort_on_new_batch };
        self.append(append, mode, deadline, now, out);
    }

    fn choose(&mut self, append: &Append) -> Choice {
        let cluster = self.sender.topic(append.topic).expect("metadata was awaited");
        let (partitions, available) = (cluster.partitions.len() as u32, &cluster.available);
        let draws = &mut self.draws;
        let partitioner = &mut self.partitioners[append.topic as usize];
        partitioner.choose(append.content.key(), partitions, available, || positive(draws))
    }

    fn append(
        &mut self,
        append: Append,
        mode: AppendMode,
        deadline: Time,
        now: Now,
        out: &mut Outbox,
    ) {
        let draws = &mut self.draws;
        let Sender { accumulator, network, .. } = &mut self.sender;
        match accumulator.append(&append, mode, &network.metadata, now, || positive(draws)) {
            Appended::Done { unused_buffer } => {
                let granted = accumulator.pool.deallocate(unused_buffer);
                self.sender.granted.extend(granted);
            }
            Appended::NeedsNewBatch => {
                let choice = self.choose_for_new_batch(&append);
                let mode = AppendMode { choice, abort_on_new_batch: false, ..mode };
                self.append(append, mode, deadline, now, out);
            }
            Appended::NeedsBuffer(size) if size > self.buffer_memory => {
                // `batch.size` above `buffer.memory`: Kafka throws IllegalArgumentException.
                self.fail(&append, ErrorCode::InvalidConfig, out);
            }
            Appended::NeedsBuffer(size) => {
                self.block(append, deadline, WaitsFor::Memory(size, mode.choice), now, out);
            }
        }
    }

    /// `Partitioner.onNewBatch`, which only the sticky partitioner of KIP-480 listens to.
    fn choose_for_new_batch(&mut self, append: &Append) -> Choice {
        let cluster = self.sender.topic(append.topic).expect("metadata was awaited");
        let (partitions, available) = (cluster.partitions.len() as u32, &cluster.available);
        let draws = &mut self.draws;
        match &mut self.partitioners[append.topic as usize] {
            Partitioner::UniformSticky(cache) => {
                Choice::Partition(cache.next(partitions, available, || positive(draws)))
            }
            other => unreachable!("{other:?} does not ask for new batches"),
        }
    }

    fn block(
        &mut self,
        append: Append,
        deadline: Time,
        waits_for: WaitsFor,
        now: Now,
        out: &mut Outbox,
    ) {
        out.state(ClientFact::SendBlocked { for_memory: waits_for != WaitsFor::Metadata });
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        if let WaitsFor::Memory(size, _) = waits_for {
            self.sender.accumulator.pool.wait(size, ticket);
        }
        self.blocked.insert(ticket, Blocked { append, deadline, waits_for });
        self.deadlines.insert((deadline, ticket));
        self.alarm.ring_by(deadline, now, out);
    }

    fn unblock(&mut self, ticket: Ticket) -> Option<Blocked> {
        let blocked = self.blocked.remove(&ticket)?;
        self.deadlines.remove(&(blocked.deadline, ticket));
        Some(blocked)
    }

    /// Goes on with calls whose metadata has come, in the order of the calls.
    pub(crate) fn metadata_updated(&mut self, now: Now, out: &mut Outbox) {
        let waits = |(ticket, blocked): (&Ticket, &Blocked)| {
            (blocked.waits_for == WaitsFor::Metadata).then_some(*ticket)
        };
        let tickets: Vec<Ticket> = self.blocked.iter().filter_map(waits).collect();
        for blocked in
            tickets.into_iter().filter_map(|ticket| self.unblock(ticket)).collect::<Vec<_>>()
        {
            self.await_metadata(blocked.append, blocked.deadline, now, out);
        }
    }

    /// Lets the sender do what it can, and goes on with calls that got memory by it.
    pub(crate) fn run(&mut self, now: Now, out: &mut Outbox) {
        self.sender.run(now, out);
        while !self.sender.granted.is_empty() {
            for ticket in std::mem::take(&mut self.sender.granted) {
                self.resume(ticket, now, out);
            }
            self.sender.run(now, out);
        }
        if let Some((deadline, _)) = self.deadlines.first() {
            self.alarm.ring_by(*deadline, now, out);
        }
    }

    /// The application's thread has sent something: the sender's is woken if that is worth it (`Sender.wakeup`).
    pub(crate) fn wake_sender(&mut self, now: Now, out: &mut Outbox) {
        self.sender.wake(now, out);
        if let Some((deadline, _)) = self.deadlines.first() {
            self.alarm.ring_by(*deadline, now, out);
        }
    }

    fn resume(&mut self, ticket: Ticket, now: Now, out: &mut Outbox) {
        let Some(Blocked { append, deadline, waits_for: WaitsFor::Memory(size, choice) }) =
            self.unblock(ticket)
        else {
            unreachable!("memory is granted to calls that wait for it")
        };
        let mode = AppendMode { choice, buffer: size, abort_on_new_batch: false };
        self.append(append, mode, deadline, now, out);
    }

    /// `max.block.ms` has passed for some calls.
    pub(crate) fn expire_blocked(&mut self, now: Now, out: &mut Outbox) {
        self.alarm.rang();
        while let Some((deadline, ticket)) = self.deadlines.first().copied()
            && deadline <= now.time
        {
            self.abandon(ticket, ErrorCode::RequestTimedOut, out);
        }
    }

    /// The producer closes: calls that wait are turned away, batches go out at once.
    pub(crate) fn close(&mut self, out: &mut Outbox) {
        for ticket in self.blocked.keys().copied().collect::<Vec<_>>() {
            self.abandon(ticket, ErrorCode::OperationNotAttempted, out);
        }
        self.sender.initiate_close();
    }

    fn abandon(&mut self, ticket: Ticket, error: ErrorCode, out: &mut Outbox) {
        let Some(blocked) = self.unblock(ticket) else { return };
        let granted = self.sender.accumulator.pool.give_up(ticket);
        self.sender.granted.extend(granted);
        self.fail(&blocked.append, error, out);
    }

    /// The call fails before any of its records was in a batch.
    fn fail(&mut self, append: &Append, error: ErrorCode, out: &mut Outbox) {
        let outcome = Outcome::Failed(error);
        self.sender.totals.count(&outcome, append.content.records());
        out.record(Operation::Ended { id: append.operation, outcome });
    }
}

fn network<P>(identity: &Identity, setup: &ProducerSetup) -> ClientNetwork<P> {
    let config = &setup.config;
    let settings = ConnectionSettings::new(&config.common, &setup.bootstrap, true);
    ClientNetwork::new(identity, settings, config.max_in_flight_requests_per_connection)
}

fn partitioners(
    wish: Partitioning,
    topics: &[ProducedTopic],
    config: &ProducerConfig,
) -> Vec<Partitioner> {
    topics.iter().map(|_| Partitioner::new(wish, config)).collect()
}

/// `Utils.toPositive(ThreadLocalRandom.nextInt())`.
fn positive(stream: &mut Stream) -> u32 {
    (stream.number() >> 33) as u32
}
