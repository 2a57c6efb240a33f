//! Kafka's configuration, as tables: every name that klab honours, its type, default and meaning.
//!
//! One file per kind: [`broker`] (with its parts [`log`] and [`quorum`]), [`topic`], [`producer`],
//! [`consumer`], [`admin`] (these three with the part [`common_client`]). Each is one table whose rows carry Kafka's real name, the field, how its
//! text is read ([`kind`]), the default of [`Release::DEFAULT`] and one sentence of meaning. What
//! another release had as default is in [`release`], and nowhere else; what it did otherwise is in
//! [`switches`]. A name that no row has is not
//! ignored: it is [`ConfigError::UnknownName`].
//!
//! Values are read from Kafka's textual form, which is also what the Admin API and the metadata log's
//! `ConfigRecord` carry: `"30000"`, `"true"`, `"all"`.

pub mod admin;
pub mod broker;
pub mod common_client;
pub mod consumer;
pub mod kind;
pub mod log;
pub mod producer;
pub mod quorum;
pub mod release;
pub mod switches;
pub mod synonyms;
mod table;
pub mod topic;
pub mod words;

pub use admin::AdminConfig;
pub use broker::BrokerConfig;
pub use common_client::CommonClientConfig;
pub use consumer::ConsumerConfig;
pub use log::ServerLogConfig;
pub use producer::ProducerConfig;
pub use quorum::QuorumConfig;
pub use release::Release;
pub use switches::{SWITCHES, SwitchInfo, Switches};
pub use topic::TopicConfig;
pub use words::*;

use std::collections::BTreeSet;
use std::fmt;

/// Whose configuration a table is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConfigKind {
    /// A broker's or a controller's `server.properties` (`KafkaConfig`).
    Broker,
    /// A topic's overrides (`TopicConfig`).
    Topic,
    /// A producer's properties (`ProducerConfig`).
    Producer,
    /// A consumer's properties (`ConsumerConfig`).
    Consumer,
    /// An admin client's properties (`AdminClientConfig`).
    Admin,
}

impl ConfigKind {
    /// Every kind, in the order in which they are explained.
    pub const ALL: [ConfigKind; 5] = [
        ConfigKind::Broker,
        ConfigKind::Topic,
        ConfigKind::Producer,
        ConfigKind::Consumer,
        ConfigKind::Admin,
    ];

    /// The word for it: `broker`.
    pub const fn name(self) -> &'static str {
        match self {
            ConfigKind::Broker => "broker",
            ConfigKind::Topic => "topic",
            ConfigKind::Producer => "producer",
            ConfigKind::Consumer => "consumer",
            ConfigKind::Admin => "admin",
        }
    }

    /// The rows of this kind's table.
    pub fn rows(self) -> Vec<Row> {
        match self {
            ConfigKind::Broker => BrokerConfig::rows(),
            ConfigKind::Topic => TopicConfig::rows(),
            ConfigKind::Producer => ProducerConfig::rows(),
            ConfigKind::Consumer => ConsumerConfig::rows(),
            ConfigKind::Admin => AdminConfig::rows(),
        }
    }
}

/// One configuration name, for whoever wants it explained.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Kafka's name: `replica.lag.time.max.ms`.
    pub name: &'static str,
    /// What it means, in which unit, and where Kafka defines it.
    pub doc: &'static str,
    /// What its value may look like.
    pub form: fn() -> String,
    /// Its default in [`Release::DEFAULT`], in Kafka's textual form.
    pub default: fn() -> String,
}

/// A typed configuration that is set by Kafka's names.
pub trait ConfigTable: Default + Clone {
    /// Whose configuration it is.
    const KIND: ConfigKind;

    /// Every name there is, in the table's order.
    fn rows() -> Vec<Row>;

    /// Gives `name` the value that `text` spells.
    fn set(&mut self, name: &str, text: &str) -> Result<(), ConfigError>;

    /// The value of `name` in Kafka's textual form; none if there is no such name.
    fn value(&self, name: &str) -> Option<String>;

