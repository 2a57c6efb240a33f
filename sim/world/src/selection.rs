//! Whom a selector means at this moment, by the world's truth.

use crate::Engine;
use crate::deployment::ADMINISTRATOR;
use crate::node::Node;
use crate::{ensemble, truth};
use klab_machine::random::Stream;
use klab_scenario::{Scenario, Selector};
use klab_wire::{NodeId, NodeKind, PartitionRegistration, RackId, TopicPartition};

/// The processes that a selector means now, in the order of the deployment; none if nobody matches.
pub(crate) fn select(
    selector: &Selector,
    scenario: &Scenario,
    engine: &Engine<Node>,
    chance: &mut Stream,
) -> Vec<NodeId> {
    use Selector::*;
    match selector {
        Node(node) => vec![*node],
        Named(name) => scenario.nodes_named(name),
        Brokers => of_kind(engine, NodeKind::Broker),
        Voters => scenario.cluster.voters(),
        ZooKeepers => of_kind(engine, NodeKind::ZooKeeper),
        Producers => of_kind(engine, NodeKind::Producer),
        Consumers => of_kind(engine, NodeKind::Consumer),
        Clients => clients(engine),
        All => engine.nodes().collect(),
        Down => engine.nodes().filter(|node| has_died(engine, *node)).collect(),
        AnyBroker => one(alive(engine, of_kind(engine, NodeKind::Broker)), chance),
        AnyVoter => one(alive(engine, scenario.cluster.voters()), chance),
        Controller => truth::controlling(engine).into_iter().collect(),
        ZooKeeperLeader => ensemble::leader(engine).map(|(node, _)| node).into_iter().collect(),
        ZooKeeperFollowers => ensemble::followers(engine),
        AnyZooKeeperFollower => one(alive(engine, ensemble::followers(engine)), chance),
        ZooKeeperClients => of_kind(engine, NodeKind::ZooKeeperClient),
        CoordinatorOf(_) => Vec::new(), // Nobody can have that role yet.
        LeaderOf(partition) => leader(engine, partition).into_iter().collect(),
        FollowersOf(partition) => followers(engine, partition),
        AnyFollowerOf(partition) => one(alive(engine, followers(engine, partition)), chance),
        FollowerOf(place, partition) => {
            let place = usize::from(*place).saturating_sub(1);
            followers(engine, partition).get(place).copied().into_iter().collect()
        }
        ReplicasOf(partition) => registered(engine, partition, |state| state.replicas.to_vec()),
        IsrOf(partition) => registered(engine, partition, |state| state.isr.to_vec()),
        Rack(rack) => in_rack(scenario, engine, rack),
        Several(parts) => several(parts, scenario, engine, chance),
    }
}

fn of_kind(engine: &Engine<Node>, kind: NodeKind) -> Vec<NodeId> {
    engine.nodes().filter(|node| node.kind == kind).collect()
}

fn clients(engine: &Engine<Node>) -> Vec<NodeId> {
    let is_client = |node: &NodeId| {
        let is_application = matches!(
            node.kind,
            NodeKind::Producer | NodeKind::Consumer | NodeKind::ZooKeeperClient
        );
        is_application || *node == ADMINISTRATOR
    };
    engine.nodes().filter(is_client).collect()
}

/// It does not run, though it once did.
fn has_died(engine: &Engine<Node>, node: NodeId) -> bool {
    !engine.is_up(node) && engine.life(node) > 0
}

fn alive(engine: &Engine<Node>, nodes: Vec<NodeId>) -> Vec<NodeId> {
    nodes.into_iter().filter(|node| engine.is_running(*node)).collect()
}

fn one(nodes: Vec<NodeId>, chance: &mut Stream) -> Vec<NodeId> {
    match nodes.len() as u64 {
        0 => nodes,
        count => vec![nodes[chance.below(count) as usize]],
    }
}

fn registered(
    engine: &Engine<Node>,
    partition: &TopicPartition,
    who: impl Fn(&PartitionRegistration) -> Vec<NodeId>,
) -> Vec<NodeId> {
    let metadata = truth::metadata(engine);
    let state = metadata.as_ref().and_then(|image| image.topics.partition_named(partition));
    state.map_or(Vec::new(), who)
}

fn leader(engine: &Engine<Node>, partition: &TopicPartition) -> Option<NodeId> {
    truth::metadata(engine)?.topics.partition_named(partition)?.leader
}

/// In the order of the assignment.
fn followers(engine: &Engine<Node>, partition: &TopicPartition) -> Vec<NodeId> {
    registered(engine, partition, |state| {
        let is_follower = |node: &NodeId| Some(*node) != state.leader;
        state.replicas.iter().copied().filter(is_follower).collect()
    })
}

fn in_rack(scenario: &Scenario, engine: &Engine<Node>, rack: &RackId) -> Vec<NodeId> {
    engine.nodes().filter(|node| scenario.rack(*node).as_ref() == Some(rack)).collect()
}

fn several(
    parts: &[Selector],
    scenario: &Scenario,
    engine: &Engine<Node>,
    chance: &mut Stream,
) -> Vec<NodeId> {
    let mut nodes = Vec::new();
    for node in parts.iter().flat_map(|part| select(part, scenario, engine, chance)) {
        if !nodes.contains(&node) {
            nodes.push(node);
        }
    }
    nodes
}
