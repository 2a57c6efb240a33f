//! Setting one value of a scenario from outside: `--set producer.acks=1`.
//!
//! An edit of the file's text, so that what is set is then read and checked like everything else.
//! A path is
//!
//! - a key at the top, or below a section: `run-for`, `cluster.brokers`, `network.latency`;
//! - `broker.` or `voter.` and a config: `broker.min.insync.replicas`, `broker.b2.log.segment.bytes`;
//! - `topic.`, `producer.`, `consumer.`, `link.`, `at.`, `nemesis.` or `expect.` and a key or config: of all
//!   such tables (`producer.acks`), of the one with that name (`topic.orders.partitions`), or of the
//!   one in that place, counted from 1 (`at.2.time`).

use crate::print::as_section;
use crate::problem::{Complaint, Problem, Problems};
use klab_wire::config::ConfigKind;
use toml_edit::{ArrayOfTables, DocumentMut, InlineTable, Item, Table, TableLike, Value};

const SECTIONS: &[&str] = &["kafka", "cluster", "zookeeper", "hardware", "network", "disk", "heal"];
const LISTS: &[&str] =
    &["topic", "producer", "consumer", "zookeeper-client", "link", "at", "nemesis", "expect"];
const HEADER: &[&str] =
    &["title", "concept", "about", "claims", "run-for", "seed", "allow-unmatched"];

/// Tables whose keys have dots in them: what follows is one key.
const OF_NAMES: &[&str] = &["config", "voter-config", "switches", "set", "where"];

/// The text with one value set otherwise.
pub(crate) fn set(text: &str, path: &str, value: &str) -> Result<String, Problems> {
    let mut document: DocumentMut = text.parse().expect("a scenario is read before it is edited");
    let refused = |complaint| problems(path, value, complaint);
    if path == "cluster.controller.mode" {
        rename_controllers(section(&mut document, "cluster"), value);
    }
    let slots = slots(&mut document, path).map_err(refused)?;
    for slot in slots {
        *slot = Item::Value(toml_value(value));
    }
    Ok(document.to_string())
}

/// The text of one run of a scenario that has several: without the others, with the run's expectations
/// beside the scenario's.
pub(crate) fn choose_run(text: &str, name: &str) -> String {
    let mut document: DocumentMut = text.parse().expect("a scenario is read before it is edited");
    let Some(Item::ArrayOfTables(runs)) = document.remove("run").map(as_section) else {
        panic!("a scenario that has runs has a list of them");
    };
    let is_chosen = |run: &Table| run.get("name").and_then(Item::as_str) == Some(name);
    let mut chosen = runs.into_iter().find(is_chosen).expect("the run was read from this text");
    let mut expectations = ArrayOfTables::new();
    for list in [document.remove("expect"), chosen.remove("expect")].into_iter().flatten() {
        if let Item::ArrayOfTables(tables) = as_section(list) {
            tables.into_iter().for_each(|table| expectations.push(table));
        }
    }
    document.insert("expect", Item::ArrayOfTables(expectations));
    document.to_string()
}

/// A value as TOML has it, or else a text: `12`, `true`, `["a"]`, but also `60s`.
fn toml_value(text: &str) -> Value {
    text.trim().parse().unwrap_or_else(|_| Value::from(text))
}

fn problems(path: &str, value: &str, complaint: Complaint) -> Problems {
    let Complaint { message, label, help, .. } = complaint;
    let problem = Problem { message, span: 0..path.len(), label, help };
    Problems { source_name: "--set".into(), text: format!("{path}={value}"), list: vec![problem] }
}

/// The places that a path means.
fn slots<'d>(document: &'d mut DocumentMut, path: &str) -> Result<Vec<&'d mut Item>, Complaint> {
    let (first, rest) = path.split_once('.').unwrap_or((path, ""));
    match first {
        _ if rest.is_empty() && HEADER.contains(&first) => {
            Ok(vec![document.entry(first).or_insert(Item::None)])
        }
        _ if rest.is_empty() && (SECTIONS.contains(&first) || LISTS.contains(&first)) => {
            Err(Complaint::new(format!("`{first}` needs a key: `{first}.<key>`")))
        }
        "broker" | "voter" if !rest.is_empty() => {
            let cluster = section(document, "cluster");
            descend(cluster, &server_path(first, rest)).map(|slot| vec![slot])
        }
        _ if SECTIONS.contains(&first) => {
            descend(section(document, first), &words(rest)).map(|slot| vec![slot])
        }
        _ if LISTS.contains(&first) => list_slots(document, first, rest),
        _ => {
            let heads = HEADER.iter().chain(SECTIONS).chain(LISTS).chain(&["broker", "voter"]);
            let message = format!("nothing called `{first}` can be set");
            Err(Complaint::unknown(message, first, heads.copied()))
        }
    }
}

fn section<'d>(document: &'d mut DocumentMut, name: &str) -> &'d mut dyn TableLike {
    let item = document.entry(name).or_insert_with(|| Item::Table(Table::new()));
    item.as_table_like_mut().expect("a scenario's sections are tables")
}

/// `broker.min.insync.replicas` is `cluster.config."min.insync.replicas"`.
fn server_path(kind: &str, rest: &str) -> Vec<String> {
    let all = if kind == "voter" { "voter-config" } else { "config" };
    match rest.split_once('.') {
        Some((name, config)) if name.parse::<klab_wire::NodeId>().is_ok() => {
            vec![kind.into(), name.into(), "config".into(), config.into()]
        }
        _ => vec![all.into(), rest.into()],
    }
}

fn words(path: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = path;
    while let Some((word, tail)) = rest.split_once('.') {
        words.push(word.to_string());
        rest = tail;
        if OF_NAMES.contains(&word) {
            break;
        }
    }
    words.push(rest.to_string());
    words
}

