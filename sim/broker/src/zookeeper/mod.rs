//! A broker in ZooKeeper mode: what it keeps in znodes, and what it hears from its controller
//! (`KafkaServer`, `KafkaZkClient`).
//!
//! - `startup.rs`: what it reads before it serves. `registration.rs`: `/brokers/ids/N`, its sign of life.
//! - `control.rs`: LeaderAndIsr, StopReplica and UpdateMetadata, all that it ever learns about partitions.
//! - `configs.rs`: `/config`, and what tells of changes there.
//! - `isr_write.rs`: the ISR that a leader of before 2.7 writes down by itself.
//! - `controlled_shutdown.rs`: leave to go, and the end of the session.
//!
//! Everything asked of the ensemble is asked until it is answered (`retryRequestUntilConnected`): a request whose
//! connection is lost may have been carried out, and every one of these bears repetition. While the ensemble
//! has no quorum nothing is answered, and the replicas serve on as they are.

mod configs;
mod control;
mod controlled_shutdown;
mod isr_write;
mod registration;
mod startup;

use crate::Broker;
use crate::metadata_source::MetadataSource;
use crate::view::ZooKeeperView;
use klab_machine::operation::KeeperOutcome;
use klab_machine::random::stream;
use klab_machine::{Identity, Input, Outbox};
use klab_wire::znodes::path;
use klab_wire::zookeeper::{Answer, KeeperError, Op, SessionId, WatcherEvent};
use klab_wire::{AlterPartitionData, ConfigResource, Now, TopicPartition};
use klab_zookeeper_client::{Event, Session, SessionSetup, Ticket};
use std::collections::{BTreeMap, BTreeSet};

/// What a broker has only in ZooKeeper mode.
#[derive(Clone, Debug)]
pub struct ZooKeeperMode {
    session: Session,
    questions: BTreeMap<Ticket, Question>,
    next_ticket: u64,
    stage: startup::Stage,
    /// The session that registered last (`currentZooKeeperSessionId`).
    registered_in: Option<SessionId>,
    control: control::ControlPlane,
    last_change: Option<u64>,
    isr_writes: isr_write::IsrWrites,
    /// How often leave to go may still be asked for.
    shutdown_attempts: u32,
}

/// What a request to the ensemble is for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Question {
    /// A znode that everything else is in is to be there.
    TopLevelPath,
    /// Which topics have configs of their own?
    ConfiguredTopics,
    /// How is this configured?
    Config(ConfigResource, configs::Reason),
    /// Which changes of configs are there?
    ConfigChanges,
    /// What has changed?
    ConfigChange,
    /// The broker's own znode is to be there.
    Registration,
    /// Whose is it?
    RegistrationOwner,
    /// It is to go.
    RegistrationRemoval,
    /// An ISR is to be this.
    IsrWrite(AlterPartitionData),
    /// Is it?
    IsrCheck(AlterPartitionData),
    /// The controller is to know of these.
    IsrNotification(BTreeSet<TopicPartition>),
    /// The session is to end.
    Close,
}

impl Question {
    /// A new session asks by itself.
    fn is_of_its_session(&self) -> bool {
        matches!(
            self,
            Question::Registration
                | Question::RegistrationOwner
                | Question::RegistrationRemoval
                | Question::ConfigChanges
                | Question::Close
        )
    }
}

impl ZooKeeperMode {
    /// A broker that begins to connect.
    pub fn new(setup: SessionSetup, identity: &Identity, now: Now, out: &mut Outbox) -> Self {
        let life = [identity.node.key(), identity.incarnation.0];
        let hosts = stream(identity.seed, "broker's connection string", life);
        ZooKeeperMode {
            session: Session::new(setup, hosts, now.time, out),
            questions: BTreeMap::new(),
            next_ticket: 0,
            stage: startup::Stage::CreatingPaths { left: 0 },
            registered_in: None,
            control: control::ControlPlane::default(),
            last_change: None,
            isr_writes: isr_write::IsrWrites::default(),
            shutdown_attempts: 0,
        }
    }

