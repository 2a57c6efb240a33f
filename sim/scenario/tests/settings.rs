//! `--set`: one value of a scenario set otherwise.

mod common;

use common::VOCABULARY;
use klab_scenario::{Controller, Load, Rate, Scenario};
use klab_wire::config::Release;
use klab_wire::{Acks, NodeId, Span};

const TEXT: &str = r#"
title   = "Two topics, two producers"
concept = "leader-election"
run-for = "60s"

[cluster]
brokers    = 3
controller = { mode = "kraft", voters = 5, combined = false }
config     = { min.insync.replicas = 2 }

[[topic]]
name       = "orders"
partitions = 3
replication = 3

[[topic]]
name       = "payments"
partitions = 3
replication = 3

[[producer]]
name   = "shop"
topic  = "orders"
config = { "linger.ms" = 20 }

[[producer]]
topic  = "payments"

[[at]]
time  = "5s"
crash = "b1"

[[expect]]
always = "no-acked-record-is-lost"

[[expect]]
sometimes = "LeaderElected"
"#;

fn with(settings: &[(&str, &str)]) -> Scenario {
    Scenario::parse_with("text", TEXT, settings, &VOCABULARY).unwrap_or_else(|p| panic!("{p}"))
}

fn partitions(scenario: &Scenario) -> Vec<u32> {
    scenario.topics.iter().map(|topic| topic.partitions).collect()
}

#[test]
fn a_brokers_config_is_set_whether_it_was_quoted_or_not() {
    let scenario = with(&[("broker.min.insync.replicas", "1"), ("broker.log.roll.ms", "1000")]);
    let config = scenario.server_config(NodeId::broker(1));
    assert_eq!(config.min_insync_replicas, 1);
    assert_eq!(config.log.roll(), Span::from_secs(1));
}

#[test]
fn one_brokers_and_the_voters_configs_are_set_apart() {
    let scenario = with(&[
        ("broker.b2.log.segment.bytes", "1000"),
        ("voter.metadata.max.idle.interval.ms", "100"),
    ]);
    assert_eq!(scenario.server_config(NodeId::broker(2)).log.log_segment_bytes, 1_000);
    assert_eq!(scenario.server_config(NodeId::broker(1)).log.log_segment_bytes, 1 << 30);
    let voter = scenario.server_config(NodeId::voter(1));
    assert_eq!(voter.metadata_max_idle_interval_ms, Span::from_millis(100));
}

#[test]
fn all_tables_of_a_kind_are_set_unless_one_is_named_or_numbered() {
    assert_eq!(partitions(&with(&[("topic.partitions", "12")])), [12, 12]);
    assert_eq!(partitions(&with(&[("topic.payments.partitions", "12")])), [3, 12]);
    assert_eq!(partitions(&with(&[("topic.1.partitions", "12")])), [12, 3]);
}

#[test]
fn a_clients_config_and_its_keys_are_set_alike() {
    let scenario =
        with(&[("producer.acks", "1"), ("producer.rate", "7/s"), ("producer.shop.linger.ms", "0")]);
    let configs: Vec<_> = scenario
        .producers
        .iter()
        .map(|producer| producer.resolved_config(Release::DEFAULT))
        .collect();
    assert!(configs.iter().all(|config| config.acks == Acks::Leader));
    assert_eq!(configs[0].linger_ms, Span::ZERO);
    assert_eq!(configs[1].linger_ms, Span::from_millis(5));
    let rate = Load::Rate(Rate { count: 7, per: Span::from_secs(1) });
    assert!(scenario.producers.iter().all(|producer| producer.rate == rate));
}

#[test]
fn another_mode_has_as_many_controllers_of_the_other_kind() {
    let scenario = with(&[("cluster.controller.mode", "zookeeper")]);
    assert_eq!(scenario.cluster.controller, Controller::ZooKeeper { servers: 5 });
    assert!(scenario.cluster.nodes().contains(&NodeId::zookeeper(5)));
    let scenario = with(&[("cluster.controller.mode", "kraft")]);
    assert_eq!(scenario.cluster.controller, with(&[]).cluster.controller);
}

#[test]
fn sections_that_are_not_there_come_into_being() {
    let scenario = with(&[
        ("cluster.brokers", "5"),
        ("network.latency", "2ms"),
        ("kafka.release", "3.9"),
        ("network.retransmit.first-after", "100ms"),
        ("run-for", "90s"),
        ("at.1.time", "6s"),
    ]);
    assert_eq!(scenario.cluster.brokers, 5);
    assert_eq!(scenario.network.latency.base, Span::from_millis(2));
    assert_eq!(scenario.network.retransmit.first_after, Span::from_millis(100));
    assert_eq!(scenario.kafka.release, Release::new(3, 9));
    assert_eq!(scenario.run_for, Span::from_secs(90));
    assert_eq!(scenario.acts[0].time, Span::from_secs(6));
}
