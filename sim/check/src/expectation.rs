//! What a scenario expects, counted while the run goes on.

use crate::promise::Promise;
use crate::verdict::{PromiseVerdict, Status};
use klab_machine::fact::{Fact, FactSet};
use klab_wire::NodeId;
use serde::Serialize;

/// One `[[expect]]` of a scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expectation {
    /// The promise is kept: not even a permitted break.
    Always(Promise),
    /// The promise is broken, as a lesson shows it; violated or permitted.
    Violated {
        /// The promise.
        promise: Promise,
        /// The setting that permits it, as [`Setting`](crate::Setting) prints it; any, if none is named.
        permitted_by: Option<String>,
    },
    /// The fact happens at least and at most so many times.
    Sometimes {
        /// The fact's name.
        fact: String,
        /// What its fields must be; `node` is the node that states it.
        filters: Vec<Filter>,
        /// How often at least.
        at_least: u64,
        /// How often at most.
        at_most: Option<u64>,
    },
    /// The fact does not happen.
    Never {
        /// The fact's name.
        fact: String,
        /// What its fields must be; `node` is the node that states it.
        filters: Vec<Filter>,
    },
}

/// A field of a fact and the value it must have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// The field's name.
    pub field: String,
    /// Its value as facts print it; an optional value without its `Some(..)`, a text without quotes.
    pub value: String,
}

/// What became of an expectation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ExpectationVerdict {
    /// The expectation in words.
    pub expectation: String,
    /// Whether it was met.
    pub met: Expected,
    /// How often the fact happened, or the promise was broken.
    pub count: u64,
}

/// How an expectation was met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Expected {
    /// It was met.
    Met,
    /// It was not met, and that is a failure.
    Unmet,
    /// What should always hold was broken, but only as the settings permit.
    Permitted,
    /// What should have happened did not: the run shows nothing.
    Vacuous,
}

/// What every batch brings about, for those who follow a record through the trace: no promise is about it.
const STEPS_OF_A_BATCH: [&str; 4] =
    ["BatchSent", "ProduceParked", "FollowerFetched", "BatchAcknowledged"];

/// The facts that a judge with these expectations need not be shown.
pub fn disregarded(expectations: &[Expectation]) -> FactSet {
    let is_wanted = |name| expectations.iter().any(|one| one.fact() == Some(name));
    FactSet::named(|name| STEPS_OF_A_BATCH.contains(&name) && !is_wanted(name))
}

/// Counts the facts that expectations name.
#[derive(Clone, Debug)]
pub(crate) struct Expectations {
    expected: Vec<(Expectation, u64)>,
    /// The facts that some expectation is about.
    wanted: FactSet,
}

impl Expectations {
    pub(crate) fn new(expected: Vec<Expectation>) -> Self {
        let is_wanted = |name| expected.iter().any(|one| one.fact() == Some(name));
        let wanted = FactSet::named(is_wanted);
        Expectations { expected: expected.into_iter().map(|one| (one, 0)).collect(), wanted }
    }

    #[inline]
    pub(crate) fn watch(&mut self, node: NodeId, fact: &Fact) {
        if self.wanted.has(fact) {
            self.count(node, fact);
        }
    }

    fn count(&mut self, node: NodeId, fact: &Fact) {
        for (expectation, count) in &mut self.expected {
            *count += u64::from(expectation.counts(node, fact));
        }
    }

    /// Holds the counts and the promises against what was expected.
    pub(crate) fn verdicts(&self, promises: &[PromiseVerdict]) -> Vec<ExpectationVerdict> {
        let verdict = |(expectation, count): &(Expectation, u64)| {
            let (met, count) = expectation.judge(*count, promises);
            ExpectationVerdict { expectation: expectation.to_string(), met, count }
        };
        self.expected.iter().map(verdict).collect()
    }

    /// The promises that the scenario expects to see broken.
    pub(crate) fn expects_broken(&self, promise: Promise) -> bool {
        self.expected.iter().any(
            |(one, _)| matches!(one, Expectation::Violated { promise: p, .. } if *p == promise),
        )
    }
}

