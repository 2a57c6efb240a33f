//! Randomness: ChaCha, one named stream per purpose and object, integers only.
//!
//! A new draw in one place never moves a draw in another; runs that differ in one setting see the
//! same weather.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// A stream of random numbers that belongs to one purpose.
#[derive(Clone, Debug)]
pub struct Stream(ChaCha8Rng);

/// The stream that `seed` gives to `purpose` for the object that `ids` name.
///
/// `stream(seed, "link", [a, b])`: equal arguments give equal streams, any other argument gives an
/// independent one.
pub fn stream(seed: u64, purpose: &str, ids: impl IntoIterator<Item = u64>) -> Stream {
    let mut name = Vec::with_capacity(purpose.len() + 32);
    name.extend_from_slice(purpose.as_bytes());
    for id in ids {
        name.extend_from_slice(&id.to_le_bytes());
    }
    let mut key = [0; 32];
    for (part, chunk) in key.chunks_exact_mut(8).enumerate() {
        let salted = seed ^ (part as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        chunk.copy_from_slice(&xxh3_64_with_seed(&name, salted).to_le_bytes());
    }
    Stream(ChaCha8Rng::from_seed(key))
}

impl Stream {
    /// Any number.
    #[inline]
    pub fn number(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number below `bound`, each equally likely; `bound` must not be 0.
    #[inline]
    pub fn below(&mut self, bound: u64) -> u64 {
        assert!(bound > 0, "there is no number below 0");
        // Lemire's method: the high half of a product, with the few biased products drawn again. The
        // threshold is below the bound, so that most draws need no division to be accepted.
        loop {
            let product = u128::from(self.number()) * u128::from(bound);
            let low = product as u64;
            if low >= bound || low >= bound.wrapping_neg() % bound {
                return (product >> 64) as u64;
            }
        }
    }

    /// A number from `low` up to and including `high`.
    #[inline]
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        assert!(low <= high, "{low}..={high} is empty");
        match (high - low).checked_add(1) {
            Some(width) => low + self.below(width),
            None => self.number(),
        }
    }

    /// True in `ppm` of a million draws.
    pub fn chance_ppm(&mut self, ppm: u32) -> bool {
        ppm > 0 && self.below(1_000_000) < u64::from(ppm)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(seed: u64, purpose: &str, ids: [u64; 2]) -> u64 {
        stream(seed, purpose, ids).number()
    }

    #[test]
    fn equal_names_give_equal_streams_and_any_other_name_another() {
        let base = first(1, "link", [2, 3]);
        assert_eq!(base, first(1, "link", [2, 3]));
        for other in [first(2, "link", [2, 3]), first(1, "disk", [2, 3]), first(1, "link", [3, 2])]
        {
            assert_ne!(base, other);
        }
    }

    #[test]
    fn draws_stay_within_their_bounds_and_reach_them() {
        let mut stream = stream(7, "test", []);
        let drawn: Vec<u64> = (0..200).map(|_| stream.between(3, 5)).collect();
        assert!(drawn.iter().all(|n| (3..=5).contains(n)));
        assert!((3..=5).all(|n| drawn.contains(&n)));
        assert!(!stream.chance_ppm(0));
        assert!(stream.chance_ppm(1_000_000));
    }
}
