//! What only a leader has: how far every replica is, and what waits to be appended (`LeaderState`).

use crate::accumulator::BatchAccumulator;
use crate::election::majority;
use crate::high_watermark;
use klab_machine::timer::RaftTimer;
use klab_wire::config::switches::QuorumCommit;
use klab_wire::{NodeId, Now, Offset, QuorumReplica, ReplicaKey, Span, Time, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// `LeaderState.OBSERVER_SESSION_TIMEOUT_MS`: an observer that has not fetched for so long is forgotten.
const OBSERVER_SESSION_TIMEOUT: Span = Span::from_secs(300);

/// The leader's part of the role.
#[derive(Clone, Debug)]
pub(crate) struct Leader {
    own: NodeId,
    /// Where the log ended when the epoch began: the LeaderChange record is here.
    pub(crate) epoch_start: Offset,
    /// From which offset on it commits (KAFKA-12619).
    pub(crate) quorum_commit: QuorumCommit,
    /// Who voted for it.
    pub(crate) granting: Vec<NodeId>,
    /// The high watermark of this epoch: none before a record of the epoch is committed, because
    /// until then this leader cannot be sure that it would not go back.
    pub(crate) high_watermark: Option<Offset>,
    /// What waits to be appended.
    pub(crate) accumulator: BatchAccumulator,
    /// Everything up to the epoch's start has been delivered, and the host was told.
    pub(crate) is_writable: bool,
    /// When voters are told of this leader again.
    pub(crate) begin_epoch_at: Time,
    /// When it resigns, unless a majority fetches before.
    pub(crate) check_quorum_at: Option<Time>,
    /// It was asked to resign.
    pub(crate) resign_requested: bool,
    check_quorum_timeout: Span,
    fetched_voters: BTreeSet<NodeId>,
    voters: Vec<ReplicaState>,
    observers: BTreeMap<ReplicaKey, ReplicaState>,
}

/// What a leader knows of a replica (`LeaderState.ReplicaState`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ReplicaState {
    key: ReplicaKey,
    end: Option<Offset>,
    last_fetch: Option<Fetched>,
    last_caught_up: Option<Timestamp>,
}

/// A replica's last fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Fetched {
    at: Now,
    /// Where the leader's log ended then.
    leader_end: Offset,
}

impl Leader {
    /// A leader that has just been elected with its log ending at `epoch_start`.
    pub(crate) fn new(
        own: NodeId,
        voters: &[ReplicaKey],
        granting: Vec<NodeId>,
        epoch_start: Offset,
        linger: Span,
        fetch_timeout: Span,
        now: Now,
    ) -> Self {
        // 1.5 times the fetch timeout: room for the network and the disk (`CHECK_QUORUM_TIMEOUT_FACTOR`).
        let check_quorum_timeout = fetch_timeout.times(3).divided_by(2);
        Leader {
            own,
            epoch_start,
            quorum_commit: QuorumCommit::BeyondEpochStart,
            granting,
            high_watermark: None,
            accumulator: BatchAccumulator::new(epoch_start, linger),
            is_writable: false,
            begin_epoch_at: now.time,
            check_quorum_at: (voters.len() > 1).then_some(now.time + check_quorum_timeout),
            resign_requested: false,
            check_quorum_timeout,
            fetched_voters: BTreeSet::new(),
            voters: voters.iter().map(|key| ReplicaState::new(*key)).collect(),
            observers: BTreeMap::new(),
        }
    }

    /// The deadlines of a leader, each with its timer.
    pub(crate) fn deadlines(&self) -> [Option<(RaftTimer, Time)>; 3] {
        let check_quorum = self.check_quorum_at.map(|at| (RaftTimer::CheckQuorum, at));
        let linger = self.accumulator.drain_at().map(|at| (RaftTimer::Linger, at));
        let begin_epoch = Some((RaftTimer::BeginQuorumEpoch, self.begin_epoch_at));
        [begin_epoch, check_quorum, linger]
    }

