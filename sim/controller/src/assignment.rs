//! The replicas of new partitions: by hand or by placement, and who of them is in sync at first
//! (`validateManualPartitionAssignment`, `buildPartitionRegistration`).

use crate::active::Active;
use crate::placement::{self, UsableBroker};
use klab_machine::random::stream;
use klab_wire::config::BrokerConfig;
use klab_wire::{
    CreatableTopic, ErrorCode, LeaderEpoch, LeaderRecoveryState, MetadataRecord, NodeId,
    PartitionEpoch, PartitionId, PartitionRecord, PartitionRegistration, TopicId, TopicName,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What a person got wrong: the code, and a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) error: ErrorCode,
    pub(crate) message: Option<Arc<str>>,
}

impl Refusal {
    pub(crate) fn new(error: ErrorCode, message: impl Into<String>) -> Self {
        Refusal { error, message: Some(message.into().into()) }
    }
}

impl From<ErrorCode> for Refusal {
    fn from(error: ErrorCode) -> Self {
        Refusal { error, message: None }
    }
}

/// An answer's error code and message.
pub(crate) fn told<T>(result: &Result<T, Refusal>) -> (ErrorCode, Option<Arc<str>>) {
    match result {
        Ok(_) => (ErrorCode::None, None),
        Err(refusal) => (refusal.error, refusal.message.clone()),
    }
}

/// Brokers that are known, each once, and as many as the topic's other partitions have.
pub(crate) fn check_replicas(
    replicas: &[NodeId],
    replication_factor: Option<usize>,
    is_known: impl Fn(NodeId) -> bool,
) -> Result<(), Refusal> {
    let refused = |message: String| Refusal::new(ErrorCode::InvalidReplicaAssignment, message);
    if replicas.is_empty() {
        return Err(refused("the assignment includes an empty replica list".into()));
    }
    if let Some(unknown) = replicas.iter().find(|node| !is_known(**node)) {
        return Err(refused(format!("no broker {unknown} is registered")));
    }
    let distinct: BTreeSet<_> = replicas.iter().collect();
    if distinct.len() != replicas.len() {
        return Err(refused("the assignment includes a broker more than once".into()));
    }
    match replication_factor {
        Some(expected) if expected != replicas.len() => Err(refused(format!(
            "{} replicas are not consistent with previous partitions, which have {expected}",
            replicas.len()
        ))),
        _ => Ok(()),
    }
}

/// Places so many new partitions of a topic, numbered from `first`.
///
/// The draws belong to the topic and its first new partition, so that a topic is placed alike whatever else
/// was created before it.
pub(crate) fn place(
    seed: u64,
    (topic, first): (&TopicName, u32),
    (partitions, replicas): (u32, u16),
    brokers: impl IntoIterator<Item = UsableBroker>,
) -> Result<Vec<Vec<NodeId>>, Refusal> {
    let mut draws = stream(seed, &format!("placement of {topic}"), [u64::from(first)]);
    let placed = placement::place(brokers, partitions, replicas, |n| draws.below(n));
    placed.map_err(|error| {
        let message = format!("Unable to replicate the partition {replicas} time(s): {error}");
        Refusal::new(ErrorCode::InvalidReplicationFactor, message)
    })
}

/// How many partitions and replicas a topic gets whose replicas are placed: what is asked for, or the defaults.
pub(crate) fn counts(topic: &CreatableTopic, config: &BrokerConfig) -> Result<(u32, u16), Refusal> {
    let replicas = topic.replication_factor.unwrap_or(config.default_replication_factor as u16);
    let partitions = topic.partitions.unwrap_or(config.num_partitions);
    if replicas == 0 {
        let message = "Replication factor must be larger than 0, or -1 to use the default value.";
        return Err(Refusal::new(ErrorCode::InvalidReplicationFactor, message));
    }
    if partitions == 0 {
        let message = "Number of partitions was set to an invalid non-positive value.";
        return Err(Refusal::new(ErrorCode::InvalidPartitions, message));
    }
    Ok((partitions, replicas))
}

