//! What a curve shows, in words that follow from its numbers.

#![allow(clippy::float_arithmetic, reason = "the lab draws, and drawing is done in floats")]

use super::Plot;
use super::grid::{Grid, Reading, Results};
use super::knee::Shape;
use super::quantity::{Quantity, Sense};
use crate::error::Exit;
use crate::measure::steady::Steadiness;
use crate::picture::number::short;

/// What the curves of a quantity show: a sentence or two for each, and one that holds them against each other.
pub fn curves(grid: &Grid, results: &Results, quantity: Quantity) -> Vec<String> {
    let lines = (0..grid.lines.len()).map(|line| curve(grid, results, quantity, line));
    lines.chain(comparison(grid, results, quantity)).collect()
}

fn curve(grid: &Grid, results: &Results, quantity: Quantity, line: usize) -> String {
    let (places, values) = results.medians(quantity, line);
    let name = match grid.lines[line].label.as_str() {
        "" if quantity.title.contains(", ") => format!("{},", quantity.title),
        "" => quantity.title.to_string(),
        label => format!("{}, {label},", quantity.title),
    };
    if values.is_empty() {
        return format!("{name} could not be measured: there was none.");
    }
    let at = |place: usize| {
        format!("{} at {}", number(quantity, values[place]), grid.along.values[places[place]])
    };
    let x = |place: usize| &grid.along.values[places[place]];
    let last = values.len() - 1;
    let best = extreme(&values, quantity.sense);
    match Shape::of(&values, quantity.sense) {
        Shape::Flat => format!(
            "{name} hardly changes: between {} and {}.",
            number(quantity, low(&values)),
            number(quantity, high(&values))
        ),
        Shape::Rises => {
            format!("{name} grows{}, from {} to {}.", steadily(&values), at(0), at(last))
        }
        Shape::Falls => {
            format!("{name} falls{}, from {} to {}.", steadily(&values), at(0), at(last))
        }
        Shape::Bends { knee, until } => match quantity.sense {
            Sense::More => {
                let rise = match knee {
                    0 => format!("{name} is at its height from the start, {}", at(0)),
                    _ => format!("{name} rises from {} to {}: the knee", at(0), at(knee)),
                };
                let is_same = short(values[best]) == short(values[knee]);
                let top = match is_same {
                    true => String::new(),
                    false => format!(" (its highest is {})", at(best)),
                };
                let dip = Shape::dip(&values, knee, until);
                let dip = dip.map_or(String::new(), |dip| format!(", but for {}", at(dip)));
                let end = match until {
                    _ if until == last => {
                        format!("It stays within a tenth of the highest to the end{dip}")
                    }
                    _ => format!(
                        "It stays within a tenth of the highest up to {}{dip}, and falls to {}, {} % of it",
                        x(until),
                        at(last),
                        percent(values[last], values[best])
                    ),
                };
                format!("{rise}{top}. {end}.")
            }
            Sense::Less if knee == 0 => format!(
                "{name} is lowest at the start, {}, more than twice that from {} on, and {}.",
                at(0),
                x(1),
                at(last)
            ),
            Sense::Less => format!(
                "{name} stays below twice its lowest ({}) up to {}, the knee, and is {} after that.",
                at(best),
                at(knee),
                at(last)
            ),
        },
    }
}

/// How the curves compare: at the highest of each, or, of what should be little, at the end.
fn comparison(grid: &Grid, results: &Results, quantity: Quantity) -> Option<String> {
    if grid.lines.len() < 2 {
        return None;
    }
    let value = |line: usize| {
        let (_, values) = results.medians(quantity, line);
        let place = match quantity.sense {
            Sense::More => extreme(&values, Sense::More),
            Sense::Less => values.len().saturating_sub(1),
        };
        values.get(place).copied()
    };
    let first = value(0).filter(|first| *first > 0.0)?;
    let others = (1..grid.lines.len()).filter_map(|line| {
        Some(format!("{} {} times", grid.lines[line].label, short(value(line)? / first)))
    });
    let others: Vec<String> = others.collect();
    let (of, key) = (&grid.lines[0].label, &grid.along.key);
    let place = match quantity.sense {
        Sense::More => "At the highest of each curve".to_string(),
        Sense::Less => {
            format!("At {key}={}", grid.along.values.last().expect("a sweep has values"))
        }
    };
    Some(format!("{place}, {of} has {}; {} as much.", number(quantity, first), others.join(", ")))
}

