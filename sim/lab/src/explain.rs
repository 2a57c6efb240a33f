//! `klab explain`: what a word of Kafka's or klab's means, where it lives, which scenario shows it.

use crate::cli::ExplainArguments;
use crate::concepts::{CONCEPTS, concept};
use crate::error::{Exit, Mistake};
use crate::experiment::Experiment;
use crate::list;
use crate::promises;
use klab_check::{ANOMALIES, PROMISES};
use klab_machine::Fact;
use klab_scenario::{CONSTANTS, Expectation, Profile};
use klab_wire::ErrorCode;
use klab_wire::config::{ConfigKind, Release, SWITCHES, Switches};

/// A word with all that is known of it.
struct Entry {
    /// What kind of thing it is.
    kind: &'static str,
    /// Its name.
    name: String,
    /// What it is.
    lines: Vec<String>,
    /// The scenarios that show it.
    scenarios: Vec<String>,
}

/// Explains a word, or lists what can be asked.
///
/// # Errors
///
/// Nobody knows the word, or a scenario cannot be read.
pub fn explain(arguments: &ExplainArguments) -> Result<Exit, Mistake> {
    let Some(word) = &arguments.word else {
        print_index();
        return Ok(Exit::AsExpected);
    };
    if word == "promises" {
        return promises::explain(arguments);
    }
    if let Some(scenario) = &arguments.scenario {
        let scenario = scenario.display();
        let sentence =
            format!("only promises are asked of a scenario: klab explain promises {scenario}");
        return Err(Mistake::new(sentence));
    }
    let experiments = list::experiments()?;
    let entries = entries(word, &experiments);
    if entries.is_empty() {
        return Err(unknown(word));
    }
    for entry in entries {
        print(&entry);
    }
    Ok(Exit::AsExpected)
}

fn entries(word: &str, experiments: &[Experiment]) -> Vec<Entry> {
    let mut entries: Vec<Entry> = [
        explain_concept(word, experiments),
        explain_promise(word, experiments),
        explain_anomaly(word),
        explain_fact(word, experiments),
        explain_error(word),
        explain_switch(word, experiments),
        explain_hardware(word, experiments),
    ]
    .into_iter()
    .flatten()
    .collect();
    entries.extend(
        ConfigKind::ALL.into_iter().filter_map(|kind| explain_config(word, kind, experiments)),
    );
    entries
}

/// A profile with its file, or a constant with its value in every profile; `hardware` for what profiles there are.
fn explain_hardware(word: &str, experiments: &[Experiment]) -> Option<Entry> {
    let runs_on = |profile: Profile| {
        let on = experiments.iter().filter(move |one| one.scenario.hardware.profile == profile);
        on.map(|one| one.path.display().to_string()).collect::<Vec<_>>()
    };
    let entry = |name: &str, lines, scenarios| {
        Some(Entry { kind: "hardware", name: name.to_string(), lines, scenarios })
    };
    if word == "hardware" {
        let mut lines =
            vec!["What everything costs: [hardware] profile = \"cloud-nvme\". Profiles:".into()];
        lines.extend(Profile::ALL.map(|profile| format!("  klab explain {}", profile.name())));
        lines.extend(CONSTANTS.iter().map(|one| format!("{}: {}", one.name, one.meaning)));
        return entry(word, lines, Vec::new());
    }
    if let Some(profile) = Profile::ALL.into_iter().find(|profile| profile.name() == word) {
        let lines = profile.text().lines().map(String::from).collect();
        let is_default = profile == Profile::default();
        return entry(word, lines, if is_default { Vec::new() } else { runs_on(profile) });
    }
    let place = CONSTANTS.iter().position(|constant| constant.name == word)?;
    let mut lines = vec![CONSTANTS[place].meaning.to_string()];
    for profile in Profile::ALL {
        lines.push(format!("{}: {}", profile.name(), profile.hardware().values()[place]));
    }
    entry(word, lines, Vec::new())
}