/// The replicas of a topic that an operator has assigned by hand, in the order of the partitions, which must be
/// consecutive from 0.
pub(crate) fn by_hand(topic: &CreatableTopic) -> Result<Vec<&Vec<NodeId>>, Refusal> {
    if topic.replication_factor.is_some() || topic.partitions.is_some() {
        let message = "A manual partition assignment was specified, but the replication factor \
                       or the number of partitions was not set to -1.";
        return Err(Refusal::new(ErrorCode::InvalidRequest, message));
    }
    let assignments: BTreeMap<_, _> = topic.assignments.iter().map(|(p, r)| (*p, r)).collect();
    let error = ErrorCode::InvalidReplicaAssignment;
    if assignments.len() != topic.assignments.len() {
        let message = "Found multiple manual partition assignments for one partition.";
        return Err(Refusal::new(error, message));
    }
    if assignments.keys().zip(0..).any(|(partition, place)| partition.0 != place) {
        let message = "partitions should be a consecutive 0-based integer sequence";
        return Err(Refusal::new(error, message));
    }
    Ok(assignments.into_values().collect())
}

impl Active {
    /// Registered brokers, each once, and as many as the topic's other partitions have.
    pub(crate) fn check_assignment(
        &self,
        replicas: &[NodeId],
        replication_factor: Option<usize>,
    ) -> Result<(), Refusal> {
        let registered = &self.image().cluster;
        check_replicas(replicas, replication_factor, |node| registered.broker(node).is_some())
    }

    /// Places so many new partitions of a topic.
    pub(crate) fn place(
        &self,
        topic: &TopicName,
        first: u32,
        partitions: u32,
        replicas: u16,
    ) -> Result<Vec<Vec<NodeId>>, Refusal> {
        let seed = self.settings.identity.seed;
        place(seed, (topic, first), (partitions, replicas), self.usable_brokers())
    }

    fn usable_brokers(&self) -> impl Iterator<Item = UsableBroker> + '_ {
        let brokers = self.image().cluster.brokers();
        brokers.filter(|(_, known)| !known.in_controlled_shutdown).map(|(broker, known)| {
            UsableBroker { broker, rack: known.rack().cloned(), fenced: known.fenced }
        })
    }

    /// A new partition: whoever is active is in sync, and the first of these leads. If nobody is, the
    /// assignment is refused with `error`.
    pub(crate) fn new_partition(
        &self,
        replicas: &[NodeId],
        error: ErrorCode,
    ) -> Result<PartitionRegistration, Refusal> {
        let cluster = &self.image().cluster;
        let replicas: Arc<[NodeId]> = replicas.into();
        let isr = match replicas.iter().all(|node| cluster.is_active(*node)) {
            true => replicas.clone(),
            false => replicas.iter().copied().filter(|node| cluster.is_active(*node)).collect(),
        };
        if isr.is_empty() {
            let message = "all brokers of the assignment are fenced or in controlled shutdown";
            return Err(Refusal::new(error, message));
        }
        Ok(PartitionRegistration {
            replicas,
            leader: isr.first().copied(),
            isr,
            removing_replicas: Arc::default(),
            adding_replicas: Arc::default(),
            leader_recovery_state: LeaderRecoveryState::Recovered,
            leader_epoch: LeaderEpoch(0),
            partition_epoch: PartitionEpoch(0),
            elr: Arc::default(),
            last_known_elr: Arc::default(),
        })
    }
}

/// The records of new partitions, numbered from `first`.
pub(crate) fn partition_records(
    topic: TopicId,
    first: u32,
    partitions: Vec<PartitionRegistration>,
) -> impl Iterator<Item = MetadataRecord> {
    (first..).map(PartitionId).zip(partitions).map(move |(partition, registration)| {
        let registration = Arc::new(registration);
        MetadataRecord::Partition(PartitionRecord { topic, partition, registration })
    })
}
