//! The roles of a replica, and what only a replica in that role has (the `EpochState` classes).
//!
//! The epoch, its leader and the vote are not in here: they are the election state that is on disk
//! ([`QuorumState`](klab_machine::disk::QuorumState)), and a role never disagrees with it.

use crate::election::{EpochElection, Stance};
use crate::leader::Leader;
use crate::snapshot::Snapshot;
use klab_machine::timer::RaftTimer;
use klab_wire::{NodeId, OffsetAndEpoch, RecordBatch, ReplicaKey, Time};
use std::collections::BTreeSet;
use std::sync::Arc;

/// What a replica is at the moment.
#[derive(Clone, Debug)]
pub(crate) enum Role {
    /// It knows no leader of its epoch. A voter that has voted waits here for the outcome.
    Unattached(Unattached),
    /// A voter asks whether it would be elected, before it raises the epoch (KIP-996).
    Prospective(Nominee),
    /// A voter stands for election.
    Candidate(Nominee),
    /// A voter was elected.
    Leader(Box<Leader>),
    /// It fetches from the leader.
    Follower(Follower),
    /// A leader that has given up, or was restarted: in its epoch it neither leads nor votes.
    Resigned(Resigned),
}

/// A replica without a leader.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unattached {
    /// When a voter stands itself; an observer never does.
    pub(crate) election_at: Option<Time>,
}

/// A voter that collects votes or pre-votes.
#[derive(Clone, Debug)]
pub(crate) struct Nominee {
    /// The votes.
    pub(crate) election: EpochElection,
    /// When it stops waiting for more.
    pub(crate) election_at: Time,
    /// Which of its elections in a row this is, from 1.
    pub(crate) retries: u32,
    /// It has lost, and tries again then.
    pub(crate) backoff_until: Option<Time>,
}

/// A replica with a leader.
#[derive(Clone, Debug)]
pub(crate) struct Follower {
    /// Whom it fetches from.
    pub(crate) leader: NodeId,
    /// When it gives that leader up.
    pub(crate) fetch_at: Time,
    /// The leader has answered a fetch.
    pub(crate) has_fetched: bool,
    /// The snapshot that it reads from the leader, as far as it has it.
    pub(crate) fetching: Option<FetchingSnapshot>,
}

/// A snapshot that is on its way.
#[derive(Clone, Debug)]
pub(crate) struct FetchingSnapshot {
    /// Its name.
    pub(crate) id: OffsetAndEpoch,
    /// Its beginning.
    pub(crate) batches: Vec<Arc<RecordBatch>>,
}

/// A leader that has stepped down.
#[derive(Clone, Debug)]
pub(crate) struct Resigned {
    /// The voters that do not know yet.
    pub(crate) unacknowledged: BTreeSet<NodeId>,
    /// Who should stand, in this order.
    pub(crate) successors: Vec<ReplicaKey>,
    /// When it stops waiting for a successor.
    pub(crate) election_at: Time,
}

impl Role {
    /// Kafka's name.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Role::Unattached(_) => "Unattached",
            Role::Prospective(_) => "Prospective",
            Role::Candidate(_) => "Candidate",
            Role::Leader(_) => "Leader",
            Role::Follower(_) => "Follower",
            Role::Resigned(_) => "Resigned",
        }
    }

    /// The role as far as it matters to a vote.
    pub(crate) fn stance(&self) -> Stance {
        match self {
            Role::Leader(_) => Stance::Leading,
            Role::Follower(follower) => Stance::Following { has_fetched: follower.has_fetched },
            Role::Candidate(_) | Role::Resigned(_) => Stance::Committed,
            Role::Unattached(_) | Role::Prospective(_) => Stance::Open,
        }
    }

    /// The deadlines of the role, each with its timer.
    pub(crate) fn deadlines(&self) -> impl Iterator<Item = (RaftTimer, Time)> {
        let only = |deadline| [Some(deadline), None, None];
        let deadlines = match self {
            Role::Unattached(unattached) => {
                [unattached.election_at.map(|at| (RaftTimer::Election, at)), None, None]
            }
            Role::Prospective(nominee) | Role::Candidate(nominee) => match nominee.backoff_until {
                Some(at) => only((RaftTimer::ElectionBackoff, at)),
                None => only((RaftTimer::Election, nominee.election_at)),
            },
            Role::Leader(leader) => leader.deadlines(),
            Role::Follower(follower) => only((RaftTimer::Fetch, follower.fetch_at)),
            Role::Resigned(resigned) => only((RaftTimer::Resigned, resigned.election_at)),
        };
        deadlines.into_iter().flatten()
    }
}

impl FetchingSnapshot {
    /// The bytes that are here: where to read on.
    pub(crate) fn position(&self) -> u64 {
        self.batches.iter().map(|batch| u64::from(batch.size_in_bytes)).sum()
    }

    /// What is here, as a snapshot.
    pub(crate) fn into_snapshot(self) -> Snapshot {
        Snapshot::from_batches(self.batches)
    }
}
