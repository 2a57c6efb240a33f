//! `klab run`: one run, or each of a scenario's runs; the verdict on the terminal, a report in a folder.

use crate::check;
use crate::cli::RunArguments;
use crate::error::{Exit, Mistake};
use crate::experiment::{Experiment, Hosting};
use crate::history::write::Writer;
use crate::report::{Report, folder, series, text};
use klab_machine::trace::Entry;
use std::fs::File;
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};

const UNWRITABLE: &str = "the history cannot be written";

/// Runs a scenario once, or once for each of its runs.
///
/// # Errors
///
/// The scenario is wrong, or the report cannot be written.
pub fn run(arguments: &RunArguments) -> Result<Exit, Mistake> {
    let experiments = match &arguments.history {
        // One file takes the history of one run.
        Some(_) => vec![Experiment::load(&arguments.subject, arguments.seed)?],
        None => Experiment::load_all(&arguments.subject, arguments.seed)?,
    };
    folder::clean_up_on_signals();
    let is_series = experiments.len() > 1;
    if is_series && !arguments.json {
        anstream::print!("{}", series::opening(&experiments[0].scenario));
    }
    let mut worst = Exit::AsExpected;
    for experiment in &experiments {
        worst = worst.max(run_one(experiment, arguments, is_series)?);
    }
    Ok(worst)
}

fn run_one(
    experiment: &Experiment,
    arguments: &RunArguments,
    is_series: bool,
) -> Result<Exit, Mistake> {
    let mut report = match arguments.no_report {
        true => None,
        false => Some(Report::begin(&arguments.report, experiment, arguments.messages)?),
    };
    let history = arguments.history.as_deref().map(|path| History::begin(path, experiment));
    let mut history = history.transpose()?;
    let hosting = if arguments.bare { Hosting::Bare } else { Hosting::Caged };
    let is_measured = report.is_some() || arguments.json;
    let observe = |entry: &Entry| {
        if let Some(report) = &mut report {
            report.watch(entry);
        }
        if let Some(history) = &mut history {
            history.watch(entry);
        }
    };
    let outcome = match is_measured {
        true => experiment.measure(hosting, observe),
        false => experiment.run(hosting, observe),
    };
    let written = report.map(|report| report.finish(experiment, &outcome)).transpose()?;
    history.map(History::finish).transpose()?;
    match (arguments.json, is_series) {
        (true, _) => anstream::print!("{}", outcome.json(experiment)),
        (false, true) => anstream::print!("{}", series::one_of_several(experiment, &outcome)),
        (false, false) => anstream::print!("{}", text::outcome(experiment, &outcome)),
    }
    if let Some(folder) = written {
        anstream::eprintln!("Report       {}", folder.join("index.md").display());
    }
    Ok(outcome.exit())
}

/// The history that `--history` asks for.
struct History {
    path: PathBuf,
    writer: Writer<BufWriter<File>>,
    /// The first error of writing it, which is reported at the end.
    broken: Option<io::Error>,
}

impl History {
    fn begin(path: &Path, experiment: &Experiment) -> Result<Self, Mistake> {
        let notation = check::notation(path)?;
        let cannot = |error: io::Error| Mistake::of_path(path, UNWRITABLE, &error);
        let file = BufWriter::new(File::create(path).map_err(cannot)?);
        let writer = Writer::begin(file, notation, &experiment.scenario, &experiment.command());
        Ok(History { path: path.to_path_buf(), writer: writer.map_err(cannot)?, broken: None })
    }

    fn watch(&mut self, entry: &Entry) {
        if self.broken.is_none() {
            self.broken = self.writer.watch(entry).err();
        }
    }

    fn finish(mut self) -> Result<(), Mistake> {
        let broken = self.broken.take().or_else(|| self.writer.finish().err());
        broken.map_or(Ok(()), |error| Err(Mistake::of_path(&self.path, UNWRITABLE, &error)))
    }
}
