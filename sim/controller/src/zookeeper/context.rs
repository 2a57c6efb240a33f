//! What a controller remembers of the cluster (`ControllerContext`): as much of ZooKeeper as it has read, and the
//! states of its two state machines. It may be out of date; what counts is what a conditional write says.

use super::config_change::ChangeName;
use super::states::{PartitionState, ReplicaState};
use klab_wire::znodes::{LeaderIsrAndControllerEpoch, ReplicaAssignment};
use klab_wire::{
    BrokerEpoch, ControllerEpoch, NodeId, PartitionId, RackId, StopEpoch, TopicId,
    TopicIdPartition, TopicName, TopicPartition,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// One replica of one partition (`PartitionAndReplica`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PartitionAndReplica {
    /// The partition.
    pub partition: TopicPartition,
    /// The broker that has the replica.
    pub replica: NodeId,
}

/// A broker that is registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveBroker {
    /// The czxid of its znode (KIP-380).
    pub epoch: BrokerEpoch,
    /// Where it stands.
    pub rack: Option<RackId>,
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct ControllerContext {
    /// The controller's own epoch.
    pub epoch: ControllerEpoch,
    /// The version of `/controller_epoch` that goes with it.
    pub epoch_zk_version: u32,
    /// The brokers that are registered.
    pub live_brokers: BTreeMap<NodeId, LiveBroker>,
    /// Those of them that are on their way out.
    pub shutting_down: BTreeSet<NodeId>,
    /// Replicas whose log directory has failed.
    pub replicas_on_offline_dirs: BTreeMap<NodeId, BTreeSet<TopicPartition>>,
    /// The topics that there are.
    pub all_topics: BTreeSet<TopicName>,
    topic_ids: BTreeMap<TopicName, TopicId>,
    topic_names: BTreeMap<TopicId, TopicName>,
    assignments: BTreeMap<TopicName, BTreeMap<PartitionId, ReplicaAssignment>>,
    leadership: BTreeMap<TopicPartition, LeaderIsrAndControllerEpoch>,
    partition_states: BTreeMap<TopicPartition, PartitionState>,
    replica_states: BTreeMap<PartitionAndReplica, ReplicaState>,
    /// The last change of configs that was looked at.
    pub last_config_change: Option<ChangeName>,
    /// The dynamic default of all brokers, so far as the controller has heard of it.
    pub default_configs: BTreeMap<Arc<str>, Arc<str>>,
    /// The partitions whose replicas are on the move.
    pub being_reassigned: BTreeSet<TopicPartition>,
    /// The topics that shall go.
    pub to_be_deleted: BTreeSet<TopicName>,
    /// Those of them whose replicas are being deleted.
    pub deletion_started: BTreeSet<TopicName>,
    /// Those of them that have to wait: a replica is not online, or on the move.
    pub ineligible_for_deletion: BTreeSet<TopicName>,
}

/// Brokers.
impl ControllerContext {
    /// Registered, and not on its way out.
    pub fn is_live(&self, broker: NodeId) -> bool {
        self.live_brokers.contains_key(&broker) && !self.shutting_down.contains(&broker)
    }

    /// Registered.
    pub fn live_or_shutting_down(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.live_brokers.keys().copied()
    }

    /// Brokers that have replicas and are not registered.
    pub fn missing_brokers(&self) -> BTreeSet<NodeId> {
        let all = self.partitions().flat_map(|(_, assignment)| assignment.replicas.iter());
        all.copied().filter(|broker| !self.live_brokers.contains_key(broker)).collect()
    }

    /// Its broker is live, and its log directory has not failed.
    pub fn is_online(&self, broker: NodeId, partition: &TopicPartition) -> bool {
        self.is_live(broker) && !self.is_on_offline_dir(broker, partition)
    }

    /// The same, of a broker that may be on its way out.
    pub fn is_online_or_shutting_down(&self, broker: NodeId, partition: &TopicPartition) -> bool {
        self.live_brokers.contains_key(&broker) && !self.is_on_offline_dir(broker, partition)
    }

    fn is_on_offline_dir(&self, broker: NodeId, partition: &TopicPartition) -> bool {
        let dirs = self.replicas_on_offline_dirs.get(&broker);
        dirs.is_some_and(|partitions| partitions.contains(partition))
    }
}

/// Topics and their replicas.
impl ControllerContext {
    /// A topic has this identity.
    pub fn add_topic_id(&mut self, topic: &TopicName, id: TopicId) {
        if let Some(old) = self.topic_ids.insert(topic.clone(), id) {
            self.topic_names.remove(&old);
        }
        self.topic_names.insert(id, topic.clone());
    }

