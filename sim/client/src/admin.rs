//! The administrator's process: carries out requests one after the other (`KafkaAdminClient`).
//!
//! A call is sent to any broker, or to the leader of its partition, and again after every error that may
//! pass, until `default.api.timeout.ms` is over.

use crate::AdminSetup;
use crate::admin_call::{self, Verdict};
use crate::alarm::Alarm;
use crate::network::{Answer, ClientNetwork, ConnectionSettings};
use crate::values::Numbers;
use klab_machine::random::{Stream, stream};
use klab_machine::timer::ClientTimer;
use klab_machine::{
    Call, Command, DiskImage, Identity, Input, Machine, Operation, OperationId, Outbox, Outcome,
    Timer,
};
use klab_network::ExponentialBackoff;
use klab_wire::config::AdminConfig;
use klab_wire::{ApiKey, ErrorCode, NodeId, Now, Request, Response, Span, Time};
use std::collections::VecDeque;

/// An administrator's client.
#[derive(Clone, Debug)]
pub struct Admin {
    network: ClientNetwork<AdminPurpose>,
    timeout: Span,
    retries: u32,
    backoff: ExponentialBackoff,
    jitter: Stream,
    numbers: Numbers,
    queue: VecDeque<Request>,
    current: Option<CurrentCall>,
    alarm: Alarm,
    is_closed: bool,
}

/// A request of the call with this number; an answer to an earlier call is of no interest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AdminPurpose(OperationId);

/// The call under way.
#[derive(Clone, Debug)]
struct CurrentCall {
    id: OperationId,
    api: ApiKey,
    /// What is still to be done, request by request.
    left: VecDeque<Request>,
    deadline: Time,
    /// The next attempt is not made before this.
    not_before: Time,
    failures: u32,
    in_flight: bool,
    /// An attempt may have been carried out.
    may_be_done: bool,
}

/// What to show of an administrator's client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AdminView {
    /// The call under way.
    pub current: Option<ApiKey>,
    /// Calls that wait for it.
    pub queued: u64,
}

impl Machine for Admin {
    type Config = AdminSetup;
    type View = AdminView;

    fn boot(
        identity: Identity,
        setup: AdminSetup,
        _: &DiskImage,
        now: Now,
        out: &mut Outbox,
    ) -> Self {
        let config = &setup.config;
        let mut admin = Admin {
            network: network(&identity, &setup),
            timeout: config.default_api_timeout_ms,
            retries: config.retries,
            backoff: backoff(config),
            jitter: stream(identity.seed, "retries", [identity.incarnation.0]),
            numbers: Numbers::of(&identity),
            queue: VecDeque::new(),
            current: None,
            alarm: Alarm::new(Timer::Client(ClientTimer::Deadline(0))),
            is_closed: false,
        };
        admin.run(now, out);
        admin
    }

    fn step(&mut self, now: Now, input: Input, out: &mut Outbox) {
        match input {
            Input::Timer(Timer::Client(ClientTimer::Metadata)) => {
                self.network.metadata_alarm_rang();
            }
            Input::Timer(Timer::Client(_)) => self.alarm.rang(),
            Input::Command(Command::Administer(request)) => self.queue.push_back(request),
            Input::Command(Command::ShutDown) => return self.close(now, out),
            Input::Response { connection, correlation, response } => {
                let network = &mut self.network;
                let answer = network.answered(connection, correlation, response, now, out);
                let Some(answer) = answer else { return };
                self.take_in(answer, now, out);
            }
            input if self.network.owns(&input) => self.network(input, now, out),
            // Nobody asks an administrator's tool for anything, and it stores nothing.
            _ => return,
        }
        self.run(now, out);
    }

    fn view(&self) -> AdminView {
        let current = self.current.as_ref().map(|call| call.api);
        AdminView { current, queued: self.queue.len() as u64 }
    }
}

impl Admin {
    fn run(&mut self, now: Now, out: &mut Outbox) {
        if self.is_closed {
            return;
        }
        self.expire(now, out);
        while self.current.is_none()
            && let Some(request) = self.queue.pop_front()
        {
            self.begin(request, now, out);
        }
        self.attempt(now, out);
        self.network.poll(now, out);
        self.set_alarm(now, out);
    }

    fn set_alarm(&mut self, now: Now, out: &mut Outbox) {
        let Some(call) = &self.current else { return };
        let attempt = Some(call.not_before).filter(|at| !call.in_flight && *at > now.time);
        self.alarm.ring_by(attempt.unwrap_or(Time::MAX).min(call.deadline), now, out);
    }

