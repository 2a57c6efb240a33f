//! Fetch (key 1): read batches. Consumers, followers, and the replicas of the metadata log all use it;
//! for a follower it is the acknowledgement of what it fetched before.

use super::LeaderIdAndEpoch;
use crate::{
    BrokerEpoch, ClusterId, DirectoryId, ErrorCode, Few, LeaderEpoch, NodeId, Offset, RackId,
    RecordBatch, Span, TopicIdPartition,
};
use serde::Serialize;
use std::fmt;
use std::sync::Arc;

/// Which records a reader may see (`isolation.level`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum IsolationLevel {
    /// Everything below the high watermark.
    #[default]
    ReadUncommitted,
    /// Everything below the last stable offset, without aborted transactions.
    ReadCommitted,
}

/// Partitions to read from, in full or as a change to a fetch session (KIP-227).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FetchRequest {
    /// The cluster the sender belongs to; replicas of the metadata log say it.
    pub cluster: Option<ClusterId>,
    /// The follower that fetches; none for a consumer.
    pub replica: Option<FetchingReplica>,
    /// How long to wait for `min_bytes`.
    pub max_wait: Span,
    /// How many bytes are worth an answer.
    pub min_bytes: u32,
    /// How many bytes to return at the most (the first batch always fits).
    pub max_bytes: u32,
    /// Which records to return to a consumer.
    pub isolation: IsolationLevel,
    /// The fetch session.
    pub session: FetchSession,
    /// The partitions to read, or those that changed.
    pub partitions: Few<FetchPartition>,
    /// The partitions to drop from the session.
    pub forgotten: Vec<TopicIdPartition>,
    /// Where the consumer is (KIP-392).
    pub rack: Option<RackId>,
}

/// A follower, as it names itself in a Fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FetchingReplica {
    /// The broker or voter.
    pub id: NodeId,
    /// Its log directory: tells a voter from an observer on the same node (KIP-853).
    pub directory: Option<DirectoryId>,
    /// Its registration (KIP-903).
    pub epoch: Option<BrokerEpoch>,
}

/// Where a request stands in its fetch session (`FetchMetadata`, KIP-227).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FetchSession {
    /// The session; 0 for none.
    pub id: u32,
    /// The request's place in it.
    pub epoch: SessionEpoch,
}

/// The epoch of a fetch session: which request of the session this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SessionEpoch {
    /// −1: a full fetch outside of any session; closes the session it names.
    Final,
    /// 0: a full fetch that asks for a new session.
    Initial,
    /// An incremental fetch: the n-th of its session, from 1.
    Incremental(u32),
}

impl FetchSession {
    /// A full fetch that neither has nor wants a session.
    pub const LEGACY: FetchSession = FetchSession { id: 0, epoch: SessionEpoch::Final };
    /// A full fetch that asks for a session.
    pub const INITIAL: FetchSession = FetchSession { id: 0, epoch: SessionEpoch::Initial };
}

/// One partition to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FetchPartition {
    /// The partition.
    pub partition: TopicIdPartition,
    /// The epoch that the sender believes the leader has (KIP-320).
    pub current_leader_epoch: Option<LeaderEpoch>,
    /// Where to read from; a follower has everything below.
    pub fetch_offset: Offset,
    /// The epoch of the follower's last record, to detect divergence (KIP-595).
    pub last_fetched_epoch: Option<LeaderEpoch>,
    /// Where the follower's log starts.
    pub log_start_offset: Option<Offset>,
    /// The high watermark that the follower knows, so that a higher one is worth an answer (KIP-1166).
    pub high_watermark: Option<Offset>,
    /// How many bytes to return of this partition.
    pub max_bytes: u32,
}

/// One answer per partition with something to say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct FetchResponse {
    /// How long the client was (or should be) held back.
    pub throttle: Span,
    /// What was wrong with the session or the whole request.
    pub error: ErrorCode,
    /// The session to go on with; 0 for none.
    pub session: u32,
    /// The answers.
    pub partitions: Few<FetchedPartition>,
}

/// What one partition answers (`FetchResponse.PartitionData`).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FetchedPartition {
    /// The partition.
    pub partition: TopicIdPartition,
    /// What went wrong.
    pub error: ErrorCode,
    /// The leader's high watermark.
    pub high_watermark: Offset,
    /// The last stable offset.
    pub last_stable_offset: Offset,
    /// Where the leader's log starts.
    pub log_start_offset: Offset,
    /// Where the follower's log diverges: truncate first, no records now.
    pub diverging_epoch: Option<EpochEndOffset>,
    /// Who leads, for a sender that asked the wrong broker.
    pub current_leader: Option<LeaderIdAndEpoch>,
    /// The snapshot to fetch first, because the log starts later (KIP-630).
    pub snapshot: Option<OffsetAndEpoch>,
    /// A replica nearer to the consumer (KIP-392).
    pub preferred_read_replica: Option<NodeId>,
    /// The batches.
    pub records: Few<Arc<RecordBatch>>,
}

/// The largest epoch that the leader knows at or below the one asked for, and where it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct EpochEndOffset {
    /// That epoch.
    pub epoch: LeaderEpoch,
    /// The offset after its last record.
    pub end_offset: Offset,
}

/// A place in a log with the epoch of the record before it; the name of a snapshot (`OffsetAndEpoch`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct OffsetAndEpoch {
    /// The end offset.
    pub offset: Offset,
    /// The epoch of the last record below it.
    pub epoch: LeaderEpoch,
}

impl FetchedPartition {
    /// An answer that only says what went wrong.
    pub fn of_error(partition: TopicIdPartition, error: ErrorCode) -> Self {
        FetchedPartition {
            partition,
            error,
            high_watermark: Offset(0),
            last_stable_offset: Offset(0),
            log_start_offset: Offset(0),
            diverging_epoch: None,
            current_leader: None,
            snapshot: None,
            preferred_read_replica: None,
            records: Few::new(),
        }
    }

    /// The bytes of the returned batches.
    pub fn records_size(&self) -> u32 {
        self.records.iter().map(|batch| batch.size_in_bytes).sum()
    }
}

impl fmt::Debug for OffsetAndEpoch {
    /// As in a snapshot's file name, without its zeroes: `334-1`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.offset, self.epoch)
    }
}
