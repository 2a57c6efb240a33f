//! A run's outcome as text: what `klab run` prints, and the heart of a report's `index.md`.

use crate::experiment::{Experiment, Outcome};
use anstyle::{AnsiColor, Style};
use klab_check::{Expected, Hot, PromiseVerdict, Proof, Status};
use std::fmt::{self, Write};

pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();
pub(crate) const ODD: Style = AnsiColor::Yellow.on_default();
pub(crate) const HEAD: Style = Style::new().bold();

/// The lines of the timeline that are shown before it is cut; the trace has the rest.
const TIMELINE: usize = 40;
/// The proofs that are shown for each broken promise; `verdict.json` has more.
const PROOFS: usize = 3;

/// The outcome as styled text; the terminal's stream takes the styles out where they do not belong.
pub fn outcome(experiment: &Experiment, outcome: &Outcome) -> String {
    let mut text = String::new();
    write(&mut text, experiment, outcome).expect("a string takes everything");
    text
}

fn write(out: &mut String, experiment: &Experiment, outcome: &Outcome) -> fmt::Result {
    headline(out, experiment, outcome)?;
    promises(out, outcome)?;
    expectations(out, outcome)?;
    timeline(out, outcome)?;
    availability(out, outcome)?;
    hot_states(out, outcome)?;
    clients(out, outcome)?;
    writeln!(out, "\n{HEAD}Fingerprint{HEAD:#}  {}", outcome.fingerprint())?;
    writeln!(out, "{HEAD}Repeat{HEAD:#}       {}", experiment.command())
}

fn headline(out: &mut String, experiment: &Experiment, outcome: &Outcome) -> fmt::Result {
    use klab_check::Outcome as Verdict;
    let (style, word) = match outcome.verdict.outcome {
        Verdict::AsExpected => (GOOD, "AS EXPECTED"),
        Verdict::Violated => (BAD, "VIOLATED"),
        Verdict::Permitted => (BAD, "BROKEN, AS THE SETTINGS PERMIT"),
        Verdict::NotConverged => (BAD, "NOT CONVERGED"),
        Verdict::Vacuous => (ODD, "VACUOUS"),
    };
    let title = &experiment.scenario.title;
    match outcome.verdict.outcome {
        Verdict::AsExpected => writeln!(out, "{style}{word}{style:#}: {title}")?,
        _ => writeln!(out, "{style}{word}{style:#}: {}\nScenario: {title}", reasons(outcome))?,
    }
    writeln!(
        out,
        "{} of simulated time, {} steps, {} messages, seed {}",
        outcome.end,
        grouped(outcome.steps),
        grouped(outcome.messages),
        experiment.seed,
    )
}

/// Why a run is not as its scenario expects, in a line.
pub(crate) fn reasons(outcome: &Outcome) -> String {
    let unmet = outcome.verdict.expectations.iter().filter_map(|verdict| match verdict.met {
        Expected::Met => None,
        Expected::Vacuous => Some(format!("never happened: {}", verdict.expectation)),
        Expected::Unmet | Expected::Permitted => Some(format!("not met: {}", verdict.expectation)),
    });
    let violated =
        outcome.verdict.promises.iter().filter(|verdict| verdict.status == Status::Violated);
    let violated = violated.map(|verdict| verdict.promise.to_string());
    let nobody = outcome.verdict.unmatched_selectors.iter();
    let nobody = nobody.map(|selector| format!("nobody was {selector:?} when a fault named it"));
    let all: Vec<String> = violated.chain(unmet).chain(nobody).collect();
    all.join("; ")
}

