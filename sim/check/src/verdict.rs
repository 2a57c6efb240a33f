//! The verdict: every promise with its count and its proofs, every expectation, one outcome.

use crate::expectation::ExpectationVerdict;
use crate::history::Anomaly;
use crate::promise::Promise;
use crate::settings::Setting;
use klab_wire::{NodeId, Time, TopicPartition};
use serde::Serialize;

/// What the judge found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// All in all.
    pub outcome: Outcome,
    /// What a process that ran this should exit with: 0, 1 or 2.
    pub exit_code: u8,
    /// Every promise, in the order of [`PROMISES`](crate::PROMISES).
    pub promises: Vec<PromiseVerdict>,
    /// Every anomaly of the clients' history, in the order of [`ANOMALIES`](crate::ANOMALIES).
    pub anomalies: Vec<AnomalyVerdict>,
    /// Every expectation of the scenario, in its order.
    pub expectations: Vec<ExpectationVerdict>,
    /// Selectors that named nobody at their time.
    pub unmatched_selectors: Vec<String>,
}

/// What became of the run as an experiment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Everything is as expected. Exit code 0.
    AsExpected,
    /// A promise was broken that the settings gave, or an `always` or `never` did not hold. Exit code 1.
    Violated,
    /// Nothing that should never happen did, but a promise that the scenario wants to hold `always` was
    /// broken as its settings permit. Exit code 1.
    Permitted,
    /// Nothing is wrong with what was written, but the cluster did not come to rest. Exit code 1.
    NotConverged,
    /// What the run was made for did not happen: it shows nothing. Exit code 2.
    Vacuous,
}

/// What became of a promise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PromiseVerdict {
    /// Which.
    pub promise: Promise,
    /// Kept or broken.
    pub status: Status,
    /// How often it was looked at.
    pub checked: u64,
    /// How often it was broken against the settings.
    pub violations: u64,
    /// How often it was broken as the settings permit.
    pub permitted: u64,
    /// How many records all of this concerned, if it is about records.
    pub records: u64,
    /// The settings that permit it.
    pub permitted_by: Vec<Setting>,
    /// The first few times it was broken; violations before permitted ones.
    pub proofs: Vec<Proof>,
}

/// What was found of an anomaly.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AnomalyVerdict {
    /// Which.
    pub anomaly: Anomaly,
    /// Whether it was found: its promise is kept, or broken by it.
    pub status: Status,
    /// How often it was looked for.
    pub checked: u64,
    /// How often it was found against the settings.
    pub violations: u64,
    /// How often it was found as the settings permit.
    pub permitted: u64,
    /// How many records all of this concerned.
    pub records: u64,
    /// The settings that permit it.
    pub permitted_by: Vec<Setting>,
    /// The first few times it was found; violations before permitted ones.
    pub proofs: Vec<Proof>,
}

/// Kept or broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// It held whenever it was looked at.
    Kept,
    /// It was broken, and the settings promised it.
    Violated,
    /// It was broken only where the settings permit it.
    Permitted,
    /// There was nothing to look at.
    NotChecked,
}

/// One break of a promise, with what shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Proof {
    /// When it was noticed, and on which node.
    pub at: Moment,
    /// The anomaly of the history that it is, if it is one.
    pub anomaly: Option<Anomaly>,
    /// Where, if it is about one partition.
    pub partition: Option<TopicPartition>,
    /// What happened, in a sentence. A lost record is named here.
    pub what: String,
    /// How many records are concerned, if it is about records.
    pub records: u64,
    /// The setting that permits it.
    pub permitted_by: Option<Setting>,
    /// The facts that led to it, in the order of time.
    pub witnesses: Vec<Witness>,
}

/// A fact that led to a break.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Witness {
    /// When and where.
    pub at: Moment,
    /// What happened.
    pub what: String,
}

/// A place in the trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Moment {
    /// The step.
    pub step: u64,
    /// The true time.
    pub time: Time,
    /// The node of the entry.
    pub node: NodeId,
}

impl Verdict {
    /// What became of one promise.
    pub fn promise(&self, promise: Promise) -> &PromiseVerdict {
        &self.promises[promise as usize]
    }

    /// What was found of one anomaly.
    pub fn anomaly(&self, anomaly: Anomaly) -> &AnomalyVerdict {
        &self.anomalies[anomaly as usize]
    }
}

impl Outcome {
    /// What a process should exit with.
    pub const fn exit_code(self) -> u8 {
        match self {
            Outcome::AsExpected => 0,
            Outcome::Violated | Outcome::Permitted | Outcome::NotConverged => 1,
            Outcome::Vacuous => 2,
        }
    }
}
