//! Vote: asking for a vote, giving one, counting them (KIP-595, KIP-996).

use crate::election::{Ballot, is_up_to_date, may_grant_vote};
use crate::purgatory::Caller;
use crate::raft::{Raft, Work};
use crate::role::Role;
use klab_machine::Outbox;
use klab_machine::disk::QuorumState;
use klab_machine::fact::RaftFact;
use klab_wire::{ErrorCode, NodeId, Now, Response, VoteRequest, VoteResponse};

impl Raft {
    /// Asks every voter that has not answered, as long as there is something to win.
    pub(crate) fn request_votes(&mut self, now: Now, out: &mut Outbox) {
        let (Role::Prospective(nominee) | Role::Candidate(nominee)) = &self.role else { return };
        if nominee.election.is_lost() {
            return;
        }
        let unrecorded: Vec<NodeId> = nominee.election.unrecorded().collect();
        for voter in &self.setup.voters.clone() {
            let request = || VoteRequest {
                cluster: self.cluster.clone(),
                voter: *voter,
                candidate: self.own,
                candidate_epoch: self.quorum.leader_epoch,
                last: self.log.end_and_epoch(),
                pre_vote: matches!(self.role, Role::Prospective(_)),
            };
            if unrecorded.contains(&voter.id) && self.peers.is_ready(voter.id, now) {
                self.peers.send(voter.id, request().into(), now, out);
            }
        }
    }

    /// A candidate asks for a vote.
    pub(crate) fn vote_requested(
        &mut self,
        now: Now,
        caller: Caller,
        request: VoteRequest,
        out: &mut Outbox,
    ) {
        if let Some(error) = self.refuse_vote_request(&request) {
            return self.answer_vote(caller, error, false, out);
        }
        let asked_for = request.candidate_epoch;
        if asked_for > self.quorum.leader_epoch {
            let quorum = QuorumState { leader_epoch: asked_for, leader: None, voted: None };
            let replay = Work::Request(caller, request.into());
            return self.adopt(now, quorum, Some(replay), out);
        }
        // The epoch counts even when somebody else was meant (KIP-853).
        if request.voter != self.own {
            return self.answer_vote(caller, ErrorCode::InvalidVoterKey, false, out);
        }
        let ballot = Ballot {
            candidate: request.candidate,
            is_log_up_to_date: is_up_to_date(request.last, self.log.end_and_epoch()),
            pre_vote: request.pre_vote,
        };
        let granted = may_grant_vote(self.role.stance(), &self.quorum, ballot);
        if granted && !request.pre_vote && self.quorum.voted.is_none() {
            return self.vote_for(now, caller, request, out);
        }
        if !request.pre_vote {
            self.state_vote(&request, granted, out);
        }
        self.answer_vote(caller, ErrorCode::None, granted, out);
    }

    /// A voter has answered a candidate; what follows from it comes with the next look at the role.
    pub(crate) fn vote_answered(&mut self, from: NodeId, answer: &VoteResponse) {
        if let Role::Prospective(nominee) | Role::Candidate(nominee) = &mut self.role {
            nominee.election.record(from, answer.vote_granted);
        }
    }

    fn refuse_vote_request(&self, request: &VoteRequest) -> Option<ErrorCode> {
        // A candidate of this epoch cannot have a record of it already; a pre-vote raises no epoch.
        let is_impossible = match request.pre_vote {
            true => request.last.epoch > request.candidate_epoch,
            false => request.last.epoch >= request.candidate_epoch,
        };
        if request.cluster != self.cluster {
            Some(ErrorCode::InconsistentClusterId)
        } else if is_impossible {
            Some(ErrorCode::InvalidRequest)
        } else {
            self.refuse_voter_only_request(request.candidate.id, request.candidate_epoch)
        }
    }

    /// Writes the vote down; the request is looked at again when it is on the platter. The candidate
    /// has as good a chance as this voter, which therefore waits afresh.
    fn vote_for(&mut self, now: Now, caller: Caller, request: VoteRequest, out: &mut Outbox) {
        let quorum = QuorumState { voted: Some(request.candidate), ..self.quorum };
        let mut role = self.role.clone();
        let election_at = self.draw_election_at(now);
        match &mut role {
            Role::Unattached(unattached) => unattached.election_at = Some(election_at),
            Role::Prospective(nominee) => nominee.election_at = election_at,
            other => unreachable!("a voter does not vote as {}", other.name()),
        }
        let replay = Work::Request(caller, request.into());
        self.transition(now, quorum, role, Some(replay), out);
    }

    fn state_vote(&self, request: &VoteRequest, granted: bool, out: &mut Outbox) {
        let (candidate, epoch) = (request.candidate.id, request.candidate_epoch);
        out.state(match granted {
            true => RaftFact::VoteGranted { candidate, epoch },
            false => RaftFact::VoteRejected { candidate, epoch },
        });
    }

    fn answer_vote(&self, caller: Caller, error: ErrorCode, vote_granted: bool, out: &mut Outbox) {
        let QuorumState { leader, leader_epoch, .. } = self.quorum;
        let answer = VoteResponse { error, leader, leader_epoch, vote_granted };
        caller.answer(Response::Vote(Box::new(answer)), out);
    }
}
