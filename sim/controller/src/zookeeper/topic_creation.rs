//! An administrator creates topics (`ZkAdminManager.createTopics`, `AdminZkClient.createTopicWithAssignment`).
//!
//! A thread of its own checks and writes: the configs, then the topic with its assignment. It does not need to be
//! the controller's: the controller learns of the topic from ZooKeeper, and the answer waits until its partitions
//! have leaders.

use super::KafkaController;
use super::partition_states::{create, read};
use super::purgatory::Until;
use super::step::Step;
use super::task::{Task, data};
use crate::assignment::{self, Refusal};
use crate::placement::UsableBroker;
use crate::topic_name;
use klab_machine::Outbox;
use klab_wire::config::TopicConfig;
use klab_wire::znodes::{ConfigEntityZNode, ReplicaAssignment, TopicZNode, path};
use klab_wire::zookeeper::{Answer, KeeperError, Op};
use klab_wire::{
    ConfigResource, CreatableTopic, CreateTopicsResponse, CreatedTopic, ErrorCode, NodeId, Now,
    PartitionId, Request, Response, TopicName,
};
use std::collections::{BTreeMap, VecDeque};

/// What is still to be done for a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum CreationStep {
    /// Take it up.
    Begin,
    /// Check the next topic.
    Next(Creation),
    /// Whether it is there, or on its way out, was read.
    Checked(Creation),
    /// Who is the controller, was read: its configs are written only while it is.
    ControllerRead(Creation),
    /// Its configs were written.
    ConfigsSet(Creation),
    /// They were created.
    ConfigsCreated(Creation),
    /// It was created.
    Created(Creation),
}

/// A request half done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Creation {
    rest: VecDeque<CreatableTopic>,
    /// The topic that is being created, and what it will be.
    current: Option<(CreatableTopic, TopicZNode)>,
    done: Vec<CreatedTopic>,
}

impl From<CreationStep> for Step {
    fn from(step: CreationStep) -> Self {
        Step::Creation(step)
    }
}

impl KafkaController {
    pub(super) fn creation(
        &mut self,
        step: CreationStep,
        task: &mut Task,
        now: Now,
        out: &mut Outbox,
    ) {
        match step {
            CreationStep::Begin => begin(task),
            CreationStep::Next(creation) => self.next_topic(creation, task, now, out),
            CreationStep::Checked(creation) => self.topic_checked(creation, task),
            CreationStep::ControllerRead(creation) => set_configs(creation, task),
            CreationStep::ConfigsSet(creation) => configs_set(creation, task),
            CreationStep::ConfigsCreated(creation) => create_topic(creation, task),
            CreationStep::Created(creation) => created(creation, task),
        }
    }

    fn next_topic(&mut self, mut creation: Creation, task: &mut Task, now: Now, out: &mut Outbox) {
        let Some(topic) = creation.rest.pop_front() else {
            return self.all_created(creation.done, task, now, out);
        };
        match self.drafted(&topic) {
            Ok(znode) => {
                let paths = [path::delete_topic(&topic.name), path::topic(&topic.name)];
                task.ask(paths.map(|path| Op::Exists { path, watch: false }));
                creation.current = Some((topic, znode));
                task.then([CreationStep::Checked(creation).into()]);
            }
            Err(why) => {
                creation.done.push(CreatedTopic::refused(&topic.name, why.error, why.message));
                task.then([CreationStep::Next(creation).into()]);
            }
        }
    }

