//! What every client is configured with by the same name (`CommonClientConfigs`).
//!
//! Names that only two of the three kinds have, or whose default differs between them, stand in their own tables.

use super::ConfigError;
use super::kind::{Millis, OrNull, Text};
use super::table::config_table;
use super::words::{MetadataRecoveryStrategy, Word};
use crate::time::Span;
use std::collections::BTreeSet;

config_table! {
    /// How a client connects, learns of the cluster, and repeats; a part of the tables of producers,
    /// consumers and administrators (whose kind counts: by itself it is a producer's).
    CommonClientConfig of Producer, settle settle;

    "request.timeout.ms" request_timeout_ms: Span as Millis<0> = Span::from_millis(30_000),
        "How long, in ms, a request may stay unanswered.";
    "retry.backoff.ms" retry_backoff_ms: Span as Millis<0> = Span::from_millis(100),
        "First pause in ms before a failed request is repeated.";
    "retry.backoff.max.ms" retry_backoff_max_ms: Span as Millis<0> = Span::from_millis(1_000),
        "Longest such pause in ms; each failure doubles it, within a fifth either way (KIP-580).";
    "reconnect.backoff.ms" reconnect_backoff_ms: Span as Millis<0> = Span::from_millis(50),
        "First pause in ms before a lost connection is opened again.";
    "reconnect.backoff.max.ms" reconnect_backoff_max_ms: Span as Millis<0> = Span::from_millis(1_000),
        "Longest such pause in ms.";
    "socket.connection.setup.timeout.ms" socket_connection_setup_timeout_ms: Span as Millis<0> = Span::from_millis(10_000),
        "How long, in ms, a connection may take to open the first time.";
    "socket.connection.setup.timeout.max.ms" socket_connection_setup_timeout_max_ms: Span as Millis<0> = Span::from_millis(30_000),
        "Longest such time in ms after failures, which double it.";
    "metadata.max.age.ms" metadata_max_age_ms: Span as Millis<0> = Span::from_millis(300_000),
        "Age in ms at which metadata is fetched anew without a reason; a consumer forgets its preferred read replica with it.";
    "metadata.recovery.strategy" metadata_recovery_strategy: MetadataRecoveryStrategy as Word = MetadataRecoveryStrategy::Rebootstrap,
        "What happens when no known broker can be reached (KIP-899).";
    "client.id" client_id: Option<String> as OrNull<Text> = None,
        "The client's name in the brokers' logs; unset, the lab gives the node's.";
}

/// A lone `reconnect.backoff.ms` is its own maximum (`CommonClientConfigs.postProcessReconnectBackoffConfigs`).
fn settle(config: &mut CommonClientConfig, given: &BTreeSet<&str>) -> Result<(), ConfigError> {
    if given.contains("reconnect.backoff.ms") && !given.contains("reconnect.backoff.max.ms") {
        config.reconnect_backoff_max_ms = config.reconnect_backoff_ms;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{AdminConfig, ConfigTable, ConsumerConfig, ProducerConfig, Release};

    #[test]
    fn a_lone_reconnect_backoff_is_its_own_maximum_in_every_client() {
        let lone = [("reconnect.backoff.ms", "2000")];
        let producer = ProducerConfig::resolve(Release::DEFAULT, lone).unwrap();
        let consumer = ConsumerConfig::resolve(Release::DEFAULT, lone).unwrap();
        let admin = AdminConfig::resolve(Release::DEFAULT, lone).unwrap();
        for common in [producer.common, consumer.common, admin.common] {
            assert_eq!(common.reconnect_backoff_max_ms, Span::from_millis(2_000));
        }
    }
}
