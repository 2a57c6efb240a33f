//! Dynamic configs are changed (`ConfigurationControlManager.incrementalAlterConfigs`, KIP-226, KIP-339).

use crate::active::Active;
use crate::assignment::{Refusal, told};
use crate::decision::{Decision, MAX_RECORDS};
use crate::topic_name;
use klab_wire::config::{BrokerConfig, ConfigError, ConfigTable, TopicConfig};
use klab_wire::{
    AlteredResource, ConfigChange, ConfigOperation, ConfigResource, ErrorCode,
    IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse, MetadataRecord, NodeKind,
    Response,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The configs whose values are lists, which can be appended to and subtracted from.
const LISTS: [&str; 4] = [
    "cleanup.policy",
    "log.cleanup.policy",
    "leader.replication.throttled.replicas",
    "follower.replication.throttled.replicas",
];

impl Active {
    /// Each resource's changes take effect together, or none of them.
    pub(crate) fn alter_configs(
        &mut self,
        request: &IncrementalAlterConfigsRequest,
    ) -> Result<Decision, ErrorCode> {
        let (mut records, mut resources) = (Vec::new(), Vec::new());
        for (resource, changes) in &request.resources {
            let altered = match times_named(request, resource) {
                1 => self.alter_resource(resource, changes),
                _ => Err(Refusal::new(ErrorCode::InvalidRequest, "Duplicate resource.")),
            };
            let (error, message) = told(&altered);
            resources.push(AlteredResource { resource: resource.clone(), error, message });
            records.extend(altered.into_iter().flatten());
        }
        if records.len() > MAX_RECORDS {
            return Err(ErrorCode::PolicyViolation);
        }
        let response =
            Response::IncrementalAlterConfigs(Box::new(IncrementalAlterConfigsResponse {
                resources,
            }));
        Ok(match request.validate_only {
            true => Decision::answer(response),
            false => Decision::atomic(records, response),
        })
    }

    fn alter_resource(
        &self,
        resource: &ConfigResource,
        changes: &[ConfigChange],
    ) -> Result<Vec<MetadataRecord>, Refusal> {
        self.check_exists(resource)?;
        let configs = &self.image().configs;
        let mut values: BTreeMap<&str, Arc<str>> =
            configs.of(resource).map(|(name, value)| (name, Arc::from(value))).collect();
        let mut records = Vec::new();
        for change in changes {
            let before = configs.value(resource, &change.name);
            let value = changed(resource, change, before)?;
            match &value {
                Some(value) => values.insert(&change.name, value.clone()),
                None => values.remove(&*change.name),
            };
            // Brokers reload even what stays the same (KAFKA-14136).
            if value.as_ref() != before || matches!(resource, ConfigResource::Broker(_)) {
                let (resource, name) = (resource.clone(), change.name.clone());
                records.push(MetadataRecord::Config { resource, name, value });
            }
        }
        self.check_configs(resource, values.iter().map(|(name, value)| (*name, &**value)))?;
        Ok(records)
    }

    /// `ConfigResourceExistenceChecker`.
    fn check_exists(&self, resource: &ConfigResource) -> Result<(), Refusal> {
        match resource {
            ConfigResource::Broker(None) => Ok(()),
            ConfigResource::Broker(Some(node)) => {
                let is_known =
                    node.kind == NodeKind::Voter || self.image().cluster.broker(*node).is_some();
                let message = format!("No node with id {node} found.");
                let refusal = Refusal::new(ErrorCode::BrokerIdNotRegistered, message);
                is_known.then_some(()).ok_or(refusal)
            }
            ConfigResource::Topic(name) => {
                let message = format!("The topic '{name}' does not exist.");
                let refusal = Refusal::new(ErrorCode::UnknownTopicOrPartition, message);
                self.image().topics.named(name).map(|_| ()).ok_or(refusal)
            }
        }
    }

    /// The values are values of these names, and agree with each other
    /// (`ControllerConfigurationValidator`).
    pub(crate) fn check_configs<'a>(
        &self,
        resource: &ConfigResource,
        values: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<(), Refusal> {
        check(&self.settings.config, resource, values)
    }
}

/// What a change makes of a config's value.
pub(crate) fn changed(
    resource: &ConfigResource,
    change: &ConfigChange,
    before: Option<&Arc<str>>,
) -> Result<Option<Arc<str>>, Refusal> {
    let (items, appends) = match &change.operation {
        ConfigOperation::Set(value) => return Ok(Some(value.clone())),
        ConfigOperation::Delete => return Ok(None),
        ConfigOperation::Append(items) => (items, true),
        ConfigOperation::Subtract(items) => (items, false),
    };
    if !LISTS.contains(&&*change.name) {
        let verb = if appends { "APPEND" } else { "SUBTRACT" };
        let message = format!("Can't {verb} to key {} because its type is not LIST.", change.name);
        return Err(Refusal::new(ErrorCode::InvalidConfig, message));
    }
    let value = before.map(ToString::to_string).or_else(|| default(resource, &change.name));
    let list = value.unwrap_or_default();
    Ok(Some(if appends { appended(&list, items) } else { subtracted(&list, items) }))
}

/// Whether values are values of these names, and agree with each other, on top of a broker's configuration.
pub(crate) fn check<'a>(
    config: &BrokerConfig,
    resource: &ConfigResource,
    values: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<(), Refusal> {
    let checked = match resource {
        ConfigResource::Topic(name) => {
            let refused = |message| Refusal::new(ErrorCode::InvalidTopicException, message);
            topic_name::validate(name).map_err(refused)?;
            TopicConfig::on(config, values).map(|_| ())
        }
        ConfigResource::Broker(_) => checked_for_broker(config, values),
    };
    checked.map_err(|error| Refusal::new(ErrorCode::InvalidConfig, error.to_string()))
}

fn checked_for_broker<'a>(
    config: &BrokerConfig,
    values: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<(), ConfigError> {
    let mut config = config.clone();
    values.into_iter().try_for_each(|(name, value)| config.set(name, value))
}

fn times_named(request: &IncrementalAlterConfigsRequest, resource: &ConfigResource) -> usize {
    request.resources.iter().filter(|(other, _)| other == resource).count()
}

fn default(resource: &ConfigResource, name: &str) -> Option<String> {
    match resource {
        ConfigResource::Topic(_) => TopicConfig::default().value(name),
        ConfigResource::Broker(_) => BrokerConfig::default().value(name),
    }
}

fn items(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').filter(|item| !item.is_empty())
}

fn appended(list: &str, more: &str) -> Arc<str> {
    let mut all: Vec<&str> = items(list).collect();
    for item in items(more) {
        if !all.contains(&item) {
            all.push(item);
        }
    }
    all.join(",").into()
}

fn subtracted(list: &str, fewer: &str) -> Arc<str> {
    let stays = |item: &&str| !items(fewer).any(|gone| gone == *item);
    items(list).filter(stays).collect::<Vec<_>>().join(",").into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desk::Desk;

    #[test]
    fn a_list_is_appended_to_without_repetition_and_subtracted_from() {
        assert_eq!(&*appended("delete", "compact,delete"), "delete,compact");
        assert_eq!(&*appended("", "0:1"), "0:1");
        assert_eq!(&*subtracted("0:1,1:2,0:3", "1:2,9:9"), "0:1,0:3");
        assert_eq!(&*subtracted("delete", "delete"), "");
    }

    fn alter(
        desk: &mut Desk,
        resource: ConfigResource,
        operation: ConfigOperation,
        name: &str,
    ) -> ErrorCode {
        let changes = vec![ConfigChange { name: name.into(), operation }];
        let resources = vec![(resource, changes)];
        match desk.ask(IncrementalAlterConfigsRequest { resources, validate_only: false }) {
            Response::IncrementalAlterConfigs(answer) => answer.resources[0].error,
            other => panic!("no answer to a config change: {other:?}"),
        }
    }

    #[test]
    fn a_config_is_set_appended_to_subtracted_from_and_deleted() {
        let mut desk = Desk::new().with_brokers([1]);
        desk.create("orders", &[&[1]]);
        let topic = || ConfigResource::Topic("orders".into());
        let name = "cleanup.policy";
        let value = |desk: &Desk| {
            desk.controller.image().configs.value(&topic(), name).map(|value| value.to_string())
        };
        use ConfigOperation::{Append, Delete, Set, Subtract};
        let steps = [
            (Append("compact".into()), Some("delete,compact")),
            (Subtract("delete".into()), Some("compact")),
            (Set("delete".into()), Some("delete")),
            (Delete, None),
        ];
        for (operation, expected) in steps {
            assert_eq!(alter(&mut desk, topic(), operation, name), ErrorCode::None);
            assert_eq!(value(&desk).as_deref(), expected);
        }
    }

    #[test]
    fn what_is_no_config_or_no_value_or_no_resource_is_refused() {
        let mut desk = Desk::new().with_brokers([1]);
        desk.create("orders", &[&[1]]);
        let topic = |name: &str| ConfigResource::Topic(name.into());
        let broker = |number| ConfigResource::Broker(Some(klab_wire::NodeId::broker(number)));
        let set = |value: &str| ConfigOperation::Set(value.into());
        let append = |value: &str| ConfigOperation::Append(value.into());
        let (invalid, none) = (ErrorCode::InvalidConfig, ErrorCode::None);
        let cases = [
            (topic("orders"), set("5"), "no.such.config", invalid),
            (topic("orders"), set("soon"), "retention.ms", invalid),
            (topic("orders"), append("5"), "retention.ms", invalid),
            (topic("other"), set("5"), "retention.ms", ErrorCode::UnknownTopicOrPartition),
            (broker(9), set("2"), "num.io.threads", ErrorCode::BrokerIdNotRegistered),
            (broker(1), set("none"), "num.io.threads", invalid),
            (broker(1), set("2"), "num.io.threads", none),
            (ConfigResource::Broker(None), set("2"), "min.insync.replicas", none),
        ];
        for (resource, operation, name, error) in cases {
            let answer = alter(&mut desk, resource.clone(), operation, name);
            assert_eq!(answer, error, "{resource:?} {name}");
        }
    }

    #[test]
    fn configs_are_described_with_what_is_in_force() {
        let mut desk = Desk::with([("log.retention.ms", "7000")]).with_brokers([1]);
        desk.create_with("orders", &[&[1]], &[("segment.bytes", "2000")]);
        desk.configure(ConfigResource::Broker(None), "message.max.bytes", "3000");
        let resources = vec![ConfigResource::Topic("orders".into())];
        let Response::DescribeConfigs(answer) =
            desk.ask(klab_wire::DescribeConfigsRequest { resources })
        else {
            panic!("an answer is of the request's own API")
        };
        let described = |name: &str| {
            let config = answer.resources[0].configs.iter().find(|c| &*c.name == name).unwrap();
            (config.value.as_deref().unwrap().to_string(), config.is_default)
        };
        assert_eq!(described("segment.bytes"), ("2000".into(), false));
        assert_eq!(described("retention.ms"), ("7000".into(), true));
        assert_eq!(described("max.message.bytes"), ("3000".into(), true));
    }
}
