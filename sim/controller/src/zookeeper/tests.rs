//! Controllers in ZooKeeper mode, with a real server of an ensemble.

use super::desk::Desk;
use klab_wire::config::switches::{ControllerWrites, IsrChanges};
use klab_wire::config::{Release, Switches};
use klab_wire::znodes::{PartitionsZNode, path};
use klab_wire::zookeeper::{Acl, CreateMode, Op};
use klab_wire::*;

fn orders() -> TopicPartition {
    TopicPartition::new("orders", 0)
}

#[test]
fn the_first_broker_that_is_registered_becomes_the_controller_and_its_epoch_is_one() {
    let desk = Desk::new().with_brokers([1, 2, 3]);
    assert_eq!(desk.active(), [1]);
    assert_eq!(desk.znode(&path::controller_epoch()).as_deref(), Some("1"));
    assert_eq!(desk.controller(1).context.live_brokers.len(), 3);
}

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
fn a_broker_whose_session_expires_is_followed_by_another_leader() {
    let mut desk = Desk::new().with_brokers([1, 2, 3]);
    desk.create(1, "orders", &[&[2, 3]]);
    desk.told();
    desk.heard(3);
    desk.kill(2);
    desk.pass(Span::from_secs(12));
    assert_eq!(
        desk.told(),
        [
            "v1 LeaderElected orders-0 leader b3 epoch 1 isr [b3]",
            "v1 IsrChanged orders-0 isr [b3] (partition epoch 1)",
            "v1 BrokerFenced b2"
        ]
    );
    let heard = desk.heard(3);
    assert_eq!(heard[0], "LeaderAndIsr 1: orders-0 b3/1 [b3]");
    assert_eq!(heard[1], "UpdateMetadata [b1 b3]: orders-0 b3");
}

#[test]
fn a_broker_that_is_back_follows() {
    let mut desk = Desk::new().with_brokers([1, 2, 3]);
    desk.create(1, "orders", &[&[2, 3]]);
    desk.kill(2);
    desk.pass(Span::from_secs(12));
    desk.start(2);
    desk.pass(Span::from_secs(2));
    let heard = desk.heard(2);
    assert_eq!(heard[0], "UpdateMetadata [b1 b2 b3]: orders-0 b3");
    assert_eq!(heard[1], "LeaderAndIsr 1: orders-0 b3/1 [b3]");
    let answer = desk.alter_isr(1, "orders", &[3, 2]);
    assert_eq!((answer.error, answer.partition_epoch.0), (ErrorCode::None, 2));
}

#[test]
fn when_the_controller_goes_another_one_takes_over_in_the_next_epoch() {
    let mut desk = Desk::new().with_brokers([1, 2, 3]);
    desk.create(1, "orders", &[&[1, 2]]);
    desk.told();
    desk.kill(1);
    desk.pass(Span::from_secs(12));
    assert_eq!(desk.active().len(), 1);
    assert_eq!(desk.znode(&path::controller_epoch()).as_deref(), Some("2"));
    let told = desk.told();
    assert!(told[0].ends_with("ControllerActivated epoch 2"), "{told:?}");
    // First the replica that is gone leaves the ISR and the lead, then somebody is elected: two epochs.
    assert!(told[1].contains("PartitionWentOffline orders-0 epoch 1 isr [b2]"), "{told:?}");
    assert!(told[3].contains("LeaderElected orders-0 leader b2 epoch 2 isr [b2]"), "{told:?}");
}

#[test]
fn kafka_6082_a_controller_that_was_away_writes_nothing_any_more() {
    let mut desk = Desk::new().with_brokers([1, 2, 3]);
    desk.create(1, "orders", &[&[2, 3]]);
    zombie(&mut desk);
    let told = desk.told();
    assert!(!told.iter().any(|fact| fact.starts_with("v1 LeaderElected")), "{told:?}");
    assert_eq!(desk.active().len(), 1);
    assert_ne!(desk.active(), [1]);
}

