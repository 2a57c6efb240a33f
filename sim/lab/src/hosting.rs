//! Where a world is run: in the open, or in the cage.

use crate::experiment::{Hosting, RunEnd};
use klab_machine::fingerprint::Fingerprint;
use klab_machine::trace::Entry;
use klab_wire::Time;
use klab_world::{Simulation, World};

/// Runs a simulation to its end, and shows every entry of its trace.
pub(crate) fn run<S: Simulation + Send>(
    mut simulation: S,
    seed: u64,
    hosting: Hosting,
    mut watch: impl FnMut(&Entry) + Send,
) -> S {
    match hosting {
        Hosting::Bare => {
            while let Some(entries) = simulation.steps() {
                entries.iter().for_each(&mut watch);
            }
            simulation
        }
        Hosting::Caged => klab_cage::run(seed, simulation, Time::MAX, watch).simulation,
    }
}

/// What a world that has run to its end knows of that.
pub(crate) fn run_end(world: &World) -> RunEnd {
    let end = world.end().expect("a world that has run to its end knows how it ended");
    RunEnd {
        time: end.time,
        steps: world.engine().steps(),
        messages: world.engine().messages(),
        fingerprint: world.fingerprint().map(Fingerprint::hex),
        convergence: end.convergence,
    }
}
