//! A run against time: throughput and latency while it goes on, with its faults as bands, and what each fault did.

#![allow(clippy::float_arithmetic, reason = "the lab draws, and drawing is done in floats")]

use super::page::Picture;
use super::page_folder::PageFolder;
use crate::experiment::{Experiment, Hosting, Outcome};
use crate::measure::limit::Limit;
use crate::measure::row::Row;
use crate::measure::{Measured, metric};
use crate::picture::number::short;
use crate::report::bands::{Band, Bands};
use crate::report::plots;
use klab_wire::{Span, Time};

/// What is told of one run.
#[derive(Clone, Debug)]
pub struct Timeline {
    /// In a sentence.
    pub title: String,
    /// What the reader should know before; may be empty.
    pub about: String,
    /// The run.
    pub experiment: Experiment,
    /// The command that repeats it.
    pub command: String,
}

/// How long before a fault is what things were like before it.
const BEFORE: Span = Span::from_secs(2);
/// From which share of that on things are as before, in thousandths.
const AS_BEFORE: u64 = 900;

/// What a fault did to throughput: records per second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dip {
    /// What was acknowledged a second before it.
    pub(crate) before: u64,
    lowest: u64,
    /// From the fault's beginning to the first interval from which on, for a second, it is as before.
    pub(crate) back_after: Option<Span>,
}

impl Timeline {
    /// Runs it, and gives what came of it with its page.
    pub fn run(&self) -> (Outcome, PageFolder) {
        let mut bands = Bands::default();
        let outcome = self.experiment.measure(Hosting::Bare, |entry| bands.watch(entry));
        let measured = outcome.measured.as_deref().expect("a measured run has its measures");
        let pictures = vec![
            Picture {
                name: "throughput".into(),
                chart: plots::throughput(measured, bands.finish()),
            },
            Picture { name: "latency".into(), chart: plots::latency(measured, bands.finish()) },
        ];
        let page = self.page(&outcome, measured, bands.finish(), &pictures);
        let csv = metric::csv(&measured.rows, &measured.readings);
        let folder = PageFolder::new(
            [("index.md", page), ("metrics.csv", csv)],
            pictures.into_iter().map(Picture::drawn),
        );
        (outcome, folder)
    }

    /// What is to be seen, in sentences.
    pub fn words(measured: &Measured, bands: &[Band]) -> Vec<String> {
        let faults = bands.iter().filter(|band| !band.is_moment && band.from < measured.load_end);
        let faults: Vec<&Band> = faults.collect();
        let ends = faults.iter().skip(1).map(|next| next.from).chain([Time::MAX]);
        let mut words: Vec<String> =
            faults.iter().zip(ends).map(|(band, end)| told(measured, band, end)).collect();
        if words.is_empty() {
            let rate = short(measured.rates.acked);
            words.push(format!(
                "{rate} {} a second are acknowledged, {}; the limit is {}.",
                measured.counted.plural(),
                measured.throughput,
                Limit::of(measured)
            ));
        }
        if let Some(publish) = measured.publish {
            let millis = |micros: u64| short(micros as f64 / 1e3);
            words.push(format!(
                "Over the measured time half of the {} were acknowledged within {} ms, 99 of 100 within {} ms, all within {} ms.",
                measured.counted.plural(), millis(publish.p50), millis(publish.p99), millis(publish.max)
            ));
        }
        words
    }

