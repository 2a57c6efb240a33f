//! A run's folder: there whole, or not at all.
//!
//! Files are written into a folder with a dot in front, which gets its name when everything is in it.
//! An error, a panic or Ctrl-C removes it.

use crate::error::Mistake;
use std::fs::{self, File};
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// The folder that a signal must remove, if one is being written.
static UNFINISHED: Mutex<Option<PathBuf>> = Mutex::new(None);

/// A folder that is being written.
#[derive(Debug)]
pub struct Folder {
    unfinished: PathBuf,
    finished: PathBuf,
}

impl Folder {
    /// Begins the folder `name` within `parent`, which is created if it does not exist.
    ///
    /// # Errors
    ///
    /// The parent cannot be created or written; nothing is left behind.
    pub fn begin(parent: &Path, name: &str) -> Result<Self, Mistake> {
        let cannot =
            |error| Mistake::of_path(parent, "the report folder cannot be written", &error);
        fs::create_dir_all(parent).map_err(cannot)?;
        let unfinished = parent.join(format!(".{name}.unfinished-{}", std::process::id()));
        if unfinished.exists() {
            fs::remove_dir_all(&unfinished).map_err(cannot)?;
        }
        fs::create_dir(&unfinished).map_err(cannot)?;
        *lock() = Some(unfinished.clone());
        Ok(Folder { unfinished, finished: parent.join(name) })
    }

    /// Opens a file in it for writing.
    ///
    /// # Errors
    ///
    /// The file cannot be created.
    pub fn create(&self, name: &str) -> Result<BufWriter<File>, Mistake> {
        let path = self.unfinished.join(name);
        File::create(&path)
            .map(|file| BufWriter::with_capacity(1 << 16, file))
            .map_err(|error| Mistake::of_path(&path, "the file cannot be written", &error))
    }

    /// Writes a whole file.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn write(&self, name: &str, content: &str) -> Result<(), Mistake> {
        self.write_bytes(name, content.as_bytes())
    }

    /// Writes a whole file that is no text.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn write_bytes(&self, name: &str, content: &[u8]) -> Result<(), Mistake> {
        let path = self.unfinished.join(name);
        fs::write(&path, content)
            .map_err(|error| Mistake::of_path(&path, "the file cannot be written", &error))
    }

    /// Gives the folder its name, in place of an earlier one of that name.
    ///
    /// # Errors
    ///
    /// The earlier folder cannot be replaced.
    pub fn finish(self) -> Result<PathBuf, Mistake> {
        let finished = self.finished.clone();
        let cannot =
            |error| Mistake::of_path(&finished, "the report folder cannot be replaced", &error);
        if finished.exists() {
            fs::remove_dir_all(&finished).map_err(cannot)?;
        }
        fs::rename(&self.unfinished, &finished).map_err(cannot)?;
        *lock() = None;
        Ok(finished)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        remove_unfinished();
    }
}

/// Makes Ctrl-C and SIGTERM remove an unfinished folder before the process ends.
pub fn clean_up_on_signals() {
    // A second handler cannot be set; the first one does the same.
    let _ = ctrlc::set_handler(|| {
        remove_unfinished();
        std::process::exit(130);
    });
}

fn remove_unfinished() {
    if let Some(folder) = lock().take() {
        // Nothing more can be done about a folder that cannot be removed.
        let _ = fs::remove_dir_all(folder);
    }
}

fn lock() -> std::sync::MutexGuard<'static, Option<PathBuf>> {
    UNFINISHED.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One test, because the folder that a signal removes is one per process.
    #[test]
    fn a_folder_appears_whole_or_not_at_all() {
        let parent = std::env::temp_dir().join(format!("klab-folder-{}", std::process::id()));
        let names = || -> Vec<_> {
            let entries = fs::read_dir(&parent).expect("the parent exists");
            entries.map(|entry| entry.expect("an entry").file_name()).collect()
        };

        let abandoned = Folder::begin(&parent, "run").expect("begun");
        abandoned.write("a.txt", "half").expect("written");
        drop(abandoned);
        assert!(names().is_empty(), "an abandoned folder leaves nothing");

        for content in ["first", "second"] {
            let folder = Folder::begin(&parent, "run").expect("begun");
            folder.write("a.txt", content).expect("written");
            folder.finish().expect("finished");
            assert_eq!(names(), ["run"]);
            assert_eq!(fs::read_to_string(parent.join("run/a.txt")).expect("read"), content);
        }

        let file = parent.join("run/a.txt");
        let mistake = Folder::begin(&file, "run").expect_err("a file is no folder");
        assert!(mistake.to_string().contains("the report folder cannot be written"));
        fs::remove_dir_all(&parent).expect("removed");
    }
}
