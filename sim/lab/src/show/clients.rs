//! Producers, consumers, and the administrator's tool.

use super::table::{Table, perhaps};
use crate::report::text::grouped;
use klab_client::{AdminView, ConsumerPartitionView, ConsumerView, ProducerView};
use std::fmt::{self, Write};

pub(super) fn write_producer(out: &mut String, producer: &ProducerView) -> fmt::Result {
    match producer.producer {
        Some((id, epoch)) => writeln!(out, "  producer id {id}, epoch {epoch}")?,
        None => writeln!(out, "  no producer id")?,
    }
    let counts = [producer.sent, producer.acknowledged, producer.failed, producer.unknown];
    let [sent, acknowledged, failed, unknown] = counts.map(grouped);
    writeln!(
        out,
        "  records: {sent} sent, {acknowledged} acknowledged, {failed} failed, {unknown} unknown"
    )?;
    writeln!(
        out,
        "  batches: {} queued, {} in flight; {} bytes of buffer.memory in use; {} sends blocked",
        producer.queued_batches,
        producer.in_flight_batches,
        grouped(producer.buffered_bytes),
        producer.blocked,
    )?;
    let mut table = Table::new(["partition", "in flight", "next sequence", "last acknowledged"]);
    for partition in &producer.sequences {
        table.row([
            partition.partition.to_string(),
            partition.in_flight.to_string(),
            partition.next.to_string(),
            perhaps(partition.last_acknowledged),
        ]);
    }
    write!(out, "{table}")
}

pub(super) fn write_consumer(out: &mut String, consumer: &ConsumerView) -> fmt::Result {
    writeln!(out, "  records: {} handed to the application", grouped(consumer.consumed))?;
    let mut table = Table::new([
        "partition",
        "state",
        "position",
        "high watermark",
        "lag",
        "buffered",
        "reads from",
    ]);
    for partition in &consumer.partitions {
        table.row(consumed(partition));
    }
    write!(out, "{table}")
}

fn consumed(partition: &ConsumerPartitionView) -> [String; 7] {
    let state = match partition.paused {
        true => format!("{:?}, paused", partition.state),
        false => format!("{:?}", partition.state),
    };
    let ends = partition.high_watermark.zip(partition.position);
    let lag = ends.map(|(high_watermark, position)| high_watermark.0.saturating_sub(position.0));
    let replica = partition.preferred_read_replica.map(|replica| replica.to_string());
    [
        partition.partition.to_string(),
        state,
        perhaps(partition.position),
        perhaps(partition.high_watermark),
        perhaps(lag),
        partition.buffered_records.to_string(),
        replica.unwrap_or_else(|| "leader".to_owned()),
    ]
}

pub(super) fn write_admin(out: &mut String, admin: &AdminView) -> fmt::Result {
    match admin.current {
        Some(api) => writeln!(out, "  {api} under way, {} calls wait", admin.queued),
        None => writeln!(out, "  no call under way"),
    }
}
