//! A scenario as a file again, for what was made by a program: a shrunk failure, for example.
//!
//! Everything is written out, defaults too, except sections that say nothing but defaults. Reading
//! the text gives the same scenario.

use crate::{Disk, Network, Scenario};
use serde::Serialize;
use std::fmt;
use toml_edit::{ArrayOfTables, DocumentMut, Item, Value};

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&document(self).to_string())
    }
}

fn document(scenario: &Scenario) -> DocumentMut {
    let mut document = toml_edit::ser::to_document(scenario)
        .expect("every key of a scenario is a text, and every number fits TOML's");
    for (section, is_default) in [
        ("kafka", is_default(&scenario.kafka)),
        ("hardware", is_default(&scenario.hardware)),
        ("network", scenario.network == Network::of(&scenario.hardware)),
        ("disk", scenario.disk == Disk::of(&scenario.hardware)),
        ("heal", is_default(&scenario.heal)),
    ] {
        if is_default {
            document.remove(section);
        }
    }
    for (_, item) in document.iter_mut() {
        *item = as_section(std::mem::take(item));
    }
    document
}

fn is_default<T: Default + PartialEq + Serialize>(section: &T) -> bool {
    *section == T::default()
}

/// `[cluster]` and `[[topic]]` instead of long lines in braces.
pub(crate) fn as_section(item: Item) -> Item {
    match item {
        Item::Value(Value::InlineTable(table)) => Item::Table(table.into_table()),
        Item::Value(Value::Array(array))
            if !array.is_empty() && array.iter().all(Value::is_inline_table) =>
        {
            let mut tables = ArrayOfTables::new();
            for value in array {
                if let Value::InlineTable(table) = value {
                    tables.push(table.into_table());
                }
            }
            Item::ArrayOfTables(tables)
        }
        other => other,
    }
}
