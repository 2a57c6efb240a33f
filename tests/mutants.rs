//! Proof that the judge is not blind: wrong behaviours of the machines are hunted with random faults until a promise is
//! broken.
//!
//! Each [`Mutant`] lives in runs of one of the scenarios in `tests/mutants/`, which know nothing of it: the seed draws
//! the faults. `reports/judge/mutants.md` has the table: which promise caught it, and how many seeds that took. The
//! test repeats the run that caught each, and the same runs without a mutant, which must keep every promise.
//!
//! The table is made anew, in some minutes, by `KLAB_HUNT=all cargo test --test mutants`; with the name of a mutant
//! instead of `all`, only its line is. Mutants are not in a release build.
#![cfg(debug_assertions)]

mod in_parallel;

use in_parallel::in_parallel;
use klab::check::{Outcome as Verdict, Status};
use klab::machine::mutant::{IN_THIS_BUILD, MUTANTS};
use klab::{Experiment, Hosting, machine::Mutant};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, Once};

/// Where a mutant is hunted: the scenario of the area that it belongs to.
const GROUNDS: &[(&str, &[Mutant])] = &[
    (
        "replication",
        &[
            Mutant::AcknowledgesBeforeIsr,
            Mutant::CommitsAtLeaderEnd,
            Mutant::DropsBeforeTheController,
            Mutant::AdmitsOneRecordEarly,
            Mutant::SkipsTruncation,
            Mutant::TruncatesOneRecordLate,
            Mutant::ServesBeyondHighWatermark,
            Mutant::FollowerCommitsItsEnd,
            Mutant::StaysLeader,
            Mutant::ForgetsHighWatermark,
            Mutant::CommitsUnderMinIsr,
            Mutant::ForgetsAPartition,
            Mutant::EndsEpochsOneRecordLate,
            Mutant::KeepsEpochsOfTheTruncated,
            Mutant::KeepsProducersOfTheTruncated,
            Mutant::FollowersIgnoreProducers,
            Mutant::IgnoresSequences,
            Mutant::RefusesDuplicates,
            Mutant::AppendsDuplicates,
            Mutant::RemembersFourBatches,
            Mutant::ElectsOutsideTheIsr,
            Mutant::LeavesTheFencedInSync,
            Mutant::LeavesTheClosingInSync,
            Mutant::HandsOutIdsTwice,
            Mutant::NumbersRetriesAnew,
            Mutant::OvertakesRetries,
            Mutant::TakesTimeoutsForFailures,
            Mutant::TakesLostLeadersForSuccesses,
            Mutant::SkipsABatch,
            Mutant::StandsStill,
        ],
    ),
    (
        "zombies",
        &[
            Mutant::BelievesStaleIsrAnswers,
            Mutant::IgnoresLeaderEpochs,
            Mutant::IgnoresPartitionEpochs,
        ],
    ),
    (
        "power",
        &[
            Mutant::ShowsUnflushed,
            Mutant::FetchesOnUnflushed,
            Mutant::FlushesTheWrongFile,
            Mutant::TrustsTheReborn,
            Mutant::IgnoresBrokerEpochs,
            Mutant::ForgetsProducersWhenOpened,
        ],
    ),
    (
        "careless",
        &[Mutant::SwearsBeforeTheFsync, Mutant::KeepsTornBatches, Mutant::RecoversTooLate],
    ),
    ("retention", &[Mutant::ForgetsTheLogStart, Mutant::DeletesTheUncommitted]),
    (
        "quorum",
        &[
            Mutant::VotesForShortLogs,
            Mutant::CommitsWithoutAMajority,
            Mutant::CommitsUnflushedMetadata,
            Mutant::AppliesTheUncommitted,
            Mutant::KeepsDivergingMetadata,
            Mutant::SeesNoDivergence,
            Mutant::GoesBackAnEpoch,
            Mutant::LeadsWithoutAQuorum,
            Mutant::AnswersBeforeTheCommit,
        ],
    ),
    (
        "elections",
        &[
            Mutant::ForgetsItsVote,
            Mutant::TellsItsVoteTooSoon,
            Mutant::VotesTwice,
            Mutant::CountsHalfAsAMajority,
        ],
    ),
    ("snapshots", &[Mutant::CutsBeyondTheSnapshot]),
    (
        "ensemble",
        &[
            Mutant::CountsHalfTheEnsemble,
            Mutant::AcknowledgesUnflushedProposals,
            Mutant::ForgetsAcceptedEpochs,
            Mutant::NeverTruncatesLearners,
            Mutant::LetsObserversVote,
            Mutant::LeadsTheAhead,
            Mutant::LeavesEphemerals,
            Mutant::ServesClientsFromThePast,
            Mutant::ReadsBeforeOwnWrites,
            Mutant::IgnoresZnodeVersions,
            Mutant::AnswersSyncsAlone,
        ],
    ),
    (
        "zookeeper-mode",
        &[
            Mutant::KeepsTheControllerEpoch,
            Mutant::KeepsTheLeaderEpoch,
            Mutant::ElectsTheGone,
            Mutant::LeavesTheGoneInSync,
            Mutant::ForgetsUpdateMetadata,
            Mutant::ObeysFormerControllers,
            Mutant::ObeysForFormerLives,
        ],
    ),
];

