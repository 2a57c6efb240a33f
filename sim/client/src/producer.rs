//! The producing process: `KafkaProducer` and the application that sends.

use crate::ProducerSetup;
use crate::accumulator::Append;
use crate::batch::Content;
use crate::network::Answer;
use crate::send::KafkaProducer;
use crate::sender::{ProducerPurpose, Sender};
use crate::sequences::Sequences;
use crate::workload::Workload;
use klab_machine::timer::ClientTimer;
use klab_machine::{Call, Command, DiskImage, Identity, Input, Machine, Operation, Outbox, Timer};
use klab_wire::{
    Now, Payload, ProducerEpoch, ProducerId, Sequence, Span, TopicName, TopicPartition,
};

/// A producer with its application.
#[derive(Clone, Debug)]
pub struct Producer {
    producer: KafkaProducer,
    workload: Workload,
    phase: Phase,
    thread: Thread,
}

/// Where the application's thread is, if one sends in turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Thread {
    /// Between two bursts.
    Paces,
    /// It waits in `send`.
    IsHeldUp,
    /// It goes on with the burst in which it was held up, however little of that is left.
    GoesOn,
}

/// How far along its life a producer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The application may send.
    Open,
    /// What was sent is seen through (`close`).
    Closing,
    /// Nothing is left to do.
    Closed,
}

/// What to show of a producer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProducerView {
    /// Its identity, if it is idempotent and has one.
    pub producer: Option<(ProducerId, ProducerEpoch)>,
    /// Bytes of `buffer.memory` in use.
    pub buffered_bytes: u64,
    /// Sends that wait for memory or metadata.
    pub blocked: u64,
    /// Batches that wait to be sent, retries included.
    pub queued_batches: u64,
    /// Batches that were sent and not answered.
    pub in_flight_batches: u64,
    /// Records sent so far, in this life.
    pub sent: u64,
    /// Of these, acknowledged.
    pub acknowledged: u64,
    /// Of these, certainly not written.
    pub failed: u64,
    /// Of these, given up with nobody knowing whether they are written.
    pub unknown: u64,
    /// How it numbers its batches, if it is idempotent.
    pub sequences: Vec<SequencesView>,
}

/// What to show of how a producer numbers the batches of one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SequencesView {
    /// The partition.
    pub partition: TopicPartition,
    /// The sequence of the next record that is sent for the first time.
    pub next: Sequence,
    /// The last sequence that was acknowledged.
    pub last_acknowledged: Option<Sequence>,
    /// Batches that were sent and have not ended, retries included.
    pub in_flight: u64,
}

impl Machine for Producer {
    type Config = ProducerSetup;
    type View = ProducerView;

    fn boot(
        identity: Identity,
        setup: ProducerSetup,
        _: &DiskImage,
        now: Now,
        out: &mut Outbox,
    ) -> Self {
        let workload = Workload::new(&identity, &setup, now);
        let mut producer = KafkaProducer::new(&identity, &setup);
        set_burst(workload.first_burst(), out);
        producer.run(now, out);
        Producer { producer, workload, phase: Phase::Open, thread: Thread::Paces }
    }

    fn step(&mut self, now: Now, input: Input, out: &mut Outbox) {
        match input {
            Input::Timer(Timer::Client(ClientTimer::Workload)) if self.workload.is_in_turn() => {
                return self.send_in_turn(now, out);
            }
            Input::Timer(Timer::Client(timer)) => self.timer(timer, now, out),
            Input::Command(Command::ShutDown) => self.shut_down(out),
            Input::Response { connection, correlation, response } => {
                let network = &mut self.producer.sender.network;
                let answer = network.answered(connection, correlation, response, now, out);
                let Some(answer) = answer else { return };
                self.answered(answer, now, out);
            }
            input if self.producer.sender.network.owns(&input) => self.network(input, now, out),
            // Nobody asks a producer for anything, and it stores nothing.
            _ => return,
        }
        self.run(now, out);
    }

    fn view(&self) -> ProducerView {
        let sender = &self.producer.sender;
        let queued = sender.accumulator.queued();
        ProducerView {
            producer: sender.sequences().and_then(Sequences::identity),
            buffered_bytes: sender.accumulator.pool.used(),
            blocked: self.producer.blocked(),
            queued_batches: u64::from(queued),
            in_flight_batches: u64::from(sender.accumulator.incomplete() - queued),
            sent: sender.totals.sent,
            acknowledged: sender.totals.acknowledged,
            failed: sender.totals.failed,
            unknown: sender.totals.unknown,
            sequences: sequences(sender),
        }
    }
}

