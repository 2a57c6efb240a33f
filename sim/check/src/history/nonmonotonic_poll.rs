//! `nonmonotonic-poll`, and `int-nonmonotonic-poll` within one poll: a consumer goes back.
//!
//! Seen as polls return, since it needs no other evidence. A seek, a reset and a start tell a consumer where to go
//! on, and it may be anywhere then. Jepsen compares the places of values in the log's order; offsets are told
//! with every record, and are compared as they are.

use super::anomaly::Anomaly;
use super::faults::Faults;
use crate::findings::{Findings, Found};
use crate::promise::Promise;
use crate::settings::Setting;
use crate::verdict::{Moment, Witness};
use klab_machine::operation::RecordRange;
use klab_wire::{Offset, TopicPartition};

/// What a poll returned next of a partition of which the consumer has read before.
#[derive(Debug)]
pub(super) struct Step<'a> {
    pub(super) name: &'a TopicPartition,
    pub(super) at: Moment,
    /// The poll before, which may be the same.
    pub(super) before: Option<Moment>,
    /// The offset after what the consumer has read.
    pub(super) expected: Offset,
    pub(super) range: &'a RecordRange,
}

/// Asks of what a poll returned whether it goes on, or back.
pub(super) fn judge(
    step: &Step,
    permitted_by: Option<Setting>,
    faults: &Faults,
    findings: &mut Findings,
) {
    let internal = step.before == Some(step.at);
    let anomaly = if internal { Anomaly::IntNonmonotonicPoll } else { Anomaly::NonmonotonicPoll };
    findings.kept(Promise::PerPartitionOrder, 1);
    findings.looked_for(anomaly, 1);
    let Step { name, at, before, expected, range } = step;
    if range.offset >= *expected {
        return;
    }
    let permitted_by = permitted_by.filter(|_| !internal);
    let found = Found { anomaly, at: *at, partition: name, records: 1, permitted_by };
    findings.found(found, || {
        let what = format!("offset {} was read after {expected} was next", range.offset);
        let before = before.filter(|_| !internal);
        let first = before.map(|at| Witness { at, what: format!("has polled up to {expected}") });
        let later = Witness { at: *at, what: format!("polls from offset {}", range.offset) };
        let polls = first.into_iter().chain([later]);
        (what, polls.chain(faults.before(*at)).collect())
    });
}
