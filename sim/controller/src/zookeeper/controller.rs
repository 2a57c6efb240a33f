//! The controller as a machine (`KafkaController`): one event thread, one session, a line to each broker, and the
//! threads that serve administrators (`ZkAdminManager`).

use super::channels::Channels;
use super::config_admin::ConfigStep;
use super::context::ControllerContext;
use super::elector::ElectorStep;
use super::event::Event;
use super::keeper::{Heard, Keeper};
use super::purgatory::{DelayedOperations, Until};
use super::request_batch::RequestBatch;
use super::setup::{KafkaControllerSetup, KafkaControllerView, Settings};
use super::step::Step;
use super::task::{Guard, Task, TaskId};
use super::topic_admin::TopicAdminStep;
use super::topic_creation::CreationStep;
use crate::purgatory::Reply;
use klab_machine::random::stream;
use klab_machine::timer::ControllerTimer;
use klab_machine::{Command, DiskImage, Identity, Input, Machine, Outbox, Timer};
use klab_network::{ExponentialBackoff, NetworkClient, NetworkConfig};
use klab_wire::config::BrokerConfig;
use klab_wire::config::switches::ControllerWrites;
use klab_wire::zookeeper::Op;
use klab_wire::{
    ControllerEpoch, ErrorCode, NodeId, Now, Request, Response, Span, TopicName, TopicPartition,
};
use klab_zookeeper_client as zookeeper;
use klab_zookeeper_client::{Session, Ticket};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// What the end of the session is called.
const CLOSE: Ticket = Ticket(0);

/// A controller in ZooKeeper mode; every broker process hosts one.
#[derive(Clone, Debug)]
pub struct KafkaController {
    pub(super) settings: Arc<Settings>,
    pub(super) keeper: Keeper,
    pub(super) context: ControllerContext,
    pub(super) channels: Channels,
    pub(super) batch: RequestBatch,
    /// Who is the controller, so far as this one knows (`activeControllerId`).
    pub(super) active_controller: Option<NodeId>,
    /// What waits for the event thread.
    pub(super) queue: VecDeque<Event>,
    /// The event thread.
    pub(super) thread: Task,
    /// Requests of administrators that are being carried out.
    tasks: BTreeMap<TaskId, Task>,
    next_task: u64,
    pub(super) delayed: DelayedOperations,
    pub(super) is_shut_down: bool,
}

impl Machine for KafkaController {
    type Config = KafkaControllerSetup;
    type View = KafkaControllerView;

    fn boot(
        identity: Identity,
        setup: KafkaControllerSetup,
        _disk: &DiskImage,
        now: Now,
        out: &mut Outbox,
    ) -> Self {
        let life = [identity.node.key(), identity.incarnation.0];
        let draws = stream(identity.seed, "controller's session", life);
        let session = Session::new(setup.zookeeper, draws, now.time, out);
        let most = setup.config.zookeeper_max_in_flight_requests;
        let network = network(&identity, &setup.config);
        let settings = Settings { identity, config: setup.config, switches: setup.switches };
        KafkaController {
            settings: Arc::new(settings),
            keeper: Keeper::new(session, most),
            context: ControllerContext::default(),
            channels: Channels::new(network),
            batch: RequestBatch::default(),
            active_controller: None,
            queue: VecDeque::from([Event::Startup]),
            thread: Task::default(),
            tasks: BTreeMap::new(),
            next_task: TaskId::EVENT_THREAD.0,
            delayed: DelayedOperations::default(),
            is_shut_down: false,
        }
    }

    fn step(&mut self, now: Now, input: Input, out: &mut Outbox) {
        self.handle(now, input, out);
        self.run(now, out);
        self.delayed.complete(&self.context, out);
        self.channels.pump(now, out);
    }

