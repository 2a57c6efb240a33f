//! A few of the published rows, which take a second each: what the pages of `reports/published/` say comes out
//! again, and near what was published. The whole is made again by `klab published`.

#![allow(clippy::float_arithmetic, reason = "figures are for people")]

use klab::lab::published::rows::{PUBLICATIONS, Publication, Row};
use klab::lab::published::{ComparedRow, compare_row, experiment, find};
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn row(publication: &'static Publication, name: &str) -> &'static Row {
    let mut rows = publication.rows.iter();
    rows.find(|row| row.name.starts_with(name)).unwrap_or_else(|| panic!("there is no row {name}"))
}

fn compared(publication: &str, name: &str) -> ComparedRow {
    let publication = find(publication).unwrap_or_else(|mistake| panic!("{mistake}"));
    let scenarios = root().join("scenarios/published");
    compare_row(publication, row(publication, name), &scenarios)
        .unwrap_or_else(|mistake| panic!("{mistake}"))
}

/// The row's lines in the table of its page, without which the page would be out of date.
fn is_in_the_table(publication: &str, row: &ComparedRow, table: &Path) {
    let text = std::fs::read_to_string(table).expect("the table is in the repository");
    for figure in &row.figures {
        let start = format!("{publication},\"{}\",\"{}\",", row.row.name, figure.figure.quantity);
        let line = text.lines().find(|line| line.starts_with(&start));
        let line = line.unwrap_or_else(|| panic!("{} has no line {start}", table.display()));
        let klab: f64 = line.split(',').rev().nth(2).and_then(|cell| cell.parse().ok()).unwrap();
        let differs = (klab - figure.klab).abs() > 0.000_6;
        assert!(!differs, "{line}: it is {} now; run `klab published`", figure.klab);
    }
}

#[test]
fn every_row_is_a_run_of_klab_that_is_measured_on_hardware() {
    let rows = PUBLICATIONS.iter().flat_map(|one| one.rows.iter().map(move |row| (one, row)));
    for (publication, row) in rows {
        let experiment = experiment(publication, row, &root().join("scenarios/published"));
        let experiment = experiment.unwrap_or_else(|mistake| panic!("{}: {mistake}", row.name));
        assert!(!experiment.scenario.hardware.is_ideal(), "{}", row.name);
    }
}

#[test]
fn ten_groups_of_readers_make_replication_slow_and_not_the_leader_alone() {
    let median = |acks| compared("streamnative-2020", acks).figures[0].klab;
    let alone = median("ten consumer groups, 100 partitions, acks=1");
    let replicated = median("ten consumer groups, 100 partitions, acks=all");
    assert!(alone < 4.0 && replicated > 3.0 * alone, "{alone} and {replicated} ms");
}

#[test]
fn a_few_rows_are_near_what_was_published_and_as_the_pages_say() {
    let rows = [
        ("kreps-2011", "fifty messages"),
        ("kreps-2014", "1 producer, replication 3, acks=1"),
        ("kreps-2014", "1 producer, replication 3, acks=-1"),
        ("kreps-2014", "records of 1,000 bytes"),
        ("pravega-2020", "1 partition, 1 producer"),
        ("pravega-2020", "linger"),
        ("pravega-2020", "fsync, 500 partitions, 1 producer"),
        ("vanlightly-2023", "keys, 4 producers, 500 MB/s wanted"),
        ("single-figures", "Confluent's course: 200 records a second, linger 1,500 ms"),
        ("single-figures", "Rao: 1,000 partitions"),
        ("timeouts", "a broker is killed, KRaft mode"),
        ("hunt-2010", "3 servers, 50 % reads"),
        ("hunt-2010", "7 servers, one worker"),
        ("zab-2011", "9 servers, network"),
    ];
    for (publication, name) in rows {
        let row = compared(publication, name);
        let table = root().join(format!("reports/published/{publication}.csv"));
        is_in_the_table(publication, &row, &table);
        for figure in &row.figures {
            assert!(figure.is_near(), "{publication}, {name}: {figure:?}");
        }
    }
}

#[test]
fn three_producers_outrun_replication_with_acks_1_and_never_with_acks_all() {
    // Three gigabit cards take in 0.93 million records of 126 bytes a second if each of them goes to every broker.
    const IN_SYNC: f64 = 930_000.0;
    let acknowledged = compared("kreps-2014", "3 producers").figures[0].klab;
    assert!(acknowledged > 2.0 * IN_SYNC, "{acknowledged}");
    let publication = find("kreps-2014").unwrap_or_else(|mistake| panic!("{mistake}"));
    let settings =
        &["run-for=4s", "producer.count=3", "producer.acks=all", "producer.batch.size=64000"];
    let row = Row { settings, ..*row(publication, "3 producers") };
    let row = compare_row(publication, &row, &root().join("scenarios/published"));
    let acknowledged = row.unwrap_or_else(|mistake| panic!("{mistake}")).figures[0].klab;
    assert!(acknowledged < IN_SYNC, "{acknowledged}");
}
