//! What a client knows of the cluster: brokers, topics, leaders (`Metadata`, `MetadataSnapshot`).
//!
//! Any broker may answer, and some are behind. A partition's entry is therefore only replaced by one
//! with the same or a higher leader epoch: a client never goes back to a leader it knows to be deposed.

#[cfg(test)]
mod tests;

use klab_machine::Outbox;
use klab_machine::fact::ClientFact;
use klab_machine::random::Stream;
use klab_network::ExponentialBackoff;
use klab_wire::config::MetadataRecoveryStrategy;
use klab_wire::{
    ErrorCode, LeaderEpoch, LeaderIdAndEpoch, MetadataPartition, MetadataRequest, MetadataResponse,
    MetadataTopic, NodeId, Now, PartitionId, Span, Time, TopicId, TopicName, TopicPartition,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How a client keeps its metadata.
#[derive(Clone, Debug)]
pub(crate) struct MetadataConfig {
    /// The brokers to begin with.
    pub(crate) bootstrap: Vec<NodeId>,
    /// `metadata.max.age.ms`.
    pub(crate) max_age: Span,
    /// `retry.backoff.ms` and `retry.backoff.max.ms`.
    pub(crate) backoff: ExponentialBackoff,
    /// `metadata.recovery.strategy`.
    pub(crate) recovery: MetadataRecoveryStrategy,
    /// Asking for a topic may create it.
    pub(crate) allow_auto_topic_creation: bool,
}

/// A client's view of the cluster, and when it has to be renewed.
#[derive(Clone, Debug)]
pub(crate) struct Metadata {
    config: MetadataConfig,
    jitter: Stream,
    places: BTreeMap<TopicName, TopicPlace>,
    topics: Vec<TopicOfInterest>,
    nodes: Vec<NodeId>,
    need_full_update: bool,
    need_partial_update: bool,
    request_version: u32,
    update_version: u32,
    last_successful_refresh: Option<Time>,
    /// Not before this (`timeToAllowUpdate`).
    allowed_at: Time,
    failures: u32,
    equivalent_responses: u32,
}

/// A topic's place in the metadata of one client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TopicPlace(u32);

#[derive(Clone, Debug)]
struct TopicOfInterest {
    /// No answer has covered it yet.
    is_new: bool,
    told: Option<TopicMetadata>,
}

/// One topic.
#[derive(Clone, Debug, Default)]
pub(crate) struct TopicMetadata {
    /// Its identity, unless the last answer had an error in its place.
    pub(crate) id: Option<TopicId>,
    /// What the last answer said was wrong with it.
    pub(crate) error: ErrorCode,
    /// Its partitions, as far as an answer without an error told them.
    pub(crate) partitions: Vec<PartitionView>,
    /// The partitions with a leader (`Cluster.availablePartitionsForTopic`).
    pub(crate) available: Vec<u32>,
    /// The highest epoch of each partition that this client has heard of from anybody.
    last_seen_epochs: Vec<Option<LeaderEpoch>>,
}

/// One partition.
#[derive(Clone, Debug)]
pub(crate) struct PartitionView {
    /// The leader, if there is one and it is alive.
    pub(crate) leader: Option<NodeId>,
    /// The epoch of that leader.
    pub(crate) epoch: LeaderEpoch,
    /// The replicas.
    pub(crate) replicas: Arc<[NodeId]>,
    /// Those whose broker is not alive.
    pub(crate) offline: Vec<NodeId>,
}

/// A leader with its epoch, as far as known (`Metadata.LeaderAndEpoch`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LeaderAndEpoch {
    pub(crate) leader: Option<NodeId>,
    pub(crate) epoch: Option<LeaderEpoch>,
}

/// Which answer a metadata request will get (`MetadataRequestAndVersion`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MetadataRequestVersion {
    version: u32,
    is_partial: bool,
}

impl Metadata {
    pub(crate) fn new(mut config: MetadataConfig, jitter: Stream) -> Self {
        config.bootstrap.sort_unstable();
        Metadata {
            nodes: config.bootstrap.clone(),
            config,
            jitter,
            places: BTreeMap::new(),
            topics: Vec::new(),
            need_full_update: true,
            need_partial_update: false,
            request_version: 0,
            update_version: 0,
            last_successful_refresh: None,
            allowed_at: Time::ZERO,
            failures: 0,
            equivalent_responses: 0,
        }
    }

    /// The brokers to talk to.
    pub(crate) fn nodes(&self) -> &[NodeId] {
        &self.nodes
    }

    /// How often the view has changed.
    pub(crate) fn update_version(&self) -> u32 {
        self.update_version
    }

    /// How long metadata is good for.
    pub(crate) fn max_age(&self) -> Span {
        self.config.max_age
    }

    /// A topic, if an answer has told of it.
    pub(crate) fn topic(&self, place: TopicPlace) -> Option<&TopicMetadata> {
        self.topics[place.0 as usize].told.as_ref()
    }

    /// The same, by its name.
    pub(crate) fn topic_named(&self, name: &TopicName) -> Option<&TopicMetadata> {
        self.topic(*self.places.get(name)?)
    }

