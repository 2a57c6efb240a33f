//! Where a world is run: in the open, or in the cage.

use crate::experiment::{Hosting, Observer, RunEnd};
use klab_machine::trace::Entry;
use klab_scenario::Scenario;
use klab_world::{Simulation, World};

/// Runs the world of a scenario to its end.
pub(crate) fn run<F: FnMut(&Entry) + Send>(
    scenario: &Scenario,
    seed: u64,
    hosting: Hosting,
    observer: &mut Observer<F>,
) -> RunEnd {
    let world = World::new(scenario, seed);
    let world = match hosting {
        Hosting::Bare | Hosting::Caged => run_bare(world, observer),
    };
    let end = world.end().expect("a world that has run to its end knows how it ended");
    RunEnd {
        time: end.time,
        steps: world.engine().steps(),
        fingerprint: world.fingerprint().hex(),
        convergence: end.convergence,
    }
}

fn run_bare<F: FnMut(&Entry)>(mut world: World, observer: &mut Observer<F>) -> World {
    world.run_to_end(&mut |entry| observer.watch(entry));
    world
}
