//! Clocks, hosts, determinism: what follows from the seed, and what does not move what.

use crate::toys::*;
use klab_machine::trace::{Entry, Outcome, What};
use klab_wire::{NodeId, Span, Time, Timestamp};
use klab_world::toy::{Answer, Seen, ToyConfig};
use klab_world::{Clock, Costs, HostPlan, Latency, NetworkProfile, ProcessPlan, Simulation};
use proptest::prelude::*;

const OTHER: NodeId = NodeId::broker(2);

fn ticker(every: Span) -> ToyConfig {
    ToyConfig { tick: Some(every), ..ToyConfig::server() }
}

#[test]
fn a_fast_clock_ticks_more_often_in_true_time_and_reads_whole_ticks() {
    let clock = Clock { offset: 0, drift_ppm: 100_000 };
    let fast = ProcessPlan { clock, ..plan(SERVER, ticker(secs(1))) };
    let mut world = world_of(1, steady(), vec![fast, plan(OTHER, ticker(secs(1)))]);
    run(&mut world, millis(20_001));
    let ticks = |node| when(&world, node, |seen| *seen == Seen::Ticked);
    assert_eq!(ticks(OTHER).len(), 20);
    assert_eq!(ticks(SERVER).len(), 22);
    assert_eq!(ticks(SERVER)[..3], [1_000, 2_000, 3_000]);
}

#[test]
fn a_clock_step_moves_timestamps_and_no_timer() {
    let mut world = world_of(1, steady(), vec![plan(SERVER, ticker(secs(1)))]);
    run(&mut world, millis(1_500));
    world.step_clock(SERVER, -3_600_000_000_000);
    run(&mut world, millis(2_500));
    let toy = world.machines(SERVER).next().expect("it is up");
    let readings: Vec<_> = toy.diary().iter().skip(1).map(|(now, _)| *now).collect();
    assert_eq!(readings.len(), 2);
    assert_eq!(readings[1].time, Time(2_000_000_000));
    assert_eq!(readings[1].wall, Timestamp(Timestamp::START.0 + 2_000 - 3_600_000));
}

#[test]
fn steps_that_cost_time_wait_for_each_other_and_their_effects_leave_at_the_end() {
    let costs = Costs { other: millis(10), ..Costs::default() };
    let host = HostPlan { costs, cores: 4, ..HostPlan::ideal() };
    let server = ProcessPlan { host, ..plan(SERVER, ToyConfig::server()) };
    let clients = [1, 2].map(|n| plan(NodeId::producer(n), ToyConfig::client(&[SERVER], 1)));
    let mut world = world_of(1, steady(), [vec![server], clients.to_vec()].concat());
    run(&mut world, millis(25));
    // Both requests are there at 3 ms; the machine has one thread, however many cores there are.
    assert_eq!(when(&world, SERVER, is_request), [13, 23]);
    assert_eq!(when(&world, NodeId::producer(1), is_response), [14]);
    assert_eq!(when(&world, NodeId::producer(2), is_response), [24]);
}

#[test]
fn a_slow_host_takes_longer_for_everything() {
    let costs = Costs { other: millis(10), ..Costs::default() };
    let host = HostPlan { costs, ..HostPlan::ideal() };
    let server = ProcessPlan { host, ..plan(SERVER, ToyConfig::server()) };
    let client = plan(CLIENT, ToyConfig::client(&[SERVER], 0));
    let mut world = world_of(1, steady(), vec![server, client]);
    run(&mut world, millis(10));
    world.slow_host(SERVER, 300);
    send(&mut world);
    run(&mut world, millis(100));
    assert_eq!(when(&world, CLIENT, is_response), [42]);
}

#[test]
fn what_was_planned_for_a_dead_life_does_not_happen_in_the_next() {
    let slow =
        ToyConfig { answer: Answer::After(secs(1)), tick: Some(secs(2)), ..ToyConfig::server() };
    let mut world = pair(slow);
    run(&mut world, millis(10));
    send(&mut world);
    run(&mut world, millis(500));
    world.crash(SERVER);
    world.start(SERVER);
    run(&mut world, secs(4));
    assert_eq!(when(&world, SERVER, |seen| *seen == Seen::Ticked), [2_500]);
    assert!(when(&world, CLIENT, is_response).is_empty());
}

