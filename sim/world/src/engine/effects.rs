//! Carrying out what a machine asked for, in the order in which it asked.

use super::Engine;
use super::process::Process;
use crate::disk::{Disk, Flushed};
use crate::network::Network;
use crate::timeline::{Event, Timeline};
use crate::timers::{Rearm, Timers};
use klab_machine::{
    Address, ConnectionId, CorrelationId, Effect, File, FlushId, Input, Machine, Outbox,
    StorageFailure, Timer,
};
use klab_wire::{NodeId, Response, Span};
use std::collections::{BTreeMap, VecDeque};

/// What the effects of one machine reach: everything but the other machines.
struct Reach<'a> {
    machine: u32,
    /// Where its process is.
    site: u32,
    process: &'a Process,
    by_node: &'a BTreeMap<NodeId, u32>,
    network: &'a mut Network,
    timeline: &'a mut Timeline,
    disk: &'a mut Disk,
    timers: &'a mut Timers,
    inbox: &'a mut VecDeque<Input>,
}

impl<M: Machine> Engine<M> {
    /// Carries out the effects of a machine's last step, and tells what it tells between them.
    pub(super) fn carry_out(&mut self, machine: u32) {
        let (mut reach, outbox) = self.reach(machine);
        let (node, (effects, mut told)) = (reach.process.node, outbox.drain_all());
        let (mut before, mut halts, mut ends) = (0, false, false);
        for effect in effects {
            reach.timeline.tell_first(node, &mut told, before);
            before += 1;
            if matches!(effect, Effect::Halt) {
                halts = true;
                ends = reach.process.next_to_leave(machine).is_none();
            }
            if ends {
                break; // Nothing more is written.
            }
            reach.carry_out(effect);
        }
        if !ends {
            reach.timeline.tell_first(node, &mut told, u32::MAX);
        }
        drop(told);
        if halts {
            self.halt(machine);
        }
        self.settle(machine);
    }

    /// Carries out an effect that leaves by itself: on a host where a step takes time.
    pub(super) fn carry_out_one(&mut self, machine: u32, effect: Effect) {
        match effect {
            Effect::Halt => self.halt(machine),
            effect => self.reach(machine).0.carry_out(effect),
        }
        self.settle(machine);
    }

    fn reach(&mut self, machine: u32) -> (Reach<'_>, &mut Outbox) {
        let hosted = &mut self.machines[machine as usize];
        let reach = Reach {
            machine,
            site: hosted.process,
            process: &self.processes[hosted.process as usize],
            by_node: &self.by_node,
            network: &mut self.network,
            timeline: &mut self.timeline,
            disk: &mut hosted.disk,
            timers: &mut hosted.timers,
            inbox: &mut hosted.inbox,
        };
        (reach, &mut hosted.outbox)
    }

    /// What effects have left to do.
    #[inline]
    fn settle(&mut self, machine: u32) {
        if !self.machines[machine as usize].inbox.is_empty() {
            self.admit_what_waits(machine);
        }
        if self.timeline.wants_tidying() {
            self.tidy();
        }
    }

    /// On a host where a step takes time nothing waits in front of the threads.
    fn admit_what_waits(&mut self, machine: u32) {
        let hosted = &mut self.machines[machine as usize];
        if !self.processes[hosted.process as usize].host.is_ideal() {
            for input in std::mem::take(&mut hosted.inbox) {
                self.admit(machine, input);
            }
        }
    }
}

impl Reach<'_> {
    /// Not part of the loop: the compiler would take every effect to pieces there, of whatever kind it is.
    #[inline(never)]
    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Connect { connection, to } => self.connect(connection, to),
            Effect::Close { connection } => {
                self.network.close(connection, self.machine, self.timeline);
            }
            Effect::Send { connection, correlation, request } => {
                self.network.send(connection, correlation, request, self.timeline);
            }
            Effect::Respond { connection, correlation, response } => {
                self.respond(connection, correlation, response);
            }
            Effect::Frame { connection, frame } => {
                self.network.frame(connection, self.machine, frame, self.timeline);
            }
            Effect::SetTimer { timer, after } => self.set_timer(timer, after),
            Effect::StopTimer { timer } => self.stop_timer(timer),
            Effect::Store { file, change } => {
                let stored = self.disk.store(file, change, self.timeline);
                self.report(stored);
            }
            Effect::Flush { file, then } => self.flush(file, then),
            // A read has cost its time already; a disk that fails has nothing to give.
            Effect::Read { .. } => self.report(self.disk.readable()),
            Effect::Spend { .. } => {} // Its time has passed.
            Effect::Halt => {} // Its process goes on: another machine of it has yet to leave.
        }
    }

    fn connect(&mut self, connection: ConnectionId, to: Address) {
        let host = self.by_node.get(&to.node).copied();
        let from = (self.machine, self.site);
        self.network.connect(connection, from, (to, host), self.timeline);
    }

    /// What waited behind the request is this machine's too: it takes it when its step is over.
    fn respond(
        &mut self,
        connection: ConnectionId,
        correlation: CorrelationId,
        response: Response,
    ) {
        let next = self.network.respond(connection, correlation, response, self.timeline);
        self.inbox.extend(next.map(|(_, input)| input));
    }

    fn set_timer(&mut self, timer: Timer, after: Span) {
        if after == Span::MAX {
            return self.stop_timer(timer); // It would never run out.
        }
        let deadline = self.process.clock.deadline(self.timeline.now(), after);
        match self.timers.set(timer, deadline) {
            Rearm::Plan { slot, armed, buries } => {
                let machine = self.machine;
                self.timeline.plan(deadline, Event::Timer { machine, slot, armed });
                if buries {
                    self.timeline.bury();
                }
            }
            Rearm::Keep { revives: true } => self.timeline.unbury(),
            Rearm::Keep { revives: false } => {}
        }
    }

    fn stop_timer(&mut self, timer: Timer) {
        if self.timers.stop(timer) {
            self.timeline.bury();
        }
    }

    fn flush(&mut self, file: File, then: FlushId) {
        let then = Flushed { life: self.process.life, flush: then };
        let begun = self.disk.flush(file, then, self.timeline);
        self.report(begun);
    }

    fn report(&mut self, outcome: Result<(), StorageFailure>) {
        if let Err(failure) = outcome {
            self.inbox.push_back(Input::StorageFailed(failure));
        }
    }
}
