//! What clients saw.

use crate::story::{B1, B2, B3, C1, C2, P1, Story, V1, batch, orders};
use klab_check::{Convergence, Promise, Status, Stuck};
use klab_machine::fact::{ClientFact, ControllerFact, LogFact, ReplicationFact, WorldFact};
use klab_machine::operation::{Call, Outcome};
use klab_wire::{Acks, ErrorCode, Offset, Span, Time, TopicId};

/// The record at offset 5 is acknowledged; the next leader does not have it, or has it.
pub fn no_acked_record_is_lost() -> [Story; 2] {
    let acked = |followers: &[_]| {
        let story = Story::new().with_five_acked().sends(105, 1);
        let story = story.replicated(B1, followers, batch(0, 5, 1, 105)).acked(105, 5);
        let end = 5 + followers.len() as u64 / 2;
        let story = story.elects(B2, 1, &[B2, B3]).leads(B2, 1, end, 5);
        if end == 5 { story.truncates(B1, 6, 5) } else { story }
    };
    [acked(&[]), acked(&[B2, B3])]
}

/// Two records stand in the log the other way round, or as they were sent.
pub fn per_partition_order() -> [Story; 2] {
    let acked = |first: u64, second: u64| {
        let story = Story::new().sends(100, 1).sends(101, 1);
        let story = story.replicated(B1, &[B2, B3], batch(0, 0, 1, 100 + first));
        let story = story.replicated(B1, &[B2, B3], batch(0, 1, 1, 101 - first));
        story.commits(B1, 0, 0, 2).acked(100, first).acked(101, second)
    };
    [acked(1, 0), acked(0, 1)]
}

/// One value at two offsets, or two consumers that see it at one.
pub fn no_duplicates() -> [Story; 2] {
    let read = || Story::new().with_five_acked().polls(C1, &[(0, 100, 5)]);
    [read().polls(C1, &[(5, 102, 1)]), read().polls(C2, &[(0, 100, 5)])]
}

pub fn no_inconsistent_offsets() -> [Story; 2] {
    let read = |value| {
        let story = Story::new().sends(99, 1).with_five_acked().polls(C1, &[(0, 100, 5)]);
        story.polls(C2, &[(0, 100, 2), (2, value, 1)])
    };
    [read(99), read(102)]
}

pub fn no_unwritten_record_is_read() -> [Story; 2] {
    let read = |count| Story::new().with_five_acked().polls(C1, &[(0, 100, count)]);
    [read(6), read(5)]
}

/// A send that failed is read; a send of which nobody knows may be.
pub fn failed_sends_are_not_read() -> [Story; 2] {
    let read = |outcome| {
        let story = Story::new().sends(100, 1).ended(P1, 100, outcome);
        story.polls(C1, &[(0, 100, 1)])
    };
    let error = ErrorCode::RequestTimedOut;
    [read(Outcome::Failed(error)), read(Outcome::Unknown(error))]
}

/// A call from before healing has not ended; a call from after it need not have.
/// The end goes back for one client, or for two that asked two leaders.
pub fn end_offset_is_monotonic() -> [Story; 2] {
    let learned = |end| {
        let (end, ago) = (Offset(end), Span::ZERO);
        ClientFact::EndOffsetLearned { partition: orders(), end, ago }
    };
    let told =
        |second| Story::new().with_five_acked().fact(C1, learned(5)).fact(second, learned(4));
    [told(C1), told(C2)]
}

pub fn every_operation_ends() -> [Story; 2] {
    let healed = |story: Story| story.fact(B1, WorldFact::HealingBegan {});
    [healed(Story::new().sends(100, 1)), healed(Story::new().with_five_acked()).sends(200, 1)]
}

pub fn cluster_converges() -> [Story; 2] {
    let reasons = vec![Stuck { what: "orders-0 has no leader".into(), out_of_sync: None }];
    [
        Story::new().converges(Convergence::Missed { reasons }),
        Story::new().converges(Convergence::Reached { at: Time(5) }),
    ]
}

