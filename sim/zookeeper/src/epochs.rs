//! The two epochs that a server must never forget (`acceptedEpoch`, `currentEpoch`; ZOOKEEPER-335).
//!
//! `acceptedEpoch`: it has promised not to accept a leader of an earlier one. `currentEpoch`: a leader of it
//! has brought this server in line; it is what elections go by. Each is on the platter before anybody is told.

use klab_machine::{Block, Change, DiskImage, File, FlushId, Outbox};

/// See the module.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Epochs {
    accepted: u32,
    current: u32,
}

impl Epochs {
    /// What a disk holds.
    pub fn load(disk: &DiskImage) -> Self {
        let epoch = |file| match disk.block(file) {
            Some(Block::ZooKeeperEpoch(epoch)) => *epoch,
            _ => 0,
        };
        Epochs { accepted: epoch(File::AcceptedEpoch), current: epoch(File::CurrentEpoch) }
    }

    /// The highest epoch that it has accepted a leader's proposal of.
    pub fn accepted(&self) -> u32 {
        self.accepted
    }

    /// The epoch in which it last had a leader.
    pub fn current(&self) -> u32 {
        self.current
    }

    /// Accepts an epoch. Gives the fsync to wait for.
    pub fn accept(&mut self, epoch: u32, out: &mut Outbox) -> FlushId {
        self.accepted = epoch;
        write(File::AcceptedEpoch, epoch, out)
    }

    /// Has a leader in an epoch. Gives the fsync to wait for.
    pub fn enter(&mut self, epoch: u32, out: &mut Outbox) -> FlushId {
        self.current = epoch;
        write(File::CurrentEpoch, epoch, out)
    }
}

fn write(file: File, epoch: u32, out: &mut Outbox) -> FlushId {
    out.store(file, Change::Replace(Block::ZooKeeperEpoch(epoch)));
    out.flush(file)
}
