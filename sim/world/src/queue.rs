//! What will happen: events in the order of their times, and among those of one time in the order in
//! which they were planned.
//!
//! A calendar, since most events are messages, planned a fraction of a millisecond ahead: the next few
//! milliseconds are days of [`DAY`] each, and an event is put down on its day unsorted. Only the day that has
//! come is sorted. Timers wait for seconds, most of them until somebody stops them: they stay in a heap.
//! (Brown, "Calendar queues", Communications of the ACM 31, 1988.)

use klab_wire::Time;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Queue<E> {
    /// The events of the day that has come, and of all before it, the next one last. Empty only if the
    /// calendar is.
    today: Vec<Planned<E>>,
    /// Which day that is, counted from the beginning of time.
    day: u64,
    /// The days after it, each at its number modulo their count.
    calendar: Vec<Vec<Planned<E>>>,
    /// Which of them have events: one bit each.
    busy: Busy,
    /// Beyond the calendar.
    later: BinaryHeap<Reverse<Planned<E>>>,
    /// How many events there are.
    len: usize,
    /// How many events have been planned.
    planned: u64,
}

/// Nanoseconds of a day, as a power of two: shorter than a message travels, so that few events are put down
/// on the day that has come.
const DAY: u32 = 15;

/// How many days the calendar has: 8.4 ms, longer than a message travels.
const DAYS: u64 = 256;

/// Behind so many events one more is put in order by itself. Behind more, each would have to move them all.
const FEW: usize = 16;

/// An event with its place in the order: the time in the high half, the sequence in the low one.
#[derive(Clone, Copy, Debug)]
struct Planned<E> {
    order: u128,
    event: E,
}

impl<E> Ord for Planned<E> {
    #[inline]
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.order.cmp(&other.order)
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

    fn day(&self) -> u64 {
        self.time().0 >> DAY
    }
}

impl<E> Queue<E> {
    /// Nothing will happen.
    pub(crate) fn new() -> Self {
        Queue {
            today: Vec::new(),
            day: 0,
            calendar: std::iter::repeat_with(Vec::new).take(DAYS as usize).collect(),
            busy: Busy::default(),
            later: BinaryHeap::new(),
            len: 0,
            planned: 0,
        }
    }

    /// Plans an event, at a time that has not passed.
    pub(crate) fn push(&mut self, at: Time, event: E) {
        let planned = Planned { order: (u128::from(at.0) << 64) | u128::from(self.planned), event };
        self.planned += 1;
        self.len += 1;
        let day = planned.day();
        if day < self.day && self.is_among_many(&planned) {
            self.turn_back(day);
        }
        let ahead = day.saturating_sub(self.day);
        if ahead >= DAYS {
            self.later.push(Reverse(planned));
        } else if ahead == 0 || self.today.is_empty() {
            self.put_today(planned);
        } else {
            let number = (day % DAYS) as u8;
            self.calendar[usize::from(number)].push(planned);
            self.busy.set(number);
        }
    }

    /// Takes the next event out, if it comes before a time.
    #[inline]
    pub(crate) fn pop_before(&mut self, limit: Option<Time>) -> Option<(Time, E)> {
        let is_late = |next: &Planned<E>| limit.is_some_and(|limit| next.time() >= limit);
        let planned = match (self.today.last(), self.later.peek()) {
            (today, Some(Reverse(later))) if today.is_none_or(|today| later < today) => {
                if is_late(later) {
                    return None;
                }
                self.take_later()?
            }
            (today, _) => {
                if today.is_none_or(is_late) {
                    return None;
                }
                self.take_today()?
            }
        };
        self.len -= 1;
        Some((planned.time(), planned.event))
    }

    /// When the next event is due.
    pub(crate) fn next_time(&self) -> Option<Time> {
        match self.is_later_next() {
            true => self.later.peek().map(|later| later.0.time()),
            false => self.today.last().map(Planned::time),
        }
    }

    /// How many events there are.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// How many events have ever been planned.
    pub(crate) fn planned(&self) -> u64 {
        self.planned
    }

