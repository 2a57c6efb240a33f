//! Time in integers: simulated nanoseconds, spans, and the wall-clock timestamps of records.

use serde::Serialize;
use std::fmt;
use std::ops::{Add, AddAssign, Sub};

/// A length of time in nanoseconds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize)]
#[serde(transparent)]
pub struct Span(pub u64);

impl Span {
    /// No time at all.
    pub const ZERO: Span = Span(0);
    /// Longer than any run: 584 years.
    pub const MAX: Span = Span(u64::MAX);

    /// So many nanoseconds.
    pub const fn from_nanos(nanos: u64) -> Self {
        Span(nanos)
    }

    /// So many microseconds.
    pub const fn from_micros(micros: u64) -> Self {
        Span(micros * 1_000)
    }

    /// So many milliseconds; Kafka's `Long.MAX_VALUE` and the like become [`Span::MAX`].
    pub const fn from_millis(millis: u64) -> Self {
        Span(millis.saturating_mul(1_000_000))
    }

    /// So many seconds.
    pub const fn from_secs(seconds: u64) -> Self {
        Span(seconds.saturating_mul(1_000_000_000))
    }

    /// The whole milliseconds in this span.
    pub const fn as_millis(self) -> u64 {
        self.0 / 1_000_000
    }

    /// The whole microseconds in this span.
    pub const fn as_micros(self) -> u64 {
        self.0 / 1_000
    }

    /// This span `factor` times, or [`Span::MAX`].
    pub const fn times(self, factor: u64) -> Self {
        Span(self.0.saturating_mul(factor))
    }

    /// This span in `parts` equal parts, rounded down.
    pub const fn divided_by(self, parts: u64) -> Self {
        Span(self.0 / parts)
    }

    /// What is left after `other`, or nothing.
    pub const fn saturating_sub(self, other: Span) -> Self {
        Span(self.0.saturating_sub(other.0))
    }
}

impl Add for Span {
    type Output = Span;
    fn add(self, other: Span) -> Span {
        Span(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Span {
    fn add_assign(&mut self, other: Span) {
        *self = *self + other;
    }
}

impl fmt::Display for Span {
    /// The largest unit that keeps it exact to three decimals: `1.5s`, `250ms`, `80us`, `7ns`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, name) = match self.0 {
            u64::MAX => return f.pad("forever"),
            0 => return f.pad("0s"),
            1_000_000_000.. => (1_000_000_000, "s"),
            1_000_000.. => (1_000_000, "ms"),
            1_000.. => (1_000, "us"),
            _ => (1, "ns"),
        };
        let (whole, thousandths) = (self.0 / unit, (self.0 % unit) * 1_000 / unit);
        let text = match thousandths {
            0 => format!("{whole}{name}"),
            _ => format!("{whole}.{}{name}", format!("{thousandths:03}").trim_end_matches('0')),
        };
        f.pad(&text)
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A moment of a run: nanoseconds since its start.
///
/// The world has one true time. What a machine is told is the reading of its own monotonic clock,
/// which drifts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize)]
#[serde(transparent)]
pub struct Time(pub u64);

impl Time {
    /// The start of the run.
    pub const ZERO: Time = Time(0);
    /// After the end of every run.
    pub const MAX: Time = Time(u64::MAX);

    /// The time that has passed since `earlier`; none if `earlier` is later.
    pub const fn since(self, earlier: Time) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Span> for Time {
    type Output = Time;
    fn add(self, span: Span) -> Time {
        Time(self.0.saturating_add(span.0))
    }
}

impl AddAssign<Span> for Time {
    fn add_assign(&mut self, span: Span) {
        *self = *self + span;
    }
}

impl Sub<Time> for Time {
    type Output = Span;
    fn sub(self, earlier: Time) -> Span {
        self.since(earlier)
    }
}

impl fmt::Display for Time {
    /// Seconds with all six decimals of a microsecond: `12.500000`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.0 / 1_000;
        f.pad(&format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000))
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What a record is stamped with: milliseconds since 1970 by somebody's wall clock.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// When every run starts by a correct wall clock: 2024-01-01T00:00:00Z.
    pub const START: Timestamp = Timestamp(1_704_067_200_000);

    /// How much later this is than `earlier`; none if it is not.
    pub const fn since(self, earlier: Timestamp) -> Span {
        let millis = self.0.saturating_sub(earlier.0);
        Span::from_millis(if millis < 0 { 0 } else { millis as u64 })
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// What a process reads when it looks at its clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Now {
    /// The monotonic clock (`System.nanoTime`): timers and timeouts. It drifts, it never steps.
    pub time: Time,
    /// The wall clock (`System.currentTimeMillis`): timestamps. It drifts, and it can step.
    pub wall: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_printed_in_its_largest_unit() {
        let cases = [
            (0, "0s"),
            (7, "7ns"),
            (80_000, "80us"),
            (250_000_000, "250ms"),
            (1_500_000_000, "1.5s"),
            (2_050_000_000, "2.05s"),
            (u64::MAX, "forever"),
        ];
        for (nanos, text) in cases {
            assert_eq!(Span(nanos).to_string(), text);
        }
    }
}
