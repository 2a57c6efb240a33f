//! Reading batches from an offset on (`LocalLog.read`).

use crate::log::Log;
use klab_machine::Outbox;
use klab_wire::{ErrorCode, Offset, RecordBatch};
use std::sync::Arc;

/// What a read found (`FetchDataInfo`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FetchedRecords {
    /// The batches; the first may begin below the offset asked for.
    pub records: Vec<Arc<RecordBatch>>,
    /// Their bytes.
    pub size_in_bytes: u32,
}

impl Log {
    /// Reads whole batches of one segment from `from` on, all of them below `up_to` (log end, high
    /// watermark or last stable offset, by who reads), at most `max_bytes`, but with `min_one` at
    /// least one. OFFSET_OUT_OF_RANGE below the log start and above the log end.
    pub fn read(
        &self,
        _from: Offset,
        _max_bytes: u32,
        _up_to: Offset,
        _min_one: bool,
        _out: &mut Outbox,
    ) -> Result<FetchedRecords, ErrorCode> {
        todo!()
    }

    /// The bytes of the batches from `from` to below `up_to`, without reading them: what a delayed
    /// fetch adds up. None when the two are not in one segment, which completes a delayed fetch at
    /// once (`LogOffsetMetadata.onOlderSegment`).
    pub fn bytes_between(&self, _from: Offset, _up_to: Offset) -> Option<u64> {
        todo!()
    }

    /// Every batch from `from` on, oldest first: for replaying the metadata log and for tests. Costs no reads.
    pub fn batches_from(&self, _from: Offset) -> impl Iterator<Item = &Arc<RecordBatch>> + '_ {
        std::iter::empty()
    }
}
