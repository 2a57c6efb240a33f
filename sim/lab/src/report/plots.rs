//! What clients saw over time, as pictures: `throughput.svg` and `latency.svg`.
//!
//! Faults are drawn as vertical lines, so that a dip can be read against its cause.

#![allow(clippy::float_arithmetic, reason = "the lab draws, and drawing is done in floats")]

use crate::measure::Measured;
use crate::measure::latency::Percentiles;
use crate::measure::row::Row;
use klab_wire::Time;
use plotters::prelude::{
    ChartBuilder, Color, IntoDrawingArea, IntoFont, LineSeries, PathElement, RED, RGBColor,
    SVGBackend, SeriesLabelPosition, TRANSPARENT, Text, WHITE,
};

/// A moment worth a line in a picture, with its label.
#[derive(Clone, Debug)]
pub struct Mark {
    /// When.
    pub time: Time,
    /// What, in a word or two.
    pub label: String,
}

/// A curve: its label, its colour, and its points in seconds and units.
struct Curve {
    label: &'static str,
    color: RGBColor,
    points: Vec<(f64, f64)>,
}

const BLUE: RGBColor = RGBColor(0x1f, 0x77, 0xb4);
const ORANGE: RGBColor = RGBColor(0xff, 0x7f, 0x0e);
const GREEN: RGBColor = RGBColor(0x2c, 0xa0, 0x2c);
const GREY: RGBColor = RGBColor(0x88, 0x88, 0x88);

/// Records per second that were sent, acknowledged and polled.
pub fn throughput(measured: &Measured, marks: &[Mark]) -> String {
    let per_second = 1e9 / measured.interval.0 as f64;
    let curve = |label, color, count: fn(&Row) -> u64| Curve {
        label,
        color,
        points: measured
            .load()
            .iter()
            .map(|row| (seconds(row.at), count(row) as f64 * per_second))
            .collect(),
    };
    let curves = [
        curve("sent", GREY, |row| row.called),
        curve("polled", GREEN, |row| row.polled),
        curve("acknowledged", BLUE, |row| row.acked),
    ];
    chart("Throughput", "records per second", &curves, marks)
}

/// Milliseconds from send to acknowledgement: median and maximum of each interval.
pub fn latency(measured: &Measured, marks: &[Mark]) -> String {
    let curve = |label, color, pick: fn(Percentiles) -> u64| Curve {
        label,
        color,
        points: measured
            .load()
            .iter()
            .filter_map(|row| Some((seconds(row.at), pick(row.publish?) as f64 / 1e3)))
            .collect(),
    };
    let curves = [curve("maximum", ORANGE, |all| all.max), curve("median", BLUE, |all| all.p50)];
    chart("Latency of acknowledged sends", "milliseconds", &curves, marks)
}

fn seconds(time: Time) -> f64 {
    time.0 as f64 / 1e9
}

fn chart(title: &str, unit: &str, curves: &[Curve], marks: &[Mark]) -> String {
    let mut svg = String::new();
    draw(&mut svg, title, unit, curves, marks).expect("an SVG in memory takes everything");
    svg
}

fn draw(
    svg: &mut String,
    title: &str,
    unit: &str,
    curves: &[Curve],
    marks: &[Mark],
) -> Result<(), Box<dyn std::error::Error>> {
    let points = || curves.iter().flat_map(|curve| &curve.points);
    let until = points().map(|point| point.0).fold(1.0, f64::max);
    let highest = points().map(|point| point.1).fold(1.0, f64::max) * 1.15;
    let root = SVGBackend::with_string(svg, (960, 400)).into_drawing_area();
    root.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&root)
        .caption(title, ("sans-serif", 20))
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(64)
        .build_cartesian_2d(0.0..until, 0.0..highest)?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .x_desc("seconds of simulated time")
        .y_desc(unit)
        .draw()?;
    for mark in marks {
        let at = seconds(mark.time);
        chart.draw_series(LineSeries::new([(at, 0.0), (at, highest)], RED.mix(0.6)))?;
        let label =
            Text::new(mark.label.clone(), (at, highest * 0.99), ("sans-serif", 11).into_font());
        chart.draw_series([label])?;
    }
    for Curve { label, color, points } in curves {
        chart
            .draw_series(LineSeries::new(points.iter().copied(), color.stroke_width(2)))?
            .label(*label)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], color.stroke_width(2)));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerRight)
        .background_style(WHITE.mix(0.85))
        .border_style(GREY)
        .draw()?;
    root.present()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_picture_of_a_run_has_its_unit_its_curves_and_its_faults() {
        let measured =
            Measured { interval: klab_wire::Span::from_millis(100), ..Measured::default() };
        let mark = Mark { time: Time(1_000_000_000), label: "b1 crashed".into() };
        let svg = throughput(&measured, &[mark]);
        for part in
            ["records per second", "acknowledged", "b1 crashed", "seconds of simulated time"]
        {
            assert!(svg.contains(part), "{part}");
        }
    }
}
