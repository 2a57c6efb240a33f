//! A folder of a test's own, and `klab` at work.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// An empty folder, gone when the test is over.
pub struct Workplace(PathBuf);

impl Workplace {
    /// The name is one that no other test has.
    pub fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("klab-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).expect("a temporary folder");
        Workplace(folder)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// What is in it, by name.
    pub fn entries(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.0).expect("the folder exists");
        let mut paths: Vec<PathBuf> =
            entries.map(|entry| entry.expect("an entry").path()).collect();
        paths.sort();
        paths
    }
}

impl Drop for Workplace {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Runs the program with this folder as the current one.
pub fn klab(folder: &Path, arguments: &[&str]) -> Output {
    let mut klab = Command::new(env!("CARGO_BIN_EXE_klab"));
    klab.current_dir(folder).args(arguments).output().expect("klab starts")
}
