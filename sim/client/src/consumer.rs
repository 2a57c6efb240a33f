//! The consuming process: a consumer with partitions assigned by hand, and the application that polls.
//!
//! A poll that returns nothing is no operation: the application would call again at once, and so it
//! is taken to wait in one long poll. The operation of a poll begins and ends when it returns records, or
//! fails. As with the classic consumer, requests go out while the application polls, and when a poll
//! returns, so that the next records are on their way while it works on these.

#[cfg(test)]
mod tests;

use crate::alarm::Alarm;
use crate::fetcher::{Collected, Fetcher, Surroundings};
use crate::network::{Answer, ClientNetwork, ConnectionSettings};
use crate::offset_fetcher::{Asked, OffsetFetcher};
use crate::subscription::{FetchPosition, Subscription, Subscriptions};
use crate::values::Numbers;
use crate::{Assignment, ConsumerSetup};
use klab_machine::input::ConsumerCommand;
use klab_machine::timer::ClientTimer;
use klab_machine::{
    Call, Command, DiskImage, Identity, Input, Machine, Operation, Outbox, Outcome, Timer,
};
use klab_wire::{
    ErrorCode, NodeId, Now, Offset, OffsetSpec, Response, Span, Time, TopicName, TopicPartition,
};

/// A consumer with its application.
#[derive(Clone, Debug)]
pub struct Consumer {
    assignment: Assignment,
    from: Option<OffsetSpec>,
    pace: Pace,
    network: ClientNetwork<ConsumerPurpose>,
    subscriptions: Subscriptions,
    fetcher: Fetcher,
    offsets: OffsetFetcher,
    numbers: Numbers,
    application: Application,
    alarm: Alarm,
    consumed: u64,
}

/// What a consumer's requests are for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ConsumerPurpose {
    Fetch,
    /// And when it was asked.
    ListOffsets(Asked<OffsetSpec>, Time),
    OffsetForLeaderEpoch(Asked<FetchPosition>),
    CloseSession,
}

/// How fast the application is.
#[derive(Clone, Copy, Debug)]
struct Pace {
    processing: Span,
    poll_interval: Span,
    /// After a poll that failed it does not call again at once.
    after_failure: Span,
}

/// What the application is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Application {
    /// It is in a poll.
    Polling,
    /// It works on records, or pauses; its timer is set.
    Working,
    /// It closes the consumer; so many fetch sessions are still to be closed.
    Closing(u32),
    /// It has ended.
    Closed,
}

/// What to show of a consumer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConsumerView {
    /// Its partitions.
    pub partitions: Vec<ConsumerPartitionView>,
    /// Records handed to the application so far, in this life.
    pub consumed: u64,
}

/// What to show of one partition of a consumer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerPartitionView {
    /// The partition.
    pub partition: TopicPartition,
    /// Whether it may be fetched, and what is missing if not.
    pub state: FetchState,
    /// The offset of the next record for the application.
    pub position: Option<Offset>,
    /// The high watermark that the last fetch told.
    pub high_watermark: Option<Offset>,
    /// The application has paused it.
    pub paused: bool,
    /// The replica it reads from, if not the leader (KIP-392).
    pub preferred_read_replica: Option<NodeId>,
    /// Records that were fetched and not handed out yet.
    pub buffered_records: u64,
}

/// `SubscriptionState.FetchStates`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FetchState {
    /// It has no position yet.
    Initializing,
    /// It has a valid position.
    Fetching,
    /// Its position has to be looked up.
    AwaitReset,
    /// Its position has to be checked against the new leader's log (KIP-320).
    AwaitValidation,
}

impl Machine for Consumer {
    type Config = ConsumerSetup;
    type View = ConsumerView;

