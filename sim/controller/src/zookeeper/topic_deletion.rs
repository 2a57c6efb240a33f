//! Topics go (`TopicDeletionManager`): everybody learns that they do, every replica is stopped and deleted, and when
//! every broker has said so the znodes go, too.
//!
//! A replica that is not online cannot be deleted: its topic waits until its broker is back. So does one whose
//! replicas are on the move.

use super::KafkaController;
use super::context::PartitionAndReplica;
use super::replica_states::ReplicaStep;
use super::states::{PartitionState, ReplicaState};
use super::step::Step;
use super::task::{Task, children};
use klab_machine::Outbox;
use klab_machine::fact::ControllerFact;
use klab_wire::znodes::path;
use klab_wire::zookeeper::{KeeperError, Op, Path};
use klab_wire::{
    ConfigResource, ErrorCode, NodeId, StopReplicaResponse, TopicName, TopicPartition,
};
use std::collections::BTreeSet;

/// What is still to be done about topics that go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum DeletionStep {
    /// Which shall go? A new controller takes over.
    ReadForFailover,
    /// That was read.
    FailoverRead,
    /// Which shall go?
    Read,
    /// That was read.
    NamesRead,
    /// Go on with everything that can go on (`resumeDeletions`).
    Resume,
    /// These wait no more.
    ResumeFor(BTreeSet<TopicName>),
    /// These could not be deleted, and are tried again.
    Retry(Vec<TopicName>),
    /// Stop these, and delete their replicas (`onTopicDeletion`).
    Begin(Vec<TopicName>),
    /// These have to wait.
    Halt(BTreeSet<TopicName>),
    /// A znode and everything in it goes: first what is in it.
    DeleteTree(Path),
    /// That was read.
    TreeRead(Path),
    /// Now itself.
    DeleteZNode(Path),
    /// That was done, or refused.
    ZNodeDeleted,
    /// All replicas of a topic are deleted, and its znode is.
    ForgetConfigs(TopicName),
    /// It is no more.
    Forget(TopicName),
}

impl From<DeletionStep> for Step {
    fn from(step: DeletionStep) -> Self {
        Step::Deletion(step)
    }
}

impl KafkaController {
    pub(super) fn deletion(&mut self, step: DeletionStep, task: &mut Task, out: &mut Outbox) {
        match step {
            DeletionStep::ReadForFailover => {
                ask_for_deletions(task);
                task.then([DeletionStep::FailoverRead.into()]);
            }
            DeletionStep::FailoverRead => self.deletions_in_progress(task),
            DeletionStep::Read => {
                ask_for_deletions(task);
                task.then([DeletionStep::NamesRead.into()]);
            }
            DeletionStep::NamesRead => self.deletions_read(task),
            DeletionStep::Resume => self.resume_deletions(task),
            DeletionStep::ResumeFor(topics) => self.resume_deletion_for(&topics, task),
            DeletionStep::Retry(topics) => self.retry_deletion(&topics, task),
            DeletionStep::Begin(topics) => self.begin_deletion(&topics, task, out),
            DeletionStep::Halt(topics) => self.halt_deletion(&topics),
            DeletionStep::DeleteTree(path) => {
                task.ask([Op::GetChildren { path: path.clone(), watch: false }]);
                task.then([DeletionStep::TreeRead(path).into()]);
            }
            DeletionStep::TreeRead(path) => {
                let names = children(task.answer());
                let inner = names.iter().map(|name| DeletionStep::DeleteTree(path.child(name)));
                let steps = inner.chain([DeletionStep::DeleteZNode(path.clone())]);
                task.then(steps.map(Step::from).collect::<Vec<_>>());
            }
            DeletionStep::DeleteZNode(path) => {
                task.write([Op::Delete { path, version: None }], self.guard());
                task.then([DeletionStep::ZNodeDeleted.into()]);
            }
            DeletionStep::ZNodeDeleted => {
                // `KafkaZkClient.deleteRecursive` throws; the topic is not forgotten, and stays.
                if task.answer().is_err_and(|error| error != KeeperError::NoNode) {
                    task.abandon();
                }
            }
            DeletionStep::ForgetConfigs(topic) => {
                let configs = path::config(&ConfigResource::Topic(topic.clone()));
                let paths = [configs, path::delete_topic(&topic)];
                for path in paths {
                    task.write([Op::Delete { path, version: None }], self.guard());
                }
                task.then([DeletionStep::Forget(topic).into()]);
            }
            DeletionStep::Forget(topic) => {
                self.state_topic_deleted(&topic, out);
                self.context.remove_topic(&topic);
            }
        }
    }

