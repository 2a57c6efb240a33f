//! InitProducerId (22) and AllocateProducerIds (67): identities for idempotent producers (KIP-98, KIP-730).

use crate::{BrokerEpoch, ErrorCode, NodeId, ProducerEpoch, ProducerId};

/// A producer asks for an identity.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct InitProducerIdRequest {
    /// What it has, if it wants the next epoch of it (KIP-360).
    pub current: Option<(ProducerId, ProducerEpoch)>,
}

/// The identity.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct InitProducerIdResponse {
    /// What went wrong.
    pub error: ErrorCode,
    /// The id and its epoch.
    pub producer: Option<(ProducerId, ProducerEpoch)>,
}

/// A broker asks the controller for a block of ids.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AllocateProducerIdsRequest {
    /// The broker.
    pub broker: NodeId,
    /// Its registration.
    pub broker_epoch: BrokerEpoch,
}

/// The block.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AllocateProducerIdsResponse {
    /// What went wrong.
    pub error: ErrorCode,
    /// Its first id.
    pub first: ProducerId,
    /// How many there are.
    pub length: u32,
}
