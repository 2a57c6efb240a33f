//! The judge: one look at every entry, one verdict at the end.

use crate::expectation::{Expectation, Expectations};
use crate::settings::Settings;
use crate::verdict::Verdict;
use klab_machine::trace::Entry;
use klab_wire::Time;

/// Watches a run and judges it.
#[derive(Clone, Debug)]
pub struct Judge {
    settings: Settings,
    expectations: Expectations,
}

/// How the run ended, as its runner saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// When.
    pub time: Time,
    /// Whether the cluster came to rest after healing.
    pub convergence: Convergence,
}

/// Whether the cluster came to rest after healing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Convergence {
    /// The run ended without healing, or nobody looked.
    NotAwaited,
    /// Every partition is led and fully replicated, every broker unfenced.
    Reached {
        /// Since when.
        at: Time,
    },
    /// It did not come to rest in time.
    Missed {
        /// What is still not as it should be, one line each.
        reasons: Vec<String>,
    },
}

impl Judge {
    /// A judge who knows the settings and what is expected.
    pub fn new(settings: Settings, expectations: Vec<Expectation>) -> Self {
        Judge { settings, expectations: Expectations::new(expectations) }
    }

    /// Looks at one entry; entries come in the order of the trace.
    pub fn watch(&mut self, entry: &Entry) {
        self.expectations.watch(entry);
    }

    /// Judges what can be judged only at the end, and sums up.
    pub fn finish(self, _end: End) -> Verdict {
        let _ = self.settings;
        let expectations = self.expectations.verdicts(&[]);
        Verdict {
            outcome: crate::Outcome::AsExpected,
            exit_code: 0,
            promises: Vec::new(),
            expectations,
            unmatched_selectors: Vec::new(),
        }
    }
}
