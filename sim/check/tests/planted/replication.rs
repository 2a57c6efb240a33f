//! What brokers state about logs, leaderships and high watermarks.

use crate::story::{B1, B2, B3, Story, Told, V1, batch, flushing, orders};
use klab_check::{Promise, Status};
use klab_machine::fact::{ControllerFact, LogFact, ReplicationFact, WorldFact};
use klab_wire::{Acks, ErrorCode, Offset};

fn three_committed() -> Story {
    Story::new().replicated(B1, &[B2, B3], batch(0, 0, 3, 100)).commits(B1, 0, 0, 3)
}

pub fn high_watermark_is_monotonic() -> [Story; 2] {
    [three_committed().commits(B1, 0, 2, 3), {
        // A new leader starts from what it knew as a follower: lower, and in order.
        let story = three_committed().learns(B2, 0, 2).elects(B2, 1, &[B2, B3]).leads(B2, 1, 3, 2);
        story.commits(B2, 1, 2, 3)
    }]
}

pub fn follower_high_watermark_is_behind() -> [Story; 2] {
    [three_committed().learns(B2, 0, 4), three_committed().learns(B2, 0, 3)]
}

/// b2 has another batch than b1 at offset 3; both committed theirs, or only one did.
pub fn log_matching() -> [Story; 2] {
    let diverged = three_committed()
        .learns(B2, 0, 3)
        .appends(B1, batch(0, 3, 2, 200), true)
        .elects(B2, 1, &[B2, B3])
        .leads(B2, 1, 3, 3)
        .replicated(B2, &[B3], batch(1, 3, 2, 300))
        .commits(B2, 1, 3, 5);
    [diverged.clone().commits(B1, 0, 3, 5), diverged]
}

/// After an election b1 follows b2, which has another batch at offset 3 than b1. It fetches what comes after
/// that, or it cuts its log first.
pub fn same_batch_same_past() -> [Story; 2] {
    let diverged = three_committed()
        .appends(B1, batch(0, 3, 2, 200), true)
        .elects(B2, 1, &[B2, B3])
        .leads(B2, 1, 3, 3)
        .replicated(B2, &[B3], batch(1, 3, 2, 300))
        .appends(B2, batch(1, 5, 1, 302), true);
    let cut = diverged.clone().truncates(B1, 5, 3).appends(B1, batch(1, 3, 2, 300), false);
    [diverged, cut].map(|story| story.appends(B1, batch(1, 5, 1, 302), false))
}

/// A permitted loss excuses a leader that lacks what was committed, and not a follower that does not follow it.
#[test]
fn nothing_permits_two_pasts_in_one_log() {
    let diverged = three_committed()
        .appends(B1, batch(0, 3, 2, 200), true)
        .elects_uncleanly(B2, 1)
        .leads(B2, 1, 3, 3)
        .appends(B2, batch(1, 3, 2, 300), true)
        .appends(B2, batch(1, 5, 1, 302), true)
        .appends(B1, batch(1, 5, 1, 302), false);
    let verdict = diverged.end();
    assert_eq!(verdict.promise(Promise::SameBatchSamePast).status, Status::Violated);
}

pub fn log_is_contiguous() -> [Story; 2] {
    [
        Story::new().appends(B1, batch(0, 1, 3, 100), true),
        Story::new().appends(B1, batch(0, 0, 3, 100), true).appends(B1, batch(0, 3, 1, 103), true),
    ]
}

/// b2 is elected from the ISR; it has two of three committed records, or all of them.
pub fn committed_records_survive() -> [Story; 2] {
    let elected = |has: u64| {
        let story = Story::new().replicated(B1, &[B2, B3], batch(0, 0, 2, 100));
        let story = story.replicated(B1, &[B3], batch(0, 2, 1, 102));
        let story = match has {
            3 => story.appends(B2, batch(0, 2, 1, 102), false),
            _ => story.changes_isr(&[B1, B3], 1),
        };
        story.commits(B1, 0, 0, 3).elects(B2, 1, &[B2, B3]).leads(B2, 1, has, 0)
    };
    [elected(2), elected(3)]
}

pub fn flushed_records_survive() -> [Story; 2] {
    let opened = |end| {
        let story = Story::new().replicated(B1, &[B2, B3], batch(0, 0, 3, 100));
        let story = story.appends(B2, batch(0, 3, 1, 103), false);
        story.flushes(B2, 3).power_cut(B2).loaded(B2, end)
    };
    [opened(0), opened(3)]
}

/// The leader commits what one of its followers has not flushed; or what that one has from a life that was killed
/// in the middle of its fsync.
pub fn committed_records_are_flushed() -> [Story; 2] {
    let story = Story::with(flushing()).replicated(B1, &[B2, B3], batch(0, 0, 3, 100));
    let story = story.flushes(B1, 3).flushes(B2, 3);
    [story.clone(), story.loaded(B3, 3)].map(|story| story.commits(B1, 0, 0, 3))
}

