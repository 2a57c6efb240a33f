//! What a controller in ZooKeeper mode decides: the same promises, as far as they have a meaning there.

use crate::permits::permitted_by;
use crate::story::{B1, B2, B3, Story, V1, V2, batch, orders, settings};
use klab_check::{Promise, Setting, Settings, Status};
use klab_machine::fact::{ControllerFact, ReplicationFact};
use klab_wire::{LeaderEpoch, NodeId, Offset};

const B4: NodeId = NodeId::broker(4);

fn story() -> Story {
    Story::with(Settings { zookeeper_mode: true, ..settings() })
}

fn gone(broker: NodeId) -> ControllerFact {
    ControllerFact::BrokerFenced { broker }
}

fn back(broker: NodeId) -> ControllerFact {
    ControllerFact::BrokerUnfenced { broker }
}

fn holds(promise: Promise, stories: impl IntoIterator<Item = (Story, Status)>) {
    for (number, (story, status)) in stories.into_iter().enumerate() {
        let verdict = story.end();
        let found = verdict.promise(promise);
        assert_eq!(found.status, status, "{promise}, the story {number}: {found:#?}");
    }
}

#[test]
fn nobody_is_elected_who_is_gone_in_the_eyes_of_who_elects() {
    let activated = ControllerFact::ControllerActivated { epoch: LeaderEpoch(2) };
    let without_b2 = || story().fact(V1, gone(B2));
    holds(
        Promise::LeaderIsAlive,
        [
            (without_b2().elects(B2, 1, &[B2]), Status::Violated),
            (without_b2().elects_uncleanly(B2, 1), Status::Violated),
            (without_b2().elects(B3, 1, &[B3]), Status::Kept),
            (without_b2().fact(V1, back(B2)).elects(B2, 1, &[B2]), Status::Kept),
            // Its successor has looked for itself, and so has the same one when it is elected again.
            (
                without_b2().fact(V2, activated.clone()).fact(V2, Story::elected(B2, 1, &[B2])),
                Status::Kept,
            ),
            (without_b2().fact(V1, activated).elects(B2, 1, &[B2]), Status::Kept),
        ],
    );
}

#[test]
fn nobody_gets_into_an_isr_or_is_left_there_by_an_election_who_is_gone() {
    let without_b3 = || story().fact(V1, gone(B3));
    let both_gone = || without_b3().fact(V1, gone(B2));
    let out = || story().changes_isr(&[B1, B2], 1).fact(V1, gone(B3));
    holds(
        Promise::NoFencedBrokerInIsr,
        [
            (without_b3().elects(B2, 1, &[B2, B3]), Status::Violated),
            (without_b3().elects(B2, 1, &[B1, B2]), Status::Kept),
            (out().changes_isr(&[B1, B2, B3], 2), Status::Violated),
            (out().fact(V1, back(B3)).changes_isr(&[B1, B2, B3], 2), Status::Kept),
        ],
    );
    // Two that are gone leave the ISR one by one.
    let leaves = both_gone().changes_isr(&[B1, B3], 1).changes_isr(&[B1], 2).end();
    assert_eq!(leaves.promise(Promise::NoFencedBrokerInIsr).violations, 0);
}

/// b4 shall be a replica, and b3 is to go.
fn moving() -> Story {
    let (partition, adding, removing) = (orders(), [B4].into(), [B3].into());
    story().fact(V1, ControllerFact::ReassignmentStarted { partition, adding, removing })
}

