//! What a reader of the lab is shown of a broker.

use crate::lifecycle::BrokerState;
use klab_kraft::RaftView;
use klab_wire::zookeeper::{SessionId, Zxid};
use klab_wire::{
    BrokerEpoch, ControllerEpoch, LeaderEpoch, NodeId, Offset, PartitionEpoch, TopicIdPartition,
    TopicPartition,
};
use std::sync::Arc;

/// A broker, in Kafka's own words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerView {
    /// Where it stands in its life.
    pub state: BrokerState,
    /// Its registration, once it has one.
    pub epoch: Option<BrokerEpoch>,
    /// Up to where it has applied the metadata log.
    pub metadata_end: Offset,
    /// Where it learns about the cluster.
    pub source: SourceView,
    /// Its replicas.
    pub partitions: Vec<PartitionView>,
    /// Requests that wait in purgatory: produces, fetches, deletions of records.
    pub delayed: (u32, u32, u32),
}

/// Where a broker learns about the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceView {
    /// Its replica of the metadata log.
    Quorum(RaftView),
    /// Its session with an ensemble.
    ZooKeeper(ZooKeeperView),
}

/// A broker's session with a ZooKeeper ensemble, and what it knows of its controller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZooKeeperView {
    /// The session.
    pub session: SessionId,
    /// The server that it is connected to.
    pub server: Option<NodeId>,
    /// The last transaction that it has seen.
    pub last_zxid: Zxid,
    /// The newest controller epoch that a control request had.
    pub controller_epoch: ControllerEpoch,
}

/// One replica.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionView {
    /// The partition, by identity.
    pub id: TopicIdPartition,
    /// The partition, by name.
    pub partition: TopicPartition,
    /// What the replica is.
    pub role: RoleView,
    /// The leader epoch.
    pub leader_epoch: LeaderEpoch,
    /// The version of the partition's state.
    pub partition_epoch: PartitionEpoch,
    /// Where its log starts.
    pub log_start: Offset,
    /// Where its log ends.
    pub log_end: Offset,
    /// Its high watermark.
    pub high_watermark: Offset,
}

/// What a replica is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoleView {
    /// It leads.
    Leader {
        /// The in-sync replicas by the controller's last word.
        isr: Arc<[NodeId]>,
        /// Whoever may be in sync by the controller's word, known or under way.
        maximal_isr: Vec<NodeId>,
    },
    /// It follows.
    Follower {
        /// The leader, if there is one.
        leader: Option<NodeId>,
    },
}
