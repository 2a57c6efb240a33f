//! Dynamic configs: read when a broker starts and when a replica is new, and anew when a numbered znode says so.

use crate::testing::*;
use klab_wire::config::{BrokerConfig, Switches};
use klab_wire::znodes::{ConfigChangeNotification, ConfigEntityZNode, path};
use klab_wire::zookeeper::{Acl, CreateMode, Data, Op};
use klab_wire::{Acks, ConfigResource, ErrorCode};

fn least_in_sync(count: u32) -> Data {
    let name = "min.insync.replicas".into();
    ConfigEntityZNode([(name, count.to_string().into())].into()).encode()
}

/// Writes the znode of some configs, and tells everybody.
fn change(bench: &mut Bench, resource: ConfigResource, data: Data) {
    let path = path::config(&resource);
    bench.keeper(Op::SetData { path, data, version: None }).unwrap();
    let data = ConfigChangeNotification(resource).encode();
    let (path, acl, mode) = (path::config_change(), Acl::Open, CreateMode::PERSISTENT_SEQUENTIAL);
    bench.keeper(Op::Create { path, data, acl, mode }).unwrap();
}

/// What becomes of a record that only b1 has, which leads `orders-0`.
fn alone(bench: &mut Bench) -> ErrorCode {
    let all = bench.produce(b(1), 0, Acks::All, 1);
    bench.produced(all).expect("it is answered at once").0
}

#[test]
fn a_new_replica_waits_until_its_topics_configs_are_read_and_hears_when_they_change() {
    let mut bench = Bench::in_zookeeper_mode(1, &[], Switches::default());
    let topic = || ConfigResource::Topic("orders".into());
    bench.create_znode(&path::config(&topic()), least_in_sync(2));
    bench.say_to_all(&[1], &told(Some(1), 0, &[1, 2], &[1], 0));
    assert_eq!(alone(&mut bench), ErrorCode::NotEnoughReplicas);
    change(&mut bench, topic(), least_in_sync(1));
    assert_eq!(alone(&mut bench), ErrorCode::None);
}

#[test]
fn configs_of_all_brokers_hold_unless_a_broker_has_its_own_and_another_brokers_are_not_its_business()
 {
    let mut bench = Bench::in_zookeeper_mode(0, &[], Switches::default());
    let of = |broker: Option<u16>| ConfigResource::Broker(broker.map(b));
    for (broker, count) in [(None, 2), (Some(2), 1)] {
        bench.create_znode(&path::config(&of(broker)), least_in_sync(count));
    }
    bench.create_znode(&path::config(&of(Some(1))), ConfigEntityZNode::default().encode());
    bench.boot_without_controller(b(1), &BrokerConfig::default());
    bench.advance(1_000);
    assert_eq!(bench.say_who_is_alive(1, NOW), ErrorCode::None);
    bench.say_to_all(&[1], &told(Some(1), 0, &[1, 2], &[1], 0));
    assert_eq!(alone(&mut bench), ErrorCode::NotEnoughReplicas, "as all brokers have it");
    change(&mut bench, of(Some(2)), least_in_sync(1));
    assert_eq!(alone(&mut bench), ErrorCode::NotEnoughReplicas, "that was b2's");
    change(&mut bench, of(Some(1)), least_in_sync(1));
    assert_eq!(alone(&mut bench), ErrorCode::None, "its own");
}

#[test]
fn changes_that_were_before_it_began_are_looked_at_once_and_do_no_harm() {
    let mut bench = Bench::in_zookeeper_mode(1, &[], Switches::default());
    let topic = || ConfigResource::Topic("orders".into());
    bench.create_znode(&path::config(&topic()), least_in_sync(1));
    change(&mut bench, topic(), least_in_sync(2));
    bench.crash(b(1));
    bench.boot_without_controller(b(1), &BrokerConfig::default());
    bench.advance(10_000);
    assert_eq!(bench.say_who_is_alive(1, NOW), ErrorCode::None);
    bench.say_to_all(&[1], &told(Some(1), 0, &[1, 2], &[1], 0));
    assert_eq!(alone(&mut bench), ErrorCode::NotEnoughReplicas);
}
