//! A consumer against brokers that a test plays: where it starts, what it asks, what polls return.

use super::*;
use crate::testing::{Asked as Sent, Bench, Cluster};
use klab_machine::operation::RecordRange;
use klab_wire::config::{AutoOffsetReset, CommonClientConfig, ConsumerConfig};
use klab_wire::{
    CompressionType, EndOffsetForEpoch, FetchRequest, FetchResponse, FetchedPartition, LeaderEpoch,
    ListOffsetsResponse, ListedOffset, OffsetForLeaderEpochResponse, PartitionId, Payload,
    RecordBatch, Request, SessionEpoch, Timestamp, TopicId, TopicIdPartition,
};
use std::sync::Arc;

fn boot(config: ConsumerConfig, from: Option<OffsetSpec>, cluster: Cluster) -> Bench<Consumer> {
    let setup = ConsumerSetup {
        config,
        bootstrap: vec![NodeId::broker(1)],
        assignment: Assignment::Topics(vec!["t".into()]),
        from,
        processing: Span::ZERO,
        poll_interval: Span::ZERO,
    };
    Bench::boot(NodeId::consumer(1), setup, cluster)
}

fn with_reset(auto_offset_reset: AutoOffsetReset) -> ConsumerConfig {
    ConsumerConfig { auto_offset_reset, ..ConsumerConfig::default() }
}

/// A consumer that has been told to begin at `offset`.
fn reading_from(offset: u64, config: ConsumerConfig) -> Bench<Consumer> {
    let mut bench = boot(config, Some(OffsetSpec::Earliest), Cluster::of(1));
    let asked = bench.asked();
    list(&mut bench, &asked, Some(offset));
    bench
}

fn list(bench: &mut Bench<Consumer>, asked: &Sent, offset: Option<u64>) {
    let Request::ListOffsets(request) = &asked.request else { panic!("{asked:?}") };
    let listed = |question: &klab_wire::ListOffsetsPartition| ListedOffset {
        partition: question.partition.clone(),
        error: ErrorCode::None,
        timestamp: None,
        offset: offset.map(Offset),
        leader_epoch: None,
    };
    let partitions = request.partitions.iter().map(listed).collect();
    bench.answer(asked, Response::ListOffsets(Box::new(ListOffsetsResponse { partitions })));
}

fn spec_of(asked: &Sent) -> OffsetSpec {
    let Request::ListOffsets(request) = &asked.request else { panic!("{asked:?}") };
    request.partitions[0].spec
}

fn fetch(asked: &Sent) -> &FetchRequest {
    let Request::Fetch(request) = &asked.request else { panic!("{asked:?}") };
    request
}

fn offset_of(asked: &Sent) -> u64 {
    fetch(asked).partitions[0].fetch_offset.0
}

fn id(partition: u32) -> TopicIdPartition {
    TopicIdPartition { topic: TopicId(7), partition: PartitionId(partition) }
}

fn batch(base: u64, values: &[u64], epoch: u32) -> Arc<RecordBatch> {
    let record =
        |number: &u64| (Timestamp(0), None, Some(Payload::Number { number: *number, size: 10 }));
    let records = values.iter().map(record).collect();
    let batch = RecordBatch::of_records(records, None, CompressionType::None, 1000);
    Arc::new(batch.assigned(Offset(base), LeaderEpoch(epoch)))
}

fn fetched(records: Vec<Arc<RecordBatch>>) -> FetchedPartition {
    FetchedPartition {
        high_watermark: Offset(100),
        records: records.into(),
        ..FetchedPartition::of_error(id(0), ErrorCode::None)
    }
}

fn give(bench: &mut Bench<Consumer>, asked: &Sent, partitions: Vec<FetchedPartition>) {
    let partitions = partitions.into();
    let response = FetchResponse { session: 9, partitions, ..FetchResponse::default() };
    bench.answer(asked, Response::Fetch(Box::new(response)));
}

fn refuse(bench: &mut Bench<Consumer>, asked: &Sent, error: ErrorCode) {
    give(bench, asked, vec![FetchedPartition::of_error(id(0), error)]);
}

