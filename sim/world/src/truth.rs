//! The world's truth about a deployment: who has which role at this moment, whatever anyone believes.

use crate::node::Node;
use crate::{Engine, zookeeper_mode};
use klab_broker::Broker;
use klab_controller::Controller;
use klab_metadata::Image;
use klab_wire::NodeId;
use std::borrow::Cow;

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

/// The process of the active controller, in either mode.
pub(crate) fn controlling(engine: &Engine<Node>) -> Option<NodeId> {
    let in_quorum = active_controller(engine).map(|(node, _)| node);
    in_quorum.or_else(|| zookeeper_mode::active_controller(engine))
}

/// The metadata that holds: the active controller's, or without one that of the controller that has got
/// furthest. In ZooKeeper mode it is what the znodes say.
pub(crate) fn metadata(engine: &Engine<Node>) -> Option<Cow<'_, Image>> {
    if let Some((_, controller)) = active_controller(engine) {
        return Some(Cow::Borrowed(controller.image()));
    }
    let images = controllers(engine).map(|(_, controller)| controller.image());
    match images.max_by_key(|image| image.next_offset) {
        Some(image) => Some(Cow::Borrowed(image)),
        None => zookeeper_mode::metadata(engine).map(Cow::Owned),
    }
}

/// Every machine that is up, with its process.
pub(crate) fn machines(engine: &Engine<Node>) -> impl Iterator<Item = (NodeId, &Node)> {
    engine.nodes().flat_map(|node| engine.machines(node).map(move |machine| (node, machine)))
}
