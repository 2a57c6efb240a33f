//! From role to role: the election state is on the platter before the new role begins (`QuorumState`).

use crate::RaftEvent;
use crate::backoff::election_timeout;
use crate::blocked::{AfterFlush, Blocked};
use crate::election::EpochElection;
use crate::leader::Leader;
use crate::raft::{Raft, Work};
use crate::role::{Follower, Nominee, Resigned, Role, Unattached};
use klab_machine::disk::QuorumState;
use klab_machine::fact::RaftFact;
use klab_machine::{Block, Change, DiskImage, File, Mutant, Outbox};
use klab_wire::{ControlRecord, LeaderEpoch, NodeId, Now, RecordBatch, Time};

impl Raft {
    /// Starts in the role that follows from what is on the disk (`QuorumState.initialize`).
    ///
    /// A former leader starts out as resigned: in that epoch it must not vote, and must not give an
    /// offset twice whose record the disk may have lost. A former candidate goes on with its election.
    pub(crate) fn initialize(&mut self, disk: &DiskImage, now: Now, out: &mut Outbox) {
        if let Some(Block::QuorumState(stored)) = disk.block(File::QuorumState) {
            self.quorum = *stored;
        }
        let log_epoch = self.log.last_epoch();
        let quorum = match self.quorum.leader_epoch < log_epoch {
            true => QuorumState { leader_epoch: log_epoch, leader: None, voted: None },
            false => self.quorum,
        };
        let role = self.initial_role(&quorum, now);
        if self.is_voter {
            self.flush_log(now, AfterFlush::Start { quorum, role: Box::new(role) }, out);
        } else {
            self.transition(now, quorum, role, None, out);
        }
    }

    /// Goes into another role. If the election state changes with it, that is written first, and
    /// `replay` is looked at (again) afterwards.
    pub(crate) fn transition(
        &mut self,
        now: Now,
        quorum: QuorumState,
        role: Role,
        replay: Option<Work>,
        out: &mut Outbox,
    ) {
        if quorum == self.quorum {
            return self.enter(now, role, replay, out);
        }
        let voted = quorum.voted.filter(|_| !Mutant::ForgetsItsVote.lives());
        let stored = QuorumState { voted, ..quorum };
        out.store(File::QuorumState, Change::Replace(Block::QuorumState(stored)));
        if Mutant::TellsItsVoteTooSoon.lives() {
            return self.quorum_state_stored(now, quorum, role, replay, out);
        }
        let flush = out.flush(File::QuorumState);
        self.blocked = Some(Blocked::Storing { flush, quorum, role: Box::new(role), replay });
    }

    /// The election state is on the platter.
    pub(crate) fn quorum_state_stored(
        &mut self,
        now: Now,
        quorum: QuorumState,
        role: Role,
        replay: Option<Work>,
        out: &mut Outbox,
    ) {
        let QuorumState { leader_epoch, leader, voted } = quorum;
        let voted = voted.map(|voted| voted.id);
        out.state(RaftFact::QuorumStateStored { epoch: leader_epoch, leader, voted });
        let led = self.quorum.leader_epoch;
        self.quorum = quorum;
        if matches!(self.role, Role::Leader(_)) {
            self.lead_no_more(led, out);
        }
        self.enter(now, role, replay, out);
    }

    /// Follows the leader of an epoch, or waits for one.
    pub(crate) fn adopt(
        &mut self,
        now: Now,
        quorum: QuorumState,
        replay: Option<Work>,
        out: &mut Outbox,
    ) {
        let role = match quorum.leader {
            Some(leader) => self.follower_of(leader, now),
            None => self.unattached(now),
        };
        self.transition(now, quorum, role, replay, out);
    }

    /// Stands for election, or first asks whether it would be elected (KIP-996).
    pub(crate) fn stand(&mut self, now: Now, out: &mut Outbox) {
        if self.setup.pre_vote && !matches!(self.role, Role::Prospective(_)) {
            let nominee = self.nominee(now);
            return self.transition(now, self.quorum, Role::Prospective(nominee), None, out);
        }
        let nominee = self.nominee(now);
        let quorum = QuorumState {
            leader_epoch: self.quorum.leader_epoch.next(),
            leader: None,
            voted: Some(self.own),
        };
        self.transition(now, quorum, Role::Candidate(nominee), None, out);
    }

    /// A pre-vote has failed: back to the leader, if there was one, or to waiting.
    pub(crate) fn give_up_pre_vote(&mut self, now: Now, out: &mut Outbox) {
        self.adopt(now, self.quorum, None, out);
    }

    /// A majority has elected this voter.
    pub(crate) fn become_leader(&mut self, now: Now, granting: Vec<NodeId>, out: &mut Outbox) {
        let config = &self.setup.config;
        let mut leader = Leader::new(
            self.own.id,
            &self.setup.voters,
            granting,
            self.log.end(),
            config.controller_quorum_append_linger_ms,
            config.controller_quorum_fetch_timeout_ms,
            now,
        );
        leader.quorum_commit = self.setup.quorum_commit;
        let quorum = QuorumState { leader: Some(self.own.id), ..self.quorum };
        self.transition(now, quorum, Role::Leader(Box::new(leader)), None, out);
    }

    /// A leader steps down. Nothing is written: a leader that restarts has resigned anyway.
    pub(crate) fn step_down(&mut self, now: Now, lost_quorum: bool, out: &mut Outbox) {
        let Role::Leader(leader) = &self.role else { return };
        let successors = leader.successors();
        let unacknowledged = successors.iter().map(|voter| voter.id).collect();
        let epoch = self.quorum.leader_epoch;
        out.state(RaftFact::QuorumLeaderResigned { epoch, lost_quorum });
        self.lead_no_more(epoch, out);
        let election_at = self.draw_election_at(now);
        let role = Role::Resigned(Resigned { unacknowledged, successors, election_at });
        self.transition(now, self.quorum, role, None, out);
    }

