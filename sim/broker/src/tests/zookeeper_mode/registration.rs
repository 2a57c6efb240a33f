//! A broker's znode, and its session: how both begin, end, and begin again.

use super::switched;
use crate::lifecycle::BrokerState;
use crate::testing::*;
use klab_machine::{Command, Input};
use klab_wire::config::{BrokerConfig, ConfigTable, Release, Switches};
use klab_wire::znodes::{BrokerIdZNode, path};
use klab_wire::{Acks, ErrorCode};

/// Nothing passes between the broker and the ensemble.
fn cut_off(bench: &mut Bench, broker: u16) {
    bench.cut.extend([(b(broker), Z1), (Z1, b(broker))]);
}

#[test]
fn a_broker_runs_when_its_znode_is_there_and_its_epoch_is_the_transaction_that_created_it() {
    let bench = Bench::in_zookeeper_mode(2, &[], Switches::default());
    assert!(bench.is_registered(1) && bench.is_registered(2));
    assert!(bench.epoch(2) > bench.epoch(1), "b2 came later");
    assert_eq!(bench.brokers[&b(1)].lifecycle.state(), BrokerState::Running);
    let data = bench.znode(&path::broker_id(b(1))).unwrap();
    assert!(BrokerIdZNode::decode(b(1), &data.as_str().into()).is_some(), "{data}");
}

#[test]
fn while_the_session_is_gone_a_leader_leads_on_and_registers_under_a_new_epoch_when_it_can() {
    let mut bench = Bench::in_zookeeper_mode(1, &[], Switches::default());
    bench.say_to_all(&[1], &told(Some(1), 0, &[1], &[1], 0));
    let before = bench.epoch(1);
    cut_off(&mut bench, 1);
    bench.advance(12_000);
    assert!(!bench.is_registered(1), "the session has expired");
    let all = bench.produce(b(1), 0, Acks::All, 1);
    assert_eq!(
        bench.produced(all),
        Some((ErrorCode::None, Some(0))),
        "nobody needs ZooKeeper for that"
    );
    assert_eq!(bench.epoch(1), before, "it does not know");
    bench.cut.clear();
    bench.advance(5_000);
    assert!(bench.is_registered(1) && bench.epoch(1) > before);
    let former = Said { broker_epoch: before, ..NOW };
    assert_eq!(bench.say_who_is_alive(1, former), ErrorCode::StaleBrokerEpoch);
    assert_eq!(bench.say_who_is_alive(1, NOW), ErrorCode::None);
}

#[test]
fn a_connection_that_is_lost_does_not_end_the_session() {
    let mut bench = Bench::in_zookeeper_mode(1, &[], Switches::default());
    let before = bench.epoch(1);
    cut_off(&mut bench, 1);
    bench.advance(5_000);
    bench.cut.clear();
    bench.advance(5_000);
    assert!(bench.is_registered(1) && bench.epoch(1) == before);
    assert_eq!(bench.count("BrokerRegistrationLearned"), 1);
}

#[test]
fn a_broker_that_is_back_before_its_former_session_is_over_waits_for_that() {
    let mut bench = Bench::in_zookeeper_mode(1, &[], Switches::default());
    let before = bench.epoch(1);
    bench.crash(b(1));
    bench.boot_without_controller(b(1), &BrokerConfig::default());
    bench.advance(1_000);
    assert!(bench.count("RegistrationFoundTaken") > 0);
    assert_eq!(bench.epoch(1), None);
    bench.advance(10_000);
    assert!(bench.is_registered(1) && bench.epoch(1) > before);
}

#[test]
fn a_registration_whose_answer_was_lost_is_recognised_as_its_own() {
    for (rule, runs) in [("replaced", true), ("owner-compared", true), ("waits", false)] {
        let mut bench = Bench::in_zookeeper_mode(0, &[], switched(&[("re-registration", rule)]));
        bench.lose_the_answer(1, path::broker_id(b(1)));
        bench.boot_without_controller(b(1), &BrokerConfig::default());
        bench.advance(3_000);
        assert!(bench.is_registered(1), "{rule}");
        assert_eq!(bench.epoch(1).is_some(), runs, "{rule}");
    }
}

#[test]
fn with_an_orderly_end_the_znode_goes_at_once() {
    let mut bench = Bench::in_zookeeper_mode(1, &[], Switches::default());
    bench.input(b(1), Input::Command(Command::ShutDown));
    bench.advance(100);
    assert!(bench.halted.contains(&b(1)) && !bench.is_registered(1));
    assert_eq!(bench.count("BrokerShutDownCleanly"), 1);
}

#[test]
fn a_broker_whose_leaders_cannot_all_move_asks_again_and_goes_in_the_end_all_the_same() {
    let mut bench = Bench::in_zookeeper_mode(
        1,
        &[
            ("controlled.shutdown.max.retries", "3"),
            ("controlled.shutdown.retry.backoff.ms", "1000"),
        ],
        Switches::default(),
    );
    bench.leaders_stay = vec![orders(0)];
    bench.input(b(1), Input::Command(Command::ShutDown));
    bench.advance(1_500);
    assert!(!bench.halted.contains(&b(1)) && bench.is_registered(1));
    bench.advance(2_000);
    assert!(bench.halted.contains(&b(1)) && !bench.is_registered(1));
}

#[test]
fn a_broker_that_finds_no_server_gives_up_after_the_connection_timeout() {
    let settings = [("zookeeper.connection.timeout.ms", "3000")];
    let config = BrokerConfig::resolve(Release::DEFAULT, settings).unwrap();
    let mut bench = Bench::in_zookeeper_mode(0, &[], Switches::default());
    cut_off(&mut bench, 1);
    bench.boot_without_controller(b(1), &config);
    bench.advance(2_000);
    assert!(!bench.halted.contains(&b(1)));
    bench.advance(2_000);
    assert!(bench.halted.contains(&b(1)));
}

#[test]
fn what_a_controller_says_too_early_waits_until_the_broker_is_registered() {
    let mut bench = Bench::in_zookeeper_mode(1, &[], Switches::default());
    bench.crash(b(1));
    bench.boot_without_controller(b(1), &BrokerConfig::default());
    let asked = bench.ask_leader_and_isr(1, NOW, told(Some(1), 0, &[1], &[1], 0));
    assert!(bench.answer(asked).is_none(), "its former session is in its way");
    bench.advance(10_000);
    assert!(bench.answer(asked).is_some());
    assert_eq!(bench.log(b(1)), (0, 0));
}
