//! `lost-write`: an acknowledged record lies below what consumers have read, and nobody read it.
//!
//! Jepsen takes the highest offset that anybody read and expects all below it to have been read, because its
//! consumers start at the beginning. Consumers that start elsewhere (`auto.offset.reset=latest`) have passed only
//! over what lies between two polls, which is all that is asked then, and in a run: there the logs tell the rest
//! (`durability.rs`). What must have been written is what was acknowledged; a send of which nobody knows need
//! not be there, and if somebody read it, it is not lost.

use super::Judged;
use super::anomaly::Anomaly;
use super::pieces::Piece;
use crate::findings::{Findings, Found};
use crate::verdict::{Moment, Witness};
use klab_machine::Value;
use klab_wire::Offset;

/// Offsets that readers have passed, as an operation shows.
struct Passed {
    from: Offset,
    to: Offset,
    at: Moment,
    shown_by: Vec<Witness>,
}

/// Asks of every acknowledged record that readers have passed whether anybody read it.
pub(super) fn judge(judged: &Judged, findings: &mut Findings) {
    for passed in passed(judged) {
        for piece in judged.within(passed.from, passed.to).filter(|piece| piece.is_kept()) {
            judge_piece(judged, &passed, piece, findings);
        }
    }
}

fn passed(judged: &Judged) -> Vec<Passed> {
    if judged.readers_start_at_the_beginning() {
        return everything_below_the_highest(judged).into_iter().collect();
    }
    let gaps = judged.history.gaps.iter();
    let gap = |gap: &super::partition::Gap| Passed {
        from: gap.from,
        to: gap.to,
        at: gap.at,
        shown_by: gap.witnesses(),
    };
    gaps.map(gap).collect()
}

fn everything_below_the_highest(judged: &Judged) -> Option<Passed> {
    let to = judged.history.reads.end();
    let poll = judged.history.poll_of(Offset(to.0.checked_sub(1)?))?;
    Some(Passed { from: Offset(0), to, at: poll.at, shown_by: vec![poll] })
}

fn judge_piece(judged: &Judged, passed: &Passed, piece: &Piece, findings: &mut Findings) {
    let from = piece.from.max(passed.from).max(judged.history.deleted_below);
    let to = piece.to.min(passed.to).max(from);
    findings.looked_for(Anomaly::LostWrite, to.since(from));
    let value = piece.ack.value_at(from);
    for (offset, count) in judged.history.reads.unconfirmed(from, value, to.since(from)) {
        // Who reads it elsewhere has read it.
        if let Some(unread) = judged.topic.unread(piece.ack.value_at(offset), count) {
            report(judged, passed, piece, unread, findings);
        }
    }
}

fn report(
    judged: &Judged,
    passed: &Passed,
    piece: &Piece,
    (value, records): (u64, u64),
    findings: &mut Findings,
) {
    let offset = piece.ack.offset_of(value);
    let loss = || judged.permits.of_loss(None, piece.client());
    let found = Found {
        anomaly: Anomaly::LostWrite,
        at: passed.at,
        partition: judged.name,
        records,
        permitted_by: judged.permits.of_hole(offset).or_else(loss),
    };
    findings.found(found, || {
        let value = Value(value);
        let what = format!("value {value} was acknowledged at offset {offset}, nobody read it");
        let witnesses = passed.shown_by.iter().cloned().chain([piece.ack.witness()]);
        (what, judged.with_fault(witnesses))
    });
}
