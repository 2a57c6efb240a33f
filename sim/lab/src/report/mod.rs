//! What a run leaves behind for a reader: a folder with the trace, the verdict, numbers and pictures.

pub mod bands;
pub mod folder;
mod index;
pub mod plots;
pub mod series;
pub mod text;

use crate::error::Mistake;
use crate::experiment::{Experiment, Outcome};
use crate::history::write::{Notation, Writer};
use crate::measure::metric;
use bands::Bands;
use folder::Folder;
use klab_machine::trace::{Entry, What};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

const UNWRITABLE: &str = "cannot be written";

/// A run's folder while the run goes on.
#[derive(Debug)]
pub struct Report {
    folder: Folder,
    trace: BufWriter<File>,
    history: Writer<BufWriter<File>>,
    with_messages: bool,
    /// The first error of writing the trace or the history, which is reported at the end.
    broken: Option<std::io::Error>,
    bands: Bands,
}

impl Report {
    /// Begins the folder of an experiment below `parent`.
    ///
    /// # Errors
    ///
    /// The folder cannot be written; nothing is left behind.
    pub fn begin(
        parent: &Path,
        experiment: &Experiment,
        with_messages: bool,
    ) -> Result<Self, Mistake> {
        let folder = Folder::begin(parent, &experiment.name())?;
        let mut trace = folder.create("trace.txt")?;
        let messages =
            if with_messages { "and message" } else { "(messages: klab run --messages)" };
        let broken =
            writeln!(trace, "    step      seconds node fact, client call {messages}").err();
        let history = folder.create("history.jsonl")?;
        let source = experiment.command();
        let history = Writer::begin(history, Notation::Json, &experiment.scenario, &source);
        let history = history
            .map_err(|error| Mistake::of_path(Path::new("history.jsonl"), UNWRITABLE, &error))?;
        Ok(Report { folder, trace, history, with_messages, broken, bands: Bands::default() })
    }

    /// Takes note of an entry of the trace.
    pub fn watch(&mut self, entry: &Entry) {
        self.bands.watch(entry);
        let is_message = matches!(entry.what, What::Fate(_));
        if self.broken.is_none() && (self.with_messages || !is_message) {
            self.broken = writeln!(self.trace, "{entry}").err();
        }
        if self.broken.is_none() {
            self.broken = self.history.watch(entry).err();
        }
    }

    /// Writes what is known at the end, and gives the folder its name.
    ///
    /// # Errors
    ///
    /// Something cannot be written; nothing is left behind.
    pub fn finish(
        mut self,
        experiment: &Experiment,
        outcome: &Outcome,
    ) -> Result<PathBuf, Mistake> {
        let broken = self.broken.take().or_else(|| self.trace.flush().err());
        let broken = broken.or_else(|| self.history.finish().err());
        if let Some(error) = broken {
            let files = Path::new("trace.txt or history.jsonl");
            return Err(Mistake::of_path(files, UNWRITABLE, &error));
        }
        self.folder.write("verdict.json", &outcome.json(experiment))?;
        if let Some(measured) = &outcome.measured {
            let bands = self.bands.finish();
            let csv = metric::csv(&measured.rows, &measured.readings);
            self.folder.write("metrics.csv", &csv)?;
            self.folder.write("throughput.svg", &plots::throughput(measured, bands).svg())?;
            self.folder.write("latency.svg", &plots::latency(measured, bands).svg())?;
        }
        self.folder.write("scenario.toml", &experiment.source)?;
        self.folder.write("index.md", &index::page(experiment, outcome, self.bands.finish()))?;
        self.folder.finish()
    }
}
