//! Commits, and what the host is told of them in order (`ListenerContext`, `updateListenersProgress`).

use crate::RaftEvent;
use crate::raft::Raft;
use crate::role::Role;
use klab_machine::Outbox;
use klab_machine::fact::RaftFact;
use klab_wire::{Now, Offset};
use std::sync::Arc;

impl Raft {
    /// The leader's own log is flushed to its end, which now counts.
    pub(crate) fn leader_flushed(&mut self, now: Now, out: &mut Outbox) {
        let end = self.log.end();
        let Role::Leader(leader) = &mut self.role else { return };
        if let Some(to) = leader.flushed(end) {
            self.leader_committed(now, to, out);
        }
    }

    /// A majority has everything below: it is committed.
    pub(crate) fn leader_committed(&mut self, now: Now, to: Offset, out: &mut Outbox) {
        self.committed(to, true, out);
        self.answer_parked_fetches(now, out);
    }

    /// The leader has told how far it has committed.
    pub(crate) fn follower_committed(&mut self, to: Offset, out: &mut Outbox) {
        // Zero is a leader that does not know yet.
        if to > self.high_watermark.unwrap_or_default() {
            self.committed(to, false, out);
        }
    }

    /// The high watermark as the leader answers it: none before it has committed in its epoch.
    pub(crate) fn leader_high_watermark(&self) -> Option<Offset> {
        match &self.role {
            Role::Leader(leader) => leader.high_watermark,
            _ => None,
        }
    }

    fn committed(&mut self, to: Offset, as_leader: bool, out: &mut Outbox) {
        let from = self.high_watermark.unwrap_or_default();
        let epoch = self.quorum.leader_epoch;
        // A leader's first one may be behind what it knew as a follower only if it lost committed data.
        assert!(to >= from, "the high watermark went back from {from} to {to}");
        if to > from {
            out.state(RaftFact::MetadataCommitted { epoch, from, to, as_leader });
        }
        self.high_watermark = Some(to);
        self.log.update_high_watermark(to);
        self.deliver(to);
        self.announce_writable();
    }

    /// Hands over what is committed and was not handed over yet: a snapshot first, if the host is new
    /// or the log does not reach back far enough.
    fn deliver(&mut self, high_watermark: Offset) {
        let is_cut_off = self.next_delivery.is_none_or(|next| next < self.log.start());
        if is_cut_off {
            self.deliver_snapshot();
        }
        let mut next = self.next_delivery.unwrap_or_default();
        for batch in self.log.committed(next, high_watermark) {
            next = batch.next_offset();
            if !batch.attributes.control {
                self.bytes_since_snapshot += u64::from(batch.size_in_bytes);
                self.events.push_back(RaftEvent::Committed(Arc::clone(batch)));
            }
        }
        self.next_delivery = Some(next);
    }

    fn deliver_snapshot(&mut self) {
        if let Some((id, snapshot)) = self.log.latest_snapshot() {
            let batches = snapshot.metadata();
            self.next_delivery = Some(id.offset);
            self.bytes_since_snapshot = 0;
            self.events.push_back(RaftEvent::SnapshotLoaded { id, batches });
        }
    }

    /// A leader may act once everything up to its own first record has been handed over.
    fn announce_writable(&mut self) {
        let Role::Leader(leader) = &mut self.role else { return };
        if !leader.is_writable && self.next_delivery > Some(leader.epoch_start) {
            leader.is_writable = true;
            let epoch = self.quorum.leader_epoch;
            self.events.push_back(RaftEvent::BecameWritable { epoch });
        }
    }
}