fn explain_concept(word: &str, experiments: &[Experiment]) -> Option<Entry> {
    let concept = concept(word)?;
    let facts_promises = PROMISES.iter().filter(|info| info.concept == concept.name);
    let mut lines = vec![
        concept.sentence.to_string(),
        format!("Kafka: {}", concept.source),
        format!("klab:  {}", concept.file),
    ];
    lines.extend(facts_promises.map(|info| format!("promise {}: {}", info.promise, info.sentence)));
    let shown = shown_by(experiments, |one| one.scenario.concept == concept.name);
    Some(Entry { kind: "concept", name: concept.name.into(), lines, scenarios: shown })
}

fn explain_promise(word: &str, experiments: &[Experiment]) -> Option<Entry> {
    let info = PROMISES.iter().find(|info| info.promise.name() == word)?;
    let is_about = |expectation: &Expectation| match expectation {
        Expectation::Always { always } => always == word,
        Expectation::Violated { violated, .. } => violated == word,
        Expectation::Sometimes { .. } | Expectation::Never { .. } => false,
    };
    Some(Entry {
        kind: "promise",
        name: word.into(),
        lines: vec![
            info.sentence.into(),
            format!("First stated: {}", info.source),
            format!("Concept: {}", info.concept),
        ],
        scenarios: shown_by(experiments, |one| one.scenario.expectations.iter().any(is_about)),
    })
}

fn explain_anomaly(word: &str) -> Option<Entry> {
    let info = ANOMALIES.iter().find(|info| info.anomaly.name().eq_ignore_ascii_case(word))?;
    Some(Entry {
        kind: "anomaly",
        name: info.anomaly.name().into(),
        lines: vec![
            info.sentence.into(),
            format!("It breaks the promise {}.", info.promise),
            format!("klab:  sim/check/src/history/{}", info.file),
            format!("Small histories: tests/histories/{}", info.anomaly),
        ],
        scenarios: Vec::new(),
    })
}

fn explain_fact(word: &str, experiments: &[Experiment]) -> Option<Entry> {
    let (area, name, sentence) =
        Fact::sentences().find(|(_, name, _)| name.eq_ignore_ascii_case(word))?;
    let is_about = |expectation: &Expectation| match expectation {
        Expectation::Sometimes { sometimes, .. } => sometimes == name,
        Expectation::Never { never, .. } => never == name,
        Expectation::Always { .. } | Expectation::Violated { .. } => false,
    };
    let area = area.to_lowercase();
    Some(Entry {
        kind: "fact",
        name: name.into(),
        lines: vec![sentence.into(), format!("klab:  sim/machine/src/fact/{area}.rs")],
        scenarios: shown_by(experiments, |one| one.scenario.expectations.iter().any(is_about)),
    })
}

fn explain_error(word: &str) -> Option<Entry> {
    let error = ErrorCode::ALL.iter().find(|error| error.name().eq_ignore_ascii_case(word))?;
    let retry = match (error.is_stale_metadata(), error.is_retriable()) {
        (true, _) => {
            "The sender's metadata is out of date: it asks for fresh metadata and tries again."
        }
        (false, true) => "The same request may succeed later.",
        (false, false) => "Trying again would not help.",
    };
    Some(Entry {
        kind: "error",
        name: error.name().into(),
        lines: vec![
            format!("Kafka's error code {}.", error.code()),
            retry.into(),
            "Kafka: org.apache.kafka.common.protocol.Errors".into(),
            "klab:  sim/wire/src/error.rs".into(),
        ],
        scenarios: Vec::new(),
    })
}

