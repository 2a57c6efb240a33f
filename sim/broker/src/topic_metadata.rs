//! Metadata and DescribeConfigs: what clients ask about topics and configs, answered from this broker's
//! own image; and topics that come into being because somebody asked (`AutoTopicCreationManager`).

use crate::Broker;
use crate::controller_link::Forwarded;
use crate::metadata_cache::is_valid_topic_name;
use crate::topic_settings::TopicSettings;
use klab_machine::Outbox;
use klab_wire::config::ConfigTable;
use klab_wire::{
    ConfigResource, CreatableTopic, CreateTopicsRequest, DescribeConfigsRequest,
    DescribeConfigsResponse, DescribedConfig, DescribedResource, ErrorCode, MetadataRequest,
    MetadataResponse, Now, TopicName,
};
use std::sync::Arc;

impl Broker {
    /// A Metadata request. A topic that does not exist is created if both sides want it; the client
    /// asks again meanwhile.
    pub(crate) fn topic_metadata(
        &mut self,
        request: &MetadataRequest,
        now: Now,
        out: &mut Outbox,
    ) -> MetadataResponse {
        let unknown = |name: &TopicName| match is_valid_topic_name(name) {
            true => ErrorCode::UnknownTopicOrPartition,
            false => ErrorCode::InvalidTopicException,
        };
        let response = self.metadata.metadata(request.topics.as_deref(), unknown);
        if request.allow_auto_topic_creation && self.config.auto_create_topics_enable {
            let unknown = response.topics.iter();
            let unknown = unknown.filter(|t| t.error == ErrorCode::UnknownTopicOrPartition);
            let names: Vec<TopicName> = unknown.map(|topic| topic.name.clone()).collect();
            self.create_topics(names, now, out);
        }
        response
    }

    /// A DescribeConfigs request.
    pub(crate) fn describe_configs(
        &self,
        request: &DescribeConfigsRequest,
    ) -> DescribeConfigsResponse {
        let describe = |resource: &ConfigResource| match resource {
            ConfigResource::Topic(topic) => self.describe_topic(resource, topic),
            ConfigResource::Broker(_) => self.describe_broker(resource),
        };
        DescribeConfigsResponse { resources: request.resources.iter().map(describe).collect() }
    }

    /// Asks the controller for topics, but not twice at a time.
    fn create_topics(&mut self, mut names: Vec<TopicName>, now: Now, out: &mut Outbox) {
        names.retain(|name| self.topics_being_created.insert(name.clone()));
        if names.is_empty() {
            return;
        }
        let replication_factor = u16::try_from(self.config.default_replication_factor).ok();
        let topic = |name: &TopicName| CreatableTopic {
            name: name.clone(),
            partitions: Some(self.config.num_partitions),
            replication_factor,
            assignments: Vec::new(),
            configs: Vec::new(),
        };
        let request = CreateTopicsRequest {
            topics: names.iter().map(topic).collect(),
            validate_only: false,
            timeout: self.config.request_timeout_ms,
        };
        self.send_forwarded(request.into(), Forwarded::AutoCreation(names), now, out);
    }

    fn describe_topic(&self, resource: &ConfigResource, topic: &TopicName) -> DescribedResource {
        let image = self.metadata.image();
        if image.topics.named(topic).is_none() {
            return described(resource, ErrorCode::UnknownTopicOrPartition, Vec::new());
        }
        let settings = TopicSettings::of(&self.config, &self.switches, &image.configs, topic);
        let configs = self.describe_table(&settings.topic, std::slice::from_ref(resource));
        described(resource, ErrorCode::None, configs)
    }

    /// Another broker's configuration only that broker knows: the client is to ask it (`AdminManager`).
    fn describe_broker(&self, resource: &ConfigResource) -> DescribedResource {
        match resource {
            ConfigResource::Broker(Some(broker)) if *broker != self.identity.node => {
                described(resource, ErrorCode::InvalidRequest, Vec::new())
            }
            ConfigResource::Broker(Some(_)) => {
                let layers = [ConfigResource::Broker(None), resource.clone()];
                let configs = self.describe_table(&*self.config, &layers);
                described(resource, ErrorCode::None, configs)
            }
            // The default of all brokers is what was set for it, and nothing else.
            _ => {
                let set = self.metadata.image().configs.of(resource);
                let configs = set.map(|(name, value)| DescribedConfig {
                    name: name.into(),
                    value: Some(value.into()),
                    is_default: false,
                });
                described(resource, ErrorCode::None, configs.collect())
            }
        }
    }

    /// Every name of a table with its value; what one of the `layers` sets is not a default.
    fn describe_table<T: ConfigTable>(
        &self,
        table: &T,
        layers: &[ConfigResource],
    ) -> Vec<DescribedConfig> {
        let configs = &self.metadata.image().configs;
        let is_set = |name: &str| layers.iter().any(|layer| configs.value(layer, name).is_some());
        let mut names = T::names();
        names.sort_unstable();
        let describe = |name: &str| DescribedConfig {
            name: name.into(),
            value: table.value(name).map(Arc::from),
            is_default: !is_set(name),
        };
        names.into_iter().map(describe).collect()
    }
}

fn described(
    resource: &ConfigResource,
    error: ErrorCode,
    configs: Vec<DescribedConfig>,
) -> DescribedResource {
    DescribedResource { resource: resource.clone(), error, configs }
}
