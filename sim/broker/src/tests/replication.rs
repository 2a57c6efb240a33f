//! From produce to acknowledgement: append, fetch, high watermark, answer.

use crate::testing::*;
use klab_wire::config::BrokerConfig;
use klab_wire::{Acks, ErrorCode, LeaderEpoch, LeaderIdAndEpoch, MetadataRecord, Response};

#[test]
fn a_record_is_acknowledged_when_every_in_sync_replica_has_fetched_it() {
    let mut bench = Bench::new(3, &[]);
    bench.create(&[], state(Some(1), 0, &[1, 2, 3], &[1, 2, 3], 0));
    let all = bench.produce(b(1), 0, Acks::All, 5);
    assert_eq!(bench.produced(all), Some((ErrorCode::None, Some(0))));
    assert_eq!(bench.log(b(1)), (5, 5));
    assert_eq!(bench.log(b(2)).0, 5);
    let order: Vec<&str> = bench
        .facts
        .iter()
        .map(|(_, fact)| fact.name())
        .filter(|name| !matches!(*name, "MetadataApplied" | "FetchSessionCreated"))
        .skip_while(|name| *name != "BatchAppended")
        .collect();
    let expected = ["BatchAppended", "ProduceParked", "BatchAppended", "BatchAppended"];
    assert_eq!(order[..4], expected);
    let then = ["FollowerFetched", "FollowerFetched", "HighWatermarkAdvanced", "ProduceAnswered"];
    assert_eq!(order[4..8], then, "{order:?}");
}

#[test]
fn with_acks_1_the_leader_alone_acknowledges() {
    let mut bench = Bench::new(3, &[]);
    bench.cut.extend([(b(2), b(1)), (b(3), b(1))]);
    bench.create(&[], state(Some(1), 0, &[1, 2, 3], &[1, 2, 3], 0));
    let one = bench.produce(b(1), 0, Acks::Leader, 5);
    assert_eq!(bench.produced(one), Some((ErrorCode::None, Some(0))));
    assert_eq!(bench.log(b(1)), (5, 0), "nothing is committed");
    let all = bench.produce(b(1), 0, Acks::All, 1);
    assert_eq!(bench.produced(all), None);
    bench.advance(30_000);
    assert_eq!(bench.produced(all), Some((ErrorCode::RequestTimedOut, Some(5))));
}

#[test]
fn with_acks_0_there_is_no_answer_and_an_error_costs_the_connection() {
    let mut bench = Bench::new(2, &[]);
    bench.create(&[], state(Some(1), 0, &[1, 2], &[1, 2], 0));
    let silent = bench.produce(b(1), 0, Acks::None, 1);
    assert_eq!((bench.produced(silent), bench.closed.len()), (None, 0));
    let wrong = bench.produce(b(2), 0, Acks::None, 1);
    assert_eq!((bench.produced(wrong), &bench.closed[..]), (None, &[wrong][..]));
}

#[test]
fn too_few_in_sync_replicas_refuse_acks_all_and_only_that() {
    let mut bench = Bench::new(3, &[]);
    let min_isr = [("min.insync.replicas", "2")];
    bench.create(&min_isr, state(Some(1), 0, &[1, 2, 3], &[1], 0));
    bench.cut.extend([(b(2), b(1)), (b(3), b(1))]);
    let all = bench.produce(b(1), 0, Acks::All, 1);
    assert_eq!(bench.produced(all), Some((ErrorCode::NotEnoughReplicas, None)));
    let one = bench.produce(b(1), 0, Acks::Leader, 1);
    assert_eq!(bench.produced(one), Some((ErrorCode::None, Some(0))));
    // KIP-966: and yet nothing is committed.
    assert_eq!(bench.log(b(1)), (1, 0));
}

#[test]
fn min_insync_replicas_is_never_more_than_there_are() {
    let mut bench = Bench::new(1, &[]);
    bench.create(&[("min.insync.replicas", "2")], state(Some(1), 0, &[1], &[1], 0));
    let all = bench.produce(b(1), 0, Acks::All, 1);
    assert_eq!(bench.produced(all), Some((ErrorCode::None, Some(0))));
}

#[test]
fn kip_966_records_wait_while_the_isr_is_under_its_minimum() {
    let mut bench = Bench::new(3, &[]);
    bench.create(&[("min.insync.replicas", "2")], state(Some(1), 0, &[1, 2, 3], &[1, 2], 0));
    bench.cut.extend([(b(2), b(1)), (b(3), b(1))]);
    let all = bench.produce(b(1), 0, Acks::All, 1);
    bench.tell_all(&[fenced(b(2), true), fenced(b(3), true)]);
    bench.tell_all(&[partition_record(0, state(Some(1), 0, &[1, 2, 3], &[1], 1))]);
    assert_eq!(bench.produced(all), None, "nothing is committed");
    bench.tell_all(&[topic_config("min.insync.replicas", "1")]);
    bench.tell_all(&[partition_record(0, state(Some(1), 0, &[1, 2, 3], &[1], 2))]);
    assert_eq!(bench.produced(all), Some((ErrorCode::None, Some(0))));
}

