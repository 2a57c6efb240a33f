//! From a scenario to processes: brokers, voters or the servers of an ensemble, the administrator's tool, the clients.

use crate::client_setup::{consumer_setup, producer_setup};
use crate::ensemble::{client_setup, server_setup};
use crate::hardware::{
    consumer_host, disk_profile, keeper_client_host, network_profile, producer_host, server_host,
};
use crate::node::{Node, NodeSetup};
use crate::{Clock, Engine, HostPlan, ProcessPlan, directory};
use klab_broker::{BrokerSetup, SourceSetup};
use klab_client::AdminSetup;
use klab_controller::{ControllerSetup, KafkaControllerSetup, bootstrap_records};
use klab_kraft::RaftSetup;
use klab_machine::Listener;
use klab_machine::random::stream;
use klab_scenario::ensemble::Ensemble;
use klab_scenario::{Controller, Scenario, SignedSpan};
use klab_wire::config::{AdminConfig, BrokerConfig, ConfigTable};
use klab_wire::{ClusterId, NodeId, NodeKind, ReplicaKey};
use klab_zookeeper_client::SessionSetup;

/// The administrator's tool: it creates the topics and carries out the scenario's requests.
pub const ADMINISTRATOR: NodeId = NodeId::admin(1);

/// The broker is the first machine of its process, a combined voter or the controller of ZooKeeper mode the second.
const SECOND: u32 = 1;

/// All processes, with formatted disks, none of them started; and the links that differ.
pub(crate) fn deploy(scenario: &Scenario, seed: u64) -> Engine<Node> {
    let cluster =
        ClusterId::from(format!("klab-{:08x}", stream(seed, "cluster", []).number() >> 32));
    let mut engine = Engine::new(seed, cluster, network_profile(scenario));
    for node in scenario.cluster.nodes() {
        engine.add(server(scenario, seed, node));
    }
    if let Some(ensemble) = &scenario.zookeeper {
        for (node, keeper) in scenario.zookeeper_client_nodes() {
            let setup = client_setup(ensemble, keeper, scenario.run_for);
            engine.add(client(scenario, node, setup, keeper_client_host(&scenario.hardware)));
        }
    }
    if scenario.cluster.is_bare() {
        return engine;
    }
    engine.add(ProcessPlan::ideal(ADMINISTRATOR, administrator(scenario), Vec::new()));
    for (node, producer) in scenario.producer_nodes() {
        let setup = producer_setup(scenario, producer, klab_wire::Span::ZERO);
        let host = producer_host(&scenario.hardware, producer.record_size, &setup.config);
        engine.add(client(scenario, node, NodeSetup::Producer(Box::new(setup)), host));
    }
    for (node, consumer, place) in scenario.consumer_nodes() {
        let setup = consumer_setup(scenario, consumer, place);
        let host = consumer_host(&scenario.hardware, &setup.config);
        engine.add(client(scenario, node, NodeSetup::Consumer(Box::new(setup)), host));
    }
    engine
}

/// The brokers that a client asks first: all of them.
pub(crate) fn bootstrap(scenario: &Scenario) -> Vec<NodeId> {
    (1..=scenario.cluster.brokers).map(NodeId::broker).collect()
}

fn server(scenario: &Scenario, seed: u64, node: NodeId) -> ProcessPlan<NodeSetup> {
    let own = scenario.cluster.overrides(node);
    let clock = own.map_or(Clock::default(), |own| Clock {
        offset: signed_nanos(own.clock.offset),
        drift_ppm: own.clock.drift_ppm,
    });
    ProcessPlan {
        node,
        rack: scenario.rack(node),
        machines: machines(scenario, seed, node),
        clock,
        disk: disk_profile(scenario),
        host: server_host(scenario, node, &scenario.server_config(node)),
    }
}

