//! `same-batch-same-past`: replicas that have the same batch have the same batches before it.
//!
//! The second half of Raft's Log Matching Property (Ongaro, §3.5). Nothing permits a breach: a loss may
//! take the end of a log, and an unclean leader may write another end, but whoever follows that leader
//! cuts its own log first. A follower that does not (KAFKA-3919, KAFKA-6361, KAFKA-6880) goes on with two
//! pasts in one log, of which readers see now one and now the other.

use crate::findings::{Breach, Finding};
use crate::picture::{Copies, Disagreement};
use klab_wire::{NodeId, Offset};

/// This replica has appended a batch that it fetched.
pub(crate) fn check(copies: &Copies, node: NodeId, base: Offset) -> Finding {
    match copies.parting(node, base) {
        None => Ok(()),
        Some(found) => Err(breach(&found, base)),
    }
}

fn breach(found: &Disagreement, base: Offset) -> Breach {
    let [mine, theirs] = &found.batches;
    let what = format!(
        "{} goes on with the batch at offset {base} that {} has too, but has another one below it, at \
         offset {}: epochs {} and {}",
        found.nodes[0], found.nodes[1], found.offset, mine.epoch, theirs.epoch
    );
    Breach::of(what).shown_by([mine.witness(), theirs.witness()])
}
