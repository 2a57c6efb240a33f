//! Which Kafka is simulated: `[kafka]`, its release and the old behaviours that are switched back on.
//!
//! A switch is the teaching instrument: same seed, one KIP apart. The switches that klab means to
//! have stand in [`SWITCHES`]; naming one that is not built yet is an error that says so.

use crate::problem::Complaint;
use crate::reader::{Readable, Table};
use klab_wire::config::Release;
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

/// One behaviour of Kafka that changed, and can be changed back.
#[derive(Clone, Copy, Debug)]
pub struct Switch {
    /// Its name in `[kafka.switches]`.
    pub name: &'static str,
    /// The values it takes, oldest behaviour first.
    pub values: &'static [&'static str],
    /// What changed, and by which KIP or ticket.
    pub doc: &'static str,
    /// Whether the machines obey it.
    pub is_built: bool,
}

const fn planned(name: &'static str, values: &'static [&'static str], doc: &'static str) -> Switch {
    Switch { name, values, doc, is_built: false }
}

const fn built(name: &'static str, values: &'static [&'static str], doc: &'static str) -> Switch {
    Switch { name, values, doc, is_built: true }
}

/// Every switch that klab has or means to have.
#[rustfmt::skip]
pub const SWITCHES: &[Switch] = &[
    built("pre-vote", &["off", "on"],
        "KIP-996: a voter asks whether it could win before it raises the epoch; on since 4.0."),
    planned("truncation", &["high-watermark", "kip-101", "kip-279", "kip-320"],
        "How a new follower cuts its log: to its own high watermark (before 0.11), or by leader epochs, ever more exactly."),
    planned("isr-admission", &["high-watermark", "leader-epoch-start"],
        "KAFKA-7128: how far a follower must be to join the ISR."),
    planned("list-offsets-latest", &["lagging", "fenced"],
        "KIP-207: whether a new leader answers with a high watermark that may lie behind its predecessor's."),
    planned("maximal-isr", &["off", "on"],
        "KIP-497: whether the high watermark waits for replicas whose ISR membership is still unconfirmed."),
    planned("ineligible-replicas", &["admitted", "refused"],
        "KIP-841: whether a fenced or stopping broker may enter the ISR."),
    planned("replica-incarnation", &["unchecked", "checked"],
        "KIP-903: whether a replica that came back with an empty disk may enter the ISR on its former life's merit."),
    planned("last-replica-standing", &["commits", "waits"],
        "KIP-966: whether the high watermark moves while the ISR is below min.insync.replicas."),
    planned("last-known-leader", &["unchecked", "checked"],
        "KAFKA-19522: whether the last known leader is elected even if it is dead."),
    planned("leader-recovery-state", &["off", "on"],
        "KIP-704: whether an uncleanly elected leader is known to be incomplete."),
    planned("replica-directories", &["off", "on"],
        "KIP-853: whether a voter with a replaced disk is told apart from its former self."),
    planned("controller-writes", &["unguarded", "guarded"],
        "KAFKA-6082: whether a deposed ZooKeeper-mode controller's writes are refused."),
    planned("broker-epoch", &["off", "on"],
        "KIP-380: whether a controller's request to a former life of a broker is refused."),
    planned("stop-replica-epoch", &["off", "on"],
        "KIP-570: whether StopReplica carries the leader epoch."),
];

impl Kafka {
    /// The value of a switch: as the scenario has it, or else as the release does.
    pub fn switch(&self, name: &str) -> &str {
        match self.switches.get(name) {
            Some(value) => value,
            None => self.default_of(name),
        }
    }

    /// Whether voters ask before they raise the epoch (KIP-996).
    pub fn pre_vote(&self) -> bool {
        self.switch("pre-vote") == "on"
    }

    fn default_of(&self, name: &str) -> &'static str {
        let switch = SWITCHES.iter().find(|switch| switch.name == name);
        let values = switch.map_or(&[][..], |switch| switch.values);
        let newest = values.last().copied().unwrap_or_default();
        match name {
            "pre-vote" if self.release < Release::new(4, 0) => "off",
            _ => newest,
        }
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
    let Some(switch) = SWITCHES.iter().find(|switch| switch.name == name) else {
        let names = SWITCHES.iter().map(|switch| switch.name);
        return Err(Complaint::unknown(format!("there is no switch `{name}`"), name, names));
    };
    let value = String::read(item).map_err(|complaint| complaint.with_key(name))?;
    if !switch.values.contains(&value.as_str()) {
        let message = format!("`{name}` takes {}, not `{value}`", switch.values.join(" or "));
        return Err(Complaint::new(message).help(switch.doc));
    }
    if !switch.is_built {
        let message = format!("the switch `{name}` is not built yet");
        return Err(Complaint::new(message).label("leave it out").help(switch.doc));
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_decides_a_switch_that_the_scenario_leaves_open() {
        let kafka = |release| Kafka { release, ..Kafka::default() };
        assert!(kafka(Release::new(4, 0)).pre_vote());
        assert!(!kafka(Release::new(3, 9)).pre_vote());
        assert_eq!(kafka(Release::new(4, 0)).switch("truncation"), "kip-320");
    }

    #[test]
    fn every_switch_is_explained_by_a_sentence_and_has_a_choice() {
        for switch in SWITCHES {
            assert!(switch.doc.ends_with('.') && switch.values.len() > 1, "{}", switch.name);
        }
    }
}
