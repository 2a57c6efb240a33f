//! What a leader knows of one follower: how far it has fetched, and when it last had everything
//! (`kafka.cluster.Replica`).
//!
//! A leader never asks a follower anything. All it knows it takes from the follower's fetches: the
//! offset that a follower fetches from is the end of its log.
//!
//! Kafka updates every follower with every fetch. A follower that has everything, of a partition to
//! which nothing happens, would cost the same work again and again; so its updates are put off: the
//! replica notes the fetch session it [idles](Replica::idle_in) in, and when the partition moves on,
//! the time of that session's last fetch is [made up for](Replica::make_up_idle_fetches). The result
//! is the same as if each of those fetches had been noted.

use crate::fetch_session::SessionId;
use klab_wire::{BrokerEpoch, NodeId, Offset, Span, Timestamp};

/// A follower, as its leader sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replica {
    /// The follower.
    pub broker: NodeId,
    /// Where its log starts; unknown until it fetches.
    pub log_start_offset: Option<Offset>,
    /// Where its log ends; unknown, and so below any offset, until it fetches.
    pub log_end_offset: Option<Offset>,
    /// Where the leader's log ended when the follower last fetched.
    pub last_fetch_leader_log_end_offset: Option<Offset>,
    /// When it last fetched.
    pub last_fetch_time: Timestamp,
    /// The latest time at which it is known to have had everything the leader then had.
    pub last_caught_up_time: Timestamp,
    /// The registration under which it fetches (KIP-903).
    pub registration: FetchRegistration,
    /// The session in which its fetches are not noted one by one, because nothing changes.
    pub idle_in: Option<SessionId>,
}

/// Under which registration a follower has fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FetchRegistration {
    /// It has not fetched from this leader yet.
    Unknown,
    /// It does not say (Kafka's −1): nobody can tell its lives apart.
    Unspecified,
    /// This one.
    Epoch(BrokerEpoch),
}

impl FetchRegistration {
    /// What a fetch says.
    pub fn of_fetch(epoch: Option<BrokerEpoch>) -> Self {
        epoch.map_or(FetchRegistration::Unspecified, FetchRegistration::Epoch)
    }

    /// The epoch, if one is known.
    pub fn epoch(self) -> Option<BrokerEpoch> {
        match self {
            FetchRegistration::Epoch(epoch) => Some(epoch),
            FetchRegistration::Unknown | FetchRegistration::Unspecified => None,
        }
    }
}

impl Replica {
    /// A follower that has not fetched yet.
    pub fn new(broker: NodeId) -> Self {
        Replica {
            broker,
            log_start_offset: None,
            log_end_offset: None,
            last_fetch_leader_log_end_offset: Some(Offset(0)),
            last_fetch_time: Timestamp(0),
            last_caught_up_time: Timestamp(0),
            registration: FetchRegistration::Unknown,
            idle_in: None,
        }
    }

    /// A new leader epoch begins (`resetReplicaState`).
    ///
    /// A follower in the ISR counts as caught up now. Any other one counts as never caught up, so that
    /// it does not hold the high watermark back.
    pub fn reset(&mut self, now: Timestamp, leader_end: Offset, is_new_leader: bool, in_isr: bool) {
        let since = if in_isr { now } else { Timestamp(0) };
        self.idle_in = None;
        self.last_caught_up_time = since;
        if is_new_leader {
            *self = Replica {
                last_caught_up_time: since,
                last_fetch_leader_log_end_offset: None,
                ..Replica::new(self.broker)
            };
        } else {
            self.last_fetch_leader_log_end_offset = Some(leader_end);
            // The time of the last fetch is forgotten too, so that a follower outside of the ISR is
            // not let in again before it fetches.
            self.last_fetch_time = since;
        }
    }

