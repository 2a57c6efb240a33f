//! One run of one scenario under one seed, judged.

use crate::cli::Subject;
use crate::error::{Exit, Mistake};
use crate::measure::limit::Limit;
use crate::measure::usage::Gauged;
use crate::measure::{Measured, Meter};
use crate::own_mistake::Running;
use crate::vocabulary::Words;
use crate::{hosting, judging};
use klab_check::{Judge, Summary, Verdict};
use klab_machine::trace::Entry;
use klab_scenario::{Problems, Run, Scenario};
use klab_wire::{Span, Time};
use klab_world::World;
use serde::Serialize;
use std::fs;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

/// A scenario with the settings and the seed that it is run with.
#[derive(Clone, Debug)]
pub struct Experiment {
    /// The file.
    pub path: PathBuf,
    /// The settings over the file's.
    pub settings: Vec<String>,
    /// Which of the scenario's runs it is, if the scenario has several.
    pub run: Option<Run>,
    /// What it says.
    pub scenario: Scenario,
    /// The scenario as a file again, with the settings in it.
    pub source: String,
    /// The seed.
    pub seed: u64,
}

/// Where a run happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hosting {
    /// In a madsim runtime, which catches what leaks in from the real world.
    Caged,
    /// In the open: the same to the byte, and faster.
    Bare,
}

/// What came of a run that somebody reads about: everything that there is of one that was only judged, and
/// a summary.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What the judge says.
    pub judged: Judged,
    /// What a person wants to read first.
    pub summary: Summary,
    /// What was measured, if it was.
    pub measured: Option<Box<Measured>>,
}

/// What came of a run that was only judged: one of thousands, of which nobody reads.
#[derive(Clone, Debug)]
pub struct Judged {
    /// The judge's verdict.
    pub verdict: Verdict,
    /// The digest of the whole trace; none of a run of which only the verdict was asked.
    pub fingerprint: Option<String>,
    /// How many steps the machines took.
    pub steps: u64,
    /// How many messages reached their receiver.
    pub messages: u64,
    /// How much simulated time passed.
    pub end: Span,
}

impl Experiment {
    /// Reads and checks the scenario of a command that is about one run.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or something in it or in a setting is wrong; or it has several runs, and
    /// the command names none of them.
    pub fn load(subject: &Subject, seed: Option<u64>) -> Result<Self, Mistake> {
        let mut all = Self::load_all(subject, seed)?;
        let names: Vec<_> = all.iter().flat_map(|one| &one.run).map(|run| &*run.name).collect();
        match names.len() > 1 {
            true => Err(Mistake::new(format!(
                "{} has several runs: say one of {}",
                subject.scenario.display(),
                names.iter().map(|name| format!("--run {name}")).collect::<Vec<_>>().join(", ")
            ))),
            false => Ok(all.remove(0)),
        }
    }

    /// Reads and checks the scenario of a command: every one of its runs, or the one that is named.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or something in it or in a setting is wrong.
    pub fn load_all(subject: &Subject, seed: Option<u64>) -> Result<Vec<Self>, Mistake> {
        let Subject { scenario: path, run, settings } = subject;
        let text = read(path)?;
        let whole = parse(&path.display().to_string(), &text, &[])?;
        let is_wanted = |one: &&Run| run.as_ref().is_none_or(|name| *name == one.name);
        let chosen: Vec<&Run> = whole.runs.iter().filter(is_wanted).collect();
        match (chosen.as_slice(), run) {
            ([], Some(name)) => Err(no_such_run(path, name, &whole)),
            ([], None) => Ok(vec![Self::of_text(path, &text, settings, seed)?]),
            (chosen, _) => {
                chosen.iter().map(|run| Self::of_run(&whole, run, &text, subject, seed)).collect()
            }
        }
    }

    fn of_run(
        whole: &Scenario,
        run: &Run,
        text: &str,
        subject: &Subject,
        seed: Option<u64>,
    ) -> Result<Self, Mistake> {
        let text = whole.text_of_run(text, run).map_err(|problems| told(&problems))?;
        let experiment = Self::of_text(&subject.scenario, &text, &subject.settings, seed)?;
        Ok(Experiment { run: Some(run.clone()), ..experiment })
    }

    /// Reads and checks a scenario that is not in a file; `name` stands for it in messages.
    ///
    /// # Errors
    ///
    /// Something in it is wrong.
    pub fn parse(name: &str, text: &str, seed: Option<u64>) -> Result<Self, Mistake> {
        Self::of_text(Path::new(name), text, &[], seed)
    }

