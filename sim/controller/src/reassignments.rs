//! Reassignments are begun, cancelled and listed
//! (`ReplicationControlManager.alterPartitionReassignments`, KIP-455).

use crate::active::Active;
use crate::assignment::{Refusal, told};
use crate::decision::{Decision, MAX_RECORDS};
use crate::election::{Election, PartitionChange};
use crate::reassignment::ReassignmentReplicas;
use klab_metadata::{Image, TopicImage};
use klab_wire::{
    AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse, ErrorCode,
    ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse, MetadataRecord, NodeId,
    OngoingReassignment, PartitionChangeRecord, PartitionRegistration, PartitionResult, Response,
    TopicIdPartition, TopicPartition,
};

impl Active {
    pub(crate) fn alter_reassignments(
        &mut self,
        request: &AlterPartitionReassignmentsRequest,
    ) -> Result<Decision, ErrorCode> {
        let (mut records, mut partitions) = (Vec::new(), Vec::new());
        for (partition, target) in &request.partitions {
            let altered = self.alter_reassignment(partition, target.as_deref());
            let (error, message) = told(&altered);
            partitions.push(PartitionResult { partition: partition.clone(), error, message });
            records.extend(altered.ok().flatten().map(MetadataRecord::PartitionChange));
        }
        if records.len() > MAX_RECORDS {
            return Err(ErrorCode::PolicyViolation);
        }
        let error = ErrorCode::None;
        let response = AlterPartitionReassignmentsResponse { error, partitions };
        Ok(Decision::atomic(records, Response::AlterPartitionReassignments(response)))
    }

    fn alter_reassignment(
        &self,
        partition: &TopicPartition,
        target: Option<&[NodeId]>,
    ) -> Result<Option<PartitionChangeRecord>, Refusal> {
        let unknown = || {
            let message = format!("Unable to find partition {partition}.");
            Refusal::new(ErrorCode::UnknownTopicOrPartition, message)
        };
        let topic = self.image().topics.named(&partition.topic).ok_or_else(unknown)?;
        let state = topic.partition(partition.partition).ok_or_else(unknown)?;
        let id = TopicIdPartition { topic: topic.id, partition: partition.partition };
        let change = match target {
            Some(target) => self.reassign(topic, state, target)?,
            None => self.cancel(topic, state)?,
        };
        Ok(change.build(id, |node| self.image().cluster.is_active(node)))
    }

    /// The new replicas come in at once; the old ones go when the new ones are in sync
    /// (`changePartitionReassignment`).
    fn reassign<'a>(
        &self,
        topic: &TopicImage,
        state: &'a PartitionRegistration,
        target: &[NodeId],
    ) -> Result<PartitionChange<'a>, Refusal> {
        self.check_assignment(target, None)?;
        let mut reassignment = ReassignmentReplicas::toward(&state.replicas, target);
        // As in Kafka, what an earlier reassignment was about stays as long as this one has nothing of
        // its own to put in its place.
        if reassignment.removing.is_empty() {
            reassignment.removing = state.removing_replicas.clone();
        }
        if reassignment.adding.is_empty() {
            reassignment.adding = state.adding_replicas.clone();
        }
        let mut change = PartitionChange::of(state, self.election_rules(topic));
        change.reassignment = reassignment;
        Ok(change)
    }

    /// `cancelPartitionReassignment`.
    fn cancel<'a>(
        &self,
        topic: &TopicImage,
        state: &'a PartitionRegistration,
    ) -> Result<PartitionChange<'a>, Refusal> {
        if !state.is_reassigning() {
            return Err(ErrorCode::NoReassignmentInProgress.into());
        }
        let refused = |message| Refusal::new(ErrorCode::InvalidReplicaAssignment, message);
        let back = ReassignmentReplicas::of(state).reverted(&state.isr);
        let back = back.ok_or_else(|| refused("addingReplicas contains all replicas."))?;
        let allows_unclean = self.is_unclean_election_enabled(topic);
        if back.unclean && !allows_unclean {
            return Err(refused("it would require an unclean leader election."));
        }
        let mut change = PartitionChange::of(state, self.election_rules(topic));
        if allows_unclean {
            change.election = Election::Unclean;
        }
        change.isr = back.isr;
        change.reassignment = ReassignmentReplicas::none(back.replicas);
        Ok(change)
    }

    /// The reassignments under way, by what is committed.
    pub(crate) fn list_reassignments(
        &self,
        committed: &Image,
        request: &ListPartitionReassignmentsRequest,
    ) -> Decision {
        let topics = &committed.topics;
        let reassignments = match &request.partitions {
            Some(partitions) => {
                partitions.iter().filter_map(|partition| ongoing(committed, partition)).collect()
            }
            None => {
                let moving = self.pending.index.reassigning().iter();
                let named = moving.filter_map(|partition| topics.called(*partition));
                named.filter_map(|partition| ongoing(committed, &partition)).collect()
            }
        };
        let error = ErrorCode::None;
        let response = ListPartitionReassignmentsResponse { error, reassignments };
        Decision::answer(Response::ListPartitionReassignments(response))
    }
}

fn ongoing(committed: &Image, partition: &TopicPartition) -> Option<OngoingReassignment> {
    let state = committed.topics.partition_named(partition)?;
    state.is_reassigning().then(|| OngoingReassignment {
        partition: partition.clone(),
        replicas: state.replicas.clone(),
        adding: state.adding_replicas.clone(),
        removing: state.removing_replicas.clone(),
    })
}
