//! A batch on its way from the application to the log (`ProducerBatch`).

use crate::compression::CompressionRatioEstimator;
use klab_machine::OperationId;
use klab_wire::{
    BATCH_OVERHEAD, BatchProducer, CompressionType, ErrorCode, Few, LeaderEpoch, Payload, Record,
    RecordBatch, RecordView, Records, Sequence, Span, Time, Timestamp, record_size,
};
use std::sync::Arc;

/// A batch of one accumulator, in the order of creation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct BatchId(pub(crate) u64);

/// A partition of a topic that this producer writes to: the topic's place in its list, and the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Slot {
    pub(crate) topic: u32,
    pub(crate) partition: u32,
}

/// What an application sends in one call.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    /// One record.
    Record { key: Option<Payload>, value: Option<Payload> },
    /// A range of generated records with consecutive values.
    Counted { first_value: u64, count: u32, value_size: u32 },
}

/// A call whose records are in a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Thunk {
    pub(crate) operation: OperationId,
    pub(crate) records: u32,
}

impl Content {
    /// How many records this is.
    pub(crate) fn records(&self) -> u32 {
        match self {
            Content::Record { .. } => 1,
            Content::Counted { count, .. } => *count,
        }
    }

    /// The key, if it has one.
    pub(crate) fn key(&self) -> Option<&Payload> {
        match self {
            Content::Record { key, .. } => key.as_ref(),
            Content::Counted { .. } => None,
        }
    }
}

/// How the batches of a topic are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Compression {
    /// `compression.type`.
    pub(crate) codec: CompressionType,
    /// The compressed size of 1000 bytes of records.
    pub(crate) permille: u32,
}

/// A batch with its calls and its history.
#[derive(Clone, Debug)]
pub(crate) struct ProducerBatch {
    pub(crate) slot: Slot,
    /// When its first record came: the delivery timeout counts from here.
    pub(crate) created: Time,
    /// The bytes of the buffer pool that it holds; a part of a split batch holds none.
    pub(crate) buffer: u64,
    pub(crate) thunks: Few<Thunk>,
    pub(crate) record_count: u32,
    pub(crate) attempts: u32,
    /// Created, or queued again (`lastAttemptMs`).
    pub(crate) last_attempt: Time,
    /// Before this it is not sent again, unless another leader has been elected.
    pub(crate) backoff_until: Time,
    /// It has been queued again at least once (`inRetry`).
    pub(crate) is_retried: bool,
    /// Its sequence was rewritten after an epoch bump, and it was not sent since (`reopened`).
    pub(crate) sequence_was_reset: bool,
    /// An attempt may have written it.
    pub(crate) may_be_written: bool,
    pub(crate) state: BatchState,
    /// Whose it is and its sequence, once it was sent by an idempotent producer.
    pub(crate) producer: Option<BatchProducer>,
    body: Body,
    write_limit: u32,
    ratio: Option<CompressionRatioEstimator>,
    leader_epoch: Option<LeaderEpoch>,
    attempts_at_leader_change: u32,
}

/// Where a batch is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BatchState {
    /// In its partition's queue.
    Queued,
    /// Sent, and not answered.
    InFlight,
    /// Its calls have ended, but the answer to a request may still come.
    Done,
}

#[derive(Clone, Debug)]
enum Body {
    Open(OpenRecords),
    Closed(Arc<RecordBatch>),
}

#[derive(Clone, Debug)]
struct OpenRecords {
    size: u32,
    records: OpenContent,
}

#[derive(Clone, Debug)]
enum OpenContent {
    Records { base: Timestamp, latest: Timestamp, records: Vec<Record> },
    Counted { first_value: u64, value_size: u32, timestamp: Timestamp },
}

impl ProducerBatch {
    /// A batch that begins with these records. `write_limit` bytes fill it; the first content always fits.
    pub(crate) fn new(
        slot: Slot,
        created: Time,
        write_limit: u32,
        ratio: Option<CompressionRatioEstimator>,
        content: &Content,
        timestamp: Timestamp,
        operation: OperationId,
    ) -> Self {
        let records = match content {
            Content::Record { .. } => OpenContent::no_records(timestamp),
            Content::Counted { first_value, value_size, .. } => OpenContent::Counted {
                first_value: *first_value,
                value_size: *value_size,
                timestamp,
            },
        };
        let mut batch = ProducerBatch {
            slot,
            created,
            buffer: 0,
            thunks: Few::new(),
            record_count: 0,
            attempts: 0,
            last_attempt: created,
            backoff_until: Time::ZERO,
            is_retried: false,
            sequence_was_reset: false,
            may_be_written: false,
            state: BatchState::Queued,
            producer: None,
            body: Body::Open(OpenRecords { size: 0, records }),
            write_limit,
            ratio,
            leader_epoch: None,
            attempts_at_leader_change: 0,
        };
        batch.append(content, timestamp, operation);
        batch
    }

