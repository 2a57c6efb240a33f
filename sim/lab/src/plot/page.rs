//! The page of a plot: the picture, what it shows in words, the tables, and the command that repeats it.

#![allow(clippy::float_arithmetic, reason = "the lab draws, and drawing is done in floats")]

use super::grid::{Grid, Reading, Results};
use super::knee::Shape;
use super::quantity::{self, OF_A_QUESTION, OF_AN_ENSEMBLE, QUANTITIES, Quantity, Sense};
use super::{Plot, ranks, values, words};
use crate::measure::Counted;
use crate::measure::steady::Steadiness;
use crate::picture::chart::{Axis, Chart, Curve, Spot};
use crate::picture::number::short;
use crate::picture::scale::Scale;
use std::fmt::Write;

/// A picture with the name of its file, without the ending.
pub struct Picture {
    /// `throughput`
    pub name: String,
    /// What it shows.
    pub chart: Chart,
}

impl Picture {
    /// Its name, and its SVG.
    pub fn drawn(self) -> (String, String) {
        (self.name, self.chart.svg())
    }
}

/// From which ratio of the highest to the lowest on latencies are drawn by equal ratios.
const WIDE: f64 = 12.0;

/// The columns that every table has.
const COLUMNS: &[(&str, &str)] = &[
    ("throughput", "records/s"),
    ("megabytes", "MB/s"),
    ("latency-p50", "publish p50 ms"),
    ("latency-p99", "publish p99 ms"),
    ("end-to-end-p99", "end to end p99 ms"),
    ("batch", "records/batch"),
];

/// And of an ensemble without Kafka.
const COLUMNS_OF_AN_ENSEMBLE: &[(&str, &str)] = &[
    ("operations", "operations/s"),
    ("operation-p50", "p50 ms"),
    ("operation-p99", "p99 ms"),
    ("operation-max", "max ms"),
];

/// The pictures of a plot: with one curve, quantities of one word are in one; else each has its own.
pub fn pictures(plot: &Plot, results: &Results) -> Vec<Picture> {
    let grid = &plot.grid;
    plot.measures
        .iter()
        .flat_map(|(word, quantities)| match grid.lines.len() {
            1 if quantities.len() > 1 => vec![family(grid, results, word, quantities)],
            _ => quantities.iter().map(|quantity| of_lines(grid, results, *quantity)).collect(),
        })
        .chain(ranks::picture(plot, results))
        .collect()
}

/// One quantity, a curve for each line.
fn of_lines(grid: &Grid, results: &Results, quantity: Quantity) -> Picture {
    let (x, at) = values::axis(&grid.along.key, &grid.along.values);
    let curves = grid.lines.iter().enumerate().map(|(line, told)| Curve {
        label: told.label.clone(),
        ..measured_curve(grid, results, quantity, line, &at)
    });
    let title = format!("{} against {}", quantity.title, grid.along.key);
    let chart = chart(title, x, quantity, curves.collect());
    Picture { name: quantity.name.to_string(), chart }
}

/// Several quantities of one line, a curve for each.
fn family(grid: &Grid, results: &Results, word: &str, quantities: &[Quantity]) -> Picture {
    let (x, at) = values::axis(&grid.along.key, &grid.along.values);
    let curves = quantities.iter().map(|quantity| {
        let label = quantity.title.rsplit(", ").next().unwrap_or(quantity.title).to_string();
        Curve { label, ..measured_curve(grid, results, *quantity, 0, &at) }
    });
    let kind = quantities[0].title.split(',').next().unwrap_or(quantities[0].title);
    let title = format!("{kind} against {}", grid.along.key);
    let chart = chart(title, x, quantities[0], curves.collect());
    Picture { name: word.to_string(), chart }
}

