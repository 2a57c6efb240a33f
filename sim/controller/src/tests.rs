//! The controller as a whole: its log, its roles, and sessions drawn at random.

use crate::desk::Desk;
use crate::partition_index::PartitionIndex;
use klab_machine::{Block, Change, Command, DiskImage, File, Machine};
use klab_metadata::Image;
use klab_wire::*;
use proptest::prelude::*;
use std::sync::Arc;

#[test]
fn a_new_cluster_s_log_begins_with_its_feature_levels() {
    let desk = Desk::new();
    let first = desk.log.iter().find(|batch| !batch.metadata().is_empty()).unwrap();
    let name = Arc::from("metadata.version");
    assert_eq!(first.metadata(), [MetadataRecord::FeatureLevel { name, level: 25 }]);
}

#[test]
fn a_log_with_nothing_but_a_leader_change_is_a_new_cluster_s_log() {
    // The first leader was gone before the feature levels were committed.
    let voter = NodeId::voter(1);
    let change = ControlRecord::LeaderChange {
        leader: voter,
        voters: [voter].into(),
        granting: [voter].into(),
    };
    let batch = RecordBatch::of_control(change, None, Timestamp::START);
    let batch = Block::Batch(Arc::new(batch.assigned(Offset(0), LeaderEpoch(1))));
    let mut disk = DiskImage::default();
    disk.apply(File::Segment(TopicIdPartition::CLUSTER_METADATA, Offset(0)), Change::Append(batch));
    let desk = Desk::on(disk, []);
    assert_eq!(desk.controller.committed().features.level("metadata.version"), 25);
}

#[test]
fn an_answer_waits_for_the_commit_and_so_does_one_that_changed_nothing_after_it() {
    let mut desk = Desk::new().with_brokers([1]);
    desk.pass(Span::from_millis(100));
    let deletion = DeleteTopicsRequest { topics: vec!["orders".into()], timeout: Span::ZERO };
    let create = desk.send(CreateTopicsRequest {
        topics: vec![CreatableTopic {
            name: "orders".into(),
            partitions: None,
            replication_factor: None,
            assignments: vec![],
            configs: vec![],
        }],
        validate_only: false,
        timeout: Span::ZERO,
    });
    assert!(desk.controller.image().topics.named(&"orders".into()).is_some());
    assert!(desk.controller.committed().topics.named(&"orders".into()).is_none());
    let heartbeat = desk.send(desk.heartbeat_of(1));
    let delete = desk.send(deletion);
    assert_eq!(desk.controller.view().deferred, 3);
    assert_eq!((desk.answer(create), desk.answer(heartbeat)), (None, None));
    desk.pass(Span::from_millis(30));
    for asked in [create, heartbeat, delete] {
        assert!(desk.answer(asked).is_some());
    }
}

#[test]
fn what_was_decided_and_not_committed_is_forgotten_with_the_leadership() {
    let mut desk = Desk::new().with_brokers([1]);
    desk.pass(Span::from_millis(100));
    let before = desk.controller.image().records();
    let request =
        AllocateProducerIdsRequest { broker: NodeId::broker(1), broker_epoch: desk.epoch(1) };
    let direct = desk.send(request.clone());
    let enveloped = desk.send(EnvelopeRequest { request: request.into() });
    desk.give_up();
    let refused = ErrorCode::NotController;
    let Some(Response::AllocateProducerIds(answer)) = desk.answer(direct) else {
        panic!("whoever waits is sent away")
    };
    assert_eq!(answer.error, refused);
    let answer = Response::Envelope(Box::new(EnvelopeResponse { error: refused, response: None }));
    assert_eq!(desk.answer(enveloped), Some(answer));
    assert!(!desk.controller.is_active());
    assert_eq!(desk.controller.image().records(), before);
    desk.pass(Span::from_secs(5));
    assert!(desk.controller.is_active(), "it is elected again: it is the only voter");
    assert!(desk.told().iter().any(|fact| fact.starts_with("ControllerResigned")));
}

#[test]
fn what_no_controller_serves_is_answered_in_its_own_api() {
    let mut desk = Desk::new();
    let response = desk.ask(InitProducerIdRequest { current: None });
    let error = ErrorCode::UnsupportedVersion;
    assert_eq!(
        response,
        Response::InitProducerId(Box::new(InitProducerIdResponse { error, producer: None }))
    );
}

