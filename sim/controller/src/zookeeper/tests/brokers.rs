//! Brokers that go and come.

use crate::zookeeper::desk::Desk;
use klab_wire::*;

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
            "v1 BrokerFenced b2",
            "v1 LeaderElected orders-0 leader b3 epoch 1 isr [b3]",
            "v1 IsrChanged orders-0 isr [b3] (partition epoch 1)"
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
