//! Curves and curated pages: the same bytes whoever makes them, and a sentence with the way out for a mistake.

mod workplace;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Output;
use workplace::Workplace;

/// Every file of the only page in a folder: its name and its bytes.
fn files(place: &Workplace) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(&place.entries()[0]).expect("a page is a folder");
    let file = |entry: std::io::Result<fs::DirEntry>| {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        (name, fs::read(path).expect("a file"))
    };
    entries.map(file).collect()
}

fn klab(arguments: &[&str]) -> Output {
    workplace::klab(Path::new(env!("CARGO_MANIFEST_DIR")), arguments)
}

const SKEW: &str = "scenarios/performance/skew.toml";

#[test]
fn a_plot_is_the_same_to_the_byte_whoever_runs_it_and_how_many_at_a_time() {
    let plotted = |name: &str, jobs: &str| {
        let place = Workplace::new(&format!("plots-{name}"));
        let out = place.path().display().to_string();
        let sweeps =
            ["--sweep", "topic.partitions=1,2,4", "--sweep", "producer.keys.skew=uniform,zipf"];
        let rest = ["--set", "run-for=4s", "--measure", "skew", "--measure", "latency", "--png"];
        let head = ["plot", SKEW, "--out", &out, "--jobs", jobs, "--seeds", "1..3"];
        let output = klab(&[&head[..], &sweeps[..], &rest[..]].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        (files(&place), output.stdout)
    };
    let (one, other) = (plotted("one", "1"), plotted("other", "3"));
    assert!(one == other, "the files or the words differ");
    let names: Vec<&str> = one.0.keys().map(String::as_str).collect();
    let pictures = ["latency-p50", "latency-p99", "latency-p999", "records-per-partition", "skew"];
    let pictures =
        pictures.iter().flat_map(|name| ["png", "svg"].map(|end| format!("{name}.{end}")));
    let wanted: Vec<String> =
        ["data.csv", "index.md"].map(String::from).into_iter().chain(pictures).collect();
    assert_eq!(names, wanted);
}

#[test]
fn a_mistake_in_a_plot_is_answered_with_the_way_out() {
    let cases: &[(&[&str], &str)] = &[
        (&["--sweep", "topic.partitions=1,2,..,8"], "write a third value"),
        (&["--sweep", "topic.partitionz=1,2"], "partitions"),
        (&["--sweep", "topic.partitions=1,two"], "two"),
        (&["--sweep", "topic.partitions=1,2", "--set", "topic.partitions=3"], "both set and swept"),
        (&["--sweep", "topic.partitions=1,2", "--sweep", "topic.partitions=3,4"], "swept twice"),
        (
            &["--sweep", "topic.partitions=1,2", "--measure", "thruput"],
            "did you mean `throughput`?",
        ),
        (&["--measure", "throughput"], "add a sweep"),
        (&["--sweep", "topic.partitions=1,2", "--seeds", "3..3"], "FIRST below LAST"),
        (
            &["--sweep", "seed=1,2", "--sweep", "run-for=1s,2s", "--sweep", "topic.partitions=1,2"],
            "at most two sweeps",
        ),
    ];
    for (arguments, part) in cases {
        let output = klab(&[&["plot", SKEW][..], arguments].concat());
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{arguments:?}: {said}");
        assert!(said.contains(part), "{arguments:?}: {said}");
    }
    let output = klab(&["report", "skewer"]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("there is no report skewer"));
}

/// The quick ones; `klab report --check` holds all of them against what their runs give now.
#[test]
fn the_curated_pages_are_what_their_runs_give() {
    use klab::lab::plot::curated::{all, changed};
    let quick: Vec<_> = all().filter(|(_, page)| page.is_quick).collect();
    assert!(!quick.is_empty());
    for (shelf, page) in quick {
        let changed = changed(shelf, page, 2).unwrap_or_else(|mistake| panic!("{mistake}"));
        assert!(changed.is_empty(), "klab report {}, and say why: {changed:#?}", page.name);
    }
}
