//! A leader changes its ISR (`ReplicationControlManager.alterPartition`, KIP-497).

use crate::active::Active;
use crate::decision::Decision;
use crate::election::{Election, PartitionChange};
use crate::isr::{self, Candidate, IsrProposal};
use klab_machine::fact::ControllerFact;
use klab_metadata::{BrokerRegistration, merge};
use klab_wire::config::switches::IneligibleReplicas;
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
        let response =
            Response::AlterPartition(Box::new(AlterPartitionResponse { error, partitions }));
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
        let is_active = match self.settings.switches.ineligible_replicas {
            IneligibleReplicas::Admitted => true,
            IneligibleReplicas::Refused => BrokerRegistration::is_active(registration),
        };
        Some(Candidate { is_active, epoch: registration.epoch() })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desk::Desk;
    use crate::testing::nodes;
    use klab_wire::{BrokerEpoch, PartitionId, Span, TopicId};

    fn desk() -> Desk {
        let mut desk = Desk::new().with_brokers([1, 2, 3]);
        desk.create("orders", &[&[1, 2, 3]]);
        desk
    }

    #[test]
    fn a_leader_shrinks_and_expands_its_isr() {
        let mut desk = desk();
        let answer = desk.alter_isr("orders", 1, &[1, 2]);
        assert_eq!((answer.error, answer.isr), (ErrorCode::None, nodes([1, 2]).to_vec()));
        assert_eq!(answer.partition_epoch.0, 1);
        assert_eq!(desk.alter_isr("orders", 1, &[1, 2, 3]).partition_epoch.0, 2);
        let state = desk.partition("orders", 0);
        assert_eq!((state.leader_epoch.0, state.isr), (0, nodes([1, 2, 3])));
    }

    #[test]
    fn the_same_wish_once_more_changes_nothing() {
        let mut desk = desk();
        let answer = desk.alter_isr("orders", 1, &[1, 2, 3]);
        assert_eq!((answer.error, answer.partition_epoch.0), (ErrorCode::None, 0));
    }

    #[test]
    fn a_refused_wish_is_told_and_changes_nothing() {
        let mut desk = desk();
        let answer = desk.alter_isr("orders", 2, &[2]);
        assert_eq!(answer.error, ErrorCode::InvalidRequest);
        assert_eq!(desk.partition("orders", 0).isr, nodes([1, 2, 3]));
        assert_eq!(desk.told(), ["AlterPartitionRejected orders-0 for b2: INVALID_REQUEST"]);
    }

    #[test]
    fn an_unknown_topic_is_told_from_an_unknown_partition_and_a_stale_broker() {
        let mut desk = desk();
        let good = desk.wish("orders", 0, 1, &[1, 2]);
        let asked = |desk: &mut Desk, request: AlterPartitionRequest| match desk.ask(request) {
            Response::AlterPartition(answer) => {
                (answer.error, answer.partitions.first().map(|p| p.error))
            }
            other => panic!("no answer to a wish: {other:?}"),
        };
        let mut unknown_topic = good.clone();
        unknown_topic.partitions[0].partition.topic = TopicId(0);
        let mut unknown_partition = good.clone();
        unknown_partition.partitions[0].partition.partition = PartitionId(9);
        let stale = AlterPartitionRequest { broker_epoch: BrokerEpoch(0), ..good };
        let none = ErrorCode::None;
        assert_eq!(asked(&mut desk, unknown_topic), (none, Some(ErrorCode::UnknownTopicId)));
        assert_eq!(
            asked(&mut desk, unknown_partition),
            (none, Some(ErrorCode::UnknownTopicOrPartition))
        );
        assert_eq!(asked(&mut desk, stale), (ErrorCode::StaleBrokerEpoch, None));
    }

    #[test]
    fn kip_841_a_fenced_broker_does_not_join_an_isr() {
        let mut desk = desk();
        desk.live(Span::from_secs(12), &[1, 2]);
        assert_eq!(desk.alter_isr("orders", 1, &[1, 2, 3]).error, ErrorCode::IneligibleReplica);
    }

    #[test]
    fn the_leader_that_completes_a_reassignment_away_from_itself_is_told_so() {
        let mut desk = Desk::new().with_brokers([1, 2]);
        desk.create("orders", &[&[1]]);
        assert_eq!(desk.reassign("orders", Some(&[2])), ErrorCode::None);
        desk.told();
        assert_eq!(desk.alter_isr("orders", 1, &[1, 2]).error, ErrorCode::NewLeaderElected);
        let state = desk.partition("orders", 0);
        assert_eq!((state.leader, state.replicas), (Some(NodeId::broker(2)), nodes([2])));
        assert_eq!(
            desk.told(),
            [
                "LeaderElected orders-0 leader b2 epoch 1 isr [b2]",
                "IsrChanged orders-0 isr [b2] (partition epoch 2)",
                "ReassignmentCompleted orders-0 replicas [b2]",
            ]
        );
    }
}