    /// Adds these records if there is room (`tryAppend`).
    pub(crate) fn try_append(
        &mut self,
        content: &Content,
        timestamp: Timestamp,
        operation: OperationId,
    ) -> bool {
        let has_room = self.has_room_for(content, timestamp);
        if has_room {
            self.append(content, timestamp, operation);
        }
        has_room
    }

    fn has_room_for(&self, content: &Content, timestamp: Timestamp) -> bool {
        let Body::Open(open) = &self.body else { return false };
        let follows = match (&open.records, content) {
            (OpenContent::Records { .. }, Content::Record { .. }) => true,
            (
                OpenContent::Counted { first_value, value_size, .. },
                Content::Counted { first_value: next, value_size: size, .. },
            ) => first_value + u64::from(self.record_count) == *next && value_size == size,
            _ => false,
        };
        // Conservatively, the new record is taken at its uncompressed size.
        let size = open.size_of(content, self.record_count, timestamp);
        follows && self.write_limit >= self.estimated_size() + size
    }

    /// How many more generated records of this size it takes.
    pub(crate) fn room(&self, value_size: u32) -> u32 {
        let Body::Open(OpenRecords { records: OpenContent::Counted { .. }, .. }) = &self.body
        else {
            return 0;
        };
        let left = self.write_limit.saturating_sub(self.estimated_size());
        let record = |count: u32| record_size(self.record_count + count, 0, None, Some(value_size));
        left / record(left / record(0))
    }

    fn append(&mut self, content: &Content, timestamp: Timestamp, operation: OperationId) {
        let count = self.record_count;
        let Body::Open(open) = &mut self.body else {
            unreachable!("a closed batch takes no records")
        };
        open.size += open.size_of(content, count, timestamp);
        let records = match (&mut open.records, content) {
            (OpenContent::Records { base, latest, records }, Content::Record { key, value }) => {
                *latest = timestamp.max(*latest);
                records.push(Record {
                    offset_delta: count,
                    timestamp_delta: timestamp.0 - base.0,
                    key: key.clone(),
                    value: value.clone(),
                });
                1
            }
            (OpenContent::Counted { .. }, Content::Counted { count, .. }) => *count,
            _ => unreachable!("a batch holds records or counts them"),
        };
        self.record_count += records;
        self.thunks.push(Thunk { operation, records });
    }

    /// Bytes on the wire, as far as one can tell before the batch is closed (`estimatedSizeInBytes`).
    pub(crate) fn estimated_size(&self) -> u32 {
        match &self.body {
            Body::Closed(batch) => batch.size_in_bytes,
            Body::Open(open) => {
                BATCH_OVERHEAD + self.ratio.map_or(open.size, |ratio| ratio.estimate(open.size))
            }
        }
    }

    /// No record fits any more (`isFull`).
    pub(crate) fn is_full(&self) -> bool {
        matches!(self.body, Body::Closed(_)) || self.write_limit <= self.estimated_size()
    }

    /// Closes the batch for sending, and gives what will be sent.
    pub(crate) fn close(&mut self, compression: Compression) -> Arc<RecordBatch> {
        let producer = self.producer;
        let batch = match &mut self.body {
            Body::Open(open) => Arc::new(open.build(self.record_count, compression, producer)),
            Body::Closed(batch) if batch.producer == producer => batch.clone(),
            Body::Closed(batch) => {
                Arc::new(RecordBatch { producer, ..RecordBatch::clone(batch) }.sealed())
            }
        };
        self.body = Body::Closed(batch.clone());
        self.sequence_was_reset = false;
        batch
    }

    /// The sequence of its first record, once it has one.
    pub(crate) fn base_sequence(&self) -> Option<Sequence> {
        self.producer?.base_sequence
    }

    /// The sequence of its last record, once it has one.
    pub(crate) fn last_sequence(&self) -> Option<Sequence> {
        Some(self.base_sequence()?.plus(self.record_count - 1))
    }

