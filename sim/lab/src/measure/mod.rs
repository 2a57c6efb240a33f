//! Measures of a run, from its facts and operations and from the world's meters: rates, latencies, batches, lag, what
//! is under-replicated, what waits, how busy everything was.
//!
//! A [`Meter`] watches every entry of the trace while the run goes on and keeps a row per interval ([`row`]): a time
//! series, `metrics.csv`. At the end [`Measured`] is the summary: what is left when the warm-up is cut off, and whether
//! that is a steady state at all ([`steady`]). A record's way is followed from `send()` over the leader's append and the
//! high watermark to every reader, without a record being kept that is not in flight (`passage`, `replicas`).
//! [`metric`] is the table of all columns, with Kafka's own names. [`usage`] is how busy everything was, and [`limit`] what
//! follows from that: why there were not more records a second.
//!
//! Nobody pays for this who does not ask: a run that is only judged has no meter.

mod counted;
mod in_flight;
pub mod latency;
pub mod limit;
mod measured;
pub mod metric;
mod passage;
mod replicas;
pub mod row;
pub mod steady;
mod takeover;
pub mod usage;

pub use counted::Counted;
pub use measured::{Figure, Measured, Rates, Way};

use in_flight::InFlight;
use klab_machine::fact::{ClientFact, Fact};
use klab_machine::trace::{Entry, Fate, MessageKind, Outcome as FateOutcome, What};
use klab_scenario::{Assignment, Consumer, Load, Scenario};
use klab_wire::{ApiKey, NodeId, NodeKind, Span, Time};
use latency::Latencies;
use passage::{Passage, Passed};
use replicas::{Replicas, Stored};
use row::Row;
use takeover::Takeovers;

/// What a producer offers that sends as fast as it can, in thousandths of a record per second.
const MORE_THAN_ANYBODY_SENDS: u128 = 1_000_000_000_000;

/// Watches a run and measures it.
#[derive(Clone, Debug)]
pub struct Meter {
    interval: Span,
    run_for: Time,
    /// When the scenario's first act comes; random faults may come at any time.
    disturbed_at: Time,
    /// The rows that are over.
    rows: Vec<Row>,
    row: Row,
    row_publish: Latencies,
    row_end_to_end: Latencies,
    windows: Vec<Window>,
    passage: Passage,
    replicas: Replicas,
    in_flight: InFlight,
    takeovers: Takeovers,
    /// The most requests that a producer has on a connection at a time.
    most_in_flight: u64,
    /// How many applications read all that is written: `[[consumer]]` of whole topics.
    readers: u64,
    /// What is counted.
    counted: Counted,
    /// How many of these per second all clients together are asked for, in thousandths.
    offered_milli: u128,
}

/// Latencies of five intervals together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Window {
    publish: Latencies,
    end_to_end: Latencies,
    /// How long batches that were answered had been on their way, in nanoseconds.
    in_flight: u128,
    /// And how long their requests waited in the purgatory.
    parked: u128,
}

impl Meter {
    /// A meter for a run of this scenario.
    pub fn new(scenario: &Scenario) -> Self {
        let counted = Counted::in_a_run_of(scenario);
        let first_act = scenario.acts.iter().map(|at| at.time).min().unwrap_or(Span::MAX);
        let has_nemesis = !scenario.nemeses.is_empty();
        Meter {
            disturbed_at: if has_nemesis { Time::ZERO } else { Time(first_act.0) },
            interval: row::interval(scenario.run_for),
            run_for: Time(scenario.run_for.0),
            rows: Vec::new(),
            row: Row::default(),
            row_publish: Latencies::default(),
            row_end_to_end: Latencies::default(),
            windows: vec![Window::default()],
            passage: Passage::new(scenario),
            replicas: Replicas::default(),
            in_flight: InFlight::default(),
            takeovers: Takeovers::default(),
            most_in_flight: most_in_flight(scenario),
            readers: readers(scenario),
            offered_milli: counted.loads(scenario).into_iter().map(offered_milli).sum(),
            counted,
        }
    }

    /// How long an interval is.
    pub fn interval(&self) -> Span {
        self.interval
    }

    /// Takes note of an entry of the trace; entries come in the order of time.
    pub fn watch(&mut self, entry: &Entry) {
        while self.row_end().is_some_and(|end| end <= entry.time) {
            self.close_row();
        }
        match &entry.what {
            What::Operation(operation) => {
                let Meter { passage, row, row_publish, row_end_to_end, .. } = self;
                passage.watch(entry.node, entry.time, operation, &mut |passed| {
                    take_passed(row, row_publish, row_end_to_end, passed);
                });
            }
            What::Fact(fact) => self.watch_fact(entry, fact),
            What::Fate(fate) if fate.fate == FateOutcome::Delivered => {
                self.deliver(entry.node, fate);
            }
            What::Fate(_) => {}
        }
    }

