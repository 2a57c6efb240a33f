//! The grid of a plot: every value of the first sweep, along every line, under every seed; and what came of it.

use super::quantity::{self, Quantity};
use super::spread::Spread;
use super::sweep::Sweep;
use crate::cli::Subject;
use crate::error::{Exit, Mistake};
use crate::experiment::{Experiment, Hosting, Outcome};
use crate::measure::Measured;
use crate::measure::limit::Limit;
use crate::measure::steady::Steadiness;
use crate::parallel::in_parallel;
use indicatif::{ProgressBar, ProgressStyle};
use std::collections::BTreeMap;
use std::ops::Range;

/// What is to be run.
#[derive(Clone, Debug)]
pub struct Grid {
    /// The scenario, and what is set for all of its points.
    pub subject: Subject,
    /// From left to right.
    pub along: Sweep,
    /// A curve each.
    pub lines: Vec<Line>,
    /// The weathers of each point.
    pub seeds: Range<u64>,
}

/// A curve: its name, and what is set along it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// Its name; empty for the only one.
    pub label: String,
    /// What is set: `producer.acks=1`.
    pub settings: Vec<String>,
}

/// What came of one run.
#[derive(Clone, Debug)]
pub struct Reading {
    /// Its seed.
    pub seed: u64,
    /// The value of each quantity, in the order of their table.
    pub values: Vec<Option<f64>>,
    /// How many records the leader of each partition appended, the most first.
    pub per_partition: Vec<u64>,
    /// What the limit was.
    pub limit: Limit,
    /// Whether throughput was steady.
    pub throughput: Steadiness,
    /// Whether latency was.
    pub latency: Steadiness,
    /// Whether the run was as its scenario expects.
    pub exit: Exit,
    /// The line that repeats it.
    pub command: String,
}

/// What came of the grid.
#[derive(Clone, Debug)]
pub struct Results {
    /// By line, by value, by seed.
    pub readings: Vec<Vec<Vec<Reading>>>,
}

impl Grid {
    /// The experiments, line by line, value by value; seeds come later. All are read and checked before the first runs.
    fn experiments(&self) -> Result<Vec<Experiment>, Mistake> {
        let points = self
            .lines
            .iter()
            .flat_map(|line| self.along.values.iter().map(move |value| (line, value)));
        points
            .map(|(line, value)| {
                let mut subject = self.subject.clone();
                subject.settings.extend(line.settings.iter().cloned());
                subject.settings.push(format!("{}={value}", self.along.key));
                Experiment::load(&subject, Some(self.seeds.start))
            })
            .collect()
    }

    /// Runs everything, so many at a time.
    ///
    /// # Errors
    ///
    /// A point of the grid is no scenario.
    pub fn run(&self, jobs: usize) -> Result<Results, Mistake> {
        let points = self.experiments()?;
        let seeds: Vec<u64> = self.seeds.clone().collect();
        let runs = points.iter().flat_map(|point| seeds.iter().map(|seed| point.with_seed(*seed)));
        let runs: Vec<Experiment> = runs.collect();
        let bar = progress_bar(runs.len() as u64);
        let mut readings = in_parallel(&runs, jobs, reading, || bar.inc(1)).into_iter();
        bar.finish_and_clear();
        let mut point = || readings.by_ref().take(seeds.len()).collect::<Vec<_>>();
        let mut line = || self.along.values.iter().map(|_| point()).collect::<Vec<_>>();
        Ok(Results { readings: self.lines.iter().map(|_| line()).collect() })
    }
}

impl Results {
    /// A quantity at a point: the median of the seeds, and their range.
    pub fn spread(&self, quantity: Quantity, line: usize, value: usize) -> Option<Spread> {
        let place = quantity::all().position(|one| *one == quantity)?;
        let readings = self.readings[line][value].iter();
        Spread::of(readings.filter_map(|reading| reading.values[place]))
    }

    /// The medians along a line, with the places of the values that have one.
    pub fn medians(&self, quantity: Quantity, line: usize) -> (Vec<usize>, Vec<f64>) {
        let values = 0..self.readings[line].len();
        let spread = |value| Some((value, self.spread(quantity, line, value)?.median));
        values.filter_map(spread).unzip()
    }

    /// The reading of a point that stands for all: the first of those with the commonest limit.
    pub fn typical(&self, line: usize, value: usize) -> &Reading {
        let readings = &self.readings[line][value];
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for reading in readings {
            *counts.entry(reading.limit.kind()).or_default() += 1;
        }
        let most = counts.values().max().copied();
        let is_common = |one: &&Reading| counts.get(&one.limit.kind()).copied() == most;
        readings.iter().find(is_common).expect("every point has a seed")
    }

    /// Every reading.
    pub fn all(&self) -> impl Iterator<Item = &Reading> {
        self.readings.iter().flatten().flatten()
    }
}

fn reading(experiment: &Experiment) -> Reading {
    let outcome: Outcome = experiment.measure(Hosting::Bare, |_| {});
    let measured = outcome.measured.as_deref().expect("a measured run has its measures");
    Reading {
        seed: experiment.seed,
        values: quantity::all().map(|quantity| (quantity.of)(&outcome, measured)).collect(),
        per_partition: per_partition(measured),
        limit: Limit::of(measured),
        throughput: measured.throughput,
        latency: measured.latency,
        exit: outcome.exit(),
        command: experiment.command(),
    }
}

fn per_partition(measured: &Measured) -> Vec<u64> {
    let mut records: Vec<u64> = measured.appended.values().copied().collect();
    records.sort_unstable_by(|one, other| other.cmp(one));
    records
}

/// A bar on a terminal, nothing elsewhere.
fn progress_bar(total: u64) -> ProgressBar {
    let style = "{bar:40} {pos}/{len} runs, {eta} left";
    let style = ProgressStyle::with_template(style).expect("the template is legal");
    ProgressBar::new(total).with_style(style)
}