    /// What the topic will be, so far as that can be said without ZooKeeper.
    fn drafted(&self, topic: &CreatableTopic) -> Result<TopicZNode, Refusal> {
        let name = &topic.name;
        topic_name::validate(name)
            .map_err(|message| Refusal::new(ErrorCode::InvalidTopicException, message))?;
        if self.context.all_topics.contains(name) {
            let message = format!("Topic '{name}' already exists.");
            return Err(Refusal::new(ErrorCode::TopicAlreadyExists, message));
        }
        if let Some(other) = self.colliding_with(name) {
            let message = format!("Topic '{name}' collides with existing topics: {other}");
            return Err(Refusal::new(ErrorCode::InvalidTopicException, message));
        }
        let configs = topic.configs.iter().map(|(name, value)| (&**name, &**value));
        TopicConfig::on(&self.settings.config, configs)
            .map_err(|error| Refusal::new(ErrorCode::InvalidConfig, error.to_string()))?;
        let replicas = self.replicas_of_new(topic)?;
        let settled = replicas.into_iter().map(|list| ReplicaAssignment::settled(list.into()));
        let assignment = (0..).map(PartitionId).zip(settled).collect();
        Ok(TopicZNode { id: Some(self.draw_topic_id(name)), assignment })
    }

    fn colliding_with(&self, name: &TopicName) -> Option<&TopicName> {
        let called = topic_name::collision_name(name)?;
        let is_alike =
            |other: &&TopicName| topic_name::collision_name(other) == Some(called.clone());
        self.context.all_topics.iter().find(is_alike)
    }

    fn replicas_of_new(&self, topic: &CreatableTopic) -> Result<Vec<Vec<NodeId>>, Refusal> {
        if topic.assignments.is_empty() {
            let counts = assignment::counts(topic, &self.settings.config)?;
            return self.place(&topic.name, 0, counts);
        }
        let lists = assignment::by_hand(topic)?;
        let replication_factor = lists.first().map(|list| list.len());
        for list in &lists {
            // Whether these brokers are there, nobody asks.
            assignment::check_replicas(list, replication_factor, |_| true)?;
        }
        Ok(lists.into_iter().cloned().collect())
    }

    pub(super) fn place(
        &self,
        topic: &TopicName,
        first: u32,
        counts: (u32, u16),
    ) -> Result<Vec<Vec<NodeId>>, Refusal> {
        let seed = self.settings.identity.seed;
        let usable = self.context.live_brokers.iter().map(|(broker, known)| UsableBroker {
            broker: *broker,
            rack: known.rack.clone(),
            fenced: false,
        });
        assignment::place(seed, (topic, first), counts, usable)
    }

    fn topic_checked(&mut self, mut creation: Creation, task: &mut Task) {
        let is_there = task.answers().iter().any(Result::is_ok);
        let validate_only = matches!(
            task.reply.as_ref().map(|reply| &reply.request),
            Some(Request::CreateTopics(request)) if request.validate_only
        );
        if is_there {
            let (topic, _) = creation.current.take().expect("it was checked");
            let message = format!("Topic '{}' already exists.", topic.name);
            let error = ErrorCode::TopicAlreadyExists;
            creation.done.push(CreatedTopic::refused(&topic.name, error, Some(message.into())));
            task.then([CreationStep::Next(creation).into()]);
        } else if validate_only {
            let current = creation.current.take().expect("it was checked");
            creation.done.push(as_created(&current));
            task.then([CreationStep::Next(creation).into()]);
        } else {
            task.ask([read(path::controller())]);
            task.then([CreationStep::ControllerRead(creation).into()]);
        }
    }

    fn all_created(
        &mut self,
        topics: Vec<CreatedTopic>,
        task: &mut Task,
        now: Now,
        out: &mut Outbox,
    ) {
        let Some(reply) = task.reply.take() else { return };
        let Request::CreateTopics(request) = &reply.request else {
            unreachable!("the task is of this request")
        };
        let (validate_only, timeout) = (request.validate_only, request.timeout);
        let done = topics.iter().filter(|topic| topic.error == ErrorCode::None);
        let names: Vec<TopicName> = done.map(|topic| topic.name.clone()).collect();
        let response = Response::CreateTopics(Box::new(CreateTopicsResponse { topics }));
        match validate_only || names.is_empty() {
            true => reply.respond(response, out),
            false => {
                self.answer_when((reply, response), (Until::Created, names), (now, timeout), out)
            }
        }
    }
}