/// A broker that says it was shut down in order has lost its last record, or has it.
pub fn clean_shutdown_is_true() -> [Story; 2] {
    let opened = |end| {
        let story = Story::new().replicated(B1, &[B2, B3], batch(0, 0, 3, 100));
        let (partition, start, end) = (orders(), Offset(0), Offset(end));
        story.fact(B2, LogFact::LogLoaded { partition, start, end, clean: true })
    };
    [opened(2), opened(3)]
}

/// The first segments go, one of them too early.
pub fn log_start_is_committed() -> [Story; 2] {
    let deleted = |to| {
        let story = three_committed().replicated(B1, &[B2, B3], batch(0, 3, 1, 103));
        let (partition, from, to) = (orders(), Offset(0), Offset(to));
        story.fact(B1, LogFact::LogStartAdvanced { partition, from, to, by_retention: true })
    };
    [deleted(4), deleted(3)]
}

pub fn one_leader_per_epoch() -> [Story; 2] {
    [Story::new().leads(B2, 0, 0, 0), Story::new().elects(B2, 1, &[B2]).leads(B2, 1, 0, 0)]
}

/// An acknowledgement one record too early, and one that is due.
pub fn ack_only_after_commit() -> [Story; 2] {
    let answers = |last| three_committed().answers(B1, Acks::All, last, ErrorCode::None);
    [answers(3), answers(2)]
}

pub fn sequence_has_no_gap() -> [Story; 2] {
    let told =
        |base, sequence| Told { sequence: Some((0, sequence)), ..batch(0, base, 2, 100 + base) };
    let appended = |second| {
        let story = Story::new().appends(B1, told(0, 0), true);
        story.appends(B1, told(2, second), true)
    };
    [appended(3), appended(2)]
}

#[test]
fn a_sequence_may_be_written_again_after_its_batch_was_truncated() {
    let told = |epoch, base, sequence| Told {
        sequence: Some((0, sequence)),
        ..batch(epoch, base, 2, 100 + base)
    };
    let story = Story::new().replicated(B1, &[B2, B3], told(0, 0, 0));
    let story = story.appends(B1, told(0, 2, 2), true).elects(B2, 1, &[B2, B3]).leads(B2, 1, 2, 0);
    let again = story.clone().appends(B2, told(1, 2, 2), true).end();
    assert_eq!(again.promise(Promise::SequenceHasNoGap).violations, 0);
    let beyond = story.appends(B2, told(1, 2, 4), true).end();
    assert_eq!(beyond.promise(Promise::SequenceHasNoGap).violations, 1);
}

#[test]
fn a_zombie_and_its_successor_each_continue_their_own_log() {
    let told = |epoch, base, sequence| Told {
        sequence: Some((0, sequence)),
        ..batch(epoch, base, 2, 100 + base)
    };
    let story = Story::new().replicated(B1, &[B2, B3], told(0, 0, 0)).elects(B2, 1, &[B2, B3]);
    let story = story.leads(B2, 1, 2, 0).appends(B1, told(0, 2, 2), true);
    let story = story.appends(B2, told(1, 2, 2), true).appends(B1, told(0, 4, 4), true);
    let both = story.clone().appends(B2, told(1, 4, 4), true).end();
    assert_eq!(both.promise(Promise::SequenceHasNoGap).status, Status::Kept);
    let beyond = story.clone().appends(B2, told(1, 4, 6), true).end();
    assert_eq!(beyond.promise(Promise::SequenceHasNoGap).violations, 1);
    // The zombie learns of its successor, follows it, and leads again.
    let back = story.truncates(B1, 6, 2).appends(B1, told(1, 2, 2), false);
    let back = back.elects(B1, 2, &[B1, B2, B3]).leads(B1, 2, 4, 4);
    let once = back.clone().appends(B1, told(2, 4, 4), true).end();
    assert_eq!(once.promise(Promise::SequenceHasNoGap).violations, 0);
    let again = back.appends(B1, told(2, 4, 2), true).end();
    assert_eq!(again.promise(Promise::SequenceHasNoGap).violations, 1);
}

#[test]
fn too_few_in_sync_replicas_must_not_acknowledge() {
    let one_left = || {
        let story = Story::new().changes_isr(&[B1], 1).learns_isr(B1, &[B1], 1);
        let story = story.appends(B1, batch(0, 0, 1, 100), true);
        story.commits(B1, 0, 0, 1)
    };
    let acked = one_left().answers(B1, Acks::All, 0, ErrorCode::None).end();
    assert_eq!(acked.promise(Promise::AckOnlyAfterCommit).violations, 1);
    let refused = one_left().answers(B1, Acks::All, 0, ErrorCode::NotEnoughReplicasAfterAppend);
    assert_eq!(refused.end().promise(Promise::AckOnlyAfterCommit).violations, 0);
}

/// The answer waits for another partition of the request, and the ISR shrinks meanwhile.
#[test]
fn what_was_committed_with_enough_replicas_in_sync_may_be_acknowledged_later() {
    let committed = || three_committed().learns_isr(B1, &[B1], 1);
    let answered = |story: Story, last| story.answers(B1, Acks::All, last, ErrorCode::None).end();
    let promise = Promise::AckOnlyAfterCommit;
    assert_eq!(answered(committed(), 2).promise(promise).status, Status::Kept);
    let later = committed().appends(B1, batch(0, 3, 1, 103), true).commits(B1, 0, 3, 4);
    assert_eq!(answered(later, 3).promise(promise).status, Status::Violated);
}

