//! The scenarios of the repository are read without a problem, and printed so that they are the same.

mod common;

use common::VOCABULARY;
use klab_scenario::{Scenario, Vocabulary};
use std::path::{Path, PathBuf};

fn scenario_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("the folder of the scenarios is there") {
        let path = entry.expect("its entries can be read").path();
        match path.extension() {
            _ if path.is_dir() => scenario_files(&path, found),
            Some(extension) if extension == "toml" => found.push(path),
            _ => {}
        }
    }
    found.sort();
}

/// The words of a file that name facts, promises and concepts. Whether the lab knows them is tested
/// where the lab is.
fn words_of(text: &str) -> [Vec<String>; 3] {
    let words = |keys: &[&str]| -> Vec<String> {
        text.lines()
            .filter_map(|line| line.split_once('='))
            .filter(|(key, _)| keys.contains(&key.trim()))
            .map(|(_, value)| {
                value.split_once('#').map_or(value, |(before_comment, _)| before_comment)
            })
            .map(|value| value.trim().trim_matches('"').to_string())
            .collect()
    };
    [words(&["sometimes", "never"]), words(&["always", "violated"]), words(&["concept"])]
}

fn read(path: &Path) -> Scenario {
    let text = std::fs::read_to_string(path).expect("a scenario is text");
    let [facts, promises, concepts] = words_of(&text);
    let borrow = |words: &[String]| -> Vec<&'static str> {
        words.iter().map(|word| &*word.clone().leak()).collect()
    };
    let (facts, promises, concepts) = (borrow(&facts), borrow(&promises), borrow(&concepts));
    let vocabulary = Vocabulary { facts: &facts, promises: &promises, concepts: &concepts };
    let name = path.display().to_string();
    let scenario =
        Scenario::parse(&name, &text, &vocabulary).unwrap_or_else(|problems| panic!("{problems}"));
    let printed = scenario.to_string();
    let again = Scenario::parse("printed", &printed, &vocabulary)
        .unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(again, scenario, "{printed}");
    scenario
}

#[test]
fn every_scenario_of_the_repository_is_read_and_printed() {
    let mut files = Vec::new();
    scenario_files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios"), &mut files);
    assert!(files.len() >= 2, "the first scenarios are there");
    for file in files {
        assert!(!read(&file).title.is_empty());
    }
}

#[test]
fn a_scenario_that_says_everything_is_printed_as_the_same() {
    let text = include_str!("everything.toml");
    let scenario = Scenario::parse("everything.toml", text, &VOCABULARY)
        .unwrap_or_else(|problems| panic!("{problems}"));
    let printed = scenario.to_string();
    let again = Scenario::parse("printed", &printed, &VOCABULARY)
        .unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(again, scenario, "{printed}");
    insta::assert_snapshot!(printed);
}
