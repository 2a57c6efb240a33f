//! The timers of a replica, each set at most once: a deadline that moves on costs nothing.

use klab_machine::timer::RaftTimer;
use klab_machine::{Outbox, Timer};
use klab_wire::{Now, Time};

/// Which timers run, and until when.
///
/// Deadlines live with what they belong to and move with every fetch; a timer only makes the replica
/// look again. So a timer that runs out early is set again for what is left, and only a deadline that
/// moved closer moves its timer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Alarms {
    /// A handful, in no order.
    armed: Vec<(RaftTimer, Time)>,
}

impl Alarms {
    /// Makes sure that the timer rings no later than at the deadline. A deadline that has passed was
    /// looked at already.
    pub(crate) fn arm(&mut self, timer: RaftTimer, deadline: Time, now: Now, out: &mut Outbox) {
        let known = self.armed.iter_mut().find(|(armed, _)| *armed == timer);
        if known.as_ref().is_some_and(|(_, at)| *at <= deadline) || deadline <= now.time {
            return;
        }
        match known {
            Some((_, at)) => *at = deadline,
            None => self.armed.push((timer, deadline)),
        }
        out.set_timer(Timer::Raft(timer), deadline.since(now.time));
    }

    /// The timer has rung. Says whether it was armed.
    pub(crate) fn rang(&mut self, timer: RaftTimer) -> bool {
        let place = self.armed.iter().position(|(armed, _)| *armed == timer);
        place.map(|place| self.armed.swap_remove(place)).is_some()
    }

    /// The timer is not needed any more.
    pub(crate) fn stop(&mut self, timer: RaftTimer, out: &mut Outbox) {
        if self.rang(timer) {
            out.stop_timer(Timer::Raft(timer));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use klab_machine::Effect;
    use klab_wire::{Span, Timestamp};

    #[test]
    fn a_timer_is_set_for_a_closer_deadline_only() {
        let now = Now { time: Time(100), wall: Timestamp::START };
        let (mut alarms, mut out) = (Alarms::default(), Outbox::new(0));
        for deadline in [100, 500, 700, 300] {
            alarms.arm(RaftTimer::Fetch, Time(deadline), now, &mut out);
        }
        alarms.rang(RaftTimer::Fetch);
        alarms.arm(RaftTimer::Fetch, Time(700), now, &mut out);
        let set = |effect: &Effect| match effect {
            Effect::SetTimer { after, .. } => Some(*after),
            _ => None,
        };
        let spans: Vec<Span> = out.effects().iter().filter_map(set).collect();
        assert_eq!(spans, [Span(400), Span(200), Span(600)]);
    }
}
