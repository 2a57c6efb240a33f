//! `klab plot`: a curve of something against something, with what was the limit at each point.
//!
//! A plot is a [`grid`] of runs: the values of a [`sweep`] from left to right, a line for each value of a second one, and
//! several seeds for each point. Each run is reduced to [`quantity`]s; seeds to their median and range ([`spread`]). The
//! shape of a curve and its [`knee`] are found, and the [`page`] says in [`words`] what is to be seen. Without a sweep the
//! plot is that of one run against time ([`timeline`]). [`curated`] makes those that lie in the repository, of which
//! [`pages`] is the table.

pub mod bill;
pub mod curated;
pub mod grid;
pub mod knee;
pub mod page;
pub mod page_folder;
pub mod pages;
pub mod pages_of_zookeeper;
pub mod quantity;
mod ranks;
pub mod spread;
pub mod sweep;
pub mod timeline;
pub mod values;
pub mod words;

use crate::cli::{PlotArguments, Subject};
use crate::error::{Exit, Mistake};
use crate::experiment::{Experiment, quoted, set_words};
use crate::measure::Counted;
use crate::parallel::jobs;
use crate::report::folder;
use grid::{Grid, Line, Results};
use klab_scenario::Scenario;
use page_folder::PageFolder;
use quantity::Quantity;
use sweep::Sweep;
use timeline::Timeline;

/// What is plotted, and how it is told.
#[derive(Clone, Debug)]
pub struct Plot {
    /// In a sentence.
    pub title: String,
    /// What the reader should know before; may be empty.
    pub about: String,
    /// The runs.
    pub grid: Grid,
    /// What is drawn: words of `--measure` with what they mean.
    pub measures: Vec<(String, Vec<Quantity>)>,
    /// Whether its runs have faults in them: then nothing is asked to be steady.
    pub is_disturbed: bool,
    /// What throughput is a number of.
    pub counted: Counted,
    /// The command that repeats it.
    pub command: String,
}

/// The seeds of each point if nothing is said.
const SEEDS: std::ops::Range<u64> = 1..4;

/// Plots a scenario.
///
/// # Errors
///
/// The scenario, a sweep or a measure is wrong, or the folder cannot be written.
pub fn plot(arguments: &PlotArguments) -> Result<Exit, Mistake> {
    if arguments.sweeps.is_empty() {
        return against_time(arguments);
    }
    let plot = Plot::of(arguments)?;
    folder::clean_up_on_signals();
    let results = plot.grid.run(jobs(arguments.jobs))?;
    let folder = plot.folder(&results);
    let written = folder.write(&arguments.out, &plot.name(), arguments.png)?;
    for quantity in plot.measures.iter().flat_map(|(_, quantities)| quantities) {
        words::curves(&plot.grid, &results, *quantity)
            .iter()
            .for_each(|line| anstream::println!("{line}"));
    }
    words::of_all(&plot, &results).iter().for_each(|line| anstream::println!("{line}"));
    anstream::eprintln!("Page         {}", written.join("index.md").display());
    Ok(results.all().map(|reading| reading.exit).max().unwrap_or(Exit::AsExpected))
}

/// Plots one run against time.
fn against_time(arguments: &PlotArguments) -> Result<Exit, Mistake> {
    if !arguments.measures.is_empty() {
        let way =
            "--measure is for curves: add a sweep, as in --sweep topic.partitions=1,2,4,..,64";
        return Err(Mistake::new(way));
    }
    let experiment =
        Experiment::load(&arguments.subject, arguments.seeds.as_ref().map(|seeds| seeds.start))?;
    folder::clean_up_on_signals();
    let name = format!("{}-against-time", experiment.name());
    let timeline = Timeline {
        title: experiment.scenario.title.clone(),
        about: experiment.scenario.about.clone().unwrap_or_default(),
        command: command(arguments),
        experiment,
    };
    let (outcome, folder) = timeline.run();
    let written = folder.write(&arguments.out, &name, arguments.png)?;
    anstream::eprintln!("Page         {}", written.join("index.md").display());
    Ok(outcome.exit())
}

/// Whether faults come in its runs.
pub(crate) fn is_disturbed(scenario: &Scenario) -> bool {
    !scenario.acts.is_empty() || !scenario.nemeses.is_empty()
}