fn measured_curve(
    grid: &Grid,
    results: &Results,
    quantity: Quantity,
    line: usize,
    at: &[f64],
) -> Curve {
    let (places, medians) = results.medians(quantity, line);
    let spot = |place: &usize| {
        let spread = results.spread(quantity, line, *place)?;
        Some(Spot { x: at[*place], y: spread.median, low: spread.low, high: spread.high })
    };
    let knee = Shape::of(&medians, quantity.sense).knee();
    let note = knee.map(|knee| {
        let word = if quantity.sense == Sense::More { "knee" } else { "last good" };
        (knee, format!("{word}: {}", grid.along.values[places[knee]]))
    });
    Curve {
        points: places.iter().filter_map(spot).collect(),
        dotted: true,
        note,
        ..Curve::default()
    }
}

fn chart(title: String, x: Axis, quantity: Quantity, curves: Vec<Curve>) -> Chart {
    let spots = || curves.iter().flat_map(|curve| &curve.points);
    let lowest = spots().map(|spot| spot.low).fold(f64::INFINITY, f64::min);
    let highest = spots().map(|spot| spot.high).fold(0.0, f64::max);
    let is_wide = quantity.sense == Sense::Less && lowest > 0.0 && highest / lowest >= WIDE;
    let heights = spots().flat_map(|spot| [spot.low, spot.high]);
    let scale = if is_wide { Scale::log_around(heights) } else { Scale::from_zero(heights) };
    let mut y = Axis::new(quantity.unit, scale);
    if is_wide {
        y.label += " (logarithmic)";
    }
    Chart { title, x, y, curves, bands: Vec::new() }
}

/// The page as Markdown.
pub fn page(plot: &Plot, results: &Results, pictures: &[Picture]) -> String {
    let mut page = String::new();
    write(&mut page, plot, results, pictures).expect("a string takes everything");
    page
}

fn write(
    out: &mut String,
    plot: &Plot,
    results: &Results,
    pictures: &[Picture],
) -> std::fmt::Result {
    let grid = &plot.grid;
    writeln!(out, "# {}\n", plot.title)?;
    if !plot.about.is_empty() {
        writeln!(out, "{}\n", plot.about.trim())?;
    }
    for Picture { name, chart } in pictures {
        writeln!(out, "![{}]({name}.svg)\n", chart.title)?;
    }
    writeln!(out, "## What it shows\n")?;
    for quantity in plot.measures.iter().flat_map(|(_, quantities)| quantities) {
        words::curves(grid, results, *quantity)
            .iter()
            .try_for_each(|line| writeln!(out, "- {line}"))?;
    }
    let of_ranks = ranks::words(plot, results);
    of_ranks.iter().try_for_each(|line| writeln!(out, "- {line}"))?;
    words::of_all(plot, results).iter().try_for_each(|line| writeln!(out, "- {line}"))?;
    writeln!(out, "\n## The numbers\n")?;
    for line in 0..grid.lines.len() {
        table(out, plot, results, line)?;
    }
    writeln!(out, "{}", method(plot))?;
    writeln!(out, "## Repeat it\n\n```sh\n{}\n```", plot.command)
}

fn table(out: &mut String, plot: &Plot, results: &Results, line: usize) -> std::fmt::Result {
    let grid = &plot.grid;
    let label = &grid.lines[line].label;
    if !label.is_empty() {
        writeln!(out, "**{label}**\n")?;
    }
    let columns = columns(plot);
    let heads: Vec<&str> = columns.iter().map(|(_, head)| *head).collect();
    writeln!(out, "| {} | {} | the limit | state |", grid.along.key, heads.join(" | "))?;
    writeln!(out, "|{}", "---:|".repeat(columns.len() + 1) + "---|---|")?;
    for (value, written) in grid.along.values.iter().enumerate() {
        let cells = columns.iter().map(|(quantity, _)| cell(results, *quantity, line, value));
        let cells: Vec<String> = cells.collect();
        let typical = results.typical(line, value);
        writeln!(
            out,
            "| {written} | {} | {} | {} |",
            cells.join(" | "),
            typical.limit,
            state(typical)
        )?;
    }
    writeln!(out)
}