/// An answer waits for other partitions of its request, and the replica is deleted meanwhile: a reassignment took the leader.
#[test]
fn what_was_committed_may_be_acknowledged_when_the_replica_is_gone() {
    let deleted =
        || three_committed().fact(B1, ReplicationFact::ReplicaDeleted { partition: orders() });
    for (last, status) in [(2, Status::Kept), (3, Status::Violated)] {
        let verdict = deleted().answers(B1, Acks::All, last, ErrorCode::None).end();
        assert_eq!(verdict.promise(Promise::AckOnlyAfterCommit).status, status, "{last}");
    }
}

#[test]
fn a_leader_answers_by_the_isr_and_the_settings_that_it_knows_of() {
    let one_left = || Story::new().changes_isr(&[B1], 1);
    let answered = |story: Story| {
        let story = story.appends(B1, batch(0, 0, 1, 100), true).commits(B1, 0, 0, 1);
        let verdict = story.answers(B1, Acks::All, 0, ErrorCode::None).end();
        verdict.promise(Promise::AckOnlyAfterCommit).violations
    };
    // The controller has taken the others out, the leader has not heard of it.
    assert_eq!(answered(one_left()), 0);
    assert_eq!(answered(one_left().learns_isr(B1, &[B1], 1)), 1);
    // Three are needed from now on; the leader has applied that, or has not.
    let raised = ControllerFact::ConfigChanged {
        resource: "topic orders".into(),
        name: "min.insync.replicas".into(),
        value: Some("3".into()),
    };
    let two_left = || Story::new().changes_isr(&[B1, B2], 1).learns_isr(B1, &[B1, B2], 1);
    let story = two_left().fact(V1, raised);
    assert_eq!(answered(story.clone()), 0);
    let applied = ReplicationFact::MetadataApplied { to: Offset(10) };
    assert_eq!(answered(story.fact(B1, applied)), 1);
}

/// A follower has not heard yet that its leader's log starts later, and what it has below is another past.
#[test]
fn logs_may_differ_where_their_leader_has_deleted() {
    let differ = |deleted: bool| {
        let story = three_committed().appends(B3, batch(0, 3, 1, 203), true);
        let story = story.elects(B2, 1, &[B2, B1]).leads(B2, 1, 3, 3);
        let story = story.replicated(B2, &[B1], batch(1, 3, 1, 103)).commits(B2, 1, 3, 4);
        let start = LogFact::LogStartAdvanced {
            partition: orders(),
            from: Offset(0),
            to: Offset(4),
            by_retention: false,
        };
        let story = if deleted { story.fact(B2, start) } else { story };
        story.learns(B1, 3, 4).learns(B3, 3, 4).end()
    };
    assert_eq!(differ(true).promise(Promise::LogMatching).status, Status::Kept);
    assert_eq!(differ(false).promise(Promise::LogMatching).status, Status::Violated);
}

#[test]
fn a_log_that_nobody_opens_after_a_power_cut_begins_anew() {
    let story = three_committed().changes_isr(&[B1, B2], 1).power_cut(B3);
    let started = story.fact(B3, WorldFact::ProcessStarted { life: 2 });
    let caught_up = |logs| ReplicationFact::LogDirOpened { logs };
    let again = started.clone().fact(B3, caught_up(0)).appends(B3, batch(0, 0, 3, 100), false);
    assert_eq!(again.end().promise(Promise::LogIsContiguous).status, Status::Kept);
    let opened = started.loaded(B3, 3).and(B3, caught_up(1));
    let opened = opened.appends(B3, batch(0, 0, 3, 100), false).end();
    assert_eq!(opened.promise(Promise::LogIsContiguous).violations, 1);
}

#[test]
fn the_missing_records_of_a_new_leader_are_shown_with_their_append_and_election() {
    let [broken, _] = committed_records_survive();
    let verdict = broken.end();
    let proof = &verdict.promise(Promise::CommittedRecordsSurvive).proofs[0];
    assert_eq!(proof.what, "b2 leads without the committed offsets 2..2, its log ends at 2");
    let said: Vec<_> = proof.witnesses.iter().map(|witness| witness.what.as_str()).collect();
    assert!(said.contains(&"appended offset 2 in leader epoch 0"), "{said:?}");
    assert!(said.contains(&"elected: b2 leads in leader epoch 1"), "{said:?}");
}

#[test]
fn a_leader_that_learns_late_that_it_leads_no_more_is_not_asked() {
    // b2 takes up epoch 1 when b3 has long led in epoch 2 and committed more.
    let story = three_committed().elects(B3, 2, &[B3]).leads(B3, 2, 3, 3);
    let story = story.appends(B3, batch(2, 3, 1, 103), true).commits(B3, 2, 3, 4);
    let verdict = story.leads(B2, 1, 3, 3).end();
    assert_eq!(verdict.promise(Promise::CommittedRecordsSurvive).violations, 0);
}
