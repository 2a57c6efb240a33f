//! What a broker is configured with.

use klab_kraft::RaftSetup;
use klab_wire::config::{BrokerConfig, Switches};

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
    /// The metadata quorum that it observes, with [`RAFT_NETWORK_CLIENT`] as its client's number.
    pub quorum: RaftSetup,
}
