//! What will happen: events in the order of their times, and among those of one time in the order in
//! which they were planned.
//!
//! Messages are on their way for microseconds; timers wait for seconds, most of them until somebody stops
//! them. In one heap every message would have to pass by thousands of timers, so there are two.

use klab_wire::{Span, Time};
use std::collections::BinaryHeap;

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Queue<E> {
    /// Planned for less than [`SOON`] ahead.
    soon: BinaryHeap<Planned<E>>,
    later: BinaryHeap<Planned<E>>,
    /// How many events have been planned.
    planned: u64,
}

/// Longer than a message travels, shorter than nearly every timer.
const SOON: Span = Span::from_millis(5);

/// An event with its place in the order: the time in the high half, the sequence in the low one.
#[derive(Clone, Copy, Debug)]
struct Planned<E> {
    order: u128,
    event: E,
}

impl<E> Ord for Planned<E> {
    #[inline]
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        other.order.cmp(&self.order) // A heap's greatest is the earliest.
    }
}

impl<E> PartialOrd for Planned<E> {
    #[inline]
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<E> PartialEq for Planned<E> {
    fn eq(&self, other: &Self) -> bool {
        self.order == other.order
    }
}

impl<E> Eq for Planned<E> {}

impl<E> Planned<E> {
    fn time(&self) -> Time {
        Time((self.order >> 64) as u64)
    }
}

impl<E> Queue<E> {
    /// Nothing will happen.
    pub(crate) fn new() -> Self {
        Queue { soon: BinaryHeap::new(), later: BinaryHeap::new(), planned: 0 }
    }

    /// Plans an event.
    pub(crate) fn push(&mut self, now: Time, at: Time, event: E) {
        let order = (u128::from(at.0) << 64) | u128::from(self.planned);
        self.planned += 1;
        let heap = if at < now + SOON { &mut self.soon } else { &mut self.later };
        heap.push(Planned { order, event });
    }

    /// Takes the next event out.
    pub(crate) fn pop(&mut self) -> Option<(Time, E)> {
        let planned = if self.is_soon_next() { self.soon.pop() } else { self.later.pop() }?;
        Some((planned.time(), planned.event))
    }

    /// When the next event is due.
    pub(crate) fn next_time(&self) -> Option<Time> {
        let next = if self.is_soon_next() { self.soon.peek() } else { self.later.peek() };
        next.map(Planned::time)
    }

    /// How many events there are.
    pub(crate) fn len(&self) -> usize {
        self.soon.len() + self.later.len()
    }

    /// How many events have ever been planned.
    pub(crate) fn planned(&self) -> u64 {
        self.planned
    }

    /// Keeps only some events. Their order is in themselves.
    pub(crate) fn retain(&mut self, mut keeps: impl FnMut(&E) -> bool) {
        self.soon.retain(|planned| keeps(&planned.event));
        self.later.retain(|planned| keeps(&planned.event));
    }

    /// What was planned long ago may be due before what was planned just now.
    fn is_soon_next(&self) -> bool {
        match (self.soon.peek(), self.later.peek()) {
            (Some(soon), Some(later)) => soon.order < later.order,
            (soon, _) => soon.is_some(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn events_of_one_time_come_in_the_order_in_which_they_were_planned() {
        let mut queue = Queue::new();
        for (at, event) in [(5, 'a'), (3, 'b'), (5, 'c'), (3, 'd')] {
            queue.push(Time::ZERO, Time(at), event);
        }
        let order: Vec<char> = std::iter::from_fn(|| queue.pop()).map(|(_, event)| event).collect();
        assert_eq!(order, ['b', 'd', 'a', 'c']);
    }

    proptest! {
        #[test]
        fn two_heaps_are_one_queue(spans in prop::collection::vec((0..9_u64, any::<bool>()), 0..200)) {
            let (mut queue, mut sorted, mut now) = (Queue::new(), Vec::new(), Time::ZERO);
            for (number, (millis, takes_one)) in spans.into_iter().enumerate() {
                let at = now + Span::from_millis(millis);
                queue.push(now, at, number);
                sorted.push((at, number));
                sorted.sort();
                if takes_one {
                    prop_assert_eq!(queue.next_time(), Some(sorted[0].0));
                    let next = queue.pop().expect("one was planned");
                    prop_assert_eq!(next, sorted.remove(0));
                    now = next.0;
                }
            }
            let rest: Vec<_> = std::iter::from_fn(|| queue.pop()).collect();
            prop_assert_eq!(rest, sorted);
        }
    }
}
