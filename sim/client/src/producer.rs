//! The producing process: `KafkaProducer` and the application that sends.

use crate::ProducerSetup;
use klab_machine::{DiskImage, Identity, Input, Machine, Outbox};
use klab_wire::{Now, ProducerEpoch, ProducerId};

/// A producer with its application.
#[derive(Clone, Debug)]
pub struct Producer {
    setup: ProducerSetup,
}

/// What to show of a producer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProducerView {
    /// Its identity, if it is idempotent and has one.
    pub producer: Option<(ProducerId, ProducerEpoch)>,
    /// Bytes of `buffer.memory` in use.
    pub buffered_bytes: u64,
    /// Sends that wait for memory or metadata.
    pub blocked: u64,
    /// Batches that wait to be sent, retries included.
    pub queued_batches: u64,
    /// Batches that were sent and not answered.
    pub in_flight_batches: u64,
    /// Records sent so far, in this life.
    pub sent: u64,
    /// Of these, acknowledged.
    pub acknowledged: u64,
    /// Of these, certainly not written.
    pub failed: u64,
    /// Of these, given up with nobody knowing whether they are written.
    pub unknown: u64,
}

impl Machine for Producer {
    type Config = ProducerSetup;
    type View = ProducerView;

    fn boot(_: Identity, setup: ProducerSetup, _: &DiskImage, _: Now, _: &mut Outbox) -> Self {
        Producer { setup }
    }

    fn step(&mut self, _: Now, _: Input, _: &mut Outbox) {}

    fn view(&self) -> ProducerView {
        let _ = &self.setup;
        ProducerView::default()
    }
}