/// Another mode has controllers of another kind, but as many of them.
fn rename_controllers(cluster: &mut dyn TableLike, mode: &str) {
    let controller = cluster.get_mut("controller").and_then(Item::as_table_like_mut);
    let Some(controller) = controller else { return };
    if controller.get("mode").and_then(Item::as_str).unwrap_or("kraft") == mode {
        return;
    }
    for (old, new) in [("voters", "servers"), ("servers", "voters")] {
        if let Some(count) = controller.remove(old) {
            controller.insert(new, count);
            break;
        }
    }
    controller.remove("combined");
}

fn list_slots<'d>(
    document: &'d mut DocumentMut,
    list: &str,
    rest: &str,
) -> Result<Vec<&'d mut Item>, Complaint> {
    let tables = tables_of(document, list);
    if tables.is_empty() {
        return Err(Complaint::new(format!("the scenario has no [[{list}]]")));
    }
    let (chosen, rest) = chosen(&tables, rest);
    if chosen.is_empty() {
        let count = tables.len();
        let message = format!("there is no such [[{list}]]: the scenario has {count}");
        return Err(Complaint::new(message));
    }
    let path = element_path(list, rest)?;
    let elements = tables.into_iter().enumerate();
    elements
        .filter(|(place, _)| chosen.contains(place))
        .map(|(_, table)| descend(table, &path))
        .collect()
}

fn tables_of<'d>(document: &'d mut DocumentMut, list: &str) -> Vec<&'d mut dyn TableLike> {
    match document.get_mut(list) {
        Some(Item::ArrayOfTables(tables)) => {
            tables.iter_mut().map(|table| table as &mut dyn TableLike).collect()
        }
        Some(Item::Value(Value::Array(array))) => array
            .iter_mut()
            .filter_map(Value::as_inline_table_mut)
            .map(|table| table as &mut dyn TableLike)
            .collect(),
        _ => Vec::new(),
    }
}

/// Which of the tables are meant, and what is left of the path.
fn chosen<'p>(tables: &[&mut dyn TableLike], path: &'p str) -> (Vec<usize>, &'p str) {
    let all = 0..tables.len();
    let Some((first, rest)) = path.split_once('.') else { return (all.collect(), path) };
    if let Ok(place) = first.parse::<usize>() {
        return (all.filter(|index| index + 1 == place).collect(), rest);
    }
    let is_named = |index: &usize| tables[*index].get("name").and_then(Item::as_str) == Some(first);
    let named: Vec<usize> = all.clone().filter(is_named).collect();
    match named.is_empty() {
        true => (all.collect(), path),
        false => (named, rest),
    }
}

/// A key of the table, or a config of what it stands for.
fn element_path(list: &str, rest: &str) -> Result<Vec<String>, Complaint> {
    let kind = ConfigKind::ALL.into_iter().find(|kind| kind.name() == list);
    let configs: Vec<&str> =
        kind.map_or(Vec::new(), |kind| kind.rows().iter().map(|row| row.name).collect());
    let fields = fields_of(list);
    let field = rest.split('.').next().unwrap_or(rest);
    if configs.contains(&rest) {
        return Ok(vec!["config".into(), rest.into()]);
    }
    if kind.is_none() || fields.contains(&field) {
        return Ok(words(rest));
    }
    let message = format!("a {list} has neither a key nor a config `{rest}`");
    let known: Vec<&str> = fields.iter().copied().chain(configs).collect();
    Err(Complaint::unknown(message, rest, known))
}

fn fields_of(list: &str) -> &'static [&'static str] {
    match list {
        "topic" => {
            &["name", "partitions", "replication", "assignment", "compression-ratio", "config"]
        }
        "producer" => &[
            "name",
            "count",
            "topic",
            "topics",
            "rate",
            "burst-every",
            "records",
            "start",
            "stop",
            "keys",
            "record-size",
            "partitioner",
            "config",
            "rack",
        ],
        "consumer" => &[
            "name",
            "count",
            "topic",
            "topics",
            "partitions",
            "from",
            "start",
            "stop",
            "processing-time",
            "config",
            "rack",
        ],
        _ => &[],
    }
}

/// The item at the end of a path; tables on the way come into being.
fn descend<'d>(table: &'d mut dyn TableLike, path: &[String]) -> Result<&'d mut Item, Complaint> {
    let [word, rest @ ..] = path else {
        return Err(Complaint::new("the path ends with a dot"));
    };
    if word.is_empty() {
        return Err(Complaint::new("the path has an empty key"));
    }
    if rest.is_empty() {
        return Ok(last_slot(table, word));
    }
    let item = table.entry(word).or_insert_with(|| Item::Value(InlineTable::new().into()));
    let kind = item.type_name();
    match item.as_table_like_mut() {
        Some(below) => descend(below, rest),
        None => Err(Complaint::new(format!("`{word}` is a {kind}, not a table"))),
    }
}

/// The item of a key that may have dots in it, and may be written without quotes in the file.
fn last_slot<'d>(table: &'d mut dyn TableLike, key: &str) -> &'d mut Item {
    let unquoted = match key.split_once('.') {
        Some((first, _)) if !table.contains_key(key) => {
            table.get(first).and_then(Item::as_table_like).is_some_and(|below| below.is_dotted())
        }
        _ => false,
    };
    match key.split_once('.') {
        Some((first, rest)) if unquoted => {
            let below = table.get_mut(first).and_then(Item::as_table_like_mut);
            last_slot(below.expect("a dotted key is a table"), rest)
        }
        _ => table.entry(key).or_insert(Item::None),
    }
}
