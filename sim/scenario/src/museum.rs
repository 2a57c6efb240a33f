//! An exhibit of the bug museum: `[museum]`, a defect that Kafka once had, seen before and after its fix.

use crate::reader::Table;
use crate::run::read_set;
use serde::Serialize;
use std::collections::BTreeMap;

/// What an exhibit says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Museum {
    /// Its name among the exhibits: `R2`.
    pub exhibit: String,
    /// The tickets and KIPs of its history.
    pub history: String,
    /// The release, gate or setting that ended it.
    pub fixed: String,
    /// How random faults find it, without being told the schedule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found: Option<Found>,
}

/// A random scenario that comes upon the defect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Found {
    /// Its file, seen from the root of the project.
    pub by: String,
    /// What is set in it, beside what the runs of the exhibit set.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub set: BTreeMap<String, String>,
    /// The first seed, counted from 0, that breaks a promise before the fix and none after it.
    pub seed: u64,
}

impl Museum {
    pub(crate) fn read(root: &Table<'_>) -> Option<Self> {
        let table = root.table("museum", "[museum]")?;
        let exhibit = table.required("exhibit");
        let history = table.required("history");
        let fixed = table.required("fixed");
        let found = table.table("found", "`found`").and_then(|table| {
            let by = table.required("by");
            let seed = table.required("seed");
            let set = read_set(&table);
            table.finish();
            Some(Found { by: by?, set, seed: seed? })
        });
        table.finish();
        Some(Museum { exhibit: exhibit?, history: history?, fixed: fixed?, found })
    }
}
