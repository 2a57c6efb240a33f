//! BeginQuorumEpoch and EndQuorumEpoch: a leader tells the voters that it leads, and that it goes (KIP-595).

use crate::answer::{Adoption, adoption};
use crate::backoff::strict_exponential;
use crate::purgatory::Caller;
use crate::raft::{Raft, Work};
use crate::role::Role;
use klab_machine::disk::QuorumState;
use klab_machine::{Mutant, Outbox};
use klab_wire::{
    BeginQuorumEpochRequest, ClusterId, EndQuorumEpochRequest, ErrorCode, LeaderEpoch, NodeId, Now,
    QuorumEpochResponse, ReplicaKey, Response, Span,
};

impl Raft {
    /// Tells every voter who leads, again and again: half a fetch timeout apart, so that a voter that
    /// missed it does not stand for election before it hears the next one.
    pub(crate) fn begin_quorum_epoch(&mut self, now: Now, out: &mut Outbox) {
        let Role::Leader(leader) = &mut self.role else { return };
        if leader.begin_epoch_at > now.time {
            return;
        }
        let timeout = self.setup.config.controller_quorum_fetch_timeout_ms;
        leader.begin_epoch_at = now.time + timeout.divided_by(2).max(Span::from_millis(1));
        let own = self.own.id;
        for voter in &self.setup.voters.clone() {
            if voter.id == own || !self.peers.is_ready(voter.id, now) {
                continue;
            }
            let request = BeginQuorumEpochRequest {
                cluster: self.cluster.clone(),
                voter: *voter,
                leader: own,
                leader_epoch: self.quorum.leader_epoch,
            };
            self.peers.send(voter.id, request.into(), now, out);
        }
    }

    /// A leader says that its epoch has begun.
    pub(crate) fn epoch_begun(
        &mut self,
        now: Now,
        caller: Caller,
        request: BeginQuorumEpochRequest,
        out: &mut Outbox,
    ) {
        let (leader, epoch) = (request.leader, request.leader_epoch);
        let mut error = self.refuse_epoch_request(&request.cluster, leader, epoch);
        if error.is_none() {
            let replay = || Work::Request(caller, request.clone().into());
            if !self.believe(now, leader, epoch, replay, out) {
                return;
            }
            // The epoch counts even when somebody else was meant (KIP-853).
            error = (request.voter != self.own).then_some(ErrorCode::InvalidVoterKey);
        }
        caller.answer(Response::BeginQuorumEpoch(Box::new(self.epoch_answer(error))), out);
    }

    /// A leader says that it goes, and who should stand.
    pub(crate) fn epoch_ended(
        &mut self,
        now: Now,
        caller: Caller,
        request: EndQuorumEpochRequest,
        out: &mut Outbox,
    ) {
        let (leader, epoch) = (request.leader, request.leader_epoch);
        let error = self.refuse_epoch_request(&request.cluster, leader, epoch);
        if error.is_none() {
            let replay = || Work::Request(caller, request.clone().into());
            if !self.believe(now, leader, epoch, replay, out) {
                return;
            }
            self.succeed(now, leader, &request.preferred_candidates);
        }
        caller.answer(Response::EndQuorumEpoch(Box::new(self.epoch_answer(error))), out);
    }

    /// A voter knows that this leader goes.
    pub(crate) fn epoch_end_acknowledged(&mut self, from: NodeId) {
        if let Role::Resigned(resigned) = &mut self.role {
            resigned.unacknowledged.remove(&from);
        }
    }

    /// What is wrong with a request between voters (`validateVoterOnlyRequest`). The voters are static,
    /// so KIP-595's check stands that a stranger cannot lead.
    pub(crate) fn refuse_voter_only_request(
        &self,
        from: NodeId,
        epoch: LeaderEpoch,
    ) -> Option<ErrorCode> {
        if epoch < self.quorum.leader_epoch && !Mutant::GoesBackAnEpoch.lives() {
            Some(ErrorCode::FencedLeaderEpoch)
        } else if !self.setup.voters.iter().any(|voter| voter.id == from) {
            Some(ErrorCode::InconsistentVoterSet)
        } else {
            None
        }
    }

    fn refuse_epoch_request(
        &self,
        cluster: &ClusterId,
        leader: NodeId,
        epoch: LeaderEpoch,
    ) -> Option<ErrorCode> {
        match *cluster == self.cluster {
            true => self.refuse_voter_only_request(leader, epoch),
            false => Some(ErrorCode::InconsistentClusterId),
        }
    }

    /// A follower of the leader that goes waits only as long as its place among the successors says.
    fn succeed(&mut self, now: Now, gone: NodeId, successors: &[ReplicaKey]) {
        let Role::Follower(follower) = &mut self.role else { return };
        if follower.leader != gone {
            return;
        }
        let own = self.own;
        let position = successors.iter().position(|key| *key == own).unwrap_or(successors.len());
        let max = self.setup.config.controller_quorum_election_backoff_max_ms;
        follower.fetch_at = now.time + strict_exponential(position, successors.len(), max);
    }

    /// Takes over from a request who leads. Says no if it cannot be answered now: what it says has to be
    /// written down first, or it contradicts what this voter knows.
    fn believe(
        &mut self,
        now: Now,
        leader: NodeId,
        epoch: LeaderEpoch,
        replay: impl FnOnce() -> Work,
        out: &mut Outbox,
    ) -> bool {
        match adoption(&self.quorum, self.own_voter(), Some(leader), epoch) {
            Adoption::Nothing => true,
            Adoption::Adopt(quorum) => {
                self.adopt(now, quorum, Some(replay()), out);
                false
            }
            Adoption::Contradiction => {
                out.halt();
                false
            }
        }
    }

    fn epoch_answer(&self, error: Option<ErrorCode>) -> QuorumEpochResponse {
        let QuorumState { leader, leader_epoch, .. } = self.quorum;
        QuorumEpochResponse { error: error.unwrap_or_default(), leader, leader_epoch }
    }
}
