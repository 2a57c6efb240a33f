//! Who is alive: the last sign of life of each broker (`BrokerHeartbeatManager`, KIP-631).
//!
//! Only the active controller keeps this, and only in memory: a new one gives every broker a whole
//! session from the moment it takes over, so after a fail-over fencing comes late.

use klab_wire::{NodeId, Offset, Span, Time};
use std::collections::{BTreeMap, BTreeSet};

/// The heartbeats of all registered brokers.
#[derive(Clone, Debug)]
pub(crate) struct BrokerHeartbeats {
    session_timeout: Span,
    brokers: BTreeMap<NodeId, Heartbeat>,
    /// Those that are not fenced, the longest silent first.
    unfenced: BTreeSet<(Time, NodeId)>,
    /// Those that are neither fenced nor on their way out, the one with the least metadata first.
    active: BTreeSet<(Offset, NodeId)>,
}

#[derive(Clone, Copy, Debug)]
struct Heartbeat {
    last_contact: Time,
    /// Up to where it has applied the metadata, as far as it has said.
    metadata_end: Offset,
    fenced: bool,
    /// Where the metadata log ended when its controlled shutdown began.
    shutdown_end: Option<Offset>,
    /// When it registered or sent a heartbeat last; none since it went in order.
    spoke: Option<Time>,
}

/// Where a broker stands (`BrokerControlState`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BrokerControlState {
    /// It may not lead, nor be in an ISR.
    Fenced,
    /// It takes part.
    Unfenced,
    /// It is on its way out: its leaders move away.
    ControlledShutdown,
    /// It may go.
    ShutdownNow,
}

/// What a broker says in a heartbeat, and what bears on the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wish {
    /// It wants to stay fenced, or be fenced.
    pub want_fence: bool,
    /// It wants to shut down.
    pub want_shut_down: bool,
    /// It has applied its own registration.
    pub is_caught_up: bool,
    /// It leads something.
    pub leads: bool,
    /// Every active broker has applied what moved its leaders away.
    pub others_know: bool,
}

impl BrokerControlState {
    /// It may neither lead nor be in an ISR.
    pub const fn is_fenced(self) -> bool {
        matches!(self, BrokerControlState::Fenced | BrokerControlState::ShutdownNow)
    }

    /// Where a broker stands after a heartbeat (`calculateNextBrokerState`).
    pub const fn after(self, wish: Wish) -> BrokerControlState {
        use BrokerControlState::{ControlledShutdown, Fenced, ShutdownNow, Unfenced};
        match self {
            Fenced if wish.want_shut_down => ShutdownNow,
            Fenced if !wish.want_fence && wish.is_caught_up => Unfenced,
            Fenced => Fenced,
            Unfenced if wish.want_fence && wish.want_shut_down => ShutdownNow,
            Unfenced if wish.want_fence => Fenced,
            Unfenced if wish.want_shut_down && wish.leads => ControlledShutdown,
            Unfenced if wish.want_shut_down => ShutdownNow,
            Unfenced => Unfenced,
            ControlledShutdown if wish.leads || !wish.others_know => ControlledShutdown,
            ControlledShutdown | ShutdownNow => ShutdownNow,
        }
    }
}

impl BrokerHeartbeats {
    /// Nobody is known yet.
    pub(crate) fn new(session_timeout: Span) -> Self {
        BrokerHeartbeats {
            session_timeout,
            brokers: BTreeMap::new(),
            unfenced: BTreeSet::new(),
            active: BTreeSet::new(),
        }
    }

    /// A registration was replayed: the broker is known, and so is whether it is fenced.
    ///
    /// As in Kafka, how much metadata the broker has is forgotten unless its fencing changes with this.
    pub(crate) fn register(&mut self, broker: NodeId, fenced: bool, now: Time) {
        let known = self.brokers.get(&broker).filter(|known| known.fenced != fenced);
        let metadata_end = known.map_or(Offset(0), |known| known.metadata_end);
        self.touch(broker, fenced, metadata_end, now);
    }

