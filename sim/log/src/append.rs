//! Appending: a leader gives offsets, a follower keeps the ones it fetched (`UnifiedLog.append`).

use crate::log::Log;
use crate::producer_entry::BatchMetadata;
use crate::roll::Upcoming;
use crate::validation::validate;
use klab_machine::fact::LogFact;
use klab_machine::{Block, Change, FlushId, Mutant, Outbox};
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
            && !Mutant::RefusesDuplicates.lives()
            && !Mutant::AppendsDuplicates.lives()
            && let Some(known) = self.producers.duplicate_of(&batch, self.config.producer_window)
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
        if as_leader || !Mutant::FollowersIgnoreProducers.lives() {
            self.producers.update(&batch);
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LogConfig;
    use crate::testing::{Rig, records, records_at, sequenced};
    use klab_machine::{File, disk::DiskImage};
    use klab_wire::Span;

    fn with(change: impl FnOnce(&mut LogConfig)) -> Rig {
        let mut config = LogConfig { timestamp_after_max: Span::MAX, ..LogConfig::default() };
        change(&mut config);
        Rig::with(config)
    }

    fn fetched(base: u64, count: u32, epoch: u32) -> Arc<RecordBatch> {
        Arc::new(records(count).assigned(Offset(base), LeaderEpoch(epoch)))
    }

    fn follow(
        rig: &mut Rig,
        batches: &[Arc<RecordBatch>],
    ) -> Result<AppendInfo, FollowerAppendError> {
        rig.act(|log, now, out| log.append_as_follower(batches, now, out))
    }

    #[test]
    fn a_leader_gives_the_next_offsets_and_its_epoch() {
        let mut rig = Rig::new();
        rig.epoch = 3;
        let info = rig.append(records(5));
        assert_eq!((info.first_offset, info.last_offset), (Offset(0), Offset(4)));
        assert_eq!(rig.fact_names(), ["BatchAppended"]);
        rig.epoch = 4;
        rig.append(records(1));
        assert_eq!(rig.ranges(), [(0, 4), (5, 5)]);
        assert_eq!(rig.epochs(), [(3, 0), (4, 5)]);
        assert!(
            rig.log.batches_from(Offset(5)).all(|b| b.partition_leader_epoch == LeaderEpoch(4))
        );
        assert_eq!(rig.log.high_watermark(), Offset(0), "an append commits nothing");
    }

    #[test]
    fn a_log_that_was_never_written_to_stores_nothing() {
        let mut rig = Rig::new();
        rig.act(|log, now, out| log.flush(now, out));
        assert_eq!(rig.disk, DiskImage::default());
        rig.append(records(1));
        let files: Vec<_> = rig.disk.files().map(|file| file.to_string()).collect();
        assert_eq!(
            files,
            [
                "topic7-0/partition.metadata",
                "topic7-0/00000000000000000000.log",
                "topic7-0/leader-epoch-checkpoint"
            ]
        );
    }

    #[test]
    fn nobody_elses_copy_of_a_batch_is_changed() {
        let mut rig = Rig::new();
        rig.append(records(2));
        let sent = Arc::new(records(1));
        let kept = sent.clone();
        let origin = AppendOrigin::Client;
        rig.act(|log, now, out| log.append_as_leader(sent, LeaderEpoch(9), origin, now, out))
            .unwrap();
        assert_eq!((kept.base_offset, kept.partition_leader_epoch), (Offset(0), LeaderEpoch(0)));
    }

    #[test]
    fn an_append_time_is_stamped_by_the_leader() {
        let mut rig = with(|config| config.timestamp_type = TimestampType::LogAppendTime);
        let info = rig.append(records_at(&[5, 6]));
        assert_eq!(info.log_append_time, Some(Timestamp(1_000)));
        let batch = rig.log.batches_from(Offset(0)).next().unwrap();
        assert!(batch.is_valid() && batch.iter().all(|r| r.timestamp == Timestamp(1_000)));
    }

    #[test]
    fn a_retried_batch_is_answered_with_its_old_offsets() {
        let mut rig = Rig::new();
        rig.append(sequenced(7, 0, 0, 3));
        rig.append(sequenced(7, 0, 3, 2));
        let info = rig.append(sequenced(7, 0, 0, 3));
        assert!(info.duplicate);
        assert_eq!((info.first_offset, info.last_offset), (Offset(0), Offset(2)));
        assert_eq!(rig.fact_names(), ["DuplicateBatchDetected"]);
        assert_eq!(rig.log.log_end(), Offset(5));
    }

    #[test]
    fn a_producer_is_held_to_its_sequence_and_epoch() {
        let mut rig = Rig::new();
        rig.append(sequenced(7, 1, 0, 3));
        let out_of_order = Err(ErrorCode::OutOfOrderSequenceNumber);
        assert_eq!(rig.try_append(sequenced(7, 1, 4, 1)).map(drop), out_of_order);
        assert_eq!(rig.try_append(sequenced(7, 2, 3, 1)).map(drop), out_of_order);
        let fenced = rig.try_append(sequenced(7, 0, 3, 1)).map(drop);
        assert_eq!(fenced, Err(ErrorCode::InvalidProducerEpoch));
        assert_eq!(rig.log.log_end(), Offset(3));
        assert!(rig.try_append(sequenced(7, 2, 0, 1)).is_ok());
        assert!(rig.try_append(sequenced(8, 0, 40, 1)).is_ok(), "nothing is known of this one");
    }

    #[test]
    fn a_batch_larger_than_a_segment_is_refused() {
        let mut rig = with(|config| config.segment_bytes = 100);
        assert_eq!(rig.try_append(records(20)).map(drop), Err(ErrorCode::RecordListTooLarge));
        assert_eq!(rig.log.log_end(), Offset(0));
    }

    #[test]
    fn a_follower_keeps_offsets_and_epochs_as_they_come() {
        let mut rig = Rig::new();
        let batches = [fetched(0, 2, 1), fetched(2, 3, 4), fetched(9, 1, 4)];
        follow(&mut rig, &batches).unwrap();
        assert_eq!(rig.ranges(), [(0, 1), (2, 4), (9, 9)], "a compacted log has gaps");
        assert_eq!(rig.epochs(), [(1, 0), (4, 2)]);
        assert_eq!(rig.log.log_end(), Offset(10));
        let kept = rig.log.batches_from(Offset(0)).next().unwrap();
        assert!(Arc::ptr_eq(kept, &batches[0]), "replicas share one copy");
    }

    #[test]
    fn a_follower_refuses_all_if_one_batch_is_wrong() {
        let mut rig = Rig::new();
        follow(&mut rig, &[fetched(0, 3, 0)]).unwrap();
        let corrupt = RecordBatch { crc: 1, ..(*fetched(4, 1, 0)).clone() };
        let cases: [(&[_], _); 3] = [
            (
                &[fetched(2, 3, 0), fetched(5, 1, 0)],
                FollowerAppendError::Unexpected { first: Offset(2), last: Offset(5) },
            ),
            (
                &[fetched(3, 3, 0), fetched(4, 1, 0)],
                FollowerAppendError::OutOfOrder { offset: Offset(4) },
            ),
            (
                &[fetched(3, 1, 0), Arc::new(corrupt)],
                FollowerAppendError::Corrupt { offset: Offset(4) },
            ),
        ];
        for (batches, error) in cases {
            assert_eq!(follow(&mut rig, batches), Err(error));
            assert_eq!(rig.log.log_end(), Offset(3));
        }
    }

    #[test]
    fn replication_is_not_held_to_sequences() {
        let mut rig = Rig::new();
        let batch = |base, sequence| {
            Arc::new(sequenced(7, 0, sequence, 1).assigned(Offset(base), LeaderEpoch(0)))
        };
        follow(&mut rig, &[batch(0, 0), batch(1, 5)]).unwrap();
        assert_eq!(rig.append(sequenced(7, 0, 5, 1)).first_offset, Offset(1), "but known");
        assert!(rig.try_append(sequenced(7, 0, 6, 1)).is_ok());
    }

    #[test]
    fn a_full_segment_is_rolled_and_flushed_in_the_background() {
        let size = u64::from(records(1).size_in_bytes);
        let mut rig = with(|config| config.segment_bytes = 2 * size);
        rig.append(records(1));
        rig.append(records(1));
        assert_eq!(rig.log.segment_count(), 1);
        let info = rig.append(records(1));
        assert_eq!(rig.fact_names(), ["SegmentRolled", "BatchAppended"]);
        assert_eq!(info.durable_after, None, "nobody waits for it");
        rig.finish_flushes();
        assert_eq!(rig.log.recovery_point(), Offset(2));
        assert!(rig.disk.contains(File::Segment(rig.log.partition(), Offset(2))));
        assert!(rig.disk.contains(File::ProducerSnapshot(rig.log.partition(), Offset(2))));
    }

    #[test]
    fn flush_messages_makes_an_append_durable_only_after_its_fsync() {
        let mut rig = with(|config| config.flush_messages = 2);
        assert_eq!(rig.append(records(1)).durable_after, None);
        let flush = rig.append(records(1)).durable_after;
        assert_eq!(flush.into_iter().collect::<Vec<_>>(), rig.flushes);
        assert_eq!(rig.log.recovery_point(), Offset(0));
        rig.finish_flushes();
        assert_eq!(rig.fact_names(), ["LogFlushed"]);
        assert_eq!(rig.log.recovery_point(), Offset(2));
        assert_eq!(rig.append(records(1)).durable_after, None, "it counts anew");
    }
}
