//! `klab fingerprints`: the digest of every scenario's run under its own seed.
//!
//! The golden file is in the repository: a change in it is a change in behaviour, and the commit that
//! makes it says why.

use crate::cli::FingerprintsArguments;
use crate::error::{Exit, Mistake};
use crate::experiment::Hosting;
use crate::list;
use std::collections::BTreeSet;
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
        let outcome = experiment.digest(Hosting::Bare);
        let path = experiment.path.display().to_string().replace('\\', "/");
        let run = experiment.run.as_ref().map_or(String::new(), |run| format!(" {}", run.name));
        format!("{} {path}{run}\n", outcome.fingerprint())
    });
    Ok(lines.collect())
}

/// What differs between two tables, in whatever order their lines are: `-` what only the first has, `+` what only
/// the second has.
pub fn changes(golden: &str, table: &str) -> Vec<String> {
    let [old, new]: [BTreeSet<&str>; 2] = [golden, table].map(|text| text.lines().collect());
    let gone = old.difference(&new).map(|line| format!("- {line}"));
    gone.chain(new.difference(&old).map(|line| format!("+ {line}"))).collect()
}

fn compare(golden: &Path, table: &str) -> Result<Exit, Mistake> {
    let expected = fs::read_to_string(golden)
        .map_err(|error| Mistake::of_path(golden, "the golden file cannot be read", &error))?;
    let changes = changes(&expected, table);
    changes.iter().for_each(|change| anstream::println!("{change}"));
    if !changes.is_empty() {
        return Ok(Exit::Nondeterministic);
    }
    anstream::println!("{} fingerprints agree", table.lines().count());
    Ok(Exit::AsExpected)
}
