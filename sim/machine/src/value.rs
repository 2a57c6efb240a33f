//! The number that a record has for its value: which producer, which of its lives, how many it sent before.
//!
//! So no value is ever repeated, a restarted producer needs no memory, and a reader sees whose a record is.
//! The calls of a client are numbered in the same way.

use klab_wire::{IncarnationId, NodeId};
use std::fmt;

/// Bits for the life of the process and the counter below it.
const PRODUCER_SHIFT: u32 = 40;
/// Bits for the counter alone.
const LIFE_SHIFT: u32 = 32;

/// A value, printed as `p1/1966`, or `p1.2/1966` in the second life of its producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Value(pub u64);

impl Value {
    /// The first value of a client in this life.
    pub fn first_of(client: NodeId, life: IncarnationId) -> Self {
        let life = life.0;
        assert!(life < 1 << (PRODUCER_SHIFT - LIFE_SHIFT), "life {life} has no numbers left");
        Value(u64::from(client.number) << PRODUCER_SHIFT | life << LIFE_SHIFT)
    }

    /// Which producer (`p<number>`) wrote it; 0 for a value that no producer of a scenario has.
    pub const fn producer(self) -> u16 {
        (self.0 >> PRODUCER_SHIFT) as u16
    }

    /// In which of its lives.
    pub const fn life(self) -> u64 {
        (self.0 >> LIFE_SHIFT) & ((1 << (PRODUCER_SHIFT - LIFE_SHIFT)) - 1)
    }

    /// How many it had sent before in this life.
    pub const fn count(self) -> u64 {
        self.0 & ((1 << LIFE_SHIFT) - 1)
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.producer(), self.life()) {
            (0, _) => write!(f, "{}", self.0),
            (producer, 0 | 1) => write!(f, "p{producer}/{}", self.count()),
            (producer, life) => write!(f, "p{producer}.{life}/{}", self.count()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(producer: u16, life: u64, count: u64) -> Value {
        Value(Value::first_of(NodeId::producer(producer), IncarnationId(life)).0 + count)
    }

    #[test]
    fn a_value_says_whose_it_is() {
        let value = value(7, 255, 12);
        assert_eq!((value.producer(), value.life(), value.count()), (7, 255, 12));
    }

    #[test]
    fn a_value_is_printed_with_its_producer_and_its_life_if_that_is_not_the_first() {
        let printed =
            [value(1, 1, 1966), value(1, 2, 3), Value(105)].map(|value| value.to_string());
        assert_eq!(printed, ["p1/1966", "p1.2/3", "105"]);
    }
}
