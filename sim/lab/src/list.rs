//! `klab list`: the concepts, and the scenarios of each.

use crate::cli::{ListArguments, Subject};
use crate::concepts::{CONCEPTS, concept};
use crate::error::{Exit, Mistake};
use crate::experiment::Experiment;
use crate::library;
use std::path::Path;

/// Lists the concepts, or the scenarios of one.
///
/// # Errors
///
/// There is no such concept, or a scenario cannot be read.
pub fn list(arguments: &ListArguments) -> Result<Exit, Mistake> {
    if let Some(name) = &arguments.concept
        && concept(name).is_none()
    {
        return Err(unknown_concept(name));
    }
    let experiments = experiments()?;
    let wanted = |concept: &str| arguments.concept.as_ref().is_none_or(|name| name == concept);
    for concept in CONCEPTS.iter().filter(|concept| wanted(concept.name)) {
        let of_it = experiments.iter().filter(|one| one.scenario.concept == concept.name);
        match arguments.json {
            true => print_json(concept.name, of_it),
            false => print(concept.name, concept.sentence, of_it),
        }
    }
    Ok(Exit::AsExpected)
}

/// Every scenario of the project, read and checked; of one that has several runs, each.
///
/// # Errors
///
/// One of them cannot be read, or is wrong.
pub fn experiments() -> Result<Vec<Experiment>, Mistake> {
    let paths = library::scenarios(Path::new(library::FOLDER))?;
    let load = |scenario| {
        Experiment::load_all(&Subject { scenario, run: None, settings: Vec::new() }, None)
    };
    let loaded: Vec<_> = paths.into_iter().map(load).collect::<Result<_, _>>()?;
    Ok(loaded.into_iter().flatten().collect())
}

fn print<'a>(concept: &str, sentence: &str, experiments: impl Iterator<Item = &'a Experiment>) {
    let bold = anstyle::Style::new().bold();
    anstream::println!("{bold}{concept}{bold:#}: {sentence}");
    for experiment in experiments {
        let run =
            experiment.run.as_ref().map_or(String::new(), |run| format!(" --run {}", run.name));
        let path = format!("{}{run}", experiment.path.display());
        anstream::println!("  {path:<60} {}", experiment.scenario.title);
    }
}

fn print_json<'a>(concept: &str, experiments: impl Iterator<Item = &'a Experiment>) {
    for experiment in experiments {
        let line = serde_json::json!({
            "concept": concept,
            "scenario": experiment.path,
            "run": experiment.run.as_ref().map(|run| &run.name),
            "title": experiment.scenario.title,
        });
        anstream::println!("{line}");
    }
}

fn unknown_concept(name: &str) -> Mistake {
    let names: Vec<&str> = CONCEPTS.iter().map(|concept| concept.name).collect();
    Mistake::new(format!("there is no concept `{name}`; there are: {}", names.join(", ")))
}