    fn is_deletion_enabled(&self) -> bool {
        self.settings.config.delete_topic_enable
    }

    /// `fetchTopicDeletionsInProgress`, `TopicDeletionManager.init`.
    fn deletions_in_progress(&mut self, task: &mut Task) {
        let topics: BTreeSet<TopicName> =
            children(task.answer()).into_iter().map(TopicName::from).collect();
        if !self.is_deletion_enabled() {
            return self.forget_requests_for(topics, task);
        }
        let waits = |topic: &TopicName| {
            let replicas = self.context.replicas_of(topic);
            let is_offline =
                |one: &PartitionAndReplica| !self.context.is_online(one.replica, &one.partition);
            let is_moving =
                |one: &PartitionAndReplica| self.context.being_reassigned.contains(&one.partition);
            replicas.iter().any(|one| is_offline(one) || is_moving(one))
        };
        self.context.ineligible_for_deletion =
            topics.iter().filter(|topic| waits(topic)).cloned().collect();
        self.context.to_be_deleted = topics;
    }

    /// `processTopicDeletion`.
    fn deletions_read(&mut self, task: &mut Task) {
        let names = children(task.answer());
        let asked: BTreeSet<TopicName> = names.into_iter().map(TopicName::from).collect();
        let (known, unknown): (BTreeSet<_>, BTreeSet<_>) =
            asked.into_iter().partition(|topic| self.context.all_topics.contains(topic));
        if !self.is_deletion_enabled() {
            return self.forget_requests_for(known.union(&unknown).cloned(), task);
        }
        self.forget_requests_for(unknown, task);
        if known.is_empty() {
            return;
        }
        let moving = self.context.being_reassigned.iter().map(|partition| &partition.topic);
        let moving = moving.filter(|topic| known.contains(topic)).cloned().collect();
        self.halt_deletion(&moving);
        self.context.to_be_deleted.extend(known);
        task.then([DeletionStep::Resume.into()]);
    }

    fn forget_requests_for(&self, topics: impl IntoIterator<Item = TopicName>, task: &mut Task) {
        let delete = |topic| Op::Delete { path: path::delete_topic(&topic), version: None };
        task.write(topics.into_iter().map(delete), self.guard());
    }

    fn resume_deletions(&mut self, task: &mut Task) {
        let (mut retry, mut begin, mut steps) = (Vec::new(), Vec::new(), Vec::new());
        for topic in &self.context.to_be_deleted {
            let replicas = self.context.replicas_of(topic);
            let state = |one: &PartitionAndReplica| self.context.replica_state(one);
            if replicas.iter().all(|one| state(one) == ReplicaState::DeletionSuccessful) {
                steps.extend(self.complete_deletion(topic, replicas));
                continue;
            }
            let is_under_way =
                replicas.iter().any(|one| state(one) == ReplicaState::DeletionStarted);
            if !is_under_way
                && replicas.iter().any(|one| state(one) == ReplicaState::DeletionIneligible)
            {
                retry.push(topic.clone());
            }
            if !is_under_way && !self.context.ineligible_for_deletion.contains(topic) {
                begin.push(topic.clone());
            }
        }
        if !retry.is_empty() {
            steps.push(DeletionStep::Retry(retry).into());
        }
        if !begin.is_empty() {
            steps.push(DeletionStep::Begin(begin).into());
        }
        task.then(steps);
    }

    /// `completeDeleteTopic`.
    fn complete_deletion(
        &self,
        topic: &TopicName,
        replicas: Vec<PartitionAndReplica>,
    ) -> [Step; 3] {
        [
            ReplicaStep::Change(replicas, ReplicaState::NonExistent).into(),
            DeletionStep::DeleteTree(path::topic(topic)).into(),
            DeletionStep::ForgetConfigs(topic.clone()).into(),
        ]
    }

    /// `resumeDeletionForTopics`.
    fn resume_deletion_for(&mut self, topics: &BTreeSet<TopicName>, task: &mut Task) {
        let to_go: Vec<_> = topics.intersection(&self.context.to_be_deleted).cloned().collect();
        if !to_go.is_empty() && self.is_deletion_enabled() {
            self.context.ineligible_for_deletion.retain(|topic| !to_go.contains(topic));
            task.then([DeletionStep::Resume.into()]);
        }
    }

