//! What is wrong with a scenario file, shown where it is wrong.

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use std::cell::RefCell;
use std::fmt;
use std::ops::Range;

/// One mistake: what, where, and the way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What is wrong, in one sentence.
    pub message: String,
    /// The bytes of the file that are wrong.
    pub span: Range<usize>,
    /// What should stand there, or the nearest known word; empty if the message says it all.
    pub label: String,
    /// What else to know: the rule, the choice.
    pub help: Option<String>,
}

/// All that is wrong with one file, in the order of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems {
    /// The file's name, as it was given.
    pub source_name: String,
    /// Its text.
    pub text: String,
    /// What is wrong with it; at least one.
    pub list: Vec<Problem>,
}

impl Problems {
    /// Everything, with file, line, column and a caret under each place; coloured if asked for.
    pub fn render(&self, coloured: bool) -> String {
        let renderer = if coloured { Renderer::styled() } else { Renderer::plain() };
        let reports: Vec<_> =
            self.list.iter().map(|problem| self.render_one(&renderer, problem)).collect();
        reports.join("\n\n")
    }

    /// The line and the column, both from 1, at which a problem begins.
    pub fn position(&self, problem: &Problem) -> (usize, usize) {
        let before = &self.text[..problem.span.start.min(self.text.len())];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }

    fn render_one(&self, renderer: &Renderer, problem: &Problem) -> String {
        let mut annotation = AnnotationKind::Primary.span(problem.span.clone());
        if !problem.label.is_empty() {
            annotation = annotation.label(problem.label.as_str());
        }
        let snippet =
            Snippet::source(self.text.as_str()).path(&*self.source_name).annotation(annotation);
        let mut group = Level::ERROR.primary_title(problem.message.as_str()).element(snippet);
        if let Some(help) = &problem.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        renderer.render(&[group])
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Problems {}

/// Why one value is refused: the sentence, and possibly the way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Complaint {
    pub message: String,
    pub label: String,
    pub help: Option<String>,
    /// The message goes on after the key that the value belongs to.
    pub continues_key: bool,
}

impl Complaint {
    pub fn new(message: impl Into<String>) -> Self {
        let message = message.into();
        Complaint { message, label: String::new(), help: None, continues_key: false }
    }

    /// A message that begins with the key, which whoever knows it puts in front: "takes a text".
    pub fn of_key(message: impl Into<String>) -> Self {
        Complaint { continues_key: true, ..Complaint::new(message) }
    }

    /// The whole message, now that the key is known.
    pub fn with_key(mut self, key: &str) -> Self {
        if self.continues_key {
            self.message = format!("`{key}` {}", self.message);
            self.continues_key = false;
        }
        self
    }

    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// A word that nobody knows, with the nearest of those that are known.
    pub fn unknown<'w>(
        message: impl Into<String>,
        word: &str,
        known: impl IntoIterator<Item = &'w str>,
    ) -> Self {
        let known: Vec<&str> = known.into_iter().collect();
        let complaint = Complaint::new(message);
        match nearest(word, &known) {
            Some(near) => complaint.label(format!("did you mean `{near}`?")),
            None if known.is_empty() || known.len() > 32 => complaint,
            None => complaint.help(format!("known here: {}", known.join(", "))),
        }
    }
}

/// Where the problems of one reading are gathered.
#[derive(Default)]
pub(crate) struct Log(RefCell<Vec<Problem>>);

impl Log {
    pub fn add(&self, span: Range<usize>, complaint: Complaint) {
        let Complaint { message, label, help, .. } = complaint;
        self.0.borrow_mut().push(Problem { message, span, label, help });
    }

    /// How many problems there are so far.
    pub fn count(&self) -> usize {
        self.0.borrow().len()
    }

    /// The problems, in the order of the file.
    pub fn into_list(self) -> Vec<Problem> {
        let mut list = self.0.into_inner();
        list.sort_by_key(|problem| (problem.span.start, problem.span.end));
        list.dedup();
        list
    }
}

/// The known word that `word` is most likely a slip of.
pub(crate) fn nearest<'w>(word: &str, known: &[&'w str]) -> Option<&'w str> {
    let bare = |word: &str| -> String {
        word.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
    };
    let word = bare(word);
    let slips = |candidate: &str| strsim::damerau_levenshtein(&word, &bare(candidate));
    let best = known.iter().copied().min_by_key(|candidate| slips(candidate))?;
    if slips(best) <= 1.max(word.len() / 3) {
        return Some(best);
    }
    // A word cut short or worn down: "min.isr" for "min.insync.replicas".
    let likeness = |candidate: &&str| strsim::jaro_winkler(&word, &bare(candidate));
    let alike = known.iter().copied().filter(|candidate| likeness(candidate) > 0.84);
    alike.max_by(|a, b| likeness(a).total_cmp(&likeness(b)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_forgives_slips_but_not_everything() {
        let known = ["partitions", "replication", "min.insync.replicas", "IsrShrunk"];
        assert_eq!(nearest("partitons", &known), Some("partitions"));
        assert_eq!(nearest("isr-shrunk", &known), Some("IsrShrunk"));
        assert_eq!(nearest("min.isync.replica", &known), Some("min.insync.replicas"));
        assert_eq!(nearest("colour", &known), None);
    }
}
