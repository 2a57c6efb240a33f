//! What a scenario's acts and nemeses do, and how it is undone.

use crate::clusters::*;
use klab_machine::Fact;
use klab_machine::fact::WorldFact;
use klab_wire::{NodeId, NodeKind, Span, TopicPartition};
use klab_world::World;

fn facts(run_for: &str, more: &str) -> Vec<Stated> {
    facts_of(&mut World::new(&scenario(run_for, more), 1))
}

/// The leader of a partition by what was stated until a time.
fn leader_of(partition: &TopicPartition, facts: &[Stated]) -> NodeId {
    let mut leader = None;
    for stated in facts.iter().take_while(|stated| stated.millis < 4_000) {
        if stated.fact.name() == "BecameLeader"
            && stated.fact.field("partition") == Some(partition.to_string())
        {
            leader = Some(stated.node);
        }
    }
    leader.expect("somebody leads")
}

#[test]
fn a_role_is_whoever_has_it_when_the_time_comes_and_for_brings_it_back() {
    let more = "[[at]]\ntime = \"4s\"\ncrash = \"leader of orders-1\"\nfor = \"1500ms\"";
    let facts = facts("7s", more);
    let leader = leader_of(&TopicPartition::new("orders", 1), &facts);
    assert_eq!(named(&facts, "ProcessCrashed"), [(4_000, leader)]);
    assert!(named(&facts, "ProcessStarted").contains(&(5_500, leader)));
}

#[test]
fn a_link_that_two_faults_cut_heals_with_the_later_one() {
    let more = r#"
        [[at]]
        time = "3s"
        cut = { from = "b1", to = "b2" }
        for = "2s"
        [[at]]
        time = "4s"
        cut = { from = "b1", to = "b2" }
        for = "2s"
        "#;
    let facts = facts("8s", more);
    assert_eq!(named(&facts, "LinkCut"), [(3_000, NodeId::broker(1))]);
    assert_eq!(named(&facts, "LinkHealed"), [(6_000, NodeId::broker(1))]);
}

#[test]
fn a_selector_that_matches_nobody_is_stated() {
    let facts = facts("5s", "[[at]]\ntime = \"4s\"\nstart = \"down\"");
    let unmatched = facts.iter().find(|stated| stated.fact.name() == "SelectorUnmatched");
    let selector = "down".to_string();
    let expected = Fact::World(WorldFact::SelectorUnmatched { selector });
    assert_eq!(unmatched.map(|stated| (stated.millis, &stated.fact)), Some((4_000, &expected)));
}

#[test]
fn isolation_cuts_both_ways_and_spares_the_exception() {
    let more =
        "[[at]]\ntime = \"4s\"\nisolate = { nodes = \"b1\", except = \"voters\" }\nfor = \"1s\"";
    let facts = facts("7s", more);
    let cut: Vec<_> = facts
        .iter()
        .filter_map(|stated| match &stated.fact {
            Fact::World(WorldFact::LinkCut { to }) => Some((stated.node, *to)),
            _ => None,
        })
        .collect();
    let isolated = NodeId::broker(1);
    assert!(
        cut.contains(&(isolated, NodeId::broker(2)))
            && cut.contains(&(NodeId::broker(2), isolated))
    );
    assert!(
        cut.iter().all(|(from, to)| from.kind != NodeKind::Voter && to.kind != NodeKind::Voter)
    );
}

#[test]
fn a_rolling_restart_stops_one_broker_at_a_time_in_order() {
    let more = "[[at]]\ntime = \"4s\"\nrolling-restart = { nodes = \"brokers\" }";
    let facts = facts("40s", more);
    let brokers = [1, 2, 3].map(NodeId::broker);
    let asked = named(&facts, "ShutdownRequested");
    assert_eq!(asked.iter().map(|(_, node)| *node).collect::<Vec<_>>(), brokers);
    for (place, node) in brokers.into_iter().enumerate() {
        let again = Fact::World(WorldFact::ProcessStarted { life: 2 });
        let started = facts.iter().find(|stated| stated.node == node && stated.fact == again);
        let started = started.unwrap_or_else(|| panic!("{node} comes back")).millis;
        assert!(started > asked[place].0);
        assert!(asked.get(place + 1).is_none_or(|(next, _)| started <= *next));
    }
}

#[test]
fn a_nemesis_strikes_within_its_time_and_its_faults_end() {
    let more = r#"
        [[nemesis]]
        families = ["crash", "pause", "cut", "slow-link", "clock-step"]
        every = "700ms"
        from = "3s"
        until = "9s"
        lasts = { min = "200ms", max = "1s" }
        "#;
    let scenario = scenario("12s", more);
    let facts = facts_of(&mut World::new(&scenario, 5));
    let began = ["ProcessCrashed", "ProcessPaused", "LinkCut", "LinkSlowed", "ClockStepped"];
    let strikes: Vec<u64> =
        began.iter().flat_map(|name| named(&facts, name)).map(|(at, _)| at).collect();
    assert!(strikes.len() > 4, "{strikes:?}");
    assert!(strikes.iter().all(|at| (3_000..10_001).contains(at)), "{strikes:?}");
    assert_eq!(named(&facts, "ProcessPaused").len(), named(&facts, "ProcessResumed").len());
    assert_eq!(named(&facts, "LinkCut").len(), named(&facts, "LinkHealed").len());
    assert_eq!(facts, facts_of(&mut World::new(&scenario, 5)));
}

#[test]
fn a_second_nemesis_moves_no_strike_of_the_first() {
    let pauses = r#"
        [[nemesis]]
        families = ["pause"]
        nodes = "b1"
        every = "900ms"
        lasts = { min = "100ms", max = "200ms" }
        "#;
    let jumps = r#"
        [[nemesis]]
        families = ["clock-step"]
        nodes = "b2"
        every = "900ms"
        "#;
    let first_alone = named(&facts("8s", pauses), "ProcessPaused");
    let both = named(&facts("8s", &format!("{pauses}{jumps}")), "ProcessPaused");
    assert!(first_alone.len() > 3);
    assert_eq!(both, first_alone);
}

#[test]
fn a_dropped_response_is_asked_for_again() {
    let more = r#"
        [[at]]
        time = "4s"
        drop = { from = "producers", to = "leader of orders-0", api = "Produce", response = true }
        "#;
    let mut world = World::new(&scenario("6s", more), 1);
    let facts = facts_until(&mut world, Span::from_secs(6));
    let tampered = named(&facts, "MessagesTampered");
    assert_eq!(tampered.len(), 1);
    assert_eq!(tampered[0].1.kind, NodeKind::Broker, "a response travels from the broker");
}

#[test]
fn in_combined_mode_the_controller_goes_after_its_broker() {
    let more = r#"
        [cluster]
        controller = { mode = "kraft", voters = 3, combined = true }
        [[at]]
        time = "6s"
        shutdown = "controller"
        for = "2s"
        "#;
    let facts = facts("12s", more);
    let (_, active) = named(&facts, "ShutdownRequested")[0];
    let first =
        |name| named(&facts, name).into_iter().find(|(at, node)| *at >= 6_000 && *node == active);
    let (clean, halted) =
        (first("BrokerShutDownCleanly").unwrap(), first("ProcessHalted").unwrap());
    assert!(clean <= first("QuorumLeaderResigned").unwrap() && clean <= halted);
    assert!(first("ProcessStarted").unwrap() > halted);
}
