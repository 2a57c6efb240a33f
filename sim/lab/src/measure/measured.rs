//! The summary of a run's measures: what is left when the warm-up is cut off.

#![allow(clippy::float_arithmetic, reason = "rates are for people, and made in the lab")]

use super::latency::{Latencies, Percentiles};
use super::metric::{Kind, METRICS};
use super::row::Row;
use super::steady::{
    LATENCY_TOLERANCE, Steadiness, THROUGHPUT_TOLERANCE, WINDOW, steadiness, warm_up,
};
use super::usage::{Readings, Utilisation};
use super::{Counted, Meter, Window};
use klab_wire::{Span, Time, TopicPartition};
use serde::Serialize;
use std::collections::BTreeMap;

/// What a run's measured time says: rates per second, latencies in microseconds.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Measured {
    /// The rows, the time series of the whole run.
    #[serde(skip)]
    pub rows: Vec<Row>,
    /// What is counted in them.
    #[serde(skip)]
    pub counted: Counted,
    /// How long an interval of them is.
    pub interval: Span,
    /// When the measured time begins: the warm-up is over.
    pub from: Time,
    /// When it ends: the last whole window of the load.
    pub to: Time,
    /// When the load stops.
    pub load_end: Time,
    /// Whether the rate of acknowledgements is steady within it.
    pub throughput: Steadiness,
    /// Whether the mean time from `send()` to the acknowledgement is.
    pub latency: Steadiness,
    /// Records and bytes per second.
    pub rates: Rates,
    /// From `send()` to the acknowledgement.
    pub publish: Option<Percentiles>,
    /// From `send()` to the poll that returned the record.
    pub end_to_end: Option<Percentiles>,
    /// What the producers' connections did.
    pub way: Way,
    /// Every column of `metrics.csv` over the measured time: of what is counted the rate per second, of a gauge the
    /// mean and the maximum.
    pub metrics: BTreeMap<&'static str, Figure>,
    /// How busy everything was; nothing on ideal hardware.
    pub utilisations: Vec<Utilisation>,
    /// The readings that they come from.
    #[serde(skip)]
    pub readings: Readings,
    /// Partition-time with fewer in-sync replicas than replicas, over the whole run.
    pub under_replicated_for: Span,
    /// How long the last controller took from its election until it served.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub takeover: Option<Span>,
    /// How many records the leader of each partition appended, over the whole run.
    #[serde(skip)]
    pub appended: BTreeMap<TopicPartition, u64>,
}

/// Per second of the measured time.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Rates {
    /// Records that the scenario asks for.
    pub offered: f64,
    /// Records that applications handed to `send()`.
    pub called: f64,
    /// Records that leaders appended.
    pub appended: f64,
    /// Records that came below the high watermark: in every in-sync replica.
    pub committed: f64,
    /// Records acknowledged.
    pub acked: f64,
    /// Their bytes, keys and overhead not counted, in megabytes (10⁶).
    pub acked_mb: f64,
    /// Records that polls would return if every application read all that is acknowledged.
    pub to_poll: f64,
    /// Records that polls returned.
    pub polled: f64,
    /// Their bytes.
    pub polled_mb: f64,
    /// Records in a batch, and batches in a produce request, on the average.
    pub records_per_batch: f64,
    /// Batches in a produce request.
    pub batches_per_request: f64,
}

/// What the producers' connections did, in thousandths of the measured time; means over all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Way {
    /// A request waited in the purgatory for its followers: a broker takes the next one of the connection only when it
    /// has answered.
    pub replicating: u64,
    /// The requests in flight, of as many as there may be (`max.in.flight.requests.per.connection`).
    pub in_flight: u64,
    /// Calls of `send()` that had to wait for memory, of a thousand.
    pub blocked: u64,
}

/// A column over the measured time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(untagged)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Figure {
    Rate { per_second: f64 },
    Gauge { mean: f64, max: u64 },
}

impl Measured {
    /// The rows of the load, without the one that stands for the time after it.
    pub fn load(&self) -> &[Row] {
        let end = self.rows.partition_point(|row| row.at < self.load_end);
        &self.rows[..end]
    }
}

