//! Kafka in ZooKeeper mode in a world: who controls it, what the znodes say, whether it has come to rest.
//!
//! The truth about partitions is what the ensemble has committed: the tree of its leader, or without one that of
//! the server that has got furthest. What brokers and controllers believe may be older.

use crate::convergence::Unrest;
use crate::node::Node;
use crate::{Engine, truth};
use klab_controller::KafkaController;
use klab_machine::Machine;
use klab_metadata::{Delta, Image};
use klab_wire::znodes::{
    LeaderIsrAndControllerEpoch, ReplicaAssignment, TopicPartitionStateZNode, TopicZNode, path,
};
use klab_wire::zookeeper::{Path, Znode};
use klab_wire::{
    BrokerEpoch, IncarnationId, LeaderEpoch, LeaderRecoveryState, MetadataRecord, NodeId,
    PartitionEpoch, PartitionId, PartitionRecord, PartitionRegistration, RegisterBrokerRecord,
    TopicId, TopicName, TopicPartition,
};
use klab_zookeeper::Server;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The controllers that are up, one in every broker's process.
pub(crate) fn controllers(
    engine: &Engine<Node>,
) -> impl Iterator<Item = (NodeId, &KafkaController)> {
    truth::machines(engine).filter_map(|(node, machine)| match machine {
        Node::KafkaController(controller) => Some((node, controller.as_ref())),
        _ => None,
    })
}

/// The controller: of those that believe that they are, the one of the newest epoch.
pub(crate) fn active_controller(engine: &Engine<Node>) -> Option<NodeId> {
    active(engine).map(|(node, _)| node)
}

fn active(engine: &Engine<Node>) -> Option<(NodeId, &KafkaController)> {
    let active = controllers(engine).filter(|(_, controller)| controller.is_active());
    active.max_by_key(|(_, controller)| controller.epoch())
}

/// The server whose tree is the newest.
fn newest(engine: &Engine<Node>) -> Option<&Server> {
    let servers = truth::machines(engine).filter_map(|(_, machine)| match machine {
        Node::ZooKeeper(server) => Some(server.as_ref()),
        _ => None,
    });
    servers.max_by_key(|server| server.last_processed())
}

/// What the znodes say.
struct Znodes<'a>(&'a BTreeMap<Path, Znode>);

impl<'a> Znodes<'a> {
    fn get(&self, path: &Path) -> Option<&'a Znode> {
        self.0.get(path)
    }

    fn children(&self, path: &Path) -> impl Iterator<Item = &'a Arc<str>> + use<'a> {
        self.get(path).into_iter().flat_map(|znode| &znode.children)
    }

    fn registrations(&self) -> impl Iterator<Item = (NodeId, BrokerEpoch)> {
        let ids = path::broker_ids();
        self.children(&ids).filter_map(move |name| {
            let znode = self.get(&ids.child(name))?;
            Some((path::broker_of(name)?, BrokerEpoch(znode.czxid.0)))
        })
    }

    fn topics(&self) -> impl Iterator<Item = (TopicName, TopicZNode)> {
        let topics = path::topics();
        self.children(&topics).filter_map(move |name| {
            let topic = TopicName::from(name.clone());
            let znode = TopicZNode::decode(&self.get(&path::topic(&topic))?.data);
            Some((topic, znode))
        })
    }

    fn state(&self, partition: &TopicPartition) -> Option<LeaderIsrAndControllerEpoch> {
        let znode = self.get(&path::state(partition))?;
        TopicPartitionStateZNode::decode(&znode.data, znode.version)
    }
}

/// Brokers, topics and partitions as the znodes have them; none before there is an ensemble. A topic whose deletion the
/// controller has given up until a broker comes or goes is as good as gone: nobody leads it, and nobody will.
pub(crate) fn metadata(engine: &Engine<Node>) -> Option<Image> {
    let znodes = Znodes(newest(engine)?.tree().znodes());
    let stranded = active(engine).map(|(_, controller)| controller.view().stranded_deletions);
    let stranded = stranded.unwrap_or_default();
    let (mut image, mut delta) = (Image::default(), Delta::default());
    for (broker, epoch) in znodes.registrations() {
        image.replay(&alive(broker, epoch), &mut delta);
    }
    for (name, topic) in znodes.topics() {
        let Some(id) = topic.id.filter(|_| !stranded.contains(&name)) else { continue };
        image.replay(&MetadataRecord::Topic { name: name.clone(), id }, &mut delta);
        for (partition, assignment) in topic.assignment {
            let name = TopicPartition { topic: name.clone(), partition };
            let registration = registration(assignment, znodes.state(&name));
            image.replay(&record(id, partition, registration), &mut delta);
        }
    }
    Some(image)
}