    /// A partition, if an answer has told of it.
    pub(crate) fn partition(
        &self,
        topic: TopicPlace,
        partition: PartitionId,
    ) -> Option<&PartitionView> {
        self.topic(topic)?.partitions.get(partition.0 as usize)
    }

    /// `Metadata.currentLeader`: without a leader when a higher epoch has been heard of elsewhere.
    pub(crate) fn current_leader(&self, of: &TopicPartition) -> LeaderAndEpoch {
        let Some(topic) = self.topic_named(&of.topic) else { return LeaderAndEpoch::default() };
        topic.current_leader(of.partition)
    }

    /// Takes an interest in a topic; a new one is asked for at once (`ProducerMetadata.add`).
    pub(crate) fn add_topic(&mut self, topic: &TopicName) -> TopicPlace {
        if let Some(place) = self.places.get(topic) {
            return *place;
        }
        let place = TopicPlace(self.topics.len() as u32);
        self.places.insert(topic.clone(), place);
        self.topics.push(TopicOfInterest { is_new: true, told: None });
        self.request_update_for_new_topics();
        place
    }

    /// Asks for fresh metadata, as soon as the back-off allows.
    pub(crate) fn request_update(&mut self) {
        self.need_full_update = true;
    }

    /// Asks again for a topic that no answer has covered.
    pub(crate) fn request_update_for_topic(&mut self, place: TopicPlace) {
        match self.topics[place.0 as usize].is_new {
            true => self.request_update_for_new_topics(),
            false => self.request_update(),
        }
    }

    fn request_update_for_new_topics(&mut self) {
        self.allowed_at = Time::ZERO;
        self.need_partial_update = true;
        self.equivalent_responses = 0;
        self.request_version += 1;
    }

    /// When metadata is to be asked for next (`timeToNextUpdate`).
    pub(crate) fn due_at(&self) -> Time {
        if self.need_full_update || self.need_partial_update {
            return self.allowed_at;
        }
        let expires =
            self.last_successful_refresh.map_or(Time::ZERO, |at| at + self.config.max_age);
        expires.max(self.allowed_at)
    }

    /// The request to send now: for new topics only, if nothing else is out of date.
    pub(crate) fn request(&mut self, now: Now) -> (MetadataRequest, MetadataRequestVersion) {
        let expires =
            self.last_successful_refresh.map_or(Time::ZERO, |at| at + self.config.max_age);
        let is_partial = !self.need_full_update && expires > now.time;
        let is_asked = |place: &TopicPlace| !is_partial || self.topics[place.0 as usize].is_new;
        let asked = self.places.iter().filter(|(_, place)| is_asked(place));
        let topics = asked.map(|(topic, _)| topic.clone()).collect();
        let request = MetadataRequest {
            topics: Some(topics),
            allow_auto_topic_creation: self.config.allow_auto_topic_creation,
        };
        (request, MetadataRequestVersion { version: self.request_version, is_partial })
    }

    /// A request for metadata has failed, or could not be sent (`failedUpdate`).
    pub(crate) fn failed_update(&mut self, now: Now) {
        self.failures += 1;
        self.equivalent_responses = 0;
        self.back_off(now);
    }

    /// An answer came (`Metadata.update`).
    pub(crate) fn update(
        &mut self,
        asked: MetadataRequestVersion,
        response: MetadataResponse,
        now: Now,
        out: &mut Outbox,
    ) {
        if response.brokers.is_empty() {
            return self.failed_update(now);
        }
        self.need_partial_update = asked.version < self.request_version;
        self.failures = 0;
        self.update_version += 1;
        if !asked.is_partial {
            self.need_full_update = false;
            self.last_successful_refresh = Some(now.time);
        }
        self.equivalent_responses += 1;
        self.nodes = response.brokers.iter().map(|broker| broker.node).collect();
        self.nodes.sort_unstable();
        for topic in response.topics {
            self.update_topic(topic, out);
        }
        self.back_off(now);
    }

    fn back_off(&mut self, now: Now) {
        let wait = self.config.backoff.after(self.failures.saturating_sub(1), &mut self.jitter);
        let equivalent = self.equivalent_responses.saturating_sub(1);
        let unchanged = self.config.backoff.after(equivalent, &mut self.jitter);
        let wait = if self.equivalent_responses > 1 { wait.max(unchanged) } else { wait };
        self.allowed_at = now.time + wait;
    }

    fn update_topic(&mut self, told: MetadataTopic, out: &mut Outbox) {
        let Some(place) = self.places.get(&told.name) else { return };
        let interest = &mut self.topics[place.0 as usize];
        interest.is_new = false;
        let topic = interest.told.get_or_insert_default();
        topic.error = told.error;
        if !told.error.is_ok() {
            topic.forget_partitions();
            self.need_full_update |= told.error.is_stale_metadata();
            return;
        }
        let is_other_topic = topic.id.replace(told.id) != Some(told.id);
        topic.partitions.truncate(told.partitions.len());
        for partition in told.partitions {
            self.need_full_update |= partition.error.is_stale_metadata();
            if topic.update_partition(&told.name, partition, is_other_topic, &self.nodes, out) {
                self.equivalent_responses = 0;
            }
        }
        topic.list_available();
    }

