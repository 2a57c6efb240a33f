//! The way of an input through a host that is not ideal: through a network thread, to a thread and a core that are
//! free, for its service time, and then through the machine.
//!
//! A machine's state, stores and facts change at one moment, at the end of its service time, however many of its
//! inputs are in service at once: what a broker's threads share is guarded by locks of which the model has
//! none. What only the step tells (records found, an application's sends, a wait for the disk) keeps the thread
//! busy after the step, and the step's messages leave when that has passed. A thread that waits for the disk leaves its
//! core to others (see [`blocked`](super::blocked)).

use super::Engine;
use super::blocked::Blocking;
use super::process::{Process, unanswered_request};
use crate::costs::Threads;
use crate::timeline::{Event, Timeline};
use klab_machine::fact::WorldFact;
use klab_machine::trace::What;
use klab_machine::{Change, ConnectionId, CorrelationId, Effect, Input, Machine};
use klab_wire::{Span, Time};

/// Something that an event brings on.
#[derive(Clone, Debug)]
pub(super) enum Stage {
    /// A request comes from a network thread to its lane.
    Arriving(Input),
    /// An input's service time is over: the machine is stepped.
    Serving { lane: u32, input: Input },
    /// What the step has cost on top is over; the thread may have to wait for the disk then.
    Holding { lane: u32, then: Blocking },
    /// The thread has waited for the disk.
    Blocked { lane: u32, then: Blocking },
    /// The oldest message of a connection leaves.
    Leaving(ConnectionId),
    /// The process ends.
    Halting,
}

impl<M: Machine> Engine<M> {
    /// Something is for a machine on a host that is not ideal.
    pub(super) fn admit(&mut self, machine: u32, input: Input) {
        let hosted = &self.machines[machine as usize];
        let process = &mut self.processes[hosted.process as usize];
        if !process.is_up() {
            return;
        }
        match &input {
            Input::Request { request, .. } => {
                process.host.count_request();
                if !matches!(hosted.lanes.threads, Threads::Broker { .. }) {
                    return self.line_up(machine, input);
                }
                let (host, now) = (&mut process.host, self.timeline.now());
                let read = host.pass_network_thread(now, request.size_in_bytes());
                let at = read + host.slowed(host.costs.hand_off);
                self.stage(machine, at, Stage::Arriving(input));
            }
            _ => self.line_up(machine, input),
        }
    }

    /// An input waits in its lane, or is taken in hand at once.
    pub(super) fn line_up(&mut self, machine: u32, input: Input) {
        let lanes = &mut self.machines[machine as usize].lanes;
        let lane = lanes.of(&input);
        if let Input::Disconnected { connection, .. } = input {
            lanes.forget(connection);
        }
        lanes.get(lane).line.push_back(input);
        self.start_lane(machine, lane);
    }

    /// What was planned comes, unless its process has ended, or stands still.
    pub(super) fn staged(&mut self, machine: u32, serial: u32) {
        let hosted = &mut self.machines[machine as usize];
        let process = &mut self.processes[hosted.process as usize];
        if !hosted.stages.contains_key(&serial) {
            return;
        }
        if !process.is_running() {
            return process.held.push((machine, serial));
        }
        if let Some(until) = collects_until(process, &mut self.timeline) {
            return self.timeline.plan(until, Event::Staged { machine, serial });
        }
        match hosted.stages.remove(&serial).expect("it is there") {
            Stage::Arriving(input) => self.line_up(machine, input),
            Stage::Serving { lane, input } => {
                self.release(machine, lane);
                self.execute(machine, lane, input);
                self.go_on(machine, lane);
            }
            Stage::Holding { lane, then } => {
                self.release_core(machine);
                self.block(machine, lane, then);
                self.hand_on_cores(machine);
            }
            Stage::Blocked { lane, then } => self.block(machine, lane, then),
            Stage::Leaving(connection) => {
                if let Some(message) = hosted.departures.leave(connection) {
                    self.carry_out_one(machine, message);
                }
            }
            Stage::Halting => self.carry_out_one(machine, Effect::Halt),
        }
    }

    /// A process runs again: what was held up comes, and whatever waits is taken in hand.
    pub(super) fn thaw(&mut self, process: u32) {
        let thawed = &mut self.processes[process as usize];
        thawed.thaws = false;
        let now = self.timeline.now();
        for (machine, serial) in std::mem::take(&mut thawed.held) {
            self.timeline.plan(now, Event::Staged { machine, serial });
        }
        for machine in self.processes[process as usize].range() {
            for lane in 0..self.machines[machine].lanes.count() {
                self.start_lane(machine as u32, lane);
            }
        }
    }

