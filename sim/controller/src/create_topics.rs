//! Topics are created (`ReplicationControlManager.createTopics`).

use crate::active::Active;
use crate::assignment::{self, Refusal, partition_records};
use crate::decision::{Decision, MAX_RECORDS};
use crate::topic_name;
use klab_machine::fact::ControllerFact;
use klab_wire::{
    ConfigResource, CreatableTopic, CreateTopicsRequest, CreateTopicsResponse, CreatedTopic,
    ErrorCode, MetadataRecord, PartitionRegistration, Response, TopicName, TopicPartition,
};
use std::collections::BTreeMap;

/// A topic that may be created, with all its records.
struct NewTopic {
    records: Vec<MetadataRecord>,
    answer: CreatedTopic,
    fact: ControllerFact,
}

impl Active {
    /// All topics of the request that may be created are, together.
    pub(crate) fn create_topics(
        &mut self,
        request: &CreateTopicsRequest,
    ) -> Result<Decision, ErrorCode> {
        let (mut records, mut facts, mut topics) = (Vec::new(), Vec::new(), Vec::new());
        let times_named = count(&request.topics);
        for topic in &request.topics {
            let created = match times_named[&topic.name] {
                1 => self.create_topic(topic),
                _ => Err(Refusal::new(ErrorCode::InvalidRequest, "Duplicate topic name.")),
            };
            match created {
                Ok(new) => {
                    records.extend(new.records);
                    facts.push(new.fact);
                    topics.push(new.answer);
                }
                Err(why) => topics.push(CreatedTopic::refused(&topic.name, why.error, why.message)),
            }
        }
        if records.len() > MAX_RECORDS {
            return Err(ErrorCode::PolicyViolation);
        }
        let response = Response::CreateTopics(Box::new(CreateTopicsResponse { topics }));
        Ok(match request.validate_only {
            true => Decision::answer(response),
            false => Decision { facts, ..Decision::atomic(records, response) },
        })
    }

    fn create_topic(&mut self, topic: &CreatableTopic) -> Result<NewTopic, Refusal> {
        self.check_name(&topic.name)?;
        let configs = self.creation_configs(topic)?;
        let partitions = self.new_partitions(topic)?;
        let id = self.new_topic_id();
        let count = partitions.len() as u32;
        let answer = CreatedTopic {
            name: topic.name.clone(),
            id: Some(id),
            error: ErrorCode::None,
            message: None,
            partitions: count,
            replication_factor: partitions.first().map_or(0, |p| p.replicas.len() as u16),
        };
        let mut records = vec![MetadataRecord::Topic { name: topic.name.clone(), id }];
        records.extend(configs);
        records.extend(partition_records(id, 0, partitions));
        let fact =
            ControllerFact::TopicCreated { topic: topic.name.clone(), id, partitions: count };
        Ok(NewTopic { records, answer, fact })
    }

    /// `validateNewTopicNames`.
    fn check_name(&self, name: &TopicName) -> Result<(), Refusal> {
        let refused = |message| Refusal::new(ErrorCode::InvalidTopicException, message);
        if *name == TopicPartition::cluster_metadata().topic {
            let message = format!("Creation of internal topic {name} is prohibited.");
            return Err(Refusal::new(ErrorCode::InvalidRequest, message));
        }
        topic_name::validate(name).map_err(refused)?;
        if self.image().topics.named(name).is_some() {
            let message = format!("Topic '{name}' already exists.");
            return Err(Refusal::new(ErrorCode::TopicAlreadyExists, message));
        }
        match self.pending.index.colliding_with(name) {
            Some(other) => {
                Err(refused(format!("Topic '{name}' collides with existing topic: {other}")))
            }
            None => Ok(()),
        }
    }

    fn creation_configs(&self, topic: &CreatableTopic) -> Result<Vec<MetadataRecord>, Refusal> {
        let resource = ConfigResource::Topic(topic.name.clone());
        self.check_configs(
            &resource,
            topic.configs.iter().map(|(name, value)| (&**name, &**value)),
        )?;
        let record = |(name, value): &(std::sync::Arc<str>, std::sync::Arc<str>)| {
            let (name, value) = (name.clone(), Some(value.clone()));
            MetadataRecord::Config { resource: resource.clone(), name, value }
        };
        Ok(topic.configs.iter().map(record).collect())
    }