fn machines(scenario: &Scenario, seed: u64, node: NodeId) -> Vec<(NodeSetup, Vec<Listener>)> {
    let mut machines = Vec::new();
    if let (Some(ensemble), NodeKind::ZooKeeper) = (&scenario.zookeeper, node.kind) {
        let listeners =
            [Listener::ZooKeeperClient, Listener::ZooKeeperQuorum, Listener::ZooKeeperElection];
        let setup = NodeSetup::ZooKeeper(Box::new(server_setup(ensemble)));
        machines.push((setup, listeners.to_vec()));
    }
    if node.kind == NodeKind::Broker {
        machines.push((broker(scenario, seed, node), vec![Listener::Broker]));
        if let Some(ensemble) = &scenario.zookeeper {
            let controller = kafka_controller(scenario, ensemble, node);
            machines.push((controller, vec![Listener::Controller]));
        }
    }
    if scenario.cluster.voters().contains(&node) {
        machines.push((voter(scenario, seed, node), vec![Listener::Controller]));
    }
    machines
}

fn broker(scenario: &Scenario, seed: u64, node: NodeId) -> NodeSetup {
    let config = scenario.server_config(node);
    let switches = scenario.kafka.resolved();
    let source = match &scenario.zookeeper {
        Some(ensemble) => SourceSetup::ZooKeeper(session(ensemble, &config)),
        None => {
            let quorum = quorum(scenario, seed, node, klab_broker::RAFT_NETWORK_CLIENT);
            let is_beside_voter = scenario.cluster.voters().contains(&node);
            SourceSetup::Quorum(RaftSetup { is_beside_voter, ..quorum })
        }
    };
    NodeSetup::Broker(Box::new(BrokerSetup { config, switches, source }))
}

/// The controller of ZooKeeper mode, of which one is active.
fn kafka_controller(scenario: &Scenario, ensemble: &Ensemble, node: NodeId) -> NodeSetup {
    let config = scenario.server_config(node);
    let switches = scenario.kafka.resolved();
    let zookeeper = session(ensemble, &config);
    NodeSetup::KafkaController(Box::new(KafkaControllerSetup { config, switches, zookeeper }))
}

/// `zookeeper.connect` names all servers.
fn session(ensemble: &Ensemble, config: &BrokerConfig) -> SessionSetup {
    let timeout = config.zookeeper_session_timeout_ms;
    SessionSetup { servers: ensemble.nodes(), chroot: None, timeout }
}

fn voter(scenario: &Scenario, seed: u64, node: NodeId) -> NodeSetup {
    let config = scenario.server_config(node);
    let quorum = quorum(scenario, seed, node, klab_controller::RAFT_NETWORK_CLIENT);
    let bootstrap = bootstrap_records(scenario.kafka.release, &config);
    let switches = scenario.kafka.resolved();
    NodeSetup::Controller(Box::new(ControllerSetup { config, switches, quorum, bootstrap }))
}

fn quorum(scenario: &Scenario, seed: u64, node: NodeId, network_client: u32) -> RaftSetup {
    let config = scenario.server_config(node);
    let voters = voters(scenario, seed);
    let setup = RaftSetup::new(voters, &config, scenario.kafka.release, network_client);
    setup.with_switches(scenario.kafka.resolved())
}

/// The voters with the directories they are formatted with (KIP-853).
fn voters(scenario: &Scenario, seed: u64) -> Vec<ReplicaKey> {
    let place = match scenario.cluster.controller {
        Controller::Kraft { combined: true, .. } => SECOND,
        Controller::Kraft { combined: false, .. } | Controller::ZooKeeper { .. } => 0,
    };
    let key = |id| ReplicaKey { id, directory: directory(seed, id, place, 0) };
    scenario.cluster.voters().into_iter().map(key).collect()
}

fn administrator(scenario: &Scenario) -> NodeSetup {
    let config = AdminConfig::at(scenario.kafka.release);
    NodeSetup::Admin(Box::new(AdminSetup { config, bootstrap: bootstrap(scenario) }))
}

fn client(
    scenario: &Scenario,
    node: NodeId,
    setup: NodeSetup,
    host: HostPlan,
) -> ProcessPlan<NodeSetup> {
    ProcessPlan { rack: scenario.rack(node), host, ..ProcessPlan::ideal(node, setup, Vec::new()) }
}

pub(crate) fn signed_nanos(span: SignedSpan) -> i64 {
    let nanos = i64::try_from(span.span.0).unwrap_or(i64::MAX);
    if span.backwards { -nanos } else { nanos }
}
