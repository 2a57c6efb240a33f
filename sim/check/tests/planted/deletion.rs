//! Deletion in order and loss, told apart: retention, DeleteRecords, deleted topics.

use crate::permits::permitted_by;
use crate::story::{B1, B2, B3, C1, P1, Story, V1, batch, orders, with_producer};
use klab_check::{ProducerSettings, Promise, Setting, Status, Verdict};
use klab_machine::fact::{ControllerFact, LogFact, ReplicationFact};
use klab_machine::operation::Outcome;
use klab_wire::{Acks, NodeId, Offset, TopicId};

const LOST: Promise = Promise::NoAckedRecordIsLost;

/// With `acks=1` a record is acknowledged, lost with its leader, and its offset given again.
fn reused(deleted: &[NodeId]) -> Verdict {
    let producer = ProducerSettings { acks: Acks::Leader, ..ProducerSettings::default() };
    let story = Story::with(with_producer(producer)).with_five_acked().sends(105, 1).sends(106, 1);
    let story = story.appends(B1, batch(0, 5, 1, 105), true).acked(105, 5);
    let story = story.elects(B2, 1, &[B2, B3]).leads(B2, 1, 5, 5).truncates(B1, 6, 5);
    let story = story.replicated(B2, &[B3, B1], batch(1, 5, 1, 106)).commits(B2, 1, 5, 6);
    let story = story.acked(106, 5).polls(C1, &[(0, 100, 5), (5, 106, 1)]);
    deleted.iter().fold(story, |story, node| story.fact(*node, deletes(6))).end()
}

fn deletes(to: u64) -> LogFact {
    let (from, to) = (Offset(0), Offset(to));
    let partition = orders();
    LogFact::LogStartAdvanced { partition, from, to, by_retention: true }
}

#[test]
fn what_was_lost_before_it_could_be_deleted_is_lost_all_the_same() {
    for deleted in [&[][..], &[B2], &[B1, B2, B3]] {
        let verdict = reused(deleted);
        assert_eq!(permitted_by(&verdict, LOST), [Setting::AcksLeader]);
        assert_eq!(verdict.promise(LOST).permitted, 1);
        assert_eq!(permitted_by(&verdict, Promise::NoInconsistentOffsets), [Setting::AcksLeader]);
    }
}

#[test]
fn what_was_deleted_is_not_lost_when_a_crash_undoes_the_deletion() {
    let story = Story::new().with_five_acked();
    let story = [B1, B2, B3].iter().fold(story, |story, node| story.fact(*node, deletes(5)));
    let story = [B1, B2, B3].iter().fold(story, |story, node| story.loaded(*node, 5));
    assert_eq!(story.end().promise(LOST).status, Status::Kept);
}

/// A retry reaches the new leader, and late the request itself the old one: the same records at the same offset.
#[test]
fn a_zombie_that_appends_what_its_successor_has_takes_nothing_away() {
    for deleted in [&[][..], &[B1, B2, B3]] {
        let story = Story::new().with_five_acked().sends(105, 1);
        let story = story.elects(B2, 1, &[B2, B3]).leads(B2, 1, 5, 5);
        let story = story.replicated(B2, &[B3], batch(1, 5, 1, 105)).commits(B2, 1, 5, 6);
        let story = story.acked(105, 5).appends(B1, batch(0, 5, 1, 105), true);
        let story = story.truncates(B1, 6, 5).appends(B1, batch(1, 5, 1, 105), false);
        let story = deleted.iter().fold(story, |story, node| story.fact(*node, deletes(6)));
        assert_eq!(story.end().promise(LOST).status, Status::Kept);
    }
}

/// Kafka moves the recovery point with the log start, and what is in between is never flushed.
#[test]
fn records_that_are_deleted_before_they_are_flushed_may_take_flushed_ones_along() {
    let flushed = LogFact::LogFlushed { partition: orders(), to: Offset(6) };
    let reopened = |by_retention| {
        let deleted = LogFact::LogStartAdvanced {
            partition: orders(),
            from: Offset(0),
            to: Offset(5),
            by_retention,
        };
        let story = Story::new().with_five_acked().fact(B1, deleted);
        let story = story.appends(B1, batch(0, 5, 1, 105), true).fact(B1, flushed.clone());
        story.power_cut(B1).loaded(B1, 0).end()
    };
    let survive = Promise::FlushedRecordsSurvive;
    assert_eq!(reopened(false).promise(survive).status, Status::Kept);
    assert_eq!(reopened(true).promise(survive).status, Status::Violated);
}

fn deletes_topic() -> ControllerFact {
    ControllerFact::TopicDeleted { topic: "orders".into(), id: TopicId(7) }
}

