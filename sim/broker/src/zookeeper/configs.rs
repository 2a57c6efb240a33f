//! Dynamic configs in ZooKeeper mode (`ZkConfigManager`, `ZkNodeChangeNotificationListener`): `/config/topics/T` and
//! `/config/brokers/N` hold them, and every change leaves a numbered znode in `/config/changes`, which all brokers
//! watch. A change says only what has changed: everybody reads it anew.

use super::Question;
use crate::Broker;
use klab_machine::Outbox;
use klab_wire::znodes::{ConfigChangeNotification, ConfigEntityZNode, path};
use klab_wire::zookeeper::{Answer, KeeperError, Op};
use klab_wire::{ConfigResource, Now, TopicName};

/// Why a config is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The broker starts.
    Startup,
    /// A replica of the topic is about to be created.
    NewReplica,
    /// It has changed.
    Change,
}

impl Broker {
    /// Reads how something is configured.
    pub(super) fn read_config(
        &mut self,
        resource: ConfigResource,
        reason: Reason,
        now: Now,
        out: &mut Outbox,
    ) {
        let op = Op::GetData { path: path::config(&resource), watch: false };
        self.ask(Question::Config(resource, reason), op, now, out);
    }

    /// What has no znode has no configs of its own.
    pub(super) fn config_read(
        &mut self,
        resource: ConfigResource,
        reason: Reason,
        result: Result<Answer, KeeperError>,
        now: Now,
        out: &mut Outbox,
    ) {
        let read = match result {
            Ok(Answer::Data { data, .. }) => ConfigEntityZNode::decode(&data),
            _ => ConfigEntityZNode::default(),
        };
        self.metadata.image_mut().configs.replace(&resource, read.0);
        match (reason, &resource) {
            (Reason::Startup, _) => self.read_at_startup(now, out),
            (Reason::NewReplica, ConfigResource::Topic(topic)) => {
                self.topic_configured(topic, now, out);
            }
            (Reason::Change, ConfigResource::Topic(topic)) => self.configure_replicas(topic),
            (Reason::Change | Reason::NewReplica, _) => self.apply_config(&resource),
        }
    }

    /// Every replica of a topic goes by the topic's configs of now, whatever else this broker knows of it.
    fn configure_replicas(&mut self, topic: &TopicName) {
        let ours = self.replicas.iter().filter(|replica| replica.name().topic == *topic);
        let ours: Vec<_> = ours.map(|replica| replica.id()).collect();
        for id in ours {
            self.topic_settings.remove(&id.topic);
            let settings = self.settings_of(id.topic, topic);
            self.configure_partition(id, settings);
        }
    }

    /// Looks for changes, and for the next one.
    pub(super) fn follow_config_changes(&mut self, now: Now, out: &mut Outbox) {
        let op = Op::GetChildren { path: path::config_changes(), watch: true };
        self.ask(Question::ConfigChanges, op, now, out);
    }

    /// Each change is looked at once, in the order of their numbers.
    pub(super) fn config_changes_listed(
        &mut self,
        result: Result<Answer, KeeperError>,
        now: Now,
        out: &mut Outbox,
    ) {
        let Ok(Answer::Children { names, .. }) = result else { return };
        for name in names {
            let mode = self.zookeeper();
            let Some(number) = change_number(&name).filter(|n| Some(*n) > mode.last_change) else {
                continue;
            };
            mode.last_change = Some(number);
            let path = path::config_changes().child(&name);
            self.ask(Question::ConfigChange, Op::GetData { path, watch: false }, now, out);
        }
    }

    /// What a broker cannot read, and what is of another broker, is no business of its.
    pub(super) fn config_change_read(
        &mut self,
        result: Result<Answer, KeeperError>,
        now: Now,
        out: &mut Outbox,
    ) {
        let Ok(Answer::Data { data, .. }) = result else { return };
        match ConfigChangeNotification::decode(&data) {
            Some(ConfigChangeNotification(ConfigResource::Broker(Some(other))))
                if other != self.identity.node => {}
            Some(ConfigChangeNotification(resource)) => {
                self.read_config(resource, Reason::Change, now, out);
            }
            None => {}
        }
    }
}

/// The number that ZooKeeper has given a change: `config_change_0000000012`.
fn change_number(name: &str) -> Option<u64> {
    name.rsplit('_').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_known_by_its_number() {
        assert_eq!(change_number("config_change_0000000012"), Some(12));
        assert_eq!(change_number("something-else"), None);
    }
}