impl Expectation {
    fn fact(&self) -> Option<&str> {
        match self {
            Expectation::Sometimes { fact, .. } | Expectation::Never { fact, .. } => Some(fact),
            Expectation::Always(_) | Expectation::Violated { .. } => None,
        }
    }

    fn counts(&self, node: NodeId, stated: &Fact) -> bool {
        match self {
            Expectation::Sometimes { fact, filters, .. } | Expectation::Never { fact, filters } => {
                stated.name() == fact && filters.iter().all(|filter| filter.admits(node, stated))
            }
            Expectation::Always(_) | Expectation::Violated { .. } => false,
        }
    }

    fn judge(&self, count: u64, promises: &[PromiseVerdict]) -> (Expected, u64) {
        match self {
            Expectation::Always(promise) => judge_always(&promises[*promise as usize]),
            Expectation::Violated { promise, permitted_by } => {
                judge_violated(&promises[*promise as usize], permitted_by.as_deref())
            }
            Expectation::Sometimes { at_least, at_most, .. } => {
                (judge_sometimes(count, *at_least, *at_most), count)
            }
            Expectation::Never { .. } if count == 0 => (Expected::Met, 0),
            Expectation::Never { .. } => (Expected::Unmet, count),
        }
    }
}

fn judge_always(verdict: &PromiseVerdict) -> (Expected, u64) {
    let broken = verdict.violations + verdict.permitted;
    let met = match verdict.status {
        Status::Kept => Expected::Met,
        Status::NotChecked => Expected::Vacuous,
        Status::Violated => Expected::Unmet,
        Status::Permitted => Expected::Permitted,
    };
    (met, broken)
}

fn judge_violated(verdict: &PromiseVerdict, permitted_by: Option<&str>) -> (Expected, u64) {
    let by = |wanted: &str| verdict.permitted_by.iter().any(|s| s.to_string() == wanted);
    let broken = verdict.violations + verdict.permitted;
    let met = match permitted_by {
        _ if broken == 0 => Expected::Vacuous,
        Some(wanted) if verdict.violations > 0 || !by(wanted) => Expected::Unmet,
        _ => Expected::Met,
    };
    (met, broken)
}

const fn judge_sometimes(count: u64, at_least: u64, at_most: Option<u64>) -> Expected {
    match at_most {
        _ if count < at_least => Expected::Vacuous,
        Some(most) if count > most => Expected::Unmet,
        _ => Expected::Met,
    }
}

impl Filter {
    fn admits(&self, node: NodeId, fact: &Fact) -> bool {
        match self.field.as_str() {
            "node" => node.to_string() == self.value,
            field => fact.field(field).is_some_and(|value| reads_as(&value, &self.value)),
        }
    }
}

/// Whether a field's text means the wanted value: with or without `Some(..)` and quotes.
fn reads_as(value: &str, wanted: &str) -> bool {
    let inner = value.strip_prefix("Some(").and_then(|v| v.strip_suffix(')')).unwrap_or(value);
    let unquoted = inner.strip_prefix('"').and_then(|v| v.strip_suffix('"')).unwrap_or(inner);
    value == wanted || inner == wanted || unquoted == wanted
}

impl std::fmt::Display for Expectation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Expectation::Always(promise) => write!(f, "always {promise}"),
            Expectation::Violated { promise, permitted_by: None } => {
                write!(f, "violated {promise}")
            }
            Expectation::Violated { promise, permitted_by: Some(setting) } => {
                write!(f, "violated {promise}, permitted by {setting}")
            }
            Expectation::Sometimes { fact, filters, at_least, at_most } => {
                write!(f, "sometimes {fact}")?;
                filters.iter().try_for_each(|filter| write!(f, " {filter}"))?;
                if *at_least != 1 {
                    write!(f, ", at least {at_least} times")?;
                }
                at_most.map_or(Ok(()), |most| write!(f, ", at most {most} times"))
            }
            Expectation::Never { fact, filters } => {
                write!(f, "never {fact}")?;
                filters.iter().try_for_each(|filter| write!(f, " {filter}"))
            }
        }
    }
}

impl std::fmt::Display for Filter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}={}", self.field, self.value)
    }
}
