//! The controller as a machine (`QuorumController`).

use crate::{ControllerSetup, ControllerView};
use klab_kraft::Raft;
use klab_machine::{DiskImage, Identity, Input, Machine, Outbox};
use klab_metadata::Image;
use klab_wire::{NodeId, Now, TopicPartition};

/// A KRaft controller.
#[derive(Clone, Debug)]
pub struct Controller {
    raft: Raft,
    committed: Image,
}

impl Machine for Controller {
    type Config = ControllerSetup;
    type View = ControllerView;

    fn boot(
        identity: Identity,
        setup: ControllerSetup,
        disk: &DiskImage,
        now: Now,
        out: &mut Outbox,
    ) -> Self {
        let raft = Raft::boot(setup.quorum, &identity, disk, now, out);
        Controller { raft, committed: Image::default() }
    }

    fn step(&mut self, now: Now, input: Input, out: &mut Outbox) {
        if self.raft.owns(&input) {
            self.raft.handle(now, input, out);
        }
    }

    fn view(&self) -> ControllerView {
        ControllerView {
            is_active: false,
            epoch: self.raft.epoch(),
            metadata_end: self.committed.next_offset,
            brokers: Vec::new(),
            partitions: Vec::new(),
            deferred: 0,
            raft: self.raft.view(),
        }
    }
}

impl Controller {
    /// It is the active controller: it decides, and others ask it.
    pub fn is_active(&self) -> bool {
        false
    }

    /// What it goes by: on the active controller everything decided, though perhaps not committed yet;
    /// on a standby everything committed.
    pub fn image(&self) -> &Image {
        &self.committed
    }

    /// Who leads a partition, as far as this controller goes by.
    pub fn leader_of(&self, partition: &TopicPartition) -> Option<NodeId> {
        self.image().topics.partition_named(partition)?.leader
    }

    /// The replica of the metadata log.
    pub fn raft(&self) -> &Raft {
        &self.raft
    }

    /// It was told to shut down and has nothing left to do.
    pub fn is_shut_down(&self) -> bool {
        self.raft.is_shut_down()
    }
}
