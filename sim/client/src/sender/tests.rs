//! A producer against brokers that a test plays: what is sent, sent again, in which order, and how calls end.

use crate::testing::{Asked, Bench, Cluster};
use crate::{Keys, Partitioning, Producer, ProducerSetup, ProducerWorkload};
use klab_machine::{Command, Input, Machine, OperationId, Outcome};
use klab_wire::config::{CommonClientConfig, ProducerConfig};
use klab_wire::{
    Acks, ErrorCode, InitProducerIdResponse, LeaderEpoch, LeaderIdAndEpoch, NodeId, Offset,
    PartitionProduceResponse, ProduceRequest, ProduceResponse, ProducerEpoch, ProducerId, Request,
    Response, Sequence, Span, TopicPartition,
};

/// One record of 100 bytes at 0 ms, 10 ms, 20 ms, ... to partition 0, sent at once.
fn workload(records: u64) -> ProducerWorkload {
    ProducerWorkload {
        topics: vec!["t".into()],
        records: Some(records),
        partitioning: Partitioning::Explicit(0),
        ..ProducerWorkload::default()
    }
}

fn config() -> ProducerConfig {
    ProducerConfig {
        linger_ms: Span::ZERO,
        common: CommonClientConfig {
            request_timeout_ms: Span::from_secs(30),
            ..Default::default()
        },
        ..ProducerConfig::default()
    }
}

fn without_idempotence() -> ProducerConfig {
    ProducerConfig { enable_idempotence: false, ..config() }
}

fn boot(config: ProducerConfig, workload: ProducerWorkload, cluster: Cluster) -> Bench<Producer> {
    let setup = ProducerSetup { config, bootstrap: vec![NodeId::broker(1)], workload };
    let mut bench = Bench::boot(NodeId::producer(1), setup, cluster);
    if matches!(bench.requests.front(), Some(Asked { request: Request::InitProducerId(_), .. })) {
        identify(&mut bench);
    }
    bench
}

fn identify(bench: &mut Bench<Producer>) {
    let asked = bench.asked();
    let producer = Some((ProducerId(1000), ProducerEpoch(0)));
    let response = InitProducerIdResponse { error: ErrorCode::None, producer };
    bench.answer(&asked, Response::InitProducerId(Box::new(response)));
}

fn produce(asked: &Asked) -> &ProduceRequest {
    match &asked.request {
        Request::Produce(request) => request,
        other => panic!("not a produce request: {other:?}"),
    }
}

/// The first value and the base sequence of each batch of a request.
fn batches(asked: &Asked) -> Vec<(u64, Option<u32>)> {
    let read = |data: &klab_wire::PartitionProduceData| {
        let first = data.batch.iter().next().and_then(|record| record.value);
        let Some(klab_wire::Payload::Number { number, .. }) = first else { panic!("a number") };
        let sequence = data.batch.producer.and_then(|p| p.base_sequence).map(|Sequence(s)| s);
        (number & 0xffff_ffff, sequence)
    };
    produce(asked).data.iter().map(read).collect()
}

fn answer(bench: &mut Bench<Producer>, asked: &Asked, error: ErrorCode, base: Option<u64>) {
    let one = |data: &klab_wire::PartitionProduceData| PartitionProduceResponse {
        partition: data.partition.clone(),
        error,
        base_offset: base.map(Offset),
        log_append_time: None,
        log_start_offset: Some(Offset(0)),
        current_leader: None,
    };
    let responses = produce(asked).data.iter().map(one).collect();
    let response = ProduceResponse { responses, throttle: Span::ZERO };
    bench.answer(asked, Response::Produce(Box::new(response)));
}

fn ok(bench: &mut Bench<Producer>, asked: &Asked, base: u64) {
    answer(bench, asked, ErrorCode::None, Some(base));
}

fn sent(offset: Option<u64>) -> Outcome {
    Outcome::Sent { partition: TopicPartition::new("t", 0), offset: offset.map(Offset) }
}

fn ends(bench: &Bench<Producer>) -> Vec<Outcome> {
    bench.outcomes().into_iter().map(|(_, outcome)| outcome).collect()
}

#[test]
fn a_record_is_sent_when_it_has_lingered_and_ends_with_its_offset() {
    let linger = ProducerConfig { linger_ms: Span::from_millis(5), ..config() };
    let mut bench = boot(linger, workload(1), Cluster::of(1));
    bench.run_for_millis(4);
    assert!(bench.requests.is_empty());
    bench.run_for_millis(1);
    let asked = bench.asked();
    assert_eq!(batches(&asked), [(0, Some(0))]);
    ok(&mut bench, &asked, 9);
    assert_eq!(bench.outcomes(), [(OperationId(1 << 40), sent(Some(9)))]);
}

