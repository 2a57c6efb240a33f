//! A process's clocks: a monotonic one that drifts, and a wall clock that drifts with it and can step.

use klab_wire::{Now, Span, Time, Timestamp};

const MILLION: i128 = 1_000_000;

/// How a process's clocks differ from true time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Clock {
    /// How many nanoseconds the wall clock is ahead; a step of the clock adds to it.
    pub offset: i64,
    /// How many microseconds a second both clocks gain; above −1,000,000.
    pub drift_ppm: i32,
}

impl Clock {
    /// What the process reads at a true time.
    #[inline]
    pub fn now(&self, at: Time) -> Now {
        if *self == Clock::default() {
            // Nearly every clock is true, and every step reads one.
            return Now {
                time: at,
                wall: Timestamp(Timestamp::START.0 + (at.0 / 1_000_000) as i64),
            };
        }
        Now { time: self.time(at), wall: self.wall(at) }
    }

    /// The monotonic clock's reading.
    pub fn time(&self, at: Time) -> Time {
        match self.drift_ppm {
            0 => at,
            drift => Time((i128::from(at.0) * (MILLION + i128::from(drift)) / MILLION) as u64),
        }
    }

    /// The wall clock's reading.
    pub fn wall(&self, at: Time) -> Timestamp {
        // 64 bits of nanoseconds last for 292 years.
        let elapsed = i64::try_from(self.time(at).0).unwrap_or(i64::MAX);
        let elapsed = elapsed.saturating_add(self.offset);
        Timestamp(Timestamp::START.0 + elapsed.div_euclid(1_000_000))
    }

    /// The first true time at which the monotonic clock has gone on by `after`, counted from `from`.
    pub fn deadline(&self, from: Time, after: Span) -> Time {
        if self.drift_ppm == 0 || after == Span::MAX {
            return from + after;
        }
        let reading = i128::from((self.time(from) + after).0);
        let rate = MILLION + i128::from(self.drift_ppm);
        let at = (reading * MILLION + rate - 1) / rate;
        Time(u64::try_from(at).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_fast_clock_runs_ahead_and_its_timers_end_early() {
        let fast = Clock { offset: 0, drift_ppm: 100 };
        assert_eq!(fast.time(Time(1_000_000_000)), Time(1_000_100_000));
        assert_eq!(fast.deadline(Time::ZERO, Span(1_000_100_000)), Time(1_000_000_000));
    }

    #[test]
    fn a_true_clock_tells_the_time_by_either_way() {
        for at in [0, 999_999, 1_000_000, 59_123_456_789].map(Time) {
            let clock = Clock::default();
            assert_eq!(clock.now(at), Now { time: clock.time(at), wall: clock.wall(at) });
        }
    }

    #[test]
    fn a_step_moves_the_wall_clock_alone() {
        let mut clock = Clock::default();
        let before = clock.now(Time(5_000_000_000));
        clock.offset -= 2_000_000_000;
        let after = clock.now(Time(5_000_000_000));
        assert_eq!(after.time, before.time);
        assert_eq!(after.wall, Timestamp(before.wall.0 - 2_000));
    }

    proptest! {
        #[test]
        fn at_its_deadline_the_clock_has_gone_on_by_the_whole_span_and_just_before_it_has_not(
            drift_ppm in -500_000..500_000, from in 0..1_u64 << 50, after in 1..1_u64 << 50
        ) {
            let clock = Clock { offset: 0, drift_ppm };
            let wanted = clock.time(Time(from)) + Span(after);
            let deadline = clock.deadline(Time(from), Span(after));
            prop_assert!(clock.time(deadline) >= wanted);
            prop_assert!(clock.time(Time(deadline.0 - 1)) < wanted);
        }
    }
}
