//! What a broker does about news from the metadata log (`BrokerMetadataPublisher`,
//! `ReplicaManager.applyDelta`, `DynamicConfigPublisher`).
//!
//! The image moves with every committed batch; its consequences are carried over partition by partition,
//! for what the batch touched. The first time, when the broker has caught up, for everything there is.
//!
//! Facts: `MetadataApplied`, `ReplicaDeleted`.

use crate::Broker;
use crate::fetch_session_cache::Moved;
use crate::lifecycle::BrokerState;
use crate::metadata_source::{MetadataSource, Mode};
use crate::partition::{Leader, Partition};
use crate::topic_settings::{TopicSettings, with_dynamic_configs};
use klab_kraft::RaftEvent;
use klab_machine::Outbox;
use klab_machine::fact::ReplicationFact;
use klab_metadata::{Delta, Image};
use klab_wire::{
    ConfigResource, ErrorCode, NodeId, Now, PartitionRegistration, TopicId, TopicIdPartition,
    TopicName, TopicPartition,
};
use std::sync::Arc;

impl Broker {
    /// Takes out what the metadata log has to say.
    pub(crate) fn take_raft_events(&mut self, now: Now, out: &mut Outbox) {
        let mut delta = Delta::default();
        while let Some(event) = self.next_raft_event() {
            match event {
                RaftEvent::Committed(batch) => {
                    self.metadata.image_mut().apply(&batch, &mut delta);
                }
                RaftEvent::SnapshotLoaded { id, batches } => {
                    self.publish(std::mem::take(&mut delta), now, out);
                    let batches = batches.iter().map(Arc::as_ref);
                    let image = Image::of_snapshot(id, batches);
                    delta = Delta::between(self.metadata.image(), &image);
                    *self.metadata.image_mut() = image;
                }
                RaftEvent::LeaderChanged { leader, .. } => {
                    self.controller_changed(leader, now, out)
                }
                RaftEvent::BecameWritable { .. } | RaftEvent::Resigned { .. } => {
                    unreachable!("an observer never leads the metadata quorum")
                }
            }
        }
        self.publish(delta, now, out);
        self.maybe_write_metadata_snapshot(now, out);
    }

    fn next_raft_event(&mut self) -> Option<RaftEvent> {
        match &mut self.source {
            MetadataSource::Quorum(raft) => raft.next_event(),
            MetadataSource::ZooKeeper(_) => None,
        }
    }

    /// The metadata is caught up for the first time: opens the logs of all replicas that this broker
    /// has, and lets the others go.
    pub(crate) fn publish_first(&mut self, now: Now, out: &mut Outbox) {
        self.is_published = true;
        self.apply_broker_configs();
        self.storage.open(&self.default_settings.log, now, out);
        let mut ours = Vec::new();
        for topic in self.metadata.image().topics.topics() {
            for (index, state) in topic.partitions() {
                if state.replicas.contains(&self.identity.node) {
                    ours.push(TopicIdPartition { topic: topic.id, partition: index });
                }
            }
        }
        ours.into_iter().for_each(|id| self.apply_partition(id, now, out));
        self.storage.delete_found(out);
        self.schedule_high_watermark_checkpoints(out);
        self.schedule_log_tasks(out);
    }

    /// Writes a snapshot of the metadata when enough has come since the last one
    /// (`SnapshotGenerator`).
    pub(crate) fn maybe_write_metadata_snapshot(&mut self, now: Now, out: &mut Outbox) {
        let limit = self.config.metadata_log_max_record_bytes_between_snapshots;
        if let MetadataSource::Quorum(raft) = &self.source
            && raft.bytes_since_snapshot() >= limit
        {
            self.write_metadata_snapshot(now, out);
        }
    }

    /// Writes a snapshot of the metadata, if there is anything new.
    pub(crate) fn write_metadata_snapshot(&mut self, now: Now, out: &mut Outbox) {
        let image = self.metadata.image();
        if let MetadataSource::Quorum(raft) = &mut self.source
            && raft.bytes_since_snapshot() > 0
        {
            raft.write_snapshot(now, image.next_offset, image.records(), out);
        }
    }

