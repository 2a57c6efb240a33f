//! What clients ask besides records: metadata, offsets, ids, administration, and what is refused.

use crate::testing::*;
use klab_machine::{DisconnectReason, Input};
use klab_wire::{
    Acks, DeleteRecordsRequest, DescribeConfigsRequest, ErrorCode, InitProducerIdRequest,
    MetadataRequest, MetadataTopic, Offset, Request, Response, Span, TopicName,
};

fn metadata(bench: &mut Bench, topic: &str, create: bool) -> MetadataTopic {
    let topics = Some(vec![TopicName::from(topic)]);
    let request = MetadataRequest { topics, allow_auto_topic_creation: create };
    let asked = bench.ask(b(1), request);
    let Some(Response::Metadata(mut answer)) = bench.answer(asked) else { panic!("no metadata") };
    answer.topics.remove(0)
}

#[test]
fn a_request_is_handled_even_if_its_connection_has_ended() {
    let mut bench = Bench::new(1, &[]);
    bench.create(&[], state(Some(1), 0, &[1], &[1], 0));
    let connection = bench.produce(b(1), 0, Acks::All, 1);
    bench.input(b(1), Input::Disconnected { connection, reason: DisconnectReason::Closed });
    bench.produce_on(connection, 0, Acks::All, 1);
    assert_eq!(bench.log(b(1)), (2, 2));
}

#[test]
fn metadata_is_as_stale_as_the_broker_that_is_asked() {
    let mut bench = Bench::new(2, &[]);
    bench.create(&[], state(Some(1), 0, &[1, 2], &[1, 2], 0));
    bench.tell(b(2), &[partition_record(0, state(Some(2), 1, &[1, 2], &[2], 1))]);
    assert_eq!(metadata(&mut bench, "orders", false).partitions[0].leader, Some(b(1)));
    bench.tell(b(1), &[partition_record(0, state(None, 2, &[1, 2], &[2], 2)), fenced(b(2), true)]);
    let partition = &metadata(&mut bench, "orders", false).partitions[0];
    assert_eq!((partition.error, partition.leader), (ErrorCode::LeaderNotAvailable, None));
    assert_eq!(partition.offline_replicas, [b(2)]);
}

#[test]
fn a_topic_comes_into_being_when_both_sides_want_it_and_is_asked_for_once() {
    let mut bench = Bench::new(1, &[]);
    let error = metadata(&mut bench, "new", false).error;
    assert_eq!((error, bench.forwarded.len()), (ErrorCode::UnknownTopicOrPartition, 0));
    assert_eq!(metadata(&mut bench, "a b", true).error, ErrorCode::InvalidTopicException);
    metadata(&mut bench, "new", true);
    let [Request::CreateTopics(request)] = &bench.forwarded[..] else { panic!("no creation") };
    assert_eq!(request.topics[0].name, TopicName::from("new"));
    let mut unwilling = Bench::new(1, &[("auto.create.topics.enable", "false")]);
    metadata(&mut unwilling, "new", true);
    assert!(unwilling.forwarded.is_empty());
}

#[test]
fn requests_for_the_controller_are_forwarded_and_its_answer_comes_back() {
    let mut bench = Bench::new(1, &[]);
    let (topics, timeout) = (vec!["orders".into()], Span::from_secs(1));
    let asked = bench.ask(b(1), klab_wire::DeleteTopicsRequest { topics, timeout });
    let Some(Response::DeleteTopics(answer)) = bench.answer(asked) else { panic!("no answer") };
    assert_eq!(
        answer.topics[0].error,
        ErrorCode::PolicyViolation,
        "the bench's controller says so"
    );
}

#[test]
fn producer_ids_are_given_once_a_block_has_come() {
    let mut bench = Bench::new(1, &[]);
    let mut ids = Vec::new();
    for _ in 0..3 {
        let asked = bench.ask(b(1), InitProducerIdRequest { current: None });
        let Some(Response::InitProducerId(answer)) = bench.answer(asked) else { panic!() };
        ids.push((answer.error, answer.producer.map(|(id, epoch)| (id.0, epoch.0))));
    }
    assert_eq!(ids[0], (ErrorCode::CoordinatorLoadInProgress, None));
    assert_eq!(ids[1], (ErrorCode::None, Some((1_000, 0))));
    assert_eq!(ids[2], (ErrorCode::None, Some((1_001, 0))));
}

