//! What a person wants to read first: a timeline, unavailability, what the clients saw.

mod availability;
mod hot;
mod sends;
mod timeline;

pub use availability::Availability;
pub use hot::{Hot, HotStates};
pub use sends::Sends;
pub use timeline::{Line, Timeline};

use crate::settings::Settings;
use availability::Watch;
use klab_machine::fact::Fact;
use klab_machine::trace::{Entry, What};
use klab_wire::Time;
use sends::Latencies;
use serde::Serialize;

/// Watches a run and keeps what its report begins with.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// The facts that matter, in the order of time.
    pub timeline: Timeline,
    /// Partition by partition, those that were unavailable or short of in-sync replicas at all. Known when
    /// the run is finished.
    pub availability: Vec<Availability>,
    /// For how long in all partitions, brokers and the quorum were not as they should be. Known when the run
    /// is finished.
    pub hot: HotStates,
    /// What the producers saw. Latencies are known when the run is finished.
    pub sends: Sends,
    /// Records that consumers got.
    pub records_polled: u64,
    #[serde(skip)]
    watch: Watch,
    #[serde(skip)]
    hot_watch: hot::Watch,
    #[serde(skip)]
    latencies: Latencies,
}

impl Summary {
    /// A summary of a run whose brokers and topics are configured like this.
    pub fn new(settings: &Settings) -> Self {
        Summary {
            timeline: Timeline::default(),
            availability: Vec::new(),
            hot: HotStates::default(),
            sends: Sends::default(),
            records_polled: 0,
            watch: Watch::new(settings),
            hot_watch: hot::Watch::default(),
            latencies: Latencies::default(),
        }
    }

    /// Looks at one entry; entries come in the order of the trace.
    #[inline]
    pub fn watch(&mut self, entry: &Entry) {
        // The fates of messages are half of a trace, and not for a summary.
        if !matches!(entry.what, What::Fate(_)) {
            self.look_at(entry);
        }
    }

    fn look_at(&mut self, entry: &Entry) {
        match &entry.what {
            What::Fact(fact) => {
                self.timeline.watch(entry, fact);
                self.watch.watch(entry, fact);
                self.hot_watch.watch(entry, fact);
                if let Fact::Client(fact) = fact {
                    self.sends.watch(fact);
                }
            }
            What::Operation(operation) => {
                let polled = self.latencies.watch(entry, operation, &mut self.sends);
                self.records_polled += polled;
            }
            What::Fate(_) => {}
        }
    }

    /// Closes what is still open at the end of the run, and computes the percentiles.
    pub fn finish(&mut self, end: Time) {
        self.availability = self.watch.finish(end);
        let (leaderless, under_min_isr) = self.watch.hot();
        let (quorumless, fenced) = self.hot_watch.finish(end);
        self.hot = HotStates { leaderless, under_min_isr, quorumless, fenced };
        self.latencies.finish(&mut self.sends);
    }
}
