//! `poll-skip`, and `int-poll-skip` within one poll: a consumer passes over a record.
//!
//! Offsets may be sparse: markers, compaction and aborted records leave holes. So it is judged at the end,
//! when everything is known that anybody saw: passing over offsets is in order if nobody knows of a record there.
//! Known is what a poll returned, and what was acknowledged and (as far as the logs can be asked) is not lost.

use super::partition::Gap;
use super::{Judged, pieces::Piece};
use crate::findings::{Findings, Found};
use crate::verdict::Witness;
use klab_wire::Offset;

/// Asks of every gap between polls whether somebody knows of a record in it.
pub(super) fn judge(judged: &Judged, findings: &mut Findings) {
    for gap in &judged.history.gaps {
        findings.looked_for(gap.anomaly(), 1 + gap.again);
        let Some(known) = known_within(judged, gap) else { continue };
        let of_rebalance = judged.permits.of_rebalance().filter(|_| !gap.is_internal());
        let found = Found {
            anomaly: gap.anomaly(),
            at: gap.at,
            partition: judged.name,
            records: 1 + gap.again,
            permitted_by: of_rebalance.or_else(|| judged.permits.of_hole(known)),
        };
        findings.found(found, || {
            let again = match gap.again {
                0 => String::new(),
                more => format!(", and {more} times again"),
            };
            let what = format!(
                "polling went from offset {} to {}, passing over {known}{again}",
                gap.from, gap.to
            );
            let record = judged.history.poll_of(known).or_else(|| acked(judged, known));
            (what, judged.with_fault(gap.witnesses().into_iter().chain(record)))
        });
    }
}

/// The first offset in a gap at which a record is known.
fn known_within(judged: &Judged, gap: &Gap) -> Option<Offset> {
    let from = gap.from.max(judged.history.deleted_below);
    if from >= gap.to {
        return None;
    }
    let read = judged.history.reads.first_within(from, gap.to).map(|read| read.offset);
    let acked = judged.within(from, gap.to).find(|piece| piece.is_kept());
    let glimpses = judged.history.glimpses.iter().filter(|glimpse| glimpse.polled);
    let glimpses = glimpses.map(|glimpse| glimpse.range.offset);
    let glimpsed = glimpses.filter(|offset| from <= *offset && *offset < gap.to).min();
    let known = [read, acked.map(|piece| piece.from), glimpsed].into_iter().flatten().next();
    known.map(|offset| offset.max(from))
}

fn acked(judged: &Judged, offset: Offset) -> Option<Witness> {
    judged
        .within(offset, offset.next())
        .find(|piece| piece.is_kept())
        .map(|p: &Piece| p.ack.witness())
}
