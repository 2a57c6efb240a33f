//! What a replica does next in its role (`KafkaRaftClient.pollCurrentState`).

use crate::backoff::binary_exponential;
use crate::blocked::AfterFlush;
use crate::raft::Raft;
use crate::role::Role;
use klab_machine::disk::QuorumState;
use klab_machine::fact::RaftFact;
use klab_machine::{Mutant, Outbox};
use klab_wire::{EndQuorumEpochRequest, NodeId, Now, Request};

impl Raft {
    /// Looks at the deadlines of the role, and sends what is to be sent.
    pub(crate) fn poll(&mut self, now: Now, out: &mut Outbox) {
        self.clean_log(now, out);
        if self.complete_shutdown(now) {
            return;
        }
        match &self.role {
            Role::Unattached(_) => self.poll_unattached(now, out),
            Role::Prospective(_) => self.poll_prospective(now, out),
            Role::Candidate(_) => self.poll_candidate(now, out),
            Role::Leader(_) => self.poll_leader(now, out),
            Role::Follower(_) if self.is_voter => self.poll_voter(now, out),
            Role::Follower(_) => self.poll_observer(now, out),
            Role::Resigned(_) => self.poll_resigned(now, out),
        }
    }

    fn poll_unattached(&mut self, now: Now, out: &mut Outbox) {
        let Role::Unattached(unattached) = &self.role else { return };
        if !self.is_voter {
            return self.fetch_from_any_voter(now, out);
        }
        let is_time = unattached.election_at.is_some_and(|at| at <= now.time);
        if is_time && self.shutdown.is_none() {
            self.stand(now, out);
        }
    }

    fn poll_prospective(&mut self, now: Now, out: &mut Outbox) {
        let Role::Prospective(nominee) = &self.role else { return };
        if nominee.election.is_won() {
            self.stand(now, out);
        } else if nominee.election.is_lost() || nominee.election_at <= now.time {
            out.state(RaftFact::PreVoteLost { epoch: self.quorum.leader_epoch });
            self.give_up_pre_vote(now, out);
        } else {
            self.request_votes(now, out);
        }
    }

    fn poll_candidate(&mut self, now: Now, out: &mut Outbox) {
        let Role::Candidate(nominee) = &self.role else { return };
        let has_timed_out = nominee.election_at <= now.time;
        if nominee.election.is_won() {
            let granting = nominee.election.granting().collect();
            self.become_leader(now, granting, out);
        } else if self.shutdown.is_some() {
            self.request_votes(now, out);
        } else if let Some(until) = nominee.backoff_until {
            if until <= now.time {
                self.stand(now, out);
            }
        } else if has_timed_out && self.setup.pre_vote {
            // The pre-vote that comes first does what the back-off is for: the epoch does not move.
            out.state(RaftFact::ElectionLost { epoch: self.quorum.leader_epoch });
            self.stand(now, out);
        } else if nominee.election.is_lost() || has_timed_out {
            self.back_off(now, out);
        } else {
            self.request_votes(now, out);
        }
    }

    /// A lost election: the epochs must not race, so the next one waits, at random lest the same
    /// voters stand together again.
    fn back_off(&mut self, now: Now, out: &mut Outbox) {
        let Role::Candidate(nominee) = &mut self.role else { return };
        let max = self.setup.config.controller_quorum_election_backoff_max_ms;
        let wait = binary_exponential(nominee.retries, max, &mut self.random);
        nominee.backoff_until = Some(now.time + wait);
        out.state(RaftFact::ElectionLost { epoch: self.quorum.leader_epoch });
        if wait.0 == 0 {
            self.stand(now, out);
        }
    }

    fn poll_leader(&mut self, now: Now, out: &mut Outbox) {
        let Role::Leader(leader) = &self.role else { return };
        let is_due = leader.check_quorum_at.is_some_and(|at| at <= now.time);
        let lost_quorum = is_due && !Mutant::LeadsWithoutAQuorum.lives();
        if self.shutdown.is_some() || leader.resign_requested || lost_quorum {
            return self.step_down(now, lost_quorum, out);
        }
        if self.append_batches(now, out) {
            // Parked fetches are answered before the flush: the followers' disks work meanwhile.
            self.answer_parked_fetches(now, out);
            self.flush_log(now, AfterFlush::LeaderAppended, out);
        }
        if self.blocked.is_none() {
            self.begin_quorum_epoch(now, out);
        }
    }

    fn append_batches(&mut self, now: Now, out: &mut Outbox) -> bool {
        let Role::Leader(leader) = &mut self.role else { return false };
        let batches = leader.accumulator.drain(now);
        let has_any = !batches.is_empty();
        for batch in batches {
            self.log.append_as_leader(batch, self.quorum.leader_epoch, now, out);
        }
        has_any
    }

    fn poll_voter(&mut self, now: Now, out: &mut Outbox) {
        let Role::Follower(follower) = &self.role else { return };
        let leader = follower.leader;
        if follower.fetch_at <= now.time {
            self.stand(now, out);
        } else if self.peers.is_ready(leader, now) {
            self.fetch_from_leader(leader, now, out);
        }
    }

    /// An observer never gives up; when its leader does not answer, it asks others who leads.
    fn poll_observer(&mut self, now: Now, out: &mut Outbox) {
        let Role::Follower(follower) = &self.role else { return };
        let leader = follower.leader;
        if follower.fetch_at <= now.time {
            self.fetch_from_any_voter(now, out);
        } else if self.peers.has_timed_out(leader, now) {
            self.peers.reset(leader);
            self.fetch_from_any_voter(now, out);
        } else if self.peers.is_backing_off(leader, now) {
            self.fetch_from_any_voter(now, out);
        } else if !self.peers.is_awaiting_any(now) {
            self.fetch_from_leader(leader, now, out);
        }
    }

    fn poll_resigned(&mut self, now: Now, out: &mut Outbox) {
        let Role::Resigned(resigned) = &self.role else { return };
        let is_over = resigned.election_at <= now.time;
        let request = EndQuorumEpochRequest {
            cluster: self.cluster.clone(),
            leader: self.own.id,
            leader_epoch: self.quorum.leader_epoch,
            preferred_candidates: resigned.successors.clone(),
        };
        let unacknowledged: Vec<NodeId> = resigned.unacknowledged.iter().copied().collect();
        self.send_to_ready(&unacknowledged, now, |_| request.clone().into(), out);
        if is_over && self.shutdown.is_none() {
            self.leave_resigned(now, out);
        }
    }

    /// Nobody has taken over. With pre-votes the epoch has to be left first: in it this replica may
    /// neither lead nor vote, and others may still believe in it.
    fn leave_resigned(&mut self, now: Now, out: &mut Outbox) {
        if !self.setup.pre_vote {
            return self.stand(now, out);
        }
        let leader_epoch = self.quorum.leader_epoch.next();
        self.adopt(now, QuorumState { leader_epoch, leader: None, voted: None }, None, out);
    }

    /// Sends each of these voters a request, if no other is under way to it.
    pub(crate) fn send_to_ready(
        &mut self,
        voters: &[NodeId],
        now: Now,
        request: impl Fn(NodeId) -> Request,
        out: &mut Outbox,
    ) {
        for voter in voters {
            if self.peers.is_ready(*voter, now) {
                self.peers.send(*voter, request(*voter), now, out);
            }
        }
    }
}