#[test]
fn records_that_come_while_a_batch_lingers_share_it() {
    let linger = ProducerConfig { linger_ms: Span::from_millis(25), ..config() };
    let mut bench = boot(linger, workload(3), Cluster::of(1));
    bench.run_for_millis(30);
    let asked = bench.asked();
    assert_eq!(produce(&asked).data[0].batch.records_count, 3);
    ok(&mut bench, &asked, 40);
    assert_eq!(ends(&bench), [40, 41, 42].map(|offset| sent(Some(offset))));
}

#[test]
fn with_acks_0_a_record_ends_when_it_has_left() {
    let config = ProducerConfig { acks: Acks::None, ..without_idempotence() };
    let mut bench = boot(config, workload(1), Cluster::of(1));
    bench.run_for_millis(1);
    assert_eq!(ends(&bench), [sent(None)]);
    assert_eq!(bench.machine.view().in_flight_batches, 0);
}

/// Two batches in flight, the first fails, the second is written; which order do they get?
fn order_after_a_retry(config: ProducerConfig) -> Vec<u64> {
    let mut bench = boot(config, workload(2), Cluster::of(1));
    bench.run_for_millis(10);
    let (first, second) = (bench.asked(), bench.asked());
    let mut written = Vec::new();
    answer(&mut bench, &first, ErrorCode::NotEnoughReplicas, None);
    let follows = batches(&second)[0].1.is_none();
    if follows {
        ok(&mut bench, &second, 0);
        written.push(batches(&second)[0].0);
    } else {
        answer(&mut bench, &second, ErrorCode::OutOfOrderSequenceNumber, None);
    }
    while ends(&bench).len() < 2 {
        bench.run_for_millis(1500);
        let retry = bench.asked();
        assert!(bench.requests.is_empty() || follows, "retries go one by one");
        written.push(batches(&retry)[0].0);
        let offset = written.len() as u64 - 1;
        ok(&mut bench, &retry, offset);
    }
    written
}

#[test]
fn kip_98_with_idempotence_retried_batches_keep_their_order() {
    assert_eq!(order_after_a_retry(config()), [0, 1]);
}

#[test]
fn without_idempotence_a_retry_is_overtaken() {
    assert_eq!(order_after_a_retry(without_idempotence()), [1, 0]);
}

#[test]
fn with_one_request_in_flight_nothing_overtakes() {
    let config =
        ProducerConfig { max_in_flight_requests_per_connection: 1, ..without_idempotence() };
    let mut bench = boot(config, workload(2), Cluster::of(1));
    bench.run_for_millis(10);
    let first = bench.asked();
    assert!(bench.requests.is_empty(), "the second batch waits");
    answer(&mut bench, &first, ErrorCode::NotEnoughReplicas, None);
    bench.run_for_millis(200);
    let retry = bench.asked();
    assert_eq!(batches(&retry), [(0, None)]);
}

#[test]
fn kip_98_a_batch_keeps_its_sequence_through_a_lost_connection_and_a_duplicate_is_a_success() {
    let mut bench = boot(config(), workload(1), Cluster::of(1));
    bench.run_for_millis(1);
    let lost = bench.asked();
    bench.disconnect(&lost);
    bench.run_for_millis(1500);
    let again = bench.asked();
    assert_eq!(batches(&again), batches(&lost));
    answer(&mut bench, &again, ErrorCode::DuplicateSequenceNumber, None);
    assert_eq!(ends(&bench), [sent(None)]);
}

#[test]
fn kip_91_a_batch_that_was_never_sent_fails_at_its_delivery_timeout() {
    let cluster = Cluster { leaders: vec![(None, 0)], ..Cluster::of(1) };
    let mut bench = boot(config(), workload(1), cluster);
    if let Some(Asked { request: Request::InitProducerId(_), .. }) = bench.requests.front() {
        identify(&mut bench);
    }
    bench.run_for(Span::from_secs(119));
    assert!(ends(&bench).is_empty());
    bench.run_for(Span::from_secs(2));
    assert_eq!(ends(&bench), [Outcome::Failed(ErrorCode::RequestTimedOut)]);
}

#[test]
fn kip_91_a_batch_that_may_be_written_ends_unknown_at_its_delivery_timeout() {
    let mut bench = boot(config(), workload(1), Cluster::of(1));
    bench.run_for_millis(1);
    let lost = bench.asked();
    bench.cluster.leaders = vec![(None, 0)];
    bench.disconnect(&lost);
    bench.run_for(Span::from_secs(121));
    assert_eq!(ends(&bench), [Outcome::Unknown(ErrorCode::RequestTimedOut)]);
}

