//! What a report begins with.

use crate::story::{B1, B2, B3, C1, P1, Story, V1, V2, batch, orders};
use klab_machine::fact::{ControllerFact, RaftFact, ReplicationFact, WorldFact};
use klab_machine::operation::Outcome;
use klab_wire::{ErrorCode, LeaderEpoch, Offset, Span};

/// b1 dies; after 100 ms b2 is elected, 20 ms later it leads.
fn failover() -> Story {
    let story = Story::new().with_five_acked().after(50).fact(B1, WorldFact::ProcessCrashed {});
    let story = story.after(99).fact(V1, ControllerFact::BrokerFenced { broker: B1 });
    let story = story.and(V1, Story::elected(B2, 1, &[B2, B3]));
    let story = story.and(V1, Story::isr(&[B2, B3], 1));
    story.after(19).leads(B2, 1, 5, 5)
}

#[test]
fn unavailability_runs_from_the_crash_to_the_new_leader() {
    let summary = failover().summed_up();
    let [availability] = &summary.availability[..] else { panic!("{:?}", summary.availability) };
    assert_eq!(availability.partition, orders());
    assert_eq!(availability.interruptions, 1);
    assert_eq!(availability.without_leader, Span::from_millis(120));
    assert_eq!(availability.longest, Span::from_millis(120));
    assert_eq!(availability.under_min_isr, Span::ZERO);
}

#[test]
fn a_short_isr_is_timed_until_it_grows_again_or_the_run_ends() {
    let short = || Story::new().changes_isr(&[B1], 1).after(29);
    let grown = short().changes_isr(&[B1, B2], 2).after(100).summed_up();
    assert_eq!(grown.availability[0].under_min_isr, Span::from_millis(30));
    let ended = short().summed_up();
    assert_eq!(ended.availability[0].under_min_isr, Span::from_millis(30));
}

#[test]
fn a_pause_interrupts_until_the_leader_runs_again() {
    let story = Story::new().fact(B1, WorldFact::ProcessPaused {}).after(9);
    let summary = story.fact(B1, WorldFact::ProcessResumed {}).after(50).summed_up();
    assert_eq!(summary.availability[0].without_leader, Span::from_millis(10));
}

#[test]
fn a_leader_leads_until_it_knows_of_its_successor() {
    let elected = || Story::new().elects(B2, 1, &[B1, B2, B3]);
    let followed = |story: Story| {
        let (partition, epoch) = (orders(), LeaderEpoch(1));
        story.fact(B1, ReplicationFact::BecameFollower { partition, epoch, leader: Some(B2) })
    };
    // The successor is the first to know: no time passes without a leader, and then it may stop.
    let smooth = followed(elected().after(400).leads(B2, 1, 0, 0).after(90));
    let smooth = smooth.fact(B1, WorldFact::ProcessHalted {});
    assert!(smooth.summed_up().availability.is_empty());
    let gap = followed(elected().after(400)).after(29).leads(B2, 1, 0, 0).summed_up();
    assert_eq!(gap.availability[0].without_leader, Span::from_millis(30));
    assert_eq!(gap.availability[0].interruptions, 1);
}

#[test]
fn a_paused_leader_that_was_replaced_does_not_lead_when_it_wakes() {
    let story = Story::new().fact(B1, WorldFact::ProcessPaused {}).after(9);
    let story = story.elects(B2, 1, &[B2, B3]).after(9).fact(B1, WorldFact::ProcessResumed {});
    let summary = story.after(9).leads(B2, 1, 0, 0).summed_up();
    assert_eq!(summary.availability[0].without_leader, Span::from_millis(30));
}

#[test]
fn an_offline_partition_is_without_a_leader() {
    let offline = ControllerFact::PartitionWentOffline {
        partition: orders(),
        epoch: LeaderEpoch(1),
        isr: [B1].into(),
    };
    let story = Story::new().fact(V1, offline).after(9).elects(B1, 2, &[B1]);
    let summary = story.after(9).leads(B1, 2, 0, 0).summed_up();
    assert_eq!(summary.availability[0].without_leader, Span::from_millis(20));
}

#[test]
fn the_timeline_has_what_is_needed_to_retell_the_run() {
    let again = failover().fact(B1, WorldFact::ProcessStarted { life: 2 });
    let summary = again.fact(B2, WorldFact::ProcessStarted { life: 1 }).summed_up();
    let names: Vec<_> = summary.timeline.lines.iter().map(|line| line.name).collect();
    assert_eq!(
        names,
        [
            "ControllerActivated",
            "ProcessCrashed",
            "BrokerFenced",
            "LeaderElected",
            "IsrChanged",
            "ProcessStarted"
        ]
    );
}

#[test]
fn facts_of_one_name_in_one_step_are_one_line() {
    let offline = |index| ControllerFact::PartitionWentOffline {
        partition: klab_wire::TopicPartition::new("orders", index),
        epoch: LeaderEpoch(1),
        isr: [B1].into(),
    };
    let story = Story::new().fact(V1, offline(0)).and(V1, offline(1)).and(V1, offline(2));
    let summary = story.summed_up();
    let line = &summary.timeline.lines[1];
    assert_eq!((line.name, line.more), ("PartitionWentOffline", 2));
}

#[test]
fn sends_are_counted_by_how_they_ended_and_timed_to_the_acknowledgement() {
    let error = ErrorCode::RequestTimedOut;
    let story = Story::new().sends(100, 5).after(9).replicated(B1, &[], batch(0, 0, 5, 100));
    let story = story.acked(100, 0).sends(105, 1).acked(105, 5);
    let story = story.sends(200, 2).ended(P1, 200, Outcome::Failed(error));
    let story = story.sends(300, 3).ended(P1, 300, Outcome::Unknown(error)).sends(400, 4);
    let summary = story.polls(C1, &[(0, 100, 5)]).summed_up();
    let sends = summary.sends;
    assert_eq!((sends.acked, sends.failed, sends.unknown, sends.pending), (6, 2, 3, 4));
    assert_eq!((sends.p50_micros, sends.max_micros), (11_000, 11_000));
    assert_eq!(summary.records_polled, 5);
}

#[test]
fn hot_states_are_timed_in_every_summary() {
    let summary = failover().after(59).fact(V1, ControllerFact::BrokerUnfenced { broker: B1 });
    let hot = summary.summed_up().hot;
    assert_eq!((hot.leaderless.total, hot.leaderless.of), (Span::from_millis(120), 1));
    assert_eq!((hot.fenced.total, hot.fenced.times), (Span::from_millis(80), 1));
    assert_eq!(hot.quorumless, klab_check::Hot::default());
}

#[test]
fn the_quorum_is_without_a_leader_from_its_crash_to_the_next_election() {
    let elected =
        |epoch| RaftFact::QuorumLeaderElected { epoch: LeaderEpoch(epoch), start: Offset(0) };
    let story = Story::new().fact(V1, elected(1)).after(9).fact(V1, WorldFact::ProcessCrashed {});
    let story = story.after(39).fact(V2, elected(2)).after(9).fact(V2, WorldFact::ProcessPaused {});
    let hot = story.after(4).fact(V2, WorldFact::ProcessResumed {}).after(90).summed_up().hot;
    assert_eq!((hot.quorumless.total, hot.quorumless.times), (Span::from_millis(45), 2));
    assert_eq!(hot.quorumless.longest, Span::from_millis(40));
}
