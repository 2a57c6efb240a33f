use super::facts;
use klab_wire::{
    ApiKey, ErrorCode, LeaderEpoch, NodeId, Offset, ProducerEpoch, ProducerId, Sequence, Span,
    TopicPartition,
};

facts! {
    /// What happened inside a client.
    ClientFact {
        /// Fresh metadata named another leader for a partition.
        LeaderLearned { partition: TopicPartition, leader: Option<NodeId>, epoch: LeaderEpoch } => "{partition} leader {leader:?} epoch {epoch}";
        /// An idempotent producer got its identity.
        ProducerIdAssigned { producer: ProducerId, epoch: ProducerEpoch } => "{producer} epoch {epoch}";
        /// A producer took the next epoch, because sequences were left unresolved.
        ProducerEpochBumped { producer: ProducerId, epoch: ProducerEpoch } => "{producer} epoch {epoch}";
        /// A batch was closed and sent.
        BatchSent { partition: TopicPartition, leader: NodeId, records: u32, base_sequence: Option<Sequence>, attempt: u32 } => "{partition} to {leader}: {records} records, sequence {base_sequence:?}, attempt {attempt}";
        /// A batch was acknowledged.
        BatchAcknowledged { partition: TopicPartition, base: Option<Offset>, records: u32 } => "{partition} {records} records at {base:?}";
        /// A batch will be sent again.
        BatchRetried { partition: TopicPartition, error: ErrorCode, base_sequence: Option<Sequence>, records: u32 } => "{partition} sequence {base_sequence:?}, {records} records, after {error}";
        /// A batch was given up.
        BatchFailed { partition: TopicPartition, error: ErrorCode, records: u32 } => "{partition} {records} records: {error}";
        /// A batch was too large and was split in two or more.
        BatchSplit { partition: TopicPartition, records: u32, parts: u32 } => "{partition} {records} records in {parts} batches";
        /// A send waits for memory or metadata.
        SendBlocked { for_memory: bool } => "for memory: {for_memory}";
        /// A consumer's position was set by a reset.
        PositionReset { partition: TopicPartition, to: Offset } => "{partition} to {to}";
        /// A consumer's position is out of the log's range.
        PositionOutOfRange { partition: TopicPartition, position: Offset } => "{partition} at {position}";
        /// A consumer found that its position lies beyond what the new leader has: records it read are gone.
        LogTruncationDetected { partition: TopicPartition, position: Offset, epoch_end: Offset } => "{partition} position {position}, the epoch ends at {epoch_end}";
        /// A consumer reads from a replica other than the leader (KIP-392).
        PreferredReadReplicaUsed { partition: TopicPartition, replica: NodeId } => "{partition} {replica}";
        /// A request got no answer in time, and its connection was closed.
        RequestTimedOut { node: NodeId, api: ApiKey } => "{node} {api}";
        /// A leader told a consumer where a partition ends, as far as it may be read: so long ago it was asked.
        EndOffsetLearned { partition: TopicPartition, end: Offset, ago: Span } => "{partition} ends at {end}, asked {ago} ago";
    }
}
