//! The metadata quorum: its log's copies, its epochs, votes and snapshots.

use super::copies::Copies;
use klab_wire::{LeaderEpoch, NodeId, Offset};
use std::collections::{BTreeMap, BTreeSet};

/// What the facts say about the metadata quorum.
#[derive(Clone, Debug)]
pub(crate) struct Quorum {
    pub(crate) voters: Vec<NodeId>,
    pub(crate) copies: Copies,
    /// Every epoch's leader.
    pub(crate) leaders: BTreeMap<LeaderEpoch, NodeId>,
    pub(crate) nodes: BTreeMap<NodeId, QuorumNode>,
    /// The highest high watermark that a leader had, and the epoch of the newest that had one.
    pub(crate) committed: Offset,
    pub(crate) newest: LeaderEpoch,
    /// A voter lost its disk: the quorum promises nothing about what it held.
    pub(crate) disk_lost: bool,
}

/// What one replica of the metadata log has written down.
#[derive(Clone, Debug, Default)]
pub(crate) struct QuorumNode {
    pub(crate) epoch: LeaderEpoch,
    /// Its vote, and the epoch that it gave it in.
    pub(crate) voted: Option<(LeaderEpoch, NodeId)>,
    /// The ends of the snapshots that it has and that are not below its log's start.
    pub(crate) snapshots: BTreeSet<Offset>,
}

impl Quorum {
    pub(crate) fn new(voters: Vec<NodeId>) -> Self {
        let mut copies = Copies::default();
        // Voters come first, so that they have their slots however many observers there are.
        voters.iter().for_each(|voter| {
            copies.slot(*voter);
        });
        Quorum {
            voters,
            copies,
            leaders: BTreeMap::new(),
            nodes: BTreeMap::new(),
            committed: Offset(0),
            newest: LeaderEpoch(0),
            disk_lost: false,
        }
    }

    pub(crate) fn node(&mut self, node: NodeId) -> &mut QuorumNode {
        self.nodes.entry(node).or_default()
    }

    /// How many voters have everything below an offset on their platters, or a snapshot of it.
    pub(crate) fn voters_with(&self, offset: Offset) -> usize {
        let replicas = self.voters.iter().filter_map(|voter| self.copies.replica(*voter));
        replicas.filter(|replica| replica.flushed.max(replica.start) >= offset).count()
    }
}
