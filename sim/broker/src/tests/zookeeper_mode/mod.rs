//! A broker in ZooKeeper mode: what it obeys, what it writes into znodes, and what it does when its session ends.

mod configs;
mod control;
mod isr_writes;
mod registration;

use klab_wire::config::Switches;

/// Kafka 3.9 with some switches in another position.
fn switched(switches: &[(&str, &str)]) -> Switches {
    let mut all = Switches::default();
    for (name, value) in switches {
        assert!(all.set(name, value), "{name}={value}");
    }
    all
}
