//! What a controller is configured with, and what a new cluster's log begins with.

use klab_kraft::RaftSetup;
use klab_metadata::{ELIGIBLE_LEADER_REPLICAS_VERSION, METADATA_VERSION, MetadataVersion};
use klab_wire::MetadataRecord;
use klab_wire::config::{BrokerConfig, Release, Switches};

/// The number of the network client of the controller's Raft voter.
pub const RAFT_NETWORK_CLIENT: u32 = 1;

/// The configuration of a controller. Static: a restart reads it again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControllerSetup {
    /// `server.properties`.
    pub config: BrokerConfig,
    /// Which old behaviours it has.
    pub switches: Switches,
    /// The metadata quorum that it votes in, with [`RAFT_NETWORK_CLIENT`] as its client's number.
    pub quorum: RaftSetup,
    /// What the first active controller writes into an empty log (`bootstrap.checkpoint`).
    pub bootstrap: Vec<MetadataRecord>,
}

/// The feature levels that `kafka-storage format` of this release writes down for a new cluster
/// (`BootstrapMetadata`).
pub fn bootstrap_records(release: Release, config: &BrokerConfig) -> Vec<MetadataRecord> {
    let version = MetadataVersion::of(release);
    let level = |name: &str, level| MetadataRecord::FeatureLevel { name: name.into(), level };
    let mut records = vec![level(METADATA_VERSION, version.0)];
    if config.eligible_leader_replicas_enable && version >= MetadataVersion::IBP_4_0_IV1 {
        records.push(level(ELIGIBLE_LEADER_REPLICAS_VERSION, 1));
    }
    records
}
