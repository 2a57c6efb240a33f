//! What a person got wrong, in a sentence with the way out; and the exit codes.

use std::fmt;
use std::path::Path;
use std::process::ExitCode;

/// How a command ended, for a script: the codes of `klab help`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Exit {
    /// Everything was as the scenario expects.
    AsExpected = 0,
    /// A promise was broken, or an expectation was not met.
    Violated = 1,
    /// Nothing of what the scenario is about has happened, so nothing was shown.
    Vacuous = 2,
    /// The command, a scenario or a folder is not as it must be.
    BadInput = 3,
    /// The same scenario and seed gave two different traces: a bug of klab.
    Nondeterministic = 4,
    /// The run did not end within its budget.
    OutOfBudget = 5,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}

/// A person's mistake: what is wrong, where, and the way out.
#[derive(Clone, PartialEq, Eq)]
pub struct Mistake(String);

impl Mistake {
    /// A mistake in one sentence, or several lines.
    pub fn new(sentence: impl Into<String>) -> Self {
        Mistake(sentence.into())
    }

    /// Something is wrong with a file or folder.
    pub fn of_path(path: &Path, what: &str, why: &std::io::Error) -> Self {
        Mistake(format!("{}: {what}: {why}", path.display()))
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
