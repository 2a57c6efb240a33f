//! `log-start-is-committed`: no log starts above what is committed.
//!
//! Retention looks at whole segments below the high watermark only, and DeleteRecords goes no further
//! (`UnifiedLog.deleteOldSegments`, `maybeIncrementLogStartOffset`): what is not committed may still be needed by a
//! follower, or be cut off.

use crate::findings::{Breach, Finding};
use klab_wire::Offset;

/// A log starts at `start` from now on; leaders have committed everything below `committed`.
pub(crate) fn check(committed: Offset, start: Offset) -> Finding {
    match start <= committed {
        true => Ok(()),
        false => Err(Breach::of(format!("the log starts at {start}, committed is {committed}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_may_be_deleted_up_to_what_is_committed() {
        assert!(check(Offset(5), Offset(5)).is_ok());
        assert!(check(Offset(5), Offset(6)).is_err());
    }
}
