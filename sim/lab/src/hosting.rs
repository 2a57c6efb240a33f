//! Where a world is run: in the open, or in the cage.

use crate::experiment::{Hosting, Observer, RunEnd};
use klab_machine::trace::Entry;
use klab_wire::Time;
use klab_world::{Simulation, World};

/// Runs a world to its end.
pub(crate) fn run<F: FnMut(&Entry) + Send>(
    world: World,
    seed: u64,
    hosting: Hosting,
    observer: &mut Observer<F>,
) -> RunEnd {
    let watch = |entry: &Entry| observer.watch(entry);
    let world = match hosting {
        Hosting::Bare => run_bare(world, watch),
        Hosting::Caged => klab_cage::run(seed, world, Time::MAX, watch).simulation,
    };
    let end = world.end().expect("a world that has run to its end knows how it ended");
    RunEnd {
        time: end.time,
        steps: world.engine().steps(),
        messages: world.engine().messages(),
        fingerprint: world.fingerprint().hex(),
        convergence: end.convergence,
    }
}

fn run_bare(mut world: World, mut watch: impl FnMut(&Entry)) -> World {
    world.run_to_end(&mut watch);
    world
}
