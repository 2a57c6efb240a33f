//! What a broker writes down about all its logs together (`OffsetCheckpointFile`, `LogManager`).
//!
//! Each file is written whole and fsynced, as Kafka's `CheckpointFile` does. Nobody waits for these
//! fsyncs: an older checkpoint is as true as a newer one, only less telling.

use crate::log::Log;
use klab_machine::{Block, Change, DiskImage, File, FlushId, Mutant, Outbox};
use klab_wire::{BrokerEpoch, Offset, PartitionId, TopicId, TopicIdPartition, TopicName};
use std::collections::BTreeMap;

/// The checkpoint files of a log directory, as found at a start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checkpoints {
    /// `recovery-point-offset-checkpoint`: everything below was flushed.
    pub recovery_points: BTreeMap<TopicIdPartition, Offset>,
    /// `replication-offset-checkpoint`: what was known to be committed.
    pub high_watermarks: BTreeMap<TopicIdPartition, Offset>,
    /// `log-start-offset-checkpoint`: where DeleteRecords has moved the start.
    pub log_starts: BTreeMap<TopicIdPartition, Offset>,
    /// `.kafka_cleanshutdown` was there: the logs need no recovery.
    pub clean: bool,
}

impl Checkpoints {
    /// Reads them.
    pub fn read(disk: &DiskImage) -> Self {
        Checkpoints {
            recovery_points: read_offsets(disk, File::RecoveryPointCheckpoint),
            high_watermarks: read_offsets(disk, File::HighWatermarkCheckpoint),
            log_starts: read_offsets(disk, File::LogStartOffsetCheckpoint),
            clean: disk.contains(File::CleanShutdown),
        }
    }
}

/// The registration under which the broker shut down in order, if it did (KIP-966): `.kafka_cleanshutdown` has it.
pub fn previous_broker_epoch(disk: &DiskImage) -> Option<BrokerEpoch> {
    match disk.block(File::CleanShutdown) {
        Some(Block::CleanShutdown(epoch)) => *epoch,
        _ => None,
    }
}

fn read_offsets(disk: &DiskImage, file: File) -> BTreeMap<TopicIdPartition, Offset> {
    match disk.block(file) {
        Some(Block::Offsets(offsets)) => offsets.iter().copied().collect(),
        _ => BTreeMap::new(),
    }
}

/// The partitions that have a log on this disk, with their topics (`partition.metadata`), but for the
/// metadata log, which is not the log manager's. After [`delete_strays`] nothing else is there.
pub fn partitions_on(disk: &DiskImage) -> Vec<(TopicIdPartition, TopicName)> {
    let at = |topic, partition| {
        let (topic, partition) = (TopicId(topic), PartitionId(partition));
        File::PartitionMetadata(TopicIdPartition { topic, partition })
    };
    let files = disk.files_in(at(0, 0)..=at(u64::MAX, u32::MAX));
    let found = files.filter_map(|file| topic_of(disk, file));
    found.filter(|(partition, _)| partition.topic != TopicId::CLUSTER_METADATA).collect()
}

fn topic_of(disk: &DiskImage, file: File) -> Option<(TopicIdPartition, TopicName)> {
    match (file, disk.block(file)) {
        (File::PartitionMetadata(partition), Some(Block::PartitionMetadata(topic))) => {
            Some((partition, topic.clone()))
        }
        _ => None,
    }
}

/// Deletes the files of partitions without `partition.metadata`: a power cut came before it reached
/// the platter, or no record was ever appended. A log created later under that name must not find them.
pub fn delete_strays(disk: &DiskImage, out: &mut Outbox) {
    let is_stray = |file: &File| match file {
        File::Segment(partition, _)
        | File::LeaderEpochCheckpoint(partition)
        | File::ProducerSnapshot(partition, _) => {
            partition.topic != TopicId::CLUSTER_METADATA
                && !disk.contains(File::PartitionMetadata(*partition))
        }
        _ => false,
    };
    disk.files().filter(is_stray).for_each(|file| out.store(file, Change::Delete));
}

/// Writes `replication-offset-checkpoint`.
pub fn store_high_watermarks(
    offsets: impl Iterator<Item = (TopicIdPartition, Offset)>,
    out: &mut Outbox,
) {
    store_offsets(File::HighWatermarkCheckpoint, offsets, out);
}

/// Writes `recovery-point-offset-checkpoint`.
pub fn store_recovery_points<'a>(logs: impl Iterator<Item = &'a Log>, out: &mut Outbox) {
    let offsets = logs.map(|log| (log.partition, log.recovery_point()));
    store_offsets(File::RecoveryPointCheckpoint, offsets, out);
}

