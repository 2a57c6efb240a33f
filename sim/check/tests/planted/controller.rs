//! What the controller decides.

use crate::story::{B1, B2, B3, Story, V1, V2, batch, orders};
use klab_check::{Promise, Status};
use klab_machine::fact::{ControllerFact, ReplicationFact, WorldFact};
use klab_wire::{BrokerEpoch, ControllerEpoch, LeaderEpoch, NodeId};
use std::sync::Arc;

pub fn leader_in_isr() -> [Story; 2] {
    // b1 leaves the ISR and b2 leads: two facts of one decision, or of two.
    let out = Story::isr(&[B2, B3], 1);
    let elected = Story::elected(B2, 1, &[B2, B3]);
    [
        Story::new().fact(V1, out.clone()).fact(V1, elected.clone()),
        Story::new().fact(V1, out).and(V1, elected),
    ]
}

pub fn isr_is_subset_of_replicas() -> [Story; 2] {
    let stranger = NodeId::broker(4);
    let wider = [B1, B2, B3, stranger];
    let (adding, removing): (Arc<[NodeId]>, Arc<[NodeId]>) = (Arc::new([stranger]), Arc::new([B3]));
    let reassigned = ControllerFact::ReassignmentStarted { partition: orders(), adding, removing };
    [Story::new().changes_isr(&wider, 1), Story::new().fact(V1, reassigned).changes_isr(&wider, 1)]
}

pub fn isr_never_empty() -> [Story; 2] {
    let offline = |isr: &[NodeId]| ControllerFact::PartitionWentOffline {
        partition: orders(),
        epoch: LeaderEpoch(1),
        isr: isr.into(),
    };
    [Story::new().fact(V1, offline(&[])), Story::new().fact(V1, offline(&[B1]))]
}

/// b3 comes back into the ISR with one record less than committed, or with all.
pub fn isr_member_has_committed_records() -> [Story; 2] {
    let back = |has: u64| {
        let story = Story::new().replicated(B1, &[B2, B3], batch(0, 0, 2, 100));
        let story = story.changes_isr(&[B1, B2], 1).replicated(B1, &[B2], batch(0, 2, 1, 102));
        let story = story.commits(B1, 0, 0, 3);
        let story = match has {
            3 => story.appends(B3, batch(0, 2, 1, 102), false),
            _ => story,
        };
        story.changes_isr(&[B1, B2, B3], 2)
    };
    [back(2), back(3)]
}

pub fn no_fenced_broker_in_isr() -> [Story; 2] {
    let fenced = || Story::new().fact(V1, ControllerFact::BrokerFenced { broker: B3 });
    [fenced(), fenced().and(V1, Story::isr(&[B1, B2], 1))]
}

/// b3 is fenced and elected, or it is elected while b2 is fenced.
pub fn leader_is_alive() -> [Story; 2] {
    [B3, B2].map(|fenced| {
        let story = Story::new().fact(V1, ControllerFact::BrokerFenced { broker: fenced });
        story.and(V1, Story::elected(B3, 1, &[B3]))
    })
}

pub fn one_active_controller_per_epoch() -> [Story; 2] {
    let second = |epoch| ControllerFact::ControllerActivated { epoch: LeaderEpoch(epoch) };
    [Story::new().fact(V2, second(1)), Story::new().fact(V2, second(2))]
}

pub fn partition_epoch_is_monotonic() -> [Story; 2] {
    let changed = |epoch| Story::new().changes_isr(&[B1, B2], 2).changes_isr(&[B1], epoch);
    [changed(2), changed(3)]
}

pub fn leader_epoch_is_monotonic() -> [Story; 2] {
    let elected = |epoch| Story::new().elects(B2, 2, &[B2, B3]).elects(B3, epoch, &[B3]);
    [elected(1), elected(3)]
}

