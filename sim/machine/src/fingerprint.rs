//! A run's fingerprint: a running digest of its trace, equal on every machine.
//!
//! Rust's `Hash` feeds numbers in the byte order and word size of the machine; this hasher feeds them
//! as 64-bit little-endian words, so that wasm and native digests agree.

use std::hash::{Hash, Hasher};
use xxhash_rust::xxh3::Xxh3;

/// A digest of everything that was fed into it, in order.
#[derive(Clone)]
pub struct Fingerprint(Box<Xxh3>);

impl Fingerprint {
    /// The digest of nothing yet.
    pub fn new() -> Self {
        Fingerprint(Box::new(Xxh3::new()))
    }

    /// Feeds one entry.
    pub fn add(&mut self, entry: &impl Hash) {
        entry.hash(self);
    }

    /// The digest so far, as 16 hexadecimal digits.
    pub fn hex(&self) -> String {
        format!("{:016x}", self.0.digest())
    }
}

impl Default for Fingerprint {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.hex())
    }
}

macro_rules! widened {
    ($($method:ident($number:ty);)*) => {$(
        fn $method(&mut self, number: $number) {
            self.write_u64(number as u64);
        }
    )*};
}

impl Hasher for Fingerprint {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn write_u64(&mut self, number: u64) {
        self.0.update(&number.to_le_bytes());
    }

    widened! {
        write_u8(u8);
        write_u16(u16);
        write_u32(u32);
        write_usize(usize);
        write_i8(i8);
        write_i16(i16);
        write_i32(i32);
        write_i64(i64);
        write_isize(isize);
    }

    fn write_u128(&mut self, number: u128) {
        self.0.update(&number.to_le_bytes());
    }

    fn finish(&self) -> u64 {
        self.0.digest()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_depends_on_content_and_order() {
        let of = |entries: &[(u32, &str)]| {
            let mut fingerprint = Fingerprint::new();
            entries.iter().for_each(|entry| fingerprint.add(entry));
            fingerprint.hex()
        };
        assert_eq!(of(&[(1, "a"), (2, "b")]), of(&[(1, "a"), (2, "b")]));
        assert_ne!(of(&[(1, "a"), (2, "b")]), of(&[(2, "b"), (1, "a")]));
        assert_eq!(of(&[]), "2d06800538d394c2");
    }
}
