//! How an ISR changes in ZooKeeper mode: written by the leader itself, before KIP-497; asked of the controller since.

use super::switched;
use crate::testing::*;
use klab_wire::znodes::{
    LeaderAndIsr, LeaderIsrAndControllerEpoch, TopicPartitionStateZNode, path,
};
use klab_wire::zookeeper::{Data, Op};
use klab_wire::{Acks, ControllerEpoch, ErrorCode, LeaderEpoch, NodeId, PartitionEpoch};

const LAG: [(&str, &str); 1] = [("replica.lag.time.max.ms", "1000")];

/// The state of `orders-0` as its znode has it.
fn znode(leader_epoch: u32, isr: &[u16]) -> Data {
    let leader_and_isr = LeaderAndIsr {
        leader_epoch: LeaderEpoch(leader_epoch),
        partition_epoch: PartitionEpoch(0),
        ..LeaderAndIsr::new(b(1), nodes(isr))
    };
    let controller_epoch = ControllerEpoch(1);
    TopicPartitionStateZNode::encode(&LeaderIsrAndControllerEpoch {
        leader_and_isr,
        controller_epoch,
    })
}

/// b1 leads, and b2, which is in sync, does not fetch: soon b1 wants it out of the ISR.
fn falling_behind(isr_changes: &str) -> Bench {
    let mut bench = Bench::in_zookeeper_mode(2, &LAG, switched(&[("isr-changes", isr_changes)]));
    bench.create_znode(&path::state(&orders(0)), znode(0, &[1, 2]));
    bench.say_to_all(&[1, 2], &told(Some(1), 0, &[1, 2], &[1, 2], 0));
    bench.crash(b(2));
    bench.produce(b(1), 0, Acks::All, 1);
    bench
}

fn isr(bench: &Bench) -> Vec<NodeId> {
    let partition = bench.brokers[&b(1)].replicas.get(P0).unwrap();
    partition.leader().unwrap().state.isr().to_vec()
}

fn state_in_znode(bench: &Bench) -> String {
    bench.znode(&path::state(&orders(0))).unwrap()
}

#[test]
fn before_kip_497_a_leader_writes_its_isr_down_and_tells_the_controller_by_a_numbered_znode() {
    let mut bench = falling_behind("leader-writes");
    bench.advance(2_500);
    assert_eq!(isr(&bench), [b(1)]);
    assert!(state_in_znode(&bench).contains(r#""isr":[1]"#), "{}", state_in_znode(&bench));
    assert_eq!((bench.count("IsrWritten"), bench.alterations.len()), (1, 0));
    let note = path::isr_change_notifications().child("isr_change_0000000000");
    assert_eq!(bench.znode(&note), None, "there may be more");
    bench.advance(10_000);
    assert!(bench.znode(&note).unwrap().contains("orders"));
}

#[test]
fn kafka_2729_a_leader_with_a_stale_version_fails_and_waits_until_it_is_told_the_new_one() {
    let mut bench = falling_behind("leader-writes");
    let (path, data) = (path::state(&orders(0)), znode(1, &[1, 2]));
    bench.keeper(Op::SetData { path, data, version: None }).unwrap();
    bench.advance(6_000);
    assert_eq!((bench.count("IsrChangeRejected"), bench.count("IsrWritten")), (1, 0));
    assert!(state_in_znode(&bench).contains(r#""isr":[1,2]"#));
    bench.say_to_all(&[1], &told(Some(1), 1, &[1, 2], &[1, 2], 1));
    bench.advance(3_000);
    assert_eq!(isr(&bench), [b(1)]);
}

#[test]
fn a_write_whose_answer_was_lost_is_recognised_as_its_own() {
    let mut bench = falling_behind("leader-writes");
    bench.lose_the_answer(1, path::state(&orders(0)));
    bench.advance(6_000);
    assert!(state_in_znode(&bench).contains(r#""isr":[1]"#));
    assert_eq!((isr(&bench), bench.count("IsrChangeRejected")), (vec![b(1)], 0));
}

#[test]
fn kip_497_a_leader_asks_the_controller_and_writes_nothing() {
    let mut bench = falling_behind("alter-partition");
    bench.advance(2_500);
    assert_eq!(isr(&bench), [b(1), b(2)], "until it is answered");
    assert!(state_in_znode(&bench).contains(r#""isr":[1,2]"#));
    assert_eq!(bench.grant(), [b(1)]);
    assert_eq!(isr(&bench), [b(1)]);
}

#[test]
fn kip_497_a_leader_that_is_refused_for_its_version_waits_for_news() {
    let mut bench = falling_behind("alter-partition");
    bench.advance(2_500);
    bench.refuse(ErrorCode::InvalidUpdateVersion);
    bench.advance(6_000);
    assert!(bench.alterations.is_empty(), "it asks for nothing more");
    bench.say_to_all(&[1], &told(Some(1), 1, &[1, 2], &[1, 2], 1));
    bench.advance(3_000);
    assert_eq!(bench.grant(), [b(1)]);
}
