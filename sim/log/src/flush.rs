//! Bringing the log to the platter: the recovery point and the fsyncs that raise it.
//!
//! `UnifiedLog.flush`, `LocalLog.markFlushed`. Kafka relies on replication and by default leaves
//! writing to the operating system; an fsync happens when a segment is sealed, at an orderly shutdown,
//! and by `flush.messages` and `flush.ms` if they are set. Below the recovery point the log need not be
//! read after an unclean stop.

use crate::log::Log;
use klab_machine::fact::LogFact;
use klab_machine::{File, FlushId, Mutant, Outbox};
use klab_wire::{Now, Offset, Span, Timestamp};

/// What has been flushed, and the fsyncs under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Flushes {
    recovery_point: Offset,
    /// Everything below is flushed, or asked to be.
    asked: Offset,
    /// In the order in which they were asked for.
    pending: Vec<Pending>,
    /// So many of the pending ones, from the end, are not claimed yet.
    unclaimed: u32,
    /// When the last fsync was asked for, or the log began.
    last: Option<Timestamp>,
}

/// An fsync under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Pending {
    id: FlushId,
    file: File,
    up_to: Offset,
    done: bool,
}

impl Flushes {
    /// Everything below this offset is flushed.
    pub fn starting_at(recovery_point: Offset, now: Option<Timestamp>) -> Self {
        Flushes {
            recovery_point,
            asked: recovery_point,
            pending: Vec::new(),
            unclaimed: 0,
            last: now,
        }
    }

    /// The log ends earlier: what comes after has to be flushed anew, whatever is under way.
    pub fn truncate(&mut self, log_end: Offset) {
        self.recovery_point = self.recovery_point.min(log_end);
        self.asked = self.asked.min(log_end);
        self.pending.iter_mut().for_each(|flush| flush.up_to = flush.up_to.min(log_end));
    }

    /// The log is empty and starts afresh at this offset.
    pub fn restart(&mut self, at: Offset, now: Timestamp) {
        self.truncate(at);
        self.last = Some(now);
    }

    /// The log starts later: what is below need not be flushed any more (`updateLogStartOffset`).
    pub fn advance_log_start(&mut self, log_start: Offset) {
        self.recovery_point = self.recovery_point.max(log_start);
        self.asked = self.asked.max(log_start);
    }

    fn ask(&mut self, id: FlushId, file: File, up_to: Offset) {
        self.pending.push(Pending { id, file, up_to, done: false });
        self.unclaimed += 1;
        self.asked = up_to;
    }

    /// Takes note of a finished fsync; the recovery point follows in the order of asking. None if
    /// the fsync is not one of these, else whether the recovery point moved.
    ///
    /// An fsync is one of a file: what was asked for before of the same segment is done as well, though its own fsync, of
    /// another thread, may have to come yet.
    fn finish(&mut self, id: FlushId) -> Option<bool> {
        let place = self.pending.iter().position(|flush| flush.id == id)?;
        let file = self.pending[place].file;
        let same_file = self.pending[..=place].iter_mut().filter(|one| one.file == file);
        same_file.for_each(|one| one.done = true);
        let done = self.pending.iter().take_while(|flush| flush.done).count();
        let before = self.recovery_point;
        for flush in self.pending.drain(..done) {
            self.recovery_point = self.recovery_point.max(flush.up_to);
        }
        self.unclaimed = self.unclaimed.min(self.pending.len() as u32);
        Some(self.recovery_point > before)
    }
}

impl Log {
    /// Everything below has been flushed (`recoveryPoint`).
    pub fn recovery_point(&self) -> Offset {
        match Mutant::RecoversTooLate.lives() {
            true => self.flushes.asked,
            false => self.flushes.recovery_point,
        }
    }

    /// Asks for an fsync of everything that was not asked for yet; none if there is nothing.
    /// The log is flushed up to its present end when the recovery point has reached it, at the
    /// latest when all that [`Self::claim_flushes`] tells have been reported.
    pub fn flush(&mut self, now: Now, out: &mut Outbox) -> Option<FlushId> {
        self.flush_up_to(self.log_end, now, out)
    }

    pub(crate) fn flush_up_to(
        &mut self,
        to: Offset,
        now: Now,
        out: &mut Outbox,
    ) -> Option<FlushId> {
        let mut last = None;
        let first = self.segments.floor(self.flushes.asked).unwrap_or(0);
        for place in first..self.segments.len() {
            let end = self.segments.end_of(place).unwrap_or(self.log_end).min(to);
            if end > self.flushes.asked {
                let file = match Mutant::FlushesTheWrongFile.lives() {
                    true => File::LeaderEpochCheckpoint(self.partition),
                    false => self.segments.at(place).file(self.partition),
                };
                let id = out.flush(file);
                self.flushes.ask(id, file, end);
                last = Some(id);
            }
        }
        if last.is_some() {
            self.flushes.last = Some(now.wall);
        }
        last
    }

    /// Flushes if `flush.messages` records have come since the last flush was asked for.
    pub(crate) fn flush_if_many(&mut self, now: Now, out: &mut Outbox) -> Option<FlushId> {
        let unflushed = self.log_end.since(self.flushes.asked);
        if unflushed < self.config.flush_messages { None } else { self.flush(now, out) }
    }

