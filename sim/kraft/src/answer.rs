//! What every answer of a voter says about leader and epoch, whatever was asked (`maybeHandleCommonResponse`).

use crate::raft::{Raft, Work};
use crate::request_manager::Outcome;
use klab_machine::disk::QuorumState;
use klab_machine::{Mutant, Outbox};
use klab_wire::{ErrorCode, LeaderEpoch, LeaderIdAndEpoch, NodeId, Now, Response};

/// What an answer says besides what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Header {
    error: ErrorCode,
    leader: Option<NodeId>,
    epoch: LeaderEpoch,
}

/// What to make of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    /// It is out of date.
    Stale,
    /// It tells of another epoch, or of the leader of this one; its content does not matter.
    News,
    /// It tells of the leader of this epoch, and its content matters too.
    NewsAndContent,
    /// Its content matters.
    Content,
    /// It is of no use.
    Useless,
}

/// What a replica takes over from a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Adoption {
    /// Nothing: it knows all that.
    Nothing,
    /// Another epoch, or the leader of its own.
    Adopt(QuorumState),
    /// Two leaders in one epoch: somebody's disk has lost a vote, and nothing is certain any more.
    Contradiction,
}

/// What a replica takes over from a message about an epoch (`maybeTransition`).
///
/// That it leads itself, a voter knows better than others: they may remember a former life. Of an
/// observer they speak never, but perhaps of the voter on its node (`process.roles=broker,controller`).
pub(crate) fn adoption(
    known: &QuorumState,
    own: Option<NodeId>,
    leader: Option<NodeId>,
    epoch: LeaderEpoch,
) -> Adoption {
    let leader = leader.filter(|leader| Some(*leader) != own);
    if epoch < known.leader_epoch {
        if leader.is_some() && Mutant::GoesBackAnEpoch.lives() {
            return Adoption::Adopt(QuorumState { leader_epoch: epoch, leader, voted: None });
        }
        return Adoption::Nothing;
    }
    if epoch > known.leader_epoch {
        return Adoption::Adopt(QuorumState { leader_epoch: epoch, leader, voted: None });
    }
    match (leader, known.leader) {
        (Some(told), Some(known)) if told != known => Adoption::Contradiction,
        (Some(_), None) => Adoption::Adopt(QuorumState { leader, ..*known }),
        _ => Adoption::Nothing,
    }
}

impl Raft {
    /// A request was answered, or never will be.
    pub(crate) fn outcome(&mut self, now: Now, outcome: Outcome, out: &mut Outbox) {
        let Outcome { from, response } = outcome;
        let Some(response) = response else { return self.peers.failed(from, now) };
        let Some(header) = Header::of(&response) else { return self.peers.failed(from, now) };
        match meaning(header, &self.quorum) {
            Meaning::Stale => self.peers.succeeded(from),
            Meaning::Useless => self.peers.failed(from, now),
            Meaning::News => self.hear(now, from, header, None, out),
            Meaning::NewsAndContent => {
                let replay = Work::Outcome(Outcome { from, response: Some(response) });
                self.hear(now, from, header, Some(replay), out);
            }
            Meaning::Content => self.content(now, from, response, out),
        }
    }

    fn hear(
        &mut self,
        now: Now,
        from: NodeId,
        header: Header,
        replay: Option<Work>,
        out: &mut Outbox,
    ) {
        match adoption(&self.quorum, self.own_voter(), header.leader, header.epoch) {
            Adoption::Adopt(quorum) => self.adopt(now, quorum, replay, out),
            Adoption::Contradiction => out.halt(),
            // Kafka asks again at once; nothing is lost by a pause when the answer brought nothing new.
            Adoption::Nothing => self.peers.failed(from, now),
        }
    }

    fn content(&mut self, now: Now, from: NodeId, response: Response, out: &mut Outbox) {
        self.peers.succeeded(from);
        match response {
            Response::Vote(answer) => self.vote_answered(from, &answer),
            Response::EndQuorumEpoch(_) => self.epoch_end_acknowledged(from),
            Response::Fetch(answer) => self.fetched(now, from, *answer, out),
            Response::FetchSnapshot(answer) => self.snapshot_fetched(now, *answer, out),
            // A voter that has heard of its leader will fetch.
            _ => {}
        }
    }
}

impl Header {
    /// None of an answer that is refused before anything is looked at.
    fn of(response: &Response) -> Option<Self> {
        let of = |error, leader, epoch| Some(Header { error, leader, epoch });
        let of_current = |error, current: Option<LeaderIdAndEpoch>| {
            current.and_then(|current| of(error, current.leader, current.epoch))
        };
        let header = match response {
            Response::Vote(r) => of(r.error, r.leader, r.leader_epoch),
            Response::BeginQuorumEpoch(r) | Response::EndQuorumEpoch(r) => {
                of(r.error, r.leader, r.leader_epoch)
            }
            Response::Fetch(r) if r.error.is_ok() => r
                .partitions
                .first()
                .and_then(|fetched| of_current(fetched.error, fetched.current_leader)),
            Response::FetchSnapshot(r) => of_current(r.error, r.current_leader),
            _ => None,
        };
        header.filter(|header| header.error != ErrorCode::InconsistentClusterId)
    }
}

