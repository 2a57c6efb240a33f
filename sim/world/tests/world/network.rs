//! The network keeps order, delays, stalls and breaks as TCP does.

use crate::toys::*;
use klab_machine::Command;
use klab_machine::DisconnectReason::{Broken, Closed, Refused, Reset, Unreachable};
use klab_machine::input::ConsumerCommand;
use klab_machine::trace::{MessageKind, Outcome, What};
use klab_wire::zookeeper::{FrameKind, Zxid};
use klab_wire::{ApiKey, NodeId, Span, Time};
use klab_world::toy::{Answer, Seen, ToyConfig};
use klab_world::{Latency, NetworkProfile, Tamper, Tampering};
use proptest::prelude::*;

#[test]
fn opening_a_connection_takes_a_round_trip_and_the_listener_learns_it_half_a_round_trip_later() {
    let mut world = pair(ToyConfig::server());
    run(&mut world, millis(10));
    assert_eq!(when(&world, CLIENT, |seen| matches!(seen, Seen::Connected(_))), [2]);
    assert_eq!(when(&world, SERVER, |seen| matches!(seen, Seen::Accepted(CLIENT))), [3]);
}

#[test]
fn a_request_takes_one_latency_and_its_response_another() {
    let mut world = pair(ToyConfig::server());
    run(&mut world, millis(10));
    send(&mut world);
    run(&mut world, millis(20));
    assert_eq!(when(&world, SERVER, is_request), [11]);
    assert_eq!(when(&world, CLIENT, is_response), [12]);
}

#[test]
fn a_server_takes_one_request_of_a_connection_at_a_time_in_the_order_of_sending() {
    let slow = ToyConfig { answer: Answer::After(millis(10)), ..ToyConfig::server() };
    let mut world = pair(slow);
    run(&mut world, millis(10));
    (0..3).for_each(|_| send(&mut world));
    run(&mut world, millis(100));
    assert_eq!(requests(&world), [0, 1, 2]);
    assert_eq!(when(&world, SERVER, is_request), [11, 21, 31]);
}

#[test]
fn nobody_listens_where_no_process_is() {
    let client = ToyConfig::client(&[SERVER, NodeId::broker(9)], 0);
    let mut world =
        world_of(1, steady(), vec![plan(SERVER, ToyConfig::server()), plan(CLIENT, client)]);
    world.crash(SERVER);
    run(&mut world, secs(1));
    assert_eq!(disconnects(&world, CLIENT), [Refused, Refused]);
}

#[test]
fn a_cut_link_stalls_and_what_heals_in_time_is_delivered_late_and_in_order() {
    let mut world = pair(ToyConfig::server());
    run(&mut world, millis(10));
    world.cut(CLIENT, SERVER);
    (0..3).for_each(|_| send(&mut world));
    run(&mut world, millis(2_000));
    assert_eq!(requests(&world), [0; 0]);
    world.heal(CLIENT, SERVER);
    run(&mut world, millis(5_000));
    // Lost at 11 ms; sent again 200, 600, 1400 and 3000 ms later.
    assert_eq!(when(&world, SERVER, is_request), [3_012; 3]);
    assert_eq!(requests(&world), [0, 1, 2]);
    assert!(disconnects(&world, CLIENT).is_empty());
}

#[test]
fn a_cut_that_lasts_breaks_the_connection_at_the_limit_and_only_the_sender_learns_it() {
    let network = NetworkProfile { break_after: secs(5), ..steady() };
    let client = ToyConfig::client(&[SERVER], 0);
    let mut world =
        world_of(1, network, vec![plan(SERVER, ToyConfig::server()), plan(CLIENT, client)]);
    run(&mut world, millis(10));
    world.cut(CLIENT, SERVER);
    send(&mut world);
    run(&mut world, secs(20));
    assert_eq!(disconnects(&world, CLIENT), [Broken]);
    let at = when(&world, CLIENT, |seen| matches!(seen, Seen::Disconnected(..)));
    assert_eq!(at, [6_211], "200 + 400 + 800 + 1600 + 3200 ms after the loss");
    assert!(disconnects(&world, SERVER).is_empty());
}

#[test]
fn with_the_way_back_cut_requests_arrive_and_answers_do_not() {
    let mut world = pair(ToyConfig::server());
    run(&mut world, millis(10));
    world.cut(SERVER, CLIENT);
    send(&mut world);
    run(&mut world, millis(500));
    assert_eq!(requests(&world), [0]);
    // The first request was never acknowledged: its sender sends nothing new.
    send(&mut world);
    run(&mut world, millis(1_000));
    assert_eq!(requests(&world), [0]);
    world.heal(SERVER, CLIENT);
    run(&mut world, secs(10));
    assert_eq!(requests(&world), [0, 1]);
    assert_eq!(when(&world, CLIENT, is_response).len(), 2);
}