    /// The leader's own log is flushed up to here; says whether the high watermark moved, and to where.
    pub(crate) fn flushed(&mut self, end: Offset) -> Option<Offset> {
        let own = self.own;
        let state = self.voters.iter_mut().find(|voter| voter.key.id == own);
        state.expect("a leader is a voter").end = Some(end);
        self.advance_high_watermark()
    }

    /// A replica has fetched from `end`: it has everything below. Says whether the high watermark
    /// moved, and to where.
    pub(crate) fn fetched(
        &mut self,
        key: ReplicaKey,
        end: Offset,
        leader_end: Offset,
        now: Now,
    ) -> Option<Offset> {
        match self.voters.iter_mut().find(|voter| voter.key == key) {
            Some(voter) => {
                voter.fetched(end, leader_end, now);
                self.heard_of(key, now);
                self.advance_high_watermark()
            }
            None => {
                let observer = self.observers.entry(key);
                observer.or_insert_with(|| ReplicaState::new(key)).fetched(end, leader_end, now);
                None
            }
        }
    }

    /// A voter fetches records or a snapshot: it follows this leader. Once a majority has, the check
    /// of the quorum starts anew (`updateCheckQuorumForFollowingVoter`).
    pub(crate) fn heard_of(&mut self, key: ReplicaKey, now: Now) {
        if !self.voters.iter().any(|voter| voter.key == key) {
            return;
        }
        self.fetched_voters.insert(key.id);
        // The leader counts itself.
        if self.fetched_voters.len() + 1 >= majority(self.voters.len()) {
            self.fetched_voters.clear();
            self.check_quorum_at =
                self.check_quorum_at.map(|_| now.time + self.check_quorum_timeout);
        }
    }

    /// The other voters, the one with the longest log first: in this order they should stand when
    /// this leader goes.
    pub(crate) fn successors(&self) -> Vec<ReplicaKey> {
        let mut others: Vec<&ReplicaState> =
            self.voters.iter().filter(|voter| voter.key.id != self.own).collect();
        others.sort_by(|a, b| b.end.cmp(&a.end).then(a.key.cmp(&b.key)));
        others.into_iter().map(|voter| voter.key).collect()
    }

    /// How far each voter is.
    pub(crate) fn voter_ends(&self) -> impl Iterator<Item = (NodeId, Option<Offset>)> + '_ {
        self.voters.iter().map(|voter| (voter.key.id, voter.end))
    }

    /// The voters, as DescribeQuorum shows them.
    pub(crate) fn describe_voters(&self, now: Now) -> Vec<QuorumReplica> {
        let shown = |voter: &ReplicaState| match voter.key.id == self.own {
            // The leader always has everything.
            true => QuorumReplica {
                last_fetch: Some(now.wall),
                last_caught_up: Some(now.wall),
                ..voter.describe()
            },
            false => voter.describe(),
        };
        self.voters.iter().map(shown).collect()
    }

    /// The observers that have fetched lately, as DescribeQuorum shows them.
    pub(crate) fn describe_observers(&self, now: Now) -> Vec<QuorumReplica> {
        let is_active = |observer: &&ReplicaState| {
            let last = observer.last_fetch.map_or(Time::ZERO, |fetched| fetched.at.time);
            now.time.since(last) < OBSERVER_SESSION_TIMEOUT
        };
        self.observers.values().filter(is_active).map(ReplicaState::describe).collect()
    }

    fn advance_high_watermark(&mut self) -> Option<Offset> {
        let ends = self.voters.iter().map(|voter| voter.end);
        let to = high_watermark::advanced(
            self.high_watermark,
            self.epoch_start,
            self.quorum_commit,
            ends,
        )?;
        self.high_watermark = Some(to);
        Some(to)
    }
}

