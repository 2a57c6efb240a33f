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
        Ok(Decision::atomic(records, Response::AlterPartitionReassignments(Box::new(response))))
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
        Decision::answer(Response::ListPartitionReassignments(Box::new(response)))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desk::Desk;
    use crate::testing::nodes;
    use klab_wire::Span;

    fn list(desk: &mut Desk) -> Vec<OngoingReassignment> {
        match desk.ask(ListPartitionReassignmentsRequest { partitions: None }) {
            Response::ListPartitionReassignments(answer) => answer.reassignments,
            other => panic!("no list: {other:?}"),
        }
    }

    #[test]
    fn a_partition_moves_when_its_new_replicas_are_in_sync() {
        let mut desk = Desk::new().with_brokers([1, 2, 3, 4]);
        desk.create("orders", &[&[1, 2, 3]]);
        assert_eq!(desk.reassign("orders", Some(&[1, 2, 4])), ErrorCode::None);
        let moving = list(&mut desk);
        assert_eq!(moving[0].replicas, nodes([1, 2, 4, 3]));
        assert_eq!((&moving[0].adding, &moving[0].removing), (&nodes([4]), &nodes([3])));
        desk.told();
        assert_eq!(desk.alter_isr("orders", 1, &[1, 2, 3, 4]).error, ErrorCode::None);
        assert_eq!(
            desk.told(),
            [
                "LeaderEpochBumped orders-0 leader b1 epoch 1",
                "IsrChanged orders-0 isr [b1, b2, b4] (partition epoch 2)",
                "ReassignmentCompleted orders-0 replicas [b1, b2, b4]",
            ]
        );
        assert_eq!(list(&mut desk), []);
    }

    #[test]
    fn a_cancelled_reassignment_leaves_everything_as_it_was() {
        let mut desk = Desk::new().with_brokers([1, 2, 3]);
        desk.create("orders", &[&[1, 2]]);
        assert_eq!(desk.reassign("orders", None), ErrorCode::NoReassignmentInProgress);
        desk.reassign("orders", Some(&[2, 3]));
        assert_eq!(desk.reassign("orders", None), ErrorCode::None);
        let state = desk.partition("orders", 0);
        assert_eq!((state.replicas, state.isr), (nodes([2, 1]), nodes([1, 2])));
        assert!(desk.told().contains(&"ReassignmentCancelled orders-0 replicas [b2, b1]".into()));
    }

    #[test]
    fn a_target_must_be_registered_brokers_each_once() {
        let mut desk = Desk::new().with_brokers([1, 2]);
        desk.create("orders", &[&[1]]);
        let targets: [&[u16]; 3] = [&[], &[2, 2], &[9]];
        for target in targets {
            let error = desk.reassign("orders", Some(target));
            assert_eq!(error, ErrorCode::InvalidReplicaAssignment);
        }
        assert_eq!(desk.reassign("other", Some(&[1])), ErrorCode::UnknownTopicOrPartition);
    }

    #[test]
    fn a_reassignment_that_only_reorders_or_removes_is_complete_at_once() {
        let mut desk = Desk::new().with_brokers([1, 2]);
        desk.create("orders", &[&[1, 2]]);
        desk.reassign("orders", Some(&[2, 1]));
        assert_eq!(desk.partition("orders", 0).replicas, nodes([2, 1]));
        desk.reassign("orders", Some(&[2]));
        let state = desk.partition("orders", 0);
        assert_eq!((state.replicas, state.isr), (nodes([2]), nodes([2])));
        assert_eq!(list(&mut desk), []);
    }

    #[test]
    fn going_back_to_replicas_that_are_not_in_sync_needs_leave_for_unclean_elections() {
        let cases = [("false", ErrorCode::InvalidReplicaAssignment), ("true", ErrorCode::None)];
        for (enabled, error) in cases {
            let config = [("unclean.leader.election.enable", enabled)];
            let mut desk = Desk::with(config).with_brokers([1, 2, 3, 4]);
            desk.create("orders", &[&[1, 2]]);
            desk.reassign("orders", Some(&[3, 4]));
            // The old ones fall out of the ISR before 4 has come in.
            desk.alter_isr("orders", 1, &[1, 2, 3]);
            desk.live(Span::from_secs(12), &[3, 4]);
            assert_eq!(desk.partition("orders", 0).isr, nodes([3]));
            desk.heartbeat(1);
            assert_eq!(desk.reassign("orders", None), error);
            let is_back = desk.partition("orders", 0).isr == nodes([1]);
            assert_eq!(is_back, error == ErrorCode::None);
        }
    }
}
