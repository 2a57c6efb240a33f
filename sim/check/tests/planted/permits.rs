//! The same loss under different settings: a violation under one, permitted by another.

use crate::story::{
    B1, B2, B3, C1, C2, P1, Story, Told, V1, batch, flushing, orders, settings, with_producer,
};
use klab_check::{
    Convergence, ProducerSettings, Promise, Setting, Settings, Status, Stuck, TopicSettings,
    Verdict,
};
use klab_machine::fact::{ClientFact, ControllerFact, LogFact, ReplicationFact, WorldFact};
use klab_wire::{Acks, ElectionType, ErrorCode, NodeId, Offset, ProducerEpoch, ProducerId};

const LOST: Promise = Promise::NoAckedRecordIsLost;

pub fn permitted_by(verdict: &Verdict, promise: Promise) -> Vec<Setting> {
    let found = verdict.promise(promise);
    assert_eq!(found.status, Status::Permitted, "{found:#?}");
    found.permitted_by.clone()
}

/// The leader acknowledged what nobody else had, and another one was elected cleanly.
fn lost_with(acks: Acks) -> Verdict {
    let producer = ProducerSettings { acks, idempotence: false, ..ProducerSettings::default() };
    let story = Story::with(with_producer(producer)).with_five_acked().sends(105, 1);
    let story = story.appends(B1, batch(0, 5, 1, 105), true).acked(105, 5);
    let story = story.elects(B2, 1, &[B2, B3]).leads(B2, 1, 5, 5);
    story.truncates(B1, 6, 5).end()
}

#[test]
fn one_acknowledgement_is_lost_with_its_leader() {
    assert_eq!(permitted_by(&lost_with(Acks::Leader), LOST), [Setting::AcksLeader]);
    assert_eq!(lost_with(Acks::All).promise(LOST).status, Status::Violated);
}

#[test]
fn an_offset_that_was_overwritten_is_inconsistent_as_far_as_the_loss_is_permitted() {
    let producer = ProducerSettings { acks: Acks::Leader, ..ProducerSettings::default() };
    let story = Story::with(with_producer(producer)).with_five_acked().sends(105, 1).sends(106, 1);
    let story = story.appends(B1, batch(0, 5, 1, 105), true).acked(105, 5);
    let story = story.elects(B2, 1, &[B2, B3]).leads(B2, 1, 5, 5).truncates(B1, 6, 5);
    let story = story.replicated(B2, &[B3, B1], batch(1, 5, 1, 106)).commits(B2, 1, 5, 6);
    let verdict = story.acked(106, 5).polls(C1, &[(0, 100, 5), (5, 106, 1)]).end();
    assert_eq!(permitted_by(&verdict, Promise::NoInconsistentOffsets), [Setting::AcksLeader]);
    assert_eq!(verdict.promise(LOST).permitted, 1);
    assert_eq!(verdict.promise(LOST).violations, 0);
}

#[test]
fn a_committed_record_is_promised_to_one_acknowledgement_too() {
    let producer = ProducerSettings { acks: Acks::Leader, ..ProducerSettings::default() };
    let story = Story::with(with_producer(producer)).with_five_acked();
    let story = story.truncates(B2, 5, 0).elects(B2, 1, &[B2, B3]).leads(B2, 1, 0, 0).end();
    assert_eq!(story.promise(LOST).status, Status::Violated);
}

fn unclean(allowed: bool) -> Settings {
    let defaults = TopicSettings { unclean_leader_election: allowed, ..settings().defaults };
    Settings { defaults, ..settings() }
}

/// b3 was out of the ISR when five records were committed; it leads all the same.
fn elected_uncleanly(settings: Settings, before: impl Fn(Story) -> Story) -> Verdict {
    let story = Story::with(settings).changes_isr(&[B1, B2], 1).sends(100, 5);
    let story = story.replicated(B1, &[B2], batch(0, 0, 5, 100)).commits(B1, 0, 0, 5);
    let story = before(story.acked(100, 0)).elects_uncleanly(B3, 1).leads(B3, 1, 0, 0);
    story.truncates(B1, 5, 0).truncates(B2, 5, 0).end()
}