#[test]
fn a_batch_that_was_only_ever_refused_fails_at_its_delivery_timeout() {
    let config = ProducerConfig {
        delivery_timeout_ms: Span::from_secs(2),
        common: CommonClientConfig { request_timeout_ms: Span::from_secs(1), ..Default::default() },
        ..config()
    };
    let mut bench = boot(config, workload(1), Cluster::of(1));
    bench.run_for_millis(1);
    while ends(&bench).is_empty() {
        while let Some(asked) = bench.requests.pop_front() {
            answer(&mut bench, &asked, ErrorCode::NotEnoughReplicas, None);
        }
        bench.run_for_millis(100);
    }
    assert_eq!(ends(&bench), [Outcome::Failed(ErrorCode::RequestTimedOut)]);
}

#[test]
fn kip_360_a_retried_batch_that_expires_costs_an_epoch_and_sequences_start_again() {
    let config = ProducerConfig {
        delivery_timeout_ms: Span::from_secs(2),
        common: CommonClientConfig { request_timeout_ms: Span::from_secs(1), ..Default::default() },
        ..config()
    };
    let load = ProducerWorkload { interval: Span::from_secs(3), ..workload(2) };
    let mut bench = boot(config, load, Cluster::of(1));
    bench.run_for_millis(1);
    let lost = bench.asked();
    bench.cluster.down = vec![1];
    bench.disconnect(&lost);
    bench.run_for_millis(2500);
    assert_eq!(ends(&bench), [Outcome::Unknown(ErrorCode::RequestTimedOut)]);
    assert!(bench.has_stated("ProducerEpochBumped"));
    bench.cluster.down = Vec::new();
    bench.run_for_millis(1000);
    let next = bench.asked();
    let producer = produce(&next).data[0].batch.producer.expect("an idempotent producer's");
    assert_eq!((producer.epoch, producer.base_sequence), (ProducerEpoch(1), Some(Sequence(0))));
}

#[test]
fn kip_360_a_definite_failure_of_one_batch_renumbers_those_behind_it() {
    let mut bench = boot(config(), workload(3), Cluster::of(1));
    bench.run_for_millis(20);
    let (first, second, third) = (bench.asked(), bench.asked(), bench.asked());
    answer(&mut bench, &first, ErrorCode::InvalidRecord, None);
    assert_eq!(ends(&bench), [Outcome::Failed(ErrorCode::InvalidRecord)]);
    answer(&mut bench, &second, ErrorCode::OutOfOrderSequenceNumber, None);
    answer(&mut bench, &third, ErrorCode::OutOfOrderSequenceNumber, None);
    bench.run_for_millis(1500);
    let retry = bench.asked();
    assert_eq!(batches(&retry), [(1, Some(0))]);
    assert_eq!(produce(&retry).data[0].batch.producer.map(|p| p.epoch), Some(ProducerEpoch(1)));
    ok(&mut bench, &retry, 0);
    let last = bench.asked();
    assert_eq!(batches(&last), [(2, Some(1))]);
}

#[test]
fn a_batch_that_is_too_large_is_split_and_its_parts_keep_its_sequences() {
    let linger = ProducerConfig { linger_ms: Span::from_millis(50), batch_size: 1_000, ..config() };
    let mut bench = boot(linger, workload(4), Cluster::of(1));
    bench.run_for_millis(60);
    let whole = bench.asked();
    assert_eq!(produce(&whole).data[0].batch.records_count, 4);
    // The parts are as large as batches may be; here they are halved by another setting of the topic.
    answer(&mut bench, &whole, ErrorCode::MessageTooLarge, None);
    assert!(bench.has_stated("BatchSplit"));
    let mut records = 0;
    while let Some(part) = bench.requests.pop_front() {
        assert_eq!(batches(&part), [(records, Some(records as u32))]);
        records += u64::from(produce(&part).data[0].batch.records_count);
        ok(&mut bench, &part, records);
    }
    assert_eq!(records, 4);
    assert_eq!(ends(&bench).len(), 4);
}

#[test]
fn a_record_above_max_request_size_fails_before_it_is_sent() {
    let config = ProducerConfig { max_request_size: 100, ..config() };
    let mut bench = boot(config, workload(1), Cluster::of(1));
    bench.run_for_millis(1);
    assert_eq!(ends(&bench), [Outcome::Failed(ErrorCode::MessageTooLarge)]);
}

#[test]
fn a_send_without_metadata_waits_for_max_block_ms_and_fails() {
    let cluster = Cluster { topic_error: ErrorCode::UnknownTopicOrPartition, ..Cluster::of(1) };
    let mut bench = boot(config(), workload(1), cluster);
    bench.run_for(Span::from_secs(59));
    assert!(ends(&bench).is_empty() && bench.machine.view().blocked == 1);
    bench.run_for(Span::from_secs(2));
    assert_eq!(ends(&bench), [Outcome::Failed(ErrorCode::RequestTimedOut)]);
}