    /// What Kafka checks, and changes, when all values are known. `given` are the names that somebody
    /// set: Kafka treats a default in conflict differently from a chosen value.
    fn settle(&mut self, given: &BTreeSet<&str>) -> Result<(), ConfigError>;

    /// The defaults of a release.
    fn at(release: Release) -> Self {
        let mut config = Self::default();
        for (name, text) in release.defaults(Self::KIND) {
            if config.value(name).is_none() {
                continue; // A name of another part of the same kind's table.
            }
            config.set(name, text).expect("a release's defaults are values of the table");
        }
        config
    }

    /// The defaults of a release with these overrides, settled as Kafka does at start.
    fn resolve<'a>(
        release: Release,
        overrides: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, ConfigError> {
        let mut config = Self::at(release);
        let mut given = BTreeSet::new();
        for (name, text) in overrides {
            config.set(name, text)?;
            given.insert(name);
        }
        config.settle(&given)?;
        Ok(config)
    }

    /// Every name there is.
    fn names() -> Vec<&'static str> {
        Self::rows().iter().map(|row| row.name).collect()
    }
}

/// Why a configuration is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigError {
    /// No row of the table has this name.
    UnknownName {
        /// What was asked for.
        name: String,
    },
    /// The text is not a value of this name.
    BadValue {
        /// The name.
        name: String,
        /// What it was given.
        text: String,
        /// What it takes.
        form: String,
    },
    /// The value is fine in itself, but Kafka refuses it beside the others.
    Conflict {
        /// The name at fault.
        name: &'static str,
        /// Kafka's rule, as a sentence.
        rule: &'static str,
    },
}

impl ConfigError {
    /// The name at fault.
    pub fn name(&self) -> &str {
        match self {
            ConfigError::UnknownName { name } | ConfigError::BadValue { name, .. } => name,
            ConfigError::Conflict { name, .. } => name,
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConfigError::UnknownName { name } => write!(f, "there is no config `{name}`"),
            ConfigError::BadValue { name, text, form } => {
                write!(f, "`{name}` takes {form}, not `{text}`")
            }
            ConfigError::Conflict { rule, .. } => f.write_str(rule),
        }
    }
}

impl std::error::Error for ConfigError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_table<T: ConfigTable>() {
        let defaults = T::default();
        for row in T::rows() {
            let text = defaults.value(row.name).expect(row.name);
            assert_eq!(text, (row.default)(), "{}", row.name);
            let mut again = T::default();
            again.set(row.name, &text).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(again.value(row.name), Some(text), "{}", row.name);
            assert!(row.doc.ends_with('.'), "{} is explained by a sentence", row.name);
            assert!(!(row.form)().is_empty(), "{}", row.name);
        }
        let names: BTreeSet<_> = T::names().into_iter().collect();
        assert_eq!(names.len(), T::names().len(), "no name stands in a table twice");
        assert!(defaults.clone().settle(&BTreeSet::new()).is_ok(), "the defaults agree");
    }

    #[test]
    fn every_default_is_read_back_from_its_own_text() {
        check_table::<BrokerConfig>();
        check_table::<TopicConfig>();
        check_table::<ProducerConfig>();
        check_table::<ConsumerConfig>();
        check_table::<AdminConfig>();
    }

    #[test]
    fn a_value_that_is_refused_is_told_what_it_should_be() {
        let mut broker = BrokerConfig::default();
        let mut reason = |name, text| broker.set(name, text).unwrap_err().to_string();
        assert_eq!(
            reason("min.insync.replicas", "0"),
            "`min.insync.replicas` takes a whole number from 1 to 2147483647, not `0`"
        );
        assert_eq!(
            reason("replica.lag.time.max.ms", "30s"),
            "`replica.lag.time.max.ms` takes a whole number of milliseconds from 1, not `30s`"
        );
        assert_eq!(
            reason("unclean.leader.election.enable", "yes"),
            "`unclean.leader.election.enable` takes true or false, not `yes`"
        );
        assert_eq!(reason("min.isr", "2"), "there is no config `min.isr`");
    }
}
