//! A topic grows (`ReplicationControlManager.createPartitions`). It never shrinks.

use crate::active::Active;
use crate::assignment::{Refusal, partition_records, told};
use crate::decision::{Decision, MAX_RECORDS};
use klab_machine::fact::ControllerFact;
use klab_metadata::TopicImage;
use klab_wire::{
    CreatePartitionsRequest, CreatePartitionsResponse, CreatePartitionsTopic, ErrorCode,
    MetadataRecord, PartitionRegistration, Response, TopicResult,
};

impl Active {
    pub(crate) fn create_partitions(
        &mut self,
        request: &CreatePartitionsRequest,
    ) -> Result<Decision, ErrorCode> {
        let (mut records, mut facts, mut topics) = (Vec::new(), Vec::new(), Vec::new());
        for topic in &request.topics {
            let grown = match request.topics.iter().filter(|t| t.name == topic.name).count() {
                1 => self.grow(topic),
                _ => Err(Refusal::new(ErrorCode::InvalidRequest, "Duplicate topic name.")),
            };
            let (error, message) = told(&grown);
            topics.push(TopicResult { name: topic.name.clone(), error, message });
            if let Ok((new, fact)) = grown {
                records.extend(new);
                facts.push(fact);
            }
        }
        if records.len() > MAX_RECORDS {
            return Err(ErrorCode::PolicyViolation);
        }
        let response = Response::CreatePartitions(Box::new(CreatePartitionsResponse { topics }));
        Ok(match request.validate_only {
            true => Decision::answer(response),
            false => Decision { facts, ..Decision::atomic(records, response) },
        })
    }

    fn grow(
        &self,
        request: &CreatePartitionsTopic,
    ) -> Result<(Vec<MetadataRecord>, ControllerFact), Refusal> {
        let topic = self.image().topics.named(&request.name);
        let topic = topic.ok_or(Refusal::from(ErrorCode::UnknownTopicOrPartition))?;
        let from = topic.partitions.len() as u32;
        let refused = |message| Err(Refusal::new(ErrorCode::InvalidPartitions, message));
        if request.count == from {
            return refused(format!("Topic already has {from} partition(s)."));
        }
        if request.count < from {
            return refused(format!(
                "The topic {} currently has {from} partition(s); {} would not be an increase.",
                request.name, request.count
            ));
        }
        let partitions = self.additional_partitions(topic, request.count - from, request)?;
        let name = topic.name.clone();
        let fact = ControllerFact::PartitionsCreated { topic: name, from, to: request.count };
        Ok((partition_records(topic.id, from, partitions).collect(), fact))
    }

    /// As many replicas each as the topic's first partition has.
    fn additional_partitions(
        &self,
        topic: &TopicImage,
        additional: u32,
        request: &CreatePartitionsTopic,
    ) -> Result<Vec<PartitionRegistration>, Refusal> {
        let replicas = topic.partitions.first().map_or(1, |partition| partition.replicas.len());
        let Some(assignments) = &request.assignments else {
            let first = topic.partitions.len() as u32;
            let placed = self.place(&topic.name, first, additional, replicas as u16)?;
            let error = ErrorCode::InvalidReplicationFactor;
            return placed.iter().map(|replicas| self.new_partition(replicas, error)).collect();
        };
        let error = ErrorCode::InvalidReplicaAssignment;
        if assignments.len() != additional as usize {
            let message = format!(
                "Attempted to add {additional} additional partition(s), but only {} assignment(s) \
                 were specified.",
                assignments.len()
            );
            return Err(Refusal::new(error, message));
        }
        let partition = |assignment: &Vec<_>| {
            self.check_assignment(assignment, Some(replicas))?;
            self.new_partition(assignment, error)
        };
        assignments.iter().map(partition).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desk::Desk;
    use crate::testing::nodes;
    use klab_wire::Span;

    fn grow(desk: &mut Desk, count: u32, assignments: Option<&[&[u16]]>) -> ErrorCode {
        let assignment = |replicas: &&[u16]| nodes(replicas.iter().copied()).to_vec();
        let topic = CreatePartitionsTopic {
            name: "orders".into(),
            count,
            assignments: assignments.map(|all| all.iter().map(assignment).collect()),
        };
        let timeout = Span::from_secs(1);
        let request =
            CreatePartitionsRequest { topics: vec![topic], validate_only: false, timeout };
        match desk.ask(request) {
            Response::CreatePartitions(answer) => answer.topics[0].error,
            other => panic!("no answer to growth: {other:?}"),
        }
    }

    #[test]
    fn a_topic_grows_by_partitions_with_as_many_replicas_and_never_shrinks() {
        let mut desk = Desk::new().with_brokers([1, 2]);
        assert_eq!(grow(&mut desk, 2, None), ErrorCode::UnknownTopicOrPartition);
        desk.create("orders", &[&[1, 2]]);
        assert_eq!(grow(&mut desk, 1, None), ErrorCode::InvalidPartitions);
        assert_eq!(grow(&mut desk, 0, None), ErrorCode::InvalidPartitions);
        assert_eq!(grow(&mut desk, 3, None), ErrorCode::None);
        assert_eq!(desk.partition("orders", 2).replicas.len(), 2);
        assert!(desk.told().contains(&"PartitionsCreated orders from 1 to 3 partitions".into()));
    }

    #[test]
    fn new_partitions_can_be_put_by_hand() {
        let mut desk = Desk::new().with_brokers([1, 2]);
        desk.create("orders", &[&[1, 2]]);
        let cases: [&[&[u16]]; 3] = [&[&[2, 1], &[1, 2]], &[&[1]], &[&[1, 9]]];
        for wrong in cases {
            assert_eq!(grow(&mut desk, 2, Some(wrong)), ErrorCode::InvalidReplicaAssignment);
        }
        assert_eq!(grow(&mut desk, 2, Some(&[&[2, 1]])), ErrorCode::None);
        assert_eq!(desk.partition("orders", 1).replicas, nodes([2, 1]));
    }
}
