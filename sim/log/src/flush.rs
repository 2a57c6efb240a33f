//! Bringing the log to the platter: the recovery point and the fsyncs that raise it (`UnifiedLog.flush`).

use crate::log::Log;
use klab_machine::{FlushId, Outbox};
use klab_wire::{Now, Offset};

impl Log {
    /// Everything below has been flushed (`recoveryPoint`).
    pub fn recovery_point(&self) -> Offset {
        todo!()
    }

    /// Asks for an fsync of everything that was not asked for yet; none if there is nothing.
    /// The log is flushed up to its present end when the last one returned is reported.
    pub fn flush(&mut self, _now: Now, _out: &mut Outbox) -> Option<FlushId> {
        todo!()
    }

    /// `flush.ms` has passed since the last fsync, and there is something to flush.
    pub fn is_flush_due(&self, _now: Now) -> bool {
        todo!()
    }

    /// The fsyncs that this log has asked for since the last call, also those of a segment roll: the
    /// caller brings each one's `Flushed` to [`Self::flushed`].
    pub fn claim_flushes(&mut self) -> impl Iterator<Item = FlushId> + '_ {
        std::iter::empty()
    }

    /// An fsync is done; says whether it was this log's.
    pub fn flushed(&mut self, _flush: FlushId, _out: &mut Outbox) -> bool {
        todo!()
    }

    /// The last act before an orderly shutdown: flushes, and stores the producers' state, so that a
    /// clean start reads no segment (`UnifiedLog.close`).
    pub fn close(&mut self, _now: Now, _out: &mut Outbox) -> Option<FlushId> {
        todo!()
    }
}