fn explain_switch(word: &str, experiments: &[Experiment]) -> Option<Entry> {
    let switch = SWITCHES.iter().find(|switch| switch.name == word)?;
    let value = |(value, since): &(&str, Release)| match *since <= Release::OLDEST {
        true => format!("\"{value}\""),
        false => format!("\"{value}\" since {since}"),
    };
    let values: Vec<String> = switch.values.iter().map(value).collect();
    let default = Switches::default().value(switch.name).unwrap_or_default();
    Some(Entry {
        kind: "switch",
        name: word.into(),
        lines: vec![
            switch.doc.trim().into(),
            format!("Takes {}; {} has \"{default}\".", values.join(", "), Release::DEFAULT),
            format!("Set it with --set kafka.switches.{word}={}", switch.values[0].0),
            format!("klab:  {}", switch.file),
        ],
        scenarios: shown_by(experiments, |one| one.scenario.kafka.switches.contains_key(word)),
    })
}

fn explain_config(word: &str, kind: ConfigKind, experiments: &[Experiment]) -> Option<Entry> {
    let row = kind.rows().into_iter().find(|row| row.name == word)?;
    Some(Entry {
        kind: "config",
        name: format!("{} ({})", row.name, kind.name()),
        lines: vec![
            row.doc.into(),
            format!("Takes {}; default {}.", (row.form)(), (row.default)()),
            format!("klab:  sim/wire/src/config/{}.rs", kind.name()),
        ],
        scenarios: shown_by(experiments, |one| one.source.contains(&format!("\"{word}\""))),
    })
}

fn shown_by(experiments: &[Experiment], shows: impl Fn(&Experiment) -> bool) -> Vec<String> {
    let shown = experiments.iter().filter(|experiment| shows(experiment));
    let mut lines: Vec<String> =
        shown.map(|one| format!("{}  {}", one.path.display(), one.scenario.title)).collect();
    // The runs of one file come one after the other.
    lines.dedup();
    lines
}

fn print(entry: &Entry) {
    let bold = anstyle::Style::new().bold();
    anstream::println!("{} {bold}{}{bold:#}", entry.kind, entry.name);
    for line in &entry.lines {
        anstream::println!("  {line}");
    }
    for scenario in &entry.scenarios {
        anstream::println!("  shown by {scenario}");
    }
}

fn print_index() {
    let bold = anstyle::Style::new().bold();
    let row = |kind: &str, names: Vec<&str>| {
        anstream::println!("{bold}{kind}{bold:#}\n  {}", names.join(" "));
    };
    row("concepts", CONCEPTS.iter().map(|concept| concept.name).collect());
    row("promises", PROMISES.iter().map(|info| info.promise.name()).collect());
    row("anomalies", ANOMALIES.iter().map(|info| info.anomaly.name()).collect());
    row("facts", Fact::names().collect());
    row("switches", SWITCHES.iter().map(|switch| switch.name).collect());
    row("errors", ErrorCode::ALL.iter().map(|error| error.name()).collect());
    for kind in ConfigKind::ALL {
        row(&format!("{} configs", kind.name()), kind.rows().iter().map(|row| row.name).collect());
    }
}

/// Every word that can be explained.
fn words() -> Vec<String> {
    let configs = ConfigKind::ALL.into_iter().flat_map(ConfigKind::rows).map(|row| row.name);
    let names = CONCEPTS.iter().map(|concept| concept.name);
    names
        .chain(PROMISES.iter().map(|info| info.promise.name()))
        .chain(ANOMALIES.iter().map(|info| info.anomaly.name()))
        .chain(Fact::names())
        .chain(ErrorCode::ALL.iter().map(|error| error.name()))
        .chain(SWITCHES.iter().map(|switch| switch.name))
        .chain(configs)
        .map(String::from)
        .collect()
}

fn unknown(word: &str) -> Mistake {
    let likeness =
        |known: &String| strsim::jaro_winkler(&word.to_lowercase(), &known.to_lowercase());
    let nearest = words()
        .into_iter()
        .max_by(|a, b| likeness(a).total_cmp(&likeness(b)))
        .expect("there are words");
    Mistake::new(format!(
        "nobody knows `{word}`; did you mean `{nearest}`? `klab explain` lists every word"
    ))
}
