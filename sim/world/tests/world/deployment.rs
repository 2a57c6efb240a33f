//! From a scenario to a running cluster, and to its end.

use crate::clusters::*;
use klab_check::Convergence;
use klab_machine::fact::{ControllerFact, WorldFact};
use klab_machine::trace::Entry;
use klab_machine::{Fact, File};
use klab_wire::{NodeId, NodeKind, Span, Time};
use klab_world::{NodeView, Simulation, World};

const CLIENT: NodeId = NodeId::producer(1);

#[test]
fn topics_are_created_when_the_brokers_are_alive_and_clients_start_when_all_brokers_know_them() {
    let mut world = World::new(&scenario("6s", ""), 1);
    let facts = facts_until(&mut world, Span::from_secs(6));
    let last_unfenced = named(&facts, "BrokerUnfenced").last().expect("brokers register").0;
    let created = named(&facts, "TopicCreated")[0].0;
    let follows = named(&facts, "BecameFollower").last().expect("replicas are made").0;
    let started = facts.iter().find(|stated| stated.node == CLIENT).expect("it starts").millis;
    assert!(last_unfenced <= created && created < follows && follows <= started);
}

#[test]
fn a_calm_run_ends_as_soon_as_the_cluster_is_at_rest() {
    let mut world = World::new(&scenario("6s", ""), 1);
    let end = world.run_to_end(&mut |_: &Entry| {});
    assert!(matches!(end.convergence, Convergence::Reached { .. }), "{:?}", end.convergence);
    assert!(end.time < Time(7_000_000_000), "{}", end.time);
    assert_eq!(world.unrest(), [""; 0]);
    assert!(world.step().is_none());
    let views = world.views(CLIENT);
    let [NodeView::Producer(producer)] = &views[..] else { panic!("a producer has one view") };
    assert!(producer.acknowledged > 50);
    assert_eq!(producer.acknowledged, producer.sent);
}

#[test]
fn a_cluster_that_is_not_at_rest_in_time_says_what_is_stuck_and_on_whom_it_waits() {
    let ill = "[[at]]\ntime = \"5s\"\ncrash = \"b3\"\n\n[heal]\nconverge-within = \"1ms\"\n";
    let mut world = World::new(&scenario("6s", ill), 1);
    let end = world.run_to_end(&mut |_: &Entry| {});
    let Convergence::Missed { reasons } = end.convergence else { panic!("1 ms is too short") };
    assert!(!reasons.is_empty());
    let reasons: Vec<String> = reasons.into_iter().map(|stuck| stuck.what).collect();
    for reason in &reasons {
        let (what, waits) = reason.split_once(": ").expect("what is stuck, and on whom it waits");
        assert!(!what.is_empty() && waits.contains("wait"), "{reason}");
    }
    assert!(reasons.iter().any(|reason| reason.contains("b3")), "{reasons:#?}");
}

#[test]
fn every_directory_is_formatted_and_a_combined_process_has_two() {
    let separate = World::new(&scenario("6s", ""), 1);
    let combined = "[cluster]\ncontroller = { mode = \"kraft\", voters = 3, combined = true }";
    let combined = World::new(&scenario("6s", combined), 1);
    let broker = NodeId::broker(1);
    assert_eq!(separate.engine().disks(broker).count(), 1);
    let disks: Vec<_> = combined.engine().disks(broker).collect();
    assert_eq!(disks.len(), 2);
    assert!(disks.iter().all(|disk| disk.contains(File::MetaProperties)));
    assert_ne!(disks[0], disks[1]);
}

#[test]
fn combined_brokers_elect_a_controller_among_themselves() {
    let combined = "[cluster]\ncontroller = { mode = \"kraft\", voters = 3, combined = true }";
    let mut world = World::new(&scenario("6s", combined), 1);
    let facts = facts_of(&mut world);
    let activated = named(&facts, "ControllerActivated");
    assert!(
        activated.iter().all(|(_, node)| node.kind == NodeKind::Broker) && !activated.is_empty()
    );
    assert_eq!(world.unrest(), [""; 0]);
}

