//! What the tests of whole deployments share: small clusters from scenario files.

use klab_machine::Fact;
use klab_machine::trace::{Entry, What};
use klab_scenario::{Scenario, Vocabulary};
use klab_wire::{NodeId, Span, Time};
use klab_world::World;

/// Three brokers, three voters, one topic, one producer, one consumer; and these lines besides.
pub fn scenario(run_for: &str, more: &str) -> Scenario {
    parse(&format!(
        r#"
        title = "A test"
        concept = "test"
        run-for = "{run_for}"

        [[topic]]
        name = "orders"
        partitions = 2
        replication = 3

        [[producer]]
        topic = "orders"
        rate = "20/s"

        [[consumer]]
        topic = "orders"
        from = "earliest"

        {more}

        [[expect]]
        sometimes = "ProcessStarted"
        [[expect]]
        always = "test"
        "#
    ))
}

pub fn parse(text: &str) -> Scenario {
    let facts: Vec<&str> = Fact::names().collect();
    let vocabulary = Vocabulary { facts: &facts, promises: &["test"], concepts: &["test"] };
    Scenario::parse("test.toml", text, &vocabulary).unwrap_or_else(|problems| panic!("{problems}"))
}

/// A fact with its time and place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stated {
    pub millis: u64,
    pub node: NodeId,
    pub fact: Fact,
}

/// Runs to the end and returns every fact.
pub fn facts_of(world: &mut World) -> Vec<Stated> {
    let mut facts = Vec::new();
    world.run_to_end(&mut |entry: &Entry| facts.extend(stated(entry)));
    facts
}

/// Runs until a time and returns every fact.
pub fn facts_until(world: &mut World, until: Span) -> Vec<Stated> {
    let mut facts = Vec::new();
    world.run(Time(until.0), &mut |entry: &Entry| facts.extend(stated(entry)));
    facts
}

fn stated(entry: &Entry) -> Option<Stated> {
    match &entry.what {
        What::Fact(fact) => {
            Some(Stated { millis: entry.time.0 / 1_000_000, node: entry.node, fact: fact.clone() })
        }
        What::Operation(_) | What::Fate(_) => None,
    }
}

/// Where and when facts of this name were stated.
pub fn named(facts: &[Stated], name: &str) -> Vec<(u64, NodeId)> {
    let of_name = facts.iter().filter(|stated| stated.fact.name() == name);
    of_name.map(|stated| (stated.millis, stated.node)).collect()
}