#[test]
fn an_unclean_election_is_permitted_by_its_switch_or_by_an_operator() {
    let lost = elected_uncleanly(unclean(true), |story| story);
    assert_eq!(permitted_by(&lost, LOST), [Setting::UncleanLeaderElection]);
    let survive = Promise::CommittedRecordsSurvive;
    assert_eq!(permitted_by(&lost, survive), [Setting::UncleanLeaderElection]);

    let lost = elected_uncleanly(unclean(false), |story| story);
    assert_eq!(lost.promise(LOST).status, Status::Violated);
    assert_eq!(lost.promise(survive).status, Status::Violated);

    let requested = ControllerFact::ElectionRequested {
        partition: crate::story::orders(),
        election: ElectionType::Unclean,
    };
    let lost =
        elected_uncleanly(unclean(false), |story| story.fact(crate::story::V1, requested.clone()));
    assert_eq!(permitted_by(&lost, LOST), [Setting::UncleanElectionRequested]);

    let switched = ControllerFact::ConfigChanged {
        resource: "topic orders".into(),
        name: "unclean.leader.election.enable".into(),
        value: Some("true".into()),
    };
    let lost =
        elected_uncleanly(unclean(false), |story| story.fact(crate::story::V1, switched.clone()));
    assert_eq!(permitted_by(&lost, LOST), [Setting::UncleanLeaderElection]);
}

/// These replicas lose their power and their five unflushed records; then b1 leads again.
fn power_lost(settings: Settings, nodes: &[klab_wire::NodeId]) -> Verdict {
    let story = Story::with(settings).with_five_acked();
    let story = nodes.iter().fold(story, |story, node| story.power_cut(*node));
    let story = nodes.iter().fold(story, |story, node| story.loaded(*node, 0));
    let story = story.elects(B1, 1, &[B1, B2, B3]).leads(B1, 1, 0, 0);
    [B2, B3].iter().fold(story, |story, node| story.truncates(*node, 5, 0)).end()
}

/// Five records are committed where every batch is flushed before it counts; then this comes.
fn flushed_and_committed(then: impl Fn(Story) -> Story) -> Verdict {
    let story = Story::with(flushing()).sends(100, 5);
    let story = story.replicated(B1, &[B2, B3], batch(0, 0, 5, 100));
    let story = [B1, B2, B3].into_iter().fold(story, |story, node| story.flushes(node, 5));
    then(story.commits(B1, 0, 0, 5).acked(100, 0)).end()
}

/// These come back with nothing, and the first leads.
fn come_back_empty(story: Story, nodes: &[NodeId]) -> Story {
    let story = nodes.iter().fold(story, |story, node| story.loaded(*node, 0));
    let story = story.elects(B1, 1, &[B1, B2, B3]).leads(B1, 1, 0, 0);
    [B2, B3].iter().fold(story, |story, node| story.truncates(*node, 5, 0))
}

#[test]
fn no_power_cut_permits_the_loss_of_what_every_member_had_to_flush() {
    let all = [B1, B2, B3];
    let lost = flushed_and_committed(|story| {
        let story = all.iter().fold(story, |story, node| story.power_cut(*node));
        come_back_empty(story, &all)
    });
    assert_eq!(lost.promise(LOST).status, Status::Violated);
    assert_eq!(lost.promise(Promise::FlushedRecordsSurvive).status, Status::Violated);
}

#[test]
fn a_lost_disk_takes_what_was_flushed_too() {
    let lost = flushed_and_committed(|story| {
        let disks = [B1, B2];
        let lose = |story: Story, node: &NodeId| story.fact(*node, WorldFact::DiskReplaced {});
        come_back_empty(disks.iter().fold(story, lose), &disks)
    });
    assert_eq!(permitted_by(&lost, LOST), [Setting::MinInsyncReplicas(2)]);
}

