//! The command line: what can be asked, and who answers.

use crate::error::{Exit, Mistake};
use crate::{check, compare, explain, explore, fingerprints, list, plot, published, run, show};
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// A deterministic simulation and teaching lab of Apache Kafka.
#[derive(Debug, Parser)]
#[command(
    name = "klab",
    version,
    after_help = "Exit codes: 0 as expected, 1 violated, 2 vacuous, 3 bad input, \
                  4 nondeterministic, 5 out of budget."
)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a scenario once, judge it, and write its report
    Run(RunArguments),
    /// Run a scenario under many seeds and list the distinct failures
    Explore(ExploreArguments),
    /// Lay two or more runs of a scenario side by side, on one axis of time
    Compare(CompareArguments),
    /// Draw a curve: a measure against a key of the scenario, over several seeds
    Plot(PlotArguments),
    /// Make the curated pages of reports/performance and reports/zookeeper anew, or check them
    Report(ReportArguments),
    /// Judge a history from a file: a run's, or one that was recorded from a real cluster
    #[command(after_long_help = CHECK_HELP)]
    Check(CheckArguments),
    /// Show the deployment at one moment of a run
    Show(ShowArguments),
    /// List the concepts, or the scenarios of one
    List(ListArguments),
    /// Say what a concept, fact, promise, error, config or switch is, and which scenario shows it
    Explain(ExplainArguments),
    /// Print (or check) the fingerprint of every scenario under its own seed
    Fingerprints(FingerprintsArguments),
    /// Run published measurements and show klab's figures beside them
    Published(PublishedArguments),
}

const CHECK_HELP: &str = concat!(
    "Exit codes: 0 valid, 1 violated, 2 vacuous, 3 bad input.\n",
    include_str!("history/format.md")
);

/// Which run: a scenario, a seed, and settings over the file's.
#[derive(Clone, Debug, Args)]
pub struct Subject {
    /// The scenario file
    pub scenario: PathBuf,
    /// One of the scenario's runs, if it has several [default: all, one after the other]
    #[arg(long = "run", value_name = "NAME")]
    pub run: Option<String>,
    /// A setting over the file's, such as producer.acks=1; may be given more than once
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub settings: Vec<String>,
}

/// `klab run`
#[derive(Debug, Args)]
pub struct RunArguments {
    /// Which run
    #[command(flatten)]
    pub subject: Subject,
    /// The seed of the run's weather [default: the scenario's, or 1]
    #[arg(long)]
    pub seed: Option<u64>,
    /// Write the run's folder below this one
    #[arg(long, value_name = "DIR", default_value = "reports/runs")]
    pub report: PathBuf,
    /// Write no folder
    #[arg(long, conflicts_with = "report")]
    pub no_report: bool,
    /// Write the history of the clients' calls to this file as well: .jsonl for JSON lines, .edn for Jepsen
    #[arg(long, value_name = "FILE")]
    pub history: Option<PathBuf>,
    /// Write the fate of every message into the trace as well
    #[arg(long)]
    pub messages: bool,
    /// Print the verdict as JSON
    #[arg(long)]
    pub json: bool,
    /// Run without the cage: faster, and a leak of the real world would go unnoticed
    #[arg(long)]
    pub bare: bool,
}

/// `klab explore`
#[derive(Debug, Args)]
pub struct ExploreArguments {
    /// Which run
    #[command(flatten)]
    pub subject: Subject,
    /// The seeds, from the first up to (not including) the last
    #[arg(long, value_name = "FIRST..LAST", default_value = "0..100", value_parser = seeds)]
    pub seeds: std::ops::Range<u64>,
    /// How many runs at a time [default: one per core]
    #[arg(long)]
    pub jobs: Option<usize>,
    /// Stop at the first seed that is not as expected
    #[arg(long)]
    pub first: bool,
    /// Print one JSON object per seed
    #[arg(long)]
    pub json: bool,
}

/// `klab compare`
#[derive(Debug, Args)]
pub struct CompareArguments {
    /// The scenario, and what is set: a key with several values, as in --set producer.acks=1,all, makes a run of each;
    /// without one the runs of a scenario that has several are compared
    #[command(flatten)]
    pub subject: Subject,
    /// The seed of the runs' weather [default: the scenario's, or 1]
    #[arg(long)]
    pub seed: Option<u64>,
    /// How many runs at a time [default: one per core]
    #[arg(long)]
    pub jobs: Option<usize>,
    /// Write the page's folder below this one
    #[arg(long, value_name = "DIR", default_value = "reports/runs")]
    pub out: PathBuf,
    /// Write no page
    #[arg(long, conflicts_with = "out")]
    pub no_report: bool,
}

/// `klab plot`
#[derive(Debug, Args)]
pub struct PlotArguments {
    /// Which run
    #[command(flatten)]
    pub subject: Subject,
    /// A key and its values from left to right, such as topic.partitions=1,2,4,..,64; a second sweep makes a line of each
    /// of its values; without one the plot is that of one run against time
    #[arg(long = "sweep", value_name = "KEY=VALUE,VALUE,..")]
    pub sweeps: Vec<String>,
    /// What is drawn; may be given more than once [default: throughput and latency]
    #[arg(long = "measure", value_name = "WORD")]
    pub measures: Vec<String>,
    /// The seeds of each point, from the first up to (not including) the last [default: 1..4; against time the
    /// scenario's]
    #[arg(long, value_name = "FIRST..LAST", value_parser = seeds)]
    pub seeds: Option<std::ops::Range<u64>>,
    /// How many runs at a time [default: one per core]
    #[arg(long)]
    pub jobs: Option<usize>,
    /// Write the page's folder below this one
    #[arg(long, value_name = "DIR", default_value = "reports/runs")]
    pub out: PathBuf,
    /// Write the pictures as PNG as well
    #[arg(long)]
    pub png: bool,
}

