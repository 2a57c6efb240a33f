//! BrokerHeartbeat (key 63): the controller's sign of life from each broker (KIP-631).

use crate::{BrokerEpoch, ErrorCode, NodeId, Offset};

/// A broker is alive and wants something.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BrokerHeartbeatRequest {
    /// The broker.
    pub broker: NodeId,
    /// Its registration.
    pub broker_epoch: BrokerEpoch,
    /// The end of the metadata that it has applied.
    pub current_metadata_offset: Offset,
    /// It wants to stay fenced.
    pub want_fence: bool,
    /// It wants to shut down: move its leaders away.
    pub want_shut_down: bool,
}

/// What the controller makes of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BrokerHeartbeatResponse {
    /// What went wrong.
    pub error: ErrorCode,
    /// The broker has applied enough metadata.
    pub is_caught_up: bool,
    /// The broker is fenced.
    pub is_fenced: bool,
    /// The controlled shutdown is done; the broker may go.
    pub should_shut_down: bool,
}