/// What the plot is about comes first, and then what every table has.
fn columns(plot: &Plot) -> Vec<(Quantity, &'static str)> {
    let usual = match plot.counted {
        Counted::Records => COLUMNS,
        Counted::Operations => COLUMNS_OF_AN_ENSEMBLE,
    };
    let usual = usual.iter().filter_map(|(name, head)| {
        Some((quantity::all().find(|quantity| quantity.name == *name).copied()?, *head))
    });
    let usual: Vec<(Quantity, &str)> = usual.collect();
    let own = plot.measures.iter().flat_map(|(_, quantities)| quantities.iter().copied());
    let own = own.filter(|one| !usual.iter().any(|(known, _)| known == one));
    let own = own.map(|quantity| (quantity, quantity.name));
    own.chain(usual.iter().copied()).collect()
}

fn cell(results: &Results, quantity: Quantity, line: usize, value: usize) -> String {
    match results.spread(quantity, line, value) {
        None => "–".to_string(),
        Some(spread) if short(spread.low) == short(spread.high) => short(spread.median),
        Some(spread) => {
            format!("{} ({} to {})", short(spread.median), short(spread.low), short(spread.high))
        }
    }
}

fn state(reading: &Reading) -> String {
    match (reading.throughput, reading.latency) {
        (Steadiness::Steady, Steadiness::Steady) => "steady".to_string(),
        (Steadiness::Steady, latency) => format!("steady; latency {latency}"),
        (throughput, _) => throughput.to_string(),
    }
}

fn method(plot: &Plot) -> String {
    let seeds = plot.grid.seeds.end - plot.grid.seeds.start;
    let runs = match seeds {
        1 => "Each point is one run".to_string(),
        _ => format!(
            "Each point is the median of {seeds} runs that differ in nothing but their seed; the shade (in the tables the brackets) is their range"
        ),
    };
    format!(
        "## How it was measured\n\n\
         {runs}. Warm-up is cut off by MSER-5 (White, Cobb and Spratt 2000), at most half of the load; a state is steady if no\n\
         fifth of the rest differs from its mean by more than 5 % in throughput and 25 % in mean latency. The limit is the\n\
         resource that is busiest, from 90 % on; if none is, and not everything came through that the producers were asked\n\
         for, it is what batches waited for. The knee of a curve that should be high is the first point within a tenth of its\n\
         highest; of one that should be low, the last below twice its lowest. `data.csv` has every run, with the command that\n\
         repeats it alone.\n"
    )
}

/// Every run as comma-separated values.
pub fn csv(plot: &Plot, results: &Results) -> String {
    let grid = &plot.grid;
    let usual = match plot.counted {
        Counted::Records => QUANTITIES,
        Counted::Operations => OF_AN_ENSEMBLE,
    };
    let asked = plot.measures.iter().flat_map(|(_, quantities)| quantities);
    let asked = asked.filter(|one| OF_A_QUESTION.contains(one));
    let quantities: Vec<&Quantity> = usual.iter().chain(asked).collect();
    let heads: Vec<String> = quantities.iter().map(|one| one.name.replace('-', "_")).collect();
    let mut csv = format!(
        "line,{},seed,{},limit,throughput_state,latency_state,repeat\n",
        quoted(&grid.along.key),
        heads.join(",")
    );
    for (line, told) in grid.lines.iter().enumerate() {
        for (value, written) in grid.along.values.iter().enumerate() {
            for reading in &results.readings[line][value] {
                let values = quantity::all().zip(&reading.values);
                let values = values
                    .filter(|(one, _)| quantities.contains(one))
                    .map(|(_, value)| value.map_or(String::new(), |value| format!("{value:.3}")));
                let values: Vec<String> = values.collect();
                let Reading { seed, limit, throughput, latency, command, .. } = reading;
                let texts = [
                    limit.to_string(),
                    throughput.to_string(),
                    latency.to_string(),
                    command.clone(),
                ];
                let texts = texts.map(|text| quoted(&text)).join(",");
                let (label, written) = (quoted(&told.label), quoted(written));
                csv += &format!("{label},{written},{seed},{},{texts}\n", values.join(","));
            }
        }
    }
    csv
}

/// As RFC 4180 quotes it, where it must be.
fn quoted(text: &str) -> String {
    match text.contains([',', '"', '\n']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.to_string(),
    }
}
