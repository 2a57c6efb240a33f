//! Random faults over many seeds: safety after every event, progress after the last fault.

use crate::cluster::{Cluster, Shape};
use klab_machine::DisconnectReason;
use klab_machine::random::{Stream, stream};
use klab_wire::{NodeId, Offset, Span};

/// How many clusters the random simulation runs.
const SEEDS: u64 = 150;

fn shape(random: &mut Stream) -> Shape {
    let lingers = [Span::ZERO, Span::from_millis(25)];
    Shape {
        voters: random.between(1, 5) as u16,
        observers: random.below(3) as u16,
        pre_vote: random.below(2) == 0,
        high_watermark_in_fetch: random.below(2) == 0,
        linger: lingers[random.below(2) as usize],
        segment_bytes: [500, 5_000, 1 << 20][random.below(3) as usize],
        retention_bytes: [1_000, 1 << 30][random.below(2) as usize],
        has_slow_messages: random.below(2) == 0,
    }
}

fn any(cluster: &Cluster, random: &mut Stream) -> NodeId {
    let nodes: Vec<NodeId> = cluster.nodes.keys().copied().collect();
    nodes[random.below(nodes.len() as u64) as usize]
}

/// Does one thing at random: an append most of the time, sometimes a fault or its end.
fn disturb(cluster: &mut Cluster, random: &mut Stream) {
    let node = any(cluster, random);
    match random.below(400) {
        0..=1 if cluster.is_up(node) => cluster.crash(node, false),
        2..=3 if cluster.is_up(node) => cluster.crash(node, true),
        4..=10 => cluster.boot(node),
        11 => cluster.isolate(node),
        12 => {
            let other = any(cluster, random);
            cluster.network.cut(node, other);
        }
        13..=16 => cluster.network.heal(),
        17..=19 => {
            for connection in cluster.network.of(node) {
                cluster.break_connection(connection, DisconnectReason::Broken);
            }
        }
        20..=21 if cluster.is_up(node) => {
            let epoch = cluster.epoch(node);
            cluster.with(node, |raft, now, out| raft.resign(now, epoch, out));
        }
        22..=30 if cluster.is_up(node) => cluster.snapshot(node),
        _ => {
            if let Some(leader) = cluster.leader() {
                cluster.append(leader);
            }
        }
    }
}

fn everybody_has(cluster: &Cluster, offset: Offset) -> bool {
    cluster.nodes.values().all(|node| node.raft().high_watermark() >= Some(offset))
}

/// After the last fault everything comes back, a leader is found, and everybody gets everything.
fn recover(cluster: &mut Cluster, seed: u64) {
    cluster.network.heal();
    let nodes: Vec<NodeId> = cluster.nodes.keys().copied().collect();
    nodes.into_iter().for_each(|node| cluster.boot(node));
    cluster.run(Span::from_secs(20));
    let leader = cluster.elect();
    let offset = cluster.append(leader).expect("a leader appends");
    let done = cluster.run_until(Span::from_secs(30), |it| everybody_has(it, offset));
    assert!(done, "seed {seed}: offset {offset} was not committed everywhere");
}

#[test]
fn the_quorum_stays_consistent_under_random_faults_and_recovers_from_them() {
    let mut committed = 0;
    let mut elections = 0;
    for seed in 0..SEEDS {
        let mut random = stream(seed, "faults", []);
        let shape = shape(&mut random);
        let mut cluster = Cluster::start(seed, &shape);
        for _ in 0..1_000 {
            cluster.run(Span::from_millis(random.between(1, 40)));
            disturb(&mut cluster, &mut random);
        }
        recover(&mut cluster, seed);
        committed += cluster.invariants.committed_batches();
        elections += cluster.count_facts("QuorumLeaderElected");
    }
    assert!(committed > 30_000, "only {committed} batches in all");
    assert!(elections > 500, "only {elections} elections in all");
}

#[test]
fn equal_seeds_give_equal_runs() {
    let run = |seed| {
        let mut random = stream(seed, "faults", []);
        let mut cluster = Cluster::start(seed, &shape(&mut random));
        for _ in 0..200 {
            cluster.run(Span::from_millis(20));
            disturb(&mut cluster, &mut random);
        }
        cluster.facts
    };
    assert_eq!(run(7), run(7));
    assert_ne!(run(7), run(8));
}
