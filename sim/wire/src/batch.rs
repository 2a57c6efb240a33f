//! Record batches, format v2: the unit that producers send, logs keep and fetches return.
//!
//! The header has every field of Kafka's `DefaultRecordBatch`. Contents are either real records or a
//! counted range of generated ones, so that a run of millions of records costs what its batches
//! cost. A batch is immutable once its leader has given it offsets: replicas, disks and fetch answers
//! share one copy (`Arc<RecordBatch>`).

use crate::ids::{LeaderEpoch, NodeId, Offset, ProducerEpoch, ProducerId, Sequence};
use crate::metadata::MetadataRecord;
use crate::time::Timestamp;
use serde::Serialize;
use std::fmt;
use std::sync::Arc;

/// `DefaultRecordBatch.RECORD_BATCH_OVERHEAD`: the bytes of a batch's header.
pub const BATCH_OVERHEAD: u32 = 61;

/// A batch of records with its header.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RecordBatch {
    /// The offset of the first record; 0 until the leader has assigned it.
    pub base_offset: Offset,
    /// The epoch of the leader that appended the batch; outside the checksum, as in Kafka.
    pub partition_leader_epoch: LeaderEpoch,
    /// Stands for the CRC-32C over everything from the attributes on.
    pub crc: u32,
    /// Compression, timestamp type, and what kind of batch this is.
    pub attributes: Attributes,
    /// The last record's offset less the base offset. Kept by compaction, so gaps are legal.
    pub last_offset_delta: u32,
    /// The first record's timestamp.
    pub base_timestamp: Timestamp,
    /// The highest timestamp, or the append time under `LogAppendTime`.
    pub max_timestamp: Timestamp,
    /// Who produced the batch, if an idempotent producer did.
    pub producer: Option<BatchProducer>,
    /// How many records the batch holds now: compaction lowers it.
    pub records_count: u32,
    /// Bytes on the wire and on disk: header and (compressed) records.
    pub size_in_bytes: u32,
    /// The records.
    pub records: Records,
}

/// The attributes of a batch (bits 0–6 of Kafka's `attributes`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Attributes {
    /// How the records are compressed; the sizes say how well.
    pub compression: CompressionType,
    /// Whose clock stamped the records.
    pub timestamp_type: TimestampType,
    /// Part of a transaction.
    pub transactional: bool,
    /// Markers and the like, which no consumer is shown.
    pub control: bool,
    /// The base timestamp is a delete horizon (compaction).
    pub delete_horizon: bool,
}

/// How the records of a batch are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "the codecs' own names")]
pub enum CompressionType {
    #[default]
    None,
    Gzip,
    Snappy,
    Lz4,
    Zstd,
}

/// Whose clock stamps the records of a topic (`message.timestamp.type`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum TimestampType {
    /// The producer's.
    #[default]
    CreateTime,
    /// The leader's, at the append.
    LogAppendTime,
}

/// The producer's part of a batch header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct BatchProducer {
    /// The producer's id.
    pub id: ProducerId,
    /// The generation of that id.
    pub epoch: ProducerEpoch,
    /// The sequence of the first record; control batches have none.
    pub base_sequence: Option<Sequence>,
}

/// What a batch holds.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Records {
    /// Records, each with its own key, value and timestamp.
    Data(Arc<[Record]>),
    /// As many generated records as the header counts, all of one size and with the base timestamp.
    Counted {
        /// The value of the first record; the next ones count on.
        first_value: u64,
        /// Bytes of each value.
        value_size: u32,
    },
    /// Records of the metadata log.
    Metadata(Arc<[MetadataRecord]>),
    /// Control records.
    Control(ControlRecord),
}

/// One record of a [`Records::Data`] batch.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Record {
    /// Its offset less the batch's base offset.
    pub offset_delta: u32,
    /// Its timestamp less the batch's base timestamp, in ms.
    pub timestamp_delta: i64,
    /// The key that a partitioner hashes and compaction compares.
    pub key: Option<Payload>,
    /// The value; none is a tombstone.
    pub value: Option<Payload>,
}