    fn new_partitions(
        &self,
        topic: &CreatableTopic,
    ) -> Result<Vec<PartitionRegistration>, Refusal> {
        match topic.assignments.is_empty() {
            true => self.placed_partitions(topic),
            false => self.assigned_partitions(topic),
        }
    }

    fn placed_partitions(
        &self,
        topic: &CreatableTopic,
    ) -> Result<Vec<PartitionRegistration>, Refusal> {
        let (partitions, replicas) = assignment::counts(topic, &self.settings.config)?;
        let placed = self.place(&topic.name, 0, partitions, replicas)?;
        let error = ErrorCode::InvalidReplicationFactor;
        placed.iter().map(|replicas| self.new_partition(replicas, error)).collect()
    }

    fn assigned_partitions(
        &self,
        topic: &CreatableTopic,
    ) -> Result<Vec<PartitionRegistration>, Refusal> {
        let assignments = assignment::by_hand(topic)?;
        let error = ErrorCode::InvalidReplicaAssignment;
        let replication_factor = topic.assignments.first().map(|(_, replicas)| replicas.len());
        let partition = |replicas: &Vec<_>| {
            self.check_assignment(replicas, replication_factor)?;
            self.new_partition(replicas, error)
        };
        assignments.into_iter().map(partition).collect()
    }
}

