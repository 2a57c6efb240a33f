//! Kafka configs in a scenario: real names, checked against the tables of `wire`.

use crate::problem::Complaint;
use crate::reader::{Table, found, raw};
use klab_wire::config::{ConfigError, ConfigTable};
use serde::Serialize;
use std::collections::BTreeMap;
use std::ops::Range;
use toml_edit::{Item, Value};

/// Configs by name, with their values in Kafka's textual form.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Settings(pub BTreeMap<String, String>);

impl Settings {
    /// Names and values, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, text)| (name.as_str(), text.as_str()))
    }

    /// Whether nothing is set.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// These settings, and over them those.
    pub fn with(&self, over: &Settings) -> Settings {
        let mut all = self.0.clone();
        all.extend(over.0.clone());
        Settings(all)
    }
}

/// Settings with the places they were read from, so that a conflict can be shown.
pub(crate) struct PlacedSettings {
    pub settings: Settings,
    places: BTreeMap<String, Range<usize>>,
}

impl PlacedSettings {
    /// Where `name` was set; or else `otherwise`.
    pub fn place(&self, name: &str, otherwise: Range<usize>) -> Range<usize> {
        self.places.get(name).cloned().unwrap_or(otherwise)
    }
}

/// Reads the table `key` of configs whose names and values `T` knows.
pub(crate) fn read<T: ConfigTable>(table: &Table<'_>, key: &'static str) -> PlacedSettings {
    let mut read = PlacedSettings { settings: Settings::default(), places: BTreeMap::new() };
    let of = format!("`{key}`");
    let Some(configs) = table.table(key, &of) else { return read };
    let mut probe = T::default();
    for (name, item) in configs.entries() {
        for (name, span, value) in flattened(name.value, name.span, item) {
            match checked(&mut probe, &name, value) {
                Ok(text) => {
                    let repeated = read.settings.0.insert(name.clone(), text).is_some();
                    if repeated {
                        let message = format!("`{name}` is set twice");
                        table.complain(span.clone(), Complaint::new(message));
                    }
                    read.places.insert(name, span);
                }
                Err(Refusal::Name(complaint)) => table.complain(span, complaint),
                Err(Refusal::Value(complaint)) => {
                    table.complain(value.span().unwrap_or(span), complaint);
                }
            }
        }
    }
    read
}

/// What is wrong with a setting.
enum Refusal {
    Name(Complaint),
    Value(Complaint),
}

/// `min.insync.replicas = 2` without quotes is three nested tables to TOML; it is meant as one name.
fn flattened(name: String, span: Range<usize>, item: &Item) -> Vec<(String, Range<usize>, &Item)> {
    match item.as_table_like() {
        Some(table) if table.is_dotted() => table
            .iter()
            .flat_map(|(key, below)| {
                let inner = table.key(key).and_then(|key| key.span());
                let span = span.start..inner.map_or(span.end, |inner| inner.end);
                flattened(format!("{name}.{key}"), span, below)
            })
            .collect(),
        _ => vec![(name, span, item)],
    }
}

fn checked<T: ConfigTable>(probe: &mut T, name: &str, item: &Item) -> Result<String, Refusal> {
    let kind = T::KIND.name();
    if probe.value(name).is_none() {
        let message = format!("there is no {kind} config `{name}`");
        return Err(Refusal::Name(Complaint::unknown(message, name, T::names())));
    }
    let Some(text) = textual(item) else {
        let message = format!("`{name}` takes one value, not {}", found(item));
        return Err(Refusal::Value(Complaint::new(message)));
    };
    probe.set(name, &text).map_err(|error| Refusal::Value(Complaint::new(error.to_string())))?;
    Ok(text)
}

/// A value in Kafka's textual form: a list is written with commas.
fn textual(item: &Item) -> Option<String> {
    match item.as_value()? {
        Value::String(text) => Some(text.value().clone()),
        Value::Integer(number) => Some(number.value().to_string()),
        Value::Boolean(truth) => Some(truth.value().to_string()),
        value @ Value::Float(_) => Some(raw(value)),
        Value::Array(array) => {
            let words: Option<Vec<_>> =
                array.iter().map(|value| textual(&Item::Value(value.clone()))).collect();
            Some(words?.join(","))
        }
        Value::InlineTable(_) | Value::Datetime(_) => None,
    }
}

/// Reports what Kafka refuses of all settings together, at the setting that is at fault.
pub(crate) fn report_conflict<T>(
    table: &Table<'_>,
    placed: &PlacedSettings,
    resolved: Result<T, ConfigError>,
) {
    if let Err(error) = resolved {
        let place = placed.place(error.name(), table.span());
        table.complain(place, Complaint::new(error.to_string()));
    }
}
