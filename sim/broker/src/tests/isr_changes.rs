//! How the ISR shrinks and grows, and what is committed meanwhile (KIP-497, KIP-841, KIP-966).

use crate::testing::*;
use klab_wire::{Acks, ErrorCode, NodeId};

const LAG: [(&str, &str); 1] = [("replica.lag.time.max.ms", "1000")];

fn isr(bench: &Bench, broker: u16) -> Vec<NodeId> {
    let partition = bench.brokers[&b(broker)].replicas.get(P0).unwrap();
    partition.leader().unwrap().state.isr().to_vec()
}

#[test]
fn a_follower_that_does_not_fetch_leaves_the_isr_and_comes_back_when_it_has_everything() {
    let mut bench = Bench::new(3, &LAG);
    bench.create(&[], state(Some(1), 0, &[1, 2, 3], &[1, 2, 3], 0));
    bench.produce(b(1), 0, Acks::All, 1);
    bench.crash(b(3));
    let all = bench.produce(b(1), 0, Acks::All, 1);
    bench.advance(900);
    assert!(bench.alterations.is_empty(), "not yet");
    bench.advance(1_000);
    assert_eq!(bench.produced(all), None, "the controller has not said anything");
    assert_eq!(bench.grant(), [b(1), b(2)]);
    assert_eq!(bench.produced(all), Some((ErrorCode::None, Some(1))));
    bench.boot(b(3), &klab_wire::config::BrokerConfig::default());
    let mut records: Vec<_> = (1..=3).map(|n| registration(b(n), None)).collect();
    let topic = klab_wire::MetadataRecord::Topic { name: "orders".into(), id: TOPIC };
    records.extend([topic, partition_record(0, state(Some(1), 0, &[1, 2, 3], &[1, 2], 1))]);
    bench.tell(b(3), &records);
    assert_eq!(bench.log(b(3)).0, 2);
    assert_eq!(bench.grant(), [b(1), b(2), b(3)]);
    assert_eq!(isr(&bench, 1), [b(1), b(2), b(3)]);
    assert_eq!((bench.count("IsrShrunk"), bench.count("IsrExpanded")), (1, 1));
}

#[test]
fn an_idle_partition_keeps_its_isr_however_long_nothing_happens() {
    let mut bench = Bench::new(3, &LAG);
    bench.create(&[], state(Some(1), 0, &[1, 2, 3], &[1, 2, 3], 0));
    bench.produce(b(1), 0, Acks::All, 1);
    bench.advance(60_000);
    assert!(bench.alterations.is_empty());
    let partition = bench.brokers[&b(1)].replicas.get(P0).unwrap();
    assert_eq!(partition.leader().unwrap().watched_since, None, "nobody looks at it any more");
    // And the first record after that does not make anybody look slow.
    bench.produce(b(1), 0, Acks::All, 1);
    bench.advance(600);
    assert!(bench.alterations.is_empty());
}

#[test]
fn a_follower_leaves_the_isr_by_when_it_was_caught_up_last_and_not_by_when_the_log_moved() {
    let mut bench = Bench::new(3, &LAG);
    bench.create(&[], state(Some(1), 0, &[1, 2, 3], &[1, 2, 3], 0));
    bench.produce(b(1), 0, Acks::All, 1);
    bench.advance(5_000);
    bench.crash(b(3));
    bench.advance(900);
    bench.produce(b(1), 0, Acks::All, 1);
    bench.advance(700);
    assert_eq!(bench.grant(), [b(1), b(2)]);
}