    /// Whether an input is for it.
    pub fn owns(&self, input: &Input) -> bool {
        self.session.owns(input)
    }

    /// What a reader is shown.
    pub fn view(&self) -> ZooKeeperView {
        ZooKeeperView {
            session: self.session.id(),
            server: self.session.server(),
            last_zxid: self.session.last_zxid(),
            controller_epoch: self.control.epoch(),
        }
    }
}

impl Broker {
    /// What only ZooKeeper mode has.
    fn zookeeper(&mut self) -> &mut ZooKeeperMode {
        match &mut self.source {
            MetadataSource::ZooKeeper(mode) => mode,
            MetadataSource::Quorum(_) => unreachable!("nothing of ZooKeeper happens in KRaft mode"),
        }
    }

    /// Something of the session.
    pub(crate) fn zookeeper_input(&mut self, input: Input, now: Now, out: &mut Outbox) {
        let events = self.zookeeper().session.handle(input, now.time, out);
        for event in events {
            self.session_event(event, now, out);
        }
    }

    fn session_event(&mut self, event: Event, now: Now, out: &mut Outbox) {
        match event {
            Event::Connected { is_new: true } => self.session_begun(now, out),
            Event::Connected { is_new: false } | Event::Disconnected => {}
            Event::Expired => self.zookeeper().session.renew(now.time, out),
            Event::Answered(ticket, op, outcome) => {
                self.keeper_answered(ticket, op, outcome, now, out)
            }
            Event::Watched(event) => self.watched(&event, now, out),
        }
    }

    /// A new session has none of what the last one had: no registration, no watches
    /// (`RegisterBrokerAndReelect`, `ZkStateChangeHandler`).
    fn session_begun(&mut self, now: Now, out: &mut Outbox) {
        if self.zookeeper().stage.is_behind_the_logs() {
            self.register_in_zookeeper(now, out);
        }
        if self.is_published {
            self.follow_config_changes(now, out);
        }
    }

    fn watched(&mut self, event: &WatcherEvent, now: Now, out: &mut Outbox) {
        if event.path == path::config_changes() {
            self.follow_config_changes(now, out);
        }
    }

    fn ask(&mut self, question: Question, op: Op, now: Now, out: &mut Outbox) {
        let mode = self.zookeeper();
        let ticket = Ticket(mode.next_ticket);
        mode.next_ticket += 1;
        mode.questions.insert(ticket, question);
        mode.session.submit(ticket, op, now.time, out);
    }

    fn keeper_answered(
        &mut self,
        ticket: Ticket,
        op: Op,
        outcome: KeeperOutcome,
        now: Now,
        out: &mut Outbox,
    ) {
        let Some(question) = self.zookeeper().questions.remove(&ticket) else { return };
        match outcome.result() {
            Err(KeeperError::SessionExpired) if question.is_of_its_session() => {}
            Err(
                KeeperError::ConnectionLoss
                | KeeperError::SessionExpired
                | KeeperError::SessionMoved,
            ) => self.ask(question, op, now, out),
            result => self.answered(question, result, now, out),
        }
    }

    fn answered(
        &mut self,
        question: Question,
        result: Result<Answer, KeeperError>,
        now: Now,
        out: &mut Outbox,
    ) {
        match question {
            Question::TopLevelPath => self.top_level_path_created(now, out),
            Question::ConfiguredTopics => self.topics_to_configure(result, now, out),
            Question::Config(resource, reason) => {
                self.config_read(resource, reason, result, now, out);
            }
            Question::ConfigChanges => self.config_changes_listed(result, now, out),
            Question::ConfigChange => self.config_change_read(result, now, out),
            Question::Registration => self.registration_answered(result, now, out),
            Question::RegistrationOwner => self.registration_owner_told(result, now, out),
            Question::RegistrationRemoval => self.register_in_zookeeper(now, out),
            Question::IsrWrite(change) => self.isr_write_answered(change, result, now, out),
            Question::IsrCheck(change) => self.isr_checked(change, result, now, out),
            Question::IsrNotification(_) | Question::Close => {}
        }
    }
}
