//! Every kind of election and every rule of a partition's change, as tables.

use super::*;
use crate::testing::{PARTITION, nodes, partition};

const RULES: ElectionRules = ElectionRules {
    last_known_leader: LastKnownLeader::Checked,
    min_isr: 1,
    eligible_leader_replicas: false,
    leader_recovery_state: true,
    isr_shrink_bumps_leader_epoch: false,
};
const WITH_ELR: ElectionRules =
    ElectionRules { min_isr: 2, eligible_leader_replicas: true, ..RULES };

fn node(number: u16) -> Option<NodeId> {
    Some(NodeId::broker(number))
}

fn build(change: PartitionChange<'_>, alive: &[u16]) -> PartitionChangeRecord {
    let alive = nodes(alive.iter().copied());
    let none = PartitionChangeRecord::of(PARTITION.topic, PARTITION.partition);
    change.build(PARTITION, |node| alive.contains(&node)).unwrap_or(none)
}

/// The leader that the record names, and the ISR.
type Outcome = (Option<Option<NodeId>>, Option<Arc<[NodeId]>>);

fn outcome(record: &PartitionChangeRecord) -> Outcome {
    (record.leader, record.isr.clone())
}

#[test]
fn an_election_goes_as_far_as_its_kind_allows() {
    use Election::{Online, Preferred, Unclean};
    let stays = None;
    let unclean = |n| (Some(node(n)), Some(nodes([n])));
    // Kind, replicas, ISR (the first leads), alive; leader and ISR of the record.
    type Case = (Election, [u16; 3], &'static [u16], &'static [u16], Outcome);
    let cases: [Case; 11] = [
        // A leader that is alive and in sync stays, unless the preferred one is asked for.
        (Online, [1, 2, 3], &[2, 1, 3], &[1, 2, 3], (stays, None)),
        (Unclean, [1, 2, 3], &[2, 1, 3], &[1, 2, 3], (stays, None)),
        (Preferred, [1, 2, 3], &[2, 1, 3], &[1, 2, 3], (Some(node(1)), None)),
        // The preferred one is dead or not in sync: the leader stays.
        (Preferred, [1, 2, 3], &[2, 1, 3], &[2, 3], (stays, None)),
        (Preferred, [1, 2, 3], &[2, 3], &[1, 2, 3], (stays, None)),
        // A dead leader is followed by the first replica in sync, in the replicas' order.
        (Online, [1, 2, 3], &[1, 3, 2], &[2, 3], (Some(node(2)), None)),
        (Preferred, [1, 2, 3], &[2, 3], &[1, 3], (Some(node(3)), None)),
        // Nobody in sync is alive: offline, or unclean.
        (Online, [1, 2, 3], &[1], &[2, 3], (Some(None), None)),
        (Preferred, [1, 2, 3], &[1], &[2, 3], (Some(None), None)),
        (Unclean, [1, 2, 3], &[1], &[3, 2], unclean(2)),
        (Unclean, [1, 2, 3], &[1], &[], (Some(None), None)),
    ];
    for (election, replicas, isr, alive, expected) in cases {
        let before = partition(replicas, isr.iter().copied());
        let change = PartitionChange { election, ..PartitionChange::of(&before, RULES) };
        let record = build(change, alive);
        assert_eq!(outcome(&record), expected, "{election:?} {isr:?} alive {alive:?}");
    }
}

#[test]
fn a_partition_that_stays_offline_is_not_changed() {
    let before = PartitionRegistration { leader: None, ..partition([1, 2], [1]) };
    let change = PartitionChange::of(&before, RULES);
    assert_eq!(change.build(PARTITION, |_| false), None);
}

#[test]
fn kip_704_an_unclean_leader_is_marked_as_recovering_where_the_brokers_know_of_it() {
    let before = partition([1, 2], [1]);
    for (leader_recovery_state, marked) in
        [(true, Some(LeaderRecoveryState::Recovering)), (false, None)]
    {
        let rules = ElectionRules { leader_recovery_state, ..RULES };
        let change =
            PartitionChange { election: Election::Unclean, ..PartitionChange::of(&before, rules) };
        assert_eq!(build(change, &[2]).leader_recovery_state, marked);
    }
}

#[test]
fn the_last_member_of_an_isr_stays_in_it_without_eligible_leader_replicas() {
    let before = partition([1, 2], [1]);
    let change = PartitionChange { isr: nodes([]), ..PartitionChange::of(&before, RULES) };
    let record = build(change, &[2]);
    assert_eq!(outcome(&record), (Some(None), None));
}

#[test]
fn a_shrunk_isr_counts_the_leader_epoch_up_only_before_3_6() {
    let before = partition([1, 2, 3], [1, 2]);
    let cases: [(bool, &[u16], _); 3] =
        [(false, &[1], None), (true, &[1], Some(node(1))), (true, &[1, 2, 3], None)];
    for (isr_shrink_bumps_leader_epoch, isr, leader) in cases {
        let rules = ElectionRules { isr_shrink_bumps_leader_epoch, ..RULES };
        let isr = nodes(isr.iter().copied());
        let change = PartitionChange { isr, ..PartitionChange::of(&before, rules) };
        assert_eq!(build(change, &[1, 2, 3]).leader, leader);
    }
}

#[test]
fn a_reassignment_completes_with_the_change_that_brings_its_last_replica_into_the_isr() {
    let moving = ReassignmentReplicas::toward(&nodes([1, 2]), &nodes([2, 3]));
    let before = PartitionRegistration {
        adding_replicas: moving.adding,
        removing_replicas: moving.removing,
        ..partition([2, 3, 1], [1, 2])
    };
    let isr = nodes([1, 2, 3]);
    let change = PartitionChange { isr, ..PartitionChange::of(&before, RULES) };
    let record = build(change, &[1, 2, 3]);
    assert_eq!(record.replicas, Some(nodes([2, 3])));
    assert_eq!(record.isr, Some(nodes([2, 3])));
    assert_eq!(record.adding_replicas, Some(nodes([])));
    assert_eq!(record.removing_replicas, Some(nodes([])));
    assert_eq!(record.leader, Some(node(2)), "the old leader was removed");
}

