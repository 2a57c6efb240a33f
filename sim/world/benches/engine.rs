//! What one event costs the bare engine, and what a fork costs.

#![allow(missing_docs, reason = "criterion's macros define undocumented items")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use klab_machine::Listener;
use klab_wire::{ClusterId, NodeId, Span};
use klab_world::toy::{Answer, Toy, ToyConfig};
use klab_world::{Engine, NetworkProfile, ProcessPlan, Simulation};
use std::hint::black_box;

const EVENTS: u64 = 10_000;

fn world(server: ToyConfig, clients: u16) -> Engine<Toy> {
    let address = NodeId::broker(1);
    let mut world = Engine::new(1, ClusterId::from("toys"), NetworkProfile::default());
    let forgets = |config| ToyConfig { remembers: false, ..config };
    world.add(ProcessPlan::ideal(address, forgets(server), vec![Listener::Broker]));
    world.start(address);
    for number in 1..=clients {
        let client = forgets(ToyConfig::client(&[address], 1));
        world.add(ProcessPlan::ideal(NodeId::producer(number), client, Vec::new()));
        world.start(NodeId::producer(number));
    }
    steps(&mut world);
    world
}

fn steps(world: &mut Engine<Toy>) {
    for _ in 0..EVENTS {
        black_box(world.step());
    }
}

fn events(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("event");
    group.throughput(Throughput::Elements(EVENTS));
    let answers_late =
        ToyConfig { answer: Answer::After(Span::from_micros(500)), ..ToyConfig::server() };
    for (name, server, clients) in [
        ("messages, 1 client", ToyConfig::server(), 1),
        ("messages, 16 clients", ToyConfig::server(), 16),
        ("messages, 1000 clients", ToyConfig::server(), 1_000),
        ("messages and timers, 16 clients", answers_late, 16),
    ] {
        let mut world = world(server, clients);
        group.bench_function(name, |bencher| {
            bencher.iter(|| steps(&mut world));
        });
    }
    group.finish();
}

fn fork(criterion: &mut Criterion) {
    let world = world(ToyConfig::server(), 16);
    criterion.bench_function("fork of 17 processes", |bencher| bencher.iter(|| world.clone()));
}

criterion_group!(benches, events, fork);
criterion_main!(benches);
