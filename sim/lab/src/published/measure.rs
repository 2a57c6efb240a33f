//! What is read off a run for a published number.

#![allow(clippy::float_arithmetic, reason = "ratios are for people, and made in the lab")]

use super::control_plane::{Control, ControlPlane};
use crate::measure::Measured;
use crate::measure::latency::Percentiles;
use crate::measure::row::Row;
use klab_scenario::Scenario;
use klab_wire::{BATCH_OVERHEAD, Span, record_size};
use std::fmt;

/// What a published number is a number of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantity {
    /// Acknowledged records a second.
    Records,
    /// Records a second that leaders append.
    Appended,
    /// Acknowledged bytes of values a second, in 10⁶.
    Megabytes,
    /// Records a second that consumers read while there are enough to read.
    Consumed,
    /// Bytes of values a second that they read then, in 10⁶.
    ConsumedMegabytes,
    /// From `send()` to the acknowledgement, in milliseconds: the mean.
    PublishMean,
    /// The median.
    PublishP50,
    /// Three of four.
    PublishP75,
    /// 95 of 100.
    PublishP95,
    /// 99 of 100.
    PublishP99,
    /// 999 of 1000.
    PublishP999,
    /// 9,999 of 10,000.
    PublishP9999,
    /// All.
    PublishMax,
    /// From `send()` to the poll that returned the record, in milliseconds: the median.
    EndToEndP50,
    /// 95 of 100.
    EndToEndP95,
    /// 99 of 100.
    EndToEndP99,
    /// 999 of 1000.
    EndToEndP999,
    /// 9,999 of 10,000.
    EndToEndP9999,
    /// All.
    EndToEndMax,
    /// Operations a second that a ZooKeeper ensemble has answered.
    Operations,
    /// Creates a second that it has answered, where every create is followed by a delete.
    Creates,
    /// The time of one of them, in milliseconds: the mean.
    OperationMean,
    /// Records in a batch, on the average.
    RecordsPerBatch,
    /// Bytes of a batch, on the average.
    BytesPerBatch,
    /// Little's law in saturation: latency times throughput over what the producers' `buffer.memory` holds.
    Memory,
    /// A number of the control plane.
    Control(Control),
}

