//! Elections as arithmetic: who has won, and who may be voted for (`EpochElection`, `EpochState.canGrantVote`).

use klab_machine::Mutant;
use klab_machine::disk::QuorumState;
use klab_wire::{NodeId, OffsetAndEpoch, ReplicaKey};
use std::collections::BTreeMap;

/// How many of so many voters are a majority.
pub(crate) fn majority(voters: usize) -> usize {
    voters / 2 + usize::from(!Mutant::CountsHalfAsAMajority.lives())
}

/// The votes in one election (`EpochElection`); none says that a voter has not answered yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EpochElection {
    votes: BTreeMap<NodeId, Option<bool>>,
}

impl EpochElection {
    /// An election among these voters, in which `own` has voted for itself.
    pub(crate) fn new(voters: &[ReplicaKey], own: NodeId) -> Self {
        let vote = |voter: &ReplicaKey| (voter.id, (voter.id == own).then_some(true));
        EpochElection { votes: voters.iter().map(vote).collect() }
    }

    /// A voter has answered; says whether it is one of the voters.
    pub(crate) fn record(&mut self, voter: NodeId, granted: bool) -> bool {
        match self.votes.get_mut(&voter) {
            Some(vote) => {
                *vote = Some(granted);
                true
            }
            None => false,
        }
    }

    /// A majority has granted its vote.
    pub(crate) fn is_won(&self) -> bool {
        self.granting().count() >= majority(self.votes.len())
    }

    /// Not even all the votes that are still out would make a majority.
    pub(crate) fn is_lost(&self) -> bool {
        self.granting().count() + self.unrecorded().count() < majority(self.votes.len())
    }

    /// Who has granted its vote.
    pub(crate) fn granting(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.who_said(Some(true))
    }

    /// Who has not answered.
    pub(crate) fn unrecorded(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.who_said(None)
    }

    fn who_said(&self, wanted: Option<bool>) -> impl Iterator<Item = NodeId> + '_ {
        self.votes.iter().filter(move |(_, vote)| **vote == wanted).map(|(voter, _)| *voter)
    }
}

/// A role as far as it matters to a vote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stance {
    /// It leads.
    Leading,
    /// It follows, and may have had an answer from that leader.
    Following {
        /// `hasFetchedFromLeader`.
        has_fetched: bool,
    },
    /// It stands itself, or has stepped down in this epoch.
    Committed,
    /// It has nobody (`Unattached`), or only wonders (`Prospective`).
    Open,
}

/// What is asked of a voter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ballot {
    /// For whom.
    pub(crate) candidate: ReplicaKey,
    /// The candidate's log ends no earlier than the voter's.
    pub(crate) is_log_up_to_date: bool,
    /// Only whether it would be granted (KIP-996).
    pub(crate) pre_vote: bool,
}

/// Whether to grant a vote in the epoch that `own` is in.
///
/// One vote per epoch, none once its leader is known. A pre-vote binds nobody, so the log alone
/// decides it; but a follower that hears from its leader defends it, which is what keeps a voter
/// that was cut off from disturbing the others when it comes back (KIP-996).
pub(crate) fn may_grant_vote(stance: Stance, own: &QuorumState, ballot: Ballot) -> bool {
    match stance {
        Stance::Leading => false,
        Stance::Following { has_fetched } => {
            ballot.pre_vote && ballot.is_log_up_to_date && !has_fetched
        }
        Stance::Committed => ballot.pre_vote && ballot.is_log_up_to_date,
        Stance::Open if ballot.pre_vote => ballot.is_log_up_to_date,
        Stance::Open => match own.voted {
            Some(_) if Mutant::VotesTwice.lives() => ballot.is_log_up_to_date,
            Some(voted) => voted == ballot.candidate,
            None => own.leader.is_none() && ballot.is_log_up_to_date,
        },
    }
}

/// Raft §5.4.1: the log with the later last epoch is more up to date, then the longer one.
pub(crate) fn is_up_to_date(candidate: OffsetAndEpoch, own: OffsetAndEpoch) -> bool {
    (candidate.epoch, candidate.offset) >= (own.epoch, own.offset)
        || Mutant::VotesForShortLogs.lives()
}

#[cfg(test)]
mod tests {
    use super::*;
    use klab_wire::{DirectoryId, LeaderEpoch, Offset};

    fn voter(number: u16) -> ReplicaKey {
        ReplicaKey { id: NodeId::voter(number), directory: DirectoryId(u64::from(number)) }
    }

