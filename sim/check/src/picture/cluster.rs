//! The whole deployment: partitions by name, brokers, controllers.

use super::partition::Partition;
use crate::settings::{Settings, TopicSettings};
use klab_wire::{BrokerEpoch, LeaderEpoch, NodeId, TopicName, TopicPartition};
use std::collections::{BTreeMap, BTreeSet};

/// What the facts say about brokers and controllers, and every partition.
#[derive(Clone, Debug)]
pub(crate) struct Cluster {
    pub(crate) settings: Settings,
    topics: BTreeMap<TopicName, Vec<Partition>>,
    /// Active controllers, each in the epoch in which it became one.
    pub(crate) controllers: BTreeMap<NodeId, LeaderEpoch>,
    /// Every epoch's active controller.
    pub(crate) reigns: BTreeMap<LeaderEpoch, NodeId>,
    /// Fenced brokers, with the reign in which they were fenced.
    pub(crate) fenced: BTreeMap<NodeId, LeaderEpoch>,
    /// The last registration of each broker.
    pub(crate) broker_epochs: BTreeMap<NodeId, BrokerEpoch>,
    /// Every registration that a broker learned.
    pub(crate) registrations: BTreeMap<BrokerEpoch, NodeId>,
    /// Processes that were started and have not registered since.
    pub(crate) restarted: BTreeSet<NodeId>,
    /// Nodes whose disk was damaged.
    pub(crate) damaged: BTreeSet<NodeId>,
    /// Topics for which an operator asked for an unclean election.
    pub(crate) unclean_requested: BTreeSet<TopicPartition>,
}

impl Cluster {
    pub(crate) fn new(settings: Settings) -> Self {
        Cluster {
            settings,
            topics: BTreeMap::new(),
            controllers: BTreeMap::new(),
            reigns: BTreeMap::new(),
            fenced: BTreeMap::new(),
            broker_epochs: BTreeMap::new(),
            registrations: BTreeMap::new(),
            restarted: BTreeSet::new(),
            damaged: BTreeSet::new(),
            unclean_requested: BTreeSet::new(),
        }
    }

    /// The partition, if any fact has named it.
    pub(crate) fn partition(&self, name: &TopicPartition) -> Option<&Partition> {
        self.topics.get(&name.topic)?.get(name.partition.0 as usize)
    }

    /// The partition; it begins with the first fact that names it.
    pub(crate) fn partition_mut(&mut self, name: &TopicPartition) -> &mut Partition {
        let index = name.partition.0 as usize;
        // Looking up twice costs less than cloning the name for `entry` every time.
        if !self.topics.contains_key(&name.topic) {
            self.topics.insert(name.topic.clone(), Vec::new());
        }
        let topic = self.topics.get_mut(&name.topic).expect("the topic was put there just now");
        while topic.len() <= index {
            let next = TopicPartition { topic: name.topic.clone(), ..name.clone() };
            let index = klab_wire::PartitionId(topic.len() as u32);
            topic.push(Partition::new(TopicPartition { partition: index, ..next }));
        }
        &mut topic[index]
    }

    /// Every partition, in the order of their names.
    pub(crate) fn partitions(&self) -> impl Iterator<Item = &Partition> {
        self.topics.values().flatten()
    }

    /// A topic is gone, and nothing is promised about what it held.
    pub(crate) fn forget(&mut self, topic: &TopicName) {
        self.topics.remove(topic);
    }

    /// The epoch of the newest active controller.
    pub(crate) fn reign(&self) -> LeaderEpoch {
        self.reigns.last_key_value().map_or(LeaderEpoch(0), |(epoch, _)| *epoch)
    }

    /// Whether what this node decides can still be committed: no newer controller is active.
    pub(crate) fn is_current_controller(&self, node: NodeId) -> bool {
        self.controllers.get(&node).copied().unwrap_or_default() == self.reign()
    }

    /// What a topic is configured with now.
    pub(crate) fn topic(&self, name: &TopicName) -> TopicSettings {
        self.settings.topic(name)
    }

    /// How many replicas must have a record before `acks=all` is answered: never more than there are.
    /// (`Partition.effectiveMinIsr`)
    pub(crate) fn min_isr(&self, partition: &Partition) -> u32 {
        let configured = self.topic(&partition.name.topic).min_insync_replicas;
        match partition.replicas.len() as u32 {
            0 => configured,
            replicas => configured.min(replicas),
        }
    }

    /// A dynamic config was changed (KIP-226): from now on other things are promised.
    pub(crate) fn configure(&mut self, resource: &str, name: &str, value: Option<&str>) {
        let Some(value) = value else { return };
        match self.topics.keys().find(|topic| names_topic(resource, &topic.0)).cloned() {
            Some(topic) => {
                let mut settings = self.settings.topic(&topic);
                settings.set(name, value);
                self.settings.topics.insert(topic, settings);
            }
            None => self.settings.defaults.set(name, value),
        }
    }
}

/// Whether the resource of a `ConfigChanged` is this topic: `topic orders`, or the like.
fn names_topic(resource: &str, topic: &str) -> bool {
    resource.split([' ', '(', ')', ':', '=']).any(|word| word == topic)
}

impl TopicSettings {
    fn set(&mut self, name: &str, value: &str) {
        match name {
            "min.insync.replicas" => {
                self.min_insync_replicas = value.parse().unwrap_or(self.min_insync_replicas);
            }
            "unclean.leader.election.enable" => self.unclean_leader_election = value == "true",
            "cleanup.policy" => self.compacted = value.contains("compact"),
            _ => {}
        }
    }
}
