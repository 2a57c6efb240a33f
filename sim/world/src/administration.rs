//! A scenario's administrative acts as requests of Kafka's protocol.

use klab_metadata::Image;
use klab_scenario::act::admin::{Alteration, Before, Deletion, Election, Reassignment, Resource};
use klab_scenario::{Administration, Topic};
use klab_wire::{
    AlterPartitionReassignmentsRequest, ConfigChange, ConfigOperation, ConfigResource,
    CreatableTopic, CreatePartitionsRequest, CreatePartitionsTopic, CreateTopicsRequest,
    DeleteRecordsRequest, DeleteTopicsRequest, ElectLeadersRequest, IncrementalAlterConfigsRequest,
    NodeId, PartitionId, Request, Span, TopicName, TopicPartition, UnregisterBrokerRequest,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// How long the controller may take for a request (`AdminClientConfig`'s `request.timeout.ms`).
const TIMEOUT: Span = Span::from_secs(30);

/// As many records as one request may need (`QuorumController.MAX_RECORDS_PER_USER_OP`).
const MAX_RECORDS: u32 = 10_000;

const LEADER_RATE: &str = "leader.replication.throttled.rate";
const FOLLOWER_RATE: &str = "follower.replication.throttled.rate";
const LEADER_REPLICAS: &str = "leader.replication.throttled.replicas";
const FOLLOWER_REPLICAS: &str = "follower.replication.throttled.replicas";

/// The requests that carry out an act, in order. A throttled reassignment needs the metadata, to know
/// who holds the partitions now.
pub(crate) fn requests(act: &Administration, metadata: Option<&Image>) -> Vec<Request> {
    match act {
        Administration::CreateTopic(topic) => create_topics(std::slice::from_ref(topic)),
        Administration::DeleteTopic(topic) => vec![delete_topic(topic)],
        Administration::CreatePartitions(growth) => {
            vec![create_partitions(&growth.topic, growth.partitions)]
        }
        Administration::DeleteRecords(deletion) => vec![delete_records(deletion)],
        Administration::Elect(election) => vec![elect(election)],
        Administration::Reassign(reassignment) => reassign(reassignment, metadata),
        Administration::AlterConfig(alteration) => vec![alter(alteration)],
        Administration::Unregister(broker) => {
            vec![UnregisterBrokerRequest { broker: *broker }.into()]
        }
    }
}

/// Requests for all these topics, each as large as the controller takes it. A topic that is too large
/// by itself has a request of its own, which is refused.
pub(crate) fn create_topics(topics: &[Topic]) -> Vec<Request> {
    let mut requests: Vec<Vec<CreatableTopic>> = Vec::new();
    let mut records = MAX_RECORDS;
    for topic in topics {
        let needs = 1 + topic.config.iter().count() as u32 + topic.partitions;
        match requests.last_mut() {
            Some(request) if records + needs <= MAX_RECORDS => request.push(creatable(topic)),
            _ => {
                records = 0;
                requests.push(vec![creatable(topic)]);
            }
        }
        records += needs;
    }
    let request = |topics| CreateTopicsRequest { topics, validate_only: false, timeout: TIMEOUT };
    requests.into_iter().map(|topics| request(topics).into()).collect()
}

fn creatable(topic: &Topic) -> CreatableTopic {
    let is_placed = !topic.assignment.is_empty();
    let assignment = topic.assignment.iter().zip(0..);
    CreatableTopic {
        name: topic.name.clone(),
        partitions: (!is_placed).then_some(topic.partitions),
        replication_factor: (!is_placed).then_some(topic.replication),
        assignments: assignment
            .map(|(replicas, index)| (PartitionId(index), replicas.clone()))
            .collect(),
        configs: topic.config.iter().map(|(name, text)| (name.into(), text.into())).collect(),
    }
}

fn delete_topic(topic: &TopicName) -> Request {
    DeleteTopicsRequest { topics: vec![topic.clone()], timeout: TIMEOUT }.into()
}

fn create_partitions(topic: &TopicName, count: u32) -> Request {
    let topic = CreatePartitionsTopic { name: topic.clone(), count, assignments: None };
    CreatePartitionsRequest { topics: vec![topic], validate_only: false, timeout: TIMEOUT }.into()
}

fn delete_records(deletion: &Deletion) -> Request {
    let before = match deletion.before {
        Before::Offset(offset) => Some(offset),
        Before::HighWatermark => None,
    };
    let partitions = vec![(deletion.partition.clone(), before)];
    DeleteRecordsRequest { partitions, timeout: TIMEOUT }.into()
}

fn elect(election: &Election) -> Request {
    let partitions = (!election.partitions.is_empty()).then(|| election.partitions.clone());
    ElectLeadersRequest { election: election.kind, partitions, timeout: TIMEOUT }.into()
}

/// As `kafka-reassign-partitions --execute --throttle` does: the throttle first, then the move.
fn reassign(reassignment: &Reassignment, metadata: Option<&Image>) -> Vec<Request> {
    let mut requests = Vec::new();
    if let Some(rate) = reassignment.throttle {
        requests.push(throttle(&reassignment.partitions, rate, metadata));
    }
    let partitions = reassignment.partitions.iter().map(|(partition, replicas)| {
        (partition.clone(), (!replicas.is_empty()).then(|| replicas.clone()))
    });
    let partitions = partitions.collect();
    requests.push(AlterPartitionReassignmentsRequest { partitions, timeout: TIMEOUT }.into());
    requests
}

/// Who sends is throttled as a leader, who receives as a follower (KIP-73).
fn throttle(
    moves: &BTreeMap<TopicPartition, Vec<NodeId>>,
    rate: u64,
    metadata: Option<&Image>,
) -> Request {
    let mut brokers = BTreeSet::new();
    let mut topics: BTreeMap<TopicName, (Vec<String>, Vec<String>)> = BTreeMap::new();
    for (partition, targets) in moves {
        let state = metadata.and_then(|image| image.topics.partition_named(partition));
        let current = state.map_or(&[][..], |state| &state.replicas);
        let (leaders, followers) = topics.entry(partition.topic.clone()).or_default();
        let pair = |node: &NodeId| format!("{}:{}", partition.partition, node.number);
        leaders.extend(current.iter().map(pair));
        followers.extend(targets.iter().filter(|node| !current.contains(node)).map(pair));
        brokers.extend(current.iter().chain(targets).copied());
    }
    let of_broker = |broker| {
        let changes = vec![set(LEADER_RATE, &rate), set(FOLLOWER_RATE, &rate)];
        (ConfigResource::Broker(Some(broker)), changes)
    };
    let of_topic = |(topic, (leaders, followers)): (TopicName, (Vec<String>, Vec<String>))| {
        let changes = vec![
            set(LEADER_REPLICAS, &leaders.join(",")),
            set(FOLLOWER_REPLICAS, &followers.join(",")),
        ];
        (ConfigResource::Topic(topic), changes)
    };
    let resources = brokers.into_iter().map(of_broker).chain(topics.into_iter().map(of_topic));
    IncrementalAlterConfigsRequest { resources: resources.collect(), validate_only: false }.into()
}

/// Ends every throttle of these brokers, as `kafka-reassign-partitions --verify` does.
pub(crate) fn lift_throttles(brokers: impl Iterator<Item = NodeId>) -> Request {
    let of_broker = |broker| {
        let changes = vec![delete(LEADER_RATE), delete(FOLLOWER_RATE)];
        (ConfigResource::Broker(Some(broker)), changes)
    };
    let resources = brokers.map(of_broker).collect();
    IncrementalAlterConfigsRequest { resources, validate_only: false }.into()
}

fn alter(alteration: &Alteration) -> Request {
    let resource = match &alteration.resource {
        Resource::Topic(topic) => ConfigResource::Topic(topic.clone()),
        Resource::Broker(broker) => ConfigResource::Broker(Some(*broker)),
        Resource::Brokers => ConfigResource::Broker(None),
    };
    let set = alteration.set.iter().map(|(name, text)| set(name, &text));
    let changes = set.chain(alteration.delete.iter().map(|name| delete(name))).collect();
    let resources = vec![(resource, changes)];
    IncrementalAlterConfigsRequest { resources, validate_only: false }.into()
}

fn set(name: &str, value: &impl ToString) -> ConfigChange {
    let value: Arc<str> = value.to_string().into();
    ConfigChange { name: name.into(), operation: ConfigOperation::Set(value) }
}

fn delete(name: &str) -> ConfigChange {
    ConfigChange { name: name.into(), operation: ConfigOperation::Delete }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_are_created_in_requests_that_the_controller_takes() {
        // Partitions of each topic, and how many topics each request creates.
        let cases: [(&[u32], &[usize]); 5] = [
            (&[], &[]),
            (&[6, 1], &[2]),
            (&[4_999, 4_999], &[2]),
            (&[4_999, 5_000, 1], &[1, 2]),
            (&[20_000, 3, 9_999], &[1, 1, 1]),
        ];
        for (sizes, expected) in cases {
            let topics: Vec<Topic> = sizes.iter().map(|partitions| topic(*partitions)).collect();
            let created = create_topics(&topics).into_iter().map(|request| match request {
                Request::CreateTopics(request) => request.topics.len(),
                other => panic!("{other:?} creates no topics"),
            });
            assert_eq!(created.collect::<Vec<_>>(), expected, "{sizes:?}");
        }
    }

    fn topic(partitions: u32) -> Topic {
        Topic {
            name: "orders".into(),
            partitions,
            replication: 3,
            assignment: Vec::new(),
            compression_ratio_ppm: 0,
            config: klab_scenario::Settings::default(),
        }
    }

    #[test]
    fn a_throttled_move_names_old_replicas_as_senders_and_new_ones_as_receivers() {
        let partition = TopicPartition::new("orders", 0);
        let partitions = BTreeMap::from([(partition, vec![NodeId::broker(4)])]);
        let act = Reassignment { partitions, throttle: Some(1_000) };
        let requests = requests(&Administration::Reassign(act), None);
        let [Request::IncrementalAlterConfigs(configs), Request::AlterPartitionReassignments(_)] =
            &requests[..]
        else {
            panic!("the throttle comes first: {requests:?}")
        };
        let rate = set(LEADER_RATE, &1_000);
        assert!(configs.resources[0].1.contains(&rate));
        assert!(configs.resources[1].1.contains(&set(FOLLOWER_REPLICAS, &"0:4")));
    }
}
