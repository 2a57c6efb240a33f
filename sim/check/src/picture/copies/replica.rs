//! One replica's copy of a log, and what it leads.

use klab_wire::{LeaderEpoch, NodeId, Offset, ProducerEpoch, ProducerId, Sequence};
use std::collections::BTreeMap;

/// One replica's copy.
#[derive(Clone, Debug)]
pub(crate) struct Replica {
    pub(crate) node: NodeId,
    pub(crate) start: Offset,
    /// The log end; none until a fact has told it.
    pub(crate) end: Option<Offset>,
    pub(crate) high_watermark: Offset,
    /// Everything below this has reached the platter.
    pub(crate) flushed: Offset,
    /// Where its log ended when it was opened last. What a killed process had not flushed is in the page cache and
    /// counts, as in Kafka, though nobody flushes it before the next append.
    pub(crate) opened: Offset,
    /// It deleted records before they were flushed, and they may stand torn before everything that comes after
    /// until the log is opened again.
    pub(crate) gap_in_flushed: bool,
    /// It lost data and has not been admitted to an ISR since.
    pub(crate) lossy: bool,
    /// Its host lost its power, and its log has not been opened since.
    pub(crate) in_danger: bool,
    /// Its broker stopped uncleanly, whether data was lost or not, and it has not been admitted since.
    pub(crate) unclean: bool,
    /// What is below was committed when it led and knew enough replicas to be in sync for `acks=all`.
    pub(crate) acknowledgeable: Offset,
    /// What it leads, if it believes that it leads.
    pub(crate) leading: Option<Leading>,
}

/// A leadership as the leader sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Leading {
    pub(crate) epoch: LeaderEpoch,
    /// How many replicas it knows to be in sync.
    pub(crate) in_sync: u32,
    /// The last batch of each producer in its log, of those that it appended itself.
    pub(crate) producers: BTreeMap<ProducerId, ProducerTail>,
}

/// Where a producer's sequences have got to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ProducerTail {
    pub(crate) epoch: ProducerEpoch,
    /// The sequence that must come next.
    pub(crate) next: Sequence,
}

impl Replica {
    pub(super) const fn new(node: NodeId) -> Self {
        Replica {
            node,
            start: Offset(0),
            end: None,
            high_watermark: Offset(0),
            flushed: Offset(0),
            opened: Offset(0),
            gap_in_flushed: false,
            lossy: false,
            in_danger: false,
            unclean: false,
            acknowledgeable: Offset(0),
            leading: None,
        }
    }

    /// An fsync is done.
    pub(crate) fn flush(&mut self, to: Offset) {
        if !self.gap_in_flushed {
            self.flushed = self.flushed.max(to);
        }
    }

    /// Up to where it may be counted where every batch is flushed; none if that is not known.
    pub(crate) fn counts_up_to(&self) -> Option<Offset> {
        let flushed = self.flushed.max(self.opened).max(self.start);
        Some(flushed).filter(|_| !self.gap_in_flushed)
    }

    /// The log will start here, though its segments are not deleted. Kafka moves the recovery point along
    /// (`UnifiedLog.updateLogStartOffset`), and never flushes what is in between; but a power cut may take the
    /// new log start back, and then the log is recovered from further down.
    pub(crate) fn delete_records(&mut self, to: Offset) {
        self.gap_in_flushed |= self.flushed < to;
    }

    /// Whether something that it had may be gone.
    pub(crate) const fn may_lack(&self) -> bool {
        self.lossy || self.in_danger
    }

    /// Its log is not what it was when it noted what producers had appended.
    pub(super) fn forget_producers(&mut self) {
        if let Some(leading) = &mut self.leading {
            leading.producers.clear();
        }
    }
}

impl Leading {
    pub(crate) const fn new(epoch: LeaderEpoch, in_sync: u32) -> Self {
        Leading { epoch, in_sync, producers: BTreeMap::new() }
    }
}
