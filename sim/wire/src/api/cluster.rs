//! DescribeCluster (60) and UpdateFeatures (57): the cluster as a whole.

use crate::{ClusterId, ErrorCode, NodeId};
use std::sync::Arc;

/// Nothing to say.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DescribeClusterRequest {}

/// The cluster.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DescribeClusterResponse {
    /// What went wrong.
    pub error: ErrorCode,
    /// Its name.
    pub cluster: ClusterId,
    /// The active controller, or the broker that stands for it.
    pub controller: Option<NodeId>,
    /// The brokers that are alive.
    pub brokers: Vec<super::MetadataBroker>,
}

/// Feature levels to finalise (KIP-584).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UpdateFeaturesRequest {
    /// Each feature with its new level; 0 removes it.
    pub updates: Vec<(Arc<str>, u16)>,
    /// Check, but change nothing.
    pub validate_only: bool,
}

/// Done, or why not.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UpdateFeaturesResponse {
    /// What went wrong.
    pub error: ErrorCode,
    /// The error in words.
    pub message: Option<Arc<str>>,
}