impl Quantity {
    /// What it is called, with its unit.
    pub fn name(self) -> &'static str {
        match self {
            Quantity::Records => "records/s",
            Quantity::Appended => "appended records/s",
            Quantity::Megabytes => "MB/s",
            Quantity::Consumed => "consumed records/s",
            Quantity::ConsumedMegabytes => "consumed MB/s",
            Quantity::PublishMean => "publish mean, ms",
            Quantity::PublishP50 => "publish p50, ms",
            Quantity::PublishP75 => "publish p75, ms",
            Quantity::PublishP95 => "publish p95, ms",
            Quantity::PublishP99 => "publish p99, ms",
            Quantity::PublishP999 => "publish p99.9, ms",
            Quantity::PublishP9999 => "publish p99.99, ms",
            Quantity::PublishMax => "publish maximum, ms",
            Quantity::EndToEndP50 => "end to end p50, ms",
            Quantity::EndToEndP95 => "end to end p95, ms",
            Quantity::EndToEndP99 => "end to end p99, ms",
            Quantity::EndToEndP999 => "end to end p99.9, ms",
            Quantity::EndToEndP9999 => "end to end p99.99, ms",
            Quantity::EndToEndMax => "end to end maximum, ms",
            Quantity::Operations => "operations/s",
            Quantity::Creates => "creates/s",
            Quantity::OperationMean => "time of an operation, mean, ms",
            Quantity::RecordsPerBatch => "records/batch",
            Quantity::BytesPerBatch => "bytes/batch",
            Quantity::Memory => "latency x throughput / buffer.memory",
            Quantity::Control(control) => control.name(),
        }
    }

    /// By how many hundredths klab may be off: latencies are harder.
    pub fn tolerance(self) -> f64 {
        match self {
            Quantity::Records
            | Quantity::Megabytes
            | Quantity::Consumed
            | Quantity::ConsumedMegabytes
            | Quantity::Operations
            | Quantity::Appended
            | Quantity::Creates
            | Quantity::RecordsPerBatch
            | Quantity::BytesPerBatch => 0.15,
            Quantity::Control(control) => control.tolerance(),
            _ => 0.25,
        }
    }

    /// What a run says of it.
    pub fn of(self, measured: &Measured, happened: &ControlPlane, scenario: &Scenario) -> f64 {
        let publish = |pick: fn(&Percentiles) -> u64| millis(measured.publish.as_ref(), pick);
        let end_to_end = |pick: fn(&Percentiles) -> u64| millis(measured.end_to_end.as_ref(), pick);
        match self {
            Quantity::Records | Quantity::Operations => measured.rates.acked,
            Quantity::Appended => measured.rates.appended,
            Quantity::Creates => measured.rates.acked / 2.0,
            Quantity::Megabytes => measured.rates.acked_mb,
            Quantity::Consumed => plateau(measured, |row| row.polled),
            Quantity::ConsumedMegabytes => plateau(measured, |row| row.polled_bytes) / 1e6,
            Quantity::PublishMean | Quantity::OperationMean => publish(|all| all.mean),
            Quantity::PublishP50 => publish(|all| all.p50),
            Quantity::PublishP75 => publish(|all| all.p75),
            Quantity::PublishP95 => publish(|all| all.p95),
            Quantity::PublishP99 => publish(|all| all.p99),
            Quantity::PublishP999 => publish(|all| all.p999),
            Quantity::PublishP9999 => publish(|all| all.p9999),
            Quantity::PublishMax => publish(|all| all.max),
            Quantity::EndToEndP50 => end_to_end(|all| all.p50),
            Quantity::EndToEndP95 => end_to_end(|all| all.p95),
            Quantity::EndToEndP99 => end_to_end(|all| all.p99),
            Quantity::EndToEndP999 => end_to_end(|all| all.p999),
            Quantity::EndToEndP9999 => end_to_end(|all| all.p9999),
            Quantity::EndToEndMax => end_to_end(|all| all.max),
            Quantity::RecordsPerBatch => measured.rates.records_per_batch,
            Quantity::BytesPerBatch => batch_size(measured, scenario),
            Quantity::Memory => {
                let held = measured.rates.acked_mb * 1e3 * publish(|all| all.mean);
                held / memory(scenario)
            }
            Quantity::Control(control) => control.of(happened, measured, scenario),
        }
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

fn millis(percentiles: Option<&Percentiles>, pick: fn(&Percentiles) -> u64) -> f64 {
    percentiles.map_or(0.0, |all| pick(all) as f64 / 1e3)
}

/// The bytes that all producers together can hold.
fn memory(scenario: &Scenario) -> f64 {
    let release = scenario.kafka.release;
    let each = scenario
        .producer_nodes()
        .map(|(_, producer)| producer.resolved_config(release).buffer_memory as f64);
    each.sum()
}

/// A batch of the first producer's records (`batch-size-avg`).
fn batch_size(measured: &Measured, scenario: &Scenario) -> f64 {
    let value = scenario.producer_nodes().next().map(|(_, producer)| producer.record_size as u32);
    let record = record_size(0, 0, None, value);
    f64::from(BATCH_OVERHEAD) + measured.rates.records_per_batch * f64::from(record)
}

/// The rate of the middle half of the time from the first interval in which something was read to the last.
fn plateau(measured: &Measured, count: fn(&Row) -> u64) -> f64 {
    let read: Vec<u64> = measured.rows.iter().map(count).collect();
    let first = read.iter().position(|count| *count > 0).unwrap_or(0);
    let last = read.iter().rposition(|count| *count > 0).map_or(0, |last| last + 1);
    let quarter = (last - first) / 4;
    let middle = &read[first + quarter..last - quarter];
    let seconds = measured.interval.times(middle.len() as u64);
    match seconds {
        Span::ZERO => 0.0,
        seconds => middle.iter().sum::<u64>() as f64 * 1e9 / seconds.0 as f64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::Experiment;

    #[test]
    fn a_plateau_is_the_middle_of_the_time_of_reading_its_pauses_included() {
        let rows = [0, 0, 5, 100, 0, 100, 0, 100, 0, 7, 0];
        let rows = rows.map(|polled| Row { polled, ..Row::default() }).to_vec();
        let measured = Measured { rows, interval: Span::from_secs(1), ..Measured::default() };
        assert_eq!(plateau(&measured, |row| row.polled), 50.0);
        assert_eq!(plateau(&Measured::default(), |row| row.polled), 0.0);
    }

    #[test]
    fn a_batch_is_its_header_and_its_records() {
        let text = include_str!("../../../../scenarios/published/single-figures.toml");
        let experiment = Experiment::parse("single-figures", text, None);
        let scenario = experiment.unwrap_or_else(|mistake| panic!("{mistake}")).scenario;
        let mut measured = Measured::default();
        measured.rates.records_per_batch = 2.0;
        assert_eq!(batch_size(&measured, &scenario), 61.0 + 2.0 * 109.0);
    }
}