    /// Carries over what the log touched.
    pub(crate) fn publish(&mut self, delta: Delta, now: Now, out: &mut Outbox) {
        if delta.is_empty() {
            return;
        }
        let to = self.metadata.image().next_offset;
        out.state(ReplicationFact::MetadataApplied { to });
        if !self.is_published {
            return;
        }
        // Deletions first: a topic may come again under its name in the same breath.
        for topic in &delta.topics_deleted {
            for (partition, _) in topic.partitions() {
                let id = TopicIdPartition { topic: topic.id, partition };
                self.delete_replica(id, ErrorCode::UnknownTopicOrPartition, out);
            }
            self.topic_settings.remove(&topic.id);
        }
        delta.configs.iter().for_each(|resource| self.apply_config(resource));
        delta.partitions.iter().for_each(|id| self.apply_partition(*id, now, out));
        delta.brokers.iter().for_each(|broker| self.broker_changed(*broker));
    }

    /// A partition is new or changed.
    fn apply_partition(&mut self, id: TopicIdPartition, now: Now, out: &mut Outbox) {
        let Some(state) = self.metadata.image().topics.partition(id).cloned() else { return };
        if !state.replicas.contains(&self.identity.node) {
            return self.delete_replica(id, ErrorCode::NotLeaderOrFollower, out);
        }
        if self.replicas.get(id).is_none() {
            let name = self.metadata.image().topics.called(id);
            self.create_replica(id, name.expect("a changed partition has a topic"), out);
        }
        if state.leader == Some(self.identity.node) {
            self.become_leader(id, &state, now, out);
        } else {
            self.become_follower(id, &state, now, out);
        }
    }

    /// A replica that this broker did not have yet, with the log that was found of it, if there is one.
    pub(crate) fn create_replica(
        &mut self,
        id: TopicIdPartition,
        name: TopicPartition,
        out: &mut Outbox,
    ) {
        let settings = self.settings_of(id.topic, &name.topic);
        let log = self.storage.take(id, name, settings.log.clone(), out);
        self.storage.note_high_watermark(&log);
        self.replicas.insert(Partition::new(log, settings));
    }

    /// A replica is to lead, or leads with a new state.
    pub(crate) fn become_leader(
        &mut self,
        id: TopicIdPartition,
        state: &PartitionRegistration,
        now: Now,
        out: &mut Outbox,
    ) {
        let local = local!(self, now);
        let Some(partition) = self.replicas.get_mut(id) else { return };
        self.fetchers.remove(partition);
        let Some(change) = partition.make_leader(state, &local, out) else { return };
        self.purgatory.sessions.partition_moved(partition, Moved::Role);
        self.isr_expiration.members_changed(partition, self.identity.node);
        if change.high_watermark_moved {
            self.purgatory.high_watermark_moved(partition, out);
        }
    }

    /// A replica is to follow.
    pub(crate) fn become_follower(
        &mut self,
        id: TopicIdPartition,
        state: &PartitionRegistration,
        now: Now,
        out: &mut Outbox,
    ) {
        let Some(partition) = self.replicas.get_mut(id) else { return };
        let Some((change, ended)) = partition.make_follower(state, out) else { return };
        self.purgatory.sessions.partition_moved(partition, Moved::Role);
        if let Some(leader) = ended {
            self.end_leadership(id, leader, ErrorCode::NotLeaderOrFollower, out);
        }
        let stops = self.lifecycle.state() == BrokerState::PendingControlledShutdown
            && (state.leader.is_none()
                || !state.isr.contains(&self.identity.node)
                || self.source.mode() == Mode::ZooKeeper);
        if change.is_new_epoch || stops {
            self.stop_fetching(id);
        }
        if let Some(leader) = state.leader.filter(|_| change.is_new_epoch && !stops) {
            self.start_fetching(id, leader, now, out);
        }
    }

    /// Whoever waits for this leader is told that it leads no more.
    fn end_leadership(
        &mut self,
        id: TopicIdPartition,
        mut leader: Leader,
        error: ErrorCode,
        out: &mut Outbox,
    ) {
        let current = self.leader_of(id).filter(|_| error == ErrorCode::NotLeaderOrFollower);
        self.purgatory.leadership_lost(&mut leader, error, current, out);
    }

