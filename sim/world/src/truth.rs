//! The world's truth about a deployment: who has which role at this moment, whatever anyone believes.

use crate::Engine;
use crate::node::Node;
use klab_broker::Broker;
use klab_controller::Controller;
use klab_metadata::Image;
use klab_wire::NodeId;

/// The brokers that are up.
pub(crate) fn brokers(engine: &Engine<Node>) -> impl Iterator<Item = (NodeId, &Broker)> {
    machines(engine).filter_map(|(node, machine)| match machine {
        Node::Broker(broker) => Some((node, broker.as_ref())),
        _ => None,
    })
}

/// The controllers that are up.
pub(crate) fn controllers(engine: &Engine<Node>) -> impl Iterator<Item = (NodeId, &Controller)> {
    machines(engine).filter_map(|(node, machine)| match machine {
        Node::Controller(controller) => Some((node, controller.as_ref())),
        _ => None,
    })
}

/// The active controller: of those that believe it, the one with the highest epoch.
pub(crate) fn active_controller(engine: &Engine<Node>) -> Option<(NodeId, &Controller)> {
    let active = controllers(engine).filter(|(_, controller)| controller.is_active());
    active.max_by_key(|(_, controller)| controller.raft().epoch())
}

/// The metadata that holds: the active controller's, or without one that of the controller (or
/// broker) that has got furthest.
pub(crate) fn metadata(engine: &Engine<Node>) -> Option<&Image> {
    if let Some((_, controller)) = active_controller(engine) {
        return Some(controller.image());
    }
    let images = controllers(engine).map(|(_, controller)| controller.image());
    images.max_by_key(|image| image.next_offset)
}

fn machines(engine: &Engine<Node>) -> impl Iterator<Item = (NodeId, &Node)> {
    engine.nodes().flat_map(|node| engine.machines(node).map(move |machine| (node, machine)))
}
