//! The broker.

use crate::lifecycle::BrokerState;
use crate::{BrokerSetup, BrokerView};
use klab_kraft::Raft;
use klab_machine::{DiskImage, Identity, Input, Machine, Outbox};
use klab_wire::{Now, Offset};

/// A Kafka broker in KRaft mode.
#[derive(Clone, Debug)]
pub struct Broker {
    raft: Raft,
}

impl Machine for Broker {
    type Config = BrokerSetup;
    type View = BrokerView;

    fn boot(
        identity: Identity,
        setup: BrokerSetup,
        disk: &DiskImage,
        now: Now,
        out: &mut Outbox,
    ) -> Self {
        Broker { raft: Raft::boot(setup.quorum, &identity, disk, now, out) }
    }

    fn step(&mut self, now: Now, input: Input, out: &mut Outbox) {
        if self.raft.owns(&input) {
            self.raft.handle(now, input, out);
        }
    }

    fn view(&self) -> BrokerView {
        BrokerView {
            state: BrokerState::Starting,
            epoch: None,
            metadata_end: Offset(0),
            raft: self.raft.view(),
            partitions: Vec::new(),
            delayed: (0, 0, 0),
        }
    }
}
