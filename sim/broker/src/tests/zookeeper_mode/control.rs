//! LeaderAndIsr, StopReplica and UpdateMetadata: which of them a broker obeys, and what they make of its replicas.

use super::switched;
use crate::testing::*;
use klab_machine::File;
use klab_wire::config::Switches;
use klab_wire::{
    Acks, BrokerEpoch, ErrorCode, LeaderAndIsrPartitionState, LeaderEpoch, MetadataRequest,
    PartitionId, Response, StopEpoch, TopicId, TopicIdPartition,
};

/// Two brokers; b1 leads `orders-0` in leader epoch 5, and b2 follows.
fn following(switches: &[(&str, &str)]) -> Bench {
    let mut bench = Bench::in_zookeeper_mode(2, &[], switched(switches));
    bench.say_to_all(&[1, 2], &told(Some(1), 5, &[1, 2], &[1, 2], 0));
    bench
}

fn later(leader_epoch: u32) -> LeaderAndIsrPartitionState {
    told(Some(1), leader_epoch, &[1, 2], &[1, 2], 1)
}

const FINE: (ErrorCode, Option<ErrorCode>) = (ErrorCode::None, Some(ErrorCode::None));

#[test]
fn a_new_leader_takes_records_and_its_follower_has_them() {
    let mut bench = following(&[]);
    let all = bench.produce(b(1), 0, Acks::All, 3);
    assert_eq!(bench.produced(all), Some((ErrorCode::None, Some(0))));
    assert_eq!(bench.log(b(2)).0, 3);
}

#[test]
fn what_a_former_controller_says_is_refused_whatever_it_is() {
    let mut bench = following(&[]);
    let next = Said { controller_epoch: 2, ..NOW };
    assert_eq!(bench.say_who_is_alive(1, next), ErrorCode::None);
    let stale = (ErrorCode::StaleControllerEpoch, Some(ErrorCode::StaleControllerEpoch));
    assert_eq!(bench.say_who_is_alive(1, NOW), ErrorCode::StaleControllerEpoch);
    assert_eq!(bench.say_leader_and_isr(1, NOW, later(6)), stale);
    assert_eq!(bench.say_stop_replica(1, NOW, (StopEpoch::DuringDelete, true)), stale);
    assert_eq!(bench.count("ControlRequestRefused"), 3);
    assert_eq!(bench.say_leader_and_isr(1, next, later(6)), FINE);
    assert_eq!(
        bench.say_leader_and_isr(2, NOW, later(6)),
        FINE,
        "b2 has not heard of the next one"
    );
}

#[test]
fn kip_380_what_was_said_to_a_former_life_of_the_broker_is_refused() {
    let stale = (ErrorCode::StaleBrokerEpoch, Some(ErrorCode::StaleBrokerEpoch));
    for (rule, expected) in [("on", stale), ("off", FINE)] {
        let mut bench = following(&[("broker-epoch", rule)]);
        let BrokerEpoch(own) = bench.epoch(2).unwrap();
        let former = Said { broker_epoch: Some(BrokerEpoch(own - 1)), ..NOW };
        assert_eq!(bench.say_leader_and_isr(2, former, later(6)), expected, "{rule}");
        // The controller may hear of a registration before the broker does.
        let ahead = Said { broker_epoch: Some(BrokerEpoch(own + 1)), ..NOW };
        assert_eq!(bench.say_leader_and_isr(2, ahead, later(7)), FINE, "{rule}");
    }
}

#[test]
fn of_a_replica_only_a_newer_leader_epoch_is_news() {
    let mut bench = following(&[]);
    let stale = ErrorCode::StaleControllerEpoch;
    for (epoch, expected) in [(4, stale), (5, stale), (6, ErrorCode::None), (6, stale)] {
        let answer = bench.say_leader_and_isr(2, NOW, later(epoch));
        assert_eq!(answer, (ErrorCode::None, Some(expected)), "leader epoch {epoch}");
    }
}

#[test]
fn a_replica_that_is_not_this_brokers_or_of_another_topic_is_refused() {
    let mut bench = following(&[]);
    let elsewhere = told(Some(1), 6, &[1, 3], &[1, 3], 1);
    let answer = bench.say_leader_and_isr(2, NOW, elsewhere);
    assert_eq!(answer.1, Some(ErrorCode::UnknownTopicOrPartition));
    let id = TopicIdPartition { topic: TopicId(8), partition: PartitionId(0) };
    let answer = bench.say_leader_and_isr(2, NOW, LeaderAndIsrPartitionState { id, ..later(6) });
    assert_eq!(answer.1, Some(ErrorCode::InconsistentTopicId));
}

#[test]
fn kafka_4443_a_broker_does_not_follow_a_leader_of_whom_it_has_not_heard() {
    let mut bench = Bench::in_zookeeper_mode(2, &[], Switches::default());
    bench.say_to_all(&[1], &told(Some(3), 0, &[3, 1], &[3, 1], 0));
    assert!(bench.fetches.is_empty());
    bench.say_to_all(&[2, 1], &told(Some(2), 1, &[2, 1], &[2, 1], 1));
    assert!(!bench.fetches.is_empty());
}

