//! Judging a history while its file is read, line by line.

use super::cursor::{Complaint, Cursor, Notation};
use super::line;
use super::names::Names;
use super::promised::{HEADER, Promised};
use crate::error::Mistake;
use klab_check::{HistoryJudge, HistoryVerdict};
use std::io::BufRead;

/// What came of a history.
#[derive(Clone, Debug)]
pub struct Judged {
    /// What was found.
    pub verdict: HistoryVerdict,
    /// What was promised.
    pub promised: Promised,
    /// The names of processes and partitions in it.
    pub names: Names,
}

/// Judges a history. `name` stands for its file in messages; `settings` are over those of its header.
///
/// # Errors
///
/// A line, or a setting, is wrong.
pub fn judge(
    name: &str,
    mut lines: impl BufRead,
    notation: Notation,
    settings: &[(&str, &str)],
) -> Result<Judged, Mistake> {
    let mut reader = Reader {
        name,
        settings,
        notation,
        names: Names::default(),
        promised: Promised::default(),
        judge: None,
    };
    let (mut text, mut number) = (Vec::new(), 0);
    loop {
        text.clear();
        let length = lines.read_until(b'\n', &mut text);
        let length =
            length.map_err(|error| Mistake::new(format!("{name}: cannot be read: {error}")))?;
        if length == 0 {
            return reader.finish();
        }
        number += 1;
        let line = std::str::from_utf8(&text);
        let line =
            line.map_err(|_| Mistake::new(format!("{name}:{number}: this is no UTF-8 text")))?;
        reader.line(number, line.trim_end())?;
    }
}

struct Reader<'a> {
    name: &'a str,
    settings: &'a [(&'a str, &'a str)],
    notation: Notation,
    names: Names,
    promised: Promised,
    /// There is one from the first event on.
    judge: Option<HistoryJudge>,
}

impl Reader<'_> {
    fn line(&mut self, number: u64, text: &str) -> Result<(), Mistake> {
        let is_blank = text.is_empty() || text.starts_with(';');
        let cursor = Cursor::new(text, self.notation);
        if is_blank {
            return Ok(());
        }
        if self.judge.is_none() && text.contains(HEADER) {
            let header = self.promised.header(cursor, &mut self.names);
            return header.map_err(|complaint| self.mistake(number, text, &complaint));
        }
        self.begin()?;
        let event = line::read(cursor, number, &mut self.names);
        let event = event.map_err(|complaint| self.mistake(number, text, &complaint))?;
        let Some(event) = event else { return Ok(()) };
        let watched = self.judge.as_mut().expect("it has begun").watch(event);
        watched.map_err(|wrong| Mistake::new(format!("{}:{number}: {}", self.name, wrong.0)))
    }

    /// The judge must know the settings before the first event.
    fn begin(&mut self) -> Result<(), Mistake> {
        if self.judge.is_some() {
            return Ok(());
        }
        for (key, value) in self.settings {
            let set = self.promised.set(key, value);
            set.map_err(|what| Mistake::new(format!("--set {key}={value}: {what}")))?;
        }
        if self.promised.values_per_partition() {
            self.names.judge_by_partition();
        }
        let (settings, recorded) = self.promised.settings();
        self.judge = Some(HistoryJudge::new(settings, recorded));
        Ok(())
    }

    fn finish(mut self) -> Result<Judged, Mistake> {
        self.begin()?;
        let verdict = self.judge.expect("it has begun").finish();
        let verdict =
            verdict.map_err(|wrong| Mistake::new(format!("{}: {}", self.name, wrong.0)))?;
        Ok(Judged { verdict, promised: self.promised, names: self.names })
    }

    fn mistake(&self, number: u64, text: &str, complaint: &Complaint) -> Mistake {
        let column = text.get(..complaint.at).map_or(0, |before| before.chars().count()) + 1;
        let sentence = format!("{}:{number}:{column}: {}", self.name, complaint.what);
        let shown = excerpt(text, column - 1);
        Mistake::new(format!("{sentence}\n{shown}\n`klab check --help` has the format"))
    }
}

/// The part of a line around a mistake, and a caret below it.
fn excerpt(text: &str, column: usize) -> String {
    let begin = column.saturating_sub(60);
    let part: String = text.chars().skip(begin).take(100).collect();
    format!("  {part}\n  {}^", " ".repeat(column - begin))
}
