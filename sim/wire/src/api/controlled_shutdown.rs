//! ControlledShutdown (key 7): a broker of ZooKeeper mode asks the controller to move its leaders away.

use crate::{BrokerEpoch, ErrorCode, NodeId, TopicPartition};

/// A broker wants to go (version 3).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ControlledShutdownRequest {
    /// The broker.
    pub broker: NodeId,
    /// Its registration; none before version 2 (KIP-380).
    pub broker_epoch: Option<BrokerEpoch>,
}

/// What it still leads.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ControlledShutdownResponse {
    /// What went wrong.
    pub error: ErrorCode,
    /// The partitions that the broker still leads: it may go when there are none.
    pub remaining_partitions: Vec<TopicPartition>,
}
