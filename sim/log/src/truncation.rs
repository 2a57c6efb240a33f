//! Cutting the end off, or everything (`UnifiedLog.truncateTo`, `truncateFullyAndStartAt`).

use crate::log::Log;
use klab_machine::Outbox;
use klab_wire::{Now, Offset};

impl Log {
    /// Removes every batch that reaches `to` or beyond; says whether anything was removed.
    pub fn truncate_to(&mut self, _to: Offset, _now: Now, _out: &mut Outbox) -> bool {
        todo!()
    }

    /// Removes everything; the log is empty and starts and ends at `at`.
    pub fn truncate_fully_and_start_at(&mut self, _at: Offset, _now: Now, _out: &mut Outbox) {
        todo!()
    }

    /// Removes the partition's files: the replica is given up.
    pub fn delete(self, _out: &mut Outbox) {
        todo!()
    }
}