/// Why the judge says nothing of a mutant.
const UNSEEN: &[(Mutant, &str)] = &[
    (
        Mutant::IgnoresLeaderEpochs,
        "as long as leaders are elected cleanly, two other rules do its work: a broker that does not lead refuses \
         (NOT_LEADER_OR_FOLLOWER), and the epoch of a follower's last record shows where its log leaves its leader's.",
    ),
    (
        Mutant::LeadsWithoutAQuorum,
        "it commits nothing, and follows as soon as it hears of its successor: what suffers is how soon brokers find \
         another controller. The judge promises nothing about time.",
    ),
    (
        Mutant::LeadsTheAhead,
        "the election does its work: a quorum voted for the leader, so whatever is committed is among what it has \
         logged. It is a second lock on the same door.",
    ),
];

/// After so many seeds a hunt is given up.
const PATIENCE: u64 = 2_000;

/// Without the feature every mutant would escape.
const _: () = assert!(IN_THIS_BUILD);

/// What there is to say of a mutant.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Trophy {
    mutant: Mutant,
    ground: &'static str,
    /// The first seed that caught it, if one did.
    seed: Option<u64>,
    /// The promises that it broke there.
    broken: Vec<String>,
}

#[test]
fn every_mutant_has_one_ground() {
    let mut hunted: Vec<Mutant> = GROUNDS.iter().flat_map(|(_, hunted)| *hunted).copied().collect();
    hunted.sort_unstable();
    assert_eq!(hunted, MUTANTS);
}

#[test]
fn every_mutant_is_caught_by_a_promise_of_the_table() {
    if let Some(wanted) = wanted() {
        fs::write(page(), table(&hunt_all(&wanted))).expect("the table can be written");
    }
    let text = fs::read_to_string(page()).unwrap_or_default();
    let trophies = trophies(&text);
    let known: Vec<Mutant> = trophies.iter().map(|trophy| trophy.mutant).collect();
    let again = "run KLAB_HUNT=all cargo test --test mutants";
    assert_eq!(known, MUTANTS, "the table has a line for each mutant: {again}");
    assert_eq!(text, table(&trophies), "the table says what this test says: {again}");
    let escaped = in_parallel(&trophies, |trophy| {
        let seed = trophy.seed?;
        let broken = broken(trophy.ground, seed, Some(trophy.mutant));
        let is_caught = broken.iter().any(|promise| trophy.broken.contains(promise));
        (!is_caught).then(|| format!("{} with seed {seed}: {broken:?}", trophy.mutant.name()))
    });
    assert_eq!(escaped, Vec::<String>::new(), "{again}");
}

#[test]
fn without_a_mutant_the_same_runs_keep_every_promise() {
    let text = fs::read_to_string(page()).unwrap_or_default();
    let caught = trophies(&text).into_iter().filter_map(|one| Some((one.ground, one.seed?)));
    let runs: Vec<(&str, u64)> = caught.collect::<BTreeSet<_>>().into_iter().collect();
    let accused = in_parallel(&runs, |(ground, seed)| {
        let broken = broken(ground, *seed, None);
        (!broken.is_empty()).then(|| format!("{ground} with seed {seed}: {broken:?}"))
    });
    assert_eq!(accused, Vec::<String>::new());
}

/// Which mutants to hunt, if any.
#[allow(clippy::disallowed_methods, reason = "a person says so, and no run depends on it")]
fn wanted() -> Option<String> {
    std::env::var("KLAB_HUNT").ok()
}

fn page() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("reports/judge/mutants.md")
}

/// A line for every mutant: of those that are wanted a new one.
fn hunt_all(wanted: &str) -> Vec<Trophy> {
    let known = trophies(&fs::read_to_string(page()).unwrap_or_default());
    let lines: Mutex<Vec<Trophy>> = Mutex::default();
    in_parallel(MUTANTS, |mutant| {
        let is_wanted = wanted == "all" || wanted.split(',').any(|name| name == mutant.name());
        let known = known.iter().find(|known| known.mutant == *mutant).cloned();
        let trophy = known.filter(|_| !is_wanted).unwrap_or_else(|| hunt(*mutant));
        lines.lock().expect("nobody panics here").push(trophy);
        None::<()>
    });
    let mut lines = lines.into_inner().expect("nobody panics here");
    lines.sort_by_key(|trophy| trophy.mutant);
    lines
}

