//! What a broker of ZooKeeper mode does before it serves (`KafkaServer.startup`): it sees to it that the znodes
//! are there that everything else is in, reads how it and the topics are configured, opens its logs, and
//! registers. Only then it takes requests: those of a controller that knows it already have waited.

use super::Question;
use super::configs::Reason;
use crate::Broker;
use klab_machine::timer::BrokerTimer;
use klab_machine::{Outbox, Timer};
use klab_wire::znodes::{ClusterIdZNode, path};
use klab_wire::zookeeper::{Acl, Answer, CreateMode, Data, KeeperError, Op, Path};
use klab_wire::{ConfigResource, Now, TopicName};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How far a broker is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// So many znodes may not be there yet.
    CreatingPaths {
        /// How many.
        left: u32,
    },
    /// So many configs are not read yet.
    ReadingConfigs {
        /// How many.
        left: u32,
    },
    /// The logs may be opened when the last life's marker of a clean shutdown is gone.
    OpeningLogs,
    /// The logs are open: it registers in every session.
    Registering,
}

impl Stage {
    /// The logs are open.
    pub fn is_behind_the_logs(self) -> bool {
        self == Stage::Registering
    }
}

impl Broker {
    /// A broker that has just started.
    pub(crate) fn start_in_zookeeper_mode(&mut self, now: Now, out: &mut Outbox) {
        let timeout = self.config.zookeeper_connection_timeout_ms;
        let timeout = timeout.unwrap_or(self.config.zookeeper_session_timeout_ms);
        out.set_timer(Timer::Broker(BrokerTimer::ZooKeeperConnection), timeout);
        let cluster = ClusterIdZNode(self.identity.cluster.clone()).encode();
        let znodes = top_level_znodes(cluster);
        self.zookeeper().stage = Stage::CreatingPaths { left: znodes.len() as u32 };
        for (path, data) in znodes {
            let (acl, mode) = (Acl::Open, CreateMode::PERSISTENT);
            self.ask(Question::TopLevelPath, Op::Create { path, data, acl, mode }, now, out);
        }
    }

    /// No server has been found in time (`ZooKeeperClientTimeoutException`): the broker gives up.
    pub(crate) fn zookeeper_connection_timed_out(&mut self, now: Now, out: &mut Outbox) {
        if self.zookeeper().session.id() == klab_wire::zookeeper::SessionId::NONE {
            self.stop(now, out);
        }
    }

    /// A znode is there, by whomever.
    pub(super) fn top_level_path_created(&mut self, now: Now, out: &mut Outbox) {
        let Stage::CreatingPaths { left } = &mut self.zookeeper().stage else { return };
        *left -= 1;
        if *left == 0 {
            self.read_configs(now, out);
        }
    }

    fn read_configs(&mut self, now: Now, out: &mut Outbox) {
        self.zookeeper().stage = Stage::ReadingConfigs { left: 3 };
        let me = Some(self.identity.node);
        for resource in [ConfigResource::Broker(None), ConfigResource::Broker(me)] {
            self.read_config(resource, Reason::Startup, now, out);
        }
        let op = Op::GetChildren { path: path::configs("topics"), watch: false };
        self.ask(Question::ConfiguredTopics, op, now, out);
    }

    /// The configs of all topics are read, since the logs are opened with them (`LogManager.startup`).
    pub(super) fn topics_to_configure(
        &mut self,
        result: Result<Answer, KeeperError>,
        now: Now,
        out: &mut Outbox,
    ) {
        let names: Vec<Arc<str>> = match result {
            Ok(Answer::Children { names, .. }) => names,
            _ => Vec::new(),
        };
        if let Stage::ReadingConfigs { left } = &mut self.zookeeper().stage {
            *left += names.len() as u32;
        }
        for name in names {
            let topic = ConfigResource::Topic(TopicName::from(name));
            self.read_config(topic, Reason::Startup, now, out);
        }
        self.read_at_startup(now, out);
    }

    /// One of the configs is read; with the last of them the logs may be opened.
    pub(super) fn read_at_startup(&mut self, now: Now, out: &mut Outbox) {
        let Stage::ReadingConfigs { left } = &mut self.zookeeper().stage else { return };
        *left -= 1;
        if *left > 0 {
            return;
        }
        self.zookeeper().stage = Stage::OpeningLogs;
        if !self.storage.withdraw_marker(out) {
            self.open_logs_and_register(now, out);
        }
    }

    /// Opens every log that is there. Which of them are still this broker's the controller will say.
    pub(crate) fn open_logs_and_register(&mut self, now: Now, out: &mut Outbox) {
        self.zookeeper().stage = Stage::Registering;
        self.apply_broker_configs();
        self.storage.open(&self.default_settings.log, now, out);
        self.schedule_log_tasks(out);
        self.register_in_zookeeper(now, out);
    }
}

/// The znodes that are created first, parents before children (`createTopLevelPaths`, `createOrGetClusterId`).
fn top_level_znodes(cluster: Data) -> BTreeMap<Path, Data> {
    let mut znodes = BTreeMap::from([(path::cluster_id(), cluster)]);
    let below = path::persistent().into_iter().chain([path::cluster_id()]);
    for path in below {
        let mut next = Some(path);
        while let Some(path) = next.filter(|path| *path != Path::root()) {
            next = path.parent();
            znodes.entry(path).or_default();
        }
    }
    znodes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parents_are_created_before_their_children() {
        let znodes: Vec<Path> = top_level_znodes("id".into()).into_keys().collect();
        for (place, path) in znodes.iter().enumerate() {
            let parent = path.parent().expect("the root is always there");
            assert!(parent == Path::root() || znodes[..place].contains(&parent), "{path}");
        }
        assert!(znodes.contains(&path::broker_ids()) && znodes.contains(&path::config_changes()));
    }
}
