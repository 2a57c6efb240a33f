//! Replicas move (`onPartitionReassignment`, KIP-455).
//!
//! What is wanted is written to the topic's znode first, so that a later controller goes on with it: the replicas
//! that are and those that shall be, together. The new ones are told to follow. When they all are in sync, the old
//! ones leave the ISR, are deleted, and the znode says so last.

use super::KafkaController;
use super::context::PartitionAndReplica;
use super::elections::Strategy;
use super::partition_states::{PartitionStep, read_state, written_version};
use super::reassign_request::RequestStep;
use super::replica_states::ReplicaStep;
use super::states::ReplicaState;
use super::step::Step;
use super::task::{Outcome, Task, data};
use super::topic_deletion::DeletionStep;
use crate::facts;
use klab_machine::Outbox;
use klab_wire::config::switches::IsrChanges;
use klab_wire::znodes::{
    LeaderAndIsr, ReplicaAssignment, TopicPartitionStateZNode, TopicZNode, path,
};
use klab_wire::zookeeper::{KeeperError, Op};
use klab_wire::{NodeId, TopicPartition};
use std::collections::BTreeSet;
use std::sync::Arc;

/// What is still to be done about a partition whose replicas move.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ReassignStep {
    /// Begin, or go on (`onPartitionReassignment`).
    Begin(TopicPartition, ReplicaAssignment),
    /// What is wanted was written; before, it was this.
    Wanted(TopicPartition, ReplicaAssignment, ReplicaAssignment),
    /// See how far it is.
    Look(TopicPartition, ReplicaAssignment),
    /// Who is in sync, was read.
    StateRead(TopicPartition, ReplicaAssignment),
    /// Count the leader epoch up, and tell the replicas (`updateLeaderEpochAndSendRequest`).
    BumpEpoch(TopicPartition, ReplicaAssignment),
    /// The state was read.
    EpochRead(TopicPartition, ReplicaAssignment),
    /// It was written.
    EpochWritten(TopicPartition, ReplicaAssignment, LeaderAndIsr, LeaderAndIsr),
    /// All who stay are in sync: it is complete.
    Complete(TopicPartition, ReplicaAssignment),
    /// Give it a leader among those who stay.
    MoveLeader(TopicPartition),
    /// Write down that it is done; before, it was this.
    Settle(TopicPartition, ReplicaAssignment),
    /// That was written.
    Settled(TopicPartition, ReplicaAssignment),
    /// See whether it is complete by now (`maybeCompleteReassignment`).
    MaybeComplete(TopicPartition),
    /// Who is in sync, was read.
    MaybeCompleteRead(TopicPartition),
    /// Go on with every partition on the move but these (`maybeResumeReassignments`).
    ResumeExcept(BTreeSet<TopicPartition>),
    /// Go on with those that are to be on these brokers.
    ResumeOn(BTreeSet<NodeId>),
}

impl From<ReassignStep> for Step {
    fn from(step: ReassignStep) -> Self {
        Step::Reassign(step)
    }
}

impl KafkaController {
    pub(super) fn reassign(&mut self, step: ReassignStep, task: &mut Task, out: &mut Outbox) {
        match step {
            ReassignStep::Begin(partition, wanted) => {
                self.begin_reassignment(partition, wanted, task)
            }
            ReassignStep::Wanted(partition, wanted, before) => {
                self.reassignment_wanted(&partition, wanted, &before, task, out);
            }
            ReassignStep::Look(partition, wanted) => self.look_at(partition, wanted, task),
            ReassignStep::StateRead(partition, wanted) => {
                self.go_on_with(partition, wanted, task);
            }
            ReassignStep::BumpEpoch(partition, assignment) => {
                task.ask([read_state(&partition)]);
                task.then([ReassignStep::EpochRead(partition, assignment).into()]);
            }
            ReassignStep::EpochRead(partition, assignment) => {
                self.bump_epoch(partition, assignment, task);
            }
            ReassignStep::EpochWritten(partition, assignment, before, after) => {
                self.epoch_bumped(partition, assignment, (before, after), task, out);
            }
            ReassignStep::Complete(partition, wanted) => self.complete(partition, wanted, task),
            ReassignStep::MoveLeader(partition) => self.move_leader(partition, task),
            ReassignStep::Settle(partition, before) => {
                self.write_assignments(&partition, task);
                task.then([ReassignStep::Settled(partition, before).into()]);
            }
            ReassignStep::Settled(partition, before) => {
                self.settled(partition, &before, task, out);
            }
            ReassignStep::MaybeComplete(partition) => {
                task.ask([read_state(&partition)]);
                task.then([ReassignStep::MaybeCompleteRead(partition).into()]);
            }
            ReassignStep::MaybeCompleteRead(partition) => self.maybe_complete(partition, task),
            ReassignStep::ResumeExcept(begun) => {
                self.resume(|partition, _| !begun.contains(partition), task);
            }
            ReassignStep::ResumeOn(brokers) => {
                let is_target = |assignment: &ReplicaAssignment| {
                    assignment.target_replicas().iter().any(|one| brokers.contains(one))
                };
                self.resume(|_, assignment| is_target(assignment), task);
            }
        }
    }

