//! Permitted or violation: which setting, if any, allows a record to be lost.
//!
//! Asked per record. What an acknowledgement promises follows from who gave it: with `acks=1` the leader
//! alone, until the record is committed. What a commit promises: as long as fewer than
//! `min.insync.replicas` replicas lose unflushed data, and every leader is elected cleanly, the record
//! survives. Without eligible leader replicas (KIP-966) one loss is enough when it hits the last member
//! of the ISR, because that one leads again without being asked what it still has.

use crate::picture::{Batch, Election, Partition};
use crate::settings::Setting;
use klab_wire::{Acks, Offset};

/// What permits the loss of a batch that was acknowledged to a producer with these `acks`.
pub(crate) fn of_acked(
    batch: &Batch,
    acks: Acks,
    partition: &Partition,
    min_isr: u32,
) -> Option<Setting> {
    match acks {
        Acks::Leader if !batch.committed => Some(Setting::AcksLeader),
        Acks::Leader | Acks::All | Acks::None => of_committed(batch, partition, min_isr),
    }
}

/// What permits the loss of a committed batch.
pub(crate) fn of_committed(batch: &Batch, partition: &Partition, min_isr: u32) -> Option<Setting> {
    of_committed_since(batch, (&partition.elections, partition.last_member_trusted_by), min_isr)
}

/// As above, by all elections of the partition, and by what trusts the last member of its ISR.
pub(crate) fn of_committed_since(
    batch: &Batch,
    (elections, last_member_trusted_by): (&[Election], Setting),
    min_isr: u32,
) -> Option<Setting> {
    let later = elections.iter().filter(|election| election.epoch > batch.epoch);
    if let Some(setting) = later.filter_map(|election| election.unclean_by).next() {
        return Some(setting);
    }
    let promised = if batch.committed { batch.promised } else { min_isr };
    match (batch.lost_by.count_ones(), batch.cut_off_by_leave) {
        (0, 0) => None,
        (losses, _) if losses >= promised => Some(Setting::MinInsyncReplicas(promised)),
        _ if batch.lost_by_last_in_sync => Some(last_member_trusted_by),
        (_, cut_off) if cut_off != 0 => Some(Setting::MinInsyncReplicas(promised)),
        _ => None,
    }
}

/// What permits that a log has nothing at an offset, and goes on after it: whatever was there was lost.
pub(crate) fn of_hole(partition: &Partition, offset: Offset, min_isr: u32) -> Option<Setting> {
    let mut lost = partition.copies.claimants(offset);
    lost.find_map(|batch| of_committed(batch, partition, min_isr))
}

/// What permits that a partition's leaders do not all have the same past.
pub(crate) const fn of_partition(partition: &Partition) -> Option<Setting> {
    partition.excuse
}