fn sequences(sender: &Sender) -> Vec<SequencesView> {
    let partitions = sender.sequences().into_iter().flat_map(Sequences::partitions);
    let view = |(slot, next, last_acknowledged, in_flight)| SequencesView {
        partition: sender.accumulator.partition(slot),
        next,
        last_acknowledged,
        in_flight,
    };
    partitions.map(view).collect()
}

impl Producer {
    fn timer(&mut self, timer: ClientTimer, now: Now, out: &mut Outbox) {
        match timer {
            ClientTimer::Workload => self.burst(now, out),
            ClientTimer::Sender => self.producer.sender.alarm_rang(),
            ClientTimer::Delivery => self.producer.sender.delivery_alarm_rang(),
            ClientTimer::Metadata => self.producer.sender.network.metadata_alarm_rang(),
            ClientTimer::Deadline(_) => self.producer.expire_blocked(now, out),
            ClientTimer::Poll | ClientTimer::Retry(_) => {
                unreachable!("a producer sets no {timer:?}")
            }
        }
    }

    fn burst(&mut self, now: Now, out: &mut Outbox) {
        if self.phase != Phase::Open {
            return;
        }
        let mut left = self.workload.burst();
        while let Some(append) = self.workload.next_call(&mut left) {
            let topic = self.producer.sender.accumulator.topic_name(append.topic).clone();
            out.record(Operation::Began { id: append.operation, call: call(&append, topic) });
            self.producer.send(append, now, out);
        }
        set_burst(self.workload.next_burst(now), out);
    }

    /// The application's thread sends until it is held up or its burst is over.
    fn send_in_turn(&mut self, now: Now, out: &mut Outbox) {
        if self.phase != Phase::Open {
            return;
        }
        match std::mem::replace(&mut self.thread, Thread::Paces) {
            Thread::Paces => self.workload.begin_in_turn(now),
            Thread::IsHeldUp | Thread::GoesOn => self.workload.go_on_in_turn(),
        }
        while self.producer.blocked() == 0 {
            let producer = &self.producer;
            let Some(append) = self.workload.next_in_turn(
                |topic| producer.partitions(topic),
                |topic, partition, size| producer.room(topic, partition, size),
            ) else {
                set_burst(self.workload.next_in_time(now), out);
                return self.producer.wake_sender(now, out);
            };
            let topic = self.producer.sender.accumulator.topic_name(append.topic).clone();
            out.record(Operation::Began { id: append.operation, call: call(&append, topic) });
            self.producer.send(append, now, out);
        }
        self.thread = Thread::IsHeldUp;
        self.producer.wake_sender(now, out);
    }

    fn network(&mut self, input: Input, now: Now, out: &mut Outbox) {
        for failed in self.producer.sender.network.handle(now, input, out) {
            if let Some(answer) = self.producer.sender.network.failed(failed, now, out) {
                self.producer.sender.answered(answer, now, out);
            }
        }
    }

    fn answered(&mut self, answer: Answer<ProducerPurpose>, now: Now, out: &mut Outbox) {
        let is_metadata = matches!(answer, Answer::MetadataUpdated);
        self.producer.sender.answered(answer, now, out);
        if is_metadata {
            self.producer.metadata_updated(now, out);
        }
    }

    fn shut_down(&mut self, out: &mut Outbox) {
        if self.phase == Phase::Open {
            self.phase = Phase::Closing;
            self.producer.close(out);
        }
    }

    fn run(&mut self, now: Now, out: &mut Outbox) {
        if self.phase == Phase::Closed {
            return;
        }
        self.producer.run(now, out);
        if self.thread == Thread::IsHeldUp && self.producer.blocked() == 0 {
            self.thread = Thread::GoesOn;
            set_burst(Some(Span::ZERO), out);
        }
        if self.phase == Phase::Closing && self.producer.sender.accumulator.incomplete() == 0 {
            self.phase = Phase::Closed;
            self.producer.sender.network.close(now, out);
            out.halt();
        }
    }
}

fn set_burst(after: Option<Span>, out: &mut Outbox) {
    if let Some(after) = after {
        out.set_timer(Timer::Client(ClientTimer::Workload), after);
    }
}

fn call(append: &Append, topic: TopicName) -> Call {
    let (key, first_value, count) = match &append.content {
        Content::Record { key, value: Some(Payload::Number { number, .. }) } => {
            (key.clone(), *number, 1)
        }
        Content::Record { key, .. } => (key.clone(), append.operation.0, 1),
        Content::Counted { first_value, count, .. } => (None, *first_value, *count),
    };
    Call::Send { topic, key, first_value, count }
}
