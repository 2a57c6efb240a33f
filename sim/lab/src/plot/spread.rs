//! Many seeds as one point: the median, and the range.

/// What several seeds say of one point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// The one in the middle; of two the lower, so that it is one that was seen.
    pub median: f64,
    /// The lowest.
    pub low: f64,
    /// The highest.
    pub high: f64,
}

impl Spread {
    /// Of these values, if there are any.
    pub fn of(values: impl Iterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<f64> = values.collect();
        sorted.sort_by(f64::total_cmp);
        let (low, high) = (*sorted.first()?, *sorted.last()?);
        Some(Spread { median: sorted[(sorted.len() - 1) / 2], low, high })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_a_value_that_was_seen() {
        let spread = |values: &[f64]| {
            let spread = Spread::of(values.iter().copied())?;
            Some([spread.low, spread.median, spread.high])
        };
        assert_eq!(spread(&[3.0, 1.0, 2.0]), Some([1.0, 2.0, 3.0]));
        assert_eq!(spread(&[4.0, 1.0, 2.0, 9.0]), Some([1.0, 2.0, 9.0]));
        assert_eq!(spread(&[7.0]), Some([7.0, 7.0, 7.0]));
        assert_eq!(spread(&[]), None);
    }
}