#[test]
fn kip_497_the_high_watermark_waits_for_the_maximal_isr_while_a_change_is_pending() {
    let mut bench = Bench::new(3, &[]);
    bench.create(&[], state(Some(1), 0, &[1, 2, 3], &[1, 2], 0));
    assert_eq!(bench.alterations.len(), 1, "b3 has everything there is and asks to join");
    bench.crash(b(3));
    let all = bench.produce(b(1), 0, Acks::All, 1);
    assert_eq!(bench.produced(all), None, "b3 may be in the ISR by now, and be elected");
    bench.refuse(ErrorCode::IneligibleReplica);
    assert_eq!(isr(&bench, 1), [b(1), b(2)]);
    // b3 is caught up no more once it is fenced: it is not eligible then.
    bench.tell_all(&[fenced(b(3), true)]);
    let next = bench.produce(b(1), 0, Acks::All, 1);
    assert_eq!(bench.produced(all), Some((ErrorCode::None, Some(0))));
    assert_eq!(bench.produced(next), Some((ErrorCode::None, Some(1))));
}

#[test]
fn kip_497_metadata_that_tells_what_is_known_does_not_end_the_pending_change() {
    let mut bench = Bench::new(3, &[]);
    let known = || state(Some(1), 0, &[1, 2, 3], &[1, 2], 0);
    bench.create(&[], known());
    assert_eq!(bench.alterations.len(), 1, "b3 has everything there is and asks to join");
    bench.crash(b(3));
    bench.tell(b(1), &[partition_record(0, known())]);
    let all = bench.produce(b(1), 0, Acks::All, 1);
    assert_eq!(bench.produced(all), None, "b3 may be in the ISR by now, and be elected");
}

#[test]
fn kip_497_a_pending_shrink_commits_nothing_more() {
    let mut bench = Bench::new(2, &LAG);
    bench.create(&[], state(Some(1), 0, &[1, 2], &[1, 2], 0));
    bench.crash(b(2));
    let all = bench.produce(b(1), 0, Acks::All, 1);
    bench.advance(3_000);
    assert_eq!((bench.alterations.len(), bench.log(b(1))), (1, (1, 0)));
    bench.refuse(ErrorCode::InvalidUpdateVersion);
    bench.advance(3_000);
    assert!(bench.alterations.is_empty(), "it waits for the metadata");
    bench.tell(b(1), &[partition_record(0, state(Some(1), 0, &[1, 2], &[1], 1))]);
    assert_eq!(bench.produced(all), Some((ErrorCode::None, Some(0))));
}

#[test]
fn kip_841_a_fenced_follower_joins_only_when_it_is_unfenced() {
    let mut bench = Bench::new(2, &[]);
    bench.tell_all(&[fenced(b(2), true)]);
    bench.create(&[], state(Some(1), 0, &[1, 2], &[1], 0));
    bench.produce(b(1), 0, Acks::All, 1);
    bench.advance(1_000);
    assert!(bench.alterations.is_empty());
    bench.tell_all(&[fenced(b(2), false)]);
    bench.advance(1_000);
    assert_eq!(bench.grant(), [b(1), b(2)]);
}

#[test]
fn a_refused_change_is_asked_again_when_it_may_succeed() {
    let mut bench = Bench::new(2, &[]);
    bench.create(&[], state(Some(1), 0, &[1, 2], &[1], 0));
    bench.refuse(ErrorCode::IneligibleReplica);
    bench.advance(1_000);
    assert_eq!(bench.grant(), [b(1), b(2)]);
    assert_eq!(bench.count("IsrChangeRejected"), 1);
}

#[test]
fn isr_changes_of_many_partitions_go_together() {
    let mut bench = Bench::new(2, &LAG);
    let states = (0..5).map(|_| state(Some(1), 0, &[1, 2], &[1, 2], 0)).collect();
    bench.create_partitions(&[], states);
    bench.crash(b(2));
    for index in 0..5 {
        bench.produce(b(1), index, Acks::Leader, 1);
    }
    bench.advance(3_000);
    let sizes: Vec<usize> = bench.alterations.iter().map(|(_, _, r)| r.partitions.len()).collect();
    assert_eq!(sizes, [1], "one request is in flight");
    bench.grant();
    let sizes: Vec<usize> = bench.alterations.iter().map(|(_, _, r)| r.partitions.len()).collect();
    assert_eq!(sizes, [4], "the next one takes everything that came up");
}