#[test]
fn what_a_killed_process_had_not_flushed_may_be_committed_and_lost_after_it() {
    let story = Story::with(flushing()).sends(100, 5);
    let story = story.replicated(B1, &[B2, B3], batch(0, 0, 5, 100)).flushes(B3, 5);
    let story = story.changes_isr(&[B1, B2], 1).loaded(B1, 5).loaded(B2, 5).leads(B1, 0, 5, 0);
    let story = story.commits(B1, 0, 0, 5).acked(100, 0).power_cut(B1).power_cut(B2);
    let lost = come_back_empty(story, &[B1, B2]).end();
    assert_eq!(permitted_by(&lost, LOST), [Setting::MinInsyncReplicas(2)]);
    assert_eq!(lost.promise(Promise::CommittedRecordsAreFlushed).violations, 0);
}

#[test]
fn a_config_that_comes_later_promises_no_fsync_of_what_was_there() {
    let told = |at_once: bool| {
        let config = ControllerFact::ConfigChanged {
            resource: "topic orders".into(),
            name: "flush.messages".into(),
            value: Some("1".into()),
        };
        let story = Story::of(settings(), Vec::new());
        let story = if at_once { story.fact(V1, config.clone()) } else { story };
        let story = story.begun().replicated(B1, &[B2, B3], batch(0, 0, 3, 100));
        let story = if at_once { story } else { story.fact(V1, config) };
        story.commits(B1, 0, 0, 3).end().promise(Promise::CommittedRecordsAreFlushed).status
    };
    assert_eq!([told(true), told(false)], [Status::Violated, Status::NotChecked]);
}

/// b1 and b2 lose their power and all they had; b1 leads on in its epoch, and b3 goes on behind what it has.
#[test]
fn what_a_leader_writes_twice_in_one_epoch_is_permitted_in_zookeeper_mode_alone() {
    let status = |zookeeper_mode: bool| {
        let story = Story::with(Settings { zookeeper_mode, ..settings() }).with_five_acked();
        let cut = [B1, B2];
        let story = cut.iter().fold(story, |story, node| story.power_cut(*node));
        let story = cut.iter().fold(story, |story, node| story.loaded(*node, 0));
        let story = story.leads(B1, 0, 0, 0).appends(B1, batch(0, 0, 5, 200), true);
        let story = story.appends(B1, batch(0, 5, 1, 205), true);
        let story = story.appends(B3, batch(0, 5, 1, 205), false).end();
        story.promise(Promise::SameBatchSamePast).status
    };
    assert_eq!([status(true), status(false)], [Status::Permitted, Status::Violated]);
}

#[test]
fn a_follower_that_gave_up_after_a_loss_by_leave_may_stay_out_of_sync() {
    let verdict = |gives_up: bool, lost: bool| {
        let story = Story::with(settings()).with_five_acked();
        let cut: &[NodeId] = if lost { &[B1, B2] } else { &[] };
        let story = cut.iter().fold(story, |story, node| story.power_cut(*node));
        let story = cut.iter().fold(story, |story, node| story.loaded(*node, 0));
        let fact = ReplicationFact::FetchingGivenUp {
            partition: orders(),
            base: Offset(4),
            end: Offset(5),
        };
        let story = if gives_up { story.fact(B3, fact) } else { story };
        let out_of_sync = Some((orders(), vec![B3]));
        let stuck = Stuck { what: "orders-0 is not in sync on [b3]".into(), out_of_sync };
        let story = story.converges(Convergence::Missed { reasons: vec![stuck] }).end();
        story.promise(Promise::ClusterConverges).status
    };
    assert_eq!(verdict(true, true), Status::Permitted);
    assert_eq!(verdict(false, true), Status::Violated);
    assert_eq!(verdict(true, false), Status::Violated);
}