/// What each poll returned: (offset, value, count) of every range.
fn polled(bench: &Bench<Consumer>) -> Vec<Vec<(u64, u64, u32)>> {
    let range = |r: &RecordRange| (r.offset.0, r.first_value, r.count);
    let poll = |outcome: Outcome| match outcome {
        Outcome::Polled(records) => records.iter().flat_map(|r| &r.ranges).map(range).collect(),
        other => panic!("{other:?}"),
    };
    bench.outcomes().into_iter().map(|(_, outcome)| poll(outcome)).collect()
}

fn position(bench: &Bench<Consumer>) -> Option<u64> {
    bench.machine.view().partitions[0].position.map(|offset| offset.0)
}

#[test]
fn auto_offset_reset_says_where_a_consumer_without_a_position_starts() {
    let hour = Span::from_secs(3600);
    let hour_ago = OffsetSpec::At(Timestamp(Timestamp::START.0 - 3_600_000));
    let cases = [
        (AutoOffsetReset::Earliest, OffsetSpec::Earliest),
        (AutoOffsetReset::Latest, OffsetSpec::Latest),
        (AutoOffsetReset::ByDuration(hour), hour_ago),
    ];
    for (reset, spec) in cases {
        let mut bench = boot(with_reset(reset), None, Cluster::of(1));
        let asked = bench.asked();
        assert_eq!(spec_of(&asked), spec);
        list(&mut bench, &asked, Some(40));
        let next = bench.asked();
        assert_eq!(offset_of(&next), 40);
    }
}

#[test]
fn kip_1106_a_duration_that_no_record_falls_into_leads_to_the_end() {
    let reset = AutoOffsetReset::ByDuration(Span::from_secs(10));
    let mut bench = boot(with_reset(reset), None, Cluster::of(1));
    let asked = bench.asked();
    list(&mut bench, &asked, None);
    assert_eq!(spec_of(&bench.asked()), OffsetSpec::Latest);
}

#[test]
fn without_a_reset_policy_polls_fail_now_and_then() {
    let mut bench = boot(with_reset(AutoOffsetReset::None), None, Cluster::of(1));
    bench.run_for(Span::from_secs(5));
    let failed = Outcome::Failed(ErrorCode::OffsetOutOfRange);
    assert!((5..=7).contains(&bench.outcomes().len()), "{}", bench.outcomes().len());
    assert!(bench.outcomes().iter().all(|(_, outcome)| *outcome == failed));
}

#[test]
fn records_are_polled_and_the_next_fetch_follows_them() {
    let mut bench = reading_from(5, ConsumerConfig::default());
    let asked = bench.asked();
    assert_eq!(offset_of(&asked), 5);
    give(&mut bench, &asked, vec![fetched(vec![batch(5, &[1, 2, 3], 0)])]);
    assert_eq!(polled(&bench), [[(5, 1, 3)]]);
    let next = bench.asked();
    assert_eq!((offset_of(&next), position(&bench)), (8, Some(8)));
    assert_eq!(fetch(&next).session.epoch, SessionEpoch::Incremental(1));
}

#[test]
fn a_poll_returns_at_most_max_poll_records_and_the_rest_stays_buffered() {
    let config = ConsumerConfig { max_poll_records: 2, ..ConsumerConfig::default() };
    let mut bench = reading_from(5, config);
    let asked = bench.asked();
    give(&mut bench, &asked, vec![fetched(vec![batch(5, &[1, 2, 3], 0)])]);
    assert_eq!(polled(&bench), [[(5, 1, 2)], [(7, 3, 1)]]);
}