fn begin(task: &mut Task) {
    let Some(Request::CreateTopics(request)) = task.reply.as_ref().map(|reply| &reply.request)
    else {
        unreachable!("the task is of this request")
    };
    let mut times: BTreeMap<&TopicName, u32> = BTreeMap::new();
    for topic in &request.topics {
        *times.entry(&topic.name).or_default() += 1;
    }
    let (twice, rest): (Vec<_>, Vec<_>) =
        request.topics.iter().cloned().partition(|topic| times[&topic.name] > 1);
    let refused = |topic: &CreatableTopic| {
        let message = Some("Duplicate topic name.".into());
        CreatedTopic::refused(&topic.name, ErrorCode::InvalidRequest, message)
    };
    let done = twice.iter().map(refused).collect();
    let creation = Creation { rest: rest.into(), current: None, done };
    task.then([CreationStep::Next(creation).into()]);
}

/// `setOrCreateEntityConfigs`.
fn set_configs(creation: Creation, task: &mut Task) {
    let version = match data(task.answer()) {
        Ok(Some((_, stat))) => stat.version,
        _ => return fail(creation, ErrorCode::NotController, task),
    };
    let (topic, _) = creation.current.as_ref().expect("it is being created");
    let path = path::config(&ConfigResource::Topic(topic.name.clone()));
    let data = configs_of(topic).encode();
    let check = Op::Check { path: path::controller(), version: Some(version) };
    task.ask([Op::Multi(vec![check, Op::SetData { path, data, version: None }])]);
    task.then([CreationStep::ConfigsSet(creation).into()]);
}

fn configs_of(topic: &CreatableTopic) -> ConfigEntityZNode {
    ConfigEntityZNode(topic.configs.iter().cloned().collect())
}

fn configs_set(creation: Creation, task: &mut Task) {
    let parts = match task.answer() {
        Ok(Answer::Multi(parts)) => parts,
        _ => return fail(creation, ErrorCode::UnknownServerError, task),
    };
    match &parts[..] {
        [Ok(_), Ok(_)] => create_topic(creation, task),
        [Ok(_), Err(KeeperError::NoNode)] => {
            let (topic, _) = creation.current.as_ref().expect("it is being created");
            let path = path::config(&ConfigResource::Topic(topic.name.clone()));
            task.ask([create(path, configs_of(topic).encode())]);
            task.then([CreationStep::ConfigsCreated(creation).into()]);
        }
        // Another controller has been elected meanwhile.
        _ => fail(creation, ErrorCode::NotController, task),
    }
}

fn create_topic(creation: Creation, task: &mut Task) {
    let (topic, znode) = creation.current.as_ref().expect("it is being created");
    task.ask([create(path::topic(&topic.name), znode.encode())]);
    task.then([CreationStep::Created(creation).into()]);
}

fn created(mut creation: Creation, task: &mut Task) {
    match task.answer() {
        Ok(_) => {
            let current = creation.current.take().expect("it was being created");
            creation.done.push(as_created(&current));
            task.then([CreationStep::Next(creation).into()]);
        }
        Err(KeeperError::NodeExists) => fail(creation, ErrorCode::TopicAlreadyExists, task),
        Err(_) => fail(creation, ErrorCode::UnknownServerError, task),
    }
}

fn fail(mut creation: Creation, error: ErrorCode, task: &mut Task) {
    let (topic, _) = creation.current.take().expect("it was being created");
    creation.done.push(CreatedTopic::refused(&topic.name, error, None));
    task.then([CreationStep::Next(creation).into()]);
}

fn as_created((topic, znode): &(CreatableTopic, TopicZNode)) -> CreatedTopic {
    let first = znode.assignment.values().next();
    CreatedTopic {
        name: topic.name.clone(),
        id: znode.id,
        error: ErrorCode::None,
        message: None,
        partitions: znode.assignment.len() as u32,
        replication_factor: first.map_or(0, |first| first.replicas.len() as u16),
    }
}
