//! Records on their way into batches, and batches that wait to be sent (`RecordAccumulator`).

mod requeue;
mod sticky;

use crate::ProducedTopic;
use crate::batch::{BatchId, BatchState, Compression, Content, ProducerBatch, Slot};
use crate::batches::Batches;
use crate::buffer_pool::BufferPool;
use crate::compression::CompressionRatioEstimator;
use crate::metadata::{Metadata, PartitionView, TopicPlace};
use crate::partitioner::{BuiltInPartitioner, Choice};
use crate::ready::{Readiness, ReadyQueues};
use crate::sequences::Sequences;
use crate::sorted_queue::SortedQueue;
use klab_machine::{Mutant, OperationId};
use klab_wire::config::ProducerConfig;
use klab_wire::{
    BATCH_OVERHEAD, CompressionType, Few, NodeId, Now, PartitionId, PartitionProduceData,
    RecordBatch, Span, Time, TopicName, TopicPartition, batch_size_upper_bound, record_size,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// The batches of one producer.
#[derive(Clone, Debug)]
pub(crate) struct RecordAccumulator {
    pub(crate) pool: BufferPool,
    pub(crate) ready: ReadyQueues,
    config: AccumulatorConfig,
    topics: Vec<TopicQueues>,
    batches: Batches,
    /// Every batch that has not ended, by its age.
    by_age: SortedQueue<(Time, BatchId)>,
    muted: BTreeSet<Slot>,
    latencies: BTreeMap<NodeId, NodeLatency>,
    queued: u32,
}

/// What of the configuration is about accumulating.
#[derive(Clone, Debug)]
struct AccumulatorConfig {
    batch_size: u32,
    linger: Span,
    codec: CompressionType,
    adaptive: bool,
    availability_timeout: Span,
    /// `max.in.flight.requests.per.connection` is 1: a partition with a batch in flight is muted, so that
    /// a retry cannot be overtaken (`guaranteeMessageOrder`).
    guarantee_order: bool,
    max_request_size: u32,
}

#[derive(Clone, Debug)]
struct TopicQueues {
    name: TopicName,
    /// Its place in the metadata, from the first send to it on.
    place: Option<TopicPlace>,
    compressed_permille: u32,
    ratio: CompressionRatioEstimator,
    sticky: BuiltInPartitioner,
    queues: Vec<Option<VecDeque<BatchId>>>,
    /// How many partitions have been written to at least once.
    written: u32,
}

/// Since when a broker has had data ready, and when it last took some (`NodeLatencyStats`).
#[derive(Clone, Copy, Debug)]
struct NodeLatency {
    ready: Time,
    drain: Time,
}

/// A call that wants its records in a batch.
#[derive(Clone, Debug)]
pub(crate) struct Append {
    pub(crate) topic: u32,
    pub(crate) content: Content,
    pub(crate) operation: OperationId,
    /// The partition, if the application has chosen it already.
    pub(crate) partition: Option<u32>,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Appended {
    /// The records are in a batch. A buffer that was brought along and not needed comes back.
    Done { unused_buffer: u64 },
    /// A new batch is needed, and a buffer of this size, which the pool does not have.
    NeedsBuffer(u64),
    /// A new batch would be needed, and the partitioner wants to choose again for it.
    NeedsNewBatch,
}

/// How an append is to go about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AppendMode {
    pub(crate) choice: Choice,
    /// The buffer brought along; 0 for none.
    pub(crate) buffer: u64,
    /// `abortOnNewBatch`.
    pub(crate) abort_on_new_batch: bool,
}

/// What goes to a broker with one request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Drained {
    pub(crate) ids: Few<BatchId>,
    pub(crate) data: Few<PartitionProduceData>,
}

impl RecordAccumulator {
    pub(crate) fn new(config: &ProducerConfig, topics: &[ProducedTopic]) -> Self {
        let batch_size = config.batch_size.max(1) as u32;
        RecordAccumulator {
            pool: BufferPool::new(config.buffer_memory),
            ready: ReadyQueues::default(),
            config: AccumulatorConfig {
                batch_size,
                linger: config.linger_ms,
                codec: config.compression_type,
                adaptive: config.partitioner_adaptive_partitioning_enable,
                availability_timeout: config.partitioner_availability_timeout_ms,
                guarantee_order: config.max_in_flight_requests_per_connection == 1,
                max_request_size: config.max_request_size as u32,
            },
            topics: topics.iter().map(|topic| TopicQueues::new(topic, batch_size)).collect(),
            batches: Batches::default(),
            by_age: SortedQueue::default(),
            muted: BTreeSet::new(),
            latencies: BTreeMap::new(),
            queued: 0,
        }
    }