#[test]
fn a_lost_record_is_named_with_the_truncation_and_the_election_that_lost_it() {
    let [broken, _] = no_acked_record_is_lost();
    let verdict = broken.end();
    let found = verdict.promise(Promise::NoAckedRecordIsLost);
    assert_eq!((found.checked, found.violations), (6, 1));
    let proof = &found.proofs[0];
    assert_eq!(
        proof.what,
        "record at offset 5 (value 105), acknowledged to p1 with acks=all, is lost: \
         no replica has it, b2 leads"
    );
    let said: Vec<_> = proof.witnesses.iter().map(|witness| witness.what.as_str()).collect();
    assert_eq!(
        said,
        [
            "appended offset 5 in leader epoch 0",
            "is told that the broker has it",
            "elected: b2 leads in leader epoch 1",
            "truncated: log end from 6 to 5",
        ]
    );
}

#[test]
fn a_batch_that_was_cut_off_and_written_again_one_offset_on_is_not_lost() {
    // Value 106 is another producer's, so that 107 fits the old place of the batch, too.
    let story = Story::new().with_five_acked().sends(120, 1).sends(105, 1).sends(107, 2);
    let story = story.appends(B1, batch(0, 5, 3, 105), true);
    let story = story.elects(B2, 1, &[B2, B3]).leads(B2, 1, 5, 5).truncates(B1, 8, 5);
    let story = story.replicated(B2, &[B1, B3], batch(1, 5, 1, 120));
    let story = story.replicated(B2, &[B1, B3], batch(1, 6, 3, 105)).commits(B2, 1, 5, 9);
    assert!(is_clean(story.acked(120, 5).acked(105, 6).acked(107, 7)));
}

#[test]
fn what_retention_deleted_is_not_lost() {
    let deleted = LogFact::LogStartAdvanced {
        partition: orders(),
        from: Offset(0),
        to: Offset(5),
        by_retention: true,
    };
    let story = Story::new().with_five_acked().elects(B2, 1, &[B2, B3]).leads(B2, 1, 5, 5);
    let verdict = story.fact(B2, deleted).end();
    assert_eq!(verdict.promise(Promise::NoAckedRecordIsLost).status, Status::Kept);
}

#[test]
fn a_record_that_was_acknowledged_but_never_appended_is_lost() {
    let verdict = Story::new().sends(100, 1).acked(100, 0).end();
    let proof = &verdict.promise(Promise::NoAckedRecordIsLost).proofs[0];
    assert!(proof.what.ends_with("no log ever had it there"), "{}", proof.what);
}

#[test]
fn a_reader_that_passes_over_a_record_breaks_the_order_and_loses_it() {
    let read = || Story::new().with_five_acked().polls(C1, &[(0, 100, 2)]);
    let skipped = read().polls(C1, &[(3, 103, 2)]);
    let verdict = skipped.clone().end();
    assert_eq!(verdict.promise(Promise::PerPartitionOrder).violations, 1);
    assert_eq!(verdict.promise(Promise::NoAckedRecordIsLost).violations, 1);
    // Somebody else read it: then only this reader is to blame.
    let verdict = skipped.polls(C2, &[(0, 100, 5)]).end();
    assert_eq!(verdict.promise(Promise::PerPartitionOrder).violations, 1);
    assert_eq!(verdict.promise(Promise::NoAckedRecordIsLost).violations, 0);
}

#[test]
fn offsets_at_which_nobody_knows_a_record_may_be_passed_over() {
    let story = Story::new().sends(100, 1).sends(101, 1);
    let story = story.replicated(B1, &[B2, B3], batch(0, 0, 1, 100));
    let verdict = story.polls(C1, &[(0, 100, 1)]).polls(C1, &[(7, 101, 1)]).end();
    assert_eq!(verdict.promise(Promise::PerPartitionOrder).status, Status::Kept);
}

