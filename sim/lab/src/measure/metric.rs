//! The table of what is measured: the columns of `metrics.csv`, each with the metric that Kafka itself would show.
//!
//! Kafka's names are those of its documentation (`docs/ops.html`, "Monitoring"): JMX beans of the broker, and metrics
//! of the clients' groups `producer-metrics` and `consumer-fetch-manager-metrics`.

use super::latency::Percentiles;
use super::row::Row;
use super::usage::Readings;

/// A column of `metrics.csv`.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// Its name, with the unit.
    pub name: &'static str,
    /// What Kafka calls it, if Kafka has it.
    pub kafka: Option<&'static str>,
    /// What it counts, in words.
    pub what: &'static str,
    /// How a number over a longer time is made of it.
    pub kind: Kind,
    /// Its value in a row; none if nothing was measured.
    pub value: fn(&Row) -> Option<u64>,
}

/// What a column's numbers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// How many within the interval: they add up, and make a rate.
    Count,
    /// How many at its end: they have a mean and a maximum.
    Gauge,
    /// Microseconds that some share of the records of the interval did not exceed.
    Latency,
}

macro_rules! metrics {
    ($($kind:ident $name:literal, $kafka:expr, $what:literal, $value:expr;)*) => {
        /// The columns, in the order of a record's way.
        pub const METRICS: &[Metric] = &[
            $(Metric { name: $name, kafka: $kafka, what: $what, kind: Kind::$kind, value: $value },)*
        ];
    };
}

fn of(percentiles: Option<Percentiles>, pick: fn(Percentiles) -> u64) -> Option<u64> {
    percentiles.map(pick)
}

metrics! {
    Count "sent_records", None,
        "records that applications handed to send()", |row| Some(row.called);
    Count "blocked_sends", Some("producer-metrics: bufferpool-wait-ratio (there a share of time)"),
        "calls of send() that had to wait for memory or metadata", |row| Some(row.blocked);
    Count "batches", Some("producer-metrics: batch-size-avg, records-per-request-avg (with batched_records)"),
        "batches that producers sent for the first time", |row| Some(row.batches);
    Count "batched_records", Some("producer-metrics: record-send-rate"),
        "records in them", |row| Some(row.batched);
    Count "retried_records", Some("producer-metrics: record-retry-rate"),
        "records in batches that were sent again", |row| Some(row.retried);
    Count "produce_requests", Some("kafka.network:type=RequestMetrics,name=RequestsPerSec,request=Produce"),
        "produce requests that reached a broker", |row| Some(row.produce_requests);
    Count "produce_bytes", Some("kafka.server:type=BrokerTopicMetrics,name=BytesInPerSec"),
        "their bytes on the wire", |row| Some(row.produce_bytes);
    Count "appended_records", Some("kafka.server:type=BrokerTopicMetrics,name=MessagesInPerSec"),
        "records that leaders appended", |row| Some(row.appended);
    Count "follower_fetches", Some("kafka.network:type=RequestMetrics,name=RequestsPerSec,request=FetchFollower"),
        "fetch requests of followers that reached a leader", |row| Some(row.follower_fetches);
    Count "follower_bytes", Some("kafka.server:type=BrokerTopicMetrics,name=ReplicationBytesInPerSec"),
        "bytes of the answers to them", |row| Some(row.follower_bytes);
    Count "committed_records", None,
        "records that came below their partition's high watermark", |row| Some(row.committed);
    Count "acked_records", None,
        "records acknowledged to their application", |row| Some(row.acked);
    Count "failed_records", Some("producer-metrics: record-error-rate"),
        "records that were certainly not written", |row| Some(row.failed);
    Count "unknown_records", None,
        "records of which nobody knows", |row| Some(row.unknown);
    Count "consumer_fetches", Some("kafka.network:type=RequestMetrics,name=RequestsPerSec,request=FetchConsumer"),
        "fetch requests of consumers that reached a broker", |row| Some(row.consumer_fetches);
    Count "consumer_bytes", Some("kafka.server:type=BrokerTopicMetrics,name=BytesOutPerSec"),
        "bytes of the answers to them", |row| Some(row.consumer_bytes);
    Count "polled_records", Some("consumer-fetch-manager-metrics: records-consumed-rate"),
        "records that polls returned", |row| Some(row.polled);
    Count "delivered_messages", None,
        "messages of every kind that reached their receiver", |row| Some(row.messages);
    Count "delivered_bytes", None,
        "their bytes on the wire", |row| Some(row.message_bytes);
    Gauge "under_replicated_partitions", Some("kafka.server:type=ReplicaManager,name=UnderReplicatedPartitions"),
        "partitions with fewer in-sync replicas than replicas", |row| Some(row.under_replicated);
    Gauge "max_lag_records", Some("kafka.server:type=ReplicaFetcherManager,name=MaxLag,clientId=Replica"),
        "records by which the slowest follower is behind its leader", |row| Some(row.max_lag);
    Gauge "produce_purgatory", Some("kafka.server:type=DelayedOperationPurgatory,name=PurgatorySize,delayedOperation=Produce"),
        "produce requests that wait for the high watermark, once a partition", |row| Some(row.produce_purgatory);
    Gauge "fetch_purgatory", Some("kafka.server:type=DelayedOperationPurgatory,name=PurgatorySize,delayedOperation=Fetch"),
        "fetches that wait for records, once for each partition of their sessions", |row| Some(row.fetch_purgatory);
    Gauge "delayed_fetches", Some("kafka.server:type=DelayedOperationPurgatory,name=NumDelayedOperations,delayedOperation=Fetch"),
        "the same fetches, each once", |row| Some(row.delayed_fetches);
    Latency "publish_p50_us", None,
        "time from send() to the acknowledgement: half of the records took no longer", |row| of(row.publish, |p| p.p50);
    Latency "publish_p99_us", None,
        "99 of 100 records took no longer", |row| of(row.publish, |p| p.p99);
    Latency "publish_max_us", None,
        "no record took longer", |row| of(row.publish, |p| p.max);
    Latency "end_to_end_p50_us", None,
        "time from send() to the poll that returned the record: half of the records took no longer", |row| of(row.end_to_end, |p| p.p50);
    Latency "end_to_end_p99_us", None,
        "99 of 100 records took no longer", |row| of(row.end_to_end, |p| p.p99);
    Latency "end_to_end_max_us", None,
        "no record took longer", |row| of(row.end_to_end, |p| p.max);
}