fn given_up() -> ReplicationFact {
    ReplicationFact::ReplicaDeleted { partition: orders() }
}

/// Five records are acknowledged, the topic is deleted, and another one has its name.
fn again() -> Story {
    let story = Story::new().with_five_acked().sends(105, 1).fact(V1, deletes_topic());
    let story = [B1, B2, B3].iter().fold(story, |story, node| story.fact(*node, given_up()));
    story.fact(V1, Story::created()).leads(B1, 0, 0, 0)
}

#[test]
fn a_consumer_may_still_have_records_of_a_deleted_topic_in_its_buffer() {
    let story = again().polls(C1, &[(0, 100, 5)]).sends(200, 5);
    let story = story.replicated(B1, &[B2, B3], batch(0, 0, 5, 200)).commits(B1, 0, 0, 5);
    let story = story.acked(200, 0);
    let differ = Promise::NoInconsistentOffsets;
    let read = |value| story.clone().polls(C1, &[(0, value, 5)]).end();
    assert_eq!(read(200).promise(differ).status, Status::Kept);
    assert_eq!(read(300).promise(differ).status, Status::Violated);
}

#[test]
fn what_is_acknowledged_in_the_topic_that_has_the_name_now_must_stay() {
    let story = again().sends(200, 1).appends(B1, batch(0, 0, 1, 200), true).acked(200, 0);
    assert_eq!(story.truncates(B1, 1, 0).end().promise(LOST).status, Status::Violated);
}

/// b3 lost its log with its power, and learns of the deletion when there is nothing to give up.
#[test]
fn a_replica_without_a_log_has_nothing_to_give_up() {
    let story = Story::new().with_five_acked().fact(V1, deletes_topic());
    let story = story.fact(B1, given_up()).fact(B2, given_up()).fact(V1, Story::created());
    let story = story.fact(B3, ReplicationFact::MetadataApplied { to: Offset(9) });
    let story = story.leads(B3, 0, 0, 0).appends(B3, batch(0, 0, 1, 200), true);
    let story = story.commits(B3, 0, 0, 1).learns(B1, 0, 1);
    let behind = Promise::FollowerHighWatermarkIsBehind;
    assert_eq!(story.clone().end().promise(behind).status, Status::Kept);
    assert_eq!(story.learns(B1, 1, 2).end().promise(behind).status, Status::Violated);
}

/// A send that began before the deletion may end after it: whatever it tells is not about the new topic.
#[test]
fn an_acknowledgement_of_a_deleted_topic_promises_nothing_about_the_next_one() {
    let outcome = Outcome::Sent { partition: orders(), offset: Some(Offset(5)) };
    let verdict = again().ended(P1, 105, outcome).end();
    assert_ne!(verdict.promise(LOST).status, Status::Violated);
}

#[test]
fn a_log_that_was_opened_after_its_records_were_deleted_does_not_know_their_producer() {
    let told = |opened: Option<[u64; 2]>| {
        let one = ProducerSettings { max_in_flight: 1, ..ProducerSettings::default() };
        let story = Story::with(with_producer(one)).with_five_acked();
        let story =
            [B1, B2, B3].into_iter().fold(story, |story, node| story.fact(node, deletes(5)));
        let story = match opened {
            Some(offsets) => story.loaded_from(B1, offsets).leads(B1, 0, 5, 5),
            None => story,
        };
        let story = story.replicated(B1, &[B2, B3], batch(0, 5, 5, 100)).commits(B1, 0, 5, 10);
        story.polls(C1, &[(0, 100, 5), (5, 100, 5)]).end()
    };
    let twice = Promise::NoDuplicates;
    assert_eq!(permitted_by(&told(Some([5, 5])), twice), [Setting::RecordsDeleted]);
    // A leader that was not opened again knows the producer still, and so does one that has its last batch.
    assert_eq!(told(None).promise(twice).status, Status::Violated);
    assert_eq!(told(Some([0, 5])).promise(twice).status, Status::Violated);
}

/// In ZooKeeper mode the replicas of a topic go before the topic does, and it may take for ever until that goes, too.
#[test]
fn what_a_topic_holds_is_promised_until_its_deletion_begins() {
    let began = ControllerFact::TopicDeletionBegan { topic: "orders".into() };
    let without_replicas = |story: Story| {
        let story = [B1, B2, B3].iter().fold(story, |story, node| story.fact(*node, given_up()));
        story.end().promise(LOST).status
    };
    let story = Story::new().with_five_acked();
    assert_eq!(without_replicas(story.clone()), Status::Violated);
    assert_ne!(without_replicas(story.fact(V1, began)), Status::Violated);
}
