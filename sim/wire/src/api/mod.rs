//! One file per API (or family of APIs), and the closed enums of all requests and responses.
//!
//! Fields map one to one onto Kafka's schemas, only those that a model needs; nested arrays by topic
//! are flattened to arrays by partition.

mod alter_partition;
mod broker_heartbeat;
mod broker_registration;
mod cluster;
mod configs;
mod controlled_shutdown;
mod describe_quorum;
mod elect_leaders;
mod envelope;
mod error_response;
mod fetch;
mod fetch_snapshot;
mod leader_and_isr;
mod list_offsets;
mod metadata;
mod offset_for_leader_epoch;
mod produce;
mod producer_ids;
mod quorum_epoch;
mod reassignment;
mod size;
mod stop_replica;
mod topics;
mod update_metadata;
mod vote;

pub use alter_partition::*;
pub use broker_heartbeat::*;
pub use broker_registration::*;
pub use cluster::*;
pub use configs::*;
pub use controlled_shutdown::*;
pub use describe_quorum::*;
pub use elect_leaders::*;
pub use envelope::*;
pub use fetch::*;
pub use fetch_snapshot::*;
pub use leader_and_isr::*;
pub use list_offsets::*;
pub use metadata::*;
pub use offset_for_leader_epoch::*;
pub use produce::*;
pub use producer_ids::*;
pub use quorum_epoch::*;
pub use reassignment::*;
pub use stop_replica::*;
pub use topics::*;
pub use update_metadata::*;
pub use vote::*;

use crate::{DirectoryId, LeaderEpoch, NodeId};
use serde::Serialize;
use std::fmt;

/// Who leads, and since which epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LeaderIdAndEpoch {
    /// The leader, if there is one.
    pub leader: Option<NodeId>,
    /// Its epoch.
    pub epoch: LeaderEpoch,
}

/// A replica of the metadata log: a node with the directory that its log is in (KIP-853).
///
/// A voter whose disk was replaced comes back with another directory: as somebody else, who has
/// given no votes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct ReplicaKey {
    /// The node.
    pub id: NodeId,
    /// The directory of its metadata log.
    pub directory: DirectoryId,
}

macro_rules! apis {
    ($($variant:ident($request:ty, $response:ty) = $key:literal;)*) => {
        /// Every request there is. They are boxed: a request is moved many times on its way.
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        #[allow(missing_docs, reason = "each variant is the API of its name")]
        pub enum Request {
            $($variant(Box<$request>),)*
        }

        /// Every response there is, boxed as well.
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        #[allow(missing_docs, reason = "each variant is the API of its name")]
        pub enum Response {
            $($variant(Box<$response>),)*
        }

        /// An API, by Kafka's name and key (`ApiKeys`).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[repr(u8)]
        #[allow(missing_docs, reason = "each variant is the API of its name")]
        pub enum ApiKey {
            $($variant = $key,)*
        }

        impl ApiKey {
            /// Every API, by key.
            pub const ALL: &[ApiKey] = &[$(ApiKey::$variant,)*];

            /// Kafka's name: `OffsetForLeaderEpoch`.
            pub const fn name(self) -> &'static str {
                match self {
                    $(ApiKey::$variant => stringify!($variant),)*
                }
            }
        }

        impl Request {
            /// Which API this is a request of.
            pub const fn api(&self) -> ApiKey {
                match self {
                    $(Request::$variant(_) => ApiKey::$variant,)*
                }
            }
        }

        impl Response {
            /// Which API this is a response of.
            pub const fn api(&self) -> ApiKey {
                match self {
                    $(Response::$variant(_) => ApiKey::$variant,)*
                }
            }
        }

        $(apis!(@from $variant $request);)*
    };
    // Both quorum epoch APIs share one response type, so only requests convert by type.
    (@from $variant:ident $request:ty) => {
        impl From<$request> for Request {
            fn from(request: $request) -> Self {
                Request::$variant(Box::new(request))
            }
        }
    };
}

apis! {
    Produce(ProduceRequest, ProduceResponse) = 0;
    Fetch(FetchRequest, FetchResponse) = 1;
    ListOffsets(ListOffsetsRequest, ListOffsetsResponse) = 2;
    Metadata(MetadataRequest, MetadataResponse) = 3;
    LeaderAndIsr(LeaderAndIsrRequest, LeaderAndIsrResponse) = 4;
    StopReplica(StopReplicaRequest, StopReplicaResponse) = 5;
    UpdateMetadata(UpdateMetadataRequest, UpdateMetadataResponse) = 6;
    ControlledShutdown(ControlledShutdownRequest, ControlledShutdownResponse) = 7;
    CreateTopics(CreateTopicsRequest, CreateTopicsResponse) = 19;
    DeleteTopics(DeleteTopicsRequest, DeleteTopicsResponse) = 20;
    DeleteRecords(DeleteRecordsRequest, DeleteRecordsResponse) = 21;
    InitProducerId(InitProducerIdRequest, InitProducerIdResponse) = 22;
    OffsetForLeaderEpoch(OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse) = 23;
    DescribeConfigs(DescribeConfigsRequest, DescribeConfigsResponse) = 32;
    CreatePartitions(CreatePartitionsRequest, CreatePartitionsResponse) = 37;
    ElectLeaders(ElectLeadersRequest, ElectLeadersResponse) = 43;
    IncrementalAlterConfigs(IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse) = 44;
    AlterPartitionReassignments(AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse) = 45;
    ListPartitionReassignments(ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse) = 46;
    Vote(VoteRequest, VoteResponse) = 52;
    BeginQuorumEpoch(BeginQuorumEpochRequest, QuorumEpochResponse) = 53;
    EndQuorumEpoch(EndQuorumEpochRequest, QuorumEpochResponse) = 54;
    DescribeQuorum(DescribeQuorumRequest, DescribeQuorumResponse) = 55;
    AlterPartition(AlterPartitionRequest, AlterPartitionResponse) = 56;
    UpdateFeatures(UpdateFeaturesRequest, UpdateFeaturesResponse) = 57;
    Envelope(EnvelopeRequest, EnvelopeResponse) = 58;
    FetchSnapshot(FetchSnapshotRequest, FetchSnapshotResponse) = 59;
    DescribeCluster(DescribeClusterRequest, DescribeClusterResponse) = 60;
    BrokerRegistration(BrokerRegistrationRequest, BrokerRegistrationResponse) = 62;
    BrokerHeartbeat(BrokerHeartbeatRequest, BrokerHeartbeatResponse) = 63;
    UnregisterBroker(UnregisterBrokerRequest, UnregisterBrokerResponse) = 64;
    AllocateProducerIds(AllocateProducerIdsRequest, AllocateProducerIdsResponse) = 67;
}

impl Request {
    /// A response will come; only a produce request with `acks=0` gets none.
    pub fn expects_response(&self) -> bool {
        !matches!(self, Request::Produce(produce) if produce.acks == Acks::None)
    }
}

impl fmt::Display for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl std::str::FromStr for ApiKey {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        ApiKey::ALL.iter().copied().find(|api| api.name() == name).ok_or(())
    }
}
