//! How a topic is configured on this broker: its overrides over the broker's own defaults (`LogConfig`).

use klab_log::LogConfig;
use klab_metadata::ConfigsImage;
use klab_wire::config::{BrokerConfig, ConfigTable, Switches, TopicConfig};
use klab_wire::{ConfigResource, NodeId, PartitionId, TopicName};
use std::sync::Arc;

/// A topic's configuration: one copy, shared by its partitions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicSettings {
    /// All of it.
    pub topic: TopicConfig,
    /// What of it the logs go by.
    pub log: Arc<LogConfig>,
}

impl TopicSettings {
    /// A topic's without configs of its own.
    pub fn inherited(broker: &BrokerConfig, switches: &Switches) -> Self {
        Self::over(broker, switches, TopicConfig::inherited(broker))
    }

    /// A topic's, as the metadata says. An override that this broker cannot read counts as not set: the
    /// controller has checked it, so it is one of a later release.
    pub fn of(
        broker: &BrokerConfig,
        switches: &Switches,
        configs: &ConfigsImage,
        topic: &TopicName,
    ) -> Self {
        let resource = ConfigResource::Topic(topic.clone());
        let mut config = TopicConfig::inherited(broker);
        for (name, text) in configs.of(&resource) {
            let _unknown = config.set(name, text);
        }
        Self::over(broker, switches, config)
    }

    fn over(broker: &BrokerConfig, switches: &Switches, topic: TopicConfig) -> Self {
        let log = LogConfig {
            producer_window: switches.producer_window,
            recovery_gap: switches.recovery_gap,
            ..LogConfig::of_topic(&topic, broker.producer_id_expiration_ms)
        };
        TopicSettings { log: Arc::new(log), topic }
    }

    /// A leader on this broker is throttled (KIP-73).
    pub fn is_leader_throttled(&self, partition: PartitionId, broker: NodeId) -> bool {
        let throttled = &self.topic.leader_replication_throttled_replicas;
        throttled.contains(partition.0, u32::from(broker.number))
    }

    /// A follower on this broker is throttled (KIP-73).
    pub fn is_follower_throttled(&self, partition: PartitionId, broker: NodeId) -> bool {
        let throttled = &self.topic.follower_replication_throttled_replicas;
        throttled.contains(partition.0, u32::from(broker.number))
    }
}

/// A broker's configuration with what was set at run time, for all brokers and for this one (KIP-226).
pub fn with_dynamic_configs(
    fixed: &BrokerConfig,
    configs: &ConfigsImage,
    broker: NodeId,
) -> BrokerConfig {
    let mut config = fixed.clone();
    for resource in [ConfigResource::Broker(None), ConfigResource::Broker(Some(broker))] {
        for (name, text) in configs.of(&resource) {
            let _unknown = config.set(name, text);
        }
    }
    config
}