impl Meter {
    /// Closes what is open at the end of the run, and sums up.
    pub fn finish(mut self, end: Time, readings: Readings) -> Measured {
        while self.row_end().is_some_and(|row_end| row_end <= end) {
            self.close_row();
        }
        self.close_row();
        for (interval, row) in self.rows.iter_mut().enumerate() {
            (row.delayed_fetches, row.fetch_purgatory) = readings.delayed_fetches(interval);
        }
        let whole = self.whole_windows();
        let acked = |window: usize| {
            let rows = &self.rows[window * WINDOW..(window + 1) * WINDOW];
            rows.iter().map(|row| row.acked).sum()
        };
        let acked: Vec<u64> = whole.clone().map(acked).collect();
        let disturbed = (self.disturbed_at.0 / self.interval.0) as usize / WINDOW;
        let undisturbed = disturbed.saturating_sub(whole.start);
        let cut = warm_up(&acked, undisturbed).min(acked.len());
        let measured = whole.start + cut..whole.end;
        let windows = &self.windows[measured.clone()];
        let rows = &self.rows[measured.start * WINDOW..measured.end * WINDOW];
        let [from, to] = [measured.start, measured.end]
            .map(|window| Time::ZERO + self.interval.times((window * WINDOW) as u64));
        let latencies: Vec<u64> = windows.iter().filter_map(|one| one.publish.mean()).collect();
        let appended = self.replicas.appended().into_iter().collect();
        let under_replicated_for = self.replicas.under_replicated_for(end);
        let publish = merged(windows, |window| &window.publish);
        Measured {
            counted: self.counted,
            interval: self.interval,
            from,
            to,
            load_end: self.run_for,
            throughput: steadiness(&acked[cut..], THROUGHPUT_TOLERANCE),
            latency: steadiness(&latencies, LATENCY_TOLERANCE),
            rates: rates(rows, to.since(from), self.offered_milli, self.readers),
            publish: publish.percentiles(),
            end_to_end: merged(windows, |window| &window.end_to_end).percentiles(),
            way: self.way(rows, windows, to.since(from)),
            metrics: metrics(rows, to.since(from)),
            utilisations: readings.utilisations(measured.start * WINDOW, measured.end * WINDOW),
            readings,
            under_replicated_for,
            takeover: self.takeovers.last(),
            appended,
            rows: self.rows,
        }
    }

    /// The windows from the first call of `send()` to the end of the load; only whole ones.
    fn whole_windows(&self) -> std::ops::Range<usize> {
        let end = (self.run_for.0 / self.interval.0) as usize / WINDOW;
        let first = self.rows.iter().position(|row| row.called > 0).unwrap_or(0);
        first.div_ceil(WINDOW).min(end)..end
    }
}

fn merged(windows: &[Window], pick: fn(&Window) -> &Latencies) -> Latencies {
    windows.iter().fold(Latencies::default(), |mut sum, window| {
        sum.add(pick(window));
        sum
    })
}

fn rates(rows: &[Row], span: Span, offered_milli: u128, readers: u64) -> Rates {
    let sum = |count: fn(&Row) -> u64| rows.iter().map(count).sum::<u64>();
    let rate = |count| per_second(sum(count), span);
    let batches = sum(|row| row.batches);
    Rates {
        offered: offered_milli as f64 / 1e3,
        called: rate(|row| row.called),
        appended: rate(|row| row.appended),
        committed: rate(|row| row.committed),
        acked: rate(|row| row.acked),
        acked_mb: thousandths(rate(|row| row.acked_bytes) / 1e6),
        to_poll: per_second(sum(|row| row.acked) * readers, span),
        polled: rate(|row| row.polled),
        polled_mb: thousandths(rate(|row| row.polled_bytes) / 1e6),
        records_per_batch: ratio(sum(|row| row.batched), batches),
        batches_per_request: ratio(batches, sum(|row| row.produce_requests)),
    }
}

impl Meter {
    /// By Little's law: what all batches waited together is how many waited at a time, times the time.
    fn way(&self, rows: &[Row], windows: &[Window], span: Span) -> Way {
        let sum = |count: fn(&Row) -> u64| rows.iter().map(count).sum::<u64>();
        let (batches, requests) = (sum(|row| row.batches), sum(|row| row.produce_requests));
        // As many batches as requests are in flight have so much time in all.
        let time =
            u128::from(span.0) * u128::from(self.in_flight.connections()) * u128::from(batches);
        let share = |waited: u128, places: u64| {
            let share =
                (waited * 1_000 * u128::from(requests)).checked_div(time * u128::from(places));
            share.map_or(0, |share| share as u64)
        };
        Way {
            replicating: share(windows.iter().map(|window| window.parked).sum(), 1),
            in_flight: share(
                windows.iter().map(|window| window.in_flight).sum(),
                self.most_in_flight,
            ),
            blocked: (sum(|row| row.blocked) * 1_000)
                .checked_div(sum(|row| row.called))
                .unwrap_or(0),
        }
    }
}

fn metrics(rows: &[Row], span: Span) -> BTreeMap<&'static str, Figure> {
    let figure = |metric: &super::metric::Metric| {
        let values = rows.iter().filter_map(metric.value);
        match metric.kind {
            Kind::Count => Some(Figure::Rate { per_second: per_second(values.sum(), span) }),
            Kind::Gauge => {
                let (max, count) = (values.clone().max().unwrap_or(0), rows.len() as u64);
                Some(Figure::Gauge { mean: ratio(values.sum(), count), max })
            }
            // `publish` and `end_to_end` have them over the whole time, which no mean of percentiles is.
            Kind::Latency => None,
        }
    };
    METRICS.iter().filter_map(|metric| Some((metric.name, figure(metric)?))).collect()
}

fn per_second(count: u64, span: Span) -> f64 {
    match span {
        Span::ZERO => 0.0,
        span => thousandths(count as f64 * 1e9 / span.0 as f64),
    }
}

fn ratio(count: u64, of: u64) -> f64 {
    if of == 0 { 0.0 } else { thousandths(count as f64 / of as f64) }
}

/// Three decimals are enough, and the same everywhere.
fn thousandths(number: f64) -> f64 {
    (number * 1e3).round() / 1e3
}
