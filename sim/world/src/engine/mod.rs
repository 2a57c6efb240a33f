//! The engine: one struct, one queue, one step. Cloning it forks the universe.
//!
//! It is generic over the machines, so that it runs a Kafka deployment, a toy of a test, and a library
//! user's own protocol alike. Processes, machines, links and connections are numbered densely inside;
//! names appear only where somebody outside asks.

mod blocked;
mod departures;
mod effects;
mod faults;
mod lanes;
mod life;
mod meters;
mod process;
mod service;

pub use life::directory;
pub use process::ProcessPlan;

use crate::network::{Delivery, Network, NetworkProfile};
use crate::timeline::{Event, Timeline};
use crate::timers::Fired;
use klab_machine::fact::{Fact, FactSet, WorldFact};
use klab_machine::fingerprint::Fingerprint;
use klab_machine::trace::{Entry, What};
use klab_machine::{Command, ConnectionId, DiskImage, Input, Machine};
use klab_wire::{ClusterId, NodeId, Time};
use process::{Hosted, Process, ProcessState, unanswered_request};
use std::collections::{BTreeMap, VecDeque};

/// Something that happens step by step and leaves a trace.
pub trait Simulation {
    /// When something happens next; none if nothing ever will.
    fn next_time(&self) -> Option<Time>;

    /// Lets the next thing happen. Gives the entries that it (and whatever was done to the world since
    /// the last step) added to the trace; none if nothing will ever happen again.
    fn step(&mut self) -> Option<&[Entry]>;

    /// Lets things happen one after the other until there is a good deal to look at, or nothing will ever happen again.
    ///
    /// Whoever only watches had better watch so: what makes entries and what judges them is too much code for a
    /// processor's innermost cache, and each goes faster if it goes on for a while.
    fn steps(&mut self) -> Option<&[Entry]> {
        self.step()
    }

    /// The digest of the trace so far; none if it was made without.
    fn fingerprint(&self) -> Option<&Fingerprint>;
}

/// Everything: processes, links, disks, clocks, and what will happen next.
#[derive(Clone, Debug)]
pub struct Engine<M: Machine> {
    seed: u64,
    cluster: ClusterId,
    timeline: Timeline,
    network: Network,
    processes: Vec<Process>,
    /// All machines; a process has a range of them.
    machines: Vec<Hosted<M>>,
    by_node: BTreeMap<NodeId, u32>,
    /// Machines that are free and have inputs in line.
    ready: VecDeque<u32>,
}

impl<M: Machine> Engine<M> {
    /// A world without processes. Everything in it that is left to chance follows from `seed`.
    pub fn new(seed: u64, cluster: ClusterId, network: NetworkProfile) -> Self {
        Engine {
            seed,
            cluster,
            timeline: Timeline::new(),
            network: Network::new(seed, network),
            processes: Vec::new(),
            machines: Vec::new(),
            by_node: BTreeMap::new(),
            ready: VecDeque::new(),
        }
    }

    /// The true time.
    pub fn now(&self) -> Time {
        self.timeline.now()
    }

    /// How many steps there have been.
    pub fn steps(&self) -> u64 {
        self.timeline.steps()
    }

    /// How many events have been planned: what the engine's own work is counted in.
    pub fn events(&self) -> u64 {
        self.timeline.events()
    }

    /// How many messages have reached their receiver.
    pub fn messages(&self) -> u64 {
        self.network.delivered()
    }

    /// From now on nobody is shown what became of messages, half of a trace, nor these facts of machines. The
    /// fingerprint has it all the same.
    pub fn hide(&mut self, facts: FactSet) {
        self.timeline.hide(facts);
    }

    /// From now on there is no fingerprint, and machines that start do not tell what is hidden: a run of which
    /// only the rest is asked is a tenth cheaper.
    pub fn leave_undigested(&mut self) {
        self.timeline.leave_undigested();
    }

    /// Runs until a time, that time included, and shows every entry of the trace.
    pub fn run(&mut self, until: Time, observe: &mut impl FnMut(&Entry)) {
        while self.next_time().is_some_and(|next| next <= until) {
            self.step().into_iter().flatten().for_each(&mut *observe);
        }
        self.advance(until);
        self.timeline.show().iter().for_each(observe);
    }

    /// Lets time pass in which nothing happens.
    pub fn advance(&mut self, to: Time) {
        self.timeline.advance(to);
    }

    /// How many entries nobody has been shown.
    pub(crate) fn unshown(&self) -> usize {
        self.timeline.unshown()
    }

    /// Entries that were added by acts since the last step.
    pub fn entries(&mut self) -> &[Entry] {
        self.timeline.show()
    }