#[test]
fn as_many_lossy_power_cuts_as_min_insync_replicas_may_lose_a_record() {
    let by = Setting::MinInsyncReplicas(2);
    assert_eq!(permitted_by(&power_lost(settings(), &[B1, B2]), LOST), [by]);
    assert_eq!(permitted_by(&power_lost(settings(), &[B1, B2, B3]), LOST), [by]);
    // One is fewer than promised: the election should have gone to another replica.
    assert_eq!(power_lost(settings(), &[B1]).promise(LOST).status, Status::Violated);
}

/// Five records are read before these replicas lose their power and all of them; their offsets are given again.
fn read_twice(nodes: &[klab_wire::NodeId]) -> Verdict {
    let story = Story::new().with_five_acked().polls(C1, &[(0, 100, 5)]).sends(200, 5);
    let story = nodes.iter().fold(story, |story, node| story.power_cut(*node));
    let story = nodes.iter().fold(story, |story, node| story.loaded(*node, 0));
    let story = story.elects(B1, 1, &[B1, B2, B3]).leads(B1, 1, 0, 0);
    let story = [B2, B3].iter().fold(story, |story, node| story.truncates(*node, 5, 0));
    let story = story.replicated(B1, &[B2, B3], batch(1, 0, 5, 200)).commits(B1, 1, 0, 5);
    story.acked(200, 0).polls(C2, &[(0, 200, 5)]).end()
}

#[test]
fn offsets_that_are_given_again_are_inconsistent_as_far_as_the_loss_is_permitted() {
    let by = Setting::MinInsyncReplicas(2);
    let verdict = read_twice(&[B1, B2, B3]);
    assert_eq!(permitted_by(&verdict, Promise::NoInconsistentOffsets), [by]);
    assert_eq!(permitted_by(&verdict, LOST), [by]);
    let verdict = read_twice(&[B1]);
    assert_eq!(verdict.promise(Promise::NoInconsistentOffsets).status, Status::Violated);
    assert_eq!(verdict.promise(Promise::NoInconsistentOffsets).permitted, 0);
}

#[test]
fn an_offset_that_was_never_given_again_is_not_excused_by_a_loss_elsewhere() {
    let story = Story::with(unclean(true)).with_five_acked().elects_uncleanly(B3, 1);
    let story = story.leads(B3, 1, 5, 5).sends(200, 1).polls(C1, &[(0, 100, 5)]);
    let verdict = story.polls(C2, &[(0, 200, 1)]).end();
    assert_eq!(verdict.promise(Promise::NoInconsistentOffsets).status, Status::Violated);
}

#[test]
fn a_power_cut_counts_before_the_log_is_opened_again_and_not_if_nothing_was_lost() {
    // Two lose their power; the first to come back leads before the other one has opened its log.
    let story = Story::new().with_five_acked().power_cut(B1).power_cut(B2).loaded(B1, 0);
    let story = story.elects(B1, 1, &[B1]).leads(B1, 1, 0, 0);
    let survive = Promise::CommittedRecordsSurvive;
    let by = Setting::MinInsyncReplicas(2);
    assert_eq!(permitted_by(&story.clone().end(), survive), [by]);
    // Had the other one everything, the first one alone is to blame, and need not have led.
    let spared = Story::new().with_five_acked().power_cut(B1).power_cut(B2).loaded(B2, 5);
    let spared = spared.loaded(B1, 0).elects(B1, 1, &[B1, B3]).leads(B1, 1, 0, 0).end();
    assert_eq!(spared.promise(LOST).status, Status::Violated);
}

#[test]
fn what_was_flushed_is_not_excused_by_a_power_cut() {
    let flushed = LogFact::LogFlushed { partition: crate::story::orders(), to: Offset(5) };
    let story = Story::new().with_five_acked();
    let story = [B1, B2, B3].iter().fold(story, |story, node| story.fact(*node, flushed.clone()));
    let story = [B1, B2, B3].iter().fold(story, |story, node| story.power_cut(*node));
    let story = [B1, B2, B3].iter().fold(story, |story, node| story.loaded(*node, 0));
    let verdict = story.elects(B1, 1, &[B1]).leads(B1, 1, 0, 0).end();
    assert_eq!(verdict.promise(LOST).status, Status::Violated);
    assert_eq!(verdict.promise(Promise::FlushedRecordsSurvive).violations, 3);
}

