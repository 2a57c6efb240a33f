//! The whole deployment: partitions by name, brokers, controllers.

use super::deleted_topics::DeletedTopics;
use super::partition::Partition;
use crate::configs::Configs;
use crate::settings::{Settings, TopicSettings};
use crate::verdict::Moment;
use klab_wire::{
    BrokerEpoch, ControllerEpoch, LeaderEpoch, NodeId, Offset, PartitionId, ProducerEpoch,
    TopicName, TopicPartition,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What the facts say about brokers and controllers, and every partition.
#[derive(Clone, Debug)]
pub(crate) struct Cluster {
    pub(crate) settings: Settings,
    configs: Configs,
    names: BTreeMap<TopicName, u32>,
    topics: Vec<Topic>,
    /// The topic that was asked for last: it nearly always is the next one too.
    latest: u32,
    /// Every epoch's active controller.
    pub(crate) reigns: BTreeMap<LeaderEpoch, NodeId>,
    /// Fenced brokers.
    pub(crate) fenced: BTreeSet<NodeId>,
    /// ZooKeeper mode: the brokers that each controller counts as gone.
    pub(crate) gone: BTreeMap<NodeId, BTreeSet<NodeId>>,
    /// The last registration of each broker.
    pub(crate) broker_epochs: BTreeMap<NodeId, BrokerEpoch>,
    /// Every registration that a broker learned.
    pub(crate) registrations: BTreeMap<BrokerEpoch, NodeId>,
    /// Processes that were started, and when, and have not registered since.
    pub(crate) restarted: BTreeMap<NodeId, Moment>,
    /// Nodes whose disk was damaged.
    pub(crate) damaged: BTreeSet<NodeId>,
    /// Topics for which an operator asked for an unclean election.
    pub(crate) unclean_requested: BTreeSet<TopicPartition>,
    /// Every new epoch that a producer, the moment's node, took by itself (KIP-360).
    pub(crate) new_epochs: Vec<(Moment, ProducerEpoch)>,
    /// Where the metadata last changed how many replicas must be in sync by a config.
    last_raised: Option<Offset>,
    /// How far each broker has applied the metadata.
    pub(crate) applied: BTreeMap<NodeId, Offset>,
    pub(crate) deleted: DeletedTopics,
    /// ZooKeeper mode: the newest controller that each broker has obeyed in this life.
    pub(crate) obeyed: BTreeMap<NodeId, ControllerEpoch>,
}

/// A topic: its settings as they are now, and its partitions by index.
#[derive(Clone, Debug)]
struct Topic {
    /// None once it is deleted.
    name: Option<TopicName>,
    /// That every batch is flushed holds only if it has since before there was any: what was there when a config came
    /// later need not be flushed.
    settings: TopicSettings,
    partitions: Vec<Partition>,
}

impl Topic {
    fn configure(&mut self, settings: TopicSettings) {
        let mut partitions = self.partitions.iter();
        let is_unborn = partitions.all(|partition| partition.copies.nodes().next().is_none());
        let flushes_every_batch =
            settings.flushes_every_batch && (is_unborn || self.settings.flushes_every_batch);
        self.settings = TopicSettings { flushes_every_batch, ..settings };
    }
}

impl Cluster {
    pub(crate) fn new(settings: Settings) -> Self {
        Cluster {
            configs: Configs::new(settings.defaults),
            settings,
            names: BTreeMap::new(),
            topics: Vec::new(),
            latest: 0,
            reigns: BTreeMap::new(),
            fenced: BTreeSet::new(),
            gone: BTreeMap::new(),
            broker_epochs: BTreeMap::new(),
            registrations: BTreeMap::new(),
            restarted: BTreeMap::new(),
            damaged: BTreeSet::new(),
            unclean_requested: BTreeSet::new(),
            new_epochs: Vec::new(),
            last_raised: None,
            applied: BTreeMap::new(),
            deleted: DeletedTopics::default(),
            obeyed: BTreeMap::new(),
        }
    }

    /// The partition, if any fact has named it.
    pub(crate) fn partition(&self, name: &TopicPartition) -> Option<&Partition> {
        let topic = &self.topics[self.find(&name.topic)? as usize];
        topic.partitions.get(name.partition.0 as usize)
    }

    /// The partition; it begins with the first fact that names it.
    pub(crate) fn partition_mut(&mut self, name: &TopicPartition) -> &mut Partition {
        let topic = self.find(&name.topic).unwrap_or_else(|| self.begin_topic(&name.topic));
        self.latest = topic;
        let partitions = &mut self.topics[topic as usize].partitions;
        let index = name.partition.0 as usize;
        while partitions.len() <= index {
            let next = PartitionId(partitions.len() as u32);
            let topic = name.topic.clone();
            let name = TopicPartition { topic, partition: next };
            partitions.push(Partition::new(name, &self.settings));
        }
        &mut partitions[index]
    }

    fn find(&self, name: &TopicName) -> Option<u32> {
        let latest = self.topics.get(self.latest as usize);
        match latest.is_some_and(|latest| latest.name.as_ref() == Some(name)) {
            true => Some(self.latest),
            false => self.names.get(name).copied(),
        }
    }

    fn begin_topic(&mut self, name: &TopicName) -> u32 {
        let topic = self.topics.len() as u32;
        self.names.insert(name.clone(), topic);
        let (name, settings) = (Some(name.clone()), self.configs.of(name));
        self.topics.push(Topic { name, settings, partitions: Vec::new() });
        topic
    }

    /// Every partition, in the order in which topics were first named.
    pub(crate) fn partitions(&self) -> impl Iterator<Item = &Partition> {
        self.topics.iter().flat_map(|topic| &topic.partitions)
    }

    /// The partitions of which a node has a replica.
    pub(crate) fn partitions_on(&self, node: NodeId) -> Vec<TopicPartition> {
        let held = self.partitions().filter(|partition| partition.copies.end(node).is_some());
        held.map(|partition| partition.name.clone()).collect()
    }

    /// A controller of ZooKeeper mode counts a broker as gone.
    pub(crate) fn is_gone_to(&self, controller: NodeId, broker: NodeId) -> bool {
        self.gone.get(&controller).is_some_and(|gone| gone.contains(&broker))
    }

    /// A broker stopped uncleanly.
    pub(crate) fn stop_uncleanly(&mut self, node: NodeId) {
        let partitions = self.topics.iter_mut().flat_map(|topic| &mut topic.partitions);
        let replicas = partitions.filter_map(|partition| partition.copies.known_mut(node));
        replicas.for_each(|replica| replica.unclean = true);
    }

    /// A broker whose disk was replaced is another one from its registration on, and has nothing (KIP-903).
    pub(crate) fn begin_with_nothing(&mut self, node: NodeId) {
        let partitions = self.topics.iter_mut().flat_map(|topic| &mut topic.partitions);
        let replicas = partitions.filter_map(|partition| partition.copies.known_mut(node));
        for replica in replicas.filter(|replica| replica.lossy) {
            replica.end.get_or_insert(Offset(0));
        }
    }

    /// A topic is gone, and nothing is promised about what it held.
    pub(crate) fn forget(&mut self, topic: &TopicName, last: Offset) {
        self.configs.forget(topic);
        let index = self.names.remove(topic);
        let partitions = index.map(|index| {
            let gone = &mut self.topics[index as usize];
            gone.name = None;
            std::mem::take(&mut gone.partitions)
        });
        self.deleted.delete(topic, &partitions.unwrap_or_default(), last);
    }

    /// What a topic is configured with now.
    pub(crate) fn topic(&self, name: &TopicName) -> TopicSettings {
        match self.find(name) {
            Some(topic) => self.topics[topic as usize].settings,
            None => self.configs.of(name),
        }
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
    pub(crate) fn configure(
        &mut self,
        resource: &str,
        name: &str,
        value: Option<&str>,
        last: Offset,
    ) {
        let before: Vec<u32> = self.partitions().map(|partition| self.min_isr(partition)).collect();
        self.configs.change(resource, name, value);
        for (name, topic) in &self.names {
            self.topics[*topic as usize].configure(self.configs.of(name));
        }
        if name == "min.insync.replicas" {
            self.last_raised = Some(last);
            let partitions = self.topics.iter_mut().flat_map(|topic| &mut topic.partitions);
            partitions.zip(before).for_each(|(p, before)| p.raised.push((last, before)));
        }
    }

    /// A partition has these replicas from now on.
    pub(crate) fn assign(&mut self, name: &TopicPartition, replicas: Arc<[NodeId]>, last: Offset) {
        let before = self.partition(name).map_or(0, |partition| self.min_isr(partition));
        let partition = self.partition_mut(name);
        partition.replicas = replicas;
        partition.raised.push((last, before));
    }

    /// The partitions of which a change of that is news to a broker that applies the metadata up to here.
    pub(crate) fn raised_unknown_to(&self, node: NodeId, to: Offset) -> Vec<TopicPartition> {
        let applied = self.applied.get(&node).copied().unwrap_or_default();
        let news = applied..to;
        if !self.last_raised.is_some_and(|last| news.contains(&last)) {
            return Vec::new();
        }
        let is_raised = |one: &&Partition| one.raised.iter().any(|(last, _)| news.contains(last));
        self.partitions().filter(is_raised).map(|one| one.name.clone()).collect()
    }

    /// The same as this leader knows it, who may not have applied the last changes yet: the lowest of what
    /// was in force since what it has applied.
    pub(crate) fn min_isr_known_to(&self, leader: NodeId, partition: &Partition) -> u32 {
        let now = self.min_isr(partition);
        if partition.raised.is_empty() {
            return now;
        }
        let applied = self.applied.get(&leader).copied().unwrap_or_default();
        let unknown = partition.raised.iter().filter(|(last, _)| *last >= applied);
        unknown.map(|(_, before)| *before).fold(now, u32::min)
    }
}
