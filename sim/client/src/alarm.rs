//! A timer that is touched only when it has to ring earlier.
//!
//! A client looks at its deadlines after every event, and they mostly move back. An alarm that rings
//! too early costs one look; one that is set again at every look would cost one event each time.

use klab_machine::{Outbox, Timer};
use klab_wire::{Now, Time};

/// One timer and when it is set to ring.
#[derive(Clone, Debug)]
pub(crate) struct Alarm {
    timer: Timer,
    set_to: Option<Time>,
}

impl Alarm {
    pub(crate) fn new(timer: impl Into<Timer>) -> Self {
        Alarm { timer: timer.into(), set_to: None }
    }

    /// It shall ring at this time at the latest.
    pub(crate) fn ring_by(&mut self, at: Time, now: Now, out: &mut Outbox) {
        if at == Time::MAX || self.set_to.is_some_and(|set_to| set_to <= at) {
            return;
        }
        self.set_to = Some(at);
        out.set_timer(self.timer, at.since(now.time));
    }

    /// It has rung.
    pub(crate) fn rang(&mut self) {
        self.set_to = None;
    }
}