#[test]
fn while_the_application_works_records_wait_and_nothing_is_asked() {
    let setup = ConsumerSetup {
        config: ConsumerConfig { max_poll_records: 2, ..ConsumerConfig::default() },
        bootstrap: vec![NodeId::broker(1)],
        assignment: Assignment::Partitions(vec![TopicPartition::new("t", 0)]),
        from: Some(OffsetSpec::Earliest),
        processing: Span::from_millis(10),
        poll_interval: Span::from_millis(5),
    };
    let mut bench = Bench::<Consumer>::boot(NodeId::consumer(1), setup, Cluster::of(1));
    let asked = bench.asked();
    list(&mut bench, &asked, Some(5));
    let asked = bench.asked();
    give(&mut bench, &asked, vec![fetched(vec![batch(5, &[1, 2, 3], 0)])]);
    assert_eq!(polled(&bench).len(), 1);
    assert_eq!(bench.machine.view().partitions[0].buffered_records, 1);
    assert!(bench.requests.is_empty(), "the partition has records buffered");
    bench.run_for(Span::from_millis(24));
    assert_eq!(polled(&bench).len(), 1);
    bench.run_for(Span::from_millis(1));
    assert_eq!(polled(&bench).len(), 2);
    assert_eq!(offset_of(&bench.asked()), 8, "the fetch left with the poll");
}

#[test]
fn a_position_out_of_range_is_reset_by_the_policy_or_told() {
    let mut bench = reading_from(5, with_reset(AutoOffsetReset::Earliest));
    let asked = bench.asked();
    refuse(&mut bench, &asked, ErrorCode::OffsetOutOfRange);
    assert!(bench.has_stated("PositionOutOfRange"));
    assert_eq!(spec_of(&bench.asked()), OffsetSpec::Earliest);

    let mut bench = reading_from(5, with_reset(AutoOffsetReset::None));
    let asked = bench.asked();
    refuse(&mut bench, &asked, ErrorCode::OffsetOutOfRange);
    let told = bench.outcomes().into_iter().map(|(_, outcome)| outcome).collect::<Vec<_>>();
    assert_eq!(told, [Outcome::Failed(ErrorCode::OffsetOutOfRange)]);
}

/// Reads three records of epoch 0, and then sees b2 lead in epoch 1.
fn after_a_leader_change(config: ConsumerConfig) -> (Bench<Consumer>, Sent) {
    let mut bench = reading_from(5, config);
    let asked = bench.asked();
    give(&mut bench, &asked, vec![fetched(vec![batch(5, &[1, 2, 3], 0)])]);
    bench.cluster.leaders = vec![(Some(2), 1)];
    let asked = bench.asked();
    refuse(&mut bench, &asked, ErrorCode::NotLeaderOrFollower);
    bench.run_for(Span::from_millis(500));
    let question = loop {
        let asked = bench.asked();
        if matches!(asked.request, Request::OffsetForLeaderEpoch(_)) {
            break asked;
        }
        refuse(&mut bench, &asked, ErrorCode::NotLeaderOrFollower);
        bench.run_for(Span::from_millis(500));
    };
    assert_eq!(question.to, NodeId::broker(2));
    (bench, question)
}

fn tell_end(bench: &mut Bench<Consumer>, asked: &Sent, end: Option<(u32, u64)>) {
    let partitions = vec![EndOffsetForEpoch {
        partition: TopicPartition::new("t", 0),
        error: ErrorCode::None,
        leader_epoch: end.map(|(epoch, _)| LeaderEpoch(epoch)),
        end_offset: end.map(|(_, offset)| Offset(offset)),
    }];
    let response = OffsetForLeaderEpochResponse { partitions };
    bench.answer(asked, Response::OffsetForLeaderEpoch(Box::new(response)));
}

#[test]
fn kip_320_a_position_is_validated_against_the_new_leader_before_it_is_fetched_from() {
    let (mut bench, question) = after_a_leader_change(ConsumerConfig::default());
    assert!(bench.requests.is_empty(), "no fetch before the answer");
    tell_end(&mut bench, &question, Some((0, 20)));
    let next = bench.asked();
    assert_eq!((next.to, offset_of(&next)), (NodeId::broker(2), 8));
    assert!(!bench.has_stated("LogTruncationDetected"));
}

#[test]
fn kip_320_a_truncated_log_sends_the_consumer_back_to_where_the_logs_part() {
    let (mut bench, question) = after_a_leader_change(ConsumerConfig::default());
    tell_end(&mut bench, &question, Some((0, 6)));
    assert!(bench.has_stated("LogTruncationDetected"));
    assert_eq!(offset_of(&bench.asked()), 6);
}

