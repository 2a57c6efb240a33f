//! What was found so far: a tally per promise and per anomaly, and the proofs of the first breaks.

use crate::history::{ANOMALIES, Anomaly};
use crate::promise::{PROMISES, Promise};
use crate::settings::Setting;
use crate::verdict::{AnomalyVerdict, Moment, PromiseVerdict, Proof, Status, Witness};
use klab_wire::TopicPartition;

/// How many breaks of one promise are kept with their proof, of each kind: violations and permitted ones.
const PROOFS: usize = 8;

/// A tally per promise and per anomaly, each in the order of its table.
#[derive(Clone, Debug)]
pub(crate) struct Findings {
    tallies: Vec<Tally>,
    anomalies: Vec<Tally>,
}

#[derive(Clone, Debug, Default)]
struct Tally {
    checked: u64,
    violations: u64,
    permitted: u64,
    records: u64,
    permitted_by: Vec<Setting>,
    violating: Vec<Proof>,
    excused: Vec<Proof>,
}

/// How a promise was broken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Breach {
    pub(crate) what: String,
    pub(crate) records: u64,
    pub(crate) permitted_by: Option<Setting>,
    pub(crate) witnesses: Vec<Witness>,
}

/// An anomaly of the history, and where it was found.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found<'a> {
    pub(crate) anomaly: Anomaly,
    pub(crate) at: Moment,
    pub(crate) partition: &'a TopicPartition,
    pub(crate) records: u64,
    pub(crate) permitted_by: Option<Setting>,
}

/// What an oracle says about one look: kept, or how it was broken.
pub(crate) type Finding = Result<(), Breach>;

impl Breach {
    /// A break that nothing permits, as far as its finder knows.
    pub(crate) fn of(what: impl Into<String>) -> Self {
        Breach { what: what.into(), ..Breach::default() }
    }

    /// The same break, permitted by a setting if there is one.
    pub(crate) fn permitted(self, by: Option<Setting>) -> Self {
        Breach { permitted_by: by.or(self.permitted_by), ..self }
    }

    /// The same break with what led to it.
    pub(crate) fn shown_by(mut self, witnesses: impl IntoIterator<Item = Witness>) -> Self {
        self.witnesses.extend(witnesses);
        self.witnesses.sort_by_key(|witness| witness.at);
        self
    }

    /// The same break, and how many records it is about.
    pub(crate) fn about(self, records: u64) -> Self {
        Breach { records, ..self }
    }
}

impl Findings {
    pub(crate) fn new() -> Self {
        Findings {
            tallies: vec![Tally::default(); PROMISES.len()],
            anomalies: vec![Tally::default(); ANOMALIES.len()],
        }
    }

    /// Counts looks at a promise that found nothing.
    pub(crate) fn kept(&mut self, promise: Promise, looks: u64) {
        self.tallies[promise as usize].checked += looks;
    }

    /// Counts one look at a promise.
    pub(crate) fn note(
        &mut self,
        promise: Promise,
        at: Moment,
        partition: Option<&TopicPartition>,
        finding: Finding,
    ) {
        self.kept(promise, 1);
        if let Err(breach) = finding {
            self.broken(promise, at, partition, breach);
        }
    }

    /// Keeps a break that was found by a look that is counted already.
    pub(crate) fn broken(
        &mut self,
        promise: Promise,
        at: Moment,
        partition: Option<&TopicPartition>,
        breach: Breach,
    ) {
        self.tallies[promise as usize].add(at, partition, breach);
    }

    /// Counts looks for an anomaly.
    pub(crate) fn looked_for(&mut self, anomaly: Anomaly, looks: u64) {
        self.anomalies[anomaly as usize].checked += looks;
    }

    /// Keeps an anomaly, which breaks its promise too. Its proof is told only as long as proofs are kept: a
    /// spoilt history may have millions.
    pub(crate) fn found(&mut self, found: Found, proof: impl FnOnce() -> (String, Vec<Witness>)) {
        let promise = &mut self.tallies[found.anomaly.promise() as usize];
        promise.count(found.records, found.permitted_by);
        let anomaly = &mut self.anomalies[found.anomaly as usize];
        anomaly.count(found.records, found.permitted_by);
        let both = [promise, anomaly].map(|tally| tally.proofs(found.permitted_by));
        if both.iter().any(|proofs| proofs.len() < PROOFS) {
            let (what, witnesses) = proof();
            let (records, permitted_by) = (found.records, found.permitted_by);
            let breach =
                Breach { what, records, permitted_by, ..Breach::default() }.shown_by(witnesses);
            let anomaly = Some(found.anomaly);
            let proof = Proof { anomaly, ..self::proof(found.at, Some(found.partition), breach) };
            let room = both.into_iter().filter(|proofs| proofs.len() < PROOFS);
            room.for_each(|proofs| proofs.push(proof.clone()));
        }
    }

    /// A verdict per promise and per anomaly, in the order of the tables.
    pub(crate) fn verdicts(self) -> (Vec<PromiseVerdict>, Vec<AnomalyVerdict>) {
        let promises = PROMISES.iter().zip(self.tallies);
        let anomalies = ANOMALIES.iter().zip(self.anomalies);
        (
            promises.map(|(info, tally)| tally.verdict(info.promise)).collect(),
            anomalies.map(|(info, tally)| tally.verdict_on(info.anomaly)).collect(),
        )
    }
}

impl Tally {
    fn add(&mut self, at: Moment, partition: Option<&TopicPartition>, breach: Breach) {
        self.count(breach.records, breach.permitted_by);
        let proofs = self.proofs(breach.permitted_by);
        if proofs.len() < PROOFS {
            proofs.push(proof(at, partition, breach));
        }
    }

    fn count(&mut self, records: u64, permitted_by: Option<Setting>) {
        self.records += records;
        let Some(setting) = permitted_by else {
            self.violations += 1;
            return;
        };
        self.permitted += 1;
        if !self.permitted_by.contains(&setting) {
            self.permitted_by.push(setting);
        }
    }

    fn proofs(&mut self, permitted_by: Option<Setting>) -> &mut Vec<Proof> {
        match permitted_by {
            Some(_) => &mut self.excused,
            None => &mut self.violating,
        }
    }

    const fn status(&self) -> Status {
        match (self.checked, self.violations, self.permitted) {
            (_, 1.., _) => Status::Violated,
            (_, 0, 1..) => Status::Permitted,
            (0, 0, 0) => Status::NotChecked,
            (1.., 0, 0) => Status::Kept,
        }
    }

    fn verdict(self, promise: Promise) -> PromiseVerdict {
        PromiseVerdict {
            promise,
            status: self.status(),
            checked: self.checked,
            violations: self.violations,
            permitted: self.permitted,
            records: self.records,
            permitted_by: self.permitted_by,
            proofs: [self.violating, self.excused].concat(),
        }
    }

    fn verdict_on(self, anomaly: Anomaly) -> AnomalyVerdict {
        AnomalyVerdict {
            anomaly,
            status: self.status(),
            checked: self.checked,
            violations: self.violations,
            permitted: self.permitted,
            records: self.records,
            permitted_by: self.permitted_by,
            proofs: [self.violating, self.excused].concat(),
        }
    }
}

fn proof(at: Moment, partition: Option<&TopicPartition>, breach: Breach) -> Proof {
    Proof {
        at,
        anomaly: None,
        partition: partition.cloned(),
        what: breach.what,
        records: breach.records,
        permitted_by: breach.permitted_by,
        witnesses: breach.witnesses,
    }
}