#[test]
fn only_a_replica_gets_into_an_isr_and_one_that_is_none_any_more_may_be_left_there() {
    let (adding, removing) = ([B4].into(), [B3].into());
    let found = ControllerFact::ReassignmentResumed { partition: orders(), adding, removing };
    let replicas = [B1, B2, B3].into();
    let cancelled = ControllerFact::ReassignmentCancelled { partition: orders(), replicas };
    let all = [B1, B2, B3, B4];
    holds(
        Promise::IsrIsSubsetOfReplicas,
        [
            (story().changes_isr(&all, 1), Status::Violated),
            (moving().changes_isr(&all, 1), Status::Kept),
            (story().fact(V1, found).changes_isr(&all, 1), Status::Kept),
            (
                moving().changes_isr(&all, 1).fact(V1, cancelled.clone()).changes_isr(&[B1, B4], 2),
                Status::Kept,
            ),
            (moving().fact(V1, cancelled).changes_isr(&all, 1), Status::Violated),
        ],
    );
}

/// All are in sync, those that shall be among them; then the leader gets a new epoch, or not, and commits what these
/// have.
fn commits_while_moving(isr: &[NodeId], is_told: bool, having: &[NodeId]) -> Story {
    let story = moving().loaded(B4, 0).changes_isr(isr, 1);
    let epoch = LeaderEpoch(u32::from(is_told));
    let bumped = ControllerFact::LeaderEpochBumped { partition: orders(), leader: B1, epoch };
    let story = if is_told { story.fact(V1, bumped) } else { story };
    let leads = ReplicationFact::BecameLeader {
        partition: orders(),
        epoch,
        start: Offset(0),
        high_watermark: Offset(0),
        isr: isr.into(),
    };
    let story = story.fact(B1, leads);
    let story = story.replicated(B1, having, batch(epoch.0, 0, 1, 100));
    story.commits(B1, epoch.0, 0, 1)
}

#[test]
fn a_leader_waits_for_a_replica_that_goes_until_it_is_told_that_all_who_stay_are_in_sync() {
    let all = [B1, B2, B3, B4];
    holds(
        Promise::IsrMemberHasCommittedRecords,
        [
            (commits_while_moving(&all, true, &[B2, B4]), Status::Kept),
            (commits_while_moving(&all, false, &[B2, B4]), Status::Violated),
            // Who stays is waited for.
            (commits_while_moving(&all, true, &[B2]), Status::Violated),
            // A new epoch alone says nothing, as long as one that shall be is not in sync.
            (commits_while_moving(&[B1, B2, B3], true, &[B2, B4]), Status::Violated),
            (commits_while_moving(&[B1, B2, B3], true, &[B2, B3]), Status::Kept),
        ],
    );
}

/// As above, but instead of b3 going b4 is not wanted any more; b4 has left the ISR.
#[test]
fn a_move_that_replaces_another_leaves_those_whom_it_does_not_want_out_of_account() {
    let replaced = |having: &[NodeId]| {
        let (partition, adding, removing) = (orders(), Vec::new().into(), [B2, B3].into());
        let instead = ControllerFact::ReassignmentStarted { partition, adding, removing };
        let story = moving().fact(V1, instead);
        let (partition, leader, epoch) = (orders(), B1, LeaderEpoch(1));
        let bumped = ControllerFact::LeaderEpochBumped { partition, leader, epoch };
        let story = story.fact(V1, bumped).leads(B1, 1, 0, 0);
        story.replicated(B1, having, batch(1, 0, 1, 100)).commits(B1, 1, 0, 1)
    };
    holds(
        Promise::IsrMemberHasCommittedRecords,
        [(replaced(&[]), Status::Kept), (replaced(&[B2, B3]), Status::Kept)],
    );
}

#[test]
fn the_last_member_of_an_isr_is_trusted_because_zookeeper_mode_knows_nothing_else() {
    let story = story().with_five_acked().changes_isr(&[B1, B2], 1).changes_isr(&[B1], 2);
    let story = story.power_cut(B1).loaded(B1, 0).elects(B1, 1, &[B1]).leads(B1, 1, 0, 0);
    let verdict = story.truncates(B2, 5, 0).truncates(B3, 5, 0).end();
    let lost = permitted_by(&verdict, Promise::NoAckedRecordIsLost);
    assert_eq!(lost, [Setting::LastMemberTrustedInZooKeeperMode]);
}