/// A key or a value.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Payload {
    /// A number that stands for `size` bytes: what klab's own workloads write.
    Number {
        /// Tells this payload from every other one of its topic.
        number: u64,
        /// How many bytes it stands for.
        size: u32,
    },
    /// Bytes of a library user.
    Bytes(Arc<[u8]>),
}

/// The records that protocols write for themselves (`ControlRecordType`).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ControlRecord {
    /// A new leader of the metadata quorum writes this first (`LeaderChangeMessage`).
    LeaderChange {
        /// The new leader.
        leader: NodeId,
        /// Every voter.
        voters: Arc<[NodeId]>,
        /// The voters that granted it their vote.
        granting: Arc<[NodeId]>,
    },
    /// The first record of a snapshot (`SnapshotHeaderRecord`).
    SnapshotHeader {
        /// The append time of the last record that the snapshot contains.
        last_contained_timestamp: Timestamp,
    },
    /// The last record of a snapshot (`SnapshotFooterRecord`).
    SnapshotFooter,
    /// The end of a transaction: committed or aborted (`EndTransactionMarker`).
    EndTransaction {
        /// Committed, or else aborted.
        commit: bool,
        /// The epoch of the coordinator that wrote the marker.
        coordinator_epoch: LeaderEpoch,
    },
}

/// A record as a reader of a batch sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordView {
    /// The offset.
    pub offset: Offset,
    /// The timestamp.
    pub timestamp: Timestamp,
    /// The key.
    pub key: Option<Payload>,
    /// The value.
    pub value: Option<Payload>,
}

impl RecordBatch {
    /// A batch of records without offsets yet, its sizes and checksum computed.
    ///
    /// `compressed_permille` is the compressed size of 1000 bytes of records.
    pub fn of_records(
        records: Vec<(Timestamp, Option<Payload>, Option<Payload>)>,
        producer: Option<BatchProducer>,
        compression: CompressionType,
        compressed_permille: u32,
    ) -> Self {
        assert!(!records.is_empty(), "a batch has at least one record");
        let base_timestamp = records[0].0;
        let max_timestamp = records.iter().map(|r| r.0).max().unwrap_or(base_timestamp);
        let records: Vec<Record> = records
            .into_iter()
            .enumerate()
            .map(|(index, (timestamp, key, value))| Record {
                offset_delta: index as u32,
                timestamp_delta: timestamp.0 - base_timestamp.0,
                key,
                value,
            })
            .collect();
        let body: u32 = records.iter().map(Record::size_in_bytes).sum();
        let batch = Self::of_data(records, body, (base_timestamp, max_timestamp), producer);
        batch.compressed(compression, compressed_permille)
    }

    /// A batch of records without offsets yet, which together have `body` bytes. Their timestamps count from the
    /// first of `timestamps`; the second is the highest.
    pub fn of_data(
        records: Vec<Record>,
        body: u32,
        (base_timestamp, max_timestamp): (Timestamp, Timestamp),
        producer: Option<BatchProducer>,
    ) -> Self {
        let count = records.len() as u32;
        RecordBatch {
            base_timestamp,
            max_timestamp,
            producer,
            size_in_bytes: BATCH_OVERHEAD + body,
            ..Self::empty(Records::Data(records.into()), count)
        }
        .sealed()
    }

    /// The same batch, which is not compressed yet, so that 1000 bytes of records take `permille` bytes.
    pub fn compressed(mut self, compression: CompressionType, permille: u32) -> Self {
        if compression == CompressionType::None {
            return self;
        }
        let body = u64::from(self.size_in_bytes - BATCH_OVERHEAD) * u64::from(permille) / 1000;
        self.attributes.compression = compression;
        self.size_in_bytes = BATCH_OVERHEAD + body as u32;
        self.sealed()
    }

    /// A batch of `count` generated records, numbered from `first_value`.
    pub fn of_counted(
        first_value: u64,
        count: u32,
        value_size: u32,
        timestamp: Timestamp,
        producer: Option<BatchProducer>,
    ) -> Self {
        assert!(count > 0, "a batch has at least one record");
        let record = record_size(count - 1, 0, None, Some(value_size));
        RecordBatch {
            base_timestamp: timestamp,
            max_timestamp: timestamp,
            producer,
            size_in_bytes: BATCH_OVERHEAD + count * record,
            ..Self::empty(Records::Counted { first_value, value_size }, count)
        }
        .sealed()
    }