    fn retry_deletion(&self, topics: &[TopicName], task: &mut Task) {
        let failed = |topic| self.context.replicas_in(topic, ReplicaState::DeletionIneligible);
        let failed = topics.iter().flat_map(failed).collect();
        task.then([ReplicaStep::Change(failed, ReplicaState::Offline).into()]);
    }

    fn begin_deletion(&mut self, topics: &[TopicName], task: &mut Task, out: &mut Outbox) {
        let partitions: Vec<TopicPartition> =
            topics.iter().flat_map(|topic| self.context.partitions_of(topic)).collect();
        for topic in topics {
            if self.context.deletion_started.insert(topic.clone()) {
                out.state(ControllerFact::TopicDeletionBegan { topic: topic.clone() });
                let own = self.context.partitions_of(topic);
                self.change_partitions(own.clone(), PartitionState::Offline);
                self.change_partitions(own, PartitionState::NonExistent);
            }
            self.keeper.forget_data(&path::topic(topic));
        }
        self.send_update_metadata(&partitions);
        self.delete_partitions(topics, task);
    }

    /// `onPartitionDeletion`.
    fn delete_partitions(&self, topics: &[TopicName], task: &mut Task) {
        let (mut dead, mut alive, mut halted) = (Vec::new(), Vec::new(), BTreeSet::new());
        for topic in topics {
            for one in self.context.replicas_of(topic) {
                if !self.context.is_online(one.replica, &one.partition) {
                    halted.insert(topic.clone());
                    dead.push(one);
                } else if self.context.replica_state(&one) != ReplicaState::DeletionSuccessful {
                    alive.push(one);
                }
            }
        }
        task.then([
            ReplicaStep::Change(dead, ReplicaState::DeletionIneligible).into(),
            ReplicaStep::Change(alive.clone(), ReplicaState::Offline).into(),
            ReplicaStep::Change(alive, ReplicaState::DeletionStarted).into(),
            DeletionStep::Halt(halted).into(),
        ]);
    }

    /// `markTopicIneligibleForDeletion`: of those that are to go.
    pub(super) fn halt_deletion(&mut self, topics: &BTreeSet<TopicName>) {
        let halted: Vec<_> = topics.intersection(&self.context.to_be_deleted).cloned().collect();
        self.context.ineligible_for_deletion.extend(halted);
    }

    /// Replicas of topics that go could not be deleted (`failReplicaDeletion`).
    pub(super) fn fail_deletion(&self, replicas: Vec<PartitionAndReplica>, task: &mut Task) {
        let is_to_go =
            |one: &PartitionAndReplica| self.context.is_queued_for_deletion(&one.partition.topic);
        let failed: Vec<_> = replicas.into_iter().filter(is_to_go).collect();
        if failed.is_empty() {
            return;
        }
        let topics = failed.iter().map(|one| one.partition.topic.clone()).collect();
        task.then([
            ReplicaStep::Change(failed, ReplicaState::DeletionIneligible).into(),
            DeletionStep::Halt(topics).into(),
            DeletionStep::Resume.into(),
        ]);
    }

    /// A broker has answered a StopReplica that was to delete these
    /// (`processTopicDeletionStopReplicaResponseReceived`).
    pub(super) fn stop_replica_answered(
        &mut self,
        broker: NodeId,
        response: &StopReplicaResponse,
        asked: Vec<TopicPartition>,
        task: &mut Task,
    ) {
        let has_failed = |partition: &TopicPartition| {
            let mut answers = response.partitions.iter();
            let own = answers.find(|one| one.partition == *partition);
            response.error != ErrorCode::None || own.is_some_and(|one| one.error != ErrorCode::None)
        };
        let started = |one: &TopicPartition| self.context.deletion_started.contains(&one.topic);
        let (failed, deleted): (Vec<_>, Vec<_>) =
            asked.into_iter().filter(started).partition(has_failed);
        let replica = |partition| PartitionAndReplica { partition, replica: broker };
        if !deleted.is_empty() {
            let deleted = deleted.into_iter().map(replica).collect();
            task.then([
                ReplicaStep::Change(deleted, ReplicaState::DeletionSuccessful).into(),
                DeletionStep::Resume.into(),
            ]);
        }
        self.fail_deletion(failed.into_iter().map(replica).collect(), task);
    }
}

fn ask_for_deletions(task: &mut Task) {
    task.ask([Op::GetChildren { path: path::delete_topics(), watch: true }]);
}
