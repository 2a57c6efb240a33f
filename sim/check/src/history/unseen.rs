//! `unseen`: an acknowledged record that nobody read, above everything that was read.
//!
//! It may be there all the same: consumers need not have got so far. Only when they polled to the end (Jepsen's
//! final polls) it must have been seen. A run asks the logs instead (`durability.rs`).

use super::Judged;
use super::anomaly::Anomaly;
use super::pieces::Piece;
use crate::findings::{Findings, Found};
use klab_machine::Value;

/// Asks of every acknowledged record above the highest that was read.
pub(super) fn judge(judged: &Judged, findings: &mut Findings) {
    let end = judged.history.reads.end();
    for piece in judged.pieces {
        findings.looked_for(Anomaly::Unseen, piece.to.since(piece.from));
        if piece.to > end {
            report(judged, piece, findings);
        }
    }
}

fn report(judged: &Judged, piece: &Piece, findings: &mut Findings) {
    let above = judged.history.reads.end().max(judged.history.deleted_below);
    let from = piece.from.max(above).min(piece.to);
    let (value, count) = (piece.ack.value_at(from), piece.to.since(from));
    let Some((value, records)) = judged.topic.unread(value, count) else { return };
    let found = Found {
        anomaly: Anomaly::Unseen,
        at: piece.ack.at,
        partition: judged.name,
        records,
        permitted_by: judged.permits.of_unseen(piece.client()),
    };
    findings.found(found, || {
        let (offset, value) = (piece.ack.offset_of(value), Value(value));
        let what = format!("value {value} was acknowledged at offset {offset} and was never seen");
        (what, judged.with_fault([piece.ack.witness()]))
    });
}
