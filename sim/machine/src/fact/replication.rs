use super::facts;
use klab_wire::zookeeper::SessionId;
use klab_wire::{
    Acks, BrokerEpoch, ControllerEpoch, ErrorCode, LeaderEpoch, NodeId, Offset, PartitionEpoch,
    TopicPartition,
};
use std::sync::Arc;

facts! {
    /// What happened on a broker: replication, and serving clients.
    ReplicationFact {
        /// The broker holds a registration.
        BrokerRegistrationLearned { epoch: BrokerEpoch } => "epoch {epoch}";
        /// The broker is ready to serve: the controller has unfenced it.
        BrokerStarted { epoch: BrokerEpoch } => "epoch {epoch}";
        /// The broker lost its registration, or was fenced, and knows it.
        BrokerLearnedItIsFenced {} => "";
        /// The broker has moved its leaders away and stops in order.
        BrokerShutDownCleanly {} => "";
        /// A log directory failed, and the broker with it.
        LogDirFailed { error: String } => "{error}";
        /// The broker applied metadata up to this offset.
        MetadataApplied { to: Offset } => "to {to}";
        /// A replica became the leader of its partition.
        BecameLeader { partition: TopicPartition, epoch: LeaderEpoch, start: Offset, high_watermark: Offset, isr: Arc<[NodeId]> } => "{partition} epoch {epoch} from offset {start}, high watermark {high_watermark}, isr {isr:?}";
        /// A replica became a follower.
        BecameFollower { partition: TopicPartition, epoch: LeaderEpoch, leader: Option<NodeId> } => "{partition} epoch {epoch} of {leader:?}";
        /// A replica was given up and deleted.
        ReplicaDeleted { partition: TopicPartition } => "{partition}";
        /// The leader committed more.
        HighWatermarkAdvanced { partition: TopicPartition, epoch: LeaderEpoch, from: Offset, to: Offset } => "{partition} from {from} to {to} (epoch {epoch})";
        /// A follower learned that more is committed.
        FollowerHighWatermarkAdvanced { partition: TopicPartition, from: Offset, to: Offset } => "{partition} from {from} to {to}";
        /// The leader took note of how far a follower is.
        FollowerFetched { partition: TopicPartition, follower: NodeId, end: Offset } => "{partition} {follower} has everything below {end}";
        /// A follower's log diverged from its leader's, and was cut back to where they agree.
        DivergenceResolved { partition: TopicPartition, leader: NodeId, epoch: LeaderEpoch, to: Offset } => "{partition} from {leader}: cut to {to}, the end of epoch {epoch}";
        /// The leader asked the controller to let a follower into the ISR.
        IsrExpandRequested { partition: TopicPartition, follower: NodeId, partition_epoch: PartitionEpoch } => "{partition} with {follower} (partition epoch {partition_epoch})";
        /// The leader asked the controller to take followers out of the ISR.
        IsrShrinkRequested { partition: TopicPartition, followers: Vec<NodeId>, partition_epoch: PartitionEpoch } => "{partition} without {followers:?} (partition epoch {partition_epoch})";
        /// The leader learned that its ISR has grown.
        IsrExpanded { partition: TopicPartition, isr: Vec<NodeId>, partition_epoch: PartitionEpoch } => "{partition} isr {isr:?} (partition epoch {partition_epoch})";
        /// The leader learned that its ISR has shrunk.
        IsrShrunk { partition: TopicPartition, isr: Vec<NodeId>, partition_epoch: PartitionEpoch } => "{partition} isr {isr:?} (partition epoch {partition_epoch})";
        /// The controller refused a change of the ISR.
        IsrChangeRejected { partition: TopicPartition, error: ErrorCode } => "{partition}: {error}";
        /// A produce request was answered for one partition; with `acks=0` nothing is sent, but it is done.
        ProduceAnswered { partition: TopicPartition, client: NodeId, acks: Acks, base: Option<Offset>, last: Option<Offset>, error: ErrorCode } => "{partition} to {client} ({acks:?}) offsets {base:?}..{last:?}: {error}";
        /// A produce request waits for its records to be committed.
        ProduceParked { partition: TopicPartition, required: Offset } => "{partition} until the high watermark reaches {required}";
        /// A fetch was turned away because its leader epoch was too old or too new.
        FetchFenced { partition: TopicPartition, from: Option<NodeId>, error: ErrorCode } => "{partition} from {from:?}: {error}";
        /// A fetch session was opened (KIP-227).
        FetchSessionCreated { session: u32, partitions: u32 } => "{session} with {partitions} partitions";
        /// A consumer was sent to a replica nearer to it (KIP-392).
        PreferredReadReplicaChosen { partition: TopicPartition, replica: NodeId } => "{partition} {replica}";
        /// A fetch or follower was held back by a replication quota.
        ReplicationThrottled { partition: TopicPartition } => "{partition}";
        /// High watermarks were written down.
        HighWatermarksCheckpointed { partitions: u32 } => "of {partitions} partitions";
        /// A broker that has caught up with the metadata has opened the logs that it found.
        LogDirOpened { logs: u32 } => "with {logs} logs";
        /// A broker did what the controller of ZooKeeper mode told it; `meant_for` is the registration that was spoken to, if that was said.
        ControlRequestTaken { api: &'static str, controller: NodeId, controller_epoch: ControllerEpoch, meant_for: Option<BrokerEpoch>, broker_epoch: Option<BrokerEpoch> } => "{api} of {controller} (controller epoch {controller_epoch}) for broker epoch {meant_for:?}";
        /// A broker refused what a controller of ZooKeeper mode told it: one that is no more, or to a life that is no more.
        ControlRequestRefused { api: &'static str, controller: NodeId, controller_epoch: ControllerEpoch, error: ErrorCode } => "{api} of {controller} (controller epoch {controller_epoch}): {error}";
        /// A broker that registers found its znode there already.
        RegistrationFoundTaken { owner: SessionId, session: SessionId } => "by {owner}, own session {session}";
        /// A leader wrote its ISR down by itself, as before KIP-497.
        IsrWritten { partition: TopicPartition, isr: Vec<NodeId>, partition_epoch: PartitionEpoch } => "{partition} isr {isr:?} (partition epoch {partition_epoch})";
        /// A follower was given records that begin before the end of its own log. It fetches the partition no more until it has another leader.
        FetchingGivenUp { partition: TopicPartition, base: Offset, end: Offset } => "{partition}: records from {base} on, own log end {end}";
    }
}
