//! `klab show`: the deployment at one moment of a run, in Kafka's own words.

mod broker;
mod clients;
mod controller;
mod ensemble;
mod quorum;
mod table;

use crate::cli::ShowArguments;
use crate::error::{Exit, Mistake};
use crate::experiment::Experiment;
use klab_wire::{NodeId, Time};
use klab_world::{NodeView, World};
use std::fmt::{self, Write};

const HEAD: anstyle::Style = anstyle::Style::new().bold();

/// Runs up to a moment and shows what every machine is.
///
/// # Errors
///
/// The scenario is wrong, or there is no such node.
pub fn show(arguments: &ShowArguments) -> Result<Exit, Mistake> {
    let experiment = Experiment::load(&arguments.subject, arguments.seed)?;
    let mut world = World::new(&experiment.scenario, experiment.seed);
    let until = arguments.at.map_or(Time::MAX, |at| Time::ZERO + at);
    world.run(until, &mut |_| {});
    let nodes = chosen(arguments.node.as_deref(), &world)?;
    anstream::print!("{}", page(&experiment.scenario.title, &world, &nodes));
    Ok(Exit::AsExpected)
}

/// The deployment as styled text.
fn page(title: &str, world: &World, nodes: &[NodeId]) -> String {
    let mut text = String::new();
    write(&mut text, title, world, nodes).expect("a string takes everything");
    text
}

fn write(out: &mut String, title: &str, world: &World, nodes: &[NodeId]) -> fmt::Result {
    writeln!(out, "{HEAD}{title}{HEAD:#}\nat {} s", world.now())?;
    for node in nodes {
        writeln!(out, "\n{HEAD}{node}{HEAD:#} {}", state(world, *node))?;
        for view in world.views(*node) {
            write_view(out, &view)?;
        }
    }
    Ok(())
}

fn write_view(out: &mut String, view: &NodeView) -> fmt::Result {
    match view {
        NodeView::Broker(view) => broker::write(out, view),
        NodeView::Controller(view) => controller::write(out, view),
        NodeView::Producer(view) => clients::write_producer(out, view),
        NodeView::Consumer(view) => clients::write_consumer(out, view),
        NodeView::Admin(view) => clients::write_admin(out, view),
        NodeView::ZooKeeper(view) => ensemble::write_server(out, view),
        NodeView::ZooKeeperClient(view) => ensemble::write_client(out, view),
        NodeView::KafkaController(view) => controller::write_in_zookeeper_mode(out, view),
    }
}

fn chosen(name: Option<&str>, world: &World) -> Result<Vec<NodeId>, Mistake> {
    let nodes: Vec<NodeId> = world.engine().nodes().collect();
    let Some(name) = name else { return Ok(nodes) };
    let found = name.parse().ok().filter(|node| nodes.contains(node));
    found.map(|node| vec![node]).ok_or_else(|| {
        let names: Vec<String> = nodes.iter().map(ToString::to_string).collect();
        Mistake::new(format!("there is no node `{name}`; there are: {}", names.join(", ")))
    })
}

fn state(world: &World, node: NodeId) -> &'static str {
    let engine = world.engine();
    match (engine.is_up(node), engine.is_running(node)) {
        (false, _) => "is down",
        (true, false) => "is paused",
        (true, true) => "is running",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three brokers and two racks; a follower is behind its leader when the world is stopped.
    const SCENARIO: &str = r#"
title = "A follower is cut off"
concept = "in-sync-replicas"
run-for = "20s"
[cluster]
brokers = 3
config = { "replica.lag.time.max.ms" = 2000 }
[[topic]]
name = "orders"
assignment = [["b1", "b2", "b3"], ["b2", "b3", "b1"]]
[[producer]]
topic = "orders"
rate = "200/s"
[[consumer]]
topic = "orders"
[[at]]
time = "6s"
cut = { from = "b3", to = "b1" }
[[expect]]
always = "no-acked-record-is-lost"
[[expect]]
sometimes = "IsrShrunk"
"#;

    fn page_at(time: klab_wire::Span) -> String {
        let experiment =
            Experiment::parse("cut.toml", SCENARIO, Some(1)).unwrap_or_else(|m| panic!("{m}"));
        let mut world = World::new(&experiment.scenario, experiment.seed);
        world.run(Time::ZERO + time, &mut |_| {});
        let nodes: Vec<NodeId> = world.engine().nodes().collect();
        anstream::adapter::strip_str(&page("A follower is cut off", &world, &nodes)).to_string()
    }

    #[test]
    fn a_deployment_where_a_follower_has_fallen_out_of_the_isr() {
        insta::assert_snapshot!(page_at(klab_wire::Span::from_secs(10)));
    }

    #[test]
    fn a_deployment_before_anybody_has_been_elected() {
        insta::assert_snapshot!(page_at(klab_wire::Span::from_millis(500)));
    }
}
