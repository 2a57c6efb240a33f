//! Appending: a leader gives offsets, a follower keeps the ones it fetched (`UnifiedLog.append`).

use crate::log::Log;
use crate::producer_entry::BatchMetadata;
use crate::roll::Upcoming;
use crate::validation::validate;
use klab_machine::fact::LogFact;
use klab_machine::{Block, Change, FlushId, Outbox};
use klab_wire::{ErrorCode, LeaderEpoch, Now, Offset, RecordBatch, Timestamp, TimestampType};
use std::sync::Arc;

/// Where a batch comes from that a leader appends (`AppendOrigin`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppendOrigin {
    /// A client's produce request: every check applies.
    Client,
    /// A coordinator on this broker: sequences are not checked.
    Coordinator,
    /// The leader of the metadata quorum: its batches are its own business.
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
    /// `flush.messages` is reached: Kafka fsyncs within the append. No acknowledgement, and no
    /// further fetch of a follower, may leave before the recovery point has passed the last offset, at
    /// the latest when this flush is reported.
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
    /// The first batch starts below the log end (`UnexpectedAppendOffsetException`). An empty log may
    /// start afresh at `first`, if the last offset reaches its end: the leader's log start lies within
    /// a batch.
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
    /// A peer's mistake is Kafka's error code: CORRUPT_MESSAGE, INVALID_RECORD, MESSAGE_TOO_LARGE,
    /// RECORD_LIST_TOO_LARGE (larger than a segment), INVALID_TIMESTAMP, OUT_OF_ORDER_SEQUENCE_NUMBER,
    /// INVALID_PRODUCER_EPOCH. A duplicate is no mistake: it is answered with the offsets it has.
    pub fn append_as_leader(
        &mut self,
        batch: Arc<RecordBatch>,
        epoch: LeaderEpoch,
        origin: AppendOrigin,
        now: Now,
        out: &mut Outbox,
    ) -> Result<AppendInfo, ErrorCode> {
        validate(&batch, origin, &self.config, now.wall)?;
        let batch = self.assigned(batch, epoch, origin, now.wall);
        // In Kafka's order: epoch, size of a segment, roll, and only then the producer.
        self.assign_epoch_start(epoch, batch.base_offset, out);
        if u64::from(batch.size_in_bytes) > self.config.segment_bytes {
            return Err(ErrorCode::RecordListTooLarge);
        }
        self.maybe_roll(&Upcoming::of(std::slice::from_ref(&batch)), now, out);
        if origin == AppendOrigin::Client
            && let Some(known) = self.producers.duplicate_of(&batch)
        {
            return Ok(self.answer_duplicate(&batch, known, out));
        }
        self.producers.check(&batch, origin == AppendOrigin::Client)?;
        let info = AppendInfo::of(&batch, &batch);
        self.append(batch, true, out);
        Ok(AppendInfo { durable_after: self.flush_if_many(now, out), ..info })
    }

    /// Appends fetched batches as they are; none at all if one of them is refused.
    ///
    /// Batches may leave gaps (the leader's log may be compacted). There must be at least one batch.
    pub fn append_as_follower(
        &mut self,
        batches: &[Arc<RecordBatch>],
        now: Now,
        out: &mut Outbox,
    ) -> Result<AppendInfo, FollowerAppendError> {
        let (first, last) = (&batches[0], &batches[batches.len() - 1]);
        if let Err(error) = check_fetched(batches, self.log_end) {
            if let FollowerAppendError::Corrupt { offset } = error {
                let partition = self.name.clone();
                out.state(LogFact::CorruptBatchFound { partition, offset });
            }
            return Err(error);
        }
        for batch in batches {
            self.assign_epoch_start(batch.partition_leader_epoch, batch.base_offset, out);
        }
        self.maybe_roll(&Upcoming::of(batches), now, out);
        batches.iter().for_each(|batch| self.append(batch.clone(), false, out));
        let durable_after = self.flush_if_many(now, out);
        Ok(AppendInfo { durable_after, ..AppendInfo::of(first, last) })
    }

    /// The batch as it will be in the log; nobody else's copy is changed.
    fn assigned(
        &self,
        mut batch: Arc<RecordBatch>,
        epoch: LeaderEpoch,
        origin: AppendOrigin,
        now: Timestamp,
    ) -> Arc<RecordBatch> {
        let stamping = self.config.timestamp_type == TimestampType::LogAppendTime
            && origin != AppendOrigin::RaftLeader;
        if stamping {
            batch = Arc::new(batch.stamped(now));
        }
        let own = Arc::make_mut(&mut batch);
        own.base_offset = self.log_end;
        own.partition_leader_epoch = epoch;
        batch
    }

    fn answer_duplicate(
        &self,
        batch: &RecordBatch,
        known: BatchMetadata,
        out: &mut Outbox,
    ) -> AppendInfo {
        if let Some(producer) = batch.producer
            && let Some(base_sequence) = producer.base_sequence
        {
            out.state(LogFact::DuplicateBatchDetected {
                partition: self.name.clone(),
                producer: producer.id,
                producer_epoch: producer.epoch,
                base_sequence,
                offset: known.first_offset(),
            });
        }
        AppendInfo {
            first_offset: known.first_offset(),
            last_offset: known.last_offset,
            log_append_time: Some(known.timestamp),
            duplicate: true,
            durable_after: None,
        }
    }

    /// Puts a batch at the end, whoever gave it its offsets.
    fn append(&mut self, batch: Arc<RecordBatch>, as_leader: bool, out: &mut Outbox) {
        self.store_partition_metadata(out);
        let file = self.segments.active().file(self.partition);
        out.store(file, Change::Append(Block::Batch(batch.clone())));
        out.state(LogFact::BatchAppended {
            partition: self.name.clone(),
            epoch: batch.partition_leader_epoch,
            base: batch.base_offset,
            last: batch.last_offset(),
            digest: batch.digest(),
            first_value: batch.first_value(),
            producer: batch.producer,
            as_leader,
        });
        self.producers.update(&batch);
        self.log_end = batch.next_offset();
        self.producers.map_end = self.log_end;
        let active = self.segments.active_mut();
        active.stored = true;
        active.append(batch);
    }
}

