//! What topics are configured with now: what the deployment began with, and every dynamic config since.
//!
//! KIP-226: a topic's own config comes first, then a broker's, then that of all brokers, then what the brokers
//! were started with. Which broker leads changes; what is promised is the least that any of them promises.

use crate::settings::TopicSettings;
use klab_wire::TopicName;
use std::collections::BTreeMap;

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Configs {
    begun: TopicSettings,
    brokers: Overrides,
    /// By the name of the broker.
    broker: BTreeMap<String, Overrides>,
    topic: BTreeMap<TopicName, Overrides>,
}

/// What one resource says for itself.
#[derive(Clone, Copy, Debug, Default)]
struct Overrides {
    min_insync_replicas: Option<u32>,
    unclean_leader_election: Option<bool>,
    compacted: Option<bool>,
    flushes_every_batch: Option<bool>,
}

impl Configs {
    pub(crate) const fn new(begun: TopicSettings) -> Self {
        Configs { begun, brokers: Overrides::NONE, broker: BTreeMap::new(), topic: BTreeMap::new() }
    }

    /// A dynamic config was changed, or removed. The resource is named as facts name it.
    pub(crate) fn change(&mut self, resource: &str, name: &str, value: Option<&str>) {
        let overrides = match resource.split_once(' ') {
            Some(("topic", topic)) => self.topic.entry(TopicName::from(topic)).or_default(),
            Some(("broker", broker)) => self.broker.entry(broker.to_owned()).or_default(),
            _ => &mut self.brokers,
        };
        overrides.set(name, value);
    }

    /// The topic is gone, and its configs with it.
    pub(crate) fn forget(&mut self, topic: &TopicName) {
        self.topic.remove(topic);
    }

    /// What holds for a topic.
    pub(crate) fn of(&self, topic: &TopicName) -> TopicSettings {
        let inherited = self.brokers.over(self.begun);
        let least = self.broker.values().map(|broker| broker.over(inherited));
        let inherited = least.fold(inherited, TopicSettings::or_less);
        self.topic.get(topic).map_or(inherited, |own| own.over(inherited))
    }
}

impl Overrides {
    const NONE: Overrides = Overrides {
        min_insync_replicas: None,
        unclean_leader_election: None,
        compacted: None,
        flushes_every_batch: None,
    };

    fn set(&mut self, name: &str, value: Option<&str>) {
        match name {
            "min.insync.replicas" => {
                self.min_insync_replicas = value.and_then(|value| value.parse().ok());
            }
            "unclean.leader.election.enable" => {
                self.unclean_leader_election = value.map(|value| value == "true");
            }
            "cleanup.policy" | "log.cleanup.policy" => {
                self.compacted = value.map(|value| value.contains("compact"));
            }
            "flush.messages" | "log.flush.interval.messages" => {
                self.flushes_every_batch = value.map(|value| value == "1");
            }
            _ => {}
        }
    }

    fn over(self, inherited: TopicSettings) -> TopicSettings {
        TopicSettings {
            min_insync_replicas: self.min_insync_replicas.unwrap_or(inherited.min_insync_replicas),
            unclean_leader_election: self
                .unclean_leader_election
                .unwrap_or(inherited.unclean_leader_election),
            compacted: self.compacted.unwrap_or(inherited.compacted),
            flushes_every_batch: self.flushes_every_batch.unwrap_or(inherited.flushes_every_batch),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_says_more_than_a_broker_and_a_removed_config_says_nothing() {
        let mut configs = Configs::new(TopicSettings::default());
        let (orders, other) = (TopicName::from("orders"), TopicName::from("other"));
        let of = |configs: &Configs, topic| configs.of(topic).min_insync_replicas;
        configs.change("all brokers", "min.insync.replicas", Some("3"));
        configs.change("topic orders", "min.insync.replicas", Some("2"));
        assert_eq!([of(&configs, &orders), of(&configs, &other)], [2, 3]);
        configs.change("broker b1", "min.insync.replicas", Some("1"));
        assert_eq!([of(&configs, &orders), of(&configs, &other)], [2, 1]);
        configs.change("topic orders", "min.insync.replicas", None);
        assert_eq!(of(&configs, &orders), 1);
        configs.change("broker b1", "min.insync.replicas", None);
        assert_eq!(of(&configs, &orders), 3);
    }
}
