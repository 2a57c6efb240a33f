//! `partition-epoch-is-monotonic` and `leader-epoch-is-monotonic`.
//!
//! A decision is in force only when it is committed: when a controller falls, its last decisions may be
//! undone, and the next controller may give the same epochs again. So the rules hold within the reign of one
//! controller, and decisions of one that was deposed are not looked at.

use crate::findings::{Breach, Finding};
use std::fmt::Display;

/// A decision with this epoch follows one with `known`; one with the same epoch must be the same decision.
pub(crate) fn check<E: Ord + Display>(known: E, new: E, same: bool, of: &str) -> Finding {
    match new > known || (new == known && same) {
        true => Ok(()),
        false => Err(Breach::of(format!("{of} epoch {new} was given after {known}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_stands_for_one_decision_and_never_falls() {
        assert!(check(3, 4, false, "leader").is_ok());
        assert!(check(3, 3, true, "leader").is_ok());
        assert!(check(3, 3, false, "leader").is_err());
        assert!(check(3, 2, true, "leader").is_err());
    }
}