    /// `flush.ms` has passed since the last fsync, and there is something to flush
    /// (`LogManager.flushDirtyLogs`).
    pub fn is_flush_due(&self, now: Now) -> bool {
        let age = self.flushes.last.map_or(Span::MAX, |last| now.wall.since(last));
        self.flushes.asked < self.log_end && age >= self.config.flush_ms
    }

    /// The fsyncs that this log has asked for since the last call, also those of a segment roll. The
    /// caller brings each one's `Flushed` to [`Self::flushed`]. One that nobody claims, of a
    /// checkpoint file, says nothing when it ends and may be ignored.
    pub fn claim_flushes(&mut self) -> impl Iterator<Item = FlushId> + '_ {
        let first = self.flushes.pending.len() - self.flushes.unclaimed as usize;
        self.flushes.unclaimed = 0;
        self.flushes.pending[first..].iter().map(|flush| flush.id)
    }

    /// An fsync is done; says whether it was one of this log's segments.
    pub fn flushed(&mut self, flush: FlushId, out: &mut Outbox) -> bool {
        let moved = self.flushes.finish(flush);
        if moved == Some(true) {
            let to = self.flushes.recovery_point;
            out.state(LogFact::LogFlushed { partition: self.name.clone(), to });
        }
        moved.is_some()
    }

    /// Whether what this fsync was asked for is still to be brought to the platter, or something before it.
    pub fn awaits(&self, flush: FlushId) -> bool {
        self.flushes.pending.iter().any(|pending| pending.id == flush)
    }

    /// No fsync of a segment is under way.
    pub fn is_settled(&self) -> bool {
        self.flushes.pending.is_empty()
    }

    /// The last act before an orderly shutdown: flushes, and stores the producers' state, so that a
    /// clean start reads no segment (`UnifiedLog.close`).
    pub fn close(&mut self, now: Now, out: &mut Outbox) -> Option<FlushId> {
        self.producers.take_snapshot(self.partition, out);
        self.flush(now, out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LogConfig;
    use crate::testing::{Rig, records};

    #[test]
    fn the_recovery_point_follows_the_fsyncs_in_the_order_of_asking() {
        let mut rig = Rig::new();
        rig.append(records(2));
        rig.roll();
        let first = std::mem::take(&mut rig.flushes);
        rig.append(records(1));
        rig.act(|log, now, out| log.flush(now, out));
        let second = std::mem::take(&mut rig.flushes);
        assert_eq!((first.len(), second.len()), (1, 1));
        rig.flushes = second;
        rig.finish_flushes();
        assert_eq!((rig.log.recovery_point(), rig.fact_names()), (Offset(0), vec![]));
        rig.flushes = first;
        rig.finish_flushes();
        assert_eq!((rig.log.recovery_point(), rig.log.is_settled()), (Offset(3), true));
    }

    #[test]
    fn what_was_asked_for_is_not_asked_for_again() {
        let mut rig = Rig::new();
        rig.append(records(2));
        assert!(rig.act(|log, now, out| log.flush(now, out)).is_some());
        assert_eq!(rig.act(|log, now, out| log.flush(now, out)), None);
        assert!(!rig.log.flushed(FlushId(999), &mut rig.out), "another log's");
    }

    #[test]
    fn an_fsync_brings_all_of_its_segment_and_nothing_of_another() {
        let mut rig = Rig::new();
        let fsync_after = |rig: &mut Rig| {
            rig.append(records(1));
            rig.act(|log, now, out| log.flush(now, out)).expect("there is something to flush")
        };
        let [first, second] = [fsync_after(&mut rig), fsync_after(&mut rig)];
        rig.log.flushed(second, &mut rig.out);
        assert_eq!((rig.log.recovery_point(), rig.log.awaits(first)), (Offset(2), false));
        assert!(!rig.log.flushed(first, &mut rig.out), "it has nothing left to bring");
        let old = fsync_after(&mut rig);
        rig.roll();
        let new = fsync_after(&mut rig);
        rig.log.flushed(new, &mut rig.out);
        assert_eq!((rig.log.recovery_point(), rig.log.awaits(old)), (Offset(2), true));
    }

    #[test]
    fn flush_ms_counts_from_the_last_fsync() {
        let mut rig =
            Rig::with(LogConfig { flush_ms: Span::from_millis(50), ..LogConfig::default() });
        rig.append(records(1));
        rig.flush();
        rig.clock = 1_200;
        assert!(!rig.log.is_flush_due(rig.now()), "there is nothing to flush");
        rig.append(records(1));
        assert!(rig.log.is_flush_due(rig.now()));
        rig.flush();
        rig.append(records(1));
        rig.clock = 1_249;
        assert!(!rig.log.is_flush_due(rig.now()));
        rig.clock = 1_250;
        assert!(rig.log.is_flush_due(rig.now()));
    }

    #[test]
    fn a_flush_after_a_cut_within_a_batch_reaches_the_log_end() {
        let mut rig = Rig::new();
        rig.append(records(2));
        rig.append(records(2));
        rig.truncate(3);
        rig.flush();
        assert_eq!(rig.log.recovery_point(), Offset(3));
    }
}