    fn of_text(
        path: &Path,
        text: &str,
        settings: &[String],
        seed: Option<u64>,
    ) -> Result<Self, Mistake> {
        let pairs = settings.iter().map(|setting| pair(setting));
        let pairs = pairs.collect::<Result<Vec<_>, _>>()?;
        let name = path.display().to_string();
        let scenario = parse(&name, text, &pairs)?;
        let source = if pairs.is_empty() { text.to_string() } else { scenario.to_string() };
        Ok(Experiment {
            path: path.to_path_buf(),
            settings: settings.to_vec(),
            run: None,
            seed: seed.unwrap_or(scenario.seed),
            scenario,
            source,
        })
    }

    /// The same scenario under another seed.
    pub fn with_seed(&self, seed: u64) -> Self {
        Experiment { seed, ..self.clone() }
    }

    /// The name of the run's folder.
    pub fn name(&self) -> String {
        let stem = self.path.file_stem().map_or("run".into(), |stem| stem.to_string_lossy());
        let run = self.run.as_ref().map_or(String::new(), |run| format!("-{}", run.name));
        format!("{stem}{run}{}-seed{}", set_in_name(&self.settings), self.seed)
    }

    /// The one line that repeats this run.
    pub fn command(&self) -> String {
        let settings = set_words(&self.settings);
        let path = quoted(&self.path.display().to_string());
        let run = self.run.as_ref().map_or(String::new(), |run| format!(" --run {}", run.name));
        format!("klab run {path}{run} --seed {}{settings}", self.seed)
    }

    /// Runs it to its end, showing every entry of the trace to `observe` on the way.
    pub fn run(&self, hosting: Hosting, mut observe: impl FnMut(&Entry) + Send) -> Outcome {
        let world = World::new(&self.scenario, self.seed);
        let mut summary = Summary::new(&judging::settings(&self.scenario));
        let judged = self.run_world(world, hosting, |entry| {
            summary.watch(entry);
            observe(entry);
        });
        summary.finish(Time::ZERO + judged.end);
        Outcome { judged, summary, measured: None }
    }

    /// Runs it to its end for the verdict alone.
    pub fn judge(&self, hosting: Hosting) -> Judged {
        self.run_world(self.unseen_world().undigested(), hosting, |_| {})
    }

    /// Runs it to its end for the verdict and the fingerprint.
    pub fn digest(&self, hosting: Hosting) -> Judged {
        self.run_world(self.unseen_world(), hosting, |_| {})
    }

    /// Its world, of which nobody sees more than the judge has to.
    fn unseen_world(&self) -> World {
        let unseen = klab_check::disregarded(&judging::expectations(&self.scenario));
        World::new(&self.scenario, self.seed).without(unseen)
    }

    fn run_world(
        &self,
        world: World,
        hosting: Hosting,
        observe: impl FnMut(&Entry) + Send,
    ) -> Judged {
        let _running = Running::begin(self.command());
        let mut observer = Observer::new(&self.scenario, observe);
        let world = hosting::run(world, self.seed, hosting, |entry| observer.watch(entry));
        observer.finish(hosting::run_end(&world))
    }

    /// Runs it to its end, judged and measured.
    pub fn measure(&self, hosting: Hosting, mut observe: impl FnMut(&Entry) + Send) -> Outcome {
        let _running = Running::begin(self.command());
        let mut meter = Meter::new(&self.scenario);
        let world = Gauged::new(World::new(&self.scenario, self.seed), meter.interval());
        let mut summary = Summary::new(&judging::settings(&self.scenario));
        let mut observer = Observer::new(&self.scenario, |entry: &Entry| {
            summary.watch(entry);
            meter.watch(entry);
            observe(entry);
        });
        let world = hosting::run(world, self.seed, hosting, |entry| observer.watch(entry));
        let end = hosting::run_end(world.world());
        let time = end.time;
        let judged = observer.finish(end);
        summary.finish(time);
        let measured = Some(Box::new(meter.finish(time, world.into_readings())));
        Outcome { judged, summary, measured }
    }
}

impl std::ops::Deref for Outcome {
    type Target = Judged;

    fn deref(&self) -> &Judged {
        &self.judged
    }
}

impl Judged {
    /// The digest of the whole trace of a run that somebody reads about, as 16 hexadecimal digits.
    ///
    /// # Panics
    ///
    /// If only the verdict was asked.
    pub fn fingerprint(&self) -> &str {
        self.fingerprint.as_deref().expect("the run was digested")
    }

    /// How a command that made this run should exit.
    pub fn exit(&self) -> Exit {
        match self.verdict.exit_code {
            0 => Exit::AsExpected,
            2 => Exit::Vacuous,
            _ => Exit::Violated,
        }
    }
}

