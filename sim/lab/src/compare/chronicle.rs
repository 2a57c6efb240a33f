//! The chronicle: what mattered in each run, line by line, with the lines of one moment beside each other.

use super::Side;
use klab_check::Line;
use klab_wire::Time;
use std::collections::BTreeSet;

/// How wide a page of text is; the runs share what the time leaves.
const WIDTH: usize = 160;
/// The widest column that is read at a glance.
const WIDEST: usize = 76;

/// The lines of all runs in the order of time, at most so many.
pub(super) fn text(sides: &[Side], most: usize) -> String {
    let width = ((WIDTH - 14) / sides.len().max(1)).min(WIDEST);
    let labels: Vec<String> = sides.iter().map(|side| side.label.clone()).collect();
    let mut text = row("seconds", &labels, width);
    let rows = rows(sides);
    for (time, cells) in rows.iter().take(most) {
        text += &row(&time.to_string(), cells, width);
    }
    match rows.len().saturating_sub(most) {
        0 => text,
        more => text + &format!("{:>12}  and {more} more lines\n", "..."),
    }
}

/// Each moment in which something happened in any run; as many rows as the run has lines that has the most.
fn rows(sides: &[Side]) -> Vec<(Time, Vec<String>)> {
    let lines = |side: &Side| -> Vec<(Time, String)> {
        let lines = side.outcome.summary.timeline.lines.iter();
        lines.map(|line| (line.time, words(side, line))).collect()
    };
    let columns: Vec<Vec<(Time, String)>> = sides.iter().map(lines).collect();
    let times: BTreeSet<Time> = columns.iter().flatten().map(|(time, _)| *time).collect();
    times.into_iter().flat_map(|time| at(&columns, time)).collect()
}

fn at(columns: &[Vec<(Time, String)>], time: Time) -> Vec<(Time, Vec<String>)> {
    let here = |column: &Vec<(Time, String)>| -> Vec<String> {
        let start = column.partition_point(|(other, _)| *other < time);
        let now = column[start..].iter().take_while(|(other, _)| *other == time);
        now.map(|(_, words)| words.clone()).collect()
    };
    let columns: Vec<Vec<String>> = columns.iter().map(here).collect();
    let most = columns.iter().map(Vec::len).max().unwrap_or(0);
    let cell = |column: &Vec<String>, nth: usize| column.get(nth).cloned().unwrap_or_default();
    (0..most).map(|nth| (time, columns.iter().map(|column| cell(column, nth)).collect())).collect()
}

/// A session is a number to a machine, and somebody's to a reader.
fn words(side: &Side, line: &Line) -> String {
    let more = if line.more == 0 { String::new() } else { format!(" (+{})", line.more) };
    let sessions = side.account.sessions().iter();
    let mut named = sessions.filter(|(session, _)| line.what.ends_with(&session.to_string()));
    let whose = named.next().map_or(String::new(), |(_, node)| format!(" of {node}"));
    format!("{:<3} {}{whose}{more}", line.node, line.what)
}

fn row(time: &str, cells: &[String], width: usize) -> String {
    let cells = cells.iter().map(|cell| format!("  {:<width$}", clipped(cell, width)));
    let row = format!("{time:>12}{}", cells.collect::<String>());
    format!("{}\n", row.trim_end())
}

fn clipped(text: &str, width: usize) -> String {
    match text.chars().count() <= width {
        true => text.to_string(),
        false => text.chars().take(width - 2).chain("..".chars()).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happens_at_one_moment_stands_in_one_row() {
        let line = |seconds: u64, what: &str| (Time(seconds), what.to_string());
        let columns =
            [vec![line(1, "a"), line(2, "b"), line(2, "c")], vec![line(2, "x"), line(3, "y")]];
        let rows: Vec<_> = [1, 2, 3].iter().flat_map(|time| at(&columns, Time(*time))).collect();
        let cells: Vec<String> = rows.iter().map(|(_, cells)| cells.join("|")).collect();
        assert_eq!(cells, ["a|", "b|x", "c|", "|y"]);
    }

    #[test]
    fn a_long_line_is_clipped() {
        assert_eq!(clipped("LeaderElected orders-0", 12), "LeaderElec..");
        assert_eq!(clipped("short", 12), "short");
    }
}