#[test]
fn connecting_across_a_cut_repeats_the_first_packet_and_succeeds_after_a_heal() {
    let mut world = pair(ToyConfig::server());
    world.crash(CLIENT);
    run(&mut world, millis(10));
    world.cut(CLIENT, SERVER);
    world.start(CLIENT);
    run(&mut world, millis(2_000));
    world.heal(CLIENT, SERVER);
    run(&mut world, secs(10));
    // Sent at 10 ms, and again 1 and 3 seconds later.
    assert_eq!(when(&world, CLIENT, |seen| matches!(seen, Seen::Connected(_))), [3_012]);
}

#[test]
fn connecting_across_a_lasting_cut_fails_when_the_system_gives_up() {
    let network = NetworkProfile { connect_fails_after: secs(10), ..steady() };
    let client = ToyConfig::client(&[SERVER], 0);
    let mut world =
        world_of(1, network, vec![plan(SERVER, ToyConfig::server()), plan(CLIENT, client)]);
    world.cut(SERVER, CLIENT);
    run(&mut world, secs(60));
    assert_eq!(disconnects(&world, CLIENT), [Unreachable]);
}

#[test]
fn a_crash_resets_connections_and_a_power_cut_says_nothing() {
    let mut crashed = pair(ToyConfig::server());
    run(&mut crashed, millis(10));
    let mut dark = crashed.clone();
    crashed.crash(SERVER);
    dark.cut_power(SERVER);
    run(&mut crashed, secs(1));
    run(&mut dark, secs(1));
    assert_eq!(disconnects(&crashed, CLIENT), [Reset]);
    assert!(disconnects(&dark, CLIENT).is_empty());
    // A new life knows nothing of the connection, and says so when it is used.
    dark.start(SERVER);
    send(&mut dark);
    run(&mut dark, secs(2));
    assert_eq!(disconnects(&dark, CLIENT), [Reset]);
    assert!(requests(&dark).is_empty());
}

#[test]
fn a_paused_server_keeps_its_connections_and_finds_everything_that_waited() {
    let mut world = pair(ToyConfig::server());
    run(&mut world, millis(10));
    world.pause(SERVER);
    send(&mut world);
    run(&mut world, secs(60));
    assert!(requests(&world).is_empty());
    world.resume(SERVER);
    run(&mut world, secs(61));
    assert_eq!(when(&world, SERVER, is_request), [60_000]);
    assert!(disconnects(&world, CLIENT).is_empty());
}

#[test]
fn a_halt_ends_the_process_and_closes_what_it_had() {
    let mut world = pair(ToyConfig::server());
    run(&mut world, millis(10));
    world.shut_down(SERVER);
    run(&mut world, secs(1));
    assert!(!world.is_up(SERVER));
    assert_eq!(disconnects(&world, CLIENT), [Reset]);
}

#[test]
fn an_orderly_close_is_learned_behind_everything_that_was_sent_before() {
    let mut world = pair(ToyConfig::server());
    run(&mut world, millis(10));
    world.slow_link(CLIENT, SERVER, millis(50), 0);
    send(&mut world);
    run(&mut world, millis(10));
    world.slow_link(CLIENT, SERVER, Span::ZERO, 0);
    world.command(CLIENT, Command::Consume(ConsumerCommand::Pause(Vec::new())));
    run(&mut world, millis(100));
    assert_eq!(when(&world, SERVER, is_request), [61]);
    assert_eq!(disconnects(&world, SERVER), [Closed]);
    assert!(disconnects(&world, CLIENT).is_empty(), "who closes is not told");
}

#[test]
fn a_dropped_request_is_never_delivered_nor_what_is_behind_it_and_its_connection_stays() {
    let mut world = pair(ToyConfig::server());
    run(&mut world, millis(10));
    let kind = Some(MessageKind::Request(ApiKey::InitProducerId));
    world.tamper(CLIENT, SERVER, Tamper { kind, count: 1, what: Tampering::Drop });
    (0..2).for_each(|_| send(&mut world));
    let entries = run(&mut world, secs(60));
    // Order is kept: what is behind it cannot arrive either.
    assert_eq!(requests(&world), [0; 0]);
    assert!(disconnects(&world, CLIENT).is_empty());
    let is_drop = |what: &What| matches!(what, What::Fate(fate) if fate.fate == Outcome::Dropped);
    assert_eq!(entries.iter().filter(|entry| is_drop(&entry.what)).count(), 2);
}

#[test]
fn a_delayed_response_comes_late_and_holds_up_those_behind_it() {
    let mut world = pair(ToyConfig::server());
    run(&mut world, millis(10));
    let kind = Some(MessageKind::Response(ApiKey::InitProducerId));
    let what = Tampering::Delay(millis(500));
    world.tamper(SERVER, CLIENT, Tamper { kind, count: 1, what });
    (0..2).for_each(|_| send(&mut world));
    run(&mut world, secs(2));
    assert_eq!(when(&world, CLIENT, is_response), [512, 512]);
}

fn talkative() -> ToyWorld {
    pair(ToyConfig { frames: 3, ..ToyConfig::server() })
}