    pub(super) fn stage(&mut self, machine: u32, at: Time, stage: Stage) {
        let hosted = &mut self.machines[machine as usize];
        hosted.staged = hosted.staged.wrapping_add(1);
        let serial = hosted.staged;
        hosted.stages.insert(serial, stage);
        self.timeline.plan(at, Event::Staged { machine, serial });
    }

    /// Takes in hand what waits in a lane, as far as threads and cores go.
    fn start_lane(&mut self, machine: u32, lane: u32) {
        while let Some(input) = self.next_of(machine, lane) {
            let hosted = &self.machines[machine as usize];
            let host = &self.processes[hosted.process as usize].host;
            let session = host.costs.session_of(hosted.machine.as_ref(), &input);
            let service = host.slowed(host.costs.before(hosted.lanes.threads, &input) + session);
            if service == Span::ZERO {
                self.execute(machine, lane, input);
            } else {
                self.occupy(machine, lane, service);
                let at = self.timeline.now() + service;
                self.stage(machine, at, Stage::Serving { lane, input });
            }
        }
    }

    /// The next input of a lane, if it can be taken in hand now. Else whoever is in the way starts the lane again.
    fn next_of(&mut self, machine: u32, lane: u32) -> Option<Input> {
        let hosted = &mut self.machines[machine as usize];
        let process = &mut self.processes[hosted.process as usize];
        let line = hosted.lanes.get(lane);
        if hosted.is_stepping || !process.is_running() || !line.can_start() {
            return None;
        }
        if let Some(until) = collects_until(process, &mut self.timeline) {
            if !std::mem::replace(&mut process.thaws, true) {
                self.timeline.plan(until, Event::Thaw { process: hosted.process });
            }
            return None;
        }
        if !process.host.has_free_core() {
            if !std::mem::replace(&mut line.waits_for_core, true) {
                process.waiting.push_back((machine, lane));
            }
            return None;
        }
        line.line.pop_front()
    }

    fn occupy(&mut self, machine: u32, lane: u32, time: Span) {
        let hosted = &mut self.machines[machine as usize];
        hosted.lanes.get(lane).occupy(time);
        self.processes[hosted.process as usize].host.occupy_core(time);
    }

    fn release(&mut self, machine: u32, lane: u32) {
        self.machines[machine as usize].lanes.get(lane).release();
        self.release_core(machine);
    }

    fn release_core(&mut self, machine: u32) {
        let process = self.machines[machine as usize].process;
        self.processes[process as usize].host.release_core();
    }

    /// A thread and a core may have become free.
    pub(super) fn go_on(&mut self, machine: u32, lane: u32) {
        self.hand_on_cores(machine);
        self.start_lane(machine, lane);
    }

    /// Cores may have become free: the longest waiting goes first.
    fn hand_on_cores(&mut self, machine: u32) {
        let process = self.machines[machine as usize].process;
        let waits = self.processes[process as usize].waiting.len();
        for _ in 0..waits {
            let process = &mut self.processes[process as usize];
            if !process.host.has_free_core() {
                break;
            }
            let Some((machine, lane)) = process.waiting.pop_front() else { break };
            self.machines[machine as usize].lanes.get(lane).waits_for_core = false;
            self.start_lane(machine, lane);
        }
    }

    /// Steps a machine, and carries out what it asks for: messages when everything that the step cost has passed.
    fn execute(&mut self, machine: u32, lane: u32, input: Input) {
        let unanswered = unanswered_request(&input);
        let asked = asked_by(&input);
        let hosted = &mut self.machines[machine as usize];
        let process = hosted.process;
        let now = self.timeline.now();
        let Some(stepped) = &mut hosted.machine else { return };
        stepped.step(self.processes[process as usize].clock.now(now), input, &mut hosted.outbox);
        hosted.is_stepping = true;
        let (cost, blocking, messages) = self.carry_out_all_but_messages(machine, lane, asked);
        let passed = now + cost + blocking.wait;
        if cost > Span::ZERO {
            self.occupy(machine, lane, cost);
            self.stage(machine, now + cost, Stage::Holding { lane, then: blocking });
        } else if blocking.is_any() {
            self.machines[machine as usize].lanes.get(lane).occupy(Span::ZERO);
            self.block(machine, lane, blocking);
        }
        for message in messages {
            self.leave(machine, message, passed);
        }
        if let Some(connection) = unanswered {
            let next = self.network.unmute(connection, &mut self.timeline);
            if let Some((machine, input)) = next {
                self.deliver(machine, input);
            }
        }
        self.machines[machine as usize].is_stepping = false;
        self.start_all_but(machine, lane);
    }

    /// Inputs that came during the step waited for its end.
    fn start_all_but(&mut self, machine: u32, lane: u32) {
        for other in 0..self.machines[machine as usize].lanes.count() {
            if other != lane {
                self.start_lane(machine, other);
            }
        }
    }

