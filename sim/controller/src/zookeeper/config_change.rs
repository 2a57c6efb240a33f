//! Somebody has changed dynamic configs: a topic that may have unclean leaders from now on gets one at once
//! (`TopicConfigHandler`, `DynamicLogConfig`). In Kafka the controller hears of it from its process' broker, which
//! reads `/config/changes` anyway; here it reads them itself.

use super::KafkaController;
use super::event::Event;
use super::partition_states::read;
use super::step::Step;
use super::task::{Task, children, data};
use klab_wire::ConfigResource;
use klab_wire::znodes::{ConfigChangeNotification, ConfigEntityZNode, path};
use klab_wire::zookeeper::Op;
use std::sync::Arc;

/// What is still to be done about changes of configs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ConfigChangeStep {
    /// Which are told? Those that are old are known to whoever reads configs anyway.
    LookFor { acts: bool },
    /// That was read.
    NamesRead { acts: bool },
    /// The new ones were read.
    ChangesRead,
    /// The configs that they name were read.
    ConfigsRead(Vec<ConfigResource>),
}

impl From<ConfigChangeStep> for Step {
    fn from(step: ConfigChangeStep) -> Self {
        Step::ConfigChange(step)
    }
}

impl KafkaController {
    pub(super) fn config_change(&mut self, step: ConfigChangeStep, task: &mut Task) {
        match step {
            ConfigChangeStep::LookFor { acts } => {
                task.ask([Op::GetChildren { path: path::config_changes(), watch: true }]);
                task.then([ConfigChangeStep::NamesRead { acts }.into()]);
            }
            ConfigChangeStep::NamesRead { acts } => self.change_names_read(acts, task),
            ConfigChangeStep::ChangesRead => changes_read(task),
            ConfigChangeStep::ConfigsRead(resources) => {
                self.changed_configs_read(resources, task);
            }
        }
    }

    fn change_names_read(&mut self, acts: bool, task: &mut Task) {
        let mut names = children(task.answer());
        let last = self.context.last_config_change.clone();
        names.retain(|name| last.as_ref().is_none_or(|last| name > last));
        names.sort_unstable();
        if let Some(newest) = names.last() {
            self.context.last_config_change = Some(newest.clone());
        }
        if acts && !names.is_empty() {
            task.ask(names.iter().map(|name| read(path::config_changes().child(name))));
            task.then([ConfigChangeStep::ChangesRead.into()]);
        }
    }

    fn changed_configs_read(&mut self, resources: Vec<ConfigResource>, task: &mut Task) {
        for (resource, outcome) in resources.into_iter().zip(task.answers()) {
            let Ok(Some((found, _))) = data(outcome) else { continue };
            let configs = ConfigEntityZNode::decode(&found).0;
            let unclean = configs.get("unclean.leader.election.enable");
            match (resource, unclean.map(|value| &**value)) {
                (ConfigResource::Topic(topic), Some("true")) => {
                    self.put(Event::TopicUncleanLeaderElectionEnable(topic));
                }
                (ConfigResource::Broker(None), _) => {
                    let was_enabled = self.is_unclean_by_default();
                    self.context.default_configs = configs;
                    if !was_enabled && self.is_unclean_by_default() {
                        self.put(Event::UncleanLeaderElectionEnable);
                    }
                }
                _ => {}
            }
        }
    }

    /// What topics have that do not say: the dynamic default of all brokers, or the controller's own configuration.
    pub(super) fn is_unclean_by_default(&self) -> bool {
        match self.context.default_configs.get("unclean.leader.election.enable") {
            Some(value) => &**value == "true",
            None => self.settings.config.unclean_leader_election_enable,
        }
    }
}

fn changes_read(task: &mut Task) {
    let mut resources: Vec<ConfigResource> = Vec::new();
    for outcome in task.answers() {
        if let Ok(Some((found, _))) = data(outcome)
            && let Some(ConfigChangeNotification(resource)) =
                ConfigChangeNotification::decode(&found)
            && !resources.contains(&resource)
        {
            resources.push(resource);
        }
    }
    if !resources.is_empty() {
        task.ask(resources.iter().map(|resource| read(path::config(resource))));
        task.then([ConfigChangeStep::ConfigsRead(resources).into()]);
    }
}

/// The name of a change, which is numbered: the latest is the greatest.
pub(super) type ChangeName = Arc<str>;
