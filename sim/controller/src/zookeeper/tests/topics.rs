//! Topics that come, grow and go.

use super::orders;
use crate::zookeeper::desk::Desk;
use klab_machine::Machine;
use klab_wire::znodes::path;
use klab_wire::*;

#[test]
fn a_new_topic_gets_leaders_and_its_brokers_and_its_creator_hear_of_it() {
    let mut desk = Desk::new().with_brokers([1, 2, 3]);
    (1..=3).for_each(|number| drop(desk.heard(number)));
    let created = desk.create(1, "orders", &[&[2, 3]]);
    assert_eq!(created.error, ErrorCode::None, "{:?}", created.message);
    let state = desk.znode(&path::state(&orders())).unwrap();
    assert_eq!(
        state,
        r#"{"version":1,"leader":2,"leader_epoch":0,"controller_epoch":1,"isr":[2,3]}"#
    );
    assert_eq!(
        desk.heard(2),
        ["LeaderAndIsr 1: orders-0 b2/0 [b2, b3] new", "UpdateMetadata [b1 b2 b3]: orders-0 b2"]
    );
    assert_eq!(desk.heard(1), ["UpdateMetadata [b1 b2 b3]: orders-0 b2"]);
    assert_eq!(
        desk.told(),
        [
            "v1 TopicCreated orders with 1 partitions",
            "v1 PartitionCreated orders-0 leader b2 replicas [b2, b3] isr [b2, b3]"
        ]
    );
}

#[test]
fn a_topic_goes_when_all_its_replicas_are_deleted() {
    let mut desk = Desk::new().with_brokers([1, 2, 3]);
    desk.create(1, "orders", &[&[2, 3]]);
    desk.told();
    desk.heard(2);
    let request = DeleteTopicsRequest {
        topics: vec!["orders".into(), "none".into()],
        timeout: Span::from_secs(1),
    };
    let Response::DeleteTopics(answer) = desk.ask(1, request) else { panic!() };
    let errors: Vec<_> = answer.topics.iter().map(|one| one.error).collect();
    assert_eq!(errors, [ErrorCode::None, ErrorCode::UnknownTopicOrPartition]);
    desk.pass(Span::from_secs(1));
    assert_eq!(desk.znode(&path::topic(&"orders".into())), None);
    assert_eq!(desk.znode(&path::delete_topic(&"orders".into())), None);
    let heard = desk.heard(2);
    assert_eq!(heard[0], "UpdateMetadata [b1 b2 b3]: orders-0 goes");
    assert!(heard.contains(&"StopReplica orders-0 for good".into()), "{heard:?}");
    let told = desk.told();
    assert_eq!(told.last().map(String::as_str), Some("v1 TopicDeleted orders"));
    let again = desk.create(1, "orders", &[&[1, 2]]);
    assert_eq!(again.error, ErrorCode::None);
    assert!(desk.controller(1).context.topic_id(&"orders".into()) == again.id);
}

#[test]
fn a_topic_waits_for_a_broker_that_is_away_before_it_goes() {
    let mut desk = Desk::new().with_brokers([1, 2, 3]);
    desk.create(1, "orders", &[&[2, 3]]);
    desk.kill(3);
    desk.pass(Span::from_secs(12));
    let request =
        DeleteTopicsRequest { topics: vec!["orders".into()], timeout: Span::from_secs(1) };
    desk.ask(1, request);
    desk.pass(Span::from_secs(5));
    assert!(desk.znode(&path::topic(&"orders".into())).is_some());
    assert_eq!(desk.controller(1).view().stranded_deletions, ["orders".into()]);
    desk.start(3);
    desk.pass(Span::from_secs(5));
    assert_eq!(desk.znode(&path::topic(&"orders".into())), None);
    assert_eq!(desk.controller(1).view().stranded_deletions, []);
}

#[test]
fn a_topic_grows() {
    let mut desk = Desk::new().with_brokers([1, 2, 3]);
    desk.create(1, "orders", &[&[2, 3]]);
    desk.told();
    let topic = |count| CreatePartitionsTopic { name: "orders".into(), count, assignments: None };
    let grow = |desk: &mut Desk, count| {
        let (topics, timeout) = (vec![topic(count)], Span::from_secs(1));
        let request = CreatePartitionsRequest { topics, validate_only: false, timeout };
        match desk.ask(1, request) {
            Response::CreatePartitions(answer) => answer.topics[0].error,
            other => panic!("no answer to a growth: {other:?}"),
        }
    };
    assert_eq!(grow(&mut desk, 3), ErrorCode::None);
    assert_eq!(grow(&mut desk, 3), ErrorCode::InvalidPartitions);
    let told = desk.told();
    assert_eq!(told[0], "v1 PartitionsCreated orders from 1 to 3 partitions");
    assert!(desk.znode(&path::state(&TopicPartition::new("orders", 2))).is_some());
}

#[test]
fn no_block_of_producer_ids_is_given_out_twice() {
    let mut desk = Desk::new().with_brokers([1, 2]);
    let ask = |desk: &mut Desk, broker: u16| {
        let broker = NodeId::broker(broker);
        let broker_epoch = desk.brokers[&broker].epoch.unwrap();
        match desk.ask(1, AllocateProducerIdsRequest { broker, broker_epoch }) {
            Response::AllocateProducerIds(answer) => (answer.error, answer.first.0, answer.length),
            other => panic!("no answer for producer ids: {other:?}"),
        }
    };
    assert_eq!(ask(&mut desk, 1), (ErrorCode::None, 0, 1_000));
    assert_eq!(ask(&mut desk, 2), (ErrorCode::None, 1_000, 1_000));
}

#[test]
fn who_is_not_the_controller_says_so_and_what_zookeeper_mode_has_not_is_refused() {
    let mut desk = Desk::new().with_brokers([1, 2]);
    let request = || UnregisterBrokerRequest { broker: NodeId::broker(2) };
    let error = |response: Response| match response {
        Response::UnregisterBroker(answer) => answer.error,
        other => panic!("no answer of the API: {other:?}"),
    };
    assert_eq!(error(desk.ask(2, request())), ErrorCode::NotController);
    assert_eq!(error(desk.ask(1, request())), ErrorCode::UnsupportedVersion);
}