/// `klab report`
#[derive(Debug, Args)]
pub struct ReportArguments {
    /// The pages [default: all]
    pub names: Vec<String>,
    /// List them
    #[arg(long)]
    pub list: bool,
    /// Write nothing, and say which files are not what their runs give now
    #[arg(long, conflicts_with_all = ["list", "png"])]
    pub check: bool,
    /// How many runs at a time [default: one per core]
    #[arg(long)]
    pub jobs: Option<usize>,
    /// Write the pages below this folder [default: where they lie]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Write the pictures as PNG as well
    #[arg(long)]
    pub png: bool,
}

/// `klab check`
#[derive(Debug, Args)]
pub struct CheckArguments {
    /// The history: JSON lines (.jsonl) or EDN (.edn); - reads JSON lines from standard input
    pub history: PathBuf,
    /// What was promised, over the history's first line, such as acks=1; may be given more than once
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub settings: Vec<String>,
    /// Print the verdict as JSON
    #[arg(long)]
    pub json: bool,
}

/// `klab show`
#[derive(Debug, Args)]
pub struct ShowArguments {
    /// Which run
    #[command(flatten)]
    pub subject: Subject,
    /// The seed of the run's weather [default: the scenario's, or 1]
    #[arg(long)]
    pub seed: Option<u64>,
    /// The moment, such as 12.5s [default: the end]
    #[arg(long, value_name = "TIME", value_parser = span)]
    pub at: Option<klab_wire::Span>,
    /// Only this node, such as b2
    #[arg(long)]
    pub node: Option<String>,
}

/// `klab list`
#[derive(Debug, Args)]
pub struct ListArguments {
    /// A concept, to list its scenarios
    pub concept: Option<String>,
    /// Print as JSON
    #[arg(long)]
    pub json: bool,
}

/// `klab explain`
#[derive(Debug, Args)]
pub struct ExplainArguments {
    /// A concept, fact, promise, anomaly, error code, config or switch; none lists what can be asked; `promises`
    /// with a scenario says what that one promises, and why
    pub word: Option<String>,
    /// The scenario of which the promises are asked
    pub scenario: Option<PathBuf>,
    /// One of the scenario's runs, if it has several
    #[arg(long = "run", value_name = "NAME", requires = "scenario")]
    pub run: Option<String>,
    /// A setting over the scenario's, such as producer.acks=1
    #[arg(long = "set", value_name = "KEY=VALUE", requires = "scenario")]
    pub settings: Vec<String>,
}

/// `klab fingerprints`
#[derive(Debug, Args)]
pub struct FingerprintsArguments {
    /// Compare with this file, and fail where it differs
    #[arg(long, value_name = "FILE")]
    pub check: Option<PathBuf>,
}

/// `klab published`
#[derive(Debug, Args)]
pub struct PublishedArguments {
    /// Only one publication, such as kreps-2014
    pub only: Option<String>,
    /// Where their scenarios are
    #[arg(long, value_name = "DIR", default_value = "scenarios/published")]
    pub scenarios: PathBuf,
    /// Write the pages into this folder
    #[arg(long, value_name = "DIR", default_value = "reports/published")]
    pub report: PathBuf,
    /// Write no pages
    #[arg(long, conflicts_with = "report")]
    pub no_report: bool,
}

impl Cli {
    /// Does what was asked.
    ///
    /// # Errors
    ///
    /// The person got something wrong; the message says what, where, and the way out.
    pub fn execute(self) -> Result<Exit, Mistake> {
        match self.command {
            Command::Run(arguments) => run::run(&arguments),
            Command::Explore(arguments) => explore::explore(&arguments),
            Command::Compare(arguments) => compare::compare(&arguments),
            Command::Plot(arguments) => plot::plot(&arguments),
            Command::Report(arguments) => plot::curated::report(&arguments),
            Command::Check(arguments) => check::check(&arguments),
            Command::Show(arguments) => show::show(&arguments),
            Command::List(arguments) => list::list(&arguments),
            Command::Explain(arguments) => explain::explain(&arguments),
            Command::Fingerprints(arguments) => fingerprints::fingerprints(&arguments),
            Command::Published(arguments) => published::published(&arguments),
        }
    }
}

/// Reads `0..100`.
fn seeds(text: &str) -> Result<std::ops::Range<u64>, String> {
    let range = text.split_once("..").and_then(|(first, last)| {
        let (first, last) = (first.parse().ok()?, last.parse().ok()?);
        (first < last).then_some(first..last)
    });
    range.ok_or_else(|| "seeds are written FIRST..LAST with FIRST below LAST, as in 0..1000".into())
}

/// Reads `12.5s`.
fn span(text: &str) -> Result<klab_wire::Span, String> {
    klab_scenario::amount::span(text)
        .ok_or_else(|| "a time is written with its unit, as in 12.5s or 250ms".into())
}
