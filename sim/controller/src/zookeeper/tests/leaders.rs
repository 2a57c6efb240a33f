//! Elections and ISRs.

use super::orders;
use crate::zookeeper::desk::Desk;
use klab_wire::config::switches::IsrWriteInDoubt;
use klab_wire::config::{Release, Switches};
use klab_wire::znodes::{PartitionsZNode, path};
use klab_wire::zookeeper::{Acl, CreateMode, Op};
use klab_wire::*;

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

/// What a leader is answered whose wish was written, when the controller has lost the answer to that.
fn wish_with_a_lost_answer(isr_write_in_doubt: IsrWriteInDoubt) -> (ErrorCode, u32) {
    let switches = Switches { isr_write_in_doubt, ..Switches::at(Release::new(3, 9)) };
    let mut desk = Desk::with(switches, &[]).with_brokers([1, 2, 3]);
    desk.create(1, "orders", &[&[2, 3]]);
    desk.sever(1);
    let wish = desk.wish(1, "orders", &[2]);
    let asked = desk.send(1, wish);
    desk.pass(Span::from_secs(3));
    match desk.answer(asked) {
        Some(Response::AlterPartition(mut answer)) => {
            let one = answer.partitions.remove(0);
            (one.error, one.partition_epoch.0)
        }
        other => panic!("no answer to a wish: {other:?}"),
    }
}

#[test]
fn a_controller_knows_its_own_write_again_after_a_lost_answer() {
    let answer = wish_with_a_lost_answer(IsrWriteInDoubt::Recognised);
    assert_eq!(answer, (ErrorCode::None, 1));
    let answer = wish_with_a_lost_answer(IsrWriteInDoubt::Refused);
    assert_eq!(answer, (ErrorCode::InvalidUpdateVersion, 0), "as Kafka has it");
}
