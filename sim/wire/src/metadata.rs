//! The records of the metadata log, by Kafka's names (`metadata/src/main/resources/common/metadata`).

use crate::SupportedFeature;
use crate::ids::{
    BrokerEpoch, DirectoryId, IncarnationId, LeaderEpoch, NodeId, PartitionEpoch, PartitionId,
    ProducerId, RackId, TopicId, TopicIdPartition, TopicName,
};
use serde::Serialize;
use std::sync::Arc;

/// One record of the metadata log: a change to the cluster's metadata.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum MetadataRecord {
    /// A broker has registered; its epoch is the offset of this record.
    RegisterBroker(Arc<RegisterBrokerRecord>),
    /// A broker's registration was removed.
    UnregisterBroker {
        /// The broker.
        broker: NodeId,
        /// The registration that ends.
        epoch: BrokerEpoch,
    },
    /// A registered broker was fenced or unfenced, or started a controlled shutdown (KIP-841).
    BrokerRegistrationChange {
        /// The broker.
        broker: NodeId,
        /// Its registration.
        epoch: BrokerEpoch,
        /// Fenced (true), unfenced (false), or as before.
        fenced: Option<bool>,
        /// In controlled shutdown (true), or as before.
        in_controlled_shutdown: Option<bool>,
    },
    /// A topic was created.
    Topic {
        /// Its name.
        name: TopicName,
        /// Its identity.
        id: TopicId,
    },
    /// A topic was deleted, its partitions with it.
    RemoveTopic {
        /// The topic.
        id: TopicId,
    },
    /// A partition was created, or is described whole (in a snapshot).
    Partition(PartitionRecord),
    /// Some of a partition's state changed; its partition epoch grows by one.
    PartitionChange(PartitionChangeRecord),
    /// A dynamic config was set, or removed.
    Config {
        /// What is configured.
        resource: ConfigResource,
        /// The config's name.
        name: Arc<str>,
        /// The new value; none removes it.
        value: Option<Arc<str>>,
    },
    /// A feature is finalised at a level (KIP-584); level 0 removes it.
    FeatureLevel {
        /// `metadata.version`, for example.
        name: Arc<str>,
        /// The level.
        level: u16,
    },
    /// The producer ids below `next` are given out (KIP-730).
    ProducerIds {
        /// The broker that received the last block.
        broker: NodeId,
        /// Its registration.
        epoch: BrokerEpoch,
        /// The first producer id of the next block.
        next: ProducerId,
    },
    /// Nothing; lets the log grow so that lagging replicas can be told from idle ones (KIP-835).
    NoOp,
}

/// `RegisterBrokerRecord`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct RegisterBrokerRecord {
    /// The broker.
    pub broker: NodeId,
    /// Which life of the broker process registered.
    pub incarnation: IncarnationId,
    /// The registration's epoch: the offset of this record.
    pub epoch: BrokerEpoch,
    /// The broker's rack.
    pub rack: Option<RackId>,
    /// Not yet (or no longer) allowed to lead.
    pub fenced: bool,
    /// On its way out.
    pub in_controlled_shutdown: bool,
    /// Its log directories that are online.
    pub log_dirs: Arc<[DirectoryId]>,
    /// The feature levels it supports.
    pub features: Arc<[SupportedFeature]>,
}

/// `PartitionRecord`: a partition's whole state.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct PartitionRecord {
    /// The topic.
    pub topic: TopicId,
    /// The index.
    pub partition: PartitionId,
    /// The state. Every broker's image shares it with the log until a change tells them apart.
    pub registration: Arc<PartitionRegistration>,
}

/// `PartitionRegistration`: what the metadata log says about a partition.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct PartitionRegistration {
    /// The replicas, the preferred leader first.
    pub replicas: Arc<[NodeId]>,
    /// The in-sync replicas.
    pub isr: Arc<[NodeId]>,
    /// Replicas on their way out (reassignment).
    pub removing_replicas: Arc<[NodeId]>,
    /// Replicas on their way in (reassignment).
    pub adding_replicas: Arc<[NodeId]>,
    /// The leader; none while the partition is offline.
    pub leader: Option<NodeId>,
    /// Whether the leader may have lost records in an unclean election.
    pub leader_recovery_state: LeaderRecoveryState,
    /// The leader epoch.
    pub leader_epoch: LeaderEpoch,
    /// The version of this state.
    pub partition_epoch: PartitionEpoch,
    /// Eligible leader replicas: outside the ISR but known to have everything committed (KIP-966).
    pub elr: Arc<[NodeId]>,
    /// The last members of ISR and ELR when both are empty (KIP-966).
    pub last_known_elr: Arc<[NodeId]>,
}