#[test]
fn frames_arrive_in_the_order_in_which_they_were_said() {
    let mut world = talkative();
    run(&mut world, millis(10));
    let heard = [1, 2, 3].map(|number| Seen::Frame(SERVER, Zxid::new(0, number)));
    assert!(seen(&world, CLIENT).ends_with(&heard), "{:?}", seen(&world, CLIENT));
}

#[test]
fn frames_are_dropped_and_delayed_by_their_kind_as_other_messages_are() {
    let kind = Some(MessageKind::Frame(FrameKind::Ack));
    let is_frame = |seen: &Seen| matches!(seen, Seen::Frame(..));
    let heard = |what: Tampering| {
        let mut world = talkative();
        world.tamper(SERVER, CLIENT, Tamper { kind, count: 1, what });
        run(&mut world, secs(2));
        when(&world, CLIENT, is_frame)
    };
    assert_eq!(heard(Tampering::Drop), [0; 0]);
    let late = heard(Tampering::Delay(millis(500)));
    assert_eq!(late.len(), 3);
    assert!(late.iter().all(|at| *at >= 500), "{late:?}");
}

#[test]
fn frames_wait_behind_a_cut_link_and_come_late() {
    let mut world = talkative();
    world.run(Time(1_500_000), &mut |_| {});
    world.cut(SERVER, CLIENT);
    run(&mut world, millis(400));
    world.heal(SERVER, CLIENT);
    run(&mut world, secs(2));
    let is_frame = |seen: &Seen| matches!(seen, Seen::Frame(..));
    assert_eq!(when(&world, CLIENT, is_frame).len(), 3);
}

#[test]
fn messages_of_one_host_wait_for_each_other_at_its_card() {
    // An InitProducerId request has 78 bytes: at 7,800 bytes a second it takes 10 ms.
    let network = NetworkProfile { bandwidth: Some(7_800), ..steady() };
    let client = ToyConfig::client(&[SERVER], 0);
    let mut world =
        world_of(1, network, vec![plan(SERVER, ToyConfig::server()), plan(CLIENT, client)]);
    run(&mut world, secs(1));
    (0..3).for_each(|_| send(&mut world));
    run(&mut world, secs(2));
    // Out through one card, over the link, in through the other; in between a 49-byte response leaves.
    assert_eq!(when(&world, SERVER, is_request), [1_021, 1_031, 1_041]);
}

#[test]
fn a_link_can_be_made_slower_and_normal_again() {
    let mut world = pair(ToyConfig::server());
    run(&mut world, millis(10));
    world.slow_link(CLIENT, SERVER, millis(50), 0);
    send(&mut world);
    run(&mut world, millis(100));
    world.slow_link(CLIENT, SERVER, Span::ZERO, 0);
    send(&mut world);
    run(&mut world, millis(200));
    assert_eq!(when(&world, SERVER, is_request), [61, 101]);
}

fn lossy(loss_ppm: u32) -> NetworkProfile {
    let jitter = Latency { base: LATENCY, jitter: millis(5), spike: None };
    NetworkProfile { latency: jitter, loss_ppm, ..NetworkProfile::default() }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn order_is_kept_under_loss_jitter_and_cuts(
        seed: u64, loss_ppm in 0..400_000_u32, cuts in prop::collection::vec((0..8_u64, any::<bool>()), 0..6)
    ) {
        let client = ToyConfig::client(&[SERVER], 4);
        let plans = vec![plan(SERVER, ToyConfig::server()), plan(CLIENT, client)];
        let mut world = world_of(seed, lossy(loss_ppm), plans);
        for (at, there) in cuts {
            let (from, to) = if there { (CLIENT, SERVER) } else { (SERVER, CLIENT) };
            world.cut(from, to);
            let now = world.now().0;
            run(&mut world, Span(now) + secs(at));
            world.heal(from, to);
            run(&mut world, Span(now) + secs(at + 10));
        }
        let now = world.now().0;
        run(&mut world, Span(now) + secs(120));
        let order = requests(&world);
        prop_assume!(!order.is_empty()); // Heavy loss can keep the connection from opening.
        let expected: Vec<u32> = (0..order.len() as u32).collect();
        prop_assert_eq!(order, expected);
    }
}

#[test]
fn a_host_without_power_sends_nothing_again_on_a_connection_that_was_closed_before() {
    let late = |power_cut: bool| {
        let mut world = pair(ToyConfig::server());
        run(&mut world, millis(10));
        world.cut(CLIENT, SERVER);
        send(&mut world);
        world.command(CLIENT, Command::Consume(ConsumerCommand::Pause(Vec::new())));
        run(&mut world, millis(500));
        if power_cut {
            world.cut_power(CLIENT);
        }
        world.heal(CLIENT, SERVER);
        run(&mut world, secs(10));
        requests(&world)
    };
    assert_eq!(late(false), [0], "its system sends what is left");
    assert_eq!(late(true), [0; 0]);
}