fn alive(broker: NodeId, epoch: BrokerEpoch) -> MetadataRecord {
    MetadataRecord::RegisterBroker(Arc::new(RegisterBrokerRecord {
        broker,
        incarnation: IncarnationId(0),
        epoch,
        rack: None,
        fenced: false,
        in_controlled_shutdown: false,
        log_dirs: Arc::new([]),
        features: Arc::new([]),
    }))
}

fn record(
    topic: TopicId,
    partition: PartitionId,
    registration: PartitionRegistration,
) -> MetadataRecord {
    let registration = Arc::new(registration);
    MetadataRecord::Partition(PartitionRecord { topic, partition, registration })
}

/// A partition without a state has not been given a leader yet.
fn registration(
    assignment: ReplicaAssignment,
    state: Option<LeaderIsrAndControllerEpoch>,
) -> PartitionRegistration {
    let state = state.map(|state| state.leader_and_isr);
    PartitionRegistration {
        replicas: assignment.replicas,
        adding_replicas: assignment.adding_replicas,
        removing_replicas: assignment.removing_replicas,
        leader: state.as_ref().and_then(|state| state.leader),
        leader_epoch: state.as_ref().map_or(LeaderEpoch(0), |state| state.leader_epoch),
        partition_epoch: state.as_ref().map_or(PartitionEpoch(0), |state| state.partition_epoch),
        isr: state.map_or_else(Arc::default, |state| state.isr),
        leader_recovery_state: LeaderRecoveryState::Recovered,
        elr: Arc::default(),
        last_known_elr: Arc::default(),
    }
}

/// Every broker that is up is registered, and knows of every other one; there is a controller.
pub(crate) fn has_brokers(engine: &Engine<Node>) -> bool {
    let Some(metadata) = metadata(engine) else { return false };
    let knows_all = |node, broker: &klab_broker::Broker| {
        let registered = metadata.cluster.broker(node).map(|known| known.epoch());
        let mut others = metadata.cluster.brokers();
        registered.is_some()
            && broker.registration() == registered
            && others.all(|(other, _)| broker.image().cluster.broker(other).is_some())
    };
    active_controller(engine).is_some()
        && truth::brokers(engine).all(|(node, broker)| knows_all(node, broker))
}

/// These topics have leaders, and every broker that is up knows them.
pub(crate) fn has_topics<'a>(
    engine: &Engine<Node>,
    mut names: impl Iterator<Item = &'a TopicName>,
) -> bool {
    let Some(metadata) = metadata(engine) else { return false };
    names.all(|name| {
        let Some(topic) = metadata.topics.named(name) else { return false };
        let is_led = topic.partitions().all(|(_, state)| state.leader.is_some());
        let is_known = |broker: &klab_broker::Broker| {
            let known = broker.image().topics.named(name);
            known.is_some_and(|known| known.partitions().count() == topic.partitions().count())
        };
        is_led && truth::brokers(engine).all(|(_, broker)| is_known(broker))
    })
}

/// What keeps Kafka from being at rest, apart from its partitions.
pub(crate) fn problems(engine: &Engine<Node>, brokers: u16) -> Vec<Unrest> {
    let Some(metadata) = metadata(engine) else { return Vec::new() };
    let mut problems = Vec::new();
    if active_controller(engine).is_none() {
        problems.push(Unrest::NoActiveController);
    }
    let all = (1..=brokers).map(NodeId::broker);
    problems.extend(all.filter(|node| !engine.is_up(*node)).map(Unrest::Down));
    for (node, broker) in truth::brokers(engine) {
        let registered = metadata.cluster.broker(node).map(|known| known.epoch());
        if registered.is_none() || broker.registration() != registered {
            problems.push(Unrest::NotRegisteredAnew(node));
        } else if !knows(broker.image(), &metadata) {
            problems.push(Unrest::MetadataBehind(node));
        }
    }
    problems.extend(behind_with_deletions(engine).map(Unrest::MetadataBehind));
    problems
}

/// A controller whose deletion of a topic is not over: it knows of more than there are.
fn behind_with_deletions(engine: &Engine<Node>) -> Option<NodeId> {
    let written = Znodes(newest(engine)?.tree().znodes()).topics().count();
    let (node, controller) = active(engine)?;
    (controller.view().topics as usize > written).then_some(node)
}

/// A broker has been told what the znodes say. That a topic is gone it may never hear: who was away meanwhile is told
/// what there is, and keeps what it knew (`ZkMetadataCache.updateMetadata`).
fn knows(told: &Image, written: &Image) -> bool {
    let brokers = |image: &Image| image.cluster.brokers().map(|(node, _)| node).collect::<Vec<_>>();
    let mut topics = written.topics.topics();
    brokers(told) == brokers(written)
        && topics.all(|topic| {
            let mut partitions = topic.partitions();
            partitions.all(|(index, state)| {
                let known = told.topics.topic(topic.id).and_then(|known| known.partition(index));
                known.is_some_and(|known| {
                    (known.leader, known.leader_epoch) == (state.leader, state.leader_epoch)
                        && known.isr == state.isr
                })
            })
        })
}
