//! A run's fingerprint: a running digest of its trace, equal on every machine.
//!
//! Rust's `Hash` feeds numbers in the byte order and word size of the machine; this hasher feeds everything
//! as 64-bit words, so that wasm and native digests agree. It has no secret and keeps out no forger; it
//! tells two traces apart.

use std::hash::{Hash, Hasher};

/// A digest of everything that was fed into it, in order.
///
/// One multiplication a word: a digest of bytes would cost more than everything else that the engine does
/// for an event.
#[derive(Clone, Default)]
pub struct Fingerprint {
    state: u64,
}

/// Bytes of a word.
const WORD: usize = 8;

impl Fingerprint {
    /// The digest of nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Feeds one entry.
    pub fn add(&mut self, entry: &impl Hash) {
        entry.hash(self);
    }

    /// The digest so far, as 16 hexadecimal digits.
    pub fn hex(&self) -> String {
        format!("{:016x}", self.finish())
    }

    /// Nothing is lost here: traces that differ in a word have different states behind it, and what
    /// follows can make them equal again by chance only, one in 2^64.
    #[inline]
    fn feed(&mut self, word: u64) {
        self.state = (self.state ^ word).wrapping_mul(ODD).rotate_left(23);
    }
}

/// Fewer bytes than a word has, as one, the first byte lowest. The two halves may overlap: where they do, they
/// are the same.
#[inline]
fn left_over(bytes: &[u8]) -> u64 {
    const HALF: usize = WORD / 2;
    match (bytes.first_chunk::<HALF>(), bytes.last_chunk::<HALF>()) {
        (Some(first), Some(last)) => {
            let shift = 8 * (bytes.len() - HALF);
            u64::from(u32::from_le_bytes(*first)) | u64::from(u32::from_le_bytes(*last)) << shift
        }
        _ => bytes.iter().rev().fold(0, |word, byte| (word << 8) | u64::from(*byte)),
    }
}

/// An odd number with its bits well spread: a product with it loses nothing. A bit moves those above it, and the
/// rotation takes the highest ones down again.
const ODD: u64 = 0xbf58_476d_1ce4_e5b9;

/// SplitMix64's output function (Steele, Lea and Flood, OOPSLA 2014): every bit of a number moves about half of
/// the result's, and no two numbers have the same.
const fn mixed(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(ODD);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

impl std::fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.hex())
    }
}

macro_rules! widened {
    ($($method:ident($number:ty);)*) => {$(
        #[inline]
        fn $method(&mut self, number: $number) {
            self.feed(number as u64);
        }
    )*};
}

impl Hasher for Fingerprint {
    /// Whole words, then one with the bytes left over and how many they are.
    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        let mut words = bytes.chunks_exact(WORD);
        for word in &mut words {
            self.feed(u64::from_le_bytes(word.try_into().expect("a chunk is as long as a word")));
        }
        let rest = words.remainder();
        self.feed(left_over(rest) | ((rest.len() as u64) << 56));
    }

    widened! {
        write_u8(u8);
        write_u16(u16);
        write_u32(u32);
        write_u64(u64);
        write_usize(usize);
        write_i8(i8);
        write_i16(i16);
        write_i32(i32);
        write_i64(i64);
        write_isize(isize);
    }

    fn write_u128(&mut self, number: u128) {
        self.feed(number as u64);
        self.feed((number >> 64) as u64);
    }

    fn finish(&self) -> u64 {
        mixed(self.state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(fed: &(impl Hash + ?Sized)) -> String {
        let mut fingerprint = Fingerprint::new();
        fingerprint.add(&fed);
        fingerprint.hex()
    }

    #[test]
    fn a_fingerprint_depends_on_content_and_order() {
        assert_eq!(of(&[(1, "a"), (2, "b")]), of(&[(1, "a"), (2, "b")]));
        assert_ne!(of(&[(1, "a"), (2, "b")]), of(&[(2, "b"), (1, "a")]));
    }

    #[test]
    fn left_over_bytes_are_a_word_with_the_first_one_lowest() {
        let bytes = [0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77];
        let word = |count: usize| 0x77_6655_4433_2211 & ((1_u64 << (8 * count)) - 1);
        (0..WORD).for_each(|count| assert_eq!(left_over(&bytes[..count]), word(count)));
    }

    #[test]
    fn it_is_the_same_on_every_machine() {
        assert_eq!(of(&(1_u8, 2_i32, "a topic of several words")), "ec319ca3362ce9fe");
    }

    #[test]
    fn the_number_of_left_over_bytes_counts() {
        let strings =
            ["orders", "orders\0", "orders-0", "orders-0\0", "", "\0", "abcdefg", "abcdefg\x07"];
        let digests: std::collections::BTreeSet<String> = strings.iter().map(|s| of(*s)).collect();
        assert_eq!(digests.len(), strings.len());
    }

    #[test]
    fn numbers_that_differ_in_one_bit_differ_in_about_half_the_bits_of_their_digests() {
        let digest = |word: u64| {
            let mut fingerprint = Fingerprint::new();
            fingerprint.write_u64(word);
            fingerprint.finish()
        };
        for bit in 0..64 {
            let differing = (digest(0x5eed) ^ digest(0x5eed ^ (1 << bit))).count_ones();
            assert!((12..=52).contains(&differing), "bit {bit}: {differing}");
        }
    }
}