    /// The effects of a step that do not leave the host. Gives what the step has cost, what its thread waits for then, and
    /// the messages.
    fn carry_out_all_but_messages(
        &mut self,
        machine: u32,
        lane: u32,
        asked: Option<Asked>,
    ) -> (Span, Blocking, Vec<Effect>) {
        let hosted = &mut self.machines[machine as usize];
        let syncs = hosted.lanes.wait_for_fsyncs(lane);
        hosted.disk.taken_by(hosted.lanes.next_thread(lane));
        let mut outbox = std::mem::take(&mut hosted.outbox);
        let process = hosted.process as usize;
        let node = self.processes[process].node;
        let (mut cost, mut blocking, mut messages) = (Span::ZERO, Blocking::default(), Vec::new());
        let mut appended_to = None;
        let (effects, mut told) = outbox.drain_all();
        for told in told.as_slice() {
            cost += self.processes[process].host.costs.telling(&told.what);
        }
        for (before, effect) in (0..).zip(effects) {
            self.timeline.tell_first(node, &mut told, before);
            let costs = &self.processes[process].host.costs;
            cost += costs.after(&effect);
            if answered_by(&effect) != asked {
                cost += costs.completing(self.machines[machine as usize].machine.as_ref(), &effect);
            }
            match effect {
                Effect::Read { file, position, bytes } => {
                    let disk = &mut self.machines[machine as usize].disk;
                    let read = disk.read(file, position, bytes, self.timeline.now());
                    blocking.wait = blocking.wait.max(read);
                    self.carry_out_one(machine, Effect::Read { file, position, bytes });
                }
                // Within the append, and so before the next partition's (`UnifiedLog.append`).
                Effect::Flush { file, then } if syncs && appended_to == Some(file) => {
                    blocking.syncs.push_back((file, then));
                }
                Effect::Store { file, change } => {
                    appended_to = matches!(change, Change::Append(_)).then_some(file);
                    self.carry_out_one(machine, Effect::Store { file, change });
                }
                Effect::Send { .. }
                | Effect::Frame { .. }
                | Effect::Respond { .. }
                | Effect::Close { .. }
                | Effect::Halt => messages.push(effect),
                effect => self.carry_out_one(machine, effect),
            }
        }
        self.timeline.tell_first(node, &mut told, u32::MAX);
        drop(told);
        let hosted = &mut self.machines[machine as usize];
        hosted.outbox = outbox;
        blocking.wait = blocking.wait.max(hosted.disk.hold_up(self.timeline.now()));
        (self.processes[process].host.slowed(cost), blocking, messages)
    }

    /// A message leaves its thread: a broker's answer through a network thread, everything else at once; but nothing
    /// before what was sent earlier on the same connection.
    fn leave(&mut self, machine: u32, message: Effect, at: Time) {
        let now = self.timeline.now();
        let hosted = &mut self.machines[machine as usize];
        let host = &mut self.processes[hosted.process as usize].host;
        let through_network_thread = matches!(hosted.lanes.threads, Threads::Broker { .. })
            && matches!(message, Effect::Respond { .. } | Effect::Close { .. });
        let at = match through_network_thread {
            true => host.pass_network_thread(at + host.slowed(host.costs.hand_off), 0),
            false => at,
        };
        match connection_of(&message) {
            None if at > now => self.stage(machine, at, Stage::Halting),
            Some(connection) if at > now || !hosted.departures.is_free(connection) => {
                let at = hosted.departures.line_up(connection, message, at);
                self.stage(machine, at, Stage::Leaving(connection));
            }
            _ => self.carry_out_one(machine, message),
        }
    }
}

/// The connection that a message goes by; none for the end of the process.
fn connection_of(message: &Effect) -> Option<ConnectionId> {
    match message {
        Effect::Send { connection, .. }
        | Effect::Frame { connection, .. }
        | Effect::Respond { connection, .. }
        | Effect::Close { connection } => Some(*connection),
        _ => None,
    }
}

/// What names a request: its connection, and its number there.
type Asked = (ConnectionId, CorrelationId);

fn asked_by(input: &Input) -> Option<Asked> {
    match input {
        Input::Request { connection, correlation, .. } => Some((*connection, *correlation)),
        _ => None,
    }
}

fn answered_by(effect: &Effect) -> Option<Asked> {
    match effect {
        Effect::Respond { connection, correlation, .. } => Some((*connection, *correlation)),
        _ => None,
    }
}

/// Until when a garbage collection lets nothing of the process run, if there is one now. Whom it holds up first states
/// it.
fn collects_until(process: &mut Process, timeline: &mut Timeline) -> Option<Time> {
    let until = process.host.collects_until(timeline.now())?;
    if let Some(pause) = process.host.collection_noticed() {
        timeline.tell(process.node, What::Fact(WorldFact::CollectionNoticed { pause }.into()));
    }
    Some(until)
}
