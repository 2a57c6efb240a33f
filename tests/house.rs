//! The shape of the house: who may know whom.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use toml_edit::DocumentMut;

/// The ranks of ARCHITECTURE.md. A crate may depend on lower ranks only; equal ranks do not know each
/// other.
const RANKS: &[(&str, u32)] = &[
    ("wire", 0),
    ("machine", 1),
    ("scenario", 1),
    ("log", 2),
    ("network", 2),
    ("zookeeper-client", 2),
    ("metadata", 2),
    ("check", 2),
    ("kraft", 3),
    ("zookeeper", 3),
    ("client", 3),
    ("broker", 4),
    ("controller", 4),
    ("world", 5),
    ("cage", 6),
    ("lab", 7),
];

fn manifest(path: impl AsRef<Path>) -> DocumentMut {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        .parse()
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The names in `[dependencies]` and `[dev-dependencies]`.
fn dependencies(manifest: &DocumentMut) -> Vec<String> {
    ["dependencies", "dev-dependencies"]
        .iter()
        .filter_map(|table| manifest.get(table)?.as_table_like())
        .flat_map(|table| table.iter().map(|(name, _)| name.to_string()).collect::<Vec<_>>())
        .collect()
}

#[test]
fn a_crate_depends_on_lower_ranks_only() {
    let ranks: BTreeMap<&str, u32> = RANKS.iter().copied().collect();
    for (name, rank) in RANKS {
        for dependency in dependencies(&manifest(format!("sim/{name}/Cargo.toml"))) {
            let Some(other) = dependency.strip_prefix("klab-") else { continue };
            let below = ranks[other];
            assert!(below < *rank, "{name} (rank {rank}) depends on {other} (rank {below})");
        }
    }
}

#[test]
fn only_the_tests_of_the_root_package_ask_for_mutants() {
    let asks = |manifest: &DocumentMut, tables: &[&str]| {
        let tables = tables.iter().filter_map(|table| manifest.get(table)?.as_table_like());
        let features =
            tables.flat_map(|table| table.iter()).filter_map(|(_, item)| item.get("features"));
        features
            .filter_map(|item| item.as_array())
            .flatten()
            .any(|one| one.as_str() == Some("mutants"))
    };
    let root = manifest("Cargo.toml");
    assert!(asks(&root, &["dev-dependencies"]));
    assert!(!asks(&root, &["dependencies", "build-dependencies"]));
    for (name, _) in RANKS {
        let manifest = manifest(format!("sim/{name}/Cargo.toml"));
        assert!(!asks(&manifest, &["dependencies", "dev-dependencies", "build-dependencies"]));
        assert!(manifest.get("features").is_none_or(|features| features.get("default").is_none()));
    }
}

#[test]
fn every_crate_of_the_workspace_has_a_rank() {
    let workspace = manifest("Cargo.toml");
    let members = workspace["workspace"]["members"].as_array().expect("a list of members");
    let mut members: Vec<&str> =
        members.iter().map(|m| m.as_str().expect("a path").trim_start_matches("sim/")).collect();
    let mut ranked: Vec<&str> = RANKS.iter().map(|(name, _)| *name).collect();
    members.sort_unstable();
    ranked.sort_unstable();
    assert_eq!(members, ranked);
}

#[test]
fn only_the_cage_knows_madsim_and_only_the_lab_draws() {
    for (library, owner) in [("madsim", "cage"), ("plotters", "lab"), ("clap", "lab")] {
        for (name, _) in RANKS.iter().filter(|(name, _)| *name != owner) {
            let known = dependencies(&manifest(format!("sim/{name}/Cargo.toml")));
            assert!(!known.iter().any(|known| known == library), "{name} knows {library}");
        }
    }
}
