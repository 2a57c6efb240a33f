//! Sessions: the leader owns them all, and expires those that nobody has heard of (`SessionTrackerImpl`,
//! `LeaderSessionTracker`).
//!
//! Time is cut into ticks: a session expires at the first tick behind its timeout, together with all others
//! of that tick (`ExpiryQueue`). Learners keep no time; they tell the leader with every ping whom they have
//! heard from. A session is owned by the server that its client is connected to; a request by another one is
//! refused.

use klab_wire::zookeeper::{KeeperError, SessionId};
use klab_wire::{NodeId, Span, Time};
use std::collections::BTreeMap;

/// What the leader knows of all sessions.
#[derive(Clone, Debug, Default)]
pub struct SessionTracker {
    sessions: BTreeMap<SessionId, Session>,
    tick: Span,
}

#[derive(Clone, Debug)]
struct Session {
    expires: Time,
    owner: Option<NodeId>,
    /// It has expired, and its end is on its way through the ensemble.
    is_closing: bool,
}

impl SessionTracker {
    /// Of a leader that begins: every session has its whole timeout before it.
    pub fn new(sessions: &BTreeMap<SessionId, Span>, tick: Span, now: Time) -> Self {
        let mut tracker = SessionTracker { sessions: BTreeMap::new(), tick };
        for (session, timeout) in sessions {
            tracker.track(*session, *timeout, now);
        }
        tracker
    }

    /// A session begins.
    pub fn track(&mut self, session: SessionId, timeout: Span, now: Time) {
        let expires = expiry(now, timeout, self.tick);
        self.sessions.entry(session).or_insert(Session { expires, owner: None, is_closing: false });
    }

    /// Somebody has heard of a session. Whether it is still there.
    pub fn touch(&mut self, session: SessionId, timeout: Span, now: Time) -> bool {
        let expires = expiry(now, timeout, self.tick);
        match self.sessions.get_mut(&session) {
            Some(known) if !known.is_closing => {
                known.expires = known.expires.max(expires);
                true
            }
            _ => false,
        }
    }

    /// The client is connected to this server from now on. Gives the one it was connected to.
    pub fn set_owner(&mut self, session: SessionId, owner: NodeId) -> Option<NodeId> {
        self.sessions.get_mut(&session)?.owner.replace(owner)
    }

    /// Whether a request of a session that comes by this server is to be carried out (`checkSession`).
    pub fn check(&mut self, session: SessionId, owner: NodeId) -> Result<(), KeeperError> {
        match self.sessions.get_mut(&session) {
            Some(known) if !known.is_closing => match known.owner.get_or_insert(owner) {
                known if *known == owner => Ok(()),
                _ => Err(KeeperError::SessionMoved),
            },
            _ => Err(KeeperError::SessionExpired),
        }
    }

    /// A session is over.
    pub fn remove(&mut self, session: SessionId) {
        self.sessions.remove(&session);
    }

    /// The sessions whose time is over: they are closing from now on.
    pub fn expire(&mut self, now: Time) -> Vec<SessionId> {
        let due =
            self.sessions.iter_mut().filter(|(_, known)| !known.is_closing && known.expires <= now);
        due.map(|(session, known)| {
            known.is_closing = true;
            *session
        })
        .collect()
    }

    /// When the next session may expire.
    pub fn next_expiry(&self) -> Option<Time> {
        let open = self.sessions.values().filter(|session| !session.is_closing);
        open.map(|session| session.expires).min()
    }
}

/// The end of the tick in which a timeout runs out (`ExpiryQueue.roundToNextInterval`).
fn expiry(now: Time, timeout: Span, tick: Span) -> Time {
    let end = (now + timeout).0;
    Time((end / tick.0 + 1) * tick.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICK: Span = Span::from_secs(2);
    const SESSION: SessionId = SessionId(1);
    const Z1: NodeId = NodeId::zookeeper(1);
    const Z2: NodeId = NodeId::zookeeper(2);

    fn at(seconds: u64) -> Time {
        Time(Span::from_secs(seconds).0)
    }

    fn tracker() -> SessionTracker {
        SessionTracker::new(&BTreeMap::from([(SESSION, Span::from_secs(5))]), TICK, at(0))
    }

    #[test]
    fn a_session_expires_at_the_end_of_the_tick_in_which_its_timeout_runs_out() {
        for (now, timeout, expires) in [(0, 4, 6), (0, 5, 6), (1, 5, 8), (3, 10, 14)] {
            assert_eq!(expiry(at(now), Span::from_secs(timeout), TICK), at(expires));
        }
        let mut tracker = tracker();
        assert_eq!(tracker.expire(at(5)), []);
        assert_eq!(tracker.expire(at(6)), [SESSION]);
        assert_eq!(tracker.expire(at(7)), [], "once is enough");
    }

    #[test]
    fn a_session_that_expires_is_not_touched_any_more() {
        let mut tracker = tracker();
        assert!(tracker.touch(SESSION, Span::from_secs(5), at(5)));
        assert_eq!(tracker.expire(at(6)), []);
        assert_eq!(tracker.expire(at(12)), [SESSION]);
        assert!(!tracker.touch(SESSION, Span::from_secs(5), at(12)));
        assert_eq!(tracker.check(SESSION, Z1), Err(KeeperError::SessionExpired));
    }

    #[test]
    fn a_session_belongs_to_the_server_that_its_client_is_connected_to() {
        let mut tracker = tracker();
        assert_eq!(tracker.check(SESSION, Z1), Ok(()));
        assert_eq!(tracker.check(SESSION, Z2), Err(KeeperError::SessionMoved));
        assert_eq!(tracker.set_owner(SESSION, Z2), Some(Z1));
        assert_eq!(tracker.check(SESSION, Z2), Ok(()));
        assert_eq!(tracker.check(SESSION, Z1), Err(KeeperError::SessionMoved));
    }
}