    /// A broker was heard of.
    pub(crate) fn touch(&mut self, broker: NodeId, fenced: bool, metadata_end: Offset, now: Time) {
        self.untrack(broker);
        let known = self.brokers.get(&broker);
        let spoke = known.and_then(|known| known.spoke);
        // A broker that is fenced leaves its controlled shutdown: its next wish is granted at once.
        let shutdown_end = known.and_then(|known| known.shutdown_end).filter(|_| !fenced);
        let heartbeat = Heartbeat { last_contact: now, metadata_end, fenced, shutdown_end, spoke };
        self.brokers.insert(broker, heartbeat);
        if !fenced {
            self.unfenced.insert((now, broker));
            if shutdown_end.is_none() {
                self.active.insert((metadata_end, broker));
            }
        }
    }

    /// A broker registered or sent a heartbeat; `stays`, unless it may go now.
    pub(crate) fn heard(&mut self, broker: NodeId, stays: bool, now: Time) {
        if let Some(heartbeat) = self.brokers.get_mut(&broker) {
            heartbeat.spoke = stays.then_some(now);
        }
    }

    /// A broker is fenced: it is waited for no more.
    pub(crate) fn fence(&mut self, broker: NodeId) {
        self.untrack(broker);
        if let Some(heartbeat) = self.brokers.get_mut(&broker) {
            heartbeat.fenced = true;
            heartbeat.shutdown_end = None;
        }
    }

    /// A broker is gone, or begins another life.
    pub(crate) fn remove(&mut self, broker: NodeId) {
        self.untrack(broker);
        self.brokers.remove(&broker);
    }

    fn untrack(&mut self, broker: NodeId) {
        if let Some(heartbeat) = self.brokers.get(&broker) {
            self.unfenced.remove(&(heartbeat.last_contact, broker));
            self.active.remove(&(heartbeat.metadata_end, broker));
        }
    }

    /// Heard of lately: another life of this broker may not register.
    ///
    /// The snapshot's `hasValidSession` lets any life take the place of one that is fenced, as every broker is
    /// when it has just registered: a request of its last life that was delayed on the network takes its place,
    /// and since a broker registers once only, it stays fenced until somebody restarts it.
    pub(crate) fn has_valid_session(&self, broker: NodeId, now: Time) -> bool {
        self.brokers.get(&broker).is_some_and(|heartbeat| {
            let unfenced = (!heartbeat.fenced).then_some(heartbeat.last_contact);
            unfenced.max(heartbeat.spoke).is_some_and(|at| at + self.session_timeout > now)
        })
    }

    /// The broker that has been silent for longest, if that is too long.
    pub(crate) fn stale(&self, now: Time) -> Option<NodeId> {
        let (last_contact, broker) = *self.unfenced.first()?;
        (last_contact + self.session_timeout <= now).then_some(broker)
    }

    /// When the next session may run out.
    pub(crate) fn next_check(&self) -> Option<Time> {
        self.unfenced.first().map(|(last_contact, _)| *last_contact + self.session_timeout)
    }

    /// Where a broker stands.
    pub(crate) fn state(&self, broker: NodeId) -> BrokerControlState {
        match self.brokers.get(&broker) {
            Some(Heartbeat { shutdown_end: Some(_), .. }) => BrokerControlState::ControlledShutdown,
            Some(Heartbeat { fenced: false, .. }) => BrokerControlState::Unfenced,
            _ => BrokerControlState::Fenced,
        }
    }

    /// A controlled shutdown began, or goes on; the first time counts.
    pub(crate) fn begin_controlled_shutdown(&mut self, broker: NodeId, end: Offset) {
        if let Some(heartbeat) = self.brokers.get_mut(&broker).filter(|known| !known.fenced) {
            self.active.remove(&(heartbeat.metadata_end, broker));
            heartbeat.shutdown_end.get_or_insert(end);
        }
    }

