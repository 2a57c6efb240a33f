//! A node: one replica, its disk, and a host that applies what is committed.

use crate::disk::Disk;
use klab_kraft::{Raft, RaftEvent, RaftSetup};
use klab_machine::{Identity, Outbox, Timer};
use klab_wire::{MetadataRecord, Offset};
use std::collections::BTreeMap;

/// One node of the cluster.
#[derive(Clone, Debug)]
pub struct Node {
    pub identity: Identity,
    pub setup: RaftSetup,
    /// None while the process is down.
    pub raft: Option<Raft>,
    pub disk: Disk,
    pub out: Outbox,
    /// The timers that run; a timer that was set again has another number.
    pub timers: BTreeMap<Timer, u64>,
    pub host: Host,
}

/// What a state machine on top of the log has: everything committed, as a count and a digest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Host {
    /// Everything below has been applied.
    pub applied: Offset,
    /// Records applied.
    pub count: u64,
    /// A digest of them in their order.
    pub digest: u64,
    /// It may append.
    pub is_writable: bool,
    /// Appended records, which number the next one.
    pub appended: u64,
}

impl Node {
    /// The replica of a node that is up.
    pub fn raft(&self) -> &Raft {
        self.raft.as_ref().expect("the node is up")
    }
}

impl Host {
    /// Takes note of what the replica says.
    pub fn learn(&mut self, event: &RaftEvent) {
        match event {
            RaftEvent::Committed(batch) => {
                assert!(
                    batch.base_offset >= self.applied,
                    "{:?} comes twice: {} applied, {batch:?}",
                    batch.base_offset,
                    self.applied
                );
                batch.metadata().iter().for_each(|record| self.apply(record));
                self.applied = batch.next_offset();
            }
            RaftEvent::SnapshotLoaded { id, batches } => {
                assert!(!self.is_writable, "a leader has everything and loads no snapshot");
                let records = batches.iter().flat_map(|batch| batch.metadata());
                (self.count, self.digest) = read_snapshot(records);
                self.applied = id.offset;
            }
            RaftEvent::BecameWritable { .. } => self.is_writable = true,
            RaftEvent::Resigned { .. } => self.is_writable = false,
            RaftEvent::LeaderChanged { .. } => {}
        }
    }

    /// A snapshot of everything applied.
    pub fn snapshot(&self) -> Vec<MetadataRecord> {
        vec![named(format!("count {}", self.count)), named(format!("digest {}", self.digest))]
    }

    fn apply(&mut self, record: &MetadataRecord) {
        let MetadataRecord::FeatureLevel { name, .. } = record else { return };
        self.count += 1;
        for byte in name.bytes() {
            self.digest = (self.digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

/// A record with a name.
pub fn named(name: String) -> MetadataRecord {
    MetadataRecord::FeatureLevel { name: name.into(), level: 1 }
}

fn read_snapshot<'a>(records: impl Iterator<Item = &'a MetadataRecord>) -> (u64, u64) {
    let number = |record: &MetadataRecord| match record {
        MetadataRecord::FeatureLevel { name, .. } => {
            name.split(' ').nth(1).and_then(|number| number.parse::<u64>().ok())
        }
        _ => None,
    };
    let numbers: Vec<u64> = records.filter_map(number).collect();
    (numbers[0], numbers[1])
}
