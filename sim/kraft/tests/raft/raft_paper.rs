//! The Raft paper's own rules, as they show in a running quorum.

use crate::cluster::{Cluster, Shape};
use klab_machine::Fact;
use klab_machine::fact::RaftFact;
use klab_wire::{LeaderEpoch, Offset, Span};

#[test]
fn raft_5_4_2_a_new_leader_commits_earlier_records_with_its_own_first_one() {
    let mut cluster = Cluster::start(1, &Shape::default());
    let first = cluster.elect();
    cluster.append_and_commit(first, 2);
    let old = cluster.append(first).expect("the leader appends");
    let others = cluster.others(first);
    let has_old = |it: &Cluster| others.iter().all(|id| it.nodes[id].raft().log_end() > old);
    assert!(cluster.run_until(Span::from_secs(2), has_old));
    cluster.crash(first, false);
    cluster.run(Span::from_secs(1));
    let second = cluster.elect();
    let (start, committed) = first_commit_of(&cluster, cluster.epoch(second));
    assert!(start > old && committed > start, "starts at {start}, first commits {committed}");
    assert!(cluster.nodes[&second].host.applied > old, "and the old record is committed with it");
}

#[test]
fn raft_5_4_1_a_voter_that_misses_committed_records_is_not_elected() {
    let mut cluster = Cluster::start(2, &Shape::default());
    let first = cluster.elect();
    cluster.append_and_commit(first, 2);
    let [behind, ahead] = cluster.others(first)[..] else { panic!("three voters") };
    cluster.crash(behind, false);
    cluster.append_and_commit(first, 5);
    cluster.boot(behind);
    cluster.network.cut(first, behind);
    cluster.network.cut(behind, first);
    cluster.crash(first, false);
    cluster.run(Span::from_secs(1));
    assert_eq!(cluster.elect(), ahead);
}

/// Where an epoch started, and the high watermark that its leader set first.
fn first_commit_of(cluster: &Cluster, wanted: LeaderEpoch) -> (Offset, Offset) {
    let start = cluster.facts.iter().find_map(|(_, _, fact)| match fact {
        Fact::Raft(RaftFact::QuorumLeaderElected { epoch, start }) if *epoch == wanted => {
            Some(*start)
        }
        _ => None,
    });
    let committed = cluster.facts.iter().find_map(|(_, _, fact)| match fact {
        Fact::Raft(RaftFact::MetadataCommitted { epoch, to, as_leader: true, .. })
            if *epoch == wanted =>
        {
            Some(*to)
        }
        _ => None,
    });
    start.zip(committed).expect("the epoch has a leader that has committed")
}
