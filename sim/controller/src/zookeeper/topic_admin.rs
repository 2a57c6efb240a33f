//! An administrator deletes topics or lets them grow (`ZkAdminManager.deleteTopics`, `createPartitions`): a thread of
//! its own writes what is wanted, and the controller learns of it from ZooKeeper.

use super::KafkaController;
use super::partition_states::{create, read};
use super::purgatory::Until;
use super::step::Step;
use super::task::{Task, data};
use crate::assignment::{self, Refusal};
use klab_machine::Outbox;
use klab_wire::znodes::{ReplicaAssignment, TopicZNode, path};
use klab_wire::zookeeper::{Data, KeeperError, Op};
use klab_wire::{
    CreatePartitionsResponse, CreatePartitionsTopic, DeleteTopicsResponse, ErrorCode, NodeId, Now,
    PartitionId, Request, Response, TopicName, TopicResult,
};
use std::collections::VecDeque;

/// What is still to be done for a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TopicAdminStep {
    /// Which of these are there?
    Delete,
    /// That was read.
    DeleteChecked(Vec<TopicName>),
    /// Those that are were marked.
    Marked(Vec<TopicResult>),
    /// The next topic that shall grow.
    Grow(VecDeque<CreatePartitionsTopic>, Vec<TopicResult>),
    /// It was read.
    GrowRead(VecDeque<CreatePartitionsTopic>, Vec<TopicResult>),
    /// It was written.
    Grown(TopicName, VecDeque<CreatePartitionsTopic>, Vec<TopicResult>),
}

impl From<TopicAdminStep> for Step {
    fn from(step: TopicAdminStep) -> Self {
        Step::TopicAdmin(step)
    }
}

impl KafkaController {
    pub(super) fn topic_admin(
        &mut self,
        step: TopicAdminStep,
        task: &mut Task,
        now: Now,
        out: &mut Outbox,
    ) {
        match step {
            TopicAdminStep::Delete => begin_deletion(task),
            TopicAdminStep::DeleteChecked(topics) => mark(topics, task),
            TopicAdminStep::Marked(results) => {
                self.deletions_marked(results, task, now, out);
            }
            TopicAdminStep::Grow(rest, results) => match rest.front() {
                Some(topic) => {
                    task.ask([read(path::topic(&topic.name))]);
                    task.then([TopicAdminStep::GrowRead(rest, results).into()]);
                }
                None => self.all_grown(results, task, now, out),
            },
            TopicAdminStep::GrowRead(rest, results) => self.grow_read(rest, results, task),
            TopicAdminStep::Grown(name, rest, mut results) => {
                let error = match task.answer() {
                    Ok(_) => ErrorCode::None,
                    Err(_) => ErrorCode::UnknownServerError,
                };
                results.push(TopicResult { name, error, message: None });
                task.then([TopicAdminStep::Grow(rest, results).into()]);
            }
        }
    }

    fn deletions_marked(
        &mut self,
        mut topics: Vec<TopicResult>,
        task: &mut Task,
        now: Now,
        out: &mut Outbox,
    ) {
        let marked = topics.iter_mut().filter(|one| one.error == ErrorCode::None);
        let mut waited_for = Vec::new();
        for (result, outcome) in marked.zip(task.answers()) {
            match outcome {
                // Somebody wants it deleted already.
                Ok(_) | Err(KeeperError::NodeExists) => waited_for.push(result.name.clone()),
                Err(_) => result.error = ErrorCode::UnknownServerError,
            }
        }
        let Some(reply) = task.reply.take() else { return };
        let Request::DeleteTopics(request) = &reply.request else {
            unreachable!("the task is of this request")
        };
        let timeout = request.timeout;
        let response = Response::DeleteTopics(Box::new(DeleteTopicsResponse { topics }));
        match waited_for.is_empty() {
            true => reply.respond(response, out),
            false => self.answer_when(
                (reply, response),
                (Until::Deleted, waited_for),
                (now, timeout),
                out,
            ),
        }
    }

    fn grow_read(
        &mut self,
        mut rest: VecDeque<CreatePartitionsTopic>,
        mut results: Vec<TopicResult>,
        task: &mut Task,
    ) {
        let found = data(task.answer()).ok().flatten();
        let topic = rest.pop_front().expect("its znode was read");
        match self.grown(&topic, found.map(|(found, _)| TopicZNode::decode(&found))) {
            Ok(znode) if !validates_only(task) => {
                let (path, data) = (path::topic(&topic.name), znode.encode());
                task.ask([Op::SetData { path, data, version: None }]);
                task.then([TopicAdminStep::Grown(topic.name, rest, results).into()]);
            }
            grown => {
                let (error, message) = assignment::told(&grown);
                results.push(TopicResult { name: topic.name, error, message });
                task.then([TopicAdminStep::Grow(rest, results).into()]);
            }
        }
    }

