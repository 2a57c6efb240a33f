//! KIP-996: a voter asks first whether it would be elected. Each test runs twice, one KIP apart.

use crate::cluster::{Cluster, Shape};
use klab_wire::Span;

fn cluster(seed: u64, pre_vote: bool) -> Cluster {
    Cluster::start(seed, &Shape { pre_vote, ..Shape::default() })
}

/// How many epochs a follower has raised that was cut off for a while and came back.
fn epochs_after_a_partition(pre_vote: bool) -> u32 {
    let mut cluster = cluster(1, pre_vote);
    let leader = cluster.elect();
    cluster.append_and_commit(leader, 2);
    let before = cluster.epoch(leader);
    let follower = cluster.others(leader)[0];
    cluster.isolate(follower);
    cluster.run(Span::from_secs(20));
    cluster.network.heal();
    cluster.run(Span::from_secs(10));
    let leader = cluster.elect();
    cluster.append_and_commit(leader, 1);
    cluster.epoch(leader).0 - before.0
}

#[test]
fn kip_996_a_voter_that_was_cut_off_does_not_disturb_the_leader_when_it_comes_back() {
    assert_eq!(epochs_after_a_partition(true), 0);
    assert!(epochs_after_a_partition(false) > 3, "without the KIP it raises epoch after epoch");
}

/// How many epochs a voter raises that is the last one of three.
fn epochs_without_a_majority(pre_vote: bool) -> u32 {
    let mut cluster = cluster(2, pre_vote);
    let leader = cluster.elect();
    cluster.append_and_commit(leader, 2);
    let others = cluster.others(leader);
    let before = cluster.epoch(others[0]);
    cluster.crash(leader, false);
    cluster.crash(others[1], false);
    cluster.run(Span::from_secs(30));
    assert_eq!(cluster.leader(), None);
    cluster.epoch(others[0]).0 - before.0
}

#[test]
fn kip_996_the_epoch_stays_while_no_majority_can_be_reached() {
    assert_eq!(epochs_without_a_majority(true), 0);
    assert!(epochs_without_a_majority(false) > 5);
}

#[test]
fn kip_996_a_majority_still_elects_a_leader_when_the_old_one_is_gone() {
    let mut cluster = cluster(3, true);
    let first = cluster.elect();
    cluster.append_and_commit(first, 2);
    cluster.crash(first, true);
    cluster.run(Span::from_secs(1));
    let second = cluster.elect();
    assert_ne!(first, second);
    assert!(cluster.count_facts("PreVoteStarted") >= 2);
}
