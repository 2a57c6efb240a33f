//! The partitions of a fetcher whose logs must be cut before they are fetched (`Truncating`, before KIP-595).

use super::Fetcher;
use klab_wire::{Time, TopicIdPartition};

impl Fetcher {
    /// A partition's log must be cut before it is fetched.
    pub fn begin_truncation(&mut self, id: TopicIdPartition) {
        self.set_truncating(id, true);
        self.truncating.insert(id);
    }

    /// A partition's log has been cut.
    pub fn truncated(&mut self, id: TopicIdPartition) {
        self.truncating.remove(&id);
        self.set_truncating(id, false);
    }

    /// A partition's log must be cut yet.
    pub fn is_truncating(&self, id: TopicIdPartition) -> bool {
        self.truncating.contains(&id)
    }

    /// The partitions whose logs must be cut, if anything can be asked now.
    pub fn awaiting_truncation(&mut self, now: Time) -> Vec<TopicIdPartition> {
        if self.truncating.is_empty() || self.is_busy() || self.paused_until > now {
            return Vec::new();
        }
        self.wake_delayed(now);
        let is_delayed = |id: &TopicIdPartition| {
            self.partitions.get(*id).is_some_and(|state| state.delayed_until.is_some())
        };
        self.truncating.iter().filter(|id| !is_delayed(id)).copied().collect()
    }

    fn set_truncating(&mut self, id: TopicIdPartition, is_truncating: bool) {
        let Some(slot) = self.partitions.slot_of(id) else { return };
        self.change(id, slot, |state| {
            state.is_truncating = is_truncating;
            true
        });
    }
}
