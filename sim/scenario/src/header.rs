//! The keys at the top of a file: title, concept, claims, length.

use crate::names::Vocabulary;
use crate::problem::Complaint;
use crate::reader::{Spanned, Table};
use klab_wire::Span;

/// The keys at the top of the file.
pub(crate) struct Header {
    pub title: Option<String>,
    pub concept: Option<String>,
    pub about: Option<String>,
    pub claims: Vec<String>,
    pub run_for: Option<Span>,
    pub seed: u64,
    pub allow_unmatched: bool,
}

impl Header {
    pub fn read(root: &Table<'_>, vocabulary: &Vocabulary<'_>) -> Self {
        Header {
            title: root.required("title"),
            concept: read_concept(root, vocabulary),
            about: root.optional("about"),
            claims: read_claims(root),
            run_for: read_run_for(root),
            seed: root.or("seed", 1),
            allow_unmatched: root.or("allow-unmatched", false),
        }
    }
}

fn read_concept(root: &Table<'_>, vocabulary: &Vocabulary<'_>) -> Option<String> {
    let Spanned { value, span } = root.required_spanned::<String>("concept")?;
    if !vocabulary.concepts.contains(&value.as_str()) {
        let message = format!("there is no concept `{value}`");
        let known = vocabulary.concepts.iter().copied();
        root.complain(span, Complaint::unknown(message, &value, known));
        return None;
    }
    Some(value)
}

fn read_run_for(root: &Table<'_>) -> Option<Span> {
    let Spanned { value, span } = root.required_spanned::<Span>("run-for")?;
    if value == Span::ZERO {
        root.complain(span, Complaint::new("`run-for` takes more than no time at all"));
        return None;
    }
    Some(value)
}

fn read_claims(root: &Table<'_>) -> Vec<String> {
    let claims: Vec<Spanned<String>> = root.or("claims", Vec::new());
    for Spanned { value, span } in &claims {
        let is_id = value.strip_prefix('Q').and_then(|rest| rest.split_once('-')).is_some_and(
            |(question, claim)| {
                [question, claim].iter().all(|digits| {
                    digits.len() >= 2 && digits.bytes().all(|digit| digit.is_ascii_digit())
                })
            },
        );
        if !is_id {
            let message = format!("`{value}` is no claim's id");
            let complaint = Complaint::new(message).label("an id looks like `Q10-10`");
            root.complain(span.clone(), complaint);
        }
    }
    claims.into_iter().map(|claim| claim.value).collect()
}
