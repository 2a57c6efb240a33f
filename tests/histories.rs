//! Planted histories: for every anomaly some that must be rejected, and near misses that must pass. A checker
//! without these could be blind, and nobody would know; or it could cry wolf.
//!
//! `tests/histories/<anomaly>/` is the table of contents: `rejected-..` has the anomaly, `found-..` has it and
//! may, `passes-..` almost has it. Each can be judged by hand: `klab check tests/histories/<anomaly>/<file>`.

use klab_check::{ANOMALIES, Anomaly, HistoryVerdict, Status};
use klab_lab::history::cursor::Notation;
use klab_lab::history::read;
use std::fs;
use std::path::{Path, PathBuf};

/// What a file's name says about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Claim {
    Rejected,
    Found,
    Passes,
}

fn planted(anomaly: Anomaly) -> Vec<(Claim, PathBuf)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/histories").join(anomaly.name());
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{anomaly}: {error}"));
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let mut files: Vec<_> = paths.map(|path| (claim(&path), path)).collect();
    files.sort();
    files
}

fn claim(path: &Path) -> Claim {
    let name = path.file_name().expect("a name").to_string_lossy();
    match name.split('-').next() {
        Some("rejected") => Claim::Rejected,
        Some("found") => Claim::Found,
        Some("passes") => Claim::Passes,
        _ => panic!("{name}: a planted history says what becomes of it"),
    }
}

fn judged(path: &Path) -> HistoryVerdict {
    let text = fs::read(path).expect("a history");
    let judged = read::judge(&path.display().to_string(), &text[..], Notation::Json, &[]);
    judged.unwrap_or_else(|mistake| panic!("{mistake}")).verdict
}

#[test]
fn every_anomaly_has_three_histories_that_have_it_and_two_that_almost_do() {
    for info in ANOMALIES {
        let claims: Vec<Claim> =
            planted(info.anomaly).into_iter().map(|(claim, _)| claim).collect();
        let near_misses = claims.iter().filter(|claim| **claim == Claim::Passes).count();
        assert!(near_misses >= 2, "{} has {near_misses} near misses", info.anomaly);
        assert!(claims.len() >= near_misses + 3, "{} has too few histories", info.anomaly);
    }
}

#[test]
fn every_planted_history_is_what_its_name_says() {
    for (anomaly, claim, path) in all() {
        let verdict = judged(&path);
        let found = &verdict.anomalies[anomaly as usize];
        let name = path.display();
        match claim {
            Claim::Rejected => {
                assert_eq!(found.status, Status::Violated, "{name}: {verdict:#?}");
                assert_eq!(verdict.exit_code, 1, "{name}");
            }
            Claim::Found => assert_eq!(found.status, Status::Permitted, "{name}: {verdict:#?}"),
            Claim::Passes => {
                let wrong = verdict.anomalies.iter().find(|one| one.violations > 0);
                assert!(wrong.is_none(), "{name}: {wrong:#?}");
                assert_eq!(verdict.exit_code, 0, "{name}");
            }
        }
    }
}

#[test]
fn every_anomaly_is_shown_by_the_operations_that_prove_it() {
    for (anomaly, _, path) in all() {
        for proof in &judged(&path).anomalies[anomaly as usize].proofs {
            assert!(!proof.witnesses.is_empty(), "{}: {proof:#?}", path.display());
            assert!(proof.partition.is_some(), "{}: {proof:#?}", path.display());
        }
    }
}

#[test]
fn the_report_has_the_table_of_what_is_planted() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/reports/judge/planted.md");
    let text = fs::read_to_string(page).expect("the page is in the repository");
    let table = table();
    assert!(text.contains(&table), "{page} has another table than\n{table}");
}

fn table() -> String {
    let head =
        "| anomaly | what it is | rejected | found, but permitted | near misses that pass |\n";
    let mut table = format!("{head}|---|---|---:|---:|---:|\n");
    for info in ANOMALIES {
        let claims: Vec<Claim> =
            planted(info.anomaly).into_iter().map(|(claim, _)| claim).collect();
        let [rejected, found, passes] = [Claim::Rejected, Claim::Found, Claim::Passes]
            .map(|wanted| claims.iter().filter(|claim| **claim == wanted).count());
        let (name, what) = (info.anomaly, info.sentence);
        table.push_str(&format!("| {name} | {what} | {rejected} | {found} | {passes} |\n"));
    }
    table
}

fn all() -> impl Iterator<Item = (Anomaly, Claim, PathBuf)> {
    ANOMALIES.iter().flat_map(|info| {
        planted(info.anomaly).into_iter().map(|(claim, path)| (info.anomaly, claim, path))
    })
}
