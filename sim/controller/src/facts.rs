//! What the controller's decisions mean, stated in the one place where they take effect.

use klab_machine::Outbox;
use klab_machine::fact::ControllerFact;
use klab_metadata::Image;
use klab_wire::{
    ConfigResource, MetadataRecord, NodeId, PartitionRegistration, TopicIdPartition, TopicPartition,
};

/// States what a record means that is about to be applied to this image, unless it is about a
/// partition.
pub(crate) fn state_record(image: &Image, record: &MetadataRecord, out: &mut Outbox) {
    match record {
        MetadataRecord::RegisterBroker(record) => out
            .state(ControllerFact::BrokerRegistered { broker: record.broker, epoch: record.epoch }),
        MetadataRecord::UnregisterBroker { broker, .. } => {
            out.state(ControllerFact::BrokerUnregistered { broker: *broker });
        }
        MetadataRecord::BrokerRegistrationChange {
            broker, fenced, in_controlled_shutdown, ..
        } => state_registration(image, *broker, *fenced, *in_controlled_shutdown, out),
        MetadataRecord::RemoveTopic { id } => {
            if let Some(topic) = image.topics.topic(*id) {
                out.state(ControllerFact::TopicDeleted { topic: topic.name.clone(), id: *id });
            }
        }
        MetadataRecord::Config { resource, name, value } => {
            out.state(ControllerFact::ConfigChanged {
                resource: called(resource),
                name: name.to_string(),
                value: value.as_ref().map(ToString::to_string),
            });
        }
        MetadataRecord::FeatureLevel { name, level } => {
            out.state(ControllerFact::FeatureLevelSet { feature: name.to_string(), level: *level })
        }
        MetadataRecord::ProducerIds { broker, next, .. } => {
            let first = image.next_producer_id.0;
            let length = (next.0 - first) as u32;
            out.state(ControllerFact::ProducerIdsAllocated { broker: *broker, first, length });
        }
        MetadataRecord::Topic { .. }
        | MetadataRecord::Partition(_)
        | MetadataRecord::PartitionChange(_)
        | MetadataRecord::NoOp => {}
    }
}

pub(crate) fn called(resource: &ConfigResource) -> String {
    match resource {
        ConfigResource::Topic(name) => format!("topic {name}"),
        ConfigResource::Broker(Some(broker)) => format!("broker {broker}"),
        ConfigResource::Broker(None) => "all brokers".into(),
    }
}

fn state_registration(
    image: &Image,
    broker: NodeId,
    fenced: Option<bool>,
    in_controlled_shutdown: Option<bool>,
    out: &mut Outbox,
) {
    let Some(registration) = image.cluster.broker(broker) else { return };
    match fenced {
        Some(true) if !registration.fenced => out.state(ControllerFact::BrokerFenced { broker }),
        Some(false) if registration.fenced => out.state(ControllerFact::BrokerUnfenced { broker }),
        _ => {}
    }
    if in_controlled_shutdown == Some(true) && !registration.in_controlled_shutdown {
        out.state(ControllerFact::ControlledShutdownStarted { broker });
    }
}

/// States that a partition was created.
pub(crate) fn state_new_partition(
    image: &Image,
    partition: TopicIdPartition,
    state: &PartitionRegistration,
    out: &mut Outbox,
) {
    let Some(partition) = image.topics.called(partition) else { return };
    out.state(ControllerFact::PartitionCreated {
        partition,
        leader: state.leader,
        replicas: state.replicas.clone(),
        isr: state.isr.clone(),
    });
}

/// States what a change did to a partition.
pub(crate) fn state_partition_change(
    partition: &TopicPartition,
    before: &PartitionRegistration,
    after: &PartitionRegistration,
    out: &mut Outbox,
) {
    let moves = [
        leadership(partition, before, after),
        isr(partition, before, after),
        eligible_leader_replicas(partition, before, after),
        reassignment(partition, before, after),
    ];
    moves.into_iter().flatten().for_each(|fact| out.state(fact));
}

fn leadership(
    partition: &TopicPartition,
    before: &PartitionRegistration,
    after: &PartitionRegistration,
) -> Option<ControllerFact> {
    let (partition, epoch) = (partition.clone(), after.leader_epoch);
    match after.leader {
        _ if after.leader_epoch == before.leader_epoch => None,
        None if before.leader.is_none() => None,
        None => {
            let isr = after.isr.clone();
            Some(ControllerFact::PartitionWentOffline { partition, epoch, isr })
        }
        Some(leader) if before.leader == Some(leader) => {
            Some(ControllerFact::LeaderEpochBumped { partition, leader, epoch })
        }
        Some(leader) if had_everything(leader, before, after) => {
            let isr = after.isr.clone();
            Some(ControllerFact::LeaderElected { partition, leader, epoch, isr })
        }
        Some(leader) => Some(ControllerFact::LeaderElectedUncleanly { partition, leader, epoch }),
    }
}

/// It was in the ISR, or eligible; or it came into the ISR with the very change that completed the
/// reassignment that added it (`PartitionRegistration.electionWasClean`).
fn had_everything(
    leader: NodeId,
    before: &PartitionRegistration,
    after: &PartitionRegistration,
) -> bool {
    let has_arrived = before.adding_replicas.contains(&leader) && after.adding_replicas.is_empty();
    before.isr.contains(&leader) || before.elr.contains(&leader) || has_arrived
}

fn isr(
    partition: &TopicPartition,
    before: &PartitionRegistration,
    after: &PartitionRegistration,
) -> Option<ControllerFact> {
    (before.isr != after.isr).then(|| ControllerFact::IsrChanged {
        partition: partition.clone(),
        isr: after.isr.clone(),
        partition_epoch: after.partition_epoch,
    })
}

fn eligible_leader_replicas(
    partition: &TopicPartition,
    before: &PartitionRegistration,
    after: &PartitionRegistration,
) -> Option<ControllerFact> {
    let changed = before.elr != after.elr || before.last_known_elr != after.last_known_elr;
    changed.then(|| ControllerFact::ElrChanged {
        partition: partition.clone(),
        elr: after.elr.clone(),
        last_known: after.last_known_elr.clone(),
    })
}

fn reassignment(
    partition: &TopicPartition,
    before: &PartitionRegistration,
    after: &PartitionRegistration,
) -> Option<ControllerFact> {
    let partition = partition.clone();
    let (adding, removing) = (after.adding_replicas.clone(), after.removing_replicas.clone());
    let goes_on = before.adding_replicas == adding && before.removing_replicas == removing;
    let has_arrived = before.adding_replicas.iter().all(|node| after.replicas.contains(node));
    let replicas = after.replicas.clone();
    match (before.is_reassigning(), after.is_reassigning()) {
        (_, true) if goes_on => None,
        (_, true) => Some(ControllerFact::ReassignmentStarted { partition, adding, removing }),
        (false, false) if before.replicas == after.replicas => None,
        (_, false) if has_arrived => {
            Some(ControllerFact::ReassignmentCompleted { partition, replicas })
        }
        (_, false) => Some(ControllerFact::ReassignmentCancelled { partition, replicas }),
    }
}
