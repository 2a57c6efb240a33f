//! How busy everything was: the world's meters, read at the end of every interval.

use klab_machine::fingerprint::Fingerprint;
use klab_machine::trace::Entry;
use klab_wire::{NodeId, NodeKind, Span, Time};
use klab_world::{Resource, ResourceKind, Simulation, Usage, World};
use serde::Serialize;
use std::fmt;

/// A world whose meters are read at the end of every interval of its load.
#[derive(Clone, Debug)]
pub(crate) struct Gauged {
    world: World,
    interval: Span,
    until: Time,
    readings: Vec<Vec<Usage>>,
    /// The fetches in purgatories at the same times, and the partitions that they wait at.
    delayed_fetches: Vec<(u64, u64)>,
}

/// How busy one resource of one process was over the measured time, and how long the queue before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Utilisation {
    /// The process.
    pub node: NodeId,
    /// What of it.
    #[serde(serialize_with = "in_words")]
    pub resource: ResourceKind,
    /// Thousandths of what it can do, on the average.
    pub permille: u64,
    /// The same in its busiest interval.
    pub max_permille: u64,
    /// What waited for it, on the average of the readings: inputs for threads and cores, nanoseconds of work for cards
    /// and disks.
    pub waiting: u64,
    /// Bytes per second that passed it.
    pub bytes_per_second: u64,
}

fn in_words<S: serde::Serializer>(kind: &ResourceKind, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(kind)
}

impl fmt::Display for Utilisation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", words(self.resource), self.node)
    }
}

/// What a reader calls it.
pub fn words(kind: ResourceKind) -> String {
    let words = match kind {
        ResourceKind::Cores => "the processor",
        ResourceKind::NetworkThreads => "the network threads",
        ResourceKind::IoThreads => "the request handlers",
        ResourceKind::ReplicaFetchers => "the replica fetchers",
        ResourceKind::Background => "the background thread",
        ResourceKind::UserThread => "the application's thread",
        ResourceKind::SenderThread => "the sender thread",
        ResourceKind::CardOut => "the network card (out)",
        ResourceKind::CardIn => "the network card (in)",
        ResourceKind::Disk(number) => return format!("disk {number}"),
    };
    words.to_string()
}

impl Gauged {
    pub(crate) fn new(world: World, interval: Span) -> Self {
        let until = Time(world.scenario().run_for.0);
        // The first reading is the meters at zero.
        Gauged { world, interval, until, readings: vec![Vec::new()], delayed_fetches: vec![(0, 0)] }
    }

    pub(crate) fn world(&self) -> &World {
        &self.world
    }

    pub(crate) fn into_readings(self) -> Readings {
        let Gauged { interval, readings, delayed_fetches, .. } = self;
        Readings { interval, readings, delayed_fetches }
    }

    /// Reads the meters at every end of an interval that lies before the next event.
    fn read(&mut self) {
        let Some(next) = self.world.next_time() else { return };
        loop {
            let at = Time::ZERO + self.interval.times(self.readings.len() as u64);
            if at > next || at > self.until {
                return;
            }
            self.readings.push(self.world.usage());
            self.delayed_fetches.push(self.world.delayed_fetches());
        }
    }
}

impl Simulation for Gauged {
    fn next_time(&self) -> Option<Time> {
        self.world.next_time()
    }

    fn step(&mut self) -> Option<&[Entry]> {
        self.read();
        self.world.step()
    }

    fn fingerprint(&self) -> Option<&Fingerprint> {
        self.world.fingerprint()
    }
}

/// The meters at the end of every interval, from the start of the run.
#[derive(Clone, Debug, Default)]
pub struct Readings {
    interval: Span,
    readings: Vec<Vec<Usage>>,
    delayed_fetches: Vec<(u64, u64)>,
}

impl Readings {
    /// The fetches in purgatories at the end of an interval, and the partitions that they wait at.
    pub(crate) fn delayed_fetches(&self, interval: usize) -> (u64, u64) {
        self.delayed_fetches.get(interval + 1).copied().unwrap_or_default()
    }

    /// How busy everything was between two of the readings, each process in turn.
    pub(crate) fn utilisations(&self, from: usize, to: usize) -> Vec<Utilisation> {
        let to = to.min(self.readings.len().saturating_sub(1));
        let Some(last) = self.readings.get(to).filter(|_| from < to) else { return Vec::new() };
        let nodes = last.iter().flat_map(|usage| {
            usage.resources.iter().map(move |resource| (usage.node, resource.kind))
        });
        nodes.map(|(node, kind)| self.utilisation(node, kind, from, to)).collect()
    }