fn hunt(mutant: Mutant) -> Trophy {
    let (ground, _) =
        GROUNDS.iter().find(|(_, hunted)| hunted.contains(&mutant)).expect("it has one");
    let mut seeds = (1..=PATIENCE).map(|seed| (seed, broken(ground, seed, Some(mutant))));
    let is_clean = |seed| broken(ground, seed, None).is_empty();
    let caught = seeds.find(|(seed, broken)| !broken.is_empty() && is_clean(*seed));
    let (seed, broken) = caught.map(|(seed, broken)| (Some(seed), broken)).unwrap_or_default();
    eprintln!("{}: {seed:?} {broken:?}", mutant.name());
    Trophy { mutant, ground, seed, broken }
}

/// The promises that a run breaks.
fn broken(ground: &str, seed: u64, mutant: Option<Mutant>) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/mutants/{ground}.toml"));
    let text = fs::read_to_string(path).expect("the ground is there");
    let experiment = Experiment::parse(ground, &text, Some(seed));
    let experiment = experiment.unwrap_or_else(|mistake| panic!("{mistake}"));
    let judge = || experiment.judge(Hosting::Bare).verdict;
    let verdict = match mutant {
        None => judge(),
        Some(mutant) => {
            hush();
            match panic::catch_unwind(AssertUnwindSafe(|| mutant.living(judge))) {
                Ok(verdict) => verdict,
                Err(_) => return vec!["an assertion of the machine".into()],
            }
        }
    };
    let is_broken = |status: &Status| *status == Status::Violated;
    let broken = verdict.promises.iter().filter(|promise| is_broken(&promise.status));
    let broken: Vec<String> = broken.map(|promise| promise.promise.to_string()).collect();
    let is_bad = matches!(verdict.outcome, Verdict::Violated | Verdict::NotConverged);
    assert_eq!(is_bad, !broken.is_empty(), "{ground} with seed {seed}: {:?}", verdict.outcome);
    broken
}

/// That a machine with a mutant fails an assertion is no news.
fn hush() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            if !MUTANTS.iter().any(|mutant| mutant.lives()) {
                usual(panic);
            }
        }));
    });
}

/// The page: what was caught by what, and what was not.
fn table(trophies: &[Trophy]) -> String {
    let mut page = String::from(HEADER);
    for Trophy { mutant, ground, seed, broken } in trophies {
        let (name, sentence) = (mutant.name(), mutant.sentence());
        let seeds = seed.map_or("not caught".into(), |seed| seed.to_string());
        let by = broken.join(", ");
        writeln!(page, "| {name} | {sentence} | {ground} | {by} | {seeds} |").expect("text grows");
    }
    let mut seeds: Vec<u64> = trophies.iter().filter_map(|trophy| trophy.seed).collect();
    seeds.sort_unstable();
    let (caught, all) = (seeds.len(), trophies.len());
    let median = seeds.get(caught / 2).copied().unwrap_or_default();
    writeln!(page, "\n{caught} of {all} are caught; the median of the seeds needed is {median}.")
        .expect("text grows");
    if caught < all {
        page.push_str("\n## Not caught, and why\n\n");
    }
    for Trophy { mutant, .. } in trophies.iter().filter(|trophy| trophy.seed.is_none()) {
        let why = UNSEEN.iter().find(|(unseen, _)| unseen == mutant);
        let why = why.map_or("open.", |(_, why)| why);
        writeln!(page, "- **{}**: {why}", mutant.name()).expect("text grows");
    }
    page
}

const HEADER: &str = "# Mutants of the machines

Wrong behaviours that a test puts into the machines, one at a time (`sim/machine/src/mutant.rs`), and what the judge says
of them. Each is hunted in a scenario of its area (`tests/mutants/`), with faults drawn by the seed, from seed 1 on;
\"seeds\" is how many runs it took until a promise was broken. The same runs without a mutant keep every promise.
`KLAB_HUNT=all cargo test --test mutants` writes this page.

| mutant | what it does wrong | scenario | caught by | seeds |
|---|---|---|---|---|
";

/// What a page says, line by line.
fn trophies(page: &str) -> Vec<Trophy> {
    page.lines().filter_map(trophy).collect()
}

fn trophy(line: &str) -> Option<Trophy> {
    let cells: Vec<&str> = line.split('|').map(str::trim).collect();
    let &[_, name, _, ground, broken, seeds, _] = cells.as_slice() else { return None };
    let mutant = *MUTANTS.iter().find(|mutant| mutant.name() == name)?;
    let (ground, _) = GROUNDS.iter().find(|(known, _)| *known == ground)?;
    let broken = broken.split(", ").filter(|promise| !promise.is_empty()).map(Into::into).collect();
    Some(Trophy { mutant, ground, seed: seeds.parse().ok(), broken })
}
