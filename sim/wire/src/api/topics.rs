//! CreateTopics (19), DeleteTopics (20), CreatePartitions (37), DeleteRecords (21): an administrator's changes to topics.

use crate::{ErrorCode, NodeId, Offset, PartitionId, Span, TopicId, TopicName, TopicPartition};
use std::sync::Arc;

/// Topics to create.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CreateTopicsRequest {
    /// The topics.
    pub topics: Vec<CreatableTopic>,
    /// Check, but create nothing.
    pub validate_only: bool,
    /// How long the controller may take.
    pub timeout: Span,
}

/// One topic to create.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CreatableTopic {
    /// Its name.
    pub name: TopicName,
    /// How many partitions; none for `num.partitions`.
    pub partitions: Option<u32>,
    /// How many replicas of each; none for `default.replication.factor`.
    pub replication_factor: Option<u16>,
    /// Who holds which replica, if the operator says so.
    pub assignments: Vec<(PartitionId, Vec<NodeId>)>,
    /// Dynamic configs of the topic.
    pub configs: Vec<(Arc<str>, Arc<str>)>,
}

/// One answer per topic.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CreateTopicsResponse {
    /// The answers.
    pub topics: Vec<CreatedTopic>,
}

/// What became of one topic.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CreatedTopic {
    /// Its name.
    pub name: TopicName,
    /// Its identity.
    pub id: Option<TopicId>,
    /// What went wrong.
    pub error: ErrorCode,
    /// The error in words.
    pub message: Option<Arc<str>>,
    /// How many partitions it has.
    pub partitions: u32,
    /// How many replicas each has.
    pub replication_factor: u16,
}

/// Topics to delete.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DeleteTopicsRequest {
    /// The topics.
    pub topics: Vec<TopicName>,
    /// How long the controller may take.
    pub timeout: Span,
}

/// One answer per topic.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DeleteTopicsResponse {
    /// The answers.
    pub topics: Vec<TopicResult>,
}

/// What became of one topic.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TopicResult {
    /// Its name.
    pub name: TopicName,
    /// What went wrong.
    pub error: ErrorCode,
    /// The error in words.
    pub message: Option<Arc<str>>,
}

/// Topics to grow.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CreatePartitionsRequest {
    /// The topics.
    pub topics: Vec<CreatePartitionsTopic>,
    /// Check, but create nothing.
    pub validate_only: bool,
    /// How long the controller may take.
    pub timeout: Span,
}

/// One topic to grow.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CreatePartitionsTopic {
    /// Its name.
    pub name: TopicName,
    /// How many partitions it shall have in all.
    pub count: u32,
    /// Who holds the new ones, if the operator says so.
    pub assignments: Option<Vec<Vec<NodeId>>>,
}

/// One answer per topic.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CreatePartitionsResponse {
    /// The answers.
    pub topics: Vec<TopicResult>,
}

/// Partitions to cut at the front (KIP-107).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DeleteRecordsRequest {
    /// The new start of each log; none for the high watermark.
    pub partitions: Vec<(TopicPartition, Option<Offset>)>,
    /// How long to wait for the followers.
    pub timeout: Span,
}

/// One answer per partition.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DeleteRecordsResponse {
    /// The answers.
    pub partitions: Vec<DeletedRecords>,
}

/// What became of one partition.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DeletedRecords {
    /// The partition.
    pub partition: TopicPartition,
    /// What went wrong.
    pub error: ErrorCode,
    /// The lowest start of the log on any live replica.
    pub low_watermark: Option<Offset>,
}
