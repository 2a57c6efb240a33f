//! One batch, and which replicas hold it.

use crate::verdict::{Moment, Witness};
use klab_wire::{BatchProducer, LeaderEpoch, Offset};

/// A batch that some replica has, or had.
#[derive(Clone, Debug)]
pub(crate) struct Batch {
    pub(crate) base: Offset,
    pub(crate) last: Offset,
    pub(crate) epoch: LeaderEpoch,
    pub(crate) digest: u64,
    pub(crate) first_value: Option<u64>,
    pub(crate) producer: Option<BatchProducer>,
    /// Where it was first appended, and by whom: its leader.
    pub(crate) appended: Moment,
    /// The replicas that hold it, as bits by slot.
    pub(crate) holders: u64,
    /// The replicas that lost it with their page cache or their disk, as bits by slot.
    pub(crate) lost_by: u64,
    /// The replicas that cut it off after a leader that had lost it by leave of the settings, as bits by slot. That
    /// leader may get it back from elsewhere, and they may lead without it.
    pub(crate) cut_off_by_leave: u64,
    /// A replica that held it has deleted it in order.
    pub(crate) deleted: bool,
    /// A leader's high watermark has passed it.
    pub(crate) committed: bool,
    /// How many replicas were promised to have it when it was committed (`min.insync.replicas`).
    pub(crate) promised: u32,
    /// Whoever was in sync when it was committed was promised to have flushed it (`flush.messages=1`): no power cut
    /// excuses its loss.
    pub(crate) flushed: bool,
    /// When its last holder to lose it was the only member of the ISR (KIP-966).
    pub(crate) lost_by_last_in_sync: bool,
    /// A new leader without it was found already: it is not reported again.
    pub(crate) reported: bool,
    /// The latest cut that took it from a replica: an index into the cuts of its log.
    pub(crate) cut: Option<u32>,
}

impl Batch {
    /// A batch that was appended, and of which nothing else is known yet.
    pub(crate) fn appended(
        at: Moment,
        (base, last): (Offset, Offset),
        epoch: LeaderEpoch,
        digest: u64,
    ) -> Self {
        Batch {
            base,
            last,
            epoch,
            digest,
            first_value: None,
            producer: None,
            appended: at,
            holders: 0,
            lost_by: 0,
            cut_off_by_leave: 0,
            deleted: false,
            committed: false,
            promised: 0,
            flushed: false,
            lost_by_last_in_sync: false,
            reported: false,
            cut: None,
        }
    }

    /// Whether the batch with these marks is this one.
    pub(crate) fn is(&self, base: Offset, epoch: LeaderEpoch, digest: u64) -> bool {
        self.base == base && self.epoch == epoch && self.digest == digest
    }

    /// Whether the replica in this slot holds it.
    pub(crate) const fn is_held_by(&self, slot: u8) -> bool {
        self.holders & (1 << slot) != 0
    }

    /// Whether it has an offset in common with another one.
    pub(crate) fn overlaps(&self, other: &Batch) -> bool {
        self.base <= other.last && other.base <= self.last
    }

    /// Its first append, as a witness.
    pub(crate) fn witness(&self) -> Witness {
        let place = match self.base == self.last {
            true => format!("offset {}", self.base),
            false => format!("offsets {}..{}", self.base, self.last),
        };
        let what = format!("appended {place} in leader epoch {}", self.epoch);
        Witness { at: self.appended, what }
    }

    pub(crate) fn contains(&self, offset: Offset) -> bool {
        self.base <= offset && offset <= self.last
    }
}
