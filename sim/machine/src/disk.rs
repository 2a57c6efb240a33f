//! What a machine keeps: files of typed blocks, by Kafka's file names.
//!
//! A machine has no durable state but what it stored. A restart gets the [`DiskImage`]: after a crash
//! of the process everything that was stored, after a power cut only what had reached the platter,
//! the last write perhaps torn. A torn or corrupted batch is seen by its checksum
//! ([`RecordBatch::is_valid`]), never by a label.

use crate::fingerprint::Fingerprint;
use indexmap::IndexMap;
use klab_wire::zookeeper::{Snapshot, Txn, Zxid};
use klab_wire::{
    BrokerEpoch, ClusterId, DirectoryId, LeaderEpoch, NodeId, Offset, OffsetAndEpoch,
    ProducerEpoch, ProducerId, RecordBatch, ReplicaKey, Sequence, Timestamp, TopicIdPartition,
    TopicName,
};
use serde::Serialize;
use std::collections::BTreeSet;
use std::fmt;
use std::hash::BuildHasherDefault;
use std::sync::Arc;

/// A file in a log directory.
///
/// A partition's directory is named by the topic's id, not by its name, so that a topic created again
/// under an old name finds no stray log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum File {
    /// `meta.properties`: what `kafka-storage format` wrote.
    MetaProperties,
    /// `.kafka_cleanshutdown`: written last by an orderly shutdown, deleted at the next start.
    CleanShutdown,
    /// `recovery-point-offset-checkpoint`: below these offsets the logs are flushed.
    RecoveryPointCheckpoint,
    /// `replication-offset-checkpoint`: high watermarks.
    HighWatermarkCheckpoint,
    /// `log-start-offset-checkpoint`: log starts moved by DeleteRecords.
    LogStartOffsetCheckpoint,
    /// `partition.metadata`: the topic that a partition's directory belongs to.
    PartitionMetadata(TopicIdPartition),
    /// `<base offset>.log`: a segment.
    Segment(TopicIdPartition, Offset),
    /// `leader-epoch-checkpoint`.
    LeaderEpochCheckpoint(TopicIdPartition),
    /// `<offset>.snapshot`: the producers' state below an offset.
    ProducerSnapshot(TopicIdPartition, Offset),
    /// `quorum-state`: a voter's election state.
    QuorumState,
    /// `<offset>-<epoch>.checkpoint`: a snapshot of the metadata log.
    MetadataSnapshot(OffsetAndEpoch),
    /// `acceptedEpoch`: the highest epoch that a ZooKeeper server has accepted a leader's proposal of.
    AcceptedEpoch,
    /// `currentEpoch`: the epoch in which a ZooKeeper server last had a leader.
    CurrentEpoch,
    /// `version-2/log.<zxid>`: transactions from this one on.
    TransactionLog(Zxid),
    /// `version-2/snapshot.<zxid>`: a ZooKeeper server's state.
    ZooKeeperSnapshot(Zxid),
}

impl fmt::Display for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dir = |p: &TopicIdPartition| match p.topic {
            klab_wire::TopicId::CLUSTER_METADATA => "__cluster_metadata-0".to_string(),
            topic => format!("topic{topic}-{}", p.partition),
        };
        match self {
            File::MetaProperties => f.write_str("meta.properties"),
            File::CleanShutdown => f.write_str(".kafka_cleanshutdown"),
            File::RecoveryPointCheckpoint => f.write_str("recovery-point-offset-checkpoint"),
            File::HighWatermarkCheckpoint => f.write_str("replication-offset-checkpoint"),
            File::LogStartOffsetCheckpoint => f.write_str("log-start-offset-checkpoint"),
            File::PartitionMetadata(p) => write!(f, "{}/partition.metadata", dir(p)),
            File::Segment(p, base) => write!(f, "{}/{:020}.log", dir(p), base.0),
            File::LeaderEpochCheckpoint(p) => write!(f, "{}/leader-epoch-checkpoint", dir(p)),
            File::ProducerSnapshot(p, at) => write!(f, "{}/{:020}.snapshot", dir(p), at.0),
            File::QuorumState => f.write_str("__cluster_metadata-0/quorum-state"),
            File::MetadataSnapshot(id) => {
                write!(f, "__cluster_metadata-0/{:020}-{:010}.checkpoint", id.offset.0, id.epoch.0)
            }
            File::AcceptedEpoch => f.write_str("acceptedEpoch"),
            File::CurrentEpoch => f.write_str("currentEpoch"),
            File::TransactionLog(first) => write!(f, "version-2/log.{:x}", first.0),
            File::ZooKeeperSnapshot(zxid) => write!(f, "version-2/snapshot.{:x}", zxid.0),
        }
    }
}

/// One write's worth of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Block {
    /// A batch of a segment or of a metadata snapshot.
    Batch(Arc<RecordBatch>),
    /// A voter's election state.
    QuorumState(QuorumState),
    /// Offsets by partition.
    Offsets(Arc<[(TopicIdPartition, Offset)]>),
    /// Leader epochs with their start offsets.
    Epochs(Arc<[(LeaderEpoch, Offset)]>),
    /// The state of a partition's producers.
    Producers(Arc<[ProducerSnapshotEntry]>),
    /// What the directory was formatted with.
    MetaProperties(MetaProperties),
    /// The topic of a partition's directory.
    PartitionMetadata(TopicName),
    /// The registration under which the broker shut down in order (KIP-966).
    CleanShutdown(Option<BrokerEpoch>),
    /// A transaction of ZooKeeper.
    Txn(Arc<Txn>),
    /// A ZooKeeper server's state.
    ZooKeeperSnapshot(Arc<Snapshot>),
    /// An epoch of ZooKeeper.
    ZooKeeperEpoch(u32),
}

