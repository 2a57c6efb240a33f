//! The image of a broker in ZooKeeper mode, which no log feeds but the controller's UpdateMetadata requests
//! (`ZkMetadataCache.updateMetadata`).
//!
//! Each says which brokers are alive, and how some partitions stand: the rest stays as it was. So two brokers may
//! know different things for as long as the controller has not reached both. A partition that nobody has told
//! of has no replicas here, and is to everybody as if it were not there.

use crate::{Image, TopicImage};
use klab_wire::{
    ConfigResource, LeaderRecoveryState, NodeId, PartitionRegistration, TopicId,
    UpdateMetadataPartitionState, UpdateMetadataRequest,
};
use std::collections::BTreeSet;
use std::sync::Arc;

/// What an UpdateMetadata changed for others to follow up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Updated {
    /// Brokers that have come or gone.
    pub brokers: BTreeSet<NodeId>,
    /// Topics of which nothing is left.
    pub topics_deleted: Vec<TopicId>,
}

impl Image {
    /// Takes in what the controller says.
    pub fn update(&mut self, request: &UpdateMetadataRequest) -> Updated {
        let mut updated = Updated {
            brokers: self.cluster.replace_alive(&request.live_brokers),
            topics_deleted: Vec::new(),
        };
        for state in &request.partitions {
            match state.is_being_deleted {
                true => self.forget_partition(state, &mut updated),
                false => self.put_state(state, &mut updated),
            }
        }
        updated
    }

    /// A topic may have come again under its name without a word about its end.
    fn put_state(&mut self, state: &UpdateMetadataPartitionState, updated: &mut Updated) {
        let (topic, name) = (state.id.topic, &state.partition.topic);
        if let Some(other) = self.topics.id_of(name).filter(|known| *known != topic) {
            self.forget_topic(other, updated);
        }
        if self.topics.topic(topic).is_none() {
            self.topics.create(name, topic, &mut crate::Delta::default());
        }
        self.topics.place(state.id, Arc::new(registration(state)));
    }

    fn forget_partition(&mut self, state: &UpdateMetadataPartitionState, updated: &mut Updated) {
        if self.topics.topic(state.id.topic).is_none() {
            return;
        }
        self.topics.place(state.id, Arc::new(untold()));
        let is_empty = |topic: &TopicImage| topic.partitions().next().is_none();
        if self.topics.topic(state.id.topic).is_some_and(is_empty) {
            self.forget_topic(state.id.topic, updated);
        }
    }

    fn forget_topic(&mut self, topic: TopicId, updated: &mut Updated) {
        let gone = self.topics.remove(topic);
        self.configs.remove(&ConfigResource::Topic(gone.name.clone()));
        updated.topics_deleted.push(topic);
    }
}

fn registration(state: &UpdateMetadataPartitionState) -> PartitionRegistration {
    PartitionRegistration {
        replicas: state.replicas.clone(),
        isr: state.isr.clone(),
        leader: state.leader,
        leader_epoch: state.leader_epoch,
        partition_epoch: state.zk_version,
        ..untold()
    }
}

/// A partition of which nothing was told.
pub(crate) fn untold() -> PartitionRegistration {
    PartitionRegistration {
        replicas: Arc::default(),
        isr: Arc::default(),
        removing_replicas: Arc::default(),
        adding_replicas: Arc::default(),
        leader: None,
        leader_recovery_state: LeaderRecoveryState::Recovered,
        leader_epoch: klab_wire::LeaderEpoch(0),
        partition_epoch: klab_wire::PartitionEpoch(0),
        elr: Arc::default(),
        last_known_elr: Arc::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use klab_wire::*;

    fn nodes(numbers: &[u16]) -> Arc<[NodeId]> {
        numbers.iter().map(|number| NodeId::broker(*number)).collect()
    }

    fn state(topic: u64, index: u32, leader: u16) -> UpdateMetadataPartitionState {
        UpdateMetadataPartitionState {
            id: TopicIdPartition { topic: TopicId(topic), partition: PartitionId(index) },
            partition: TopicPartition::new("orders", index),
            controller_epoch: ControllerEpoch(1),
            leader: Some(NodeId::broker(leader)),
            is_being_deleted: false,
            leader_epoch: LeaderEpoch(3),
            isr: nodes(&[1, 2]),
            zk_version: PartitionEpoch(5),
            replicas: nodes(&[1, 2]),
            offline_replicas: nodes(&[]),
        }
    }

    fn request(
        alive: &[u16],
        partitions: Vec<UpdateMetadataPartitionState>,
    ) -> UpdateMetadataRequest {
        let broker = |number: &u16| MetadataBroker { node: NodeId::broker(*number), rack: None };
        UpdateMetadataRequest {
            controller: NodeId::broker(1),
            controller_epoch: ControllerEpoch(1),
            broker_epoch: None,
            live_brokers: alive.iter().map(broker).collect(),
            partitions,
        }
    }

    fn leader(image: &Image, index: u32) -> Option<NodeId> {
        image.topics.partition_named(&TopicPartition::new("orders", index))?.leader
    }

    #[test]
    fn an_update_says_who_is_alive_and_how_some_partitions_stand() {
        let mut image = Image::default();
        image.update(&request(&[1, 2], vec![state(7, 0, 1), state(7, 1, 2)]));
        assert_eq!(
            (leader(&image, 0), leader(&image, 1)),
            (Some(nodes(&[1])[0]), Some(nodes(&[2])[0]))
        );
        let updated = image.update(&request(&[2, 3], vec![state(7, 0, 2)]));
        assert_eq!(updated.brokers, BTreeSet::from([NodeId::broker(1), NodeId::broker(3)]));
        assert_eq!(leader(&image, 0), Some(NodeId::broker(2)));
        assert_eq!(leader(&image, 1), Some(NodeId::broker(2)), "of this one nothing was said");
        assert!(image.cluster.broker(NodeId::broker(1)).is_none());
    }

    #[test]
    fn a_partition_of_which_nothing_was_told_is_not_there() {
        let mut image = Image::default();
        image.update(&request(&[1], vec![state(7, 2, 1)]));
        let topic = image.topics.named(&"orders".into()).expect("one of its partitions is known");
        assert_eq!(topic.partitions().map(|(index, _)| index.0).collect::<Vec<_>>(), [2]);
        assert!(image.topics.identified(&TopicPartition::new("orders", 0)).is_none());
    }

    #[test]
    fn a_topic_is_gone_with_its_last_partition_or_when_another_has_its_name() {
        let mut image = Image::default();
        image.update(&request(&[1], vec![state(7, 0, 1), state(7, 1, 1)]));
        let gone =
            |index| UpdateMetadataPartitionState { is_being_deleted: true, ..state(7, index, 1) };
        assert!(image.update(&request(&[1], vec![gone(1)])).topics_deleted.is_empty());
        assert_eq!(image.update(&request(&[1], vec![gone(0)])).topics_deleted, [TopicId(7)]);
        image.update(&request(&[1], vec![state(8, 0, 1)]));
        assert_eq!(image.update(&request(&[1], vec![state(9, 0, 1)])).topics_deleted, [TopicId(8)]);
        assert_eq!(image.topics.id_of(&"orders".into()), Some(TopicId(9)));
    }
}
