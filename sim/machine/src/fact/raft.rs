use super::facts;
use klab_wire::{LeaderEpoch, NodeId, Offset, OffsetAndEpoch};

facts! {
    /// What happened in the metadata quorum. Its log's own facts (`BatchAppended`, `LogTruncated`,
    /// `LogFlushed`, ...) are stated by the log, for the partition `__cluster_metadata-0`.
    RaftFact {
        /// The election state was written down; only now may it be told.
        QuorumStateStored { epoch: LeaderEpoch, leader: Option<NodeId>, voted: Option<NodeId> } => "epoch {epoch}, leader {leader:?}, voted {voted:?}";
        /// A voter asks whether it would be elected (KIP-996).
        PreVoteStarted { epoch: LeaderEpoch } => "in epoch {epoch}";
        /// No majority would elect this voter, or too few answered.
        PreVoteLost { epoch: LeaderEpoch } => "in epoch {epoch}";
        /// A voter stands for election.
        ElectionStarted { epoch: LeaderEpoch } => "in epoch {epoch}";
        /// A voter gave its vote.
        VoteGranted { candidate: NodeId, epoch: LeaderEpoch } => "to {candidate} in epoch {epoch}";
        /// A voter refused its vote.
        VoteRejected { candidate: NodeId, epoch: LeaderEpoch } => "to {candidate} in epoch {epoch}";
        /// A candidate lost its election, or ran out of time.
        ElectionLost { epoch: LeaderEpoch } => "in epoch {epoch}";
        /// A majority elected this voter.
        QuorumLeaderElected { epoch: LeaderEpoch, start: Offset } => "epoch {epoch} from offset {start}";
        /// A replica follows a leader.
        QuorumLeaderFollowed { leader: NodeId, epoch: LeaderEpoch } => "{leader} in epoch {epoch}";
        /// A leader gave up: it was asked to, or no majority fetches from it any more.
        QuorumLeaderResigned { epoch: LeaderEpoch, lost_quorum: bool } => "epoch {epoch}, lost its quorum: {lost_quorum}";
        /// A replica learned, or as leader decided, that more of the metadata log is committed.
        MetadataCommitted { epoch: LeaderEpoch, from: Offset, to: Offset, as_leader: bool } => "high watermark from {from} to {to} (epoch {epoch}, leader: {as_leader})";
        /// A snapshot of the metadata was written.
        MetadataSnapshotWritten { snapshot: OffsetAndEpoch } => "{snapshot:?}";
        /// A replica found a snapshot of the metadata on its disk when it started.
        MetadataSnapshotFound { snapshot: OffsetAndEpoch } => "{snapshot:?}";
        /// A replica fetched a snapshot because it was too far behind.
        MetadataSnapshotFetched { snapshot: OffsetAndEpoch } => "{snapshot:?}";
    }
}
