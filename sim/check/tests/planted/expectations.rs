//! What a scenario expects, held against what happened.

use crate::story::{B1, B2, B3, Story, batch, settings, with_producer};
use klab_check::{
    Expectation, Expected, Filter, Outcome, ProducerSettings, Promise, Settings, Verdict,
};
use klab_machine::fact::WorldFact;
use klab_wire::Acks;

fn where_is(field: &str, value: &str) -> Vec<Filter> {
    vec![Filter { field: field.into(), value: value.into() }]
}

fn sometimes(filters: Vec<Filter>, at_least: u64, at_most: Option<u64>) -> Expectation {
    Expectation::Sometimes { fact: "LeaderElected".into(), filters, at_least, at_most }
}

fn never(filters: Vec<Filter>) -> Expectation {
    Expectation::Never { fact: "LeaderElected".into(), filters }
}

/// b2 is elected once, and nothing is wrong.
fn judged(expectation: Expectation) -> Verdict {
    let story = Story::of(settings(), vec![expectation]).begun().with_five_acked();
    story.elects(B2, 1, &[B2, B3]).leads(B2, 1, 5, 5).end()
}

#[test]
fn facts_are_counted_by_name_and_fields() {
    use Outcome::{AsExpected, Vacuous, Violated};
    let cases = [
        (sometimes(vec![], 1, None), AsExpected),
        (sometimes(where_is("leader", "b2"), 1, Some(1)), AsExpected),
        (sometimes(where_is("partition", "orders-0"), 1, None), AsExpected),
        (sometimes(where_is("node", "v1"), 1, None), AsExpected),
        (sometimes(where_is("leader", "b3"), 1, None), Vacuous),
        (sometimes(where_is("nothing", "b2"), 1, None), Vacuous),
        (sometimes(vec![], 2, None), Vacuous),
        (sometimes(vec![], 0, Some(0)), Violated),
        (never(where_is("leader", "b3")), AsExpected),
        (never(vec![]), Violated),
    ];
    for (expectation, outcome) in cases {
        let verdict = judged(expectation.clone());
        assert_eq!(verdict.outcome, outcome, "{expectation}");
        assert_eq!(verdict.exit_code, outcome.exit_code());
    }
}

/// An acknowledged record is lost, as `acks=1` permits, or against `acks=all`.
fn lossy(acks: Acks, expectation: Expectation) -> Verdict {
    let producer = ProducerSettings { acks, idempotence: false, ..ProducerSettings::default() };
    let story = Story::of(with_producer(producer), vec![expectation]).begun().sends(100, 1);
    let story = story.appends(B1, batch(0, 0, 1, 100), true).acked(100, 0);
    story.elects(B2, 1, &[B2, B3]).leads(B2, 1, 0, 0).truncates(B1, 1, 0).end()
}

#[test]
fn a_loss_is_told_apart_by_what_was_expected_and_what_was_promised() {
    let lost = Promise::NoAckedRecordIsLost;
    let always = || Expectation::Always(lost);
    let violated = |by: Option<&str>| Expectation::Violated {
        promise: lost,
        permitted_by: by.map(str::to_owned),
    };
    use Outcome::{AsExpected, Permitted, Violated};
    let cases = [
        (Acks::All, always(), Violated),
        (Acks::Leader, always(), Permitted),
        (Acks::Leader, violated(None), AsExpected),
        (Acks::Leader, violated(Some("acks=1")), AsExpected),
        (Acks::Leader, violated(Some("acks=0")), Violated),
        (Acks::All, violated(None), AsExpected),
        (Acks::All, violated(Some("acks=1")), Violated),
    ];
    for (acks, expectation, outcome) in cases {
        let verdict = lossy(acks, expectation.clone());
        assert_eq!(verdict.outcome, outcome, "{acks:?} {expectation}");
    }
}

#[test]
fn an_expected_loss_that_does_not_happen_is_vacuous() {
    let expected =
        Expectation::Violated { promise: Promise::NoAckedRecordIsLost, permitted_by: None };
    assert_eq!(judged(expected).outcome, Outcome::Vacuous);
    let nothing_to_see = judged(Expectation::Always(Promise::NoUnwrittenRecordIsRead));
    assert_eq!(nothing_to_see.expectations[0].met, Expected::Vacuous);
}

#[test]
fn a_selector_that_names_nobody_makes_the_run_vacuous_unless_it_may() {
    let missed = |settings: Settings| {
        let selector = "leader of orders-7".to_owned();
        let story = Story::with(settings).fact(B1, WorldFact::SelectorUnmatched { selector });
        story.end()
    };
    assert_eq!(missed(settings()).outcome, Outcome::Vacuous);
    assert_eq!(missed(settings()).unmatched_selectors, ["leader of orders-7"]);
    let may = Settings { selectors_may_miss: true, ..settings() };
    assert_eq!(missed(may).outcome, Outcome::AsExpected);
}

#[test]
fn a_verdict_is_written_as_json() {
    let verdict = lossy(Acks::Leader, Expectation::Always(Promise::NoAckedRecordIsLost));
    let json = serde_json::to_value(&verdict).expect("a verdict is plain data");
    assert_eq!(json["outcome"], "permitted");
    let lost = &json["promises"][Promise::NoAckedRecordIsLost as usize];
    assert_eq!(lost["promise"], "no-acked-record-is-lost");
    assert_eq!(lost["status"], "permitted");
    assert_eq!(lost["permitted_by"][0], "acks=1");
    assert_eq!(lost["proofs"][0]["partition"], "orders-0");
}