    /// A replica is given up, and its log goes.
    pub(crate) fn delete_replica(
        &mut self,
        id: TopicIdPartition,
        error: ErrorCode,
        out: &mut Outbox,
    ) {
        self.stop_fetching(id);
        let Some(mut partition) = self.replicas.remove(id) else { return };
        self.storage.forget_high_watermark(id);
        self.purgatory.sessions.partition_moved(&mut partition, Moved::Role);
        let delay = partition.settings.topic.file_delete_delay_ms;
        let Partition { log, role, .. } = partition;
        if let crate::partition::Role::Leader(leader) = role {
            self.end_leadership(id, leader, error, out);
        }
        out.state(ReplicationFact::ReplicaDeleted { partition: log.name().clone() });
        self.storage.delete_later(log, delay, out);
    }

    /// How a topic is configured here; topics without configs of their own share one copy.
    pub(crate) fn settings_of(&mut self, id: TopicId, topic: &TopicName) -> Arc<TopicSettings> {
        if let Some(settings) = self.topic_settings.get(&id) {
            return settings.clone();
        }
        let configs = &self.metadata.image().configs;
        if configs.of(&ConfigResource::Topic(topic.clone())).next().is_none() {
            return self.default_settings.clone();
        }
        let settings = Arc::new(TopicSettings::of(&self.config, &self.switches, configs, topic));
        self.topic_settings.insert(id, settings.clone());
        settings
    }

    /// What was set at run time on a topic or broker is another now.
    pub(crate) fn apply_config(&mut self, resource: &ConfigResource) {
        match resource {
            ConfigResource::Topic(topic) => {
                if let Some(id) = self.metadata.image().topics.id_of(topic) {
                    self.configure_topic(id, topic);
                }
            }
            ConfigResource::Broker(broker) => {
                if broker.is_none_or(|broker| broker == self.identity.node) {
                    self.apply_broker_configs();
                    self.configure_all_topics();
                }
            }
        }
    }

    fn configure_topic(&mut self, id: TopicId, topic: &TopicName) {
        self.topic_settings.remove(&id);
        let settings = self.settings_of(id, topic);
        let partitions = self.metadata.image().topics.topic(id).map_or(0, |t| t.partitions.len());
        for index in (0..partitions as u32).map(klab_wire::PartitionId) {
            let id = TopicIdPartition { topic: id, partition: index };
            self.configure_partition(id, settings.clone());
        }
    }

    /// A replica goes by these settings from now on.
    pub(crate) fn configure_partition(
        &mut self,
        id: TopicIdPartition,
        settings: Arc<TopicSettings>,
    ) {
        let Some(partition) = self.replicas.get_mut(id) else { return };
        let is_throttled = settings.is_follower_throttled(id.partition, self.identity.node);
        partition.log.configure(settings.log.clone());
        partition.settings = settings;
        if let Some(fetcher) = self.fetchers.of(id) {
            fetcher.set_throttled(id, is_throttled);
        }
    }

    fn configure_all_topics(&mut self) {
        self.topic_settings.clear();
        let hosted: Vec<_> =
            self.replicas.iter().map(|p| (p.id(), p.name().topic.clone())).collect();
        for (id, topic) in hosted {
            let settings = self.settings_of(id.topic, &topic);
            self.configure_partition(id, settings);
        }
    }

    /// What was set at run time for this broker or for all brokers (KIP-226).
    pub(crate) fn apply_broker_configs(&mut self) {
        let configs = &self.metadata.image().configs;
        let config = with_dynamic_configs(&self.fixed_config, configs, self.identity.node);
        self.leader_quota.set_limit(config.leader_replication_throttled_rate);
        self.follower_quota.set_limit(config.follower_replication_throttled_rate);
        self.config = Arc::new(config);
        self.default_settings = Arc::new(TopicSettings::inherited(&self.config, &self.switches));
    }

    /// A broker was fenced or unfenced, or registered anew: its followers here may join the ISR now, and
    /// the next fetch looks.
    pub(crate) fn broker_changed(&mut self, broker: NodeId) {
        let sessions = self.purgatory.sessions.sessions_mut();
        sessions
            .filter(|session| session.replica.is_some_and(|replica| replica.id == broker))
            .for_each(|session| session.mark_all_dirty());
    }
}
