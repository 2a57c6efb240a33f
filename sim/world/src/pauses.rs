//! Pauses that come now and then: stop-the-world collections of a broker's heap, a disk whose journal holds
//! everybody up.
//!
//! They are drawn when somebody asks, and only then: who does nothing is not paused, and no event waits for a
//! pause that nobody would notice.

use klab_machine::random::Stream;
use klab_wire::{Span, Time};

/// How often there are pauses, and how long they are. An average interval of zero is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pauses {
    /// From the end of one to the next, on average; each is drawn evenly from half of it to one and a half.
    pub interval: Span,
    /// The shortest.
    pub shortest: Span,
    /// The longest.
    pub longest: Span,
}

/// The pauses of one thing.
#[derive(Clone, Debug)]
pub(crate) struct Paused {
    pauses: Pauses,
    weather: Stream,
    next: Time,
    until: Time,
    /// The length of the pause that was drawn last, as long as nobody has noticed it.
    unnoticed: Option<Span>,
}

impl Paused {
    pub(crate) fn new(pauses: Pauses, weather: Stream) -> Self {
        let mut paused =
            Paused { pauses, weather, next: Time::MAX, until: Time::ZERO, unnoticed: None };
        if pauses.interval > Span::ZERO {
            paused.next = Time::ZERO + paused.interval();
        }
        paused
    }

    /// Until when it pauses, if it does so now. Times that are asked for never go back.
    pub(crate) fn until(&mut self, now: Time) -> Option<Time> {
        while now >= self.next {
            let Pauses { shortest, longest, .. } = self.pauses;
            let length = Span(self.weather.between(shortest.0, longest.0.max(shortest.0)));
            self.until = self.next + length;
            self.unnoticed = Some(length);
            let interval = self.interval();
            self.next = self.until + interval;
        }
        (now < self.until).then_some(self.until)
    }

    /// How long the pause is in which [`Self::until`] has just found it, if nobody has noticed that one before.
    pub(crate) fn noticed(&mut self) -> Option<Span> {
        self.unnoticed.take()
    }

    fn interval(&mut self) -> Span {
        let mean = self.pauses.interval.0;
        Span(self.weather.between(mean / 2, mean + mean / 2).max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use klab_machine::random::stream;

    #[test]
    fn pauses_come_as_often_and_last_as_long_as_they_shall() {
        let (shortest, longest) = (Span::from_millis(10), Span::from_millis(20));
        let pauses = Pauses { interval: Span::from_secs(4), shortest, longest };
        let mut paused = Paused::new(pauses, stream(1, "test", []));
        let (mut ends, mut noticed) = (Vec::new(), 0);
        for millis in 0..400_000 {
            if let Some(until) = paused.until(Time(millis * 1_000_000)) {
                ends.push(until);
                noticed += u64::from(paused.noticed().is_some());
            }
        }
        let asked_in_pauses = ends.len() as u64;
        ends.dedup();
        assert!((90..110).contains(&ends.len()), "{} in 400 s", ends.len());
        assert_eq!(noticed, ends.len() as u64, "each is noticed once");
        assert!((10..20).contains(&(asked_in_pauses / ends.len() as u64)), "{asked_in_pauses}");
    }

    #[test]
    fn without_an_interval_there_are_none() {
        let mut paused = Paused::new(Pauses::default(), stream(1, "test", []));
        assert_eq!(paused.until(Time(u64::MAX - 1)), None);
    }
}