    /// Every active broker has applied what moved this one's leaders away.
    pub(crate) fn others_know(&self, broker: NodeId) -> bool {
        let end = self.brokers.get(&broker).and_then(|heartbeat| heartbeat.shutdown_end);
        self.active.first().is_none_or(|(lowest, _)| end.is_none_or(|end| end <= *lowest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use BrokerControlState::{ControlledShutdown, Fenced, ShutdownNow, Unfenced};

    const B1: NodeId = NodeId::broker(1);
    const B2: NodeId = NodeId::broker(2);

    fn at(seconds: u64) -> Time {
        Time::ZERO + Span::from_secs(seconds)
    }

    fn heartbeats() -> BrokerHeartbeats {
        BrokerHeartbeats::new(Span::from_secs(9))
    }

    #[test]
    fn a_broker_s_wish_is_granted_when_its_state_allows() {
        let nothing = Wish {
            want_fence: false,
            want_shut_down: false,
            is_caught_up: true,
            leads: true,
            others_know: true,
        };
        let behind = Wish { is_caught_up: false, ..nothing };
        let fence = Wish { want_fence: true, ..nothing };
        let shut_down = Wish { want_shut_down: true, ..nothing };
        let leads_nothing = Wish { leads: false, ..shut_down };
        let both = Wish { want_fence: true, want_shut_down: true, ..nothing };
        let not_known = Wish { others_know: false, ..leads_nothing };
        let cases = [
            (Fenced, nothing, Unfenced),
            (Fenced, behind, Fenced),
            (Fenced, fence, Fenced),
            (Fenced, shut_down, ShutdownNow),
            (Unfenced, nothing, Unfenced),
            (Unfenced, behind, Unfenced),
            (Unfenced, fence, Fenced),
            (Unfenced, both, ShutdownNow),
            (Unfenced, shut_down, ControlledShutdown),
            (Unfenced, leads_nothing, ShutdownNow),
            (ControlledShutdown, shut_down, ControlledShutdown),
            (ControlledShutdown, not_known, ControlledShutdown),
            (ControlledShutdown, leads_nothing, ShutdownNow),
        ];
        for (state, wish, next) in cases {
            assert_eq!(state.after(wish), next, "{state:?} {wish:?}");
        }
    }

    #[test]
    fn the_longest_silent_broker_is_stale_when_its_session_has_run_out() {
        let mut heartbeats = heartbeats();
        heartbeats.touch(B1, false, Offset(0), at(0));
        heartbeats.touch(B2, false, Offset(0), at(1));
        assert_eq!((heartbeats.stale(at(8)), heartbeats.stale(at(9))), (None, Some(B1)));
        assert!(
            heartbeats.has_valid_session(B1, at(8)) && !heartbeats.has_valid_session(B1, at(9))
        );

        heartbeats.touch(B1, false, Offset(0), at(5));
        assert_eq!((heartbeats.next_check(), heartbeats.stale(at(10))), (Some(at(10)), Some(B2)));

        heartbeats.fence(B2);
        assert_eq!(heartbeats.stale(at(13)), None);
        assert!(!heartbeats.has_valid_session(B2, at(1)), "it is fenced, and said nothing");
    }

    #[test]
    fn a_fenced_broker_has_a_session_while_it_speaks_and_none_when_it_goes() {
        let mut heartbeats = heartbeats();
        heartbeats.register(B1, true, at(0));
        heartbeats.heard(B1, true, at(0));
        assert!(heartbeats.has_valid_session(B1, at(8)));
        assert!(!heartbeats.has_valid_session(B1, at(9)));
        heartbeats.heard(B1, false, at(8));
        assert!(!heartbeats.has_valid_session(B1, at(8)));
    }

    #[test]
    fn a_controlled_shutdown_waits_until_every_active_broker_has_the_metadata_of_its_beginning() {
        let mut heartbeats = heartbeats();
        heartbeats.touch(B1, false, Offset(10), at(0));
        heartbeats.touch(B2, false, Offset(10), at(0));
        heartbeats.begin_controlled_shutdown(B1, Offset(15));
        heartbeats.begin_controlled_shutdown(B1, Offset(99));
        assert_eq!(heartbeats.state(B1), ControlledShutdown);
        assert!(!heartbeats.others_know(B1));
        heartbeats.touch(B2, false, Offset(15), at(1));
        assert!(heartbeats.others_know(B1), "the first offset counts");
        heartbeats.touch(B1, true, Offset(15), at(2));
        assert_eq!(heartbeats.state(B1), Fenced, "a fenced broker leaves its controlled shutdown");
    }
}
