//! What a run must show: `[[expect]]`.
//!
//! `sometimes` is not optional. A scenario says what must happen as well as what must not: a run in
//! which nothing of the kind happened is vacuous, not a pass.

use crate::names::Scope;
use crate::problem::Complaint;
use crate::reader::{Positive, Spanned, Table, found, raw};
use klab_wire::config::ConfigKind;
use serde::Serialize;
use std::collections::BTreeMap;
use toml_edit::{Item, Value};

/// One expectation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Expectation {
    /// A promise is kept throughout.
    Always {
        /// Which.
        always: String,
    },
    /// A fact is stated.
    Sometimes {
        /// Which.
        sometimes: String,
        /// Only those with these fields count.
        #[serde(rename = "where", skip_serializing_if = "BTreeMap::is_empty")]
        fields: BTreeMap<String, String>,
        /// How often at least; once if nothing is said.
        #[serde(rename = "at-least")]
        at_least: u64,
        /// How often at most; no limit if nothing is said.
        #[serde(rename = "at-most", skip_serializing_if = "Option::is_none")]
        at_most: Option<u64>,
    },
    /// A fact is not stated.
    Never {
        /// Which.
        never: String,
        /// Only those with these fields count.
        #[serde(rename = "where", skip_serializing_if = "BTreeMap::is_empty")]
        fields: BTreeMap<String, String>,
    },
    /// A promise is broken: the loss that the lesson is about.
    Violated {
        /// Which.
        violated: String,
        /// The setting that permits it: `acks=1`. A violation that the settings did promise against
        /// is then not the expected one.
        #[serde(rename = "permitted-by", skip_serializing_if = "Option::is_none")]
        permitted_by: Option<String>,
    },
}

/// What permits a loss and is no config.
const OTHER_PERMITS: &[&str] = &[
    "an operator's unclean election",
    "a voter's disk was lost",
    "a deposed leader answers a sync (ZOOKEEPER-1675)",
    "ZooKeeper mode trusts the last member of an ISR (KIP-966 is KRaft's)",
];

const KINDS: [&str; 4] = ["always", "sometimes", "never", "violated"];

impl Expectation {
    /// The promise that it is about, if it is about one.
    pub fn promise(&self) -> Option<&str> {
        match self {
            Expectation::Always { always } => Some(always),
            Expectation::Violated { violated, .. } => Some(violated),
            Expectation::Sometimes { .. } | Expectation::Never { .. } => None,
        }
    }

    pub(crate) fn read(table: &Table<'_>, scope: &Scope<'_>) -> Option<Self> {
        let present: Vec<_> = KINDS.into_iter().filter(|kind| table.item(kind).is_some()).collect();
        let (promises, facts) = (scope.vocabulary.promises, scope.vocabulary.facts);
        match present.as_slice() {
            ["always"] => read_name(table, "always", "promise", promises)
                .map(|always| Expectation::Always { always }),
            ["sometimes"] => read_sometimes(table, facts),
            ["never"] => {
                let never = read_name(table, "never", "fact", facts);
                let fields = read_fields(table);
                Some(Expectation::Never { never: never?, fields })
            }
            ["violated"] => {
                let violated = read_name(table, "violated", "promise", promises);
                let permitted_by = read_permit(table);
                Some(Expectation::Violated { violated: violated?, permitted_by })
            }
            _ => {
                let message = "an [[expect]] says exactly one of `always`, `sometimes`, `never` and `violated`";
                table.complain(table.span(), Complaint::new(message));
                None
            }
        }
    }
}

fn read_sometimes(table: &Table<'_>, facts: &[&str]) -> Option<Expectation> {
    let sometimes = read_name(table, "sometimes", "fact", facts);
    let fields = read_fields(table);
    let Positive(at_least) = table.or("at-least", Positive(1));
    let at_most = table.spanned::<u64>("at-most");
    if let Some(at_most) = at_most.as_ref().filter(|count| count.value < at_least) {
        let message = format!("`at-most` is less than `at-least`, which is {at_least}");
        table.complain(at_most.span.clone(), Complaint::new(message));
    }
    let at_most = at_most.map(|count| count.value);
    Some(Expectation::Sometimes { sometimes: sometimes?, fields, at_least, at_most })
}

fn read_name(table: &Table<'_>, key: &'static str, kind: &str, known: &[&str]) -> Option<String> {
    let Spanned { value, span } = table.required_spanned::<String>(key)?;
    if known.contains(&value.as_str()) {
        return Some(value);
    }
    let message = format!("there is no {kind} `{value}`");
    table.complain(span, Complaint::unknown(message, &value, known.iter().copied()));
    None
}

fn read_fields(table: &Table<'_>) -> BTreeMap<String, String> {
    let Some(below) = table.table("where", "`where`") else { return BTreeMap::new() };
    let mut fields = BTreeMap::new();
    for (name, item) in below.entries() {
        match item {
            Item::Value(Value::String(text)) => {
                fields.insert(name.value, text.value().clone());
            }
            Item::Value(value @ (Value::Integer(_) | Value::Boolean(_))) => {
                fields.insert(name.value, raw(value));
            }
            other => {
                let field = &name.value;
                let message = format!("`{field}` takes the field's value, not {}", found(other));
                table.complain(name.span, Complaint::new(message));
            }
        }
    }
    fields
}

/// `acks=1`, `unclean.leader.election.enable`, or something that is done to the cluster.
fn read_permit(table: &Table<'_>) -> Option<String> {
    let Spanned { value, span } = table.spanned::<String>("permitted-by")?;
    let name = value.split('=').next().unwrap_or_default().trim();
    let configs: Vec<&str> = [ConfigKind::Producer, ConfigKind::Topic, ConfigKind::Broker]
        .into_iter()
        .flat_map(ConfigKind::rows)
        .map(|row| row.name)
        .collect();
    if configs.contains(&name) || OTHER_PERMITS.contains(&name) {
        return Some(value);
    }
    let message = format!("`{name}` is no setting that could permit anything");
    let known = configs.iter().chain(OTHER_PERMITS).copied();
    table.complain(span, Complaint::unknown(message, name, known));
    None
}
