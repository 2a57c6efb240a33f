//! BrokerRegistration (key 62) and UnregisterBroker (key 64): joining and leaving the cluster (KIP-631).

use crate::{BrokerEpoch, ClusterId, DirectoryId, ErrorCode, IncarnationId, NodeId, RackId};
use std::sync::Arc;

/// A broker that has started.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BrokerRegistrationRequest {
    /// The broker.
    pub broker: NodeId,
    /// The cluster it was formatted for.
    pub cluster: ClusterId,
    /// Which life of the process this is.
    pub incarnation: IncarnationId,
    /// Its rack.
    pub rack: Option<RackId>,
    /// Its log directories that are online.
    pub log_dirs: Vec<DirectoryId>,
    /// The feature levels it supports.
    pub features: Vec<SupportedFeature>,
    /// Its last registration, if it shut down cleanly since (KIP-966).
    pub previous_broker_epoch: Option<BrokerEpoch>,
}

/// A feature with the levels that a broker supports.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize)]
pub struct SupportedFeature {
    /// The feature.
    pub name: Arc<str>,
    /// The lowest level.
    pub min_level: u16,
    /// The highest level.
    pub max_level: u16,
}

/// The registration.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BrokerRegistrationResponse {
    /// What went wrong.
    pub error: ErrorCode,
    /// The registration's epoch.
    pub broker_epoch: Option<BrokerEpoch>,
}

/// An operator removes a broker's registration.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UnregisterBrokerRequest {
    /// The broker.
    pub broker: NodeId,
}

/// Done, or why not.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UnregisterBrokerResponse {
    /// What went wrong.
    pub error: ErrorCode,
}