#[test]
fn an_enveloped_answer_comes_in_an_envelope() {
    let mut desk = Desk::new().with_brokers([1]);
    let request = Box::new(Request::from(DescribeClusterRequest {}));
    let Response::Envelope(answer) = desk.ask(EnvelopeRequest { request: *request }) else {
        panic!("an envelope answers an envelope")
    };
    assert_eq!(answer.error, ErrorCode::None);
    let Some(Response::DescribeCluster(cluster)) = answer.response else {
        panic!("the answer is in it")
    };
    assert_eq!(cluster.brokers.len(), 1);
}

#[test]
fn kip_835_an_idle_controller_writes_a_no_op_every_half_second() {
    let mut desk = Desk::new();
    let end = |desk: &Desk| desk.controller.committed().next_offset;
    let before = end(&desk);
    desk.pass(Span::from_secs(10));
    assert_eq!(end(&desk).since(before), 20);
}

#[test]
fn a_controller_that_shuts_down_answers_no_more_and_ends() {
    let mut desk = Desk::new().with_brokers([1]);
    desk.command(Command::ShutDown);
    assert!(desk.has_halted && !desk.controller.is_active());
}

#[test]
fn a_snapshot_is_written_when_enough_has_changed_and_a_restart_begins_with_it() {
    let limit = [("metadata.log.max.record.bytes.between.snapshots", "2000")];
    let mut desk = Desk::with(limit).with_brokers([1, 2]);
    for topic in ["a", "b", "c", "d"] {
        desk.create(topic, &[&[1, 2], &[2, 1]]);
    }
    let is_snapshot = |file: &File| matches!(file, File::MetadataSnapshot(_));
    assert!(desk.disk().files().any(|file| is_snapshot(&file)));
    let before = desk.controller.image().records();
    let desk = desk.restarted();
    assert_eq!(desk.controller.image().records(), before);
}

#[test]
fn the_facts_of_a_topic_s_life_read_as_its_story() {
    let mut desk = Desk::new().with_brokers([1, 2, 3]);
    let created = desk.create_with("orders", &[&[1, 2, 3]], &[("min.insync.replicas", "2")]);
    assert_eq!(created.error, ErrorCode::None);
    desk.alter_isr("orders", 1, &[1, 2]);
    desk.live(Span::from_secs(12), &[1, 3]);
    desk.live(Span::from_secs(12), &[3]);
    desk.heartbeat(1);
    desk.reassign("orders", Some(&[1, 3]));
    desk.alter_isr("orders", 1, &[1, 3]);
    desk.elect(ElectionType::Preferred, "orders");
    desk.ask(DeleteTopicsRequest { topics: vec!["orders".into()], timeout: Span::ZERO });
    let told = desk.told().join("\n").replace(&created.id.unwrap().to_string(), "<id>");
    insta::assert_snapshot!(told);
}

/// One thing that a broker, an operator or time does.
#[derive(Clone, Debug)]
enum Act {
    Register(u16, u64),
    Heartbeat(u16),
    ShutDown(u16),
    Unregister(u16),
    Create(u8, u32, u16),
    Delete(u8),
    Grow(u8, u32),
    AlterIsr(u8, Vec<u16>),
    Reassign(u8, Option<Vec<u16>>),
    Elect(u8, ElectionType),
    AllowUnclean(u8, bool),
    Pass(u64),
    Restart,
}

fn act() -> impl Strategy<Value = Act> {
    let broker = || 1_u16..5;
    let topic = || 0_u8..3;
    let list = || prop::collection::vec(broker(), 1..4);
    let election = prop_oneof![Just(ElectionType::Preferred), Just(ElectionType::Unclean)];
    prop_oneof![
        2 => (broker(), 1_u64..4).prop_map(|(broker, life)| Act::Register(broker, life)),
        6 => broker().prop_map(Act::Heartbeat),
        1 => broker().prop_map(Act::ShutDown),
        1 => broker().prop_map(Act::Unregister),
        2 => (topic(), 1_u32..4, 1_u16..4).prop_map(|(t, p, r)| Act::Create(t, p, r)),
        1 => topic().prop_map(Act::Delete),
        1 => (topic(), 1_u32..6).prop_map(|(topic, count)| Act::Grow(topic, count)),
        6 => (topic(), list()).prop_map(|(topic, isr)| Act::AlterIsr(topic, isr)),
        3 => (topic(), prop::option::of(list())).prop_map(|(t, target)| Act::Reassign(t, target)),
        2 => (topic(), election).prop_map(|(topic, election)| Act::Elect(topic, election)),
        1 => (topic(), any::<bool>()).prop_map(|(topic, allow)| Act::AllowUnclean(topic, allow)),
        3 => (1_u64..7).prop_map(Act::Pass),
        1 => Just(Act::Restart),
    ]
}

