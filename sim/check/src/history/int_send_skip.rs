//! `int-send-skip`: between the sends of one operation stands another's record.
//!
//! Kafka promises no send that others do not get in between, so it is counted and always permitted (Jepsen's
//! `allowed-error-types`); from one operation to the next nobody looks for it at all.

use super::Judged;
use super::anomaly::Anomaly;
use super::pieces::Piece;
use crate::findings::{Findings, Found};
use crate::settings::Setting;
use klab_machine::Value;

/// Asks of the neighbouring sends of one operation whether a record is known between them.
pub(super) fn judge(judged: &Judged, findings: &mut Findings) {
    for [before, send] in &judged.history.apart {
        findings.looked_for(Anomaly::IntSendSkip, 1);
        let (from, to) = (before.end(), send.offset);
        let read = judged.history.reads.first_within(from, to).map(|read| read.offset.max(from));
        let acked = || judged.within(from, to).next().map(|piece: &Piece| piece.from.max(from));
        let Some(between) = read.or_else(acked) else { continue };
        let found = Found {
            anomaly: Anomaly::IntSendSkip,
            at: send.at,
            partition: judged.name,
            records: 1,
            permitted_by: Some(Setting::SharedPartition),
        };
        findings.found(found, || {
            let [first, second] = [before, send].map(|one| Value(one.first_value));
            let what = format!("between values {first} and {second} stands offset {between}");
            (what, judged.with_fault([before.witness(), send.witness()]))
        });
    }
}