    /// A topic's identity.
    pub fn topic_id(&self, topic: &TopicName) -> Option<TopicId> {
        self.topic_ids.get(topic).copied()
    }

    /// The topic of this identity.
    pub fn topic_name(&self, id: TopicId) -> Option<&TopicName> {
        self.topic_names.get(&id)
    }

    /// A partition by identity; a topic without one has the identity 0 (`Uuid.ZERO_UUID`).
    pub fn identified(&self, partition: &TopicPartition) -> TopicIdPartition {
        let topic = self.topic_id(&partition.topic).unwrap_or_default();
        TopicIdPartition { topic, partition: partition.partition }
    }

    /// Who holds a partition's replicas, and who of them comes and goes.
    pub fn assignment(&self, partition: &TopicPartition) -> ReplicaAssignment {
        self.known_assignment(partition).cloned().unwrap_or_default()
    }

    fn known_assignment(&self, partition: &TopicPartition) -> Option<&ReplicaAssignment> {
        self.assignments.get(&partition.topic)?.get(&partition.partition)
    }

    /// Who holds a partition's replicas; nobody if there is no such partition.
    pub fn replicas(&self, partition: &TopicPartition) -> Arc<[NodeId]> {
        self.known_assignment(partition).map_or_else(Arc::default, |known| known.replicas.clone())
    }

    /// Others hold a partition's replicas from now on.
    pub fn assign(&mut self, partition: &TopicPartition, assignment: ReplicaAssignment) {
        let topic = self.assignments.entry(partition.topic.clone()).or_default();
        topic.insert(partition.partition, assignment);
    }

    /// Who holds the replicas of a topic's partitions.
    pub fn assignments_of(&self, topic: &TopicName) -> BTreeMap<PartitionId, ReplicaAssignment> {
        self.assignments.get(topic).cloned().unwrap_or_default()
    }

    /// Every partition, with who holds its replicas.
    pub fn partitions(&self) -> impl Iterator<Item = (TopicPartition, &ReplicaAssignment)> + '_ {
        self.assignments.iter().flat_map(|(topic, partitions)| {
            partitions.iter().map(move |(partition, assignment)| {
                let (topic, partition) = (topic.clone(), *partition);
                (TopicPartition { topic, partition }, assignment)
            })
        })
    }

    /// There is such a partition.
    pub fn exists(&self, partition: &TopicPartition) -> bool {
        self.known_assignment(partition).is_some()
    }

    /// A topic's partitions.
    pub fn partitions_of(&self, topic: &TopicName) -> Vec<TopicPartition> {
        let partitions = self.assignments.get(topic).into_iter().flat_map(BTreeMap::keys);
        let named = |id: &PartitionId| TopicPartition { topic: topic.clone(), partition: *id };
        partitions.map(named).collect()
    }

    /// A topic's replicas.
    pub fn replicas_of(&self, topic: &TopicName) -> Vec<PartitionAndReplica> {
        self.replicas_for(&self.partitions_of(topic))
    }

    /// The replicas of these partitions.
    pub fn replicas_for(&self, partitions: &[TopicPartition]) -> Vec<PartitionAndReplica> {
        let mut found = Vec::new();
        for partition in partitions {
            let replicas = self.replicas(partition);
            found.extend(replicas.iter().map(|replica| PartitionAndReplica {
                partition: partition.clone(),
                replica: *replica,
            }));
        }
        found
    }

    /// The replicas that these brokers have.
    pub fn replicas_on(&self, brokers: &BTreeSet<NodeId>) -> Vec<PartitionAndReplica> {
        let mut found = Vec::new();
        for (partition, assignment) in self.partitions() {
            for replica in assignment.replicas.iter().filter(|one| brokers.contains(one)) {
                found.push(PartitionAndReplica { partition: partition.clone(), replica: *replica });
            }
        }
        found
    }

    /// Nothing is remembered of a topic any more.
    pub fn remove_topic(&mut self, topic: &TopicName) {
        self.to_be_deleted.remove(topic);
        self.deletion_started.remove(topic);
        self.all_topics.remove(topic);
        if let Some(id) = self.topic_ids.remove(topic) {
            self.topic_names.remove(&id);
        }
        for partition in self.partitions_of(topic) {
            self.leadership.remove(&partition);
        }
        self.assignments.remove(topic);
    }

    /// It shall go: nothing more is done for it.
    pub fn is_queued_for_deletion(&self, topic: &TopicName) -> bool {
        self.to_be_deleted.contains(topic)
    }

    /// Topics that shall go, and no broker is asked to delete a replica of.
    pub fn stranded_deletions(&self) -> Vec<TopicName> {
        let is_started =
            |one: &PartitionAndReplica| self.replica_state(one) == ReplicaState::DeletionStarted;
        let waits = |topic: &&TopicName| !self.replicas_of(topic).iter().any(is_started);
        self.to_be_deleted.iter().filter(waits).cloned().collect()
    }
}

