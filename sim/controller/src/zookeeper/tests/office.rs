//! Who is the controller, and what one does that is one no more.

use crate::zookeeper::desk::Desk;
use klab_wire::config::switches::{BrokerEpochs, ControllerEvents, ControllerWrites};
use klab_wire::config::{Release, Switches};
use klab_wire::znodes::path;
use klab_wire::zookeeper::{Acl, CreateMode, Op};
use klab_wire::*;

#[test]
fn the_first_broker_that_is_registered_becomes_the_controller_and_its_epoch_is_one() {
    let desk = Desk::new().with_brokers([1, 2, 3]);
    assert_eq!(desk.active(), [1]);
    assert_eq!(desk.znode(&path::controller_epoch()).as_deref(), Some("1"));
    assert_eq!(desk.controller(1).context.live_brokers.len(), 3);
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
    let partition: Vec<_> = told.iter().filter(|fact| fact.contains("orders-0")).collect();
    assert!(partition[0].contains("PartitionWentOffline orders-0 epoch 1 isr [b2]"), "{told:?}");
    assert!(partition[2].contains("LeaderElected orders-0 leader b2 epoch 2 isr [b2]"), "{told:?}");
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

/// What the controller does about a broker's znode that goes and is back while the creation of a large topic keeps
/// the event thread busy.
fn about_a_short_absence(controller_events: ControllerEvents) -> Vec<String> {
    let broker_epoch = BrokerEpochs::Off;
    let switches = Switches { controller_events, broker_epoch, ..Switches::at(Release::new(3, 9)) };
    let mut desk = Desk::with(switches, &[]).with_brokers([1, 2, 3]);
    desk.create(1, "orders", &[&[2, 3]]);
    let large: Vec<&[u16]> = vec![&[1, 3]; 200];
    desk.begin_creation(1, "large", &large);
    desk.pass(Span::from_millis(60));
    desk.told();
    let at = path::broker_id(NodeId::broker(2));
    let data = desk.znode(&at).unwrap().as_str().into();
    desk.submit(3, Op::Delete { path: at.clone(), version: None });
    desk.pass(Span::from_millis(20));
    desk.submit(3, Op::Create { path: at, data, acl: Acl::Open, mode: CreateMode::EPHEMERAL });
    desk.pass(Span::from_secs(3));
    let mut told = desk.told();
    told.retain(|fact| fact.contains("orders") || fact.contains("b2"));
    told.retain(|fact| !fact.contains("large"));
    told
}

#[test]
fn kafka_5502_an_event_is_about_the_world_as_it_is_when_its_turn_comes() {
    let now = about_a_short_absence(ControllerEvents::Rereading);
    assert_eq!(now, Vec::<String>::new(), "the broker is there, and nobody has missed it");
    let then = about_a_short_absence(ControllerEvents::Carrying);
    assert!(
        then.contains(&"v1 LeaderElected orders-0 leader b3 epoch 1 isr [b3]".into()),
        "{then:?}"
    );
    assert!(then.contains(&"v1 BrokerFenced b2".into()), "{then:?}");
}
