//! What brokers are to be told after a turn of the state machines: one LeaderAndIsr, UpdateMetadata and StopReplica
//! per broker, sent in this order (`ControllerBrokerRequestBatch`).

use super::channels::Channels;
use super::context::ControllerContext;
use klab_machine::Mutant;
use klab_wire::config::Switches;
use klab_wire::config::switches::StopReplicaEpoch;
use klab_wire::znodes::LeaderIsrAndControllerEpoch;
use klab_wire::{
    BrokerEpoch, LeaderAndIsrKind, LeaderAndIsrPartitionState, LeaderAndIsrRequest, LeaderEpoch,
    MetadataBroker, NodeId, Request, StopEpoch, StopReplicaPartitionState, StopReplicaRequest,
    TopicPartition, UpdateMetadataPartitionState, UpdateMetadataRequest,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

type PerBroker<T> = BTreeMap<NodeId, BTreeMap<TopicPartition, T>>;

/// See the module.
#[derive(Clone, Debug, Default)]
pub(super) struct RequestBatch {
    leader_and_isr: PerBroker<LeaderAndIsrPartitionState>,
    stop_replica: PerBroker<StopReplicaPartitionState>,
    update_metadata: BTreeSet<NodeId>,
    partitions: BTreeMap<TopicPartition, UpdateMetadataPartitionState>,
}

/// Who sends, and how.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sender<'a> {
    pub(super) node: NodeId,
    pub(super) switches: &'a Switches,
}

impl RequestBatch {
    /// These brokers learn what their replicas are, and all brokers how the partition stands
    /// (`addLeaderAndIsrRequestForBrokers`).
    pub(super) fn add_leader_and_isr(
        &mut self,
        brokers: &[NodeId],
        partition: &TopicPartition,
        state: &LeaderIsrAndControllerEpoch,
        is_new: bool,
        context: &ControllerContext,
    ) {
        let told = leader_and_isr(partition, state, context);
        for broker in brokers {
            let known = self.leader_and_isr.entry(*broker).or_default();
            let was_new = known.get(partition).is_some_and(|earlier| earlier.is_new);
            let told = LeaderAndIsrPartitionState { is_new: is_new || was_new, ..told.clone() };
            known.insert(partition.clone(), told);
        }
        if !Mutant::ForgetsUpdateMetadata.lives() {
            self.add_update_metadata(context.live_or_shutting_down(), [partition], context);
        }
    }

    /// This broker is to stop a replica, perhaps for good.
    pub(super) fn add_stop_replica(
        &mut self,
        broker: NodeId,
        partition: &TopicPartition,
        delete: bool,
        context: &ControllerContext,
    ) {
        let known = self.stop_replica.entry(broker).or_default();
        let deletes = known.get(partition).is_some_and(|earlier| earlier.delete_partition);
        let leader_epoch = context.stop_epoch(partition);
        let (partition, delete_partition) = (partition.clone(), deletes || delete);
        let told = StopReplicaPartitionState { partition, leader_epoch, delete_partition };
        known.insert(told.partition.clone(), told);
    }

    /// These brokers learn who is alive, and how these partitions stand.
    pub(super) fn add_update_metadata<'a>(
        &mut self,
        brokers: impl IntoIterator<Item = NodeId>,
        partitions: impl IntoIterator<Item = &'a TopicPartition>,
        context: &ControllerContext,
    ) {
        self.update_metadata.extend(brokers);
        for partition in partitions {
            // A partition without a leader is not told.
            if let Some(state) = context.leadership(partition) {
                let told = update_metadata(partition, state, context);
                self.partitions.insert(partition.clone(), told);
            }
        }
    }

    /// Nothing of it is sent.
    pub(super) fn clear(&mut self) {
        *self = RequestBatch::default();
    }

    /// Sends all of it to those who are registered (`sendRequestsToBrokers`).
    pub(super) fn send(
        &mut self,
        sender: Sender<'_>,
        context: &ControllerContext,
        channels: &mut Channels,
    ) {
        let batch = std::mem::take(self);
        for (broker, states) in batch.leader_and_isr {
            if let Some(epoch) = sender.epoch_of(broker, context) {
                channels.send(broker, sender.leader_and_isr(epoch, states, context));
            }
        }
        let partitions: Vec<_> = batch.partitions.into_values().collect();
        for broker in batch.update_metadata {
            if let Some(epoch) = sender.epoch_of(broker, context) {
                let partitions = partitions.clone();
                channels.send(broker, sender.update_metadata(epoch, partitions, context));
            }
        }
        for (broker, states) in batch.stop_replica {
            if let Some(epoch) = sender.epoch_of(broker, context) {
                channels.send(broker, sender.stop_replica(epoch, states, context));
            }
        }
    }
}

