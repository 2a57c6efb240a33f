//! The active controller: it alone decides (`QuorumController` between `claim` and `renounce`).

use crate::decision::Decision;
use crate::election::ElectionRules;
use crate::heartbeats::BrokerHeartbeats;
use crate::pending::Pending;
use crate::purgatory::Purgatory;
use crate::schedule::Schedule;
use klab_machine::random::{Stream, stream};
use klab_machine::{Identity, Mutant, Outbox};
use klab_metadata::{Image, MetadataVersion, TopicImage};
use klab_wire::config::switches::LeaderRecovery;
use klab_wire::config::{BrokerConfig, Switches};
use klab_wire::{
    BrokerEpoch, ConfigResource, ErrorCode, LeaderEpoch, MetadataRecord, NodeId, Now, Offset,
    Request, TopicId,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What stays the same over all lives and roles of a controller.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) identity: Identity,
    pub(crate) config: BrokerConfig,
    pub(crate) switches: Switches,
}

/// The state that only the active controller has.
#[derive(Clone, Debug)]
pub(crate) struct Active {
    pub(crate) settings: Arc<Settings>,
    /// The epoch in which it is active (`curClaimEpoch`).
    pub(crate) epoch: LeaderEpoch,
    pub(crate) pending: Pending,
    pub(crate) heartbeats: BrokerHeartbeats,
    /// Where each broker's latest registration record is: a broker has to get there to be unfenced.
    pub(crate) registered_at: BTreeMap<NodeId, Offset>,
    pub(crate) purgatory: Purgatory,
    /// The last record that was appended, as long as it is not committed.
    pub(crate) uncommitted: Option<Offset>,
    pub(crate) schedule: Schedule,
    topic_ids: Stream,
}

/// What a decision is made from, beside the state.
#[derive(Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) now: Now,
    /// The offset that the next record will have.
    pub(crate) next_offset: Offset,
    /// What is committed: reads show nothing else.
    pub(crate) committed: &'a Image,
}

impl Active {
    /// Takes over: everything committed is known, every broker gets a whole session.
    pub(crate) fn new(
        settings: Arc<Settings>,
        epoch: LeaderEpoch,
        committed: &Image,
        registered_at: BTreeMap<NodeId, Offset>,
        now: Now,
    ) -> Self {
        let mut heartbeats = BrokerHeartbeats::new(settings.config.broker_session_timeout_ms);
        for (broker, registration) in committed.cluster.brokers() {
            heartbeats.register(broker, registration.fenced, now.time);
        }
        let identity = &settings.identity;
        let ids = [identity.node.key(), identity.incarnation.0, u64::from(epoch.0)];
        Active {
            topic_ids: stream(identity.seed, "topic-ids", ids),
            settings,
            epoch,
            pending: Pending::of(committed),
            heartbeats,
            registered_at,
            purgatory: Purgatory::default(),
            uncommitted: None,
            schedule: Schedule::default(),
        }
    }

    /// The metadata with everything decided so far.
    pub(crate) fn image(&self) -> &Image {
        &self.pending.image
    }

    /// Decides on a request, or says why it is refused as a whole.
    pub(crate) fn decide(
        &mut self,
        asked: Asked<'_>,
        request: &Request,
    ) -> Result<Decision, ErrorCode> {
        match request {
            Request::BrokerRegistration(request) => self.register_broker(asked, request),
            Request::UnregisterBroker(request) => self.unregister_broker(request),
            Request::BrokerHeartbeat(request) => {
                self.broker_heartbeat(asked.now, request, asked.committed.next_offset)
            }
            Request::AlterPartition(request) => self.alter_partition(request),
            Request::CreateTopics(request) => self.create_topics(request),
            Request::DeleteTopics(request) => self.delete_topics(request),
            Request::CreatePartitions(request) => self.create_partitions(request),
            Request::ElectLeaders(request) => self.elect_leaders(request),
            Request::AlterPartitionReassignments(request) => self.alter_reassignments(request),
            Request::ListPartitionReassignments(request) => {
                Ok(self.list_reassignments(asked.committed, request))
            }
            Request::IncrementalAlterConfigs(request) => self.alter_configs(request),
            Request::DescribeConfigs(request) => self.describe_configs(asked.committed, request),
            Request::UpdateFeatures(request) => self.update_features(request),
            Request::AllocateProducerIds(request) => self.allocate_producer_ids(request),
            Request::DescribeCluster(_) => self.describe_cluster(asked.committed),
            _ => Err(ErrorCode::UnsupportedVersion),
        }
    }