    fn boot(
        identity: Identity,
        setup: ConsumerSetup,
        _: &DiskImage,
        now: Now,
        out: &mut Outbox,
    ) -> Self {
        let mut consumer = Consumer {
            network: network(&identity, &setup),
            from: setup.from,
            pace: Pace {
                processing: setup.processing,
                poll_interval: setup.poll_interval,
                after_failure: setup.poll_interval.max(setup.config.common.retry_backoff_max_ms),
            },
            subscriptions: Subscriptions::default(),
            offsets: OffsetFetcher::new(&setup.config),
            fetcher: Fetcher::new(setup.config),
            numbers: Numbers::of(&identity),
            application: Application::Polling,
            alarm: Alarm::new(Timer::Client(ClientTimer::Retry(0))),
            consumed: 0,
            assignment: setup.assignment,
        };
        consumer.take_interest();
        consumer.run(now, out);
        consumer
    }

    fn step(&mut self, now: Now, input: Input, out: &mut Outbox) {
        match input {
            Input::Timer(Timer::Client(timer)) => self.timer(timer),
            Input::Command(Command::ShutDown) => self.close(now, out),
            Input::Command(Command::Consume(command)) => self.command(command, out),
            Input::Response { connection, correlation, response } => {
                let network = &mut self.network;
                let answer = network.answered(connection, correlation, response, now, out);
                let Some(answer) = answer else { return };
                self.take_in(answer, now, out);
            }
            input if self.network.owns(&input) => self.network(input, now, out),
            // Nobody asks a consumer for anything, and it stores nothing.
            _ => return,
        }
        self.run(now, out);
    }

    fn view(&self) -> ConsumerView {
        let view = |(index, subscription): (u32, &Subscription)| ConsumerPartitionView {
            partition: subscription.partition.clone(),
            state: subscription.fetch_state(),
            position: subscription.position().map(|position| position.offset),
            high_watermark: subscription.high_watermark,
            paused: subscription.is_paused,
            preferred_read_replica: subscription.read_replica(),
            buffered_records: self.fetcher.buffered_records(index),
        };
        let partitions = self.subscriptions.iter().map(view).collect();
        ConsumerView { partitions, consumed: self.consumed }
    }
}

impl Consumer {
    fn timer(&mut self, timer: ClientTimer) {
        match timer {
            ClientTimer::Poll => self.begin_poll(),
            ClientTimer::Retry(_) => self.alarm.rang(),
            ClientTimer::Metadata => self.network.metadata_alarm_rang(),
            other => unreachable!("a consumer sets no {other:?}"),
        }
    }

    fn begin_poll(&mut self) {
        if self.application == Application::Working {
            self.application = Application::Polling;
        }
    }

    fn run(&mut self, now: Now, out: &mut Outbox) {
        while self.application == Application::Polling && self.poll(now, out) {}
        if self.application != Application::Closed {
            self.network.poll(now, out);
            self.set_alarm(now, out);
        }
    }

    fn set_alarm(&mut self, now: Now, out: &mut Outbox) {
        if self.subscriptions.are_settled() {
            return;
        }
        let unsettled = self.subscriptions.unsettled().into_iter();
        let retries = unsettled.map(|index| self.subscriptions.get(index).next_retry);
        let next = retries.filter(|at| *at > now.time).min();
        self.alarm.ring_by(next.unwrap_or(Time::MAX), now, out);
    }

    /// One round of the poll that the application is in; true if the application has polled again.
    fn poll(&mut self, now: Now, out: &mut Outbox) -> bool {
        self.assign_topics();
        if self.subscriptions.is_empty() {
            return false;
        }
        match self.collect(now, out) {
            Ok(collected) if collected.count == 0 => false,
            Ok(collected) => self.return_records(collected, now, out),
            Err(error) => self.return_error(error, out),
        }
    }

    /// `pollForFetches`. What collecting finds out may unsettle positions, so they are looked at twice.
    fn collect(&mut self, now: Now, out: &mut Outbox) -> Result<Collected, ErrorCode> {
        let (fetcher, offsets, mut with) = self.parts(now, out);
        offsets.update_positions(&mut with)?;
        let collected = fetcher.collect(&mut with)?;
        if collected.count == 0 {
            offsets.update_positions(&mut with)?;
        }
        fetcher.send_fetches(with);
        Ok(collected)
    }

    fn return_records(&mut self, collected: Collected, _: Now, out: &mut Outbox) -> bool {
        self.consumed += u64::from(collected.count);
        let work = self.pace.processing.times(u64::from(collected.count));
        self.record_poll(Outcome::Polled(collected.records), out);
        self.pause(work + self.pace.poll_interval, out)
    }

