//! How processes come and go: start, crash, power cut, halt, pause and resume.

use super::Engine;
use super::process::{Hosted, Process, ProcessPlan, ProcessState};
use crate::costs::Threads;
use crate::disk::Disk;
use klab_machine::disk::MetaProperties;
use klab_machine::fact::{Fact, WorldFact};
use klab_machine::random::stream;
use klab_machine::trace::What;
use klab_machine::{Address, Block, Command, File, Identity, Machine, Outbox};
use klab_wire::{ClusterId, DirectoryId, IncarnationId, NodeId};

impl<M: Machine> Engine<M> {
    /// Adds a process with a formatted disk. It is down until it is started.
    pub fn add(&mut self, plan: ProcessPlan<M::Config>) {
        let index = self.processes.len() as u32;
        let first = self.machines.len() as u32;
        let earlier = self.by_node.insert(plan.node, index);
        assert!(earlier.is_none(), "{} is there already", plan.node);
        self.network.add_site(plan.node, plan.host.sockets);
        let weather = stream(self.seed, "collections", [plan.node.key()]);
        self.processes.push(Process::new(&plan, first, weather));
        for (place, (config, listeners)) in plan.machines.into_iter().enumerate() {
            let machine = first + place as u32;
            let weather = stream(self.seed, "disk", [plan.node.key(), place as u64]);
            let disk = Disk::new(machine, plan.disk, weather);
            let threads = if place == 0 { plan.host.threads } else { Threads::One };
            self.machines.push(Hosted::new(index, config, listeners, disk, threads));
            self.format(machine);
        }
    }

    /// Starts a process, or starts it again. One that is up stays as it is.
    pub fn start(&mut self, node: NodeId) {
        let Some(index) = self.by_node.get(&node).copied() else { return };
        let process = &mut self.processes[index as usize];
        if process.is_up() {
            return;
        }
        process.state = ProcessState::Running;
        process.leaving = None;
        process.life += 1;
        let life = process.life;
        self.network.power_on(index);
        self.say(index, WorldFact::ProcessStarted { life });
        for machine in self.processes[index as usize].range() {
            self.boot(machine as u32);
        }
    }

    /// Kills a process (`kill -9`): its page cache survives, and its host resets its connections.
    pub fn crash(&mut self, node: NodeId) {
        let Some(index) = self.index_of_up(node) else { return };
        self.say(index, WorldFact::ProcessCrashed {});
        self.end_process(index);
    }

    /// Cuts a host's power: its process is gone without a word, and so is what had not reached the
    /// platter. A process that is down loses its page cache too.
    pub fn cut_power(&mut self, node: NodeId) {
        let Some(index) = self.by_node.get(&node).copied() else { return };
        self.network.power_off(index);
        let losses = self.machines_of(index).map(|hosted| hosted.disk.cut_power());
        let (lost_blocks, torn) = losses
            .fold((0, false), |(blocks, torn), loss| (blocks + loss.blocks, torn | loss.torn));
        self.say(index, WorldFact::PowerCut { lost_blocks, torn });
        self.end_process(index);
    }

    /// Asks a process to go in order (SIGTERM). Its machines go one after the other: in combined mode
    /// first the broker, which needs a controller for that, then the controller
    /// (`KafkaRaftServer.shutdown`).
    pub fn shut_down(&mut self, node: NodeId) {
        let Some(index) = self.index_of_up(node) else { return };
        self.say(index, WorldFact::ShutdownRequested {});
        if self.processes[index as usize].leaving.is_none() {
            self.shut_down_machine(index, 0);
        }
    }

    /// Stops a process from running without ending it. Its host keeps its connections.
    pub fn pause(&mut self, node: NodeId) {
        let Some(index) = self.index_of_up(node) else { return };
        let process = &mut self.processes[index as usize];
        if process.is_running() {
            process.state = ProcessState::Paused;
            self.say(index, WorldFact::ProcessPaused {});
        }
    }

    /// Lets a paused process run again: it finds everything that waited for it.
    pub fn resume(&mut self, node: NodeId) {
        let Some(index) = self.index_of_up(node) else { return };
        let process = &mut self.processes[index as usize];
        if process.state == ProcessState::Paused {
            process.state = ProcessState::Running;
            self.say(index, WorldFact::ProcessResumed {});
            let range = self.processes[index as usize].range();
            range.for_each(|machine| self.wake(machine as u32));
            self.thaw(index);
        }
    }