#[test]
fn before_kafka_6082_a_controller_that_was_away_writes_over_its_successor() {
    let unguarded = ControllerWrites::Unguarded;
    let switches = Switches { controller_writes: unguarded, ..Switches::at(Release::new(3, 9)) };
    let mut desk = Desk::with(switches, &[]).with_brokers([1, 2, 3]);
    desk.create(1, "orders", &[&[2, 3]]);
    zombie(&mut desk);
    let told = desk.told();
    assert!(told.iter().any(|fact| fact.starts_with("v1 LeaderElected orders-0")), "{told:?}");
}

/// The controller is paused in the middle of a broker's failure, for longer than its session lasts. The broker is
/// back before another controller is elected, which finds everything in order.
fn zombie(desk: &mut Desk) {
    desk.told();
    desk.kill(2);
    desk.pass(Span::from_secs(3));
    while desk.controller(1).context.live_brokers.len() == 3 {
        desk.pass(Span::from_millis(1));
    }
    desk.freeze(1);
    desk.start(2);
    desk.pass(Span::from_secs(20));
    desk.thaw(1);
    desk.pass(Span::from_secs(20));
}

#[test]
fn a_controller_whose_session_is_over_is_one_no_more() {
    let mut desk = Desk::new().with_brokers([1, 2, 3]);
    desk.freeze(1);
    desk.pass(Span::from_secs(20));
    assert_eq!(desk.active().len(), 2, "the one that is away does not know");
    desk.thaw(1);
    desk.pass(Span::from_secs(20));
    let told = desk.told();
    assert!(told.contains(&"v1 ControllerResigned epoch 1".into()), "{told:?}");
    assert_eq!(desk.active().len(), 1);
    assert_eq!(
        desk.controller(1).active_controller.map(|node| node.number),
        Some(desk.active()[0])
    );
}

#[test]
fn a_broker_on_its_way_out_hands_over_and_leaves_the_isrs() {
    let mut desk = Desk::new().with_brokers([1, 2, 3]);
    desk.create(1, "orders", &[&[2, 3], &[3, 2]]);
    desk.told();
    desk.heard(2);
    let (broker, broker_epoch) = (NodeId::broker(2), desk.brokers[&NodeId::broker(2)].epoch);
    let stale = ControlledShutdownRequest { broker, broker_epoch: Some(BrokerEpoch(1)) };
    let Response::ControlledShutdown(answer) = desk.ask(1, stale) else { panic!() };
    assert_eq!(answer.error, ErrorCode::StaleBrokerEpoch);
    let Response::ControlledShutdown(answer) =
        desk.ask(1, ControlledShutdownRequest { broker, broker_epoch })
    else {
        panic!()
    };
    assert_eq!((answer.error, answer.remaining_partitions), (ErrorCode::None, Vec::new()));
    assert_eq!(
        desk.told(),
        [
            "v1 ControlledShutdownStarted b2",
            "v1 LeaderElected orders-0 leader b3 epoch 1 isr [b3]",
            "v1 IsrChanged orders-0 isr [b3] (partition epoch 1)",
            "v1 LeaderEpochBumped orders-1 leader b3 epoch 1",
            "v1 IsrChanged orders-1 isr [b3] (partition epoch 1)",
            "v1 ControlledShutdownAllowed b2",
        ]
    );
    assert!(desk.heard(2).contains(&"StopReplica orders-1".into()));
}

#[test]
fn leadership_goes_back_to_the_preferred_replica_when_it_is_time() {
    let configs = [("leader.imbalance.check.interval.seconds", "10")];
    let mut desk = Desk::with(Switches::at(Release::new(3, 9)), &configs).with_brokers([1, 2, 3]);
    away_and_back(&mut desk);
    desk.pass(Span::from_secs(12));
    let told = desk.told();
    assert!(
        told.contains(&"v1 LeaderElected orders-0 leader b2 epoch 2 isr [b3, b2]".into()),
        "{told:?}"
    );
}