    /// When this replica, having no leader, stands for election. What it has waited already counts.
    pub(crate) fn unattached(&mut self, now: Now) -> Role {
        let election_at = match &self.role {
            _ if !self.is_voter => None,
            Role::Unattached(Unattached { election_at: Some(at) }) => Some(*at),
            Role::Candidate(nominee) => Some(nominee.election_at),
            Role::Prospective(nominee) if !nominee.election.is_lost() => Some(nominee.election_at),
            Role::Resigned(resigned) => Some(resigned.election_at),
            _ => Some(self.draw_election_at(now)),
        };
        Role::Unattached(Unattached { election_at })
    }

    /// A moment between one and two election timeouts from now.
    pub(crate) fn draw_election_at(&mut self, now: Now) -> Time {
        let timeout = self.setup.config.controller_quorum_election_timeout_ms;
        now.time + election_timeout(timeout, &mut self.random)
    }

    fn initial_role(&mut self, quorum: &QuorumState, now: Now) -> Role {
        match quorum.leader {
            Some(leader) if leader == self.own.id && self.is_voter => Role::Resigned(Resigned {
                unacknowledged: self.others().collect(),
                successors: Vec::new(),
                election_at: self.first_election_at(now),
            }),
            Some(leader) => self.follower_of(leader, now),
            None if quorum.voted == Some(self.own) => Role::Candidate(self.nominee(now)),
            None => {
                let election_at = self.is_voter.then(|| self.first_election_at(now));
                Role::Unattached(Unattached { election_at })
            }
        }
    }

    /// The only voter has nobody to wait for.
    fn first_election_at(&mut self, now: Now) -> Time {
        match self.setup.voters.len() {
            1 => now.time,
            _ => self.draw_election_at(now),
        }
    }

    fn follower_of(&self, leader: NodeId, now: Now) -> Role {
        let fetch_at = now.time + self.setup.config.controller_quorum_fetch_timeout_ms;
        Role::Follower(Follower { leader, fetch_at, has_fetched: false, fetching: None })
    }

    /// One more election: the next one in a row, if the last one was lost.
    fn nominee(&mut self, now: Now) -> Nominee {
        let retries = match &self.role {
            Role::Candidate(lost) => lost.retries + 1,
            Role::Prospective(nominee) => nominee.retries,
            _ => 1,
        };
        Nominee {
            election: EpochElection::new(&self.setup.voters, self.own.id),
            election_at: self.draw_election_at(now),
            retries,
            backoff_until: None,
        }
    }

    /// The new role begins: earlier requests do not matter any more, and who asks is told who leads.
    fn enter(&mut self, now: Now, role: Role, replay: Option<Work>, out: &mut Outbox) {
        self.peers.reset_all();
        // A voter that votes while it collects pre-votes goes on collecting.
        let goes_on = matches!((&self.role, &role), (Role::Prospective(_), Role::Prospective(_)));
        self.role = role;
        self.inbox.push_front(replay.unwrap_or(Work::Look));
        self.announce_leader();
        if !goes_on {
            self.state_role(out);
        }
        self.write_leader_change(now);
    }

    fn lead_no_more(&mut self, epoch: LeaderEpoch, out: &mut Outbox) {
        self.refuse_parked_fetches(out);
        self.events.push_back(RaftEvent::Resigned { epoch });
    }

    /// Fires `handleLeaderChange`, but never for a leader that has resigned: nobody could append.
    fn announce_leader(&mut self) {
        let QuorumState { leader, leader_epoch: epoch, .. } = self.quorum;
        let is_news = self.announced != (leader, epoch);
        if is_news && !matches!(self.role, Role::Resigned(_)) {
            self.announced = (leader, epoch);
            self.events.push_back(RaftEvent::LeaderChanged { leader, epoch });
        }
    }

    fn state_role(&self, out: &mut Outbox) {
        let epoch = self.quorum.leader_epoch;
        match &self.role {
            Role::Prospective(_) => out.state(RaftFact::PreVoteStarted { epoch }),
            Role::Candidate(_) => out.state(RaftFact::ElectionStarted { epoch }),
            Role::Leader(leader) => {
                out.state(RaftFact::QuorumLeaderElected { epoch, start: leader.epoch_start });
            }
            Role::Follower(follower) => {
                out.state(RaftFact::QuorumLeaderFollowed { leader: follower.leader, epoch });
            }
            Role::Unattached(_) | Role::Resigned(_) => {}
        }
    }

    /// A leader's first record: only with one of its own epoch may it commit what is there already.
    fn write_leader_change(&mut self, now: Now) {
        let Role::Leader(leader) = &mut self.role else { return };
        let record = ControlRecord::LeaderChange {
            leader: self.own.id,
            voters: self.setup.voters.iter().map(|voter| voter.id).collect(),
            granting: leader.granting.as_slice().into(),
        };
        leader.accumulator.append_control(RecordBatch::of_control(record, None, now.wall));
    }

    /// Its name among the voters; a broker's replica beside a voter of the same name has none.
    pub(crate) fn own_voter(&self) -> Option<NodeId> {
        self.setup.own_voter(self.own)
    }

    /// The other voters.
    pub(crate) fn others(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.setup.voters.iter().map(|voter| voter.id).filter(|id| Some(*id) != self.own_voter())
    }
}
