//! What a follower cuts, and where (KIP-101, KIP-279, KIP-595).

use crate::testing::*;
use klab_machine::fact::ReplicationFact;
use klab_machine::{Block, Fact, File};
use klab_wire::config::switches::Truncation;
use klab_wire::{Acks, ErrorCode, LeaderEpoch, Offset, PartitionRegistration};

fn led_by(leader: u16, epoch: u32) -> PartitionRegistration {
    state(Some(leader), epoch, &[1, 2], &[1, 2], epoch)
}

/// Epochs with their start offsets.
fn epochs(bench: &Bench, broker: u16) -> Vec<(u32, u64)> {
    let partition = bench.brokers[&b(broker)].replicas.get(P0).unwrap();
    partition.log.epochs().entries().iter().map(|(epoch, start)| (epoch.0, start.0)).collect()
}

fn digests(bench: &Bench, broker: u16) -> Vec<u64> {
    let partition = bench.brokers[&b(broker)].replicas.get(P0).unwrap();
    partition.log.batches_from(Offset(0)).map(|batch| batch.digest()).collect()
}

/// Lets broker `alone` lead in `epoch` and append records that nobody fetches.
fn append_alone(bench: &mut Bench, alone: u16, epoch: u32, batches: u32) {
    let other = 3 - alone;
    bench.cut.insert((b(other), b(alone)));
    bench.tell(b(alone), &[partition_record(0, led_by(alone, epoch))]);
    for _ in 0..batches {
        let produced = bench.produce(b(alone), 0, Acks::Leader, 1);
        assert_eq!(bench.produced(produced).unwrap().0, ErrorCode::None);
    }
    bench.cut.clear();
}

fn resolved(bench: &Bench) -> Vec<(u32, u64)> {
    let facts = bench.facts.iter().filter_map(|(_, fact)| match fact {
        Fact::Replication(ReplicationFact::DivergenceResolved { epoch, to, .. }) => {
            Some((epoch.0, to.0))
        }
        _ => None,
    });
    facts.collect()
}

#[test]
fn kip_101_a_follower_truncates_to_the_leader_epoch_and_not_to_its_high_watermark() {
    let mut bench = Bench::new(2, &[]);
    bench.create(&[], led_by(1, 0));
    let all = bench.produce(b(1), 0, Acks::All, 5);
    assert_eq!(bench.produced(all), Some((ErrorCode::None, Some(0))));
    assert_eq!(bench.log(b(2)), (5, 0), "the follower has not heard of the commit");
    // The follower restarts and follows again: with its records, high watermark or not.
    bench.tell_all(&[partition_record(0, led_by(1, 1))]);
    assert_eq!(bench.log(b(2)).0, 5);
    assert_eq!(bench.count("LogTruncated"), 0);
}

/// Brokers that cut their logs as an old release did.
fn bench_with(truncation: Truncation) -> Bench {
    let mut bench = Bench::new(0, &[]);
    bench.switches.truncation = truncation;
    bench.add_brokers(2, &klab_wire::config::BrokerConfig::default());
    bench
}

#[test]
fn kafka_1211_before_kip_101_a_follower_cuts_what_is_committed() {
    let mut bench = bench_with(Truncation::HighWatermark);
    bench.create(&[], led_by(1, 0));
    let all = bench.produce(b(1), 0, Acks::All, 5);
    assert_eq!(bench.produced(all), Some((ErrorCode::None, Some(0))), "everybody has it");
    bench.cut.insert((b(2), b(1)));
    bench.tell_all(&[partition_record(0, led_by(1, 1))]);
    assert_eq!(bench.log(b(2)).0, 0, "but the follower has not heard so");
}

/// The second broker has records of epoch 1 that the first never had, and the first then leads in epoch 2.
fn fast_failover(truncation: Truncation) -> Bench {
    let mut bench = bench_with(truncation);
    bench.create(&[], led_by(1, 0));
    bench.produce(b(1), 0, Acks::All, 2);
    append_alone(&mut bench, 1, 0, 3);
    append_alone(&mut bench, 2, 1, 3);
    bench.tell(b(1), &[partition_record(0, led_by(1, 2))]);
    bench.tell(b(2), &[partition_record(0, led_by(1, 2))]);
    bench
}

#[test]
fn kafka_6361_before_kip_279_the_logs_of_a_fast_failover_differ() {
    let bench = fast_failover(Truncation::Kip101);
    assert_eq!((bench.log(b(1)).0, bench.log(b(2)).0), (5, 5));
    assert_ne!(digests(&bench, 1), digests(&bench, 2));
}

#[test]
fn kip_279_the_logs_of_a_fast_failover_agree() {
    let bench = fast_failover(Truncation::Kip279);
    assert_eq!(digests(&bench, 1), digests(&bench, 2));
    assert_eq!(resolved(&bench).len(), 1, "the leader names the epoch below the one it never had");
}

