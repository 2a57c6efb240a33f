//! What a replica of the metadata log is configured with (`QuorumConfig`, `MetadataLogConfig`).

use klab_machine::{Address, Identity};
use klab_wire::config::switches::{PreVote, QuorumCommit};
use klab_wire::config::{BrokerConfig, QuorumConfig, Release, Switches};
use klab_wire::{NodeId, ReplicaKey, Span};

/// The configuration of a voter or observer. Static: a restart reads it again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RaftSetup {
    /// The voters (`controller.quorum.voters`); each listens at [`Address::controller`] of its id.
    pub voters: Vec<ReplicaKey>,
    /// The timing (`controller.quorum.*`).
    pub config: QuorumConfig,
    /// When the metadata log rolls its segments, and what it keeps.
    pub limits: MetadataLogLimits,
    /// A voter asks whether it would be elected before it raises the epoch (KIP-996, from 4.0 on).
    pub pre_vote: bool,
    /// From which offset on a new leader commits (KAFKA-12619).
    pub quorum_commit: QuorumCommit,
    /// A fetch says which high watermark its sender knows, so that the leader answers as soon as it has
    /// a higher one (KIP-1166, from 4.1 on). Before that a replica that has everything learns of a commit
    /// with the next append, or when its fetch has waited for `MAX_FETCH_WAIT_MS`.
    pub high_watermark_in_fetch: bool,
    /// How long opening a connection may take (`socket.connection.setup.timeout.ms`).
    pub connection_setup_timeout: Span,
    /// It is a broker's whose process hosts a voter as well (combined mode). In Kafka the two share one
    /// replica; here each machine has its own. So this one says nothing of itself, and its voter's id
    /// means another replica.
    pub is_beside_voter: bool,
    /// Tells this replica's network client from the machine's others.
    pub network_client: u32,
}

/// Limits of the metadata log (`metadata.log.*`, `metadata.max.retention.*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetadataLogLimits {
    /// A segment of this many bytes is full (`metadata.log.segment.bytes`).
    pub segment_bytes: u64,
    /// A segment of this age is full (`metadata.log.segment.ms`).
    pub segment_age: Span,
    /// Bytes of log and snapshots above which the oldest go (`metadata.max.retention.bytes`).
    pub retention_bytes: Option<u64>,
    /// Age at which snapshots go (`metadata.max.retention.ms`).
    pub retention_age: Option<Span>,
}

impl RaftSetup {
    /// The setup of a node with this configuration, with what `release` switches on.
    pub fn new(
        voters: Vec<ReplicaKey>,
        config: &BrokerConfig,
        release: Release,
        network_client: u32,
    ) -> Self {
        let switches = Switches::at(release);
        RaftSetup {
            voters,
            config: config.quorum.clone(),
            limits: MetadataLogLimits::from(config),
            pre_vote: switches.pre_vote == PreVote::On,
            quorum_commit: switches.quorum_commit,
            high_watermark_in_fetch: release >= Release::new(4, 1),
            connection_setup_timeout: config.socket_connection_setup_timeout_ms,
            is_beside_voter: false,
            network_client,
        }
    }

    /// The same with these switches.
    pub fn with_switches(self, switches: Switches) -> Self {
        RaftSetup {
            pre_vote: switches.pre_vote == PreVote::On,
            quorum_commit: switches.quorum_commit,
            ..self
        }
    }

    /// Whether the replica with this identity is one of the voters.
    ///
    /// The directory counts (KIP-853): a voter whose disk was replaced has forgotten its votes, and is
    /// not a voter any more.
    pub fn is_voter(&self, identity: &Identity) -> bool {
        self.voters.contains(&ReplicaKey { id: identity.node, directory: identity.directory })
    }

    /// The id by which voters mean this replica: none if they mean the voter beside it.
    pub(crate) fn own_voter(&self, own: ReplicaKey) -> Option<NodeId> {
        (!self.is_beside_voter).then_some(own.id)
    }

    /// Where a voter listens.
    pub fn address(voter: NodeId) -> Address {
        Address::controller(voter)
    }
}

impl From<&BrokerConfig> for MetadataLogLimits {
    fn from(config: &BrokerConfig) -> Self {
        MetadataLogLimits {
            segment_bytes: config.metadata_log_segment_bytes,
            segment_age: config.metadata_log_segment_ms,
            retention_bytes: config.metadata_max_retention_bytes,
            retention_age: config.metadata_max_retention_ms,
        }
    }
}