    /// Begins a step in which somebody acts on the world, so that its entries have a number.
    pub fn begin_act(&mut self) {
        self.timeline.begin_step();
    }

    /// What a machine of a process is booted with from its next life on.
    pub fn reconfigure(&mut self, node: NodeId, place: u32, config: M::Config) {
        let Some(range) = self.process(node).map(Process::range) else { return };
        if let Some(hosted) = self.machines[range].get_mut(place as usize) {
            hosted.config = config;
        }
    }

    /// Every process, in the order in which they were added.
    pub fn nodes(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.processes.iter().map(|process| process.node)
    }

    /// The process is up: running or paused.
    pub fn is_up(&self, node: NodeId) -> bool {
        self.process(node).is_some_and(Process::is_up)
    }

    /// The process is up and not paused.
    pub fn is_running(&self, node: NodeId) -> bool {
        self.process(node).is_some_and(Process::is_running)
    }

    /// Which life of the process this is; 0 before the first.
    pub fn life(&self, node: NodeId) -> u32 {
        self.process(node).map_or(0, |process| process.life)
    }

    /// The machines of a process that is up, in the order of its plan.
    pub fn machines(&self, node: NodeId) -> impl Iterator<Item = &M> + '_ {
        let range = self.process(node).map_or(0..0, Process::range);
        self.machines[range].iter().filter_map(|hosted| hosted.machine.as_ref())
    }

    /// What each machine of a process would find on its disk.
    pub fn disks(&self, node: NodeId) -> impl Iterator<Item = &DiskImage> + '_ {
        let range = self.process(node).map_or(0..0, Process::range);
        self.machines[range].iter().map(|hosted| hosted.disk.image())
    }

    /// States a fact about the world; it belongs to a node.
    pub fn state(&mut self, node: NodeId, fact: WorldFact) {
        self.timeline.tell(node, What::Fact(Fact::World(fact)));
    }

    fn process(&self, node: NodeId) -> Option<&Process> {
        self.by_node.get(&node).map(|index| &self.processes[*index as usize])
    }

    fn handle(&mut self, event: Event) {
        let Engine { network, timeline, .. } = self;
        let delivery = match event {
            Event::Arrival { connection, generation, way } => {
                network.arrival(connection, generation, way, timeline)
            }
            Event::Retransmission { connection, generation, way } => {
                network.retransmission(connection, generation, way, timeline)
            }
            Event::ResetArrival { connection, generation, end } => {
                network.reset_arrival(connection, generation, end, timeline)
            }
            Event::Handshake { connection, generation, leg } => {
                network.handshake(connection, generation, leg, timeline)
            }
            Event::Timer { machine, slot, armed } => self.fire(machine, slot, armed),
            Event::DiskDone { machine, directory, generation } => {
                self.disk_done(machine, directory, generation)
            }
            Event::Chunk { connection, generation, way } => {
                return network.chunk_arrived(connection, generation, way, timeline);
            }
            Event::WindowOpened { connection, generation, way } => {
                return network.window_opened(connection, generation, way, timeline);
            }
            Event::Staged { machine, serial } => return self.staged(machine, serial),
            Event::Thaw { process } => return self.thaw(process),
            Event::WriteBack { machine, generation } => {
                let disk = &mut self.machines[machine as usize].disk;
                return disk.write_back(generation, timeline);
            }
        };
        if let Some((machine, input)) = delivery {
            self.deliver(machine, input);
        }
    }

    fn fire(&mut self, machine: u32, slot: u32, armed: u32) -> Delivery {
        match self.machines[machine as usize].timers.fire(slot, armed, self.timeline.now()) {
            Fired::Due(timer) => return Some((machine, Input::Timer(timer))),
            Fired::Later(at) => {
                self.timeline.take_step_back();
                self.timeline.plan(at, Event::Timer { machine, slot, armed });
            }
            Fired::Dead => {
                self.timeline.take_step_back();
                self.timeline.unbury();
            }
        }
        None
    }

    fn disk_done(&mut self, machine: u32, directory: u16, generation: u32) -> Delivery {
        let hosted = &mut self.machines[machine as usize];
        let life = self.processes[hosted.process as usize].life;
        let done = hosted.disk.done(directory, generation).filter(|done| done.life == life)?;
        self.synced(machine, done.flush);
        Some((machine, Input::Flushed(done.flush)))
    }

    /// Gives an input to a machine: at once if it can be stepped now, else it waits in line.
    #[inline(always)]
    fn deliver(&mut self, machine: u32, input: Input) {
        let hosted = &mut self.machines[machine as usize];
        let process = &self.processes[hosted.process as usize];
        if !process.host.is_ideal() {
            return self.admit(machine, input);
        }
        match process.state {
            ProcessState::Down => {}
            ProcessState::Running if hosted.inbox.is_empty() && !hosted.is_stepping => {
                self.serve(machine, input);
            }
            ProcessState::Running | ProcessState::Paused => {
                hosted.inbox.push_back(input);
                self.wake(machine);
            }
        }
    }

    /// Lines a machine up for service if it can be served.
    fn wake(&mut self, machine: u32) {
        let hosted = &mut self.machines[machine as usize];
        let process = &self.processes[hosted.process as usize];
        let can_serve = !hosted.is_stepping && process.is_running();
        if can_serve && !hosted.inbox.is_empty() && !hosted.is_ready {
            hosted.is_ready = true;
            self.ready.push_back(machine);
        }
    }

    fn serve_next(&mut self, machine: u32) {
        let hosted = &mut self.machines[machine as usize];
        hosted.is_ready = false;
        let process = &self.processes[hosted.process as usize];
        if hosted.is_stepping || !process.is_running() {
            return; // Whoever frees it wakes it again.
        }
        if let Some(input) = hosted.inbox.pop_front() {
            self.serve(machine, input);
        }
    }

    /// Lets the next thing happen, if it happens before a time. Says whether it does.
    #[inline]
    pub(crate) fn step_before(&mut self, limit: Option<Time>) -> bool {
        if !self.ready.is_empty() {
            return self.step_ready(limit);
        }
        let Some(event) = self.timeline.next_before(limit) else { return false };
        self.timeline.begin_step();
        self.handle(event);
        true
    }

    /// Lets the next machine that is lined up have its turn, unless it is time for something else.
    fn step_ready(&mut self, limit: Option<Time>) -> bool {
        if limit.is_some_and(|limit| self.timeline.now() >= limit) {
            return false;
        }
        self.timeline.begin_step();
        if let Some(machine) = self.ready.pop_front() {
            self.serve_next(machine);
        }
        true
    }

    /// Steps a machine on ideal hardware: its effects leave at once.
    fn serve(&mut self, machine: u32, input: Input) {
        let hosted = &mut self.machines[machine as usize];
        let process = &self.processes[hosted.process as usize];
        let unanswered = unanswered_request(&input);
        let Some(stepped) = &mut hosted.machine else { return };
        stepped.step(process.clock.now(self.timeline.now()), input, &mut hosted.outbox);
        if !hosted.outbox.is_empty() {
            hosted.is_stepping = true;
            self.carry_out(machine);
        }
        let hosted = &mut self.machines[machine as usize];
        hosted.is_stepping = false;
        let is_done = hosted.inbox.is_empty() && unanswered.is_none();
        if !is_done {
            self.follow_up(machine, unanswered);
        }
    }

    /// A step is over, and there is more to do: another request of a connection whose last one gets no answer,
    /// or whatever waits.
    fn follow_up(&mut self, machine: u32, unanswered: Option<ConnectionId>) {
        if let Some(connection) = unanswered {
            let next = self.network.unmute(connection, &mut self.timeline);
            if let Some((machine, input)) = next {
                self.deliver(machine, input);
            }
        }
        self.wake(machine);
    }

    /// An operator, an application or a scenario asks something of all machines of a process.
    pub fn command(&mut self, node: NodeId, command: Command) {
        let Some(range) = self.process(node).map(Process::range) else { return };
        for machine in range {
            self.command_machine(machine as u32, command.clone());
        }
    }

    fn command_machine(&mut self, machine: u32, command: Command) {
        self.put_in_line(machine, Input::Command(command));
        self.wake(machine);
    }

    /// Something waits for a machine, behind everything else.
    fn put_in_line(&mut self, machine: u32, input: Input) {
        let hosted = &mut self.machines[machine as usize];
        match self.processes[hosted.process as usize].host.is_ideal() {
            true => hosted.inbox.push_back(input),
            false => self.admit(machine, input),
        }
    }

    /// Throws away what the queue holds of timers that were stopped or moved.
    fn tidy(&mut self) {
        let machines = &mut self.machines;
        self.timeline.tidy(|event| match event {
            Event::Timer { machine, slot, armed } => {
                machines[machine as usize].timers.keeps(slot, armed)
            }
            _ => true,
        });
    }
}

impl<M: Machine> Simulation for Engine<M> {
    fn next_time(&self) -> Option<Time> {
        match self.ready.is_empty() {
            true => self.timeline.next_time(),
            false => Some(self.timeline.now()),
        }
    }

    fn step(&mut self) -> Option<&[Entry]> {
        self.step_before(None).then(|| self.timeline.show())
    }

    fn fingerprint(&self) -> Option<&Fingerprint> {
        self.timeline.fingerprint()
    }
}
