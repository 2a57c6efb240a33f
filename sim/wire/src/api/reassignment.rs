//! AlterPartitionReassignments (45) and ListPartitionReassignments (46): moving replicas (KIP-455).

use crate::{ErrorCode, NodeId, Span, TopicPartition};
use std::sync::Arc;

/// Where replicas shall be.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AlterPartitionReassignmentsRequest {
    /// The target replicas of each partition; none cancels its reassignment.
    pub partitions: Vec<(TopicPartition, Option<Vec<NodeId>>)>,
    /// How long the controller may take.
    pub timeout: Span,
}

/// One answer per partition.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AlterPartitionReassignmentsResponse {
    /// What went wrong.
    pub error: ErrorCode,
    /// The answers.
    pub partitions: Vec<PartitionResult>,
}

/// What became of one partition.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PartitionResult {
    /// The partition.
    pub partition: TopicPartition,
    /// What went wrong.
    pub error: ErrorCode,
    /// The error in words.
    pub message: Option<Arc<str>>,
}

/// Partitions of interest.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ListPartitionReassignmentsRequest {
    /// Which; none for all.
    pub partitions: Option<Vec<TopicPartition>>,
}

/// The reassignments under way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ListPartitionReassignmentsResponse {
    /// What went wrong.
    pub error: ErrorCode,
    /// One per partition that is moving.
    pub reassignments: Vec<OngoingReassignment>,
}

/// One partition that is moving.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OngoingReassignment {
    /// The partition.
    pub partition: TopicPartition,
    /// All its replicas.
    pub replicas: Arc<[NodeId]>,
    /// Those on their way in.
    pub adding: Arc<[NodeId]>,
    /// Those on their way out.
    pub removing: Arc<[NodeId]>,
}
