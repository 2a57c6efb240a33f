//! `flushed-records-survive`: an fsync that was reported is not taken back.
//!
//! The premise of `flush.messages=1` and of the metadata quorum. A damaged or replaced disk may break it.

use crate::findings::{Breach, Finding};
use klab_wire::Offset;

/// A log was opened again with this end; everything below `flushed` had been flushed.
pub(crate) fn check(flushed: Offset, end: Offset, damaged: bool) -> Finding {
    match end >= flushed || damaged {
        true => Ok(()),
        false => Err(Breach::of(format!(
            "the log was flushed up to {flushed}, and ends at {end} after a start"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_damaged_disk_loses_what_was_flushed() {
        assert!(check(Offset(5), Offset(5), false).is_ok());
        assert!(check(Offset(5), Offset(4), false).is_err());
        assert!(check(Offset(5), Offset(4), true).is_ok());
    }
}
