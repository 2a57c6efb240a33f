//! Carrying out what a machine asked for, in the order in which it asked.

use super::Engine;
use crate::disk::Flushed;
use crate::timeline::Event;
use crate::timers::Rearm;
use klab_machine::trace::What;
use klab_machine::{
    Address, ConnectionId, Effect, File, FlushId, Input, Machine, StorageFailure, Timer,
};
use klab_wire::{NodeId, Span};

impl<M: Machine> Engine<M> {
    /// Carries out the effects of a machine's last step.
    pub(super) fn carry_out(&mut self, machine: u32) {
        // The outbox is taken out for the time being, so that the engine can be changed; it comes back
        // with its memory and its numbers.
        let mut outbox = std::mem::take(&mut self.machines[machine as usize].outbox);
        let process = self.machines[machine as usize].process;
        let node = self.processes[process as usize].node;
        for effect in outbox.drain() {
            let may_end = matches!(effect, Effect::Halt);
            self.carry_out_one(machine, node, effect);
            if may_end && self.machines[machine as usize].machine.is_none() {
                return; // Nothing more is written, and the outbox has gone with the process.
            }
        }
        self.machines[machine as usize].outbox = outbox;
    }

    pub(super) fn carry_out_one(&mut self, machine: u32, node: NodeId, effect: Effect) {
        match effect {
            Effect::Connect { connection, to } => self.connect(machine, connection, to),
            Effect::Close { connection } => {
                self.network.close(connection, machine, &mut self.timeline);
            }
            Effect::Send { connection, correlation, request } => {
                self.network.send(connection, correlation, request, &mut self.timeline);
            }
            Effect::Respond { connection, correlation, response } => {
                let network = &mut self.network;
                let next = network.respond(connection, correlation, response, &mut self.timeline);
                self.deliver_some(next);
            }
            Effect::Frame { connection, frame } => {
                self.network.frame(connection, machine, frame, &mut self.timeline);
            }
            Effect::SetTimer { timer, after } => self.set_timer(machine, timer, after),
            Effect::StopTimer { timer } => self.stop_timer(machine, timer),
            Effect::Store { file, change } => {
                let disk = &mut self.machines[machine as usize].disk;
                let stored = disk.store(file, change, &mut self.timeline);
                self.report(machine, stored);
            }
            Effect::Flush { file, then } => self.flush(machine, file, then),
            Effect::Read { .. } => self.read(machine),
            Effect::Record(operation) => self.timeline.tell(node, What::Operation(operation)),
            Effect::State(fact) => self.timeline.tell(node, What::Fact(fact)),
            Effect::Spend { .. } => {} // Its time has passed.
            Effect::Halt => self.halt(machine),
        }
    }

    fn connect(&mut self, machine: u32, connection: ConnectionId, to: Address) {
        let from = self.machines[machine as usize].process;
        let host = self.by_node.get(&to.node).copied();
        self.network.connect(connection, (machine, from), (to, host), &mut self.timeline);
    }

    fn set_timer(&mut self, machine: u32, timer: Timer, after: Span) {
        let hosted = &mut self.machines[machine as usize];
        if after == Span::MAX {
            return self.stop_timer(machine, timer); // It would never run out.
        }
        let clock = self.processes[hosted.process as usize].clock;
        let deadline = clock.deadline(self.timeline.now(), after);
        match hosted.timers.set(timer, deadline) {
            Rearm::Plan { slot, armed, buries } => {
                self.timeline.plan(deadline, Event::Timer { machine, slot, armed });
                if buries {
                    self.bury();
                }
            }
            Rearm::Keep { revives: true } => self.timeline.unbury(),
            Rearm::Keep { revives: false } => {}
        }
    }

    fn stop_timer(&mut self, machine: u32, timer: Timer) {
        if self.machines[machine as usize].timers.stop(timer) {
            self.bury();
        }
    }

    fn bury(&mut self) {
        self.timeline.bury();
        if self.timeline.wants_tidying() {
            self.tidy();
        }
    }

    fn flush(&mut self, machine: u32, file: File, then: FlushId) {
        let then = Flushed { life: self.life_of(machine), flush: then };
        let disk = &mut self.machines[machine as usize].disk;
        let begun = disk.flush(file, then, &mut self.timeline);
        self.report(machine, begun);
    }

    /// A read has cost its time already; a disk that fails has nothing to give.
    fn read(&mut self, machine: u32) {
        let read = self.machines[machine as usize].disk.readable();
        self.report(machine, read);
    }

    fn report(&mut self, machine: u32, outcome: Result<(), StorageFailure>) {
        if let Err(failure) = outcome {
            self.put_in_line(machine, Input::StorageFailed(failure));
        }
    }

    fn life_of(&self, machine: u32) -> u32 {
        self.processes[self.machines[machine as usize].process as usize].life
    }
}
