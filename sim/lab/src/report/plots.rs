//! A run against time, as pictures: `throughput.svg` and `latency.svg`, with its faults as bands.

#![allow(clippy::float_arithmetic, reason = "the lab draws, and drawing is done in floats")]

use super::bands::Band;
use crate::measure::latency::Percentiles;
use crate::measure::row::Row;
use crate::measure::{Counted, Measured};
use crate::picture::chart::{self, Axis, Chart, Curve, Spot};
use crate::picture::scale::Scale;
use klab_wire::{Span, Time};

/// From which ratio of the highest to the lowest on latencies are drawn by equal ratios.
const WIDE: f64 = 20.0;

/// Records per second that were acknowledged, polled and handed to `send()`.
pub fn throughput(measured: &Measured, bands: &[Band]) -> Chart {
    let curve = |label: &str, count: fn(&Row) -> u64| {
        let rate = |row: &Row| count(row) as f64 * 1e9 / width(measured, row);
        let points = measured.load().iter().map(|row| Spot::one(seconds(row.at), rate(row)));
        Curve { label: label.into(), points: points.collect(), ..Curve::default() }
    };
    let (acknowledged, called) = match measured.counted {
        Counted::Records => ("acknowledged", "handed to send()"),
        Counted::Operations => ("answered", "asked for"),
    };
    let mut curves = vec![curve(acknowledged, |row| row.acked)];
    if measured.rows.iter().any(|row| row.polled > 0) {
        curves.push(curve("polled", |row| row.polled));
    }
    curves.push(curve(called, |row| row.called));
    let unit = format!("{} per second", measured.counted.plural());
    let y = Axis::new(unit, Scale::from_zero(heights(&curves)));
    against_time("Throughput while the run goes on".into(), y, curves, measured, bands)
}

/// Milliseconds from `send()` to the acknowledgement: of most records of each interval.
pub fn latency(measured: &Measured, bands: &[Band]) -> Chart {
    let curve = |label: &str, pick: fn(Percentiles) -> u64| {
        let spot = |row: &Row| Some(Spot::one(seconds(row.at), pick(row.publish?) as f64 / 1e3));
        let points = measured.load().iter().filter_map(spot);
        let joins = Some(seconds(Time::ZERO + measured.interval) * 2.5);
        Curve { label: label.into(), points: points.collect(), joins, ..Curve::default() }
    };
    let curves = vec![curve("median", |all| all.p50), curve("99 of 100", |all| all.p99)];
    let lowest = heights(&curves).fold(f64::INFINITY, f64::min);
    let highest = heights(&curves).fold(0.0, f64::max);
    let y = match lowest > 0.0 && highest / lowest >= WIDE {
        true => Axis::new("milliseconds (logarithmic)", Scale::log_around(heights(&curves))),
        false => Axis::new("milliseconds", Scale::from_zero(heights(&curves))),
    };
    let title = match measured.counted {
        Counted::Records => "Time from send() to the acknowledgement, by when it came",
        Counted::Operations => "Time from the call to the answer, by when it came",
    };
    against_time(title.into(), y, curves, measured, bands)
}

fn against_time(
    title: String,
    y: Axis,
    curves: Vec<Curve>,
    measured: &Measured,
    bands: &[Band],
) -> Chart {
    let to = seconds(measured.load_end).max(1.0);
    let bands = bands.iter().filter(|band| band.from < measured.load_end).map(|band| chart::Band {
        from: seconds(band.from),
        to: (!band.is_moment).then(|| band.to.map_or(to, seconds)),
        label: band.label.clone(),
    });
    let x = Axis::new("seconds of simulated time", Scale::Linear { from: 0.0, to });
    Chart { title, x, y, curves, bands: bands.collect() }
}

fn heights(curves: &[Curve]) -> impl Iterator<Item = f64> + Clone {
    curves.iter().flat_map(|curve| &curve.points).map(|spot| spot.y)
}

/// How long a row is, in nanoseconds: the last of the load may be cut short.
fn width(measured: &Measured, row: &Row) -> f64 {
    let left = measured.load_end.since(row.at);
    measured.interval.min(left.max(Span(1))).0 as f64
}

fn seconds(time: Time) -> f64 {
    time.0 as f64 / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::bands::Bands;
    use klab_machine::fact::WorldFact;
    use klab_machine::trace::{Entry, What};
    use klab_wire::NodeId;

    #[test]
    fn the_picture_of_a_run_has_its_unit_its_curves_and_its_faults() {
        let end = Time(2_000_000_000);
        let measured = Measured {
            interval: Span::from_secs(1),
            rows: [0, 1]
                .map(|at| Row { at: Time(at * 1_000_000_000), acked: 9, ..Row::default() })
                .into(),
            to: end,
            load_end: end,
            ..Measured::default()
        };
        let mut bands = Bands::default();
        let what = What::Fact(WorldFact::ProcessCrashed {}.into());
        bands.watch(&Entry { step: 0, time: Time(1_000_000_000), node: NodeId::broker(1), what });
        let svg = throughput(&measured, bands.finish()).svg();
        let words =
            ["records per second", "acknowledged", "b1 crashed", "seconds of simulated time"];
        for word in words {
            assert!(svg.contains(word), "{word}");
        }
    }
}
