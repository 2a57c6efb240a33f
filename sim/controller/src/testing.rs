//! What the tests of this crate share.

use klab_wire::{
    LeaderEpoch, LeaderRecoveryState, NodeId, PartitionEpoch, PartitionId, PartitionRegistration,
    TopicId, TopicIdPartition,
};
use std::sync::Arc;

/// The brokers with these numbers.
pub fn nodes(numbers: impl IntoIterator<Item = u16>) -> Arc<[NodeId]> {
    numbers.into_iter().map(NodeId::broker).collect()
}

/// Some partition.
pub const PARTITION: TopicIdPartition =
    TopicIdPartition { topic: TopicId(7), partition: PartitionId(0) };

/// A partition in leader epoch 5 and partition epoch 9, led by the first of its ISR.
pub fn partition(
    replicas: impl IntoIterator<Item = u16>,
    isr: impl IntoIterator<Item = u16>,
) -> PartitionRegistration {
    let isr = nodes(isr);
    PartitionRegistration {
        replicas: nodes(replicas),
        leader: isr.first().copied(),
        isr,
        removing_replicas: nodes([]),
        adding_replicas: nodes([]),
        leader_recovery_state: LeaderRecoveryState::Recovered,
        leader_epoch: LeaderEpoch(5),
        partition_epoch: PartitionEpoch(9),
        elr: nodes([]),
        last_known_elr: nodes([]),
    }
}
