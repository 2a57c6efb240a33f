//! The keys that a workload draws, in integers.

use crate::Keys;
use klab_machine::random::Stream;
use klab_wire::Payload;
use std::sync::Arc;

/// A source of keys.
#[derive(Clone, Debug)]
pub(crate) enum KeySource {
    None,
    Uniform { count: u64 },
    Zipf(Arc<ZipfTable>),
}

/// Bytes of a key: a long, as `LongSerializer` writes it.
const KEY_SIZE: u32 = 8;

impl KeySource {
    pub(crate) fn new(keys: Keys) -> Self {
        match keys {
            Keys::None => KeySource::None,
            Keys::Uniform { count } => KeySource::Uniform { count: count.max(1) },
            Keys::Zipf { count, exponent_permille } => {
                KeySource::Zipf(Arc::new(ZipfTable::new(count.max(1), exponent_permille)))
            }
        }
    }

    /// The next record's key.
    pub(crate) fn draw(&self, stream: &mut Stream) -> Option<Payload> {
        let number = match self {
            KeySource::None => return None,
            KeySource::Uniform { count } => stream.below(*count),
            KeySource::Zipf(table) => table.pick(stream.below(table.end())),
        };
        Some(Payload::Number { number, size: KEY_SIZE })
    }
}

/// The weights 1 / kˢ of Zipf's law, added up.
#[derive(Clone, Debug)]
pub(crate) struct ZipfTable {
    cumulative: Vec<u64>,
}

/// The weight of the first key; the rarest keys keep at least 1.
const FIRST_WEIGHT: u64 = 1 << 32;
/// Binary digits after the point in the arithmetic below.
const POINT: u32 = 32;

impl ZipfTable {
    fn new(count: u32, exponent_permille: u32) -> Self {
        let weight = |rank: u32| {
            let exponent = log2(rank) * u128::from(exponent_permille) / 1000;
            (u128::from(FIRST_WEIGHT) << POINT).checked_div(exp2(exponent)).unwrap_or(0).max(1)
                as u64
        };
        let cumulative = (1..=count)
            .scan(0u64, |sum, rank| {
                *sum += weight(rank);
                Some(*sum)
            })
            .collect();
        ZipfTable { cumulative }
    }

    fn end(&self) -> u64 {
        *self.cumulative.last().expect("there is a key")
    }

    fn pick(&self, drawn: u64) -> u64 {
        self.cumulative.partition_point(|sum| *sum <= drawn) as u64
    }
}

/// log₂ of a whole number, fixed-point: the digits come out one by one by squaring.
fn log2(number: u32) -> u128 {
    let whole = number.ilog2();
    let mut mantissa = (u128::from(number) << 62) >> whole;
    let mut result = u128::from(whole);
    for _ in 0..POINT {
        mantissa = (mantissa * mantissa) >> 62;
        result <<= 1;
        if mantissa >= 2 << 62 {
            mantissa >>= 1;
            result |= 1;
        }
    }
    result
}

/// 2 to a fixed-point power, fixed-point; 0 when it is beyond all weights.
fn exp2(exponent: u128) -> u128 {
    let whole = (exponent >> POINT) as u32;
    if whole > 32 {
        return 0;
    }
    // The factor of each digit is the square root of the one before, beginning with 2.
    let (mut factor, mut power) = (2u128 << 62, 1u128 << 62);
    for digit in (0..POINT).rev() {
        factor = (factor << 62).isqrt();
        if exponent >> digit & 1 == 1 {
            power = (power * factor) >> 62;
        }
    }
    power >> (62 - POINT) << whole
}

#[cfg(test)]
mod tests {
    use super::*;
    use klab_machine::random::stream;

    fn weights(count: u32, exponent_permille: u32) -> Vec<u64> {
        let table = ZipfTable::new(count, exponent_permille);
        let mut before = 0;
        let weigh = |sum: &u64| {
            let weight = *sum - before;
            before = *sum;
            weight
        };
        table.cumulative.iter().map(weigh).collect()
    }

    #[test]
    fn the_weights_follow_the_power_law() {
        let is_close = |a: u64, b: u64| a.abs_diff(b) <= b / 100_000 + 1;
        for (rank, weight) in (1..).zip(weights(50, 1000)) {
            assert!(is_close(weight, FIRST_WEIGHT / rank), "1/{rank}");
        }
        for (rank, weight) in (1..).zip(weights(50, 2000)) {
            assert!(is_close(weight, FIRST_WEIGHT / (rank * rank)), "1/{rank} squared");
        }
        let halves = weights(16, 500);
        assert!(is_close(halves[15], FIRST_WEIGHT / 4), "the square root of 16 is 4");
        assert!(weights(10, 0).iter().all(|weight| is_close(*weight, FIRST_WEIGHT)));
    }

    #[test]
    fn the_rarest_key_can_still_be_drawn() {
        assert_eq!(weights(1_000, 9_000).last(), Some(&1));
    }

    #[test]
    fn the_first_key_is_drawn_most_often() {
        let source = KeySource::new(Keys::Zipf { count: 10, exponent_permille: 1200 });
        let mut stream = stream(3, "keys", []);
        let mut counts = [0u32; 10];
        for _ in 0..1000 {
            let Some(Payload::Number { number, size: 8 }) = source.draw(&mut stream) else {
                panic!("a key of 8 bytes")
            };
            counts[number as usize] += 1;
        }
        assert!(counts[0] > counts[1] && counts[1] > counts[5] && counts[9] > 0, "{counts:?}");
    }
}
