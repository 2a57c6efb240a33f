//! What a server has whatever its role is: its epochs, its database, its votes, its clients.

use crate::clients::Clients;
use crate::database::Database;
use crate::election_links::ElectionLinks;
use crate::epochs::Epochs;
use crate::setup::ServerSetup;
use crate::watches::Watches;
use klab_machine::fact::ZooKeeperFact;
use klab_machine::random::Stream;
use klab_machine::timer::ZooKeeperTimer;
use klab_machine::{FlushId, Outbox, Timer};
use klab_wire::NodeId;
use klab_wire::zookeeper::{Notification, ServerState, SessionId, Txn, Vote, Zxid};
use klab_wire::{Span, Time};
use std::collections::BTreeMap;
use std::sync::Arc;

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Core {
    pub(crate) me: NodeId,
    pub(crate) setup: ServerSetup,
    pub(crate) epochs: Epochs,
    pub(crate) database: Database,
    pub(crate) links: ElectionLinks,
    /// The logical clock of elections.
    pub(crate) round: u64,
    /// The outcome of the last election, as it is told to whoever looks (`getCurrentVote`).
    pub(crate) vote: Option<Vote>,
    /// The round of that election.
    pub(crate) vote_round: u64,
    pub(crate) clients: Clients,
    pub(crate) watches: Watches,
    /// Clients are served.
    pub(crate) is_serving: bool,
    /// The sessions that a learner has heard from since the leader's last ping.
    pub(crate) touched: BTreeMap<SessionId, Span>,
    pub(crate) chance: Stream,
    /// After how many transactions the next snapshot is due.
    pub(crate) snapshot_due: u32,
    /// Fsyncs of epochs and snapshots that are not done: what they write down may not be told, nor brought into
    /// an election.
    pub(crate) unsettled: BTreeMap<FlushId, Unsettled>,
}

/// What is being written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unsettled {
    /// An epoch that it has accepted.
    AcceptedEpoch(u32),
    /// An epoch in which it has a leader.
    CurrentEpoch(u32),
    /// Everything up to this transaction.
    Snapshot(Zxid),
}

impl Core {
    /// This server votes.
    pub(crate) fn is_participant(&self) -> bool {
        self.setup.is_participant(self.me)
    }

    /// What this server brings into an election; none if it has no vote.
    pub(crate) fn own_vote(&self) -> Option<Vote> {
        let vote = Vote {
            peer_epoch: self.epochs.current(),
            zxid: self.database.last_processed(),
            leader: self.me,
        };
        self.is_participant().then_some(vote)
    }

    /// Answers somebody who looks for a leader.
    pub(crate) fn tell_vote(
        &mut self,
        to: NodeId,
        state: ServerState,
        now: Time,
        out: &mut Outbox,
    ) {
        let said = Notification { vote: self.vote, round: self.vote_round, state };
        self.links.say(to, said, now, out);
    }

    /// All members of an ensemble report the epoch that they are in (`updateElectionVote`, ZOOKEEPER-1732).
    pub(crate) fn update_vote(&mut self, epoch: u32) {
        if let Some(vote) = &mut self.vote {
            vote.peer_epoch = epoch;
        }
    }

    /// Accepts an epoch. Gives the fsync to wait for.
    pub(crate) fn accept_epoch(&mut self, epoch: u32, out: &mut Outbox) -> FlushId {
        let flush = self.epochs.accept(epoch, out);
        self.unsettled.insert(flush, Unsettled::AcceptedEpoch(epoch));
        flush
    }

    /// Has a leader in an epoch. Gives the fsync to wait for.
    pub(crate) fn enter_epoch(&mut self, epoch: u32, out: &mut Outbox) -> FlushId {
        let flush = self.epochs.enter(epoch, out);
        self.unsettled.insert(flush, Unsettled::CurrentEpoch(epoch));
        flush
    }

    /// Writes the state down. Gives the fsync to wait for.
    pub(crate) fn write_snapshot(&mut self, out: &mut Outbox) -> FlushId {
        let flush = self.database.write_snapshot(out);
        let zxid = self.database.last_processed();
        self.unsettled.insert(flush, Unsettled::Snapshot(zxid));
        out.state(ZooKeeperFact::SnapshotTaken { zxid, fuzzy: false });
        flush
    }

    /// An fsync is done: what it has written down may be told.
    pub(crate) fn settled(&mut self, flush: FlushId, out: &mut Outbox) {
        match self.unsettled.remove(&flush) {
            Some(Unsettled::AcceptedEpoch(epoch)) => {
                out.state(ZooKeeperFact::AcceptedEpochStored { epoch });
            }
            Some(Unsettled::CurrentEpoch(epoch)) => {
                out.state(ZooKeeperFact::CurrentEpochStored { epoch });
            }
            Some(Unsettled::Snapshot(zxid)) => out.state(ZooKeeperFact::TxnsFlushed { zxid }),
            None => {}
        }
    }

    /// Everything that this server has done is on the platter.
    pub(crate) fn is_settled(&self) -> bool {
        self.unsettled.is_empty() && self.database.log.is_settled()
    }

    /// Logs a transaction, asks for the fsync, and begins a snapshot if one is due.
    pub(crate) fn log(&mut self, txn: Arc<Txn>, out: &mut Outbox) {
        self.database.append(txn, out);
        self.database.log.flush(out);
        if self.database.begin_snapshot(self.snapshot_due) {
            self.draw_snapshot_due();
            set(ZooKeeperTimer::Snapshot, self.setup.snapshot_takes, out);
        }
    }

    /// A snapshot is written.
    pub(crate) fn finish_snapshot(&mut self, out: &mut Outbox) {
        if let Some((zxid, fuzzy)) = self.database.finish_snapshot(out) {
            out.state(ZooKeeperFact::SnapshotTaken { zxid, fuzzy });
        }
    }

    /// Between a half and the whole of `snapCount`, so that the servers do not all write at once.
    pub(crate) fn draw_snapshot_due(&mut self) {
        let half = u64::from(self.setup.snap_count / 2).max(1);
        self.snapshot_due = (half + self.chance.below(half)) as u32;
    }
}

/// Sets a timer.
pub(crate) fn set(timer: ZooKeeperTimer, after: Span, out: &mut Outbox) {
    out.set_timer(Timer::ZooKeeper(timer), after);
}

/// Stops a timer.
pub(crate) fn stop(timer: ZooKeeperTimer, out: &mut Outbox) {
    out.stop_timer(Timer::ZooKeeper(timer));
}
