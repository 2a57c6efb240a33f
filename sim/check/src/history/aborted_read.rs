//! `G1a`, the aborted read: a value was read whose send certainly failed.
//!
//! A send of which nobody knows may be read, now or later; one that failed never, by whoever it was read.

use super::TopicEnd;
use super::anomaly::Anomaly;
use crate::findings::{Findings, Found};
use crate::promise::Promise;
use crate::verdict::Witness;
use klab_machine::Value;

/// Asks of every value that was read, in the order of values, whether its send failed.
pub(super) fn judge(topic: &TopicEnd, findings: &mut Findings) {
    let mut next = 0;
    for place in topic.places.iter().filter(|place| place.is_read) {
        findings.kept(Promise::FailedSendsAreNotRead, place.count);
        findings.looked_for(Anomaly::AbortedRead, place.count);
        for failed in topic.writers.failed(place.first_value, place.end(), &mut next) {
            let (first, end) = (failed.first.max(place.first_value), failed.end.min(place.end()));
            let name = place.name_in(topic.history);
            let witness = topic.witness(place, first);
            let found = Found {
                anomaly: Anomaly::AbortedRead,
                at: witness.as_ref().map_or(topic.end, |witness| witness.at),
                partition: &name,
                records: end.saturating_sub(first),
                permitted_by: None,
            };
            findings.found(found, || {
                let (value, offset) = (Value(first), place.offset_of(first));
                let what = format!("value {value} was read at offset {offset}, its send failed");
                let failed = Witness {
                    at: failed.at,
                    what: format!("is told that its send of value {value} has failed"),
                };
                (what, topic.with_fault(witness.into_iter().chain([failed])))
            });
        }
    }
}
