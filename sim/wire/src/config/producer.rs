//! A producer's configuration (`ProducerConfig`).

use super::kind::{Bool, INT_MAX, Int, LONG_MAX, Millis, OrNull, OrUnlimited, Text};
use super::table::config_table;
use super::words::{PartitionerClass, Word};
use super::{CommonClientConfig, ConfigError, ConfigTable};
use crate::api::Acks;
use crate::batch::CompressionType;
use crate::ids::RackId;
use crate::time::Span;
use std::collections::BTreeSet;

/// The most requests in flight with which idempotence keeps order
/// (`MAX_IN_FLIGHT_REQUESTS_PER_CONNECTION_FOR_IDEMPOTENCE`): brokers remember five batches.
const MAX_IN_FLIGHT_WITH_IDEMPOTENCE: u32 = 5;

config_table! {
    /// How a producer batches, sends, repeats and gives up.
    ProducerConfig of Producer, settle settle;

    include common: CommonClientConfig, "The names that all clients have.";

    "acks" acks: Acks as Word = Acks::All,
        "When a record counts as written: all (-1) when the ISR has it, 1 when the leader has it, 0 when it has been sent.";
    "enable.idempotence" enable_idempotence: bool as Bool = true,
        "Whether the broker recognises repeated batches, so that a retry makes no duplicate (KIP-98).";
    "retries" retries: u32 as Int<0, INT_MAX> = i32::MAX as u32,
        "How often a failed batch is sent again, within delivery.timeout.ms.";
    "max.in.flight.requests.per.connection" max_in_flight_requests_per_connection: u32 as Int<1, INT_MAX> = 5,
        "Requests that may be unanswered on a connection; above 1 and without idempotence, retries can reorder.";
    "delivery.timeout.ms" delivery_timeout_ms: Span as Millis<0> = Span::from_millis(120_000),
        "Longest time in ms from send() to success or failure (KIP-91).";
    "linger.ms" linger_ms: Span as Millis<0> = Span::from_millis(5),
        "How long, in ms, a batch waits for more records.";
    "batch.size" batch_size: u64 as Int<0, INT_MAX> = 16_384,
        "Bytes at which a batch is full; 0 sends every record alone.";
    "buffer.memory" buffer_memory: u64 as Int<0, LONG_MAX> = 32 << 20,
        "Bytes for records that are not yet acknowledged; above it, send() blocks.";
    "max.block.ms" max_block_ms: Span as Millis<0> = Span::from_millis(60_000),
        "How long, in ms, send() blocks for metadata or memory.";
    "max.request.size" max_request_size: u64 as Int<0, INT_MAX> = 1 << 20,
        "Largest request in bytes, and so the largest record before compression.";
    "receive.buffer.bytes" receive_buffer_bytes: Option<u64> as OrUnlimited<Int<0, INT_MAX>> = Some(32 << 10),
        "Receive buffer in bytes of its connections, -1 for the system's.";
    "send.buffer.bytes" send_buffer_bytes: Option<u64> as OrUnlimited<Int<0, INT_MAX>> = Some(128 << 10),
        "Send buffer in bytes of its connections, -1 for the system's: what may be on its way to a broker.";
    "compression.type" compression_type: CompressionType as Word = CompressionType::None,
        "The codec of the batches.";
    "partitioner.class" partitioner_class: Option<PartitionerClass> as OrNull<Word> = None,
        "A class that picks partitions instead of the built-in partitioner (null).";
    "partitioner.ignore.keys" partitioner_ignore_keys: bool as Bool = false,
        "Whether the built-in partitioner spreads records with keys as it does those without (KIP-794).";
    "partitioner.adaptive.partitioning.enable" partitioner_adaptive_partitioning_enable: bool as Bool = true,
        "Whether the built-in partitioner gives faster brokers more records (KIP-794).";
    "partitioner.availability.timeout.ms" partitioner_availability_timeout_ms: Span as Millis<0> = Span::ZERO,
        "How long, in ms, a broker may leave batches waiting before its partitions are avoided, 0 for ever (KIP-794).";
    "connections.max.idle.ms" connections_max_idle_ms: Option<Span> as OrUnlimited<Millis<0>> = Some(Span::from_millis(540_000)),
        "How long, in ms, an idle connection is kept, -1 for ever.";
    "metadata.max.idle.ms" metadata_max_idle_ms: Span as Millis<5_000> = Span::from_millis(300_000),
        "How long, in ms, a topic that nobody writes to stays in the metadata.";
    "client.rack" client_rack: Option<RackId> as OrNull<Text> = None,
        "The client's rack.";
    "transactional.id" transactional_id: Option<String> as OrNull<Text> = None,
        "The name under which a restarted producer finishes or fences its predecessor's transactions (KIP-98).";
    "transaction.timeout.ms" transaction_timeout_ms: Span as Millis<1> = Span::from_millis(60_000),
        "How long, in ms, a transaction may stay open before the coordinator aborts it.";
}

