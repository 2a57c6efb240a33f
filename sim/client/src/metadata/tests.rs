//! What a client believes when brokers tell it different things.

use super::*;
use klab_machine::random::stream;
use klab_wire::{ClusterId, MetadataBroker, Timestamp};

fn at(millis: u64) -> Now {
    Now { time: Time(millis * 1_000_000), wall: Timestamp(0) }
}

fn metadata() -> Metadata {
    let config = MetadataConfig {
        bootstrap: vec![NodeId::broker(1)],
        max_age: Span::from_secs(300),
        backoff: ExponentialBackoff {
            initial: Span::from_millis(100),
            max: Span::from_millis(1000),
        },
        recovery: MetadataRecoveryStrategy::Rebootstrap,
        allow_auto_topic_creation: true,
    };
    let mut metadata = Metadata::new(config, stream(1, "metadata", []));
    metadata.add_topic(&"t".into());
    metadata
}

fn answer(leader: u16, epoch: u32, id: u64) -> MetadataResponse {
    let broker = |n| MetadataBroker { node: NodeId::broker(n), rack: None };
    let partition = MetadataPartition {
        error: ErrorCode::None,
        partition: PartitionId(0),
        leader: Some(NodeId::broker(leader)),
        leader_epoch: LeaderEpoch(epoch),
        replicas: [NodeId::broker(1), NodeId::broker(2)].into(),
        isr: [NodeId::broker(1)].into(),
        offline_replicas: Vec::new(),
    };
    let topic = MetadataTopic {
        error: ErrorCode::None,
        name: "t".into(),
        id: TopicId(id),
        partitions: vec![partition],
    };
    MetadataResponse {
        cluster: ClusterId::from("c"),
        controller: None,
        brokers: vec![broker(2), broker(1)],
        topics: vec![topic],
    }
}

fn tell(metadata: &mut Metadata, response: MetadataResponse, now: Now) {
    let (_, version) = metadata.request(now);
    metadata.update(version, response, now, &mut Outbox::default());
}

fn leader(metadata: &Metadata) -> (Option<u16>, Option<u32>) {
    let known = metadata.current_leader(&TopicPartition::new("t", 0));
    (known.leader.map(|node| node.number), known.epoch.map(|epoch| epoch.0))
}

#[test]
fn a_broker_that_is_behind_does_not_bring_a_deposed_leader_back() {
    let mut metadata = metadata();
    tell(&mut metadata, answer(1, 4, 9), at(0));
    tell(&mut metadata, answer(2, 3, 9), at(200));
    assert_eq!(leader(&metadata), (Some(1), Some(4)));
    tell(&mut metadata, answer(2, 5, 9), at(400));
    assert_eq!(leader(&metadata), (Some(2), Some(5)));
}

#[test]
fn a_topic_created_again_starts_its_epochs_again() {
    let mut metadata = metadata();
    tell(&mut metadata, answer(1, 4, 9), at(0));
    tell(&mut metadata, answer(2, 0, 10), at(200));
    assert_eq!(leader(&metadata), (Some(2), Some(0)));
}

#[test]
fn kip_951_a_newer_leader_is_taken_from_an_error() {
    let mut metadata = metadata();
    tell(&mut metadata, answer(1, 4, 9), at(0));
    let mut hear = |leader, epoch| {
        let told =
            LeaderIdAndEpoch { leader: Some(NodeId::broker(leader)), epoch: LeaderEpoch(epoch) };
        metadata.update_leadership(&TopicPartition::new("t", 0), told, &mut Outbox::default())
    };
    assert!(!hear(2, 4), "the same epoch is no news");
    assert!(!hear(3, 5), "nobody knows b3");
    assert!(hear(2, 5));
    assert_eq!(leader(&metadata), (Some(2), Some(5)));
}

#[test]
fn a_higher_epoch_heard_of_elsewhere_hides_the_leader_until_metadata_catches_up() {
    let mut metadata = metadata();
    tell(&mut metadata, answer(1, 4, 9), at(0));
    metadata.update_last_seen_epoch(&TopicPartition::new("t", 0), LeaderEpoch(6));
    assert_eq!(leader(&metadata), (None, Some(6)));
    assert!(metadata.due_at() < Time::MAX, "an update is wanted");
    tell(&mut metadata, answer(2, 5, 9), at(200));
    assert_eq!(leader(&metadata), (None, Some(6)));
    tell(&mut metadata, answer(2, 6, 9), at(400));
    assert_eq!(leader(&metadata), (Some(2), Some(6)));
}

#[test]
fn answers_without_news_are_asked_for_ever_more_slowly() {
    let mut metadata = metadata();
    let mut waits = Vec::new();
    let mut now = at(0);
    for _ in 0..5 {
        metadata.request_update();
        tell(&mut metadata, answer(1, 4, 9), now);
        metadata.request_update();
        let due = metadata.due_at();
        waits.push(due.since(now.time).as_millis());
        now = Now { time: due, wall: Timestamp(0) };
    }
    for (wait, millis) in waits.into_iter().zip([100, 100, 200, 400, 800]) {
        assert!((millis * 4 / 5..=millis * 6 / 5).contains(&wait), "{wait} for {millis}");
    }
}

#[test]
fn kip_899_a_client_that_reaches_nobody_begins_again_at_its_bootstrap_brokers() {
    let mut metadata = metadata();
    tell(&mut metadata, answer(1, 4, 9), at(0));
    assert!(metadata.rebootstrap());
    assert_eq!(metadata.nodes(), [NodeId::broker(1)]);
    assert_eq!(leader(&metadata), (None, Some(4)));
}