fn name(topic: u8) -> String {
    format!("topic-{topic}")
}

fn perform(mut desk: Desk, act: Act) -> Desk {
    match act {
        Act::Register(broker, life) => drop(desk.register(broker, life)),
        Act::Heartbeat(broker) => drop(desk.heartbeat(broker)),
        Act::ShutDown(broker) => drop(desk.shut_down(broker)),
        Act::Unregister(broker) => {
            desk.ask(UnregisterBrokerRequest { broker: NodeId::broker(broker) });
        }
        Act::Create(topic, partitions, replicas) => {
            desk.create_topic(CreatableTopic {
                name: name(topic).as_str().into(),
                partitions: Some(partitions),
                replication_factor: Some(replicas),
                assignments: vec![],
                configs: vec![("min.insync.replicas".into(), "2".into())],
            });
        }
        Act::Delete(topic) => {
            let topics = vec![name(topic).as_str().into()];
            desk.ask(DeleteTopicsRequest { topics, timeout: Span::ZERO });
        }
        Act::Grow(topic, count) => {
            let name = name(topic).as_str().into();
            let topics = vec![CreatePartitionsTopic { name, count, assignments: None }];
            let timeout = Span::ZERO;
            desk.ask(CreatePartitionsRequest { topics, validate_only: false, timeout });
        }
        Act::AlterIsr(topic, isr) => alter_isr(&mut desk, &name(topic), &isr),
        Act::Reassign(topic, target) => drop(desk.reassign(&name(topic), target.as_deref())),
        Act::Elect(topic, election) => drop(desk.elect(election, &name(topic))),
        Act::AllowUnclean(topic, allow) => {
            let resource = ConfigResource::Topic(name(topic).as_str().into());
            let value = if allow { "true" } else { "false" };
            desk.configure(resource, "unclean.leader.election.enable", value);
        }
        Act::Pass(seconds) => desk.pass(Span::from_secs(seconds)),
        Act::Restart => desk = desk.restarted(),
    }
    desk
}

/// The leader asks for this ISR with itself in it, where there is a leader.
fn alter_isr(desk: &mut Desk, topic: &str, isr: &[u16]) {
    let partition = TopicPartition::new(topic, 0);
    let Some(leader) = desk.controller.leader_of(&partition) else { return };
    let mut isr = isr.to_vec();
    isr.retain(|broker| *broker != leader.number);
    isr.push(leader.number);
    desk.ask(desk.wish(topic, 0, leader.number, &isr));
}

/// What must hold of every partition, whatever was asked.
fn assert_sound(image: &Image) {
    for topic in image.topics.topics() {
        for (index, state) in topic.partitions() {
            let at = format!("{}-{index}: {state:?}", topic.name);
            assert!(state.isr.iter().all(|member| state.replicas.contains(member)), "{at}");
            let is_eligible = |node| state.replicas.contains(node) && !state.isr.contains(node);
            assert!(state.elr.iter().all(is_eligible), "{at}");
            if let Some(leader) = state.leader {
                assert!(state.isr.contains(&leader), "the leader is in sync: {at}");
                assert!(image.cluster.is_active(leader), "the leader is alive: {at}");
            }
            let could_lead = |node: &&NodeId| image.cluster.is_active(**node);
            let candidates = if state.isr.is_empty() { &state.elr } else { &state.isr };
            let found = candidates.iter().find(could_lead);
            assert!(state.leader.is_some() || found.is_none(), "somebody could lead: {at}");
        }
    }
}

fn session(elr: bool, acts: Vec<Act>) {
    let elr = if elr { "true" } else { "false" };
    let mut desk = Desk::with([("eligible.leader.replicas.enable", elr)]).with_brokers([1, 2, 3]);
    desk.create("topic-0", &[&[1, 2, 3], &[2, 3, 1]]);
    for act in acts {
        desk = perform(desk, act);
        assert_sound(desk.controller.image());
    }
    while desk.controller.active().is_some_and(|active| active.uncommitted.is_some()) {
        desk.pass(Span::from_millis(1));
    }
    let image = desk.controller.image();
    assert_eq!(desk.replayed().records(), image.records(), "the log says the same");
    let active = desk.controller.active().expect("the only voter is active");
    assert_eq!(active.pending.index, PartitionIndex::of(image), "and so does the index");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_asked_partitions_are_sound_and_the_log_alone_gives_the_controller_s_state(
        elr in any::<bool>(),
        acts in prop::collection::vec(act(), 1..60),
    ) {
        session(elr, acts);
    }
}