    /// It goes back to its queue (`reenqueued`).
    pub(crate) fn reenqueued(&mut self, now: Time, backoff: Span) {
        self.attempts += 1;
        self.last_attempt = now;
        self.backoff_until = now + backoff;
        self.is_retried = true;
        self.state = BatchState::Queued;
    }

    /// Notes who leads now: a retry does not wait for its back-off when the leader has changed
    /// (KIP-951, `maybeUpdateLeaderEpoch`).
    pub(crate) fn note_leader_epoch(&mut self, latest: Option<LeaderEpoch>) {
        if latest > self.leader_epoch {
            self.attempts_at_leader_change = self.attempts;
            self.leader_epoch = latest;
        }
    }

    /// Until when it may not be sent (`shouldBackoff`).
    pub(crate) fn not_before(&self) -> Time {
        let leader_has_changed =
            self.attempts >= 1 && self.attempts == self.attempts_at_leader_change;
        match self.attempts {
            0 => Time::ZERO,
            _ if leader_has_changed => Time::ZERO,
            _ => self.backoff_until,
        }
    }

    /// What an error means for calls that end with it.
    pub(crate) fn failure(&self, error: ErrorCode) -> klab_machine::Outcome {
        match self.may_be_written {
            true => klab_machine::Outcome::Unknown(error),
            false => klab_machine::Outcome::Failed(error),
        }
    }

    /// Whether it can be cut: a counted call cannot, for it has one partition and one first offset.
    pub(crate) fn can_be_split(&self) -> bool {
        self.thunks.len() > 1
    }

    /// Cuts a batch that was too large into batches of `limit` bytes, in order; they keep its age and its
    /// sequences (`ProducerBatch.split`).
    pub(crate) fn split(
        &self,
        limit: u32,
        ratio: Option<CompressionRatioEstimator>,
        compression: Compression,
    ) -> Vec<ProducerBatch> {
        let mut parts: Vec<ProducerBatch> = Vec::new();
        for (content, timestamp, operation) in self.pieces() {
            let last = parts.last_mut();
            if last.is_none_or(|part| !part.try_append(&content, timestamp, operation)) {
                let empty = OpenRecords { size: 0, records: OpenContent::no_records(timestamp) };
                let size = empty.size_of(&content, 0, timestamp) + BATCH_OVERHEAD;
                let mut part = ProducerBatch::new(
                    self.slot,
                    self.created,
                    limit.max(size),
                    ratio,
                    &content,
                    timestamp,
                    operation,
                );
                part.may_be_written = self.may_be_written;
                parts.push(part);
            }
        }
        let mut producer = self.producer;
        for part in &mut parts {
            part.producer = producer;
            producer = producer.map(|p| BatchProducer {
                base_sequence: p.base_sequence.map(|base| base.plus(part.record_count)),
                ..p
            });
            part.close(compression);
        }
        parts
    }

    /// What the calls put in, call by call.
    fn pieces(&self) -> Vec<(Content, Timestamp, OperationId)> {
        let Body::Closed(whole) = &self.body else {
            unreachable!("only what was sent is too large")
        };
        let operations = self.thunks.iter().map(|thunk| thunk.operation);
        match whole.records {
            Records::Counted { first_value, value_size } => {
                let mut next = first_value;
                let piece = |thunk: &Thunk| {
                    let content =
                        Content::Counted { first_value: next, count: thunk.records, value_size };
                    next += u64::from(thunk.records);
                    (content, whole.base_timestamp, thunk.operation)
                };
                self.thunks.iter().map(piece).collect()
            }
            _ => {
                let content =
                    |r: RecordView| (Content::Record { key: r.key, value: r.value }, r.timestamp);
                let records = whole.iter().map(content).zip(operations);
                records.map(|((content, timestamp), id)| (content, timestamp, id)).collect()
            }
        }
    }
}

impl OpenContent {
    /// A batch begins whose records count their timestamps from this one.
    fn no_records(base: Timestamp) -> Self {
        OpenContent::Records { base, latest: base, records: Vec::new() }
    }
}

impl OpenRecords {
    /// What content takes after `count` records, uncompressed.
    fn size_of(&self, content: &Content, count: u32, timestamp: Timestamp) -> u32 {
        match content {
            Content::Record { key, value } => {
                let (OpenContent::Records { base, .. }
                | OpenContent::Counted { timestamp: base, .. }) = &self.records;
                let (key, value) =
                    (key.as_ref().map(Payload::len), value.as_ref().map(Payload::len));
                record_size(count, timestamp.0 - base.0, key, value)
            }
            Content::Counted { count: added, value_size, .. } => {
                added * record_size(count + added - 1, 0, None, Some(*value_size))
            }
        }
    }

