//! Lessons and the front page: what they print is what klab prints, and the files they link to exist.
//!
//! `TRYCMD=overwrite cargo test --test lessons` writes down what is printed now.

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The lessons, and the pages at the door.
fn pages() -> Vec<PathBuf> {
    let lessons = fs::read_dir(root().join("lab-notebooks")).expect("there are lessons");
    let lessons = lessons.map(|entry| entry.expect("an entry").path());
    let pages = ["README.md", "ARCHITECTURE.md"].map(|page| root().join(page));
    let mut all: Vec<PathBuf> = lessons
        .filter(|path| path.extension().is_some_and(|end| end == "md"))
        .chain(pages)
        .collect();
    all.sort();
    all
}

/// The targets of a page's links: what stands between `](` and `)`.
fn links(page: &str) -> impl Iterator<Item = &str> {
    page.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target)
}

#[test]
fn what_lessons_and_the_front_page_show_is_what_klab_prints() {
    let cases = trycmd::TestCases::new();
    cases.env("NO_COLOR", "1");
    for page in pages() {
        cases.case(page);
    }
}

#[test]
fn every_file_that_a_page_links_to_exists() {
    let mut checked = 0;
    for page in pages() {
        let text = fs::read_to_string(&page).expect("a page is text");
        let folder = page.parent().expect("a page lies in a folder");
        let of_files =
            links(&text).filter(|link| !link.starts_with("http") && !link.starts_with('#'));
        for link in of_files {
            let file = link.split('#').next().expect("a part before the first #");
            assert!(folder.join(file).exists(), "{} links to {link}", page.display());
            checked += 1;
        }
    }
    assert!(checked > 10, "links are found");
}

#[test]
fn every_lesson_stands_in_the_table_of_lessons() {
    let table = fs::read_to_string(root().join("lab-notebooks/README.md")).expect("a table");
    for page in pages() {
        let name = page.file_name().expect("a file").to_string_lossy().into_owned();
        let is_lesson = name.starts_with(|letter: char| letter.is_ascii_digit());
        assert!(!is_lesson || table.contains(&format!("({name})")), "{name} is not in the table");
    }
}