#[test]
fn kip_966_the_last_member_of_the_isr_leads_again_without_its_unflushed_tail() {
    let lost = |settings: Settings| {
        let story = Story::with(settings).with_five_acked();
        let story = story.changes_isr(&[B1, B2], 1).changes_isr(&[B1], 2);
        let story = story.power_cut(B1).loaded(B1, 0).elects(B1, 1, &[B1]).leads(B1, 1, 0, 0);
        story.truncates(B2, 5, 0).truncates(B3, 5, 0).end()
    };
    let by = Setting::NoEligibleLeaderReplicas;
    assert_eq!(permitted_by(&lost(settings()), LOST), [by]);
    let with_elr = Settings { eligible_leader_replicas: true, ..settings() };
    assert_eq!(lost(with_elr).promise(LOST).status, Status::Violated);
}

#[test]
fn kip_966_the_last_one_left_in_the_isr_may_have_lost_its_tail_before() {
    let story =
        Story::new().with_five_acked().changes_isr(&[B1, B2], 1).power_cut(B1).loaded(B1, 0);
    let story = story.elects(B1, 1, &[B1]).leads(B1, 1, 0, 0).truncates(B2, 5, 0);
    let verdict = story.truncates(B3, 5, 0).end();
    assert_eq!(permitted_by(&verdict, LOST), [Setting::NoEligibleLeaderReplicas]);
}

#[test]
fn losses_that_were_made_good_in_between_do_not_add_up() {
    let story = Story::new().with_five_acked();
    let refetch = |story: Story| story.appends(B2, batch(0, 0, 5, 100), false);
    let lost = |made_good: bool| {
        let story = story.clone().power_cut(B2).loaded(B2, 0);
        let story = if made_good { refetch(story) } else { story };
        let story = story.power_cut(B3).loaded(B3, 0).elects(B3, 1, &[B3, B1]);
        story.leads(B3, 1, 0, 0).truncates(B1, 5, 0).truncates(B2, 5, 0).end()
    };
    assert_eq!(permitted_by(&lost(false), LOST), [Setting::MinInsyncReplicas(2)]);
    assert_eq!(lost(true).promise(LOST).status, Status::Violated);
}

#[test]
fn who_followed_a_leader_that_lost_records_by_leave_may_lead_without_them_afterwards() {
    let told = |last_in_sync: bool| {
        let story = Story::new().with_five_acked();
        let isr: &[NodeId] = if last_in_sync { &[B2] } else { &[B2, B3] };
        let story = story.changes_isr(isr, 1).power_cut(B2).loaded(B2, 0);
        let story = story.elects(B2, 1, isr).leads(B2, 1, 0, 0);
        // b1 cuts off what b2 has lost, b2 gets it again from b3, and b1 is elected.
        let story = story.truncates(B1, 5, 0).appends(B2, batch(0, 0, 5, 100), false);
        story.elects(B1, 2, &[B1]).leads(B1, 2, 0, 0).end()
    };
    assert_eq!(permitted_by(&told(true), LOST), [Setting::NoEligibleLeaderReplicas]);
    assert_eq!(told(false).promise(LOST).status, Status::Violated);
}

#[test]
fn a_record_keeps_the_promise_under_which_it_was_committed() {
    let lowered = ControllerFact::ConfigChanged {
        resource: "topic orders".into(),
        name: "min.insync.replicas".into(),
        value: Some("1".into()),
    };
    let story = Story::new().with_five_acked().fact(V1, lowered);
    let story = story.power_cut(B3).loaded(B3, 0).elects(B3, 1, &[B3, B1]).leads(B3, 1, 0, 0);
    let verdict = story.truncates(B1, 5, 0).truncates(B2, 5, 0).end();
    assert_eq!(verdict.promise(LOST).status, Status::Violated);
}

