//! An administrator changes dynamic configs (`ZkAdminManager.incrementalAlterConfigs`,
//! `AdminZkClient.changeEntityConfig`): they are read, changed, written back over whatever is there by then, and a
//! numbered znode tells every broker whose configs have changed.

use super::KafkaController;
use super::partition_states::{create, read};
use super::step::Step;
use super::task::{Task, data};
use crate::assignment::{Refusal, told};
use crate::configs;
use klab_machine::Outbox;
use klab_machine::fact::ControllerFact;
use klab_wire::znodes::{ConfigChangeNotification, ConfigEntityZNode, path};
use klab_wire::zookeeper::{Acl, Answer, CreateMode, KeeperError, Op};
use klab_wire::{
    AlteredResource, ConfigChange, ConfigResource, ErrorCode, IncrementalAlterConfigsResponse,
    Request, Response,
};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// What is still to be done for a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ConfigStep {
    /// Take it up.
    Begin,
    /// The next resource.
    Next(Altering),
    /// Its configs were read.
    ConfigsRead(Altering),
    /// Who is the controller, was read: configs are written only while it is.
    ControllerRead(Altering, ConfigEntityZNode),
    /// They were written.
    Set(Altering, ConfigEntityZNode),
    /// They were created.
    Created(Altering, ConfigEntityZNode),
    /// Everybody was told.
    Told(Altering, ConfigEntityZNode),
}

/// A request half done: the resource at the front is under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Altering {
    rest: VecDeque<(ConfigResource, Vec<ConfigChange>)>,
    done: Vec<AlteredResource>,
    validate_only: bool,
}

impl From<ConfigStep> for Step {
    fn from(step: ConfigStep) -> Self {
        Step::Configs(step)
    }
}

impl KafkaController {
    pub(super) fn configs(&mut self, step: ConfigStep, task: &mut Task, out: &mut Outbox) {
        match step {
            ConfigStep::Begin => begin(task),
            ConfigStep::Next(altering) => self.next_resource(altering, task, out),
            ConfigStep::ConfigsRead(altering) => self.configs_read_back(altering, task),
            ConfigStep::ControllerRead(altering, configs) => set(altering, configs, task),
            ConfigStep::Set(altering, configs) => configs_set(altering, configs, task),
            ConfigStep::Created(altering, configs) => {
                if task.answer().is_err() {
                    return fail(altering, ErrorCode::UnknownServerError, task);
                }
                tell(altering, configs, task);
            }
            ConfigStep::Told(altering, configs) => {
                state_changes(&altering, &configs, out);
                end(altering, Ok(()), task);
            }
        }
    }

    fn next_resource(&mut self, altering: Altering, task: &mut Task, out: &mut Outbox) {
        let Some((resource, _)) = altering.rest.front() else {
            let Some(reply) = task.reply.take() else { return };
            let response = IncrementalAlterConfigsResponse { resources: altering.done };
            return reply.respond(Response::IncrementalAlterConfigs(Box::new(response)), out);
        };
        if let ConfigResource::Topic(name) = resource
            && !self.context.all_topics.contains(name)
        {
            return fail(altering, ErrorCode::UnknownTopicOrPartition, task);
        }
        task.ask([read(path::config(resource))]);
        task.then([ConfigStep::ConfigsRead(altering).into()]);
    }

    fn configs_read_back(&mut self, altering: Altering, task: &mut Task) {
        let found = data(task.answer()).ok().flatten();
        let known = found.map(|(found, _)| ConfigEntityZNode::decode(&found)).unwrap_or_default();
        let (resource, changes) = altering.rest.front().expect("its configs were read");
        match self.altered(resource, changes, known) {
            Ok(configs) if !altering.validate_only => {
                task.ask([read(path::controller())]);
                task.then([ConfigStep::ControllerRead(altering, configs).into()]);
            }
            altered => end(altering, altered.map(|_| ()), task),
        }
    }

