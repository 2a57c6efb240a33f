//! What the replicas of the metadata log state.

use crate::story::{B1, Story, V1, V2, V3, batch};
use klab_check::{Promise, Status};
use klab_machine::fact::{LogFact, RaftFact, WorldFact};
use klab_wire::{LeaderEpoch, NodeId, Offset, OffsetAndEpoch, TopicPartition};

fn stored(epoch: u32, leader: Option<NodeId>, voted: Option<NodeId>) -> RaftFact {
    RaftFact::QuorumStateStored { epoch: LeaderEpoch(epoch), leader, voted }
}

pub fn one_quorum_leader_per_epoch() -> [Story; 2] {
    let elected =
        |epoch| RaftFact::QuorumLeaderElected { epoch: LeaderEpoch(epoch), start: Offset(0) };
    let followed =
        |leader, epoch| RaftFact::QuorumLeaderFollowed { leader, epoch: LeaderEpoch(epoch) };
    // The second leader is of an epoch that is over already.
    let led = || Story::of_quorum().fact(V1, elected(1)).fact(V2, elected(2));
    [led().fact(V3, followed(V3, 1)), led().fact(V3, followed(V1, 1))]
}

pub fn quorum_epoch_is_monotonic() -> [Story; 2] {
    let after = |epoch| {
        Story::of_quorum().fact(V1, stored(3, None, None)).fact(V1, stored(epoch, None, None))
    };
    [after(2), after(3)]
}

pub fn votes_once_per_epoch() -> [Story; 2] {
    let voted = |epoch| {
        let story = Story::of_quorum().fact(V1, stored(3, None, Some(V2)));
        // In between it follows a leader and restarts; the vote counts all the same.
        let story = story.fact(V1, stored(3, Some(V2), None));
        let story = story.fact(V1, WorldFact::ProcessStarted { life: 2 });
        story.fact(V1, stored(epoch, None, Some(V3)))
    };
    [voted(3), voted(4)]
}

fn replicated_to(followers: &[NodeId]) -> Story {
    let story = Story::of_quorum().metadata(V1, batch(1, 0, 3, 0), true);
    followers.iter().fold(story, |story, node| story.metadata(*node, batch(1, 0, 3, 0), false))
}

pub fn metadata_high_watermark_is_monotonic() -> [Story; 2] {
    let both = || replicated_to(&[V2, V3]).commits_metadata(V1, 1, 0, 3);
    [both().commits_metadata(V1, 2, 0, 2), both().commits_metadata(V2, 1, 0, 2)]
}

pub fn majority_has_committed_metadata() -> [Story; 2] {
    [
        replicated_to(&[]).commits_metadata(V1, 1, 0, 3),
        replicated_to(&[V2]).commits_metadata(V1, 1, 0, 3),
    ]
}

#[test]
fn what_a_voter_has_not_flushed_does_not_count() {
    let partition = TopicPartition::cluster_metadata();
    let story = replicated_to(&[]).appends_to(partition, V2, batch(1, 0, 3, 0), false);
    let verdict = story.commits_metadata(V1, 1, 0, 3).end();
    let found = verdict.promise(Promise::MajorityHasCommittedMetadata);
    assert_eq!(found.status, Status::Violated);
}

#[test]
fn a_vote_counts_when_it_is_told() {
    let granted = |candidate| RaftFact::VoteGranted { candidate, epoch: LeaderEpoch(3) };
    let told = |candidate| {
        let story = Story::of_quorum().fact(V1, stored(3, None, Some(V2)));
        story.fact(V1, granted(candidate)).end().promise(Promise::VotesOncePerEpoch).status
    };
    assert_eq!([told(V2), told(V3)], [Status::Kept, Status::Violated]);
}

/// v3 has another batch at offset 0; it believes it committed, or does not.
pub fn committed_metadata_agrees() -> [Story; 2] {
    let diverged = || {
        let story = replicated_to(&[V2]).metadata(V3, batch(2, 0, 3, 9), false);
        story.commits_metadata(V1, 1, 0, 3)
    };
    [diverged().commits_metadata(V3, 2, 0, 3), diverged().commits_metadata(V2, 1, 0, 3)]
}

pub fn no_truncation_below() -> [Story; 2] {
    let cut = |to| {
        let partition = TopicPartition::cluster_metadata();
        let story = replicated_to(&[V2, V3]).commits_metadata(V1, 1, 0, 3);
        let story = story.metadata(V1, batch(1, 3, 1, 3), true);
        story.fact(V1, LogFact::LogTruncated { partition, from: Offset(4), to: Offset(to) })
    };
    [cut(2), cut(3)]
}