#[test]
fn kip_966_the_last_known_leader_may_lead_when_the_eligible_have_stopped_uncleanly() {
    let with_elr = || Settings { eligible_leader_replicas: true, ..settings() };
    let lost = |others: &[klab_wire::NodeId]| {
        let story = Story::with(with_elr()).with_five_acked().changes_isr(&[B1, B2], 1);
        let story = others.iter().fold(story.power_cut(B1), |story, node| {
            story.fact(*node, WorldFact::ProcessCrashed {})
        });
        let story = story.loaded(B1, 0).elects_uncleanly(B1, 1).leads(B1, 1, 0, 0);
        story.truncates(B2, 5, 0).truncates(B3, 5, 0).end()
    };
    assert_eq!(permitted_by(&lost(&[B2]), LOST), [Setting::MinInsyncReplicas(2)]);
    assert_eq!(lost(&[]).promise(LOST).status, Status::Violated);
}

#[test]
fn without_idempotence_a_batch_may_be_repeated_and_overtaken() {
    let producer = ProducerSettings { idempotence: false, ..ProducerSettings::default() };
    let told = |settings| {
        let story = Story::with(settings).sends(100, 1).sends(101, 1);
        let story = story.replicated(B1, &[B2, B3], batch(0, 0, 1, 101));
        let story = story.replicated(B1, &[B2, B3], batch(0, 1, 1, 100)).commits(B1, 0, 0, 2);
        let story = story.acked(101, 0).acked(100, 1);
        story.polls(C1, &[(0, 101, 1), (1, 100, 1), (2, 101, 1)]).end()
    };
    let verdict = told(with_producer(producer));
    assert_eq!(permitted_by(&verdict, Promise::PerPartitionOrder), [Setting::MaxInFlight(5)]);
    assert_eq!(permitted_by(&verdict, Promise::NoDuplicates), [Setting::NoIdempotence]);

    let verdict = told(settings());
    assert_eq!(verdict.promise(Promise::PerPartitionOrder).status, Status::Violated);
    assert_eq!(verdict.promise(Promise::NoDuplicates).status, Status::Violated);

    let one_in_flight = ProducerSettings { max_in_flight: 1, ..producer };
    let verdict = told(with_producer(one_in_flight));
    assert_eq!(verdict.promise(Promise::PerPartitionOrder).status, Status::Violated);
}

/// The same value at two offsets, by an idempotent producer; the leader may have been started in between.
fn repeated(max_in_flight: u32, restarted: bool) -> Verdict {
    let producer = ProducerSettings { max_in_flight, ..ProducerSettings::default() };
    let story = Story::with(with_producer(producer)).with_five_acked();
    let story = if restarted { story.loaded(B1, 5).leads(B1, 0, 5, 5) } else { story };
    let story = story.replicated(B1, &[B2, B3], batch(0, 5, 5, 100)).commits(B1, 0, 5, 10);
    story.polls(C1, &[(0, 100, 5), (5, 100, 5)]).end()
}

#[test]
fn a_leader_that_was_started_again_knows_only_the_last_batch_of_an_idempotent_producer() {
    let twice = Promise::NoDuplicates;
    assert_eq!(permitted_by(&repeated(5, true), twice), [Setting::MaxInFlight(5)]);
    assert_eq!(repeated(1, true).promise(twice).status, Status::Violated);
    assert_eq!(repeated(5, false).promise(twice).status, Status::Violated);
}

