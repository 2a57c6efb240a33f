//! Which Kafka is simulated: `[kafka]`, its release and the old behaviours that are switched back on.
//!
//! The switches and what they do stand in [`klab_wire::config::switches`]; naming one that is planned
//! and not built yet is an error that says so.

use crate::problem::Complaint;
use crate::reader::{Readable, Table};
use klab_wire::config::{Release, SWITCHES, Switches};
use serde::Serialize;
use std::collections::BTreeMap;
use toml_edit::Item;

/// The Kafka of a scenario.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Kafka {
    /// Whose defaults and features apply; 4.0 if nothing is said.
    pub release: Release,
    /// Behaviours that differ from the release's, by the switch's name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub switches: BTreeMap<String, String>,
}

/// Switches that klab means to have, with the machines they belong to: name, values, what changed.
#[rustfmt::skip]
const PLANNED: &[(&str, &[&str], &str)] = &[
    ("replica-directories", &["off", "on"],
        "KIP-853: whether a voter with a replaced disk is told apart from its former self."),
];

impl Kafka {
    /// The position of every switch: as the scenario has it, or else as the release does.
    pub fn resolved(&self) -> Switches {
        let mut switches = Switches::at(self.release);
        for (name, value) in &self.switches {
            let is_known = switches.set(name, value);
            assert!(is_known, "reading has checked {name} = {value} against the same table");
        }
        switches
    }

    pub(crate) fn read(root: &Table<'_>) -> Self {
        let Some(table) = root.table("kafka", "[kafka]") else { return Kafka::default() };
        let release = table.or("release", Release::DEFAULT);
        let mut switches = BTreeMap::new();
        if let Some(table) = table.table("switches", "[kafka.switches]") {
            for (name, item) in table.entries() {
                match read_switch(&name.value, item) {
                    Ok(value) => drop(switches.insert(name.value, value)),
                    Err(complaint) => table.complain(name.span, complaint),
                }
            }
        }
        table.finish();
        Kafka { release, switches }
    }
}

fn read_switch(name: &str, item: &Item) -> Result<String, Complaint> {
    let planned = PLANNED.iter().find(|(planned, ..)| *planned == name);
    let built = SWITCHES.iter().find(|switch| switch.name == name);
    let (values, doc): (Vec<&str>, _) = match (built, planned) {
        (Some(switch), _) => (switch.values.iter().map(|value| value.0).collect(), switch.doc),
        (None, Some((_, values, doc))) => (values.to_vec(), doc),
        (None, None) => {
            let names = SWITCHES.iter().map(|switch| switch.name);
            return Err(Complaint::unknown(format!("there is no switch `{name}`"), name, names));
        }
    };
    let value = String::read(item).map_err(|complaint| complaint.with_key(name))?;
    if !values.contains(&value.as_str()) {
        let message = format!("`{name}` takes {}, not `{value}`", values.join(" or "));
        return Err(Complaint::new(message).help(doc.trim()));
    }
    if built.is_none() {
        let message = format!("the switch `{name}` is not built yet");
        return Err(Complaint::new(message).label("leave it out").help(doc));
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use klab_wire::config::switches::{PreVote, Truncation};

    #[test]
    fn a_release_decides_a_switch_that_the_scenario_leaves_open() {
        let kafka = |release| Kafka { release, ..Kafka::default() }.resolved();
        assert_eq!(kafka(Release::new(4, 0)).pre_vote, PreVote::On);
        assert_eq!(kafka(Release::new(3, 9)).pre_vote, PreVote::Off);
        let switches = BTreeMap::from([("truncation".into(), "kip-101".into())]);
        let kafka = Kafka { switches, ..Kafka::default() };
        assert_eq!(kafka.resolved().truncation, Truncation::Kip101);
    }

    #[test]
    fn a_planned_switch_is_not_built() {
        for (name, values, doc) in PLANNED {
            assert!(doc.ends_with('.') && values.len() > 1, "{name}");
            assert!(SWITCHES.iter().all(|switch| switch.name != *name), "{name}");
        }
    }
}