    fn return_error(&mut self, error: ErrorCode, out: &mut Outbox) -> bool {
        self.record_poll(Outcome::Failed(error), out);
        self.pause(self.pace.after_failure, out)
    }

    fn record_poll(&mut self, outcome: Outcome, out: &mut Outbox) {
        let id = self.numbers.operation();
        out.record(Operation::Began { id, call: Call::Poll });
        out.record(Operation::Ended { id, outcome });
    }

    /// The application does something else for so long; true if it polls again at once, and not only to wait
    /// for what has been asked already.
    fn pause(&mut self, span: Span, out: &mut Outbox) -> bool {
        if span == Span::ZERO {
            return self.fetcher.has_buffered() || !self.subscriptions.are_settled();
        }
        self.application = Application::Working;
        out.set_timer(Timer::Client(ClientTimer::Poll), span);
        false
    }

    fn parts<'a>(
        &'a mut self,
        now: Now,
        out: &'a mut Outbox,
    ) -> (&'a mut Fetcher, &'a mut OffsetFetcher, Surroundings<'a>) {
        let with = Surroundings {
            subscriptions: &mut self.subscriptions,
            network: &mut self.network,
            now,
            out,
        };
        (&mut self.fetcher, &mut self.offsets, with)
    }

    // The assignment.

    fn take_interest(&mut self) {
        match self.assignment.clone() {
            Assignment::Partitions(partitions) => {
                for partition in &partitions {
                    self.network.metadata.add_topic(&partition.topic);
                }
                self.subscriptions.assign(partitions, self.from);
            }
            Assignment::Topics(topics) => {
                for topic in &topics {
                    self.network.metadata.add_topic(topic);
                }
            }
        }
    }

    /// Takes all partitions of the topics as soon as metadata tells how many there are.
    fn assign_topics(&mut self) {
        let Assignment::Topics(topics) = &self.assignment else { return };
        if !self.subscriptions.is_empty() {
            return;
        }
        let count = |topic: &TopicName| {
            let metadata = self.network.metadata.topic_named(topic);
            let partitions = metadata.map_or(0, |t| t.partitions.len());
            (partitions > 0).then_some((topic.clone(), partitions as u32))
        };
        let Some(counts) = topics.iter().map(count).collect::<Option<Vec<_>>>() else {
            return self.network.metadata.request_update();
        };
        let partitions = counts.into_iter().flat_map(|(topic, count)| {
            (0..count).map(move |index| TopicPartition::new(topic.clone(), index))
        });
        self.subscriptions.assign(partitions, self.from);
    }

    // Answers.

    fn network(&mut self, input: Input, now: Now, out: &mut Outbox) {
        for failed in self.network.handle(now, input, out) {
            if let Some(answer) = self.network.failed(failed, now, out) {
                self.take_in(answer, now, out);
            }
        }
    }

    fn take_in(&mut self, answer: Answer<ConsumerPurpose>, now: Now, out: &mut Outbox) {
        match answer {
            Answer::Answered { from, purpose, response } => {
                self.answered(from, purpose, response, now, out);
            }
            Answer::Failed { to, purpose, .. } => self.failed(to, purpose, now, out),
            Answer::MetadataUpdated => {}
        }
    }

    fn answered(
        &mut self,
        from: NodeId,
        purpose: ConsumerPurpose,
        response: Response,
        now: Now,
        out: &mut Outbox,
    ) {
        let (fetcher, offsets, mut with) = self.parts(now, out);
        match (purpose, response) {
            (ConsumerPurpose::Fetch, Response::Fetch(response)) => {
                fetcher.fetched(from, *response, &mut with);
            }
            (ConsumerPurpose::ListOffsets(asked, at), Response::ListOffsets(response)) => {
                offsets.listed(&asked, at, &response, &mut with);
            }
            (
                ConsumerPurpose::OffsetForLeaderEpoch(asked),
                Response::OffsetForLeaderEpoch(response),
            ) => offsets.validated(&asked, &response, &mut with),
            (ConsumerPurpose::CloseSession, _) => self.session_closed(now, out),
            (purpose, response) => unreachable!("{response:?} does not answer {purpose:?}"),
        }
    }

    fn failed(&mut self, to: NodeId, purpose: ConsumerPurpose, now: Now, out: &mut Outbox) {
        let (fetcher, offsets, mut with) = self.parts(now, out);
        match purpose {
            ConsumerPurpose::Fetch => fetcher.failed(to, &mut with),
            ConsumerPurpose::ListOffsets(asked, _) => {
                offsets.retry_later(asked.iter().map(|(index, _)| *index), &mut with);
            }
            ConsumerPurpose::OffsetForLeaderEpoch(asked) => {
                offsets.retry_later(asked.iter().map(|(index, _)| *index), &mut with);
            }
            ConsumerPurpose::CloseSession => self.session_closed(now, out),
        }
    }

    // What the application is told to do.

    fn command(&mut self, command: ConsumerCommand, out: &mut Outbox) {
        match command {
            ConsumerCommand::Seek(partition, spec) => {
                self.seek(partition, out, |s, _| s.request_reset(spec));
            }
            ConsumerCommand::SeekTo(partition, offset) => {
                self.seek(partition, out, |subscription, metadata| {
                    let current_leader = metadata.current_leader(&subscription.partition);
                    let position = FetchPosition { offset, offset_epoch: None, current_leader };
                    subscription.seek_unvalidated(position);
                });
            }
            ConsumerCommand::Pause(partitions) => self.set_paused(&partitions, true),
            ConsumerCommand::Resume(partitions) => self.set_paused(&partitions, false),
        }
    }

    fn seek(
        &mut self,
        partition: TopicPartition,
        out: &mut Outbox,
        change: impl FnOnce(&mut Subscription, &crate::metadata::Metadata),
    ) {
        let id = self.numbers.operation();
        let found = self.subscriptions.find(&partition);
        out.record(Operation::Began { id, call: Call::Seek { partition } });
        let outcome = match found {
            Some(index) => {
                let metadata = &self.network.metadata;
                self.subscriptions.change(index, |subscription| change(subscription, metadata));
                Outcome::Done
            }
            // `IllegalStateException`: no current assignment for the partition.
            None => Outcome::Failed(ErrorCode::UnknownTopicOrPartition),
        };
        out.record(Operation::Ended { id, outcome });
    }

    fn set_paused(&mut self, partitions: &[TopicPartition], is_paused: bool) {
        for partition in partitions {
            if let Some(index) = self.subscriptions.find(partition) {
                self.subscriptions.change(index, |s| s.is_paused = is_paused);
            }
        }
    }

    // The end.

    /// Tells the brokers to forget the fetch sessions, and waits for their answers.
    fn close(&mut self, now: Now, out: &mut Outbox) {
        if matches!(self.application, Application::Closing(_) | Application::Closed) {
            return;
        }
        let mut left = 0;
        for (node, request) in self.fetcher.closing_requests() {
            if self.network.is_ready(node) {
                left += 1;
                self.network.send(node, request, ConsumerPurpose::CloseSession, now, out);
            }
        }
        self.application = Application::Closing(left);
        self.end_if_done(now, out);
    }

    fn session_closed(&mut self, now: Now, out: &mut Outbox) {
        if let Application::Closing(left) = &mut self.application {
            *left -= 1;
        }
        self.end_if_done(now, out);
    }

    fn end_if_done(&mut self, now: Now, out: &mut Outbox) {
        if self.application == Application::Closing(0) {
            self.application = Application::Closed;
            self.network.close(now, out);
            out.halt();
        }
    }
}

fn network(identity: &Identity, setup: &ConsumerSetup) -> ClientNetwork<ConsumerPurpose> {
    let config = &setup.config;
    let settings =
        ConnectionSettings::new(&config.common, &setup.bootstrap, config.allow_auto_create_topics);
    ClientNetwork::new(identity, settings, MAX_IN_FLIGHT)
}

/// `ClientUtils.createNetworkClient` for consumers.
const MAX_IN_FLIGHT: u32 = 100;
