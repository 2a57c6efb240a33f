//! `klab published`: published measurements of Kafka and ZooKeeper beside klab's figures, by one set of constants for each hardware
//! profile.
//!
//! [`rows`] has them as data; the pages and tables below `reports/published/` follow from them and from nothing else. A
//! row that is off is shown with its misfit: no constant is tuned for a row.

#![allow(clippy::float_arithmetic, reason = "ratios are for people, and made in the lab")]

pub mod control_plane;
pub mod measure;
mod page;
pub mod rows;
mod rows_of_clouds;
mod rows_of_confluent;
mod rows_of_control_plane;
mod rows_of_datastax;
mod rows_of_kreps_2011;
mod rows_of_pravega;
mod rows_of_single_figures;
mod rows_of_streamnative;
mod rows_of_zab;
mod rows_of_zookeeper;

use crate::cli::{PublishedArguments, Subject};
use crate::error::{Exit, Mistake};
use crate::experiment::{Experiment, Hosting};
use crate::parallel::{in_parallel, jobs};
use crate::plot::spread::Spread;
use control_plane::ControlPlane;
use measure::Quantity;
use rows::{Figure, PUBLICATIONS, Publication, Role, Row};
use std::fs;
use std::path::Path;

/// A published number with klab's.
#[derive(Clone, Copy, Debug)]
pub struct Compared {
    /// The published one.
    pub figure: Figure,
    /// klab's.
    pub klab: f64,
}

/// A row with klab's figures.
#[derive(Clone, Debug)]
pub struct ComparedRow {
    /// The row.
    pub row: Row,
    /// Its figures, in its order.
    pub figures: Vec<Compared>,
    /// The line that repeats its first run.
    pub command: String,
}

impl Compared {
    /// klab's figure over the published one.
    pub fn ratio(&self) -> f64 {
        self.klab / self.figure.published
    }

    /// Whether it is as near as it shall be.
    pub fn is_near(&self) -> bool {
        match self.figure.role {
            Role::Shape => true,
            Role::Bound => self.klab < self.figure.published,
            Role::Fit | Role::Check | Role::Law => {
                (self.ratio() - 1.0).abs() <= self.figure.quantity.tolerance()
            }
        }
    }
}

/// Runs every published row, prints the comparison, and writes the pages.
///
/// # Errors
///
/// There is no such publication, a scenario cannot be read, or a page cannot be written.
pub fn published(arguments: &PublishedArguments) -> Result<Exit, Mistake> {
    let chosen: Vec<&Publication> = match &arguments.only {
        None => PUBLICATIONS.iter().collect(),
        Some(name) => vec![find(name)?],
    };
    for publication in chosen {
        let compared = compare(publication, &arguments.scenarios, jobs(None))?;
        anstream::print!("{}", page::text(publication, &compared));
        if !arguments.no_report {
            write(&arguments.report, publication, &compared)?;
        }
    }
    Ok(Exit::AsExpected)
}

/// Where the scenarios of the rows are.
pub const SCENARIOS: &str = "scenarios/published";
/// Where the pages are.
pub const PAGES: &str = "reports/published";

/// Makes a publication's page anew.
///
/// # Errors
///
/// A scenario cannot be read, or the page cannot be written.
pub fn make(publication: &Publication, folder: &Path, jobs: usize) -> Result<(), Mistake> {
    write(folder, publication, &compare(publication, Path::new(SCENARIOS), jobs)?)
}

/// The files of a publication's page that are not what its rows give now.
///
/// # Errors
///
/// A scenario cannot be read.
pub fn changed(
    publication: &Publication,
    folder: &Path,
    jobs: usize,
) -> Result<Vec<String>, Mistake> {
    let made = files(publication, &compare(publication, Path::new(SCENARIOS), jobs)?);
    let files = made.into_iter().map(|(name, content)| (folder.join(name), content));
    let changed =
        files.filter(|(path, content)| !fs::read_to_string(path).is_ok_and(|old| old == *content));
    Ok(changed.map(|(path, _)| path.display().to_string()).collect())
}

/// The publication of this name.
///
/// # Errors
///
/// There is none.
pub fn find(name: &str) -> Result<&'static Publication, Mistake> {
    PUBLICATIONS.iter().find(|publication| publication.name == name).ok_or_else(|| {
        let names: Vec<_> = PUBLICATIONS.iter().map(|publication| publication.name).collect();
        Mistake::new(format!("there is no publication `{name}`: say one of {}", names.join(", ")))
    })
}

/// Runs the rows of a publication, so many at a time.
///
/// # Errors
///
/// A scenario cannot be read.
pub fn compare(
    publication: &Publication,
    scenarios: &Path,
    jobs: usize,
) -> Result<Vec<ComparedRow>, Mistake> {
    let run = |row: &Row| compare_row(publication, row, scenarios);
    in_parallel(publication.rows, jobs, run, || {}).into_iter().collect()
}

/// Runs a row under its seeds; of each figure the median counts.
///
/// # Errors
///
/// The scenario cannot be read.
pub fn compare_row(
    publication: &Publication,
    row: &Row,
    scenarios: &Path,
) -> Result<ComparedRow, Mistake> {
    let experiment = experiment(publication, row, scenarios)?;
    let quantities: Vec<Quantity> = row.figures.iter().map(|figure| figure.quantity).collect();
    let is_about_control = quantities.iter().any(|one| matches!(one, Quantity::Control(_)));
    let runs: Vec<Vec<f64>> = (0..row.seeds)
        .map(|nth| {
            let experiment = experiment.with_seed(experiment.seed + nth);
            let mut happened = ControlPlane::default();
            let outcome = experiment.measure(Hosting::Bare, |entry| {
                if is_about_control {
                    happened.watch(entry);
                }
            });
            let measured = outcome.measured.expect("a run that is measured has measures");
            let of = |one: &Quantity| one.of(&measured, &happened, &experiment.scenario);
            quantities.iter().map(of).collect()
        })
        .collect();
    let figures = row.figures.iter().enumerate().map(|(place, figure)| {
        let spread = Spread::of(runs.iter().map(|run| run[place])).expect("a row has a seed");
        Compared { figure: *figure, klab: spread.median }
    });
    Ok(ComparedRow { row: *row, figures: figures.collect(), command: experiment.command() })
}

/// A row as a run of klab.
///
/// # Errors
///
/// The scenario cannot be read.
pub fn experiment(
    publication: &Publication,
    row: &Row,
    scenarios: &Path,
) -> Result<Experiment, Mistake> {
    let name = row.scenario.unwrap_or(publication.name);
    let subject = Subject {
        scenario: scenarios.join(format!("{name}.toml")),
        run: None,
        settings: row.settings.iter().map(ToString::to_string).collect(),
    };
    Experiment::load(&subject, None)
}

/// The files of a page: its name and its content.
fn files(publication: &Publication, compared: &[ComparedRow]) -> [(String, String); 3] {
    let name = publication.name;
    [
        (format!("{name}.md"), page::page(publication, compared)),
        (format!("{name}.csv"), page::table(publication, compared)),
        ("index.md".to_string(), page::index()),
    ]
}

fn write(
    folder: &Path,
    publication: &Publication,
    compared: &[ComparedRow],
) -> Result<(), Mistake> {
    let files = files(publication, compared);
    files.iter().try_for_each(|(name, content)| write_file(&folder.join(name), content))
}

fn write_file(path: &Path, text: &str) -> Result<(), Mistake> {
    let cannot = |error: std::io::Error| Mistake::of_path(path, "it cannot be written", &error);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(cannot)?;
    }
    fs::write(path, text).map_err(cannot)
}