    /// A batch of metadata records, as the metadata log keeps them.
    pub fn of_metadata(records: Vec<MetadataRecord>, timestamp: Timestamp) -> Self {
        assert!(!records.is_empty(), "a batch has at least one record");
        let count = records.len() as u32;
        let body: u32 = records.iter().map(MetadataRecord::size_in_bytes).sum();
        RecordBatch {
            base_timestamp: timestamp,
            max_timestamp: timestamp,
            size_in_bytes: BATCH_OVERHEAD + body,
            ..Self::empty(Records::Metadata(records.into()), count)
        }
        .sealed()
    }

    /// A batch of one control record.
    pub fn of_control(
        record: ControlRecord,
        producer: Option<BatchProducer>,
        timestamp: Timestamp,
    ) -> Self {
        RecordBatch {
            attributes: Attributes {
                control: true,
                transactional: producer.is_some(),
                ..Attributes::default()
            },
            base_timestamp: timestamp,
            max_timestamp: timestamp,
            producer,
            size_in_bytes: BATCH_OVERHEAD + 16,
            ..Self::empty(Records::Control(record), 1)
        }
        .sealed()
    }

    fn empty(records: Records, count: u32) -> Self {
        RecordBatch {
            base_offset: Offset(0),
            partition_leader_epoch: LeaderEpoch(0),
            crc: 0,
            attributes: Attributes::default(),
            last_offset_delta: count - 1,
            base_timestamp: Timestamp(0),
            max_timestamp: Timestamp(0),
            producer: None,
            records_count: count,
            size_in_bytes: BATCH_OVERHEAD,
            records,
        }
    }

    /// The same batch with the offset and epoch that its leader gives it; neither is in the checksum.
    pub fn assigned(&self, base_offset: Offset, epoch: LeaderEpoch) -> Self {
        RecordBatch { base_offset, partition_leader_epoch: epoch, ..self.clone() }
    }

    /// The same batch stamped with the time of its append (`message.timestamp.type=LogAppendTime`).
    pub fn stamped(&self, append_time: Timestamp) -> Self {
        let attributes =
            Attributes { timestamp_type: TimestampType::LogAppendTime, ..self.attributes };
        RecordBatch { attributes, max_timestamp: append_time, ..self.clone() }.sealed()
    }

    /// The same batch with its checksum computed afresh: after any change but offset and epoch.
    pub fn sealed(mut self) -> Self {
        self.crc = self.checksum();
        self
    }

    /// The checksum fits the contents; a torn or corrupted batch fails this.
    pub fn is_valid(&self) -> bool {
        self.crc == self.checksum()
    }

    /// The offset of the last record, or of where it was before compaction.
    pub fn last_offset(&self) -> Offset {
        self.base_offset.plus(u64::from(self.last_offset_delta))
    }

    /// The offset after the last one.
    pub fn next_offset(&self) -> Offset {
        self.last_offset().next()
    }

    /// The sequence of the last record, if an idempotent producer wrote the batch.
    pub fn last_sequence(&self) -> Option<Sequence> {
        let base = self.producer?.base_sequence?;
        Some(base.plus(self.last_offset_delta))
    }

    /// The number that the first record's value is, if it is one: what a checker knows a batch by.
    pub fn first_value(&self) -> Option<u64> {
        match &self.records {
            Records::Counted { first_value, .. } => Some(*first_value),
            Records::Data(records) => match records.first()?.value {
                Some(Payload::Number { number, .. }) => Some(number),
                _ => None,
            },
            Records::Metadata(_) | Records::Control(_) => None,
        }
    }

    /// Tells this batch from any other that may ever stand at the same place of some replica's log.
    pub fn digest(&self) -> u64 {
        [
            self.base_offset.0,
            u64::from(self.partition_leader_epoch.0),
            u64::from(self.crc),
            self.first_value().unwrap_or(u64::MAX),
        ]
        .into_iter()
        .fold(0x9e37_79b9_7f4a_7c15_u64, fold)
    }