    /// A fetch arrived (`updateFetchStateOrThrow`).
    ///
    /// Caught up now is who fetches from the leader's end. Who fetches from where the leader's end was
    /// at the fetch before was caught up then.
    pub fn note_fetch(
        &mut self,
        fetch_offset: Offset,
        log_start_offset: Option<Offset>,
        now: Timestamp,
        leader_end: Offset,
        registration: FetchRegistration,
    ) {
        let caught_up = if fetch_offset >= leader_end {
            now
        } else if Some(fetch_offset) >= self.last_fetch_leader_log_end_offset {
            self.last_fetch_time
        } else {
            self.last_caught_up_time
        };
        self.last_caught_up_time = self.last_caught_up_time.max(caught_up);
        self.log_start_offset = log_start_offset;
        self.log_end_offset = Some(fetch_offset);
        self.last_fetch_leader_log_end_offset =
            self.last_fetch_leader_log_end_offset.max(Some(leader_end));
        self.last_fetch_time = now;
        self.registration = registration;
        self.idle_in = None;
    }

    /// Catches up on the fetches that were not noted while nothing changed, the last of them at `last`.
    pub fn make_up_idle_fetches(&mut self, last: Timestamp) {
        if self.idle_in.take().is_some() {
            self.last_fetch_time = self.last_fetch_time.max(last);
            self.last_caught_up_time = self.last_caught_up_time.max(last);
        }
    }

    /// The follower has everything, or had everything not too long ago (`isCaughtUp`).
    pub fn is_caught_up(&self, leader_end: Offset, now: Timestamp, max_lag: Span) -> bool {
        self.log_end_offset == Some(leader_end) || now.since(self.last_caught_up_time) <= max_lag
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAG: Span = Span::from_millis(100);

    fn fetching(steps: &[(i64, u64, u64)]) -> Replica {
        let mut replica = Replica::new(NodeId::broker(2));
        for (time, offset, leader_end) in steps {
            let epoch = FetchRegistration::Epoch(BrokerEpoch(7));
            let (time, end) = (Timestamp(*time), Offset(*leader_end));
            replica.note_fetch(Offset(*offset), Some(Offset(0)), time, end, epoch);
        }
        replica
    }

    #[test]
    fn caught_up_is_who_fetches_from_the_end_or_from_the_end_at_the_fetch_before() {
        // Each fetch: time, offset, the leader's end. Then: when was it last caught up?
        type Case = (&'static [(i64, u64, u64)], i64);
        let cases: [Case; 5] = [
            (&[(10, 5, 5)], 10),
            (&[(10, 0, 5)], 0),
            (&[(10, 0, 5), (20, 5, 9)], 10),
            (&[(10, 0, 5), (20, 4, 9)], 0),
            (&[(10, 5, 5), (20, 4, 9)], 10),
        ];
        for (steps, caught_up) in cases {
            assert_eq!(fetching(steps).last_caught_up_time, Timestamp(caught_up), "{steps:?}");
        }
    }

    #[test]
    fn who_has_everything_is_caught_up_however_long_ago_it_fetched() {
        let replica = fetching(&[(10, 5, 5)]);
        assert!(replica.is_caught_up(Offset(5), Timestamp(100_000), LAG));
        assert!(replica.is_caught_up(Offset(6), Timestamp(110), LAG));
        assert!(!replica.is_caught_up(Offset(6), Timestamp(111), LAG));
    }

    #[test]
    fn a_new_epoch_takes_only_isr_members_for_caught_up() {
        for (in_isr, caught_up) in [(true, 50), (false, 0)] {
            let mut replica = fetching(&[(10, 5, 5)]);
            replica.reset(Timestamp(50), Offset(5), false, in_isr);
            assert_eq!(replica.last_caught_up_time, Timestamp(caught_up));
            assert_eq!(
                replica.log_end_offset,
                Some(Offset(5)),
                "a leader again keeps what it knew"
            );
            replica.reset(Timestamp(50), Offset(5), true, in_isr);
            assert_eq!(replica.log_end_offset, None, "a new leader knows nothing");
        }
    }

    #[test]
    fn fetches_that_were_put_off_leave_the_state_that_noting_each_would_have_left() {
        let noted = fetching(&[(10, 5, 5), (20, 5, 5), (30, 5, 5)]);
        let mut idle = fetching(&[(10, 5, 5)]);
        idle.idle_in = Some(SessionId(3));
        idle.make_up_idle_fetches(Timestamp(30));
        assert_eq!(idle, noted);
    }
}