/// Leaders, and the states of the two state machines.
impl ControllerContext {
    /// Who leads a partition and who is in sync, so far as is known.
    pub fn leadership(&self, partition: &TopicPartition) -> Option<&LeaderIsrAndControllerEpoch> {
        self.leadership.get(partition)
    }

    /// Who leads a partition, so far as is known.
    pub fn leader(&self, partition: &TopicPartition) -> Option<NodeId> {
        self.leadership(partition)?.leader_and_isr.leader
    }

    /// Something is known of who leads a partition.
    pub fn put_leadership(&mut self, partition: &TopicPartition, to: LeaderIsrAndControllerEpoch) {
        self.leadership.insert(partition.clone(), to);
    }

    /// Nothing is known of who leads.
    pub fn clear_leadership(&mut self) {
        self.leadership.clear();
    }

    /// The partitions that have had a leader, those of topics that shall go left out.
    pub fn partitions_with_leaders(&self) -> BTreeSet<TopicPartition> {
        let stays = |one: &&TopicPartition| !self.is_queued_for_deletion(&one.topic);
        self.leadership.keys().filter(stays).cloned().collect()
    }

    /// Those of them whose leader is not online.
    pub fn partitions_with_offline_leader(&self) -> Vec<TopicPartition> {
        let is_offline = |(partition, state): &(&TopicPartition, &LeaderIsrAndControllerEpoch)| {
            let leader = state.leader_and_isr.leader;
            !leader.is_some_and(|leader| self.is_online(leader, partition))
                && !self.is_queued_for_deletion(&partition.topic)
        };
        let offline = self.leadership.iter().filter(is_offline);
        offline.map(|(partition, _)| partition.clone()).collect()
    }

    /// The partitions with several replicas that a broker leads.
    pub fn partitions_led_by(&self, broker: NodeId) -> Vec<TopicPartition> {
        let is_led = |(partition, state): &(&TopicPartition, &LeaderIsrAndControllerEpoch)| {
            state.leader_and_isr.leader == Some(broker)
                && self.replicas(partition).len() > 1
                && !self.is_queued_for_deletion(&partition.topic)
        };
        let led = self.leadership.iter().filter(is_led);
        led.map(|(partition, _)| partition.clone()).collect()
    }

    /// The leader epoch that a StopReplica carries; a topic that shall go has a word of its own.
    pub fn stop_epoch(&self, partition: &TopicPartition) -> StopEpoch {
        match self.leadership(partition) {
            _ if self.is_queued_for_deletion(&partition.topic) => StopEpoch::DuringDelete,
            Some(state) => StopEpoch::Of(state.leader_and_isr.leader_epoch),
            None => StopEpoch::None,
        }
    }

    /// A partition's state.
    pub fn partition_state(&self, partition: &TopicPartition) -> PartitionState {
        self.partition_states.get(partition).copied().unwrap_or(PartitionState::NonExistent)
    }

    /// A partition changes its state.
    pub fn put_partition_state(&mut self, partition: &TopicPartition, state: PartitionState) {
        self.partition_states.insert(partition.clone(), state);
    }

    /// The partitions that have no leader and are not to go.
    pub fn partitions_to_bring_online(&self) -> Vec<TopicPartition> {
        let waits = |(partition, state): &(&TopicPartition, &PartitionState)| {
            matches!(state, PartitionState::New | PartitionState::Offline)
                && !self.is_queued_for_deletion(&partition.topic)
        };
        let waiting = self.partition_states.iter().filter(waits);
        waiting.map(|(partition, _)| partition.clone()).collect()
    }

    /// A replica's state.
    pub fn replica_state(&self, replica: &PartitionAndReplica) -> ReplicaState {
        self.replica_states.get(replica).copied().unwrap_or(ReplicaState::NonExistent)
    }

    /// A replica changes its state.
    pub fn put_replica_state(&mut self, replica: &PartitionAndReplica, state: ReplicaState) {
        self.replica_states.insert(replica.clone(), state);
    }

    /// A replica is no more.
    pub fn remove_replica_state(&mut self, replica: &PartitionAndReplica) {
        self.replica_states.remove(replica);
    }

    /// The replicas of a topic that are in a state.
    pub fn replicas_in(&self, topic: &TopicName, state: ReplicaState) -> Vec<PartitionAndReplica> {
        let mut replicas = self.replicas_of(topic);
        replicas.retain(|replica| self.replica_state(replica) == state);
        replicas
    }

    /// Forgets everything (`resetContext`).
    pub fn reset(&mut self) {
        *self = ControllerContext::default();
    }
}