    /// The name of a topic.
    pub(crate) fn topic_name(&self, topic: u32) -> &TopicName {
        &self.topics[topic as usize].name
    }

    /// The place of a topic in the metadata, once something was sent to it.
    pub(crate) fn place(&self, topic: u32) -> Option<TopicPlace> {
        self.topics[topic as usize].place
    }

    /// The producer has taken an interest in a topic.
    pub(crate) fn take_interest(&mut self, topic: u32, metadata: &mut Metadata) -> TopicPlace {
        let topic = &mut self.topics[topic as usize];
        *topic.place.get_or_insert_with(|| metadata.add_topic(&topic.name))
    }

    /// The partition that a slot stands for.
    pub(crate) fn partition(&self, slot: Slot) -> TopicPartition {
        TopicPartition::new(self.topic_name(slot.topic).clone(), slot.partition)
    }

    /// A batch that has not ended, or whose answer is still awaited.
    pub(crate) fn batch(&self, id: BatchId) -> Option<&ProducerBatch> {
        self.batches.get(id)
    }

    /// The same, to change it.
    pub(crate) fn batch_mut(&mut self, id: BatchId) -> Option<&mut ProducerBatch> {
        self.batches.get_mut(id)
    }

    /// Batches in queues.
    pub(crate) fn queued(&self) -> u32 {
        self.queued
    }

    /// Batches that have not ended, sent or not.
    pub(crate) fn incomplete(&self) -> u32 {
        self.by_age.len() as u32
    }

    /// How many generated records of this size a partition's last batch has room for, if it has any.
    pub(crate) fn room(&self, slot: Slot, value_size: u32) -> Option<u32> {
        Some(self.last_batch(slot)?.room(value_size)).filter(|room| *room > 0)
    }

    /// Where records without a key go at the moment.
    pub(crate) fn sticks_to(&self, topic: u32) -> Option<u32> {
        self.topics[topic as usize].sticky.current()
    }

    /// Puts a call's records into its partition's last batch, or a new one (`append`).
    pub(crate) fn append(
        &mut self,
        append: &Append,
        mode: AppendMode,
        metadata: &Metadata,
        now: Now,
        mut draw: impl FnMut() -> u32,
    ) -> Appended {
        let place = self.place(append.topic).expect("sends wait for metadata");
        let cluster = metadata.topic(place).expect("sends wait for metadata");
        let partition = match mode.choice {
            Choice::Partition(partition) => partition,
            Choice::Sticky => self.sticky_partition(append.topic, cluster, &mut draw),
        };
        let slot = Slot { topic: append.topic, partition };
        let (unused_buffer, bytes, is_full) = match self.try_append(slot, append, now) {
            Some((bytes, is_full)) => (mode.buffer, bytes, is_full),
            None if mode.abort_on_new_batch => return Appended::NeedsNewBatch,
            None => {
                let size = self.buffer_size(append);
                if mode.buffer == 0 && !self.pool.take(size) {
                    return Appended::NeedsBuffer(size);
                }
                let (bytes, is_full) = self.append_new_batch(slot, append, size, now, metadata);
                (0, bytes, is_full)
            }
        };
        if is_full {
            self.refresh(slot, metadata);
        }
        if mode.choice == Choice::Sticky {
            self.count_sticky(append.topic, bytes, is_full, cluster, &mut draw);
        }
        Appended::Done { unused_buffer }
    }

    /// Puts the records into the last batch, if they fit. Says by how much it grew, and whether it is full.
    fn try_append(&mut self, slot: Slot, append: &Append, now: Now) -> Option<(u32, bool)> {
        let last = *self.queue(slot)?.back()?;
        let batch = self.batches.get_mut(last).expect("a queued batch exists");
        let before = batch.estimated_size();
        let is_in = batch.try_append(&append.content, now.wall, append.operation);
        is_in.then(|| (batch.estimated_size() - before, batch.is_full()))
    }