#[test]
fn kip_320_without_a_reset_policy_a_truncation_is_told() {
    let (mut bench, question) = after_a_leader_change(with_reset(AutoOffsetReset::None));
    tell_end(&mut bench, &question, Some((0, 6)));
    let last = bench.outcomes().pop().map(|(_, outcome)| outcome);
    assert_eq!(last, Some(Outcome::Failed(ErrorCode::OffsetOutOfRange)));
}

#[test]
fn kip_320_an_epoch_that_the_leader_does_not_know_leads_to_a_reset() {
    let (mut bench, question) = after_a_leader_change(with_reset(AutoOffsetReset::Earliest));
    tell_end(&mut bench, &question, None);
    assert_eq!(spec_of(&bench.asked()), OffsetSpec::Earliest);
}

#[test]
fn kip_392_the_next_fetch_goes_to_the_preferred_replica_until_its_time_is_over() {
    let age = Span::from_secs(10);
    let common = CommonClientConfig { metadata_max_age_ms: age, ..Default::default() };
    let config = ConsumerConfig { common, ..ConsumerConfig::default() };
    let mut bench = reading_from(5, config);
    let asked = bench.asked();
    let preferred =
        FetchedPartition { preferred_read_replica: Some(NodeId::broker(3)), ..fetched(Vec::new()) };
    give(&mut bench, &asked, vec![preferred]);
    let from_follower = bench.asked();
    assert_eq!(from_follower.to, NodeId::broker(3));
    bench.run_for(Span::from_secs(11));
    give(&mut bench, &from_follower, vec![fetched(Vec::new())]);
    assert_eq!(bench.asked().to, NodeId::broker(1));
}

#[test]
fn paused_partitions_are_not_fetched_and_seeks_move_the_position() {
    let mut bench = reading_from(5, ConsumerConfig::default());
    let asked = bench.asked();
    let partition = TopicPartition::new("t", 0);
    let pause = ConsumerCommand::Pause(vec![partition.clone()]);
    bench.step(Input::Command(Command::Consume(pause)));
    give(&mut bench, &asked, vec![fetched(vec![batch(5, &[1, 2, 3], 0)])]);
    assert!(polled(&bench).is_empty(), "what comes while it is paused is kept");
    let seek = ConsumerCommand::SeekTo(partition.clone(), Offset(6));
    bench.step(Input::Command(Command::Consume(seek)));
    let resume = ConsumerCommand::Resume(vec![partition]);
    bench.step(Input::Command(Command::Consume(resume)));
    assert_eq!(bench.outcomes().into_iter().map(|(_, o)| o).collect::<Vec<_>>(), [Outcome::Done]);
    assert_eq!(offset_of(&bench.asked()), 6, "records fetched for another position are dropped");
}

#[test]
fn a_lost_connection_is_opened_again_and_the_session_begins_anew() {
    let mut bench = reading_from(5, ConsumerConfig::default());
    let asked = bench.asked();
    give(&mut bench, &asked, vec![fetched(Vec::new())]);
    let lost = bench.asked();
    bench.disconnect(&lost);
    bench.run_for(Span::from_secs(2));
    let again = bench.asked();
    assert_eq!((offset_of(&again), fetch(&again).session.epoch), (5, SessionEpoch::Initial));
}

#[test]
fn a_closing_consumer_closes_its_sessions() {
    let mut bench = reading_from(5, ConsumerConfig::default());
    let asked = bench.asked();
    give(&mut bench, &asked, vec![fetched(Vec::new())]);
    let waiting = bench.asked();
    bench.step(Input::Command(Command::ShutDown));
    let last = bench.asked();
    assert_eq!(fetch(&last).session.epoch, SessionEpoch::Final);
    assert!(!bench.has_halted);
    give(&mut bench, &waiting, vec![fetched(Vec::new())]);
    give(&mut bench, &last, Vec::new());
    assert!(bench.has_halted && bench.requests.is_empty());
}
