//! On whom what is stuck waits: the second half of each line of a failed convergence.
//!
//! Asked once, when the time to converge is over, so that it may look at everything.

use crate::World;
use crate::convergence::{PartitionProblem, Unrest};
use crate::node::Node;
use crate::truth;
use klab_broker::Broker;
use klab_machine::Machine;
use klab_wire::{NodeId, Offset, TopicPartition};

impl World {
    /// On whom a problem waits, and for what.
    pub(crate) fn waits(&self, problem: &Unrest) -> String {
        match problem {
            Unrest::NoActiveController if self.scenario.cluster.is_in_zookeeper_mode() => {
                "a broker must create /controller".into()
            }
            Unrest::NoActiveController => self.election_waits(),
            Unrest::Astray { voter, .. } => self.voter_waits(*voter),
            Unrest::Down(node) => format!("waits for somebody to start {node}"),
            Unrest::Fenced(broker) => self.fenced_waits(*broker),
            Unrest::NotRegisteredAnew(broker) if self.scenario.cluster.is_in_zookeeper_mode() => {
                format!("{broker} waits for the ensemble to create its znode")
            }
            Unrest::NotRegisteredAnew(broker) => {
                format!("{broker} waits for {} to accept its registration", self.controller())
            }
            Unrest::MetadataBehind(_) if self.scenario.cluster.is_in_zookeeper_mode() => {
                format!("it waits for {} to send UpdateMetadata", self.controller())
            }
            Unrest::MetadataBehind(broker) => {
                let (applied, end) = self.metadata_of(*broker);
                let controller = self.controller();
                format!("it has applied {applied} of {end} offsets, and waits for {controller}")
            }
            Unrest::Partition { name, problem } => self.partition_waits(name, problem),
            Unrest::NoEnsembleLeader => "a majority of the servers must vote alike".into(),
            Unrest::OutOfEnsemble { server, leader } => {
                format!("{server} waits for an election, or for {leader} to bring it in line")
            }
            Unrest::TreeBehind { server, leader } => {
                format!("{server} waits for what {leader} commits")
            }
            Unrest::CallsPending { client, .. } => self.client_waits(*client),
        }
    }

    fn controller(&self) -> String {
        let controlling = truth::controlling(&self.engine);
        controlling.map_or("a controller".into(), |node| node.to_string())
    }

    /// How far a broker has applied the metadata log, and how far the controller has.
    fn metadata_of(&self, broker: NodeId) -> (Offset, Offset) {
        let applied = self.broker(broker).map(|broker| broker.image().next_offset);
        let active = truth::active_controller(&self.engine);
        let end = active.map(|(_, controller)| controller.image().next_offset);
        (applied.unwrap_or_default(), end.unwrap_or_default())
    }

    fn broker(&self, node: NodeId) -> Option<&Broker> {
        let mut brokers = truth::brokers(&self.engine);
        brokers.find(|(other, _)| *other == node).map(|(_, broker)| broker)
    }

    fn election_waits(&self) -> String {
        let voters = self.scenario.cluster.voters();
        let majority = voters.len() / 2 + 1;
        let down: Vec<NodeId> =
            voters.iter().copied().filter(|node| !self.engine.is_up(*node)).collect();
        if voters.len() - down.len() < majority {
            return format!("{majority} of {} voters must be up, waits for {down:?}", voters.len());
        }
        let roles = truth::controllers(&self.engine).map(|(node, controller)| {
            let view = controller.raft().view();
            format!("{node} is {} in epoch {}", view.role, view.epoch)
        });
        format!("waits for an election: {}", roles.collect::<Vec<_>>().join(", "))
    }

    fn voter_waits(&self, voter: NodeId) -> String {
        let mut controllers = truth::controllers(&self.engine);
        let Some((_, controller)) = controllers.find(|(node, _)| *node == voter) else {
            return format!("waits for somebody to start {voter}");
        };
        let raft = controller.raft();
        match raft.leader() {
            Some(leader) => {
                format!(
                    "it follows {leader} in epoch {}, and waits to hear of another",
                    raft.epoch()
                )
            }
            None => format!("it knows no leader in epoch {}, and waits for one", raft.epoch()),
        }
    }

