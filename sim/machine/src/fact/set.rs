//! A set of kinds of facts: what an observer wants, or does not want, to be told.

use super::Fact;

/// Kinds of facts, one bit each, by their numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FactSet([u64; WORDS]);

/// Words of a set.
const WORDS: usize = 4;

impl FactSet {
    /// The facts whose names are wanted.
    pub fn named(is_wanted: impl Fn(&'static str) -> bool) -> Self {
        let mut set = Self::default();
        for (number, name) in Fact::names().enumerate() {
            set.0[number / 64] |= u64::from(is_wanted(name)) << (number % 64);
        }
        set
    }

    /// Facts of this kind are in it.
    #[inline]
    pub const fn has(&self, fact: &Fact) -> bool {
        let number = fact.number();
        self.0[(number / 64) as usize % WORDS] >> (number % 64) & 1 == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fact::WorldFact;

    #[test]
    fn a_set_has_what_was_named() {
        assert!(Fact::names().count() <= 64 * WORDS, "every fact has a bit");
        let healing = Fact::World(WorldFact::HealingBegan {});
        let crash = Fact::World(WorldFact::ProcessCrashed {});
        let set = FactSet::named(|name| name == "HealingBegan");
        assert!(set.has(&healing) && !set.has(&crash));
        let all = FactSet::named(|_| true);
        assert!(all.has(&healing) && all.has(&crash));
    }
}