    fn build(
        &mut self,
        count: u32,
        compression: Compression,
        producer: Option<BatchProducer>,
    ) -> RecordBatch {
        match &mut self.records {
            OpenContent::Records { base, latest, records } => {
                let timestamps = (*base, *latest);
                let records = std::mem::take(records);
                let batch = RecordBatch::of_data(records, self.size, timestamps, producer);
                batch.compressed(compression.codec, compression.permille)
            }
            OpenContent::Counted { first_value, value_size, timestamp } => {
                let (first, size) = (*first_value, *value_size);
                let batch = RecordBatch::of_counted(first, count, size, *timestamp, producer);
                batch.compressed(compression.codec, compression.permille)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(count: u32, limit: u32) -> ProducerBatch {
        let content = Content::Counted { first_value: 10, count, value_size: 100 };
        let slot = Slot { topic: 0, partition: 0 };
        ProducerBatch::new(slot, Time(0), limit, None, &content, Timestamp(0), OperationId(10))
    }

    fn record(size: u32) -> Content {
        Content::Record { key: None, value: Some(Payload::Number { number: 1, size }) }
    }

    fn written(limit: u32, ratio: Option<CompressionRatioEstimator>) -> ProducerBatch {
        let slot = Slot { topic: 0, partition: 0 };
        let (at, id) = (Timestamp(0), OperationId(1));
        ProducerBatch::new(slot, Time(0), limit, ratio, &record(100), at, id)
    }

    fn append(batch: &mut ProducerBatch, content: &Content) -> bool {
        batch.try_append(content, Timestamp(0), OperationId(2))
    }

    #[test]
    fn the_first_record_always_fits_and_the_next_one_if_there_is_room() {
        // A record of 100 bytes takes 109 beside the header of 61.
        let mut small = written(100, None);
        assert!(small.is_full() && !append(&mut small, &record(1)));
        let mut exact = written(61 + 218, None);
        assert!(!exact.is_full() && append(&mut exact, &record(100)) && exact.is_full());
    }

    #[test]
    fn a_batch_that_is_expected_to_compress_takes_more() {
        let mut good = CompressionRatioEstimator::INITIAL;
        (0..150).for_each(|_| good.observe(300));
        let count = |ratio| {
            let mut batch = written(2_000, ratio);
            while append(&mut batch, &record(100)) {}
            batch.record_count
        };
        assert_eq!(count(None), 17);
        assert!(count(Some(good)) > 50, "{}", count(Some(good)));
    }

    #[test]
    fn counted_ranges_join_only_if_they_follow() {
        let mut batch = counted(5, 10_000);
        let after = |first_value| Content::Counted { first_value, count: 3, value_size: 100 };
        assert!(!append(&mut batch, &after(14)) && append(&mut batch, &after(15)));
        assert!(!append(&mut batch, &record(100)), "a counted batch holds no written records");
        assert_eq!(batch.record_count, 8);
    }

    #[test]
    fn counted_batches_compress_too() {
        let compression = |permille| Compression { codec: CompressionType::Lz4, permille };
        let plain = counted(10, 10_000).close(compression(1000)).size_in_bytes - BATCH_OVERHEAD;
        let half = counted(10, 10_000).close(compression(500));
        assert_eq!(half.size_in_bytes - BATCH_OVERHEAD, plain / 2);
        assert!(half.is_valid());
    }

    #[test]
    fn kip_951_a_new_leader_ends_the_back_off_of_the_attempt_that_waits() {
        let mut batch = written(1_000, None);
        batch.note_leader_epoch(Some(LeaderEpoch(1)));
        batch.reenqueued(Time(10), Span(100));
        assert_eq!(batch.not_before(), Time(110));
        batch.note_leader_epoch(Some(LeaderEpoch(1)));
        assert_eq!(batch.not_before(), Time(110));
        batch.note_leader_epoch(Some(LeaderEpoch(2)));
        assert_eq!(batch.not_before(), Time::ZERO);
        batch.reenqueued(Time(200), Span(100));
        assert_eq!(batch.not_before(), Time(300), "the next attempt backs off again");
    }
}
