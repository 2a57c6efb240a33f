//! `committed-records-are-flushed`: with `flush.messages=1` an fsync comes before everything that counts.
//!
//! `UnifiedLog.append` flushes before it returns when `flush.messages` asks for it. A leader shows and commits a
//! batch, and a follower fetches on, only after that; so what is committed is on the platters of all who are in
//! sync, and no power cut takes it. What a killed process had not flushed counts all the same when its log is
//! opened: Kafka cannot tell.

use crate::findings::{Breach, Finding};
use klab_wire::{NodeId, Offset};

/// A member of the ISR that has flushed up to here, when `committed` was.
pub(crate) fn check(member: NodeId, flushed: Offset, committed: Offset) -> Finding {
    match flushed >= committed {
        true => Ok(()),
        false => Err(Breach::of(format!(
            "{member} is in the ISR and has flushed up to {flushed}, committed is {committed}"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_has_flushed_everything_below_the_high_watermark() {
        assert!(check(NodeId::broker(1), Offset(7), Offset(7)).is_ok());
        assert!(check(NodeId::broker(1), Offset(6), Offset(7)).is_err());
    }
}
