//! Has the cluster come to rest? What liveness means after healing, asked of the world's truth.

use crate::World;
use crate::node::Node;
use crate::{ensemble, truth, zookeeper_mode};
use klab_check::Stuck;
use klab_machine::Machine;
use klab_metadata::Image;
use klab_wire::{NodeId, PartitionRegistration, TopicPartition};
use std::fmt;

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unrest {
    NoActiveController,
    /// A voter does not follow the active controller.
    Astray {
        voter: NodeId,
        leader: NodeId,
    },
    Down(NodeId),
    Fenced(NodeId),
    /// The controller has not heard yet that the life which it knows is over.
    NotRegisteredAnew(NodeId),
    MetadataBehind(NodeId),
    Partition {
        name: TopicPartition,
        problem: PartitionProblem,
    },
    /// Nobody leads the ensemble.
    NoEnsembleLeader,
    /// A server of the ensemble does not serve behind its leader.
    OutOfEnsemble {
        server: NodeId,
        leader: NodeId,
    },
    /// A server of the ensemble has other znodes than its leader.
    TreeBehind {
        server: NodeId,
        leader: NodeId,
    },
    CallsPending {
        client: NodeId,
        calls: u64,
    },
}

/// What is wrong with a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PartitionProblem {
    /// None of these may lead it.
    NoLeader {
        eligible: Vec<NodeId>,
    },
    /// These replicas are not in the ISR.
    NotInSync {
        missing: Vec<NodeId>,
        leader: NodeId,
    },
    BeingReassigned {
        adding: Vec<NodeId>,
        leader: NodeId,
    },
}

impl World {
    /// What is still not as it should be, one line each; nothing when the cluster has come to rest:
    /// one active controller that every voter follows (or an ensemble with a leader), every broker alive with the same metadata,
    /// every partition led and fully replicated, every call of a client ended.
    pub fn unrest(&self) -> Vec<String> {
        self.problems().iter().map(Unrest::to_string).collect()
    }

    /// What is stuck, and on whom it waits.
    pub(crate) fn stuck(&self) -> Vec<Stuck> {
        let stuck = |problem: &Unrest| Stuck {
            what: format!("{problem}: {}", self.waits(problem)),
            out_of_sync: problem.out_of_sync(),
        };
        self.problems().iter().map(stuck).collect()
    }

    fn problems(&self) -> Vec<Unrest> {
        let mut problems = match &self.scenario.zookeeper {
            Some(ensemble) => ensemble::problems(ensemble, &self.engine),
            None => self.quorum_problems(),
        };
        match self.scenario.cluster.is_in_zookeeper_mode() {
            true => {
                let brokers = self.scenario.cluster.brokers;
                problems.extend(zookeeper_mode::problems(&self.engine, brokers));
            }
            false => problems.extend(self.broker_problems()),
        }
        if !self.scenario.cluster.is_bare() {
            problems.extend(self.replication_problems());
        }
        problems.extend(self.pending_calls());
        problems
    }

    /// The metadata quorum has one leader, and every voter follows it.
    fn quorum_problems(&self) -> Vec<Unrest> {
        let Some((leader, active)) = truth::active_controller(&self.engine) else {
            return vec![Unrest::NoActiveController];
        };
        let epoch = active.raft().epoch();
        let follows = |controller: &klab_controller::Controller| {
            controller.raft().leader() == Some(leader) && controller.raft().epoch() == epoch
        };
        let astray = truth::controllers(&self.engine).filter(|(_, other)| !follows(other));
        let astray = astray.map(|(voter, _)| Unrest::Astray { voter, leader });
        let down =
            self.scenario.cluster.voters().into_iter().filter(|node| !self.engine.is_up(*node));
        astray.chain(down.map(Unrest::Down)).collect()
    }

    /// Every broker is up, unfenced, and has the active controller's metadata.
    fn broker_problems(&self) -> Vec<Unrest> {
        let Some((_, active)) = truth::active_controller(&self.engine) else { return Vec::new() };
        let mut problems = Vec::new();
        for node in (1..=self.scenario.cluster.brokers).map(NodeId::broker) {
            if !self.engine.is_up(node) {
                problems.push(Unrest::Down(node));
            } else if !active.image().cluster.is_active(node) {
                problems.push(Unrest::Fenced(node));
            }
        }
        for (node, broker) in truth::brokers(&self.engine) {
            let registered = active.image().cluster.broker(node).map(|known| known.epoch());
            if active.image().cluster.is_active(node) && broker.registration() != registered {
                problems.push(Unrest::NotRegisteredAnew(node));
            }
            if !say_the_same(broker.image(), active.image()) {
                problems.push(Unrest::MetadataBehind(node));
            }
        }
        problems
    }

