//! The words that a scenario may use and only the lab knows all of.

use crate::concepts::CONCEPTS;
use klab_check::PROMISES;
use klab_machine::Fact;
use klab_scenario::Vocabulary;

/// Every fact, promise and concept, by name.
#[derive(Clone, Debug)]
pub struct Words {
    facts: Vec<&'static str>,
    promises: Vec<&'static str>,
    concepts: Vec<&'static str>,
}

impl Words {
    /// All the words there are.
    pub fn all() -> Self {
        Words {
            facts: Fact::names().collect(),
            promises: PROMISES.iter().map(|info| info.promise.name()).collect(),
            concepts: CONCEPTS.iter().map(|concept| concept.name).collect(),
        }
    }

    /// The words as a scenario's parser takes them.
    pub fn vocabulary(&self) -> Vocabulary<'_> {
        Vocabulary { facts: &self.facts, promises: &self.promises, concepts: &self.concepts }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_promise_belongs_to_a_concept() {
        for info in PROMISES {
            let known = crate::concepts::concept(info.concept).is_some();
            assert!(known, "{} belongs to {:?}", info.promise, info.concept);
        }
    }
}
