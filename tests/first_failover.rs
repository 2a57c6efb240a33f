//! What the first lesson rests on: with acks=all the failover loses nothing, with acks=1 it may, and the
//! report names the records, the election and the truncation.

use klab::check::{Outcome as Verdict, Promise, Proof, Setting, Status};
use klab::lab::cli::Subject;
use klab::lab::report::text;
use klab::{Experiment, Hosting, Judged};
use std::path::PathBuf;

/// The seed of `lab-notebooks/01-first-failover.md`.
const SEED: u64 = 5;

fn experiment(settings: &[&str], seed: u64) -> Experiment {
    let scenario = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("scenarios/first-failover.toml");
    let settings = settings.iter().map(ToString::to_string).collect();
    Experiment::load(&Subject { scenario, run: None, settings }, Some(seed))
        .unwrap_or_else(|mistake| panic!("{mistake}"))
}

/// What the witnesses of a proof say, in the order of time.
fn story(proof: &Proof) -> Vec<&str> {
    proof.witnesses.iter().map(|witness| witness.what.as_str()).collect()
}

#[test]
fn with_acks_1_a_failover_loses_records_that_were_acknowledged_and_the_report_names_how() {
    let experiment = experiment(&["producer.acks=1"], SEED);
    let outcome = experiment.run(Hosting::Bare, |_| {});
    assert_eq!(outcome.verdict.outcome, Verdict::Permitted);
    let lost = outcome.verdict.promise(Promise::NoAckedRecordIsLost);
    assert_eq!(
        (lost.status, &lost.permitted_by[..]),
        (Status::Permitted, &[Setting::AcksLeader][..])
    );
    assert_eq!((lost.violations, lost.permitted, lost.records), (0, 2, 4));
    assert_eq!(
        lost.proofs[0].what,
        "records at offsets 2658..2659 (values p1/4398..4399), acknowledged to p1 with acks=1, \
         are lost: no replica has them, b3 leads"
    );
    assert_eq!(
        story(&lost.proofs[0]),
        [
            "appended offsets 2658..2659 in leader epoch 0",
            "fault: ProcessCrashed page cache kept",
            "is told that the broker has it",
            "elected: b3 leads in leader epoch 1",
            "truncated: log end from 2662 to 2658",
        ]
    );
    let printed = text::outcome(&experiment, &outcome);
    for part in lost.proofs.iter().flat_map(|proof| story(proof).into_iter().chain([&*proof.what]))
    {
        assert!(printed.contains(part), "the report says {part:?}");
    }
}

#[test]
fn a_judge_who_is_not_shown_the_steps_of_each_batch_says_the_same() {
    for settings in [&["producer.acks=1"][..], &[]] {
        let experiment = experiment(settings, SEED);
        let shown = experiment.run(Hosting::Bare, |_| {});
        let unshown = experiment.digest(Hosting::Bare);
        assert_eq!(format!("{:?}", shown.verdict), format!("{:?}", unshown.verdict));
        assert_eq!(shown.fingerprint, unshown.fingerprint);
        let untold = experiment.judge(Hosting::Bare);
        assert_eq!(format!("{:?}", shown.verdict), format!("{:?}", untold.verdict));
        let counts = |judged: &Judged| (judged.steps, judged.messages, judged.end);
        assert_eq!(counts(&shown), counts(&untold));
        assert_eq!(untold.fingerprint, None);
    }
}

#[test]
fn with_acks_all_the_same_weather_loses_nothing() {
    let outcome = experiment(&[], SEED).run(Hosting::Bare, |_| {});
    assert_eq!(outcome.verdict.outcome, Verdict::AsExpected);
    assert_eq!(outcome.summary.records_polled, outcome.summary.sends.acked);
    assert!(outcome.summary.sends.max_micros > 1_000_000, "a failover is not free");
}
