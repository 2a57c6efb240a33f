//! StopReplica (key 5): the controller of ZooKeeper mode takes replicas away from a broker.

use crate::{BrokerEpoch, ControllerEpoch, ErrorCode, LeaderEpoch, NodeId, TopicPartition};

/// The replicas that a broker is to stop, some of them for good (version 4).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StopReplicaRequest {
    /// The controller.
    pub controller: NodeId,
    /// Its epoch: an older one than the broker has heard of is refused.
    pub controller_epoch: ControllerEpoch,
    /// The registration of the broker that is spoken to; none before version 1 (KIP-380).
    pub broker_epoch: Option<BrokerEpoch>,
    /// The replicas.
    pub partitions: Vec<StopReplicaPartitionState>,
}

/// One replica that is to stop.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StopReplicaPartitionState {
    /// The partition.
    pub partition: TopicPartition,
    /// The leader epoch in which that was decided (KIP-570).
    pub leader_epoch: StopEpoch,
    /// The replica's log is to be deleted, too.
    pub delete_partition: bool,
}

/// The leader epoch of a StopReplica, or what stands in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StopEpoch {
    /// The partition's, as the controller knows it.
    Of(LeaderEpoch),
    /// The topic is being deleted, whatever the epoch is: −2 (`LeaderAndIsr.EPOCH_DURING_DELETE`).
    DuringDelete,
    /// The controller does not say: −1 (`LeaderAndIsr.NO_EPOCH`), or a version before 3.
    None,
}

/// What the broker made of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StopReplicaResponse {
    /// What went wrong with all of it.
    pub error: ErrorCode,
    /// One answer per replica.
    pub partitions: Vec<StopReplicaPartitionError>,
}

/// What the broker made of one replica.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StopReplicaPartitionError {
    /// The partition.
    pub partition: TopicPartition,
    /// What went wrong.
    pub error: ErrorCode,
}
