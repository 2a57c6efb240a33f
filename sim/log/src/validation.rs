//! What a leader asks of a batch before it takes it (`UnifiedLog.analyzeAndValidateRecords`,
//! `LogValidator`).

use crate::append::AppendOrigin;
use crate::config::LogConfig;
use klab_wire::{ErrorCode, Offset, RecordBatch, Records, Span, Timestamp, TimestampType};

/// The first thing that is wrong with a batch, in the order in which Kafka looks.
pub(crate) fn validate(
    batch: &RecordBatch,
    origin: AppendOrigin,
    config: &LogConfig,
    now: Timestamp,
) -> Result<(), ErrorCode> {
    if origin == AppendOrigin::Client && batch.base_offset != Offset(0) {
        return Err(ErrorCode::InvalidRecord);
    }
    if u64::from(batch.size_in_bytes) > config.max_message_bytes {
        return Err(ErrorCode::MessageTooLarge);
    }
    if !batch.is_valid() {
        return Err(ErrorCode::CorruptMessage);
    }
    match origin {
        AppendOrigin::Client => {
            validate_client_batch(batch)?;
            validate_records(batch, config, now)
        }
        AppendOrigin::Coordinator => validate_records(batch, config, now),
        AppendOrigin::RaftLeader => Ok(()),
    }
}

/// `LogValidator.validateBatch`.
fn validate_client_batch(batch: &RecordBatch) -> Result<(), ErrorCode> {
    let unsequenced = batch.producer.is_some_and(|producer| producer.base_sequence.is_none());
    let gaps = batch.records_count != batch.last_offset_delta + 1;
    if gaps || batch.attributes.control || unsequenced {
        return Err(ErrorCode::InvalidRecord);
    }
    Ok(())
}

/// `LogValidator.validateRecord`: a timestamp out of range is told before a missing key.
fn validate_records(
    batch: &RecordBatch,
    config: &LogConfig,
    now: Timestamp,
) -> Result<(), ErrorCode> {
    if !is_timestamp_valid(batch, config, now) {
        return Err(ErrorCode::InvalidTimestamp);
    }
    if config.compact && !batch.attributes.control && !every_record_has_a_key(batch) {
        return Err(ErrorCode::InvalidRecord);
    }
    Ok(())
}

/// Within `message.timestamp.before.max.ms` and `.after.max.ms` of the leader's clock (KIP-937), if
/// the producer's time counts at all. Stamping a batch with the append time is the leader's business.
fn is_timestamp_valid(batch: &RecordBatch, config: &LogConfig, now: Timestamp) -> bool {
    if batch.attributes.timestamp_type == TimestampType::LogAppendTime {
        return false;
    }
    if config.timestamp_type == TimestampType::LogAppendTime {
        return true;
    }
    let too_late = batch.max_timestamp.since(now) > config.timestamp_after_max;
    let unlimited = config.timestamp_before_max == Span::MAX;
    !too_late && (unlimited || now.since(lowest_timestamp(batch)) <= config.timestamp_before_max)
}

fn lowest_timestamp(batch: &RecordBatch) -> Timestamp {
    match &batch.records {
        Records::Data(records) => {
            let lowest = records.iter().map(|record| record.timestamp_delta).min();
            Timestamp(batch.base_timestamp.0 + lowest.unwrap_or(0))
        }
        _ => batch.base_timestamp,
    }
}

fn every_record_has_a_key(batch: &RecordBatch) -> bool {
    match &batch.records {
        Records::Data(records) => records.iter().all(|record| record.key.is_some()),
        Records::Counted { .. } => false,
        Records::Metadata(_) | Records::Control(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use klab_wire::{BatchProducer, CompressionType, Payload, ProducerEpoch, ProducerId};

    const NOW: Timestamp = Timestamp(10_000);

    fn written(timestamps: &[i64], key: bool) -> RecordBatch {
        let payload = || Some(Payload::Number { number: 1, size: 10 });
        let record = |&at: &i64| (Timestamp(at), key.then(payload).flatten(), payload());
        let records = timestamps.iter().map(record).collect();
        RecordBatch::of_records(records, None, CompressionType::None, 1000)
    }

    #[test]
    fn a_leader_refuses_what_kafka_refuses() {
        let config = LogConfig {
            max_message_bytes: 100,
            timestamp_before_max: Span::from_millis(50),
            timestamp_after_max: Span::from_millis(20),
            ..LogConfig::default()
        };
        let compacted = LogConfig { compact: true, ..config.clone() };
        let stamping = LogConfig { timestamp_type: TimestampType::LogAppendTime, ..config.clone() };
        let fine = written(&[10_000], false);
        let unsequenced =
            BatchProducer { id: ProducerId(1), epoch: ProducerEpoch(0), base_sequence: None };
        let cases = [
            ("a good batch", fine.clone(), &config, Ok(())),
            ("as late as allowed", written(&[9_950, 10_020], false), &config, Ok(())),
            (
                "too early a record",
                written(&[10_000, 9_949], false),
                &config,
                Err(ErrorCode::InvalidTimestamp),
            ),
            (
                "too late a record",
                written(&[10_021], false),
                &config,
                Err(ErrorCode::InvalidTimestamp),
            ),
            ("any time, if it is not kept", written(&[0, 90_000], false), &stamping, Ok(())),
            ("stamped by a client", fine.stamped(NOW), &config, Err(ErrorCode::InvalidTimestamp)),
            ("too large", written(&[10_000; 3], false), &config, Err(ErrorCode::MessageTooLarge)),
            (
                "corrupt",
                RecordBatch { crc: 0, ..fine.clone() },
                &config,
                Err(ErrorCode::CorruptMessage),
            ),
            (
                "with offsets",
                fine.assigned(Offset(3), klab_wire::LeaderEpoch(0)),
                &config,
                Err(ErrorCode::InvalidRecord),
            ),
            (
                "with gaps",
                RecordBatch { last_offset_delta: 4, ..fine.clone() }.sealed(),
                &config,
                Err(ErrorCode::InvalidRecord),
            ),
            (
                "a producer without sequence",
                RecordBatch { producer: Some(unsequenced), ..fine.clone() }.sealed(),
                &config,
                Err(ErrorCode::InvalidRecord),
            ),
            (
                "no key in a compacted topic",
                fine.clone(),
                &compacted,
                Err(ErrorCode::InvalidRecord),
            ),
            ("a key in a compacted topic", written(&[10_000], true), &compacted, Ok(())),
        ];
        for (name, batch, config, result) in cases {
            assert_eq!(validate(&batch, AppendOrigin::Client, config, NOW), result, "{name}");
        }
    }
}
