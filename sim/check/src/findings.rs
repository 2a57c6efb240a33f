//! What was found so far: a tally per promise, and the proofs of the first breaks.

use crate::promise::{PROMISES, Promise};
use crate::settings::Setting;
use crate::verdict::{Moment, PromiseVerdict, Proof, Status, Witness};
use klab_wire::TopicPartition;

/// How many breaks of one promise are kept with their proof, of each kind: violations and permitted ones.
const PROOFS: usize = 8;

/// A tally per promise, in the order of the table.
#[derive(Clone, Debug)]
pub(crate) struct Findings {
    tallies: Vec<Tally>,
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
        Findings { tallies: vec![Tally::default(); PROMISES.len()] }
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

    /// A verdict per promise, in the order of the table.
    pub(crate) fn verdicts(self) -> Vec<PromiseVerdict> {
        let named = PROMISES.iter().zip(self.tallies);
        named.map(|(info, tally)| tally.verdict(info.promise)).collect()
    }
}

impl Tally {
    fn add(&mut self, at: Moment, partition: Option<&TopicPartition>, breach: Breach) {
        self.records += breach.records;
        let proofs = match breach.permitted_by {
            Some(setting) => {
                self.permitted += 1;
                if !self.permitted_by.contains(&setting) {
                    self.permitted_by.push(setting);
                }
                &mut self.excused
            }
            None => {
                self.violations += 1;
                &mut self.violating
            }
        };
        if proofs.len() < PROOFS {
            proofs.push(proof(at, partition, breach));
        }
    }

    fn verdict(self, promise: Promise) -> PromiseVerdict {
        let status = match (self.checked, self.violations, self.permitted) {
            (_, 1.., _) => Status::Violated,
            (_, 0, 1..) => Status::Permitted,
            (0, 0, 0) => Status::NotChecked,
            (1.., 0, 0) => Status::Kept,
        };
        let mut proofs = self.violating;
        proofs.extend(self.excused);
        PromiseVerdict {
            promise,
            status,
            checked: self.checked,
            violations: self.violations,
            permitted: self.permitted,
            records: self.records,
            permitted_by: self.permitted_by,
            proofs,
        }
    }
}

fn proof(at: Moment, partition: Option<&TopicPartition>, breach: Breach) -> Proof {
    Proof {
        at,
        partition: partition.cloned(),
        what: breach.what,
        records: breach.records,
        permitted_by: breach.permitted_by,
        witnesses: breach.witnesses,
    }
}
