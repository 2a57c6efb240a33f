//! `committed-records-survive`: a new leader has everything that was committed.
//!
//! hachikuji's `StrongIsr` and Vanlightly's `LeaderCompletenessProperty`, asked of each leadership that a
//! broker takes up in the newest epoch. It is asked of what the leader holds, not of what the controller
//! believes it to hold. An unclean election is permitted to break it, and so are more lossy power cuts at
//! once than `min.insync.replicas` − 1.

use crate::findings::{Breach, Finding};
use crate::permit;
use crate::picture::{Batch, Partition};
use klab_wire::{NodeId, Offset};

/// A broker took up the newest leadership with this log end; `missing` is what it lacks.
pub(crate) fn check(
    partition: &Partition,
    leader: NodeId,
    end: Offset,
    missing: &[Batch],
    min_isr: u32,
) -> Finding {
    let (Some(first), Some(last)) = (missing.last(), missing.first()) else {
        return has_all_offsets(partition, leader, end);
    };
    let what = format!(
        "{leader} leads without the committed offsets {}..{}, its log ends at {end}",
        first.base, last.last
    );
    let records = missing.iter().map(|batch| batch.last.0 + 1 - batch.base.0).sum();
    let permits = missing.iter().map(|batch| permit::of_committed(batch, partition, min_isr));
    let permitted = permits.reduce(|one, other| one.and(other)).flatten();
    Err(Breach::of(what)
        .about(records)
        .permitted(permitted)
        .shown_by(partition.story(last))
        .shown_by(partition.last_election()))
}

fn has_all_offsets(partition: &Partition, leader: NodeId, end: Offset) -> Finding {
    if end >= partition.committed {
        return Ok(());
    }
    let what = format!("{leader} leads with log end {end}, committed is {}", partition.committed);
    Err(Breach::of(what).permitted(partition.excuse).shown_by(partition.last_election()))
}