#[test]
fn what_is_asked_of_the_wrong_broker_or_about_nothing_is_refused_by_name() {
    let mut bench = Bench::new(2, &[]);
    bench.create(&[], state(Some(1), 0, &[1], &[1], 0));
    let wrong = bench.produce(b(2), 0, Acks::All, 1);
    assert_eq!(bench.produced(wrong), Some((ErrorCode::NotLeaderOrFollower, None)));
    let nowhere = bench.produce(b(1), 9, Acks::All, 1);
    assert_eq!(bench.produced(nowhere), Some((ErrorCode::UnknownTopicOrPartition, None)));
    let unknown = bench.consume(b(2), 0, 500);
    let answer = bench.fetched(unknown).unwrap();
    assert_eq!(answer.partitions[0].error, ErrorCode::NotLeaderOrFollower);
    bench.tell_all(&[klab_wire::MetadataRecord::RemoveTopic { id: TOPIC }]);
    let gone = bench.consume(b(1), 0, 500);
    assert_eq!(bench.fetched(gone).unwrap().partitions[0].error, ErrorCode::UnknownTopicId);
}

#[test]
fn the_three_size_limits() {
    let mut bench = Bench::new(1, &[("socket.request.max.bytes", "10000")]);
    let limit = [("max.message.bytes", "1000")];
    bench.create(&limit, state(Some(1), 0, &[1], &[1], 0));
    let batch = bench.produce(b(1), 0, Acks::All, 20);
    assert_eq!(bench.produced(batch), Some((ErrorCode::MessageTooLarge, None)));
    let request = bench.produce(b(1), 0, Acks::All, 200);
    assert_eq!((bench.produced(request), &bench.closed[..]), (None, &[request][..]));
}

#[test]
fn deleted_records_are_gone_when_every_live_replica_has_let_them_go() {
    let mut bench = Bench::new(2, &[]);
    bench.create(&[], state(Some(1), 0, &[1, 2], &[1, 2], 0));
    for _ in 0..2 {
        bench.produce(b(1), 0, Acks::All, 5);
    }
    let partitions = vec![(orders(0), Some(Offset(5)))];
    let timeout = Span::from_secs(10);
    let asked = bench.ask(b(1), DeleteRecordsRequest { partitions, timeout });
    assert_eq!(bench.answer(asked), None, "the follower has not heard of it");
    bench.advance(1_500);
    let Some(Response::DeleteRecords(answer)) = bench.answer(asked) else { panic!("no answer") };
    let result = &answer.partitions[0];
    assert_eq!((result.error, result.low_watermark), (ErrorCode::None, Some(Offset(5))));
    let follower = bench.brokers[&b(2)].replicas.get(P0).unwrap();
    assert_eq!(follower.log.log_start(), Offset(5));
}

#[test]
fn a_topics_configs_are_its_own_over_the_brokers() {
    let mut bench = Bench::new(1, &[("log.retention.ms", "1000")]);
    bench.create(&[("min.insync.replicas", "2")], state(Some(1), 0, &[1], &[1], 0));
    let resources = vec![klab_wire::ConfigResource::Topic("orders".into())];
    let asked = bench.ask(b(1), DescribeConfigsRequest { resources });
    let Some(Response::DescribeConfigs(answer)) = bench.answer(asked) else { panic!("no answer") };
    let value = |name: &str| {
        let config = answer.resources[0].configs.iter().find(|c| &*c.name == name).unwrap();
        (config.value.as_deref().unwrap().to_string(), config.is_default)
    };
    assert_eq!(value("min.insync.replicas"), ("2".into(), false));
    assert_eq!(value("retention.ms"), ("1000".into(), true));
}
