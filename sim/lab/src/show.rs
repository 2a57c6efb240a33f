//! `klab show`: the deployment at one moment of a run, in Kafka's own words.

use crate::cli::ShowArguments;
use crate::error::{Exit, Mistake};
use crate::experiment::Experiment;
use klab_wire::{NodeId, Time};
use klab_world::World;

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
    let bold = anstyle::Style::new().bold();
    anstream::println!("{bold}{}{bold:#} at {} s", experiment.scenario.title, world.now());
    for node in chosen(arguments.node.as_deref(), &world)? {
        anstream::println!("\n{bold}{node}{bold:#} {}", state(&world, node));
        for view in world.views(node) {
            anstream::println!("{view:#?}");
        }
    }
    Ok(Exit::AsExpected)
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
