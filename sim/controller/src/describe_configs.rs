//! Configs are described (`ConfigHelper.describeConfigs`): what is in force, and whether anybody set it.

use crate::active::Active;
use crate::decision::Decision;
use klab_metadata::Image;
use klab_wire::config::{BrokerConfig, ConfigTable, TopicConfig};
use klab_wire::{
    ConfigResource, DescribeConfigsRequest, DescribeConfigsResponse, DescribedConfig,
    DescribedResource, ErrorCode, Response,
};

impl Active {
    pub(crate) fn describe_configs(
        &self,
        committed: &Image,
        request: &DescribeConfigsRequest,
    ) -> Result<Decision, ErrorCode> {
        let described = |resource: &ConfigResource| {
            let configs = self.described(committed, resource);
            let error = configs.as_ref().err().copied().unwrap_or(ErrorCode::None);
            let configs = configs.unwrap_or_default();
            DescribedResource { resource: resource.clone(), error, configs }
        };
        let resources = request.resources.iter().map(described).collect();
        Ok(Decision::answer(Response::DescribeConfigs(Box::new(DescribeConfigsResponse {
            resources,
        }))))
    }

    fn described(
        &self,
        committed: &Image,
        resource: &ConfigResource,
    ) -> Result<Vec<DescribedConfig>, ErrorCode> {
        let this_node = self.settings.identity.node;
        match resource {
            ConfigResource::Topic(name) if committed.topics.named(name).is_none() => {
                Err(ErrorCode::UnknownTopicOrPartition)
            }
            ConfigResource::Topic(_) => Ok(self.described_topic(committed, resource)),
            ConfigResource::Broker(None) => Ok(set_values(committed, resource)),
            ConfigResource::Broker(Some(node)) if *node == this_node => {
                Ok(described_by(&self.broker_config(committed), |name| {
                    committed.configs.value(resource, name).is_none()
                        && committed.configs.value(&ConfigResource::Broker(None), name).is_none()
                }))
            }
            // A broker's static configuration is known to that broker alone.
            ConfigResource::Broker(Some(_)) => Err(ErrorCode::InvalidRequest),
        }
    }

    fn described_topic(&self, committed: &Image, topic: &ConfigResource) -> Vec<DescribedConfig> {
        let broker = self.broker_config(committed);
        let mut config = TopicConfig::inherited(&broker);
        for (name, value) in committed.configs.of(topic) {
            // It was checked when it was set.
            let _ = config.set(name, value);
        }
        described_by(&config, |name| committed.configs.value(topic, name).is_none())
    }

    /// This node's configuration with what was set at run time for all brokers and for it.
    fn broker_config(&self, committed: &Image) -> BrokerConfig {
        let mut config = self.settings.config.clone();
        let this_node = Some(self.settings.identity.node);
        for resource in [ConfigResource::Broker(None), ConfigResource::Broker(this_node)] {
            for (name, value) in committed.configs.of(&resource) {
                // It was checked when it was set.
                let _ = config.set(name, value);
            }
        }
        config
    }
}

fn described_by<T: ConfigTable>(
    config: &T,
    is_default: impl Fn(&str) -> bool,
) -> Vec<DescribedConfig> {
    let described = |name: &str| DescribedConfig {
        name: name.into(),
        value: config.value(name).map(Into::into),
        is_default: is_default(name),
    };
    T::names().into_iter().map(described).collect()
}

fn set_values(committed: &Image, resource: &ConfigResource) -> Vec<DescribedConfig> {
    let set = |(name, value): (&str, &str)| DescribedConfig {
        name: name.into(),
        value: Some(value.into()),
        is_default: false,
    };
    committed.configs.of(resource).map(set).collect()
}
