//! Replicas that move.

use super::orders;
use crate::zookeeper::desk::Desk;
use klab_wire::config::switches::IsrChanges;
use klab_wire::config::{Release, Switches};
use klab_wire::znodes::path;
use klab_wire::zookeeper::Op;
use klab_wire::*;

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
