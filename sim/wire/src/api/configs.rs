//! IncrementalAlterConfigs (44) and DescribeConfigs (32): dynamic configs of topics and brokers (KIP-226, KIP-339).

use crate::{ConfigResource, ErrorCode};
use std::sync::Arc;

/// Changes to dynamic configs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct IncrementalAlterConfigsRequest {
    /// The changes of each resource.
    pub resources: Vec<(ConfigResource, Vec<ConfigChange>)>,
    /// Check, but change nothing.
    pub validate_only: bool,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ConfigChange {
    /// The config.
    pub name: Arc<str>,
    /// What to do with it.
    pub operation: ConfigOperation,
}

/// `AlterConfigOp.OpType`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ConfigOperation {
    /// Give it this value.
    Set(Arc<str>),
    /// Go back to the default.
    Delete,
    /// Add these to a list.
    Append(Arc<str>),
    /// Take these from a list.
    Subtract(Arc<str>),
}

/// One answer per resource.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct IncrementalAlterConfigsResponse {
    /// The answers.
    pub resources: Vec<AlteredResource>,
}

/// What became of one resource.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AlteredResource {
    /// Which.
    pub resource: ConfigResource,
    /// What went wrong.
    pub error: ErrorCode,
    /// The error in words.
    pub message: Option<Arc<str>>,
}

/// Resources to describe.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DescribeConfigsRequest {
    /// Which.
    pub resources: Vec<ConfigResource>,
}

/// One answer per resource.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DescribeConfigsResponse {
    /// The answers.
    pub resources: Vec<DescribedResource>,
}

/// One resource.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DescribedResource {
    /// Which.
    pub resource: ConfigResource,
    /// What went wrong.
    pub error: ErrorCode,
    /// Its configs, by name.
    pub configs: Vec<DescribedConfig>,
}

/// One config.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DescribedConfig {
    /// Its name.
    pub name: Arc<str>,
    /// Its value in force.
    pub value: Option<Arc<str>>,
    /// Nobody has set it.
    pub is_default: bool,
}
