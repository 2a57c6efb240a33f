//! What the tests of the engine share: small worlds of toys.

use klab_machine::trace::Entry;
use klab_machine::{Command, DisconnectReason, Listener};
use klab_wire::{ClusterId, InitProducerIdRequest, NodeId, Span, Time};
use klab_world::toy::{Seen, Toy, ToyConfig};
use klab_world::{Engine, Latency, NetworkProfile, ProcessPlan};

pub type ToyWorld = Engine<Toy>;

pub const SERVER: NodeId = NodeId::broker(1);
pub const CLIENT: NodeId = NodeId::producer(1);
pub const LATENCY: Span = Span::from_millis(1);

/// One millisecond one way, without jitter; everything else by default.
pub fn steady() -> NetworkProfile {
    NetworkProfile { latency: Latency::constant(LATENCY), ..NetworkProfile::default() }
}

pub fn plan(node: NodeId, config: ToyConfig) -> ProcessPlan<ToyConfig> {
    ProcessPlan::ideal(node, config, vec![Listener::Broker])
}

/// These processes, all started.
pub fn world_of(
    seed: u64,
    network: NetworkProfile,
    plans: Vec<ProcessPlan<ToyConfig>>,
) -> ToyWorld {
    let mut world = Engine::new(seed, ClusterId::from("toys"), network);
    let nodes: Vec<NodeId> = plans.iter().map(|plan| plan.node).collect();
    plans.into_iter().for_each(|plan| world.add(plan));
    nodes.into_iter().for_each(|node| world.start(node));
    world
}

/// A server, and a client that sends when it is told to.
pub fn pair(server: ToyConfig) -> ToyWorld {
    let client = ToyConfig::client(&[SERVER], 0);
    world_of(1, steady(), vec![plan(SERVER, server), plan(CLIENT, client)])
}

pub fn run(world: &mut ToyWorld, until: Span) -> Vec<Entry> {
    let mut entries = Vec::new();
    world.run(Time(until.0), &mut |entry: &Entry| entries.push(entry.clone()));
    entries
}

/// Lets the client send one request.
pub fn send(world: &mut ToyWorld) {
    let request = InitProducerIdRequest { current: None }.into();
    world.command(CLIENT, Command::Administer(request));
}

pub fn seen(world: &ToyWorld, node: NodeId) -> Vec<Seen> {
    world.machines(node).next().expect("it is up").seen()
}

/// When a machine saw something of a kind, in milliseconds of its own clock.
pub fn when(world: &ToyWorld, node: NodeId, what: impl Fn(&Seen) -> bool) -> Vec<u64> {
    let toy = world.machines(node).next().expect("it is up");
    let matching = toy.diary().iter().filter(|(_, seen)| what(seen));
    matching.map(|(now, _)| now.time.0 / 1_000_000).collect()
}

/// The correlations of the requests that the server saw, in order.
pub fn requests(world: &ToyWorld) -> Vec<u32> {
    let seen = seen(world, SERVER).into_iter();
    seen.filter_map(|seen| match seen {
        Seen::Request(_, correlation) => Some(correlation.0),
        _ => None,
    })
    .collect()
}

pub fn is_request(seen: &Seen) -> bool {
    matches!(seen, Seen::Request(..))
}

pub fn is_response(seen: &Seen) -> bool {
    matches!(seen, Seen::Response(..))
}

pub fn disconnects(world: &ToyWorld, node: NodeId) -> Vec<DisconnectReason> {
    let seen = seen(world, node).into_iter();
    seen.filter_map(|seen| match seen {
        Seen::Disconnected(_, reason) => Some(reason),
        _ => None,
    })
    .collect()
}

pub const fn millis(millis: u64) -> Span {
    Span::from_millis(millis)
}

pub const fn secs(seconds: u64) -> Span {
    Span::from_secs(seconds)
}