fn settle(config: &mut ProducerConfig, given: &BTreeSet<&str>) -> Result<(), ConfigError> {
    config.common.settle(given)?;
    settle_idempotence(config, given)?;
    settle_delivery_timeout(config, given)
}

/// `ProducerConfig.postProcessAndValidateIdempotenceConfigs`: what rules idempotence out switches it off,
/// unless somebody asked for it. Too many in flight is an error from 4.0 on.
fn settle_idempotence(
    config: &mut ProducerConfig,
    given: &BTreeSet<&str>,
) -> Result<(), ConfigError> {
    if config.enable_idempotence {
        let broken = idempotence_needs(config);
        match broken {
            Some(rule) if given.contains("enable.idempotence") || rule.0 == IN_FLIGHT.0 => {
                return Err(ConfigError::Conflict { name: rule.0, rule: rule.1 });
            }
            Some(_) => config.enable_idempotence = false,
            None => {}
        }
    }
    if config.transactional_id.is_some() && !config.enable_idempotence {
        return Err(ConfigError::Conflict {
            name: "transactional.id",
            rule: "`transactional.id` needs `enable.idempotence`",
        });
    }
    Ok(())
}

const IN_FLIGHT: (&str, &str) = (
    "max.in.flight.requests.per.connection",
    "with `enable.idempotence`, `max.in.flight.requests.per.connection` may be at most 5: brokers remember five batches",
);

/// The first requirement of idempotence that does not hold: the name at fault and the rule.
fn idempotence_needs(config: &ProducerConfig) -> Option<(&'static str, &'static str)> {
    if config.retries == 0 {
        return Some(("retries", "with `enable.idempotence`, `retries` may not be 0"));
    }
    if config.acks != Acks::All {
        return Some(("acks", "with `enable.idempotence`, `acks` must be all"));
    }
    let in_flight = config.max_in_flight_requests_per_connection;
    (in_flight > MAX_IN_FLIGHT_WITH_IDEMPOTENCE).then_some(IN_FLIGHT)
}

/// `KafkaProducer.configureDeliveryTimeout`.
fn settle_delivery_timeout(
    config: &mut ProducerConfig,
    given: &BTreeSet<&str>,
) -> Result<(), ConfigError> {
    let least = config.linger_ms + config.common.request_timeout_ms;
    if config.delivery_timeout_ms >= least {
        return Ok(());
    }
    if given.contains("delivery.timeout.ms") {
        return Err(ConfigError::Conflict {
            name: "delivery.timeout.ms",
            rule: "`delivery.timeout.ms` must be at least `linger.ms` + `request.timeout.ms`",
        });
    }
    config.delivery_timeout_ms = least;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Release;

    fn producer(settings: &[(&str, &str)]) -> Result<ProducerConfig, String> {
        ProducerConfig::resolve(Release::DEFAULT, settings.iter().copied())
            .map_err(|error| error.name().to_string())
    }

    #[test]
    fn acks_other_than_all_switch_idempotence_off_unless_it_was_asked_for() {
        assert!(producer(&[]).unwrap().enable_idempotence);
        assert!(!producer(&[("acks", "1")]).unwrap().enable_idempotence);
        assert!(!producer(&[("retries", "0")]).unwrap().enable_idempotence);
        let asked = producer(&[("acks", "1"), ("enable.idempotence", "true")]);
        assert_eq!(asked, Err("acks".into()));
    }

    #[test]
    fn more_than_five_in_flight_need_idempotence_switched_off() {
        let six = ("max.in.flight.requests.per.connection", "6");
        assert_eq!(producer(&[six]), Err(six.0.into()));
        assert!(producer(&[six, ("enable.idempotence", "false")]).is_ok());
    }

    #[test]
    fn a_delivery_timeout_covers_linger_and_one_request() {
        let chosen = producer(&[("delivery.timeout.ms", "1000")]);
        assert_eq!(chosen, Err("delivery.timeout.ms".into()));
        let stretched = producer(&[("request.timeout.ms", "200000")]).unwrap();
        assert_eq!(stretched.delivery_timeout_ms, Span::from_millis(200_005));
    }

    #[test]
    fn a_transactional_id_needs_idempotence() {
        let settings = [("transactional.id", "t"), ("enable.idempotence", "false")];
        assert_eq!(producer(&settings), Err("transactional.id".into()));
    }
}