/// What is said of all curves together: what the limit was, and what a reader must know before trusting the numbers.
pub fn of_all(plot: &Plot, results: &Results) -> Vec<String> {
    let limits = if plot.is_disturbed { Vec::new() } else { limits(&plot.grid, results) };
    let steady = (!plot.is_disturbed).then(|| steady(results));
    limits.into_iter().chain(steady).chain(unexpected(results)).collect()
}

/// Which resource or wait was the limit, along each line.
fn limits(grid: &Grid, results: &Results) -> Vec<String> {
    let line = |line: usize| {
        let stretches = stretches(grid, results, line);
        let last = stretches.len().saturating_sub(1);
        let told = stretches.iter().enumerate().map(|(place, (limit, from, to))| match () {
            () if stretches.len() == 1 => format!("{limit} everywhere"),
            () if place == last && from != to => format!("{limit} from {from} on"),
            () if from == to => format!("{limit} at {from}"),
            () => format!("{limit} from {from} to {to}"),
        });
        let told: Vec<String> = told.collect();
        let of = match grid.lines[line].label.as_str() {
            "" => String::new(),
            label => format!(" of {label}"),
        };
        format!("The limit{of}: {}.", told.join("; "))
    };
    (0..grid.lines.len()).map(line).collect()
}

/// Values one after the other that have the same limit.
fn stretches(grid: &Grid, results: &Results, line: usize) -> Vec<(String, String, String)> {
    let mut stretches: Vec<(String, String, String)> = Vec::new();
    for (value, written) in grid.along.values.iter().enumerate() {
        let limit = results.typical(line, value).limit.kind();
        match stretches.last_mut() {
            Some((same, _, to)) if *same == limit => *to = written.clone(),
            _ => stretches.push((limit, written.clone(), written.clone())),
        }
    }
    stretches
}

/// How many runs were steady.
fn steady(results: &Results) -> String {
    let count = results.all().count();
    let unsteady = results.all().filter(|one| one.throughput != Steadiness::Steady).count();
    let slow = results.all().filter(|one| one.latency != Steadiness::Steady).count();
    match (unsteady, slow) {
        (0, 0) => format!("All {count} runs were steady, in throughput and in latency."),
        _ => format!(
            "Of {count} runs, {unsteady} were not steady in throughput and {slow} not in latency; the tables say which."
        ),
    }
}

/// How many runs were not as their scenario expects.
fn unexpected(results: &Results) -> Option<String> {
    let wrong: Vec<&Reading> = results.all().filter(|one| one.exit != Exit::AsExpected).collect();
    let first = wrong.first()?;
    let (count, command) = (wrong.len(), &first.command);
    Some(format!(
        "Not as the scenario expects: {count} of {} runs; the first of them is `{command}`.",
        results.all().count()
    ))
}

fn extreme(values: &[f64], sense: Sense) -> usize {
    let better = |one: f64, other: f64| match sense {
        Sense::More => one > other,
        Sense::Less => one < other,
    };
    let places = 0..values.len();
    places.fold(0, |best, place| if better(values[place], values[best]) { place } else { best })
}

/// Whether a curve that grows or falls does so from each point to the next.
fn steadily(values: &[f64]) -> &'static str {
    let rises = values.is_sorted();
    let falls = values.is_sorted_by(|one, next| one >= next);
    if rises || falls { " all the way" } else { "" }
}

fn low(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::INFINITY, f64::min)
}

fn high(values: &[f64]) -> f64 {
    values.iter().copied().fold(0.0, f64::max)
}

/// A value with its unit, where that is short.
fn number(quantity: Quantity, value: f64) -> String {
    let unit = match quantity.unit {
        unit if unit.starts_with("milliseconds") => " ms",
        unit if unit.starts_with("seconds") => " s",
        _ => "",
    };
    format!("{}{unit}", short(value))
}

fn percent(part: f64, whole: f64) -> String {
    format!("{:.0}", part * 100.0 / whole)
}
