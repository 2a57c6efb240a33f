//! Replicas come, stop and go (`ZkReplicaStateMachine`).
//!
//! A replica that goes offline is told to stop, and taken out of the ISR in ZooKeeper; the others learn of it. One
//! that comes online is told who leads.

use super::KafkaController;
use super::context::PartitionAndReplica;
use super::elections;
use super::partition_states::{read_state, written_version};
use super::states::ReplicaState;
use super::step::Step;
use super::task::Task;
use klab_machine::{Mutant, Outbox};
use klab_wire::znodes::{LeaderAndIsr, ReplicaAssignment};
use klab_wire::zookeeper::{KeeperError, Op};
use klab_wire::{NodeId, TopicPartition};
use std::collections::BTreeMap;

/// What the replica state machine has still to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ReplicaStep {
    /// Bring these into a state (`handleStateChanges`).
    Change(Vec<PartitionAndReplica>, ReplicaState),
    /// Bring one broker's replicas of these partitions into a state.
    ChangeOn(NodeId, Vec<TopicPartition>, ReplicaState),
    /// Read the states of partitions whose ISR a broker leaves.
    LeaveIsr(NodeId, Vec<TopicPartition>),
    /// They were read.
    StatesRead(NodeId, Vec<TopicPartition>),
    /// They were written, without it.
    Written(NodeId, Vec<(TopicPartition, LeaderAndIsr, LeaderAndIsr)>),
    /// Tell the brokers.
    Send,
}

impl From<ReplicaStep> for Step {
    fn from(step: ReplicaStep) -> Self {
        Step::Replicas(step)
    }
}

impl KafkaController {
    pub(super) fn replicas(&mut self, step: ReplicaStep, task: &mut Task, out: &mut Outbox) {
        match step {
            ReplicaStep::Change(replicas, state) => change_by_broker(replicas, state, task),
            ReplicaStep::ChangeOn(broker, partitions, state) => {
                self.change_replicas(broker, partitions, state, task);
            }
            ReplicaStep::LeaveIsr(broker, partitions) => {
                task.ask(partitions.iter().map(read_state));
                task.then([ReplicaStep::StatesRead(broker, partitions).into()]);
            }
            ReplicaStep::StatesRead(broker, partitions) => {
                self.leave_isr(broker, partitions, task);
            }
            ReplicaStep::Written(broker, changes) => {
                self.has_left_isr(broker, changes, task, out);
            }
            ReplicaStep::Send => self.send_batch(),
        }
    }

    fn change_replicas(
        &mut self,
        broker: NodeId,
        partitions: Vec<TopicPartition>,
        state: ReplicaState,
        task: &mut Task,
    ) {
        let replica = |partition| PartitionAndReplica { partition, replica: broker };
        let mut valid: Vec<_> = partitions.into_iter().map(replica).collect();
        valid.retain(|replica| state.may_follow(self.context.replica_state(replica)));
        match state {
            ReplicaState::New => valid.iter().for_each(|replica| self.begin_replica(replica)),
            ReplicaState::Online => valid.iter().for_each(|replica| self.bring_up(replica)),
            ReplicaState::Offline => self.take_down(broker, valid, task),
            ReplicaState::DeletionStarted => {
                valid.iter().for_each(|replica| self.delete_replica(replica));
            }
            ReplicaState::DeletionSuccessful | ReplicaState::DeletionIneligible => {
                valid.iter().for_each(|replica| self.context.put_replica_state(replica, state));
            }
            ReplicaState::NonExistent => {
                valid.iter().for_each(|replica| self.forget_replica(replica));
            }
        }
    }

    /// Its broker is told that it has a new replica, unless the partition has no leader yet.
    fn begin_replica(&mut self, replica: &PartitionAndReplica) {
        let PartitionAndReplica { partition, replica: broker } = replica;
        if let Some(state) = self.context.leadership(partition).cloned() {
            if state.leader_and_isr.leader == Some(*broker) {
                return;
            }
            self.batch.add_leader_and_isr(&[*broker], partition, &state, true, &self.context);
        }
        self.context.put_replica_state(replica, ReplicaState::New);
    }

    fn bring_up(&mut self, replica: &PartitionAndReplica) {
        let PartitionAndReplica { partition, replica: broker } = replica;
        if self.context.replica_state(replica) != ReplicaState::New
            && let Some(state) = self.context.leadership(partition).cloned()
        {
            self.batch.add_leader_and_isr(&[*broker], partition, &state, false, &self.context);
        }
        self.context.put_replica_state(replica, ReplicaState::Online);
    }