    /// Keeps only some events. Their order is in themselves.
    pub(crate) fn retain(&mut self, mut keeps: impl FnMut(&E) -> bool) {
        self.today.retain(|planned| keeps(&planned.event));
        for number in self.busy.clone().iter() {
            let day = &mut self.calendar[usize::from(number)];
            day.retain(|planned| keeps(&planned.event));
            if day.is_empty() {
                self.busy.clear(number);
            }
        }
        self.later.retain(|later| keeps(&later.0.event));
        if self.today.is_empty() {
            self.turn_the_page();
        }
        self.len =
            self.today.len() + self.calendar.iter().map(Vec::len).sum::<usize>() + self.later.len();
    }

    /// Puts an event down on the day that has come, or on one before it. If there is nothing in the calendar, its
    /// day is that day.
    fn put_today(&mut self, planned: Planned<E>) {
        if self.today.is_empty() {
            self.day = self.day.max(planned.day());
        }
        let is_after = |other: &Planned<E>| other.order > planned.order;
        let at = self.today.iter().rposition(is_after).map_or(0, |after| after + 1);
        self.today.insert(at, planned);
    }

    fn take_today(&mut self) -> Option<Planned<E>> {
        let next = self.today.pop();
        if self.today.is_empty() {
            self.turn_the_page();
        }
        next
    }

    /// Takes the next event from beyond the calendar, which moves on with it if it is empty.
    fn take_later(&mut self) -> Option<Planned<E>> {
        let planned = self.later.pop()?.0;
        if self.today.is_empty() {
            self.day = self.day.max(planned.day());
        }
        Some(planned)
    }

    /// The day that has come is over: the next one with events comes.
    fn turn_the_page(&mut self) {
        let Some(number) = self.busy.next_from((self.day % DAYS) as u8) else { return };
        let ahead = (u64::from(number) + DAYS - self.day % DAYS) % DAYS;
        self.day += ahead;
        std::mem::swap(&mut self.today, &mut self.calendar[usize::from(number)]);
        self.busy.clear(number);
        if self.today.len() > 1 {
            self.today.sort_unstable_by(|one, other| other.cmp(one));
        }
    }

    /// So much of what is kept in order comes before this event that it pays to put the rest down unsorted. What comes
    /// after it costs nothing, however much that is.
    fn is_among_many(&self, planned: &Planned<E>) -> bool {
        let many = FEW.max(self.today.len() / 4);
        let place = self.today.len().checked_sub(many + 1);
        place.is_some_and(|place| self.today[place].order < planned.order)
    }

    /// An event comes before the day that has come, which was far ahead because nothing else was planned when its
    /// first event was, and on which a good deal has been put down since: the earliest day of them all is the one
    /// that has come. When hundreds of fetches have waited for the same time, all their answers are planned so. It
    /// stays as it is if a day in between is that of the calendar's next round.
    fn turn_back(&mut self, day: u64) {
        let earliest = self.today.last().map_or(day, |next| day.min(next.day()));
        let between = self.day.saturating_sub(earliest);
        let busy = self.busy.next_from((earliest % DAYS) as u8);
        let is_free = |busy: u8| (u64::from(busy) + DAYS - earliest % DAYS) % DAYS >= between;
        if between == 0 || between >= DAYS || !busy.is_none_or(is_free) {
            return;
        }
        let ahead = self.today.partition_point(|planned| planned.day() > earliest);
        for planned in self.today.drain(..ahead) {
            let number = (planned.day() % DAYS) as u8;
            self.calendar[usize::from(number)].push(planned);
            self.busy.set(number);
        }
        self.day = earliest;
    }

    /// What was planned long ago may be due before what was planned just now.
    fn is_later_next(&self) -> bool {
        match (self.today.last(), self.later.peek()) {
            (Some(today), Some(later)) => later.0.order < today.order,
            (today, _) => today.is_none(),
        }
    }
}

/// A set of days of the calendar.
#[derive(Clone, Debug, Default)]
struct Busy([u64; (DAYS / 64) as usize]);

impl Busy {
    fn set(&mut self, number: u8) {
        self.0[usize::from(number / 64)] |= 1 << (number % 64);
    }

    fn clear(&mut self, number: u8) {
        self.0[usize::from(number / 64)] &= !(1 << (number % 64));
    }