impl ReplicaState {
    fn new(key: ReplicaKey) -> Self {
        ReplicaState { key, end: None, last_fetch: None, last_caught_up: None }
    }

    /// `ReplicaState.updateFollowerState`: a replica is caught up when it has all that the leader has,
    /// and was caught up at its last fetch if it now has all that the leader had then.
    fn fetched(&mut self, end: Offset, leader_end: Offset, now: Now) {
        if end >= leader_end {
            self.last_caught_up = Some(now.wall);
        } else if let Some(last) = self.last_fetch
            && end >= last.leader_end
        {
            self.last_caught_up = self.last_caught_up.max(Some(last.at.wall));
        }
        self.last_fetch = Some(Fetched { at: now, leader_end });
        self.end = Some(end);
    }

    fn describe(&self) -> QuorumReplica {
        QuorumReplica {
            replica: self.key,
            log_end_offset: self.end,
            last_fetch: self.last_fetch.map(|fetched| fetched.at.wall),
            last_caught_up: self.last_caught_up,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use klab_wire::DirectoryId;

    const FETCH_TIMEOUT: Span = Span::from_secs(2);

    fn key(number: u16) -> ReplicaKey {
        ReplicaKey { id: NodeId::voter(number), directory: DirectoryId(u64::from(number)) }
    }

    fn at(millis: u64) -> Now {
        let time = Time::ZERO + Span::from_millis(millis);
        Now { time, wall: Timestamp(Timestamp::START.0 + millis as i64) }
    }

    fn leader(voters: u16) -> Leader {
        let voters: Vec<ReplicaKey> = (1..=voters).map(key).collect();
        let own = NodeId::voter(1);
        Leader::new(own, &voters, vec![own], Offset(10), Span::ZERO, FETCH_TIMEOUT, at(0))
    }

    #[test]
    fn kip_595_a_leader_resigns_without_a_majority_in_one_and_a_half_fetch_timeouts() {
        let deadline = |leader: &Leader| leader.check_quorum_at.map(|at| at.0 / 1_000_000);
        let mut five = leader(5);
        assert_eq!(deadline(&five), Some(3_000));
        five.heard_of(key(2), at(100));
        five.heard_of(key(2), at(200));
        assert_eq!(deadline(&five), Some(3_000), "one follower of five is no majority");
        five.heard_of(key(3), at(300));
        assert_eq!(deadline(&five), Some(3_300));
        assert_eq!(deadline(&leader(1)), None, "a single voter never loses its quorum");
    }

    #[test]
    fn kip_853_another_directory_of_a_voter_is_an_observer() {
        let mut leader = leader(3);
        leader.flushed(Offset(12));
        let stranger = ReplicaKey { directory: DirectoryId(77), ..key(2) };
        assert_eq!(leader.fetched(stranger, Offset(12), Offset(12), at(1)), None);
        assert_eq!(leader.describe_observers(at(2)).len(), 1);
        assert_eq!(leader.fetched(key(2), Offset(12), Offset(12), at(1)), Some(Offset(12)));
    }

    #[test]
    fn kip_595_successors_are_ordered_by_the_length_of_their_logs() {
        let mut leader = leader(4);
        leader.fetched(key(3), Offset(12), Offset(12), at(1));
        leader.fetched(key(2), Offset(11), Offset(12), at(1));
        assert_eq!(leader.successors(), [key(3), key(2), key(4)]);
    }

    #[test]
    fn a_replica_was_caught_up_when_it_has_what_the_leader_had_at_its_last_fetch() {
        let mut replica = ReplicaState::new(key(2));
        replica.fetched(Offset(5), Offset(9), at(10));
        assert_eq!(replica.last_caught_up, None);
        replica.fetched(Offset(9), Offset(12), at(20));
        assert_eq!(replica.last_caught_up, Some(at(10).wall));
        replica.fetched(Offset(12), Offset(12), at(30));
        assert_eq!(replica.last_caught_up, Some(at(30).wall));
    }
}