    fn page(
        &self,
        outcome: &Outcome,
        measured: &Measured,
        bands: &[Band],
        pictures: &[Picture],
    ) -> String {
        let mut page = format!("# {}\n\n", self.title);
        if !self.about.is_empty() {
            page += &format!("{}\n\n", self.about.trim());
        }
        for Picture { name, chart } in pictures {
            page += &format!("![{}]({name}.svg)\n\n", chart.title);
        }
        page += "## What it shows\n\n";
        Self::words(measured, bands).iter().for_each(|line| page += &format!("- {line}\n"));
        if outcome.verdict.exit_code != 0 {
            page += "- **The run was not as its scenario expects.**\n";
        }
        page += "\n## What happened\n\n| seconds | what |\n|---:|---|\n";
        for band in bands.iter().filter(|band| band.from < measured.load_end) {
            let until = match band.to {
                Some(to) => format!(" until {}", to),
                None => String::new(),
            };
            page += &format!("| {} | {}{until} |\n", band.from, band.label);
        }
        page += &format!(
            "\nGrey is the time that a fault lasts; a dashed line is a moment. Each point of a curve is an interval of {}.\n\
             `metrics.csv` has all that was measured, interval by interval; the columns are explained in the `index.md` of every run.\n\n\
             ## Repeat it\n\n```sh\n{}\n```\n",
            measured.interval, self.command
        );
        page
    }
}

/// What a fault did, until the next one comes.
fn told(measured: &Measured, band: &Band, end: Time) -> String {
    let rows = measured.load();
    let rows = &rows[..rows.partition_point(|row| row.at < end)];
    let dip = dip(rows, measured.interval, band.from);
    let Dip { before, lowest, back_after } = dip;
    let (label, what) = (&band.label, measured.counted.plural());
    let at = band.from;
    if before == 0 {
        return format!("{label}, at {at} s: nothing was acknowledged before it.");
    }
    if lowest * 1_000 >= before * AS_BEFORE {
        return format!(
            "{label}, at {at} s: throughput does not notice, {} {what} a second before and {} at the least.",
            short(before as f64),
            short(lowest as f64)
        );
    }
    let back = match back_after {
        Some(after) => {
            format!("It is back within a tenth of that {after} after the fault's beginning")
        }
        None => "It does not come back within a tenth of that".to_string(),
    };
    format!(
        "{label}, at {at} s: throughput falls from {} to {} {what} a second. {back}.",
        short(before as f64),
        short(lowest as f64)
    )
}

/// What happened to the acknowledgements after this moment.
pub(crate) fn dip(rows: &[Row], interval: Span, from: Time) -> Dip {
    let per_second = |acked: u64, span: Span| {
        (u128::from(acked) * 1_000_000_000 / u128::from(span.0.max(1))) as u64
    };
    let place = rows.partition_point(|row| row.at + interval <= from);
    let width = ((BEFORE.0 / interval.0) as usize).min(place);
    let acked: u64 = rows[place - width..place].iter().map(|row| row.acked).sum();
    let before = per_second(acked, interval.times(width as u64));
    let rates: Vec<u64> = rows[place..].iter().map(|row| per_second(row.acked, interval)).collect();
    let lowest = rates.iter().copied().min().unwrap_or(0);
    let is_low = |rate: &u64| *rate * 1_000 < before * AS_BEFORE;
    let first_low = rates.iter().position(is_low).unwrap_or(rates.len());
    let second = ((1_000_000_000 / interval.0) as usize).max(1);
    let is_back = |start: &usize| {
        let next = &rates[*start..(*start + second).min(rates.len())];
        !is_low(&(next.iter().sum::<u64>() / next.len() as u64)) && !is_low(&rates[*start])
    };
    let back = (first_low..rates.len()).find(is_back);
    Dip { before, lowest, back_after: back.map(|back| rows[place + back].at.since(from)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dip_is_held_against_the_time_before_the_fault() {
        let acked = [100, 100, 100, 0, 10, 95, 100, 100, 100];
        let rows: Vec<Row> = (0..)
            .zip(acked)
            .map(|(at, acked)| Row { at: Time(at * 1_000_000_000), acked, ..Row::default() })
            .collect();
        let second = Span::from_secs(1);
        let found = dip(&rows, second, Time(3_000_000_000));
        assert_eq!(found, Dip { before: 100, lowest: 0, back_after: Some(second.times(2)) });
        let never = dip(&rows[..5], second, Time(3_000_000_000));
        assert_eq!(never.back_after, None);
    }
}
