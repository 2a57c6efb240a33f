//! The picture: a lane for each run on one axis of time.

#![allow(clippy::float_arithmetic, reason = "the lab draws, and drawing is done in floats")]

use super::axis::Compared;
use super::reaction::Reaction;
use super::{Side, duration};
use crate::measure::Measured;
use crate::measure::row::Row;
use crate::picture::chart::Band;
use crate::picture::lanes::{Bar, Lane, Lanes};
use klab_wire::{Span, Time};

/// More partitions than these have no bar of their own.
const BARS: usize = 8;

pub(super) fn of(compared: &Compared, sides: &[Side]) -> Lanes {
    // What happens after the load has ended belongs to the picture too.
    let ends = sides.iter().map(|side| seconds(Time::ZERO + side.outcome.end));
    Lanes {
        title: compared.runs[0].1.scenario.title.clone(),
        measure: format!("{} acknowledged per second", super::words::unit(sides)),
        bars: "a partition without a leader that runs".into(),
        to: ends.fold(1.0, f64::max),
        lanes: sides.iter().map(lane).collect(),
    }
}

fn lane(side: &Side) -> Lane {
    let measured = measured(side);
    let rate = |row: &Row| row.acked as f64 * 1e9 / width(measured, row);
    let curve = measured.load().iter().map(|row| (seconds(row.at), rate(row)));
    let end = seconds(measured.load_end);
    let failures = side.bands.finish().iter().filter(|band| !band.is_moment);
    let failures = failures.filter(|band| band.from < measured.load_end).map(|band| Band {
        from: seconds(band.from),
        to: Some(band.to.map_or(end, seconds)),
        label: band.label.clone(),
    });
    let moments = side.account.reactions.0.iter().take(2).flat_map(moments);
    Lane {
        label: side.label.clone(),
        curve: curve.collect(),
        bands: failures.chain(moments).collect(),
        bars: bars(side),
    }
}

/// When it was noticed, who took over, when the last leader was replaced.
fn moments(reaction: &Reaction) -> Vec<Band> {
    let moment = |time: Time, what: String| Band {
        from: seconds(time),
        to: None,
        label: format!("{what} after {}", duration(reaction.after(time))),
    };
    let noticed = reaction.noticed.map(|sign| moment(sign.at, "noticed".into()));
    let controller =
        reaction.controller.map(|(time, node)| moment(time, format!("{node} controls")));
    let leaders = reaction.leaders.values().max().map(|time| moment(*time, "new leaders".into()));
    noticed.into_iter().chain(controller).chain(leaders).collect()
}

fn bars(side: &Side) -> Vec<Bar> {
    let rows = side.outcome.summary.availability.iter().filter(|row| !row.gaps.is_empty());
    let bar = |row: &klab_check::Availability| Bar {
        label: row.partition.to_string(),
        spans: row.gaps.iter().map(|(from, to)| (seconds(*from), seconds(*to))).collect(),
    };
    rows.take(BARS).map(bar).collect()
}

fn measured(side: &Side) -> &Measured {
    side.outcome.measured.as_deref().expect("a measured run has its measures")
}

/// How long a row is, in nanoseconds: the last of the load may be cut short.
fn width(measured: &Measured, row: &Row) -> f64 {
    let left = measured.load_end.since(row.at);
    measured.interval.min(left.max(Span(1))).0 as f64
}

fn seconds(time: Time) -> f64 {
    time.0 as f64 / 1e9
}