#[test]
fn an_operator_asks_for_a_preferred_election() {
    let configs = [("auto.leader.rebalance.enable", "false")];
    let mut desk = Desk::with(Switches::at(Release::new(3, 9)), &configs).with_brokers([1, 2, 3]);
    away_and_back(&mut desk);
    let partitions = Some(vec![orders(), TopicPartition::new("none", 0)]);
    let (election, timeout) = (ElectionType::Preferred, Span::from_secs(1));
    let request = ElectLeadersRequest { election, partitions, timeout };
    let results = |desk: &mut Desk| match desk.ask(1, request.clone()) {
        Response::ElectLeaders(answer) => {
            let errors = answer.partitions.iter().map(|one| (one.partition.clone(), one.error));
            errors.collect::<std::collections::BTreeMap<_, _>>()
        }
        other => panic!("no answer to an election: {other:?}"),
    };
    let first = results(&mut desk);
    assert_eq!(first[&orders()], ErrorCode::None);
    assert_eq!(first[&TopicPartition::new("none", 0)], ErrorCode::UnknownTopicOrPartition);
    assert_eq!(results(&mut desk)[&orders()], ErrorCode::ElectionNotNeeded);
}

#[test]
fn an_operator_of_before_kip_460_writes_the_request_into_zookeeper() {
    let configs = [("auto.leader.rebalance.enable", "false")];
    let mut desk = Desk::with(Switches::at(Release::new(3, 9)), &configs).with_brokers([1, 2, 3]);
    away_and_back(&mut desk);
    for _ in 0..2 {
        let data = PartitionsZNode([orders()].into()).encode();
        let (path, mode) = (path::preferred_replica_election(), CreateMode::PERSISTENT);
        desk.keeper(3, Op::Create { path: path.clone(), data, acl: Acl::Open, mode });
        desk.pass(Span::from_secs(1));
        assert_eq!(desk.znode(&path), None, "it is carried out");
    }
    assert_eq!(desk.controller(1).leader_of(&orders()), Some(NodeId::broker(2)));
}

/// `orders-0` of 2 and 3, where 2 was away: 3 leads, both are in sync.
fn away_and_back(desk: &mut Desk) {
    desk.create(1, "orders", &[&[2, 3]]);
    desk.kill(2);
    desk.pass(Span::from_secs(12));
    desk.start(2);
    desk.pass(Span::from_secs(2));
    assert_eq!(desk.alter_isr(1, "orders", &[3, 2]).error, ErrorCode::None);
    desk.told();
}

