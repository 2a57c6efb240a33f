//! What is cut off as warm-up, and whether the rest is a steady state.
//!
//! The run is cut into windows of equal length, from the first call of `send()` to the end of the load. Warm-up is cut
//! off by **MSER-5** (White, Cobb and Spratt 2000, "A comparison of five steady-state truncation heuristics for
//! simulation"): of the places in the first half of the run, the one after which the windows' mean has the smallest
//! standard error; a window is the mean of five intervals. The first window is always cut off: connections are made
//! in it. Where the scenario has acts, it is the first half of the time before the first of them: what a fault does is
//! no warm-up.
//!
//! The rest is cut into five equal parts. It is **steady** if no part's mean differs from the mean of all by more than a
//! tolerance, and else it says how: rising, falling, or wavering.

use serde::Serialize;
use std::fmt;

/// How many intervals are a window: the five of MSER-5.
pub const WINDOW: usize = 5;
/// Into how many parts the measured time is cut to be tested.
const PARTS: usize = 5;
/// By how many thousandths a part's throughput may differ from the whole's.
pub const THROUGHPUT_TOLERANCE: u64 = 50;
/// By how many thousandths a part's mean latency may: it is a smaller number with longer tails.
pub const LATENCY_TOLERANCE: u64 = 250;

/// What the parts of the measured time say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Steadiness {
    /// No part differs by more than the tolerance.
    Steady,
    /// Each part is at least the one before: it has not arrived yet.
    Rising,
    /// Each part is at most the one before.
    Falling,
    /// It goes up and down.
    Wavering,
    /// There are too few windows to say.
    #[default]
    TooShort,
}

impl fmt::Display for Steadiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Steadiness::Steady => "steady",
            Steadiness::Rising => "not steady: still rising",
            Steadiness::Falling => "not steady: still falling",
            Steadiness::Wavering => "not steady: it wavers",
            Steadiness::TooShort => "too short to say",
        })
    }
}

/// How many windows are warm-up, if the first so many are undisturbed.
pub fn warm_up(windows: &[u64], undisturbed: usize) -> usize {
    let candidates = 1..=(undisturbed.min(windows.len()) / 2).max(1);
    candidates.min_by_key(|cut| squared_error(&windows[(*cut).min(windows.len())..])).unwrap_or(0)
}

/// The squared standard error of the mean, as exact as integers are: Σ(x−m)²/n², times a million.
fn squared_error(windows: &[u64]) -> u128 {
    let count = windows.len() as u128;
    if count == 0 {
        return u128::MAX;
    }
    let sum: u128 = windows.iter().map(|one| u128::from(*one)).sum();
    // n·Σx² − (Σx)² is n times the sum of squared deviations, without a fraction.
    let squares: u128 = windows.iter().map(|one| u128::from(*one) * u128::from(*one)).sum();
    let deviations = (count * squares).saturating_sub(sum * sum);
    deviations.saturating_mul(1_000_000) / (count * count * count)
}

/// Whether the windows after the warm-up are a steady state.
pub fn steadiness(windows: &[u64], tolerance: u64) -> Steadiness {
    let width = windows.len() / PARTS;
    if width == 0 {
        return Steadiness::TooShort;
    }
    // What does not divide is left out at the front, where warm-up may linger.
    let parts = windows[windows.len() - width * PARTS..].chunks(width);
    let parts: Vec<u64> = parts.map(|part| part.iter().sum()).collect();
    let mean = parts.iter().sum::<u64>() / PARTS as u64;
    let is_close = |part: &u64| {
        u128::from(part.abs_diff(mean)) * 1_000 <= u128::from(mean) * u128::from(tolerance)
    };
    let pairs = || parts.iter().zip(&parts[1..]);
    match () {
        () if parts.iter().all(is_close) => Steadiness::Steady,
        () if pairs().all(|(one, next)| one <= next) => Steadiness::Rising,
        () if pairs().all(|(one, next)| one >= next) => Steadiness::Falling,
        () => Steadiness::Wavering,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_warm_up_ends_where_the_rest_is_most_even() {
        let cases: &[(&[u64], usize)] = &[
            (&[0, 40, 90, 100, 100, 100, 100, 100, 100, 100], 3),
            (&[100, 100, 100, 100, 100, 100], 1),
            (&[500, 100, 101, 99, 100, 101, 99, 100], 1),
            (&[7], 1),
            (&[], 0),
        ];
        for (windows, cut) in cases {
            assert_eq!(warm_up(windows, usize::MAX).min(windows.len()), *cut, "{windows:?}");
        }
        let disturbed = [90, 100, 0, 0, 100, 100, 100, 100, 100, 100];
        assert_eq!([warm_up(&disturbed, 2), warm_up(&disturbed, 10)], [1, 4]);
    }

    #[test]
    fn a_state_is_steady_if_no_fifth_of_it_differs_much() {
        use Steadiness as S;
        let cases: &[(&[u64], Steadiness)] = &[
            (&[100, 103, 98, 101, 99], S::Steady),
            (&[100, 105, 110, 120, 130], S::Rising),
            (&[130, 120, 110, 105, 100], S::Falling),
            (&[100, 50, 100, 50, 100], S::Wavering),
            (&[100, 100, 100, 100], S::TooShort),
            (&[0, 0, 0, 0, 0], S::Steady),
            // The first window is left out: ten are divided by five, eleven are not.
            (&[7, 50, 50, 50, 50, 50, 50, 50, 50, 50, 50], S::Steady),
        ];
        for (windows, wanted) in cases {
            assert_eq!(steadiness(windows, 50), *wanted, "{windows:?}");
        }
    }
}
