//! Who leads a partition, and who is in sync (`TopicPartitionStateZNode`).

use super::{brokers, json, numbers, parsed};
use crate::zookeeper::Data;
use crate::{ControllerEpoch, LeaderEpoch, LeaderRecoveryState, NodeId, PartitionEpoch};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A partition's leader, its epoch, and the ISR (`LeaderAndIsr`).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LeaderAndIsr {
    /// The leader; none while the partition is offline.
    pub leader: Option<NodeId>,
    /// Its epoch.
    pub leader_epoch: LeaderEpoch,
    /// The in-sync replicas.
    pub isr: Arc<[NodeId]>,
    /// Whether the leader may have lost records in an unclean election (KIP-704).
    pub leader_recovery_state: LeaderRecoveryState,
    /// The version of the znode: the partition epoch of requests.
    pub partition_epoch: PartitionEpoch,
}

/// That, and the controller that wrote it (`LeaderIsrAndControllerEpoch`).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LeaderIsrAndControllerEpoch {
    /// Leader and ISR.
    pub leader_and_isr: LeaderAndIsr,
    /// The epoch of the controller that chose the leader.
    pub controller_epoch: ControllerEpoch,
}

/// `/brokers/topics/T/partitions/P/state`.
#[derive(Clone, Copy, Debug)]
pub struct TopicPartitionStateZNode;

#[derive(Serialize, Deserialize)]
struct Fields {
    #[serde(default)]
    version: u8,
    leader: i32,
    leader_epoch: u32,
    controller_epoch: u32,
    isr: Vec<u16>,
    #[serde(default, skip_serializing_if = "is_recovered")]
    leader_recovery_state: u8,
}

fn is_recovered(state: &u8) -> bool {
    *state == 0
}

impl LeaderAndIsr {
    /// A new partition: the first of these leads, and all are in sync.
    pub fn new(leader: NodeId, isr: Arc<[NodeId]>) -> Self {
        LeaderAndIsr {
            leader: Some(leader),
            leader_epoch: LeaderEpoch(0),
            isr,
            leader_recovery_state: LeaderRecoveryState::Recovered,
            partition_epoch: PartitionEpoch(0),
        }
    }

    /// The same state, in another version of its znode perhaps (`equalsAllowStalePartitionEpoch`).
    pub fn is_but_for_its_version(&self, other: &Self) -> bool {
        *self == LeaderAndIsr { partition_epoch: self.partition_epoch, ..other.clone() }
    }

    /// Another leader and another ISR, in the next epoch (`newLeaderAndIsr`).
    pub fn next(&self, leader: Option<NodeId>, isr: Arc<[NodeId]>) -> Self {
        LeaderAndIsr { leader, isr, leader_epoch: self.leader_epoch.next(), ..self.clone() }
    }
}

impl TopicPartitionStateZNode {
    /// As Kafka writes it: the recovery state only if there is something to recover.
    pub fn encode(state: &LeaderIsrAndControllerEpoch) -> Data {
        let LeaderIsrAndControllerEpoch { leader_and_isr, controller_epoch } = state;
        json(&Fields {
            version: 1,
            leader: leader_and_isr.leader.map_or(-1, |leader| i32::from(leader.number)),
            leader_epoch: leader_and_isr.leader_epoch.0,
            controller_epoch: controller_epoch.0,
            isr: numbers(&leader_and_isr.isr),
            leader_recovery_state: match leader_and_isr.leader_recovery_state {
                LeaderRecoveryState::Recovered => 0,
                LeaderRecoveryState::Recovering => 1,
            },
        })
    }

    /// The state at this version of the znode; none, as for a partition without a state, if it is not of this
    /// kind.
    pub fn decode(data: &Data, version: u32) -> Option<LeaderIsrAndControllerEpoch> {
        let read: Fields = parsed(data)?;
        let leader_and_isr = LeaderAndIsr {
            leader: u16::try_from(read.leader).ok().map(NodeId::broker),
            leader_epoch: LeaderEpoch(read.leader_epoch),
            isr: brokers(&read.isr),
            leader_recovery_state: match read.leader_recovery_state {
                0 => LeaderRecoveryState::Recovered,
                _ => LeaderRecoveryState::Recovering,
            },
            partition_epoch: PartitionEpoch(version),
        };
        Some(LeaderIsrAndControllerEpoch {
            leader_and_isr,
            controller_epoch: ControllerEpoch(read.controller_epoch),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_written_as_kafka_writes_it() {
        let first = LeaderAndIsr::new(NodeId::broker(1), brokers(&[1, 2]));
        let recovering = LeaderAndIsr {
            leader_recovery_state: LeaderRecoveryState::Recovering,
            ..first.next(None, brokers(&[2]))
        };
        let cases = [
            (
                first,
                r#"{"version":1,"leader":1,"leader_epoch":0,"controller_epoch":4,"isr":[1,2]}"#,
            ),
            (
                recovering,
                r#"{"version":1,"leader":-1,"leader_epoch":1,"controller_epoch":4,"isr":[2],"leader_recovery_state":1}"#,
            ),
        ];
        for (leader_and_isr, text) in cases {
            let state = LeaderIsrAndControllerEpoch {
                leader_and_isr,
                controller_epoch: ControllerEpoch(4),
            };
            let data = TopicPartitionStateZNode::encode(&state);
            assert_eq!(&*data.0, text);
            assert_eq!(TopicPartitionStateZNode::decode(&data, 0), Some(state));
        }
        assert_eq!(TopicPartitionStateZNode::decode(&"".into(), 0), None);
    }
}