#[test]
fn sends_that_find_no_memory_wait_in_order_and_share_the_next_batch() {
    let config = ProducerConfig { buffer_memory: 20_000, batch_size: 16_384, ..config() };
    let mut bench = boot(config, workload(3), Cluster::of(1));
    bench.run_for_millis(20);
    let first = bench.asked();
    let view = bench.machine.view();
    // The second caller has gathered what the first batch left over.
    assert_eq!((view.buffered_bytes, view.blocked), (20_000, 2));
    assert!(bench.has_stated("SendBlocked"));
    ok(&mut bench, &first, 0);
    let second = bench.asked();
    assert_eq!(batches(&second), [(1, Some(1))]);
    assert_eq!(bench.machine.view().blocked, 1);
    ok(&mut bench, &second, 1);
    let third = bench.asked();
    ok(&mut bench, &third, 2);
    assert_eq!(ends(&bench), [0, 1, 2].map(|offset| sent(Some(offset))));
    assert_eq!(bench.machine.view().buffered_bytes, 0);
}

#[test]
fn kip_951_a_retry_goes_to_the_leader_that_the_error_names_without_back_off() {
    let mut bench = boot(config(), workload(1), Cluster::of(1));
    bench.run_for_millis(1);
    let asked = bench.asked();
    let told = LeaderIdAndEpoch { leader: Some(NodeId::broker(2)), epoch: LeaderEpoch(1) };
    let response = PartitionProduceResponse {
        partition: TopicPartition::new("t", 0),
        error: ErrorCode::NotLeaderOrFollower,
        base_offset: None,
        log_append_time: None,
        log_start_offset: None,
        current_leader: Some(told),
    };
    let response = ProduceResponse { responses: vec![response], throttle: Span::ZERO };
    bench.cluster.leaders = vec![(Some(2), 1)];
    bench.answer(&asked, Response::Produce(Box::new(response)));
    assert_eq!(bench.asked().to, NodeId::broker(2));
}

#[test]
fn a_closed_producer_sends_what_it_has_turns_waiting_calls_away_and_ends() {
    let lingering = ProducerConfig { linger_ms: Span::from_secs(10), ..config() };
    let mut bench = boot(lingering, workload(5), Cluster::of(1));
    bench.run_for_millis(15);
    bench.step(Input::Command(Command::ShutDown));
    let asked = bench.asked();
    assert!(!bench.has_halted);
    ok(&mut bench, &asked, 0);
    assert!(bench.has_halted);
    bench.run_for_millis(100);
    assert_eq!(ends(&bench).len(), 2, "the application has stopped sending");
}

#[test]
fn counted_ranges_share_batches_and_end_as_one_call_each() {
    let load = ProducerWorkload { counted: true, burst: 100, ..workload(250) };
    let linger = ProducerConfig { linger_ms: Span::from_millis(25), ..config() };
    let mut bench = boot(linger, load, Cluster::of(1));
    bench.run_for_millis(60);
    let asked = bench.asked();
    assert_eq!(produce(&asked).data[0].batch.records_count, 100);
    ok(&mut bench, &asked, 0);
    let rest = bench.asked();
    // 100 and 50 do not fit into one batch of 148.
    assert_eq!(produce(&rest).data[0].batch.records_count, 100);
    ok(&mut bench, &rest, 100);
    assert_eq!(ends(&bench), [sent(Some(0)), sent(Some(100))]);
}

#[test]
fn keys_go_where_murmur2_sends_them() {
    let load = ProducerWorkload {
        partitioning: Partitioning::Default,
        keys: Keys::Uniform { count: 50 },
        burst: 20,
        ..workload(20)
    };
    let mut bench = boot(config(), load, Cluster::of(6));
    bench.run_for_millis(1);
    let mut records = 0;
    while let Some(asked) = bench.requests.pop_front() {
        for data in &produce(&asked).data {
            for record in data.batch.iter() {
                let key = record.key.expect("a key");
                let wanted = key.with_bytes(|bytes| crate::murmur2::partition_for_key(bytes, 6));
                assert_eq!(data.partition, TopicPartition::new("t", wanted));
                records += 1;
            }
        }
        ok(&mut bench, &asked, 0);
    }
    assert_eq!(records, 20);
}

#[test]
fn a_request_that_times_out_is_sent_again_over_a_new_connection() {
    let mut bench = boot(config(), workload(1), Cluster::of(1));
    bench.run_for_millis(1);
    let asked = bench.asked();
    bench.run_for(Span::from_secs(32));
    assert!(bench.has_stated("RequestTimedOut"));
    let again = bench.asked();
    assert_eq!(batches(&again), batches(&asked));
}