#[test]
fn a_replica_that_is_stopped_fetches_no_more_and_keeps_its_log() {
    let mut bench = following(&[]);
    let before = bench.produce(b(1), 0, Acks::All, 2);
    assert_eq!(bench.produced(before), Some((ErrorCode::None, Some(0))));
    let stop = (StopEpoch::Of(LeaderEpoch(5)), false);
    assert_eq!(bench.say_stop_replica(2, NOW, stop), FINE);
    let waits = bench.produce(b(1), 0, Acks::All, 1);
    bench.advance(2_000);
    assert_eq!((bench.produced(waits), bench.log(b(2)).0), (None, 2));
    // A newer leader epoch sets it going again.
    bench.say_to_all(&[1, 2], &later(6));
    bench.advance(1_000);
    assert_eq!(bench.log(b(2)).0, 3);
}

#[test]
fn a_replica_that_is_stopped_for_good_is_deleted_and_created_anew_when_it_is_wanted_again() {
    let mut bench = following(&[]);
    bench.produce(b(1), 0, Acks::All, 2);
    assert_eq!(bench.say_stop_replica(2, NOW, (StopEpoch::Of(LeaderEpoch(5)), true)), FINE);
    assert!(bench.brokers[&b(2)].replicas.get(P0).is_none());
    assert!(!bench.disks[&b(2)].contains(File::PartitionMetadata(P0)));
    bench.say_to_all(&[1, 2], &later(6));
    bench.advance(1_000);
    assert_eq!(bench.log(b(2)).0, 2, "from its leader");
}

#[test]
fn kip_570_a_stop_that_was_decided_in_an_older_leader_epoch_is_refused() {
    let fenced = (ErrorCode::None, Some(ErrorCode::FencedLeaderEpoch));
    let of = |epoch| StopEpoch::Of(LeaderEpoch(epoch));
    for (rule, epoch, expected) in [
        ("on", of(4), fenced),
        ("on", of(5), FINE),
        ("on", of(6), FINE),
        ("on", StopEpoch::None, FINE),
        ("on", StopEpoch::DuringDelete, FINE),
        ("off", of(4), FINE),
    ] {
        let mut bench = following(&[("stop-replica-epoch", rule)]);
        let answer = bench.say_stop_replica(2, NOW, (epoch, true));
        assert_eq!(answer, expected, "{rule} {epoch:?}");
        let is_there = bench.brokers[&b(2)].replicas.get(P0).is_some();
        assert_eq!(is_there, expected == fenced, "{rule} {epoch:?}");
    }
}

#[test]
fn a_replica_that_is_not_here_is_stopped_without_a_word() {
    let mut bench = Bench::in_zookeeper_mode(1, &[], Switches::default());
    assert_eq!(bench.say_stop_replica(1, NOW, (StopEpoch::DuringDelete, true)), FINE);
}

#[test]
fn what_clients_are_told_of_a_topic_is_what_the_controller_has_told_everybody() {
    let mut bench = Bench::in_zookeeper_mode(1, &[], Switches::default());
    let described = |bench: &mut Bench| {
        let asked = bench.ask(
            b(1),
            MetadataRequest {
                topics: Some(vec!["orders".into()]),
                allow_auto_topic_creation: false,
            },
        );
        let Some(Response::Metadata(answer)) = bench.answer(asked) else { panic!() };
        let topic = &answer.topics[0];
        (topic.error, topic.partitions.first().and_then(|partition| partition.leader))
    };
    assert_eq!(described(&mut bench), (ErrorCode::UnknownTopicOrPartition, None));
    bench.say_how_it_stands(1, &told(Some(1), 0, &[1], &[1], 0), false);
    assert_eq!(described(&mut bench), (ErrorCode::None, Some(b(1))));
    // A leader that is not alive is none.
    bench.say_how_it_stands(1, &told(Some(3), 1, &[3, 1], &[3, 1], 1), false);
    assert_eq!(described(&mut bench), (ErrorCode::None, None));
    bench.say_how_it_stands(1, &told(None, 1, &[3, 1], &[3, 1], 1), true);
    assert_eq!(described(&mut bench), (ErrorCode::UnknownTopicOrPartition, None));
}

#[test]
fn in_kraft_mode_nobody_is_obeyed_who_says_such_things() {
    let mut bench = Bench::new(1, &[]);
    bench.create(&[], state(Some(1), 0, &[1], &[1], 0));
    let request = klab_wire::StopReplicaRequest {
        controller: b(1),
        controller_epoch: klab_wire::ControllerEpoch(9),
        broker_epoch: None,
        partitions: vec![klab_wire::StopReplicaPartitionState {
            partition: orders(0),
            leader_epoch: StopEpoch::None,
            delete_partition: true,
        }],
    };
    let asked = bench.ask(b(1), request);
    assert!(bench.answer(asked).is_none() && bench.closed.contains(&asked));
    assert!(bench.brokers[&b(1)].replicas.get(P0).is_some());
}