    fn view(&self) -> KafkaControllerView {
        let live = self.context.live_brokers.iter();
        KafkaControllerView {
            controller: self.active_controller,
            epoch: self.is_active().then_some(self.context.epoch),
            live_brokers: live.map(|(node, known)| (*node, known.epoch)).collect(),
            shutting_down: self.context.shutting_down.iter().copied().collect(),
            topics: self.context.all_topics.len() as u32,
            stranded_deletions: match self.is_idle() {
                true => self.context.stranded_deletions(),
                false => Vec::new(),
            },
            queued_events: self.queue.len() as u32,
            queued_requests: self.channels.queued(),
            server: self.keeper.session.server(),
        }
    }
}

/// A connection is waited for as long as `controller.socket.timeout.ms` says.
fn network(identity: &Identity, config: &BrokerConfig) -> NetworkClient<()> {
    let at_once = ExponentialBackoff { initial: Span::ZERO, max: Span::ZERO };
    let network = NetworkConfig {
        request_timeout: config.request_timeout_ms,
        setup_timeout: config.controller_socket_timeout_ms,
        reconnect_backoff: at_once,
    };
    let life = [identity.node.key(), identity.incarnation.0];
    NetworkClient::new(0, network, stream(identity.seed, "controller's lines to brokers", life))
}

impl KafkaController {
    /// It is the controller, so far as it knows.
    pub fn is_active(&self) -> bool {
        self.active_controller == Some(self.node())
    }

    /// Its epoch, if it is the controller so far as it knows.
    pub fn epoch(&self) -> Option<ControllerEpoch> {
        self.is_active().then_some(self.context.epoch)
    }

    /// Who leads a partition, so far as it knows.
    pub fn leader_of(&self, partition: &TopicPartition) -> Option<NodeId> {
        self.context.leader(partition)
    }

    /// It was told to go, and only closes its session before its process ends.
    pub fn is_shut_down(&self) -> bool {
        self.is_shut_down
    }

    pub(super) fn node(&self) -> NodeId {
        self.settings.identity.node
    }

    /// What a write of this controller checks.
    pub(super) fn guard(&self) -> Guard {
        match self.settings.switches.controller_writes {
            ControllerWrites::Unguarded => Guard(None),
            ControllerWrites::Guarded => Guard(Some(self.context.epoch_zk_version)),
        }
    }

    pub(super) fn put(&mut self, event: Event) {
        self.queue.push_back(event);
    }

    fn handle(&mut self, now: Now, input: Input, out: &mut Outbox) {
        match input {
            input if self.channels.owns(&input) => self.hear_broker(now, input, out),
            Input::Request { connection, correlation, request } => {
                let (request, is_enveloped) = crate::controller::opened(request);
                self.asked(Reply { connection, correlation, request, is_enveloped }, out);
            }
            Input::Frame { connection, frame } => {
                let heard = self.keeper.session.hear(connection, frame, now.time, out);
                self.hear_keeper(heard, now, out);
            }
            Input::Connected { connection } => {
                self.keeper.session.connected(connection, now.time, out);
            }
            Input::Disconnected { connection, .. } => {
                let heard = self.keeper.session.disconnected(connection, now.time, out);
                self.hear_keeper(heard, now, out);
            }
            Input::Timer(Timer::ZooKeeperClient(timer)) => {
                let heard = self.keeper.session.timer(timer, now.time, out);
                self.hear_keeper(heard, now, out);
            }
            Input::Timer(Timer::Controller(timer)) => self.timer(timer, now, out),
            Input::Command(Command::ShutDown) => self.shut_down(now, out),
            // Nothing else is asked of a controller; it stores nothing.
            _ => {}
        }
    }

    fn timer(&mut self, timer: ControllerTimer, now: Now, out: &mut Outbox) {
        match timer {
            ControllerTimer::BalanceLeaders => self.put(Event::AutoPreferredReplicaLeaderElection),
            ControllerTimer::DelayedOperation => self.delayed.expire(now.time, &self.context, out),
            _ => {}
        }
    }

    /// The process' last machine to go: nobody is told anything any more, and with the session `/controller` goes
    /// (`KafkaServer.shutdown`).
    fn shut_down(&mut self, now: Now, out: &mut Outbox) {
        self.give_up_requests(out);
        if self.is_active() {
            self.resign(out);
        }
        self.active_controller = None;
        self.is_shut_down = true;
        self.keeper.forget_requests();
        match self.keeper.session.server() {
            Some(_) => self.keeper.session.submit(CLOSE, Op::CloseSession, now.time, out),
            // Its session expires.
            None => out.halt(),
        }
    }