fn promises(out: &mut String, outcome: &Outcome) -> fmt::Result {
    writeln!(out, "\n{HEAD}{:<44} {:<9} {:>11}{HEAD:#}", "Promise", "verdict", "checked")?;
    let mut not_asked = 0;
    for verdict in &outcome.verdict.promises {
        let (style, word) = match verdict.status {
            Status::Kept => (GOOD, "kept"),
            Status::Violated => (BAD, "violated"),
            Status::Permitted => (ODD, "permitted"),
            Status::NotChecked => {
                not_asked += 1;
                continue;
            }
        };
        let name = verdict.promise.to_string();
        let checked = grouped(verdict.checked);
        writeln!(out, "{name:<44} {style}{word:<9}{style:#} {checked:>11}{}", broken(verdict))?;
    }
    if not_asked > 0 {
        writeln!(out, "and {not_asked} that nothing in this run is about")?;
    }
    for verdict in &outcome.verdict.promises {
        let shown = verdict.proofs.iter().take(PROOFS);
        shown.clone().try_for_each(|proof| self::proof(out, verdict, proof))?;
        match verdict.violations + verdict.permitted - shown.len() as u64 {
            0 => {}
            more => writeln!(out, "  ... and {} more", times(more))?,
        }
    }
    Ok(())
}

/// How often a promise was broken, and by whose leave.
fn broken(verdict: &PromiseVerdict) -> String {
    let mut parts = Vec::new();
    if verdict.violations > 0 {
        parts.push(format!("broken {}", times(verdict.violations)));
    }
    if verdict.permitted > 0 {
        let by: Vec<String> = verdict.permitted_by.iter().map(ToString::to_string).collect();
        parts.push(format!("{} by {}", times(verdict.permitted), by.join(", ")));
    }
    if verdict.records > verdict.violations + verdict.permitted {
        parts.push(format!("{} records", grouped(verdict.records)));
    }
    match parts.is_empty() {
        true => String::new(),
        false => format!("  {}", parts.join(", ")),
    }
}

pub(crate) fn times(count: u64) -> String {
    match count {
        1 => "once".to_string(),
        _ => format!("{} times", grouped(count)),
    }
}

pub(super) fn proof(out: &mut String, verdict: &PromiseVerdict, proof: &Proof) -> fmt::Result {
    let leave = match &proof.permitted_by {
        Some(setting) => format!("permitted by {setting}"),
        None => "violated".to_string(),
    };
    let place = proof.partition.as_ref().map(|partition| format!("{partition}: "));
    let anomaly = proof.anomaly.map(|anomaly| format!(" ({anomaly})")).unwrap_or_default();
    writeln!(out, "\n{HEAD}{}{HEAD:#}{anomaly}, {leave}", verdict.promise)?;
    writeln!(out, "  {}{}", place.unwrap_or_default(), proof.what)?;
    for witness in &proof.witnesses {
        writeln!(out, "  {:>12} {:<4} {}", witness.at.time, witness.at.node, witness.what)?;
    }
    Ok(())
}

fn expectations(out: &mut String, outcome: &Outcome) -> fmt::Result {
    writeln!(out, "\n{HEAD}Expected{HEAD:#}")?;
    for verdict in &outcome.verdict.expectations {
        let (style, word) = match verdict.met {
            Expected::Met => (GOOD, "met"),
            Expected::Unmet => (BAD, "not met"),
            Expected::Permitted => (ODD, "broken, as the settings permit"),
            Expected::Vacuous => (ODD, "never happened"),
        };
        let times = grouped(verdict.count);
        writeln!(out, "  {:<60} {style}{word}{style:#} ({times})", verdict.expectation)?;
    }
    for selector in &outcome.verdict.unmatched_selectors {
        writeln!(out, "  {ODD}a fault named {selector:?}, and nobody was that then{ODD:#}")?;
    }
    Ok(())
}

fn timeline(out: &mut String, outcome: &Outcome) -> fmt::Result {
    writeln!(out, "\n{HEAD}Timeline{HEAD:#}")?;
    let timeline = &outcome.summary.timeline;
    for line in timeline.lines.iter().take(TIMELINE) {
        let more = match line.more {
            0 => String::new(),
            more => format!(" (and {more} more like it)"),
        };
        writeln!(out, "  {:>12} {:<4} {}{more}", line.time, line.node, line.what)?;
    }
    match timeline.lines.len().saturating_sub(TIMELINE) as u64 + timeline.left_off {
        0 => Ok(()),
        more => writeln!(out, "  ... and {} more, in trace.txt", grouped(more)),
    }
}

