//! What a broker writes down about all its logs together (`OffsetCheckpointFile`, `LogManager`).

use crate::log::Log;
use klab_machine::{DiskImage, Outbox};
use klab_wire::{Offset, TopicIdPartition, TopicName};
use std::collections::BTreeMap;

/// The checkpoint files of a log directory, as found at a start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checkpoints {
    /// `recovery-point-offset-checkpoint`.
    pub recovery_points: BTreeMap<TopicIdPartition, Offset>,
    /// `replication-offset-checkpoint`.
    pub high_watermarks: BTreeMap<TopicIdPartition, Offset>,
    /// `log-start-offset-checkpoint`.
    pub log_starts: BTreeMap<TopicIdPartition, Offset>,
    /// `.kafka_cleanshutdown` was there: the logs need no recovery.
    pub clean: bool,
}

impl Checkpoints {
    /// Reads them.
    pub fn read(_disk: &DiskImage) -> Self {
        todo!()
    }
}

/// There is a clean-shutdown marker.
pub fn is_clean_shutdown(_disk: &DiskImage) -> bool {
    todo!()
}

/// The partitions that have a log on this disk, with their topics (`partition.metadata`).
pub fn partitions_on(_disk: &DiskImage) -> Vec<(TopicIdPartition, TopicName)> {
    todo!()
}

/// Writes `replication-offset-checkpoint`.
pub fn store_high_watermarks<'a>(_logs: impl Iterator<Item = &'a Log>, _out: &mut Outbox) {
    todo!()
}

/// Writes `recovery-point-offset-checkpoint`.
pub fn store_recovery_points<'a>(_logs: impl Iterator<Item = &'a Log>, _out: &mut Outbox) {
    todo!()
}

/// Writes `log-start-offset-checkpoint`: the starts that no segment's name tells.
pub fn store_log_starts<'a>(_logs: impl Iterator<Item = &'a Log>, _out: &mut Outbox) {
    todo!()
}
