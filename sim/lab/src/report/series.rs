//! The runs of a scenario that has several, one after the other: for each what was set otherwise, its
//! story, which promises were broken with their proofs, and the line that repeats it alone.

use super::text::{BAD, GOOD, HEAD, ODD, hot_line, proof, reasons, times};
use crate::experiment::{Experiment, Outcome};
use klab_check::{PromiseVerdict, Status};
use klab_scenario::Scenario;
use std::fmt::{self, Write};

/// What is said once, before the runs.
pub fn opening(scenario: &Scenario) -> String {
    let mut text = format!("{HEAD}{}{HEAD:#}\n", scenario.title);
    if let Some(museum) = &scenario.museum {
        let (exhibit, history) = (&museum.exhibit, &museum.history);
        text +=
            &format!("Exhibit {exhibit} of the bug museum: {history}. Fixed: {}.\n", museum.fixed);
    }
    if let Some(about) = &scenario.about {
        text += &format!("\n{}\n", about.trim());
    }
    text
}

/// What is said of each run.
pub fn one_of_several(experiment: &Experiment, outcome: &Outcome) -> String {
    let mut text = String::new();
    write(&mut text, experiment, outcome).expect("a string takes everything");
    text
}

fn write(out: &mut String, experiment: &Experiment, outcome: &Outcome) -> fmt::Result {
    let Some(run) = &experiment.run else { return Ok(()) };
    let set: Vec<String> = run.set.iter().map(|(path, value)| format!("{path}={value}")).collect();
    let with = if set.is_empty() { String::new() } else { format!(", with {}", set.join(", ")) };
    writeln!(out, "\n{HEAD}Run {}{HEAD:#}{with}", run.name)?;
    if let Some(story) = &run.story {
        writeln!(out, "{}", story.trim())?;
    }
    writeln!(out)?;
    let broken: Vec<&PromiseVerdict> = broken(outcome).collect();
    for verdict in &broken {
        let leave = match verdict.status {
            Status::Violated => format!("{BAD}violated{BAD:#}"),
            _ => format!("{ODD}broken, as the settings permit{ODD:#}"),
        };
        let times = times(verdict.violations + verdict.permitted);
        writeln!(out, "{:<44} {leave}, {times}", verdict.promise.to_string())?;
    }
    if broken.is_empty() {
        let checked = outcome.verdict.promises.iter().filter(|p| p.status == Status::Kept).count();
        writeln!(out, "{GOOD}Every promise is kept{GOOD:#}: {checked} were put to the test")?;
    }
    for verdict in &broken {
        verdict.proofs.iter().take(1).try_for_each(|one| proof(out, verdict, one))?;
    }
    writeln!(out, "\n{HEAD}Hot states{HEAD:#} {}", hot_line(outcome))?;
    match outcome.verdict.exit_code {
        0 => writeln!(out, "{GOOD}As expected{GOOD:#}")?,
        _ => writeln!(out, "{BAD}Not as expected{BAD:#}: {}", reasons(outcome))?,
    }
    writeln!(out, "{HEAD}Repeat{HEAD:#} {}", experiment.command())
}

fn broken(outcome: &Outcome) -> impl Iterator<Item = &PromiseVerdict> {
    let is_broken =
        |verdict: &&PromiseVerdict| matches!(verdict.status, Status::Violated | Status::Permitted);
    outcome.verdict.promises.iter().filter(is_broken)
}
