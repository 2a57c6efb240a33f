//! Every timer there is. Timers are named, not numbered: setting one twice moves it.

use crate::ConnectionId;
use klab_wire::{NodeId, TopicIdPartition};
use serde::Serialize;

/// A timer of a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Timer {
    /// Of a `NetworkClient`.
    Network(NetworkTimer),
    /// Of a replica of the metadata log.
    Raft(RaftTimer),
    /// Of a KRaft controller.
    Controller(ControllerTimer),
    /// Of a broker.
    Broker(BrokerTimer),
    /// Of a client and its application.
    Client(ClientTimer),
    /// Of a ZooKeeper server.
    ZooKeeper(ZooKeeperTimer),
    /// Of a ZooKeeper client.
    ZooKeeperClient(ZooKeeperClientTimer),
}

/// The timers of a `NetworkClient`; a machine has several clients and numbers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum NetworkTimer {
    /// The oldest request of a connection may have timed out (`request.timeout.ms`).
    RequestTimeout(u32, ConnectionId),
    /// A connection attempt has taken too long (`socket.connection.setup.timeout.ms`).
    SetupTimeout(u32, ConnectionId),
    /// A node may be connected to again (`reconnect.backoff.ms`).
    Reconnect(u32, NodeId),
}

impl NetworkTimer {
    /// The number of the network client that set it.
    pub const fn client(self) -> u32 {
        match self {
            NetworkTimer::RequestTimeout(client, _)
            | NetworkTimer::SetupTimeout(client, _)
            | NetworkTimer::Reconnect(client, _) => client,
        }
    }
}

/// The timers of the Raft layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum RaftTimer {
    /// A candidate or unattached voter has waited long enough (`controller.quorum.election.timeout.ms`).
    Election,
    /// A candidate that lost may stand again (`controller.quorum.election.backoff.max.ms`).
    ElectionBackoff,
    /// A follower has not heard of its leader (`controller.quorum.fetch.timeout.ms`).
    Fetch,
    /// A leader looks whether a majority still fetches from it (1.5 × the fetch timeout).
    CheckQuorum,
    /// A resigned leader stops waiting for a successor.
    Resigned,
    /// Appended records have waited long enough for company (`controller.quorum.append.linger.ms`).
    Linger,
    /// Ask a voter again (`controller.quorum.retry.backoff.ms`).
    RetryBackoff(NodeId),
    /// A leader tells a voter of its epoch again.
    BeginQuorumEpoch,
    /// A fetch that waits for records has waited long enough.
    DelayedFetch(u64),
    /// Look for snapshots and segments of the metadata log that may go.
    CleanLog,
    /// An orderly shutdown waits no longer for a successor.
    Shutdown,
}

/// The timers of a KRaft controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum ControllerTimer {
    /// The broker with the oldest heartbeat may have to be fenced (`broker.session.timeout.ms`).
    BrokerSession,
    /// A no-op record is due (`metadata.max.idle.interval.ms`).
    NoOp,
    /// Look for partitions that their preferred replica does not lead (`leader.imbalance.check.interval.seconds`).
    BalanceLeaders,
    /// Look for offline partitions that may be elected uncleanly (`unclean.leader.election.interval.ms`).
    UncleanElection,
    /// In ZooKeeper mode: this broker may be sent its request again (`RequestSendThread.backoff`).
    SendBackoff(NodeId),
    /// In ZooKeeper mode: some administrator may have waited long enough (`DelayedCreatePartitions`).
    DelayedOperation,
}

/// The timers of a broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum BrokerTimer {
    /// The next heartbeat is due (`broker.heartbeat.interval.ms`).
    Heartbeat,
    /// Try to register again.
    Registration,
    /// Look for followers that are out of sync (half of `replica.lag.time.max.ms`).
    IsrExpiration,
    /// A fetcher may go on (`replica.fetch.backoff.ms`).
    FetcherBackoff(NodeId, u32),
    /// Some produce request in purgatory may have waited long enough.
    DelayedProduce,
    /// Some fetch in purgatory may have waited long enough.
    DelayedFetch,
    /// Some DeleteRecords request in purgatory may have waited long enough.
    DelayedDeleteRecords,
    /// Ask the controller again, on this one of the broker's lines to it.
    ControllerChannel(u32),
    /// Ask for a block of producer ids again.
    ProducerIds,
    /// Write the high watermarks down (`replica.high.watermark.checkpoint.interval.ms`).
    CheckpointHighWatermarks,
    /// Write recovery points and log starts down (`log.flush.offset.checkpoint.interval.ms`).
    CheckpointRecoveryPoints,
    /// Flush logs that are due (`log.flush.scheduler.interval.ms`).
    FlushLogs,
    /// Look for segments past their retention (`log.retention.check.interval.ms`).
    Retention,
    /// Look for producers that have been silent too long (`producer.id.expiration.check.interval.ms`).
    ExpireProducers,
    /// Send pending ISR changes again.
    AlterPartition,
    /// A deleted log's files go (`file.delete.delay.ms`).
    DeleteLog(TopicIdPartition),
    /// The controller has let a broker that wants to go wait for too long.
    ControlledShutdown,
    /// The metadata log may need a snapshot.
    MetadataSnapshot,
    /// A starting broker of ZooKeeper mode has found no server (`zookeeper.connection.timeout.ms`).
    ZooKeeperConnection,
    /// Tell the controller of the ISRs that this broker has written down by itself (2.5 s).
    IsrChangePropagation,
}

/// The timers of clients and of the applications on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum ClientTimer {
    /// The application does the next thing of its workload.
    Workload,
    /// The sender has something to do: a batch has lingered or backed off.
    Sender,
    /// The oldest batch may have been on its way for too long (`delivery.timeout.ms`).
    Delivery,
    /// The consumer polls.
    Poll,
    /// Metadata is due (`metadata.max.age.ms`, `retry.backoff.ms`).
    Metadata,
    /// Try again what a client asked for (`retry.backoff.ms`).
    Retry(u64),
    /// A call has waited long enough (`default.api.timeout.ms`, `max.block.ms`).
    Deadline(u64),
}

/// The timers of a ZooKeeper server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum ZooKeeperTimer {
    /// Nobody has said anything new about the election: tell everybody again (`FastLeaderElection`, 200 ms,
    /// doubling to a minute).
    Notification,
    /// A quorum votes alike, and nobody has objected meanwhile (`finalizeWait`, 200 ms).
    FinalizeWait,
    /// A leader, or a learner on its way to one, has not got through discovery and synchronisation in time
    /// (`initLimit`).
    InitLimit,
    /// Half a tick of a leader is over (`tickTime`).
    HalfTick,
    /// A learner has not heard of its leader (`syncLimit`).
    LeaderSilent,
    /// A leader has not heard of this learner.
    LearnerSilent(NodeId),
    /// Try to connect to the leader again (`Learner.connectToLeader`, 1 s).
    ConnectToLeader,
    /// Some session may have expired.
    SessionExpiry,
    /// A snapshot that was begun is written.
    Snapshot,
}

/// The timers of a ZooKeeper client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum ZooKeeperClientTimer {
    /// The server, or the attempt to connect to one, has been silent for too long, or a ping is due.
    Connection,
    /// Try the next server of the connection string.
    Reconnect,
    /// The application does the next thing of its workload.
    Workload,
}
