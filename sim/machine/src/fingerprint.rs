//! A run's fingerprint: a running digest of its trace, equal on every machine.
//!
//! Rust's `Hash` feeds numbers in the byte order and word size of the machine; this hasher feeds them
//! as 64-bit little-endian words, so that wasm and native digests agree.

use std::hash::{Hash, Hasher};
use xxhash_rust::xxh3::Xxh3;

/// A digest of everything that was fed into it, in order.
///
/// Words are gathered first and digested many at a time: fed one by one they would cost more than
/// everything else the engine does for an event.
#[derive(Clone)]
pub struct Fingerprint(Box<State>);

#[derive(Clone)]
struct State {
    digest: Xxh3,
    gathered: [u8; GATHERED],
    filled: usize,
}

/// So many bytes are gathered.
const GATHERED: usize = 1024;

impl Fingerprint {
    /// The digest of nothing yet.
    pub fn new() -> Self {
        let (digest, gathered) = (Xxh3::new(), [0; GATHERED]);
        Fingerprint(Box::new(State { digest, gathered, filled: 0 }))
    }

    /// Feeds one entry.
    pub fn add(&mut self, entry: &impl Hash) {
        entry.hash(self);
    }

    /// The digest so far, as 16 hexadecimal digits.
    pub fn hex(&self) -> String {
        format!("{:016x}", self.0.finish())
    }
}

impl State {
    fn add(&mut self, bytes: &[u8]) {
        if self.filled + bytes.len() > GATHERED {
            self.digest.update(&self.gathered[..self.filled]);
            self.filled = 0;
        }
        match self.gathered.get_mut(self.filled..self.filled + bytes.len()) {
            Some(free) => {
                free.copy_from_slice(bytes);
                self.filled += bytes.len();
            }
            None => self.digest.update(bytes), // More than is ever gathered, and nothing before it.
        }
    }

    fn finish(&self) -> u64 {
        let mut digest = self.digest.clone();
        digest.update(&self.gathered[..self.filled]);
        digest.digest()
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
        self.0.add(bytes);
    }

    fn write_u64(&mut self, number: u64) {
        self.0.add(&number.to_le_bytes());
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
        self.0.add(&number.to_le_bytes());
    }

    fn finish(&self) -> u64 {
        self.0.finish()
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

    #[test]
    fn gathering_changes_no_digest() {
        let words: Vec<u64> = (0..1_000).collect();
        let long = [7; 3 * GATHERED];
        let (mut gathered, mut direct) = (Fingerprint::new(), Xxh3::new());
        for part in [&words[..10], &words[10..], &words[..3]] {
            part.iter().for_each(|word| {
                gathered.write_u64(*word);
                direct.update(&word.to_le_bytes());
            });
            gathered.write(&long);
            direct.update(&long);
        }
        assert_eq!(gathered.finish(), direct.digest());
    }
}
