//! `isr-member-has-committed-records`: who is in sync has what is committed.
//!
//! hachikuji's `ValidHighWatermark`, which proves the rule of the maximal ISR (KIP-497): a leader that
//! waits for a member to be added must already count it for its high watermark.

use crate::findings::{Breach, Finding};
use klab_wire::{NodeId, Offset};

/// A member of the ISR with this log end, when `committed` was.
pub(crate) fn check(member: NodeId, end: Offset, committed: Offset) -> Finding {
    match end >= committed {
        true => Ok(()),
        false => Err(Breach::of(format!(
            "{member} is in the ISR with log end {end}, committed is {committed}"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_has_everything_below_the_high_watermark() {
        assert!(check(NodeId::broker(1), Offset(7), Offset(7)).is_ok());
        assert!(check(NodeId::broker(1), Offset(6), Offset(7)).is_err());
    }
}
