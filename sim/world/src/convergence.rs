//! Has the cluster come to rest? What liveness means after healing, asked of the world's truth.

use crate::World;
use crate::node::Node;
use crate::truth;
use klab_machine::Machine;
use klab_metadata::Image;
use klab_wire::{NodeId, PartitionRegistration};

impl World {
    /// What is still not as it should be, one line each; nothing when the cluster has come to rest:
    /// one active controller that every voter follows, every broker alive with the same metadata,
    /// every partition led and fully replicated, every call of a client ended.
    pub fn unrest(&self) -> Vec<String> {
        let mut unrest = self.quorum_problems();
        unrest.extend(self.broker_problems());
        unrest.extend(self.replication_problems());
        unrest.extend(self.pending_calls());
        unrest
    }

    /// The metadata quorum has one leader, and every voter follows it.
    pub fn quorum_problems(&self) -> Vec<String> {
        let Some((leader, active)) = truth::active_controller(&self.engine) else {
            return vec!["there is no active controller".into()];
        };
        let epoch = active.raft().epoch();
        let follows = |controller: &klab_controller::Controller| {
            controller.raft().leader() == Some(leader) && controller.raft().epoch() == epoch
        };
        let astray = truth::controllers(&self.engine).filter(|(_, other)| !follows(other));
        let astray = astray.map(|(node, _)| format!("{node} does not follow {leader}"));
        let down =
            self.scenario.cluster.voters().into_iter().filter(|node| !self.engine.is_up(*node));
        astray.chain(down.map(|node| format!("{node} is down"))).collect()
    }

    /// Every broker is up, unfenced, and has the active controller's metadata.
    pub fn broker_problems(&self) -> Vec<String> {
        let Some((_, active)) = truth::active_controller(&self.engine) else { return Vec::new() };
        let mut problems = Vec::new();
        for node in (1..=self.scenario.cluster.brokers).map(NodeId::broker) {
            if !self.engine.is_up(node) {
                problems.push(format!("{node} is down"));
            } else if !active.image().cluster.is_active(node) {
                problems.push(format!("{node} is fenced"));
            }
        }
        for (node, broker) in truth::brokers(&self.engine) {
            let registered = active.image().cluster.broker(node).map(|known| known.epoch());
            if active.image().cluster.is_active(node) && broker.registration() != registered {
                // The controller has not heard yet that the life which it knows is over.
                problems.push(format!("{node} is not registered anew yet"));
            }
            if !say_the_same(broker.image(), active.image()) {
                problems.push(format!("{node} does not have the controller's metadata yet"));
            }
        }
        problems
    }

    /// Every partition is led and fully replicated, and none is on the move.
    pub fn replication_problems(&self) -> Vec<String> {
        let Some(metadata) = truth::metadata(&self.engine) else { return Vec::new() };
        let topics = metadata.topics.topics();
        let partitions = topics.flat_map(|topic| {
            topic.partitions().map(move |(index, state)| (&topic.name, index, state))
        });
        partitions
            .filter_map(|(name, index, state)| {
                problem_of(state).map(|problem| format!("{name}-{index} {problem}"))
            })
            .collect()
    }

    /// Calls of clients that have not ended. A poll is no promise and does not count.
    pub fn pending_calls(&self) -> Vec<String> {
        let nodes = self.engine.nodes();
        let machines =
            nodes.flat_map(|node| self.engine.machines(node).map(move |machine| (node, machine)));
        machines
            .filter_map(|(node, machine)| match pending(machine) {
                0 => None,
                count => Some(format!("{node} has {count} calls pending")),
            })
            .collect()
    }
}

/// Two images with the same content. How far each has got in the log does not matter: a broker learns
/// that a no-op record is committed only with the next one.
fn say_the_same(one: &Image, other: &Image) -> bool {
    one.cluster == other.cluster
        && one.topics == other.topics
        && one.configs == other.configs
        && one.features == other.features
        && one.next_producer_id == other.next_producer_id
}

fn problem_of(state: &PartitionRegistration) -> Option<String> {
    let missing: Vec<NodeId> =
        state.replicas.iter().copied().filter(|node| !state.isr.contains(node)).collect();
    match state.leader {
        None => Some("has no leader".into()),
        _ if !missing.is_empty() => Some(format!("is not in sync on {missing:?}")),
        _ if !state.adding_replicas.is_empty() || !state.removing_replicas.is_empty() => {
            Some("is being reassigned".into())
        }
        Some(_) => None,
    }
}

fn pending(machine: &Node) -> u64 {
    match machine {
        Node::Producer(producer) => {
            let view = producer.view();
            view.sent.saturating_sub(view.acknowledged + view.failed + view.unknown)
        }
        Node::Admin(admin) => {
            let view = admin.view();
            u64::from(view.current.is_some()) + view.queued
        }
        Node::Consumer(_) | Node::Broker(_) | Node::Controller(_) => 0,
    }
}