#[test]
fn kip_360_a_producer_sends_again_what_it_has_given_up_or_a_deposed_leader_refuses() {
    let twice = Promise::NoDuplicates;
    let sequenced = |base, epoch| Told { sequence: Some((epoch, 0)), ..batch(1, base, 1, 100) };
    let gives_up =
        ClientFact::ProducerEpochBumped { producer: ProducerId(7), epoch: ProducerEpoch(1) };
    let told = |late: bool, refused_by: NodeId, epoch| {
        let story = Story::with(settings()).leads(B2, 0, 0, 0).sends(100, 1);
        let story = if late { story.fact(P1, gives_up.clone()) } else { story };
        let story = story.elects(B1, 1, &[B1, B2, B3]).leads(B1, 1, 0, 0);
        let story = story.replicated(B1, &[B3], sequenced(0, 0));
        let story = story.answers(refused_by, Acks::All, 0, ErrorCode::OutOfOrderSequenceNumber);
        let story = if late { story } else { story.fact(P1, gives_up.clone()) };
        let story = story.replicated(B1, &[B2, B3], sequenced(1, epoch)).commits(B1, 1, 0, 2);
        story.acked(100, 1).polls(C1, &[(0, 100, 1), (1, 100, 1)]).end()
    };
    assert_eq!(permitted_by(&told(true, B1, 1), twice), [Setting::NewProducerEpoch]);
    assert_eq!(permitted_by(&told(false, B2, 1), twice), [Setting::NewProducerEpoch]);
    // The leader that has it must know it, and without a new epoch nothing is excused.
    assert_eq!(told(false, B1, 1).promise(twice).status, Status::Violated);
    assert_eq!(told(true, B2, 0).promise(twice).status, Status::Violated);
}

#[test]
fn what_is_in_flight_behind_a_batch_that_is_turned_down_is_sent_again_under_a_new_epoch() {
    let twice = Promise::NoDuplicates;
    let told = |error, sequence| {
        let sequenced =
            |base, epoch| Told { sequence: Some((epoch, sequence)), ..batch(0, base, 1, 100) };
        let story = Story::with(settings()).sends(100, 1);
        let story = story.replicated(B1, &[B2, B3], sequenced(0, 0));
        let failed = ClientFact::BatchFailed { partition: orders(), error, records: 5 };
        let producer = ProducerId(7);
        let bumped = ClientFact::ProducerEpochBumped { producer, epoch: ProducerEpoch(1) };
        let story = story.fact(P1, failed).and(P1, bumped);
        let story = story.replicated(B1, &[B2, B3], sequenced(1, 1)).commits(B1, 0, 0, 2);
        story.acked(100, 1).polls(C1, &[(0, 100, 1), (1, 100, 1)]).end()
    };
    let too_large = told(ErrorCode::RecordListTooLarge, 0);
    assert_eq!(permitted_by(&too_large, twice), [Setting::NewProducerEpoch]);
    // The leader that has a batch must not call the next one out of order, but one that took a later batch for
    // the first knows no better.
    let out_of_order = ErrorCode::OutOfOrderSequenceNumber;
    assert_eq!(told(out_of_order, 0).promise(twice).status, Status::Violated);
    assert_eq!(permitted_by(&told(out_of_order, 5), twice), [Setting::NewProducerEpoch]);
}

#[test]
fn a_leader_that_never_heard_of_a_producer_may_get_its_later_batches_first() {
    let order = Promise::PerPartitionOrder;
    let told = |max_in_flight, first: u32, next: u32| {
        let producer = ProducerSettings { max_in_flight, ..ProducerSettings::default() };
        let story = Story::with(with_producer(producer)).sends(100, 1).sends(101, 1);
        let sequenced = |base, value, epoch, sequence| Told {
            sequence: Some((epoch, sequence)),
            ..batch(0, base, 1, value)
        };
        let story = story.replicated(B1, &[B2, B3], sequenced(0, 101, 0, first));
        let story =
            story.replicated(B1, &[B2, B3], sequenced(1, 100, 1, next)).commits(B1, 0, 0, 2);
        story.acked(101, 0).acked(100, 1).end()
    };
    assert_eq!(permitted_by(&told(5, 1, 0), order), [Setting::MaxInFlight(5)]);
    assert_eq!(told(1, 1, 0).promise(order).status, Status::Violated);
    assert_eq!(told(5, 0, 0).promise(order).status, Status::Violated);
}