fn meaning(header: Header, known: &QuorumState) -> Meaning {
    use ErrorCode::{
        FencedLeaderEpoch, InvalidVoterKey, NotLeaderOrFollower, PositionOutOfRange,
        SnapshotNotFound, UnknownLeaderEpoch,
    };
    let Header { error, leader, epoch } = header;
    let is_news = leader.is_some() && known.leader.is_none();
    match error {
        _ if epoch < known.leader_epoch && Mutant::GoesBackAnEpoch.lives() => Meaning::News,
        _ if epoch < known.leader_epoch => Meaning::Stale,
        // The peer has not heard of the epoch: it will.
        UnknownLeaderEpoch => Meaning::Useless,
        _ if epoch > known.leader_epoch => Meaning::News,
        FencedLeaderEpoch | NotLeaderOrFollower => Meaning::News,
        ErrorCode::None if is_news => Meaning::NewsAndContent,
        _ if is_news => Meaning::News,
        InvalidVoterKey => Meaning::Stale,
        ErrorCode::None | SnapshotNotFound | PositionOutOfRange => Meaning::Content,
        _ => Meaning::Useless,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(epoch: u32, leader: Option<u16>) -> QuorumState {
        QuorumState {
            leader_epoch: LeaderEpoch(epoch),
            leader: leader.map(NodeId::voter),
            voted: None,
        }
    }

    #[test]
    fn an_answer_is_read_by_its_epoch_first() {
        use ErrorCode::{FencedLeaderEpoch, None as NoError, NotLeaderOrFollower};
        // Known epoch and leader, the answer's error, leader and epoch, what it means.
        for (own, (error, leader, epoch), expected) in [
            (known(5, None), (NoError, None, 4), Meaning::Stale),
            (known(5, None), (FencedLeaderEpoch, None, 6), Meaning::News),
            (known(5, None), (NoError, Some(2), 6), Meaning::News),
            (known(5, None), (NotLeaderOrFollower, Some(2), 5), Meaning::News),
            (known(5, None), (NoError, Some(2), 5), Meaning::NewsAndContent),
            (known(5, Some(2)), (NoError, Some(2), 5), Meaning::Content),
            (known(5, None), (NoError, None, 5), Meaning::Content),
            (known(5, Some(2)), (ErrorCode::UnknownLeaderEpoch, None, 5), Meaning::Useless),
            (known(5, Some(2)), (ErrorCode::BrokerNotAvailable, Some(2), 5), Meaning::Useless),
        ] {
            let leader = leader.map(NodeId::voter);
            let header = Header { error, leader, epoch: LeaderEpoch(epoch) };
            assert_eq!(meaning(header, &own), expected, "{own:?} {header:?}");
        }
    }

    #[test]
    fn a_replica_adopts_higher_epochs_and_the_leader_of_its_own() {
        let told = |own: QuorumState, leader: Option<u16>, epoch| {
            adoption(&own, Some(NodeId::voter(1)), leader.map(NodeId::voter), LeaderEpoch(epoch))
        };
        assert_eq!(told(known(5, None), Some(2), 4), Adoption::Nothing);
        assert_eq!(told(known(5, None), Some(2), 5), Adoption::Adopt(known(5, Some(2))));
        assert_eq!(told(known(5, Some(2)), None, 5), Adoption::Nothing);
        assert_eq!(told(known(5, Some(2)), Some(3), 5), Adoption::Contradiction);
        assert_eq!(told(known(5, Some(2)), Some(3), 6), Adoption::Adopt(known(6, Some(3))));
        assert_eq!(told(known(5, None), Some(1), 5), Adoption::Nothing, "it was itself, once");
        assert_eq!(told(known(5, None), Some(1), 6), Adoption::Adopt(known(6, None)));
        let beside = adoption(&known(5, None), None, Some(NodeId::voter(1)), LeaderEpoch(5));
        assert_eq!(beside, Adoption::Adopt(known(5, Some(1))), "the voter in its own process");
    }

    #[test]
    fn a_vote_is_kept_when_the_leader_of_its_epoch_becomes_known() {
        let voted = Some(klab_wire::ReplicaKey {
            id: NodeId::voter(3),
            directory: klab_wire::DirectoryId(3),
        });
        let own = QuorumState { voted, ..known(5, None) };
        let leader = Some(NodeId::voter(2));
        let adopted = adoption(&own, Some(NodeId::voter(1)), leader, own.leader_epoch);
        assert_eq!(adopted, Adoption::Adopt(QuorumState { leader, ..own }));
    }
}