#[test]
fn going_back_is_in_order_only_after_a_seek_or_a_reset() {
    let read = || Story::new().with_five_acked().polls(C1, &[(0, 100, 5)]);
    let back = |story: Story| story.polls(C1, &[(2, 102, 3)]).end();
    let order = Promise::PerPartitionOrder;
    assert_eq!(back(read()).promise(order).violations, 1);
    let seek = Call::Seek { partition: orders() };
    let sought = read().began(C1, 1, seek).ended(C1, 1, Outcome::Done);
    assert_eq!(back(sought).promise(order).violations, 0);
    let reset = ClientFact::PositionReset { partition: orders(), to: Offset(2) };
    assert_eq!(back(read().fact(C1, reset)).promise(order).violations, 0);
}

#[test]
fn a_send_that_waits_for_memory_may_be_overtaken() {
    let overtaken = |first: bool, second: bool| {
        let waits = |story: Story, it: bool| match it {
            true => story.and(P1, ClientFact::SendBlocked { for_memory: true }),
            false => story,
        };
        let story = waits(waits(Story::new().sends(100, 1), first).sends(101, 1), second);
        let story = story.replicated(B1, &[B2, B3], batch(0, 0, 1, 101));
        let story = story.replicated(B1, &[B2, B3], batch(0, 1, 1, 100)).commits(B1, 0, 0, 2);
        story.acked(101, 0).acked(100, 1).end().promise(Promise::PerPartitionOrder).violations
    };
    assert_eq!(overtaken(true, false), 0);
    assert_eq!(overtaken(false, true), 1);
}

/// Five records are acknowledged; the topic is deleted, which b1 and b3 have not heard of yet.
fn deleted() -> Story {
    let gone = ControllerFact::TopicDeleted { topic: "orders".into(), id: TopicId(7) };
    Story::new().with_five_acked().fact(V1, gone).fact(B2, given_up())
}

fn given_up() -> ReplicationFact {
    ReplicationFact::ReplicaDeleted { partition: orders() }
}

fn is_clean(story: Story) -> bool {
    story.end().promises.iter().all(|promise| promise.violations + promise.permitted == 0)
}

#[test]
fn what_was_in_a_deleted_topic_is_not_lost() {
    // The old leader goes on for a while.
    let story = deleted().sends(200, 1).replicated(B1, &[B3], batch(0, 5, 1, 200));
    let story = story.commits(B1, 0, 5, 6).learns(B3, 5, 6);
    let story = story.answers(B1, Acks::All, 5, ErrorCode::None).acked(200, 5);
    assert!(is_clean(story.polls(C1, &[(0, 100, 5)])));
}

#[test]
fn a_topic_that_has_the_name_of_a_deleted_one_is_another() {
    // It is created when b1 and b3 still have the old one.
    let again = || deleted().fact(V1, Story::created());
    let old = again().sends(200, 1).appends(B1, batch(0, 5, 1, 200), true).acked(200, 5);
    let new = old.fact(B1, given_up()).leads(B1, 0, 0, 0).fact(B3, given_up());
    let new = new.sends(300, 1).replicated(B1, &[B2, B3], batch(0, 0, 1, 300));
    let kept = new.clone().commits(B1, 0, 0, 1).acked(300, 0).polls(C1, &[(0, 300, 1)]);
    assert!(is_clean(kept));
    let lost = new.acked(300, 0).elects(B2, 1, &[B2]).truncates(B2, 1, 0).leads(B2, 1, 0, 0).end();
    assert_eq!(lost.promise(Promise::NoAckedRecordIsLost).violations, 1);
}

#[test]
fn calls_of_a_client_that_died_need_not_end() {
    let story = Story::new().sends(100, 1).fact(P1, WorldFact::ProcessCrashed {});
    let verdict = story.polls(C1, &[(0, 100, 1)]).fact(B1, WorldFact::HealingBegan {}).end();
    assert_eq!(verdict.promise(Promise::EveryOperationEnds).status, Status::Kept);
    assert_eq!(verdict.promise(Promise::NoUnwrittenRecordIsRead).status, Status::Kept);
}

#[test]
fn a_send_without_an_offset_promises_nothing() {
    let sent = Outcome::Sent { partition: orders(), offset: None };
    let verdict = Story::new().sends(100, 1).ended(P1, 100, sent).end();
    assert_eq!(verdict.promise(Promise::NoAckedRecordIsLost).status, Status::NotChecked);
}
