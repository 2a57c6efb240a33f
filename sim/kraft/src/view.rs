//! What to see of a replica from outside.

use crate::raft::Raft;
use crate::role::Role;
use klab_wire::{
    DescribeQuorumResponse, ErrorCode, LeaderEpoch, NodeId, Now, Offset, OffsetAndEpoch, ReplicaKey,
};

/// What to show of a replica.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RaftView {
    /// The role by Kafka's name: `Leader`, `Follower`, `Candidate`, ...
    pub role: &'static str,
    /// One of the voters, or else an observer.
    pub is_voter: bool,
    /// The leader that it knows.
    pub leader: Option<NodeId>,
    /// Its epoch.
    pub epoch: LeaderEpoch,
    /// Whom it voted for in that epoch.
    pub voted: Option<ReplicaKey>,
    /// Where the log starts.
    pub log_start: Offset,
    /// Where the log ends.
    pub log_end: Offset,
    /// The high watermark, once it knows one.
    pub high_watermark: Option<Offset>,
    /// The newest snapshot.
    pub snapshot: Option<OffsetAndEpoch>,
    /// On the leader: how far each voter is.
    pub voters: Vec<VoterView>,
}

/// How far a voter is, as the leader knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VoterView {
    /// The voter.
    pub voter: NodeId,
    /// The end of its log; none until it has fetched in this epoch.
    pub end: Option<Offset>,
}

impl Raft {
    /// The leader that this replica knows; none when that would be itself, resigned.
    pub fn leader(&self) -> Option<NodeId> {
        self.quorum.leader.filter(|_| !matches!(self.role, Role::Resigned(_)))
    }

    /// The epoch that this replica is in.
    pub fn epoch(&self) -> LeaderEpoch {
        self.quorum.leader_epoch
    }

    /// This replica leads.
    pub fn is_leader(&self) -> bool {
        matches!(self.role, Role::Leader(_))
    }

    /// This replica is one of the voters.
    pub fn is_voter(&self) -> bool {
        self.is_voter
    }

    /// Below this offset the log is committed, as far as this replica knows.
    #[doc(alias = "HW")]
    pub fn high_watermark(&self) -> Option<Offset> {
        self.high_watermark
    }

    /// Where the log ends.
    pub fn log_end(&self) -> Offset {
        self.log.end()
    }

    /// Where the log starts.
    pub fn log_start(&self) -> Offset {
        self.log.start()
    }

    /// Bytes of metadata records that were delivered since the newest snapshot
    /// (`metadata.log.max.record.bytes.between.snapshots`).
    pub fn bytes_since_snapshot(&self) -> u64 {
        self.bytes_since_snapshot
    }

    /// What a leader answers to DescribeQuorum; for a host that got it in an Envelope.
    pub fn describe_quorum(&self, now: Now) -> DescribeQuorumResponse {
        let mut answer = DescribeQuorumResponse {
            error: ErrorCode::NotLeaderOrFollower,
            leader: self.leader(),
            leader_epoch: self.epoch(),
            high_watermark: None,
            current_voters: Vec::new(),
            observers: Vec::new(),
        };
        if let Role::Leader(leader) = &self.role {
            answer.error = ErrorCode::None;
            answer.high_watermark = leader.high_watermark;
            answer.current_voters = leader.describe_voters(now);
            answer.observers = leader.describe_observers(now);
        }
        answer
    }

    /// What to show of it.
    pub fn view(&self) -> RaftView {
        let voters = match &self.role {
            Role::Leader(leader) => leader.voter_ends().collect(),
            _ => Vec::new(),
        };
        RaftView {
            role: self.role.name(),
            is_voter: self.is_voter,
            leader: self.leader(),
            epoch: self.epoch(),
            voted: self.quorum.voted,
            log_start: self.log_start(),
            log_end: self.log_end(),
            high_watermark: self.high_watermark,
            snapshot: self.log.latest_snapshot().map(|(id, _)| id),
            voters: voters.into_iter().map(|(voter, end)| VoterView { voter, end }).collect(),
        }
    }
}