/// b1 has registered twice, and is told something that was meant for the first time, or for the second.
pub fn no_former_generation_is_obeyed() -> [Story; 2] {
    [4, 9].map(|meant_for| {
        Story::new().fact(
            B1,
            ReplicationFact::ControlRequestTaken {
                api: "StopReplica",
                controller: B2,
                controller_epoch: ControllerEpoch(1),
                meant_for: Some(BrokerEpoch(meant_for)),
                broker_epoch: Some(BrokerEpoch(9)),
            },
        )
    })
}

pub fn broker_epoch_is_monotonic() -> [Story; 2] {
    let learned = |epoch| ReplicationFact::BrokerRegistrationLearned { epoch: BrokerEpoch(epoch) };
    let both = |other| Story::new().fact(B1, learned(5)).fact(B2, learned(other));
    [both(5), both(6)]
}

#[test]
fn what_a_fallen_controller_had_not_committed_is_void() {
    let activated = ControllerFact::ControllerActivated { epoch: LeaderEpoch(2) };
    // v1 elects b2 and shrinks the ISR; nobody hears of it, and v2 decides from where b1 leads.
    let lost = || Story::new().fact(V1, Story::elected(B2, 1, &[B2, B3])).in_vain();
    let lost = || lost().fact(V1, Story::isr(&[B2], 1)).in_vain().fact(V2, activated.clone());
    let verdict = lost().fact(V2, Story::isr(&[B1, B3], 1)).fact(V2, Story::elected(B3, 1, &[B3]));
    let verdict = verdict.end();
    for promise in
        [Promise::LeaderInIsr, Promise::PartitionEpochIsMonotonic, Promise::LeaderEpochIsMonotonic]
    {
        assert_eq!(verdict.promise(promise).status, Status::Kept, "{promise}");
    }
    let verdict = lost().fact(V2, Story::isr(&[B2, B3], 1)).end();
    assert_eq!(verdict.promise(Promise::LeaderInIsr).violations, 1);
}

#[test]
fn what_is_committed_binds_the_next_controller_too() {
    let activated = ControllerFact::ControllerActivated { epoch: LeaderEpoch(2) };
    let story = Story::new().changes_isr(&[B1, B2], 1).fact(V2, activated);
    let verdict = story.fact(V2, Story::isr(&[B1, B3], 1)).end();
    assert_eq!(verdict.promise(Promise::PartitionEpochIsMonotonic).violations, 1);
}

#[test]
fn a_broker_that_lost_data_is_asked_again_only_when_it_is_admitted() {
    let story = Story::new().replicated(B1, &[B2, B3], batch(0, 0, 3, 100));
    // Both followers have fetched; b3 loses its tail before the leader hears of b2's fetch.
    let story = story.power_cut(B3).loaded(B3, 0).commits(B1, 0, 0, 3);
    let waiting = story.clone().end();
    assert_eq!(waiting.promise(Promise::IsrMemberHasCommittedRecords).violations, 0);
    let admitted = story.changes_isr(&[B1, B2], 1).changes_isr(&[B1, B2, B3], 2).end();
    assert_eq!(admitted.promise(Promise::IsrMemberHasCommittedRecords).violations, 1);
}

#[test]
fn a_new_life_of_a_broker_is_fenced_until_it_is_unfenced() {
    let registered = ControllerFact::BrokerRegistered { broker: B3, epoch: BrokerEpoch(9) };
    let story = Story::new().fact(B3, WorldFact::ProcessStarted { life: 2 });
    let stays = story.clone().fact(V1, registered.clone()).end();
    assert_eq!(stays.promise(Promise::NoFencedBrokerInIsr).violations, 1);
    let leaves = story.fact(V1, registered).and(V1, Story::isr(&[B1, B2], 1));
    let unfenced = leaves.fact(V1, ControllerFact::BrokerUnfenced { broker: B3 });
    let verdict = unfenced.changes_isr(&[B1, B2, B3], 2).end();
    assert_eq!(verdict.promise(Promise::NoFencedBrokerInIsr).violations, 0);
}
