//! Which leader epoch wrote from which offset on (`LeaderEpochFileCache`, KIP-101).

use klab_wire::{EpochEndOffset, LeaderEpoch, Offset};

/// Leader epochs with their start offsets, both strictly increasing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeaderEpochFileCache {
    entries: Vec<(LeaderEpoch, Offset)>,
}

impl LeaderEpochFileCache {
    /// The entries, oldest first.
    pub fn entries(&self) -> &[(LeaderEpoch, Offset)] {
        &self.entries
    }

    /// The epoch assigned last.
    pub fn latest(&self) -> Option<LeaderEpoch> {
        todo!()
    }

    /// The oldest epoch known.
    pub fn earliest(&self) -> Option<LeaderEpoch> {
        todo!()
    }

    /// The largest known epoch below this one (`previousEpoch`).
    pub fn previous(&self, _epoch: LeaderEpoch) -> Option<LeaderEpoch> {
        todo!()
    }

    /// The epoch of the record at this offset (`epochForOffset`).
    pub fn epoch_of(&self, _offset: Offset) -> Option<LeaderEpoch> {
        todo!()
    }

    /// Where an epoch ends in a log that ends at `log_end` (`endOffsetFor`).
    pub fn end_offset_for(&self, _epoch: LeaderEpoch, _log_end: Offset) -> Option<EpochEndOffset> {
        todo!()
    }
}