    /// Carries out what a record at `offset` says, before it is committed.
    pub(crate) fn replay(
        &mut self,
        now: Now,
        offset: Offset,
        record: &MetadataRecord,
        out: &mut Outbox,
    ) {
        self.pending.replay(record, out);
        match record {
            MetadataRecord::RegisterBroker(record) => {
                self.registered_at.insert(record.broker, offset);
                self.heartbeats.remove(record.broker);
                self.heartbeats.register(record.broker, record.fenced, now.time);
                self.heartbeats.heard(record.broker, true, now.time);
            }
            MetadataRecord::UnregisterBroker { broker, .. } => self.heartbeats.remove(*broker),
            MetadataRecord::BrokerRegistrationChange { broker, .. } => {
                let fenced = !self.image().cluster.is_unfenced(*broker);
                self.heartbeats.register(*broker, fenced, now.time);
            }
            MetadataRecord::FeatureLevel { .. } => self.schedule_no_op(out),
            _ => {}
        }
    }

    /// Everything up to this offset is committed: whoever waited for it is answered.
    pub(crate) fn commit_up_to(&mut self, committed: Offset, out: &mut Outbox) {
        self.uncommitted = self.uncommitted.filter(|last| *last > committed);
        self.purgatory.complete_up_to(committed, out);
    }

    /// A broker speaks of its present registration (`ClusterControlManager.checkBrokerEpoch`).
    pub(crate) fn check_broker_epoch(
        &self,
        broker: NodeId,
        epoch: BrokerEpoch,
    ) -> Result<(), ErrorCode> {
        match self.image().cluster.broker(broker) {
            Some(registration) if registration.epoch() == epoch => Ok(()),
            Some(_) if Mutant::IgnoresBrokerEpochs.lives() => Ok(()),
            _ => Err(ErrorCode::StaleBrokerEpoch),
        }
    }

    /// What the feature levels and configs in force say about elections in a topic's partitions.
    pub(crate) fn election_rules(&self, topic: &TopicImage) -> ElectionRules {
        let features = &self.image().features;
        let version = features.metadata_version();
        let switches = &self.settings.switches;
        ElectionRules {
            min_isr: self.effective_min_isr(topic),
            eligible_leader_replicas: features.is_elr_enabled(),
            leader_recovery_state: version >= MetadataVersion::IBP_3_2_IV0
                && switches.leader_recovery_state == LeaderRecovery::On,
            last_known_leader: switches.last_known_leader,
            isr_shrink_bumps_leader_epoch: version < MetadataVersion::IBP_3_6_IV0,
        }
    }

    /// No more in-sync replicas can be asked for than there are replicas
    /// (`getTopicEffectiveMinIsr`).
    fn effective_min_isr(&self, topic: &TopicImage) -> u32 {
        let dynamic = self.dynamic_topic_config(topic, "min.insync.replicas");
        let configured = dynamic.and_then(|value| value.parse().ok());
        let replicas = topic.partitions.first().map_or(u32::MAX, |p| p.replicas.len() as u32);
        configured.unwrap_or(self.settings.config.min_insync_replicas).min(replicas)
    }

    /// `unclean.leader.election.enable` as it is in force for a topic.
    pub(crate) fn is_unclean_election_enabled(&self, topic: &TopicImage) -> bool {
        match self.dynamic_topic_config(topic, "unclean.leader.election.enable") {
            Some(value) => value == "true",
            None => self.settings.config.unclean_leader_election_enable,
        }
    }

    /// A dynamic value of a config that topic and broker call alike: the topic's, this controller's, or
    /// that of all brokers (`KafkaConfigSchema.resolveEffectiveTopicConfig`).
    fn dynamic_topic_config(&self, topic: &TopicImage, name: &str) -> Option<&str> {
        let configs = &self.image().configs;
        let this_node = Some(self.settings.identity.node);
        let resources = [
            ConfigResource::Topic(topic.name.clone()),
            ConfigResource::Broker(this_node),
            ConfigResource::Broker(None),
        ];
        resources.iter().find_map(|resource| configs.value(resource, name)).map(|value| &**value)
    }

    /// An identity that no topic has (`Uuid.randomUuid`, in 32 bits for the readers' sake).
    pub(crate) fn new_topic_id(&mut self) -> TopicId {
        loop {
            let id = TopicId(self.topic_ids.between(2, u64::from(u32::MAX)));
            if self.image().topics.topic(id).is_none() {
                return id;
            }
        }
    }
}
