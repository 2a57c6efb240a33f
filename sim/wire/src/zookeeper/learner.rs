//! What leaders and learners (followers, observers) say to each other besides transactions
//! (`Leader`'s packet types).

use super::{KeeperError, Op, SessionId, Xid, Zxid};
use crate::{ClientId, Span};

/// FOLLOWERINFO and OBSERVERINFO: a learner introduces itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LearnerInfo {
    /// The highest epoch that it has accepted a leader's proposal of.
    pub accepted_epoch: u32,
}

/// ACKEPOCH: a learner accepts the epoch that a leader proposes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AckEpoch {
    /// The epoch in which it last had a leader; none if it had accepted the proposed epoch before, so that
    /// this must not count again (`Learner.registerWithLeader`).
    pub current_epoch: Option<u32>,
    /// The last transaction that it has logged.
    pub last_zxid: Zxid,
}

/// PING. From a leader the last transaction that it has proposed; from a learner the sessions that it has
/// heard from since the last (`Learner.ping`).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LearnerPing {
    /// The last proposal.
    pub zxid: Zxid,
    /// The sessions, with their timeouts.
    pub touched: Vec<(SessionId, Span)>,
}

/// REVALIDATE, to the leader: a client has come with this session. Is there still such a session?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RevalidateRequest {
    /// The session.
    pub session: SessionId,
    /// Its timeout.
    pub timeout: Span,
}

/// REVALIDATE, to the learner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RevalidateAnswer {
    /// The session.
    pub session: SessionId,
    /// There is.
    pub is_valid: bool,
}

/// REQUEST: a learner hands a client's write on to the leader.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ForwardedRequest {
    /// The client's session.
    pub session: SessionId,
    /// Which request of the session.
    pub cxid: Xid,
    /// The request.
    pub op: Op,
    /// The name that the client has given.
    pub name: Option<ClientId>,
}

/// SYNC, to the learner: everything that was committed when the leader heard of the request is on its way
/// before this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SyncAnswer {
    /// Whose request.
    pub session: SessionId,
    /// Which request of the session.
    pub cxid: Xid,
    /// Why there is none; the session may have moved.
    pub error: Option<KeeperError>,
}
