//! Fast leader election: servers tell each other whom they would follow, until a quorum says the same
//! (`FastLeaderElection`).
//!
//! A vote is better with a higher epoch, then with a higher zxid, then with a higher server number: so the
//! winner has everything that any quorum member has logged. Rounds are numbered by a logical clock; a vote of
//! an older round does not count. Who is not looking answers whoever looks with the leader that it has.

use klab_wire::NodeId;
use klab_wire::zookeeper::{Notification, ServerState, Vote};
use std::collections::BTreeMap;

/// One search for a leader (`lookForLeader`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Election {
    me: NodeId,
    participants: Vec<NodeId>,
    /// What this server brings: none if it has no vote.
    initial: Option<Vote>,
    round: u64,
    proposal: Option<Vote>,
    /// Votes of this round (`recvset`).
    received: BTreeMap<NodeId, Ballot>,
    /// What those say that have a leader (`outofelection`).
    out_of_election: BTreeMap<NodeId, Ballot>,
    /// A quorum votes as this server does; it waits a little for somebody to object (`finalizeWait`).
    is_finalising: bool,
}

/// A vote with the round and the state of its voter (`Vote`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ballot {
    vote: Vote,
    round: u64,
    state: ServerState,
}

/// What a notification leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing.
    Wait,
    /// This server votes otherwise now: everybody must be told.
    TellAll,
    /// A quorum votes as this server does: wait for an objection.
    Finalise,
    /// This server votes otherwise now, and with it a quorum: tell everybody, and wait for an objection.
    TellAllAndFinalise,
    /// There is a leader.
    Decide(Decided),
}

/// Whom a quorum wants, and in which round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decided {
    /// The vote.
    pub vote: Vote,
    /// The round.
    pub round: u64,
}

impl Election {
    /// A search begins, in the next round, with this server's own vote.
    pub fn new(me: NodeId, participants: Vec<NodeId>, round: u64, initial: Option<Vote>) -> Self {
        let mut election = Election {
            me,
            participants,
            initial,
            round,
            proposal: initial,
            received: BTreeMap::new(),
            out_of_election: BTreeMap::new(),
            is_finalising: false,
        };
        election.vote_myself();
        election
    }

    /// The logical clock.
    pub fn round(&self) -> u64 {
        self.round
    }

    /// Whom this server would follow.
    pub fn proposal(&self) -> Option<Vote> {
        self.proposal
    }

    /// What this server tells everybody.
    pub fn notification(&self) -> Notification {
        Notification { vote: self.proposal, round: self.round, state: ServerState::Looking }
    }

    /// What there is to do before anybody else has said anything: an ensemble of one elects itself.
    pub fn begin(&mut self) -> Next {
        self.finalise_if_quorum(false)
    }

    /// Somebody that votes says something.
    pub fn hear(&mut self, from: NodeId, said: Notification) -> Next {
        let Some(vote) = said.vote.filter(|vote| self.participants.contains(&vote.leader)) else {
            return Next::Wait;
        };
        match said.state {
            ServerState::Looking => self.hear_looking(from, vote, said.round),
            ServerState::Observing => Next::Wait,
            ServerState::Following | ServerState::Leading => {
                self.hear_settled(from, Ballot { vote, round: said.round, state: said.state })
            }
        }
    }

    /// Nobody has objected: what this server votes for is decided.
    pub fn finalise(&self) -> Option<Decided> {
        let vote = self.proposal.filter(|_| self.is_finalising)?;
        Some(Decided { vote, round: self.round })
    }

    fn hear_looking(&mut self, from: NodeId, vote: Vote, round: u64) -> Next {
        if self.is_finalising {
            if Some(vote) <= self.proposal {
                return Next::Wait; // While it waits, a server hears objections only.
            }
            self.is_finalising = false;
        }
        if round < self.round {
            return Next::Wait;
        }
        let mut tells = false;
        if round > self.round {
            self.round = round;
            self.received.clear();
            self.proposal = self.initial.max(Some(vote));
            tells = true;
        } else if Some(vote) > self.proposal {
            self.proposal = Some(vote);
            tells = true;
        }
        self.vote_myself();
        self.received.insert(from, Ballot { vote, round, state: ServerState::Looking });
        self.finalise_if_quorum(tells)
    }

    /// Whoever has a leader is believed only if a quorum says so and the leader itself says that it leads
    /// (`checkLeader`).
    fn hear_settled(&mut self, from: NodeId, said: Ballot) -> Next {
        let decided = Decided { vote: said.vote, round: said.round };
        if said.round == self.round {
            self.received.insert(from, said);
            if self.agrees(&self.received, said) {
                return Next::Decide(decided);
            }
        }
        self.out_of_election.insert(from, said);
        match self.agrees(&self.out_of_election, said) {
            true => Next::Decide(decided),
            false => Next::Wait,
        }
    }

    fn agrees(&self, ballots: &BTreeMap<NodeId, Ballot>, said: Ballot) -> bool {
        let leader = said.vote.leader;
        let leads = match leader == self.me {
            true => self.round == said.round,
            false => ballots.get(&leader).is_some_and(|one| one.state == ServerState::Leading),
        };
        leads && self.has_quorum(ballots, said)
    }

