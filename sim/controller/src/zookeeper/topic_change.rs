//! Topics and partitions come and go in ZooKeeper (`processTopicChange`, `processPartitionModifications`): whoever
//! wrote them, the controller reads them, and gives new partitions leaders.

use super::KafkaController;
use super::elections::Strategy;
use super::partition_states::{PartitionStep, read};
use super::replica_states::ReplicaStep;
use super::states::{PartitionState, ReplicaState};
use super::step::Step;
use super::task::{Task, children, data};
use klab_machine::Outbox;
use klab_machine::fact::ControllerFact;
use klab_machine::random::stream;
use klab_wire::znodes::{ReplicaAssignment, TopicZNode, path};
use klab_wire::zookeeper::Op;
use klab_wire::{TopicId, TopicName, TopicPartition};
use std::collections::BTreeSet;

/// What is still to be done about topics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TopicStep {
    /// Which topics are there?
    ReadAll,
    /// That was read.
    AllRead,
    /// These are new, and were read.
    NewRead(Vec<TopicName>),
    /// A topic's znode has other data.
    ReadModified(TopicName),
    /// It was read.
    ModifiedRead(TopicName),
    /// Give new partitions leaders.
    CreatePartitions(Vec<TopicPartition>),
}

impl From<TopicStep> for Step {
    fn from(step: TopicStep) -> Self {
        Step::Topics(step)
    }
}

impl KafkaController {
    pub(super) fn topics(&mut self, step: TopicStep, task: &mut Task, out: &mut Outbox) {
        match step {
            TopicStep::ReadAll => {
                task.ask([Op::GetChildren { path: path::topics(), watch: true }]);
                task.then([TopicStep::AllRead.into()]);
            }
            TopicStep::AllRead => self.all_topics_read(task, out),
            TopicStep::NewRead(topics) => self.new_topics_read(topics, task, out),
            TopicStep::ReadModified(topic) => {
                task.ask([read(path::topic(&topic))]);
                task.then([TopicStep::ModifiedRead(topic).into()]);
            }
            TopicStep::ModifiedRead(topic) => self.modified_topic_read(&topic, task, out),
            TopicStep::CreatePartitions(partitions) => self.create_partitions(partitions, task),
        }
    }

    fn all_topics_read(&mut self, task: &mut Task, out: &mut Outbox) {
        let names = children(task.answer());
        let there: BTreeSet<TopicName> = names.into_iter().map(TopicName::from).collect();
        let new: Vec<_> = there.difference(&self.context.all_topics).cloned().collect();
        let gone: Vec<_> = self.context.all_topics.difference(&there).cloned().collect();
        self.context.all_topics = there;
        for topic in &gone {
            self.state_topic_deleted(topic, out);
            self.context.remove_topic(topic);
        }
        new.iter().for_each(|topic| self.keeper.handle_data(path::topic(topic)));
        task.ask(new.iter().map(|topic| read(path::topic(topic))));
        task.then([TopicStep::NewRead(new).into()]);
    }

    fn new_topics_read(&mut self, topics: Vec<TopicName>, task: &mut Task, out: &mut Outbox) {
        let read = topics_read(topics, task);
        self.give_topic_ids(&read, task, out);
        for (topic, znode) in &read {
            let partitions = znode.assignment.len() as u32;
            let id = self.context.topic_id(topic).unwrap_or_default();
            out.state(ControllerFact::TopicCreated { topic: topic.clone(), id, partitions });
        }
        let mut new = Vec::new();
        for (partition, assignment) in assignments_in(&read) {
            self.context.assign(&partition, assignment);
            new.push(partition);
        }
        task.then([TopicStep::CreatePartitions(new).into()]);
    }

    /// Topics that a release without topic ids has created get theirs (`processTopicIds`).
    pub(super) fn give_topic_ids(
        &mut self,
        read: &[(TopicName, TopicZNode)],
        task: &mut Task,
        _: &mut Outbox,
    ) {
        let mut writes = Vec::new();
        for (topic, znode) in read {
            let id = znode.id.unwrap_or_else(|| self.draw_topic_id(topic));
            self.context.add_topic_id(topic, id);
            if znode.id.is_none() {
                let data = TopicZNode { id: Some(id), ..znode.clone() }.encode();
                writes.push(Op::SetData { path: path::topic(topic), data, version: None });
            }
        }
        task.write(writes, self.guard());
    }

    /// `Uuid.randomUuid`: other for each life of a topic.
    pub(super) fn draw_topic_id(&self, topic: &TopicName) -> TopicId {
        let (seed, zxid) = (self.settings.identity.seed, self.keeper.session.last_zxid());
        let mut draws = stream(seed, &format!("identity of {topic}"), [zxid.0]);
        TopicId(draws.between(2, u64::from(u32::MAX)))
    }

    /// A topic may have got more partitions; that replicas have moved, the controller wrote itself.
    fn modified_topic_read(&mut self, topic: &TopicName, task: &mut Task, out: &mut Outbox) {
        let Ok(Some((found, _))) = data(task.answer()) else { return };
        let znode = TopicZNode::decode(&found);
        let read = [(topic.clone(), znode)];
        let mut new = assignments_in(&read);
        new.retain(|(partition, _)| !self.context.exists(partition));
        if new.is_empty() || self.context.is_queued_for_deletion(topic) {
            return;
        }
        let from = self.context.partitions_of(topic).len() as u32;
        let to = from + new.len() as u32;
        out.state(ControllerFact::PartitionsCreated { topic: topic.clone(), from, to });
        let mut partitions = Vec::new();
        for (partition, assignment) in new {
            self.context.assign(&partition, assignment);
            partitions.push(partition);
        }
        task.then([TopicStep::CreatePartitions(partitions).into()]);
    }

    /// `onNewPartitionCreation`.
    fn create_partitions(&mut self, partitions: Vec<TopicPartition>, task: &mut Task) {
        if partitions.is_empty() {
            return;
        }
        let replicas = self.context.replicas_for(&partitions);
        task.then([
            PartitionStep::Change(partitions.clone(), PartitionState::New).into(),
            ReplicaStep::Change(replicas.clone(), ReplicaState::New).into(),
            PartitionStep::BringOnline(partitions, Strategy::Offline { allow_unclean: false })
                .into(),
            ReplicaStep::Change(replicas, ReplicaState::Online).into(),
        ]);
    }
}

/// What the znodes of these topics say that were just read, as far as they are there.
pub(super) fn topics_read(topics: Vec<TopicName>, task: &mut Task) -> Vec<(TopicName, TopicZNode)> {
    let answers = if topics.is_empty() { Vec::new() } else { task.answers() };
    let read = topics.into_iter().zip(answers).filter_map(|(topic, outcome)| {
        let (found, _) = data(outcome).ok().flatten()?;
        Some((topic, TopicZNode::decode(&found)))
    });
    read.collect()
}

/// Every partition of these topics, with who holds its replicas.
pub(super) fn assignments_in(
    read: &[(TopicName, TopicZNode)],
) -> Vec<(TopicPartition, ReplicaAssignment)> {
    let mut found = Vec::new();
    for (topic, znode) in read {
        found.extend(znode.assignment.iter().map(|(partition, assignment)| {
            let (topic, partition) = (topic.clone(), *partition);
            (TopicPartition { topic, partition }, assignment.clone())
        }));
    }
    found
}
