//! Blocks of producer ids are given out (`ProducerIdControlManager`, KIP-730).

use crate::active::Active;
use crate::decision::Decision;
use klab_wire::{
    AllocateProducerIdsRequest, AllocateProducerIdsResponse, ErrorCode, MetadataRecord, ProducerId,
    Response,
};

/// Ids in a block (`ProducerIdsBlock.PRODUCER_ID_BLOCK_SIZE`).
const BLOCK_SIZE: u32 = 1_000;

impl Active {
    pub(crate) fn allocate_producer_ids(
        &mut self,
        request: &AllocateProducerIdsRequest,
    ) -> Result<Decision, ErrorCode> {
        let AllocateProducerIdsRequest { broker, broker_epoch: epoch } = *request;
        self.check_broker_epoch(broker, epoch)?;
        let first = self.image().next_producer_id;
        let next = ProducerId(first.0 + u64::from(BLOCK_SIZE));
        if next.0 > i64::MAX as u64 {
            return Err(ErrorCode::UnknownServerError);
        }
        let response = Response::AllocateProducerIds(AllocateProducerIdsResponse {
            error: ErrorCode::None,
            first,
            length: BLOCK_SIZE,
        });
        let record = MetadataRecord::ProducerIds { broker, epoch, next };
        Ok(Decision::with_response(vec![record], response))
    }
}
