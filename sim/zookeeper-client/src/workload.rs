//! What an application on a ZooKeeper client does.

use crate::{creates, offsets};
use klab_wire::zookeeper::{Acl, CreateMode, Data, Op, Path};
use klab_wire::{NodeId, Span};

/// The kinds of work. Each client of a kind does it on its own; they meet in the znodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workload {
    /// Reads and writes some znodes, each a register.
    Registers {
        /// How many.
        keys: u32,
        /// How many of a hundred operations are reads.
        reads: u32,
        /// How many bytes a register has at least.
        size: u32,
        /// Each read comes behind a `sync`.
        synced: bool,
    },
    /// Adds one to a number: reads it, and writes it back if it has not changed since.
    Counter,
    /// Takes a lock, holds it, lets it go.
    Lock {
        /// For how long.
        hold: Span,
    },
    /// Says that it is there, with an ephemeral znode, and watches who else is.
    Members,
    /// Watches a register, and reads it again whenever it changes.
    Watcher,
    /// Commits consumer offsets, as consumers did before there was a topic for them.
    Offsets {
        /// Of so many partitions at a time.
        partitions: u32,
    },
    /// Creates a znode, waits, and has it deleted without waiting.
    Creates {
        /// How many bytes it has at least.
        size: u32,
    },
}

impl Workload {
    /// The znodes that must be there before this client's work begins.
    pub fn ground(self, me: NodeId) -> Vec<Path> {
        match self {
            Workload::Registers { keys, .. } => (0..keys).map(register).collect(),
            Workload::Counter => vec![counter()],
            Workload::Lock { .. } => vec![lock()],
            Workload::Members => vec![members()],
            Workload::Watcher => vec![register(0)],
            Workload::Offsets { partitions } => offsets::znodes(me, partitions),
            Workload::Creates { .. } => vec![creates::parent()],
        }
    }

    /// A number as a znode holds it: with zeros before it, if it has a size.
    pub fn text(self, number: u64) -> String {
        match self {
            Workload::Registers { size, .. } | Workload::Creates { size } => {
                format!("{number:0>width$}", width = size as usize)
            }
            _ => number.to_string(),
        }
    }
}

/// The register of this number.
pub fn register(key: u32) -> Path {
    Path::from(format!("/r{key}"))
}

/// The number that is counted up.
pub fn counter() -> Path {
    Path::from("/counter")
}

/// Whose children are those that want the lock.
pub fn lock() -> Path {
    Path::from("/lock")
}

/// Whose children are those that are there.
pub fn members() -> Path {
    Path::from("/members")
}

/// Creates a znode that everybody may change.
pub fn create(path: Path, data: &str, mode: CreateMode) -> Op {
    Op::Create { path, data: Data::from(data), acl: Acl::Open, mode }
}