impl Sender<'_> {
    /// The registration that a request to this broker names, if it is registered. Before KIP-380 requests name none:
    /// here they do, and the broker does not look at it, so that the judge can tell to whom it was said.
    fn epoch_of(&self, broker: NodeId, context: &ControllerContext) -> Option<Option<BrokerEpoch>> {
        context.live_brokers.get(&broker).map(|known| Some(known.epoch))
    }

    fn leader_and_isr(
        &self,
        broker_epoch: Option<BrokerEpoch>,
        states: BTreeMap<TopicPartition, LeaderAndIsrPartitionState>,
        context: &ControllerContext,
    ) -> Request {
        Request::from(LeaderAndIsrRequest {
            controller: self.node,
            controller_epoch: context.epoch,
            broker_epoch,
            kind: LeaderAndIsrKind::Unknown,
            partitions: states.into_values().collect(),
        })
    }

    fn update_metadata(
        &self,
        broker_epoch: Option<BrokerEpoch>,
        partitions: Vec<UpdateMetadataPartitionState>,
        context: &ControllerContext,
    ) -> Request {
        let live = context.live_brokers.iter();
        Request::from(UpdateMetadataRequest {
            controller: self.node,
            controller_epoch: context.epoch,
            broker_epoch,
            live_brokers: live
                .map(|(node, known)| MetadataBroker { node: *node, rack: known.rack.clone() })
                .collect(),
            partitions,
        })
    }

    /// Before KIP-570 no StopReplica names a leader epoch.
    fn stop_replica(
        &self,
        broker_epoch: Option<BrokerEpoch>,
        states: BTreeMap<TopicPartition, StopReplicaPartitionState>,
        context: &ControllerContext,
    ) -> Request {
        let told = |mut state: StopReplicaPartitionState| {
            if self.switches.stop_replica_epoch == StopReplicaEpoch::Off {
                state.leader_epoch = StopEpoch::None;
            }
            state
        };
        Request::from(StopReplicaRequest {
            controller: self.node,
            controller_epoch: context.epoch,
            broker_epoch,
            partitions: states.into_values().map(told).collect(),
        })
    }
}

fn leader_and_isr(
    partition: &TopicPartition,
    state: &LeaderIsrAndControllerEpoch,
    context: &ControllerContext,
) -> LeaderAndIsrPartitionState {
    let assignment = context.assignment(partition);
    let known = &state.leader_and_isr;
    LeaderAndIsrPartitionState {
        id: context.identified(partition),
        partition: partition.clone(),
        controller_epoch: state.controller_epoch,
        leader: known.leader,
        leader_epoch: known.leader_epoch,
        isr: known.isr.clone(),
        partition_epoch: known.partition_epoch,
        replicas: assignment.replicas,
        adding_replicas: assignment.adding_replicas,
        removing_replicas: assignment.removing_replicas,
        is_new: false,
        leader_recovery_state: known.leader_recovery_state,
    }
}

/// A topic that is being deleted has no leader any more, in no epoch (`LeaderAndIsr.duringDelete`).
fn update_metadata(
    partition: &TopicPartition,
    state: &LeaderIsrAndControllerEpoch,
    context: &ControllerContext,
) -> UpdateMetadataPartitionState {
    let known = &state.leader_and_isr;
    let replicas = context.replicas(partition);
    let is_being_deleted = context.is_queued_for_deletion(&partition.topic);
    let offline = replicas.iter().copied().filter(|one| !context.is_online(*one, partition));
    let offline_replicas: Arc<[NodeId]> = offline.collect();
    UpdateMetadataPartitionState {
        id: context.identified(partition),
        partition: partition.clone(),
        controller_epoch: state.controller_epoch,
        leader: known.leader.filter(|_| !is_being_deleted),
        is_being_deleted,
        leader_epoch: if is_being_deleted { LeaderEpoch(0) } else { known.leader_epoch },
        isr: known.isr.clone(),
        zk_version: known.partition_epoch,
        replicas,
        offline_replicas,
    }
}