#[test]
fn flush_messages_holds_back_the_acknowledgement_and_the_fetch_until_the_fsync() {
    let mut bench = Bench::new(2, &[]);
    bench.create(&[("flush.messages", "1")], state(Some(1), 0, &[1, 2], &[1, 2], 0));
    bench.holds_flushes = true;
    let one = bench.produce(b(1), 0, Acks::Leader, 1);
    let all = bench.produce(b(1), 0, Acks::All, 1);
    assert_eq!((bench.produced(one), bench.log(b(2)).0), (None, 0), "nobody has seen anything");
    while !bench.held_flushes.is_empty() && bench.log(b(2)).0 < 2 {
        bench.flush();
    }
    assert_eq!(bench.produced(one), Some((ErrorCode::None, Some(0))));
    // The follower has both, but has told of the first only: its own fsync is under way.
    assert_eq!((bench.produced(all), bench.log(b(2)).0, bench.log(b(1)).1), (None, 2, 1));
    while !bench.held_flushes.is_empty() {
        bench.flush();
    }
    assert_eq!(bench.produced(all), Some((ErrorCode::None, Some(1))));
}

#[test]
fn a_follower_that_comes_in_the_middle_of_the_leaders_fsync_reads_and_commits_nothing() {
    let mut bench = Bench::new(2, &[]);
    bench.cut.insert((b(2), b(1)));
    bench.create(&[("flush.messages", "1")], state(Some(1), 0, &[1, 2], &[1, 2], 0));
    bench.holds_flushes = true;
    let all = bench.produce(b(1), 0, Acks::All, 1);
    bench.cut.clear();
    bench.advance(20_000);
    assert_eq!((bench.log(b(2)).0, bench.log(b(1)).1), (1, 0), "it has read what is not flushed");
    assert_eq!(bench.produced(all), None);
    while !bench.held_flushes.is_empty() {
        bench.flush();
    }
    assert_eq!(bench.produced(all), Some((ErrorCode::None, Some(0))));
}

#[test]
fn who_becomes_leader_in_the_middle_of_an_fsync_does_not_count_what_it_has_not_flushed() {
    let mut bench = Bench::new(2, &[]);
    bench.create(&[("flush.messages", "1")], state(Some(1), 0, &[1, 2], &[1, 2], 0));
    bench.holds_flushes = true;
    bench.produce(b(1), 0, Acks::Leader, 1);
    while bench.log(b(2)).0 < 1 {
        bench.flush();
    }
    bench.tell(b(2), &[partition_record(0, state(Some(2), 1, &[1, 2], &[2], 1))]);
    assert_eq!(bench.log(b(2)), (1, 0), "it is alone in the ISR, and commits nothing yet");
    while !bench.held_flushes.is_empty() {
        bench.flush();
    }
    assert_eq!(bench.log(b(2)), (1, 1));
}

#[test]
fn who_waits_for_a_leader_that_leads_no_more_is_told_who_does() {
    let mut bench = Bench::new(2, &[]);
    bench.cut.insert((b(2), b(1)));
    bench.create(&[], state(Some(1), 0, &[1, 2], &[1, 2], 0));
    let all = bench.produce(b(1), 0, Acks::All, 1);
    bench.tell(b(1), &[partition_record(0, state(Some(2), 1, &[1, 2], &[2], 1))]);
    let Some(Response::Produce(answer)) = bench.answer(all) else { panic!("no answer") };
    let answer = &answer.responses[0];
    assert_eq!(answer.error, ErrorCode::NotLeaderOrFollower);
    let leader = LeaderIdAndEpoch { leader: Some(b(2)), epoch: LeaderEpoch(1) };
    assert_eq!(answer.current_leader, Some(leader));
}

#[test]
fn a_quota_holds_back_only_who_is_outside_of_the_isr() {
    let rate = [("leader.replication.throttled.rate", "1000")];
    let mut bench = Bench::new(3, &rate);
    let throttled = [("leader.replication.throttled.replicas", "*")];
    bench.create(&throttled, state(Some(1), 0, &[1, 2, 3], &[1, 2], 0));
    bench.cut.insert((b(3), b(1)));
    for _ in 0..10 {
        bench.produce(b(1), 0, Acks::Leader, 10);
    }
    assert_eq!(bench.log(b(2)).0, 100, "a member of the ISR gets everything");
    bench.cut.clear();
    bench.crash(b(3));
    let config = BrokerConfig::default();
    bench.boot(b(3), &config);
    let mut records: Vec<_> = (1..=3).map(|n| registration(b(n), None)).collect();
    records.push(MetadataRecord::Topic { name: "orders".into(), id: TOPIC });
    records.push(partition_record(0, state(Some(1), 0, &[1, 2, 3], &[1, 2], 0)));
    bench.tell(b(3), &records);
    assert_eq!(bench.log(b(3)).0, 0, "the quota is used up");
    assert!(bench.count("ReplicationThrottled") > 0);
    bench.advance(30_000);
    assert_eq!(bench.log(b(3)).0, 100, "in the end it has everything");
}