pub fn snapshot_at_log_start() -> [Story; 2] {
    let starting = |to| {
        let partition = TopicPartition::cluster_metadata();
        let snapshot = OffsetAndEpoch { offset: Offset(3), epoch: LeaderEpoch(1) };
        let story = replicated_to(&[V2, V3]).commits_metadata(V1, 1, 0, 3);
        let story = story.fact(V1, RaftFact::MetadataSnapshotWritten { snapshot });
        let (from, to) = (Offset(0), Offset(to));
        let by_retention = true;
        story.fact(V1, LogFact::LogStartAdvanced { partition, from, to, by_retention })
    };
    [starting(2), starting(3)]
}

#[test]
fn a_voter_that_lost_its_disk_is_excused() {
    let story =
        replicated_to(&[V2, V3]).commits_metadata(V1, 1, 0, 3).fact(V1, stored(3, None, None));
    let verdict = story.fact(V1, WorldFact::DiskReplaced {}).fact(V1, stored(1, None, None)).end();
    assert_eq!(verdict.promise(Promise::QuorumEpochIsMonotonic).violations, 0);
    let truncation = verdict.promise(Promise::NoTruncationBelowMetadataHighWatermark);
    assert_eq!((truncation.violations, truncation.permitted), (0, 1));
}

/// This replica has three committed batches, of which it flushed two, and has one after a power cut.
fn opened_with(node: NodeId, flushed: u64, end: u64) -> (u64, u64) {
    let partition = TopicPartition::cluster_metadata();
    let story = [0, 1, 2].iter().fold(Story::of_quorum(), |story, base| {
        let story = story.metadata(V1, batch(1, *base, 1, *base), true);
        let others = [V2, V3, B1].into_iter().filter(|other| *other != node);
        let told = batch(1, *base, 1, *base);
        let story = others.fold(story, |story, other| story.metadata(other, told, false));
        story.appends_to(partition.clone(), node, told, false)
    });
    let story = story.commits_metadata(V1, 1, 0, 3);
    let to = Offset(flushed);
    let story = story.fact(node, LogFact::LogFlushed { partition: partition.clone(), to });
    let verdict = story.power_cut(node).loaded_as(partition, node, end).end();
    let truncation = verdict.promise(Promise::NoTruncationBelowMetadataHighWatermark);
    (truncation.checked, truncation.violations)
}

#[test]
fn what_a_power_cut_takes_from_a_metadata_log_before_it_was_flushed_is_not_truncated() {
    // An observer never flushes, a voter before it acknowledges; each may have more than that.
    assert_eq!(opened_with(B1, 0, 1), (1, 0));
    assert_eq!(opened_with(V2, 2, 2), (1, 0));
    assert_eq!(opened_with(V2, 2, 1), (1, 1));
}

#[test]
fn an_observer_that_lost_its_disk_fetches_the_metadata_again() {
    let story = replicated_to(&[V2, B1]).commits_metadata(V1, 1, 0, 3);
    let verdict = story.fact(B1, WorldFact::DiskReplaced {}).end();
    let truncation = verdict.promise(Promise::NoTruncationBelowMetadataHighWatermark);
    assert_eq!((truncation.violations, truncation.permitted), (0, 0));
}

/// A power cut left a hole in an observer's log: at its start it cuts off what comes behind.
#[test]
fn what_an_observer_cuts_off_while_it_opens_its_log_it_had_lost_before() {
    let story = Story::of_quorum().metadata(V1, batch(1, 0, 3, 0), true);
    let story =
        [V2, V3, B1].iter().fold(story, |s, node| s.metadata(*node, batch(1, 0, 3, 0), false));
    let story = story.commits_metadata(V1, 1, 0, 3).commits_metadata(B1, 1, 0, 3);
    let log = TopicPartition::cluster_metadata;
    let cut = LogFact::LogTruncated { partition: log(), from: Offset(3), to: Offset(0) };
    let loaded =
        LogFact::LogLoaded { partition: log(), start: Offset(0), end: Offset(3), clean: false };
    let started = WorldFact::ProcessStarted { life: 2 };
    let opened = story.clone().power_cut(B1).fact(B1, started).and(B1, loaded).and(B1, cut.clone());
    let promise = Promise::NoTruncationBelowMetadataHighWatermark;
    assert_ne!(opened.end().promise(promise).status, Status::Violated);
    assert_eq!(story.fact(B1, cut).end().promise(promise).status, Status::Violated);
}