    /// The records in the order of their offsets; none of a control or metadata batch.
    pub fn iter(&self) -> impl Iterator<Item = RecordView> + '_ {
        let (data, counted) = match &self.records {
            Records::Data(records) => (&records[..], 0),
            Records::Counted { .. } => (&[][..], self.records_count),
            Records::Metadata(_) | Records::Control(_) => (&[][..], 0),
        };
        let written = data.iter().map(|record| self.view_written(record));
        written.chain((0..counted).map(|index| self.view_counted(index)))
    }

    fn view_written(&self, record: &Record) -> RecordView {
        let timestamp = match self.attributes.timestamp_type {
            TimestampType::CreateTime => Timestamp(self.base_timestamp.0 + record.timestamp_delta),
            TimestampType::LogAppendTime => self.max_timestamp,
        };
        RecordView {
            offset: self.base_offset.plus(u64::from(record.offset_delta)),
            timestamp,
            key: record.key.clone(),
            value: record.value.clone(),
        }
    }

    fn view_counted(&self, index: u32) -> RecordView {
        let Records::Counted { first_value, value_size } = self.records else {
            unreachable!("only counted batches are viewed by index")
        };
        RecordView {
            offset: self.base_offset.plus(u64::from(index)),
            timestamp: self.max_timestamp,
            key: None,
            value: Some(Payload::Number {
                number: first_value + u64::from(index),
                size: value_size,
            }),
        }
    }

    /// The metadata records of a batch of the metadata log; none of another batch.
    pub fn metadata(&self) -> &[MetadataRecord] {
        match &self.records {
            Records::Metadata(records) => records,
            _ => &[],
        }
    }

    /// Folds everything the real checksum covers, except the bytes of the records themselves,
    /// for which their sizes stand.
    fn checksum(&self) -> u32 {
        let producer = self.producer.map_or([u64::MAX; 3], |p| {
            [p.id.0, u64::from(p.epoch.0), p.base_sequence.map_or(u64::MAX, |s| u64::from(s.0))]
        });
        let a = &self.attributes;
        let flags = u64::from(a.transactional)
            | u64::from(a.control) << 1
            | u64::from(a.delete_horizon) << 2;
        let kinds = (a.compression as u64) << 8 | (a.timestamp_type as u64) << 16;
        [
            flags | kinds,
            u64::from(self.last_offset_delta),
            self.base_timestamp.0 as u64,
            self.max_timestamp.0 as u64,
            producer[0],
            producer[1],
            producer[2],
            u64::from(self.records_count),
            u64::from(self.size_in_bytes),
        ]
        .into_iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, fold) as u32
    }
}

