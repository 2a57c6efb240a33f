//! Who is turned away: epochs too old and too new, brokers of an earlier life (KIP-320, KIP-903).

use crate::testing::*;
use klab_wire::{
    Acks, ErrorCode, FetchPartition, FetchSession, IsolationLevel, LeaderEpoch, LeaderIdAndEpoch,
    ListOffsetsPartition, ListOffsetsRequest, Offset, OffsetForLeaderEpochRequest,
    OffsetForLeaderPartition, OffsetSpec, Response,
};

fn believing(epoch: u32) -> FetchPartition {
    FetchPartition { current_leader_epoch: Some(LeaderEpoch(epoch)), ..fetch(0, 0) }
}

#[test]
fn kip_320_a_fetch_with_another_epoch_than_the_leaders_is_fenced() {
    let mut bench = Bench::new(2, &[]);
    bench.create(&[], state(Some(1), 3, &[1, 2], &[1, 2], 0));
    for (epoch, expected) in [
        (2, ErrorCode::FencedLeaderEpoch),
        (3, ErrorCode::None),
        (4, ErrorCode::UnknownLeaderEpoch),
    ] {
        let request = consumer_fetch(FetchSession::LEGACY, vec![believing(epoch)], 0);
        let asked = bench.ask(b(1), request);
        let answer = bench.fetched(asked).unwrap();
        assert_eq!(answer.partitions[0].error, expected);
        // KIP-951: whoever is too old is told what is now.
        let leader = LeaderIdAndEpoch { leader: Some(b(1)), epoch: LeaderEpoch(3) };
        let told = (expected == ErrorCode::FencedLeaderEpoch).then_some(leader);
        assert_eq!(answer.partitions[0].current_leader, told);
    }
}

#[test]
fn kip_320_the_epoch_of_the_records_can_be_asked_and_the_question_is_fenced_too() {
    let mut bench = Bench::new(1, &[]);
    bench.create(&[], state(Some(1), 0, &[1], &[1], 0));
    bench.produce(b(1), 0, Acks::All, 4);
    bench.tell_all(&[partition_record(0, state(Some(1), 2, &[1], &[1], 1))]);
    bench.produce(b(1), 0, Acks::All, 3);
    let mut end = |current: u32, epoch: u32| {
        let asked = OffsetForLeaderPartition {
            partition: orders(0),
            current_leader_epoch: Some(LeaderEpoch(current)),
            leader_epoch: LeaderEpoch(epoch),
        };
        let request = OffsetForLeaderEpochRequest { replica: None, partitions: vec![asked] };
        let asked = bench.ask(b(1), request);
        let Some(Response::OffsetForLeaderEpoch(answer)) = bench.answer(asked) else { panic!() };
        let end = &answer.partitions[0];
        (end.error, end.leader_epoch.map(|epoch| epoch.0), end.end_offset.map(|offset| offset.0))
    };
    assert_eq!(end(2, 0), (ErrorCode::None, Some(0), Some(4)));
    assert_eq!(end(2, 1), (ErrorCode::None, Some(0), Some(4)), "the largest epoch below");
    assert_eq!(end(2, 2), (ErrorCode::None, Some(2), Some(7)));
    assert_eq!(end(1, 0), (ErrorCode::FencedLeaderEpoch, None, None));
    assert_eq!(end(3, 0), (ErrorCode::UnknownLeaderEpoch, None, None));
}

#[test]
fn kip_320_a_follower_of_an_older_epoch_commits_nothing() {
    let mut bench = Bench::new(2, &[]);
    bench.create(&[], state(Some(1), 0, &[1, 2], &[1, 2], 0));
    // The leader knows the new epoch, the follower does not.
    bench.tell(b(1), &[partition_record(0, state(Some(1), 1, &[1, 2], &[1, 2], 1))]);
    let all = bench.produce(b(1), 0, Acks::All, 1);
    bench.advance(2_000);
    assert_eq!((bench.produced(all), bench.log(b(1)).1), (None, 0));
    assert!(bench.count("FetchFenced") > 0);
    bench.tell(b(2), &[partition_record(0, state(Some(1), 1, &[1, 2], &[1, 2], 1))]);
    assert_eq!(bench.produced(all), Some((ErrorCode::None, Some(0))));
}

#[test]
fn kip_320_a_follower_ahead_of_its_leader_tries_again() {
    let mut bench = Bench::new(2, &[]);
    bench.create(&[], state(Some(1), 0, &[1, 2], &[1, 2], 0));
    bench.tell(b(2), &[partition_record(0, state(Some(1), 1, &[1, 2], &[1, 2], 1))]);
    bench.advance(1_500);
    bench.tell(b(1), &[partition_record(0, state(Some(1), 1, &[1, 2], &[1, 2], 1))]);
    let all = bench.produce(b(1), 0, Acks::All, 1);
    bench.advance(1_500);
    assert_eq!(bench.produced(all), Some((ErrorCode::None, Some(0))));
}

#[test]
fn kip_207_the_end_is_not_told_before_the_high_watermark_has_reached_the_epochs_start() {
    let mut bench = Bench::new(2, &[]);
    bench.create(&[], state(Some(1), 0, &[1, 2], &[1, 2], 0));
    bench.produce(b(1), 0, Acks::All, 5);
    // The follower leads; it has everything, but has not heard of the commit.
    bench.cut.insert((b(1), b(2)));
    bench.tell_all(&[partition_record(0, state(Some(2), 1, &[1, 2], &[1, 2], 1))]);
    let latest = |bench: &mut Bench, spec| {
        let partition = orders(0);
        let asked = ListOffsetsPartition { partition, current_leader_epoch: None, spec };
        let isolation = IsolationLevel::ReadUncommitted;
        let request = ListOffsetsRequest { replica: None, isolation, partitions: vec![asked] };
        let asked = bench.ask(b(2), request);
        let Some(Response::ListOffsets(answer)) = bench.answer(asked) else { panic!() };
        (answer.partitions[0].error, answer.partitions[0].offset)
    };
    let told = latest(&mut bench, OffsetSpec::Latest);
    assert_eq!(told, (ErrorCode::OffsetNotAvailable, None));
    let told = latest(&mut bench, OffsetSpec::Earliest);
    assert_eq!(told, (ErrorCode::None, Some(Offset(0))));
    bench.cut.clear();
    bench.advance(40_000);
    assert_eq!(latest(&mut bench, OffsetSpec::Latest), (ErrorCode::None, Some(Offset(5))));
}
