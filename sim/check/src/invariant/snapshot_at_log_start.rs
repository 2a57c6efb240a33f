//! `snapshot-at-log-start`: what is cut from the front of the metadata log is in a snapshot (KAFKA-14238).

use crate::findings::{Breach, Finding};
use klab_wire::Offset;
use std::collections::BTreeSet;

/// A replica's metadata log starts at `start` from now on; these are the ends of its snapshots.
pub(crate) fn check(snapshots: &BTreeSet<Offset>, start: Offset) -> Finding {
    match start == Offset(0) || snapshots.contains(&start) {
        true => Ok(()),
        false => Err(Breach::of(format!(
            "the metadata log starts at {start}, and the snapshots end at {snapshots:?}"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_starts_where_a_snapshot_ends() {
        let snapshots = BTreeSet::from([Offset(10), Offset(20)]);
        assert!(check(&snapshots, Offset(20)).is_ok());
        assert!(check(&snapshots, Offset(0)).is_ok());
        assert!(check(&snapshots, Offset(15)).is_err());
    }
}
