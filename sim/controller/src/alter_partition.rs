//! A leader changes its ISR (`ReplicationControlManager.alterPartition`, KIP-497).

use crate::active::Active;
use crate::decision::Decision;
use crate::election::{Election, PartitionChange};
use crate::isr::{self, Candidate, IsrProposal};
use klab_machine::fact::ControllerFact;
use klab_metadata::{BrokerRegistration, merge};
use klab_wire::{
    AlterPartitionData, AlterPartitionRequest, AlterPartitionResponse, AlteredPartition, ErrorCode,
    MetadataRecord, NodeId, PartitionChangeRecord, PartitionRegistration, Response,
    TopicIdPartition,
};

impl Active {
    pub(crate) fn alter_partition(
        &mut self,
        request: &AlterPartitionRequest,
    ) -> Result<Decision, ErrorCode> {
        self.check_broker_epoch(request.broker, request.broker_epoch)?;
        let (mut records, mut facts, mut partitions) = (Vec::new(), Vec::new(), Vec::new());
        for data in &request.partitions {
            match self.alter_one(request.broker, data) {
                Ok((record, answer)) => {
                    records.extend(record.map(MetadataRecord::PartitionChange));
                    partitions.push(answer);
                }
                Err(error) => {
                    facts.extend(self.rejection(request.broker, data.partition, error));
                    partitions.push(AlteredPartition::refused(data.partition, error));
                }
            }
        }
        let error = ErrorCode::None;
        let response = Response::AlterPartition(AlterPartitionResponse { error, partitions });
        Ok(Decision { facts, ..Decision::with_response(records, response) })
    }

    fn alter_one(
        &self,
        sender: NodeId,
        data: &AlterPartitionData,
    ) -> Result<(Option<PartitionChangeRecord>, AlteredPartition), ErrorCode> {
        let partition = data.partition;
        let topic = self.image().topics.topic(partition.topic).ok_or(ErrorCode::UnknownTopicId)?;
        let state =
            topic.partition(partition.partition).ok_or(ErrorCode::UnknownTopicOrPartition)?;
        isr::validate(state, &proposal(sender, data), |node| self.candidate(node))?;
        let mut change = PartitionChange::of(state, self.election_rules(topic));
        if self.is_unclean_election_enabled(topic) {
            change.election = Election::Unclean;
        }
        change.isr = data.new_isr.iter().map(|member| member.broker).collect();
        change.leader_recovery_state = data.leader_recovery_state;
        let record = change.build(partition, |node| self.image().cluster.is_active(node));
        let answer = match &record {
            None => altered(partition, state),
            Some(record) => answer_to(sender, partition, state, record),
        };
        Ok((record, answer))
    }

    fn candidate(&self, node: NodeId) -> Option<Candidate> {
        let registration = self.image().cluster.broker(node)?;
        let (is_active, epoch) =
            (BrokerRegistration::is_active(registration), registration.epoch());
        Some(Candidate { is_active, epoch })
    }

    fn rejection(
        &self,
        broker: NodeId,
        partition: TopicIdPartition,
        error: ErrorCode,
    ) -> Option<ControllerFact> {
        let partition = self.image().topics.called(partition)?;
        Some(ControllerFact::AlterPartitionRejected { partition, broker, error })
    }
}

fn proposal(sender: NodeId, data: &AlterPartitionData) -> IsrProposal<'_> {
    IsrProposal {
        sender,
        leader_epoch: data.leader_epoch,
        partition_epoch: data.partition_epoch,
        isr: &data.new_isr,
        leader_recovery_state: data.leader_recovery_state,
    }
}

/// A change that completes a reassignment may give the lead to another: that is both a change and an
/// error, so that the sender waits for fresh metadata.
fn answer_to(
    sender: NodeId,
    partition: TopicIdPartition,
    before: &PartitionRegistration,
    record: &PartitionChangeRecord,
) -> AlteredPartition {
    match record.leader {
        Some(leader) if leader != Some(sender) => {
            AlteredPartition::refused(partition, ErrorCode::NewLeaderElected)
        }
        _ => altered(partition, &merge(before, record)),
    }
}

fn altered(partition: TopicIdPartition, state: &PartitionRegistration) -> AlteredPartition {
    AlteredPartition {
        partition,
        error: ErrorCode::None,
        leader: state.leader,
        leader_epoch: state.leader_epoch,
        isr: state.isr.to_vec(),
        leader_recovery_state: state.leader_recovery_state,
        partition_epoch: state.partition_epoch,
    }
}