    fn iter(&self) -> impl Iterator<Item = u8> + '_ {
        (0..=u8::MAX).filter(|number| self.0[usize::from(number / 64)] >> (number % 64) & 1 == 1)
    }

    /// The first one at or after a number, going round.
    fn next_from(&self, number: u8) -> Option<u8> {
        let words = self.0.len() as u8;
        let first = number / 64;
        let ahead = self.0[usize::from(first)] & (u64::MAX << (number % 64));
        if ahead != 0 {
            return Some(first * 64 + ahead.trailing_zeros() as u8);
        }
        let rest = (1..=words).map(|ahead| (first + ahead) % words);
        rest.map(|word| (word, self.0[usize::from(word)]))
            .find(|(_, bits)| *bits != 0)
            .map(|(word, bits)| word * 64 + bits.trailing_zeros() as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use klab_wire::Span;
    use proptest::prelude::*;

    #[test]
    fn events_of_one_time_come_in_the_order_in_which_they_were_planned() {
        let mut queue = Queue::new();
        for (at, event) in [(5, 'a'), (3, 'b'), (5, 'c'), (3, 'd')] {
            queue.push(Time(at), event);
        }
        let order: Vec<char> =
            std::iter::from_fn(|| queue.pop_before(None)).map(|(_, event)| event).collect();
        assert_eq!(order, ['b', 'd', 'a', 'c']);
    }

    #[test]
    fn the_next_busy_day_is_found_round_the_end_of_the_calendar() {
        let mut busy = Busy::default();
        assert_eq!(busy.next_from(70), None);
        busy.set(69);
        assert_eq!(busy.next_from(70), Some(69));
        busy.set(255);
        assert_eq!(busy.next_from(70), Some(255));
        busy.set(70);
        assert_eq!(busy.next_from(70), Some(70));
        assert_eq!(busy.iter().collect::<Vec<_>>(), [69, 70, 255]);
    }

    #[test]
    fn of_what_comes_before_the_day_that_has_come_only_a_few_are_put_among_each_other() {
        // The first event is far ahead, or it is near and one of the next round keeps the page from being turned back.
        for (first, second, turns_back) in [(8_000, 8_100, true), (300, 8_600, false)] {
            let mut queue = Queue::new();
            queue.push(Time(first * 1_000), 0);
            queue.push(Time(second * 1_000), 1);
            let mut times: Vec<_> =
                [first, second].into_iter().map(|micros| micros * 1_000).collect();
            for number in 0..90_u64 {
                let at = 250_000 - 7_000 * (number % 30);
                queue.push(Time(at), 2 + number);
                times.push(at);
            }
            assert_eq!(queue.today.len() <= 2 * FEW, turns_back, "{}", queue.today.len());
            times.sort();
            let popped: Vec<_> =
                std::iter::from_fn(|| queue.pop_before(None)).map(|(at, _)| at.0).collect();
            assert_eq!(popped, times);
        }
    }

    /// Spans of every kind: now, today, in the calendar, beyond it.
    fn ahead() -> impl Strategy<Value = Span> {
        prop_oneof![
            Just(Span::ZERO),
            (0..40_000_u64).prop_map(Span),
            (0..400_u64).prop_map(|micros| Span::from_micros(micros * 25)),
            (0..90_u64).prop_map(Span::from_millis),
        ]
    }

    fn taken() -> impl Strategy<Value = u32> {
        prop_oneof![0..3_u32, Just(0), Just(0), Just(0), 30..60_u32]
    }

    proptest! {
        #[test]
        fn a_calendar_is_a_queue(
            // As many events are taken as are planned, on the whole: in bursts, so that the calendar is often empty.
            steps in prop::collection::vec((ahead(), taken(), any::<bool>()), 0..300),
        ) {
            let (mut queue, mut sorted, mut now) = (Queue::new(), Vec::new(), Time::ZERO);
            for (number, (span, takes, tidies)) in steps.into_iter().enumerate() {
                let at = now + span;
                queue.push(at, number);
                sorted.push((at, number));
                sorted.sort();
                if tidies && number % 7 == 0 {
                    queue.retain(|event| event % 3 > 0);
                    sorted.retain(|(_, event)| event % 3 > 0);
                }
                for _ in 0..takes.min(sorted.len() as u32) {
                    prop_assert_eq!(queue.next_time(), Some(sorted[0].0));
                    let next = queue.pop_before(None).expect("one was planned");
                    prop_assert_eq!(next.0, sorted[0].0);
                    prop_assert_eq!(next, sorted.remove(0));
                    now = next.0;
                }
                prop_assert_eq!(queue.len(), sorted.len());
            }
            let rest: Vec<_> = std::iter::from_fn(|| queue.pop_before(None)).collect();
            prop_assert_eq!(rest, sorted);
        }
    }
}
