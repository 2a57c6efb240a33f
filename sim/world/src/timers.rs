//! The timers of one machine: named, so that setting one twice moves it.
//!
//! A timer that is moved to a later time leaves its event in the queue; when that comes, it is planned
//! again for the new time. So a timer that every message pushes back costs one event per period, not
//! one per message.

use indexmap::IndexMap;
use klab_machine::Timer;
use klab_machine::fingerprint::Fingerprint;
use klab_wire::Time;
use std::hash::BuildHasherDefault;

/// See the module. Deadlines are true times.
#[derive(Clone, Debug, Default)]
pub(crate) struct Timers {
    /// Looked up only, with every request: nothing depends on its order. A fingerprint hashes the same way
    /// in every run.
    by_name: IndexMap<Timer, u32, BuildHasherDefault<Fingerprint>>,
    slots: Vec<Slot>,
    /// The slots of the two timers that were set last: most machines set two in turn.
    recent: [u32; 2],
    /// Slots whose timer has run out, and some whose timer was set again since. A slot keeps its name until
    /// another timer needs it: most timers are set again as soon as they have run out.
    idle: Vec<u32>,
    /// Grows with every event planned, over all lives: what an event must show to be the one meant.
    armed: u32,
}

#[derive(Clone, Debug)]
struct Slot {
    timer: Timer,
    /// None once the timer was stopped or has run out.
    deadline: Option<Time>,
    /// When its event in the queue is due: never after the deadline.
    queued: Time,
    /// What that event shows; 0 if there is none.
    armed: u32,
    /// It is among the idle ones.
    is_listed: bool,
}

/// What setting or stopping a timer asks of the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rearm {
    /// Plan an event for this slot, armed with this number; an older one may be dead now.
    Plan { slot: u32, armed: u32, buries: bool },
    /// The event that is there will do; it was dead before, or it was not.
    Keep { revives: bool },
}

/// What a timer's event turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fired {
    /// The timer has run out.
    Due(Timer),
    /// The timer was moved: plan the event again.
    Later(Time),
    /// It meant nothing any more.
    Dead,
}

impl Timers {
    /// Sets a timer, or moves it.
    pub(crate) fn set(&mut self, timer: Timer, deadline: Time) -> Rearm {
        let Some(index) = self.find(timer) else {
            return self.insert(timer, deadline);
        };
        let slot = &mut self.slots[index as usize];
        let was_stopped = slot.deadline.replace(deadline).is_none();
        if slot.armed > 0 && deadline >= slot.queued {
            return Rearm::Keep { revives: was_stopped };
        }
        self.armed += 1;
        (slot.queued, slot.armed) = (deadline, self.armed);
        Rearm::Plan { slot: index, armed: self.armed, buries: !was_stopped }
    }

    /// Stops a timer; whether there was one.
    pub(crate) fn stop(&mut self, timer: Timer) -> bool {
        let Some(index) = self.find(timer) else { return false };
        self.slots[index as usize].deadline.take().is_some()
    }

    /// An event has come.
    pub(crate) fn fire(&mut self, index: u32, armed: u32, now: Time) -> Fired {
        let Some(slot) = self.slots.get_mut(index as usize).filter(|slot| slot.armed == armed)
        else {
            return Fired::Dead;
        };
        if let Some(deadline) = slot.deadline.filter(|deadline| *deadline > now) {
            slot.queued = deadline;
            return Fired::Later(deadline);
        }
        let (timer, is_due) = (slot.timer, slot.deadline.take().is_some());
        self.idle(index);
        if is_due { Fired::Due(timer) } else { Fired::Dead }
    }

    /// Whether an event still means something; if not, what it kept is let go.
    pub(crate) fn keeps(&mut self, index: u32, armed: u32) -> bool {
        match self.slots.get(index as usize) {
            Some(slot) if slot.armed == armed && slot.deadline.is_some() => true,
            Some(slot) if slot.armed == armed => {
                self.idle(index);
                false
            }
            _ => false,
        }
    }

    /// Forgets all timers: their machine is gone. Their events find nothing.
    pub(crate) fn clear(&mut self) {
        self.by_name.clear();
        self.slots.clear();
        self.idle.clear();
    }

    fn find(&mut self, timer: Timer) -> Option<u32> {
        let is_of = |slot: u32| self.slots.get(slot as usize).is_some_and(|s| s.timer == timer);
        let [last, before] = self.recent;
        if is_of(last) {
            return Some(last);
        }
        let found = if is_of(before) { before } else { *self.by_name.get(&timer)? };
        self.recent = [found, last];
        Some(found)
    }

