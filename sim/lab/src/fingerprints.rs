//! `klab fingerprints`: the digest of every scenario's run under its own seed.
//!
//! The golden file is in the repository: a change in it is a change in behaviour, and the commit that
//! makes it says why.

use crate::cli::FingerprintsArguments;
use crate::error::{Exit, Mistake};
use crate::experiment::Hosting;
use crate::list;
use std::fs;
use std::path::Path;

/// Prints the fingerprints, or compares them with a file.
///
/// # Errors
///
/// A scenario or the file cannot be read.
pub fn fingerprints(arguments: &FingerprintsArguments) -> Result<Exit, Mistake> {
    let table = table()?;
    let Some(golden) = &arguments.check else {
        anstream::print!("{table}");
        return Ok(Exit::AsExpected);
    };
    compare(golden, &table)
}

/// One line per scenario: its fingerprint and its path.
///
/// # Errors
///
/// A scenario cannot be read.
pub fn table() -> Result<String, Mistake> {
    let experiments = list::experiments()?;
    let lines = experiments.iter().map(|experiment| {
        let outcome = experiment.judge(Hosting::Bare);
        let path = experiment.path.display().to_string().replace('\\', "/");
        let run = experiment.run.as_ref().map_or(String::new(), |run| format!(" {}", run.name));
        format!("{} {path}{run}\n", outcome.fingerprint)
    });
    Ok(lines.collect())
}

fn compare(golden: &Path, table: &str) -> Result<Exit, Mistake> {
    let expected = fs::read_to_string(golden)
        .map_err(|error| Mistake::of_path(golden, "the golden file cannot be read", &error))?;
    if expected == *table {
        anstream::println!("{} fingerprints agree", table.lines().count());
        return Ok(Exit::AsExpected);
    }
    let missing = expected.lines().filter(|line| !table.lines().any(|other| other == *line));
    missing.for_each(|line| anstream::println!("- {line}"));
    let new = table.lines().filter(|line| !expected.lines().any(|other| other == *line));
    new.for_each(|line| anstream::println!("+ {line}"));
    Ok(Exit::Nondeterministic)
}
