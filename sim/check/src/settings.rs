//! What was configured, as far as it decides what Kafka promises.
//!
//! The same loss is a bug under one configuration and the documented behaviour under another. A judge
//! that cannot tell them apart is either blind or useless.

use klab_wire::{Acks, NodeId};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;

/// The part of a run's configuration that promises depend on.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// What the brokers were started with. What topics say for themselves, facts tell.
    pub defaults: TopicSettings,
    /// How each producer produces.
    pub producers: BTreeMap<NodeId, ProducerSettings>,
    /// How every other producer produces.
    pub other_producers: ProducerSettings,
    /// The voters of the metadata quorum.
    pub voters: Vec<NodeId>,
    /// The servers of the ZooKeeper ensemble that vote.
    pub ensemble: Vec<NodeId>,
    /// Kafka runs in ZooKeeper mode: what a controller states it has written, and so it is in force.
    pub zookeeper_mode: bool,
    /// Eligible leader replicas are in force (KIP-966): an ISR may be empty, and the last replica to
    /// leave it is not trusted blindly.
    pub eligible_leader_replicas: bool,
    /// A fault that names nobody does not make the run vacuous.
    pub selectors_may_miss: bool,
}

/// What a topic is configured with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopicSettings {
    /// `min.insync.replicas`.
    pub min_insync_replicas: u32,
    /// `unclean.leader.election.enable`.
    pub unclean_leader_election: bool,
    /// `cleanup.policy` contains `compact`: offsets may have gaps.
    pub compacted: bool,
    /// `flush.messages=1`: a replica has flushed a batch before it counts.
    pub flushes_every_batch: bool,
}

/// What a producer is configured with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerSettings {
    /// `acks`.
    pub acks: Acks,
    /// `enable.idempotence`.
    pub idempotence: bool,
    /// `max.in.flight.requests.per.connection`.
    pub max_in_flight: u32,
    /// `retries`.
    pub retries: u32,
}

/// A setting that permits what a promise would forbid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Setting {
    /// Only the leader had the record when it was acknowledged.
    AcksLeader,
    /// A replica from outside the ISR was allowed to lead.
    UncleanLeaderElection,
    /// An operator asked for an unclean election.
    UncleanElectionRequested,
    /// As many replicas lost what they had not flushed as were promised to have it.
    MinInsyncReplicas(u32),
    /// The last member of the ISR lost what it had not flushed, and led all the same (KIP-966).
    NoEligibleLeaderReplicas,
    /// The same in ZooKeeper mode, which never had eligible leader replicas.
    LastMemberTrustedInZooKeeperMode,
    /// Without idempotence a retry may repeat a batch.
    NoIdempotence,
    /// Without idempotence a retry may be overtaken by a batch in flight.
    MaxInFlight(u32),
    /// An idempotent producer that could not learn whether a batch was appended took a new epoch, and sent it again
    /// (KIP-360).
    NewProducerEpoch,
    /// A producer's batches were deleted, by retention or DeleteRecords, and a log that was opened afterwards
    /// does not know it any more.
    RecordsDeleted,
    /// A voter's disk was lost or damaged: the quorum promises nothing about what it held.
    VoterDiskLost,
    /// A ZooKeeper leader that was deposed and did not know it answered a `sync`, which is no transaction
    /// (ZOOKEEPER-1675).
    SyncOfDeposedLeader,
    /// A consumer that subscribes goes on where its group has committed, after every rebalance.
    Subscribe,
    /// Nobody polled to the end of the log: what was not seen may be there.
    NoFinalPolls,
    /// Several producers write to one partition.
    SharedPartition,
}

impl Default for TopicSettings {
    fn default() -> Self {
        TopicSettings {
            min_insync_replicas: 1,
            unclean_leader_election: false,
            compacted: false,
            flushes_every_batch: false,
        }
    }
}

impl TopicSettings {
    /// What is promised if the one or the other holds.
    pub fn or_less(self, other: TopicSettings) -> TopicSettings {
        TopicSettings {
            min_insync_replicas: self.min_insync_replicas.min(other.min_insync_replicas),
            unclean_leader_election: self.unclean_leader_election || other.unclean_leader_election,
            compacted: self.compacted || other.compacted,
            flushes_every_batch: self.flushes_every_batch && other.flushes_every_batch,
        }
    }
}

impl Default for ProducerSettings {
    fn default() -> Self {
        ProducerSettings {
            acks: Acks::All,
            idempotence: true,
            max_in_flight: 5,
            retries: i32::MAX as u32,
        }
    }
}

impl Settings {
    /// Why the last member of an ISR leads whatever it has lost, where it does.
    pub fn last_member_trusted_by(&self) -> Setting {
        match self.zookeeper_mode {
            true => Setting::LastMemberTrustedInZooKeeperMode,
            false => Setting::NoEligibleLeaderReplicas,
        }
    }

    /// How a client produces.
    pub fn producer(&self, client: NodeId) -> ProducerSettings {
        self.producers.get(&client).copied().unwrap_or(self.other_producers)
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Setting::AcksLeader => f.write_str("acks=1"),
            Setting::UncleanLeaderElection => f.write_str("unclean.leader.election.enable=true"),
            Setting::UncleanElectionRequested => f.write_str("an operator's unclean election"),
            Setting::MinInsyncReplicas(n) => write!(f, "min.insync.replicas={n}"),
            Setting::NoEligibleLeaderReplicas => {
                f.write_str("eligible.leader.replicas.enable=false")
            }
            Setting::LastMemberTrustedInZooKeeperMode => {
                f.write_str("ZooKeeper mode trusts the last member of an ISR (KIP-966 is KRaft's)")
            }
            Setting::NoIdempotence => f.write_str("enable.idempotence=false"),
            Setting::MaxInFlight(n) => write!(f, "max.in.flight.requests.per.connection={n}"),
            Setting::NewProducerEpoch => f.write_str("a new producer epoch (KIP-360)"),
            Setting::RecordsDeleted => f.write_str("retention or DeleteRecords"),
            Setting::VoterDiskLost => f.write_str("a voter's disk was lost"),
            Setting::SyncOfDeposedLeader => {
                f.write_str("a deposed leader answers a sync (ZOOKEEPER-1675)")
            }
            Setting::Subscribe => f.write_str("subscribe"),
            Setting::NoFinalPolls => f.write_str("no final polls"),
            Setting::SharedPartition => f.write_str("several producers write to the partition"),
        }
    }
}

impl Serialize for Setting {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