    fn begin_reassignment(
        &mut self,
        partition: TopicPartition,
        wanted: ReplicaAssignment,
        task: &mut Task,
    ) {
        self.halt_deletion(&[partition.topic.clone()].into());
        let before = self.context.assignment(&partition);
        task.then([ReassignStep::Look(partition.clone(), wanted.clone()).into()]);
        if before != wanted {
            self.write_topic(&partition, &wanted, task);
            task.then([ReassignStep::Wanted(partition, wanted, before).into()]);
        }
    }

    /// Steps U2 and U3.
    fn reassignment_wanted(
        &mut self,
        partition: &TopicPartition,
        wanted: ReplicaAssignment,
        before: &ReplicaAssignment,
        task: &mut Task,
        out: &mut Outbox,
    ) {
        if task.answer().is_err() {
            return;
        }
        self.state_reassignment(partition, before, &wanted, out);
        let unneeded = before.replicas.iter().filter(|one| !wanted.replicas.contains(one));
        let unneeded: Vec<NodeId> = unneeded.copied().collect();
        self.context.assign(partition, wanted);
        stop_removed(partition, &unneeded, task);
    }

    fn look_at(&mut self, partition: TopicPartition, wanted: ReplicaAssignment, task: &mut Task) {
        if self.settings.switches.isr_changes == IsrChanges::LeaderWrites {
            self.keeper.handle_data(path::state(&partition));
        }
        self.context.being_reassigned.insert(partition.clone());
        if wanted.is_being_reassigned() {
            task.ask([read_state(&partition)]);
            task.then([ReassignStep::StateRead(partition, wanted).into()]);
        } else {
            task.then([ReassignStep::Complete(partition, wanted).into()]);
        }
    }

    /// Phase A if somebody who is to stay is not in sync, else phase B.
    fn go_on_with(&self, partition: TopicPartition, wanted: ReplicaAssignment, task: &mut Task) {
        if all_in_sync(task.answer(), &wanted) {
            return task.then([ReassignStep::Complete(partition, wanted).into()]);
        }
        let mut steps = vec![ReassignStep::BumpEpoch(partition.clone(), wanted.clone()).into()];
        for replica in wanted.adding_replicas.iter() {
            let one = PartitionAndReplica { partition: partition.clone(), replica: *replica };
            steps.push(ReplicaStep::Change(vec![one], ReplicaState::New).into());
        }
        task.then(steps);
    }

    fn bump_epoch(
        &self,
        partition: TopicPartition,
        assignment: ReplicaAssignment,
        task: &mut Task,
    ) {
        let Ok(before) = self.usable_state(task.answer()) else { return };
        let after = before.next(before.leader, before.isr.clone());
        task.write([self.write_state(&partition, &after)], self.guard());
        task.then([ReassignStep::EpochWritten(partition, assignment, before, after).into()]);
    }

    fn epoch_bumped(
        &mut self,
        partition: TopicPartition,
        assignment: ReplicaAssignment,
        (before, after): (LeaderAndIsr, LeaderAndIsr),
        task: &mut Task,
        out: &mut Outbox,
    ) {
        let version = match written_version(task.answer()) {
            Ok(version) => version,
            // Its leader has written it meanwhile.
            Err(KeeperError::BadVersion) => {
                return task.then([ReassignStep::BumpEpoch(partition, assignment).into()]);
            }
            Err(_) => return,
        };
        let after = LeaderAndIsr { partition_epoch: version, ..after };
        self.state_change(&partition, &before, &after, out);
        let state = self.of_this_epoch(after);
        self.context.put_leadership(&partition, state.clone());
        let (origin, adding) = (assignment.origin_replicas(), &assignment.adding_replicas);
        let context = &self.context;
        self.batch.add_leader_and_isr(&origin, &partition, &state, false, context);
        self.batch.add_leader_and_isr(adding, &partition, &state, true, context);
        self.send_batch();
    }

    /// Phase B, step by step.
    fn complete(&self, partition: TopicPartition, wanted: ReplicaAssignment, task: &mut Task) {
        let replica =
            |one: &NodeId| PartitionAndReplica { partition: partition.clone(), replica: *one };
        let adding = wanted.adding_replicas.iter().map(replica).collect();
        task.then([
            ReplicaStep::Change(adding, ReplicaState::Online).into(),
            ReassignStep::MoveLeader(partition.clone()).into(),
            ReassignStep::Settle(partition.clone(), wanted).into(),
            DeletionStep::ResumeFor([partition.topic.clone()].into()).into(),
        ]);
    }