#[test]
fn a_removed_replica_counts_the_leader_epoch_up_though_the_leader_stays() {
    let moving = ReassignmentReplicas::toward(&nodes([1, 2]), &nodes([1]));
    let before = partition([1, 2], [1, 2]);
    let change = PartitionChange { reassignment: moving, ..PartitionChange::of(&before, RULES) };
    let record = build(change, &[1, 2]);
    assert_eq!(record.replicas, Some(nodes([1])));
    assert_eq!(record.leader, Some(node(1)));
}

/// A partition of three replicas with a minimum ISR of two, below which ELR begins.
fn elr(isr: &[u16], elr: &[u16], last_known: &[u16]) -> PartitionRegistration {
    PartitionRegistration {
        elr: nodes(elr.iter().copied()),
        last_known_elr: nodes(last_known.iter().copied()),
        ..partition([1, 2, 3], isr.iter().copied())
    }
}

#[test]
fn kip_966_whoever_leaves_the_isr_below_its_minimum_stays_eligible() {
    // ISR and ELR before, the ISR aimed at, and the record's ELR.
    type Case = (&'static [u16], &'static [u16], &'static [u16], Option<&'static [u16]>);
    let cases: [Case; 4] = [
        (&[1, 2, 3], &[], &[1, 2], None),
        (&[1, 2], &[], &[1], Some(&[2])),
        (&[1], &[2], &[1, 3], Some(&[])),
        (&[1], &[2, 3], &[1], None),
    ];
    for (isr, eligible, target, expected) in cases {
        let before = elr(isr, eligible, &[]);
        let target = nodes(target.iter().copied());
        let change = PartitionChange { isr: target, ..PartitionChange::of(&before, WITH_ELR) };
        let expected = expected.map(|list| nodes(list.iter().copied()));
        assert_eq!(build(change, &[1, 2, 3]).elr, expected, "{isr:?} {eligible:?}");
    }
}

#[test]
fn kip_966_a_replica_that_is_taken_away_is_not_eligible() {
    let before = elr(&[1, 2], &[], &[]);
    let mut change = PartitionChange::of(&before, WITH_ELR);
    change.reassignment = ReassignmentReplicas::toward(&before.replicas, &nodes([1]));
    let record = build(change, &[1, 2]);
    assert_eq!((record.replicas, record.elr), (Some(nodes([1])), None));
}

#[test]
fn kip_966_the_last_member_of_an_isr_becomes_eligible_and_is_remembered_as_leader() {
    let before = elr(&[1], &[2], &[]);
    let change = PartitionChange { isr: nodes([]), ..PartitionChange::of(&before, WITH_ELR) };
    let record = build(change, &[]);
    assert_eq!(outcome(&record), (Some(None), Some(nodes([]))));
    assert_eq!(record.elr, Some(nodes([1, 2])));
    assert_eq!(record.last_known_elr, Some(nodes([1])));
}

#[test]
fn kip_966_an_eligible_replica_leads_cleanly_and_alone_when_there_is_no_isr() {
    let before = elr(&[], &[2, 3], &[1]);
    let record = build(PartitionChange::of(&before, WITH_ELR), &[3]);
    assert_eq!(outcome(&record), (Some(node(3)), Some(nodes([3]))));
    assert_eq!(record.elr, Some(nodes([2])));
    assert_eq!(record.last_known_elr, Some(nodes([])));
    assert_eq!(record.leader_recovery_state, None);
}

#[test]
fn kafka_19522_the_last_known_leader_leads_again_only_if_it_is_alive() {
    let before = elr(&[], &[], &[1]);
    assert!(build(PartitionChange::of(&before, WITH_ELR), &[2, 3]).is_noop());
    let record = build(PartitionChange::of(&before, WITH_ELR), &[1]);
    assert_eq!(outcome(&record), (Some(node(1)), Some(nodes([1]))));
    assert_eq!(record.leader_recovery_state, Some(LeaderRecoveryState::Recovering));
    assert_eq!(record.last_known_elr, Some(nodes([])));
}

#[test]
fn kip_966_a_broker_that_did_not_shut_down_cleanly_is_eligible_no_more() {
    let before = elr(&[1], &[2], &[]);
    let unclean_shutdown = node(2);
    let change = PartitionChange { unclean_shutdown, ..PartitionChange::of(&before, WITH_ELR) };
    assert_eq!(build(change, &[1]).elr, Some(nodes([])));

    let last = elr(&[2], &[], &[]);
    let change = PartitionChange {
        unclean_shutdown,
        isr: nodes([]),
        ..PartitionChange::of(&last, WITH_ELR)
    };
    let record = build(change, &[]);
    assert_eq!(outcome(&record), (Some(None), Some(nodes([]))));
    assert_eq!((record.elr, record.last_known_elr), (None, Some(nodes([2]))));
}

#[test]
fn an_unclean_election_forgets_who_was_eligible() {
    let before = elr(&[], &[2], &[1]);
    let election = Election::Unclean;
    let change = PartitionChange { election, ..PartitionChange::of(&before, WITH_ELR) };
    let record = build(change, &[3]);
    assert_eq!(outcome(&record), (Some(node(3)), Some(nodes([3]))));
    assert_eq!((record.elr, record.last_known_elr), (Some(nodes([])), Some(nodes([]))));
}
