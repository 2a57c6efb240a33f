//! What one event costs: the engine with two toys that play ping-pong, beside a plain binary heap; both
//! with madsim's clock advanced before each event.
//!
//! One event of the engine is one message: it is sent by one machine, travels, is told to the trace twice,
//! digested, and handed to the other machine, which steps. The heap only pops and pushes. For the verdict alone
//! nothing is told of messages, as when a thousand seeds are explored.

#![allow(missing_docs, reason = "criterion's macros define undocumented items")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use klab_machine::Listener;
use klab_machine::fact::FactSet;
use klab_wire::{ClusterId, NodeId, Span};
use klab_world::toy::{Toy, ToyConfig};
use klab_world::{Engine, Latency, NetworkProfile, ProcessPlan, Simulation};
use madsim::Config;
use madsim::runtime::Runtime;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::hint::black_box;
use std::time::Duration;

const EVENTS: u64 = 10_000;
/// So many messages are under way at any time, as in the reference run.
const UNDER_WAY: u32 = 16;

fn ping_pong() -> Engine<Toy> {
    let server = NodeId::broker(1);
    let latency =
        Latency { base: Span::from_micros(200), jitter: Span::from_micros(100), spike: None };
    let network = NetworkProfile { latency, ..NetworkProfile::default() };
    let mut world = Engine::new(1, ClusterId::from("toys"), network);
    let forgets = |config| ToyConfig { remembers: false, ..config };
    world.add(ProcessPlan::ideal(server, forgets(ToyConfig::server()), vec![Listener::Broker]));
    world.start(server);
    for number in 1..=UNDER_WAY as u16 {
        let client = forgets(ToyConfig::client(&[server], 1));
        world.add(ProcessPlan::ideal(NodeId::producer(number), client, Vec::new()));
        world.start(NodeId::producer(number));
    }
    for _ in 0..1_000 {
        world.step();
    }
    world
}

/// Runs a measurement inside a madsim runtime; the real clock is read outside of it.
fn inside<T>(content: impl FnOnce() -> T) -> T {
    Runtime::with_seed_and_config(1, Config::default()).block_on(async { content() })
}

fn run_engine(world: &mut Engine<Toy>) {
    for _ in 0..EVENTS {
        let now = world.now();
        if let Some(next) = world.next_time() {
            madsim::time::advance(Duration::from_nanos(next.since(now).0));
        }
        black_box(world.step().map(<[_]>::len));
    }
}

fn run_heap(heap: &mut BinaryHeap<Reverse<(u64, u64)>>) {
    let mut sequence = 0;
    let mut now = 0;
    for _ in 0..EVENTS {
        let Some(Reverse((time, _))) = heap.pop() else { return };
        madsim::time::advance(Duration::from_nanos(time - now));
        now = time;
        sequence += 1;
        // A cheap stand-in for a latency draw.
        heap.push(Reverse((time + 200_000 + (sequence * 7_919) % 100_000, sequence)));
    }
}

fn events(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("event");
    group.throughput(Throughput::Elements(EVENTS));
    group.bench_function("plain heap with advance", |bencher| {
        let mut heap: BinaryHeap<_> = (0..u64::from(UNDER_WAY)).map(|n| Reverse((n, n))).collect();
        bencher.iter(|| {
            heap = std::mem::take(&mut heap)
                .into_iter()
                .zip(0..)
                .map(|(_, n)| Reverse((n, n)))
                .collect();
            inside(|| run_heap(&mut heap));
        });
    });
    group.bench_function("bare engine with advance", |bencher| {
        let mut world = ping_pong();
        bencher.iter(|| inside(|| run_engine(&mut world)));
    });
    group.bench_function("bare engine with advance, for the verdict alone", |bencher| {
        let mut world = ping_pong();
        world.hide(FactSet::default());
        world.leave_undigested();
        bencher.iter(|| inside(|| run_engine(&mut world)));
    });
    group.finish();
}

criterion_group!(benches, events);
criterion_main!(benches);
