//! Metadata (key 3): who the brokers are and who leads what, as far as the asked broker knows.

use crate::{ClusterId, ErrorCode, LeaderEpoch, NodeId, PartitionId, RackId, TopicId, TopicName};
use std::sync::Arc;

/// The topics of interest.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MetadataRequest {
    /// The topics; none for all of them.
    pub topics: Option<Vec<TopicName>>,
    /// Create what does not exist, if the brokers are set to (`auto.create.topics.enable`).
    pub allow_auto_topic_creation: bool,
}

/// The asked broker's view, which may be stale.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MetadataResponse {
    /// The cluster.
    pub cluster: ClusterId,
    /// The broker to send administrative requests to.
    pub controller: Option<NodeId>,
    /// The brokers that are alive.
    pub brokers: Vec<MetadataBroker>,
    /// The topics.
    pub topics: Vec<MetadataTopic>,
}

/// One broker.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MetadataBroker {
    /// The broker.
    pub node: NodeId,
    /// Its rack.
    pub rack: Option<RackId>,
}

/// One topic.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MetadataTopic {
    /// What went wrong.
    pub error: ErrorCode,
    /// Its name.
    pub name: TopicName,
    /// Its identity.
    pub id: TopicId,
    /// Its partitions, in order.
    pub partitions: Vec<MetadataPartition>,
}

/// One partition.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MetadataPartition {
    /// What went wrong.
    pub error: ErrorCode,
    /// The index.
    pub partition: PartitionId,
    /// The leader.
    pub leader: Option<NodeId>,
    /// The leader epoch.
    pub leader_epoch: LeaderEpoch,
    /// The replicas, the preferred leader first.
    pub replicas: Arc<[NodeId]>,
    /// The in-sync replicas.
    pub isr: Arc<[NodeId]>,
    /// The replicas whose broker is not alive.
    pub offline_replicas: Vec<NodeId>,
}
