//! Records per partition, the fullest first: what a skew of keys makes of a topic, partition by partition.
//!
//! The curve belongs to the last value of the sweep, where there are the most partitions. At each rank stands the median
//! over the seeds: of the fullest partitions, of the second fullest, and so on.

#![allow(clippy::float_arithmetic, reason = "the lab draws, and drawing is done in floats")]

use super::Plot;
use super::grid::Results;
use super::page::Picture;
use super::spread::Spread;
use crate::picture::chart::{Axis, Chart, Curve, Spot};
use crate::picture::number::short;
use crate::picture::scale::Scale;

/// The quantity whose page has this picture.
const SKEW: &str = "skew";

/// The picture, if the plot is about skew.
pub fn picture(plot: &Plot, results: &Results) -> Option<Picture> {
    let ranks: Vec<Vec<Spread>> = of_lines(plot, results)?;
    let most = ranks.iter().map(Vec::len).max().filter(|most| *most > 1)?;
    let curves = plot.grid.lines.iter().zip(&ranks).map(|(line, ranks)| Curve {
        label: line.label.clone(),
        points: spots(ranks),
        dotted: true,
        ..Curve::default()
    });
    let highest = ranks.iter().flatten().map(|spread| spread.high);
    let grid = &plot.grid;
    let last = grid.along.values.last()?;
    let chart = Chart {
        title: format!("Records per partition at {}={last}, the fullest first", grid.along.key),
        x: Axis::new("partition, by its rank", Scale::Linear { from: 0.0, to: most as f64 + 1.0 }),
        y: Axis::new("records", Scale::from_zero(highest)),
        curves: curves.collect(),
        bands: Vec::new(),
    };
    Some(Picture { name: "records-per-partition".to_string(), chart })
}

/// The picture in words, a sentence for each line.
pub fn words(plot: &Plot, results: &Results) -> Vec<String> {
    let Some(ranks) = of_lines(plot, results) else { return Vec::new() };
    let lines = plot.grid.lines.iter().zip(&ranks);
    lines.filter_map(|(line, ranks)| sentence(&line.label, ranks)).collect()
}

fn sentence(label: &str, ranks: &[Spread]) -> Option<String> {
    let records: Vec<f64> = ranks.iter().map(|spread| spread.median).collect();
    let (fullest, emptiest) = (*records.first()?, *records.last()?);
    let half = records.iter().sum::<f64>() / 2.0;
    let mut sum = 0.0;
    let fuller = records.iter().take_while(|records| {
        let takes_part = sum < half;
        sum += **records;
        takes_part
    });
    let of = if label.is_empty() { String::new() } else { format!(" with {label}") };
    Some(format!(
        "Of {} partitions{of} the fullest has {} records, the emptiest {}; half of all records are in {} of them.",
        records.len(),
        short(fullest),
        short(emptiest),
        fuller.count()
    ))
}

/// Of each line the partitions of the last value, by rank.
fn of_lines(plot: &Plot, results: &Results) -> Option<Vec<Vec<Spread>>> {
    plot.measures.iter().find(|(word, _)| word == SKEW)?;
    let last = results.readings.iter().map(|line| line.last());
    last.map(|readings| {
        let runs = readings?.iter().map(|reading| &reading.per_partition[..]);
        Some(by_rank(&runs.collect::<Vec<_>>()))
    })
    .collect()
}

/// What runs have at each rank; a run with fewer partitions that were written to has none there.
fn by_rank(runs: &[&[u64]]) -> Vec<Spread> {
    let ranks = runs.iter().map(|run| run.len()).max().unwrap_or(0);
    let at = |rank: usize| {
        let records = runs.iter().map(|run| run.get(rank).copied().unwrap_or(0) as f64);
        Spread::of(records).expect("there is a run")
    };
    (0..ranks).map(at).collect()
}

fn spots(ranks: &[Spread]) -> Vec<Spot> {
    let spot = |(rank, spread): (u32, &Spread)| Spot {
        x: f64::from(rank),
        y: spread.median,
        low: spread.low,
        high: spread.high,
    };
    (1..).zip(ranks).map(spot).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_each_rank_stands_what_the_seeds_have_there() {
        let ranks = by_rank(&[&[9, 5, 1], &[7, 6], &[8, 2, 2]]);
        let told: Vec<[f64; 3]> = ranks.iter().map(|one| [one.low, one.median, one.high]).collect();
        assert_eq!(told, [[7.0, 8.0, 9.0], [2.0, 5.0, 6.0], [0.0, 1.0, 2.0]]);
        let words = sentence("Zipf's keys", &ranks).expect("there are partitions");
        assert_eq!(
            words,
            "Of 3 partitions with Zipf's keys the fullest has 8 records, the emptiest 1; half of all records are in 1 of them."
        );
    }
}
