//! How the values of a sweep lie along an axis: as numbers if they are numbers, side by side if they are words.

#![allow(clippy::float_arithmetic, reason = "the lab draws, and drawing is done in floats")]

use crate::picture::chart::Axis;
use crate::picture::scale::Scale;
use klab_scenario::amount;

/// From which ratio of the last to the first value on equal ratios are equal steps.
const WIDE: f64 = 15.0;

/// The axis of these values, and where each lies on it.
pub fn axis(key: &str, values: &[String]) -> (Axis, Vec<f64>) {
    let (scale, places) = match numbers(values) {
        Some(numbers) => laid_out(numbers),
        None => side_by_side(values.len()),
    };
    let ticks = places.iter().copied().zip(values.iter().cloned()).collect();
    (Axis { label: key.to_string(), scale, ticks }, places)
}

fn laid_out(numbers: Vec<f64>) -> (Scale, Vec<f64>) {
    let lowest = numbers.iter().copied().fold(f64::INFINITY, f64::min);
    let highest = numbers.iter().copied().fold(0.0, f64::max);
    let scale = match lowest > 0.0 {
        true if highest / lowest >= WIDE => Scale::Log { from: lowest / 1.25, to: highest * 1.25 },
        // A zero has no place among ratios.
        false if numbers.len() > 2 => return side_by_side(numbers.len()),
        _ => {
            let room = (highest - lowest) * 0.04;
            Scale::Linear { from: lowest - room, to: highest + room }
        }
    };
    (scale, numbers)
}

fn side_by_side(count: usize) -> (Scale, Vec<f64>) {
    (Scale::Places(count), (0..count).map(|place| place as f64).collect())
}

/// The values as numbers of one unit, growing; none if they are something else.
fn numbers(values: &[String]) -> Option<Vec<f64>> {
    let plain = || values.iter().map(|value| value.parse::<f64>().ok()).collect::<Option<Vec<_>>>();
    let spans = || {
        let span = |value: &String| Some(amount::span(value)?.0 as f64 / 1e6);
        values.iter().map(span).collect::<Option<Vec<_>>>()
    };
    let numbers = plain().or_else(spans).or_else(|| suffixed(values))?;
    let grows = numbers.iter().zip(&numbers[1..]).all(|(one, next)| one < next);
    (grows && numbers.iter().all(|number| number.is_finite() && *number >= 0.0)).then_some(numbers)
}

/// `100/s` and `200/s`, `16KiB` and `64KiB`: numbers with the same end.
fn suffixed(values: &[String]) -> Option<Vec<f64>> {
    let split = |value: &String| {
        let end = value.find(|letter: char| !letter.is_ascii_digit() && letter != '.')?;
        Some((value[..end].parse::<f64>().ok()?, value[end..].to_string()))
    };
    let parts = values.iter().map(split).collect::<Option<Vec<_>>>()?;
    let unit = &parts.first()?.1;
    parts
        .iter()
        .all(|(_, other)| other == unit)
        .then(|| parts.iter().map(|(number, _)| *number).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scale(values: &[&str]) -> Scale {
        axis("key", &values.iter().map(ToString::to_string).collect::<Vec<_>>()).0.scale
    }

    #[test]
    fn numbers_lie_by_their_size_and_words_side_by_side() {
        assert_eq!(scale(&["1", "all"]), Scale::Places(2));
        assert_eq!(scale(&["0", "1", "5", "100"]), Scale::Places(4));
        assert_eq!(scale(&["4", "2"]), Scale::Places(2));
        assert!(matches!(scale(&["1", "2", "4096"]), Scale::Log { .. }));
        assert!(matches!(scale(&["1", "2", "3"]), Scale::Linear { .. }));
        assert!(matches!(scale(&["1ms", "10ms", "1s"]), Scale::Log { .. }));
        assert!(matches!(scale(&["100/s", "200/s"]), Scale::Linear { .. }));
        assert!(matches!(scale(&["1KiB", "64KiB"]), Scale::Log { .. }));
    }
}