fn count(topics: &[CreatableTopic]) -> BTreeMap<TopicName, u32> {
    let mut times = BTreeMap::new();
    for topic in topics {
        *times.entry(topic.name.clone()).or_default() += 1;
    }
    times
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desk::Desk;
    use crate::testing::nodes;
    use klab_wire::{NodeId, PartitionId, Span};

    fn topic(name: &str) -> CreatableTopic {
        CreatableTopic {
            name: name.into(),
            partitions: None,
            replication_factor: None,
            assignments: Vec::new(),
            configs: Vec::new(),
        }
    }

    fn assigned(name: &str, assignments: &[(u32, &[u16])]) -> CreatableTopic {
        let assignment = |(index, replicas): &(u32, &[u16])| {
            (PartitionId(*index), nodes(replicas.iter().copied()).to_vec())
        };
        CreatableTopic { assignments: assignments.iter().map(assignment).collect(), ..topic(name) }
    }

    #[test]
    fn a_topic_is_placed_on_brokers_that_are_alive_with_the_defaults_of_the_controller() {
        let configs = [("num.partitions", "4"), ("default.replication.factor", "2")];
        let mut desk = Desk::with(configs).with_brokers([1, 2, 3]);
        let created = desk.create_topic(topic("orders"));
        assert_eq!((created.partitions, created.replication_factor), (4, 2));
        for index in 0..4 {
            let state = desk.partition("orders", index);
            assert_eq!(state.replicas.len(), 2);
            assert_eq!((state.leader, &state.isr), (state.preferred_replica(), &state.replicas));
        }
        let told = desk.told();
        assert_eq!(told[0], "TopicCreated orders with 4 partitions");
        assert!(told[1].starts_with("PartitionCreated orders-0"));
    }

    #[test]
    fn a_fenced_replica_is_not_in_sync_at_first() {
        let mut desk = Desk::new().with_brokers([1, 2]);
        desk.register(3, 1).unwrap();
        desk.create("orders", &[&[3, 1]]);
        let state = desk.partition("orders", 0);
        assert_eq!((state.leader, state.isr), (Some(NodeId::broker(1)), nodes([1])));
    }

    #[test]
    fn what_is_wrong_with_a_topic_is_told() {
        let mut desk = Desk::new().with_brokers([1, 2]);
        desk.register(3, 1).unwrap();
        desk.create("or.ders", &[&[1]]);
        let with_config = |name: &str, value: &str| CreatableTopic {
            configs: vec![(name.into(), value.into())],
            ..topic("new")
        };
        let cases = [
            (topic("or.ders"), ErrorCode::TopicAlreadyExists),
            (topic("or_ders"), ErrorCode::InvalidTopicException),
            (topic("a b"), ErrorCode::InvalidTopicException),
            (topic("__cluster_metadata"), ErrorCode::InvalidRequest),
            (CreatableTopic { partitions: Some(0), ..topic("new") }, ErrorCode::InvalidPartitions),
            (
                CreatableTopic { replication_factor: Some(0), ..topic("new") },
                ErrorCode::InvalidReplicationFactor,
            ),
            (
                CreatableTopic { replication_factor: Some(4), ..topic("new") },
                ErrorCode::InvalidReplicationFactor,
            ),
            (with_config("retention.ms", "soon"), ErrorCode::InvalidConfig),
            (with_config("no.such.config", "1"), ErrorCode::InvalidConfig),
            (
                CreatableTopic { partitions: Some(1), ..assigned("new", &[(0, &[1])]) },
                ErrorCode::InvalidRequest,
            ),
            (assigned("new", &[(0, &[])]), ErrorCode::InvalidReplicaAssignment),
            (assigned("new", &[(0, &[1, 1])]), ErrorCode::InvalidReplicaAssignment),
            (assigned("new", &[(0, &[9])]), ErrorCode::InvalidReplicaAssignment),
            (assigned("new", &[(0, &[1]), (1, &[1, 2])]), ErrorCode::InvalidReplicaAssignment),
            (assigned("new", &[(0, &[1]), (0, &[2])]), ErrorCode::InvalidReplicaAssignment),
            (assigned("new", &[(1, &[1])]), ErrorCode::InvalidReplicaAssignment),
            // Registered, but fenced.
            (assigned("new", &[(0, &[3])]), ErrorCode::InvalidReplicaAssignment),
        ];
        for (topic, error) in cases {
            assert_eq!(desk.create_topic(topic.clone()).error, error, "{topic:?}");
        }
    }

    #[test]
    fn of_a_request_s_topics_those_that_may_be_created_are() {
        let mut desk = Desk::new().with_brokers([1]);
        let topics = ["twice", "good", "twice", "b@d"].map(topic).to_vec();
        let timeout = Span::from_secs(1);
        let asked = CreateTopicsRequest { topics, validate_only: true, timeout };
        let request = CreateTopicsRequest { validate_only: false, ..asked.clone() };
        for (request, is_created) in [(asked, false), (request, true)] {
            let Response::CreateTopics(answer) = desk.ask(request) else {
                panic!("an answer is of the request's own API")
            };
            let errors: Vec<_> = answer.topics.iter().map(|topic| topic.error).collect();
            let (twice, bad) = (ErrorCode::InvalidRequest, ErrorCode::InvalidTopicException);
            assert_eq!(errors, [twice, ErrorCode::None, twice, bad]);
            let topics = &desk.controller.image().topics;
            assert_eq!(topics.named(&"good".into()).is_some(), is_created);
        }
    }

    #[test]
    fn more_than_ten_thousand_records_are_too_many_for_one_request() {
        let mut desk = Desk::new().with_brokers([1]);
        let large = CreatableTopic { partitions: Some(10_000), ..topic("large") };
        assert_eq!(desk.create_topic(large).error, ErrorCode::PolicyViolation);
        let fits = CreatableTopic { partitions: Some(9_999), ..topic("large") };
        assert_eq!(desk.create_topic(fits).error, ErrorCode::None);
    }

    #[test]
    fn a_topic_that_is_created_again_has_another_identity() {
        let mut desk = Desk::new().with_brokers([1]);
        let first = desk.create_topic(topic("orders")).id;
        let timeout = Span::from_secs(1);
        desk.ask(klab_wire::DeleteTopicsRequest { topics: vec!["orders".into()], timeout });
        assert_ne!(desk.create_topic(topic("orders")).id, first);
    }
}
