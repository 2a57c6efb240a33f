//! Scales: where a value lies between the ends of an axis, and which values are written beside it.
//!
//! Everything here is made of additions, multiplications and divisions, which give the same bits on every machine; a
//! system's own logarithm need not.

/// How values are laid out along an axis.
#[derive(Clone, Debug, PartialEq)]
pub enum Scale {
    /// Equal steps for equal differences.
    Linear {
        /// The value at the beginning.
        from: f64,
        /// The value at the end.
        to: f64,
    },
    /// Equal steps for equal ratios.
    Log {
        /// The value at the beginning, above 0.
        from: f64,
        /// The value at the end.
        to: f64,
    },
    /// So many places side by side, for values that are no numbers; a value is the number of its place.
    Places(usize),
}

impl Scale {
    /// From 0 to a little above the highest value.
    pub fn from_zero(values: impl Iterator<Item = f64>) -> Self {
        let highest = values.fold(0.0, f64::max);
        let highest = if highest > 0.0 { highest } else { 1.0 };
        let step = step(highest);
        let steps = (highest * 1.04 / step).ceil();
        Scale::Linear { from: 0.0, to: step * steps }
    }

    /// Around the values, which are above 0, from one round number to another.
    pub fn log_around(values: impl Iterator<Item = f64> + Clone) -> Self {
        let lowest = values.clone().fold(f64::INFINITY, f64::min);
        let highest = values.fold(0.0, f64::max);
        Scale::Log { from: round_down(lowest / 1.05), to: round_up(highest * 1.05) }
    }

    /// Where the value lies: 0 is the beginning of the axis and 1 its end.
    pub fn place(&self, value: f64) -> f64 {
        match self {
            Scale::Linear { from, to } => (value - from) / (to - from),
            Scale::Log { from, to } => log2(value / from) / log2(to / from),
            Scale::Places(places) => (value + 0.5) / *places as f64,
        }
    }

    /// The values that are written beside the axis.
    pub fn ticks(&self) -> Vec<f64> {
        match self {
            Scale::Linear { from, to } => {
                let step = step(to - from);
                let first = (from / step).ceil();
                let count = ((to - first * step) / step + 1e-9).floor() as u32;
                (0..=count).map(|index| (first + f64::from(index)) * step).collect()
            }
            Scale::Log { from, to } => {
                let all = log_ticks(*from, *to, &[1.0, 2.0, 5.0]);
                match all.len() {
                    0..=8 => all,
                    _ => log_ticks(*from, *to, &[1.0]),
                }
            }
            Scale::Places(places) => (0..*places).map(|place| place as f64).collect(),
        }
    }
}

/// A round step that cuts a length into four to eight.
fn step(length: f64) -> f64 {
    let mut decade = 1e-9;
    loop {
        for round in [1.0, 2.0, 2.5, 5.0] {
            if length / (decade * round) <= 6.001 {
                return decade * round;
            }
        }
        decade *= 10.0;
    }
}

fn log_ticks(from: f64, to: f64, rounds: &[f64]) -> Vec<f64> {
    let slack = 1.0 + 1e-9;
    let all = decades().flat_map(|decade| rounds.iter().map(move |round| decade * round));
    all.filter(|tick| *tick * slack >= from && *tick <= to * slack).collect()
}

fn round_down(value: f64) -> f64 {
    let rounds = decades().flat_map(|decade| [1.0, 2.0, 5.0].map(|round| decade * round));
    rounds.take_while(|round| *round <= value).last().unwrap_or(1e-9)
}

fn round_up(value: f64) -> f64 {
    let mut rounds = decades().flat_map(|decade| [1.0, 2.0, 5.0].map(|round| decade * round));
    rounds.find(|round| *round >= value).unwrap_or(1e15)
}

/// 10⁻⁹ to 10¹⁵, each as its own decimal number: no rounding adds up.
fn decades() -> impl Iterator<Item = f64> {
    (-9..=15).map(|power: i32| match power {
        0.. => (0..power).fold(1.0, |decade, _| decade * 10.0),
        _ => 1.0 / (power..0).fold(1.0, |decade, _| decade * 10.0),
    })
}

/// The binary logarithm of a number above 0, to forty binary places.
pub fn log2(number: f64) -> f64 {
    let (mut number, mut whole) = (number, 0.0);
    while number >= 2.0 {
        (number, whole) = (number / 2.0, whole + 1.0);
    }
    while number > 0.0 && number < 1.0 {
        (number, whole) = (number * 2.0, whole - 1.0);
    }
    let mut place = 1.0;
    for _ in 0..40 {
        number *= number;
        place /= 2.0;
        if number >= 2.0 {
            (number, whole) = (number / 2.0, whole + place);
        }
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_logarithm_is_the_one_of_the_books() {
        for number in [0.001, 0.5, 1.0, 2.0, 3.0, 10.0, 4_096.0, 123_456.789] {
            assert!((log2(number) - f64::log2(number)).abs() < 1e-9, "{number}");
        }
    }

    #[test]
    fn ticks_are_round_and_not_too_many() {
        let linear = Scale::from_zero([420_000.0, 12.0].into_iter());
        assert_eq!(linear, Scale::Linear { from: 0.0, to: 500_000.0 });
        assert_eq!(linear.ticks(), [0.0, 1e5, 2e5, 3e5, 4e5, 5e5]);
        let log = Scale::log_around([0.9, 700.0].into_iter());
        assert_eq!(log, Scale::Log { from: 0.5, to: 1_000.0 });
        assert_eq!(log.ticks(), [1.0, 10.0, 100.0, 1_000.0]);
        assert_eq!(Scale::Log { from: 1.0, to: 20.0 }.ticks(), [1.0, 2.0, 5.0, 10.0, 20.0]);
        assert_eq!(Scale::from_zero(std::iter::empty()).ticks().len(), 7);
    }

    #[test]
    fn a_value_lies_between_the_ends() {
        let log = Scale::Log { from: 1.0, to: 256.0 };
        assert_eq!([1.0, 16.0, 256.0].map(|value| log.place(value)), [0.0, 0.5, 1.0]);
        assert_eq!([0.0, 3.0].map(|place| Scale::Places(4).place(place)), [0.125, 0.875]);
    }
}