#[test]
fn one_scenario_and_seed_give_one_run_and_a_fork_lives_the_same_life() {
    let more = "[[at]]\ntime = \"4s\"\ncrash = \"leader of orders-0\"\nfor = \"1s\"";
    let scenario = scenario("7s", more);
    let fingerprint = |mut world: World| {
        world.run_to_end(&mut |_: &Entry| {});
        world.fingerprint().expect("it is digested").hex()
    };
    let mut world = World::new(&scenario, 3);
    world.run(Time(3_500_000_000), &mut |_: &Entry| {});
    let whole = fingerprint(World::new(&scenario, 3));
    assert_eq!(fingerprint(world.clone()), whole);
    assert_eq!(fingerprint(world), whole);
    assert_ne!(fingerprint(World::new(&scenario, 4)), whole);
}

#[test]
fn a_consumer_that_stops_goes_in_order_and_does_not_come_back() {
    let more = r#"
        [[consumer]]
        topic = "orders"
        stop = "4s"
        "#;
    let mut world = World::new(&scenario("6s", more), 1);
    let facts = facts_of(&mut world);
    let consumer = NodeId::consumer(2);
    let lives =
        named(&facts, "ProcessStarted").iter().filter(|(_, node)| *node == consumer).count();
    assert_eq!(lives, 1);
    assert!(
        named(&facts, "ProcessHalted").iter().any(|(at, node)| *node == consumer && *at >= 4_000)
    );
}

#[test]
fn a_broker_that_starts_later_is_not_waited_for() {
    let more = r#"
        [cluster]
        brokers = 4
        [cluster.broker.b4]
        starts-at = "5s"
        "#;
    let mut world = World::new(&scenario("8s", more), 1);
    let facts = facts_of(&mut world);
    let fourth = NodeId::broker(4);
    let started = named(&facts, "ProcessStarted").into_iter().find(|(_, node)| *node == fourth);
    assert_eq!(started, Some((5_000, fourth)));
    assert!(named(&facts, "TopicCreated")[0].0 < 5_000);
    assert_eq!(world.unrest(), [""; 0]);
}

#[test]
fn an_administrators_act_reaches_the_controller() {
    let more = r#"
        [[at]]
        time = "4s"
        create-partitions = { topic = "orders", partitions = 5 }
        "#;
    let mut world = World::new(&scenario("6s", more), 1);
    let facts = facts_of(&mut world);
    let grown = facts.iter().find_map(|stated| match &stated.fact {
        Fact::Controller(ControllerFact::PartitionsCreated { from, to, .. }) => Some((*from, *to)),
        _ => None,
    });
    assert_eq!(grown, Some((2, 5)));
}

#[test]
fn a_broker_that_is_on_its_way_out_when_healing_begins_comes_back_when_it_is_gone() {
    let more = "[[at]]\ntime = \"5990ms\"\nshutdown = \"b1\"";
    let mut world = World::new(&scenario("6s", more), 1);
    let facts = facts_of(&mut world);
    let broker = NodeId::broker(1);
    let halted = named(&facts, "ProcessHalted").into_iter().find(|(_, node)| *node == broker);
    assert!(halted.expect("it goes in order").0 >= 6_000);
    assert_eq!(world.unrest(), [""; 0]);
}

#[test]
fn a_fault_that_nobody_ended_is_over_when_healing_begins() {
    let more = r#"
        [[at]]
        time = "4s"
        crash = "follower 1 of orders-0"
        [[at]]
        time = "4s"
        isolate = "leader of orders-1"
        "#;
    let mut world = World::new(&scenario("6s", more), 1);
    let facts = facts_of(&mut world);
    let healing = Fact::World(WorldFact::HealingBegan {});
    let healing = facts.iter().position(|stated| stated.fact == healing).expect("it heals");
    let after = &facts[healing..];
    assert_eq!(named(&facts, "LinkCut").len(), named(after, "LinkHealed").len());
    assert_eq!(named(after, "ProcessStarted").len(), 1);
    assert_eq!(world.unrest(), [""; 0]);
}

#[test]
fn kip_73_a_throttle_that_would_hold_a_move_up_for_good_is_lifted_when_healing_begins() {
    let more = r#"
        [cluster]
        brokers = 4
        [[at]]
        time = "6s"
        reassign = { partitions = { orders-0 = ["b4", "b2", "b3"] }, throttle = "100B/s" }
        "#;
    let mut world = World::new(&scenario("20s", more), 1);
    facts_until(&mut world, Span::from_millis(19_900));
    assert!(!world.is_fully_replicated(), "the move goes on");
    facts_of(&mut world);
    assert_eq!(world.unrest(), [""; 0]);
}