    fn altered(
        &self,
        resource: &ConfigResource,
        changes: &[ConfigChange],
        known: ConfigEntityZNode,
    ) -> Result<ConfigEntityZNode, Refusal> {
        let mut values: BTreeMap<Arc<str>, Arc<str>> = known.0;
        for change in changes {
            match configs::changed(resource, change, values.get(&change.name))? {
                Some(value) => values.insert(change.name.clone(), value),
                None => values.remove(&change.name),
            };
        }
        let pairs = values.iter().map(|(name, value)| (&**name, &**value));
        configs::check(&self.settings.config, resource, pairs)?;
        Ok(ConfigEntityZNode(values))
    }
}

fn begin(task: &mut Task) {
    let Some(Request::IncrementalAlterConfigs(request)) =
        task.reply.as_ref().map(|reply| &reply.request)
    else {
        unreachable!("the task is of this request")
    };
    let rest = request.resources.iter().cloned().collect();
    let altering = Altering { rest, done: Vec::new(), validate_only: request.validate_only };
    task.then([ConfigStep::Next(altering).into()]);
}

/// `setOrCreateEntityConfigs`.
fn set(altering: Altering, configs: ConfigEntityZNode, task: &mut Task) {
    let Ok(Some((_, stat))) = data(task.answer()) else {
        return fail(altering, ErrorCode::NotController, task);
    };
    let (resource, _) = altering.rest.front().expect("it is being altered");
    let check = Op::Check { path: path::controller(), version: Some(stat.version) };
    let (path, data) = (path::config(resource), configs.encode());
    task.ask([Op::Multi(vec![check, Op::SetData { path, data, version: None }])]);
    task.then([ConfigStep::Set(altering, configs).into()]);
}

fn configs_set(altering: Altering, configs: ConfigEntityZNode, task: &mut Task) {
    let parts = match task.answer() {
        Ok(Answer::Multi(parts)) => parts,
        _ => return fail(altering, ErrorCode::UnknownServerError, task),
    };
    match &parts[..] {
        [Ok(_), Ok(_)] => tell(altering, configs, task),
        [Ok(_), Err(KeeperError::NoNode)] => {
            let (resource, _) = altering.rest.front().expect("it is being altered");
            task.ask([create(path::config(resource), configs.encode())]);
            task.then([ConfigStep::Created(altering, configs).into()]);
        }
        // Another controller has been elected meanwhile.
        _ => fail(altering, ErrorCode::NotController, task),
    }
}

/// `createConfigChangeNotification`.
fn tell(altering: Altering, configs: ConfigEntityZNode, task: &mut Task) {
    let (resource, _) = altering.rest.front().expect("it is being altered");
    task.ask([Op::Create {
        path: path::config_change(),
        data: ConfigChangeNotification(resource.clone()).encode(),
        acl: Acl::Open,
        mode: CreateMode::PERSISTENT_SEQUENTIAL,
    }]);
    task.then([ConfigStep::Told(altering, configs).into()]);
}

fn state_changes(altering: &Altering, configs: &ConfigEntityZNode, out: &mut Outbox) {
    let (resource, changes) = altering.rest.front().expect("it was altered");
    for change in changes {
        let value = configs.0.get(&change.name).map(ToString::to_string);
        let (resource, name) = (crate::facts::called(resource), change.name.to_string());
        out.state(ControllerFact::ConfigChanged { resource, name, value });
    }
}

fn fail(altering: Altering, error: ErrorCode, task: &mut Task) {
    end(altering, Err(error.into()), task);
}

fn end(mut altering: Altering, result: Result<(), Refusal>, task: &mut Task) {
    let (resource, _) = altering.rest.pop_front().expect("it was being altered");
    let (error, message) = told(&result);
    altering.done.push(AlteredResource { resource, error, message });
    task.then([ConfigStep::Next(altering).into()]);
}