/// Writes `log-start-offset-checkpoint`: the starts that no segment's name tells.
pub fn store_log_starts<'a>(logs: impl Iterator<Item = &'a Log>, out: &mut Outbox) {
    let offsets = logs
        .filter(|log| log.log_start > log.segments.first().base)
        .filter(|_| !Mutant::ForgetsTheLogStart.lives())
        .map(|log| (log.partition, log.log_start));
    store_offsets(File::LogStartOffsetCheckpoint, offsets, out);
}

/// An offset of 0 says what a missing line says, so idle partitions cost no line.
fn store_offsets(
    file: File,
    offsets: impl Iterator<Item = (TopicIdPartition, Offset)>,
    out: &mut Outbox,
) {
    let offsets = offsets.filter(|(_, offset)| *offset > Offset(0)).collect();
    out.store(file, Change::Replace(Block::Offsets(offsets)));
    out.flush(file);
}

/// Writes `.kafka_cleanshutdown`: the last act of an orderly shutdown, when every log is closed and
/// flushed (`CleanShutdownFileHandler`).
pub fn store_clean_shutdown(epoch: Option<BrokerEpoch>, out: &mut Outbox) {
    out.store(File::CleanShutdown, Change::Replace(Block::CleanShutdown(epoch)));
    out.flush(File::CleanShutdown);
}

/// Deletes `.kafka_cleanshutdown`, before a log is opened; gone for good it is when this fsync is done.
pub fn delete_clean_shutdown(out: &mut Outbox) -> FlushId {
    out.store(File::CleanShutdown, Change::Delete);
    out.flush(File::CleanShutdown)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{PARTITION, Rig, records};

    #[test]
    fn checkpoints_are_read_as_they_were_written() {
        let mut rig = Rig::new();
        rig.append(records(4));
        rig.flush();
        rig.append(records(2));
        rig.commit(5);
        rig.delete_records(2);
        rig.act(|log, _, out| {
            let logs = || std::iter::once(&*log);
            store_high_watermarks(logs().map(|log| (log.partition, log.high_watermark)), out);
            store_recovery_points(logs(), out);
            store_log_starts(logs(), out);
        });
        let read = Checkpoints::read(&rig.disk);
        assert_eq!(read.recovery_points[&PARTITION], Offset(4));
        assert_eq!(read.high_watermarks[&PARTITION], Offset(5));
        assert_eq!(read.log_starts[&PARTITION], Offset(2));
        assert!(!read.clean);
    }

    #[test]
    fn a_log_start_that_a_segments_name_tells_is_not_written() {
        let mut rig = Rig::new();
        rig.append(records(4));
        rig.roll();
        rig.commit_all();
        rig.delete_records(4);
        rig.act(|log, now, out| log.delete_old_segments(now, out));
        rig.act(|log, _, out| store_log_starts(std::iter::once(&*log), out));
        assert!(Checkpoints::read(&rig.disk).log_starts.is_empty());
    }

    #[test]
    fn the_clean_shutdown_marker_carries_the_registration() {
        let mut rig = Rig::new();
        rig.act(|_, _, out| store_clean_shutdown(Some(BrokerEpoch(9)), out));
        let read = Checkpoints::read(&rig.disk);
        assert_eq!((read.clean, previous_broker_epoch(&rig.disk)), (true, Some(BrokerEpoch(9))));
        rig.act(|_, _, out| {
            delete_clean_shutdown(out);
        });
        assert_eq!(Checkpoints::read(&rig.disk), Checkpoints::default());
    }

    #[test]
    fn a_partition_is_found_by_its_metadata_file_and_strays_go() {
        let mut rig = Rig::new();
        rig.append(records(1));
        assert_eq!(partitions_on(&rig.disk), [(PARTITION, TopicName::from("orders"))]);
        let disk = rig.disk.clone();
        rig.act(|_, _, out| delete_strays(&disk, out));
        assert_eq!(rig.disk, disk);
        rig.disk.apply(File::PartitionMetadata(PARTITION), Change::Delete);
        let metadata_log = File::PartitionMetadata(TopicIdPartition::CLUSTER_METADATA);
        let topic = Block::PartitionMetadata(TopicName::from("__cluster_metadata"));
        rig.disk.apply(metadata_log, Change::Replace(topic));
        let disk = rig.disk.clone();
        rig.act(|_, _, out| delete_strays(&disk, out));
        assert_eq!(partitions_on(&rig.disk), []);
        assert_eq!(rig.disk.files().collect::<Vec<_>>(), [metadata_log]);
    }
}
