//! Which release of Kafka a cluster is said to run, and the defaults that changed between releases.

use super::ConfigKind;
use serde::{Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// A release of Kafka, by its first two numbers: `3.9`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Release {
    major: u8,
    minor: u8,
}

/// A default that a release changed.
struct Change {
    kind: ConfigKind,
    name: &'static str,
    since: Release,
    before: &'static str,
    after: &'static str,
}

const fn change(
    kind: ConfigKind,
    name: &'static str,
    since: (u8, u8),
    before: &'static str,
    after: &'static str,
) -> Change {
    Change { kind, name, since: Release { major: since.0, minor: since.1 }, before, after }
}

/// From the upgrade notes of the releases and the KIPs named; each row is one default.
#[rustfmt::skip]
const CHANGES: &[Change] = {
    use ConfigKind::{Admin, Broker, Consumer, Producer, Topic};
    &[
        // KIP-106: prefer consistency over availability.
        change(Broker, "unclean.leader.election.enable", (0, 11), "true", "false"),
        change(Topic, "unclean.leader.election.enable", (0, 11), "true", "false"),
        // KIP-91: retries without a count, bounded by delivery.timeout.ms.
        change(Producer, "retries", (2, 1), "0", "2147483647"),
        // KIP-537: longer timeouts for clouds.
        change(Broker, "replica.lag.time.max.ms", (2, 5), "10000", "30000"),
        change(Broker, "zookeeper.session.timeout.ms", (2, 5), "6000", "18000"),
        // KIP-679: the strongest delivery guarantee by default.
        change(Producer, "acks", (3, 0), "1", "all"),
        change(Producer, "enable.idempotence", (3, 0), "false", "true"),
        // KIP-735, and the cooperative assignor beside the old one.
        change(Consumer, "session.timeout.ms", (3, 0), "10000", "45000"),
        change(Consumer, "partition.assignment.strategy", (3, 0),
            "RangeAssignor", "RangeAssignor,CooperativeStickyAssignor"),
        // KIP-1030: better defaults in 4.0.
        change(Producer, "linger.ms", (4, 0), "0", "5"),
        change(Broker, "num.recovery.threads.per.data.dir", (4, 0), "1", "2"),
        change(Broker, "log.message.timestamp.after.max.ms", (4, 0),
            "9223372036854775807", "3600000"),
        change(Topic, "message.timestamp.after.max.ms", (4, 0), "9223372036854775807", "3600000"),
        // KIP-1102: clients bootstrap again when every broker they know is gone.
        change(Producer, "metadata.recovery.strategy", (4, 0), "none", "rebootstrap"),
        change(Consumer, "metadata.recovery.strategy", (4, 0), "none", "rebootstrap"),
        change(Admin, "metadata.recovery.strategy", (4, 0), "none", "rebootstrap"),
        // KIP-966: a feature level that new clusters have from 4.1 on.
        change(Broker, "eligible.leader.replicas.enable", (4, 1), "false", "true"),
    ]
};

impl Release {
    /// The release whose defaults the tables hold.
    pub const DEFAULT: Release = Release { major: 4, minor: 0 };

    /// The oldest release that can be named.
    pub const OLDEST: Release = Release { major: 0, minor: 8 };

    /// Every release that can be named, oldest first.
    pub const ALL: &[&str] = &[
        "0.8", "0.9", "0.10", "0.11", "1.0", "1.1", "2.0", "2.1", "2.2", "2.3", "2.4", "2.5",
        "2.6", "2.7", "2.8", "3.0", "3.1", "3.2", "3.3", "3.4", "3.5", "3.6", "3.7", "3.8", "3.9",
        "4.0", "4.1", "4.2", "4.3",
    ];

    /// The release with these two numbers.
    pub const fn new(major: u8, minor: u8) -> Self {
        Release { major, minor }
    }

    /// The defaults that this release ever changed or had changed, as names and texts.
    pub fn defaults(self, kind: ConfigKind) -> impl Iterator<Item = (&'static str, &'static str)> {
        CHANGES.iter().filter(move |change| change.kind == kind).map(move |change| {
            (change.name, if self >= change.since { change.after } else { change.before })
        })
    }
}

impl Default for Release {
    fn default() -> Self {
        Release::DEFAULT
    }
}

impl FromStr for Release {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let known = Release::ALL.contains(&text);
        let (major, minor) = text.split_once('.').filter(|_| known).ok_or(())?;
        Ok(Release { major: major.parse().map_err(drop)?, minor: minor.parse().map_err(drop)? })
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}.{}", self.major, self.minor))
    }
}

impl fmt::Debug for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Release {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Acks;
    use crate::config::{BrokerConfig, ConfigTable, ConsumerConfig, ProducerConfig, TopicConfig};
    use crate::time::Span;

    #[test]
    fn releases_are_in_order() {
        let releases: Vec<Release> =
            Release::ALL.iter().map(|text| text.parse().expect(text)).collect();
        assert!(releases.is_sorted());
        assert!("5.9".parse::<Release>().is_err());
        assert!("4".parse::<Release>().is_err());
    }

    #[test]
    fn the_tables_hold_the_defaults_of_the_default_release() {
        assert_eq!(BrokerConfig::at(Release::DEFAULT), BrokerConfig::default());
        assert_eq!(TopicConfig::at(Release::DEFAULT), TopicConfig::default());
        assert_eq!(ProducerConfig::at(Release::DEFAULT), ProducerConfig::default());
        assert_eq!(ConsumerConfig::at(Release::DEFAULT), ConsumerConfig::default());
    }

    #[test]
    fn every_change_names_a_row_of_its_table() {
        for change in CHANGES {
            assert!(
                change.kind.rows().iter().any(|row| row.name == change.name),
                "{}",
                change.name
            );
        }
    }

    #[test]
    fn an_old_release_has_its_old_defaults() {
        let old = ProducerConfig::at(Release::new(2, 8));
        assert_eq!((old.acks, old.enable_idempotence), (Acks::Leader, false));
        assert_eq!(ProducerConfig::at(Release::new(3, 9)).linger_ms, Span::ZERO);
        assert_eq!(ProducerConfig::at(Release::new(4, 0)).linger_ms, Span::from_millis(5));
        assert!(BrokerConfig::at(Release::new(0, 10)).unclean_leader_election_enable);
    }
}
