//! `klab check`: judges a history from a file, a run's or one that was recorded from a real cluster.

use crate::cli::CheckArguments;
use crate::error::{Exit, Mistake};
use crate::experiment::pair;
use crate::history::cursor::Notation;
use crate::history::read::{self, Judged};
use crate::report::text::{BAD, GOOD, HEAD, ODD, grouped, times};
use anstyle::Style;
use klab_check::{AnomalyVerdict, HistoryVerdict, Outcome, Proof, Status};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::fs::File;
use std::io::{self, BufReader};
use std::path::Path;

/// The proofs that are shown of each anomaly; `--json` has more.
const PROOFS: usize = 3;

/// Judges the history of a file.
///
/// # Errors
///
/// The file cannot be read, or a line or a setting is wrong.
pub fn check(arguments: &CheckArguments) -> Result<Exit, Mistake> {
    let settings = arguments.settings.iter().map(|setting| pair(setting));
    let settings = settings.collect::<Result<Vec<_>, _>>()?;
    let path = &arguments.history;
    let name = path.display().to_string();
    let judged = match path.as_os_str() == "-" {
        true => read::judge("standard input", io::stdin().lock(), Notation::Json, &settings)?,
        false => read::judge(&name, open(path)?, notation(path)?, &settings)?,
    };
    match arguments.json {
        true => anstream::print!("{}", json(&judged)),
        false => anstream::print!("{}", text(&name, &judged)),
    }
    Ok(match judged.verdict.outcome {
        Outcome::AsExpected => Exit::AsExpected,
        Outcome::Vacuous => Exit::Vacuous,
        Outcome::Violated | Outcome::Permitted | Outcome::NotConverged => Exit::Violated,
    })
}

fn open(path: &Path) -> Result<BufReader<File>, Mistake> {
    let file = File::open(path);
    let file =
        file.map_err(|error| Mistake::of_path(path, "the history cannot be read", &error))?;
    Ok(BufReader::with_capacity(1 << 18, file))
}

/// By the end of the file's name.
///
/// # Errors
///
/// It is neither `.jsonl` nor `.edn`.
pub fn notation(path: &Path) -> Result<Notation, Mistake> {
    match path.extension().and_then(|end| end.to_str()) {
        Some("jsonl" | "json" | "ndjson") => Ok(Notation::Json),
        Some("edn") => Ok(Notation::Edn),
        _ => Err(Mistake::new(format!(
            "{}: a history is a file of JSON lines (.jsonl) or of EDN (.edn): give it that ending",
            path.display()
        ))),
    }
}

fn json(judged: &Judged) -> String {
    #[derive(Serialize)]
    struct Page<'a> {
        klab: &'a str,
        verdict: &'a HistoryVerdict,
        /// What the history calls the processes that klab has another name for.
        processes: BTreeMap<String, &'a String>,
    }
    let foreign = judged.names.foreign().iter();
    let page = Page {
        klab: env!("CARGO_PKG_VERSION"),
        verdict: &judged.verdict,
        processes: foreign.map(|(node, name)| (node.to_string(), name)).collect(),
    };
    let mut json = serde_json::to_string_pretty(&page).expect("plain data becomes JSON");
    json.push('\n');
    json
}

fn text(name: &str, judged: &Judged) -> String {
    let mut text = String::new();
    write(&mut text, name, judged).expect("a string takes everything");
    text
}

fn write(out: &mut String, name: &str, judged: &Judged) -> fmt::Result {
    let verdict = &judged.verdict;
    let (style, word) = match verdict.outcome {
        Outcome::AsExpected => (GOOD, "VALID"),
        Outcome::Vacuous => (ODD, "VACUOUS"),
        Outcome::Violated | Outcome::Permitted | Outcome::NotConverged => (BAD, "VIOLATED"),
    };
    let named = |status| {
        let found = verdict.anomalies.iter().filter(move |one| one.status == status);
        found.map(|one| one.anomaly.to_string()).collect::<Vec<_>>().join(", ")
    };
    let what = match (verdict.outcome, named(Status::Permitted)) {
        (Outcome::Vacuous, _) => {
            "no record was acknowledged or polled, which shows nothing".to_string()
        }
        (Outcome::AsExpected, permitted) if !permitted.is_empty() => {
            format!("nothing but what the settings permit: {permitted}")
        }
        _ => named(Status::Violated),
    };
    let separator = if what.is_empty() { "" } else { ": " };
    writeln!(out, "{style}{word}{style:#}{separator}{what}\nHistory: {name}")?;
    let [ok, failed, unknown] = [verdict.ok, verdict.failed, verdict.unknown].map(grouped);
    let [acked, polled] = [verdict.acknowledged, verdict.polled].map(grouped);
    writeln!(out, "Operations: {ok} ok, {failed} failed, {unknown} unknown")?;
    writeln!(out, "Records: {acked} acknowledged, {polled} polled")?;
    writeln!(out, "\n{HEAD}{:<24} {:<10} {:>12}{HEAD:#}", "Anomaly", "verdict", "looked for")?;
    verdict.anomalies.iter().try_for_each(|anomaly| row(out, anomaly))?;
    for anomaly in &verdict.anomalies {
        for shown in anomaly.proofs.iter().take(PROOFS) {
            proof(out, anomaly, shown, judged)?;
        }
        match (anomaly.violations + anomaly.permitted).saturating_sub(PROOFS as u64) {
            0 => {}
            more => writeln!(out, "  ... and {} more", times(more))?,
        }
    }
    Ok(())
}

fn row(out: &mut String, anomaly: &AnomalyVerdict) -> fmt::Result {
    let (style, word) = match anomaly.status {
        Status::Kept => (GOOD, "none"),
        Status::Violated => (BAD, "found"),
        Status::Permitted => (ODD, "permitted"),
        Status::NotChecked => (Style::new(), "-"),
    };
    let mut more = String::new();
    if anomaly.violations > 0 {
        write!(more, "  {}", times(anomaly.violations))?;
    }
    if anomaly.permitted > 0 {
        let by: Vec<String> = anomaly.permitted_by.iter().map(ToString::to_string).collect();
        write!(more, "  {} by {}", times(anomaly.permitted), by.join(", "))?;
    }
    let (name, checked) = (anomaly.anomaly.to_string(), grouped(anomaly.checked));
    writeln!(out, "{name:<24} {style}{word:<10}{style:#} {checked:>12}{more}")
}

fn proof(
    out: &mut String,
    anomaly: &AnomalyVerdict,
    proof: &Proof,
    judged: &Judged,
) -> fmt::Result {
    let leave = match &proof.permitted_by {
        Some(setting) => format!(", permitted by {setting}"),
        None => String::new(),
    };
    let partition = proof.partition.as_ref().map(|name| judged.names.of_partition(name));
    writeln!(out, "\n{HEAD}{}{HEAD:#}{leave}", anomaly.anomaly)?;
    writeln!(out, "  {}: {}", partition.unwrap_or_default(), proof.what)?;
    for witness in &proof.witnesses {
        let process = judged.names.of_process(witness.at.node);
        let (line, time) = (witness.at.step, witness.at.time);
        writeln!(out, "  line {line:<9} {time:>12} {process:<4} {}", witness.what)?;
    }
    Ok(())
}