    fn append_new_batch(
        &mut self,
        slot: Slot,
        append: &Append,
        buffer: u64,
        now: Now,
        metadata: &Metadata,
    ) -> (u32, bool) {
        let ratio = self.topics[slot.topic as usize].ratio_of(self.config.codec);
        let limit = buffer as u32;
        let (content, operation) = (&append.content, append.operation);
        let mut batch =
            ProducerBatch::new(slot, now.time, limit, ratio, content, now.wall, operation);
        batch.buffer = buffer;
        let (bytes, is_full) = (batch.estimated_size(), batch.is_full());
        let id = self.insert(batch);
        let queue = self.queue_mut(slot);
        queue.push_back(id);
        let is_news = queue.len() <= 2;
        self.queued += 1;
        if is_news {
            self.refresh(slot, metadata);
        }
        (bytes, is_full)
    }

    fn insert(&mut self, batch: ProducerBatch) -> BatchId {
        let created = batch.created;
        let id = self.batches.insert(Box::new(batch));
        self.by_age.insert((created, id));
        id
    }

    /// The buffer that a new batch for these records takes.
    fn buffer_size(&self, append: &Append) -> u64 {
        u64::from(append.content.size_upper_bound().max(self.config.batch_size))
    }

    fn queue(&self, slot: Slot) -> Option<&VecDeque<BatchId>> {
        self.topics[slot.topic as usize].queues.get(slot.partition as usize)?.as_ref()
    }

    fn queue_mut(&mut self, slot: Slot) -> &mut VecDeque<BatchId> {
        let topic = &mut self.topics[slot.topic as usize];
        let index = slot.partition as usize;
        if topic.queues.len() <= index {
            topic.queues.resize(index + 1, None);
        }
        let queue = &mut topic.queues[index];
        topic.written += u32::from(queue.is_none());
        queue.get_or_insert_default()
    }

    fn last_batch(&self, slot: Slot) -> Option<&ProducerBatch> {
        self.batches.get(*self.queue(slot)?.back()?)
    }

    fn first_batch(&self, slot: Slot) -> Option<&ProducerBatch> {
        self.batches.get(*self.queue(slot)?.front()?)
    }

    /// Looks at a partition's first batch, and notes when it may go and to whom.
    pub(crate) fn refresh(&mut self, slot: Slot, metadata: &Metadata) {
        let Some(first) = self.queue(slot).and_then(|queue| queue.front().copied()) else {
            return self.ready.remove(slot);
        };
        if self.muted.contains(&slot) {
            return self.ready.remove(slot);
        }
        let view = self.view(slot, metadata);
        let (leader, epoch) = (view.and_then(|view| view.leader), view.map(|view| view.epoch));
        let has_more = self.queue(slot).is_some_and(|queue| queue.len() > 1);
        let linger = self.config.linger;
        let batch = self.batches.get_mut(first).expect("a queued batch exists");
        batch.note_leader_epoch(epoch);
        self.ready.set(slot, leader, readiness(batch, has_more, linger));
    }