    fn hear_broker(&mut self, now: Now, input: Input, out: &mut Outbox) {
        match self.channels.handle(now, input, out) {
            Some((broker, _, Response::LeaderAndIsr(response))) => {
                self.put(Event::LeaderAndIsrResponseReceived(broker, *response));
            }
            Some((broker, Request::StopReplica(asked), Response::StopReplica(response))) => {
                let deleted = asked.partitions.iter().filter(|one| one.delete_partition);
                let deleted: Vec<_> = deleted.map(|one| one.partition.clone()).collect();
                self.put(Event::StopReplicaResponseReceived(broker, *response, deleted));
            }
            // What a broker says to UpdateMetadata is logged.
            _ => {}
        }
    }

    fn hear_keeper(&mut self, heard: Vec<zookeeper::Event>, now: Now, out: &mut Outbox) {
        for event in heard {
            match event {
                zookeeper::Event::Connected { .. } | zookeeper::Event::Disconnected => {}
                zookeeper::Event::Expired => self.session_expired(now, out),
                // The session is closed, or the connection is gone.
                zookeeper::Event::Answered(CLOSE, ..) => out.halt(),
                zookeeper::Event::Answered(ticket, op, outcome) => {
                    let answer = self.keeper.answered(ticket, op, outcome, now, out);
                    if let Some((task, place, heard)) = answer {
                        self.answered(task, place, heard, out);
                    }
                }
                zookeeper::Event::Watched(event) => self.watched(&event),
            }
        }
    }

    fn answered(&mut self, id: TaskId, place: u32, heard: Heard, out: &mut Outbox) {
        let task = match id {
            TaskId::EVENT_THREAD => Some(&mut self.thread),
            other => self.tasks.get_mut(&other),
        };
        let Some(task) = task else { return };
        match heard {
            Heard::Outcome(outcome) => task.answered(place, outcome),
            Heard::ControllerMoved => self.controller_moved(id, out),
        }
    }

    /// A write was refused because another controller has been elected: what the thread was about is left, and it
    /// looks who that is (`ControllerMovedException`).
    fn controller_moved(&mut self, id: TaskId, out: &mut Outbox) {
        self.keeper.forget_requests_of(id);
        self.batch.clear();
        let thread = &mut self.thread;
        thread.abandon();
        thread.then([ElectorStep::LookAgain.into()]);
        if let Some(reply) = thread.reply.take() {
            refuse_moved(reply, out);
        }
    }

    /// The session is over: what was queued is dropped, and what is under way ends; a new session begins when that
    /// is dealt with (`beforeInitializingSession`).
    fn session_expired(&mut self, now: Now, out: &mut Outbox) {
        if self.settings.switches.controller_writes == ControllerWrites::Unguarded {
            // The event thread does not notice: what it is about goes on in the new session.
            self.put(Event::Expire);
        } else {
            self.keeper.forget_requests();
            self.give_up_requests(out);
            self.queue.clear();
            self.queue.push_back(Event::Expire);
        }
        self.keeper.session.renew(now.time, out);
    }

    fn give_up_requests(&mut self, out: &mut Outbox) {
        self.thread.abandon();
        self.batch.clear();
        let queued = self.queue.drain(..).filter_map(|event| match event {
            Event::Asked(reply) => Some(reply),
            _ => None,
        });
        let under_way = self.thread.reply.take().into_iter();
        queued.chain(under_way).for_each(|reply| reply.refuse(ErrorCode::NotController, out));
        for task in std::mem::take(&mut self.tasks).into_values() {
            if let Some(reply) = task.reply {
                reply.refuse(ErrorCode::UnknownServerError, out);
            }
        }
    }

    fn asked(&mut self, reply: Reply, out: &mut Outbox) {
        if !self.is_active() {
            reply.refuse(ErrorCode::NotController, out);
        } else if Event::answers(&reply.request) {
            self.put(Event::Asked(reply));
        } else {
            self.administer(reply, out);
        }
    }

