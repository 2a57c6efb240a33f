//! Facts of the metadata quorum.

use crate::findings::Finding;
use crate::invariant::{
    committed_metadata_agrees, majority_has_committed_metadata as commit, one_leader_per_epoch,
    quorum_state, snapshot_at_log_start,
};
use crate::judge::Judge;
use crate::picture::Promised;
use crate::promise::Promise;
use crate::settings::Setting;
use crate::verdict::Moment;
use klab_machine::fact::RaftFact;
use klab_wire::{LeaderEpoch, NodeId, Offset};

impl Judge {
    pub(super) fn watch_raft(&mut self, at: Moment, fact: &RaftFact) {
        use RaftFact as F;
        match fact {
            F::QuorumStateStored { epoch, leader, voted } => {
                self.store(at, *epoch, *leader, *voted);
            }
            F::VoteGranted { candidate, epoch } => self.tell_vote(at, *epoch, *candidate),
            F::QuorumLeaderElected { epoch, .. } => self.lead_quorum(at, *epoch, at.node),
            F::QuorumLeaderFollowed { leader, epoch } => self.lead_quorum(at, *epoch, *leader),
            F::MetadataCommitted { epoch, from, to, as_leader } => {
                self.commit_metadata(at, *epoch, *from, *to, *as_leader);
            }
            F::MetadataSnapshotWritten { snapshot }
            | F::MetadataSnapshotFound { snapshot }
            | F::MetadataSnapshotFetched { snapshot } => {
                self.quorum.node(at.node).snapshots.insert(snapshot.offset);
            }
            _ => {}
        }
    }

    fn note_quorum(&mut self, promise: Promise, at: Moment, finding: Finding) {
        let permitted = self.quorum.disk_lost.then_some(Setting::VoterDiskLost);
        let finding = finding.map_err(|breach| breach.permitted(permitted));
        self.findings.note(promise, at, None, finding);
    }

    fn store(
        &mut self,
        at: Moment,
        epoch: LeaderEpoch,
        leader: Option<NodeId>,
        voted: Option<NodeId>,
    ) {
        let node = self.quorum.node(at.node);
        let known = std::mem::replace(&mut node.epoch, epoch);
        let vote = voted.map(|candidate| quorum_state::vote(node.voted, epoch, candidate));
        node.voted = voted.map(|candidate| (epoch, candidate)).or(node.voted);
        self.note_quorum(Promise::QuorumEpochIsMonotonic, at, quorum_state::epoch(known, epoch));
        if let Some(finding) = vote {
            self.note_quorum(Promise::VotesOncePerEpoch, at, finding);
        }
        if let Some(leader) = leader {
            self.lead_quorum(at, epoch, leader);
        }
    }

    /// A vote that is told counts, whether it is known to be written down or not: a node may die in between and
    /// find it on its disk.
    fn tell_vote(&mut self, at: Moment, epoch: LeaderEpoch, candidate: NodeId) {
        let node = self.quorum.node(at.node);
        let finding = quorum_state::vote(node.voted, epoch, candidate);
        node.voted = Some((epoch, candidate));
        self.note_quorum(Promise::VotesOncePerEpoch, at, finding);
    }

    fn lead_quorum(&mut self, at: Moment, epoch: LeaderEpoch, leader: NodeId) {
        let finding = one_leader_per_epoch::lead(&mut self.quorum.leaders, epoch, leader);
        self.note_quorum(Promise::OneQuorumLeaderPerEpoch, at, finding);
    }

    fn commit_metadata(
        &mut self,
        at: Moment,
        epoch: LeaderEpoch,
        from: Offset,
        to: Offset,
        as_leader: bool,
    ) {
        if as_leader {
            self.lead_commit(at, epoch, to);
        }
        let copies = &mut self.quorum.copies;
        copies.commit(at.node, from, to, Promised::default());
        if let Some(replica) = copies.replica_mut(at.node) {
            replica.high_watermark = to;
        }
        let finding = committed_metadata_agrees::agrees(copies, at.node);
        self.note_quorum(Promise::CommittedMetadataAgrees, at, finding);
        if as_leader {
            self.enforce(to);
        }
    }

    fn lead_commit(&mut self, at: Moment, epoch: LeaderEpoch, to: Offset) {
        let quorum = &mut self.quorum;
        let having = quorum.voters_with(to);
        let majority = commit::majority(to, having, quorum.voters.len());
        let monotonic = commit::monotonic(quorum.committed, quorum.newest, to, epoch);
        quorum.committed = quorum.committed.max(to);
        quorum.newest = quorum.newest.max(epoch);
        self.note_quorum(Promise::MajorityHasCommittedMetadata, at, majority);
        self.note_quorum(Promise::MetadataHighWatermarkIsMonotonic, at, monotonic);
    }

    /// A replica's metadata log starts here from now on.
    pub(super) fn start_metadata(&mut self, at: Moment, start: Offset) {
        let node = self.quorum.node(at.node);
        let finding = snapshot_at_log_start::check(&node.snapshots, start);
        node.snapshots = node.snapshots.split_off(&start);
        self.note_quorum(Promise::SnapshotAtLogStart, at, finding);
    }
}
