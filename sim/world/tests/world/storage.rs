//! What crashes and power cuts leave on a disk, and what a disk can refuse.

use crate::toys::*;
use klab_machine::StorageFailure;
use klab_wire::NodeId;
use klab_world::toy::{Answer, FILE, Seen, ToyConfig};
use klab_world::{DiskProfile, ProcessPlan};

fn writer() -> ToyConfig {
    ToyConfig { answer: Answer::Durably, ..ToyConfig::server() }
}

/// A writing server whose fsync takes this long.
fn world_with_disk(seed: u64, disk: DiskProfile) -> ToyWorld {
    let server = ProcessPlan { disk, ..plan(SERVER, writer()) };
    let client = plan(CLIENT, ToyConfig::client(&[SERVER], 0));
    let mut world = world_of(seed, steady(), vec![server, client]);
    run(&mut world, millis(10));
    world
}

fn slow_fsync() -> DiskProfile {
    DiskProfile { fsync: millis(100), write_back: secs(1_000), ..DiskProfile::default() }
}

fn booted(world: &ToyWorld) -> (u64, u64) {
    match seen(world, SERVER)[0] {
        Seen::Booted { blocks, valid } => (blocks, valid),
        other => panic!("the first thing that a machine sees is its boot, not {other:?}"),
    }
}

#[test]
fn an_answer_after_an_fsync_waits_for_the_disk() {
    let mut world = world_with_disk(1, slow_fsync());
    send(&mut world);
    run(&mut world, secs(1));
    assert_eq!(when(&world, CLIENT, is_response), [112]);
}

#[test]
fn a_crash_keeps_what_was_stored_and_not_yet_flushed() {
    let mut world = world_with_disk(1, slow_fsync());
    send(&mut world);
    run(&mut world, millis(50));
    world.crash(SERVER);
    world.start(SERVER);
    assert_eq!(booted(&world), (1, 1));
}

#[test]
fn a_power_cut_keeps_what_was_flushed_and_a_prefix_of_the_rest_perhaps_torn() {
    let mut outcomes = std::collections::BTreeSet::new();
    for seed in 0..40 {
        let mut world = world_with_disk(seed, slow_fsync());
        send(&mut world);
        run(&mut world, millis(500)); // On the platter.
        send(&mut world);
        run(&mut world, millis(550)); // In the page cache.
        world.cut_power(SERVER);
        world.start(SERVER);
        outcomes.insert(booted(&world));
    }
    // Lost; torn, so that its checksum fails; or there by luck.
    assert_eq!(Vec::from_iter(outcomes), [(1, 1), (2, 1), (2, 2)]);
}

#[test]
fn the_system_writes_back_by_itself_what_nobody_flushed() {
    for seed in 0..10 {
        let disk =
            DiskProfile { fsync: secs(1_000), write_back: secs(30), ..DiskProfile::default() };
        let mut world = world_with_disk(seed, disk);
        let mut early = world.clone();
        send(&mut world);
        // The fsync occupies the disk for a very long time, and the write-back waits behind it.
        run(&mut world, secs(1_040));
        world.cut_power(SERVER);
        world.start(SERVER);
        assert_eq!(booted(&world), (1, 1));
        run(&mut early, secs(1));
        early.cut_power(SERVER);
        early.start(SERVER);
        assert_eq!(booted(&early), (0, 0));
    }
}

#[test]
fn flushes_of_one_disk_wait_for_each_other() {
    let server = ProcessPlan { disk: slow_fsync(), ..plan(SERVER, writer()) };
    let clients = [1, 2].map(|n| plan(NodeId::producer(n), ToyConfig::client(&[SERVER], 1)));
    let mut world = world_of(1, steady(), [vec![server], clients.to_vec()].concat());
    run(&mut world, millis(250));
    assert_eq!(when(&world, SERVER, |seen| *seen == Seen::Flushed), [103, 203]);
}

#[test]
fn a_read_of_cold_data_keeps_its_step_waiting_and_a_second_one_does_not() {
    let disk = DiskProfile {
        seek: millis(20),
        throughput: Some(1_000_000),
        page_cache: Some(1 << 20),
        ..DiskProfile::default()
    };
    let reader = ToyConfig { answer: Answer::Reading(10_000), ..ToyConfig::server() };
    let server = ProcessPlan { disk, ..plan(SERVER, reader) };
    let client = plan(CLIENT, ToyConfig::client(&[SERVER], 0));
    let mut world = world_of(1, steady(), vec![server, client]);
    run(&mut world, millis(10));
    send(&mut world);
    run(&mut world, millis(100));
    send(&mut world);
    run(&mut world, millis(200));
    // A seek of 20 ms and a transfer of 10 ms, besides the round trip; then the round trip alone.
    assert_eq!(when(&world, CLIENT, is_response), [42, 102]);
}

#[test]
fn a_slow_disk_takes_longer_for_everything() {
    let mut world = world_with_disk(1, slow_fsync());
    world.slow_disk(SERVER, 500);
    send(&mut world);
    run(&mut world, secs(1));
    assert_eq!(when(&world, CLIENT, is_response), [512]);
}

#[test]
fn a_full_disk_and_a_failing_disk_refuse() {
    let mut world = world_with_disk(1, DiskProfile::default());
    world.fill_disk(SERVER, true);
    send(&mut world);
    run(&mut world, millis(100));
    world.fill_disk(SERVER, false);
    world.fail_disk(SERVER, true);
    send(&mut world);
    run(&mut world, millis(200));
    let failures: Vec<_> = seen(&world, SERVER)
        .into_iter()
        .filter_map(|seen| match seen {
            Seen::StorageFailed(failure) => Some(failure),
            _ => None,
        })
        .collect();
    assert_eq!(failures[0], StorageFailure::Full);
    assert_eq!(failures.last(), Some(&StorageFailure::Failing));
    assert_eq!(world.disks(SERVER).map(|disk| disk.blocks(FILE).len()).next(), Some(0));
}

#[test]
fn a_disk_is_full_when_its_capacity_is_used() {
    let capacity = Some(300); // The formatted directory's 120 bytes and one batch of 170.
    let mut world = world_with_disk(1, DiskProfile { capacity, ..DiskProfile::default() });
    send(&mut world);
    run(&mut world, millis(100));
    assert!(!seen(&world, SERVER).contains(&Seen::StorageFailed(StorageFailure::Full)));
    send(&mut world);
    run(&mut world, millis(200));
    assert!(seen(&world, SERVER).contains(&Seen::StorageFailed(StorageFailure::Full)));
}

#[test]
fn a_corrupted_batch_fails_its_checksum_at_the_next_start() {
    let mut world = world_with_disk(1, DiskProfile::default());
    send(&mut world);
    run(&mut world, millis(100));
    assert!(!world.corrupt_disk(SERVER, |_| false));
    assert!(world.corrupt_disk(SERVER, |file| file == FILE));
    world.crash(SERVER);
    world.start(SERVER);
    assert_eq!(booted(&world), (1, 0));
}

#[test]
fn a_replaced_disk_is_empty_and_has_another_directory() {
    let mut world = world_with_disk(1, DiskProfile::default());
    send(&mut world);
    run(&mut world, millis(100));
    let before = world.disks(SERVER).next().cloned();
    world.replace_disk(SERVER);
    assert!(!world.is_up(SERVER));
    world.start(SERVER);
    assert_eq!(booted(&world), (0, 0));
    let after = world.disks(SERVER).next().cloned().expect("it has a disk");
    assert!(after.contains(klab_machine::File::MetaProperties));
    assert_ne!(Some(after), before);
}
