//! What a controller's writes mean: the same facts that the other host of the rules states, when ZooKeeper has
//! confirmed them.

use super::KafkaController;
use crate::facts;
use klab_machine::Outbox;
use klab_machine::fact::ControllerFact;
use klab_wire::znodes::{LeaderAndIsr, ReplicaAssignment};
use klab_wire::{PartitionRegistration, TopicName, TopicPartition};
use std::sync::Arc;

impl KafkaController {
    /// A partition's state as both hosts of the rules know it.
    pub(super) fn registration(&self, partition: &TopicPartition) -> PartitionRegistration {
        let known = self.context.leadership(partition).expect("the partition has a state");
        registration(self.context.assignment(partition), &known.leader_and_isr)
    }

    /// A new partition has its first leader.
    pub(super) fn state_new_partition(&self, partition: &TopicPartition, out: &mut Outbox) {
        let state = self.registration(partition);
        out.state(ControllerFact::PartitionCreated {
            partition: partition.clone(),
            leader: state.leader,
            replicas: state.replicas,
            isr: state.isr,
        });
    }

    /// A partition's leader or ISR has changed.
    pub(super) fn state_change(
        &self,
        partition: &TopicPartition,
        before: &LeaderAndIsr,
        after: &LeaderAndIsr,
        out: &mut Outbox,
    ) {
        let assignment = self.context.assignment(partition);
        let before = registration(assignment.clone(), before);
        let after = registration(assignment, after);
        facts::state_partition_change(partition, &before, &after, out);
    }

    /// A topic's znode is gone.
    pub(super) fn state_topic_deleted(&self, topic: &TopicName, out: &mut Outbox) {
        let id = self.context.topic_id(topic).unwrap_or_default();
        out.state(ControllerFact::TopicDeleted { topic: topic.clone(), id });
    }
}

fn registration(assignment: ReplicaAssignment, state: &LeaderAndIsr) -> PartitionRegistration {
    PartitionRegistration {
        replicas: assignment.replicas,
        isr: state.isr.clone(),
        removing_replicas: assignment.removing_replicas,
        adding_replicas: assignment.adding_replicas,
        leader: state.leader,
        leader_recovery_state: state.leader_recovery_state,
        leader_epoch: state.leader_epoch,
        partition_epoch: state.partition_epoch,
        elr: Arc::default(),
        last_known_elr: Arc::default(),
    }
}
