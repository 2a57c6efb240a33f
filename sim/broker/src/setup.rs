//! What a broker is configured with.

use klab_kraft::RaftSetup;
use klab_wire::config::{BrokerConfig, Switches};
use klab_zookeeper_client::SessionSetup;

/// The number of the network client of the broker's metadata observer.
pub const RAFT_NETWORK_CLIENT: u32 = 0;

/// The configuration of a broker. Static: a restart reads it again; what is configured at run time comes
/// through the metadata log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerSetup {
    /// `server.properties`.
    pub config: BrokerConfig,
    /// Which old behaviours it has.
    pub switches: Switches,
    /// Where it learns about the cluster.
    pub source: SourceSetup,
}

/// Where a broker learns about the cluster, and with it the mode that it runs in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceSetup {
    /// KRaft mode: the metadata quorum that it observes, with [`RAFT_NETWORK_CLIENT`] as its client's number.
    Quorum(RaftSetup),
    /// ZooKeeper mode: the ensemble (`zookeeper.connect`).
    ZooKeeper(SessionSetup),
}