#[test]
fn after_restoring_the_world_everything_is_as_it_was_before_the_faults() {
    let mut world = pair(ToyConfig::server());
    run(&mut world, millis(10));
    world.cut(CLIENT, SERVER);
    world.slow_link(SERVER, CLIENT, secs(1), 500_000);
    world.fail_disk(SERVER, true);
    world.pause(CLIENT);
    world.crash(SERVER);
    world.restore();
    assert!(world.is_running(CLIENT) && !world.is_up(SERVER));
    let entries: Vec<String> = world.entries().iter().map(|entry| entry.what.to_string()).collect();
    for wanted in ["LinkHealed to b1", "LinkSlowed to p1: 0s more", "DiskFailed failing: false"] {
        assert!(entries.iter().any(|entry| entry.starts_with(wanted)), "{wanted}: {entries:?}");
    }
}

/// Three servers, two clients, everything that is drawn drawn.
fn busy(seed: u64, loss_ppm: u32) -> ToyWorld {
    let latency = Latency { base: millis(1), jitter: millis(3), spike: None };
    let network = NetworkProfile { latency, loss_ppm, ..NetworkProfile::default() };
    let servers = [1, 2, 3].map(NodeId::broker);
    let mut plans: Vec<_> = servers.iter().map(|node| plan(*node, ToyConfig::server())).collect();
    for number in [1, 2] {
        plans.push(plan(NodeId::producer(number), ToyConfig::client(&servers, 3)));
    }
    world_of(seed, network, plans)
}

fn fingerprint(world: &mut ToyWorld, until: Span) -> String {
    world.run(Time(until.0), &mut |_: &Entry| {});
    world.fingerprint().expect("it is digested").hex()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn one_seed_gives_one_run_and_another_seed_another(seed: u64, loss_ppm in 0..100_000_u32) {
        let of = |seed| fingerprint(&mut busy(seed, loss_ppm), secs(2));
        prop_assert_eq!(of(seed), of(seed));
        prop_assert_ne!(of(seed), of(seed.wrapping_add(1)));
    }

    #[test]
    fn a_fork_lives_the_same_life(seed: u64, steps in 1..400_u32) {
        let mut world = busy(seed, 20_000);
        (0..steps).for_each(|_| { world.step(); });
        let mut fork = world.clone();
        world.crash(SERVER);
        fork.crash(SERVER);
        prop_assert_eq!(fingerprint(&mut world, secs(2)), fingerprint(&mut fork, secs(2)));
    }
}

/// How long each message from one node to another was on its way.
fn travel_times(entries: &[Entry], from: NodeId, to: NodeId) -> Vec<u64> {
    let mut sent = std::collections::BTreeMap::new();
    let mut times = Vec::new();
    for entry in entries.iter().filter(|entry| entry.node == from) {
        let What::Fate(fate) = &entry.what else { continue };
        let Some(message) = fate.message.filter(|_| fate.peer == to) else { continue };
        match fate.fate {
            Outcome::Sent => drop(sent.insert(message.correlation, entry.time.0)),
            Outcome::Delivered => times.push(entry.time.0 - sent[&message.correlation]),
            _ => {}
        }
    }
    times
}

#[test]
fn trouble_on_one_link_moves_no_draw_on_another() {
    let trace = |troubled: bool| {
        let mut world = busy(7, 0);
        if troubled {
            world.slow_link(NodeId::producer(1), SERVER, millis(10), 300_000);
            world.slow_link(SERVER, NodeId::producer(1), millis(10), 300_000);
        }
        run(&mut world, secs(2))
    };
    let (calm, troubled) = (trace(false), trace(true));
    let other = (NodeId::producer(2), OTHER);
    let times = travel_times(&calm, other.0, other.1);
    assert!(times.len() > 100);
    assert_eq!(times, travel_times(&troubled, other.0, other.1));
    let own = (NodeId::producer(1), SERVER);
    assert_ne!(travel_times(&calm, own.0, own.1), travel_times(&troubled, own.0, own.1));
}

#[test]
fn an_event_queue_full_of_stopped_timers_is_tidied() {
    let slow = ToyConfig { answer: Answer::After(secs(1_000)), ..ToyConfig::server() };
    let clients = (1..=40).map(|n| plan(NodeId::producer(n), ToyConfig::client(&[SERVER], 1)));
    let plans = std::iter::once(plan(SERVER, slow)).chain(clients).collect();
    let mut world = world_of(1, steady(), plans);
    run(&mut world, secs(2_000));
    assert_eq!(requests(&world).len(), 80);
}