    fn election(voters: u16) -> EpochElection {
        let voters: Vec<ReplicaKey> = (1..=voters).map(voter).collect();
        EpochElection::new(&voters, NodeId::voter(1))
    }

    #[test]
    fn an_election_is_won_by_a_majority_and_lost_when_none_is_possible() {
        // Voters, answers of the voters from v2 on, won, lost.
        for (voters, answers, won, lost) in [
            (1, vec![], true, false),
            (2, vec![], false, false),
            (2, vec![false], false, true),
            (3, vec![true], true, false),
            (3, vec![false], false, false),
            (3, vec![false, false], false, true),
            (4, vec![true], false, false),
            (4, vec![false, false], false, true),
            (5, vec![true, false, false], false, false),
            (5, vec![true, false, false, false], false, true),
        ] {
            let mut election = election(voters);
            for (index, granted) in answers.iter().enumerate() {
                assert!(election.record(NodeId::voter(index as u16 + 2), *granted));
            }
            assert_eq!(
                (election.is_won(), election.is_lost()),
                (won, lost),
                "{voters} {answers:?}"
            );
        }
    }

    #[test]
    fn who_is_no_voter_has_no_vote() {
        let mut election = election(3);
        assert!(!election.record(NodeId::broker(1), true));
        assert!(!election.is_won());
    }

    #[test]
    fn raft_5_4_1_the_later_epoch_then_the_longer_log_is_more_up_to_date() {
        let at =
            |offset, epoch| OffsetAndEpoch { offset: Offset(offset), epoch: LeaderEpoch(epoch) };
        for (candidate, own, expected) in [
            (at(5, 2), at(5, 2), true),
            (at(6, 2), at(5, 2), true),
            (at(4, 2), at(5, 2), false),
            (at(1, 3), at(9, 2), true),
            (at(9, 2), at(1, 3), false),
        ] {
            assert_eq!(is_up_to_date(candidate, own), expected, "{candidate:?} {own:?}");
        }
    }

    fn grants(stance: Stance, leader: Option<u16>, voted: Option<u16>, ballot: Ballot) -> bool {
        let own = QuorumState {
            leader_epoch: LeaderEpoch(3),
            leader: leader.map(NodeId::voter),
            voted: voted.map(voter),
        };
        may_grant_vote(stance, &own, ballot)
    }

    #[test]
    fn kip_595_a_voter_votes_once_per_epoch_and_for_an_up_to_date_log_only() {
        let for_two =
            |is_log_up_to_date| Ballot { candidate: voter(2), is_log_up_to_date, pre_vote: false };
        for (stance, leader, voted, up_to_date, expected) in [
            (Stance::Open, None, None, true, true),
            (Stance::Open, None, None, false, false),
            // The same candidate may ask again: the answer may have been lost.
            (Stance::Open, None, Some(2), false, true),
            (Stance::Open, None, Some(3), true, false),
            (Stance::Open, Some(3), None, true, false),
            (Stance::Leading, Some(1), None, true, false),
            (Stance::Committed, None, Some(1), true, false),
            (Stance::Following { has_fetched: false }, Some(3), None, true, false),
        ] {
            let found = grants(stance, leader, voted, for_two(up_to_date));
            assert_eq!(found, expected, "{stance:?} {leader:?} {voted:?} {up_to_date}");
        }
    }

    #[test]
    fn a_vote_for_a_node_is_no_vote_for_its_next_disk() {
        let mut ballot = Ballot { candidate: voter(2), is_log_up_to_date: true, pre_vote: false };
        assert!(grants(Stance::Open, None, Some(2), ballot));
        ballot.candidate.directory = DirectoryId(99);
        assert!(!grants(Stance::Open, None, Some(2), ballot));
    }

    #[test]
    fn kip_996_a_pre_vote_goes_by_the_log_unless_the_leader_is_alive() {
        let ballot =
            |is_log_up_to_date| Ballot { candidate: voter(2), is_log_up_to_date, pre_vote: true };
        for (stance, voted, up_to_date, expected) in [
            (Stance::Open, Some(3), true, true),
            (Stance::Open, None, false, false),
            (Stance::Committed, Some(1), true, true),
            (Stance::Following { has_fetched: false }, None, true, true),
            (Stance::Following { has_fetched: true }, None, true, false),
            (Stance::Leading, None, true, false),
        ] {
            assert_eq!(grants(stance, None, voted, ballot(up_to_date)), expected, "{stance:?}");
        }
    }
}
