//! `majority-has-committed-metadata` and `metadata-high-watermark-is-monotonic`.
//!
//! A voter that is down counts with its persisted log, as in `RaftEventSimulationTest`; here any voter does, because
//! what is only in a page cache is gone when its host loses its power (`KafkaRaftClient` fsyncs before it fetches
//! on). Only the newest
//! leader is asked for monotony: a deposed one may learn late that an old offset was replicated.

use crate::findings::{Breach, Finding};
use klab_wire::{LeaderEpoch, Offset};

/// A leader committed up to `to`, and this many of the voters have that.
pub(crate) fn majority(to: Offset, having: usize, voters: usize) -> Finding {
    match having * 2 > voters {
        true => Ok(()),
        false => Err(Breach::of(format!(
            "metadata up to {to} was committed, and {having} of {voters} voters have it"
        ))),
    }
}

/// A leader committed up to `to`; the newest leader that committed before got to `known`.
pub(crate) fn monotonic(
    known: Offset,
    newest: LeaderEpoch,
    to: Offset,
    epoch: LeaderEpoch,
) -> Finding {
    match to >= known || epoch < newest {
        true => Ok(()),
        false => Err(Breach::of(format!(
            "the leader of epoch {epoch} has high watermark {to}, and {known} was committed before"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn committed_means_a_majority() {
        for (having, voters, kept) in [(2, 3, true), (1, 3, false), (2, 4, false), (1, 1, true)] {
            assert_eq!(majority(Offset(5), having, voters).is_ok(), kept, "{having} of {voters}");
        }
    }

    #[test]
    fn only_the_newest_leader_must_not_fall_behind() {
        let at = |to, epoch| monotonic(Offset(9), LeaderEpoch(2), Offset(to), LeaderEpoch(epoch));
        assert!(at(9, 3).is_ok());
        assert!(at(8, 1).is_ok());
        assert!(at(8, 2).is_err());
        assert!(at(8, 3).is_err());
    }
}
