//! What a run's facts have told so far of who has which part: what a failure takes away is read here.

use klab_machine::fact::{ControllerFact, Fact, RaftFact, ReplicationFact, ZooKeeperFact};
use klab_machine::trace::Entry;
use klab_wire::zookeeper::SessionId;
use klab_wire::{LeaderEpoch, NodeId, TopicPartition};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Who has which part, by the last word that was said of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    /// The active controller.
    pub controller: Option<NodeId>,
    /// Who leads the metadata quorum.
    pub quorum_leader: Option<NodeId>,
    /// Who leads the ZooKeeper ensemble.
    pub ensemble_leader: Option<NodeId>,
    /// Who took up the newest leadership of each partition.
    pub leaders: BTreeMap<TopicPartition, (LeaderEpoch, NodeId)>,
    /// The controller's in-sync replicas.
    pub in_sync: BTreeMap<TopicPartition, Arc<[NodeId]>>,
    /// Whose each session is.
    pub sessions: BTreeMap<SessionId, NodeId>,
}

impl Known {
    pub(super) fn watch(&mut self, entry: &Entry, fact: &Fact) {
        match fact {
            Fact::Controller(fact) => self.decided(entry.node, fact),
            Fact::Raft(RaftFact::QuorumLeaderElected { .. }) => {
                self.quorum_leader = Some(entry.node);
            }
            Fact::Replication(ReplicationFact::BecameLeader { partition, epoch, .. }) => {
                let newest = self.leaders.entry(partition.clone()).or_insert((*epoch, entry.node));
                if *epoch >= newest.0 {
                    *newest = (*epoch, entry.node);
                }
            }
            Fact::ZooKeeper(ZooKeeperFact::EpochEstablished { .. }) => {
                self.ensemble_leader = Some(entry.node);
            }
            Fact::ZooKeeper(ZooKeeperFact::SessionEstablished { session, .. }) => {
                self.sessions.insert(*session, entry.node);
            }
            _ => {}
        }
    }

    fn decided(&mut self, node: NodeId, fact: &ControllerFact) {
        use ControllerFact as F;
        match fact {
            F::ControllerActivated { .. } => self.controller = Some(node),
            F::PartitionCreated { partition, isr, .. }
            | F::LeaderElected { partition, isr, .. }
            | F::PartitionWentOffline { partition, isr, .. }
            | F::IsrChanged { partition, isr, .. } => {
                self.in_sync.insert(partition.clone(), isr.clone());
            }
            F::LeaderElectedUncleanly { partition, leader, .. } => {
                self.in_sync.insert(partition.clone(), [*leader].into());
            }
            _ => {}
        }
    }
}

/// The partition and the in-sync replicas that a decision is about, if it is about some.
pub(super) fn in_sync_of(fact: &ControllerFact) -> Option<(&TopicPartition, &[NodeId])> {
    use ControllerFact as F;
    match fact {
        F::LeaderElected { partition, isr, .. }
        | F::PartitionWentOffline { partition, isr, .. }
        | F::IsrChanged { partition, isr, .. } => Some((partition, isr)),
        F::LeaderElectedUncleanly { partition, leader, .. } => {
            Some((partition, std::slice::from_ref(leader)))
        }
        _ => None,
    }
}
