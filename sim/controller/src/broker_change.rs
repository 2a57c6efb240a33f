//! What a broker's coming and going means to its partitions
//! (`ReplicationControlManager.generateLeaderAndIsrUpdates`).

use crate::active::Active;
use crate::election::{Election, PartitionChange};
use crate::reassignment::without;
use klab_wire::{MetadataRecord, NodeId, PartitionChangeRecord, TopicIdPartition};

/// What happens to a broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BrokerChange {
    /// It is fenced, or on its way out: it leaves every ISR and leads nothing.
    Leaves(NodeId),
    /// It is unfenced: it may lead what nobody leads.
    Arrives(NodeId),
    /// It is back from a life that did not end in order, and may have lost its logs' tails (KIP-966).
    ShutsDownUncleanly(NodeId),
    /// Its registration is removed.
    Unregisters(NodeId),
}

impl Active {
    /// The records that the partitions need when this happens to a broker.
    ///
    /// Only the partitions that it touches are looked at.
    pub(crate) fn changes_for(&self, change: BrokerChange) -> Vec<MetadataRecord> {
        let index = &self.pending.index;
        let touched = match change {
            BrokerChange::Leaves(broker) => index.in_isr_of(broker),
            BrokerChange::Arrives(_) => index.leaderless().iter().copied().collect(),
            BrokerChange::ShutsDownUncleanly(broker) | BrokerChange::Unregisters(broker) => {
                [index.in_isr_of(broker), index.in_elr_of(broker)].concat()
            }
        };
        let changes =
            touched.into_iter().filter_map(|partition| self.change_for(change, partition));
        changes.map(MetadataRecord::PartitionChange).collect()
    }

    fn change_for(
        &self,
        change: BrokerChange,
        partition: TopicIdPartition,
    ) -> Option<PartitionChangeRecord> {
        let topic = self.image().topics.topic(partition.topic)?;
        let state = topic.partition(partition.partition)?;
        let mut change_of_state = PartitionChange::of(state, self.election_rules(topic));
        if self.is_unclean_election_enabled(topic) {
            change_of_state.election = Election::Unclean;
        }
        if let Some(broker) = change.gone() {
            change_of_state.isr = without(&state.isr, &[broker]);
        }
        if let BrokerChange::ShutsDownUncleanly(broker) = change {
            change_of_state.unclean_shutdown = Some(broker);
        }
        change_of_state.build(partition, |node| self.may_lead_after(change, node))
    }

    /// The registration still says what was before the change.
    fn may_lead_after(&self, change: BrokerChange, node: NodeId) -> bool {
        match change {
            BrokerChange::Arrives(broker) if broker == node => true,
            _ => change.gone() != Some(node) && self.image().cluster.is_active(node),
        }
    }
}

impl BrokerChange {
    /// The broker that may not lead after this.
    fn gone(self) -> Option<NodeId> {
        match self {
            BrokerChange::Leaves(broker)
            | BrokerChange::ShutsDownUncleanly(broker)
            | BrokerChange::Unregisters(broker) => Some(broker),
            BrokerChange::Arrives(_) => None,
        }
    }
}