    fn take_down(&mut self, broker: NodeId, replicas: Vec<PartitionAndReplica>, task: &mut Task) {
        let mut led = Vec::new();
        for replica in replicas {
            let partition = &replica.partition;
            self.batch.add_stop_replica(broker, partition, false, &self.context);
            if self.context.leadership(partition).is_some() {
                led.push(replica.partition);
            } else {
                let brokers = self.context.live_or_shutting_down();
                self.batch.add_update_metadata(brokers, [partition], &self.context);
                self.context.put_replica_state(&replica, ReplicaState::Offline);
            }
        }
        if !led.is_empty() && !Mutant::LeavesTheGoneInSync.lives() {
            task.then([ReplicaStep::LeaveIsr(broker, led).into()]);
        }
    }

    fn delete_replica(&mut self, replica: &PartitionAndReplica) {
        let PartitionAndReplica { partition, replica: broker } = replica;
        self.context.put_replica_state(replica, ReplicaState::DeletionStarted);
        self.batch.add_stop_replica(*broker, partition, true, &self.context);
    }

    fn forget_replica(&mut self, replica: &PartitionAndReplica) {
        let assignment = self.context.assignment(&replica.partition);
        self.context.assign(&replica.partition, without(assignment, replica.replica));
        self.context.remove_replica_state(replica);
    }

    /// `doRemoveReplicasFromIsr`.
    fn leave_isr(&mut self, broker: NodeId, partitions: Vec<TopicPartition>, task: &mut Task) {
        let mut changes = Vec::new();
        for (partition, outcome) in partitions.into_iter().zip(task.answers()) {
            let Ok(before) = self.usable_state(outcome) else { continue };
            match before.isr.contains(&broker) {
                true => {
                    let after = elections::without_replica(&before, broker);
                    changes.push((partition, before, after));
                }
                // It has left already.
                false => self.is_out_of_isr(broker, &partition, before),
            }
        }
        let writes = changes.iter().map(|(partition, _, after)| self.write_state(partition, after));
        let writes: Vec<Op> = writes.collect();
        if !writes.is_empty() {
            task.write(writes, self.guard());
            task.then([ReplicaStep::Written(broker, changes).into()]);
        }
    }

    fn has_left_isr(
        &mut self,
        broker: NodeId,
        changes: Vec<(TopicPartition, LeaderAndIsr, LeaderAndIsr)>,
        task: &mut Task,
        out: &mut Outbox,
    ) {
        let mut again = Vec::new();
        for ((partition, before, after), outcome) in changes.into_iter().zip(task.answers()) {
            match written_version(outcome) {
                Ok(version) => {
                    let after = LeaderAndIsr { partition_epoch: version, ..after };
                    self.state_change(&partition, &before, &after, out);
                    self.is_out_of_isr(broker, &partition, after);
                }
                // Its leader has written it meanwhile.
                Err(KeeperError::BadVersion) => again.push(partition),
                Err(_) => {}
            }
        }
        if !again.is_empty() {
            task.then([ReplicaStep::LeaveIsr(broker, again).into()]);
        }
    }

    /// The other replicas learn of it, unless the topic is to go.
    fn is_out_of_isr(&mut self, broker: NodeId, partition: &TopicPartition, now: LeaderAndIsr) {
        let state = self.of_this_epoch(now);
        self.context.put_leadership(partition, state.clone());
        if !self.context.is_queued_for_deletion(&partition.topic) {
            let replicas = self.context.replicas(partition);
            let others: Vec<_> = replicas.iter().copied().filter(|one| *one != broker).collect();
            self.batch.add_leader_and_isr(&others, partition, &state, false, &self.context);
        }
        let replica = PartitionAndReplica { partition: partition.clone(), replica: broker };
        self.context.put_replica_state(&replica, ReplicaState::Offline);
    }
}

/// One broker after the other; all are told together at the end.
fn change_by_broker(replicas: Vec<PartitionAndReplica>, state: ReplicaState, task: &mut Task) {
    if replicas.is_empty() {
        return;
    }
    let mut brokers: BTreeMap<NodeId, Vec<TopicPartition>> = BTreeMap::new();
    for PartitionAndReplica { partition, replica } in replicas {
        brokers.entry(replica).or_default().push(partition);
    }
    let change = |(broker, partitions)| ReplicaStep::ChangeOn(broker, partitions, state).into();
    task.then(brokers.into_iter().map(change).chain([ReplicaStep::Send.into()]));
}

/// `ReplicaAssignment.removeReplica`.
fn without(assignment: ReplicaAssignment, replica: NodeId) -> ReplicaAssignment {
    let others = |list: &[NodeId]| list.iter().copied().filter(|one| *one != replica).collect();
    ReplicaAssignment {
        replicas: others(&assignment.replicas),
        adding_replicas: others(&assignment.adding_replicas),
        removing_replicas: others(&assignment.removing_replicas),
    }
}