    fn view<'m>(&self, slot: Slot, metadata: &'m Metadata) -> Option<&'m PartitionView> {
        metadata.partition(self.place(slot.topic)?, PartitionId(slot.partition))
    }

    /// Leaders may have changed: every partition with batches is looked at again.
    pub(crate) fn metadata_changed(&mut self, metadata: &Metadata) {
        for slot in self.ready.slots() {
            self.refresh(slot, metadata);
        }
    }

    /// Takes what may go to a broker now, at most one batch of each partition and `max.request.size` bytes
    /// (`drainBatchesForOneNode`).
    pub(crate) fn drain(
        &mut self,
        node: NodeId,
        mut sequences: Option<&mut Sequences>,
        metadata: &Metadata,
        now: Now,
    ) -> Drained {
        let (mut size, mut drained) = (0, Drained::default());
        for slot in self.ready.drain_order(node) {
            self.ready.drained_up_to(node, slot);
            let Some(first) = self.first_batch(slot) else { continue };
            if first.not_before() > now.time {
                continue;
            }
            let is_large = size + first.estimated_size() > self.config.max_request_size;
            if is_large && !drained.ids.is_empty() {
                break;
            }
            let waits =
                |sequences: &&mut Sequences| sequences.must_wait(slot, first.base_sequence());
            if sequences.as_ref().is_some_and(waits) {
                break;
            }
            let (id, batch) = self.take_first(slot, sequences.as_deref_mut(), metadata);
            size += batch.size_in_bytes;
            drained.ids.push(id);
            drained.data.push(PartitionProduceData { partition: self.partition(slot), batch });
        }
        drained
    }

    fn take_first(
        &mut self,
        slot: Slot,
        sequences: Option<&mut Sequences>,
        metadata: &Metadata,
    ) -> (BatchId, Arc<RecordBatch>) {
        let id = self.queue_mut(slot).pop_front().expect("there is a first batch");
        self.queued -= 1;
        let compression = self.compression(slot);
        let topic = &mut self.topics[slot.topic as usize];
        let batch = self.batches.get_mut(id).expect("a queued batch exists");
        let numbered = batch.producer.filter(|_| !Mutant::NumbersRetriesAnew.lives());
        if let (Some(sequences), None) = (sequences, numbered) {
            batch.producer = Some(sequences.number(slot, id, batch.record_count));
        }
        let closed = batch.close(compression);
        batch.state = BatchState::InFlight;
        topic.ratio.observe(topic.compressed_permille);
        if self.config.guarantee_order {
            self.muted.insert(slot);
        }
        self.refresh(slot, metadata);
        (id, closed)
    }

    fn compression(&self, slot: Slot) -> Compression {
        let permille = self.topics[slot.topic as usize].compressed_permille;
        Compression { codec: self.config.codec, permille }
    }

    /// A partition's request has ended: it may be sent to again.
    pub(crate) fn unmute(&mut self, slot: Slot, metadata: &Metadata) {
        if self.muted.remove(&slot) {
            self.refresh(slot, metadata);
        }
    }

    /// The oldest batch that has not ended, if it was created by then.
    pub(crate) fn expired(&self, created_by: Time) -> Option<BatchId> {
        self.by_age.first().filter(|(created, _)| *created <= created_by).map(|(_, id)| *id)
    }

    /// When the oldest batch that has not ended was created.
    pub(crate) fn oldest(&self) -> Option<Time> {
        self.by_age.first().map(|(created, _)| *created)
    }

    /// Every batch that has not ended, oldest first.
    pub(crate) fn incomplete_batches(&self) -> Vec<BatchId> {
        self.by_age.iter().map(|(_, id)| *id).collect()
    }

    /// A batch's calls have ended. One that is in flight is kept until its answer comes.
    pub(crate) fn finish(&mut self, id: BatchId, metadata: &Metadata) {
        let batch = self.batches.get_mut(id).expect("it has not ended before");
        self.by_age.remove(&(batch.created, id));
        let (slot, state) = (batch.slot, batch.state);
        batch.state = BatchState::Done;
        if state == BatchState::Queued {
            self.batches.remove(id);
            let queue = self.queue_mut(slot);
            queue.retain(|queued| *queued != id);
            self.queued -= 1;
            self.refresh(slot, metadata);
        }
    }

    /// The answer to a batch has come, and it has ended: it is not needed any more.
    pub(crate) fn remove(&mut self, id: BatchId) -> Box<ProducerBatch> {
        let batch = self.batches.remove(id).expect("it is removed once");
        self.by_age.remove(&(batch.created, id));
        batch
    }
}

impl TopicQueues {
    fn new(topic: &ProducedTopic, batch_size: u32) -> Self {
        TopicQueues {
            name: topic.name.clone(),
            place: None,
            compressed_permille: topic.compressed_permille,
            ratio: CompressionRatioEstimator::INITIAL,
            sticky: BuiltInPartitioner::new(batch_size),
            queues: Vec::new(),
            written: 0,
        }
    }

    fn ratio_of(&self, codec: CompressionType) -> Option<CompressionRatioEstimator> {
        (codec != CompressionType::None).then_some(self.ratio)
    }
}

impl Content {
    /// No batch of these records alone is larger, uncompressed.
    pub(crate) fn size_upper_bound(&self) -> u32 {
        match self {
            Content::Record { key, value } => {
                let size = |payload: &Option<klab_wire::Payload>| payload.as_ref().map(|p| p.len());
                batch_size_upper_bound(size(key), size(value))
            }
            Content::Counted { count, value_size, .. } => {
                BATCH_OVERHEAD + count * record_size(count - 1, 0, None, Some(*value_size))
            }
        }
    }
}

/// When a partition's first batch may go (`batchReady`): after its back-off; then at once if it is full or
/// others wait behind it, or else when it has lingered.
fn readiness(batch: &ProducerBatch, has_more: bool, linger: Span) -> Readiness {
    let not_before = batch.not_before();
    let due = match has_more || batch.is_full() {
        true => not_before,
        false => not_before.max(batch.last_attempt + linger),
    };
    Readiness { not_before, due }
}
