//! The consuming process: a consumer with partitions assigned by hand, and the application that polls.

use crate::ConsumerSetup;
use klab_machine::{DiskImage, Identity, Input, Machine, Outbox};
use klab_wire::{NodeId, Now, Offset, TopicPartition};

/// A consumer with its application.
#[derive(Clone, Debug)]
pub struct Consumer {
    setup: ConsumerSetup,
}

/// What to show of a consumer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConsumerView {
    /// Its partitions.
    pub partitions: Vec<ConsumerPartitionView>,
    /// Records handed to the application so far, in this life.
    pub consumed: u64,
}

/// What to show of one partition of a consumer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerPartitionView {
    /// The partition.
    pub partition: TopicPartition,
    /// Whether it may be fetched, and what is missing if not.
    pub state: FetchState,
    /// The offset of the next record for the application.
    pub position: Option<Offset>,
    /// The high watermark that the last fetch told.
    pub high_watermark: Option<Offset>,
    /// The application has paused it.
    pub paused: bool,
    /// The replica it reads from, if not the leader (KIP-392).
    pub preferred_read_replica: Option<NodeId>,
    /// Records that were fetched and not handed out yet.
    pub buffered_records: u64,
}

/// `SubscriptionState.FetchStates`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FetchState {
    /// It has no position yet.
    Initializing,
    /// It has a valid position.
    Fetching,
    /// Its position has to be looked up.
    AwaitReset,
    /// Its position has to be checked against the new leader's log (KIP-320).
    AwaitValidation,
}

impl Machine for Consumer {
    type Config = ConsumerSetup;
    type View = ConsumerView;

    fn boot(_: Identity, setup: ConsumerSetup, _: &DiskImage, _: Now, _: &mut Outbox) -> Self {
        Consumer { setup }
    }

    fn step(&mut self, _: Now, _: Input, _: &mut Outbox) {}

    fn view(&self) -> ConsumerView {
        let _ = &self.setup;
        ConsumerView::default()
    }
}
