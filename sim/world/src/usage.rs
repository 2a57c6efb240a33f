//! How busy everything has been: what tells a curve's reader which resource was the limit.
//!
//! Every number counts up from the start of the run, so that two readings give a rate: a resource's utilisation
//! between them is what `busy` grew by, divided by its capacity times the time between. On hardware that is
//! `ideal` nothing takes time, and nothing is counted.

use klab_wire::{NodeId, Span};
use std::fmt;

/// What one process has done so far, and what waits in it now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Usage {
    /// The process.
    pub node: NodeId,
    /// What it computes with, sends with and stores on; always in the same order.
    pub resources: Vec<Resource>,
    /// Requests that it has taken in hand so far.
    pub requests: u64,
}

/// Something of which there is only so much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resource {
    /// What it is.
    pub kind: ResourceKind,
    /// How many things it can do at once.
    pub capacity: u32,
    /// How long it has been busy, summed over all that it did.
    pub busy: Span,
    /// How many bytes have passed it; 0 for what passes none.
    pub bytes: u64,
    /// How much waits for it now: inputs for threads and cores, nanoseconds of work for cards and disks.
    pub waiting: u64,
}

/// A kind of resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ResourceKind {
    /// The host's processor cores.
    Cores,
    /// A broker's network threads (`num.network.threads`).
    NetworkThreads,
    /// A broker's request handlers (`num.io.threads`).
    IoThreads,
    /// A broker's replica fetchers, all together (`num.replica.fetchers` for each leading broker).
    ReplicaFetchers,
    /// Everything else that the process does, on one thread.
    Background,
    /// The application's thread of a client.
    UserThread,
    /// The I/O thread of a producer.
    SenderThread,
    /// The network card, outwards.
    CardOut,
    /// The network card, inwards.
    CardIn,
    /// The disk of one log directory, counted from 0.
    Disk(u32),
}

impl fmt::Display for ResourceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            ResourceKind::Cores => "cores",
            ResourceKind::NetworkThreads => "network-threads",
            ResourceKind::IoThreads => "io-threads",
            ResourceKind::ReplicaFetchers => "replica-fetchers",
            ResourceKind::Background => "background",
            ResourceKind::UserThread => "user-thread",
            ResourceKind::SenderThread => "sender-thread",
            ResourceKind::CardOut => "card-out",
            ResourceKind::CardIn => "card-in",
            ResourceKind::Disk(number) => return write!(f, "disk-{number}"),
        };
        f.write_str(name)
    }
}
