//! Appending: a leader gives offsets, a follower keeps the ones it fetched (`UnifiedLog.append`).

use crate::log::Log;
use klab_machine::{FlushId, Outbox};
use klab_wire::{ErrorCode, LeaderEpoch, Now, Offset, RecordBatch, Timestamp};
use std::sync::Arc;

/// Where a batch comes from that a leader appends (`AppendOrigin`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppendOrigin {
    /// A client's produce request: every check applies.
    Client,
    /// A coordinator on this broker: sequences are not checked.
    Coordinator,
    /// The leader of the metadata quorum: neither sizes nor timestamps are checked.
    RaftLeader,
}

/// What an append did (`LogAppendInfo`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AppendInfo {
    /// The offset of the first record; a duplicate's is the old one.
    pub first_offset: Offset,
    /// The offset of the last record.
    pub last_offset: Offset,
    /// When it was appended, under `LogAppendTime`.
    pub log_append_time: Option<Timestamp>,
    /// The batch was in the log already: nothing was appended.
    pub duplicate: bool,
    /// `flush.messages` is reached: Kafka fsyncs within the append, so neither an acknowledgement nor
    /// a fetch may show these records before this flush is reported.
    pub durable_after: Option<FlushId>,
}

/// Why a follower cannot append what it fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FollowerAppendError {
    /// A batch does not fit its checksum (`CorruptRecordException`).
    Corrupt {
        /// Its base offset.
        offset: Offset,
    },
    /// The batches' offsets do not increase (`OffsetsOutOfOrderException`).
    OutOfOrder {
        /// Where they go back.
        offset: Offset,
    },
    /// The first batch starts below the log end (`UnexpectedAppendOffsetException`).
    Unexpected {
        /// The first batch's base offset.
        first: Offset,
        /// The last batch's last offset.
        last: Offset,
    },
}

impl Log {
    /// Appends a batch as the leader: checks it, gives it the next offsets and the epoch.
    ///
    /// A peer's mistake is Kafka's error code: CORRUPT_MESSAGE, MESSAGE_TOO_LARGE, RECORD_LIST_TOO_LARGE,
    /// INVALID_TIMESTAMP, OUT_OF_ORDER_SEQUENCE_NUMBER, INVALID_PRODUCER_EPOCH. A duplicate is no
    /// mistake: it is answered with the offsets it has.
    pub fn append_as_leader(
        &mut self,
        _batch: Arc<RecordBatch>,
        _epoch: LeaderEpoch,
        _origin: AppendOrigin,
        _now: Now,
        _out: &mut Outbox,
    ) -> Result<AppendInfo, ErrorCode> {
        todo!()
    }

    /// Appends fetched batches as they are; none at all if one of them is refused.
    ///
    /// Batches may leave gaps (the leader's log may be compacted). There must be at least one batch.
    pub fn append_as_follower(
        &mut self,
        _batches: &[Arc<RecordBatch>],
        _now: Now,
        _out: &mut Outbox,
    ) -> Result<AppendInfo, FollowerAppendError> {
        todo!()
    }
}