impl PartitionRecord {
    /// The partition.
    pub fn id(&self) -> TopicIdPartition {
        TopicIdPartition { topic: self.topic, partition: self.partition }
    }
}

impl PartitionRegistration {
    /// The replica that leads by preference: the first one.
    pub fn preferred_replica(&self) -> Option<NodeId> {
        self.replicas.first().copied()
    }

    /// The preferred replica leads.
    pub fn has_preferred_leader(&self) -> bool {
        self.leader.is_some() && self.leader == self.preferred_replica()
    }

    /// Replicas are on their way in or out.
    pub fn is_reassigning(&self) -> bool {
        !self.adding_replicas.is_empty() || !self.removing_replicas.is_empty()
    }
}

/// `PartitionChangeRecord`: what is none stays as it was.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct PartitionChangeRecord {
    /// The topic.
    pub topic: TopicId,
    /// The index.
    pub partition: PartitionId,
    /// The new ISR.
    pub isr: Option<Arc<[NodeId]>>,
    /// The new leader (`Some(None)`: nobody); its epoch grows by one, also if the leader stays.
    pub leader: Option<Option<NodeId>>,
    /// The new replicas.
    pub replicas: Option<Arc<[NodeId]>>,
    /// The new removing replicas.
    pub removing_replicas: Option<Arc<[NodeId]>>,
    /// The new adding replicas.
    pub adding_replicas: Option<Arc<[NodeId]>>,
    /// The new recovery state.
    pub leader_recovery_state: Option<LeaderRecoveryState>,
    /// The new eligible leader replicas.
    pub elr: Option<Arc<[NodeId]>>,
    /// The new last known ELR.
    pub last_known_elr: Option<Arc<[NodeId]>>,
}

impl PartitionChangeRecord {
    /// The partition.
    pub fn id(&self) -> TopicIdPartition {
        TopicIdPartition { topic: self.topic, partition: self.partition }
    }

    /// A record that changes nothing yet.
    pub fn of(topic: TopicId, partition: PartitionId) -> Self {
        PartitionChangeRecord {
            topic,
            partition,
            isr: None,
            leader: None,
            replicas: None,
            removing_replicas: None,
            adding_replicas: None,
            leader_recovery_state: None,
            elr: None,
            last_known_elr: None,
        }
    }

    /// Nothing would change.
    pub fn is_noop(&self) -> bool {
        *self == Self::of(self.topic, self.partition)
    }
}

/// `LeaderRecoveryState` (KIP-704).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum LeaderRecoveryState {
    /// The leader was elected cleanly, or has recovered since.
    #[default]
    Recovered,
    /// The leader came from outside the ISR and has not said yet that it has recovered.
    Recovering,
}

/// What a dynamic config applies to (`ConfigResource`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum ConfigResource {
    /// A topic.
    Topic(TopicName),
    /// A broker; none is the default of all brokers.
    Broker(Option<NodeId>),
}

impl MetadataRecord {
    /// Bytes in the log: a frame of about 12 bytes and the fields.
    pub fn size_in_bytes(&self) -> u32 {
        let ids = |list: &Arc<[NodeId]>| 1 + 4 * list.len() as u32;
        let changed = |list: &Option<Arc<[NodeId]>>| list.as_ref().map_or(0, ids);
        let body = match self {
            MetadataRecord::RegisterBroker(record) => 60 + 16 * record.log_dirs.len() as u32,
            MetadataRecord::UnregisterBroker { .. } => 12,
            MetadataRecord::BrokerRegistrationChange { .. } => 16,
            MetadataRecord::Topic { name, .. } => 17 + name.0.len() as u32,
            MetadataRecord::RemoveTopic { .. } => 16,
            MetadataRecord::Partition(p) => {
                let state = &p.registration;
                34 + ids(&state.replicas)
                    + ids(&state.isr)
                    + ids(&state.removing_replicas)
                    + ids(&state.adding_replicas)
                    + ids(&state.elr)
                    + ids(&state.last_known_elr)
            }
            MetadataRecord::PartitionChange(p) => {
                24 + changed(&p.isr)
                    + changed(&p.replicas)
                    + changed(&p.removing_replicas)
                    + changed(&p.adding_replicas)
                    + changed(&p.elr)
                    + changed(&p.last_known_elr)
            }
            MetadataRecord::Config { name, value, .. } => {
                8 + name.len() as u32 + value.as_ref().map_or(0, |value| value.len() as u32)
            }
            MetadataRecord::FeatureLevel { name, .. } => 3 + name.len() as u32,
            MetadataRecord::ProducerIds { .. } => 20,
            MetadataRecord::NoOp => 0,
        };
        12 + body
    }
}