    fn finalise_if_quorum(&mut self, tells: bool) -> Next {
        let mine = self.proposal.map(|vote| Ballot {
            vote,
            round: self.round,
            state: ServerState::Looking,
        });
        self.is_finalising = mine.is_some_and(|mine| self.has_quorum(&self.received, mine));
        match (tells, self.is_finalising) {
            (false, false) => Next::Wait,
            (true, false) => Next::TellAll,
            (false, true) => Next::Finalise,
            (true, true) => Next::TellAllAndFinalise,
        }
    }

    fn has_quorum(&self, ballots: &BTreeMap<NodeId, Ballot>, like: Ballot) -> bool {
        let voting = ballots.iter().filter(|(from, ballot)| {
            self.participants.contains(from) && is_for_the_same(**ballot, like)
        });
        voting.count() > self.participants.len() / 2
    }

    /// A server that votes hears its own vote as well.
    fn vote_myself(&mut self) {
        if let Some(vote) = self.proposal.filter(|_| self.initial.is_some()) {
            let ballot = Ballot { vote, round: self.round, state: ServerState::Looking };
            self.received.insert(self.me, ballot);
        }
    }
}

/// Among those that have a leader only the leader and its epoch count: the rest may have changed since
/// (`Vote.equals`, ZOOKEEPER-1805).
fn is_for_the_same(one: Ballot, other: Ballot) -> bool {
    match (one.state, other.state) {
        (ServerState::Looking, _) | (_, ServerState::Looking) => {
            one.vote == other.vote && one.round == other.round
        }
        _ => one.vote.leader == other.vote.leader && one.vote.peer_epoch == other.vote.peer_epoch,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ServerState::{Following, Leading, Looking};
    use klab_wire::zookeeper::Zxid;

    fn z(number: u16) -> NodeId {
        NodeId::zookeeper(number)
    }

    fn vote(leader: u16, epoch: u32, counter: u32) -> Vote {
        Vote { peer_epoch: epoch, zxid: Zxid::new(epoch, counter), leader: z(leader) }
    }

    fn said(vote: Vote, round: u64, state: ServerState) -> Notification {
        Notification { vote: Some(vote), round, state }
    }

    fn election(me: u16, servers: u16, initial: Vote) -> Election {
        Election::new(z(me), (1..=servers).map(z).collect(), 1, Some(initial))
    }

    #[test]
    fn the_better_vote_wins_and_a_quorum_of_it_is_final_only_after_a_wait() {
        let mut one = election(1, 3, vote(1, 1, 5));
        let next = one.hear(z(2), said(vote(2, 1, 7), 1, Looking));
        assert_eq!(next, Next::TellAllAndFinalise);
        assert_eq!(one.finalise(), Some(Decided { vote: vote(2, 1, 7), round: 1 }));
        // A still better one objects in time.
        assert_eq!(one.hear(z(3), said(vote(3, 2, 1), 1, Looking)), Next::TellAllAndFinalise);
        assert_eq!(one.finalise().map(|decided| decided.vote), Some(vote(3, 2, 1)));
    }

    #[test]
    fn a_worse_vote_changes_nothing() {
        let mut three = election(3, 5, vote(3, 1, 5));
        assert_eq!(three.hear(z(1), said(vote(1, 1, 5), 1, Looking)), Next::Wait);
        assert_eq!(three.proposal(), Some(vote(3, 1, 5)));
        assert_eq!(three.hear(z(1), said(vote(3, 1, 5), 1, Looking)), Next::Wait);
        assert_eq!(three.hear(z(2), said(vote(3, 1, 5), 1, Looking)), Next::Finalise);
    }

    #[test]
    fn a_later_round_makes_an_earlier_one_void_and_an_earlier_one_does_not_count() {
        let mut three = election(3, 3, vote(3, 1, 5));
        assert_eq!(three.hear(z(1), said(vote(1, 1, 9), 4, Looking)), Next::TellAllAndFinalise);
        assert_eq!((three.round(), three.proposal()), (4, Some(vote(1, 1, 9))));
        assert_eq!(three.hear(z(2), said(vote(2, 9, 9), 3, Looking)), Next::Wait);
    }

    #[test]
    fn a_leader_is_joined_only_if_a_quorum_follows_it_and_it_says_that_it_leads() {
        let leader = vote(1, 1, 5);
        let mut three = election(3, 3, vote(3, 1, 9));
        assert_eq!(three.hear(z(2), said(leader, 7, Following)), Next::Wait);
        let decided = Decided { vote: leader, round: 7 };
        assert_eq!(three.hear(z(1), said(leader, 7, Leading)), Next::Decide(decided));
        let mut three = election(3, 3, vote(3, 1, 9));
        assert_eq!(three.hear(z(1), said(leader, 7, Leading)), Next::Wait, "no quorum follows it");
    }

    #[test]
    fn those_that_follow_may_remember_different_rounds_of_the_same_leader() {
        let mut three = election(3, 3, vote(3, 1, 9));
        assert_eq!(three.hear(z(2), said(vote(1, 2, 0), 9, Following)), Next::Wait);
        let next = three.hear(z(1), said(vote(1, 2, 3), 7, Leading));
        assert!(matches!(next, Next::Decide(_)), "{next:?}");
    }

    #[test]
    fn an_observer_follows_what_the_others_decide_and_has_no_say() {
        let mut observer = Election::new(z(4), (1..=3).map(z).collect(), 1, None);
        let leader = vote(1, 1, 5);
        assert_eq!(observer.hear(z(2), said(leader, 3, Following)), Next::Wait);
        assert!(matches!(observer.hear(z(1), said(leader, 3, Leading)), Next::Decide(_)));
    }
}