    fn insert(&mut self, timer: Timer, deadline: Time) -> Rearm {
        self.armed += 1;
        let armed = self.armed;
        let slot =
            Slot { timer, deadline: Some(deadline), queued: deadline, armed, is_listed: false };
        let index = match self.take_idle() {
            Some(index) => {
                self.by_name.swap_remove(&self.slots[index as usize].timer);
                self.slots[index as usize] = slot;
                index
            }
            None => {
                self.slots.push(slot);
                self.slots.len() as u32 - 1
            }
        };
        self.by_name.insert(timer, index);
        Rearm::Plan { slot: index, armed, buries: false }
    }

    /// The slot has no event any more.
    fn idle(&mut self, index: u32) {
        let slot = &mut self.slots[index as usize];
        slot.armed = 0;
        if !std::mem::replace(&mut slot.is_listed, true) {
            self.idle.push(index);
        }
    }

    /// A slot that has no event.
    fn take_idle(&mut self) -> Option<u32> {
        while let Some(index) = self.idle.pop() {
            let slot = &mut self.slots[index as usize];
            slot.is_listed = false;
            if slot.armed == 0 {
                return Some(index);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use klab_machine::timer::{BrokerTimer, ClientTimer, NetworkTimer, RaftTimer};

    const HEARTBEAT: Timer = Timer::Broker(BrokerTimer::Heartbeat);

    fn planned(rearm: Rearm) -> (u32, u32) {
        match rearm {
            Rearm::Plan { slot, armed, .. } => (slot, armed),
            Rearm::Keep { .. } => panic!("an event should have been planned"),
        }
    }

    #[test]
    fn a_timer_moved_to_a_later_time_keeps_its_event_and_fires_at_the_new_time() {
        let mut timers = Timers::default();
        let (slot, armed) = planned(timers.set(HEARTBEAT, Time(10)));
        assert_eq!(timers.set(HEARTBEAT, Time(25)), Rearm::Keep { revives: false });
        assert_eq!(timers.fire(slot, armed, Time(10)), Fired::Later(Time(25)));
        assert_eq!(timers.fire(slot, armed, Time(25)), Fired::Due(HEARTBEAT));
        assert_eq!(timers.fire(slot, armed, Time(26)), Fired::Dead);
    }

    #[test]
    fn different_names_are_different_timers() {
        let topic = klab_wire::TopicId(u64::MAX);
        let partition = klab_wire::PartitionId(u32::MAX);
        let log = klab_wire::TopicIdPartition { topic, partition };
        let names = [
            HEARTBEAT,
            Timer::Network(NetworkTimer::RequestTimeout(u32::MAX, klab_machine::ConnectionId(7))),
            Timer::Network(NetworkTimer::RequestTimeout(7, klab_machine::ConnectionId(u64::MAX))),
            Timer::Network(NetworkTimer::Reconnect(7, klab_wire::NodeId::broker(7))),
            Timer::Raft(RaftTimer::DelayedFetch(7)),
            Timer::Raft(RaftTimer::DelayedFetch(8)),
            Timer::Broker(BrokerTimer::DelayedFetch),
            Timer::Broker(BrokerTimer::DelayedProduce),
            Timer::Broker(BrokerTimer::DeleteLog(log)),
        ];
        let mut timers = Timers::default();
        let slots = names.map(|name| planned(timers.set(name, Time(10))).0);
        assert_eq!(std::collections::BTreeSet::from(slots).len(), names.len());
    }

    #[test]
    fn a_timer_moved_to_an_earlier_time_leaves_a_dead_event_behind() {
        let mut timers = Timers::default();
        let (slot, old) = planned(timers.set(HEARTBEAT, Time(10)));
        let (_, new) = planned(timers.set(HEARTBEAT, Time(5)));
        assert_eq!(timers.fire(slot, new, Time(5)), Fired::Due(HEARTBEAT));
        assert_eq!(timers.fire(slot, old, Time(10)), Fired::Dead);
    }

    #[test]
    fn a_stopped_timer_is_silent_and_its_slot_serves_another() {
        let mut timers = Timers::default();
        let (slot, armed) = planned(timers.set(HEARTBEAT, Time(10)));
        assert!(timers.stop(HEARTBEAT));
        assert!(!timers.stop(HEARTBEAT));
        assert_eq!(timers.set(HEARTBEAT, Time(12)), Rearm::Keep { revives: true });
        assert!(timers.stop(HEARTBEAT));
        assert_eq!(timers.fire(slot, armed, Time(10)), Fired::Dead);
        let (again, other) = planned(timers.set(Timer::Client(ClientTimer::Poll), Time(11)));
        assert_eq!(again, slot);
        assert_eq!(timers.fire(slot, armed, Time(11)), Fired::Dead);
        assert_eq!(
            timers.fire(slot, other, Time(11)),
            Fired::Due(Timer::Client(ClientTimer::Poll))
        );
    }
}
