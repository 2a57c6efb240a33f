//! What became of random plans, as a table of `reports/judge/no-false-alarm.md`.

use klab::Judged;
use klab::check::{Outcome as Verdict, Status};
use std::collections::BTreeMap;
use std::fmt::{self, Display};

/// A row for each kind of plan.
pub struct Table<K> {
    /// What kinds there are, in words.
    head: &'static str,
    rows: BTreeMap<K, Row>,
}

#[derive(Clone, Copy, Default)]
struct Row {
    plans: u64,
    messages: u64,
    permitted: u64,
    violated: u64,
    not_converged: u64,
}

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/reports/judge/no-false-alarm.md");

/// Nothing failed, and if they are the gate's plans, the page has their table.
pub fn hold(table: &str, failures: &[String], are_of_the_gate: bool) {
    println!("{table}");
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
    if are_of_the_gate {
        let page = std::fs::read_to_string(PAGE).expect("the page is in the repository");
        assert!(page.contains(table), "{PAGE} has another table than\n{table}");
    }
}

/// A promise was broken that no setting gives up, or the cluster did not come to rest.
pub fn is_alarm(outcome: &Judged) -> bool {
    matches!(outcome.verdict.outcome, Verdict::Violated | Verdict::NotConverged)
}

impl<K: Ord> Table<K> {
    pub fn new(head: &'static str) -> Self {
        Table { head, rows: BTreeMap::new() }
    }

    pub fn count(&mut self, kind: K, outcome: &Judged) {
        let row = self.rows.entry(kind).or_default();
        let is_permitted =
            outcome.verdict.promises.iter().any(|one| one.status == Status::Permitted);
        row.plans += 1;
        row.messages += outcome.messages;
        row.permitted += u64::from(is_permitted);
        row.violated += u64::from(outcome.verdict.outcome == Verdict::Violated);
        row.not_converged += u64::from(outcome.verdict.outcome == Verdict::NotConverged);
    }
}

impl<K: Display> Display for Table<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = self.head;
        writeln!(
            f,
            "| {head} | plans | messages | broken as permitted | violated | not converged |"
        )?;
        writeln!(f, "|---|---:|---:|---:|---:|---:|")?;
        for (kind, row) in &self.rows {
            let Row { plans, messages, permitted, violated, not_converged } = row;
            writeln!(
                f,
                "| {kind} | {plans} | {messages} | {permitted} | {violated} | {not_converged} |"
            )?;
        }
        Ok(())
    }
}
