//! The judge: one look at every entry, one verdict at the end.

use crate::ensemble::Ensemble;
use crate::expectation::{Expectation, ExpectationVerdict, Expectations, Expected};
use crate::findings::Findings;
use crate::history::History;
use crate::picture::{Cluster, Decisions, Quorum};
use crate::promise::Promise;
use crate::settings::Settings;
use crate::verdict::{Moment, Outcome, PromiseVerdict, Status, Verdict};
use klab_machine::trace::{Entry, What};
use klab_wire::{NodeId, Time, TopicPartition};
use std::collections::{BTreeMap, BTreeSet};

/// Watches a run and judges it.
///
/// A look at an entry that no promise is about costs a match; one that concerns a partition costs a look-up
/// by its name. Memory grows with the batches that retention keeps and with the records that clients saw,
/// both as ranges.
#[derive(Clone, Debug)]
pub struct Judge {
    expectations: Expectations,
    pub(crate) findings: Findings,
    pub(crate) cluster: Cluster,
    pub(crate) quorum: Quorum,
    pub(crate) ensemble: Ensemble,
    pub(crate) history: History,
    pub(crate) decisions: Decisions,
    pub(crate) starting: Option<Starting>,
    /// Brokers that have not opened their log directory since they were started, and the logs in it that they
    /// have.
    pub(crate) opening: BTreeMap<NodeId, BTreeSet<TopicPartition>>,
    pub(crate) unmatched_selectors: Vec<String>,
}

/// A process that starts in the current step, and opens its metadata log if it has one.
#[derive(Clone, Debug)]
pub(crate) struct Starting {
    pub(crate) at: Moment,
    pub(crate) has_metadata: bool,
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
        /// What is still not as it should be.
        reasons: Vec<Stuck>,
    },
}

/// Something that is not as it should be when the time is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stuck {
    /// What it is, and on whom it waits.
    pub what: String,
    /// The replicas that are out of sync, if it is that.
    pub out_of_sync: Option<(TopicPartition, Vec<NodeId>)>,
}

impl Judge {
    /// A judge who knows the settings and what is expected.
    pub fn new(settings: Settings, expectations: Vec<Expectation>) -> Self {
        Judge {
            expectations: Expectations::new(expectations),
            findings: Findings::new(),
            quorum: Quorum::new(settings.voters.clone()),
            ensemble: Ensemble::new(settings.ensemble.clone()),
            cluster: Cluster::new(settings),
            history: History::default(),
            decisions: Decisions::default(),
            starting: None,
            opening: BTreeMap::new(),
            unmatched_selectors: Vec::new(),
        }
    }

    /// Looks at one entry; entries come in the order of the trace.
    #[inline]
    pub fn watch(&mut self, entry: &Entry) {
        // No promise is about messages: half of a trace.
        if !matches!(entry.what, What::Fate(_)) {
            self.look_at(entry);
        }
    }

    fn look_at(&mut self, entry: &Entry) {
        if self.starting.as_ref().is_some_and(|starting| starting.at.step != entry.step) {
            self.end_start();
        }
        let at = Moment { step: entry.step, time: entry.time, node: entry.node };
        match &entry.what {
            What::Fact(fact) => {
                self.expectations.watch(at.node, fact);
                self.watch_fact(at, fact);
            }
            What::Operation(operation) => {
                self.history.watch(at, operation, &mut self.findings);
                self.watch_keeper(at, operation);
            }
            What::Fate(_) => {}
        }
    }

    /// Judges what can be judged only at the end, and sums up.
    pub fn finish(mut self, end: End) -> Verdict {
        self.end_start();
        let judged = self.history.judge(&self.cluster, &end, &mut self.findings);
        judged.expect("clients number their values, and never send one twice");
        let (promises, anomalies) = self.findings.verdicts();
        let expectations = self.expectations.verdicts(&promises);
        let misses = !self.unmatched_selectors.is_empty();
        let vacuous = misses && !self.cluster.settings.selectors_may_miss;
        let broken = unexpectedly_broken(&promises, &self.expectations);
        let outcome = outcome(&broken, &expectations, vacuous);
        Verdict {
            outcome,
            exit_code: outcome.exit_code(),
            promises,
            anomalies,
            expectations,
            unmatched_selectors: self.unmatched_selectors,
        }
    }
}

/// The promises that were broken against the settings, and that no expectation wants to see broken.
fn unexpectedly_broken(promises: &[PromiseVerdict], expected: &Expectations) -> Vec<Promise> {
    let violated = promises.iter().filter(|verdict| verdict.status == Status::Violated);
    let names = violated.map(|verdict| verdict.promise);
    names.filter(|promise| !expected.expects_broken(*promise)).collect()
}

fn outcome(broken: &[Promise], expectations: &[ExpectationVerdict], vacuous: bool) -> Outcome {
    let liveness = [Promise::EveryOperationEnds, Promise::ClusterConverges];
    let some = |met| expectations.iter().any(|one| one.met == met);
    match broken {
        [_, ..] if !broken.iter().all(|promise| liveness.contains(promise)) => Outcome::Violated,
        [_, ..] => Outcome::NotConverged,
        [] if some(Expected::Unmet) => Outcome::Violated,
        [] if some(Expected::Permitted) => Outcome::Permitted,
        [] if vacuous || some(Expected::Vacuous) => Outcome::Vacuous,
        [] => Outcome::AsExpected,
    }
}
