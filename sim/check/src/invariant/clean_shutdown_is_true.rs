//! `clean-shutdown-is-true`: a clean-shutdown marker is believed, so it must not lie.
//!
//! A log beside a marker is not read batch by batch when it is opened (`LogLoader.load`): what is missing or torn then
//! goes unnoticed (KAFKA-15375). So the marker is written last, when everything else is on the platter
//! (`LogManager.shutdown`).

use crate::findings::{Breach, Finding};
use klab_wire::Offset;

/// A log that had these offsets was opened as cleanly shut down, and has those.
pub(crate) fn check(had: [Offset; 2], has: [Offset; 2], damaged: bool) -> Finding {
    let ([known_start, known_end], [start, end]) = (had, has);
    match start >= known_start && end >= known_end || damaged {
        true => Ok(()),
        false => Err(Breach::of(format!(
            "the log had offsets {known_start}..{known_end}, and has {start}..{end} after a clean shutdown"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_lost_and_nothing_comes_back() {
        let opened = |start, end| check([2, 9].map(Offset), [start, end].map(Offset), false);
        assert!(opened(2, 9).is_ok());
        assert!(opened(2, 8).is_err());
        assert!(opened(0, 9).is_err());
        assert!(check([2, 9].map(Offset), [0, 0].map(Offset), true).is_ok());
    }
}
