//! `klab explore`: many seeds of one scenario, and the distinct ways in which they fail.

use crate::cli::ExploreArguments;
use crate::error::{Exit, Mistake};
use crate::experiment::{Experiment, Hosting, Judged};
use crate::parallel::jobs;
use crate::report::text::grouped;
use indicatif::{ProgressBar, ProgressStyle};
use klab_check::{Expected, Status};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;

/// What a seed led to, in words that are equal for equal kinds of failure.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Kind {
    exit: Exit,
    what: String,
}

/// Runs a scenario under many seeds.
///
/// # Errors
///
/// The scenario is wrong.
pub fn explore(arguments: &ExploreArguments) -> Result<Exit, Mistake> {
    let experiment = Experiment::load(&arguments.subject, None)?;
    let total = arguments.seeds.end - arguments.seeds.start;
    let bar = progress_bar(total);
    let mut found: BTreeMap<Kind, Vec<u64>> = BTreeMap::new();
    let mut worst = Exit::AsExpected;
    for (seed, outcome) in outcomes(&experiment, arguments) {
        bar.inc(1);
        if arguments.json {
            print_json(seed, &outcome);
        }
        worst = worst.max(outcome.exit());
        found.entry(kind(&outcome)).or_default().push(seed);
        bar.set_message(format!("{} kinds of outcome", found.len()));
    }
    bar.finish_and_clear();
    found.values_mut().for_each(|seeds| seeds.sort_unstable());
    if !arguments.json {
        print_table(&experiment, &found);
    }
    Ok(worst)
}

/// The outcomes in whatever order the threads make them; what is printed is sorted.
fn outcomes(
    experiment: &Experiment,
    arguments: &ExploreArguments,
) -> impl Iterator<Item = (u64, Judged)> + use<> {
    let (sender, receiver) = mpsc::channel();
    let next = std::sync::Arc::new(AtomicU64::new(arguments.seeds.start));
    let (end, first) = (arguments.seeds.end, arguments.first);
    // The table shows no fingerprint.
    let digests = arguments.json;
    for _ in 0..jobs(arguments.jobs) {
        let (sender, next, experiment) = (sender.clone(), next.clone(), experiment.clone());
        #[allow(clippy::disallowed_methods, reason = "each run is one thread; many runs are many")]
        std::thread::spawn(move || {
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= end {
                    return;
                }
                let experiment = experiment.with_seed(seed);
                let outcome = match digests {
                    true => experiment.digest(Hosting::Bare),
                    false => experiment.judge(Hosting::Bare),
                };
                if first && outcome.exit() != Exit::AsExpected {
                    next.store(end, Ordering::Relaxed);
                }
                if sender.send((seed, outcome)).is_err() {
                    return;
                }
            }
        });
    }
    receiver.into_iter()
}

/// A bar on a terminal, nothing elsewhere.
fn progress_bar(total: u64) -> ProgressBar {
    let style = "{bar:40} {pos}/{len} seeds, {per_sec}, {eta} left, {msg}";
    let style = ProgressStyle::with_template(style).expect("the template is legal");
    ProgressBar::new(total).with_style(style)
}

fn kind(outcome: &Judged) -> Kind {
    let verdict = &outcome.verdict;
    let broken = verdict.promises.iter().filter_map(|promise| match promise.status {
        Status::Violated => Some(format!("{} violated", promise.promise)),
        Status::Permitted => Some(format!("{} broken as permitted", promise.promise)),
        Status::Kept | Status::NotChecked => None,
    });
    let unmet = verdict.expectations.iter().filter_map(|expected| match expected.met {
        Expected::Met => None,
        Expected::Unmet | Expected::Permitted => Some(format!("not met: {}", expected.expectation)),
        Expected::Vacuous => Some(format!("never happened: {}", expected.expectation)),
    });
    let what: Vec<String> = broken.chain(unmet).collect();
    let what = if what.is_empty() { "every promise kept".to_string() } else { what.join("; ") };
    Kind { exit: outcome.exit(), what: format!("{:?}: {what}", verdict.outcome) }
}

fn print_json(seed: u64, outcome: &Judged) {
    let line = serde_json::json!({
        "seed": seed,
        "exit_code": outcome.exit() as u8,
        "outcome": outcome.verdict.outcome,
        "fingerprint": outcome.fingerprint,
        "what": kind(outcome).what,
    });
    anstream::println!("{line}");
}

fn print_table(experiment: &Experiment, found: &BTreeMap<Kind, Vec<u64>>) {
    for (kind, seeds) in found {
        let some: Vec<String> = seeds.iter().take(8).map(ToString::to_string).collect();
        let more = if seeds.len() > some.len() { ", ..." } else { "" };
        anstream::println!("{:>8} seeds  {}", grouped(seeds.len() as u64), kind.what);
        anstream::println!("                seeds {}{more}", some.join(", "));
        if kind.exit != Exit::AsExpected {
            anstream::println!("                {}", experiment.with_seed(seeds[0]).command());
        }
    }
}