impl Outcome {
    /// The outcome for a program: `verdict.json`.
    pub fn json(&self, experiment: &Experiment) -> String {
        #[derive(Serialize)]
        struct Page<'a> {
            klab: &'a str,
            scenario: &'a Path,
            #[serde(skip_serializing_if = "Option::is_none")]
            run: Option<&'a str>,
            settings: &'a [String],
            seed: u64,
            repeat: String,
            fingerprint: &'a str,
            steps: u64,
            messages: u64,
            simulated_nanoseconds: Span,
            verdict: &'a Verdict,
            summary: &'a Summary,
            #[serde(skip_serializing_if = "Option::is_none")]
            measured: Option<&'a Measured>,
            #[serde(skip_serializing_if = "Option::is_none")]
            limit: Option<Limit>,
        }
        let page = Page {
            klab: env!("CARGO_PKG_VERSION"),
            scenario: &experiment.path,
            run: experiment.run.as_ref().map(|run| &*run.name),
            settings: &experiment.settings,
            seed: experiment.seed,
            repeat: experiment.command(),
            fingerprint: self.fingerprint(),
            steps: self.steps,
            messages: self.messages,
            simulated_nanoseconds: self.end,
            verdict: &self.verdict,
            summary: &self.summary,
            measured: self.measured.as_deref(),
            limit: self.measured.as_deref().map(Limit::of),
        };
        let mut json = serde_json::to_string_pretty(&page).expect("plain data becomes JSON");
        json.push('\n');
        json
    }
}

/// Watches a run for the judge, and for whoever else wants to see it.
pub(crate) struct Observer<F> {
    judge: Judge,
    observe: F,
}

/// What a run's host knows at its end.
pub(crate) struct RunEnd {
    pub time: Time,
    pub steps: u64,
    pub messages: u64,
    pub fingerprint: Option<String>,
    pub convergence: klab_check::Convergence,
}

impl<F: FnMut(&Entry)> Observer<F> {
    fn new(scenario: &Scenario, observe: F) -> Self {
        let judge = Judge::new(judging::settings(scenario), judging::expectations(scenario));
        Observer { judge, observe }
    }

    pub(crate) fn watch(&mut self, entry: &Entry) {
        self.judge.watch(entry);
        (self.observe)(entry);
    }

    fn finish(self, end: RunEnd) -> Judged {
        let RunEnd { time, steps, messages, fingerprint, convergence } = end;
        Judged {
            verdict: self.judge.finish(klab_check::End { time, convergence }),
            fingerprint,
            steps,
            messages,
            end: time.since(Time::ZERO),
        }
    }
}

fn read(path: &Path) -> Result<String, Mistake> {
    fs::read_to_string(path).map_err(|error| {
        let mistake = Mistake::of_path(path, "the scenario cannot be read", &error);
        match error.kind() {
            std::io::ErrorKind::NotFound => {
                Mistake::new(format!("{mistake}\n`klab list` shows the scenarios there are"))
            }
            _ => mistake,
        }
    })
}

fn parse(name: &str, text: &str, settings: &[(&str, &str)]) -> Result<Scenario, Mistake> {
    Scenario::parse_with(name, text, settings, &Words::all().vocabulary())
        .map_err(|problems| told(&problems))
}

fn told(problems: &Problems) -> Mistake {
    Mistake::new(problems.render(std::io::stderr().is_terminal()))
}

fn no_such_run(path: &Path, name: &str, scenario: &Scenario) -> Mistake {
    let names: Vec<&str> = scenario.runs.iter().map(|run| &*run.name).collect();
    let has = match names.is_empty() {
        true => "it has one run, without a name".to_string(),
        false => format!("it has {}", names.join(", ")),
    };
    Mistake::new(format!("{} has no run `{name}`; {has}", path.display()))
}

/// Settings as a command takes them.
pub(crate) fn set_words(settings: &[String]) -> String {
    settings.iter().map(|setting| format!(" --set {}", quoted(setting))).collect()
}

/// As a shell takes it for one word.
pub(crate) fn quoted(text: &str) -> String {
    match text.contains([' ', '"', '\'', '*', '[', '{', ',']) {
        true => format!("'{}'", text.replace('\'', r"'\''")),
        false => text.to_string(),
    }
}

/// Settings as a part of a folder's name.
pub(crate) fn set_in_name(settings: &[String]) -> String {
    let tame = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' };
    let tamed = |setting: &String| format!("-{}", setting.chars().map(tame).collect::<String>());
    shortened(settings.iter().map(tamed).collect())
}

/// Many settings as the beginning of their text and a number: file systems have a limit.
fn shortened(settings: String) -> String {
    const LONGEST: usize = 120;
    if settings.len() <= LONGEST {
        return settings;
    }
    let number = settings
        .bytes()
        .fold(7_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(byte)));
    format!("{}-{number:08x}", settings.chars().take(LONGEST).collect::<String>())
}

/// `producer.acks=1` in its two parts.
pub(crate) fn pair(setting: &str) -> Result<(&str, &str), Mistake> {
    setting.split_once('=').ok_or_else(|| {
        Mistake::new(format!(
            "--set {setting}: a setting is written KEY=VALUE, as in producer.acks=1"
        ))
    })
}