/// `quorum-state` (v1): what a voter must never forget.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct QuorumState {
    /// The highest epoch it has taken part in.
    pub leader_epoch: LeaderEpoch,
    /// The leader of that epoch, if it knows.
    pub leader: Option<NodeId>,
    /// Whom it voted for in that epoch.
    pub voted: Option<ReplicaKey>,
}

/// `meta.properties`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetaProperties {
    /// The cluster.
    pub cluster: ClusterId,
    /// The node.
    pub node: NodeId,
    /// The directory.
    pub directory: DirectoryId,
}

/// One producer in a `.snapshot` (`ProducerStateManager`): Kafka keeps its last batch only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ProducerSnapshotEntry {
    /// The producer.
    pub id: ProducerId,
    /// Its epoch.
    pub epoch: ProducerEpoch,
    /// The last sequence of its last batch.
    pub last_sequence: Option<Sequence>,
    /// The last offset of its last batch.
    pub last_offset: Offset,
    /// The last batch's last offset less its first.
    pub offset_delta: u32,
    /// The last batch's highest timestamp.
    pub timestamp: Timestamp,
}

impl Block {
    /// Bytes on the disk.
    pub fn size_in_bytes(&self) -> u32 {
        match self {
            Block::Batch(batch) => batch.size_in_bytes,
            Block::QuorumState(_) => 120,
            Block::Offsets(offsets) => 4 + 16 * offsets.len() as u32,
            Block::Epochs(epochs) => 4 + 8 * epochs.len() as u32,
            Block::Producers(producers) => 10 + 42 * producers.len() as u32,
            Block::MetaProperties(_) => 120,
            Block::PartitionMetadata(_) => 40,
            Block::CleanShutdown(_) => 30,
            Block::Txn(txn) => txn.size_in_bytes(),
            Block::ZooKeeperSnapshot(snapshot) => snapshot.size_in_bytes(),
            Block::ZooKeeperEpoch(_) => 10,
        }
    }
}

/// A change to a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// One more block at the end.
    Append(Block),
    /// A file without blocks, if there is no such file yet: an empty segment tells where a log ends.
    Create,
    /// Keep only this many blocks from the start.
    Truncate(u64),
    /// This block is all there is: written aside and renamed, so that it is old or new, never half.
    Replace(Block),
    /// The file is gone.
    Delete,
}

impl Change {
    /// The block that it writes, if it writes one.
    pub fn block(&self) -> Option<&Block> {
        match self {
            Change::Append(block) | Change::Replace(block) => Some(block),
            Change::Create | Change::Truncate(_) | Change::Delete => None,
        }
    }
}

/// The name of one fsync, by which its end is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct FlushId(pub u64);

/// What a machine finds on its disk when it starts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DiskImage {
    /// Looked up with every store.
    files: IndexMap<File, Vec<Block>, BuildHasherDefault<Fingerprint>>,
    /// The same files, in their order.
    names: BTreeSet<File>,
}

impl DiskImage {
    /// A file's blocks; none if there is no such file.
    pub fn blocks(&self, file: File) -> &[Block] {
        self.files.get(&file).map_or(&[], Vec::as_slice)
    }

    /// The one block of a file that is written whole.
    pub fn block(&self, file: File) -> Option<&Block> {
        self.files.get(&file)?.last()
    }

    /// There is such a file.
    pub fn contains(&self, file: File) -> bool {
        self.files.contains_key(&file)
    }

    /// Every file, in the order of [`File`].
    pub fn files(&self) -> impl Iterator<Item = File> + '_ {
        self.names.iter().copied()
    }

    /// Every file of this range, in order: all segments of a partition, for example.
    pub fn files_in(
        &self,
        range: std::ops::RangeInclusive<File>,
    ) -> impl Iterator<Item = File> + '_ {
        self.names.range(range).copied()
    }

    /// Bytes of all files.
    pub fn size_in_bytes(&self) -> u64 {
        self.files.values().flatten().map(|block| u64::from(block.size_in_bytes())).sum()
    }

    /// Gives a file this content, or takes it away: what a disk does, not a machine.
    pub fn put(&mut self, file: File, content: Option<Vec<Block>>) {
        match content {
            Some(blocks) => *self.content_mut(file) = blocks,
            None => self.remove(file),
        }
    }

    /// The content of a file that is there, to be appended to. `place` is where it was the last time; if it is not there
    /// any more, it costs a search.
    pub fn open(&mut self, file: File, place: &mut usize) -> Option<&mut Vec<Block>> {
        if self.files.get_index(*place).is_none_or(|(known, _)| *known != file) {
            *place = self.files.get_index_of(&file)?;
        }
        self.files.get_index_mut(*place).map(|(_, content)| content)
    }

    /// Carries out a change.
    pub fn apply(&mut self, file: File, change: Change) {
        match change {
            Change::Append(block) => self.content_mut(file).push(block),
            Change::Create => drop(self.content_mut(file)),
            Change::Truncate(blocks) => {
                if let Some(content) = self.files.get_mut(&file) {
                    content.truncate(blocks as usize);
                }
            }
            Change::Replace(block) => *self.content_mut(file) = vec![block],
            Change::Delete => self.remove(file),
        }
    }

    /// The content of a file, which is there from now on.
    fn content_mut(&mut self, file: File) -> &mut Vec<Block> {
        self.files.entry(file).or_insert_with(|| {
            self.names.insert(file);
            Vec::new()
        })
    }

    fn remove(&mut self, file: File) {
        self.files.swap_remove(&file);
        self.names.remove(&file);
    }
}
