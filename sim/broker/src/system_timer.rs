//! The timer of a purgatory (`SystemTimer`, `TimingWheel`): when the time of what waits is up.
//!
//! Nearly everything that waits is done long before its time is up. So nothing has a timer of its own:
//! the purgatory has one, which rings at the earliest deadline and is only ever set to ring earlier. A
//! deadline of what is done by then costs one look.

use klab_machine::timer::BrokerTimer;
use klab_machine::{Outbox, Timer};
use klab_wire::{Now, Time};
use std::collections::VecDeque;

/// The deadlines of one purgatory. `T` names what waits.
#[derive(Clone, Debug)]
pub struct SystemTimer<T> {
    timer: BrokerTimer,
    /// In order; some are of what is done meanwhile.
    deadlines: VecDeque<(Time, T)>,
    rings_at: Option<Time>,
}

impl<T: Copy> SystemTimer<T> {
    /// Nothing waits.
    pub fn new(timer: BrokerTimer) -> Self {
        SystemTimer { timer, deadlines: VecDeque::new(), rings_at: None }
    }

    /// Something waits, until this time at the longest.
    pub fn add(&mut self, deadline: Time, task: T, now: Now, out: &mut Outbox) {
        if self.deadlines.back().is_none_or(|(last, _)| *last <= deadline) {
            self.deadlines.push_back((deadline, task));
        } else {
            let place = self.deadlines.partition_point(|(other, _)| *other <= deadline);
            self.deadlines.insert(place, (deadline, task));
        }
        self.ring_by(deadline, now, out);
    }

    /// Forgets the first deadlines as long as they are of what is done.
    pub fn forget_done(&mut self, is_done: impl Fn(Time, T) -> bool) {
        while let Some((deadline, task)) = self.deadlines.front()
            && is_done(*deadline, *task)
        {
            self.deadlines.pop_front();
        }
    }

    /// The next deadline that has passed.
    pub fn next_expired(&mut self, now: Now) -> Option<(Time, T)> {
        let (deadline, _) = self.deadlines.front()?;
        if *deadline > now.time { None } else { self.deadlines.pop_front() }
    }

    /// It has rung, and what was due is done: it rings again at the first deadline that is left.
    pub fn rang(&mut self, now: Now, out: &mut Outbox) {
        self.rings_at = None;
        if let Some((first, _)) = self.deadlines.front() {
            self.ring_by(*first, now, out);
        }
    }

    fn ring_by(&mut self, deadline: Time, now: Now, out: &mut Outbox) {
        if self.rings_at.is_none_or(|at| deadline < at) {
            self.rings_at = Some(deadline);
            out.set_timer(Timer::Broker(self.timer), deadline.since(now.time));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use klab_machine::Effect;
    use klab_wire::{Span, Timestamp};

    const TIMER: BrokerTimer = BrokerTimer::DelayedFetch;

    fn at(time: u64) -> Now {
        Now { time: Time(time), wall: Timestamp(0) }
    }

    /// After which spans the timer was set to ring.
    fn set(out: &mut Outbox) -> Vec<u64> {
        let span = |effect| match effect {
            Effect::SetTimer { timer: Timer::Broker(TIMER), after: Span(after) } => after,
            other => panic!("{other:?} is no timer of this purgatory"),
        };
        out.drain().map(span).collect()
    }

    #[test]
    fn one_timer_rings_at_the_earliest_deadline_and_at_each_one_that_is_left() {
        let (mut timer, mut out) = (SystemTimer::new(TIMER), Outbox::default());
        for (deadline, task) in [(50, 'a'), (90, 'b'), (30, 'c'), (60, 'd')] {
            timer.add(Time(deadline), task, at(10), &mut out);
        }
        assert_eq!(set(&mut out), [40, 20], "later deadlines wait for their turn");
        assert_eq!(timer.next_expired(at(29)), None);
        assert_eq!(timer.next_expired(at(30)), Some((Time(30), 'c')));
        timer.forget_done(|_, task| task == 'a' || task == 'b');
        timer.rang(at(30), &mut out);
        assert_eq!(set(&mut out), [30], "to the deadline of what still waits");
        assert_eq!(timer.next_expired(at(90)), Some((Time(60), 'd')));
        assert_eq!(timer.next_expired(at(90)), Some((Time(90), 'b')));
        timer.rang(at(90), &mut out);
        assert_eq!(set(&mut out), [0; 0], "nothing is left");
    }
}
