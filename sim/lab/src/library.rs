//! The scenarios in the project: `scenarios/<concept>/<what-happens>.toml`.

use crate::error::Mistake;
use std::fs;
use std::path::{Path, PathBuf};

/// The folder that holds them, seen from the root of the project.
pub const FOLDER: &str = "scenarios";

/// Every scenario file below `folder`, by path. Host order never matters: they are sorted.
///
/// # Errors
///
/// The folder cannot be read.
pub fn scenarios(folder: &Path) -> Result<Vec<PathBuf>, Mistake> {
    let mut found = Vec::new();
    collect(folder, &mut found)?;
    found.sort();
    Ok(found)
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) -> Result<(), Mistake> {
    let cannot =
        |error: std::io::Error| Mistake::of_path(folder, "the folder cannot be read", &error);
    for entry in fs::read_dir(folder).map_err(cannot)? {
        let path = entry.map_err(cannot)?.path();
        if path.is_dir() {
            collect(&path, found)?;
        } else if path.extension().is_some_and(|extension| extension == "toml") {
            found.push(path);
        }
    }
    Ok(())
}
