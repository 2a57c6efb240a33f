//! ElectLeaders (43): an operator asks for an election (KIP-460).

use super::PartitionResult;
use crate::{ErrorCode, Span, TopicPartition};
use serde::Serialize;

/// Which election an operator asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum ElectionType {
    /// The first replica shall lead, if it is in the ISR.
    Preferred,
    /// Any live replica may lead; records may be lost.
    Unclean,
}

/// Partitions that shall elect.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ElectLeadersRequest {
    /// Which election.
    pub election: ElectionType,
    /// Which partitions; none for all.
    pub partitions: Option<Vec<TopicPartition>>,
    /// How long the controller may take.
    pub timeout: Span,
}

/// One answer per partition.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ElectLeadersResponse {
    /// What went wrong.
    pub error: ErrorCode,
    /// The answers.
    pub partitions: Vec<PartitionResult>,
}
