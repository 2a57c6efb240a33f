//! `unwritten-read`: a value was read that nobody sent, or that nobody had begun to send by then.
//!
//! Jepsen's checker stops with an error when there is no writer (`:no-writer-of`), and finds a reader that was
//! earlier than its writer as a cycle (`:G1c-realtime`); to a judge both are findings like another. Of a recorded
//! operation whose beginning is not told nobody knows how early it was.

use super::TopicEnd;
use super::anomaly::Anomaly;
use super::faults::Faults;
use super::sent::Sent;
use crate::findings::{Findings, Found};
use crate::promise::Promise;
use crate::verdict::{Moment, Witness};
use klab_machine::Value;

/// Asks of values that begin to be sent whether somebody has read them already.
pub(super) fn judge_early(
    sent: &Sent,
    at: Moment,
    (first, count): (u64, u32),
    faults: &Faults,
    findings: &mut Findings,
) {
    for (early, value) in sent.early(first, count) {
        let found = Found {
            anomaly: Anomaly::UnwrittenRead,
            at: early.at,
            partition: &early.name,
            records: 1,
            permitted_by: None,
        };
        findings.found(found, || {
            let offset = early.range.offset.plus(value - early.range.first_value);
            let value = Value(value);
            let what = format!("value {value} at offset {offset} was read before it was sent");
            let poll =
                Witness { at: early.at, what: format!("polls value {value} at offset {offset}") };
            let sent = Witness { at, what: format!("begins to send value {value}") };
            (what, [poll, sent].into_iter().chain(faults.before(at)).collect())
        });
    }
}

/// Asks of every value that was read, in the order of values, whether it was sent.
pub(super) fn judge(topic: &TopicEnd, findings: &mut Findings) {
    let mut next = 0;
    for place in topic.places.iter().filter(|place| place.is_read) {
        findings.kept(Promise::NoUnwrittenRecordIsRead, place.count);
        findings.looked_for(Anomaly::UnwrittenRead, place.count);
        for (first, end) in topic.writers.unsent(place.first_value, place.end(), &mut next) {
            let name = place.name_in(topic.history);
            let witness = topic.witness(place, first);
            let found = Found {
                anomaly: Anomaly::UnwrittenRead,
                at: witness.as_ref().map_or(topic.end, |witness| witness.at),
                partition: &name,
                records: end - first,
                permitted_by: None,
            };
            findings.found(found, || {
                let offset = place.offset_of(first);
                let what = match end - first {
                    1 => format!("value {} at offset {offset} was never sent", Value(first)),
                    _ => format!(
                        "values {}..{} at offset {offset} were never sent",
                        Value(first),
                        Value(end - 1)
                    ),
                };
                (what, topic.with_fault(witness))
            });
        }
    }
}