/// The rows as comma-separated values, with units in the header; what was not measured is left empty. After the table's
/// columns come how busy the servers were, and what waited for each of their resources.
pub fn csv(rows: &[Row], readings: &Readings) -> String {
    let (head, lines) = readings.columns();
    let mut csv = String::from("time_s");
    METRICS.iter().for_each(|metric| csv.extend([",", metric.name]));
    head.iter().for_each(|name| csv.extend([",", name]));
    csv.push('\n');
    for (index, row) in rows.iter().enumerate() {
        csv += &row.at.to_string();
        for metric in METRICS {
            csv.push(',');
            csv += &(metric.value)(row).map_or(String::new(), |value| value.to_string());
        }
        for place in 0..head.len() {
            csv.push(',');
            csv += &lines.get(index).map_or(String::new(), |line| line[place].to_string());
        }
        csv.push('\n');
    }
    csv
}

/// The table as Markdown: what each column is, and what Kafka calls it.
pub fn legend() -> String {
    let mut page = String::from("| column | what it is | Kafka's metric |\n|---|---|---|\n");
    page += "| `time_s` | when the interval begins, in seconds; the last one lasts from the end of the load to the end | |\n";
    for Metric { name, what, kafka, .. } in METRICS {
        let kafka = kafka.map_or(String::new(), |kafka| format!("`{kafka}`"));
        page += &format!("| `{name}` | {what} | {kafka} |\n");
    }
    page += "| `b1_card-out_permille` and its like | how busy this was, in thousandths | |\n";
    page += "| `b1_card-out_waiting` and its like | what waited for it: inputs for threads, nanoseconds of work for cards and disks | |\n";
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_has_its_own_name_and_its_unit() {
        let mut names: Vec<&str> = METRICS.iter().map(|metric| metric.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), METRICS.len());
        assert!(METRICS.iter().all(|one| (one.kind == Kind::Latency) == one.name.ends_with("_us")));
    }
}
