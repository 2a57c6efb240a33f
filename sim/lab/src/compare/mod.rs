//! `klab compare`: one scenario under one seed and one weather, run two or more ways, laid side by side on simulated time.
//!
//! An axis is a setting with several values, `--set producer.acks=1,all`, and each of its values a run; without one, the
//! runs of a scenario that has several are compared. Each run is reduced to an account (`account.rs`): how a failure was
//! noticed and made good (`reaction.rs`), which control messages it took (`messages.rs`), which epochs and ISRs there
//! were. The accounts make a table (`table.rs`), the lines of all runs beside each other (`chronicle.rs`), a picture
//! (`lanes.rs`), and a few sentences (`words.rs`); `page.rs` puts them together.

pub(crate) mod account;
mod axis;
mod chronicle;
mod known;
mod lanes;
mod messages;
mod page;
pub(crate) mod reaction;
mod table;
mod words;

use crate::cli::{CompareArguments, Subject};
use crate::error::{Exit, Mistake};
use crate::experiment::{Experiment, Hosting, Outcome};
use crate::parallel::{in_parallel, jobs};
use crate::plot::page_folder::PageFolder;
use crate::report::bands::Bands;
use crate::report::folder;
use account::Account;
use axis::Compared;
use klab_wire::{Span, Time};

/// One of the runs, with what came of it.
struct Side {
    /// What is special about it, in a word or two.
    label: String,
    experiment: Experiment,
    outcome: Outcome,
    account: Account,
    bands: Bands,
}

/// Compares the runs that were asked for.
///
/// # Errors
///
/// The scenario or a setting is wrong, there is only one run, or the page cannot be written.
pub fn compare(arguments: &CompareArguments) -> Result<Exit, Mistake> {
    let compared = Compared::of(&arguments.subject, arguments.seed)?;
    folder::clean_up_on_signals();
    let sides = compared.run(jobs(arguments.jobs));
    anstream::print!("{}", page::text(&compared, &sides));
    if !arguments.no_report {
        let made = folder(&compared, &sides, PAGE);
        let written = made.write(&arguments.out, &compared.name(), true)?;
        anstream::eprintln!("Page         {}", written.join(PAGE).display());
    }
    Ok(worst(&sides))
}

/// The same as a curated page: how the runs came out, and the page's folder.
///
/// # Errors
///
/// The scenario or a setting is wrong.
pub(crate) fn curated(subject: &Subject, jobs: usize) -> Result<(Exit, PageFolder), Mistake> {
    let compared = Compared::of(subject, None)?;
    let sides = compared.run(jobs);
    Ok((worst(&sides), folder(&compared, &sides, "index.md")))
}

/// The name of the page in a run's folder.
const PAGE: &str = "compare.md";

/// The page, its picture and its numbers.
fn folder(compared: &Compared, sides: &[Side], name: &str) -> PageFolder {
    let texts = [(name, page::page(compared, sides)), ("compare.csv", table::of(sides).csv(sides))];
    PageFolder::new(texts, [("lanes".to_string(), lanes::of(compared, sides).svg())])
}

fn worst(sides: &[Side]) -> Exit {
    sides.iter().map(|side| side.outcome.exit()).max().unwrap_or(Exit::AsExpected)
}

impl Compared {
    fn run(&self, jobs: usize) -> Vec<Side> {
        in_parallel(&self.runs, jobs, Side::of, || {})
    }
}

impl Side {
    fn of((label, experiment): &(String, Experiment)) -> Self {
        let (mut account, mut bands) = (Account::default(), Bands::default());
        let outcome = experiment.measure(Hosting::Bare, |entry| {
            account.watch(entry);
            bands.watch(entry);
        });
        let (label, experiment) = (label.clone(), experiment.clone());
        Side { label, experiment, outcome, account, bands }
    }
}

/// `9.391 s`, `13 ms`: what a reader compares.
fn duration(span: Span) -> String {
    match span.as_millis() {
        0 if span > Span::ZERO => format!("{} us", span.as_micros()),
        millis @ 0..1_000 => format!("{millis} ms"),
        millis => format!("{}.{:03} s", millis / 1_000, millis % 1_000),
    }
}

/// `20 s`, `20.05 s`: when something was, to the millisecond.
fn moment(time: Time) -> String {
    let millis = time.0 / 1_000_000;
    let decimals = format!(".{:03}", millis % 1_000);
    let decimals = decimals.trim_end_matches('0').trim_end_matches('.');
    format!("{}{decimals} s", millis / 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_as_exact_as_a_reader_wants_them() {
        let spans = [0, 400_000, 13_000_000, 9_391_200_000].map(|nanos| duration(Span(nanos)));
        assert_eq!(spans, ["0 ms", "400 us", "13 ms", "9.391 s"]);
        let moments = [20_000_000_000, 20_050_000_000].map(|nanos| moment(Time(nanos)));
        assert_eq!(moments, ["20 s", "20.05 s"]);
    }
}