/// What a follower asks of the batches that it fetched.
fn check_fetched(batches: &[Arc<RecordBatch>], log_end: Offset) -> Result<(), FollowerAppendError> {
    let mut highest = None;
    for batch in batches {
        if highest.is_some_and(|highest| highest >= batch.last_offset()) {
            return Err(FollowerAppendError::OutOfOrder { offset: batch.base_offset });
        }
        if !batch.is_valid() {
            return Err(FollowerAppendError::Corrupt { offset: batch.base_offset });
        }
        highest = Some(batch.last_offset());
    }
    match (batches[0].base_offset, highest) {
        (first, Some(last)) if first < log_end => {
            Err(FollowerAppendError::Unexpected { first, last })
        }
        _ => Ok(()),
    }
}

impl AppendInfo {
    fn of(first: &RecordBatch, last: &RecordBatch) -> Self {
        let stamped = first.attributes.timestamp_type == TimestampType::LogAppendTime;
        AppendInfo {
            first_offset: first.base_offset,
            last_offset: last.last_offset(),
            log_append_time: stamped.then_some(first.max_timestamp),
            duplicate: false,
            durable_after: None,
        }
    }
}

impl Upcoming {
    fn of(batches: &[Arc<RecordBatch>]) -> Self {
        let (first, last) = (&batches[0], &batches[batches.len() - 1]);
        let latest = batches.iter().map(|batch| batch.max_timestamp).max();
        Upcoming {
            first_offset: first.base_offset,
            last_offset: last.last_offset(),
            max_timestamp: latest.unwrap_or(first.max_timestamp),
            size_in_bytes: batches.iter().map(|batch| u64::from(batch.size_in_bytes)).sum(),
        }
    }
}