    fn utilisation(&self, node: NodeId, kind: ResourceKind, from: usize, to: usize) -> Utilisation {
        let at = |reading: usize| self.resource(reading, node, kind);
        let steps = (from..to).map(|step| permille(at(step), at(step + 1), self.interval));
        let waiting: u64 = (from..to).filter_map(|step| Some(at(step + 1)?.waiting)).sum();
        let span = self.interval.times((to - from) as u64);
        let bytes = [to, from].map(|reading| at(reading).map_or(0, |resource| resource.bytes));
        let passed = u128::from(bytes[0].saturating_sub(bytes[1])) * 1_000_000_000;
        Utilisation {
            node,
            resource: kind,
            permille: permille(at(from), at(to), span),
            max_permille: steps.max().unwrap_or(0),
            waiting: waiting / (to - from) as u64,
            bytes_per_second: (passed / u128::from(span.0)) as u64,
        }
    }

    fn resource(&self, reading: usize, node: NodeId, kind: ResourceKind) -> Option<Resource> {
        let of_reading = self.readings.get(reading)?;
        let usage = of_reading.iter().find(|usage| usage.node == node)?;
        usage.resources.iter().find(|resource| resource.kind == kind).copied()
    }

    /// The utilisation of the servers, in every interval: a head, and a line for each.
    pub(crate) fn columns(&self) -> (Vec<String>, Vec<Vec<u64>>) {
        let last = self.readings.last().map_or(&[][..], Vec::as_slice);
        let servers = last.iter().filter(|usage| is_server(usage.node));
        let known: Vec<(NodeId, ResourceKind)> = servers
            .flat_map(|usage| usage.resources.iter().map(|resource| (usage.node, resource.kind)))
            .collect();
        let head = known.iter().flat_map(|(node, kind)| {
            [format!("{node}_{kind}_permille"), format!("{node}_{kind}_waiting")]
        });
        let lines = (1..self.readings.len()).map(|reading| {
            let pair = |(node, kind): &(NodeId, ResourceKind)| {
                let [before, now] =
                    [reading - 1, reading].map(|at| self.resource(at, *node, *kind));
                let waiting = now.map_or(0, |resource| resource.waiting);
                [permille(before, now, self.interval), waiting]
            };
            known.iter().flat_map(pair).collect()
        });
        (head.collect(), lines.collect())
    }
}

fn is_server(node: NodeId) -> bool {
    matches!(node.kind, NodeKind::Broker | NodeKind::Voter | NodeKind::ZooKeeper)
}

/// What it was busy for, of what it could have been. A process that began in between has no reading before.
fn permille(before: Option<Resource>, after: Option<Resource>, span: Span) -> u64 {
    let Some(after) = after else { return 0 };
    let busy = after.busy.saturating_sub(before.map_or(Span::ZERO, |before| before.busy));
    let possible = u128::from(span.0) * u128::from(after.capacity);
    (u128::from(busy.0) * 1_000).checked_div(possible).map_or(0, |share| share as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(busy_millis: u64, waiting: u64) -> Vec<Usage> {
        let resource = Resource {
            kind: ResourceKind::IoThreads,
            capacity: 2,
            busy: Span::from_millis(busy_millis),
            bytes: busy_millis * 1_000,
            waiting,
        };
        vec![Usage { node: NodeId::broker(1), resources: vec![resource], requests: 0 }]
    }

    #[test]
    fn a_utilisation_is_what_the_meter_grew_by() {
        let readings = [Vec::new(), reading(50, 1), reading(250, 3), reading(350, 5)];
        let interval = Span::from_millis(100);
        let readings = Readings { interval, readings: readings.into(), ..Readings::default() };
        let found = readings.utilisations(1, 3);
        let wanted = Utilisation {
            node: NodeId::broker(1),
            resource: ResourceKind::IoThreads,
            permille: 750,
            max_permille: 1_000,
            waiting: 4,
            bytes_per_second: 1_500_000,
        };
        assert_eq!(found, [wanted]);
        let (head, lines) = readings.columns();
        assert_eq!(head, ["b1_io-threads_permille", "b1_io-threads_waiting"]);
        assert_eq!(lines, [[250, 1], [1_000, 3], [500, 5]]);
    }

    #[test]
    fn ideal_hardware_has_no_meters() {
        let interval = Span::from_millis(100);
        let readings = Readings { interval, readings: vec![Vec::new(); 9], ..Readings::default() };
        assert!(readings.utilisations(2, 8).is_empty());
        assert!(readings.columns().0.is_empty());
    }
}
