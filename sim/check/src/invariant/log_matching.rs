//! `log-matching`: two replicas have the same batches below the smaller of their high watermarks.
//!
//! Vanlightly's `LogMatchingProperty`. Because [`Copies`] keeps every batch once, two replicas disagree
//! exactly where two entries overlap and each is held: nothing needs to be looked at as long as no logs
//! diverge.

use crate::findings::{Breach, Finding};
use crate::picture::{Copies, Disagreement};
use klab_wire::NodeId;

/// This replica's high watermark has moved.
pub(crate) fn check(copies: &mut Copies, node: NodeId) -> Finding {
    match copies.disagreement(node) {
        None => Ok(()),
        Some(found) => Err(breach(&found)),
    }
}

fn breach(found: &Disagreement) -> Breach {
    let [mine, theirs] = &found.batches;
    let what = format!(
        "{} and {} differ at offset {}, below both their high watermarks: epochs {} and {}",
        found.nodes[0], found.nodes[1], found.offset, mine.epoch, theirs.epoch
    );
    Breach::of(what).shown_by([mine.witness(), theirs.witness()])
}
