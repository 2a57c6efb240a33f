//! Several runs of one scenario: `[[run]]`, each with something set otherwise and with expectations of
//! its own, under the same seed and the same weather.
//!
//! What a run sets is written as for `--set`. Its expectations come beside the scenario's; together they
//! must say what must, may not and must sometimes happen, like those of any scenario.

use crate::expectation::Expectation;
use crate::names::Scope;
use crate::problem::Complaint;
use crate::reader::{Spanned, Table, found, raw};
use serde::Serialize;
use std::collections::BTreeMap;
use toml_edit::{Item, Value};

/// One run of a scenario that has several.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Run {
    /// What to call it: `before`.
    pub name: String,
    /// What a reader sees happen in it, and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub story: Option<String>,
    /// What is set otherwise: paths as for `--set`, with their values.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub set: BTreeMap<String, String>,
    /// What it must show beside what every run must show.
    #[serde(rename = "expect", skip_serializing_if = "Vec::is_empty")]
    pub expectations: Vec<Expectation>,
}

impl Run {
    pub(crate) fn read(table: &Table<'_>, scope: &Scope<'_>) -> Option<Self> {
        let name = read_name(table);
        let own = table.tables("expect", "[[run.expect]]");
        let expectations = own.iter().filter_map(|table| Expectation::read(table, scope)).collect();
        let story = table.optional("story");
        let set = read_set(table);
        own.into_iter().for_each(Table::finish);
        Some(Run { name: name?, story, set, expectations })
    }
}

fn read_name(table: &Table<'_>) -> Option<String> {
    let Spanned { value, span } = table.required_spanned::<String>("name")?;
    let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if value.is_empty() || !value.chars().all(is_word) {
        let message = format!("a run cannot be called `{value}`");
        let help = "a name is made of small letters, digits and hyphens, so that --run can name it";
        table.complain(span, Complaint::new(message).help(help));
        return None;
    }
    Some(value)
}

/// Paths with texts, numbers or truth values.
pub(crate) fn read_set(table: &Table<'_>) -> BTreeMap<String, String> {
    let Some(below) = table.table("set", "`set`") else { return BTreeMap::new() };
    let mut settings = BTreeMap::new();
    for (path, item) in below.entries() {
        match item {
            Item::Value(Value::String(text)) => {
                settings.insert(path.value, text.value().clone());
            }
            Item::Value(value) if !value.is_array() && !value.is_inline_table() => {
                settings.insert(path.value, raw(value));
            }
            other => {
                let message = format!("`{}` takes a value, not {}", path.value, found(other));
                let help = "a path goes in quotation marks: \"kafka.switches.truncation\"";
                table.complain(path.span, Complaint::new(message).help(help));
            }
        }
    }
    settings
}

/// Reports runs of the same name.
pub(crate) fn check_names(tables: &[Table<'_>]) {
    let name = |table: &Table<'_>| table.peek("name").and_then(Item::as_str).map(String::from);
    for (place, table) in tables.iter().enumerate() {
        let repeated = name(table).filter(|_| place > 0);
        let earlier = tables[..place].iter().map(name);
        if repeated.is_some() && earlier.into_iter().any(|earlier| earlier == repeated) {
            let message = format!("there are two runs `{}`", repeated.unwrap_or_default());
            table.complain(table.value_span("name"), Complaint::new(message));
        }
    }
}
