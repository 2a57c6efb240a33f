//! The shape of a curve, and its knee.
//!
//! Of what should be **more**, the plateau is where the curve is within a tenth of its highest; the knee is where it is
//! reached: what is added after it brings nothing. Of what should be **less**, the knee is the last point before the curve
//! is above twice its lowest, and does not come back below.

#![allow(clippy::float_arithmetic, reason = "the lab draws, and drawing is done in floats")]

use super::quantity::Sense;

/// What share of the highest is the plateau.
const PLATEAU: f64 = 0.9;
/// What multiple of the lowest is too much.
const TOO_MUCH: f64 = 2.0;

/// The shape of a curve: places of its points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// It is nearly the same everywhere.
    Flat,
    /// It rises all the way: its plateau is not in the picture.
    Rises,
    /// It falls all the way.
    Falls,
    /// It has a knee.
    Bends {
        /// The point at which the plateau is reached, or the last good one.
        knee: usize,
        /// The last point of the plateau, which may have a [dip](Shape::dip) before it.
        until: usize,
    },
}

impl Shape {
    /// The shape of a curve with these values.
    pub fn of(values: &[f64], sense: Sense) -> Self {
        let highest = values.iter().copied().fold(0.0, f64::max);
        let lowest = values.iter().copied().fold(f64::INFINITY, f64::min);
        let last = values.len().saturating_sub(1);
        match sense {
            _ if lowest >= highest * PLATEAU => Shape::Flat,
            Sense::More => {
                let is_high = |value: &f64| *value >= highest * PLATEAU;
                let knee = values.iter().position(is_high).unwrap_or(0);
                let until = values.iter().rposition(is_high).unwrap_or(last);
                match (knee, until) {
                    (knee, _) if knee == last => Shape::Rises,
                    (0, 0) => Shape::Falls,
                    (knee, until) => Shape::Bends { knee, until },
                }
            }
            Sense::Less => {
                let is_good = |value: &f64| *value <= lowest * TOO_MUCH;
                let first = values.iter().position(is_good).unwrap_or(0);
                match values.iter().rposition(is_good) {
                    Some(knee) if knee < last => Shape::Bends { knee, until: last },
                    _ if first > 0 => Shape::Falls,
                    _ if values.first() < values.last() => Shape::Rises,
                    _ => Shape::Falls,
                }
            }
        }
    }

    /// The lowest point between the ends of a plateau of what should be more, if it is below the plateau.
    pub fn dip(values: &[f64], knee: usize, until: usize) -> Option<usize> {
        let highest = values.iter().copied().fold(0.0, f64::max);
        let between = (knee..=until).filter(|place| values[*place] < highest * PLATEAU);
        between.min_by(|one, other| values[*one].total_cmp(&values[*other]))
    }

    /// The point that is marked in the picture.
    pub fn knee(self) -> Option<usize> {
        match self {
            Shape::Bends { knee, .. } => Some(knee),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_knee_of_what_should_be_more_is_where_the_plateau_begins() {
        let cases: &[(&[f64], Shape)] = &[
            (&[100.0, 200.0, 380.0, 400.0, 410.0], Shape::Bends { knee: 2, until: 4 }),
            (&[100.0, 200.0, 400.0, 390.0, 120.0], Shape::Bends { knee: 2, until: 3 }),
            (&[100.0, 200.0, 400.0], Shape::Rises),
            (&[400.0, 200.0, 100.0], Shape::Falls),
            (&[400.0, 390.0, 200.0, 100.0], Shape::Bends { knee: 0, until: 1 }),
            (&[100.0, 101.0, 99.0], Shape::Flat),
            (&[], Shape::Flat),
        ];
        for (values, shape) in cases {
            assert_eq!(Shape::of(values, Sense::More), *shape, "{values:?}");
        }
    }

    #[test]
    fn a_plateau_may_have_a_dip() {
        assert_eq!(Shape::dip(&[100.0, 400.0, 390.0, 395.0], 1, 3), None);
        assert_eq!(Shape::dip(&[100.0, 400.0, 340.0, 330.0, 395.0], 1, 4), Some(3));
    }

    #[test]
    fn the_knee_of_what_should_be_less_is_the_last_good_point() {
        let cases: &[(&[f64], Shape)] = &[
            (&[3.0, 3.1, 4.0, 9.0, 80.0], Shape::Bends { knee: 2, until: 4 }),
            (&[3.0, 3.1, 3.2], Shape::Flat),
            (&[3.0, 4.0, 5.0], Shape::Rises),
            (&[50.0, 9.0, 5.0], Shape::Falls),
            (&[5.0, 4.0, 3.0], Shape::Falls),
        ];
        for (values, shape) in cases {
            assert_eq!(Shape::of(values, Sense::Less), *shape, "{values:?}");
        }
    }
}
