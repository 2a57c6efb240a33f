//! `klab run`: one run, or each of a scenario's runs; the verdict on the terminal, a report in a folder.

use crate::cli::RunArguments;
use crate::error::{Exit, Mistake};
use crate::experiment::{Experiment, Hosting};
use crate::report::{Report, folder, series, text};

/// Runs a scenario once, or once for each of its runs.
///
/// # Errors
///
/// The scenario is wrong, or the report cannot be written.
pub fn run(arguments: &RunArguments) -> Result<Exit, Mistake> {
    let experiments = Experiment::load_all(&arguments.subject, arguments.seed)?;
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
    let hosting = if arguments.bare { Hosting::Bare } else { Hosting::Caged };
    let outcome = experiment.run(hosting, |entry| {
        if let Some(report) = &mut report {
            report.watch(entry);
        }
    });
    let written = report.map(|report| report.finish(experiment, &outcome)).transpose()?;
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