    fn fenced_waits(&self, broker: NodeId) -> String {
        let (applied, end) = self.metadata_of(broker);
        let controller = self.controller();
        match applied < end {
            true => {
                format!(
                    "{controller} waits for {broker} to apply {end} offsets of metadata, it has {applied}"
                )
            }
            false => format!("{controller} waits for a heartbeat of {broker}"),
        }
    }

    fn partition_waits(&self, name: &TopicPartition, problem: &PartitionProblem) -> String {
        match problem {
            PartitionProblem::NoLeader { eligible } if eligible.is_empty() => {
                "nobody may lead it; it waits for an operator's unclean election".into()
            }
            PartitionProblem::NoLeader { eligible } => {
                let states = eligible.iter().map(|node| self.state_of(*node));
                let states = states.collect::<Vec<_>>().join(", ");
                format!("only {eligible:?} may lead it, waits for them: {states}")
            }
            PartitionProblem::NotInSync { missing, leader } => {
                let states = missing.iter().map(|node| self.replica_waits(name, *node, *leader));
                states.collect::<Vec<_>>().join(", ")
            }
            PartitionProblem::BeingReassigned { adding, leader } => {
                let states = adding.iter().map(|node| self.replica_waits(name, *node, *leader));
                let states = states.collect::<Vec<_>>().join(", ");
                format!("waits for {adding:?} to be in sync: {states}")
            }
        }
    }

    /// Whether a broker is there at all.
    fn state_of(&self, node: NodeId) -> String {
        let metadata = truth::controlling(&self.engine).and(truth::metadata(&self.engine));
        let is_active = metadata.map(|metadata| metadata.cluster.is_active(node));
        match (self.engine.is_up(node), is_active) {
            (false, _) => format!("{node} is down"),
            (true, Some(false)) => format!("{node} is fenced"),
            (true, None) => format!("{node} is up, and no controller is there to elect it"),
            (true, Some(true)) => {
                format!("{node} is active, waits for {} to elect it", self.controller())
            }
        }
    }

    fn replica_waits(&self, name: &TopicPartition, node: NodeId, leader: NodeId) -> String {
        let ends = [node, leader].map(|node| self.log_end(name, node));
        match (self.engine.is_up(node), ends) {
            (false, _) => format!("waits for {node}, which is down"),
            (true, [Some(has), Some(end)]) if has < end => {
                format!("{leader} waits for {node} to fetch from {has} to {end}")
            }
            (true, [Some(_), Some(_)]) => {
                format!("{node} has it all, waits for {leader} to ask {} for it", self.controller())
            }
            (true, [None, _]) => format!("waits for {node}, which has no replica yet"),
            (true, [_, None]) => format!("{node} waits for {leader}, which has no replica"),
        }
    }

    fn log_end(&self, name: &TopicPartition, node: NodeId) -> Option<Offset> {
        let view = self.broker(node)?.view();
        let partition = view.partitions.iter().find(|partition| partition.partition == *name);
        partition.map(|partition| partition.log_end)
    }

    fn client_waits(&self, client: NodeId) -> String {
        let waits = self.engine.machines(client).find_map(|machine| match machine {
            Node::Producer(producer) => {
                let view = producer.view();
                Some(format!(
                    "{} batches wait to be sent, {} for an answer, {} sends for memory or metadata",
                    view.queued_batches, view.in_flight_batches, view.blocked
                ))
            }
            Node::Admin(admin) => admin.view().current.map(|api| format!("it waits for {api}")),
            Node::ZooKeeperClient(client) => Some(match client.view().server {
                Some(server) => format!("it waits for {server} to answer"),
                None => "it waits for a server".into(),
            }),
            Node::Consumer(_)
            | Node::Broker(_)
            | Node::Controller(_)
            | Node::KafkaController(_)
            | Node::ZooKeeper(_) => None,
        });
        waits.unwrap_or_else(|| "nobody knows for whom".into())
    }
}
