//! How consumers and followers fetch: isolation, waiting, sessions, sizes, replicas (KIP-227, KIP-392).

use crate::testing::*;
use klab_wire::{
    Acks, ErrorCode, FetchRequest, FetchSession, FetchedPartition, RackId, SessionEpoch,
};

fn offsets(partition: &FetchedPartition) -> Vec<u64> {
    partition.records.iter().map(|batch| batch.base_offset.0).collect()
}

#[test]
fn a_consumer_sees_what_is_committed_and_waits_for_more() {
    let mut bench = Bench::new(2, &[]);
    bench.cut.insert((b(2), b(1)));
    bench.create(&[], state(Some(1), 0, &[1, 2], &[1, 2], 0));
    let waiting = bench.consume(b(1), 0, 500);
    bench.produce(b(1), 0, Acks::Leader, 1);
    assert_eq!(bench.fetched(waiting), None, "it is not committed");
    bench.cut.clear();
    bench.tell(b(1), &[partition_record(0, state(Some(1), 0, &[1, 2], &[1], 1))]);
    let answer = bench.fetched(waiting).unwrap();
    assert_eq!(offsets(&answer.partitions[0]), [0]);
    let waiting = bench.consume(b(1), 1, 500);
    bench.advance(499);
    assert_eq!(bench.fetched(waiting), None);
    bench.advance(1);
    let answer = bench.fetched(waiting).unwrap();
    assert_eq!((answer.error, offsets(&answer.partitions[0])), (ErrorCode::None, vec![]));
}

#[test]
fn the_first_batch_fits_whatever_the_limits_say() {
    let mut bench = Bench::new(1, &[]);
    bench.create(&[], state(Some(1), 0, &[1], &[1], 0));
    for _ in 0..3 {
        bench.produce(b(1), 0, Acks::All, 1);
    }
    let mut small = fetch(0, 0);
    small.max_bytes = 1;
    let asked = bench.ask(b(1), consumer_fetch(FetchSession::LEGACY, vec![small], 0));
    assert_eq!(offsets(&bench.fetched(asked).unwrap().partitions[0]), [0]);
    let whole =
        FetchRequest { max_bytes: 1, ..consumer_fetch(FetchSession::LEGACY, vec![fetch(0, 0)], 0) };
    let asked = bench.ask(b(1), whole);
    assert_eq!(offsets(&bench.fetched(asked).unwrap().partitions[0]), [0]);
}

#[test]
fn an_offset_beyond_the_log_is_out_of_range_and_one_beyond_the_high_watermark_is_not() {
    let mut bench = Bench::new(2, &[]);
    bench.cut.insert((b(2), b(1)));
    bench.create(&[], state(Some(1), 0, &[1, 2], &[1, 2], 0));
    bench.produce(b(1), 0, Acks::Leader, 5);
    for (offset, expected) in [(6, ErrorCode::OffsetOutOfRange), (3, ErrorCode::None)] {
        let asked = bench.consume(b(1), offset, 0);
        assert_eq!(bench.fetched(asked).unwrap().partitions[0].error, expected);
    }
}

#[test]
fn kip_227_a_session_is_told_only_what_changed() {
    let mut bench = Bench::new(1, &[]);
    let states = (0..3).map(|_| state(Some(1), 0, &[1], &[1], 0)).collect();
    bench.create_partitions(&[], states);
    let partitions = (0..3).map(|index| fetch(index, 0)).collect();
    let connection = bench.ask(b(1), consumer_fetch(FetchSession::INITIAL, partitions, 0));
    let first = bench.fetched(connection).unwrap();
    assert_eq!(first.partitions.len(), 3, "the first answer holds everything");
    let next = |bench: &mut Bench, epoch, partitions| {
        let epoch = SessionEpoch::Incremental(epoch);
        let session = FetchSession { id: first.session, epoch };
        bench.ask_on(connection, consumer_fetch(session, partitions, 0));
        bench.fetched(connection).unwrap()
    };
    assert_eq!(next(&mut bench, 1, vec![]).partitions.len(), 0);
    bench.produce(b(1), 1, Acks::All, 2);
    let answer = next(&mut bench, 2, vec![]);
    assert_eq!(answer.partitions.len(), 1);
    assert_eq!(answer.partitions[0].partition, partition(1));
    let again = next(&mut bench, 3, vec![]);
    assert_eq!(again.partitions.len(), 1, "the reader has not moved on");
    assert_eq!(next(&mut bench, 4, vec![fetch(1, 2)]).partitions.len(), 0);
    let error = next(&mut bench, 4, vec![]).error;
    assert_eq!(error, ErrorCode::InvalidFetchSessionEpoch);
    let stranger = FetchSession { id: first.session ^ 1, epoch: SessionEpoch::Incremental(1) };
    let asked = bench.ask(b(1), consumer_fetch(stranger, vec![], 0));
    assert_eq!(bench.fetched(asked).unwrap().error, ErrorCode::FetchSessionIdNotFound);
}