impl Plot {
    /// The plot that a command asks for.
    fn of(arguments: &PlotArguments) -> Result<Self, Mistake> {
        let subject = &arguments.subject;
        let sweeps = arguments.sweeps.iter().map(|text| Sweep::read(text));
        let sweeps: Vec<Sweep> = sweeps.collect::<Result<_, _>>()?;
        let (along, second) = axes(sweeps, subject)?;
        let lines = second.map_or(vec![Line::default()], |sweep| lines(&sweep));
        let scenario = Experiment::load(subject, None)?.scenario;
        let measures = measures(&arguments.measures)?;
        Ok(Plot {
            title: format!("{} against {}", listed(&measures), along.key),
            about: format!("{}.\n\n{}", scenario.title, scenario.about.clone().unwrap_or_default()),
            grid: Grid {
                subject: subject.clone(),
                along,
                lines,
                seeds: arguments.seeds.clone().unwrap_or(SEEDS),
            },
            measures,
            is_disturbed: is_disturbed(&scenario),
            counted: Counted::in_a_run_of(&scenario),
            command: command(arguments),
        })
    }

    /// The name of its folder.
    fn name(&self) -> String {
        let stem = self.grid.subject.scenario.file_stem();
        let stem = stem.map_or("plot".into(), |stem| stem.to_string_lossy().into_owned());
        format!("{stem}-against-{}", self.grid.along.key)
    }

    /// The page, its pictures and its data.
    pub fn folder(&self, results: &Results) -> PageFolder {
        let pictures = page::pictures(self, results);
        let page = page::page(self, results, &pictures);
        let texts = [("index.md", page), ("data.csv", page::csv(self, results))];
        PageFolder::new(texts, pictures.into_iter().map(page::Picture::drawn))
    }
}

/// The sweep from left to right, and the one that makes the lines.
fn axes(sweeps: Vec<Sweep>, subject: &Subject) -> Result<(Sweep, Option<Sweep>), Mistake> {
    let set: Vec<&str> =
        subject.settings.iter().filter_map(|one| Some(one.split_once('=')?.0)).collect();
    if let Some(sweep) = sweeps.iter().find(|sweep| set.contains(&sweep.key.as_str())) {
        let key = &sweep.key;
        return Err(Mistake::new(format!("{key} is both set and swept: leave out --set {key}=..")));
    }
    let mut sweeps = sweeps.into_iter();
    match (sweeps.next(), sweeps.next(), sweeps.next()) {
        (Some(along), Some(second), None) if along.key == second.key => {
            Err(Mistake::new(format!("{} is swept twice", along.key)))
        }
        (Some(along), second, None) => Ok((along, second)),
        (None, ..) => {
            Err(Mistake::new("a plot needs a sweep, as in --sweep topic.partitions=1,2,4,..,64"))
        }
        (_, _, Some(third)) => {
            let key = third.key;
            Err(Mistake::new(format!(
                "a plot has at most two sweeps, from left to right and a line each: plot {key} apart, with --set {key}=.."
            )))
        }
    }
}

fn lines(sweep: &Sweep) -> Vec<Line> {
    let key = &sweep.key;
    // `producer.acks=all` is `acks=all` to a reader.
    let short = key.split_once('.').map_or(key.as_str(), |(_, rest)| rest);
    let line = |value: &String| Line {
        label: format!("{short}={value}"),
        settings: vec![format!("{key}={value}")],
    };
    sweep.values.iter().map(line).collect()
}

/// The quantities of these words; throughput and latency if there are none.
pub fn measures(words: &[String]) -> Result<Vec<(String, Vec<Quantity>)>, Mistake> {
    let usual = ["throughput".to_string(), "latency".to_string()];
    let words = if words.is_empty() { &usual[..] } else { words };
    words.iter().map(|word| Ok((word.clone(), quantity::named(word)?))).collect()
}

fn listed(measures: &[(String, Vec<Quantity>)]) -> String {
    let words: Vec<&str> = measures.iter().map(|(word, _)| word.as_str()).collect();
    let text = words.join(", ");
    text[..1].to_uppercase() + &text[1..]
}

fn command(arguments: &PlotArguments) -> String {
    let subject = &arguments.subject;
    let mut command = format!("klab plot {}", quoted(&subject.scenario.display().to_string()));
    command.extend(subject.run.iter().map(|run| format!(" --run {run}")));
    command += &set_words(&subject.settings);
    let sweeps = arguments.sweeps.iter().map(|one| format!(" --sweep {}", quoted(one)));
    let measures = arguments.measures.iter().map(|one| format!(" --measure {one}"));
    command.extend(sweeps.chain(measures));
    match &arguments.seeds {
        Some(seeds) => format!("{command} --seeds {}..{}", seeds.start, seeds.end),
        None => command,
    }
}
