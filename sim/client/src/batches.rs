//! The batches of a producer by their numbers: a window from the oldest that is kept to the newest.

use crate::batch::{BatchId, ProducerBatch};
use std::collections::VecDeque;
use std::ops::Index;

/// Batches, numbered in the order of their creation. Most are gone soon, in about that order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Batches {
    /// The number of the window's first place.
    first: u64,
    /// Boxed, so that a place that waits for an old batch to go costs a word.
    window: VecDeque<Option<Box<ProducerBatch>>>,
}

impl Batches {
    /// Keeps a batch, and numbers it.
    pub(crate) fn insert(&mut self, batch: Box<ProducerBatch>) -> BatchId {
        self.window.push_back(Some(batch));
        BatchId(self.first + self.window.len() as u64 - 1)
    }

    /// A batch, if it is still kept.
    pub(crate) fn get(&self, id: BatchId) -> Option<&ProducerBatch> {
        self.window.get(self.place(id)?)?.as_deref()
    }

    /// The same, to change it.
    pub(crate) fn get_mut(&mut self, id: BatchId) -> Option<&mut ProducerBatch> {
        let place = self.place(id)?;
        self.window.get_mut(place)?.as_deref_mut()
    }

    /// Gives a batch out of the window.
    pub(crate) fn remove(&mut self, id: BatchId) -> Option<Box<ProducerBatch>> {
        let place = self.place(id)?;
        let batch = self.window.get_mut(place)?.take();
        while let Some(None) = self.window.front() {
            self.window.pop_front();
            self.first += 1;
        }
        batch
    }

    fn place(&self, id: BatchId) -> Option<usize> {
        id.0.checked_sub(self.first).map(|place| place as usize)
    }
}

impl Index<BatchId> for Batches {
    type Output = ProducerBatch;

    fn index(&self, id: BatchId) -> &ProducerBatch {
        self.get(id).expect("a batch that is spoken of is kept")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::{Content, Slot};
    use klab_machine::OperationId;
    use klab_wire::{Time, Timestamp};

    #[test]
    fn a_batch_keeps_its_number_while_older_ones_go() {
        let content = Content::Counted { first_value: 0, count: 1, value_size: 1 };
        let slot = |partition| Slot { topic: 0, partition };
        let batch = |partition| {
            let id = OperationId(0);
            let time = (Time(0), Timestamp(0));
            Box::new(ProducerBatch::new(slot(partition), time.0, 100, None, &content, time.1, id))
        };
        let mut batches = Batches::default();
        let ids = [1, 2, 3].map(|partition| batches.insert(batch(partition)));
        assert_eq!(ids, [0, 1, 2].map(BatchId));
        batches.remove(ids[1]);
        assert_eq!(batches[ids[0]].slot, slot(1), "the window waits for the oldest");
        batches.remove(ids[0]);
        assert!(batches.get(ids[0]).is_none() && batches.remove(ids[1]).is_none());
        assert_eq!(batches[ids[2]].slot, slot(3));
        assert_eq!(batches.insert(batch(4)), BatchId(3));
    }
}
