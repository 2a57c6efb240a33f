//! The ISR changes that wait for the controller: one request in flight per broker, with everything
//! that has come up until it leaves (`AlterPartitionManager`, KIP-497).

use klab_wire::{
    AlterPartitionData, AlterPartitionRequest, AlterPartitionResponse, AlteredPartition,
    BrokerEpoch, ErrorCode, NodeId, Span, TopicIdPartition,
};
use std::collections::BTreeMap;

/// How long to wait after the whole request was refused.
pub const RETRY: Span = Span::from_millis(50);

/// Changes that were not answered yet, in flight or not.
#[derive(Clone, Debug, Default)]
pub struct AlterPartitions {
    unanswered: BTreeMap<TopicIdPartition, AlterPartitionData>,
    in_flight: bool,
}

/// An answer to one change.
pub type Answered = (AlterPartitionData, Result<AlteredPartition, ErrorCode>);

impl AlterPartitions {
    /// Notes a change. While another one of the same partition is unanswered, it is refused
    /// (OPERATION_NOT_ATTEMPTED).
    pub fn submit(&mut self, change: AlterPartitionData) -> Result<(), AlterPartitionData> {
        if self.unanswered.contains_key(&change.partition) {
            return Err(change);
        }
        self.unanswered.insert(change.partition, change);
        Ok(())
    }

    /// The request to send now, if there is anything to ask and nothing is in flight.
    pub fn next_request(
        &mut self,
        broker: NodeId,
        broker_epoch: Option<BrokerEpoch>,
    ) -> Option<AlterPartitionRequest> {
        if self.in_flight || self.unanswered.is_empty() {
            return None;
        }
        let broker_epoch = broker_epoch?;
        self.in_flight = true;
        Some(AlterPartitionRequest {
            broker,
            broker_epoch,
            partitions: self.unanswered.values().cloned().collect(),
        })
    }

    /// The request was answered: each change with its outcome; or the whole was refused, and
    /// everything is asked again after [`RETRY`]. A change without an answer stays.
    pub fn answered(
        &mut self,
        response: AlterPartitionResponse,
    ) -> Result<Vec<Answered>, ErrorCode> {
        self.in_flight = false;
        if !response.error.is_ok() {
            return Err(response.error);
        }
        let settle = |altered: AlteredPartition| {
            let asked = self.unanswered.remove(&altered.partition)?;
            let outcome = if altered.error.is_ok() { Ok(altered) } else { Err(altered.error) };
            Some((asked, outcome))
        };
        Ok(response.partitions.into_iter().filter_map(settle).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use klab_wire::{LeaderEpoch, LeaderRecoveryState, PartitionEpoch, PartitionId, TopicId};

    fn id(partition: u32) -> TopicIdPartition {
        TopicIdPartition { topic: TopicId(7), partition: PartitionId(partition) }
    }

    fn change(partition: u32) -> AlterPartitionData {
        AlterPartitionData {
            partition: id(partition),
            leader_epoch: LeaderEpoch(1),
            new_isr: vec![],
            leader_recovery_state: LeaderRecoveryState::Recovered,
            partition_epoch: PartitionEpoch(3),
        }
    }

    fn altered(partition: u32, error: ErrorCode) -> AlteredPartition {
        AlteredPartition {
            partition: id(partition),
            error,
            leader: None,
            leader_epoch: LeaderEpoch(1),
            isr: vec![],
            leader_recovery_state: LeaderRecoveryState::Recovered,
            partition_epoch: PartitionEpoch(4),
        }
    }

    fn asked(changes: &mut AlterPartitions) -> Option<Vec<u32>> {
        let request = changes.next_request(NodeId::broker(1), Some(BrokerEpoch(5)))?;
        Some(request.partitions.iter().map(|data| data.partition.partition.0).collect())
    }

    #[test]
    fn one_request_is_in_flight_and_the_next_takes_everything_that_came_up() {
        let mut changes = AlterPartitions::default();
        assert_eq!(asked(&mut changes), None);
        changes.submit(change(0)).unwrap();
        assert_eq!(asked(&mut changes), Some(vec![0]));
        changes.submit(change(1)).unwrap();
        changes.submit(change(2)).unwrap();
        assert!(changes.submit(change(0)).is_err(), "one change per partition");
        assert_eq!(asked(&mut changes), None);
        let partitions = vec![altered(0, ErrorCode::InvalidUpdateVersion)];
        let response = AlterPartitionResponse { error: ErrorCode::None, partitions };
        let answers = changes.answered(response).unwrap();
        assert_eq!(answers, [(change(0), Err(ErrorCode::InvalidUpdateVersion))]);
        assert_eq!(asked(&mut changes), Some(vec![1, 2]));
    }

    #[test]
    fn a_refused_request_is_asked_again_as_a_whole() {
        let mut changes = AlterPartitions::default();
        changes.submit(change(0)).unwrap();
        asked(&mut changes);
        let error = ErrorCode::StaleBrokerEpoch;
        let response = AlterPartitionResponse { error, partitions: vec![] };
        assert_eq!(changes.answered(response), Err(error));
        assert_eq!(asked(&mut changes), Some(vec![0]));
    }
}
