//! A log on a disk of its own, for tests.

use crate::{AppendInfo, AppendOrigin, Checkpoints, Log, LogConfig, LogStartReason};
use klab_machine::{DiskImage, Effect, Fact, FlushId, Outbox};
use klab_wire::{
    BatchProducer, CompressionType, ErrorCode, LeaderEpoch, Now, Offset, PartitionId, Payload,
    ProducerEpoch, ProducerId, RecordBatch, Sequence, Time, Timestamp, TopicId, TopicIdPartition,
    TopicPartition,
};
use std::sync::Arc;

pub const PARTITION: TopicIdPartition =
    TopicIdPartition { topic: TopicId(7), partition: PartitionId(0) };

/// A log, the disk that its stores reach, and what it did last.
pub struct Rig {
    pub log: Log,
    pub disk: DiskImage,
    pub out: Outbox,
    pub epoch: u32,
    pub clock: i64,
    pub facts: Vec<Fact>,
    /// Fsyncs under way.
    pub flushes: Vec<FlushId>,
    pub reads: u32,
}

impl Rig {
    pub fn new() -> Self {
        Rig::with(LogConfig { timestamp_after_max: klab_wire::Span::MAX, ..LogConfig::default() })
    }

    pub fn with(config: LogConfig) -> Self {
        Rig {
            log: Log::create(PARTITION, name(), Arc::new(config)),
            disk: DiskImage::default(),
            out: Outbox::new(0),
            epoch: 0,
            clock: 1_000,
            facts: Vec::new(),
            flushes: Vec::new(),
            reads: 0,
        }
    }

    pub fn now(&self) -> Now {
        at(self.clock)
    }

    /// Does something to the log and carries its stores out.
    pub fn act<R>(&mut self, act: impl FnOnce(&mut Log, Now, &mut Outbox) -> R) -> R {
        let result = act(&mut self.log, at(self.clock), &mut self.out);
        self.settle();
        result
    }

    fn settle(&mut self) {
        self.flushes.extend(self.log.claim_flushes());
        self.reads = 0;
        self.facts = self.out.drain_facts().collect();
        for effect in self.out.drain() {
            match effect {
                Effect::Store { file, change } => self.disk.apply(file, change),
                Effect::Read { .. } => self.reads += 1,
                _ => {}
            }
        }
    }

    pub fn try_append(&mut self, batch: RecordBatch) -> Result<AppendInfo, ErrorCode> {
        let epoch = LeaderEpoch(self.epoch);
        let origin = AppendOrigin::Client;
        self.act(|log, now, out| log.append_as_leader(Arc::new(batch), epoch, origin, now, out))
    }

    pub fn append(&mut self, batch: RecordBatch) -> AppendInfo {
        self.try_append(batch).expect("a batch that the leader takes")
    }

    pub fn roll(&mut self) {
        self.act(|log, now, out| log.roll(now, out));
    }

    pub fn truncate(&mut self, to: u64) -> bool {
        self.act(|log, now, out| log.truncate_to(Offset(to), now, out))
    }

    pub fn commit(&mut self, to: u64) {
        self.log.update_high_watermark(Offset(to));
    }

    pub fn commit_all(&mut self) {
        self.commit(self.log.log_end().0);
    }

    pub fn delete_records(&mut self, to: u64) {
        let reason = LogStartReason::ClientRecordDeletion;
        self.act(|log, _, out| log.advance_log_start(Offset(to), reason, out)).expect("committed");
    }

    pub fn flush(&mut self) {
        self.act(|log, now, out| log.flush(now, out));
        self.finish_flushes();
    }

    pub fn finish_flushes(&mut self) {
        for id in std::mem::take(&mut self.flushes) {
            self.act(|log, _, out| assert!(log.flushed(id, out)));
        }
    }

    /// The process dies; the page cache survives.
    pub fn restart(&mut self, checkpoints: Checkpoints) {
        let config = Arc::new(self.log.config().clone());
        let (disk, now) = (self.disk.clone(), self.now());
        self.flushes.clear();
        self.log = Log::load(PARTITION, name(), config, &disk, &checkpoints, now, &mut self.out);
        self.settle();
    }

    pub fn fact_names(&self) -> Vec<&'static str> {
        self.facts.iter().map(Fact::name).collect()
    }

    /// The offsets of all batches, first and last.
    pub fn ranges(&self) -> Vec<(u64, u64)> {
        let batches = self.log.batches_from(Offset(0));
        batches.map(|batch| (batch.base_offset.0, batch.last_offset().0)).collect()
    }

    pub fn epochs(&self) -> Vec<(u32, u64)> {
        self.log.epochs().entries().iter().map(|(epoch, start)| (epoch.0, start.0)).collect()
    }
}

pub fn at(wall: i64) -> Now {
    Now { time: Time(wall as u64 * 1_000_000), wall: Timestamp(wall) }
}

pub fn name() -> TopicPartition {
    TopicPartition::new("orders", 0)
}

/// Records with these timestamps.
pub fn records_at(timestamps: &[i64]) -> RecordBatch {
    let value = Some(Payload::Number { number: 1, size: 10 });
    let records = timestamps.iter().map(|&at| (Timestamp(at), None, value.clone())).collect();
    RecordBatch::of_records(records, None, CompressionType::None, 1000)
}

/// So many records.
pub fn records(count: u32) -> RecordBatch {
    RecordBatch::of_counted(0, count, 10, Timestamp(1_000), None)
}

/// Records of an idempotent producer: its id, epoch, first sequence, and how many.
pub fn sequenced(id: u64, epoch: u16, base_sequence: u32, count: u32) -> RecordBatch {
    let producer = BatchProducer {
        id: ProducerId(id),
        epoch: ProducerEpoch(epoch),
        base_sequence: Some(Sequence(base_sequence)),
    };
    RecordBatch::of_counted(0, count, 10, Timestamp(1_000), Some(producer))
}
