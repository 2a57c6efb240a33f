//! Blocks of producer ids are given out (`ProducerIdControlManager`, KIP-730).

use crate::active::Active;
use crate::decision::Decision;
use klab_machine::Mutant;
use klab_wire::{
    AllocateProducerIdsRequest, AllocateProducerIdsResponse, ErrorCode, MetadataRecord, ProducerId,
    Response,
};

/// Ids in a block (`ProducerIdsBlock.PRODUCER_ID_BLOCK_SIZE`).
pub(crate) const BLOCK_SIZE: u32 = 1_000;

impl Active {
    pub(crate) fn allocate_producer_ids(
        &mut self,
        request: &AllocateProducerIdsRequest,
    ) -> Result<Decision, ErrorCode> {
        let AllocateProducerIdsRequest { broker, broker_epoch: epoch } = *request;
        self.check_broker_epoch(broker, epoch)?;
        let first = match Mutant::HandsOutIdsTwice.lives() {
            true => ProducerId(0),
            false => self.image().next_producer_id,
        };
        let next = ProducerId(first.0 + u64::from(BLOCK_SIZE));
        if next.0 > i64::MAX as u64 {
            return Err(ErrorCode::UnknownServerError);
        }
        let response = Response::AllocateProducerIds(Box::new(AllocateProducerIdsResponse {
            error: ErrorCode::None,
            first,
            length: BLOCK_SIZE,
        }));
        let record = MetadataRecord::ProducerIds { broker, epoch, next };
        Ok(Decision::with_response(vec![record], response))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desk::Desk;
    use klab_wire::{BrokerEpoch, NodeId};

    #[test]
    fn every_block_begins_where_the_last_one_ended_also_after_a_restart() {
        let mut desk = Desk::new().with_brokers([1]);
        let block = |desk: &mut Desk| {
            let (broker, broker_epoch) = (NodeId::broker(1), desk.epoch(1));
            match desk.ask(AllocateProducerIdsRequest { broker, broker_epoch }) {
                Response::AllocateProducerIds(answer) => (answer.first.0, answer.length),
                other => panic!("no block: {other:?}"),
            }
        };
        assert_eq!(block(&mut desk), (0, 1_000));
        assert_eq!(block(&mut desk), (1_000, 1_000));
        let mut desk = desk.restarted();
        assert_eq!(block(&mut desk), (2_000, 1_000));
    }

    #[test]
    fn a_broker_of_another_registration_gets_none() {
        let mut desk = Desk::new().with_brokers([1]);
        let broker_epoch = BrokerEpoch(0);
        let request = AllocateProducerIdsRequest { broker: NodeId::broker(1), broker_epoch };
        match desk.ask(request) {
            Response::AllocateProducerIds(answer) => {
                assert_eq!(answer.error, ErrorCode::StaleBrokerEpoch);
            }
            other => panic!("no answer: {other:?}"),
        }
    }
}
