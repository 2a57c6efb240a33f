//! A broker's life: start, orderly end, restart, loss of its disk.

use crate::lifecycle::BrokerState;
use crate::testing::*;
use klab_log::Checkpoints;
use klab_machine::{Command, File, Input, StorageFailure};
use klab_wire::config::BrokerConfig;
use klab_wire::{Acks, ErrorCode, MetadataRecord, Offset};

fn known(bench: &mut Bench, node: u16) {
    let mut records: Vec<_> = (1..=2).map(|n| registration(b(n), None)).collect();
    records.push(MetadataRecord::Topic { name: "orders".into(), id: TOPIC });
    records.push(partition_record(0, state(Some(1), 0, &[1, 2], &[1, 2], 0)));
    bench.tell(b(node), &records);
}

#[test]
fn a_broker_starts_when_the_controller_has_unfenced_it() {
    let bench = Bench::new(1, &[]);
    let broker = &bench.brokers[&b(1)];
    assert_eq!(broker.lifecycle.state(), BrokerState::Running);
    assert_eq!(broker.lifecycle.epoch(), Some(epoch_of(b(1))));
    assert_eq!((bench.count("BrokerRegistrationLearned"), bench.count("BrokerStarted")), (1, 1));
}

#[test]
fn an_orderly_end_leaves_a_mark_and_the_next_life_needs_no_recovery() {
    let mut bench = Bench::new(2, &[]);
    bench.create(&[], state(Some(1), 0, &[1, 2], &[1, 2], 0));
    bench.produce(b(1), 0, Acks::All, 5);
    bench.produce(b(1), 0, Acks::All, 5);
    bench.input(b(1), Input::Command(Command::ShutDown));
    bench.advance(3_000);
    assert!(bench.halted.contains(&b(1)));
    assert_eq!(bench.count("BrokerShutDownCleanly"), 1);
    assert!(bench.disks[&b(1)].contains(File::CleanShutdown));
    bench.crash(b(1));
    bench.boot(b(1), &BrokerConfig::default());
    let broker = &bench.brokers[&b(1)];
    assert_eq!(broker.storage.previous_broker_epoch(), Some(epoch_of(b(1))));
    assert!(!bench.disks[&b(1)].contains(File::CleanShutdown), "the mark holds for one start");
    assert_eq!(bench.count("LogRecovered"), 0);
}

#[test]
fn a_broker_that_is_killed_comes_back_with_its_log_and_its_checkpointed_high_watermark() {
    let mut bench = Bench::new(2, &[]);
    bench.create(&[], state(Some(1), 0, &[1, 2], &[1, 2], 0));
    bench.produce(b(1), 0, Acks::All, 5);
    bench.advance(6_000);
    assert!(bench.count("HighWatermarksCheckpointed") > 0);
    bench.produce(b(1), 0, Acks::All, 5);
    bench.crash(b(1));
    bench.boot_without_controller(b(1), &BrokerConfig::default());
    assert_eq!(bench.brokers[&b(1)].storage.previous_broker_epoch(), None);
    bench.cut.insert((b(2), b(1)));
    known(&mut bench, 1);
    bench.find_controller(b(1));
    assert_eq!(bench.log(b(1)), (10, 5));
}

#[test]
fn what_is_left_of_a_deleted_topic_goes_after_a_while() {
    let mut bench = Bench::new(1, &[]);
    bench.create(&[("file.delete.delay.ms", "1000")], state(Some(1), 0, &[1], &[1], 0));
    bench.produce(b(1), 0, Acks::All, 1);
    bench.tell_all(&[MetadataRecord::RemoveTopic { id: TOPIC }]);
    assert_eq!(bench.count("ReplicaDeleted"), 1);
    let has = |bench: &Bench, file| bench.disks[&b(1)].contains(file);
    assert!(has(&bench, File::Segment(P0, Offset(0))));
    assert!(!has(&bench, File::PartitionMetadata(P0)), "a start would take it for a stray");
    bench.advance(1_000);
    assert!(!has(&bench, File::Segment(P0, Offset(0))));
}

#[test]
fn without_its_log_directory_a_broker_ends() {
    let mut bench = Bench::new(1, &[]);
    bench.input(b(1), Input::StorageFailed(StorageFailure::Failing));
    assert_eq!((bench.halted.len(), bench.count("LogDirFailed")), (1, 1));
}

#[test]
fn requests_wait_until_the_logs_are_open() {
    let mut bench = Bench::new(2, &[]);
    bench.create(&[], state(Some(1), 0, &[1, 2], &[1, 2], 0));
    bench.crash(b(1));
    bench.boot_without_controller(b(1), &BrokerConfig::default());
    known(&mut bench, 1);
    let early = bench.produce(b(1), 0, Acks::Leader, 1);
    assert_eq!(bench.produced(early), None);
    bench.find_controller(b(1));
    assert_eq!(bench.produced(early), Some((ErrorCode::None, Some(0))));
}

#[test]
fn kafka_15375_a_broker_that_goes_before_it_has_opened_its_logs_leaves_no_mark() {
    let mut bench = Bench::new(2, &[]);
    bench.create(&[], state(Some(1), 0, &[1, 2], &[1, 2], 0));
    bench.produce(b(1), 0, Acks::All, 5);
    bench.advance(6_000);
    bench.crash(b(1));
    bench.boot_without_controller(b(1), &BrokerConfig::default());
    bench.input(b(1), Input::Command(Command::ShutDown));
    bench.advance(3_000);
    assert!(bench.halted.contains(&b(1)));
    assert_eq!((bench.count("LogLoaded"), bench.count("BrokerShutDownCleanly")), (0, 0));
    let checkpoints = Checkpoints::read(&bench.disks[&b(1)]);
    assert!(!checkpoints.clean);
    assert_eq!(checkpoints.high_watermarks.get(&P0), Some(&Offset(5)), "it is not forgotten");
}

#[test]
fn a_mark_of_an_earlier_life_stays_until_the_logs_are_opened() {
    let mut bench = Bench::new(2, &[]);
    bench.create(&[], state(Some(1), 0, &[1, 2], &[1, 2], 0));
    bench.input(b(1), Input::Command(Command::ShutDown));
    bench.advance(3_000);
    bench.crash(b(1));
    bench.boot_without_controller(b(1), &BrokerConfig::default());
    bench.input(b(1), Input::Command(Command::ShutDown));
    bench.advance(3_000);
    assert_eq!(bench.count("BrokerShutDownCleanly"), 1, "by the first life");
    assert!(Checkpoints::read(&bench.disks[&b(1)]).clean);
}
