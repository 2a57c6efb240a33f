//! `klab run`: one run, its verdict on the terminal, its report in a folder.

use crate::cli::RunArguments;
use crate::error::{Exit, Mistake};
use crate::experiment::{Experiment, Hosting};
use crate::report::{Report, folder, text};

/// Runs a scenario once.
///
/// # Errors
///
/// The scenario is wrong, or the report cannot be written.
pub fn run(arguments: &RunArguments) -> Result<Exit, Mistake> {
    let experiment = Experiment::load(&arguments.subject, arguments.seed)?;
    folder::clean_up_on_signals();
    let mut report = match arguments.no_report {
        true => None,
        false => Some(Report::begin(&arguments.report, &experiment, arguments.messages)?),
    };
    let hosting = if arguments.bare { Hosting::Bare } else { Hosting::Caged };
    let outcome = experiment.run(hosting, |entry| {
        if let Some(report) = &mut report {
            report.watch(entry);
        }
    });
    let written = report.map(|report| report.finish(&experiment, &outcome)).transpose()?;
    match arguments.json {
        true => anstream::print!("{}", outcome.json(&experiment)),
        false => anstream::print!("{}", text::outcome(&experiment, &outcome)),
    }
    if let Some(folder) = written {
        anstream::eprintln!("Report       {}", folder.join("index.md").display());
    }
    Ok(outcome.exit())
}
