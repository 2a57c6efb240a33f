//! What the judge is told of a scenario: the settings that promises depend on, and what is expected.

use klab_check::{Expectation, Filter, ProducerSettings, Promise, Settings, TopicSettings};
use klab_scenario::{Controller, Position, Scenario};
use klab_wire::NodeId;
use klab_wire::config::{AutoOffsetReset, BrokerConfig, CleanupPolicy, TopicConfig};
use std::collections::BTreeMap;

/// The settings of a scenario that decide what Kafka promises.
pub fn settings(scenario: &Scenario) -> Settings {
    let servers = scenario.cluster.nodes().into_iter();
    let defaults = servers.map(|node| inherited(&scenario.server_config(node)));
    Settings {
        defaults: defaults.reduce(TopicSettings::or_less).unwrap_or_default(),
        producers: producers(scenario),
        other_producers: ProducerSettings::default(),
        voters: scenario.cluster.voters(),
        ensemble: scenario
            .zookeeper
            .as_ref()
            .map_or(Vec::new(), |ensemble| ensemble.participants()),
        zookeeper_mode: scenario.cluster.is_in_zookeeper_mode(),
        eligible_leader_replicas: eligible_leader_replicas(scenario),
        selectors_may_miss: scenario.allow_unmatched,
    }
}

/// What is expected of a run of a scenario.
pub fn expectations(scenario: &Scenario) -> Vec<Expectation> {
    scenario.expectations.iter().map(expectation).collect()
}

fn inherited(broker: &BrokerConfig) -> TopicSettings {
    let none: [(&str, &str); 0] = [];
    let config = TopicConfig::on(broker, none).expect("a broker's own defaults are legal");
    TopicSettings {
        min_insync_replicas: config.min_insync_replicas,
        unclean_leader_election: config.unclean_leader_election_enable,
        compacted: config.cleanup_policy != CleanupPolicy::Delete,
        flushes_every_batch: config.flush_messages == 1,
    }
}

fn producers(scenario: &Scenario) -> BTreeMap<NodeId, ProducerSettings> {
    let settings = |(node, producer): (NodeId, &klab_scenario::Producer)| {
        let config = producer.resolved_config(scenario.kafka.release);
        let settings = ProducerSettings {
            acks: config.acks,
            idempotence: config.enable_idempotence,
            max_in_flight: config.max_in_flight_requests_per_connection,
            retries: config.retries,
        };
        (node, settings)
    };
    scenario.producer_nodes().map(settings).collect()
}

fn eligible_leader_replicas(scenario: &Scenario) -> bool {
    matches!(scenario.cluster.controller, Controller::Kraft { .. })
        && scenario.server_config(NodeId::broker(1)).eligible_leader_replicas_enable
}

/// Whether every consumer reads its partitions from where they begin.
pub fn consumers_start_at_the_beginning(scenario: &Scenario) -> bool {
    let release = scenario.kafka.release;
    scenario.consumers.iter().all(|consumer| match consumer.from {
        Some(position) => position == Position::Earliest,
        None => {
            let config = consumer.resolved_config(release);
            config.auto_offset_reset == AutoOffsetReset::Earliest
        }
    })
}

fn expectation(expectation: &klab_scenario::Expectation) -> Expectation {
    use klab_scenario::Expectation as Written;
    match expectation {
        Written::Always { always } => Expectation::Always(promise(always)),
        Written::Violated { violated, permitted_by } => {
            Expectation::Violated { promise: promise(violated), permitted_by: permitted_by.clone() }
        }
        Written::Sometimes { sometimes, fields, at_least, at_most } => Expectation::Sometimes {
            fact: sometimes.clone(),
            filters: filters(fields),
            at_least: *at_least,
            at_most: *at_most,
        },
        Written::Never { never, fields } => {
            Expectation::Never { fact: never.clone(), filters: filters(fields) }
        }
    }
}

fn promise(name: &str) -> Promise {
    name.parse().expect("parsing has checked the promise against the same table")
}

fn filters(fields: &BTreeMap<String, String>) -> Vec<Filter> {
    let filter =
        |(field, value): (&String, &String)| Filter { field: field.clone(), value: value.clone() };
    fields.iter().map(filter).collect()
}
