//! Which offset a timestamp or a special position stands for (`UnifiedLog.fetchOffsetByTimestamp`).

use crate::log::Log;
use klab_wire::{LeaderEpoch, Offset, OffsetSpec, Timestamp};

/// A place in the log found by time (`TimestampAndOffset`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimestampAndOffset {
    /// The timestamp of the record; none for the special positions.
    pub timestamp: Option<Timestamp>,
    /// The offset.
    pub offset: Offset,
    /// The epoch of the record there, as far as known.
    pub leader_epoch: Option<LeaderEpoch>,
}

impl Log {
    /// Looks a position up. `Latest` is the log end: what a reader may see of it, the caller knows.
    /// None when no record is as late as asked, or there is none at all.
    pub fn offset_for(&self, _spec: OffsetSpec) -> Option<TimestampAndOffset> {
        todo!()
    }
}
