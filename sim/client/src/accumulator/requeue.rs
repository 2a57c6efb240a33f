//! How batches go back to their queues: whole after a failure, in parts when they were too large.

use super::RecordAccumulator;
use crate::batch::{BatchId, ProducerBatch, Slot};
use crate::metadata::Metadata;
use crate::sequences::Sequences;

impl RecordAccumulator {
    /// A batch goes back to its queue: with sequences to its place among them, without to the front, even
    /// if what was sent after it has been written by now (`reenqueue`).
    pub(crate) fn reenqueue(&mut self, id: BatchId, metadata: &Metadata) {
        let slot = self.batches[id].slot;
        self.put_in_order(slot, id);
        self.refresh(slot, metadata);
    }

    fn put_in_order(&mut self, slot: Slot, id: BatchId) {
        let base = self.batches[id].base_sequence();
        let place = match base {
            None => 0,
            Some(base) => {
                let queue = self.queue(slot).into_iter().flatten();
                let earlier = |other: &&BatchId| {
                    self.batches[**other].base_sequence().is_some_and(|other| other < base)
                };
                queue.take_while(earlier).count()
            }
        };
        self.queue_mut(slot).insert(place, id);
        self.queued += 1;
    }

    /// Cuts a batch that was too large, and queues the parts in its place (`splitAndReenqueue`). The whole is
    /// gone; the parts hold no memory of the pool.
    pub(crate) fn split_and_reenqueue(
        &mut self,
        id: BatchId,
        sequences: Option<&mut Sequences>,
        metadata: &Metadata,
    ) -> (Box<ProducerBatch>, u32) {
        let whole = self.remove(id);
        let slot = whole.slot;
        let compression = self.compression(slot);
        let topic = &mut self.topics[slot.topic as usize];
        topic.ratio.reset(topic.compressed_permille);
        let ratio = topic.ratio_of(self.config.codec);
        let parts = whole.split(self.config.batch_size, ratio, compression);
        let ids: Vec<BatchId> = parts.into_iter().map(|part| self.insert(part)).collect();
        if let Some(sequences) = sequences {
            for id in &ids {
                let part = &self.batches[*id];
                if let Some(at) = part.producer {
                    sequences.track(slot, *id, at, part.record_count);
                }
            }
        }
        ids.iter().rev().for_each(|id| self.put_in_order(slot, *id));
        self.refresh(slot, metadata);
        (whole, ids.len() as u32)
    }
}