fn availability(out: &mut String, outcome: &Outcome) -> fmt::Result {
    if outcome.summary.availability.is_empty() {
        return Ok(());
    }
    let head = format!(
        "{:<24} {:>14} {:>13} {:>12} {:>13}",
        "Unavailability", "interruptions", "no leader ms", "longest ms", "under min ISR"
    );
    writeln!(out, "\n{HEAD}{head}{HEAD:#}")?;
    for row in &outcome.summary.availability {
        writeln!(
            out,
            "{:<24} {:>14} {:>13} {:>12} {:>13}",
            row.partition,
            row.interruptions,
            grouped(row.without_leader.as_millis()),
            grouped(row.longest.as_millis()),
            grouped(row.under_min_isr.as_millis()),
        )?;
    }
    Ok(())
}

/// In every verdict, also when it was never hot.
fn hot_states(out: &mut String, outcome: &Outcome) -> fmt::Result {
    let hot = &outcome.summary.hot;
    let head =
        format!("{:<24} {:>14} {:>13} {:>12}", "Hot states", "times", "total ms", "longest ms");
    writeln!(out, "\n{HEAD}{head}{HEAD:#}")?;
    let states = [
        ("leaderless", hot.leaderless, "partition"),
        ("under min ISR", hot.under_min_isr, "partition"),
        ("quorumless", hot.quorumless, "quorum"),
        ("fenced", hot.fenced, "broker"),
    ];
    for (name, hot, what) in states {
        let of = match hot.of {
            0 => String::new(),
            1 => format!("  of 1 {what}"),
            several => format!("  of {several} {what}s"),
        };
        let [total, longest] = [hot.total, hot.longest].map(|span| grouped(span.as_millis()));
        writeln!(out, "{name:<24} {:>14} {total:>13} {longest:>12}{of}", hot.times)?;
    }
    Ok(())
}

/// The same in a line.
pub(super) fn hot_line(outcome: &Outcome) -> String {
    let states = hot_by_name(outcome)
        .map(|(name, hot, _)| format!("{name} {} ms", grouped(hot.total.as_millis())));
    states.join(", ")
}

/// Each hot state with its name, and what is in it.
fn hot_by_name(outcome: &Outcome) -> [(&'static str, Hot, &'static str); 4] {
    let hot = &outcome.summary.hot;
    [
        ("leaderless", hot.leaderless, "partition"),
        ("under min ISR", hot.under_min_isr, "partition"),
        ("quorumless", hot.quorumless, "quorum"),
        ("fenced", hot.fenced, "broker"),
    ]
}

fn clients(out: &mut String, outcome: &Outcome) -> fmt::Result {
    let sends = &outcome.summary.sends;
    writeln!(out, "\n{HEAD}Clients{HEAD:#}")?;
    let counts = [
        ("acked", sends.acked),
        ("unconfirmed", sends.unconfirmed),
        ("failed", sends.failed),
        ("unknown", sends.unknown),
        ("pending", sends.pending),
    ];
    let always_shown = |name: &str| matches!(name, "acked" | "failed" | "unknown");
    let shown: Vec<String> = counts
        .iter()
        .filter(|(name, count)| *count > 0 || always_shown(name))
        .map(|(name, count)| format!("{} {name}", grouped(*count)))
        .collect();
    let [records, batches] = [sends.retried_records, sends.retried_batches].map(grouped);
    writeln!(out, "  records: {}", shown.join(", "))?;
    writeln!(out, "  records retried: {records}, in {batches} batches")?;
    let [p50, p99, max] = [sends.p50_micros, sends.p99_micros, sends.max_micros].map(millis);
    writeln!(out, "  latency from send to ack: p50 {p50} ms, p99 {p99} ms, max {max} ms")?;
    writeln!(out, "  records polled: {}", grouped(outcome.summary.records_polled))
}

/// Microseconds as milliseconds with three decimals.
fn millis(micros: u64) -> String {
    format!("{}.{:03}", grouped(micros / 1000), micros % 1000)
}

/// A number with its thousands set apart: `12,034`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_set_apart() {
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(number), text);
        }
    }
}