#[test]
fn kip_101_what_only_the_old_leader_has_is_cut() {
    let mut bench = Bench::new(2, &[]);
    bench.create(&[], led_by(1, 0));
    bench.produce(b(1), 0, Acks::All, 2);
    append_alone(&mut bench, 1, 1, 3);
    bench.tell(b(2), &[partition_record(0, led_by(2, 2))]);
    bench.produce(b(2), 0, Acks::Leader, 1);
    bench.tell(b(1), &[partition_record(0, led_by(2, 2))]);
    assert_eq!((bench.log(b(1)).0, bench.log(b(2)).0), (3, 3));
    assert_eq!(digests(&bench, 1), digests(&bench, 2));
    assert_eq!(resolved(&bench), [(0, 2)]);
}

#[test]
fn a_recovery_point_that_a_truncation_takes_back_is_written_down_at_once() {
    let every_second = ("log.flush.offset.checkpoint.interval.ms", "1000");
    let mut bench = Bench::new(2, &[every_second, ("log.initial.task.delay.ms", "1000")]);
    bench.create(&[("flush.messages", "1")], led_by(1, 0));
    bench.produce(b(1), 0, Acks::All, 2);
    append_alone(&mut bench, 1, 1, 3);
    bench.advance(2_000);
    let written = |bench: &Bench| match bench.disks[&b(1)].block(File::RecoveryPointCheckpoint) {
        Some(Block::Offsets(offsets)) => offsets.to_vec(),
        _ => Vec::new(),
    };
    assert_eq!(written(&bench), [(P0, Offset(5))]);
    bench.tell(b(2), &[partition_record(0, led_by(2, 2))]);
    bench.tell(b(1), &[partition_record(0, led_by(2, 2))]);
    assert_eq!((bench.log(b(1)).0, written(&bench)), (2, vec![(P0, Offset(2))]));
}

#[test]
fn kip_279_after_fast_elections_the_logs_agree_after_several_rounds() {
    let mut bench = Bench::new(2, &[]);
    bench.create(&[], led_by(1, 0));
    bench.produce(b(1), 0, Acks::All, 1);
    // Each leads alone in turn: epochs 1 and 3 on one log, 2 and 4 on the other.
    for epoch in 1..=4 {
        append_alone(&mut bench, 2 - (epoch % 2) as u16, epoch, 2);
    }
    bench.tell_all(&[partition_record(0, led_by(1, 5))]);
    assert_eq!(digests(&bench, 1), digests(&bench, 2));
    let of_records = |broker| {
        let mut known = epochs(&bench, broker);
        known.retain(|(epoch, _)| *epoch < 5);
        known
    };
    assert_eq!(of_records(1), of_records(2));
    assert!(resolved(&bench).len() > 1, "{:?}", resolved(&bench));
}

#[test]
fn a_follower_behind_the_leaders_start_begins_there_afresh() {
    let mut bench = Bench::new(2, &[]);
    bench.cut.insert((b(2), b(1)));
    bench.create(&[], state(Some(1), 0, &[1, 2], &[1], 0));
    bench.produce(b(1), 0, Acks::Leader, 5);
    bench.produce(b(1), 0, Acks::Leader, 5);
    let partitions = vec![(orders(0), Some(Offset(5)))];
    let timeout = klab_wire::Span::from_secs(1);
    bench.ask(b(1), klab_wire::DeleteRecordsRequest { partitions, timeout });
    bench.cut.clear();
    bench.advance(40_000);
    let partition = bench.brokers[&b(2)].replicas.get(P0).unwrap();
    assert_eq!((partition.log.log_start(), partition.log.log_end()), (Offset(5), Offset(10)));
    assert_eq!(bench.count("LogStartedAfresh"), 1);
}

#[test]
fn a_follower_longer_than_an_uncleanly_elected_leader_is_cut_to_it() {
    let mut bench = Bench::new(2, &[]);
    bench.create(&[], led_by(1, 0));
    bench.produce(b(1), 0, Acks::All, 5);
    bench.produce(b(1), 0, Acks::All, 5);
    // The other one comes back with an empty disk, and is elected all the same.
    bench.crash(b(2));
    bench.disks.clear();
    bench.boot(b(2), &klab_wire::config::BrokerConfig::default());
    let mut records: Vec<_> = (1..=2).map(|n| registration(b(n), None)).collect();
    let topic = klab_wire::MetadataRecord::Topic { name: "orders".into(), id: TOPIC };
    records.extend([topic, partition_record(0, led_by(2, 1))]);
    bench.tell(b(2), &records);
    bench.tell(b(1), &[partition_record(0, led_by(2, 1))]);
    assert_eq!(bench.log(b(1)).0, 0, "what the leader does not have is gone");
    let partition = bench.brokers[&b(1)].replicas.get(P0).unwrap();
    assert_eq!(partition.leader_epoch(), LeaderEpoch(1));
}
