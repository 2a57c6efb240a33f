//! KIP-630: snapshots replace the beginning of the log.

use crate::cluster::{Cluster, Shape, key};
use klab_wire::{
    ClusterId, ErrorCode, FetchSnapshotRequest, FetchingReplica, LeaderEpoch, NodeId, Offset,
    OffsetAndEpoch, Response, Span,
};

/// A cluster that cleans its log up to the newest snapshot, with a follower that is down meanwhile.
fn cleaned() -> (Cluster, NodeId, NodeId) {
    let shape = Shape { observers: 1, segment_bytes: 500, retention_bytes: 1, ..Shape::default() };
    let mut cluster = Cluster::start(1, &shape);
    let leader = cluster.elect();
    cluster.append_and_commit(leader, 5);
    let follower = cluster.others(leader)[0];
    cluster.crash(follower, false);
    for _ in 0..2 {
        cluster.append_and_commit(leader, 20);
        let nodes: Vec<NodeId> = cluster.nodes.keys().copied().collect();
        nodes.into_iter().filter(|node| *node != follower).for_each(|node| cluster.snapshot(node));
        cluster.run(Span::from_secs(1));
    }
    cluster.run(Span::from_secs(61));
    (cluster, leader, follower)
}

#[test]
fn kip_630_the_log_before_the_newest_snapshot_is_deleted() {
    let (cluster, leader, _) = cleaned();
    let raft = cluster.nodes[&leader].raft();
    assert_eq!(raft.view().snapshot.map(|id| id.offset), Some(raft.log_start()));
    assert!(raft.log_start() > Offset(20));
    assert!(cluster.count_facts("LogStartAdvanced") >= 3);
}

#[test]
fn kip_630_a_follower_that_is_too_far_behind_loads_a_snapshot() {
    let (mut cluster, leader, follower) = cleaned();
    cluster.boot(follower);
    cluster.append_and_commit(leader, 3);
    assert_eq!(cluster.count_facts("MetadataSnapshotFetched"), 1);
    let (behind, ahead) = (&cluster.nodes[&follower], &cluster.nodes[&leader]);
    assert_eq!(behind.raft().log_start(), ahead.raft().log_start());
    assert_eq!((behind.host.count, behind.host.digest), (ahead.host.count, ahead.host.digest));
}

#[test]
fn kip_630_after_a_restart_the_snapshot_is_loaded_and_then_what_follows() {
    let (mut cluster, leader, _) = cleaned();
    cluster.append_and_commit(leader, 4);
    let observer = NodeId::broker(1);
    let before = cluster.nodes[&observer].host;
    cluster.crash(observer, true);
    cluster.boot(observer);
    let applied = |it: &Cluster| it.nodes[&observer].host.applied >= before.applied;
    assert!(cluster.run_until(Span::from_secs(5), applied));
    let after = cluster.nodes[&observer].host;
    assert_eq!((after.count, after.digest), (before.count, before.digest));
}

#[test]
fn kip_630_a_wrong_request_for_a_snapshot_is_answered_with_its_error() {
    let (mut cluster, leader, _) = cleaned();
    let epoch = cluster.epoch(leader);
    let id = cluster.nodes[&leader].raft().view().snapshot.expect("there is one");
    let unknown = OffsetAndEpoch { offset: Offset(7), ..id };
    for (snapshot, position, current_leader_epoch, expected) in [
        (id, 0, epoch, ErrorCode::None),
        (unknown, 0, epoch, ErrorCode::SnapshotNotFound),
        (id, 1 << 40, epoch, ErrorCode::PositionOutOfRange),
        (id, 0, LeaderEpoch(0), ErrorCode::FencedLeaderEpoch),
        (id, 0, LeaderEpoch(99), ErrorCode::UnknownLeaderEpoch),
    ] {
        let reader = key(NodeId::broker(1));
        let request = FetchSnapshotRequest {
            cluster: ClusterId::from("test"),
            replica: FetchingReplica {
                id: reader.id,
                directory: Some(reader.directory),
                epoch: None,
            },
            max_bytes: 1,
            current_leader_epoch,
            snapshot,
            position,
        };
        let Response::FetchSnapshot(answer) = cluster.ask(leader, request) else {
            panic!("another answer");
        };
        assert_eq!(answer.error, expected, "{snapshot:?} {position} {current_leader_epoch}");
        assert_eq!(answer.batches.len(), usize::from(expected.is_ok()));
    }
}
