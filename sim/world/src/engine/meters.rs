//! What the meters of a process show.

use super::Engine;
use super::lanes::{FIRST, Lane, SECOND};
use super::process::{Hosted, Process};
use crate::costs::Threads;
use crate::usage::{Resource, ResourceKind, Usage};
use klab_machine::Machine;
use klab_wire::{NodeKind, Span};

impl<M: Machine> Engine<M> {
    /// What every process that has hardware has done so far, in the order in which they were added.
    pub fn usage(&self) -> Vec<Usage> {
        let processes = (0..).zip(&self.processes);
        let with_hardware = processes.filter(|(_, process)| !process.host.is_ideal());
        with_hardware.map(|(index, process)| self.usage_of(index, process)).collect()
    }

    fn usage_of(&self, index: u32, process: &Process) -> Usage {
        let meters = process.host.meters();
        let mut resources = vec![Resource {
            kind: ResourceKind::Cores,
            capacity: meters.cores,
            busy: meters.cores_busy,
            bytes: 0,
            waiting: process.waiting.len() as u64,
        }];
        if meters.network_threads > 0 {
            let kind = ResourceKind::NetworkThreads;
            let (capacity, busy) = (meters.network_threads, meters.network_busy);
            resources.push(Resource { kind, capacity, busy, bytes: 0, waiting: 0 });
        }
        for hosted in &self.machines[process.range()] {
            resources.extend(threads_of(hosted, process.node.kind));
        }
        resources.extend(self.network.usage(index, self.timeline.now()));
        for hosted in &self.machines[process.range()] {
            resources.extend(hosted.disk.usage(self.timeline.now()));
        }
        Usage { node: process.node, resources, requests: meters.requests }
    }
}

/// The threads of a machine that have had something to do.
fn threads_of<M: Machine>(hosted: &Hosted<M>, node: NodeKind) -> Vec<Resource> {
    let kind_of = |lane: u32| match (hosted.lanes.threads, lane) {
        (Threads::One, _) => ResourceKind::Background,
        (Threads::Broker { .. }, FIRST) => ResourceKind::IoThreads,
        (Threads::Broker { .. }, SECOND) => ResourceKind::Background,
        (Threads::Broker { .. }, _) => ResourceKind::ReplicaFetchers,
        (Threads::Client, FIRST) => ResourceKind::UserThread,
        (Threads::Client, _) if node == NodeKind::Consumer => ResourceKind::UserThread,
        (Threads::Client, _) => ResourceKind::SenderThread,
    };
    let mut resources: Vec<Resource> = Vec::new();
    for (number, lane) in (0..).zip(hosted.lanes.iter()).filter(|(_, lane)| lane.busy > Span::ZERO)
    {
        let resource = resource_of(kind_of(number), lane);
        match resources.iter_mut().find(|known| known.kind == resource.kind) {
            Some(known) => {
                known.capacity += resource.capacity;
                known.busy += resource.busy;
                known.waiting += resource.waiting;
            }
            None => resources.push(resource),
        }
    }
    resources
}

fn resource_of(kind: ResourceKind, lane: &Lane) -> Resource {
    let waiting = lane.line.len() as u64;
    Resource { kind, capacity: lane.threads(), busy: lane.busy, bytes: 0, waiting }
}
