//! What must hold after every event (`RaftEventSimulationTest`'s invariants and validations).

use crate::node::{Host, Node};
use klab_wire::{LeaderEpoch, NodeId, Now, Offset, ReplicaKey};
use std::collections::BTreeMap;

/// What has been seen so far.
#[derive(Clone, Debug, Default)]
pub struct Invariants {
    epochs: BTreeMap<NodeId, LeaderEpoch>,
    leaders: BTreeMap<LeaderEpoch, NodeId>,
    votes: BTreeMap<(NodeId, LeaderEpoch), ReplicaKey>,
    /// The epoch of the last leader that had one, and the highest.
    high_watermark: (LeaderEpoch, Offset),
    /// What every host has after applying everything below an offset: count and digest.
    committed: BTreeMap<Offset, (u64, u64)>,
}

impl Invariants {
    /// Looks at the node that has just handled something.
    pub fn check(&mut self, node: &Node) {
        let Some(raft) = &node.raft else { return };
        let (id, view) = (node.identity.node, raft.view());
        let epoch = self.epochs.entry(id).or_default();
        assert!(view.epoch >= *epoch, "MonotonicEpoch: {id} went back from {epoch}");
        *epoch = view.epoch;
        if let Some(leader) = view.leader {
            let known = *self.leaders.entry(view.epoch).or_insert(leader);
            assert_eq!(known, leader, "SingleLeader: in epoch {}", view.epoch);
        }
        if let Some(voted) = view.voted {
            let before = *self.votes.entry((id, view.epoch)).or_insert(voted);
            assert_eq!(before, voted, "{id} voted twice in epoch {}", view.epoch);
        }
        let is_whole = view.log_start == Offset(0) || node.disk.has_snapshot_at(view.log_start);
        assert!(is_whole, "SnapshotAtLogStart: {id} starts at {}", view.log_start);
        assert!(view.high_watermark <= Some(view.log_end), "{id} has committed what it has not");
        self.check_committed(id, &node.host);
    }

    /// Looks at the high watermark of the leader of the highest epoch.
    pub fn check_high_watermark(&mut self, nodes: &BTreeMap<NodeId, Node>, now: Now) {
        let leaders = nodes.values().filter_map(|node| node.raft.as_ref());
        let Some(leader) = leaders.filter(|raft| raft.is_leader()).max_by_key(|raft| raft.epoch())
        else {
            return;
        };
        let Some(high_watermark) = leader.describe_quorum(now).high_watermark else { return };
        let (epoch, before) = self.high_watermark;
        // An old leader that has not noticed yet is behind, and harmless.
        if leader.epoch() < epoch || high_watermark == before {
            return;
        }
        assert!(high_watermark > before, "MonotonicHighWatermark: {before}, {high_watermark}");
        self.high_watermark = (leader.epoch(), high_watermark);
        check_majority(nodes, high_watermark);
    }

    /// How many different places hosts have stopped at.
    pub fn committed_batches(&self) -> usize {
        self.committed.len()
    }

    fn check_committed(&mut self, id: NodeId, host: &Host) {
        let found = (host.count, host.digest);
        let known = *self.committed.entry(host.applied).or_insert(found);
        assert_eq!(known, found, "ConsistentCommittedData: {id} below {}", host.applied);
    }
}

/// MajorityReachedHighWatermark: no power cut can take it away, whoever is up.
fn check_majority(nodes: &BTreeMap<NodeId, Node>, high_watermark: Offset) {
    let voters: Vec<&Node> =
        nodes.values().filter(|node| node.setup.is_voter(&node.identity)).collect();
    let reached =
        voters.iter().filter(|voter| voter.disk.durable_log_end() >= high_watermark).count();
    assert!(
        reached > voters.len() / 2,
        "MajorityReachedHighWatermark: {reached} of {} voters have flushed {high_watermark}",
        voters.len()
    );
}
