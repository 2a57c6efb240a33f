//! The cage: runs a world inside a madsim runtime, so that nothing of the real world leaks in.
//!
//! The engine needs no madsim: it is one queue of integers. The cage is there for what somebody might
//! do by mistake. Inside it
//!
//! - `std`'s clocks stand still but for what [`run`] advances them by: to the time of the next event,
//!   before each step;
//! - `HashMap`'s seeds follow from the run's seed, and so does whatever asks the system for entropy;
//! - starting a thread panics.
//!
//! So a leak of the real world into a machine is either harmless or caught. A test holds every
//! scenario's caged fingerprint against the bare one.
//!
//! One run has one fresh thread: `HashMap`'s seeds are drawn once per thread, and must be drawn inside.
//! One run has one task: a task of madsim's per process would round every sleep up to a millisecond,
//! could not be cloned, and would cost more than the engine does.
//!
//! An observer runs inside as well: to it the real time stands still.
//!
//! # What is left out
//!
//! madsim's own network, disks and nodes: the world has more faithful ones. Reading real files inside
//! the cage is not intercepted; no crate up to the world can do it (`clippy.toml`), and observers should not.

// rustdoc takes its flags elsewhere, and runs nothing.
#[cfg(not(any(madsim, doc, doctest)))]
compile_error!(
    "the cage needs `--cfg madsim`, which .cargo/config.toml sets; a RUSTFLAGS variable in the \
     environment replaces that file: unset it, or add `--cfg madsim` to it"
);

use klab_machine::fingerprint::Fingerprint;
use klab_machine::trace::Entry;
use klab_wire::Time;
use klab_world::Simulation;
use madsim::Config;
use madsim::runtime::Runtime;
use madsim::time::TimeHandle;
use std::time::Duration;

/// What is left when a simulation has come to its end, or to its time.
#[derive(Clone, Debug)]
pub struct Outcome<S> {
    /// The simulation as it is then.
    pub simulation: S,
    /// The digest of its trace, if it makes one.
    pub fingerprint: Option<String>,
    /// The time that `std`'s clock counted inside: the simulated time, and a few nanoseconds of madsim's own.
    pub elapsed: Duration,
}

/// Runs a simulation inside the cage until a time or its end, and shows every entry of its trace.
///
/// `seed` is what leaks would follow from: give it the seed of the world.
///
/// # Panics
///
/// If the simulation or the observer does, with their message.
pub fn run<S: Simulation + Send>(
    seed: u64,
    mut simulation: S,
    until: Time,
    mut observe: impl FnMut(&Entry) + Send,
) -> Outcome<S> {
    caged(seed, move || {
        let clock = TimeHandle::current();
        let start = clock.elapsed();
        let mut now = Time::ZERO;
        while let Some(next) = simulation.next_time().filter(|next| *next <= until) {
            clock.advance(Duration::from_nanos(next.since(now).0));
            now = now.max(next);
            simulation.step().into_iter().flatten().for_each(&mut observe);
        }
        let fingerprint = simulation.fingerprint().map(Fingerprint::hex);
        Outcome { simulation, fingerprint, elapsed: clock.elapsed() - start }
    })
}

/// Runs anything inside the cage, on a fresh thread.
///
/// # Panics
///
/// If `content` does, with its message.
#[allow(clippy::disallowed_methods, reason = "the one thread of a run is started here")]
pub fn caged<T: Send>(seed: u64, content: impl FnOnce() -> T + Send) -> T {
    let in_runtime = move || {
        let runtime = Runtime::with_seed_and_config(seed, Config::default());
        runtime.block_on(async move { content() })
    };
    std::thread::scope(|scope| match scope.spawn(in_runtime).join() {
        Ok(value) => value,
        Err(panic) => std::panic::resume_unwind(panic),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use klab_machine::Listener;
    use klab_wire::{ClusterId, NodeId, Span};
    use klab_world::toy::{Toy, ToyConfig};
    use klab_world::{Engine, NetworkProfile, ProcessPlan};

    fn toys(seed: u64) -> Engine<Toy> {
        let server = NodeId::broker(1);
        let network = NetworkProfile { loss_ppm: 10_000, ..NetworkProfile::default() };
        let mut world = Engine::new(seed, ClusterId::from("toys"), network);
        world.add(ProcessPlan::ideal(server, ToyConfig::server(), vec![Listener::Broker]));
        for client in [1, 2].map(NodeId::producer) {
            world.add(ProcessPlan::ideal(client, ToyConfig::client(&[server], 3), Vec::new()));
            world.start(client);
        }
        world.start(server);
        world
    }

    const UNTIL: Time = Time(3_000_000_000);

    #[test]
    fn a_caged_world_lives_the_same_life_as_a_bare_one() {
        for seed in 1..4 {
            let mut bare = toys(seed);
            let (mut seen_bare, mut seen_caged) = (Vec::new(), Vec::new());
            bare.run(UNTIL, &mut |entry: &Entry| seen_bare.push(entry.clone()));
            let caged = run(seed, toys(seed), UNTIL, |entry| seen_caged.push(entry.clone()));
            assert_eq!(caged.fingerprint, bare.fingerprint().map(Fingerprint::hex));
            assert!(seen_bare.len() > 1_000);
            assert_eq!(seen_caged, seen_bare);
        }
    }

    #[test]
    fn the_clock_inside_counts_simulated_time() {
        let outcome = run(1, toys(1), UNTIL, |_| {});
        let counted = Span(outcome.elapsed.as_nanos() as u64);
        let last = Span(outcome.simulation.now().0);
        assert!(counted >= last && counted < last + Span::from_millis(1), "{counted} for {last}");
    }

    #[test]
    #[allow(clippy::disallowed_types, reason = "this is what the cage makes harmless")]
    fn leaks_of_the_real_world_follow_from_the_seed() {
        use std::collections::HashMap;
        let leaks = |seed| {
            caged(seed, || {
                let map: HashMap<u32, ()> = (0..100).map(|key| (key, ())).collect();
                (map.into_keys().collect::<Vec<_>>(), std::time::SystemTime::now())
            })
        };
        assert_eq!(leaks(1), leaks(1));
        assert_ne!(leaks(1), leaks(2));
    }

    #[test]
    #[should_panic]
    #[allow(clippy::disallowed_methods, reason = "this is what the cage catches")]
    fn a_thread_inside_is_caught() {
        caged(1, || std::thread::spawn(|| {}).join().is_ok());
    }

    #[test]
    #[should_panic = "a machine's own words"]
    fn a_panic_inside_comes_out_with_its_message() {
        caged(1, || panic!("a machine's own words"));
    }
}