    /// The topic with more partitions (`AdminZkClient.createNewPartitionsAssignment`).
    fn grown(
        &self,
        topic: &CreatePartitionsTopic,
        znode: Option<TopicZNode>,
    ) -> Result<TopicZNode, Refusal> {
        let mut znode = znode.filter(|znode| !znode.assignment.is_empty()).ok_or_else(|| {
            let message = format!("The topic '{}' does not exist.", topic.name);
            Refusal::new(ErrorCode::UnknownTopicOrPartition, message)
        })?;
        if znode.assignment.values().any(ReplicaAssignment::is_being_reassigned) {
            let message =
                format!("A partition reassignment is in progress for the topic '{}'.", topic.name);
            return Err(Refusal::new(ErrorCode::ReassignmentInProgress, message));
        }
        let from = znode.assignment.len() as u32;
        if topic.count <= from {
            let message = format!(
                "Topic currently has {from} partitions, which is higher than or equal to the \
                 requested {}.",
                topic.count
            );
            return Err(Refusal::new(ErrorCode::InvalidPartitions, message));
        }
        let first = znode.assignment.values().next();
        let replicas = first.map_or(1, |first| first.replicas.len());
        let lists = self.lists_of_new(topic, from, replicas)?;
        let new = lists.into_iter().map(|list| ReplicaAssignment::settled(list.into()));
        znode.assignment.extend((from..).map(PartitionId).zip(new));
        Ok(znode)
    }

    fn lists_of_new(
        &self,
        topic: &CreatePartitionsTopic,
        from: u32,
        replicas: usize,
    ) -> Result<Vec<Vec<NodeId>>, Refusal> {
        let additional = topic.count - from;
        let Some(lists) = &topic.assignments else {
            return self.place(&topic.name, from, (additional, replicas as u16));
        };
        if lists.len() != additional as usize {
            let message = format!(
                "Increasing the number of partitions by {additional} but {} assignments provided.",
                lists.len()
            );
            return Err(Refusal::new(ErrorCode::InvalidReplicaAssignment, message));
        }
        let is_live = |node| self.context.live_brokers.contains_key(&node);
        for list in lists {
            assignment::check_replicas(list, Some(replicas), is_live)?;
        }
        Ok(lists.clone())
    }

    fn all_grown(&mut self, topics: Vec<TopicResult>, task: &mut Task, now: Now, out: &mut Outbox) {
        let validate_only = validates_only(task);
        let Some(reply) = task.reply.take() else { return };
        let Request::CreatePartitions(request) = &reply.request else {
            unreachable!("the task is of this request")
        };
        let timeout = request.timeout;
        let grown = topics.iter().filter(|topic| topic.error == ErrorCode::None);
        let grown: Vec<TopicName> = grown.map(|topic| topic.name.clone()).collect();
        let wanted = request.topics.iter().filter(|topic| grown.contains(&topic.name));
        let counts = wanted.map(|topic| (topic.name.clone(), topic.count)).collect();
        let response = Response::CreatePartitions(Box::new(CreatePartitionsResponse { topics }));
        match validate_only || grown.is_empty() {
            true => reply.respond(response, out),
            false => self.answer_when(
                (reply, response),
                (Until::Grown(counts), grown),
                (now, timeout),
                out,
            ),
        }
    }
}

fn validates_only(task: &Task) -> bool {
    matches!(
        task.reply.as_ref().map(|reply| &reply.request),
        Some(Request::CreatePartitions(request)) if request.validate_only
    )
}

fn begin_deletion(task: &mut Task) {
    let Some(Request::DeleteTopics(request)) = task.reply.as_ref().map(|reply| &reply.request)
    else {
        unreachable!("the task is of this request")
    };
    let topics = request.topics.clone();
    let exists = |topic: &TopicName| Op::Exists { path: path::topic(topic), watch: false };
    task.ask(topics.iter().map(exists));
    task.then([TopicAdminStep::DeleteChecked(topics).into()]);
}

/// `AdminZkClient.deleteTopic`.
fn mark(topics: Vec<TopicName>, task: &mut Task) {
    let answers = if topics.is_empty() { Vec::new() } else { task.answers() };
    let checked = |(name, outcome): (TopicName, Result<_, _>)| {
        let error = match outcome {
            Ok(_) => ErrorCode::None,
            Err(_) => ErrorCode::UnknownTopicOrPartition,
        };
        TopicResult { name, error, message: None }
    };
    let results: Vec<TopicResult> = topics.into_iter().zip(answers).map(checked).collect();
    let there = results.iter().filter(|one| one.error == ErrorCode::None);
    let marks: Vec<Op> =
        there.map(|one| create(path::delete_topic(&one.name), Data::default())).collect();
    task.ask(marks);
    task.then([TopicAdminStep::Marked(results).into()]);
}
