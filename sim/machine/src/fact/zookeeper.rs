use super::facts;
use klab_wire::zookeeper::{EventType, Path, ServerState, SessionId, Zxid};
use klab_wire::{NodeId, Span};
use serde::Serialize;
use std::fmt;

/// How a learner is brought in line with its leader (`LearnerHandler.syncFollower`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum SyncMode {
    /// With the transactions that it lacks.
    Diff,
    /// By taking transactions away from it.
    Trunc,
    /// With the leader's whole state.
    Snap,
}

impl fmt::Display for SyncMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            SyncMode::Diff => "DIFF",
            SyncMode::Trunc => "TRUNC",
            SyncMode::Snap => "SNAP",
        })
    }
}

facts! {
    /// What happened in a ZooKeeper ensemble. A digest of all transactions so far goes with what a server
    /// serves (`history`) and with what follows from them (`tree`): servers that have come equally far must
    /// have the same.
    ZooKeeperFact {
        /// A server found this on its disk when it started: its epochs, and the last transaction it has logged.
        DatabaseLoaded { accepted_epoch: u32, current_epoch: u32, zxid: Zxid } => "up to {zxid}, accepted epoch {accepted_epoch}, current epoch {current_epoch}";
        /// A server looks for a leader.
        LeaderElectionStarted { round: u64, epoch: u32, zxid: Zxid } => "round {round} with epoch {epoch}, zxid {zxid}";
        /// A server found a better candidate than the one it voted for.
        VoteChanged { round: u64, leader: NodeId, epoch: u32, zxid: Zxid } => "to {leader} with epoch {epoch}, zxid {zxid} in round {round}";
        /// A server saw a quorum vote alike, and goes by it.
        ZooKeeperLeaderElected { round: u64, leader: NodeId, zxid: Zxid, state: ServerState } => "{leader} with zxid {zxid} in round {round}: {state:?}";
        /// The highest epoch that this server has accepted was written down; only now may it be told.
        AcceptedEpochStored { epoch: u32 } => "{epoch}";
        /// The epoch in which this server has a leader was written down; only now may it be told.
        CurrentEpochStored { epoch: u32 } => "{epoch}";
        /// A leader that hears of a learner which knows more than itself sends that one away.
        LearnerAheadRefused { learner: NodeId, epoch: u32, zxid: Zxid } => "{learner} with epoch {epoch}, zxid {zxid}";
        /// A leader knows how to bring a learner in line.
        SyncModeChosen { learner: NodeId, mode: SyncMode, from: Zxid, to: Zxid } => "{mode} for {learner}, from {from} to {to}";
        /// A learner has everything up to the beginning of the new epoch on the platter, and says so.
        LearnerSynchronised { leader: NodeId, mode: SyncMode, epoch: u32, zxid: Zxid } => "with {leader} by {mode} up to {zxid}, epoch {epoch}";
        /// A quorum has accepted this leader and has all that it has: its epoch begins.
        EpochEstablished { epoch: u32, zxid: Zxid, history: u64 } => "epoch {epoch} on top of {zxid}";
        /// A server serves clients from now on.
        ServingStarted { epoch: u32, zxid: Zxid, history: u64, state: ServerState } => "epoch {epoch} from {zxid}: {state:?}";
        /// A server serves clients no more.
        ServingStopped { zxid: Zxid } => "at {zxid}";
        /// A leader proposed a transaction.
        TxnProposed { zxid: Zxid, what: &'static str, session: SessionId } => "{zxid} {what} of {session}";
        /// Everything up to this transaction is on this server's platter.
        TxnsFlushed { zxid: Zxid } => "up to {zxid}";
        /// A quorum has logged a transaction: it is committed.
        TxnCommitted { zxid: Zxid } => "{zxid}";
        /// A server that serves applied a transaction.
        TxnApplied { zxid: Zxid, history: u64, tree: u64 } => "{zxid}";
        /// A learner took transactions away that its leader does not have.
        TxnsTruncated { to: Zxid, removed: u32 } => "{removed} transactions behind {to}";
        /// A learner replaced all that it had by its leader's state.
        SnapshotInstalled { zxid: Zxid } => "{zxid}";
        /// A server wrote its state down.
        SnapshotTaken { zxid: Zxid, fuzzy: bool } => "{zxid}, fuzzy: {fuzzy}";
        /// A leader gave up.
        ZooKeeperLeaderResigned { epoch: u32, reason: &'static str } => "epoch {epoch}: {reason}";
        /// A learner lost its leader, or never got through to it.
        LeaderLost { leader: NodeId, reason: &'static str } => "{leader}: {reason}";
        /// A session began.
        SessionOpened { session: SessionId } => "{session}";
        /// A client came to this server with a session that another server had.
        SessionMoved { session: SessionId } => "{session}";
        /// A request came by a server that its session has left.
        SessionMovedRequestRefused { session: SessionId } => "{session}";
        /// The leader has not heard of a session for its timeout: it will be closed.
        SessionExpired { session: SessionId } => "{session}";
        /// A server learned that a session is over.
        SessionClosed { session: SessionId, ephemerals: u32 } => "{session} with {ephemerals} ephemeral znodes";
        /// A client was told that its session is over.
        SessionRefused { session: SessionId } => "{session}";
        /// A client that has seen more than this server was sent away.
        ClientAheadRefused { session: SessionId, seen: Zxid, zxid: Zxid } => "{session} has seen {seen}, this server {zxid}";
        /// An ephemeral znode went with its session.
        EphemeralRemoved { path: Path, session: SessionId } => "{path} of {session}";
        /// A learner handed a client's write on to the leader.
        WriteForwarded { session: SessionId, what: &'static str } => "{what} of {session}";
        /// A client's request waits: too many are under way (`globalOutstandingLimit`).
        RequestThrottled { session: SessionId } => "of {session}";
        /// A watch fired.
        WatchFired { path: Path, event: EventType, session: SessionId, zxid: Zxid } => "{event:?} {path} by {zxid} for {session}";
        /// A client told its new server which watches it had.
        WatchesSetAgain { session: SessionId, since: Zxid, watches: u32 } => "{watches} watches of {session} since {since}";
        /// A client has a session.
        SessionEstablished { session: SessionId, server: NodeId } => "{session} at {server}";
        /// A client lost its connection.
        SessionSuspended { session: SessionId, server: NodeId } => "{session} at {server}";
        /// A client learned that its session is over.
        SessionLost { session: SessionId } => "{session}";
        /// A client was told of a change that it watched.
        WatchEventReceived { path: Path, event: EventType, zxid: Zxid } => "{event:?} {path} by {zxid}";
        /// A client holds the lock that it asked for.
        LockAcquired { path: Path, zxid: Zxid } => "{path} by {zxid}";
        /// A client let its lock go.
        LockReleased { path: Path } => "{path}";
        /// A consumer has written the offset of each of its partitions into a znode, as consumers did before there was a topic for offsets.
        OffsetsCommitted { partitions: u32, took: Span } => "{partitions} partitions in {took}";
    }
}