    /// Gives a process an empty, formatted disk in place of its own: another directory. A process that
    /// is up is killed first.
    pub fn replace_disk(&mut self, node: NodeId) {
        self.crash(node);
        let Some(index) = self.by_node.get(&node).copied() else { return };
        for machine in self.processes[index as usize].range() {
            self.machines[machine].disk.replace();
            self.format(machine as u32);
        }
        self.say(index, WorldFact::DiskReplaced {});
    }

    /// A machine ends its process, unless another one has yet to leave.
    pub(super) fn halt(&mut self, machine: u32) {
        let index = self.machines[machine as usize].process;
        if let Some(next) = self.processes[index as usize].next_to_leave(machine) {
            return self.shut_down_machine(index, next);
        }
        self.say(index, WorldFact::ProcessHalted {});
        self.end_process(index);
    }

    fn shut_down_machine(&mut self, index: u32, place: u32) {
        let process = &mut self.processes[index as usize];
        process.leaving = Some(place);
        let machine = process.range().start as u32 + place;
        self.command_machine(machine, Command::ShutDown);
    }

    pub(super) fn say(&mut self, index: u32, fact: WorldFact) {
        let node = self.processes[index as usize].node;
        self.timeline.tell(node, What::Fact(Fact::World(fact)));
    }

    fn index_of_up(&self, node: NodeId) -> Option<u32> {
        self.by_node.get(&node).copied().filter(|index| self.processes[*index as usize].is_up())
    }

    /// What `kafka-storage format` does: the directory gets its identity.
    fn format(&mut self, machine: u32) {
        let hosted = &mut self.machines[machine as usize];
        let process = &self.processes[hosted.process as usize];
        let place = machine - process.range().start as u32;
        hosted.directory = directory(self.seed, process.node, place, hosted.disks);
        hosted.disks += 1;
        let properties = MetaProperties {
            cluster: self.cluster.clone(),
            node: process.node,
            directory: hosted.directory,
        };
        hosted.disk.format(File::MetaProperties, Block::MetaProperties(properties));
    }

    fn machines_of(&mut self, index: u32) -> impl Iterator<Item = &mut Hosted<M>> {
        self.machines[self.processes[index as usize].range()].iter_mut()
    }

    fn boot(&mut self, machine: u32) {
        let range = self.network.new_range();
        let hosted = &mut self.machines[machine as usize];
        let process = &self.processes[hosted.process as usize];
        let place = machine - process.range().start as u32;
        let identity = identity_of(process, place, hosted.directory, self.seed, &self.cluster);
        hosted.outbox = Outbox::new(range).without(self.timeline.untold());
        let (now, disk) = (process.clock.now(self.timeline.now()), hosted.disk.image());
        let config = hosted.config.clone();
        hosted.machine = Some(M::boot(identity, config, disk, now, &mut hosted.outbox));
        for listener in &hosted.listeners {
            self.network.listen(Address { node: process.node, listener: *listener }, machine);
        }
        self.carry_out(machine);
        self.wake(machine);
    }

    fn end_process(&mut self, index: u32) {
        let process = &mut self.processes[index as usize];
        process.state = ProcessState::Down;
        process.host.release_all();
        process.waiting.clear();
        process.held.clear();
        for hosted in &mut self.machines[process.range()] {
            hosted.machine = None;
            hosted.is_stepping = false;
            hosted.lanes.clear();
            hosted.stages.clear();
            hosted.departures.clear();
            hosted.syncing.clear();
            hosted.inbox.clear();
            hosted.outbox = Outbox::default();
            hosted.timers.clear();
        }
        self.network.forget_process(index, &mut self.timeline);
    }
}

/// The identity of a log directory: of the machine at this place in its process, on its n-th disk, from 0.
pub fn directory(seed: u64, node: NodeId, place: u32, disk: u32) -> DirectoryId {
    let ids = [node.key(), u64::from(place), u64::from(disk)];
    DirectoryId(stream(seed, "directory", ids).number())
}

/// Every machine has a seed of its own, so that equal names in two machines are different streams.
fn identity_of(
    process: &Process,
    place: u32,
    directory: DirectoryId,
    seed: u64,
    cluster: &ClusterId,
) -> Identity {
    let own = stream(seed, "machine", [process.node.key(), u64::from(place)]).number();
    Identity {
        node: process.node,
        cluster: cluster.clone(),
        directory,
        incarnation: IncarnationId(u64::from(process.life)),
        rack: process.rack.clone(),
        seed: own,
    }
}