    /// Every partition is led and fully replicated, and none is on the move.
    pub(crate) fn replication_problems(&self) -> Vec<Unrest> {
        let Some(metadata) = truth::metadata(&self.engine) else { return Vec::new() };
        let topics = metadata.topics.topics();
        let partitions = topics.flat_map(|topic| {
            topic.partitions().map(move |(index, state)| (&topic.name, index, state))
        });
        partitions
            .filter_map(|(topic, partition, state)| {
                let problem = problem_of(state)?;
                let name = TopicPartition { topic: topic.clone(), partition };
                Some(Unrest::Partition { name, problem })
            })
            .collect()
    }

    /// Whether every partition is led and fully replicated, and none is on the move.
    pub fn is_fully_replicated(&self) -> bool {
        self.replication_problems().is_empty()
    }

    /// Calls of clients that have not ended. A poll is no promise and does not count.
    fn pending_calls(&self) -> Vec<Unrest> {
        let nodes = self.engine.nodes();
        let machines =
            nodes.flat_map(|node| self.engine.machines(node).map(move |machine| (node, machine)));
        machines
            .filter_map(|(client, machine)| match pending(machine) {
                0 => None,
                calls => Some(Unrest::CallsPending { client, calls }),
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

/// What keeps a partition from rest. A move that is replaced in ZooKeeper mode may leave an ISR of which nobody is a
/// replica any more (`KafkaController.updateCurrentReassignment`): such a partition waits for an operator's unclean
/// election, and for nothing that happens by itself.
fn problem_of(state: &PartitionRegistration) -> Option<PartitionProblem> {
    let is_nobodys = !state.isr.iter().any(|node| state.replicas.contains(node));
    let Some(leader) = state.leader else {
        if is_nobodys && !state.isr.is_empty() {
            return None;
        }
        let eligible = [&state.isr, &state.elr, &state.last_known_elr];
        let eligible = eligible.into_iter().find(|nodes| !nodes.is_empty());
        let eligible = eligible.map_or(Vec::new(), |nodes| nodes.to_vec());
        return Some(PartitionProblem::NoLeader { eligible });
    };
    let missing: Vec<NodeId> =
        state.replicas.iter().copied().filter(|node| !state.isr.contains(node)).collect();
    if !missing.is_empty() {
        return Some(PartitionProblem::NotInSync { missing, leader });
    }
    let moves = !state.adding_replicas.is_empty() || !state.removing_replicas.is_empty();
    let adding = state.adding_replicas.to_vec();
    moves.then_some(PartitionProblem::BeingReassigned { adding, leader })
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
        Node::ZooKeeperClient(client) => client.view().pending,
        Node::Consumer(_)
        | Node::Broker(_)
        | Node::Controller(_)
        | Node::KafkaController(_)
        | Node::ZooKeeper(_) => 0,
    }
}

impl Unrest {
    fn out_of_sync(&self) -> Option<(TopicPartition, Vec<NodeId>)> {
        match self {
            Unrest::Partition { name, problem: PartitionProblem::NotInSync { missing, .. } } => {
                Some((name.clone(), missing.clone()))
            }
            _ => None,
        }
    }
}

impl fmt::Display for Unrest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unrest::NoActiveController => f.write_str("there is no active controller"),
            Unrest::Astray { voter, leader } => write!(f, "{voter} does not follow {leader}"),
            Unrest::Down(node) => write!(f, "{node} is down"),
            Unrest::Fenced(broker) => write!(f, "{broker} is fenced"),
            Unrest::NotRegisteredAnew(broker) => {
                write!(f, "{broker} is not registered anew yet")
            }
            Unrest::MetadataBehind(broker) => {
                write!(f, "{broker} does not have the controller's metadata yet")
            }
            Unrest::Partition { name, problem } => write!(f, "{name} {problem}"),
            Unrest::NoEnsembleLeader => f.write_str("nobody leads the ensemble"),
            Unrest::OutOfEnsemble { server, leader } => {
                write!(f, "{server} does not serve behind {leader}")
            }
            Unrest::TreeBehind { server, leader } => {
                write!(f, "{server} has other znodes than {leader}")
            }
            Unrest::CallsPending { client, calls } => {
                write!(f, "{client} has {calls} calls pending")
            }
        }
    }
}

impl fmt::Display for PartitionProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PartitionProblem::NoLeader { .. } => f.write_str("has no leader"),
            PartitionProblem::NotInSync { missing, .. } => {
                write!(f, "is not in sync on {missing:?}")
            }
            PartitionProblem::BeingReassigned { .. } => f.write_str("is being reassigned"),
        }
    }
}