    fn begin(&mut self, request: Request, now: Now, out: &mut Outbox) {
        let (id, api) = (self.numbers.operation(), request.api());
        let what = admin_call::describe(&request);
        out.record(Operation::Began { id, call: Call::Administer { api, what } });
        let left: VecDeque<Request> = admin_call::parts(request).into();
        for partition in left.iter().filter_map(admin_call::led_by) {
            self.network.metadata.add_topic(&partition.topic);
        }
        let call = CurrentCall {
            id,
            api,
            left,
            deadline: now.time + self.timeout,
            not_before: Time::ZERO,
            failures: 0,
            in_flight: false,
            may_be_done: false,
        };
        self.current = Some(call);
        self.end_if_done(out);
    }

    /// Sends what is next, if there is somebody to send it to.
    fn attempt(&mut self, now: Now, out: &mut Outbox) {
        let Some(call) = &self.current else { return };
        let Some(request) = call.left.front() else { return };
        if call.in_flight || call.not_before > now.time {
            return;
        }
        let (request, purpose) = (request.clone(), AdminPurpose(call.id));
        let Some(node) = self.target(&request, now, out) else { return };
        if !self.network.is_ready(node) {
            return self.network.connect(node, now, out);
        }
        self.network.send(node, request, purpose, now, out);
        if let Some(call) = &mut self.current {
            call.in_flight = true;
        }
    }

    fn target(&mut self, request: &Request, now: Now, out: &mut Outbox) -> Option<NodeId> {
        if let Some(partition) = admin_call::led_by(request) {
            let leader = self.network.metadata.current_leader(partition).leader;
            if leader.is_none() {
                self.network.metadata.request_update();
            }
            return leader;
        }
        let node = self.network.least_loaded_node(now);
        if node.is_none() {
            self.network.await_any(now, out);
        }
        node
    }

    fn network(&mut self, input: Input, now: Now, out: &mut Outbox) {
        for failed in self.network.handle(now, input, out) {
            if let Some(answer) = self.network.failed(failed, now, out) {
                self.take_in(answer, now, out);
            }
        }
    }

    fn take_in(&mut self, answer: Answer<AdminPurpose>, now: Now, out: &mut Outbox) {
        match answer {
            Answer::Answered { purpose, response, .. } if self.is_current(purpose) => {
                self.answered(&response, now, out);
            }
            Answer::Failed { purpose, error, was_sent, .. } if self.is_current(purpose) => {
                self.failed(error, was_sent, now, out);
            }
            _ => {}
        }
    }

    fn is_current(&self, purpose: AdminPurpose) -> bool {
        self.current.as_ref().is_some_and(|call| call.id == purpose.0)
    }

    fn answered(&mut self, response: &Response, now: Now, out: &mut Outbox) {
        let Some(call) = &mut self.current else { return };
        call.in_flight = false;
        let asked = call.left.pop_front().expect("what was sent is still to be done");
        match admin_call::verdict(&asked, response) {
            Verdict::Done => self.end_if_done(out),
            Verdict::Failed(error) => self.end_with(error, out),
            Verdict::Retry(rest, error) => {
                call.left.push_front(rest);
                // `REQUEST_TIMED_OUT`: the controller may still do it.
                call.may_be_done |= error == ErrorCode::RequestTimedOut;
                self.retry(error, now, out);
            }
        }
    }

    fn failed(&mut self, error: ErrorCode, was_sent: bool, now: Now, out: &mut Outbox) {
        let Some(call) = &mut self.current else { return };
        call.in_flight = false;
        call.may_be_done |= was_sent;
        self.retry(error, now, out);
    }

    fn retry(&mut self, error: ErrorCode, now: Now, out: &mut Outbox) {
        let Some(call) = &mut self.current else { return };
        if call.failures >= self.retries {
            return self.end_with(error, out);
        }
        call.not_before = now.time + self.backoff.after(call.failures, &mut self.jitter);
        call.failures += 1;
        if error.is_stale_metadata() {
            self.network.metadata.request_update();
        }
    }

    /// `default.api.timeout.ms` has passed.
    fn expire(&mut self, now: Now, out: &mut Outbox) {
        if let Some(call) = &mut self.current
            && call.deadline <= now.time
        {
            call.may_be_done |= call.in_flight;
            self.end_with(ErrorCode::RequestTimedOut, out);
        }
    }

    fn end_if_done(&mut self, out: &mut Outbox) {
        if let Some(call) = self.current.take_if(|call| call.left.is_empty()) {
            out.record(Operation::Ended { id: call.id, outcome: Outcome::Done });
        }
    }

    fn end_with(&mut self, error: ErrorCode, out: &mut Outbox) {
        let Some(call) = self.current.take() else { return };
        let outcome = match call.may_be_done {
            true => Outcome::Unknown(error),
            false => Outcome::Failed(error),
        };
        out.record(Operation::Ended { id: call.id, outcome });
    }

    fn close(&mut self, now: Now, out: &mut Outbox) {
        if self.is_closed {
            return;
        }
        self.is_closed = true;
        if let Some(call) = &mut self.current {
            call.may_be_done |= call.in_flight;
            self.end_with(ErrorCode::OperationNotAttempted, out);
        }
        self.network.close(now, out);
        out.halt();
    }
}