    /// A broker that was asked in vain told who leads (KIP-951, `updatePartitionLeadership`).
    pub(crate) fn update_leadership(
        &mut self,
        of: &TopicPartition,
        told: LeaderIdAndEpoch,
        out: &mut Outbox,
    ) -> bool {
        let (Some(leader), Some(place)) = (told.leader, self.places.get(&of.topic)) else {
            return false;
        };
        let Some(topic) = &mut self.topics[place.0 as usize].told else { return false };
        let known = topic.current_leader(of.partition).epoch;
        if !self.nodes.contains(&leader) || known.is_some_and(|known| told.epoch <= known) {
            return false;
        }
        let index = of.partition.0 as usize;
        let Some(partition) = topic.partitions.get_mut(index) else { return false };
        (partition.leader, partition.epoch) = (Some(leader), told.epoch);
        topic.last_seen_epochs[index] = Some(told.epoch);
        topic.list_available();
        self.update_version += 1;
        out.state(ClientFact::LeaderLearned {
            partition: of.clone(),
            leader: Some(leader),
            epoch: told.epoch,
        });
        true
    }

    /// Somebody has seen this epoch of a partition; if it is news, metadata has to catch up.
    pub(crate) fn update_last_seen_epoch(&mut self, of: &TopicPartition, epoch: LeaderEpoch) {
        let Some(place) = self.places.get(&of.topic) else { return };
        let Some(topic) = &mut self.topics[place.0 as usize].told else { return };
        let Some(Some(seen)) = topic.last_seen_epochs.get_mut(of.partition.0 as usize) else {
            return;
        };
        if *seen < epoch {
            *seen = epoch;
            self.need_full_update = true;
        }
    }

    /// Nobody we know can be reached: begin again from the bootstrap brokers (KIP-899). False if the
    /// configuration says to keep trying.
    pub(crate) fn rebootstrap(&mut self) -> bool {
        if self.config.recovery == MetadataRecoveryStrategy::None {
            return false;
        }
        self.need_full_update = true;
        if self.nodes != self.config.bootstrap {
            self.nodes.clone_from(&self.config.bootstrap);
            self.update_version += 1;
            let told = self.topics.iter_mut().filter_map(|topic| topic.told.as_mut());
            told.for_each(TopicMetadata::forget_partitions);
        }
        true
    }
}

impl TopicMetadata {
    fn current_leader(&self, partition: PartitionId) -> LeaderAndEpoch {
        let index = partition.0 as usize;
        let seen = self.last_seen_epochs.get(index).copied().flatten();
        match self.partitions.get(index) {
            Some(view) if seen.is_none_or(|seen| seen == view.epoch) => {
                LeaderAndEpoch { leader: view.leader, epoch: Some(view.epoch) }
            }
            _ => LeaderAndEpoch { leader: None, epoch: seen },
        }
    }

    fn forget_partitions(&mut self) {
        self.id = None;
        self.partitions.clear();
        self.available.clear();
    }

    /// `updateLatestMetadata`: true if the answer is news and not just the same again.
    fn update_partition(
        &mut self,
        topic: &TopicName,
        told: MetadataPartition,
        is_other_topic: bool,
        alive: &[NodeId],
        out: &mut Outbox,
    ) -> bool {
        let index = told.partition.0 as usize;
        if self.last_seen_epochs.len() <= index {
            self.last_seen_epochs.resize(index + 1, None);
        }
        let seen = self.last_seen_epochs[index];
        let is_older = !is_other_topic && seen.is_some_and(|seen| told.leader_epoch < seen);
        if is_older && index < self.partitions.len() {
            return false;
        }
        if !is_older {
            self.last_seen_epochs[index] = Some(told.leader_epoch);
        }
        let is_alive = |leader: &NodeId| alive.binary_search(leader).is_ok();
        let view = PartitionView {
            leader: told.leader.filter(|leader| !is_older && is_alive(leader)),
            epoch: told.leader_epoch,
            replicas: told.replicas,
            offline: told.offline_replicas,
        };
        self.replace(topic, index, view, out);
        is_other_topic || !is_older && seen != Some(told.leader_epoch)
    }

    fn replace(&mut self, topic: &TopicName, index: usize, view: PartitionView, out: &mut Outbox) {
        let Some(known) = self.partitions.get_mut(index) else {
            // Answers list partitions in order.
            return self.partitions.push(view);
        };
        if (known.leader, known.epoch) != (view.leader, view.epoch) {
            out.state(ClientFact::LeaderLearned {
                partition: TopicPartition::new(topic.clone(), index as u32),
                leader: view.leader,
                epoch: view.epoch,
            });
        }
        *known = view;
    }

    fn list_available(&mut self) {
        let has_leader =
            |(index, view): (usize, &PartitionView)| view.leader.is_some().then_some(index as u32);
        self.available = self.partitions.iter().enumerate().filter_map(has_leader).collect();
    }
}