#[test]
fn kip_227_an_idle_follower_says_nothing_and_the_leader_looks_at_nothing() {
    let mut bench = Bench::new(2, &[]);
    let states = (0..50).map(|_| state(Some(1), 0, &[1, 2], &[1, 2], 0)).collect();
    bench.create_partitions(&[], states);
    bench.advance(5_000);
    bench.fetches.clear();
    bench.advance(5_000);
    assert_eq!(bench.fetches.len(), 10, "one every 500 ms");
    assert!(bench.fetches.iter().all(|fetch| fetch.partitions.is_empty()));
    let sessions = &mut bench.brokers.get_mut(&b(1)).unwrap().purgatory.sessions;
    assert!(sessions.sessions_mut().all(|session| session.dirty_count() == 0));
    bench.produce(b(1), 7, Acks::All, 1);
    let said: Vec<usize> = bench.fetches.iter().map(|fetch| fetch.partitions.len()).collect();
    assert_eq!(said[10..], [1], "one partition moved");
}

#[test]
fn kip_227_a_fetcher_whose_session_is_lost_starts_another() {
    let mut bench = Bench::new(2, &[("max.incremental.fetch.session.cache.slots", "1")]);
    bench.create(&[], state(Some(1), 0, &[1, 2], &[1, 2], 0));
    bench.produce(b(1), 0, Acks::All, 1);
    let sessions = &mut bench.brokers.get_mut(&b(1)).unwrap().purgatory.sessions;
    let id = sessions.sessions_mut().next().unwrap().id;
    bench.advance(499);
    let sessions = &mut bench.brokers.get_mut(&b(1)).unwrap().purgatory.sessions;
    let lost = sessions.remove(id).unwrap();
    let parked = lost.parked.expect("the follower's fetch waits");
    let answer = klab_wire::FetchResponse {
        error: ErrorCode::FetchSessionIdNotFound,
        ..klab_wire::FetchResponse::default()
    };
    bench.respond_to_peer(b(2), parked.reply_to, klab_wire::Response::Fetch(Box::new(answer)));
    let all = bench.produce(b(1), 0, Acks::All, 1);
    assert_eq!(bench.produced(all), Some((ErrorCode::None, Some(1))));
}

#[test]
fn kip_392_a_consumer_is_sent_to_the_replica_in_its_rack_which_serves_it() {
    let selector = ("replica.selector.class", "RackAwareReplicaSelector");
    let mut bench = Bench::new(2, &[selector]);
    bench.tell_all(&[registration(b(1), Some("a")), registration(b(2), Some("b"))]);
    bench.create(&[], state(Some(1), 0, &[1, 2], &[1, 2], 0));
    for _ in 0..2 {
        bench.produce(b(1), 0, Acks::All, 1);
    }
    let from = |bench: &mut Bench, broker, rack: &str| {
        let mut request = consumer_fetch(FetchSession::LEGACY, vec![fetch(0, 0)], 0);
        request.rack = Some(RackId::from(rack));
        let asked = bench.ask(broker, request);
        let answer = bench.fetched(asked).unwrap().partitions.remove(0);
        (answer.error, answer.preferred_read_replica, offsets(&answer))
    };
    assert_eq!(from(&mut bench, b(1), "a"), (ErrorCode::None, None, vec![0, 1]));
    assert_eq!(from(&mut bench, b(1), "b"), (ErrorCode::None, Some(b(2)), vec![]));
    // The follower serves up to the high watermark that it knows.
    assert_eq!(from(&mut bench, b(2), "b"), (ErrorCode::None, None, vec![0]));
}
