//! Opening a log that is on the disk, and recovering it after an unclean stop (`LogLoader`).

use crate::checkpoints::Checkpoints;
use crate::config::LogConfig;
use crate::log::Log;
use klab_machine::{DiskImage, Outbox};
use klab_wire::{Now, TopicIdPartition, TopicPartition};
use std::sync::Arc;

impl Log {
    /// Opens what the disk has of a partition; a partition without files is a new log.
    ///
    /// After an unclean stop everything from the recovery point on is read batch by batch; the log is
    /// cut at the first one that does not fit its checksum, epochs and producers are rebuilt.
    #[allow(clippy::too_many_arguments, reason = "TODO")]
    pub fn load(
        _partition: TopicIdPartition,
        _name: TopicPartition,
        _config: Arc<LogConfig>,
        _disk: &DiskImage,
        _checkpoints: &Checkpoints,
        _now: Now,
        _out: &mut Outbox,
    ) -> Self {
        todo!()
    }
}