    /// Steps B2 to B5.
    fn move_leader(&mut self, partition: TopicPartition, task: &mut Task) {
        let moving = self.context.assignment(&partition);
        let completed = ReplicaAssignment::settled(moving.target_replicas());
        self.context.assign(&partition, completed.clone());
        stop_removed(&partition, &moving.removing_replicas, task);
        let leader = self.context.leader(&partition);
        let stays = leader.is_some_and(|leader| {
            completed.replicas.contains(&leader) && self.context.is_online(leader, &partition)
        });
        task.then([match stays {
            true => ReassignStep::BumpEpoch(partition, completed).into(),
            false => PartitionStep::BringOnline(vec![partition], Strategy::Reassign).into(),
        }]);
    }

    /// Steps B7 and B8.
    fn settled(
        &mut self,
        partition: TopicPartition,
        before: &ReplicaAssignment,
        task: &mut Task,
        out: &mut Outbox,
    ) {
        if task.answer().is_err() {
            return;
        }
        let now = self.context.assignment(&partition);
        self.state_reassignment(&partition, before, &now, out);
        if self.settings.switches.isr_changes == IsrChanges::LeaderWrites {
            self.keeper.forget_data(&path::state(&partition));
        }
        self.context.being_reassigned.remove(&partition);
        let done = (partition.clone(), Some(now.replicas));
        task.then([RequestStep::Remove(vec![done]).into(), RequestStep::Tell(partition).into()]);
    }

    fn maybe_complete(&self, partition: TopicPartition, task: &mut Task) {
        let assignment = self.context.assignment(&partition);
        let outcome = task.answer();
        if !assignment.is_being_reassigned() || all_in_sync(outcome, &assignment) {
            task.then([ReassignStep::Begin(partition, assignment).into()]);
        }
    }

    fn resume(
        &self,
        is_due: impl Fn(&TopicPartition, &ReplicaAssignment) -> bool,
        task: &mut Task,
    ) {
        let mut steps = Vec::new();
        for partition in &self.context.being_reassigned {
            let assignment = self.context.assignment(partition);
            if is_due(partition, &assignment) {
                steps.push(ReassignStep::Begin(partition.clone(), assignment).into());
            }
        }
        task.then(steps);
    }

    /// A leader has a new ISR: a reassignment may be complete by it.
    pub(super) fn look_after_reassignments<'a>(
        &self,
        partitions: impl IntoIterator<Item = &'a TopicPartition>,
        task: &mut Task,
    ) {
        let moving =
            partitions.into_iter().filter(|one| self.context.being_reassigned.contains(one));
        let look = |one: &TopicPartition| Step::from(ReassignStep::MaybeComplete(one.clone()));
        task.then(moving.map(look).collect::<Vec<_>>());
    }

    /// `updateReplicaAssignmentForPartition`.
    fn write_topic(&self, partition: &TopicPartition, wanted: &ReplicaAssignment, task: &mut Task) {
        let topic = &partition.topic;
        let mut assignment = self.context.assignments_of(topic);
        assignment.insert(partition.partition, wanted.clone());
        let data = TopicZNode { id: self.context.topic_id(topic), assignment }.encode();
        task.write([Op::SetData { path: path::topic(topic), data, version: None }], self.guard());
    }

    fn write_assignments(&self, partition: &TopicPartition, task: &mut Task) {
        self.write_topic(partition, &self.context.assignment(partition), task);
    }

    fn state_reassignment(
        &self,
        partition: &TopicPartition,
        before: &ReplicaAssignment,
        after: &ReplicaAssignment,
        out: &mut Outbox,
    ) {
        let mut now = self.registration(partition);
        let mut then = now.clone();
        for (state, assignment) in [(&mut then, before), (&mut now, after)] {
            state.replicas = assignment.replicas.clone();
            state.adding_replicas = assignment.adding_replicas.clone();
            state.removing_replicas = assignment.removing_replicas.clone();
        }
        facts::state_partition_change(partition, &then, &now, out);
    }
}

fn all_in_sync(outcome: Outcome, wanted: &ReplicaAssignment) -> bool {
    let Ok(Some((found, stat))) = data(outcome) else { return false };
    let state = TopicPartitionStateZNode::decode(&found, stat.version);
    let isr: Arc<[NodeId]> = state.map_or_else(Arc::default, |state| state.leader_and_isr.isr);
    wanted.target_replicas().iter().all(|one| isr.contains(one))
}

/// `stopRemovedReplicasOfReassignedPartition`. Whether they are deleted, nobody waits to hear.
fn stop_removed(partition: &TopicPartition, removed: &[NodeId], task: &mut Task) {
    let replica =
        |one: &NodeId| PartitionAndReplica { partition: partition.clone(), replica: *one };
    let replicas: Vec<_> = removed.iter().map(replica).collect();
    let change = |state| ReplicaStep::Change(replicas.clone(), state).into();
    task.then([
        change(ReplicaState::Offline),
        change(ReplicaState::DeletionStarted),
        change(ReplicaState::DeletionSuccessful),
        change(ReplicaState::NonExistent),
    ]);
}
