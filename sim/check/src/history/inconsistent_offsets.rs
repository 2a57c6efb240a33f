//! `inconsistent-offsets`: one offset of a partition stands for two values.
//!
//! Two polls may disagree, a poll and an acknowledgement, or two acknowledgements. Of these the last shows
//! although nobody ever reads the offset: it was given to two records.

use super::anomaly::Anomaly;
use super::partition::Ack;
use super::pieces::Piece;
use super::{Judged, reads::Conflict};
use crate::findings::{Findings, Found};
use crate::promise::Promise;
use crate::settings::Setting;
use crate::verdict::{Moment, Witness};
use klab_machine::Value;

/// Asks of every offset whether all evidence names one value.
pub(super) fn judge(judged: &Judged, findings: &mut Findings) {
    for conflict in &judged.history.conflicts {
        two_polls(judged, conflict, findings);
    }
    for glimpse in judged.history.glimpses.iter().filter(|glimpse| glimpse.polled) {
        let range = &glimpse.range;
        let reads = &judged.history.reads;
        if let Some((offset, seen)) =
            reads.differing(range.offset, range.first_value, range.count.into())
        {
            let values = [seen, range.first_value + offset.since(range.offset)];
            let conflict = Conflict { at: glimpse.at, offset, values, count: 1 };
            two_polls(judged, &conflict, findings);
        }
    }
    for piece in judged.pieces {
        poll_and_ack(judged, piece, findings);
    }
    two_acks(judged, findings);
}

fn two_polls(judged: &Judged, conflict: &Conflict, findings: &mut Findings) {
    let Conflict { at, offset, values: [one, other], .. } = *conflict;
    let permitted_by = judged.permits.of_reuse(offset);
    let what = || format!("offset {offset}: {} was read, later {}", Value(one), Value(other));
    let later = Witness { at, what: format!("polls value {} at offset {offset}", Value(other)) };
    let first = judged.history.poll_of(offset);
    report(judged, at, permitted_by, what, first.into_iter().chain([later]), findings);
}

/// Holds an acknowledged piece against what was read at its offsets.
fn poll_and_ack(judged: &Judged, piece: &Piece, findings: &mut Findings) {
    let (from, first_value, count) = piece.place();
    let reads = &judged.history.reads;
    let Some((offset, read)) = reads.differing(from, first_value, count) else {
        if reads.value_at(from).is_some() {
            findings.kept(Promise::NoInconsistentOffsets, 1);
            findings.looked_for(Anomaly::InconsistentOffsets, 1);
        }
        return;
    };
    let loss = judged.permits.of_loss(piece.lost_batch(), piece.client());
    let permitted_by = loss.or_else(|| judged.permits.of_reuse(offset));
    let acked = Value(piece.ack.value_at(offset));
    let read = Value(read);
    let what = || format!("offset {offset} was acknowledged for value {acked}, {read} was read");
    let poll = judged.history.poll_of(offset);
    let witnesses = poll.into_iter().chain([piece.ack.witness()]);
    report(judged, piece.ack.at, permitted_by, what, witnesses, findings);
}

/// Acknowledged pieces come in the order of offsets: each is held against the one before that reaches furthest.
fn two_acks(judged: &Judged, findings: &mut Findings) {
    let mut furthest: Option<&Piece> = None;
    for piece in judged.pieces {
        if let Some(before) = furthest.filter(|before| before.to > piece.from) {
            let offset = piece.from;
            let values = [before, piece].map(|one| one.ack.value_at(offset));
            if values[0] != values[1] {
                let acks = [before, piece];
                let loss = acks
                    .iter()
                    .find_map(|one| judged.permits.of_loss(one.lost_batch(), one.client()));
                let permitted_by = loss.or_else(|| judged.permits.of_reuse(offset));
                let [one, other] = values.map(Value);
                let what = || format!("offset {offset} is acknowledged for {one} and for {other}");
                let witnesses = acks.iter().map(|one| Ack::witness(&one.ack));
                report(judged, piece.ack.at, permitted_by, what, witnesses, findings);
            }
        }
        if furthest.is_none_or(|before| before.to < piece.to) {
            furthest = Some(piece);
        }
    }
}

fn report(
    judged: &Judged,
    at: Moment,
    permitted_by: Option<Setting>,
    what: impl FnOnce() -> String,
    witnesses: impl IntoIterator<Item = Witness>,
    findings: &mut Findings,
) {
    findings.kept(Promise::NoInconsistentOffsets, 1);
    let anomaly = Anomaly::InconsistentOffsets;
    let found = Found { anomaly, at, partition: judged.name, records: 1, permitted_by };
    findings.found(found, || (what(), judged.with_fault(witnesses)));
}