#[test]
fn an_unclean_leader_is_elected_as_soon_as_the_topic_allows_it() {
    let mut desk = Desk::new().with_brokers([1, 2, 3]);
    desk.create(1, "orders", &[&[2, 3]]);
    desk.alter_isr(1, "orders", &[2]);
    desk.kill(2);
    desk.pass(Span::from_secs(12));
    desk.told();
    let set = ConfigOperation::Set("true".into());
    let change = ConfigChange { name: "unclean.leader.election.enable".into(), operation: set };
    let resources = vec![(ConfigResource::Topic("orders".into()), vec![change])];
    let request = IncrementalAlterConfigsRequest { resources, validate_only: false };
    let Response::IncrementalAlterConfigs(answer) = desk.ask(1, request) else { panic!() };
    assert_eq!(answer.resources[0].error, ErrorCode::None);
    let told = desk.told();
    assert_eq!(told[0], "v1 ConfigChanged topic orders unclean.leader.election.enable = \"true\"");
    assert_eq!(told[1], "v1 LeaderElectedUncleanly orders-0 leader b3 epoch 2");
    let state = desk.znode(&path::state(&orders())).unwrap();
    assert!(state.ends_with(r#""isr":[3],"leader_recovery_state":1}"#), "{state}");
}

#[test]
fn what_a_leader_has_written_by_itself_is_told_to_all() {
    let mut desk = Desk::new().with_brokers([1, 2, 3]);
    desk.create(1, "orders", &[&[2, 3]]);
    desk.heard(1);
    let state = desk.znode(&path::state(&orders())).unwrap().replace("[2,3]", "[2]");
    let (data, version) = (state.as_str().into(), Some(0));
    desk.keeper(2, Op::SetData { path: path::state(&orders()), data, version });
    let data = PartitionsZNode([orders()].into()).encode();
    let (path, mode) = (path::isr_change_notification(), CreateMode::PERSISTENT_SEQUENTIAL);
    desk.keeper(2, Op::Create { path, data, acl: Acl::Open, mode });
    assert_eq!(desk.heard(1), ["UpdateMetadata [b1 b2 b3]: orders-0 b2"]);
    let known = desk.controller(1).context.leadership(&orders()).unwrap();
    assert_eq!(known.leader_and_isr.isr.len(), 1);
    assert_eq!(known.leader_and_isr.partition_epoch.0, 1);
    assert_eq!(desk.znode(&"/isr_change_notification/isr_change_0000000000".into()), None);
}

#[test]
fn a_leaders_wish_is_granted_once_and_refused_when_it_is_out_of_date() {
    let mut desk = Desk::new().with_brokers([1, 2, 3]);
    desk.create(1, "orders", &[&[2, 3]]);
    let wish = desk.wish(1, "orders", &[2]);
    let ask = |desk: &mut Desk, wish: &AlterPartitionRequest| match desk.ask(1, wish.clone()) {
        Response::AlterPartition(mut answer) => {
            let one = answer.partitions.pop();
            (answer.error, one.map(|one| (one.error, one.partition_epoch.0)))
        }
        other => panic!("no answer to a wish: {other:?}"),
    };
    let none = ErrorCode::None;
    assert_eq!(ask(&mut desk, &wish), (none, Some((none, 1))));
    assert_eq!(ask(&mut desk, &wish), (none, Some((none, 1))), "it is so already");
    let mut other = wish.clone();
    other.partitions[0].new_isr = desk.wish(1, "orders", &[2, 3]).partitions[0].new_isr.clone();
    assert_eq!(ask(&mut desk, &other), (none, Some((ErrorCode::InvalidUpdateVersion, 0))));
    other.partitions[0].partition_epoch = PartitionEpoch(9);
    assert_eq!(ask(&mut desk, &other), (none, Some((ErrorCode::NotController, 0))));
    let stale = AlterPartitionRequest { broker_epoch: BrokerEpoch(0), ..wish };
    assert_eq!(ask(&mut desk, &stale), (ErrorCode::StaleBrokerEpoch, None));
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
    desk.start(3);
    desk.pass(Span::from_secs(5));
    assert_eq!(desk.znode(&path::topic(&"orders".into())), None);
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

fn reassign(desk: &mut Desk, target: Option<&[u16]>) -> ErrorCode {
    let target = target.map(|target| target.iter().copied().map(NodeId::broker).collect());
    let (partitions, timeout) = (vec![(orders(), target)], Span::from_secs(1));
    match desk.ask(1, AlterPartitionReassignmentsRequest { partitions, timeout }) {
        Response::AlterPartitionReassignments(answer) => answer.partitions[0].error,
        other => panic!("no answer to a reassignment: {other:?}"),
    }
}

#[test]
fn replicas_move_when_the_new_ones_are_in_sync() {
    let mut desk = Desk::new().with_brokers([1, 2, 3]);
    desk.create(1, "orders", &[&[2]]);
    desk.told();
    (1..=3).for_each(|number| drop(desk.heard(number)));
    assert_eq!(reassign(&mut desk, Some(&[3, 1])), ErrorCode::None);
    assert_eq!(
        desk.told(),
        [
            "v1 ReassignmentStarted orders-0 adding [b3, b1] removing [b2]",
            "v1 LeaderEpochBumped orders-0 leader b2 epoch 1",
        ]
    );
    assert_eq!(desk.heard(3)[0], "LeaderAndIsr 1: orders-0 b2/1 [b2] new");
    let listed = ListPartitionReassignmentsRequest { partitions: None };
    let Response::ListPartitionReassignments(listed) = desk.ask(1, listed) else { panic!() };
    assert_eq!(listed.reassignments.len(), 1);
    desk.alter_isr(1, "orders", &[2, 3]);
    assert!(desk.controller(1).context.being_reassigned.contains(&orders()));
    desk.told();
    desk.alter_isr(1, "orders", &[2, 3, 1]);
    let told = desk.told();
    assert!(told[1].starts_with("v1 LeaderElected orders-0 leader b3 epoch 2"), "{told:?}");
    assert_eq!(
        told.last().map(String::as_str),
        Some("v1 ReassignmentCompleted orders-0 replicas [b3, b1]")
    );
    assert!(desk.heard(2).contains(&"StopReplica orders-0 for good".into()));
    let topic = desk.znode(&path::topic(&"orders".into())).unwrap();
    assert!(
        topic.contains(r#""partitions":{"0":[3,1]},"adding_replicas":{},"removing_replicas":{}"#),
        "{topic}"
    );
    let state = desk.znode(&path::state(&orders())).unwrap();
    assert!(state.contains(r#""isr":[3,1]"#), "{state}");
}

#[test]
fn a_reassignment_is_cancelled_and_what_is_not_alive_is_not_assigned() {
    let mut desk = Desk::new().with_brokers([1, 2, 3]);
    desk.create(1, "orders", &[&[2]]);
    assert_eq!(reassign(&mut desk, None), ErrorCode::NoReassignmentInProgress);
    assert_eq!(reassign(&mut desk, Some(&[9])), ErrorCode::InvalidReplicaAssignment);
    assert_eq!(reassign(&mut desk, Some(&[3])), ErrorCode::None);
    desk.told();
    assert_eq!(reassign(&mut desk, None), ErrorCode::None);
    let told = desk.told();
    assert_eq!(told[0], "v1 ReassignmentCancelled orders-0 replicas [b2]");
    assert!(desk.controller(1).context.being_reassigned.is_empty());
    assert!(desk.heard(3).contains(&"StopReplica orders-0 for good".into()));
}

#[test]
fn a_reassignment_outlives_the_controller_that_began_it() {
    let mut desk = Desk::new().with_brokers([1, 2, 3]);
    desk.create(1, "orders", &[&[2]]);
    assert_eq!(reassign(&mut desk, Some(&[3])), ErrorCode::None);
    desk.kill(1);
    desk.pass(Span::from_secs(12));
    let next = desk.active()[0];
    assert!(desk.controller(next).context.being_reassigned.contains(&orders()));
    desk.alter_isr(next, "orders", &[2, 3]);
    let told = desk.told();
    assert_eq!(told.last().unwrap()[3..], *"ReassignmentCompleted orders-0 replicas [b3]");
}

#[test]
fn before_kip_497_a_reassignment_is_completed_by_a_watch_on_what_the_leader_writes() {
    let isr_changes = IsrChanges::LeaderWrites;
    let switches = Switches { isr_changes, ..Switches::at(Release::new(3, 9)) };
    let mut desk = Desk::with(switches, &[]).with_brokers([1, 2, 3]);
    desk.create(1, "orders", &[&[2]]);
    assert_eq!(reassign(&mut desk, Some(&[3])), ErrorCode::None);
    let state = desk.znode(&path::state(&orders())).unwrap().replace("[2]", "[2,3]");
    let data = state.as_str().into();
    desk.keeper(2, Op::SetData { path: path::state(&orders()), data, version: None });
    desk.pass(Span::from_secs(1));
    let told = desk.told();
    assert_eq!(
        told.last().map(String::as_str),
        Some("v1 ReassignmentCompleted orders-0 replicas [b3]")
    );
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