    /// A thread of its own carries a request of an administrator out.
    fn administer(&mut self, reply: Reply, out: &mut Outbox) {
        match &reply.request {
            Request::CreateTopics(_) => self.begin_task(CreationStep::Begin.into(), Some(reply)),
            Request::DeleteTopics(_) if !self.settings.config.delete_topic_enable => {
                reply.refuse(ErrorCode::TopicDeletionDisabled, out);
            }
            Request::DeleteTopics(_) => self.begin_task(TopicAdminStep::Delete.into(), Some(reply)),
            Request::CreatePartitions(request) => {
                let topics = request.topics.iter().cloned().collect();
                self.begin_task(TopicAdminStep::Grow(topics, Vec::new()).into(), Some(reply));
            }
            Request::IncrementalAlterConfigs(_) => {
                self.begin_task(ConfigStep::Begin.into(), Some(reply));
            }
            // There is no such API in ZooKeeper mode, or brokers answer it by themselves.
            _ => reply.refuse(ErrorCode::UnsupportedVersion, out),
        }
    }

    /// Answers when what was done shows, or after the request's time; a controller that has resigned meanwhile would
    /// not see it.
    pub(super) fn answer_when(
        &mut self,
        (reply, response): (Reply, Response),
        (until, topics): (Until, Vec<TopicName>),
        (now, timeout): (Now, Span),
        out: &mut Outbox,
    ) {
        match self.is_active() {
            true => {
                let (answer, goal) = ((reply, response), (until, topics));
                self.delayed.wait(answer, goal, (now, timeout), out);
            }
            false => reply.refuse(ErrorCode::NotController, out),
        }
    }

    /// Begins something that a thread of its own carries out.
    pub(super) fn begin_task(&mut self, first: Step, reply: Option<Reply>) {
        self.next_task += 1;
        self.tasks.insert(TaskId(self.next_task), Task::new(first, reply));
    }

    /// Nothing is under way, and nobody owes an answer.
    fn is_idle(&self) -> bool {
        self.thread.is_done()
            && self.tasks.is_empty()
            && self.queue.is_empty()
            && self.channels.queued() == 0
    }

    /// Lets every thread go on as far as it can.
    fn run(&mut self, now: Now, out: &mut Outbox) {
        self.run_event_thread(now, out);
        for id in self.tasks.keys().copied().collect::<Vec<_>>() {
            let Some(mut task) = self.tasks.remove(&id) else { continue };
            self.run_task(id, &mut task, now, out);
            if !task.is_done() {
                self.tasks.insert(id, task);
            }
        }
        // A listener may have queued an event.
        self.run_event_thread(now, out);
    }

    fn run_event_thread(&mut self, now: Now, out: &mut Outbox) {
        loop {
            let mut thread = std::mem::take(&mut self.thread);
            self.run_task(TaskId::EVENT_THREAD, &mut thread, now, out);
            self.thread = thread;
            if !self.thread.is_done() {
                return;
            }
            // An event that ends without an answer to its request has refused it.
            if let Some(reply) = self.thread.reply.take() {
                reply.refuse(ErrorCode::UnknownServerError, out);
            }
            let Some(event) = self.queue.pop_front() else { return };
            self.begin(event, out);
        }
    }

    fn run_task(&mut self, id: TaskId, task: &mut Task, now: Now, out: &mut Outbox) {
        loop {
            for (place, ask) in task.next_asks() {
                self.keeper.ask(id, place, ask, now, out);
            }
            let Some(step) = task.next_step() else { return };
            self.take(step, task, now, out);
        }
    }
}

/// What somebody is told who waits for a controller that finds that it is one no more.
fn refuse_moved(reply: Reply, out: &mut Outbox) {
    let error = match reply.request {
        Request::AlterPartition(_) => ErrorCode::UnknownServerError,
        Request::ControlledShutdown(_) => ErrorCode::StaleControllerEpoch,
        _ => ErrorCode::NotController,
    };
    reply.refuse(error, out);
}