/// One step of a multiplicative fold whose high half reaches the low one.
fn fold(digest: u64, word: u64) -> u64 {
    let product = (digest ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    product ^ (product >> 32)
}

impl Record {
    /// Bytes before compression, by the varint encoding of `DefaultRecord.sizeInBytes`.
    pub fn size_in_bytes(&self) -> u32 {
        let key = self.key.as_ref().map(Payload::len);
        let value = self.value.as_ref().map(Payload::len);
        record_size(self.offset_delta, self.timestamp_delta, key, value)
    }
}

/// `DefaultRecord.sizeInBytes` for a record without headers, its length prefix included.
pub fn record_size(
    offset_delta: u32,
    timestamp_delta: i64,
    key: Option<u32>,
    value: Option<u32>,
) -> u32 {
    let field = |length: Option<u32>| match length {
        None => varint_size(-1),
        Some(length) => varint_size(i64::from(length)) + length,
    };
    let attributes = 1;
    let header_count = 1;
    let body = attributes
        + varint_size(timestamp_delta)
        + varint_size(i64::from(offset_delta))
        + field(key)
        + field(value)
        + header_count;
    varint_size(i64::from(body)) + body
}

/// `DefaultRecordBatch.estimateBatchSizeUpperBound`: a batch of one such record is never larger, as long
/// as it is not compressed. What a producer checks against `max.request.size`.
pub fn batch_size_upper_bound(key: Option<u32>, value: Option<u32>) -> u32 {
    let longest_prefix_attributes_and_deltas = 21;
    let field = |length: Option<u32>| match length {
        None => varint_size(-1),
        Some(length) => varint_size(i64::from(length)) + length,
    };
    let header_count = 1;
    BATCH_OVERHEAD + longest_prefix_attributes_and_deltas + field(key) + field(value) + header_count
}

/// Bytes of a zig-zag varint (`ByteUtils.sizeOfVarlong`).
fn varint_size(value: i64) -> u32 {
    let zigzag = ((value << 1) ^ (value >> 63)) as u64;
    (64 - zigzag.leading_zeros()).div_ceil(7).max(1)
}

impl Payload {
    /// How many bytes this is, or stands for.
    pub fn len(&self) -> u32 {
        match self {
            Payload::Number { size, .. } => *size,
            Payload::Bytes(bytes) => bytes.len() as u32,
        }
    }

    /// Whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes that a partitioner hashes: a number's big-endian form, as `LongSerializer` writes it.
    pub fn with_bytes<R>(&self, read: impl FnOnce(&[u8]) -> R) -> R {
        match self {
            Payload::Number { number, .. } => read(&number.to_be_bytes()),
            Payload::Bytes(bytes) => read(bytes),
        }
    }
}

impl fmt::Display for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Payload::Number { number, .. } => fmt::Display::fmt(number, f),
            Payload::Bytes(bytes) => f.pad(&bytes.escape_ascii().to_string()),
        }
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Payload {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Payload::Number { number, .. } => serializer.serialize_u64(*number),
            Payload::Bytes(_) => serializer.collect_str(self),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(number: u64) -> Option<Payload> {
        Some(Payload::Number { number, size: 100 })
    }

    #[test]
    fn a_record_of_100_bytes_takes_109_bytes_with_its_varints() {
        // Length 2, attributes 1, timestamp 1, offset 1, no key 1, value 2 + 100, headers 1.
        assert_eq!(record_size(0, 0, None, Some(100)), 2 + 107);
    }

    #[test]
    fn the_offset_and_epoch_are_outside_the_checksum_and_the_sequence_is_inside() {
        let producer = BatchProducer {
            id: ProducerId(7),
            epoch: ProducerEpoch(0),
            base_sequence: Some(Sequence(3)),
        };
        let batch = RecordBatch::of_counted(0, 4, 100, Timestamp(5), Some(producer));
        assert!(batch.is_valid());
        assert!(batch.assigned(Offset(9), LeaderEpoch(2)).is_valid());
        let mut other = batch.clone();
        other.producer = Some(BatchProducer { base_sequence: Some(Sequence(4)), ..producer });
        assert!(!other.is_valid());
        assert_eq!(batch.last_sequence(), Some(Sequence(6)));
    }

    #[test]
    fn a_digest_tells_place_epoch_and_content() {
        let batch = |value| RecordBatch::of_counted(value, 2, 100, Timestamp(5), None);
        let at = |value, offset, epoch| {
            batch(value).assigned(Offset(offset), LeaderEpoch(epoch)).digest()
        };
        assert_eq!(at(1, 3, 0), at(1, 3, 0));
        for other in [at(2, 3, 0), at(1, 4, 0), at(1, 3, 1)] {
            assert_ne!(at(1, 3, 0), other);
        }
        assert_eq!(batch(7).first_value(), Some(7));
    }

    #[test]
    fn written_and_counted_batches_read_alike() {
        let at = Timestamp(5);
        let written = RecordBatch::of_records(
            vec![(at, None, number(10)), (at, None, number(11))],
            None,
            CompressionType::None,
            1000,
        );
        let counted = RecordBatch::of_counted(10, 2, 100, at, None);
        let read =
            |b: &RecordBatch| b.assigned(Offset(40), LeaderEpoch(0)).iter().collect::<Vec<_>>();
        assert_eq!(read(&written), read(&counted));
        assert_eq!(written.size_in_bytes, counted.size_in_bytes);
    }
}