fn backoff(config: &AdminConfig) -> ExponentialBackoff {
    ExponentialBackoff {
        initial: config.common.retry_backoff_ms,
        max: config.common.retry_backoff_max_ms,
    }
}

fn network(identity: &Identity, setup: &AdminSetup) -> ClientNetwork<AdminPurpose> {
    let config = &setup.config;
    let settings = ConnectionSettings::new(&config.common, &setup.bootstrap, false);
    // `KafkaAdminClient.createInternal`: one request at a time.
    ClientNetwork::new(identity, settings, 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Asked, Bench, Cluster};
    use klab_wire::{
        DeleteRecordsRequest, DeleteRecordsResponse, DeleteTopicsRequest, DeleteTopicsResponse,
        DeletedRecords, Offset, TopicPartition, TopicResult,
    };

    fn boot(cluster: Cluster) -> Bench<Admin> {
        let config = AdminConfig::default();
        let setup = AdminSetup { config, bootstrap: vec![NodeId::broker(1)] };
        Bench::boot(NodeId::admin(1), setup, cluster)
    }

    fn delete(bench: &mut Bench<Admin>, name: &str) {
        let request = DeleteTopicsRequest { topics: vec![name.into()], timeout: Span::ZERO };
        bench.step(Input::Command(Command::Administer(request.into())));
    }

    fn answer(bench: &mut Bench<Admin>, asked: &Asked, error: ErrorCode) {
        let topics = vec![TopicResult { name: "a".into(), error, message: None }];
        bench.answer(asked, Response::DeleteTopics(Box::new(DeleteTopicsResponse { topics })));
    }

    fn ends(bench: &Bench<Admin>) -> Vec<Outcome> {
        bench.outcomes().into_iter().map(|(_, outcome)| outcome).collect()
    }

    #[test]
    fn calls_are_carried_out_one_after_the_other() {
        let mut bench = boot(Cluster::of(1));
        delete(&mut bench, "a");
        delete(&mut bench, "b");
        let first = bench.asked();
        assert!(bench.requests.is_empty());
        assert_eq!(bench.machine.view().queued, 1);
        answer(&mut bench, &first, ErrorCode::None);
        let second = bench.asked();
        answer(&mut bench, &second, ErrorCode::TopicDeletionDisabled);
        let failed = Outcome::Failed(ErrorCode::TopicDeletionDisabled);
        assert_eq!(ends(&bench), [Outcome::Done, failed]);
    }

    #[test]
    fn an_error_that_may_pass_is_tried_again_until_the_call_has_no_time_left() {
        let mut bench = boot(Cluster::of(1));
        delete(&mut bench, "a");
        let mut attempts = 0;
        while ends(&bench).is_empty() {
            while let Some(asked) = bench.requests.pop_front() {
                attempts += 1;
                answer(&mut bench, &asked, ErrorCode::NotController);
            }
            bench.run_for(Span::from_millis(100));
        }
        assert_eq!(ends(&bench), [Outcome::Failed(ErrorCode::RequestTimedOut)]);
        assert!((50..80).contains(&attempts), "about one a second: {attempts}");
    }

    #[test]
    fn a_lost_answer_leaves_a_refused_repetition_unknown() {
        let mut bench = boot(Cluster::of(1));
        delete(&mut bench, "a");
        let lost = bench.asked();
        bench.disconnect(&lost);
        bench.run_for(Span::from_secs(2));
        let again = bench.asked();
        answer(&mut bench, &again, ErrorCode::PolicyViolation);
        assert_eq!(ends(&bench), [Outcome::Unknown(ErrorCode::PolicyViolation)]);
    }

    #[test]
    fn kip_107_records_are_deleted_at_the_leaders_of_their_partitions() {
        let leaders = vec![(Some(2), 0), (Some(3), 0)];
        let mut bench = boot(Cluster { leaders, ..Cluster::of(2) });
        let partition = |index| (TopicPartition::new("t", index), Some(Offset(5)));
        let partitions = vec![partition(0), partition(1)];
        let request = DeleteRecordsRequest { partitions, timeout: Span::ZERO };
        bench.step(Input::Command(Command::Administer(request.into())));
        for (index, leader) in [(0, 2), (1, 3)] {
            let asked = bench.asked();
            assert_eq!(asked.to, NodeId::broker(leader));
            let partition = TopicPartition::new("t", index);
            let deleted = DeletedRecords {
                partition,
                error: ErrorCode::None,
                low_watermark: Some(Offset(5)),
            };
            let response = DeleteRecordsResponse { partitions: vec![deleted] };
            bench.answer(&asked, Response::DeleteRecords(Box::new(response)));
        }
        assert_eq!(ends(&bench), [Outcome::Done]);
    }
}