    fn watch_fact(&mut self, entry: &Entry, fact: &Fact) {
        if let Fact::Client(fact) = fact {
            return self.watch_client(entry, fact);
        }
        if entry.time < self.run_for {
            self.takeovers.watch(entry, fact);
        }
        let Meter { replicas, row, windows, .. } = self;
        let window = windows.last_mut().expect("there is always a window");
        replicas.watch(entry, fact, &mut |stored| match stored {
            Stored::Appended { records } => row.appended += records,
            Stored::Committed { records } => row.committed += records,
            Stored::Parked { took } => window.parked += u128::from(took.0),
        });
    }

    fn watch_client(&mut self, entry: &Entry, fact: &ClientFact) {
        let window = self.windows.last_mut().expect("there is always a window");
        let on_its_way = self.in_flight.watch(entry.node, entry.time, fact);
        window.in_flight += u128::from(on_its_way.unwrap_or_default().0);
        match fact {
            ClientFact::BatchSent { records, attempt, .. } if *attempt <= 1 => {
                self.row.batches += 1;
                self.row.batched += u64::from(*records);
            }
            ClientFact::BatchRetried { records, .. } => self.row.retried += u64::from(*records),
            ClientFact::SendBlocked { .. } => self.row.blocked += 1,
            _ => {}
        }
    }

    /// A message has arrived: whose it was decides what it counts as.
    fn deliver(&mut self, sender: NodeId, fate: &Fate) {
        let Some(message) = fate.message else { return };
        let (row, bytes) = (&mut self.row, u64::from(message.bytes));
        row.messages += 1;
        row.message_bytes += bytes;
        use MessageKind::{Request, Response};
        match (message.kind, sender.kind, fate.peer.kind) {
            (Request(ApiKey::Produce), ..) => {
                row.produce_requests += 1;
                row.produce_bytes += bytes;
            }
            (Request(ApiKey::Fetch), NodeKind::Consumer, _) => row.consumer_fetches += 1,
            (Response(ApiKey::Fetch), _, NodeKind::Consumer) => row.consumer_bytes += bytes,
            (Request(ApiKey::Fetch), NodeKind::Broker, NodeKind::Broker) => {
                row.follower_fetches += 1
            }
            (Response(ApiKey::Fetch), NodeKind::Broker, NodeKind::Broker) => {
                row.follower_bytes += bytes
            }
            _ => {}
        }
    }

    /// When the row ends. The last one, which begins when the load ends, lasts as long as the run.
    fn row_end(&self) -> Option<Time> {
        let end = self.row.at + self.interval;
        (self.row.at < self.run_for).then_some(end.min(self.run_for))
    }

    fn close_row(&mut self) {
        let next = Row { at: self.row_end().unwrap_or(Time::MAX), ..Row::default() };
        let mut row = std::mem::replace(&mut self.row, next);
        row.publish = self.row_publish.percentiles();
        row.end_to_end = self.row_end_to_end.percentiles();
        row.under_replicated = self.replicas.under_replicated();
        row.max_lag = self.replicas.max_lag();
        row.produce_purgatory = self.replicas.parked();
        self.rows.push(row);
        let window = self.windows.last_mut().expect("there is always a window");
        window.publish.add(&self.row_publish);
        window.end_to_end.add(&self.row_end_to_end);
        self.row_publish.clear();
        self.row_end_to_end.clear();
        if self.rows.len().is_multiple_of(steady::WINDOW) {
            self.windows.push(Window::default());
        }
    }
}

fn offered_milli(load: Load) -> u128 {
    match load {
        Load::Rate(rate) => u128::from(rate.count) * 1_000_000_000_000 / u128::from(rate.per.0),
        Load::Max => MORE_THAN_ANYBODY_SENDS,
    }
}

fn readers(scenario: &Scenario) -> u64 {
    let reads_all = |consumer: &&Consumer| matches!(consumer.assignment, Assignment::Topics(_));
    scenario.consumers.iter().filter(reads_all).count() as u64
}

/// `max.in.flight.requests.per.connection`, of the producer that has the least.
fn most_in_flight(scenario: &Scenario) -> u64 {
    let configs = scenario.producers.iter().map(|one| one.resolved_config(scenario.kafka.release));
    let least = configs.map(|config| config.max_in_flight_requests_per_connection).min();
    least.unwrap_or(1).into()
}

fn take_passed(row: &mut Row, publish: &mut Latencies, end_to_end: &mut Latencies, passed: Passed) {
    match passed {
        Passed::Called { records } => row.called += records,
        Passed::Acked { records, bytes, took } => {
            row.acked += records;
            row.acked_bytes += bytes;
            publish.record(took, records);
        }
        Passed::Failed { records } => row.failed += records,
        Passed::Unknown { records } => row.unknown += records,
        Passed::Polled { records, bytes, took } => {
            row.polled += records;
            row.polled_bytes += bytes;
            end_to_end.record(took, records);
        }
        Passed::PolledAgain { records } => row.polled += records,
    }
}
