use super::facts;
use klab_wire::{
    BrokerEpoch, ElectionType, ErrorCode, LeaderEpoch, NodeId, PartitionEpoch, TopicId, TopicName,
    TopicPartition,
};
use std::sync::Arc;

facts! {
    /// What the active controller decided. A decision is in force when its records are committed.
    ControllerFact {
        /// A controller became the active one.
        ControllerActivated { epoch: LeaderEpoch } => "epoch {epoch}";
        /// The active controller stopped being it.
        ControllerResigned { epoch: LeaderEpoch } => "epoch {epoch}";
        /// A broker's registration was accepted.
        BrokerRegistered { broker: NodeId, epoch: BrokerEpoch } => "{broker} epoch {epoch}";
        /// A broker's registration was removed.
        BrokerUnregistered { broker: NodeId } => "{broker}";
        /// A broker was fenced: silent for too long, or registered anew.
        BrokerFenced { broker: NodeId } => "{broker}";
        /// A broker has caught up and may lead.
        BrokerUnfenced { broker: NodeId } => "{broker}";
        /// A broker's wish to shut down was accepted; its leaders move away.
        ControlledShutdownStarted { broker: NodeId } => "{broker}";
        /// A broker that shuts down has nothing left to lead, and may go.
        ControlledShutdownAllowed { broker: NodeId } => "{broker}";
        /// A topic was created.
        TopicCreated { topic: TopicName, id: TopicId, partitions: u32 } => "{topic} with {partitions} partitions";
        /// A topic was deleted.
        TopicDeleted { topic: TopicName, id: TopicId } => "{topic}";
        /// A topic got more partitions.
        PartitionsCreated { topic: TopicName, from: u32, to: u32 } => "{topic} from {from} to {to} partitions";
        /// A partition was created.
        PartitionCreated { partition: TopicPartition, leader: Option<NodeId>, replicas: Arc<[NodeId]>, isr: Arc<[NodeId]> } => "{partition} leader {leader:?} replicas {replicas:?} isr {isr:?}";
        /// A partition got a leader from its ISR (or from its eligible leader replicas).
        LeaderElected { partition: TopicPartition, leader: NodeId, epoch: LeaderEpoch, isr: Arc<[NodeId]> } => "{partition} leader {leader} epoch {epoch} isr {isr:?}";
        /// A partition got a leader from outside its ISR: committed records may be lost.
        LeaderElectedUncleanly { partition: TopicPartition, leader: NodeId, epoch: LeaderEpoch } => "{partition} leader {leader} epoch {epoch}";
        /// A partition's leader epoch grew though its leader stays: a replica was taken away from it.
        LeaderEpochBumped { partition: TopicPartition, leader: NodeId, epoch: LeaderEpoch } => "{partition} leader {leader} epoch {epoch}";
        /// A partition has no leader and nobody who may become it.
        PartitionWentOffline { partition: TopicPartition, epoch: LeaderEpoch, isr: Arc<[NodeId]> } => "{partition} epoch {epoch} isr {isr:?}";
        /// The ISR of a partition was changed, by its leader's wish or by a broker's fencing.
        IsrChanged { partition: TopicPartition, isr: Arc<[NodeId]>, partition_epoch: PartitionEpoch } => "{partition} isr {isr:?} (partition epoch {partition_epoch})";
        /// The eligible leader replicas of a partition were changed (KIP-966).
        ElrChanged { partition: TopicPartition, elr: Arc<[NodeId]>, last_known: Arc<[NodeId]> } => "{partition} elr {elr:?} last known {last_known:?}";
        /// A leader's wish to change the ISR was refused.
        AlterPartitionRejected { partition: TopicPartition, broker: NodeId, error: ErrorCode } => "{partition} for {broker}: {error}";
        /// A reassignment began.
        ReassignmentStarted { partition: TopicPartition, adding: Arc<[NodeId]>, removing: Arc<[NodeId]> } => "{partition} adding {adding:?} removing {removing:?}";
        /// A reassignment is complete.
        ReassignmentCompleted { partition: TopicPartition, replicas: Arc<[NodeId]> } => "{partition} replicas {replicas:?}";
        /// A reassignment was cancelled.
        ReassignmentCancelled { partition: TopicPartition, replicas: Arc<[NodeId]> } => "{partition} replicas {replicas:?}";
        /// An operator asked for an election.
        ElectionRequested { partition: TopicPartition, election: ElectionType } => "{partition} {election:?}";
        /// A dynamic config was changed.
        ConfigChanged { resource: String, name: String, value: Option<String> } => "{resource} {name} = {value:?}";
        /// A feature was finalised at a level.
        FeatureLevelSet { feature: String, level: u16 } => "{feature} at {level}";
        /// A block of producer ids was given out.
        ProducerIdsAllocated { broker: NodeId, first: u64, length: u32 } => "{broker} from {first}, {length} of them";
        /// A new controller goes on with a reassignment that it has found (ZooKeeper mode).
        ReassignmentResumed { partition: TopicPartition, adding: Arc<[NodeId]>, removing: Arc<[NodeId]> } => "{partition} adding {adding:?} removing {removing:?}";
        /// A controller begins to delete a topic's replicas, or goes on with what another one has begun (ZooKeeper mode): from
        /// now on nothing is promised about what the topic holds.
        TopicDeletionBegan { topic: TopicName } => "{topic}";
    }
}
